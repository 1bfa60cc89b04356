#include "sim/search/layered.hpp"

#include "sim/index.hpp"
#include "sim/search/levels.hpp"
#include "sim/search/results.hpp"
#include "sim/search/shares.hpp"
#include "sim/search/store.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <iterator>
#include <numeric>
#include <span>
#include <utility>

namespace sim::internal {
namespace {

// Where a module's search puts the end of the task before it: so late that all else is long over.
constexpr Ticks kOrigin = Ticks{1} << 50;

// From this width on levels come in shares, and threads pay: below, a pass is over before they have
// started.
constexpr std::size_t kWideEnough = 4096;

// One pass over the levels; see search_levels.
class LevelPass {
public:
    // `after` < 0: the whole model. Else the module behind the cut that this task ends in: from a
    // state where its result is there at kOrigin and all else long ago, to the end of any task that
    // ends in the next cut, plus its tail; then only makespan and bound mean something.
    LevelPass(const Problem& problem,
              const PruningRules& rules,
              const Bounds& bounds,
              const States& states,
              Memory& memory,
              Workers& workers,
              std::span<Evaluator> evaluators,
              std::size_t width,
              int after,
              Incumbent incumbent);

    using List = HeldList;

    int first() const { return first_; }

    // False if no task can read the module's input.
    bool add_first_state();

    bool reaches(int layer) const { return shares_.reaches(layer); }
    List promising(int layer);
    void choose(List& states, std::size_t width, int layer);
    void let_go(std::span<const Held> states, int layer);
    TraceStep step(const Held& held, int layer) const { return shares_.state(held, layer).step; }
    std::size_t batch(int layer) const {
        return shares_.batch(problem_.starting[at(layer)].size());
    }
    void expand(int layer, std::span<const Held> states, std::size_t place);
    void forget(int layer) { shares_.forget(layer); }
    void keep_mappings(const Trace& trace);

    // What is known when the pass ends.
    Incumbent finish(const Trace& trace, const CourseEnd& end);

    Incumbent best;

private:
    struct alignas(128) Worker {
        Record record;
        Bounds::Scratch scratch;
        std::vector<Ticks> times;
        std::uint64_t nodes = 0;
    };

    Ticks bound(const Store::State& state) const {
        Ticks bound = 0;
        code_.read(state.numbers(), 0, 1, &bound);
        return bound;
    }
    Ticks bound(const Held& held, int layer) const { return bound(shares_.state(held, layer)); }
    void expand_state(
        const Held& held, int layer, std::size_t place, int by, std::span<Shares::Box> boxes);
    void post(const Record& record,
              std::span<Shares::Box> boxes,
              int layer,
              Ticks bound,
              TraceStep step) const;
    void keep(Store& store,
              const Shares::Child& child,
              const std::uint64_t* key,
              const std::uint32_t* numbers) const;
    void shrink_after(int layer);
    Ticks shrink(int layer, std::size_t share);
    void find_complete();

    const Problem& problem_;
    const PruningRules rules_;
    const Bounds& bounds_;
    const States& states_;
    std::span<Evaluator> evaluators_;  // by worker
    const int after_, first_;
    const TimeCode code_;
    Shares shares_;
    const std::size_t room_;  // states of a share that are held before some are let go
    std::vector<Worker> by_worker_;
    int expanded_ = 0;             // the level that was expanded last
    Ticks dropped_ = kNeverTicks;  // the smallest bound that was let go
    TraceStep last_;               // of the best mapping, if the trace has it
};

LevelPass::LevelPass(const Problem& problem,
                     const PruningRules& rules,
                     const Bounds& bounds,
                     const States& states,
                     Memory& memory,
                     Workers& workers,
                     std::span<Evaluator> evaluators,
                     std::size_t width,
                     int after,
                     Incumbent incumbent)
    : best(std::move(incumbent)),
      problem_(problem),
      rules_(rules),
      bounds_(bounds),
      states_(states),
      evaluators_(evaluators),
      after_(after),
      first_(after < 0 ? 0 : problem.tasks[at(after)].last + 1),
      code_(after < 0 ? TimeCode(problem, bounds) : TimeCode()),
      shares_(states,
              memory,
              workers,
              after < 0 && width >= kWideEnough,
              first_,
              code_.words(states.most_times() + 1)),
      room_(std::max(width, kWideEnough) / shares_.count()),
      by_worker_(evaluators.size()) {
    for (Worker& worker : by_worker_) {
        worker.scratch = bounds_.scratch();
    }
    for (Evaluator& evaluator : evaluators) {
        evaluator.clear();
    }
}

bool LevelPass::add_first_state() {
    Record& record = by_worker_.front().record;
    Evaluator& evaluator = evaluators_.front();
    if (after_ >= 0) {
        const Task& task = problem_.tasks[at(after_)];
        Evaluator::Tensor& tensor = evaluator.tensors[at(task.last)];
        tensor.device = task.device;
        tensor.layout = task.out_layout;
        tensor.turn = task.first;
        tensor.exposed = true;
        evaluator.clear_places(task.last);
        evaluator.set_place(task.last, evaluator.home(tensor), kOrigin, -1);
    }
    if (!states_.save(evaluator, first_, record)) {
        return false;
    }
    post(record, shares_.boxes(0), first_, 0, {});
    shares_.keep_posted([&](Store& store, const auto&... child) { keep(store, child...); });
    return true;
}

LevelPass::List LevelPass::promising(int layer) {
    return shares_.all(layer, [&](const Store::State& state, const Store::Group&) {
        return bound(state) < best.makespan;
    });
}

void LevelPass::choose(List& states, std::size_t width, int layer) {
    if (states.size() <= width) {
        return;
    }
    struct Bounded {
        Ticks bound = 0;
        Held held;
    };
    Counted<Bounded> bounded{Counting<Bounded>(shares_.memory())};
    bounded.reserve(states.size());
    for (const Held& held : states) {
        bounded.push_back({bound(held, layer), held});
    }
    std::nth_element(bounded.begin(),
                     bounded.begin() + static_cast<std::ptrdiff_t>(width),
                     bounded.end(),
                     [](const Bounded& a, const Bounded& b) { return a.bound < b.bound; });
    dropped_ = std::min(dropped_, bounded[width].bound);  // the least of those that go
    states.resize(width);
    for (std::size_t i = 0; i < width; ++i) {
        states[i] = bounded[i].held;
    }
}

void LevelPass::let_go(std::span<const Held> states, int layer) {
    for (const Held& held : states) {
        dropped_ = std::min(dropped_, bound(held, layer));
    }
}

void LevelPass::expand(int layer, std::span<const Held> states, std::size_t place) {
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
        [&](const Held& held, std::size_t its_place, int worker, std::size_t, auto boxes) {
            expand_state(held, layer, its_place, worker, boxes);
        },
        [&](Store& store, const auto&... child) { keep(store, child...); });

    // 3. Full levels give back what they would let go anyway; complete mappings are new incumbents.
    shrink_after(layer);
    find_complete();
}

// Every task that can come next, if its bound is below the incumbent.
void LevelPass::expand_state(
    const Held& held, int layer, std::size_t place, int by, std::span<Shares::Box> boxes) {
    const Store::State& from = shares_.state(held, layer);
    const Store::Group& group = shares_.group(held, layer);
    const Ticks from_bound = bound(from);
    if (from_bound >= best.makespan) {
        return;  // since it was chosen a better mapping was found
    }
    Worker& worker = by_worker_[at(by)];
    Evaluator& evaluator = evaluators_[at(by)];
    worker.times.resize(group.times);
    code_.read(from.numbers(), 1, group.times, worker.times.data());
    states_.load(evaluator, layer, group.key(), worker.times.data());
    for (const int k : problem_.starting[at(layer)]) {
        const Task& task = problem_.tasks[at(k)];
        if (overlaps(task, evaluator)) {
            continue;
        }
        evaluator.push(k);
        ++worker.nodes;
        const int next = evaluator.next_layer(layer + 1);
        Ticks bound = from_bound;
        if (after_ >= 0 && bounds_.cut[at(task.last)]) {  // the end of a module; one thread only
            if (evaluator.core.possible) {
                best.makespan = std::min(best.makespan,
                                         std::max(bound, evaluator.end(k) + bounds_.tail[at(k)]));
            }
            evaluator.pop();
            continue;
        }
        if (next == problem_.layers()) {
            bound = evaluator.core.dispatcher;
        } else {
            bound = std::max(bound, bounds_(evaluator, next, best.makespan, worker.scratch));
            // Times inside a module begin anywhere.
            bound = after_ < 0 ? bounds_.rounded_up(bound) : bound;
        }
        if (evaluator.core.possible && bound < best.makespan &&
            states_.save(evaluator, next, worker.record)) {
            post(worker.record, boxes, next, bound, {static_cast<std::uint32_t>(place), k});
        }
        evaluator.pop();
    }
}

void LevelPass::post(const Record& record,
                     std::span<Shares::Box> boxes,
                     int layer,
                     Ticks bound,
                     TraceStep step) const {
    const std::size_t times = record.times.size();
    std::uint32_t* const numbers =
        shares_.post(boxes, layer, record.key, step, times, code_.words(times + 1));
    const Ticks kept = std::min(bound, code_.most());  // a smaller bound is one too
    code_.write(&kept, 1, 0, numbers);
    code_.write(record.times.data(), times, 1, numbers);
}

// Unless a state that is held dominates it; those that it dominates go.
void LevelPass::keep(Store& store,
                     const Shares::Child& child,
                     const std::uint64_t* key,
                     const std::uint32_t* numbers) const {
    Store::Group& group = store.group(store.group_of(key, child.hash, child.times, child.words));
    Store::State* place = nullptr;
    for (Store::Place* link = &group.first; rules_.dominance && *link != 0;) {
        Store::State& other = store.state(*link);
        const TimeCode::Order order = code_.compare(numbers, other.numbers(), 1, child.times);
        if (order.no_sooner) {
            return;
        }
        if (order.no_later && place != nullptr) {
            store.remove(group, *link);
            continue;
        }
        if (order.no_later) {
            place = &other;  // the new one takes it over
        }
        link = &other.next;
    }
    if (place == nullptr) {
        place = &store.add(group, {});
    }
    place->step = child.step;
    std::copy_n(numbers, group.words, place->numbers());
}

void LevelPass::shrink_after(int layer) {
    for (int later = layer + 1; reaches(later); ++later) {
        for (std::size_t share = 0; share < shares_.held(later).size(); ++share) {
            if (shares_.held(later)[share].states() > 2 * room_) {
                dropped_ = std::min(dropped_, shrink(later, share));
            }
        }
    }
}

// Of a share of a level, keeps the smallest bounds; returns the smallest that goes.
Ticks LevelPass::shrink(int layer, std::size_t share) {
    Store& store = shares_.level(layer)[share];
    struct Bounded {
        Ticks bound = 0;
        Store::Place group = 0, state = 0;
    };
    Counted<Bounded> left{Counting<Bounded>(shares_.memory())};
    store.for_each_group([&](Store::Place place, const Store::Group& group) {
        for (Store::Place next = group.first; next != 0; next = store.state(next).next) {
            left.push_back({bound(store.state(next)), place, next});
        }
    });
    const auto end = left.begin() + static_cast<std::ptrdiff_t>(room_);
    std::nth_element(left.begin(), end, left.end(), [](const Bounded& a, const Bounded& b) {
        return a.bound < b.bound;
    });
    const Ticks gone = end->bound;
    left.resize(room_);
    const std::size_t key_words = states_.key_words(layer);
    Store kept(shares_.blocks(), key_words);
    for (const Bounded& one : left) {
        const Store::Group& from = store.group(one.group);
        const Store::State& state = store.state(one.state);
        Store::Group& group = kept.group(
            kept.group_of(from.key(), hash_of(from.key(), key_words), from.times, from.words));
        std::copy_n(state.numbers(), from.words, kept.add(group, state.step).numbers());
    }
    store = std::move(kept);
    return gone;
}

void LevelPass::find_complete() {
    if (!reaches(problem_.layers())) {
        return;
    }
    for (const Store& store : shares_.held(problem_.layers())) {
        store.for_each_group([&](Store::Place, const Store::Group& group) {
            for (Store::Place next = group.first; next != 0; next = store.state(next).next) {
                const Store::State& state = store.state(next);
                if (const Ticks makespan = bound(state); makespan < best.makespan) {
                    best.makespan = makespan;
                    last_ = state.step;
                }
            }
        });
    }
}

void LevelPass::keep_mappings(const Trace& trace) {
    if (last_.task >= 0) {
        best.mapping = trace.back_from(std::exchange(last_, {}));
    }
}

Incumbent LevelPass::finish(const Trace& trace, const CourseEnd& end) {
    keep_mappings(trace);
    for (const Worker& worker : by_worker_) {
        best.nodes += worker.nodes;
    }
    best.stopped = end.stopped;
    best.full |= end.full;
    best.bound = std::max(best.bound, std::min(dropped_, best.makespan));
    return std::move(best);
}

}  // namespace

// A pass: `after` as for LevelPass, by these workers.
struct Layered::Where {
    std::size_t width = 0;
    bool goes_deep = false;
    int after = -1;
    Workers& workers;
    std::span<Evaluator> evaluators;
};

Layered::Layered(const Problem& problem, const PruningRules& rules, const SearchOptions& options)
    : problem_(problem),
      rules_(rules),
      options_(options),
      stop_([this] {
          const std::lock_guard lock(asking_);
          return options_.stop && options_.stop();
      }),
      bounds_(problem, rules),
      states_(problem, bounds_, rules),
      memory_(static_cast<std::size_t>(std::max<std::int64_t>(0, options.memory.count))),
      workers_(std::max(1, options.threads)),
      evaluators_(at(workers_.count()), Evaluator(problem)) {}

Incumbent Layered::pass(std::size_t width, Incumbent best, bool goes_deep) {
    return run({.width = width,
                .goes_deep = goes_deep,
                .after = -1,
                .workers = workers_,
                .evaluators = evaluators_},
               std::move(best));
}

Incumbent Layered::run(const Where& where, Incumbent best) {
    LevelPass pass(problem_,
                   rules_,
                   bounds_,
                   states_,
                   memory_,
                   where.workers,
                   where.evaluators,
                   where.width,
                   where.after,
                   std::move(best));
    if (!pass.add_first_state()) {
        return std::move(pass.best);
    }
    Trace trace(memory_);
    const CourseEnd end = search_levels(pass,
                                        {.first = pass.first(),
                                         .end = problem_.layers(),
                                         .width = where.width,
                                         .goes_deep = where.goes_deep},
                                        memory_,
                                        stop_,
                                        trace);
    return pass.finish(trace, end);
}

void Layered::sharpen() {
    if (sharp_ || !rules_.modules || !rules_.path ||
        bounds_.horizon >= static_cast<double>(kOrigin)) {
        return;
    }
    sharp_ = true;
    bounds_.floor = kOrigin;
    std::vector<std::uint64_t> nodes(evaluators_.size(), 0);
    for (int layer = problem_.layers() - 2; layer >= 0; --layer) {
        bounds_.set_tails(layer);
        int end = layer + 1;
        while (!bounds_.cut[at(end)]) {
            ++end;
        }
        // A module of one layer adds nothing, and one of most of the model is as hard as it.
        if (bounds_.cut[at(layer)] && end > layer + 1 && end - layer <= problem_.layers() / 2) {
            std::vector<int> before;  // not those that cover layers of the module too
            std::ranges::copy_if(bounds_.ending[at(layer)], std::back_inserter(before), [&](int k) {
                return problem_.tasks[at(k)].last == layer;
            });
            std::vector<Ticks> least(before.size());
            workers_.share(before.size(), [&](std::size_t i, int worker) {
                least[i] = module_bound(before[i], worker, nodes[at(worker)]);
            });
            for (std::size_t i = 0; i < before.size(); ++i) {
                Ticks& tail = bounds_.tail[at(before[i])];
                tail = std::max(tail, least[i] - kOrigin);
            }
        }
        bounds_.set_loads(layer);
    }
    module_nodes_ = std::accumulate(nodes.begin(), nodes.end(), std::uint64_t{0});
    bounds_.floor = 0;
}

// Of the module behind the cut that this task ends in.
Ticks Layered::module_bound(int task, int worker, std::uint64_t& nodes) {
    Workers alone(1);
    Incumbent answer;
    for (std::size_t width = 8; width <= 4096 && !answer.proven() && !answer.stopped; width *= 8) {
        answer = run({.width = width,
                      .goes_deep = false,
                      .after = task,
                      .workers = alone,
                      .evaluators = std::span(evaluators_).subspan(at(worker), 1)},
                     std::move(answer));
    }
    nodes += answer.nodes;
    return answer.bound;
}

Incumbent Layered::widen(Incumbent best, std::size_t first, std::size_t factor) {
    for (std::size_t width = first;; width *= factor) {
        if (width > 512 && !sharp_) {  // the simple tails were not enough
            module_nodes_ = 0;
            sharpen();
            best.nodes += module_nodes_;
        }
        // What let go states for want of memory would do so again if it were wider.
        const bool goes_deep = best.full;
        best = pass(goes_deep ? Course::kAll : width, std::move(best), goes_deep);
        if (options_.progress) {
            options_.progress(Time{best.makespan}, Time{best.bound});
        }
        if (best.proven() || best.stopped || goes_deep) {
            return best;
        }
    }
}

}  // namespace sim::internal
