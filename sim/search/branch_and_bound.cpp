// Branch and bound: the optimum, an incumbent and a gap at any time, a proof at the end. And the
// order of the tasks, which the exact searches take as given: they and the local search, which
// knows no bounds, take turns.
//
// 1. Begin with the best of all heuristics, improved by the local search.
// 2. The exact search in the static order: for the least latency of basic problems the layered one
//    (layered.hpp), for all else that of fronts (front.cpp). Neither loses to what it begins with.
// 3. From its answer, the local search over mappings and orders; the exact search again in the
//    order that it finds; and so on while that gains.
// 4. What is proven: in this order by the exact search, in any order by bounds that hold in all
//    (order_free_bounds.hpp).
// 5. If asked: a certificate (certificate.hpp) that needs no trust in any of that.

#include "sim/run/evaluator.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/local_search.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"
#include "sim/search/stages.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace sim {

using namespace internal;

namespace {

// Of the time limit: when each part ends at the latest.
constexpr double kStartsEnd = 0.4, kExactEnd = 0.6, kOrdersEnd = 0.9;

// What a local search may cost. About a second at most, and less where there is less to decide.
constexpr std::uint64_t kMostPlacements = 20'000'000, kPlacementsOfALayer = 600'000,
                        kQuickPlacements = 400'000;

constexpr std::uint64_t kFewMappings = 1'000'000;

// Local and exact search take turns until the first has searched so often in vain; where the exact
// one finds little by itself the local one tries more often.
constexpr int kVainTurns = 1, kVainTurnsWhereHard = 3;
constexpr int kFirstTurns = 3;  // of local searches before, where the exact one has it hard

// Whether a mapping fits, and how good it is, from the simulation of the whole.
struct Judged {
    Mapping mapping;
    Appraisal appraisal;
};

// ---- 1. Starts. ---------------------------------------------------------------------------------

std::vector<Mapping> starts_of(const Problem& problem, const SearchOptions& options) {
    std::vector<Mapping> starts = options.starts;
    SearchOptions quietly = options;
    quietly.only.clear();
    quietly.starts.clear();
    SearchOptions fastest = quietly;
    fastest.goal = {};
    for (const auto heuristic : {heft, greedy, uniform}) {
        for (const SearchOptions* const asked : {&quietly, &fastest}) {
            if (asked == &fastest && options.goal.is_latency()) {
                continue;  // the same
            }
            SearchResult result = heuristic(problem, *asked);
            if (!result.mapping.empty()) {
                starts.push_back(std::move(result.mapping));
            }
        }
    }
    if (options.goal.minimise.front().criterion == Criterion::period) {
        if (std::optional<Mapping> stages = pipeline(problem)) {
            starts.push_back(std::move(*stages));
        }
    }
    // Where memory is short: the covers that put the least weights into each.
    const Covers covers(problem);
    for (int m = 0; m < static_cast<int>(problem.capacities.size()); ++m) {
        if (auto cover = covers.cheapest([&](int k) {
                const std::vector<std::int64_t>& bytes = problem.tasks[at(k)].weight_bytes;
                return bytes.empty() ? std::int64_t{0} : bytes[at(m)];
            })) {
            starts.push_back(std::move(*cover));
        }
    }
    return starts;
}

// The best of them, in full; nothing if there is none.
Judged best_start(const Problem& problem,
                  const Appraiser& appraiser,
                  const std::vector<Mapping>& starts) {
    Judged best{.mapping = {},
                .appraisal = {.violation = std::numeric_limits<double>::infinity(),
                              .value = std::numeric_limits<double>::infinity()}};
    for (const Mapping& start : starts) {
        const Appraisal appraisal = appraiser.in_full(start);
        if (best.mapping.empty() || appraisal < best.appraisal) {
            best = {start, appraisal};
        }
    }
    if (best.mapping.empty()) {
        best.mapping = random_mapping(problem, 1);
        if (!best.mapping.empty()) {
            best.appraisal = appraiser.in_full(best.mapping);
        }
    }
    return best;
}

Judged improved(const Problem& problem,
                const SearchOptions& options,
                std::uint64_t most_placements,
                Judged start,
                bool reorders,
                std::uint64_t seed,
                std::uint64_t& evaluated) {
    if (start.mapping.empty()) {
        return start;
    }
    LocalSearchResult found =
        local_search(problem,
                     options.goal,
                     start.mapping,
                     {.most_placements = std::min<std::uint64_t>(
                          most_placements, kPlacementsOfALayer * at(problem.layers())),
                      .reorders = reorders,
                      .seed = seed,
                      .stop = options.stop});
    evaluated += found.evaluated;
    return found.appraisal < start.appraisal ? Judged{found.mapping, found.appraisal}
                                             : std::move(start);
}

// ---- 2. The exact search in one order. ----------------------------------------------------------

// By layers, for the least latency where the evaluator's makespan is exact.
SearchResult layered_in_order([[maybe_unused]] const Problem& problem,
                              const Restricted& few,
                              const SearchOptions& options,
                              const Judged& start) {
    // The incumbent may be a mapping in another order: the search looks for what is better.
    Incumbent best;
    if (start.appraisal.violation == 0) {
        best.makespan = std::llround(start.appraisal.value);
    }
    if (options.progress && best.makespan < kNeverTicks) {
        options.progress(Time{best.makespan}, Time{});
    }
    best = Layered(few.problem, {}, options).widen(std::move(best));
    SearchResult result;
    if (best.mapping.empty() && best.makespan >= kNeverTicks) {
        return infeasible(best.proven() ? "no mapping covers every layer with links that exist"
                                        : "stopped before any mapping was found");
    }
    result.mapping = best.mapping.empty() ? start.mapping : few.in_original(best.mapping);
    result.makespan = Time{best.makespan};
    result.value = static_cast<double>(best.makespan);
    result.lower_bound = Time{best.bound};
    result.bound = static_cast<double>(best.bound);
    result.status = best.proven() ? SearchStatus::proven : SearchStatus::unproven;
    result.evaluated = best.nodes;
    if (!best.proven()) {
        result.note = unproven_note(options, best.full);
    }
    assert(makespan(problem, result.mapping) == result.makespan);
    return result;
}

SearchResult exact_in_order(const Problem& problem,
                            const SearchOptions& options,
                            const Judged& start) {
    const bool basic = is_basic(problem);
    if (options.goal.is_latency() && !is_coupled(problem)) {
        const Criteria criteria(problem, options.goal);
        if (basic || criteria.sums() == 0) {
            const Restricted few = basic ? without_dominated_tasks(problem)
                                         : restricted(problem, criteria.undominated());
            return layered_in_order(problem, few, options, start);
        }
    }
    SearchOptions with_start = options;
    with_start.starts.assign(1, start.mapping);
    if (start.mapping.empty() || start.appraisal.violation > 0) {
        with_start.starts.clear();
    }
    return best_of(pareto_front(problem, with_start), options.goal);
}

// ---- 3. Orders. ---------------------------------------------------------------------------------

Judged judged(const Appraiser& appraiser, const SearchResult& result) {
    return {result.mapping, appraiser.in_full(result.mapping)};
}

// In the problem whose static order is that of the mapping, and back.
SearchResult exact_in_its_order(const Problem& problem,
                                const SearchOptions& options,
                                const Judged& start) {
    const std::vector<int> order = layer_order(problem, start.mapping);
    const Problem other = reordered(problem, order);
    Judged there = start;
    for (EarlyCopy& copy : there.mapping.early) {
        copy.tensor = static_cast<int>(std::ranges::find(order, copy.tensor) - order.begin());
    }
    SearchResult result = exact_in_order(other, options, there);
    for (EarlyCopy& copy : result.mapping.early) {
        copy.tensor = order[at(copy.tensor)];
    }
    return result;
}

// On the goal's objective: what no mapping is below, in whatever order. -infinity where nothing
// is known.
double least_in_any_order(const Problem& problem, const Goal& goal) {
    if (goal.minimise.size() > 1) {
        return -std::numeric_limits<double>::infinity();
    }
    switch (goal.minimise.front().criterion) {
        case Criterion::latency:
            return static_cast<double>(makespan_bound_in_any_order(problem).count());
        case Criterion::period:
            return static_cast<double>(shared_work_bound(problem).count());
        default:
            return -std::numeric_limits<double>::infinity();
    }
}

// Adds the certificate to a result on `few`, or says why there is none.
void certify(SearchResult& result, const Restricted& few, const SearchOptions& options) {
    result.no_certificate = uncertifiable(few.problem, options.goal);
    if (result.no_certificate.empty() && result.status != SearchStatus::proven) {
        result.no_certificate = "no certificate: the mapping is not proven to be the best";
    }
    if (!result.no_certificate.empty()) {
        return;
    }
    const auto beginnings =
        certificate(few.problem, result.makespan, options.certificate, options.stop);
    if (!beginnings) {
        result.no_certificate = options.stop && options.stop()
                                    ? "no certificate: stopped before it was complete"
                                    : "no certificate: it would have more than " +
                                          std::to_string(options.certificate) + " beginnings";
        return;
    }
    for (const Mapping& beginning : *beginnings) {
        result.certificate.push_back(few.in_original(beginning));
    }
}

}  // namespace

SearchResult internal::branch_and_bound_in_order(const Problem& problem,
                                                 const SearchOptions& options) {
    const Appraiser appraiser(problem, options.goal);
    return exact_in_order(
        problem, options, best_start(problem, appraiser, starts_of(problem, options)));
}

SearchResult branch_and_bound(const Problem& problem, const SearchOptions& options) {
    const Goal& goal = options.goal;
    const Appraiser appraiser(problem, goal);  // throws where the goal needs an unknown energy
    const bool one_order = has_one_order(problem);
    const bool decides_order =
        options.free_order && !one_order && options.certificate == 0 && goal.prefer.empty();
    std::uint64_t evaluated = 0;

    // 1. Starts. The bound in all orders takes a while where all else takes none, so only where
    //    other orders count, or where there is no other bound.
    const bool asks_for_all_orders =
        options.free_order || goal.minimise.front().criterion == Criterion::period;
    const double least = asks_for_all_orders ? least_in_any_order(problem, goal)
                                             : -std::numeric_limits<double>::infinity();
    const auto is_reached = [&](const Judged& one) {
        return one.appraisal.violation == 0 && one.appraisal.value <= least;
    };
    //    Where the exact search has bounds of all that counts, or few mappings, it is done, mostly,
    //    before the local one has warmed up.
    const bool has_bounds =
        !is_coupled(problem) && goal.minimise.front().criterion != Criterion::period;
    const bool is_small = !decides_order && count_mappings(problem) <= kFewMappings;
    Judged best = best_start(problem, appraiser, starts_of(problem, options));
    if (!is_small && !(has_bounds && goal.is_latency())) {
        const SearchOptions first = until(options, kStartsEnd);
        const int turns = has_bounds ? 1 : kFirstTurns;
        for (int turn = 0; turn < turns && !first.stop() && !is_reached(best); ++turn) {
            best = improved(problem,
                            first,
                            has_bounds ? kQuickPlacements : kMostPlacements,
                            std::move(best),
                            decides_order && turn % 2 == 1,
                            static_cast<std::uint64_t>(turn) + 11,
                            evaluated);
        }
    }

    // 2. In the static order.
    SearchResult result =
        exact_in_order(problem, decides_order ? until(options, kExactEnd) : options, best);
    result.evaluated += evaluated;
    if (result.status == SearchStatus::infeasible) {
        return result;
    }
    if (options.certificate > 0) {
        certify(result, without_dominated_tasks(problem), options);
    }

    // 3. In others.
    const auto is_closed = [&] { return result.value <= least; };
    const SearchOptions orders = until(options, kOrdersEnd);
    for (int turn = 0, vain = 0; decides_order && !is_closed() && !orders.stop(); ++turn) {
        evaluated = 0;
        best = judged(appraiser, result);
        const Judged other = improved(problem,
                                      orders,
                                      kMostPlacements,
                                      best,
                                      true,
                                      static_cast<std::uint64_t>(turn) + 2,
                                      evaluated);
        result.evaluated += evaluated;
        if (!(other.appraisal < best.appraisal)) {
            if (++vain == (has_bounds ? kVainTurns : kVainTurnsWhereHard)) {
                break;
            }
            continue;
        }
        vain = 0;
        SearchResult again = exact_in_its_order(problem, options, other);
        again.evaluated += result.evaluated;
        result = std::move(again);
    }

    // 4. What is proven.
    result.in_any_order = result.status == SearchStatus::proven && one_order;
    if (is_closed()) {
        result.status = SearchStatus::proven;
        result.in_any_order = true;
        result.bound = result.value;
        result.note.clear();
    }
    result.bound = std::max(result.bound, least);
    if (goal.is_latency()) {
        const Time in_all{std::llround(std::max(least, 0.0))};
        result.lower_bound = std::max(result.lower_bound, in_all);
        result.lower_bound_in_any_order = result.in_any_order ? result.makespan : in_all;
    }
    return result;
}

}  // namespace sim
