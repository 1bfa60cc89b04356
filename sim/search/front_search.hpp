#pragma once

// The search for the points of a front level by level, as front.cpp runs it. Private to the
// searches. Start at `FrontSearch::pass`.
//
// As the search for the least latency (levels.hpp says what they share), but a state carries sums
// beside its times (energy, loss, what budgets are used for), one dominates another only if no
// time and no sum is larger, and it goes when a point that was found is as good on every axis as
// its bounds.

#include "sim/search/bounds.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/levels.hpp"
#include "sim/search/memory.hpp"
#include "sim/search/points.hpp"
#include "sim/search/prices.hpp"
#include "sim/search/search.hpp"
#include "sim/search/state.hpp"
#include "sim/search/workers.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace sim::internal {

class FrontSearch {
public:
    FrontSearch(const Problem& problem, const Criteria& criteria, const SearchOptions& options);

    // Bounds know from now on what limits cost.
    void use(const Prices& prices);

    // The values of a mapping, unless it is impossible or beyond a limit.
    std::optional<std::vector<double>> values(const Mapping& mapping);

    struct Pass {
        std::vector<double> let_go;  // by axis: the least bound of what was let go
        bool complete = true;        // nothing was
        bool stopped = false;
        bool full = false;  // not all fitted into memory
        std::uint64_t nodes = 0;
    };
    // Adds what it finds that is better than the points. `goes_deep`: see Course.
    Pass pass(std::size_t width, Points& points, bool goes_deep = false);

private:
    class Levels;

    const Problem& problem_;
    const Criteria& criteria_;
    const SearchOptions& options_;
    Bounds bounds_;
    std::optional<PricedBounds> priced_;
    States states_;
    Memory memory_;
    Workers workers_;
    std::vector<Evaluator> evaluators_;  // by worker
};

}  // namespace sim::internal
