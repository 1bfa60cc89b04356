// The front of several criteria, or the best of one.
//
// 1. The search level by level (front_search.hpp). It is exact where the makespan is the
//    evaluator's (problem.hpp: not coupled) and no axis is the period or a sum of latencies.
// 2. Elsewhere it finds the front of a relaxation: contention-free times, for the period the work
//    of the busiest resource, for a sum the last network and the least of the others. Its points
//    are assessed in full (`Judge`); what may still be better is enumerated depth first, without
//    dominance, pruned by the same bounds
//    (`Enumeration`).
// 3. `pareto_front`, `exhaustive_front`.

#include "sim/index.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/front_search.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

namespace sim::internal {
namespace {

// Passes begin with this many states of a level and grow by the factor.
constexpr std::size_t kFirstWidth = 64, kFactor = 8;

// Of a relaxation no pass is wider: then what is known of the whole mappings decides.
constexpr std::size_t kWidestRelaxation = 262'144;

// A mapping takes many microseconds to assess in full, so enumerating ends after this many nodes.
constexpr std::uint64_t kMostEnumerated = 16'000'000;

// ---- 2. Where only the whole mapping tells. -----------------------------------------------------

std::vector<double> assessed_values(const Problem& problem,
                                    const Goal& goal,
                                    const Mapping& mapping,
                                    const Assessment& assessment) {
    std::vector<double> values;
    for (const auto* objectives : {&goal.minimise, &goal.prefer}) {
        for (const Objective& objective : *objectives) {
            values.push_back(value_on(problem, objective, mapping, assessment));
        }
    }
    return values;
}

bool has_period(const Goal& goal) {
    const auto is_period = [](const Objective& objective) {
        return objective.criterion == Criterion::period;
    };
    return std::ranges::any_of(goal.minimise, is_period) ||
           std::ranges::any_of(goal.prefer, is_period);
}

// Assesses mappings and keeps the best.
class Judge {
public:
    Judge(const Problem& problem, const Goal& goal)
        : problem_(problem),
          goal_(goal),
          options_{.frames_in_flight = has_period(goal) ? goal.frames_in_flight : 0},
          points(goal.minimise.size(), goal.minimise.size() + goal.prefer.size()) {}

private:
    const Problem& problem_;
    const Goal& goal_;
    AssessOptions options_;

public:
    // Its values on all axes; nothing if the mapping is infeasible.
    std::optional<std::vector<double>> add(const Mapping& mapping) {
        AssessOptions brief = options_;
        brief.is_brief = true;
        const Assessment assessment = assess(problem_, mapping, brief);
        if (!assessment.violations.empty()) {
            const auto excess = [](const Violation& violation) {
                return static_cast<double>(violation.needed) /
                       std::max(1.0, static_cast<double>(violation.limit));
            };
            const auto worst = std::ranges::max_element(assessment.violations, {}, excess);
            if (nearest.empty() || excess(*worst) < least_excess_) {
                least_excess_ = excess(*worst);
                nearest = to_string(problem_, *worst);
            }
        }
        if (!keeps_to(goal_, assessment)) {
            return std::nullopt;
        }
        std::vector<double> values = assessed_values(problem_, goal_, mapping, assessment);
        points.add({.values = values, .step = {}, .mapping = mapping});
        return values;
    }

    std::vector<Violation> violations(const Mapping& mapping) const {
        AssessOptions brief = options_;
        brief.is_brief = true;
        return assess(problem_, mapping, brief).violations;
    }

    Front front() {
        Front front;
        points.settle();
        for (Points::Point& point : points.all()) {
            Assessment assessment = assess(problem_, point.mapping, options_);
            std::vector<double> values(
                point.values.begin(),
                point.values.begin() + static_cast<std::ptrdiff_t>(goal_.minimise.size()));
            front.points.push_back({.mapping = std::move(point.mapping),
                                    .assessment = std::move(assessment),
                                    .values = std::move(values)});
        }
        return front;
    }

    Points points;
    std::string nearest;  // what the mapping that is nearest to fitting lacks

private:
    double least_excess_ = 0;
};

std::string no_mapping(const Judge& judge) {
    return judge.nearest.empty() ? "no mapping fits, with links that exist"
                                 : "no mapping fits; the nearest: " + judge.nearest;
}

// Every mapping that the bounds do not rule out, depth first, the best bounds first.
class Enumeration {
public:
    Enumeration(const Problem& problem,
                const Criteria& criteria,
                const SearchOptions& options,
                Judge& judge)
        : problem_(problem),
          criteria_(criteria),
          options_(options),
          judge_(judge),
          bounds_(problem, {}),
          scratch_(bounds_.scratch()),
          evaluator_(problem),
          most_(kMostEnumerated) {
        sums_.emplace_back(criteria.sums(), 0);
    }

    // True if none was left out.
    bool run() {
        visit_all();
        return !stopped && !exhausted;
    }

    std::uint64_t nodes = 0;
    bool stopped = false, exhausted = false;

private:
    struct Child {
        std::vector<double> bounds;
        int task = -1;
    };

    void place(int task) {
        Criteria::Sums sums = sums_.back();
        criteria_.add(sums, evaluator_, task);
        evaluator_.push(task);
        criteria_.set_energy(sums, evaluator_);
        sums_.push_back(std::move(sums));
        path_.push_back(task);
    }
    void take_back() {
        evaluator_.pop();
        sums_.pop_back();
        path_.pop_back();
    }

    // Of a beginning that is left open: the layer that comes next, and its tasks.
    struct Level {
        int layer = 0;
        std::vector<Child> children = {};
        std::size_t next = 0;
    };

    // What can come next, the best bounds first.
    Level open(int layer) {
        Level level{.layer = layer};
        std::vector<Child>& children = level.children;
        for (const int k : problem_.starting[at(layer)]) {
            if (overlaps(problem_.tasks[at(k)], evaluator_) || criteria_.is_too_much(k)) {
                continue;
            }
            place(k);
            ++nodes;
            const int next = evaluator_.next_layer(layer + 1);
            if (evaluator_.core.possible && criteria_.fit(sums_.back(), evaluator_, next)) {
                Ticks latency = evaluator_.core.dispatcher;
                if (next < problem_.layers() && criteria_.needs_latency()) {
                    latency = bounds_(evaluator_, next, criteria_.too_late(), scratch_);
                }
                Child child{.bounds = std::vector<double>(criteria_.axes()), .task = k};
                criteria_.bounds(latency, sums_.back(), evaluator_, next, child.bounds.data());
                if (latency < kNeverTicks &&
                    criteria_.fit_in_time(latency, sums_.back(), evaluator_, next) &&
                    !judge_.points.cover(child.bounds.data())) {
                    children.push_back(std::move(child));
                }
            }
            take_back();
        }
        if (nodes >= asked_ + 256) {
            asked_ = nodes;
            stopped = options_.stop && options_.stop();
        }
        exhausted = exhausted || nodes > most_;
        std::stable_sort(children.begin(), children.end(), [](const Child& a, const Child& b) {
            return a.bounds < b.bounds;
        });
        return level;
    }

    // A stack of its own: models have thousands of layers.
    void visit_all() {
        std::vector<Level> levels;
        levels.push_back(open(0));
        while (!levels.empty()) {
            Level& level = levels.back();
            while (level.next < level.children.size() &&
                   judge_.points.cover(level.children[level.next].bounds.data())) {
                ++level.next;
            }
            if (level.next == level.children.size() || stopped || exhausted) {
                levels.pop_back();
                if (!levels.empty()) {
                    take_back();
                }
                continue;
            }
            place(level.children[level.next++].task);
            const int next = evaluator_.next_layer(level.layer + 1);
            if (next < problem_.layers()) {
                levels.push_back(open(next));
            } else {
                judge_.add(path_);
                nodes += 16;  // about what it costs
                take_back();
            }
        }
    }

    const Problem& problem_;
    const Criteria& criteria_;
    const SearchOptions& options_;
    Judge& judge_;
    Bounds bounds_;
    Bounds::Scratch scratch_;
    Evaluator evaluator_;
    std::vector<Criteria::Sums> sums_;
    Mapping path_;
    std::uint64_t asked_ = 0, most_ = 0;
};

// Passes of a search that only looks for good mappings where others prove.
constexpr std::size_t kWidthWithRoom = 4096;
constexpr int kMostRooms = 4;  // how often more room is left

// Weights leave tensors some room in a memory. Where those of the best mappings did not fit, the
// search goes on with so much less for weights, until they do; what it finds is judged.
std::uint64_t leave_room(const Restricted& few,
                         const SearchOptions& options,
                         Points& found,
                         Judge& judge) {
    std::uint64_t nodes = 0;
    std::vector<std::int64_t> room(few.problem.capacities.size(), 0);
    std::vector<Mapping> best;
    for (const Points::Point& point : found.all()) {
        best.push_back(point.mapping);
    }
    for (int round = 0; round < kMostRooms && !room.empty(); ++round) {
        // 1. What lacks room.
        std::vector<std::int64_t> more(room.size(), 0);
        for (const Mapping& mapping : best) {
            for (const Violation& violation : judge.violations(few.in_original(mapping))) {
                if (violation.kind == Violation::Kind::capacity) {
                    std::int64_t& lacks = more[at(violation.index)];
                    lacks = std::max(lacks, violation.needed - violation.limit);
                }
            }
        }
        if (std::ranges::all_of(more, [](std::int64_t bytes) { return bytes == 0; }) ||
            (options.stop && options.stop())) {
            break;
        }
        // 2. Once more, with that.
        Problem smaller = few.problem;
        for (std::size_t m = 0; m < room.size(); ++m) {
            room[m] += more[m];
            if (smaller.capacities[m] > 0) {  // no room at all would mean that none is stated
                smaller.capacities[m] = std::max<std::int64_t>(1, smaller.capacities[m] - room[m]);
            }
        }
        const Criteria criteria(smaller, options.goal);
        FrontSearch search(smaller, criteria, options);
        if (criteria.needs_latency()) {
            search.use(find_prices(smaller, criteria, options));
        }
        Points points(criteria.minimised(), criteria.axes());
        bool is_over = false;
        for (std::size_t width = kFirstWidth; !is_over && width <= kWidthWithRoom;
             width *= kFactor) {
            const FrontSearch::Pass pass = search.pass(width, points);
            nodes += pass.nodes;
            is_over = pass.complete || pass.stopped;
        }
        best.clear();
        for (Points::Point& point : points.all()) {
            judge.add(few.in_original(point.mapping));
            best.push_back(std::move(point.mapping));
        }
    }
    return nodes;
}

// Mappings to begin with: what is cheapest by one measure or a mix of two, and the heuristics.
std::vector<Mapping> beginnings(const Problem& problem, const SearchOptions& options) {
    std::vector<Mapping> found;
    const Covers covers(problem);
    double most_cost = 1, most_energy = 1;
    for (const Task& task : problem.tasks) {
        most_cost = std::max(most_cost, static_cast<double>(task.cost.count()));
        most_energy = std::max(most_energy, std::abs(static_cast<double>(task.energy.femtojoules)));
    }
    const auto add = [&](const std::function<std::int64_t(int)>& cost) {
        if (std::optional<Mapping> cover = covers.cheapest(cost)) {
            found.push_back(std::move(*cover));
        }
    };
    for (int quarter = 0; quarter <= (problem.knows_energy() ? 4 : 0); ++quarter) {
        add([&](int k) {
            const Task& task = problem.tasks[at(k)];
            const double cost = static_cast<double>(task.cost.count()) / most_cost;
            const double energy = static_cast<double>(task.energy.femtojoules) / most_energy;
            return std::llround(((4 - quarter) * cost + quarter * energy) * 0x1p30);
        });
    }
    add([&](int k) { return problem.tasks[at(k)].loss; });
    for (int b = 0; b < static_cast<int>(problem.budgets.size()); ++b) {
        add([&](int k) { return use_of(problem.tasks[at(k)], problem, b); });
    }
    SearchOptions quietly = options;
    quietly.only.clear();
    for (const auto heuristic : {heft, greedy, uniform}) {
        if (SearchResult result = heuristic(problem, quietly); !result.mapping.empty()) {
            found.push_back(std::move(result.mapping));
        }
    }
    quietly.goal = {};
    if (SearchResult result = greedy(problem, quietly); !result.mapping.empty()) {
        found.push_back(std::move(result.mapping));
    }
    return found;
}

// Those of the options, and of several objectives the answer for each by itself; together they end
// when so much of the time is over.
std::vector<Mapping> known_mappings(const Problem& problem, const SearchOptions& options) {
    constexpr double kShare = 0.4;
    std::vector<Mapping> known = options.starts;
    const std::size_t count = options.goal.minimise.size();
    const double begin = options.elapsed ? std::min(options.elapsed(), kShare) : 0;
    for (std::size_t i = 0; count > 1 && i < count; ++i) {
        const double part = static_cast<double>(i + 1) / static_cast<double>(count);
        if (!known.empty() && options.stop && options.stop()) {
            break;
        }
        SearchOptions alone = from_now_until(options, begin + (kShare - begin) * part);
        alone.goal.minimise.assign(1, options.goal.minimise[i]);
        alone.progress = {};
        alone.team = nullptr;
        if (SearchResult result = branch_and_bound(problem, alone); !result.mapping.empty()) {
            known.push_back(std::move(result.mapping));
        }
    }
    return known;
}

}  // namespace

}  // namespace sim::internal

// ---- 3. The searches. ---------------------------------------------------------------------------

namespace sim {

using namespace internal;

Front pareto_front(const Problem& problem, const SearchOptions& options) {
    const Goal& goal = options.goal;
    const Criteria all(problem, goal);
    const bool exact = !is_coupled(problem) && !goal.needs_whole();
    const std::size_t minimised = all.minimised();
    const auto is_stopped = [&] { return options.stop && options.stop(); };
    Judge judge(problem, goal);

    // 0. Told to stop before it began: what is known is the answer.
    if (!options.starts.empty() && is_stopped()) {
        for (const Mapping& start : options.starts) {
            judge.add(start);
        }
        if (!judge.points.empty()) {
            Front front = judge.front();
            front.proven = false;
            front.ideal.assign(minimised, -kInfinite);
            front.note = "stopped before the proof";
            return front;
        }
    }

    // 1. Without tasks that are never better than another, level by level. Where the simulation of
    //    the whole decides, this is a relaxation.
    const Restricted few = restricted(problem, all.undominated());
    const Criteria criteria(few.problem, goal);
    Points points(minimised, all.axes());
    FrontSearch search(few.problem, criteria, options);
    for (Mapping& mapping : beginnings(few.problem, options)) {
        if (!exact && (judge.points.empty() || !is_stopped())) {
            judge.add(few.in_original(mapping));
        }
        if (std::optional<std::vector<double>> values = search.values(mapping)) {
            points.add({.values = std::move(*values), .step = {}, .mapping = std::move(mapping)});
        }
    }
    // What limits cost, and the mappings that are fastest at some price.
    const Prices prices =
        criteria.needs_latency() ? find_prices(few.problem, criteria, options) : Prices{};
    search.use(prices);
    for (const Mapping& mapping : prices.mappings) {
        if (std::optional<std::vector<double>> values = search.values(mapping)) {
            if (!exact) {
                judge.add(few.in_original(mapping));
            }
            points.add({.values = std::move(*values), .step = {}, .mapping = mapping});
        }
    }
    // Mappings that are known may be in another order, of which the levels know nothing.
    const std::vector<Mapping> known = known_mappings(problem, options);
    for (int start = 0; start < static_cast<int>(known.size()); ++start) {
        if (const auto values = judge.add(known[at(start)]); values && exact) {
            points.add({.values = *values, .step = {}, .mapping = {}, .start = start});
        }
    }
    points.settle();

    std::vector<double> ideal(minimised, -kInfinite);
    for (std::size_t a = 0; a < minimised; ++a) {
        if (goal.minimise[a].criterion == Criterion::latency) {
            ideal[a] = static_cast<double>(prices.bound);
        }
    }
    std::uint64_t nodes = prices.nodes;
    bool complete = false, stopped = false, full = false;
    const bool tells =
        options.progress && minimised == 1 && goal.minimise[0].criterion == Criterion::latency;
    for (std::size_t width = kFirstWidth; !complete && !stopped; width *= kFactor) {
        // What let go states for want of memory would do so again if it were wider.
        const bool goes_deep = full;
        const FrontSearch::Pass pass =
            search.pass(goes_deep ? Course::kAll : width, points, goes_deep);
        nodes += pass.nodes;
        complete = pass.complete;
        full |= pass.full;
        stopped = pass.stopped;
        for (std::size_t a = 0; a < minimised; ++a) {
            ideal[a] = std::max(ideal[a], std::min(pass.let_go[a], points.least(a)));
        }
        if (tells && exact && !points.empty()) {
            options.progress(Time{static_cast<Ticks>(points.least(0))},
                             Time{static_cast<Ticks>(std::max(0.0, ideal[0]))});
        }
        if (goes_deep || (!exact && (full || width >= kWidestRelaxation))) {
            break;
        }
    }

    // 2. What the whole says.
    bool proven = complete;
    for (const Points::Point& point : points.all()) {
        stopped = stopped || (options.stop && options.stop());
        if (stopped && !judge.points.empty()) {
            proven = false;
            break;
        }
        if (point.start < 0) {
            proven &= judge.add(few.in_original(point.mapping)).has_value() || !exact;
        }
    }
    bool exhausted = false;
    // Nothing is better than the relaxation's front: often it is reached.
    const auto is_reached = [&] {
        return complete && !stopped &&
               std::ranges::all_of(points.all(), [&](const Points::Point& point) {
                   return judge.points.cover(point.values.data());
               });
    };
    if (!exact) {
        proven = is_reached();
        if (!proven && !stopped) {
            nodes += leave_room(few, options, points, judge);
            stopped = options.stop && options.stop();
            proven = is_reached();
        }
    }
    if (!proven && !exact && !stopped) {
        Enumeration rest(problem, all, options, judge);
        proven = rest.run();
        stopped = rest.stopped;
        exhausted = rest.exhausted;
        nodes += rest.nodes;
    }
    // Of one objective, a bound that is reached is a proof, however early the search ended.
    if (minimised == 1 && goal.prefer.empty() && judge.points.least(0) <= ideal[0]) {
        proven = true;
        stopped = exhausted = false;
    }
    Front front = judge.front();
    front.proven = proven;
    front.evaluated = nodes;
    front.ideal = std::move(ideal);
    if (proven && !front.points.empty()) {
        for (std::size_t a = 0; a < minimised; ++a) {
            front.ideal[a] = judge.points.least(a);
        }
    }
    if (front.points.empty()) {
        front.note = all.what_is_too_little();
        if (front.note.empty()) {
            front.note =
                proven ? no_mapping(judge) : "stopped before any mapping that fits was found";
        }
    } else if (stopped) {
        front.note = unproven_note(options, full);
    } else if (!proven) {
        front.note = exhausted ? "too many mappings are left to simulate in full"
                               : "more mappings than bounds leave out";
    }
    return front;
}

Front exhaustive_front(const Problem& problem, const SearchOptions& options) {
    const Criteria criteria(problem, options.goal);  // throws where the energy is unknown
    Judge judge(problem, options.goal);
    Evaluator evaluator(problem);
    Mapping path;
    std::uint64_t evaluated = 0;
    bool stopped = false;
    struct Level {
        int layer = 0;
        std::size_t next = 0;  // of the tasks that may start there
    };
    std::vector<Level> levels{{}};  // a stack of its own: models have thousands of layers
    const auto take_back = [&] {
        path.pop_back();
        evaluator.pop();
    };
    while (!levels.empty()) {
        Level& level = levels.back();
        const std::vector<int>& tasks = problem.starting[at(level.layer)];
        while (level.next < tasks.size() &&
               overlaps(problem.tasks[at(tasks[level.next])], evaluator)) {
            ++level.next;
        }
        if (level.next == tasks.size() || stopped) {
            levels.pop_back();
            if (!levels.empty()) {
                take_back();
            }
            continue;
        }
        const int task = tasks[level.next++];
        evaluator.push(task);
        path.push_back(task);
        if (const int next = evaluator.next_layer(level.layer + 1); next < problem.layers()) {
            levels.push_back({.layer = next});
            continue;
        }
        if (evaluator.core.possible) {
            judge.add(path);
        }
        if (++evaluated % 64 == 0) {
            stopped = options.stop && options.stop();
        }
        take_back();
    }
    for (std::size_t i = 0; stopped && i < options.starts.size(); ++i) {
        judge.add(options.starts[i]);
    }
    Front front = judge.front();
    front.proven = !stopped;
    front.evaluated = evaluated;
    front.ideal.assign(options.goal.minimise.size(), -kInfinite);
    if (front.proven && !front.points.empty()) {
        for (std::size_t a = 0; a < front.ideal.size(); ++a) {
            front.ideal[a] = judge.points.least(a);
        }
    }
    if (front.points.empty()) {
        front.note = criteria.what_is_too_little();
        if (front.note.empty()) {
            front.note =
                stopped ? "stopped before any mapping that fits was found" : no_mapping(judge);
        }
    } else if (stopped) {
        front.note = "stopped before the proof";
    }
    return front;
}

}  // namespace sim
