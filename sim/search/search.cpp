#include "sim/search/search.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/covers.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace sim {

using namespace internal;

namespace {

constexpr std::array<Search, 8> kSearches{{
    {.name = "branch-and-bound",
     .summary = "the optimum, by partial schedules with dominance and bounds; any time a gap",
     .run = branch_and_bound,
     .front = pareto_front,
     .goals = Goals::any,
     .exact = true,
     .accuracy = true,
     .constraints = true,
     .threads = Goals::any,
     .certificates = Goals::any,
     .decides_order = true},
    {.name = "exhaustive",
     .summary = "the optimum, by trying every mapping",
     .run = exhaustive,
     .front = exhaustive_front,
     .goals = Goals::any,
     .exact = true,
     .accuracy = true,
     .constraints = true},
    {.name = "dynamic-programming",
     .summary = "the optimum in linear time, for a chain of layers on synchronous devices",
     .run = dynamic_programming,
     .exact = true},
    {.name = "greedy",
     .summary = "each layer's fastest implementation by itself, as HEP-BNN",
     .run = greedy,
     .goals = Goals::any},
    {.name = "heft", .summary = "each layer in turn where it ends earliest", .run = heft},
    {.name = "cpu-only",
     .summary = "the best mapping on the host alone",
     .run = cpu_only,
     .goals = Goals::any,
     .constraints = true,
     .threads = Goals::latency},
    {.name = "gpu-only",
     .summary = "the best mapping with nothing on the host",
     .run = gpu_only,
     .goals = Goals::any,
     .constraints = true,
     .threads = Goals::latency},
    {.name = "uniform",
     .summary = "one implementation for the whole model, the best of them",
     .run = uniform},
}};

}  // namespace

std::span<const Search> searches() { return kSearches; }

const Search& find_search(std::string_view name) {
    const auto found = std::ranges::find(kSearches, name, &Search::name);
    if (found == kSearches.end()) {
        throw InputError("search: expected one of " +
                         searches_that([](const Search&) { return true; }) + ", got '" +
                         std::string(name) + "'");
    }
    return *found;
}

std::string searches_that(const std::function<bool(const Search&)>& can) {
    std::string names;
    for (const Search& search : kSearches) {
        if (can(search)) {
            names += names.empty() ? "" : ", ";
            names += search.name;
        }
    }
    return names;
}

std::uint64_t count_mappings(const Problem& problem) { return Covers(problem).count(); }

Mapping random_mapping(const Problem& problem, std::uint64_t seed) {
    const Covers covers(problem);
    std::mt19937_64 random(seed);
    std::vector<char> covered(at(problem.layers()), 0);
    Mapping mapping;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[at(layer)]) {
            continue;
        }
        const std::vector<int> fitting = covers.fitting(covered, layer);
        if (fitting.empty()) {
            return {};
        }
        const int task = fitting[static_cast<std::size_t>(random() % fitting.size())];
        mapping.push_back(task);
        covered[at(layer)] = 1;
        for (const int other : problem.tasks[at(task)].rest) {
            covered[at(other)] = 1;
        }
    }
    return mapping;
}

}  // namespace sim
