#pragma once

// The exact search: level by level, all partial schedules that differ in what is to come.
// Private to the searches; branch_and_bound.cpp runs it, tests switch its rules off one by one.
//
// Level i holds the states whose first uncovered layer is i, without those that another state of
// the same key dominates and those whose bound reaches the incumbent. Of each level only the
// `width` states with the smallest bounds are expanded; the smallest bound of what was let go is
// still a bound on the optimum, so a narrow pass gives an incumbent and a gap, and a pass that
// lets nothing go is a proof.

#include "sim/search/bounds.hpp"
#include "sim/search/search.hpp"
#include "sim/search/state.hpp"

#include <functional>
#include <span>
#include <vector>

namespace sim::internal {

// What a pass knows when it ends, and where the next one begins.
struct Incumbent {
    Ticks makespan = kNeverTicks;
    Ticks bound = 0;  // no mapping is faster
    Mapping mapping;  // may be empty: `makespan` was given, not found
    bool stopped = false;
    std::uint64_t nodes = 0;

    bool proven() const { return bound >= makespan; }
};

class Layered {
public:
    Layered(const Problem& problem, const PruningRules& rules, const SearchOptions& options);

    // One pass. It only looks for mappings better than `best`.
    Incumbent pass(std::size_t width, Incumbent best);

    // Module tails: between two cuts the model is searched by itself, from a state that no real
    // one beats, and the result replaces the path bound. Costs about as much as it saves on
    // small problems, and decides the large ones.
    void sharpen();

    // Wider and wider until nothing is let go: an incumbent at once, a gap at any time.
    Incumbent widen(Incumbent best, std::size_t first = 8, std::size_t factor = 8);

private:
    Incumbent run(std::size_t width, Incumbent best, int after);

    const Problem& problem_;
    const PruningRules rules_;
    const SearchOptions& options_;
    Bounds bounds_;
    States states_;
    std::vector<Evaluator> evaluators_;  // by thread
    bool sharp_ = false;
    std::uint64_t module_nodes_ = 0;
};

}  // namespace sim::internal
