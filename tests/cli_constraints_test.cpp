// hetmap map with constraints, as a user meets them. All numbers are worked out by hand from one
// network and one platform:
//
//     image 1x1x4 f32 -> a -> b -> c: linear layers of 8, 4 and 2 outputs
//     fast: 1 us for each output, 3 W;  frugal: 2 us for each output, 1 W;  0.1 W whatever runs
//
//     everything on fast: 8 + 4 + 2 = 14 us, 14 x 3.1 = 43.4 uJ;  on frugal: 28 us, 30.8 uJ

#include "cli_program.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace {

using nlohmann::json;

constexpr const char* kModel = R"(hetmap: model/1
name: three-linear
input: {name: image, height: 1, width: 1, channels: 4, type: f32}
parameters: {seed: 1}
layers:
  - {name: a, operation: linear, inputs: [image], weights: f32, out_channels: 8}
  - {name: b, operation: linear, inputs: [a], weights: f32, out_channels: 4}
  - {name: c, operation: linear, inputs: [b], weights: f32, out_channels: 2}
output: c
)";

constexpr const char* kPlatform = R"(hetmap: platform/1
name: two-devices
memories: [{name: host, capacity_kib: 64}]
base_power_w: 0.1
devices:
  - {name: fast, kind: none, memory: host, asynchronous: false, active_power_w: 3, idle_power_w: 0}
  - {name: frugal, kind: none, memory: host, asynchronous: false, active_power_w: 1, idle_power_w: 0}
formulas:
  - {device: fast, operations: [linear], variant: f, configuration: "1", time_us: "n"}
  - {device: frugal, operations: [linear], variant: g, configuration: "1", time_us: "2 * n"}
)";

struct Described {
    TemporaryFolder folder;
    std::string model = folder.write("model.yaml", kModel);
    std::string platform = folder.write("two-devices.yaml", kPlatform);

    Outcome map(std::vector<std::string> more) const {
        std::vector<std::string> all{"map", "--model", model, "--platform", platform};
        all.insert(all.end(), more.begin(), more.end());
        return hetmap(all);
    }
    json mapped(std::vector<std::string> more) const {
        more.push_back("--json");
        const Outcome outcome = map(more);
        CAPTURE(outcome.err);
        REQUIRE(outcome.code == 0);
        return json::parse(outcome.out);
    }
    // "fast frugal frugal"
    std::string devices(std::vector<std::string> more) const {
        const json answer = mapped(std::move(more));
        std::string names;
        for (const json& layer : answer["layers"]) {
            names += (names.empty() ? "" : " ") + layer["device"].get<std::string>();
        }
        CHECK(answer["proven_optimal"] == true);
        return names;
    }
};

bool near(const json& value, double expected) {
    return std::abs(value.get<double>() - expected) < 1e-9 * std::abs(expected);
}

}  // namespace

TEST_CASE("the least energy within a latency, and the least latency within an energy") {
    const Described d;
    // On frugal a saves 8 x 3.1 - 16 x 1.1 = 7.2 uJ for 8 us, b 3.6 for 4, c 1.8 for 2.
    CHECK(d.devices({"--objective", "energy"}) == "frugal frugal frugal");
    CHECK(d.devices({"--objective", "energy", "--max", "latency=24us"}) == "frugal fast frugal");
    CHECK(d.devices({"--objective", "energy", "--max", "latency=0.02ms"}) == "fast frugal frugal");
    CHECK(d.devices({"--max", "energy=36.2uJ"}) == "frugal fast fast");
    const json both = d.mapped({"--objective",
                                "energy",
                                "--max",
                                "latency=24us",
                                "--max",
                                "switches=2",
                                "--search",
                                "exhaustive"});
    CHECK(both["constraints"] == json{"max latency=24us", "max switches=2"});
    CHECK(near(both["makespan_us"], 22));  // a on frugal, and back to the host
    CHECK(both["switches"] == 2);
}

TEST_CASE("segments are runs on devices beside the host, switches changes of device") {
    const Described d;
    const json none = d.mapped({"--objective", "energy", "--max", "segments=0"});
    CHECK(near(none["makespan_us"], 14));
    CHECK(none["segments"] == 0);
    CHECK(none["switches"] == 0);
    const json pinned =
        d.mapped({"--pin", "a=frugal", "--pin", "c=frugal/g", "--max", "segments=2"});
    CHECK(pinned["segments"] == 2);
    CHECK(pinned["switches"] == 4);
    CHECK(pinned["constraints"] == json{"pin a=frugal", "pin c=frugal/g", "max segments=2"});
    CHECK(d.devices({"--pin", "a=frugal", "--pin", "c=frugal", "--max", "segments=1"}) ==
          "frugal frugal frugal");
}

TEST_CASE("layers are pinned by patterns, and kept together") {
    const Described d;
    CHECK(d.devices({"--pin", "?=frugal"}) == "frugal frugal frugal");
    CHECK(d.devices({"--pin", "b=frugal/g/1"}) == "fast frugal fast");
    CHECK(d.devices({"--pin", "a=frugal", "--together", "a,c"}) == "frugal fast frugal");
    CHECK(d.devices({"--pin", "a=frugal", "--together", "a,b", "--together", "b,c"}) ==
          "frugal frugal frugal");
    // Every search keeps to pins, and baselines are of what is left.
    for (const char* search : {"greedy", "heft", "exhaustive", "dynamic-programming"}) {
        CAPTURE(search);
        const json answer = d.mapped({"--pin", "b=frugal", "--search", search});
        CHECK(near(answer["makespan_us"], 18));
        CHECK_FALSE(answer["baselines"].contains("only fast"));
        CHECK(near(answer["baselines"]["only frugal"], 28));
    }
    const Outcome text = d.map({"--pin", "b=frugal", "--max", "segments=3"});
    CHECK(text.out.find("keeps to: pin b=frugal, max segments=3\n") != std::string::npos);
}

TEST_CASE("a front keeps to constraints") {
    const Described d;
    const json front =
        d.mapped({"--pareto", "latency,energy", "--max", "latency=24us", "--pin", "b=fast"});
    CHECK(front["constraints"] == json{"pin b=fast", "max latency=24us"});
    CHECK(front["proven"] == true);
    REQUIRE(front["points"].size() == 4);  // none, c, a, both on frugal: 14, 16, 22 and 24 us
    CHECK(near(front["points"][0]["values"]["latency"], 14));
    CHECK(near(front["points"][3]["values"]["latency"], 24));
}

TEST_CASE("a partial mapping is kept, and the rest is mapped") {
    const Described d;
    const std::string head =
        "hetmap: mapping/1\nmodel: three-linear\nplatform: two-devices\nbatch: 1\n";
    const std::string part = d.folder.write(
        "part.yaml",
        head + "entries:\n  - {layers: [b], device: frugal, variant: g, configuration: \"1\"}\n");
    CHECK(d.devices({"--fix", part}) == "fast frugal fast");
    const json answer = d.mapped({"--fix", part, "--objective", "energy", "--max", "latency=20us"});
    CHECK(answer["constraints"] == json{"fix " + part, "max latency=20us"});
    CHECK(near(answer["makespan_us"], 20));
    // All of a mapping too, as `map --out` wrote it.
    const std::string whole = d.folder.file("whole.yaml");
    CHECK(d.map({"--objective", "energy", "--out", whole}).code == 0);
    CHECK(d.devices({"--fix", whole}) == "frugal frugal frugal");
    // What does not hold.
    for (const auto& [text, more, message] :
         std::vector<std::tuple<std::string, std::vector<std::string>, std::string>>{
             {head + "entries:\n  - {layers: [x], device: frugal, variant: g, configuration: "
                     "\"1\"}\n",
              {},
              "has no layer 'x'; there are: a, b, c"},
             {head + "entries:\n  - {layers: [b], device: slow, variant: g, configuration: "
                     "\"1\"}\n",
              {},
              "no implementation slow/g/1 of b"},
             {head + "order: listed\nentries:\n  - {layers: [b], device: fast, variant: f, "
                     "configuration: \"1\"}\n  - {layers: [a], device: fast, variant: f, "
                     "configuration: \"1\"}\n",
              {},
              "in this order some layer reads what comes later"},
             {head + "entries: []\n", {"--batch", "2"}, "is of batch 1; --batch asks for 2"},
             {head + "entries: []\n",
              {"--transfer-modes", "fastest"},
              "has transfer modes 'first'"},
             {head + "entries: []\ncopies:\n  - {tensor: a, from: host, to: host, before: b}\n",
              {},
              "before: a search decides when copies are made"}}) {
        std::vector<std::string> arguments{"--fix", d.folder.write("bad.yaml", text)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Outcome outcome = d.map(arguments);
        CAPTURE(outcome.err);
        CHECK(outcome.code == 2);
        CHECK(outcome.err.find(message) != std::string::npos);
    }
}

TEST_CASE("constraints that nothing keeps to are told in words, and so is what makes no sense") {
    const Described d;
    for (const auto& [arguments, message] :
         std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"--max", "latency=10us"},
              "branch-and-bound: no mapping has latency at most 10us: the least is 14 us"},
             {{"--max", "latency=20us", "--max", "energy=36.1uJ"},
              "no mapping with energy at most 36.1uJ has latency at most 20us: the least is 24 us"},
             {{"--max", "energy=30uJ", "--pareto", "latency,energy"},
              "no mapping has energy at most 30uJ: the least is 30.8 uJ"},
             {{"--max", "switches=3", "--pin", "a=frugal", "--pin", "b=fast", "--pin", "c=frugal"},
              "no mapping with pin a=frugal and pin b=fast and pin c=frugal has switches at most "
              "3: the least is 4"},
             {{"--together", "a,c", "--pin", "a=fast", "--pin", "c=frugal", "--max", "latency=1s"},
              "no mapping keeps to pin a=fast and pin c=frugal and together a,c"},
             {{"--max", "memory.host=100B"},
              "no mapping has memory.host at most 100B: memory "
              "'host': the weights of every mapping need"},
             {{"--pin", "a=gpu0"},
              "pin a=gpu0: platform 'two-devices' has no device 'gpu0'; there are: fast, frugal"},
             {{"--pin", "a=fast/g"},
              "no implementation of layer a on fast/g; there are: fast/f/1, "
              "frugal/g/1"},
             {{"--pin", "conv*=fast"}, "has no layer 'conv*'; there are: a, b, c"},
             {{"--pin", "image=fast"}, "has no layer 'image'"},
             {{"--max", "latency=2parsec"}, "expected a time such as 2ms"},
             {{"--max", "area=2"}, "expected one of latency, energy, memory.NAME, segments"},
             {{"--together", "a"}, "expected two layers or more"},
             {{"--max", "latency=1s", "--search", "heft"},
              "--max: heft cannot keep to limits; searches that can: branch-and-bound, exhaustive, "
              "cpu-only, gpu-only"},
             {{"--together", "a,b", "--search", "uniform"},
              "--together: uniform cannot keep layers together"},
             {{"--pin", "a=fast", "--certificate", d.folder.file("c.json")},
              "certificates are about all mappings"}}) {
        const Outcome outcome = d.map(arguments);
        CAPTURE(outcome.err);
        CHECK(outcome.code == 2);
        CHECK(outcome.out.empty());
        CHECK(outcome.err.find(message) != std::string::npos);
    }
}
