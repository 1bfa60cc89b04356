#include "sim/batch_evaluator.hpp"

#include "sim/batch_lanes.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <variant>

#define HETMAP_LOOP_NAMESPACE portable
#define HETMAP_LOOP_TARGET
#define HETMAP_LOOP_BYTES 16
#include "sim/batch_loop.hpp"

#if defined(__x86_64__)
#define HETMAP_LOOP_NAMESPACE avx2
#define HETMAP_LOOP_TARGET [[gnu::target("avx2")]]
#define HETMAP_LOOP_BYTES 32
#include "sim/batch_loop.hpp"

#define HETMAP_LOOP_NAMESPACE avx512
#define HETMAP_LOOP_TARGET [[gnu::target("arch=x86-64-v4")]]
#define HETMAP_LOOP_BYTES 64
#include "sim/batch_loop.hpp"
#endif

namespace sim {
namespace {

using lanes::Row;
using Narrow = std::int32_t;
using Wide = std::int64_t;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

template <class T>
lanes::Loops<T> loops_for(InstructionSet wanted, int layouts) {
#if defined(__x86_64__)
    const bool any = wanted == InstructionSet::widest;
    if ((any || wanted == InstructionSet::avx512) && has(InstructionSet::avx512))
        return lanes::avx512::loops<T>(layouts);
    if ((any || wanted == InstructionSet::avx2) && has(InstructionSet::avx2))
        return lanes::avx2::loops<T>(layouts);
#endif
    return lanes::portable::loops<T>(layouts);
}

struct Slot {
    int word = 0, shift = 0;
};
Slot slot_of(int input) {
    if (input < lanes::kInputsInFirst)
        return {0, lanes::kInputs + 2 * input};
    const int rest = input - lanes::kInputsInFirst;
    return {1 + rest / lanes::kInputsInOther, 2 * (rest % lanes::kInputsInOther)};
}

// The whole number that all times are multiples of, and a time that no schedule exceeds.
struct Scale {
    Ticks unit = 1;
    double horizon = 0;
};

Scale scale_of(const Problem& problem) {
    Scale scale{.unit = 0, .horizon = 0};
    const auto see = [&](Time time) {
        if (time < kNever)
            scale.unit = std::gcd(scale.unit, time.count());
        return time < kNever ? time : Time{};
    };
    // Each task once, each with a submission and a wait; each tensor copied to every memory, and
    // converted there, once.
    std::vector<Time> slowest(static_cast<std::size_t>(problem.layers()));
    for (const Task& task : problem.tasks) {
        Time& most = slowest[at(task.first)];
        most = std::max(most, see(task.cost));
    }
    for (const Time time : slowest)
        scale.horizon += static_cast<double>(time.count());
    Time around{};
    for (const ProblemDevice& device : problem.devices)
        around =
            std::max(around, see(device.submit) + see(device.per_task) + see(device.completion));
    scale.horizon += static_cast<double>(around.count()) * problem.layers();
    for (int t = 0; t < problem.layers(); ++t) {
        Time copy{}, convert{};
        for (int layout = 0; layout < problem.layouts; ++layout)
            for (int from = 0; from < problem.memories; ++from)
                for (int to = 0; to < problem.memories; ++to)
                    if (from != to)
                        copy = std::max(copy, see(problem.copy(t, layout, from, to)));
        for (int device = 0; device < static_cast<int>(problem.devices.size()); ++device)
            for (int from = 0; from < problem.layouts; ++from)
                for (int to = 0; to < problem.layouts; ++to)
                    if (from != to)
                        convert = std::max(convert, see(problem.convert(t, device, from, to)));
        scale.horizon += static_cast<double>((copy + convert).count()) * problem.memories;
    }
    scale.unit = std::max<Ticks>(scale.unit, 1);
    return scale;
}

// The tensors that any task of this layer reads, in an order that agrees with every task's own.
// Nothing if there is none.
std::optional<std::vector<int>> common_order(const Problem& problem, int layer) {
    std::map<int, std::vector<int>> after;  // tensor: those that come after it somewhere
    std::map<int, int> before;              // tensor: how many come before it
    for (const int k : problem.starting[at(layer)]) {
        const std::vector<TaskInput>& inputs = problem.tasks[at(k)].inputs;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            before.try_emplace(inputs[i].tensor, 0);
            if (i + 1 < inputs.size()) {
                after[inputs[i].tensor].push_back(inputs[i + 1].tensor);
                ++before[inputs[i + 1].tensor];
            }
        }
    }
    std::vector<int> order, ready;
    for (const auto& [tensor, count] : before)
        if (count == 0)
            ready.push_back(tensor);
    while (!ready.empty()) {
        const int tensor = ready.back();
        ready.pop_back();
        order.push_back(tensor);
        for (const int next : after[tensor])
            if (--before[next] == 0)
                ready.push_back(next);
    }
    if (order.size() != before.size())
        return std::nullopt;
    return order;
}

// One mapping after the other, for problems that the lanes cannot hold.
class Plain {
public:
    explicit Plain(const Problem& problem) : evaluator_(problem) {}

    int width() const { return 1; }

    void makespans(std::span<const Mapping> mappings, std::vector<Time>& times) {
        for (std::size_t i = 0; i < mappings.size(); ++i)
            times[i] = evaluator_.makespan(mappings[i]);
    }
    int prepare(int, std::span<const Mapping> completions) {
        prepared_.emplace_back(completions.begin(), completions.end());
        return static_cast<int>(prepared_.size()) - 1;
    }
    BatchEvaluator::Best best_completion(const Evaluator& placed, int handle) {
        BatchEvaluator::Best best;
        Evaluator evaluator = placed;
        const std::vector<Mapping>& completions = prepared_[at(handle)];
        for (std::size_t i = 0; i < completions.size(); ++i) {
            for (const int task : completions[i])
                evaluator.push(task);
            if (evaluator.makespan() < best.makespan)
                best = {evaluator.makespan(), i};
            for (std::size_t task = 0; task < completions[i].size(); ++task)
                evaluator.pop();
        }
        return best;
    }

private:
    Evaluator evaluator_;
    std::vector<std::vector<Mapping>> prepared_;
};

template <class T>
class Lanes {
public:
    // Nothing if the problem does not fit.
    static std::optional<Lanes> make(const Problem& problem,
                                     const Scale& scale,
                                     InstructionSet wanted) {
        Lanes made(problem, scale.unit, wanted);
        for (int layer = 0; layer < problem.layers(); ++layer)
            if (!made.add_step(layer))
                return std::nullopt;
        made.add_tasks();
        made.whole_ = made.empty_program(0);
        std::size_t most = 1;
        for (const lanes::Step<T>& step : made.steps_)
            most = std::max(most, step.inputs.size());
        made.state_.offsets.resize(most);
        made.state_.tensors.resize(static_cast<std::size_t>(problem.layers()) * made.stride());
        return made;
    }

    int width() const { return lanes::kLanes<T>; }

    void makespans(std::span<const Mapping> mappings, std::vector<Time>& times) {
        for (std::size_t begin = 0; begin < mappings.size(); begin += kWidth) {
            const std::size_t count = std::min(kWidth, mappings.size() - begin);
            fill(whole_, mappings.subspan(begin, count));
            state_.dispatcher = state_.open = state_.impossible = {};
            state_.queue = {};
            state_.engine = {};
            run(whole_);
            for (std::size_t i = 0; i < count; ++i)
                times[begin + i] = state_.impossible.lane[i]
                                       ? kNever
                                       : Time{unit_ * Ticks{state_.dispatcher.lane[i]}};
        }
    }

    int prepare(int layer, std::span<const Mapping> completions) {
        Prepared prepared;
        for (int t = 0; t < problem_->layers(); ++t)
            if (!problem_->consumers[at(t)].empty() && problem_->consumers[at(t)].back() >= layer)
                prepared.live.push_back(t);
        for (std::size_t begin = 0; begin < completions.size(); begin += kWidth) {
            const std::size_t count = std::min(kWidth, completions.size() - begin);
            prepared.programs.push_back(empty_program(layer));
            fill(prepared.programs.back(), completions.subspan(begin, count));
            prepared.counts.push_back(count);
        }
        prepared_.push_back(std::move(prepared));
        return static_cast<int>(prepared_.size()) - 1;
    }

    BatchEvaluator::Best best_completion(const Evaluator& placed, int handle) {
        const Prepared& prepared = prepared_[at(handle)];
        BatchEvaluator::Best best;
        if (!placed.core.possible)
            return best;
        T least = std::numeric_limits<T>::max();
        for (std::size_t p = 0; p < prepared.programs.size(); ++p) {
            begin_after(placed, prepared, prepared.programs[p]);
            run(prepared.programs[p]);
            for (std::size_t i = 0; i < prepared.counts[p]; ++i)
                if (state_.dispatcher.lane[i] < least && !state_.impossible.lane[i]) {
                    least = state_.dispatcher.lane[i];
                    best.index = p * kWidth + i;
                }
        }
        if (least < std::numeric_limits<T>::max())
            best.makespan = Time{unit_ * Ticks{least}};
        return best;
    }

private:
    using Word = std::make_unsigned_t<T>;
    static constexpr std::size_t kWidth = static_cast<std::size_t>(lanes::kLanes<T>);

    struct FlatTask {
        T cost = 0;
        int first = 0, words_at = 0;
    };
    struct Prepared {
        std::vector<int> live;
        std::vector<lanes::Program<T>> programs;
        std::vector<std::size_t> counts;
    };

    Lanes(const Problem& problem, Ticks unit, InstructionSet wanted)
        : problem_(&problem), unit_(unit) {
        machine_.devices = static_cast<int>(problem.devices.size());
        machine_.memories = problem.memories;
        machine_.whole_segments = problem.whole_segments;
        for (std::size_t d = 0; d < problem.devices.size(); ++d) {
            const ProblemDevice& device = problem.devices[d];
            machine_.submit[d] = scaled(device.submit);
            machine_.per_task[d] = scaled(device.per_task);
            machine_.completion[d] = scaled(device.completion);
        }
        loops_ = loops_for<T>(wanted, problem.layouts);
        for (std::size_t pair = 0; pair < problem.engine.size(); ++pair)
            machine_.engine[pair] = problem.engine[pair];
    }

    T scaled(Time time) const { return static_cast<T>(time.count() / unit_); }
    T scaled(Ticks ticks) const { return static_cast<T>(unit_ == 1 ? ticks : ticks / unit_); }
    std::size_t stride() const {
        return static_cast<std::size_t>(problem_->memories * problem_->layouts) + 3;
    }

    bool add_step(int layer) {
        lanes::Step<T> step;
        const std::optional<std::vector<int>> order = common_order(*problem_, layer);
        if (!order)
            return false;
        for (std::size_t u = 0; u < order->size(); ++u) {
            const Slot slot = slot_of(static_cast<int>(u));
            lanes::Input<T> input{.tensor = (*order)[u],
                                  .word = slot.word,
                                  .shift = slot.shift,
                                  .copy = {},
                                  .convert = {}};
            step.words = slot.word + 1;
            for (int layout = 0; layout < problem_->layouts; ++layout) {
                for (int from = 0; from < problem_->memories; ++from)
                    for (int to = 0; to < problem_->memories; ++to) {
                        const auto pair = at(from * problem_->memories + to);
                        const Time copy = problem_->copy(input.tensor, layout, from, to);
                        if (from != to && machine_.engine[pair] >= 0 && copy >= kNever)
                            return false;  // a link, but not for this tensor
                        if (from != to && copy < kNever)
                            input.copy[at(layout)][pair] = scaled(copy);
                    }
                for (int d = 0; d < machine_.devices && problem_->layouts == 2; ++d) {
                    const Time convert = problem_->convert(input.tensor, d, layout, 1 - layout);
                    input.convert[at(layout)][at(d)] = convert < kNever ? scaled(convert) : T{-1};
                }
            }
            step.inputs.push_back(input);
        }
        for (const int k : problem_->starting[at(layer)]) {
            const int last = problem_->tasks[at(k)].last;
            if (std::find(step.results.begin(), step.results.end(), last) == step.results.end())
                step.results.push_back(last);
        }
        steps_.push_back(std::move(step));
        return steps_.back().results.size() <= lanes::kMaxResults;
    }

    void add_tasks() {
        for (const Task& task : problem_->tasks) {
            const lanes::Step<T>& step = steps_[at(task.first)];
            const auto result = std::find(step.results.begin(), step.results.end(), task.last);
            const bool asynchronous = problem_->devices[at(task.device)].asynchronous;
            std::vector<Word> words(static_cast<std::size_t>(step.words), 0);
            const int memory = problem_->devices[at(task.device)].memory;
            words[0] = static_cast<Word>(
                1 << lanes::kActive | (asynchronous ? 1 : 0) << lanes::kAsynchronous |
                task.device << lanes::kDevice | memory << lanes::kMemory |
                task.out_layout << lanes::kLayout |
                static_cast<int>(result - step.results.begin()) << lanes::kResult);
            for (const TaskInput& input : task.inputs)
                for (const lanes::Input<T>& planned : step.inputs)
                    if (planned.tensor == input.tensor)
                        words[at(planned.word)] |= static_cast<Word>(
                            static_cast<Word>(1 + 2 * input.layout) << planned.shift);
            tasks_.push_back({.cost = scaled(task.cost),
                              .first = task.first,
                              .words_at = static_cast<int>(words_.size())});
            words_.insert(words_.end(), words.begin(), words.end());
        }
    }

    lanes::Program<T> empty_program(int first) const {
        lanes::Program<T> program;
        program.first = first;
        std::size_t words = 0;
        for (std::size_t s = at(first); s < steps_.size(); ++s) {
            program.word_at.push_back(words);
            words += static_cast<std::size_t>(steps_[s].words);
        }
        program.cost.resize(program.word_at.size());
        program.submission.resize(program.word_at.size());
        program.words.resize(words);
        return program;
    }

    // Writes mappings of the layers from the program's first on into its lanes.
    void fill(lanes::Program<T>& program, std::span<const Mapping> mappings) const {
        for (std::size_t i = 0; i < kWidth; ++i) {
            const Mapping& mapping = mappings[std::min(i, mappings.size() - 1)];
            const int* next = mapping.data();
            const int* const end = next + mapping.size();
            for (std::size_t s = 0; s < program.cost.size(); ++s) {
                const int layer = program.first + static_cast<int>(s);
                Row<Word>* const words = &program.words[program.word_at[s]];
                const int count = steps_[at(layer)].words;
                const FlatTask* const task = next != end ? &tasks_[at(*next)] : nullptr;
                if (!task || task->first != layer) {  // covered by a chain
                    program.cost[s].lane[i] = 0;
                    for (int w = 0; w < count; ++w)
                        words[w].lane[i] = 0;
                    continue;
                }
                ++next;
                program.cost[s].lane[i] = task->cost;
                words[0].lane[i] = words_[at(task->words_at)];
                for (int w = 1; w < count; ++w)
                    words[w].lane[i] = words_[at(task->words_at + w)];
            }
            assert(next == end);
        }
        loops_.count_submissions(machine_, program);
    }

    // The state after what is placed: its open segment ends with the run that a lane begins with.
    void begin_after(const Evaluator& placed,
                     const Prepared& prepared,
                     const lanes::Program<T>& program) {
        const Evaluator::Core& core = placed.core;
        const bool waits = problem_->whole_segments && core.open != 0;
        const T open = static_cast<T>(core.open);
        const T dispatcher = scaled(core.dispatcher), pending = scaled(core.pending);
        Row<T>& submitted = state_.dispatcher;
        for (std::size_t i = 0; i < kWidth; ++i) {
            const bool extends = waits && program.lead_device.lane[i] == open;
            submitted.lane[i] = dispatcher + (extends ? program.lead_submission.lane[i] : T{0});
            state_.open.lane[i] = open;
            state_.impossible.lane[i] = 0;
        }
        for (int d = 1; d < machine_.devices; ++d) {
            const T queue = scaled(core.queue[at(d)]);
            for (std::size_t i = 0; i < kWidth; ++i)
                state_.queue[at(d)].lane[i] =
                    waits && d == core.open ? std::max(queue, submitted.lane[i] + pending) : queue;
        }
        for (int e = 0; e < problem_->engines; ++e) {
            const T engine = scaled(core.engine[at(e)]);
            for (std::size_t i = 0; i < kWidth; ++i)
                state_.engine[at(e)].lane[i] = engine;
        }
        const int layouts = problem_->layouts, places = problem_->memories * layouts;
        for (const int t : prepared.live) {
            const Evaluator::Tensor& tensor = placed.tensors[at(t)];
            if (!tensor.exposed)
                continue;
            Row<T>* const rows = &state_.tensors[stride() * at(t)];
            for (int place = 0; place < places; ++place) {
                const auto from = at(Evaluator::place_of(place / layouts, place % layouts));
                const Ticks lag = tensor.lag[from];
                const T time = tensor.at[from] < 0 ? T{-1} : scaled(tensor.at[from]);
                if (tensor.at[from] < 0 || lag < 0) {
                    for (std::size_t i = 0; i < kWidth; ++i)
                        rows[place].lane[i] = time;
                } else {
                    const T later = scaled(lag);
                    for (std::size_t i = 0; i < kWidth; ++i)
                        rows[place].lane[i] = std::max(time, submitted.lane[i] + later);
                }
            }
            const ProblemDevice& maker = problem_->devices[at(tensor.device)];
            const T wait = maker.asynchronous ? scaled(maker.completion) : T{0};
            for (std::size_t i = 0; i < kWidth; ++i) {
                rows[places].lane[i] = static_cast<T>(maker.memory);
                rows[places + 1].lane[i] = static_cast<T>(tensor.layout);
                rows[places + 2].lane[i] = wait;
            }
        }
    }

    void run(const lanes::Program<T>& program) {
        loops_.advance(machine_, steps_, program, state_);
    }

    const Problem* problem_;
    Ticks unit_ = 1;
    lanes::Machine<T> machine_;
    lanes::Loops<T> loops_;
    std::vector<lanes::Step<T>> steps_;
    std::vector<FlatTask> tasks_;
    std::vector<Word> words_;
    lanes::Program<T> whole_;
    lanes::State<T> state_;
    std::vector<Prepared> prepared_;
};

using AnyEngine = std::variant<Plain, Lanes<Narrow>, Lanes<Wide>>;

AnyEngine engine_for(const Problem& problem, InstructionSet wanted) {
    const Scale scale = scale_of(problem);
    // Half of the range: sums are taken before they are discarded.
    const double units = scale.horizon / static_cast<double>(scale.unit);
    if (units < static_cast<double>(std::numeric_limits<Narrow>::max() / 2))
        if (std::optional<Lanes<Narrow>> fits = Lanes<Narrow>::make(problem, scale, wanted))
            return std::move(*fits);
    if (units < static_cast<double>(std::numeric_limits<Wide>::max() / 2))
        if (std::optional<Lanes<Wide>> fits = Lanes<Wide>::make(problem, scale, wanted))
            return std::move(*fits);
    return Plain(problem);
}

}  // namespace

struct BatchEvaluator::Engine {
    AnyEngine any;
    std::vector<Time> times;
};

bool has(InstructionSet set) {
    switch (set) {
#if defined(__x86_64__)
        case InstructionSet::avx2:
            return __builtin_cpu_supports("avx2");
        case InstructionSet::avx512:  // all of x86-64-v4
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd");
#else
        case InstructionSet::avx2:
        case InstructionSet::avx512:
            return false;
#endif
        case InstructionSet::widest:
        case InstructionSet::portable:
            return true;
    }
    return false;
}

BatchEvaluator::BatchEvaluator(const Problem& problem, InstructionSet set)
    : engine_(new Engine{engine_for(problem, set), {}}) {}
BatchEvaluator::~BatchEvaluator() = default;
BatchEvaluator::BatchEvaluator(BatchEvaluator&&) noexcept = default;

std::span<const Time> BatchEvaluator::makespans(std::span<const Mapping> mappings) {
    engine_->times.resize(mappings.size());
    std::visit([&](auto& engine) { engine.makespans(mappings, engine_->times); }, engine_->any);
    return engine_->times;
}

int BatchEvaluator::prepare(int layer, std::span<const Mapping> completions) {
    return std::visit([&](auto& engine) { return engine.prepare(layer, completions); },
                      engine_->any);
}

BatchEvaluator::Best BatchEvaluator::best_completion(const Evaluator& placed, int handle) {
    return std::visit([&](auto& engine) { return engine.best_completion(placed, handle); },
                      engine_->any);
}

int BatchEvaluator::lanes() const {
    return std::visit([](const auto& engine) { return engine.width(); }, engine_->any);
}

std::vector<Time> makespans(const Problem& problem, std::span<const Mapping> mappings) {
    BatchEvaluator batch(problem);
    const std::span<const Time> times = batch.makespans(mappings);
    return {times.begin(), times.end()};
}

}  // namespace sim
