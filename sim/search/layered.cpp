#include "sim/search/layered.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/levels.hpp"
#include "sim/search/results.hpp"
#include "sim/search/shares.hpp"
#include "sim/search/store.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
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

// What posted states take is nothing beside so much memory, in bytes.
constexpr std::size_t kRoomForMore = std::size_t{256} << 20;

// How full the memory of a process is, in messages.
constexpr std::int64_t kFull = 1 << 20;

// What processes tell each other with each batch.
struct Note {
    std::int64_t makespan = kNeverTicks;  // of the best complete mapping that was posted
    std::int64_t held = 0;                // memory; kFull: its limit
    std::int64_t stopped = 0;             // rank 0 was asked to stop
    std::int64_t reach = 0;               // the last level that something was posted to
};

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
              Incumbent incumbent,
              const Team* team,
              const std::function<bool()>& stop);

    // Of each own share so many; a row has one of each share.
    struct List {
        std::vector<HeldList> by_share;
        std::size_t rows = 0;  // of the longest share of any process

        std::size_t size() const { return rows; }
    };

    int first() const { return first_; }

    // False if no task can read the module's input.
    bool add_first_state();

    bool reaches(int layer) const { return shares_.reaches(layer); }
    List promising(int layer);
    void choose(List& states, std::size_t width, int layer);
    void let_go(const List& states, std::size_t begin, int layer);
    void trace(const List& states, int layer, Trace& trace) const;
    std::size_t batch(const List& states, int layer) const;
    void expand(
        int layer, const List& states, std::size_t begin, std::size_t count, std::size_t place);
    void forget(int layer) { shares_.forget(layer); }
    void keep_mappings(const Trace& trace);
    MemoryUsage usage() const;
    bool is_stopped() const { return team_ == nullptr ? stop_() : stopped_; }

    // Who owns no share counts rows, too.
    std::size_t trace_width() const { return std::max<std::size_t>(1, shares_.own().size()); }

    // What is known when the pass ends.
    Incumbent finish(const Trace& trace, const CourseEnd& end);

    Incumbent best;

private:
    struct alignas(128) Worker {
        Record record;
        Bounds::Scratch scratch;
        std::vector<Ticks> times;
        std::uint64_t nodes = 0;
        Ticks complete = kNeverTicks;  // the best that was posted in this batch
    };

    Ticks bound(const Store::State& state) const {
        Ticks bound = 0;
        code_.read(state.numbers(), 0, 1, &bound);
        return bound;
    }
    Ticks bound(const Held& held, int layer) const { return bound(shares_.state(held, layer)); }
    template <class Function>
    void for_each(const List& states, std::size_t begin, const Function& function) const;
    void choose_narrow(HeldList& states, std::size_t width, int layer);
    Ticks bound_at(const List& states, std::size_t place, int layer);
    std::vector<std::size_t> ties_kept(const std::vector<std::int64_t>& ties,
                                       std::size_t count) const;
    Ticks least(Ticks ticks) const { return team_ == nullptr ? ticks : team_->least(ticks); }
    std::vector<std::int64_t> sum(std::vector<std::int64_t> numbers) const {
        return team_ == nullptr ? numbers : team_->sum(std::move(numbers));
    }
    TraceStep traced(const Trace& trace, std::uint32_t place) const;
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
    void agree();
    void find_complete();

    const Problem& problem_;
    const PruningRules rules_;
    const Bounds& bounds_;
    const States& states_;
    std::span<Evaluator> evaluators_;  // by worker
    const int after_, first_;
    const TimeCode code_;
    const Team* const team_;  // nullptr: alone, or too narrow
    const std::function<bool()>& stop_;
    Shares shares_;
    const std::size_t room_;  // states of a share that are held before some are let go
    std::vector<Worker> by_worker_;
    int expanded_ = 0;             // the level that was expanded last
    Ticks dropped_ = kNeverTicks;  // the smallest bound that was let go
    TraceStep last_;               // of the best mapping, if the trace has it
    // Of the team, since the last batch.
    Ticks complete_ = kNeverTicks;
    std::int64_t held_ = 0;
    bool stopped_ = false;
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
                     Incumbent incumbent,
                     const Team* team,
                     const std::function<bool()>& stop)
    : best(std::move(incumbent)),
      problem_(problem),
      rules_(rules),
      bounds_(bounds),
      states_(states),
      evaluators_(evaluators),
      after_(after),
      first_(after < 0 ? 0 : problem.tasks[at(after)].last + 1),
      code_(after < 0 ? TimeCode(problem, bounds) : TimeCode()),
      team_(after < 0 && width >= kWideEnough ? team : nullptr),
      stop_(stop),
      shares_(states,
              memory,
              workers,
              after < 0 && width >= kWideEnough,
              first_,
              code_.words(states.most_times() + 1),
              0,
              team_),
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

template <class Function>
void LevelPass::for_each(const List& states, std::size_t begin, const Function& function) const {
    for (const HeldList& list : states.by_share) {
        for (std::size_t i = begin; i < list.size(); ++i) {
            function(list[i]);
        }
    }
}

LevelPass::List LevelPass::promising(int layer) {
    List states;
    std::size_t rows = 0;
    for (const std::size_t share : shares_.own()) {
        HeldList& list = states.by_share.emplace_back(shares_.list());
        if (shares_.reaches(layer) && !shares_.held(layer).empty()) {
            list.reserve(shares_.held(layer)[share].states());
            const auto accepts = [&](const Store::State& state, const Store::Group&) {
                return bound(state) < best.makespan;
            };
            shares_.add_of(share, layer, accepts, list);
        }
        rows = std::max(rows, list.size());
    }
    states.rows = static_cast<std::size_t>(-least(-static_cast<Ticks>(rows)));
    return states;
}

void LevelPass::choose(List& states, std::size_t width, int layer) {
    if (shares_.count() == 1) {
        choose_narrow(states.by_share.front(), width, layer);
        states.rows = states.by_share.front().size();
        return;
    }
    // 1. Are there more?
    std::int64_t all = 0;
    for_each(states, 0, [&](const Held&) { ++all; });
    if (sum({all}).front() <= static_cast<std::int64_t>(std::min<std::size_t>(width, 1UL << 62))) {
        return;
    }

    // 2. All below the first bound that does not fit are kept, and of those with this bound as many
    //    as fit, from all shares alike.
    const Ticks limit = bound_at(states, width, layer);
    dropped_ = std::min(dropped_, limit);
    std::vector<std::int64_t> numbers(shares_.count() + 1, 0);  // ties by share; those below
    for (std::size_t number = 0; number < shares_.own().size(); ++number) {
        for (const Held& held : states.by_share[number]) {
            const Ticks its = bound(held, layer);
            numbers[shares_.own()[number]] += its == limit;
            numbers.back() += its < limit;
        }
    }
    numbers = sum(std::move(numbers));
    const std::size_t below = static_cast<std::size_t>(numbers.back());
    numbers.pop_back();
    std::vector<std::size_t> kept = ties_kept(numbers, width - below);

    // 3. The others go.
    std::size_t rows = 0;
    for (std::size_t number = 0; number < shares_.own().size(); ++number) {
        std::size_t& ties = kept[shares_.own()[number]];
        std::erase_if(states.by_share[number], [&](const Held& held) {
            const Ticks its = bound(held, layer);
            return its > limit || (its == limit && (ties == 0 || ties-- == 0));
        });
        rows = std::max(rows, states.by_share[number].size());
    }
    states.rows = static_cast<std::size_t>(-least(-static_cast<Ticks>(rows)));
}

// Of these ties by share so many in all: as many of each as there are, up to a number for all.
std::vector<std::size_t> LevelPass::ties_kept(const std::vector<std::int64_t>& ties,
                                              std::size_t count) const {
    std::vector<std::size_t> kept(ties.size(), 0);
    while (count > 0) {
        std::size_t open = 0;
        for (std::size_t share = 0; share < ties.size(); ++share) {
            open += kept[share] < static_cast<std::size_t>(ties[share]);
        }
        const std::size_t each = std::max<std::size_t>(1, count / std::max<std::size_t>(1, open));
        for (std::size_t share = 0; share < ties.size() && count > 0; ++share) {
            const std::size_t more =
                std::min({each, count, static_cast<std::size_t>(ties[share]) - kept[share]});
            kept[share] += more;
            count -= more;
        }
    }
    return kept;
}

// The bound in this place of all, were they sorted.
Ticks LevelPass::bound_at(const List& states, std::size_t place, int layer) {
    Counted<Ticks> bounds{Counting<Ticks>(shares_.memory())};
    for_each(states, 0, [&](const Held& held) { bounds.push_back(bound(held, layer)); });
    if (team_ == nullptr) {
        const auto there = bounds.begin() + static_cast<std::ptrdiff_t>(place);
        std::nth_element(bounds.begin(), there, bounds.end());
        return *there;
    }
    // Digit by digit, from the highest: how many have which, of those that begin as it does.
    constexpr int kBits = 8, kDigits = 1 << kBits;
    Ticks begin = 0;
    for (int shift = 64 - kBits; shift >= 0; shift -= kBits) {
        std::vector<std::int64_t> counts(kDigits, 0);
        for (const Ticks its : bounds) {
            if (shift + kBits == 64 || its >> (shift + kBits) == begin) {
                ++counts[at((its >> shift) & (kDigits - 1))];
            }
        }
        counts = team_->sum(std::move(counts));
        int digit = 0;
        for (; place >= static_cast<std::size_t>(counts[at(digit)]); ++digit) {
            place -= static_cast<std::size_t>(counts[at(digit)]);
        }
        begin = begin << kBits | digit;
    }
    return begin;
}

void LevelPass::choose_narrow(HeldList& states, std::size_t width, int layer) {
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

void LevelPass::let_go(const List& states, std::size_t begin, int layer) {
    for_each(states, begin, [&](const Held& held) {
        dropped_ = std::min(dropped_, bound(held, layer));
    });
}

// Where there are many, more at a time: processes wait for each other after each batch.
std::size_t LevelPass::batch(const List& states, int layer) const {
    constexpr std::size_t kMoreAtATime = 8;
    const std::size_t rows = std::max<std::size_t>(
        1, shares_.batch(problem_.starting[at(layer)].size()) / shares_.count());
    const bool has_room = shares_.memory().limit() >= kRoomForMore;
    return has_room && shares_.count() > 1
               ? std::clamp(states.rows / kMoreAtATime, rows, rows * kMoreAtATime)
               : rows;
}

// Each process the states of its shares; place `row * shares + share` is nowhere else.
void LevelPass::trace(const List& states, int layer, Trace& trace) const {
    for (std::size_t row = 0; row < states.rows; ++row) {
        for (const HeldList& list : states.by_share) {
            trace.add(row < list.size() ? shares_.state(list[row], layer).step : TraceStep{});
        }
        if (states.by_share.empty()) {
            trace.add({});
        }
    }
}

MemoryUsage LevelPass::usage() const {
    if (team_ == nullptr) {
        return shares_.memory().usage();
    }
    return {.held = static_cast<std::size_t>(held_), .limit = std::size_t{kFull}};
}

void LevelPass::expand(
    int layer, const List& states, std::size_t begin, std::size_t count, std::size_t place) {
    // 1. Evaluators load states of later and later levels.
    if (layer < std::exchange(expanded_, layer)) {
        for (Evaluator& evaluator : evaluators_) {
            evaluator.clear();
        }
    }

    // 2. What they become. `place` is the row of the first of them.
    shares_.expand_rows(
        layer,
        states.by_share,
        begin,
        count,
        [&](const Held& held, std::size_t row, std::size_t share, int worker, auto boxes) {
            expand_state(
                held, layer, (place + row - begin) * shares_.count() + share, worker, boxes);
        });
    if (team_ != nullptr) {
        agree();
    }
    shares_.keep_posted([&](Store& store, const auto&... child) { keep(store, child...); });

    // 3. Full levels give back what they would let go anyway; complete mappings are new incumbents.
    shrink_after(layer);
    find_complete();
}

// What was posted goes to whom it belongs, and what decides for all is told to all.
void LevelPass::agree() {
    Note own;
    const MemoryUsage usage = shares_.memory().usage();
    own.held = static_cast<std::int64_t>(
        static_cast<double>(usage.held) /
        static_cast<double>(std::max<std::size_t>(1, usage.limit)) * kFull);
    own.reach = shares_.posted_reach();
    own.stopped = team_->rank == 0 && stop_() ? 1 : 0;
    for (Worker& worker : by_worker_) {
        own.makespan = std::min(own.makespan, std::exchange(worker.complete, kNeverTicks));
    }
    held_ = 0;
    for (const std::string& text :
         shares_.exchange({reinterpret_cast<const char*>(&own), sizeof own})) {
        Note note;
        std::memcpy(&note, text.data(), sizeof note);
        complete_ = std::min(complete_, note.makespan);
        held_ = std::max(held_, note.held);
        stopped_ |= note.stopped != 0;
        shares_.level(static_cast<int>(note.reach));  // is there for all
    }
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
            if (next == problem_.layers()) {
                worker.complete = std::min(worker.complete, bound);
            }
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
    // In a team all know how good it is; of several such the first share has it.
    if (team_ != nullptr && complete_ >= best.makespan) {
        return;
    }
    std::size_t its_share = shares_.count();
    for (std::size_t share = 0;
         reaches(problem_.layers()) && share < shares_.held(problem_.layers()).size();
         ++share) {
        const Store& store = shares_.held(problem_.layers())[share];
        store.for_each_group([&](Store::Place, const Store::Group& group) {
            for (Store::Place next = group.first; next != 0; next = store.state(next).next) {
                const Store::State& state = store.state(next);
                if (const Ticks makespan = bound(state); makespan < best.makespan) {
                    best.makespan = makespan;
                    last_ = state.step;
                    its_share = share;
                }
            }
        });
    }
    if (team_ == nullptr) {
        return;
    }
    const bool is_here = best.makespan == complete_ && its_share < shares_.count();
    best.makespan = complete_;
    const auto first =
        team_->least(static_cast<std::int64_t>(is_here ? its_share : shares_.count()));
    assert(first < static_cast<std::int64_t>(shares_.count()));
    const bool is_mine = is_here && static_cast<std::int64_t>(its_share) == first;
    const std::vector<std::int64_t> step =
        team_->sum({is_mine ? last_.parent : 0, is_mine ? last_.task : 0});
    last_ = {static_cast<std::uint32_t>(step[0]), static_cast<int>(step[1])};
}

// The step in this place of all processes' traces.
TraceStep LevelPass::traced(const Trace& trace, std::uint32_t place) const {
    const std::size_t row = place / shares_.count(), share = place % shares_.count();
    const auto own = std::ranges::find(shares_.own(), share);
    const bool is_mine = own != shares_.own().end();
    const TraceStep step =
        is_mine ? trace[row * trace_width() + static_cast<std::size_t>(own - shares_.own().begin())]
                : TraceStep{0, 0};
    if (team_ == nullptr) {
        return step;
    }
    const std::vector<std::int64_t> numbers = team_->sum({step.parent, step.task});
    return {static_cast<std::uint32_t>(numbers[0]), static_cast<int>(numbers[1])};
}

void LevelPass::keep_mappings(const Trace& trace) {
    if (last_.task < 0) {
        return;
    }
    best.mapping.clear();
    for (TraceStep step = std::exchange(last_, {}); step.task >= 0;
         step = traced(trace, step.parent)) {
        best.mapping.push_back(step.task);
    }
    std::ranges::reverse(best.mapping);
}

Incumbent LevelPass::finish(const Trace& trace, const CourseEnd& end) {
    keep_mappings(trace);
    std::int64_t nodes = 0;
    for (const Worker& worker : by_worker_) {
        nodes += static_cast<std::int64_t>(worker.nodes);
    }
    best.nodes += static_cast<std::uint64_t>(sum({nodes}).front());
    best.stopped = end.stopped;
    best.full |= end.full;
    best.bound = std::max(best.bound, std::min(least(dropped_), best.makespan));
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

Layered::Layered(const Problem& problem,
                 const PruningRules& rules,
                 const SearchOptions& options,
                 const Team* team)
    : problem_(problem),
      rules_(rules),
      options_(options),
      team_(team != nullptr && team->count > 1 ? team : nullptr),
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
    const bool is_for_all = width >= kWideEnough;
    if (is_for_all || is_first()) {
        best = run({.width = width,
                    .goes_deep = goes_deep,
                    .after = -1,
                    .workers = workers_,
                    .evaluators = evaluators_},
                   std::move(best));
    }
    return is_for_all ? best : as_first(best);
}

// What rank 0 found.
Incumbent Layered::as_first(const Incumbent& found) const {
    if (team_ == nullptr) {
        return found;
    }
    std::vector<std::int64_t> numbers;
    if (is_first()) {
        numbers = {found.makespan,
                   found.bound,
                   found.stopped ? 1 : 0,
                   found.full ? 1 : 0,
                   static_cast<std::int64_t>(found.nodes)};
        numbers.insert(numbers.end(), found.mapping.begin(), found.mapping.end());
    }
    numbers = numbers_of(team_->from_first(text_of(numbers)));
    Incumbent told{.makespan = numbers[0],
                   .bound = numbers[1],
                   .mapping = {},
                   .stopped = numbers[2] != 0,
                   .full = numbers[3] != 0,
                   .nodes = static_cast<std::uint64_t>(numbers[4])};
    for (std::size_t i = 5; i < numbers.size(); ++i) {
        told.mapping.push_back(static_cast<int>(numbers[i]));
    }
    return told;
}

// Files differ between machines, sometimes.
void Layered::expect_same_problem() const {
    std::vector<std::int64_t> numbers{
        problem_.layers(), static_cast<std::int64_t>(problem_.tasks.size()), bounds_.unit};
    std::uint64_t mixed = 0;
    const auto mix = [&mixed](std::int64_t number) {
        mixed = mixed * 1'099'511'628'211u + static_cast<std::uint64_t>(number);
    };
    for (const Task& task : problem_.tasks) {
        for (const std::int64_t number : {task.cost.count(),
                                          std::int64_t{task.device},
                                          std::int64_t{task.first},
                                          std::int64_t{task.last},
                                          std::int64_t{task.out_layout}}) {
            mix(number);
        }
    }
    for (const std::vector<Time>* const times : {&problem_.copy_times, &problem_.convert_times}) {
        for (const Time time : *times) {
            mix(time.count());
        }
    }
    for (const auto& device : problem_.devices) {
        mix(device.submit.count());
        mix(device.per_task.count());
        mix(device.completion.count());
    }
    numbers.push_back(static_cast<std::int64_t>(mixed));
    const bool same = numbers_of(team_->from_first(text_of(numbers))) == numbers;
    if (team_->least(same ? 1 : 0) == 0) {
        throw MachineError(
            "the processes that search together have different models, platforms or programs");
    }
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
                   std::move(best),
                   team_,
                   stop_);
    if (!pass.add_first_state()) {
        return std::move(pass.best);
    }
    Trace trace(memory_, pass.trace_width());
    const CourseEnd end = search_levels(
        pass,
        {.first = pass.first(),
         .end = problem_.layers(),
         .width = where.width,
         .goes_deep = where.goes_deep},
        [&pass] { return pass.is_stopped(); },
        trace);
    return pass.finish(trace, end);
}

void Layered::sharpen() {
    if (sharp_ || !rules_.modules || !rules_.path ||
        bounds_.horizon >= static_cast<double>(kOrigin)) {
        return;
    }
    sharp_ = true;
    is_first() ? sharpen_alone() : sharpen_as_first();
    if (team_ != nullptr && is_first()) {
        std::vector<std::int64_t> tails(bounds_.tail.begin(), bounds_.tail.end());
        tails.push_back(static_cast<std::int64_t>(module_nodes_));
        team_->from_first(text_of(tails));
    }
}

void Layered::sharpen_as_first() {
    const std::vector<std::int64_t> tails = numbers_of(team_->from_first({}));
    module_nodes_ = static_cast<std::uint64_t>(tails.back());
    for (int layer = problem_.layers() - 2; layer >= 0; --layer) {
        bounds_.set_tails(layer);
        for (const int k : bounds_.ending[at(layer)]) {
            bounds_.tail[at(k)] = tails[at(k)];
        }
        bounds_.set_loads(layer);
    }
}

void Layered::sharpen_alone() {
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
    if (team_ != nullptr) {
        expect_same_problem();
        best = as_first(best);
    }
    for (std::size_t width = first;; width *= factor) {
        if (width > 512 && !sharp_) {  // the simple tails were not enough
            module_nodes_ = 0;
            sharpen();
            best.nodes += module_nodes_;
        }
        // What let go states for want of memory would do so again if it were wider.
        const bool goes_deep = best.full;
        best = pass(goes_deep ? Course::kAll : width, std::move(best), goes_deep);
        if (options_.progress && is_first()) {
            options_.progress(Time{best.makespan}, Time{best.bound});
        }
        if (best.proven() || best.stopped || goes_deep) {
            return best;
        }
    }
}

}  // namespace sim::internal
