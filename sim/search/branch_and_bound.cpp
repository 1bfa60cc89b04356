// Branch and bound: the optimum, an incumbent and a gap at any time, a proof at the end.
//
// 1. Tasks that are never better than another go.
// 2. The heuristics give the first incumbent.
// 3. The layered search (layered.hpp) widens until it lets nothing go.
// 4. If asked: a certificate (certificate.hpp) that needs no trust in step 3.
//
// It is exact where copies queue in the static order and nothing else links what runs at the same
// time: then what is placed never moves, apart from the ends of an open segment (evaluator.hpp).
// Other goals than the least latency, budgets, and problems where only the simulation of a whole
// mapping tells are for the search of fronts (front.cpp), with one objective.

#include "sim/run/evaluator.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/results.hpp"

#include <array>
#include <cassert>
#include <utility>

namespace sim {

SearchResult branch_and_bound(const Problem& problem, const SearchOptions& options) {
    const bool basic = is_basic(problem);
    std::vector<char> better(problem.tasks.size(), 1);
    if (!basic || !options.goal.is_latency()) {
        const Criteria criteria(problem, options.goal);
        if (!options.goal.is_latency() || is_coupled(problem) || criteria.sums() > 0) {
            return best_of(pareto_front(problem, options), options.goal);
        }
        better = criteria.undominated();
    }
    const Restricted few = basic ? without_dominated_tasks(problem) : restricted(problem, better);
    Incumbent best;
    SearchOptions quietly = options;
    quietly.only.clear();
    for (const auto heuristic : {heft, greedy, uniform}) {
        SearchResult result = heuristic(few.problem, quietly);
        if (result.status == SearchStatus::infeasible || result.makespan.count() >= best.makespan) {
            continue;
        }
        best.makespan = result.makespan.count();
        best.mapping = std::move(result.mapping);
    }
    if (options.progress && best.makespan < kNeverTicks) {
        options.progress(Time{best.makespan}, Time{});
    }

    best = Layered(few.problem, {}, options).widen(std::move(best));
    if (best.mapping.empty()) {
        return infeasible(best.proven() ? "no mapping covers every layer with links that exist"
                                        : "stopped before any mapping was found");
    }
    SearchResult result;
    result.mapping = few.in_original(best.mapping);
    result.makespan = Time{best.makespan};
    result.lower_bound = Time{best.bound};
    result.status = best.proven() ? SearchStatus::proven : SearchStatus::unproven;
    result.evaluated = best.nodes;
    if (best.proven() && options.certificate > 0 && !basic) {
        result.note = "certificates are for problems without divided layers";
    } else if (best.proven() && options.certificate > 0) {
        auto beginnings = certificate(few.problem, result.makespan, options.certificate);
        if (beginnings) {
            for (const Mapping& beginning : *beginnings) {
                result.certificate.push_back(few.in_original(beginning));
            }
        } else {
            result.note = "the certificate would be longer than asked for";
        }
    }
    if (!best.proven()) {
        result.note =
            best.stopped ? "stopped before the proof" : "more states than --max-states allows";
    }
    assert(makespan(problem, result.mapping) == result.makespan);
    return result;
}

}  // namespace sim
