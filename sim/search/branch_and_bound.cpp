// Branch and bound: the optimum, an incumbent and a gap at any time, a proof at the end. And the
// order of the tasks, which the exact searches take as given: they and the local search, which
// knows no bounds, take turns.
//
// 1. Begin with the best of all heuristics, improved by the local search.
// 2. The exact search in the static order: for the least latency of basic problems the layered one
//    (layered.hpp), for all else that of fronts (front.cpp). Neither loses to what it begins with.
// 3. From its answer, the local search over mappings and orders; the exact search again in the
//    order that it finds; and so on while that gains, or until the time is over.
// 4. What is proven: in this order by the exact search, in any order by bounds that hold in all
//    (order_free_bounds.hpp).
// 5. If asked: a certificate (certificate.hpp) that needs no trust in any of that.

#include "sim/run/evaluator.hpp"
#include "sim/search/balance.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/list_schedule.hpp"
#include "sim/search/local_search.hpp"
#include "sim/search/network_turns.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"
#include "sim/search/stages.hpp"
#include "sim/search/stream_prices.hpp"
#include "sim/search/team.hpp"
#include "sim/search/windows.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace sim {

using namespace internal;

namespace {

// Of the time limit: when each part ends at the latest.
constexpr double kStartsEnd = 0.4, kExactEnd = 0.6, kOrdersEnd = 0.9;
// Where the exact search is only to begin with, since windows (windows.hpp) find better orders: it
// ends soon, and if it was near its proof, it gets the rest of the time in the order that is found.
constexpr double kFirstExactEnd = 0.15, kOrdersEndBeforeProof = 0.55, kNearProof = 0.05;
// And how much of it the exact search may take in an order that was found.
constexpr double kShareOfAnOrder = 0.15, kShareWhereHard = 0.01;
// Of a stream, what it begins with.
constexpr double kPipelinesEnd = 0.06, kPricesEnd = 0.12, kStartsEndOfAStream = 0.22,
                 kExactEndOfAStream = 0.26, kOrdersEndOfAStream = 0.96;

// What a local search may cost. About a second at most, and less where there is less to decide.
constexpr std::uint64_t kMostPlacements = 20'000'000, kPlacementsOfAPair = 30'000,
                        kQuickPlacements = 400'000;

constexpr std::uint64_t kFewMappings = 1'000'000;

// Of a stream: a first look from each of some beginnings, and the share of the time for what keeps
// the order.
constexpr std::uint64_t kQuickOfAStream = 1'500'000;
constexpr double kShareOfLoads = 0.8;
// Of a short chain one long annealing ends where several find something better now and then.
constexpr int kLayersOfARun = 144, kMostRuns = 4;
constexpr std::size_t kStartsOfAStream = 3;

// Local and exact search take turns until the first has searched so often in vain; where the exact
// one finds little by itself the local one tries more often.
constexpr int kVainTurns = 2, kVainTurnsWhereHard = 3;
// Within a time limit the local search goes on for as long as there is time: a short turn, and each
// that comes so many times as long, the last one as long as is left, if that is not much more. So
// often in vain is enough even then.
constexpr std::uint64_t kFirstPlacements = 1'000'000, kGrowth = 4, kMostInTime = 2'000'000'000;
constexpr double kWorthATurn = 1.5;
constexpr int kVainTurnsInTime = 16;
constexpr int kFirstTurns = 3;  // of local searches before, where the exact one has it hard

// Whether a mapping fits, and how good it is, from the simulation of the whole.
struct Judged {
    Mapping mapping;
    Appraisal appraisal;
};

bool is_sum(const Goal& goal) { return goal.minimise.front().criterion == Criterion::sum; }

// ---- 1. Starts. ---------------------------------------------------------------------------------

std::vector<Mapping> starts_of(const Problem& problem, const SearchOptions& options) {
    std::vector<Mapping> starts = options.starts;
    const auto is_enough = [&] { return !starts.empty() && options.stop && options.stop(); };
    SearchOptions quietly = options;
    quietly.only.clear();
    quietly.team = nullptr;
    quietly.starts.clear();
    SearchOptions fastest = quietly;
    fastest.goal = {};
    for (const auto heuristic : {heft, greedy, uniform}) {
        for (const SearchOptions* const asked : {&quietly, &fastest}) {
            if (asked == &fastest && options.goal.is_latency()) {
                continue;  // the same
            }
            if (is_enough()) {
                return starts;
            }
            SearchResult result = heuristic(problem, *asked);
            if (!result.mapping.empty()) {
                starts.push_back(std::move(result.mapping));
            }
        }
    }
    if (options.goal.is_stream()) {
        const Appraiser appraiser(problem, options.goal);
        for_each_pipeline(
            problem,
            [&](const Mapping& stages) {
                starts.push_back(stages);
                const Appraisal appraisal = appraiser.in_full(stages);
                return appraisal.violation > 0 ? std::numeric_limits<double>::infinity()
                                               : appraisal.value;
            },
            until(options, kPipelinesEnd).stop);
    }
    if (options.free_order && (options.goal.is_latency() || is_sum(options.goal))) {
        std::ranges::move(list_schedules(problem), std::back_inserter(starts));
        // In turn there is nothing better, but for conversions, if it fits an order at all.
        if (is_sequential(problem) && !order_decides_nothing(problem)) {
            const std::optional<Mapping> cover = cheapest_cover(problem);
            if (auto mapping = cover ? in_some_order(problem, *cover) : std::nullopt) {
                starts.push_back(std::move(*mapping));
            }
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
    if (options.free_order && is_sum(options.goal)) {
        const std::vector<NetworkOutput> outputs = network_outputs(problem);
        for (std::size_t i = starts.size(); i > 0; --i) {
            const Mapping turned = network_by_network(problem, starts[i - 1]);
            starts.push_back(with_early_outputs(problem, outputs, starts[i - 1]));
            starts.push_back(with_early_outputs(problem, outputs, turned));
            starts.push_back(turned);
        }
    }
    return starts;
}

// The best of them, in full; nothing if there is none. Those of the options come first, and count
// even where the search was told to stop.
Judged best_start(const Problem& problem,
                  const Appraiser& appraiser,
                  const SearchOptions& options) {
    const std::vector<Mapping> starts = starts_of(problem, options);
    Judged best{.mapping = {},
                .appraisal = {.violation = std::numeric_limits<double>::infinity(),
                              .value = std::numeric_limits<double>::infinity()}};
    for (std::size_t i = 0; i < starts.size(); ++i) {
        if (i >= options.starts.size() && best.appraisal.violation == 0 && options.stop &&
            options.stop()) {
            break;
        }
        const Appraisal appraisal = appraiser.in_full(starts[i]);
        if (best.mapping.empty() || appraisal < best.appraisal) {
            best = {starts[i], appraisal};
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

// Less where there is less to decide.
std::uint64_t placements_of(const Problem& problem, std::uint64_t most) {
    const auto layers = static_cast<std::uint64_t>(problem.layers());
    return std::min(most, kPlacementsOfAPair * layers * layers);
}

// How long the turns of a local search are: counted, or such that they fill a time limit.
class Pace {
public:
    Pace(const Problem& problem, const SearchOptions& options, double end)
        : options_(options),
          end_(end),
          counted_(placements_of(problem, kMostPlacements)),
          most_in_time_(placements_of(problem, kMostInTime)) {}

    // What the next turn may cost, in placements.
    std::uint64_t next() {
        if (!options_.elapsed) {
            return counted_;
        }
        begin_ = options_.elapsed();
        most_ = std::min(most_ == 0 ? kFirstPlacements : most_ * kGrowth, most_in_time_);
        const double left = rate_ * std::max(0.0, end_ - begin_);
        if (rate_ > 0 && static_cast<double>(most_) * kWorthATurn > left) {
            most_ = static_cast<std::uint64_t>(left) + 1;
        }
        return most_;
    }
    void end_turn() {
        if (options_.elapsed) {
            const double took = options_.elapsed() - begin_;
            rate_ = took > 0 ? static_cast<double>(most_) / took : 0;
        }
    }

private:
    const SearchOptions& options_;
    const double end_;  // share of the time limit
    const std::uint64_t counted_, most_in_time_;
    std::uint64_t most_ = 0;       // of the last turn
    double begin_ = 0, rate_ = 0;  // placements in all of the time limit
};

Judged improved(const Problem& problem,
                const SearchOptions& options,
                std::uint64_t most_placements,
                Judged start,
                bool reorders,
                std::uint64_t seed,
                double least,
                std::uint64_t& evaluated) {
    if (start.mapping.empty()) {
        return start;
    }
    LocalSearchResult found = local_search(problem,
                                           options.goal,
                                           start.mapping,
                                           {.most_placements = most_placements,
                                            .reorders = reorders,
                                            .seed = seed,
                                            .stop = options.stop,
                                            .least = least});
    evaluated += found.evaluated;
    return found.appraisal < start.appraisal ? Judged{found.mapping, found.appraisal}
                                             : std::move(start);
}

// Of a stream, from the best and before that quickly from others, `starts`: over what resources are
// kept busy with, then over orders too, where they are to be decided. It takes all the time until
// `end`, or so much work if nobody says how long that is.
Judged improved_stream(const Problem& problem,
                       const SearchOptions& options,
                       double end,
                       Judged best,
                       const std::vector<Mapping>& starts,
                       bool reorders,
                       const std::function<bool(const Judged&)>& is_reached,
                       std::uint64_t seed,
                       std::uint64_t& evaluated) {
    const SearchOptions limited = until(options, end);
    const auto improve = [&](const auto& search,
                             const Mapping& start,
                             std::uint64_t most_placements,
                             double part_end) {
        if (start.empty() || limited.stop() || is_reached(best)) {
            return;
        }
        LocalSearchOptions local{.most_placements = most_placements,
                                 .reorders = reorders,
                                 .seed = seed++,
                                 .stop = limited.stop,
                                 .elapsed = {}};
        if (options.elapsed && most_placements > kQuickOfAStream) {
            const double begin = options.elapsed();
            local.most_placements = std::numeric_limits<std::uint64_t>::max();
            local.elapsed = [&options, begin, part_end] {
                return (options.elapsed() - begin) / std::max(part_end - begin, 1e-9);
            };
        }
        const LocalSearchResult found = search(problem, options.goal, start, local);
        evaluated += found.evaluated;
        if (found.appraisal < best.appraisal) {
            best = {found.mapping, found.appraisal};
        }
    };
    // Balancing knows nothing of time, nor of what is together: limits on these are for the other.
    const bool is_limited = !options.goal.limits.empty() || has_bonds(problem);
    if (is_limited) {
        improve(local_search, best.mapping, kQuickOfAStream, 0);
    }
    improve(balance, best.mapping, kQuickOfAStream, 0);
    for (const Mapping& start : starts) {
        improve(balance, start, kQuickOfAStream, 0);
    }
    const bool is_for_both = reorders || is_limited;
    const double now = options.elapsed ? options.elapsed() : 0;
    const double share = is_for_both ? kShareOfLoads : 1;
    const int runs =
        options.elapsed ? std::clamp(kLayersOfARun / problem.layers(), 1, kMostRuns) : 1;
    for (int run = 1; run <= runs; ++run) {
        improve(balance, best.mapping, kMostPlacements, now + share * (end - now) * run / runs);
    }
    if (is_for_both) {
        improve(local_search, best.mapping, kMostPlacements, end);
    }
    return best;
}

// ---- 2. The exact search in one order. ----------------------------------------------------------

// What the search by layers is asked, for the least latency where the evaluator's makespan is
// exact: the problem with fewer tasks. Nothing where it is not.
std::optional<Restricted> layered_problem(const Problem& problem, const Goal& goal) {
    if (goal.is_latency() && is_basic(problem)) {
        return without_dominated_tasks(problem);
    }
    if (goal.is_latency() && !is_coupled(problem)) {
        const Criteria criteria(problem, goal);
        if (criteria.sums() == 0) {
            return restricted(problem, criteria.undominated());
        }
    }
    return std::nullopt;
}

// What rank 0 tells those that assist: that it is over, or which question to search in which order.
enum class Command : std::int64_t { end, search };

void tell(const Team& team, Command command, std::span<const int> order) {
    std::vector<std::int64_t> numbers{static_cast<std::int64_t>(command), team.question};
    numbers.insert(numbers.end(), order.begin(), order.end());
    team.from_first(text_of(numbers));
}

// `order`: of the problem's layers, if it is not the static one of what branch_and_bound was asked.
SearchResult layered_in_order(const Problem& problem,
                              const Restricted& few,
                              const SearchOptions& options,
                              const Judged& start,
                              std::span<const int> order) {
    // The incumbent may be a mapping in another order: the search looks for what is better.
    Incumbent best;
    if (start.appraisal.violation == 0) {
        best.makespan = makespan(problem, start.mapping).count();  // the appraisal's is rounded
    }
    if (options.progress && best.makespan < kNeverTicks) {
        options.progress(Time{best.makespan}, Time{});
    }
    if (options.team != nullptr) {
        options.team->busy = true;
        tell(*options.team, Command::search, order);
    }
    best = Layered(few.problem, {}, options, options.team).widen(std::move(best));
    if (options.team != nullptr) {
        options.team->busy = false;
    }
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
                            const Judged& start,
                            std::span<const int> order = {}) {
    if (const std::optional<Restricted> few = layered_problem(problem, options.goal)) {
        return layered_in_order(problem, *few, options, start, order);
    }
    SearchOptions with_start = options;
    with_start.team = nullptr;
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

bool is_in_static_order(const Problem& problem, const Mapping& mapping) {
    const auto first = [&](int k) { return problem.tasks[at(k)].first; };
    return std::ranges::is_sorted(mapping.tasks, {}, first) &&
           std::ranges::all_of(mapping, [&](int k) { return fits_order(problem.tasks[at(k)]); });
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
    SearchResult result = exact_in_order(other, options, there, order);
    for (EarlyCopy& copy : result.mapping.early) {
        copy.tensor = order[at(copy.tensor)];
    }
    return result;
}

SearchResult unproven(const Problem& problem, const Judged& one) {
    SearchResult result;
    result.mapping = one.mapping;
    result.makespan = simulate(problem, one.mapping).makespan;
    result.value = one.appraisal.value;
    result.note = "stopped before the proof";
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
        case Criterion::sum:
            return static_cast<double>(sum_bound_in_any_order(problem).count());
        case Criterion::period:
            return static_cast<double>(
                period_bound_in_any_order(problem, goal.frames_in_flight).count());
        default:
            return -std::numeric_limits<double>::infinity();
    }
}

// Whether a mapping that does not fit in one order may fit in another.
bool order_decides_fit(const Problem& problem, const Goal& goal) {
    const bool depends =
        is_coupled(problem) || std::ranges::any_of(goal.limits, [](const Limit& limit) {
            return limit.kind != Limit::Kind::loss;
        });
    return depends && Criteria(problem, goal).what_is_too_little().empty();
}

// The limit on what is minimised, if there is one: it decides nothing until the end.
std::optional<Limit> own_limit(const Goal& goal) {
    if (goal.minimise.size() > 1) {
        return std::nullopt;
    }
    const Criterion criterion = goal.minimise.front().criterion;
    for (const Limit& limit : goal.limits) {
        if ((limit.kind == Limit::Kind::latency && criterion == Criterion::latency) ||
            (limit.kind == Limit::Kind::energy && criterion == Criterion::energy) ||
            (limit.kind == Limit::Kind::loss && criterion == Criterion::loss)) {
            return limit;
        }
    }
    return std::nullopt;
}

Goal without(Goal goal, const Limit& own) {
    std::erase_if(goal.limits, [&](const Limit& limit) { return limit.kind == own.kind; });
    return goal;
}

// Without that limit; then it says whether the least is within it.
SearchResult within_own_limit(const Problem& problem,
                              const SearchOptions& options,
                              const Limit& own) {
    SearchOptions freely = options;
    freely.goal = without(options.goal, own);
    SearchResult result = branch_and_bound(problem, freely);
    std::int64_t most = own.most;
    for (const Limit& limit : options.goal.limits) {
        most = limit.kind == own.kind ? std::min(most, limit.most) : most;
    }
    if (result.status != SearchStatus::infeasible && result.value > static_cast<double>(most)) {
        return infeasible(result.status == SearchStatus::proven
                              ? "the least there is goes beyond its limit"
                              : "the least that was found goes beyond its limit");
    }
    return result;
}

// Adds the certificate to a result, or says why there is none.
// `order`: in which it is proven.
void certify(SearchResult& result,
             const Problem& problem,
             std::span<const int> order,
             const SearchOptions& options) {
    result.no_certificate = uncertifiable(problem, options.goal);
    if (result.no_certificate.empty() && result.status != SearchStatus::proven) {
        result.no_certificate = "no certificate: the mapping is not proven to be the best";
    }
    if (!result.no_certificate.empty()) {
        return;
    }
    const Claim claim{
        .goal = options.goal,
        .value = options.goal.is_latency() ? result.makespan.count() : std::llround(result.value)};
    if (result.in_any_order) {
        result.certificate = certificate_for_any_order(problem, claim);
    }
    if (!result.certificate) {
        result.certificate = certificate(problem, claim, order, options.certificate, options.stop);
    }
    if (!result.certificate) {
        result.no_certificate = options.stop && options.stop()
                                    ? "no certificate: stopped before it was complete"
                                    : "no certificate: it would have more than " +
                                          std::to_string(options.certificate) + " beginnings";
    }
}

}  // namespace

SearchResult internal::branch_and_bound_in_order(const Problem& problem,
                                                 const SearchOptions& options) {
    const Appraiser appraiser(problem, options.goal);
    SearchOptions alone = options;
    alone.team = nullptr;
    return exact_in_order(problem, alone, best_start(problem, appraiser, alone));
}

void end_assistance(const Team& team) {
    if (!team.busy) {
        tell(team, Command::end, {});
    }
}

void assist(const Team& team, const std::function<Assisted(int question)>& asked) {
    while (true) {
        const std::vector<std::int64_t> numbers = numbers_of(team.from_first({}));
        if (static_cast<Command>(numbers[0]) == Command::end) {
            return;
        }
        const Assisted now = asked(static_cast<int>(numbers[1]));
        const std::vector<int> order(numbers.begin() + 2, numbers.end());
        SearchOptions options = now.options;  // rank 0 alone looks at the clock
        options.stop = nullptr;
        options.progress = nullptr;
        options.elapsed = nullptr;
        if (const std::optional<Limit> own = own_limit(options.goal)) {
            options.goal = without(options.goal, *own);
        }
        const std::optional<Restricted> few = layered_problem(
            order.empty() ? now.problem : reordered(now.problem, order), options.goal);
        if (!few) {
            throw MachineError("the processes that search together have different platforms");
        }
        Layered(few->problem, {}, options, &team).widen({});
    }
}

SearchResult branch_and_bound(const Problem& problem, const SearchOptions& options) {
    const Goal& goal = options.goal;
    if (const std::optional<Limit> own = own_limit(goal)) {
        return within_own_limit(problem, options, *own);
    }
    const Appraiser appraiser(problem, goal);  // throws where the goal needs an unknown energy
    const bool one_order = has_one_order(problem) || order_decides_nothing(problem);
    const bool decides_order = options.free_order && !one_order && goal.prefer.empty();
    const bool is_windowed = can_search_windows(problem, goal);
    std::uint64_t evaluated = 0;

    // 1. Starts. The bound in all orders takes a while where all else takes none, so only where
    //    other orders count, or where there is no other bound.
    const bool asks_for_all_orders = options.free_order || goal.is_stream();
    double least = asks_for_all_orders ? least_in_any_order(problem, goal)
                                       : -std::numeric_limits<double>::infinity();
    const auto is_reached = [&](const Judged& one) {
        return one.appraisal.violation == 0 && one.appraisal.value <= least;
    };
    //    Where the exact search has bounds of all that counts, or few mappings, it is done, mostly,
    //    before the local one has warmed up.
    const bool has_bounds = !is_coupled(problem) && !goal.needs_whole();
    const bool is_small = !decides_order && count_mappings(problem) <= kFewMappings;
    Judged best = best_start(problem, appraiser, options);
    StreamPrices prices;
    if (!is_small && goal.is_stream() && !is_reached(best)) {
        // What is fastest at some prices for the resources is not yet good, but a good beginning.
        prices = price_stream(problem, until(options, kPricesEnd));
        prices.mappings.resize(std::min(prices.mappings.size(), kStartsOfAStream));
        evaluated += prices.nodes;
        if (one_order) {
            least = std::max(least, static_cast<double>(prices.bound));
        }
        best = improved_stream(problem,
                               options,
                               kStartsEndOfAStream,
                               std::move(best),
                               prices.mappings,
                               false,
                               is_reached,
                               11,
                               evaluated);
    } else if (!is_small && !(has_bounds && goal.is_latency())) {
        const SearchOptions first = until(options, kStartsEnd);
        const int turns = has_bounds ? 1 : kFirstTurns;
        for (int turn = 0; turn < turns && !first.stop() && !is_reached(best); ++turn) {
            best = improved(problem,
                            first,
                            placements_of(problem, has_bounds ? kQuickPlacements : kMostPlacements),
                            std::move(best),
                            decides_order && turn % 2 == 1,
                            static_cast<std::uint64_t>(turn) + 11,
                            least,
                            evaluated);
        }
    }

    // 2. In the static order.
    const double exact_end = goal.is_stream() ? kExactEndOfAStream
                             : is_windowed    ? kFirstExactEnd
                                              : kExactEnd;
    const bool goes_on = decides_order || (goal.is_stream() && !is_small);
    SearchResult result =
        exact_in_order(problem, goes_on ? until(options, exact_end) : options, best);
    result.evaluated += evaluated;
    const auto is_answer = [&] { return result.status != SearchStatus::infeasible; };
    if (!is_answer() && (!decides_order || !order_decides_fit(problem, goal))) {
        return result;
    }
    if (goal.is_stream()) {
        result.bound = std::max(result.bound, static_cast<double>(prices.bound));
    }
    std::vector<int> order(at(problem.layers()));  // in which it was searched
    std::iota(order.begin(), order.end(), 0);

    // 3. In others: first in that of what it began with, if nothing was better.
    const bool is_hard = result.status != SearchStatus::proven;
    const bool is_near = decides_order && is_windowed && is_hard && options.elapsed &&
                         result.value <= (1 + kNearProof) * result.bound;
    const auto search_in_order_of = [&](const Judged& one, double share) {
        order = layer_order(problem, one.mapping);
        const std::uint64_t before = result.evaluated;
        // Where it was too hard once it is not tried again without a limit.
        result = is_hard && is_windowed && !options.elapsed
                     ? unproven(problem, one)
                     : exact_in_its_order(
                           problem,
                           until(options, options.elapsed ? options.elapsed() + share : 1),
                           one);
        result.evaluated += before;
    };
    const double share_of_an_order = is_hard ? kShareWhereHard : kShareOfAnOrder;
    if (is_answer() && !is_in_static_order(problem, result.mapping)) {
        if (decides_order) {
            search_in_order_of(judged(appraiser, result), share_of_an_order);
        } else {
            result.status = SearchStatus::unproven;
            result.note = "better than all in the static order, and in another one";
        }
    }
    const auto is_closed = [&] { return is_answer() && result.value <= least; };
    const double orders_end = is_near ? kOrdersEndBeforeProof : kOrdersEnd;
    const SearchOptions orders = until(options, orders_end);
    if (goal.is_stream() && !is_small && result.status != SearchStatus::proven && !is_closed()) {
        evaluated = 0;
        if (is_answer()) {
            best = judged(appraiser, result);
        }
        const Judged other = improved_stream(problem,
                                             options,
                                             kOrdersEndOfAStream,
                                             best,
                                             {},
                                             decides_order,
                                             is_reached,
                                             101,
                                             evaluated);
        result.evaluated += evaluated;
        if (other.appraisal < best.appraisal && other.appraisal.violation == 0) {
            if (!is_answer()) {
                result.status = SearchStatus::unproven;
                result.note = "none in the static order fits";
            }
            result.mapping = other.mapping;
            result.makespan = simulate(problem, other.mapping).makespan;
            result.value = other.appraisal.value;
            result.bound = least;  // the other bounds are for the static order
        }
    }
    Pace pace(problem, options, orders_end);
    //    Where orders differ by what fits them alone, there is little to find.
    const int most_vain = is_sequential(problem) ? 1
                          : options.elapsed      ? kVainTurnsInTime
                          : has_bounds           ? kVainTurns
                                                 : kVainTurnsWhereHard;
    for (int turn = 0, vain = 0;
         decides_order && !goal.is_stream() && !is_closed() && !orders.stop();
         ++turn) {
        evaluated = 0;
        if (is_answer()) {
            best = judged(appraiser, result);
        }
        const Judged other = improved(problem,
                                      orders,
                                      pace.next(),
                                      best,
                                      true,
                                      static_cast<std::uint64_t>(turn) + 2,
                                      least,
                                      evaluated);
        pace.end_turn();
        result.evaluated += evaluated;
        if (!(other.appraisal < best.appraisal)) {
            if (++vain == most_vain) {
                break;
            }
            continue;
        }
        vain = 0;
        if (other.appraisal.violation > 0) {
            best = other;  // nearer to an answer
            continue;
        }
        search_in_order_of(other, share_of_an_order);
    }
    if (is_near && is_answer() && result.status != SearchStatus::proven && !is_closed()) {
        search_in_order_of(judged(appraiser, result), 1);
    }

    // 4. What is proven.
    if (!is_answer()) {
        return result;
    }
    result.in_any_order = result.status == SearchStatus::proven && one_order;
    if (is_closed()) {
        result.status = SearchStatus::proven;
        result.in_any_order = true;
        result.bound = result.value;
        result.note.clear();
    }
    result.bound = std::max(result.bound, least);
    if (goal.is_latency()) {
        const Time in_all = std::min(result.makespan, Time{std::llround(std::max(least, 0.0))});
        result.lower_bound = std::max(result.lower_bound, in_all);
        result.lower_bound_in_any_order = result.in_any_order ? result.makespan : in_all;
    }

    // 5. Why.
    if (options.certificate > 0) {
        certify(result, problem, order, options);
    }
    return result;
}

}  // namespace sim
