// The front of several criteria, or the best of one.
//
// 1. `Points` and `FrontSearch`: the search level by level (levels.hpp). It is exact where the
// makespan is the
//    evaluator's (problem.hpp: not coupled) and no axis is the period.
// 2. Elsewhere it finds the front of a relaxation: contention-free times, and for the period the
//    work of the busiest resource. Its points are assessed in full; what may still be better is
//    enumerated depth first, without dominance, pruned by the same bounds (`Enumeration`).
// 3. `pareto_front`, `exhaustive_front`.

#include "sim/search/front.hpp"

#include "sim/index.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sim::internal {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// Passes begin with this many states of a level and grow by the factor.
constexpr std::size_t kFirstWidth = 64, kFactor = 8;

// A mapping takes many microseconds to assess in full, so enumerating ends after this many nodes
// for each state that may be held.
constexpr std::size_t kNodesForEachState = 4;

// The same order, as whole numbers.
std::int64_t ordered(double value) {
    const auto bits = std::bit_cast<std::int64_t>(value + 0.0);
    return bits >= 0 ? bits : bits ^ std::numeric_limits<std::int64_t>::max();
}

bool overlaps(const Task& task, const Evaluator& placed) {
    return std::any_of(task.rest.begin(), task.rest.end(), [&](int layer) {
        return placed.covered[at(layer)] != 0;
    });
}

}  // namespace

// ---- 1. Points and levels. ----------------------------------------------------------------------

std::vector<std::uint32_t> undominated(std::span<const std::int64_t> numbers,
                                       std::size_t stride,
                                       std::size_t first,
                                       std::size_t compared,
                                       std::size_t ties) {
    const std::size_t rows = stride == 0 ? 0 : numbers.size() / stride;
    const auto number = [&](std::uint32_t row, std::size_t column) {
        return numbers[row * stride + column];
    };

    // 1. Columns that are the same in every row, or differ from an earlier one by a constant,
    // decide
    //    nothing. Doubles as whole numbers may be too far apart for a difference: those decide.
    std::vector<std::size_t> columns;
    for (std::size_t c = first; c < first + compared; ++c) {
        const auto is_same = [&](std::uint32_t row) { return number(row, c) == number(0, c); };
        const auto follows = [&](std::size_t other, std::uint32_t row) {
            std::int64_t here = 0, there = 0;
            return !__builtin_sub_overflow(number(row, c), number(0, c), &here) &&
                   !__builtin_sub_overflow(number(row, other), number(0, other), &there) &&
                   here == there;
        };
        const auto all_rows = [&](const auto& holds) {
            for (std::uint32_t row = 1; row < rows; ++row) {
                if (!holds(row)) {
                    return false;
                }
            }
            return true;
        };
        if (!all_rows(is_same) && std::none_of(columns.begin(), columns.end(), [&](auto other) {
                return all_rows([&](std::uint32_t row) { return follows(other, row); });
            })) {
            columns.push_back(c);
        }
    }

    // 2. A row comes after all that are as good.
    std::vector<std::uint32_t> order(rows), kept;
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        for (const std::size_t c : columns) {
            if (number(a, c) != number(b, c)) {
                return number(a, c) < number(b, c);
            }
        }
        for (std::size_t c = first + compared; c < first + compared + ties; ++c) {
            if (number(a, c) != number(b, c)) {
                return number(a, c) < number(b, c);
            }
        }
        return a < b;
    });

    // 3. Of what came before, with two columns the least second one is all that matters, with three
    //    a staircase; else the list.
    if (columns.size() <= 2) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (const std::uint32_t row : order) {
            const std::int64_t last = columns.size() < 2 ? 0 : number(row, columns[1]);
            if (!kept.empty() && (columns.size() < 2 || last >= least)) {
                continue;
            }
            least = last;
            kept.push_back(row);
        }
        return kept;
    }
    if (columns.size() == 3) {
        std::map<std::int64_t, std::int64_t> stairs;
        for (const std::uint32_t row : order) {
            const std::int64_t y = number(row, columns[1]), z = number(row, columns[2]);
            auto after = stairs.upper_bound(y);
            if (after != stairs.begin() && std::prev(after)->second <= z) {
                continue;
            }
            kept.push_back(row);
            if (after != stairs.begin() && std::prev(after)->first == y) {
                --after;
            }
            while (after != stairs.end() && after->second >= z) {
                after = stairs.erase(after);
            }
            stairs.emplace(y, z);
        }
        return kept;
    }
    std::vector<std::uint32_t> rivals;  // who has beaten many comes first
    for (const std::uint32_t row : order) {
        const auto better = std::find_if(rivals.begin(), rivals.end(), [&](std::uint32_t other) {
            return std::all_of(columns.begin(), columns.end(), [&](std::size_t c) {
                return number(other, c) <= number(row, c);
            });
        });
        if (better == rivals.end()) {
            kept.push_back(row);
            rivals.push_back(row);
        } else {
            std::iter_swap(better, rivals.begin() + (better - rivals.begin()) / 2);
        }
    }
    return kept;
}

bool Points::is_as_good(const Point& point, const double* bounds) const {
    bool equal = true;
    for (std::size_t a = 0; a < minimised_; ++a) {
        if (point.values[a] > bounds[a]) {
            return false;
        }
        equal &= point.values[a] == bounds[a];
    }
    if (equal) {
        for (std::size_t a = minimised_; a < axes_; ++a) {
            if (point.values[a] != bounds[a]) {
                return point.values[a] < bounds[a];
            }
        }
    }
    return true;
}

bool Points::cover(const double* bounds) const {
    // With many axes and points, some of them.
    constexpr std::size_t kMostLooks = 256;
    for (std::size_t i = settled_; i < points_.size(); ++i) {
        if (is_as_good(points_[i], bounds)) {
            return true;
        }
    }
    const auto end =
        std::upper_bound(points_.begin(),
                         points_.begin() + static_cast<std::ptrdiff_t>(settled_),
                         bounds[0],
                         [](double value, const Point& p) { return value < p.values[0]; });
    if (end == points_.begin()) {
        return false;
    }
    // Of two axes the last of them is the best on the other.
    if (minimised_ <= 2) {
        return is_as_good(*std::prev(end), bounds);
    }
    const auto count = static_cast<std::size_t>(end - points_.begin());
    const std::size_t by = count / kMostLooks + 1;
    for (std::size_t i = count; i > 0; i -= std::min(i, by)) {
        if (is_as_good(points_[i - 1], bounds)) {
            return true;
        }
    }
    return false;
}

void Points::add(Point point) {
    if (cover(point.values.data())) {
        return;
    }
    points_.push_back(std::move(point));
    if (minimised_ == 1 || points_.size() - settled_ > 64 + settled_ / 8) {
        settle();
    }
}

void Points::settle() {
    std::vector<std::int64_t> numbers;
    for (const Point& point : points_) {
        for (const double value : point.values) {
            numbers.push_back(ordered(value));
        }
    }
    std::vector<Point> kept;
    for (const std::uint32_t row : undominated(numbers, axes_, 0, minimised_, axes_ - minimised_)) {
        kept.push_back(std::move(points_[row]));
    }
    points_ = std::move(kept);
    settled_ = points_.size();
    std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
        return a.values < b.values;
    });
}

double Points::least(std::size_t axis) const {
    double least = kInfinite;
    for (const Point& point : points_) {
        least = std::min(least, point.values[axis]);
    }
    return least;
}

FrontSearch::FrontSearch(const Problem& problem,
                         const Criteria& criteria,
                         const SearchOptions& options)
    : problem_(problem),
      criteria_(criteria),
      options_(options),
      bounds_(problem, {}),
      states_(problem, bounds_, {}),
      evaluator_(problem) {}

void FrontSearch::use(const Prices& prices) {
    if (criteria_.needs_latency() && prices.matter()) {
        priced_.emplace(problem_, criteria_, prices);
    }
}

std::optional<std::vector<double>> FrontSearch::values(const Mapping& mapping) {
    evaluator_.clear();
    Criteria::Sums sums(criteria_.sums(), 0);
    for (const int task : mapping) {
        if (criteria_.is_too_much(task)) {
            return std::nullopt;
        }
        criteria_.add(sums, evaluator_, task);
        evaluator_.push(task);
    }
    criteria_.set_energy(sums, evaluator_);
    if (!evaluator_.core.possible || !criteria_.fit(sums, evaluator_, problem_.layers()) ||
        !criteria_.fit_in_time(evaluator_.core.dispatcher, sums, evaluator_, problem_.layers())) {
        return std::nullopt;
    }
    std::vector<double> values(criteria_.axes());
    criteria_.bounds(
        evaluator_.core.dispatcher, sums, evaluator_, problem_.layers(), values.data());
    return values;
}

// One pass over the levels; see search_levels.
class FrontSearch::Levels {
    struct Group;

public:
    Levels(FrontSearch& search, std::size_t width, Points& points)
        : problem_(search.problem_),
          criteria_(search.criteria_),
          bounds_(search.bounds_),
          priced_(search.priced_ ? &*search.priced_ : nullptr),
          states_(search.states_),
          evaluator_(search.evaluator_),
          points_(points),
          room_(std::max<std::size_t>(width, 4096)),
          scratch_(bounds_.scratch()),
          priced_scratch_(priced_ != nullptr ? priced_->scratch() : Bounds::Scratch{}),
          child_bounds_(criteria_.axes()),
          levels_(at(problem_.layers())) {
        pass.let_go.assign(criteria_.minimised(), kInfinite);
    }

    struct State {
        Group* group = nullptr;
        std::size_t index = 0;

        TraceStep step() const { return group->steps[index]; }
    };

    // False if no task can come first.
    bool add_first_state();

    bool reaches(int) const { return true; }
    std::vector<State> promising(int layer) { return promising(levels_[at(layer)]); }
    void choose(std::vector<State>& states, std::size_t count);
    void let_go(const State& state);
    std::size_t batch() const { return 64; }
    void expand(int layer, std::span<const State> states, std::size_t place);
    void forget(int layer) { levels_[at(layer)] = {}; }

    Pass pass;

private:
    // States with one key.
    struct Group {
        std::vector<std::uint64_t> key;
        std::size_t times = 0;              // of each state's numbers; the rest are sums
        std::vector<std::int64_t> numbers;  // times, then sums
        std::vector<double> bounds;         // by axis
        std::vector<TraceStep> steps;
        std::size_t tidy = 0;  // the first so many do not dominate each other
    };
    struct KeyHash {
        std::size_t operator()(const std::vector<std::uint64_t>& key) const {
            std::uint64_t h = 0x9e3779b97f4a7c15u;
            for (const std::uint64_t word : key) {
                h = (h ^ word) * 0xff51afd7ed558ccdu;
                h ^= h >> 32;
            }
            return h;
        }
    };
    struct Level {
        std::unordered_map<std::vector<std::uint64_t>, std::size_t, KeyHash> index;
        std::vector<Group> groups;
        std::size_t states = 0;

        Group& group_of(const std::vector<std::uint64_t>& key, std::size_t times);
    };

    void expand_state(const State& state, int layer, std::size_t place);
    void add_child(int next, const TraceStep& step);
    void keep(Level& level, const TraceStep& step);
    void tidy(Level& level, Group& group) const;
    std::vector<State> promising(Level& level) const;
    void shrink(Level& level);
    const double* bounds_of(const State& state) const {
        return &state.group->bounds[state.index * criteria_.axes()];
    }

    const Problem& problem_;
    const Criteria& criteria_;
    const Bounds& bounds_;
    const PricedBounds* const priced_;  // nullptr: limits cost nothing
    const States& states_;
    Evaluator& evaluator_;
    Points& points_;
    const std::size_t room_;  // states of a level that are held before some are let go
    Bounds::Scratch scratch_, priced_scratch_;
    Record record_;
    Criteria::Sums sums_, before_;
    std::vector<double> child_bounds_;
    std::vector<Level> levels_;
};

FrontSearch::Levels::Group& FrontSearch::Levels::Level::group_of(
    const std::vector<std::uint64_t>& key, std::size_t times) {
    const auto [found, is_new] = index.try_emplace(key, groups.size());
    if (is_new) {
        groups.emplace_back();
        groups.back().key = key;
        groups.back().times = times;
    }
    return groups[found->second];
}

void FrontSearch::Levels::tidy(Level& level, Group& group) const {
    if (group.tidy == group.steps.size()) {
        return;
    }
    const std::size_t stride = group.times + criteria_.sums(), axes = criteria_.axes();
    const std::size_t first = criteria_.needs_latency() ? 0 : group.times;
    std::vector<std::uint32_t> kept;
    if (stride > 0) {
        kept = undominated(group.numbers, stride, first, stride - first, 0);
    } else {
        kept.push_back(0);
    }
    std::sort(kept.begin(), kept.end());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        const std::size_t from = kept[i];
        std::copy_n(&group.numbers[from * stride], stride, &group.numbers[i * stride]);
        std::copy_n(&group.bounds[from * axes], axes, &group.bounds[i * axes]);
        group.steps[i] = group.steps[from];
    }
    level.states -= group.steps.size() - kept.size();
    group.numbers.resize(kept.size() * stride);
    group.bounds.resize(kept.size() * axes);
    group.steps.resize(kept.size());
    group.tidy = kept.size();
}

// The record, the sums and the bounds, as a state of the level.
void FrontSearch::Levels::keep(Level& level, const TraceStep& step) {
    Group& group = level.group_of(record_.key, record_.times.size());
    group.numbers.insert(group.numbers.end(), record_.times.begin(), record_.times.end());
    group.numbers.insert(group.numbers.end(), sums_.begin(), sums_.end());
    group.bounds.insert(group.bounds.end(), child_bounds_.begin(), child_bounds_.end());
    group.steps.push_back(step);
    ++level.states;
    if (group.steps.size() > 2 * group.tidy + 64) {
        tidy(level, group);
    }
}

// Those that no point covers.
std::vector<FrontSearch::Levels::State> FrontSearch::Levels::promising(Level& level) const {
    std::vector<State> found;
    for (Group& group : level.groups) {
        tidy(level, group);
        for (std::size_t i = 0; i < group.steps.size(); ++i) {
            if (const State state{&group, i}; !points_.cover(bounds_of(state))) {
                found.push_back(state);
            }
        }
    }
    return found;
}

void FrontSearch::Levels::let_go(const State& state) {
    pass.complete = false;
    for (std::size_t a = 0; a < criteria_.minimised(); ++a) {
        pass.let_go[a] = std::min(pass.let_go[a], bounds_of(state)[a]);
    }
}

// The `count` most promising, in turn by different weights of the axes.
void FrontSearch::Levels::choose(std::vector<State>& states, std::size_t count) {
    if (states.size() <= count) {
        return;
    }
    const std::size_t axes = criteria_.minimised();
    std::vector<std::vector<double>> weights;
    if (axes == 1) {
        weights = {{1.0}};
    } else {
        constexpr int kQuarters = 4;
        std::vector<double> weight(axes, 0.0);
        const auto divide = [&](const auto& self, std::size_t axis, int left) -> void {
            if (axis + 1 == axes) {
                weight[axis] = left;
                weights.push_back(weight);
                return;
            }
            for (int w = 0; w <= left; ++w) {
                weight[axis] = w;
                self(self, axis + 1, left - w);
            }
        };
        divide(divide, 0, kQuarters);
    }
    std::vector<double> low(axes, kInfinite), high(axes, -kInfinite);
    for (const State& state : states) {
        for (std::size_t a = 0; a < axes; ++a) {
            low[a] = std::min(low[a], bounds_of(state)[a]);
            high[a] = std::max(high[a], bounds_of(state)[a]);
        }
    }
    struct Scored {
        double score = 0;
        std::size_t place = 0;
    };
    std::vector<Scored> left(states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
        left[i].place = i;
    }
    std::vector<char> chosen(states.size(), 0);
    for (std::size_t w = 0, taken = 0; w < weights.size(); ++w) {
        const std::size_t share = (count - taken) / (weights.size() - w);
        for (Scored& one : left) {
            one.score = 0;
            for (std::size_t a = 0; a < axes; ++a) {
                if (weights[w][a] > 0 && high[a] > low[a]) {
                    one.score += weights[w][a] *
                                 ((bounds_of(states[one.place])[a] - low[a]) / (high[a] - low[a]));
                }
            }
        }
        const auto end = left.begin() + static_cast<std::ptrdiff_t>(share);
        std::nth_element(left.begin(), end, left.end(), [](const Scored& a, const Scored& b) {
            return std::pair(a.score, a.place) < std::pair(b.score, b.place);
        });
        std::for_each(left.begin(), end, [&](const Scored& one) { chosen[one.place] = 1; });
        left.erase(left.begin(), end);
        taken += share;
    }
    std::vector<State> kept;
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (chosen[i]) {
            kept.push_back(states[i]);
        } else {
            let_go(states[i]);
        }
    }
    states = std::move(kept);
}

// Lets go what there is no room for.
void FrontSearch::Levels::shrink(Level& level) {
    std::vector<State> kept = promising(level);
    choose(kept, room_);
    Level smaller;
    const std::size_t axes = criteria_.axes();
    for (const State& state : kept) {
        const Group& from = *state.group;
        Group& group = smaller.group_of(from.key, from.times);
        const std::size_t stride = from.times + criteria_.sums();
        const auto numbers =
            from.numbers.begin() + static_cast<std::ptrdiff_t>(state.index * stride);
        group.numbers.insert(
            group.numbers.end(), numbers, numbers + static_cast<std::ptrdiff_t>(stride));
        group.bounds.insert(group.bounds.end(), bounds_of(state), bounds_of(state) + axes);
        group.steps.push_back(state.step());
        group.tidy = group.steps.size();
    }
    smaller.states = kept.size();
    level = std::move(smaller);
}

bool FrontSearch::Levels::add_first_state() {
    evaluator_.clear();
    sums_.assign(criteria_.sums(), 0);
    if (!states_.save(evaluator_, 0, record_)) {
        return false;
    }
    criteria_.bounds(0, sums_, evaluator_, 0, child_bounds_.data());
    keep(levels_.front(), {});
    return true;
}

void FrontSearch::Levels::expand(int layer, std::span<const State> states, std::size_t place) {
    for (std::size_t i = 0; i < states.size(); ++i) {
        expand_state(states[i], layer, place + i);
    }
}

// Every task that can come next.
void FrontSearch::Levels::expand_state(const State& state, int layer, std::size_t place) {
    const std::int64_t* const numbers =
        &state.group->numbers[state.index * (state.group->times + criteria_.sums())];
    const std::int64_t* const sums = numbers + state.group->times;
    states_.load(evaluator_, layer, state.group->key.data(), numbers);
    evaluator_.core.energy = criteria_.energy(sums);
    before_.assign(sums, sums + criteria_.sums());
    for (const int k : problem_.starting[at(layer)]) {
        if (overlaps(problem_.tasks[at(k)], evaluator_)) {
            continue;
        }
        sums_ = before_;
        criteria_.add(sums_, evaluator_, k);
        evaluator_.push(k);
        ++pass.nodes;
        criteria_.set_energy(sums_, evaluator_);
        add_child(evaluator_.next_layer(layer + 1), {static_cast<std::uint32_t>(place), k});
        evaluator_.pop();
    }
}

// What is placed: a point if it is complete, else a state, unless a point covers it.
void FrontSearch::Levels::add_child(int next, const TraceStep& step) {
    if (!evaluator_.core.possible || !criteria_.fit(sums_, evaluator_, next)) {
        return;
    }
    const bool complete = next == problem_.layers();
    Ticks latency = evaluator_.core.dispatcher;
    if (!complete && criteria_.needs_latency()) {
        latency = bounds_(evaluator_, next, criteria_.too_late(), scratch_);
        if (priced_ != nullptr && latency < kNeverTicks) {
            latency = std::max(latency, (*priced_)(evaluator_, sums_, next, priced_scratch_));
        }
    }
    if (latency >= kNeverTicks || !criteria_.fit_in_time(latency, sums_, evaluator_, next)) {
        return;
    }
    criteria_.bounds(latency, sums_, evaluator_, next, child_bounds_.data());
    if (complete) {
        points_.add({.values = child_bounds_, .step = step, .mapping = {}});
        return;
    }
    if (points_.cover(child_bounds_.data()) || !states_.save(evaluator_, next, record_)) {
        return;
    }
    criteria_.raise(sums_, next);
    criteria_.append_marks(sums_, record_.key);
    Level& level = levels_[at(next)];
    keep(level, step);
    if (level.states > 2 * room_) {
        shrink(level);
    }
}

FrontSearch::Pass FrontSearch::pass(std::size_t width, Points& points) {
    Levels levels(*this, width, points);
    if (!levels.add_first_state()) {
        return std::move(levels.pass);
    }
    Trace trace;
    const bool ended = search_levels(levels, 0, problem_.layers(), width, options_.stop, trace);
    levels.pass.stopped = !ended;
    levels.pass.complete &= ended;
    points.settle();
    for (Points::Point& point : points.all()) {
        if (point.mapping.empty() && point.start < 0) {
            point.mapping = trace.back_from(point.step);
        }
    }
    return std::move(levels.pass);
}

// ---- 2. Where only the whole mapping tells. -----------------------------------------------------

namespace {

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
    return std::any_of(goal.minimise.begin(), goal.minimise.end(), is_period) ||
           std::any_of(goal.prefer.begin(), goal.prefer.end(), is_period);
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
          most_(kNodesForEachState * options.max_states) {
        sums_.emplace_back(criteria.sums(), 0);
    }

    // True if none was left out.
    bool run() {
        visit(0);
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

    void visit(int layer) {
        // 1. What can come next, with its bounds.
        std::vector<Child> children;
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

        // 2. The best first.
        for (const Child& child : children) {
            if (judge_.points.cover(child.bounds.data())) {
                continue;
            }
            if (stopped || exhausted) {
                return;
            }
            place(child.task);
            const int next = evaluator_.next_layer(layer + 1);
            if (next < problem_.layers()) {
                visit(next);
            } else {
                judge_.add(path_);
                nodes += 16;  // about what it costs
            }
            take_back();
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
    const bool exact = !is_coupled(problem) && !has_period(goal);
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
    bool complete = false, stopped = false;
    const bool tells =
        options.progress && minimised == 1 && goal.minimise[0].criterion == Criterion::latency;
    for (std::size_t width = kFirstWidth; !complete && !stopped; width *= kFactor) {
        const FrontSearch::Pass pass = search.pass(width, points);
        nodes += pass.nodes;
        complete = pass.complete;
        stopped = pass.stopped;
        for (std::size_t a = 0; a < minimised; ++a) {
            ideal[a] = std::max(ideal[a], std::min(pass.let_go[a], points.least(a)));
        }
        if (tells && exact && !points.empty()) {
            options.progress(Time{static_cast<Ticks>(points.least(0))},
                             Time{static_cast<Ticks>(std::max(0.0, ideal[0]))});
        }
        if (2 * width * kFactor > options.max_states) {
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
        front.note = "stopped before the proof";
    } else if (!proven) {
        front.note = exhausted ? "too many mappings are left to simulate in full"
                               : "more states than the search may hold";
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
    const auto visit = [&](const auto& self, int layer) -> void {
        for (const int k : problem.starting[at(layer)]) {
            if (stopped) {
                return;
            }
            if (overlaps(problem.tasks[at(k)], evaluator)) {
                continue;
            }
            evaluator.push(k);
            path.push_back(k);
            const int next = evaluator.next_layer(layer + 1);
            if (next < problem.layers()) {
                self(self, next);
            } else {
                if (evaluator.core.possible) {
                    judge.add(path);
                }
                if (++evaluated % 64 == 0) {
                    stopped = options.stop && options.stop();
                }
            }
            path.pop_back();
            evaluator.pop();
        }
    };
    visit(visit, 0);
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
