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
#include "sim/search/shares.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace sim::internal {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// Passes begin with this many states of a level and grow by the factor.
constexpr std::size_t kFirstWidth = 64, kFactor = 8;

// Of a relaxation no pass is wider: then what is known of the whole mappings decides.
constexpr std::size_t kWidestRelaxation = 262'144;

// A mapping takes many microseconds to assess in full, so enumerating ends after this many nodes.
constexpr std::uint64_t kMostEnumerated = 16'000'000;

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
      memory_(static_cast<std::size_t>(std::max<std::int64_t>(0, options.memory.count))),
      workers_(std::max(1, options.threads)),
      evaluators_(at(workers_.count()), Evaluator(problem)) {}

void FrontSearch::use(const Prices& prices) {
    if (criteria_.needs_latency() && prices.matter()) {
        priced_.emplace(problem_, criteria_, prices);
    }
}

std::optional<std::vector<double>> FrontSearch::values(const Mapping& mapping) {
    Evaluator& evaluator = evaluators_.front();
    evaluator.clear();
    Criteria::Sums sums(criteria_.sums(), 0);
    for (const int task : mapping) {
        if (criteria_.is_too_much(task)) {
            return std::nullopt;
        }
        criteria_.add(sums, evaluator, task);
        evaluator.push(task);
    }
    criteria_.set_energy(sums, evaluator);
    if (!evaluator.core.possible || !criteria_.fit(sums, evaluator, problem_.layers()) ||
        !criteria_.fit_in_time(evaluator.core.dispatcher, sums, evaluator, problem_.layers())) {
        return std::nullopt;
    }
    std::vector<double> values(criteria_.axes());
    criteria_.bounds(evaluator.core.dispatcher, sums, evaluator, problem_.layers(), values.data());
    return values;
}

// One pass over the levels; see search_levels.
class FrontSearch::Levels {
public:
    Levels(FrontSearch& search, std::size_t width, Points& points)
        : problem_(search.problem_),
          criteria_(search.criteria_),
          bounds_(search.bounds_),
          priced_(search.priced_ ? &*search.priced_ : nullptr),
          states_(search.states_),
          evaluators_(search.evaluators_),
          points_(points),
          room_(std::max(width, kLeastRoom)),
          code_(problem_, bounds_),
          shares_(states_,
                  search.memory_,
                  search.workers_,
                  width >= kWideEnough,
                  0,
                  words(states_.most_times()),
                  criteria_.marks()),
          by_worker_(evaluators_.size()),
          found_(shares_.pieces()) {
        for (Worker& worker : by_worker_) {
            worker.scratch = bounds_.scratch();
            if (priced_ != nullptr) {
                worker.priced_scratch = priced_->scratch();
            }
            worker.bounds.resize(criteria_.axes());
        }
        for (Evaluator& evaluator : evaluators_) {
            evaluator.clear();
        }
        pass.let_go.assign(criteria_.minimised(), kInfinite);
    }

    using List = HeldList;

    // False if no task can come first.
    bool add_first_state();

    bool reaches(int) const { return true; }
    List promising(int layer);
    void choose(List& states, std::size_t count, int layer);
    void let_go(std::span<const Held> states, int layer);
    TraceStep step(const Held& held, int layer) const { return shares_.state(held, layer).step; }
    std::size_t batch(int layer) const {
        return shares_.count() == 1
                   ? kNarrowBatch
                   : std::min(kLargestBatch, shares_.batch(problem_.starting[at(layer)].size()));
    }
    void expand(int layer, std::span<const Held> states, std::size_t place);
    void forget(int layer) { shares_.forget(layer); }
    void keep_mappings(const Trace& trace);

    Pass pass;

private:
    // Of a state: its times, its sums, its bounds by axis. The latter two take 64 bits each.
    struct alignas(128) Worker {
        Record record;
        Bounds::Scratch scratch, priced_scratch;
        std::vector<Ticks> times;
        Criteria::Sums sums, before;
        std::vector<double> bounds;
        std::uint64_t nodes = 0;
    };

    std::size_t words(std::size_t times) const {
        return code_.words(times) + 2 * (criteria_.sums() + criteria_.axes());
    }
    void read_sums(const Store::State& state, std::size_t times, std::int64_t* sums) const {
        std::memcpy(
            sums, state.numbers() + code_.words(times), criteria_.sums() * sizeof(std::int64_t));
    }
    void read_bounds(const Store::State& state, std::size_t times, double* bounds) const {
        std::memcpy(bounds,
                    state.numbers() + code_.words(times) + 2 * criteria_.sums(),
                    criteria_.axes() * sizeof(double));
    }
    void read_bounds(const Held& held, int layer, double* bounds) const {
        read_bounds(shares_.state(held, layer), shares_.group(held, layer).times, bounds);
    }

    void expand_state(const Held& held,
                      int layer,
                      std::size_t place,
                      int by,
                      std::size_t piece,
                      std::span<Shares::Box> boxes);
    void add_child(
        int next, const TraceStep& step, int by, std::size_t piece, std::span<Shares::Box> boxes);
    void post(Worker& worker, std::span<Shares::Box> boxes, int layer, const TraceStep& step) const;
    void keep(Store& store,
              const Shares::Child& child,
              const std::uint64_t* key,
              const std::uint32_t* numbers) const;
    void tidy(Store& store, Store::Group& group) const;
    void shrink(int layer);

    static constexpr std::size_t kLeastRoom = 4096, kWideEnough = 512;
    // A better point is of use from the next batch on.
    static constexpr std::size_t kNarrowBatch = 64, kLargestBatch = 512;

    const Problem& problem_;
    const Criteria& criteria_;
    const Bounds& bounds_;
    const PricedBounds* const priced_;  // nullptr: limits cost nothing
    const States& states_;
    std::vector<Evaluator>& evaluators_;  // by worker
    Points& points_;                      // those of a batch are added when it is done
    const std::size_t room_;              // states of a level that are held before some are let go
    const TimeCode code_;
    Shares shares_;
    std::vector<Worker> by_worker_;
    std::vector<std::vector<Points::Point>> found_;  // by piece
    int expanded_ = 0;                               // the level that was expanded last
};

// Drops what another state of the group dominates.
void FrontSearch::Levels::tidy(Store& store, Store::Group& group) const {
    if (group.tidy == group.states) {
        return;
    }
    const std::size_t times = group.times, stride = times + criteria_.sums();
    const std::size_t first = criteria_.needs_latency() ? 0 : times;
    // The list begins with the latest; of equals the earliest stays.
    std::vector<std::int64_t> numbers(group.states * stride);
    std::size_t row = group.states;
    for (Store::Place next = group.first; next != 0; next = store.state(next).next) {
        std::int64_t* const its = &numbers[--row * stride];
        code_.read(store.state(next).numbers(), 0, times, its);
        read_sums(store.state(next), times, its + times);
    }
    std::vector<char> kept(group.states, 0);
    for (const std::uint32_t one : undominated(numbers, stride, first, stride - first, 0)) {
        kept[one] = 1;
    }
    row = group.states;
    for (Store::Place* link = &group.first; *link != 0;) {
        if (kept[--row]) {
            link = &store.state(*link).next;
        } else {
            store.remove(group, *link);
        }
    }
    group.tidy = group.states;
}

void FrontSearch::Levels::keep(Store& store,
                               const Shares::Child& child,
                               const std::uint64_t* key,
                               const std::uint32_t* numbers) const {
    Store::Group& group = store.group(store.group_of(key, child.hash, child.times, child.words));
    std::copy_n(numbers, child.words, store.add(group, child.step).numbers());
    if (group.states > 2 * group.tidy + 64) {
        tidy(store, group);
    }
}

// Those that no point covers.
HeldList FrontSearch::Levels::promising(int layer) {
    if (!shares_.reaches(layer)) {
        return shares_.list();
    }
    shares_.each(layer, [&](Store& store) {
        store.for_each_group(
            [&](Store::Place place, const Store::Group&) { tidy(store, store.group(place)); });
    });
    std::vector<double> bounds(criteria_.axes());
    return shares_.all(layer, [&](const Store::State& state, const Store::Group& group) {
        read_bounds(state, group.times, bounds.data());
        return !points_.cover(bounds.data());
    });
}

void FrontSearch::Levels::let_go(std::span<const Held> states, int layer) {
    std::vector<double> bounds(criteria_.axes());
    for (const Held& held : states) {
        pass.complete = false;
        read_bounds(held, layer, bounds.data());
        for (std::size_t a = 0; a < criteria_.minimised(); ++a) {
            pass.let_go[a] = std::min(pass.let_go[a], bounds[a]);
        }
    }
}

// The `count` most promising, in turn by different weights of the axes.
void FrontSearch::Levels::choose(List& states, std::size_t count, int layer) {
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
    Counted<double> bounds{Counting<double>(shares_.memory())};  // by state and axis
    bounds.reserve(states.size() * axes);
    std::vector<double> its(criteria_.axes());
    for (const Held& held : states) {
        read_bounds(held, layer, its.data());
        for (std::size_t a = 0; a < axes; ++a) {
            bounds.push_back(its[a]);
            low[a] = std::min(low[a], its[a]);
            high[a] = std::max(high[a], its[a]);
        }
    }
    struct Scored {
        double score = 0;
        std::size_t place = 0;
    };
    Counted<Scored> left(states.size(), {}, Counting<Scored>(shares_.memory()));
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
                                 ((bounds[one.place * axes + a] - low[a]) / (high[a] - low[a]));
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
    List kept = shares_.list(), gone = shares_.list();
    for (std::size_t i = 0; i < states.size(); ++i) {
        (chosen[i] ? kept : gone).push_back(states[i]);
    }
    let_go(gone, layer);
    states = std::move(kept);
}

// Lets go what there is no room for.
void FrontSearch::Levels::shrink(int layer) {
    List kept = promising(layer);
    choose(kept, room_, layer);
    std::vector<Store> smaller;
    for (std::size_t share = 0; share < shares_.count(); ++share) {
        smaller.emplace_back(shares_.blocks(), shares_.key_words(layer));
    }
    for (const Held& held : kept) {
        const Store::Group& from = shares_.group(held, layer);
        const Store::State& state = shares_.state(held, layer);
        Store& store = smaller[held.share];
        Store::Group& group = store.group(store.group_of(
            from.key(), hash_of(from.key(), shares_.key_words(layer)), from.times, from.words));
        std::copy_n(state.numbers(), from.words, store.add(group, state.step).numbers());
        group.tidy = group.states;
    }
    shares_.level(layer) = std::move(smaller);
}

bool FrontSearch::Levels::add_first_state() {
    Worker& worker = by_worker_.front();
    const Evaluator& evaluator = evaluators_.front();
    worker.sums.assign(criteria_.sums(), 0);
    if (!states_.save(evaluator, 0, worker.record)) {
        return false;
    }
    criteria_.bounds(0, worker.sums, evaluator, 0, worker.bounds.data());
    post(worker, shares_.boxes(0), 0, {});
    shares_.keep_posted([&](Store& store, const auto&... child) { keep(store, child...); });
    return true;
}

void FrontSearch::Levels::expand(int layer, std::span<const Held> states, std::size_t place) {
    // 1. Evaluators load states of later and later levels.
    if (layer < std::exchange(expanded_, layer)) {
        for (Evaluator& evaluator : evaluators_) {
            evaluator.clear();
        }
    }

    // 2. What they become.
    shares_.expand(
        layer,
        states,
        place,
        [&](const Held& held, std::size_t its_place, int worker, std::size_t piece, auto boxes) {
            expand_state(held, layer, its_place, worker, piece, boxes);
        },
        [&](Store& store, const auto&... child) { keep(store, child...); });
    for (std::vector<Points::Point>& found : found_) {
        for (Points::Point& point : found) {
            points_.add(std::move(point));
        }
        found.clear();
    }
    pass.nodes = 0;
    for (const Worker& worker : by_worker_) {
        pass.nodes += worker.nodes;
    }

    // 3. Full levels give back what they would let go anyway.
    for (int later = layer + 1; later < problem_.layers() && shares_.reaches(later); ++later) {
        std::size_t count = 0;
        for (const Store& store : shares_.held(later)) {
            count += store.states();
        }
        if (count > 2 * room_) {
            shrink(later);
        }
    }
}

// Every task that can come next.
void FrontSearch::Levels::expand_state(const Held& held,
                                       int layer,
                                       std::size_t place,
                                       int by,
                                       std::size_t piece,
                                       std::span<Shares::Box> boxes) {
    const Store::State& state = shares_.state(held, layer);
    const Store::Group& group = shares_.group(held, layer);
    Worker& worker = by_worker_[at(by)];
    Evaluator& evaluator = evaluators_[at(by)];
    worker.times.resize(group.times);
    code_.read(state.numbers(), 0, group.times, worker.times.data());
    worker.before.resize(criteria_.sums());
    read_sums(state, group.times, worker.before.data());
    states_.load(evaluator, layer, group.key(), worker.times.data());
    evaluator.core.energy = criteria_.energy(worker.before.data());
    for (const int k : problem_.starting[at(layer)]) {
        if (overlaps(problem_.tasks[at(k)], evaluator)) {
            continue;
        }
        worker.sums = worker.before;
        criteria_.add(worker.sums, evaluator, k);
        evaluator.push(k);
        ++worker.nodes;
        criteria_.set_energy(worker.sums, evaluator);
        add_child(evaluator.next_layer(layer + 1),
                  {static_cast<std::uint32_t>(place), k},
                  by,
                  piece,
                  boxes);
        evaluator.pop();
    }
}

// What is placed: a point if it is complete, else a state, unless a point covers it.
void FrontSearch::Levels::add_child(
    int next, const TraceStep& step, int by, std::size_t piece, std::span<Shares::Box> boxes) {
    Worker& worker = by_worker_[at(by)];
    const Evaluator& evaluator = evaluators_[at(by)];
    if (!evaluator.core.possible || !criteria_.fit(worker.sums, evaluator, next)) {
        return;
    }
    const bool complete = next == problem_.layers();
    Ticks latency = evaluator.core.dispatcher;
    if (!complete && criteria_.needs_latency()) {
        latency = bounds_(evaluator, next, criteria_.too_late(), worker.scratch);
        if (priced_ != nullptr && latency < kNeverTicks) {
            latency =
                std::max(latency, (*priced_)(evaluator, worker.sums, next, worker.priced_scratch));
        }
    }
    if (latency >= kNeverTicks || !criteria_.fit_in_time(latency, worker.sums, evaluator, next)) {
        return;
    }
    criteria_.bounds(latency, worker.sums, evaluator, next, worker.bounds.data());
    if (points_.cover(worker.bounds.data())) {
        return;
    }
    if (complete) {
        found_[piece].push_back({.values = worker.bounds, .step = step, .mapping = {}});
        return;
    }
    if (!states_.save(evaluator, next, worker.record)) {
        return;
    }
    criteria_.raise(worker.sums, next);
    post(worker, boxes, next, step);
}

// The worker's record, sums and bounds.
void FrontSearch::Levels::post(Worker& worker,
                               std::span<Shares::Box> boxes,
                               int layer,
                               const TraceStep& step) const {
    const std::size_t times = worker.record.times.size();
    criteria_.append_marks(worker.sums, worker.record.key);
    std::uint32_t* numbers =
        shares_.post(boxes, layer, worker.record.key, step, times, words(times));
    code_.write(worker.record.times.data(), times, 0, numbers);
    numbers += code_.words(times);
    std::memcpy(numbers, worker.sums.data(), criteria_.sums() * sizeof(std::int64_t));
    numbers += 2 * criteria_.sums();
    std::memcpy(numbers, worker.bounds.data(), criteria_.axes() * sizeof(double));
}

void FrontSearch::Levels::keep_mappings(const Trace& trace) {
    for (Points::Point& point : points_.all()) {
        if (point.mapping.empty() && point.start < 0) {
            point.mapping = trace.back_from(point.step);
        }
    }
}

FrontSearch::Pass FrontSearch::pass(std::size_t width, Points& points, bool goes_deep) {
    Levels levels(*this, width, points);
    if (!levels.add_first_state()) {
        return std::move(levels.pass);
    }
    Trace trace(memory_);
    const CourseEnd end = search_levels(
        levels,
        {.first = 0, .end = problem_.layers(), .width = width, .goes_deep = goes_deep},
        memory_,
        options_.stop,
        trace);
    levels.pass.stopped = end.stopped;
    levels.pass.full = end.full;
    levels.pass.complete &= !end.stopped;
    points.settle();
    levels.keep_mappings(trace);
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
          most_(kMostEnumerated) {
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
