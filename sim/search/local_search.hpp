#pragma once

// Small changes to a whole mapping, again and again: annealing over implementations, fusions and
// the order of the tasks. Private to the searches, which begin with what it finds, and end with it
// where they cannot do better.
//
// What it knows that the exact searches do not is the order: they decide everything but that. What
// it does not know is when to stop: nothing it finds is proven.

#include "sim/compile/problem.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/networks.hpp"
#include "sim/search/goal.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace sim::internal {

// How good a mapping is, cheaply: one pass of the evaluator, or of the simulator where tasks
// interact. Feasible ones first (violation 0), then by value, smaller is better.
struct Appraisal {
    double violation = 0;  // by how much limits are exceeded, as shares of them, added up
    double value = 0;      // on the goal's first objective; of a period what it is at least

    friend bool operator<(const Appraisal& a, const Appraisal& b) {
        return a.violation != b.violation ? a.violation < b.violation : a.value < b.value;
    }
};

class Appraiser {
public:
    // Throws InputError where the goal needs an energy that the platform does not say.
    Appraiser(const Problem& problem, const Goal& goal);

    Appraisal operator()(const Mapping& mapping);

    // Where that may be too good to be true: of a stream, or of memories with capacities, of which
    // it sees only what is never less.
    bool is_optimistic() const { return is_optimistic_; }
    bool is_dear() const {  // to know in full: a stream
        return goal_.minimise.front().criterion == Criterion::period;
    }
    // From the simulation of the whole; and both steps of that.
    Appraisal in_full(const Mapping& mapping) const;
    Assessment simulated(const Mapping& mapping) const;
    Appraisal of(const Mapping& mapping, Assessment whole) const;
    // What that costs, in placements of a task.
    std::uint64_t cost_in_full(const Mapping& mapping) const;

private:
    double value_of(const Mapping& mapping, Time makespan, Time sum);
    double violation_of(const Mapping& mapping, Time makespan) const;

    const Problem& problem_;
    const Goal goal_;
    Evaluator evaluator_;
    bool is_interacting_ = false, reconfigures_ = false, is_limited_ = false;
    bool is_optimistic_ = false;
    std::vector<char> is_static_;         // by budget
    std::vector<NetworkOutput> outputs_;  // where the sum of latencies counts
};

struct LocalSearchOptions {
    // Tasks placed in all, whatever they are: what a search costs, counted so that it repeats.
    std::uint64_t most_placements = 20'000'000;
    bool reorders = true;  // also the order of the tasks; else they stay in the static order
    std::uint64_t seed = 1;
    std::function<bool()> stop;  // asked every few thousand placements
    // How much of its time is over, from 0 to 1: it cools by that, too, and ends with it.
    std::function<double()> elapsed = {};
    // Nothing is below it: a mapping that fits and has this value is the end of the search.
    double least = -std::numeric_limits<double>::infinity();
};

struct LocalSearchResult {
    Mapping mapping;  // the best found, which may be `start`
    Appraisal appraisal;
    std::uint64_t evaluated = 0;
    std::uint64_t placed = 0;  // of LocalSearchOptions::most_placements
};

// `start` covers every layer in an order that check_cover accepts.
LocalSearchResult local_search(const Problem& problem,
                               const Goal& goal,
                               const Mapping& start,
                               const LocalSearchOptions& options);

// The layers in the order in which a mapping goes through them: one for `reordered`, in which every
// task of the mapping fits.
std::vector<int> layer_order(const Problem& problem, const Mapping& mapping);

}  // namespace sim::internal
