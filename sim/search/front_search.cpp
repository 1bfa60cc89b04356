#include "sim/search/front_search.hpp"

#include "sim/search/results.hpp"
#include "sim/search/shares.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace sim::internal {
namespace {

// `count` numbers of 64 bits between a state, whose numbers have 32, and memory that may be null
// where there are none.
template <class From, class To>
void copy_wide(const From* from, To* to, std::size_t count) {
    if (count > 0) {
        std::memcpy(to, from, count * 8);
    }
}

}  // namespace

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
    void let_go(const List& states, std::size_t begin, int layer);
    void trace(const List& states, int layer, Trace& trace) const {
        for (const Held& held : states) {
            trace.add(shares_.state(held, layer).step);
        }
    }
    MemoryUsage usage() const { return shares_.memory().usage(); }
    std::size_t batch(const List&, int layer) const {
        return shares_.count() == 1
                   ? kNarrowBatch
                   : std::min(kLargestBatch, shares_.batch(problem_.starting[at(layer)].size()));
    }
    void expand(
        int layer, const List& states, std::size_t begin, std::size_t count, std::size_t place);
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
        copy_wide(state.numbers() + code_.words(times), sums, criteria_.sums());
    }
    void read_bounds(const Store::State& state, std::size_t times, double* bounds) const {
        copy_wide(
            state.numbers() + code_.words(times) + 2 * criteria_.sums(), bounds, criteria_.axes());
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

void FrontSearch::Levels::let_go(const List& states, std::size_t begin, int layer) {
    std::vector<double> bounds(criteria_.axes());
    for (const Held& held : std::span(states).subspan(begin)) {
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
    let_go(gone, 0, layer);
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

void FrontSearch::Levels::expand(
    int layer, const List& states, std::size_t begin, std::size_t count, std::size_t place) {
    // 1. Evaluators load states of later and later levels.
    if (layer < std::exchange(expanded_, layer)) {
        for (Evaluator& evaluator : evaluators_) {
            evaluator.clear();
        }
    }

    // 2. What they become.
    shares_.expand(
        layer,
        std::span(states).subspan(begin, count),
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
        std::size_t states_there = 0;
        for (const Store& store : shares_.held(later)) {
            states_there += store.states();
        }
        if (states_there > 2 * room_) {
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
    copy_wide(worker.sums.data(), numbers, criteria_.sums());
    numbers += 2 * criteria_.sums();
    copy_wide(worker.bounds.data(), numbers, criteria_.axes());
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
        options_.stop,
        trace);
    levels.pass.stopped = end.stopped;
    levels.pass.full = end.full;
    levels.pass.complete &= !end.stopped;
    points.settle();
    levels.keep_mappings(trace);
    return std::move(levels.pass);
}

}  // namespace sim::internal
