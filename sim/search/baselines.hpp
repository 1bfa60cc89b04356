#pragma once

// Baselines: what a chosen mapping is compared with. Greedy, HEFT, the best on each device
// alone, and each implementation by itself for the whole model.

#include "sim/search/search.hpp"

#include <functional>
#include <string>
#include <vector>

namespace sim {

struct NamedResult {
    std::string name;  // "greedy", "uniform cpu/avx2/1"
    SearchResult result;
};

// Those that have an answer within the goal's limits, always in the same order, each with its value
// on the goal's first objective. `stop`: as SearchOptions::stop, for all of them together. Once it
// says so, those that take a search are the least sum of costs, and of streams, which are
// simulated, those are left out that are not better than the ones before.
std::vector<NamedResult> baselines(const Problem& problem,
                                   const Goal& goal,
                                   const std::function<bool()>& stop = {});

}  // namespace sim
