// Twins: the same network at other precisions, found beside a model; and the best among them.

#include "sim/describe/twins.hpp"
#include "sim/report/report.hpp"
#include "sim/search/twins.hpp"
#include "sim/search/wishes.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>

namespace {

// One product of 3x3 pixels, with weights of `element`.
std::string model_text(const std::string& name,
                       const std::string& element,
                       const std::string& more,
                       int side = 3) {
    return fmt::format(
        "hetmap: model/1\n"
        "name: {}\n"
        "input: {{name: image, height: {}, width: 3, channels: 1, type: f32}}\n"
        "parameters: {{seed: 1}}\n"
        "layers:\n"
        "  - {{name: fc, operation: linear, inputs: [image], weights: {}, out_channels: 2}}\n"
        "output: fc\n{}",
        name,
        side,
        element,
        more);
}

std::string accuracy_text(double percent) {
    return fmt::format("accuracy: {{metric: top-1, measured: [{{name: trained, percent: {}}}]}}\n",
                       percent);
}

// `net`, of f32 (92 %), and beside it `byte` (91.5 %) and `small` (91 %) with other weights.
std::string write_family(const TemporaryFolder& folder) {
    folder.write("net/byte/model.yaml", model_text("byte", "int8", accuracy_text(91.5)));
    folder.write("net/small/model.yaml", model_text("small", "f16", accuracy_text(91)));
    return folder.write("net/model.yaml",
                        model_text("net", "f32", accuracy_text(92) + "twins: [byte, small]\n"));
}

// f32 takes 9 us, int8 4, f16 5.
sim::Platform platform(const TemporaryFolder& folder) {
    std::string text =
        "hetmap: platform/1\n"
        "name: machine\n"
        "memories: [{name: host}]\n"
        "devices: [{name: cpu, kind: cpu, memory: host, asynchronous: false}]\n"
        "costs:\n";
    for (const auto& [weights, us] : {std::pair{"f32", 9}, {"int8", 4}, {"f16", 5}}) {
        text += fmt::format(
            "  - {{layers: \"linear f32 3x3x1 w{} 2\", batch: 1, device: cpu, variant: v, "
            "configuration: \"1\", time_us: {}}}\n",
            weights,
            us);
    }
    return sim::load_platform(folder.write("machine.yaml", text), {});
}

// Each of the family, compiled and asked.
struct Asked {
    std::vector<sim::Model> models;
    std::vector<std::unique_ptr<sim::Problem>> problems;
    std::vector<sim::Question> questions;
};

Asked ask(const TemporaryFolder& folder, const sim::Wishes& wishes) {
    Asked asked;
    asked.models = sim::with_twins(sim::load_model(write_family(folder), {}));
    const sim::Platform machine = platform(folder);
    for (const sim::Model& model : asked.models) {
        asked.problems.push_back(
            std::make_unique<sim::Problem>(sim::problem_of(wishes, model, machine, 1)));
        asked.questions.push_back(sim::question_of(wishes, *asked.problems.back()));
    }
    return asked;
}

sim::Wishes front_wished() {
    sim::Wishes wishes;
    wishes.pareto = {"latency", "accuracy"};
    return wishes;
}

sim::FrontAnswer front_of(const Asked& asked) {
    std::vector<sim::FrontAnswer> fronts;
    for (std::size_t i = 0; i < asked.models.size(); ++i) {
        fronts.push_back(
            sim::front_answer_to(asked.questions[i], asked.models[i], *asked.problems[i]));
    }
    return sim::front_of_twins(std::move(fronts));
}

}  // namespace

TEST_CASE("a model brings its twins, and a mapping's name finds one") {
    const TemporaryFolder folder;
    const sim::Model model = sim::load_model(write_family(folder), {});
    const std::vector<sim::Model> all = sim::with_twins(model);
    REQUIRE(all.size() == 3);
    CHECK(all[0].name == "net");
    CHECK(all[1].name == "byte");
    CHECK(all[2].name == "small");
    CHECK(sim::twin_named(model, "small").path.parent_path().filename() == "small");
    CHECK(sim::twin_named(model, "net").name == "net");
    CHECK(sim::twin_named(model, "unheard-of").name == "net");
    CHECK(sim::twin_named(model, "").name == "net");
    const std::vector<std::filesystem::path> folders{folder.path()};
    CHECK(sim::load_model("net/byte", folders).name == "byte");
}

TEST_CASE("twins that are none are refused where they are named") {
    const TemporaryFolder folder;
    const auto refused = [&](const std::string& twins) {
        const std::string file =
            folder.write("net/model.yaml", model_text("net", "f32", "twins: " + twins + "\n"));
        return folder.error_of([&] { sim::with_twins(sim::load_model(file, {})); });
    };
    CHECK(refused("[gone]") == "net/model.yaml:8:9: twin 'gone': net/gone: no such file");
    folder.write("net/large/model.yaml", model_text("large", "f32", "", 5));
    CHECK(refused("[large]") ==
          "net/model.yaml:8:9: twin 'large' does not take and give what 'net' does");
    folder.write("net/same/model.yaml", model_text("net", "f32", ""));
    CHECK(refused("[same]") == "net/model.yaml:8:9: twin 'same' is called 'net', as another is");
    CHECK(refused("{a: b}").starts_with("net/model.yaml:8:8: twins: expected a list"));
}

TEST_CASE("the front of twins goes by what was measured of each") {
    // net 9 us 92 %; byte 4 us 91.5 %; small 5 us 91 %, which byte beats.
    const TemporaryFolder folder;
    const Asked asked = ask(folder, front_wished());
    const sim::FrontAnswer front = front_of(asked);
    CHECK(front.front.proven);
    REQUIRE(front.points.size() == 2);
    CHECK(front.points[0].problem->model == "byte");
    CHECK(front.points[1].problem->model == "net");
    CHECK(front.points[1].point == 2);
    using Values = std::vector<double>;
    CHECK(front.front.points[0].values == Values{4e6, 0.5e6});
    CHECK(front.front.points[1].values == Values{9e6, 0});
    CHECK(front.front.ideal == Values{4e6, 0});
    CHECK(sim::front_text(front) ==
          "net on machine, batch 1: the front of latency and accuracy lost\n"
          "\n"
          "point  latency [us]  accuracy lost [points]  accuracy [%]  network  devices\n"
          "    1          4.00                     0.5         91.50     byte  cpu 100%\n"
          "    2          9.00                       0         92.00      net  cpu 100%\n"
          "\n"
          "accuracy lost against the most accurate of these points\n"
          "2 points, proven: no mapping is better than all of them (3 nodes)\n");
    CHECK(sim::front_csv(front) ==
          "point,latency [us],accuracy lost [points],accuracy [%],network,share of channels on "
          "cpu\n"
          "1,4,0.5,91.5,byte,1\n"
          "2,9,0,92,net,1\n");
    CHECK(sim::front_svg(front).find(">byte</text>") != std::string::npos);
}

TEST_CASE("the best of twins: the fastest, or the most accurate") {
    const TemporaryFolder folder;
    for (const auto& [objective, best] : {std::pair{"latency", 1}, {"accuracy", 0}}) {
        sim::Wishes wishes;
        wishes.objective = objective;
        const Asked asked = ask(folder, wishes);
        std::vector<sim::Answer> answers;
        for (std::size_t i = 0; i < asked.models.size(); ++i) {
            answers.push_back(
                sim::answer_to(asked.questions[i], asked.models[i], *asked.problems[i]));
        }
        CHECK(static_cast<int>(sim::best_of_twins(answers)) == best);
    }
}

TEST_CASE("twins of unknown accuracy are not compared by it") {
    const TemporaryFolder folder;
    Asked asked = ask(folder, front_wished());
    asked.models[2].accuracy.reset();
    CHECK(folder.error_of([&] { front_of(asked); }) == "accuracy: model 'small' states none");
}
