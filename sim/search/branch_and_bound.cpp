// Branch and bound: the optimum, an incumbent and a gap at any time, a proof at the end.
//
// 1. Tasks that are never better than another go.
// 2. The heuristics give the first incumbent.
// 3. The layered search (layered.hpp) widens until it lets nothing go.
// 4. If asked: a certificate (certificate.hpp) that needs no trust in step 3.
//
// It is exact for rules 1 to 5 and 7 of the execution model: copies queue in the static order, so
// what is placed never moves, apart from the ends of an open segment (evaluator.hpp).

#include "sim/evaluator.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/results.hpp"

#include <array>
#include <cassert>
#include <utility>

namespace sim {

SearchResult branch_and_bound(const Problem& problem, const SearchOptions& options) {
    const Restricted few = without_dominated_tasks(problem);
    Incumbent best;
    SearchOptions quietly = options;
    quietly.only.clear();
    for (const auto heuristic : {heft, greedy, uniform}) {
        SearchResult result = heuristic(few.problem, quietly);
        if (result.status == SearchStatus::infeasible || result.makespan.count() >= best.makespan)
            continue;
        best.makespan = result.makespan.count();
        best.mapping = std::move(result.mapping);
    }
    if (options.progress && best.makespan < kNeverTicks)
        options.progress(Time{best.makespan}, Time{});

    best = Layered(few.problem, {}, options).widen(std::move(best));
    if (best.mapping.empty())
        return infeasible(best.proven() ? "no mapping covers every layer with links that exist"
                                        : "stopped before any mapping was found");
    SearchResult result;
    result.mapping = few.in_original(best.mapping);
    result.makespan = Time{best.makespan};
    result.lower_bound = Time{best.bound};
    result.status = best.proven() ? SearchStatus::proven : SearchStatus::unproven;
    result.evaluated = best.nodes;
    if (best.proven() && options.certificate > 0) {
        auto beginnings = certificate(few.problem, result.makespan, options.certificate);
        if (beginnings)
            for (const Mapping& beginning : *beginnings)
                result.certificate.push_back(few.in_original(beginning));
        else
            result.note = "the certificate would be longer than asked for";
    }
    if (!best.proven())
        result.note =
            best.stopped ? "stopped before the proof" : "more states than --max-states allows";
    assert(makespan(problem, result.mapping) == result.makespan);
    return result;
}

}  // namespace sim
