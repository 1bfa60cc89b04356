#include "sim/search/search.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/covers.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace sim {
namespace {

constexpr std::array<Search, 8> kSearches{{
    {"branch-and-bound",
     "the optimum, by partial schedules with dominance and bounds; any time a gap",
     true,
     branch_and_bound},
    {"exhaustive", "the optimum, by trying every mapping", true, exhaustive},
    {"dynamic-programming",
     "the optimum in linear time, for a chain of layers on synchronous devices",
     true,
     dynamic_programming},
    {"greedy", "each layer's fastest implementation by itself, as HEP-BNN", false, greedy},
    {"heft", "each layer in turn where it ends earliest", false, heft},
    {"cpu-only", "the best mapping on the host alone", false, cpu_only},
    {"gpu-only", "the best mapping with nothing on the host", false, gpu_only},
    {"uniform", "one implementation for the whole model, the best of them", false, uniform},
}};

}  // namespace

std::span<const Search> searches() { return kSearches; }

const Search& find_search(std::string_view name) {
    std::string names;
    for (const Search& search : kSearches) {
        if (search.name == name) {
            return search;
        }
        names += names.empty() ? "" : ", ";
        names += search.name;
    }
    throw InputError("search: expected one of " + names + ", got '" + std::string(name) + "'");
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
