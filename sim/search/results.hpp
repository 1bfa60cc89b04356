#pragma once

// Small things that several searches share: how a result is made, and a problem with fewer tasks.
// Private to the searches.

#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace sim::internal {

inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

// The same options, but that the search ends when so much of the time is over. They refer to
// `options`.
SearchOptions until(const SearchOptions& options, double share);

// The same options for one of several parts, of which each has the time from now until so much of
// all is over, and shares it out by itself. They refer to `options`.
SearchOptions from_now_until(const SearchOptions& options, double share);

// What a search that was stopped has found, or what its options know that is better.
SearchResult or_known(const Problem& problem, const SearchOptions& options, SearchResult found);

// No answer, and why.
SearchResult infeasible(std::string note);

// Why an exact search ended without a proof; `full`: more states came up than fit into memory.
std::string unproven_note(const SearchOptions& options, bool full);

// A mapping that is not proven optimal; infeasible if it needs a link that is missing or goes
// beyond a budget, a capacity or a limit of the goal.
SearchResult heuristic(const Problem& problem,
                       const Goal& goal,
                       Mapping mapping,
                       std::uint64_t evaluated,
                       std::string note = {});

// Branch and bound in the static order alone: for baselines.
SearchResult branch_and_bound_in_order(const Problem& problem, const SearchOptions& options);

// The best mapping on one device alone, but for the model's input and output.
SearchResult on_one_device(const Problem& problem, const SearchOptions& options, int device);

// The one point of a front of one objective.
SearchResult best_of(Front front, const Goal& goal);

// "cpu/avx512/threads:2"; empty for the model's input and output, which are no one's choice.
std::string label(const Problem& problem, int task);

// Whether something that the task would cover, beyond its first layer, is covered already.
inline bool overlaps(const Task& task, const Evaluator& placed) {
    return std::ranges::any_of(task.rest,
                               [&](int layer) { return placed.covered[at(layer)] != 0; });
}

// Whether layers are to be together, or to come in certain turns: a search that changes mappings or
// orders has to know.
bool has_bonds(const Problem& problem);

// The problem with only the tasks where allowed[task] != 0 and that fit the static order, which all
// searches keep to. `original`: their old indices.
struct Restricted {
    Problem problem;
    std::vector<int> original;

    Mapping in_original(const Mapping& mapping) const;
};
Restricted restricted(const Problem& problem, const std::vector<char>& allowed);
Restricted without_dominated_tasks(const Problem& problem);

}  // namespace sim::internal
