// HEP-BNN's published choices and totals, recomputed from the profiles in platforms/published. The
// totals are those that its repository's tables give, in hundredths of a second for 10,000 images,
// which are microseconds an image. Start at `kPublished`.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using sim::from_microseconds;

const std::filesystem::path kSource{HETMAP_SOURCE_DIR};

struct Published {
    const char* platform;
    const char* model;
    int batch;
    int greedy, cpu, xyz;  // 0: not measured
};

constexpr Published kPublished[] = {
    {"server", "vgg3-fashion", 1, 260, 268, 1332},
    {"server", "vgg3-fashion", 2, 254, 254, 853},
    {"server", "vgg3-fashion", 4, 254, 270, 597},
    {"server", "vgg3-fashion", 8, 226, 327, 458},
    {"server", "vgg3-fashion", 16, 211, 316, 423},
    {"server", "vgg3-fashion", 32, 212, 257, 711},
    {"server", "vgg3-fashion", 64, 214, 259, 797},
    {"server", "vgg3-fashion", 128, 232, 274, 884},
    {"server", "vgg7-cifar10", 1, 5236, 9557, 7352},
    {"server", "vgg7-cifar10", 2, 4581, 9184, 5947},
    {"server", "vgg7-cifar10", 4, 4351, 9248, 5312},
    {"server", "vgg7-cifar10", 8, 4170, 9311, 4911},
    {"server", "vgg7-cifar10", 16, 4166, 9335, 6865},
    {"server", "vgg7-cifar10", 32, 4401, 9268, 9667},
    {"server", "vgg7-cifar10", 64, 4498, 9330, 10690},
    {"server", "vgg7-cifar10", 128, 4536, 9307, 11694},
    {"tx2", "vgg3-fashion", 1, 1117, 1117, 12840},
    {"tx2", "vgg3-fashion", 2, 1150, 1150, 8083},
    {"tx2", "vgg3-fashion", 4, 1153, 1153, 5567},
    {"tx2", "vgg3-fashion", 8, 1102, 1168, 3851},
    {"tx2", "vgg3-fashion", 16, 965, 1158, 2587},
    {"tx2", "vgg3-fashion", 32, 958, 1152, 2380},
    {"tx2", "vgg3-fashion", 64, 931, 1156, 2455},
    {"tx2", "vgg3-fashion", 128, 973, 1186, 2538},
    {"tx2", "vgg7-cifar10", 1, 36099, 46947, 50302},
    {"tx2", "vgg7-cifar10", 2, 33496, 48191, 47902},
    {"tx2", "vgg7-cifar10", 4, 32094, 48093, 44730},
    {"tx2", "vgg7-cifar10", 8, 30442, 47438, 40069},
    {"tx2", "vgg7-cifar10", 16, 29727, 47519, 37469},
    {"tx2", "vgg7-cifar10", 32, 30182, 47535, 36505},
    {"tx2", "vgg7-cifar10", 64, 31763, 47550, 39811},
    {"tx2", "vgg7-cifar10", 128, 32287, 48091, 47262},
    {"laptop", "vgg7-cifar10", 1, 8990, 10474, 14744},
    {"laptop", "vgg7-cifar10", 2, 7675, 10353, 11221},
    {"laptop", "vgg7-cifar10", 4, 6716, 9962, 9429},
    {"laptop", "vgg7-cifar10", 8, 6442, 10060, 14494},
    {"laptop", "vgg7-cifar10", 16, 6093, 9989, 14936},
    {"laptop", "vgg7-cifar10", 32, 5760, 10068, 15156},
    {"laptop", "vgg7-cifar10", 64, 5564, 10058, 16340},
    {"laptop", "vgg7-cifar10", 128, 5500, 10126, 18854},
    {"laptop", "vgg7-cifar10", 256, 9940, 9940, 0},
};

// The batch that HEP-BNN takes, what it chooses there for its layers 1, 2, ..., and what that
// mapping took when it was run (the sum of its layers).
struct Chosen {
    const char* platform;
    const char* model;
    int batch;
    const char* configurations;
    int measured;
};

constexpr Chosen kChosen[] = {
    {"server", "vgg3-fashion", 16, "cpu cpu cpu cpu xz x cpu cpu cpu cpu cpu", 222},
    {"server",
     "vgg7-cifar10",
     16,
     "cpu cpu xy z cpu cpu xz cpu xyz xy cpu xz y xz x cpu cpu x cpu cpu",
     4243},
    {"tx2", "vgg3-fashion", 64, "cpu cpu cpu cpu xz cpu cpu cpu cpu cpu cpu", 1060},
    {"tx2",
     "vgg7-cifar10",
     16,
     "cpu cpu cpu xyz cpu cpu z cpu z cpu cpu xz cpu xz cpu cpu cpu xy cpu cpu",
     31667},
    {"laptop",
     "vgg7-cifar10",
     128,
     "cpu cpu cpu y cpu cpu xyz cpu xyz cpu cpu xyz cpu xyz cpu cpu cpu x cpu cpu",
     5899},
};

// Profiles are read once.
const sim::Platform& platform_named(const std::string& name) {
    static std::map<std::string, sim::Platform> known;
    const auto found = known.find(name);
    if (found != known.end()) {
        return found->second;
    }
    const auto file = kSource / "platforms" / "published" / (name + ".yaml");
    return known.emplace(name, sim::load_platform(file.string(), {})).first->second;
}

sim::Problem problem_of(const std::string& model,
                        const std::string& platform,
                        int batch,
                        std::vector<std::string> only = {}) {
    const std::filesystem::path models[] = {kSource / "models"};
    return sim::compile(sim::load_model(model, models),
                        platform_named(platform),
                        {.batch = batch, .only = std::move(only)});
}

sim::SearchResult search(std::string_view name, const sim::Problem& problem) {
    return sim::find_search(name).run(problem, {});
}

// HEP-BNN's configuration of each of its layers, with spaces between. Its layer 1 is not timed and
// no layer of the model: the first of equals. A chain's task names both or, if equal, one.
std::string configurations(const sim::Problem& problem, const sim::Mapping& mapping) {
    std::string text = "cpu";
    for (const int index : mapping) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(index)];
        if (task.first == 0 || task.first == problem.layers() - 1) {
            continue;
        }
        const std::size_t plus = task.configuration.find(" + ");
        if (plus == std::string::npos) {
            for (std::size_t i = 0; i <= task.rest.size(); ++i) {
                text += " " + task.configuration;
            }
        } else {
            text += " " + task.configuration.substr(0, plus) + " " +
                    task.configuration.substr(plus + 3);
        }
    }
    return text;
}

// What every layer in one configuration takes, as one of HEP-BNN's builds.
sim::Time build(const sim::Problem& problem, const std::string& device, const std::string& name) {
    sim::SearchOptions options;
    options.only = device + "/generated/" + name;
    return sim::find_search("uniform").run(problem, options).makespan;
}

sim::Time batch_time(int hundredths, int batch) {
    return from_microseconds(static_cast<double>(hundredths) * batch);
}

std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> parts;
    std::istringstream text{line};
    for (std::string part; std::getline(text, part, separator);) {
        parts.push_back(part);
    }
    return parts;
}

}  // namespace

TEST_CASE(
    "greedy comes to HEP-BNN's predicted total at every batch, and two proofs say it is best") {
    for (const Published& row : kPublished) {
        CAPTURE(row.platform);
        CAPTURE(row.model);
        CAPTURE(row.batch);
        const sim::Problem problem =
            problem_of(row.model, std::string{"hep-bnn-"} + row.platform, row.batch);
        const sim::Time total = batch_time(row.greedy, row.batch);
        CHECK(search("greedy", problem).makespan == total);
        for (const char* name : {"branch-and-bound", "dynamic-programming"}) {
            const sim::SearchResult proof = search(name, problem);
            CHECK(proof.status == sim::SearchStatus::proven);
            CHECK(proof.makespan == total);
        }
    }
}

TEST_CASE("all layers in one configuration come to the total of HEP-BNN's build of it") {
    for (const Published& row : kPublished) {
        CAPTURE(row.platform);
        CAPTURE(row.model);
        CAPTURE(row.batch);
        const sim::Problem problem =
            problem_of(row.model, std::string{"hep-bnn-"} + row.platform, row.batch);
        CHECK(build(problem, "cpu", "cpu") == batch_time(row.cpu, row.batch));
        if (row.xyz > 0) {
            CHECK(build(problem, "gpu", "xyz") == batch_time(row.xyz, row.batch));
        }
    }
}

TEST_CASE(
    "greedy chooses the mappings that HEP-BNN built and measured, ties as its sort leaves them") {
    for (const Chosen& chosen : kChosen) {
        CAPTURE(chosen.platform);
        CAPTURE(chosen.model);
        const sim::Problem problem =
            problem_of(chosen.model, std::string{"hep-bnn-"} + chosen.platform, chosen.batch);
        CHECK(configurations(problem, search("greedy", problem).mapping) == chosen.configurations);
    }
}

TEST_CASE(
    "greedy chooses what HEP-BNN's rule chooses in every row of results/hep-bnn/published.csv") {
    std::ifstream file{kSource / "results" / "hep-bnn" / "published.csv"};
    std::string line;
    REQUIRE(std::getline(file, line));
    REQUIRE(line.starts_with("platform,network,run,batch,chosen,ties,predicted_s,"));
    std::size_t rows = 0;
    for (; std::getline(file, line); ++rows) {
        CAPTURE(line);
        const std::vector<std::string> cells = split(line, ',');
        const sim::Problem problem =
            problem_of(cells.at(1), "hep-bnn-" + cells.at(0), std::stoi(cells.at(3)));
        CHECK(configurations(problem, search("greedy", problem).mapping) == cells.at(4));
    }
    CHECK(rows == std::size(kPublished));
}

TEST_CASE(
    "the median of a threshold's times predicts HEP-BNN's measured mappings better than the "
    "least") {
    for (const Chosen& chosen : kChosen) {
        CAPTURE(chosen.platform);
        CAPTURE(chosen.model);
        const std::string platform = std::string{"hep-bnn-"} + chosen.platform;
        const sim::Problem least = problem_of(chosen.model, platform, chosen.batch);
        const sim::Problem median = problem_of(chosen.model, platform + "-median", chosen.batch);
        const sim::Mapping theirs = search("greedy", least).mapping;
        const sim::SearchResult ours = search("dynamic-programming", median);

        // The two mappings differ in what is no choice: in which build a threshold was measured.
        REQUIRE(theirs.size() == ours.mapping.size());
        for (std::size_t i = 0; i < theirs.size(); ++i) {
            const sim::Task& a = least.tasks[static_cast<std::size_t>(theirs[i])];
            const sim::Task& b = median.tasks[static_cast<std::size_t>(ours.mapping[i])];
            REQUIRE(a.first == b.first);
            if (b.variant != "median") {
                CHECK(a.configuration == b.configuration);
                CHECK(a.cost == b.cost);
            } else {
                CHECK(b.device == 0);
                CHECK(a.cost <= b.cost);
            }
        }
        const sim::Time measured = batch_time(chosen.measured, chosen.batch);
        const auto error = [&](sim::Time predicted) {
            return predicted < measured ? measured - predicted : predicted - measured;
        };
        CHECK(error(ours.makespan) < error(search("greedy", least).makespan));
    }
}

TEST_CASE("of two thresholds of one shape each costs what was measured of it") {
    // The server's CPU build at batch 16: HEP-BNN's layers 3 and 5 took 3.72 s and 3.87 s, pool 6
    // 0.01 s.
    const sim::Problem problem =
        problem_of("vgg7-cifar10", "hep-bnn-server", 16, {"cpu/generated/cpu"});
    const sim::SearchResult all = search("greedy", problem);
    REQUIRE(all.makespan == batch_time(9335, 16));
    std::vector<sim::Time> costs;
    for (const int index : all.mapping) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(index)];
        if (problem.layer_names[static_cast<std::size_t>(task.first)].starts_with("threshold")) {
            costs.push_back(task.cost);
        }
    }
    REQUIRE(costs.size() == 7);
    CHECK(costs[0] == batch_time(372, 16));
    CHECK(costs[1] == batch_time(387 + 1, 16));
}

TEST_CASE(
    "data that stay on the GPU and fused thresholds are what-ifs, proven best and never worse") {
    for (const Chosen& chosen : kChosen) {
        CAPTURE(chosen.platform);
        CAPTURE(chosen.model);
        const std::string resident = std::string{"hep-bnn-"} + chosen.platform + "-resident";
        CHECK_FALSE(platform_named(resident).warnings.empty());
        const sim::SearchResult apart =
            search("branch-and-bound",
                   problem_of(chosen.model, resident, chosen.batch, {"cpu", "gpu/generated"}));
        const sim::SearchResult fused =
            search("branch-and-bound", problem_of(chosen.model, resident, chosen.batch));
        CHECK(apart.status == sim::SearchStatus::proven);
        CHECK(fused.status == sim::SearchStatus::proven);
        CHECK(fused.makespan < apart.makespan);
        CHECK(apart.makespan < batch_time(chosen.measured, chosen.batch));
    }
}
