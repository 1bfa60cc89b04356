// Accuracy of mappings: measured assignments of precisions, the reference, the proxy, and what a
// model does not say.

#include "sim/run/accuracy.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using sim::Mapping;
using sim::Problem;
using sim::Task;

namespace {

// Three layers with weights, two without.
const std::string kModel = R"(hetmap: model/1
name: three
input: {name: image, height: 4, width: 4, channels: 1, type: int8}
parameters: {seed: 1}
layers:
  - {name: a, operation: conv2d, inputs: [image], weights: int8, out_channels: 4, kernel: 3}
  - {name: step, operation: threshold, inputs: [a]}
  - {name: b, operation: conv2d, inputs: [step], weights: int8, out_channels: 8, kernel: 1}
  - {name: c, operation: conv2d, inputs: [image], weights: int8, out_channels: 8, kernel: 3}
  - {name: sum, operation: add, inputs: [b, c]}
output: sum
)";

sim::Model model_with(const std::optional<sim::Accuracy>& accuracy) {
    const TemporaryFolder folder;
    sim::Model model = sim::load_model(folder.write("model.yaml", kModel), {});
    model.accuracy = accuracy;
    return model;
}

// 90 % as it is; with a and c in eight bits and b ternary 88 %; all ternary 80 %. By itself, a
// loses 3 points if it is ternary, any other layer 1.5.
sim::Accuracy accuracy() {
    return {.metric = "top-1",
            .reference = 90,
            .measured = {{.name = "io-8bit",
                          .percent = 88,
                          .source = {},
                          .precision = "int8",
                          .layers = {{"b", "ternary"}},
                          .where = {}},
                         {.name = "all-ternary",
                          .percent = 80,
                          .source = {},
                          .precision = "ternary",
                          .layers = {},
                          .where = {}}},
            .sensitivities = {{.layer = {}, .precision = "ternary", .points = 1.5, .where = {}},
                              {.layer = "a", .precision = "ternary", .points = 3, .where = {}}},
            .sensitivity_source = "made up"};
}

sim::Expression expression(const std::string& text) { return {.text = text, .where = {}}; }

// Two devices, of eight bits and ternary, that divide layers; layers stream through the second.
sim::Platform platform() {
    sim::Platform platform;
    platform.name = "made-up";
    platform.memories = {{.name = "host"}};
    for (const std::string name : {"digital", "analog"}) {
        sim::FormulaCost cost;
        cost.device = static_cast<int>(platform.devices.size());
        cost.operations = {"conv2d", "threshold", "add"};
        cost.variant = "v";
        cost.configuration = "1";
        cost.precision = name == "analog" ? "ternary" : "int8";
        cost.time_us = expression("1");
        cost.fill_us = expression("1");
        cost.shares = true;
        platform.formulas.push_back(cost);
        platform.devices.emplace_back().name = name;
    }
    platform.devices[1].longest_stream = 3;
    sim::SplitRule split;
    split.devices = {0, 1};
    split.operations = {"conv2d"};
    split.join = expression("max");
    platform.splits = {split};
    return platform;
}

struct World {
    sim::Model model;
    Problem problem;
};

World world(const std::optional<sim::Accuracy>& stated) {
    sim::Model model = model_with(stated);
    Problem problem = compile(model, platform(), {});
    return {.model = std::move(model), .problem = std::move(problem)};
}

std::string name_of(const Problem& problem, const Task& task) {
    std::string name = problem.layer_names[static_cast<std::size_t>(task.first)];
    for (const int layer : task.rest) {
        name += "+" + problem.layer_names[static_cast<std::size_t>(layer)];
    }
    return task.variant.empty()
               ? name
               : name + " " +
                     (task.parts.empty()
                          ? problem.device_names[static_cast<std::size_t>(task.device)]
                          : task.configuration);
}

const Task& task_named(const Problem& problem, const std::string& name) {
    return *std::ranges::find(
        problem.tasks, name, [&](const Task& task) { return name_of(problem, task); });
}

// Of tasks in any order; the input's and the output's are added.
Mapping mapping_of(const Problem& problem, std::vector<std::string> names) {
    names.insert(names.end(), {"image", "output"});
    Mapping mapping;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        if (std::ranges::find(names, name_of(problem, problem.tasks[i])) != names.end()) {
            mapping.push_back(static_cast<int>(i));
        }
    }
    REQUIRE(mapping.size() == names.size());
    return mapping;
}

// "88.00 measured io-8bit", "85.50 proxy" or "nothing".
std::string text_of(const World& w, std::vector<std::string> names) {
    const auto estimate = accuracy_of(w.model, w.problem, mapping_of(w.problem, std::move(names)));
    if (!estimate) {
        return "nothing";
    }
    const std::string percent = std::to_string(estimate->percent);
    return percent.substr(0, percent.size() - 4) +
           (estimate->is_proxy ? " proxy" : " measured " + estimate->name);
}

}  // namespace

TEST_CASE("a mapping with a listed assignment of precisions has the accuracy measured with it") {
    const World w = world(accuracy());
    CHECK(text_of(w, {"a digital", "step digital", "b analog", "c digital", "sum digital"}) ==
          "88.00 measured io-8bit");
    // What has no weights has no precision.
    CHECK(text_of(w, {"a digital", "step analog", "b analog", "c digital", "sum analog"}) ==
          "88.00 measured io-8bit");
    CHECK(text_of(w, {"a analog", "step analog", "b analog", "c analog", "sum digital"}) ==
          "80.00 measured all-ternary");
    CHECK(text_of(w, {"a+step+b analog", "c analog", "sum digital"}) ==
          "80.00 measured all-ternary");
    // Eight bits are the model's own.
    CHECK(text_of(w, {"a digital", "step digital", "b digital", "c digital", "sum digital"}) ==
          "90.00 measured reference");
}

TEST_CASE("for other precisions the sum of sensitivities is a proxy") {
    const World w = world(accuracy());
    CHECK(task_named(w.problem, "a analog").loss == 3'000'000);
    CHECK(task_named(w.problem, "b analog").loss == 1'500'000);
    CHECK(task_named(w.problem, "b digital").loss == 0);
    CHECK(task_named(w.problem, "step analog").loss == 0);
    CHECK(text_of(w, {"a analog", "step digital", "b digital", "c digital", "sum digital"}) ==
          "87.00 proxy");
    // A chain's layers are added up.
    CHECK(task_named(w.problem, "a+step+b analog").loss == 4'500'000);
    CHECK(text_of(w, {"a+step+b analog", "c digital", "sum digital"}) == "85.50 proxy");
    // 3 of 8 channels: 3 / 8 of 1.5 points.
    CHECK(task_named(w.problem, "b digital 5 + analog 3").loss == 562'500);
    CHECK(text_of(
              w,
              {"a analog", "step digital", "b digital 5 + analog 3", "c digital", "sum digital"}) ==
          "86.43 proxy");
}

TEST_CASE("a layer divided between precisions has no measured accuracy, one of one precision has") {
    World w = world(accuracy());
    const std::vector<std::string> names{
        "a digital", "step digital", "b digital 1 + analog 7", "c digital", "sum digital"};
    CHECK(text_of(w, names) == "88.68 proxy");
    for (Task& task : w.problem.tasks) {
        for (sim::Part& part : task.parts) {
            part.precision = "ternary";
        }
    }
    CHECK(text_of(w, names) == "88.00 measured io-8bit");
}

TEST_CASE("where a model states nothing, or no sensitivity for a precision, there is no accuracy") {
    const std::vector<std::string> own{
        "a digital", "step digital", "b digital", "c digital", "sum digital"};
    const std::vector<std::string> other{
        "a analog", "step digital", "b digital", "c digital", "sum digital"};
    CHECK(text_of(world(std::nullopt), own) == "nothing");
    sim::Accuracy only_measured = accuracy();
    only_measured.sensitivities.clear();
    World w = world(only_measured);
    CHECK(text_of(w, own) == "90.00 measured reference");
    CHECK(text_of(w, other) == "nothing");
    CHECK(unknown_sensitivity(w.model, w.problem) ==
          "model 'three' states no sensitivity of layer 'a' at precision 'ternary'");

    sim::Accuracy of_a = accuracy();
    of_a.sensitivities.erase(of_a.sensitivities.begin());
    w = world(of_a);
    CHECK(text_of(w, other) == "87.00 proxy");
    CHECK(unknown_sensitivity(w.model, w.problem) ==
          "model 'three' states no sensitivity of layer 'b' at precision 'ternary'");
    w = world(accuracy());
    CHECK(unknown_sensitivity(w.model, w.problem).empty());
}

TEST_CASE("a measured assignment says which tasks it allows") {
    const World w = world(accuracy());
    const std::vector<bool> allowed = tasks_of(w.model, w.problem, w.model.accuracy->measured[0]);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < allowed.size(); ++i) {
        if (allowed[i]) {
            names.push_back(name_of(w.problem, w.problem.tasks[i]));
        }
    }
    std::ranges::sort(names);
    CHECK(names == std::vector<std::string>{"a digital",
                                            "b analog",
                                            "b+sum analog",
                                            "c digital",
                                            "image",
                                            "output",
                                            "step analog",
                                            "step digital",
                                            "step+b analog",
                                            "step+b+sum analog",
                                            "sum analog",
                                            "sum digital"});
}

TEST_CASE("a problem knows the channels that have weights") {
    const World w = world(std::nullopt);
    const auto place = [&](const std::string& name) {
        return static_cast<std::size_t>(std::ranges::find(w.problem.layer_names, name) -
                                        w.problem.layer_names.begin());
    };
    CHECK(w.problem.weighted_channels.size() == w.problem.layer_names.size());
    CHECK(w.problem.weighted_channels[place("a")] == 4);
    CHECK(w.problem.weighted_channels[place("step")] == 0);
    CHECK(w.problem.weighted_channels[place("b")] == 8);
    CHECK(w.problem.weighted_channels[place("image")] == 0);
    CHECK(w.problem.weighted_channels[place("output")] == 0);
}
