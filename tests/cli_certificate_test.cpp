// The certificate that map writes, read as another program would read it: names of layers and
// implementations become tasks again, and the checker that knows nothing of the search accepts it.

#include "cli_program.hpp"
#include "sim/describe/platform.hpp"
#include "sim_certificate.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace {

using nlohmann::json;

// The host and a device with its own memory and layout; a residual block, and chains.
constexpr const char* kModel = R"(hetmap: model/1
name: block
input: {name: image, height: 4, width: 4, channels: 8, type: f32}
parameters: {seed: 1}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: f32, out_channels: 8, kernel: 3, padding: 1}
  - {name: deep, operation: conv2d, inputs: [stem], weights: f32, out_channels: 8, kernel: 3, padding: 1}
  - {name: meet, operation: add, inputs: [deep, stem]}
  - {name: flat, operation: flatten, inputs: [meet]}
  - {name: fc, operation: linear, inputs: [flat], weights: f32, out_channels: 4}
output: fc
)";

constexpr const char* kPlatform = R"(hetmap: platform/1
name: pair
memories: [{name: host}, {name: device}]
devices:
  - {name: cpu, kind: none, memory: host, asynchronous: false}
  - {name: gpu, kind: none, memory: device, asynchronous: true, submit_us: 2, per_task_us: 0.5, completion_us: 1}
links:
  - {name: up, from: host, to: device, modes: [{name: plain, latency_us: 1, bandwidth_gb_per_s: 1}]}
  - {name: down, from: device, to: host, modes: [{name: plain, latency_us: 1, bandwidth_gb_per_s: 1}]}
formulas:
  - {device: cpu, operations: [conv2d], variant: loops, configuration: "1", time_us: "9"}
  - {device: cpu, operations: [conv2d], variant: loops, configuration: "2", time_us: "7"}
  - {device: cpu, operations: [add, flatten, linear], variant: loops, configuration: "1", time_us: "3"}
  - {device: gpu, operations: [conv2d, add], variant: g, configuration: "1", time_us: "2"}
  - {device: gpu, operations: [linear, flatten], variant: g, configuration: "1", time_us: "5"}
)";

// The task that an entry of `tasks` names; -1 if there is none.
int task_of(const sim::Problem& problem, const json& entry) {
    const auto name_of = [&](int layer) {
        return problem.layer_names[static_cast<std::size_t>(layer)];
    };
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(k)];
        std::vector<std::string> layers{name_of(task.first)};
        std::ranges::transform(task.rest, std::back_inserter(layers), name_of);
        if (entry["layers"] == layers && entry["variant"] == task.variant &&
            entry["configuration"] == task.configuration &&
            entry["device"] == problem.device_names[static_cast<std::size_t>(task.device)]) {
            return k;
        }
    }
    return -1;
}

// Numbers as tasks. No file names the model's input, which every mapping begins with, nor the
// answer, which it ends with.
sim::Mapping mapping_of(const sim::Problem& problem, const json& file, const json& numbers) {
    sim::Mapping mapping;
    mapping.push_back(problem.starting.front().front());
    for (const json& number : numbers) {
        const int task = task_of(problem, file["tasks"].at(number.get<std::size_t>()));
        REQUIRE(task >= 0);
        mapping.push_back(task);
    }
    return mapping;
}

struct Pair {
    TemporaryFolder folder;
    std::string model = folder.write("model.yaml", kModel);
    std::string platform = folder.write("pair.yaml", kPlatform);
    std::string certificate = folder.file("certificate.json");

    Outcome map(std::vector<std::string> more) const {
        std::vector<std::string> all{"map",
                                     "--model",
                                     model,
                                     "--platform",
                                     platform,
                                     "--certificate",
                                     certificate,
                                     "--json"};
        all.insert(all.end(), more.begin(), more.end());
        return hetmap(all);
    }
};

}  // namespace

TEST_CASE("a checker accepts the certificate that map writes, and not one out of order") {
    const Pair pair;
    const Outcome o = pair.map({});
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    const json file = json::parse(text_of(pair.certificate));
    CHECK(file["hetmap"] == "certificate/1");
    CHECK(file["model"] == "block");
    CHECK(file["platform"] == "pair");
    CHECK(file["batch"] == 1);
    CHECK(file["objective"] == "latency");
    CHECK(file["in_any_order"] == true);
    CHECK(file["makespan_ps"].get<double>() / 1e6 == json::parse(o.out)["makespan_us"]);

    const sim::Problem problem = sim::compile(sim::load_model(pair.model, {}),
                                              sim::load_platform(pair.platform, {}),
                                              {.batch = 1, .only = {}, .transfer_modes = "first"});
    const std::vector<std::string>& names = problem.layer_names;
    CHECK(file["order"] == std::vector<std::string>(names.begin() + 1, names.end() - 1));
    sim::Mapping mapping = mapping_of(problem, file, file["mapping"]);
    mapping.push_back(problem.starting.back().front());
    sim::Certificate certificate{
        .in_any_order = file["in_any_order"], .order = {0}, .weightings = {}, .beginnings = {}};
    for (const std::string name : file["order"]) {
        certificate.order.push_back(
            static_cast<int>(std::ranges::find(names, name) - names.begin()));
    }
    certificate.order.push_back(problem.layers() - 1);
    for (const json& numbers : file["beginnings"]) {
        certificate.beginnings.push_back(mapping_of(problem, file, numbers));
    }
    REQUIRE(certificate.beginnings.size() > 2);
    const sim::Time claim{file["makespan_ps"].get<std::int64_t>()};
    CHECK(certificate::complaint(problem, claim, mapping, certificate) == "");
    CHECK(certificate::complaint(problem, claim + sim::Time{1}, mapping, certificate) != "");
    std::swap(certificate.beginnings.front(), certificate.beginnings.back());
    CHECK(certificate::complaint(problem, claim, mapping, certificate) != "");
}

TEST_CASE("a certificate of a throughput names the period and the weights of the work") {
    const Pair pair;
    const Outcome o = pair.map({"--objective", "throughput", "--frames-in-flight", "2"});
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    const json file = json::parse(text_of(pair.certificate)), answer = json::parse(o.out);
    CHECK(file["objective"] == "throughput");
    CHECK(file["frames_in_flight"] == 2);
    CHECK(file["period_ps"].get<double>() / 1e6 == answer["throughput"]["period_us"]);
    CHECK(!file.contains("makespan_ps"));
    REQUIRE(!file["weightings"].empty());
    CHECK(file["weightings"][0]["devices"].contains("cpu"));
}

TEST_CASE("without a proof there is no certificate, and the program says so and ends with 3") {
    const Pair pair;
    // A network on which the proof takes longer than a millisecond.
    std::string text{kModel};
    text.erase(text.find("  - {name: flat"));
    std::string last = "meet";
    for (int i = 0; i < 400; ++i) {
        const std::string conv = "conv" + std::to_string(i), add = "add" + std::to_string(i);
        text += "  - {name: " + conv + ", operation: conv2d, inputs: [" + last +
                "], weights: f32, out_channels: 8, kernel: 3, padding: 1}\n";
        text += "  - {name: " + add + ", operation: add, inputs: [" + conv + ", " + last + "]}\n";
        last = add;
    }
    text += "output: " + last + "\n";
    const std::string model = pair.folder.write("deep.yaml", text);
    const Outcome o = hetmap({"map",
                              "--model",
                              model,
                              "--platform",
                              pair.platform,
                              "--certificate",
                              pair.certificate,
                              "--time-limit",
                              "1ms",
                              "--json"});
    CAPTURE(o.err);
    CHECK(o.code == 3);
    CHECK(o.err.find("--certificate: no certificate: the mapping is not proven to be the best") !=
          std::string::npos);
    CHECK(json::parse(o.out)["proven_optimal"] == false);
    CHECK(!std::filesystem::exists(pair.certificate));
}
