// Every mapping that map writes is one that simulate takes, and takes as long: whatever the search,
// whatever of the platform it was allowed to use, whatever the transfer modes. That is not plain:
// the order of the layers and what is worth keeping of a platform depend on what is allowed.

#include "cli_program.hpp"
#include "sim/describe/platform.hpp"
#include "sim/search/search.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>

namespace {

using nlohmann::json;

// Two branches of unlike length that meet twice, as in a residual network.
constexpr const char* kBranches = R"(hetmap: model/1
name: branches
input: {name: image, height: 8, width: 8, channels: 8, type: f32}
parameters: {seed: 1}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: f32, out_channels: 8, kernel: 3, padding: 1}
  - {name: long, operation: conv2d, inputs: [stem], weights: f32, out_channels: 8, kernel: 3, padding: 1}
  - {name: short, operation: conv2d, inputs: [stem], weights: f32, out_channels: 8, kernel: 1}
  - {name: meet, operation: add, inputs: [long, short]}
  - {name: deep, operation: conv2d, inputs: [meet], weights: f32, out_channels: 8, kernel: 3, padding: 1}
  - {name: again, operation: add, inputs: [deep, meet]}
  - {name: flat, operation: flatten, inputs: [again]}
  - {name: fc, operation: linear, inputs: [flat], weights: f32, out_channels: 4}
output: fc
)";

// The host fuses the long branch with the addition, the device the short one: in no order can both.
constexpr const char* kFusing = R"(hetmap: platform/1
name: fusing
memories: [{name: host}, {name: device}]
devices:
  - {name: cpu, kind: none, memory: host, asynchronous: false}
  - {name: gpu, kind: none, memory: device, asynchronous: true, submit_us: 1, per_task_us: 0.5, completion_us: 1}
links:
  - name: up
    from: host
    to: device
    modes:
      - {name: pageable, latency_us: 0.5, bandwidth_gb_per_s: 1}
      - {name: pinned, latency_us: 2, bandwidth_gb_per_s: 20}
  - name: down
    from: device
    to: host
    modes:
      - {name: pageable, latency_us: 0.5, bandwidth_gb_per_s: 1}
      - {name: pinned, latency_us: 2, bandwidth_gb_per_s: 20}
costs:
)";

std::string fusing_platform(const sim::Model& model) {
    std::string text = kFusing;
    std::set<std::string> known;
    const auto add = [&](const std::vector<int>& chain, const std::string& device, double us) {
        const std::string layers = sim::signature(model, chain);
        if (known.insert(device + layers).second) {
            text += fmt::format(
                "  - {{layers: \"{}\", batch: 1, device: {}, variant: v, configuration: \"1\", "
                "in_layout: nhwc, out_layout: nhwc, samples: 5, p05_us: {}, p50_us: {}, p95_us: "
                "{}}}\n",
                layers,
                device,
                us,
                us,
                us);
        }
    };
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        add({layer}, "cpu", 3 + 2.0 * (layer % 3));
        add({layer}, "gpu", 4 - 1.0 * (layer % 3));
        for (const std::vector<int>& chain : sim::chains_from(model, layer, 2)) {
            if (chain.size() == 2) {
                const bool is_short = model.layers[static_cast<std::size_t>(layer)].name == "short";
                add(chain, is_short ? "gpu" : "cpu", 2);
            }
        }
    }
    return text;
}

// What --only may be: nothing, each device, each implementation of one.
std::vector<std::string> restrictions(const std::string& platform) {
    std::vector<std::string> found{""};
    const std::filesystem::path folder = HETMAP_SOURCE_DIR "/platforms";
    const std::vector<std::filesystem::path> places{folder / "published", folder / "measured"};
    const sim::Platform p = sim::load_platform(platform, places);
    std::set<std::string> names;
    for (const sim::Device& device : p.devices) {
        names.insert(device.name);
    }
    for (const sim::MeasuredCost& cost : p.measured) {
        names.insert(p.devices[static_cast<std::size_t>(cost.device)].name + "/" + cost.variant);
    }
    found.insert(found.end(), names.begin(), names.end());
    return found;
}

// Maps with these options and simulates what was written. False if there is no such mapping.
bool round_trip(const std::string& model,
                const std::string& platform,
                const std::vector<std::string>& options) {
    const TemporaryFolder folder;
    const std::string mapping = folder.file("mapping.yaml");
    std::vector<std::string> map{"map",
                                 "--model",
                                 model,
                                 "--platform",
                                 platform,
                                 "--time-limit",
                                 "100ms",
                                 "--out",
                                 mapping,
                                 "--json"};
    map.insert(map.end(), options.begin(), options.end());
    const Outcome mapped = hetmap(map);
    if (mapped.code == 2) {
        return false;  // that this is said for a reason, other tests tell
    }
    CAPTURE(fmt::format("{}", fmt::join(map, " ")));
    CAPTURE(mapped.err);
    REQUIRE(mapped.code == 0);
    const Outcome simulated = hetmap(
        {"simulate", "--model", model, "--platform", platform, "--mapping", mapping, "--json"});
    CAPTURE(simulated.err);
    CAPTURE(text_of(mapping));
    CHECK(simulated.code == 0);
    if (simulated.code == 0) {
        CHECK(json::parse(simulated.out)["makespan_us"] == json::parse(mapped.out)["makespan_us"]);
    }
    return true;
}

}  // namespace

TEST_CASE("a mapping written with any options is simulated without them to the same makespan") {
    const TemporaryFolder folder;
    const std::string branches = folder.write("branches.yaml", kBranches);
    const std::string fusing =
        folder.write("fusing.yaml", fusing_platform(sim::load_model(branches, {})));
    int trips = 0;
    for (const std::string& only : restrictions(fusing)) {
        for (const char* modes : {"first", "fastest", "pinned"}) {
            for (const sim::Search& search : sim::searches()) {
                std::vector<std::string> options{
                    "--search", std::string{search.name}, "--transfer-modes", modes};
                if (!only.empty()) {
                    options.insert(options.end(), {"--only", only});
                }
                trips += round_trip(branches, fusing, options);
            }
        }
    }
    CHECK(trips >= 50);
}

TEST_CASE("mappings for the platforms that come with hetmap are simulated to the same makespan") {
    const std::pair<const char*, const char*> pairs[] = {
        {"darkside-cifar10", "darkside"},
        {"mobilenetv1-0.25-vww", "darkside-dws"},
        {"darkside-imagenet", "darkside-as-coded"},
        {"resnet20-cifar10", "diana"},
        {"resnet18-64", "diana-overlap"},
        {"squeezenet-1.1", "diana"},
        {"vgg7-cifar10", "hep-bnn-laptop"},
        {"vgg3-fashion", "hep-bnn-server-resident"},
        {"vgg7-cifar10", "hep-bnn-tx2-median"},
        {"resnet20-cifar10", "tx2-cyclone10gx"},
        {"resnet18-imagenet", "amd-epyc-2-cores"},
        {"vgg3-fashion", "amd-epyc-2-cores"},
        {"vgg3-fashion", "h100"}};
    int trips = 0;
    for (const auto& pair : pairs) {
        const auto& model = pair.first;
        const auto& platform = pair.second;
        // Every restriction and every search, each with some of the others.
        const std::vector<std::string> restricted = restrictions(platform);
        const std::size_t count = std::max(restricted.size(), sim::searches().size());
        int of_pair = 0;
        for (std::size_t i = 0; i < count; ++i) {
            std::vector<std::string> options{
                "--search",
                std::string{sim::searches()[i % sim::searches().size()].name},
                "--transfer-modes",
                i % 2 == 0 ? "first" : "fastest"};
            if (const std::string& only = restricted[i % restricted.size()]; !only.empty()) {
                options.insert(options.end(), {"--only", only});
            }
            of_pair += round_trip(model, platform, options);
        }
        CAPTURE(platform);
        CHECK(of_pair > 0);
        trips += of_pair;
    }
    CHECK(trips >= 40);
}
