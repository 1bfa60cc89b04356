#pragma once

// A mapping put together front to back, by a rank of the tasks.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace calibrate {

// At each layer not yet covered, in static order, the task of least rank among those that fit.
// Every layer has a task of its own.
template <class Rank>
sim::Mapping assemble(const sim::Problem& problem, Rank rank) {
    std::vector<char> covered(sim::at(problem.layers()), 0);
    sim::Mapping mapping;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[sim::at(layer)]) {
            continue;
        }
        std::optional<std::pair<decltype(rank(0)), int>> least;
        for (const int t : problem.starting[sim::at(layer)]) {
            const std::vector<int>& rest = problem.tasks[sim::at(t)].rest;
            const bool fits =
                std::ranges::none_of(rest, [&](int l) { return covered[sim::at(l)] != 0; });
            if (fits && (!least || rank(t) < least->first)) {
                least = {rank(t), t};
            }
        }
        mapping.push_back(least->second);
        for (const int l : problem.tasks[sim::at(least->second)].rest) {
            covered[sim::at(l)] = 1;
        }
    }
    return mapping;
}

}  // namespace calibrate
