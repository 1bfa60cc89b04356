// The profiles in platforms/measured: that the program finds them, that each says where it is from,
// and that the networks they were measured for can be mapped on them.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

const std::filesystem::path kModels[] = {HETMAP_SOURCE_DIR "/models"};
const std::filesystem::path kPlatforms[] = {HETMAP_SOURCE_DIR "/platforms"};

std::vector<sim::Platform> profiles() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{kPlatforms[0] / "measured"}) {
        names.push_back(entry.path().stem().string());
    }
    std::ranges::sort(names);
    std::vector<sim::Platform> all;
    for (const std::string& name : names) {
        all.push_back(sim::load_platform(name, kPlatforms));
        CHECK(all.back().name == name);
    }
    return all;
}

// Empty: the profile says nothing of that name.
std::string provenance(const sim::Platform& platform, const std::string& key) {
    const auto found =
        std::ranges::find(platform.provenance, key, &std::pair<std::string, std::string>::first);
    return found == platform.provenance.end() ? "" : found->second;
}

}  // namespace

TEST_CASE("profiles of this and of other machines are found by name and say where they are from") {
    std::set<std::string> names;
    for (const sim::Platform& platform : profiles()) {
        CAPTURE(platform.name);
        names.insert(platform.name);
        for (const char* key : {"date", "cpu", "cores", "kernel", "revision", "command"}) {
            CAPTURE(key);
            CHECK(!provenance(platform, key).empty());
        }
        for (const sim::Device& device : platform.devices) {
            CAPTURE(device.name);
            if (device.kind == "cuda") {  // which GPU, and with which driver
                CHECK(!provenance(platform, device.name).empty());
                CHECK(!provenance(platform, device.name + "_driver").empty());
            }
        }
    }
    CHECK(names.contains("amd-epyc-2-cores"));
    CHECK(names.contains("h100"));
}

TEST_CASE("every cost of a measured profile was measured, on every device of it") {
    for (const sim::Platform& platform : profiles()) {
        CAPTURE(platform.name);
        std::vector<int> costs(platform.devices.size(), 0);
        int unsampled = 0, out_of_order = 0;
        for (const sim::MeasuredCost& cost : platform.measured) {
            ++costs.at(static_cast<std::size_t>(cost.device));
            unsampled += cost.time.samples < 1;
            out_of_order += cost.time.p05 > cost.time.p50 || cost.time.p50 > cost.time.p95;
        }
        CHECK(unsampled == 0);
        CHECK(out_of_order == 0);
        CHECK(std::ranges::count(costs, 0) == 0);
    }
}

TEST_CASE("the networks that a profile was measured for are mapped on it at batch 1 and 8") {
    for (const sim::Platform& platform : profiles()) {
        for (const char* name : {"vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"}) {
            const sim::Model model = sim::load_model(name, kModels);
            for (const int batch : {1, 8}) {
                CAPTURE(platform.name);
                CAPTURE(name);
                CAPTURE(batch);
                sim::CompileOptions options;
                options.batch = batch;
                const sim::Problem problem = sim::compile(model, platform, options);
                const sim::SearchResult cpu = sim::find_search("cpu-only").run(problem, {});
                REQUIRE(cpu.status != sim::SearchStatus::infeasible);
                const sim::SearchResult heft = sim::find_search("heft").run(problem, {});
                REQUIRE(heft.status != sim::SearchStatus::infeasible);
                CHECK(heft.makespan > sim::Time{});
                // What an accelerator is there for.
                if (platform.devices.size() > 1 && model.name == "resnet18-imagenet") {
                    CHECK(heft.makespan * 3 < cpu.makespan);
                }
            }
        }
    }
}
