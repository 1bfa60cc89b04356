#include "sim/evaluator.hpp"

#include <algorithm>
#include <cassert>

namespace sim {

Evaluator::Evaluator(const Problem& problem)
    : tensors(static_cast<std::size_t>(problem.layers())),
      covered(static_cast<std::size_t>(problem.layers()) + 1, 0),
      problem_(problem),
      devices_(problem.devices) {
    assert(problem.engines <= kMaxEngines);
    for (const Task& task : problem.tasks) {
        FlatTask flat{.cost = task.cost.count(),
                      .device = task.device,
                      .first = task.first,
                      .last = task.last,
                      .layout = task.out_layout};
        flat.inputs_begin = static_cast<int>(inputs_.size());
        for (const TaskInput& input : task.inputs)
            inputs_.push_back({input.tensor, input.layout});
        flat.inputs_end = static_cast<int>(inputs_.size());
        flat.rest_begin = static_cast<int>(rest_.size());
        rest_.insert(rest_.end(), task.rest.begin(), task.rest.end());
        flat.rest_end = static_cast<int>(rest_.size());
        tasks_.push_back(flat);
    }
}

template <bool keep>
void Evaluator::set(int tensor, int place, Ticks at, Ticks lag) {
    Tensor& t = tensors[static_cast<std::size_t>(tensor)];
    Ticks& old_at = t.at[static_cast<std::size_t>(place)];
    Ticks& old_lag = t.lag[static_cast<std::size_t>(place)];
    if constexpr (keep)
        changes_.push_back({tensor, place, old_at, old_lag});
    old_at = at;
    old_lag = lag;
}

// All of the open segment is submitted when the dispatcher has come this far: its times are final.
template <bool keep>
void Evaluator::close_segment() {
    if (!problem_.whole_segments)
        return;
    Ticks& queue = core.queue[static_cast<std::size_t>(core.open)];
    queue = std::max(queue, core.dispatcher + core.pending);
    for (std::size_t i = static_cast<std::size_t>(core.segment); i < waiting.size(); ++i) {
        const auto [tensor, place] = waiting[i];
        const Tensor& t = tensors[static_cast<std::size_t>(tensor)];
        const auto p = static_cast<std::size_t>(place);
        set<keep>(tensor, place, std::max(t.at[p], core.dispatcher + t.lag[p]), -1);
    }
}

template <bool keep>
void Evaluator::place(int index) {
    const FlatTask& task = tasks_[static_cast<std::size_t>(index)];
    const ProblemDevice& device = devices_[static_cast<std::size_t>(task.device)];
    if constexpr (keep)
        frames_.push_back(
            {core, index, static_cast<int>(changes_.size()), static_cast<int>(waiting.size())});

    // 1. A task elsewhere ends the open segment.
    const bool extends = device.asynchronous && core.open == task.device;
    if (core.open != 0 && !extends)
        close_segment<keep>();

    // 2. Bring every input to the device's memory (copies go to the end of their engine's queue)
    //    and to the layout it is wanted in (conversions are done in front of the task). New
    //    converted places enter `waiting` with their offset from the task's start.
    Ticks ready = 0, conversion = 0;
    const std::size_t before = waiting.size();
    for (int i = task.inputs_begin; i < task.inputs_end; ++i) {
        const Input input = inputs_[static_cast<std::size_t>(i)];
        Tensor& tensor = tensors[static_cast<std::size_t>(input.tensor)];
        assert(tensor.exposed);
        const ProblemDevice& maker = devices_[static_cast<std::size_t>(tensor.device)];
        const int wanted = place_of(device.memory, input.layout);
        Ticks at = tensor.at[static_cast<std::size_t>(wanted)];
        if (at < 0) {
            const int raw = place_of(device.memory, tensor.layout);
            at = tensor.at[static_cast<std::size_t>(raw)];
            if (at < 0) {
                const Ticks copy =
                    problem_.copy(input.tensor, tensor.layout, maker.memory, device.memory).count();
                const int link = problem_.engine[static_cast<std::size_t>(
                    maker.memory * problem_.memories + device.memory)];
                if (link < 0 || copy >= kNeverTicks) {
                    core.possible = false;
                    at = 0;
                } else {
                    Ticks& engine = core.engine[static_cast<std::size_t>(link)];
                    at = std::max(tensor.at[static_cast<std::size_t>(home(tensor))], engine) + copy;
                    engine = at;
                }
                set<keep>(input.tensor, raw, at, -1);
            }
            if (wanted != raw) {
                const Ticks convert =
                    problem_.convert(input.tensor, task.device, tensor.layout, input.layout)
                        .count();
                if (convert >= kNeverTicks)
                    core.possible = false;
                else
                    conversion += convert;
                set<keep>(input.tensor, wanted, conversion, -1);  // completed in step 4
                waiting.push_back({input.tensor, wanted});
            }
        }
        if (!device.asynchronous && maker.asynchronous)
            at += maker.completion.count();
        ready = std::max(ready, at);
    }

    // 3. Run. `base`: the segment's work before this task, if its times wait for the submission.
    const Ticks work = conversion + task.cost;
    Ticks start = 0, base = -1;
    if (!device.asynchronous) {
        start = std::max(core.dispatcher, ready);
        core.dispatcher = start + work;
        core.open = 0;
    } else {
        if (!extends) {
            core.dispatcher += device.submit.count();
            core.pending = 0;
            core.open = task.device;
            core.segment = static_cast<int>(before);
        }
        core.dispatcher += device.per_task.count();
        Ticks& queue = core.queue[static_cast<std::size_t>(task.device)];
        start = std::max(queue, ready);
        if (problem_.whole_segments) {
            base = core.pending;
            core.pending += work;
        } else {
            start = std::max(start, core.dispatcher);
        }
        queue = start + work;
    }

    // 4. Converted inputs get their times. The dispatcher's own conversions are in its past, and
    //    nothing that comes starts before its present: 0 says so, and keeps a second reader on
    //    the host from waiting for the maker's completion again.
    for (std::size_t i = before; i < waiting.size(); ++i) {
        Tensor& tensor = tensors[static_cast<std::size_t>(waiting[i].tensor)];
        Ticks& at = tensor.at[static_cast<std::size_t>(waiting[i].place)];
        if (base >= 0)
            tensor.lag[static_cast<std::size_t>(waiting[i].place)] = base + at;
        at = device.asynchronous ? start + at : 0;
    }

    // 5. The result.
    Tensor& out = tensors[static_cast<std::size_t>(task.last)];
    out.device = task.device;
    out.layout = task.layout;
    out.exposed = true;
    out.at.fill(-1);
    out.lag.fill(-1);
    const int made = home(out);
    out.at[static_cast<std::size_t>(made)] = start + work;
    if (base >= 0) {
        out.lag[static_cast<std::size_t>(made)] = core.pending;
        waiting.push_back({task.last, made});
    } else {
        waiting.resize(before);
    }
    covered[static_cast<std::size_t>(task.first)] = 1;
    for (int i = task.rest_begin; i < task.rest_end; ++i)
        covered[static_cast<std::size_t>(rest_[static_cast<std::size_t>(i)])] = 1;
}

void Evaluator::pop() {
    const Frame& frame = frames_.back();
    const FlatTask& task = tasks_[static_cast<std::size_t>(frame.task)];
    while (changes_.size() > static_cast<std::size_t>(frame.changes)) {
        const Change& change = changes_.back();
        Tensor& tensor = tensors[static_cast<std::size_t>(change.tensor)];
        tensor.at[static_cast<std::size_t>(change.place)] = change.at;
        tensor.lag[static_cast<std::size_t>(change.place)] = change.lag;
        changes_.pop_back();
    }
    waiting.resize(static_cast<std::size_t>(frame.waiting));
    tensors[static_cast<std::size_t>(task.last)].exposed = false;
    covered[static_cast<std::size_t>(task.first)] = 0;
    for (int i = task.rest_begin; i < task.rest_end; ++i)
        covered[static_cast<std::size_t>(rest_[static_cast<std::size_t>(i)])] = 0;
    core = frame.core;
    frames_.pop_back();
}

void Evaluator::clear() {
    core = {};
    frames_.clear();
    changes_.clear();
    waiting.clear();
    std::fill(covered.begin(), covered.end(), char{0});
    for (Tensor& tensor : tensors)
        tensor.exposed = false;
}

Time Evaluator::makespan(std::span<const int> mapping) {
    clear();
    for (const int task : mapping)
        place<false>(task);
    return makespan();
}

Ticks Evaluator::end(int task) const {
    const Tensor& tensor =
        tensors[static_cast<std::size_t>(tasks_[static_cast<std::size_t>(task)].last)];
    const auto made = static_cast<std::size_t>(home(tensor));
    const Ticks at = tensor.at[made], lag = tensor.lag[made];
    return lag < 0 ? at : std::max(at, core.dispatcher + lag);
}

Time makespan(const Problem& problem, std::span<const int> mapping) {
    return Evaluator(problem).makespan(mapping);
}

template void Evaluator::place<true>(int);
template void Evaluator::place<false>(int);

}  // namespace sim
