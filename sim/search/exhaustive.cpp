// Every mapping. The ground truth for all other searches.
//
// Mappings with a common beginning share its simulation: depth first, with push and pop. And
// beginnings that differ in their times only share what comes after: where tensors lie, who made
// them and which segment is open decide what is copied, converted and submitted from there on, so
// where these are alike the same steps follow, on other numbers. The walk has two parts:
//
// 1. `Walk`: the first layers with the evaluator. Beginnings are sorted into groups that are alike.
// 2. `RowEvaluator`: the other layers, once for each sixteen of a group: the evaluator again, with
// a row
//    of sixteen numbers wherever it has a time. Loops over rows become vector instructions.
//
// That is for the latency of basic problems (problem.hpp) on machines whose places fit in a word.
// For all else every mapping is assessed by itself: exhaustive_front in front.cpp.

#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <unordered_map>
#include <utility>

namespace sim {

using namespace internal;

namespace {

constexpr int kLanes = 16;

// Completions for each beginning: with fewer the first part takes most of the time; but where the
// beginnings do not fill the rows, fewer are better, since more beginnings are alike.
constexpr std::size_t kMostCompletions = 128, kFewestCompletions = 16;
constexpr int kMostLayers = 64;  // of a completion: it is walked recursively
constexpr double kFullEnough = 0.5;
constexpr std::size_t kProbe = 4096;  // beginnings looked at to find out

// Beginnings held before their groups are run, full or not.
constexpr std::size_t kMostBeginnings = 65'536;

bool fits(const Problem& problem, int task, const std::vector<char>& covered) {
    const std::vector<int>& rest = problem.tasks[at(task)].rest;
    return std::none_of(
        rest.begin(), rest.end(), [&](int layer) { return covered[at(layer)] != 0; });
}

// ---- 1. Beginnings. -----------------------------------------------------------------------------

// All of a state but its times, as plain numbers: the first layer that is not covered, the open
// device, whether it is possible, how many layers beyond are covered and which; then for each
// tensor that will be read: which, device, layout and turn (the usual one where it decides
// nothing) in one number, then places and waiting places as bits, in one number where they fit.
using Likeness = std::vector<std::uint64_t>;
constexpr int kDeviceBit = 24, kLayoutBit = 30, kTensorBit = 36;  // the turn comes first
constexpr int kFewPlaces = 32;                                    // fit in half a number
static_assert(kMostOfAKind <= 1 << (kLayoutBit - kDeviceBit));
static_assert(kMostOfAKind <= 1 << (kTensorBit - kLayoutBit));

constexpr int part_of(std::uint64_t number, int from, int to) {
    return static_cast<int>(number >> from & ((std::uint64_t{1} << (to - from)) - 1));
}

struct Hash {
    std::size_t operator()(const Likeness& like) const {
        std::uint64_t h = 0x9e3779b97f4a7c15u;
        for (const std::uint64_t number : like) {
            h = (h ^ number) * 0xff51afd7ed558ccdu;
            h ^= h >> 32;
        }
        return h;
    }
};

// Beginnings that are alike, one after the other. Times are in the order in which they are found:
// dispatcher, pending, queues, engines, then the times of each tensor's places, and their lags if
// they wait.
struct Group {
    std::size_t count = 0, times_each = 0;
    std::vector<Ticks> times;
    std::vector<Mapping> mappings;
};

// Reads states off the evaluator.
class Reader {
public:
    explicit Reader(const Problem& problem)
        : problem_(problem), read_later_(at(problem.layers()) + 1) {
        for (int t = 0; t < problem.layers(); ++t) {
            if (!problem.consumers[at(t)].empty()) {
                for (int layer = 0; layer <= problem.consumers[at(t)].back(); ++layer) {
                    read_later_[at(layer)].push_back(t);
                }
            }
        }
    }

    // Over `like` and `times`.
    void read(const Evaluator& placed, int layer, Likeness& like, std::vector<Ticks>& times) {
        const Evaluator::Core& core = placed.core;
        const int places = placed.places();
        const std::vector<int>& later = read_later_[at(layer)];
        numbers_.resize(4 + at(4 * problem_.layers()));
        ticks_.resize(at(1 + problem_.device_count() + problem_.engines) +
                      at(2 * places * problem_.layers()));
        Ticks* time = ticks_.data();

        // 1. Resources and what is covered ahead.
        std::uint64_t* number = numbers_.data() + 4;
        for (int l = layer; l < problem_.layers(); ++l) {
            if (placed.covered[at(l)]) {
                *number++ = static_cast<std::uint64_t>(l);
            }
        }
        const auto ahead = static_cast<std::uint64_t>(number - numbers_.data() - 4);
        numbers_[0] = static_cast<std::uint64_t>(layer);
        numbers_[1] = static_cast<std::uint64_t>(core.open);
        numbers_[2] = core.possible;
        numbers_[3] = ahead;
        *time++ = core.dispatcher;
        *time++ = core.pending;
        for (int d = 1; d < problem_.device_count(); ++d) {
            *time++ = placed.queue(d);
        }
        for (int e = 0; e < problem_.engines; ++e) {
            *time++ = placed.engine(e);
        }

        // 2. Tensors.
        for (const int t : later) {
            const Evaluator::Tensor& tensor = placed.tensors[at(t)];
            if (!tensor.exposed || (ahead > 0 && !is_read(placed, t, layer))) {
                continue;
            }
            const int turn = placed.turn_matters(t) ? tensor.turn : placed.usual_turn(t);
            const Ticks *const there_at = placed.times(t), *const lags = placed.lags(t);
            Bits there = 0, waiting = 0;
            for (int place = 0; place < places; ++place) {
                if (there_at[place] < 0) {
                    continue;
                }
                there |= bit(place);
                *time++ = there_at[place];
                if (lags[place] >= 0) {
                    waiting |= bit(place);
                    *time++ = lags[place];
                }
            }
            *number++ = static_cast<std::uint64_t>(t) << kTensorBit |
                        static_cast<std::uint64_t>(tensor.device) << kDeviceBit |
                        static_cast<std::uint64_t>(tensor.layout) << kLayoutBit |
                        static_cast<std::uint64_t>(turn);
            if (places <= kFewPlaces) {
                *number++ = there | waiting << kFewPlaces;
            } else {
                *number++ = there;
                *number++ = waiting;
            }
        }
        like.assign(numbers_.data(), number);
        times.assign(ticks_.data(), time);
    }

private:
    bool is_read(const Evaluator& placed, int tensor, int layer) const {
        const std::vector<int>& consumers = problem_.consumers[at(tensor)];
        return std::any_of(consumers.begin(), consumers.end(), [&](int consumer) {
            return consumer >= layer && !placed.covered[at(consumer)];
        });
    }

    const Problem& problem_;
    std::vector<std::vector<int>> read_later_;  // by layer: tensors that it or a later one reads
    std::vector<std::uint64_t> numbers_;        // room for any likeness,
    std::vector<Ticks> ticks_;                  // and for its times
};

// ---- 2. RowEvaluator.
// -----------------------------------------------------------------------------------

struct TimeRow {
    alignas(64) Ticks lane[static_cast<std::size_t>(kLanes)];
};

// Inlined into functions for several instruction sets.
#define HETMAP_ROW [[gnu::always_inline]] inline

HETMAP_ROW void assign(TimeRow& row, Ticks time) {
    for (int i = 0; i < kLanes; ++i) {
        row.lane[i] = time;
    }
}
HETMAP_ROW void assign(TimeRow& row, const TimeRow& other, Ticks more = 0) {
    for (int i = 0; i < kLanes; ++i) {
        row.lane[i] = other.lane[i] + more;
    }
}
HETMAP_ROW void raise(TimeRow& row, const TimeRow& other, Ticks more = 0) {
    for (int i = 0; i < kLanes; ++i) {
        row.lane[i] = std::max(row.lane[i], other.lane[i] + more);
    }
}
HETMAP_ROW void raise(TimeRow& row, const TimeRow& a, const TimeRow& b) {
    for (int i = 0; i < kLanes; ++i) {
        row.lane[i] = std::max(row.lane[i], a.lane[i] + b.lane[i]);
    }
}

// The evaluator with rows for times. What is alike in all lanes is a plain number. Read `push`
// beside Evaluator::place.
class RowEvaluator {
public:
    explicit RowEvaluator(const Evaluator& evaluator, const Problem& problem)
        : problem_(problem),
          devices_(problem.device_count()),
          places_each_(problem.memories * problem.layouts),
          heads_(1 + devices_ + problem.engines),
          cores_(at(heads_ * (problem.layers() + 2))),
          frames_(at(problem.layers()) + 2),
          tensors_(at(problem.layers())),
          places_(at(problem.layers() * places_each_)),
          covered_(at(problem.layers()) + 1, 0) {
        // Inputs in turn, where that is known.
        for (const Task& task : problem.tasks) {
            const auto turn_of = [&](const TaskInput& input) {
                return evaluator.usual_turn(input.tensor);
            };
            inputs_.push_back(task.inputs);
            if (std::ranges::none_of(task.inputs, [&](const TaskInput& input) {
                    return evaluator.turn_matters(input.tensor);
                })) {
                std::ranges::stable_sort(inputs_.back(), {}, turn_of);
            }
        }
    }

    // Runs all completions of these beginnings, at most kLanes of them.
    void run(const Likeness& like, const Group& group);

    std::uint64_t evaluated = 0;
    Ticks best = kNeverTicks;
    Mapping best_mapping;

private:
    // Of one depth: dispatcher, pending work, queues of all devices but the host, engines.
    struct Core {
        TimeRow* rows = nullptr;
        int devices = 0;

        TimeRow& dispatcher() const { return rows[0]; }
        TimeRow& pending() const { return rows[1]; }
        TimeRow& queue(int device) const { return rows[1 + device]; }
        TimeRow& engine(int engine) const { return rows[1 + devices + engine]; }
    };
    struct Place {
        TimeRow time, lag;  // as the evaluator's
    };
    struct Made {
        int device = 0, layout = 0, turn = 0;
        Bits there = 0, waiting = 0;  // places
    };
    struct Added {
        int tensor = 0, place = 0;
    };
    struct Frame {  // for pop, but the times: every depth has its own core
        int open = 0, task = -1;
        bool possible = true, closed = false;
        std::size_t segment = 0, waiting = 0, added = 0, finals = 0;
    };

    HETMAP_ROW void push(int index);
    HETMAP_ROW void pop();
    HETMAP_ROW void close_segment(const Core& core);
    HETMAP_ROW void copy(const Core& core, int index, int memory);
    HETMAP_ROW void expose(
        const Task& task, const TaskResult& result, bool whole, const TimeRow& start, Ticks work);
    HETMAP_ROW void leaf();
    HETMAP_ROW void visit(int layer, void (*self)(RowEvaluator&, int));

    static void visit_portable(RowEvaluator& rows, int layer) { rows.visit(layer, visit_portable); }
#if defined(__x86_64__)
    [[gnu::target("avx2")]] static void visit_avx2(RowEvaluator& rows, int layer) {
        rows.visit(layer, visit_avx2);
    }
    [[gnu::target("arch=x86-64-v4")]] static void visit_avx512(RowEvaluator& rows, int layer) {
        rows.visit(layer, visit_avx512);
    }
#endif

    Core core_at(std::size_t depth) {
        return {.rows = &cores_[depth * at(heads_)], .devices = devices_};
    }
    int place_of(int memory, int layout) const { return memory * problem_.layouts + layout; }
    Place& place_at(int tensor, int place) { return places_[at(tensor * places_each_ + place)]; }

    const Problem& problem_;
    const int devices_, places_each_, heads_;
    std::vector<TimeRow> cores_;  // by depth
    std::vector<Frame> frames_;   // by depth
    std::size_t depth_ = 0;
    std::vector<Made> tensors_;
    std::vector<Place> places_;
    std::vector<char> covered_;
    int open_ = 0;
    bool possible_ = true;
    std::size_t segment_ = 0;                     // first of `waiting_` in the open segment
    std::vector<Added> waiting_;                  // places whose times wait for a submission
    std::vector<Added> added_;                    // copies and conversions
    std::vector<TimeRow> finals_;                 // times that close_segment wrote over
    std::vector<std::vector<TaskInput>> inputs_;  // by task
    std::vector<TaskInput> sorted_;
    Mapping path_;
    const Group* group_ = nullptr;
};

void RowEvaluator::close_segment(const Core& core) {
    if (!problem_.whole_segments) {
        return;
    }
    raise(core.queue(open_), core.dispatcher(), core.pending());
    for (std::size_t i = segment_; i < waiting_.size(); ++i) {
        const auto [tensor, place] = waiting_[i];
        Place& waits = place_at(tensor, place);
        finals_.push_back(waits.time);
        raise(waits.time, core.dispatcher(), waits.lag);
        tensors_[at(tensor)].waiting &= ~bit(place);
    }
    frames_[depth_].closed = true;
}

// Brings a tensor to a memory where it is not: over the memories on the way, from where it is.
void RowEvaluator::copy(const Core& core, int index, int memory) {
    Made& tensor = tensors_[at(index)];
    const int home = problem_.devices[at(tensor.device)].memory;
    std::array<std::int8_t, kMostOfAKind> way;  // backwards
    std::size_t hops = 0;
    int from = memory;
    for (; from >= 0 && (tensor.there & bit(place_of(from, tensor.layout))) == 0; ++hops) {
        way[hops] = static_cast<std::int8_t>(from);
        from = problem_.source(index, tensor.layout, home, from);
    }
    while (hops-- > 0) {
        const int to = way[hops], place = place_of(to, tensor.layout);
        const Ticks copying =
            from < 0 ? kNeverTicks : problem_.copy(index, tensor.layout, from, to).count();
        TimeRow& time = place_at(index, place).time;
        if (copying >= kNeverTicks) {
            possible_ = false;
            assign(time, 0);
        } else {
            TimeRow& engine = core.engine(problem_.engine[problem_.pair_place(from, to)]);
            raise(engine, place_at(index, place_of(from, tensor.layout)).time);
            assign(engine, engine, copying);
            assign(time, engine);
        }
        tensor.there |= bit(place);
        added_.push_back({index, place});
        from = to;
    }
}

// A result of the task that starts then and works for so long. whole: it waits for its segment.
void RowEvaluator::expose(
    const Task& task, const TaskResult& result, bool whole, const TimeRow& start, Ticks work) {
    const int home = place_of(problem_.devices[at(task.device)].memory, result.layout);
    tensors_[at(result.tensor)] = {.device = task.device,
                                   .layout = result.layout,
                                   .turn = task.first,
                                   .there = bit(home),
                                   .waiting = whole ? bit(home) : 0};
    Place& made = place_at(result.tensor, home);
    assign(made.time, start, work);
    if (whole) {
        assign(made.lag, core_at(depth_ + 1).pending());
        waiting_.push_back({result.tensor, home});
    }
}

void RowEvaluator::push(int index) {
    const Task& task = problem_.tasks[at(index)];
    const ProblemDevice& device = problem_.devices[at(task.device)];
    frames_[depth_] = {.open = open_,
                       .task = index,
                       .possible = possible_,
                       .closed = false,
                       .segment = segment_,
                       .waiting = waiting_.size(),
                       .added = added_.size(),
                       .finals = finals_.size()};
    const Core before = core_at(depth_), core = core_at(depth_ + 1);
    for (int i = 0; i < heads_; ++i) {
        assign(core.rows[i], before.rows[i]);
    }

    // 1. A task elsewhere ends the open segment.
    const bool extends = device.asynchronous && open_ == task.device;
    if (open_ != 0 && !extends) {
        close_segment(core);
    }

    // 2. Bring every input to the device's memory and to its layout.
    const std::size_t first_added = added_.size();
    TimeRow start;
    assign(start, 0);
    Ticks conversion = 0;
    const auto turn_of = [&](const TaskInput& input) { return tensors_[at(input.tensor)].turn; };
    for (const TaskInput& input : in_turn(inputs_[at(index)], turn_of, sorted_)) {
        Made& tensor = tensors_[at(input.tensor)];
        const ProblemDevice& maker = problem_.devices[at(tensor.device)];
        const int wanted = place_of(device.memory, input.layout);
        int from = wanted;
        if ((tensor.there & bit(wanted)) == 0) {
            const int raw = place_of(device.memory, tensor.layout);
            from = raw;
            if ((tensor.there & bit(raw)) == 0) {
                copy(core, input.tensor, device.memory);
            }
            if (wanted != raw) {
                const Ticks convert =
                    problem_.convert(input.tensor, task.device, tensor.layout, input.layout)
                        .count();
                if (convert >= kNeverTicks) {
                    possible_ = false;
                } else {
                    conversion += convert;
                }
                tensor.there |= bit(wanted);
                added_.push_back({input.tensor, wanted});
                assign(place_at(input.tensor, wanted).time, conversion);  // completed in step 4
            }
        }
        const bool sees = !device.asynchronous && maker.asynchronous;
        raise(start, place_at(input.tensor, from).time, sees ? maker.completion.count() : Ticks{0});
    }

    // 3. Run.
    const Ticks work = conversion + task.cost.count();
    const bool whole = device.asynchronous && problem_.whole_segments;
    TimeRow base;  // of whole segments: their work before this task
    assign(base, 0);
    if (!device.asynchronous) {
        raise(start, core.dispatcher());
        assign(core.dispatcher(), start, work);
        open_ = 0;
    } else {
        Ticks submit = device.per_task.count();
        if (!extends) {
            submit += device.submit.count();
            assign(core.pending(), 0);
            open_ = task.device;
            segment_ = waiting_.size();
        }
        assign(core.dispatcher(), core.dispatcher(), submit);
        TimeRow& queue = core.queue(task.device);
        raise(start, queue);
        if (whole) {
            assign(base, core.pending());
            assign(core.pending(), core.pending(), work);
        } else {
            raise(start, core.dispatcher());
        }
        assign(queue, start, work);
    }

    // 4. Converted inputs. They are where the layout is not the one that was made.
    for (std::size_t i = first_added; i < added_.size(); ++i) {
        const auto [tensor, place] = added_[i];
        if (place % problem_.layouts == tensors_[at(tensor)].layout) {
            continue;
        }
        Place& made = place_at(tensor, place);
        const Ticks offset = made.time.lane[0];
        if (!device.asynchronous) {
            assign(made.time, 0);
            continue;
        }
        assign(made.time, start, offset);
        if (whole) {
            assign(made.lag, base, offset);
            tensors_[at(tensor)].waiting |= bit(place);
            waiting_.push_back({tensor, place});
        }
    }

    // 5. The results.
    for (const TaskResult& inner : task.inner) {
        expose(task, inner, whole, start, work);
    }
    expose(task, {task.last, task.out_layout}, whole, start, work);
    covered_[at(task.first)] = 1;
    for (const int layer : task.rest) {
        covered_[at(layer)] = 1;
    }
    ++depth_;
}

void RowEvaluator::pop() {
    const Frame& frame = frames_[--depth_];
    const Task& task = problem_.tasks[at(frame.task)];
    for (; added_.size() > frame.added; added_.pop_back()) {
        const auto [tensor, place] = added_.back();
        tensors_[at(tensor)].there &= ~bit(place);
        tensors_[at(tensor)].waiting &= ~bit(place);
    }
    waiting_.resize(frame.waiting);
    if (frame.closed) {
        for (std::size_t i = frame.segment; i < frame.waiting; ++i) {
            const auto [tensor, place] = waiting_[i];
            assign(place_at(tensor, place).time, finals_[frame.finals + i - frame.segment]);
            tensors_[at(tensor)].waiting |= bit(place);
        }
    }
    finals_.resize(frame.finals);
    open_ = frame.open;
    possible_ = frame.possible;
    segment_ = frame.segment;
    covered_[at(task.first)] = 0;
    for (const int layer : task.rest) {
        covered_[at(layer)] = 0;
    }
}

void RowEvaluator::leaf() {
    evaluated += group_->count;
    if (!possible_) {
        return;
    }
    const TimeRow& makespan = core_at(depth_).dispatcher();
    Ticks least = makespan.lane[0];
    for (int i = 1; i < kLanes; ++i) {
        least = std::min(least, makespan.lane[i]);
    }
    if (least >= best) {
        return;
    }
    best = least;
    const auto lane = static_cast<std::size_t>(
        std::find(makespan.lane, makespan.lane + kLanes, least) - makespan.lane);
    best_mapping = group_->mappings[std::min(lane, group_->count - 1)];
    best_mapping.tasks.insert(best_mapping.tasks.end(), path_.begin(), path_.end());
}

void RowEvaluator::visit(int layer, void (*self)(RowEvaluator&, int)) {
    for (const int k : problem_.starting[at(layer)]) {
        if (!fits(problem_, k, covered_)) {
            continue;
        }
        push(k);
        path_.push_back(k);
        int next = layer + 1;
        while (covered_[at(next)]) {
            ++next;
        }
        if (next == problem_.layers()) {
            leaf();
        } else {
            self(*this, next);
        }
        path_.pop_back();
        pop();
    }
}

void RowEvaluator::run(const Likeness& like, const Group& group) {
    // TimeRow beyond the last beginning repeat it.
    group_ = &group;
    std::size_t next = 0;
    const auto take = [&](TimeRow& row) {
        for (std::size_t i = 0; i < at(kLanes); ++i) {
            row.lane[i] = group.times[std::min(i, group.count - 1) * group.times_each + next];
        }
        ++next;
    };
    const Core core = core_at(0);
    for (int i = 0; i < heads_; ++i) {
        take(core.rows[i]);
    }
    const int layer = static_cast<int>(like[0]);
    depth_ = 0;
    open_ = static_cast<int>(like[1]);
    possible_ = like[2] != 0;
    segment_ = 0;
    waiting_.clear();
    std::fill(covered_.begin(), covered_.end(), char{0});
    std::size_t i = 4;
    for (; i < 4 + like[3]; ++i) {
        covered_[like[i]] = 1;
    }
    while (i < like.size()) {
        const std::uint64_t code = like[i++];
        const int t = static_cast<int>(code >> kTensorBit);
        Made& tensor = tensors_[at(t)];
        tensor = {.device = part_of(code, kDeviceBit, kLayoutBit),
                  .layout = part_of(code, kLayoutBit, kTensorBit),
                  .turn = part_of(code, 0, kDeviceBit),
                  .there = like[i++]};
        if (places_each_ <= kFewPlaces) {
            tensor.waiting = tensor.there >> kFewPlaces;
            tensor.there &= bit(kFewPlaces) - 1;
        } else {
            tensor.waiting = like[i++];
        }
        for_each_bit(tensor.there, [&](int place) {
            take(place_at(t, place).time);
            if ((tensor.waiting & bit(place)) != 0) {
                take(place_at(t, place).lag);
                waiting_.push_back({t, place});
            }
        });
    }
    if (layer == problem_.layers()) {
        leaf();
        return;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd")) {  // all of x86-64-v4
        return visit_avx512(*this, layer);
    }
    if (__builtin_cpu_supports("avx2")) {
        return visit_avx2(*this, layer);
    }
#endif
    visit_portable(*this, layer);
}

// ---- 3. The walk. -------------------------------------------------------------------------------

class Walk {
public:
    Walk(const Problem& problem, const SearchOptions& options)
        : problem_(problem),
          options_(options),
          evaluator_(problem),
          rows_(evaluator_, problem),
          reader_(problem) {
        while (split_ > 1 && problem.layers() - split_ < kMostLayers &&
               completions(split_ - 1) <= kMostCompletions) {
            --split_;
        }
    }

    SearchResult run() {
        probing_ = true;
        while (completions(split_) >= 2 * kFewestCompletions && fullness() < kFullEnough) {
            ++split_;
        }
        probing_ = false;
        visit(0);
        finish_groups();
        SearchResult result;
        result.evaluated = rows_.evaluated;
        if (rows_.best_mapping.empty()) {
            return infeasible(stopped_ ? "stopped before any mapping was found"
                                       : "no mapping covers every layer with links that exist");
        }
        result.mapping = rows_.best_mapping;
        result.makespan = Time{rows_.best};
        if (!stopped_) {
            result.status = SearchStatus::proven;
            result.lower_bound = result.makespan;
        }
        return result;
    }

private:
    // Of the layers from this one on, at most.
    std::size_t completions(int layer) const {
        std::size_t count = 1;
        for (; layer < problem_.layers() && count <= kMostCompletions; ++layer) {
            count *= std::max<std::size_t>(problem_.starting[at(layer)].size(), 1);
        }
        return count;
    }

    // How full the rows would be, from the first beginnings.
    double fullness() {
        visit(0);
        std::size_t held = 0, lanes = 0;
        for (const auto& [like, group] : groups_) {
            held += group.count;
            lanes += (group.count + at(kLanes) - 1) / at(kLanes) * at(kLanes);
        }
        groups_.clear();
        held_ = 0;
        return lanes == 0 ? 1.0 : static_cast<double>(held) / static_cast<double>(lanes);
    }

    // Depth first to the split. A stack of its own: models have thousands of layers.
    void visit(int first) {
        struct Level {
            int layer = 0;
            std::size_t next = 0;
        };
        if (first >= split_) {
            return keep(first);
        }
        std::vector<Level> stack{{first, 0}};
        while (!stack.empty() && !stopped_ && !(probing_ && held_ >= kProbe)) {
            Level& level = stack.back();
            const std::vector<int>& tasks = problem_.starting[at(level.layer)];
            while (level.next < tasks.size() &&
                   !fits(problem_, tasks[level.next], evaluator_.covered)) {
                ++level.next;
            }
            if (level.next == tasks.size()) {
                stack.pop_back();
                take_back();
                continue;
            }
            const int task = tasks[level.next++];
            evaluator_.push(task);
            path_.push_back(task);
            const int layer = evaluator_.next_layer(level.layer + 1);
            if (layer < split_) {
                stack.push_back({layer, 0});
            } else {
                keep(layer);
                take_back();
            }
        }
        while (!path_.empty()) {
            take_back();
        }
    }

    void take_back() {
        if (path_.empty()) {
            return;
        }
        path_.pop_back();
        evaluator_.pop();
    }

    void keep(int layer) {
        reader_.read(evaluator_, layer, like_, times_);
        auto found = groups_.find(like_);
        if (found == groups_.end()) {
            found = groups_.emplace(like_, Group{}).first;
        }
        Group& group = found->second;
        if (group.count == group.mappings.size()) {
            group.mappings.emplace_back();
        }
        group.mappings[group.count++] = path_;
        group.times_each = times_.size();
        group.times.insert(group.times.end(), times_.begin(), times_.end());
        ++held_;
        if (probing_) {
            return;
        }
        if (group.count == at(kLanes)) {
            finish(found->first, group);
        } else if (held_ == kMostBeginnings) {
            finish_groups();
        }
    }

    void finish(const Likeness& like, Group& group) {
        if (group.count == 0 || stopped_) {
            return;
        }
        const Ticks before = rows_.best;
        rows_.run(like, group);
        held_ -= group.count;
        group.count = 0;
        group.times.clear();
        if (options_.progress && rows_.best < before) {
            options_.progress(Time{rows_.best}, Time{});
        }
        if (options_.stop && options_.stop()) {
            stopped_ = true;
        }
    }

    void finish_groups() {
        for (auto& [like, group] : groups_) {
            finish(like, group);
        }
        groups_.clear();
        held_ = 0;
    }

    const Problem& problem_;
    const SearchOptions& options_;
    Evaluator evaluator_;
    RowEvaluator rows_;
    int split_ = problem_.layers();  // where completions begin
    Reader reader_;
    Likeness like_;
    std::vector<Ticks> times_;
    std::unordered_map<Likeness, Group, Hash> groups_;
    std::size_t held_ = 0;
    Mapping path_;
    bool probing_ = false, stopped_ = false;
};

}  // namespace

SearchResult exhaustive(const Problem& problem, const SearchOptions& options) {
    const bool fits_in_word = problem.memories * problem.layouts <= kMostOfAKind;
    if (!options.goal.is_latency() || !is_basic(problem) || !fits_in_word) {
        return best_of(exhaustive_front(problem, options), options.goal);
    }
    SearchResult result = Walk(problem, options).run();
    return result.status == SearchStatus::proven ? result
                                                 : or_known(problem, options, std::move(result));
}

}  // namespace sim
