#pragma once

// The exact search: level by level, all partial schedules that differ in what is to come.
// Private to the searches; branch_and_bound.cpp runs it, tests switch its rules off one by one.
//
// Level i holds the states whose first uncovered layer is i, without those that another state of
// the same key dominates and those whose bound reaches the incumbent. Of each level only the
// `width` states with the smallest bounds are expanded; the smallest bound of what was let go is
// still a bound on the optimum, so a narrow pass gives an incumbent and a gap, and a pass that
// lets nothing go is a proof. Where that does not fit into memory, a last pass goes on depth first.
//
// The answer, and the nodes on the way to it, do not depend on how many threads or processes there
// are (team.hpp), where the memory is enough.

#include "sim/search/bounds.hpp"
#include "sim/search/memory.hpp"
#include "sim/search/search.hpp"
#include "sim/search/state.hpp"
#include "sim/search/team.hpp"
#include "sim/search/workers.hpp"

#include <functional>
#include <mutex>
#include <vector>

namespace sim::internal {

// What a pass knows when it ends, and where the next one begins.
struct Incumbent {
    Ticks makespan = kNeverTicks;
    Ticks bound = 0;  // no mapping is faster
    Mapping mapping;  // may be empty: `makespan` was given, not found
    bool stopped = false;
    bool full = false;  // not all fitted into memory
    std::uint64_t nodes = 0;

    bool proven() const { return bound >= makespan; }
};

class Layered {
public:
    // `team`: each of its processes has a search of the same problem, and calls the same functions.
    // They take their part of wide passes; the rest rank 0 does. What it returns all return.
    Layered(const Problem& problem,
            const PruningRules& rules,
            const SearchOptions& options,
            const Team* team = nullptr);

    // One pass. It only looks for mappings better than `best`. `goes_deep`: see Course.
    Incumbent pass(std::size_t width, Incumbent best, bool goes_deep = false);

    // Module tails: between two cuts the model is searched by itself, from a state that no real
    // one beats, and the result replaces the path bound. Costs about as much as it saves on
    // small problems, and decides the large ones.
    void sharpen();

    // Wider and wider until nothing is let go: an incumbent at once, a gap at any time.
    Incumbent widen(Incumbent best, std::size_t first = 8, std::size_t factor = 8);

private:
    struct Where;

    Incumbent run(const Where& where, Incumbent best);
    void sharpen_alone();
    void sharpen_as_first();
    Ticks module_bound(int task, int worker, std::uint64_t& nodes);
    bool is_first() const { return team_ == nullptr || team_->rank == 0; }
    Incumbent as_first(const Incumbent& found) const;
    void expect_same_problem() const;

    const Problem& problem_;
    const PruningRules rules_;
    const SearchOptions& options_;
    const Team* const team_;  // nullptr: alone
    std::mutex asking_;
    std::function<bool()> stop_;  // one worker at a time may ask
    Bounds bounds_;
    States states_;
    Memory memory_;
    Workers workers_;
    std::vector<Evaluator> evaluators_;  // by worker
    bool sharp_ = false;
    std::uint64_t module_nodes_ = 0;
};

}  // namespace sim::internal
