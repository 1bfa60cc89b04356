#include "sim/run/evaluator.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <cassert>

namespace sim {

Evaluator::Evaluator(const Problem& problem)
    : tensors(at(problem.layers())),
      covered(at(problem.layers()) + 1, 0),
      problem_(problem),
      devices_(problem.devices),
      knows_energy_(problem.knows_energy()) {
    assert(problem.engines <= kMaxEngines);
    for (std::size_t m = 0; m < problem.synchronise.size(); ++m) {
        synchronise_[m] = problem.synchronise[m].count();
        synchronises_ |= synchronise_[m] > 0;
    }
    plain_ = !knows_energy_ && !synchronises_;
    for (const Task& task : problem.tasks) {
        plain_ &= task.parts.empty();
        FlatTask flat{.cost = task.cost.count(),
                      .device = task.device,
                      .first = task.first,
                      .last = task.last,
                      .layout = task.out_layout,
                      .divided = !task.parts.empty()};
        Ticks& energy = energies_.emplace_back(task.energy.femtojoules);
        const auto submit = [&](int index, bool segment) {
            const ProblemDevice& device = devices_[at(index)];
            if (device.asynchronous) {
                energy += device.per_task_energy.femtojoules +
                          (segment ? device.submit_energy.femtojoules : 0);
            }
        };
        for (const Part& part : task.parts) {
            submit(part.device, true);
        }
        if (!flat.divided) {
            submit(task.device, false);
        }
        flat.inputs_begin = static_cast<int>(inputs_.size());
        for (const TaskInput& input : task.inputs) {
            inputs_.push_back({input.tensor, input.layout});
        }
        flat.inputs_end = static_cast<int>(inputs_.size());
        flat.rest_begin = static_cast<int>(rest_.size());
        rest_.insert(rest_.end(), task.rest.begin(), task.rest.end());
        flat.rest_end = static_cast<int>(rest_.size());
        tasks_.push_back(flat);
    }
}

template <bool keep>
void Evaluator::set(int tensor, int place, Ticks when, Ticks lag) {
    Tensor& t = tensors[at(tensor)];
    Ticks& old_at = t.at[at(place)];
    Ticks& old_lag = t.lag[at(place)];
    if constexpr (keep) {
        changes_.push_back({tensor, place, old_at, old_lag});
    }
    old_at = when;
    old_lag = lag;
}

// All of the open segment is submitted when the dispatcher has come this far: its times are final.
template <bool keep>
void Evaluator::close_segment() {
    if (!problem_.whole_segments) {
        return;
    }
    Ticks& queue = core.queue[at(core.open)];
    queue = std::max(queue, core.dispatcher + core.pending);
    for (std::size_t i = at(core.segment); i < waiting.size(); ++i) {
        const auto [tensor, place] = waiting[i];
        const Tensor& t = tensors[at(tensor)];
        const auto p = at(place);
        set<keep>(tensor, place, std::max(t.at[p], core.dispatcher + t.lag[p]), -1);
    }
}

[[gnu::noinline]] void Evaluator::add_copy_energy(int tensor, int layout, int from, int to) {
    const int index =
        ((tensor * problem_.layouts + layout) * problem_.memories + from) * problem_.memories + to;
    core.energy += problem_.copy_energies[at(index)].femtojoules;
}

[[gnu::noinline]] void Evaluator::add_conversion_energy(int tensor, int device, int from, int to) {
    const int devices = static_cast<int>(devices_.size());
    const int index =
        ((tensor * devices + device) * problem_.layouts + from) * problem_.layouts + to;
    core.energy += problem_.convert_energies[at(index)].femtojoules;
}

// Brings a tensor to a memory where it is not, as it was made, and says when it is there.
template <bool keep, bool plain>
[[gnu::always_inline]] inline Ticks Evaluator::copy(int tensor_index, int memory) {
    const Tensor& tensor = tensors[at(tensor_index)];
    const int from = devices_[at(tensor.device)].memory;
    const Ticks time = problem_.copy(tensor_index, tensor.layout, from, memory).count();
    const int link = problem_.engine[at(from * problem_.memories + memory)];
    Ticks when = 0;
    if (link < 0 || time >= kNeverTicks) {
        core.possible = false;
    } else {
        Ticks& engine = core.engine[at(link)];
        when = std::max(tensor.at[at(home(tensor))], engine) + time;
        engine = when;
        if (!plain && knows_energy_) {
            add_copy_energy(tensor_index, tensor.layout, from, memory);
        }
    }
    set<keep>(tensor_index, place_of(memory, tensor.layout), when, -1);
    return when;
}

// When a device sees what is in a place since `at`: the host after the completion of what an
// asynchronous device made; an asynchronous device after synchronising with another one that made
// it in this very place.
template <bool plain>
[[gnu::always_inline]] inline Ticks Evaluator::seen(const Tensor& tensor,
                                                    int place,
                                                    int device_index,
                                                    Ticks when) const {
    const ProblemDevice& device = devices_[at(device_index)];
    const ProblemDevice& maker = devices_[at(tensor.device)];
    if (!device.asynchronous) {
        return maker.asynchronous ? when + maker.completion.count() : when;
    }
    if (!plain && synchronises_ && maker.asynchronous && tensor.device != device_index &&
        place == home(tensor)) {
        return when + synchronise_[at(device.memory)];
    }
    return when;
}

// The time of a conversion; what it takes otherwise is noted.
template <bool plain>
[[gnu::always_inline]] inline Ticks Evaluator::conversion(int tensor, int device, int layout) {
    const int from = tensors[at(tensor)].layout;
    const Ticks time = problem_.convert(tensor, device, from, layout).count();
    if (time >= kNeverTicks) {
        core.possible = false;
        return 0;
    }
    if (!plain && knows_energy_) {
        add_conversion_energy(tensor, device, from, layout);
    }
    return time;
}

template <bool keep, bool plain>
void Evaluator::place(int index) {
    const FlatTask& task = tasks_[at(index)];
    if (!plain && task.divided) {
        return place_divided<keep>(index);
    }
    const ProblemDevice& device = devices_[at(task.device)];
    if constexpr (keep) {
        frames_.push_back(
            {core, index, static_cast<int>(changes_.size()), static_cast<int>(waiting.size())});
    }

    // 1. A task elsewhere ends the open segment.
    const bool extends = device.asynchronous && core.open == task.device;
    if (core.open != 0 && !extends) {
        close_segment<keep>();
    }

    // 2. Bring every input to the device's memory (copies go to the end of their engine's queue)
    //    and to the layout it is wanted in (conversions are done in front of the task). New
    //    converted places enter `waiting` with their offset from the task's start.
    Ticks ready = 0, work = 0;
    const std::size_t before = waiting.size();
    for (int i = task.inputs_begin; i < task.inputs_end; ++i) {
        const Input input = inputs_[at(i)];
        const Tensor& tensor = tensors[at(input.tensor)];
        assert(tensor.exposed);
        const int wanted = place_of(device.memory, input.layout);
        int read = wanted;
        Ticks when = tensor.at[at(wanted)];
        if (when < 0) {
            read = place_of(device.memory, tensor.layout);
            when = tensor.at[at(read)];
            if (when < 0) {
                when = copy<keep, plain>(input.tensor, device.memory);
            }
            if (wanted != read) {
                work += conversion<plain>(input.tensor, task.device, input.layout);
                set<keep>(input.tensor, wanted, work, -1);  // completed in step 4
                waiting.push_back({input.tensor, wanted});
            }
        }
        when = seen<plain>(tensor, read, task.device, when);
        ready = std::max(ready, when);
    }

    // 3. Run. `base`: the segment's work before this task, if its times wait for the submission.
    work += task.cost;
    if (!plain && knows_energy_) {
        core.energy += energies_[at(index)];
    }
    Ticks start = 0, base = -1;
    if (!device.asynchronous) {
        start = std::max(core.dispatcher, ready);
        core.dispatcher = start + work;
        core.open = 0;
    } else {
        if (!extends) {
            core.dispatcher += device.submit.count();
            if (!plain && knows_energy_) {
                core.energy += device.submit_energy.femtojoules;
            }
            core.pending = 0;
            core.open = task.device;
            core.segment = static_cast<int>(before);
        }
        core.dispatcher += device.per_task.count();
        Ticks& queue = core.queue[at(task.device)];
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
        Tensor& tensor = tensors[at(waiting[i].tensor)];
        Ticks& when = tensor.at[at(waiting[i].place)];
        if (base >= 0) {
            tensor.lag[at(waiting[i].place)] = base + when;
        }
        when = device.asynchronous ? start + when : 0;
    }

    // 5. The result.
    Tensor& out = tensors[at(task.last)];
    out.device = task.device;
    out.layout = task.layout;
    out.exposed = true;
    out.at.fill(-1);
    out.lag.fill(-1);
    const int made = home(out);
    out.at[at(made)] = start + work;
    if (base >= 0) {
        out.lag[at(made)] = core.pending;
        waiting.push_back({task.last, made});
    } else {
        waiting.resize(before);
    }
    covered[at(task.first)] = 1;
    for (int i = task.rest_begin; i < task.rest_end; ++i) {
        covered[at(rest_[at(i)])] = 1;
    }
}

// A layer that several devices divide: all of them are held while it runs, and it is a segment of
// its own on each.
template <bool keep>
[[gnu::noinline]] void Evaluator::place_divided(int index) {
    const FlatTask& task = tasks_[at(index)];
    const Task& whole = problem_.tasks[at(index)];
    if constexpr (keep) {
        frames_.push_back(
            {core, index, static_cast<int>(changes_.size()), static_cast<int>(waiting.size())});
    }
    if (core.open != 0) {
        close_segment<keep>();
    }
    core.open = 0;
    if (knows_energy_) {
        core.energy += energies_[at(index)];
    }

    // 1. Bring every input to every part's memory, as for a task there. What a part converts is in
    //    front of the whole, so that no other part waits for it in particular.
    Ticks ready = 0, work = 0;
    converted_.clear();
    for (const Part& part : whole.parts) {
        const ProblemDevice& device = devices_[at(part.device)];
        for (int i = task.inputs_begin; i < task.inputs_end; ++i) {
            const Input input = inputs_[at(i)];
            const Tensor& tensor = tensors[at(input.tensor)];
            assert(tensor.exposed);
            const int wanted = place_of(device.memory, input.layout);
            int read = wanted;
            Ticks when = tensor.at[at(wanted)];
            if (when < 0) {
                read = place_of(device.memory, tensor.layout);
                when = tensor.at[at(read)];
                if (when < 0) {
                    when = copy<keep, false>(input.tensor, device.memory);
                }
                if (wanted != read && std::ranges::none_of(converted_, [&](const Converted& c) {
                        return c.tensor == input.tensor && c.place == wanted;
                    })) {
                    work += conversion<false>(input.tensor, part.device, input.layout);
                    converted_.push_back({input.tensor, wanted, device.asynchronous ? work : -1});
                }
            }
            ready = std::max(ready, seen<false>(tensor, read, part.device, when));
        }
        if (device.asynchronous) {
            core.dispatcher += (device.submit + device.per_task).count();
        }
    }

    // 2. It starts when all it holds is free.
    Ticks start = std::max(ready, core.dispatcher);
    for (const Part& part : whole.parts) {
        start = std::max(start, core.queue[at(part.device)]);
    }
    for (const int engine : whole.engines) {
        start = std::max(start, core.engine[at(engine)]);
    }
    const Ticks end = start + work + task.cost;
    for (const Part& part : whole.parts) {
        if (devices_[at(part.device)].asynchronous) {
            core.queue[at(part.device)] = end;
        } else {
            core.dispatcher = end;
        }
    }
    for (const int engine : whole.engines) {
        core.engine[at(engine)] = end;
    }

    // 3. Places and the result; 0 as in `place`.
    for (const auto [tensor, place, when] : converted_) {
        set<keep>(tensor, place, when < 0 ? 0 : start + when, -1);
    }
    Tensor& out = tensors[at(task.last)];
    out.device = task.device;
    out.layout = task.layout;
    out.exposed = true;
    out.at.fill(-1);
    out.lag.fill(-1);
    out.at[at(home(out))] = end;
    covered[at(task.first)] = 1;
    for (int i = task.rest_begin; i < task.rest_end; ++i) {
        covered[at(rest_[at(i)])] = 1;
    }
}

void Evaluator::pop() {
    const Frame& frame = frames_.back();
    const FlatTask& task = tasks_[at(frame.task)];
    while (changes_.size() > at(frame.changes)) {
        const Change& change = changes_.back();
        Tensor& tensor = tensors[at(change.tensor)];
        tensor.at[at(change.place)] = change.at;
        tensor.lag[at(change.place)] = change.lag;
        changes_.pop_back();
    }
    waiting.resize(at(frame.waiting));
    tensors[at(task.last)].exposed = false;
    covered[at(task.first)] = 0;
    for (int i = task.rest_begin; i < task.rest_end; ++i) {
        covered[at(rest_[at(i)])] = 0;
    }
    core = frame.core;
    frames_.pop_back();
}

void Evaluator::clear() {
    core = {};
    frames_.clear();
    changes_.clear();
    waiting.clear();
    std::fill(covered.begin(), covered.end(), char{0});
    for (Tensor& tensor : tensors) {
        tensor.exposed = false;
    }
}

Time Evaluator::makespan(std::span<const int> mapping) {
    clear();
    if (plain_) {
        for (const int task : mapping) {
            place<false, true>(task);
        }
    } else {
        for (const int task : mapping) {
            place<false, false>(task);
        }
    }
    return makespan();
}

Ticks Evaluator::end(int task) const {
    const Tensor& tensor = tensors[at(tasks_[at(task)].last)];
    const auto made = at(home(tensor));
    const Ticks when = tensor.at[made], lag = tensor.lag[made];
    return lag < 0 ? when : std::max(when, core.dispatcher + lag);
}

Time makespan(const Problem& problem, std::span<const int> mapping) {
    return Evaluator(problem).makespan(mapping);
}

template void Evaluator::place<true, true>(int);
template void Evaluator::place<true, false>(int);

}  // namespace sim
