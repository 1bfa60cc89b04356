#include "sim/run/evaluator.hpp"

#include <algorithm>
#include <cassert>

namespace sim {

Evaluator::Evaluator(const Problem& problem, bool counts_loads)
    : tensors(at(problem.layers())),
      covered(at(problem.layers()) + 1, 0),
      waiting(at(problem.layers()) * at(problem.memories * problem.layouts)),
      problem_(problem),
      devices_(problem.devices),
      devices_count_(problem.device_count()),
      engines_count_(problem.engines),
      layouts_(problem.layouts),
      places_(problem.memories * problem.layouts),
      heads_((devices_count_ + problem.engines) * (counts_loads ? 2 : 1)),
      knows_energy_(problem.knows_energy()),
      counts_loads_(counts_loads) {
    ticks_.assign(at(heads_) + at(problem.layers()) * at(2 * places_), 0);
    for (const Time time : problem.synchronise) {
        synchronise_.push_back(time.count());
        synchronises_ |= time > Time{};
    }
    basic_ = !knows_energy_ && !synchronises_ && !counts_loads_;
    std::vector<char> is_inner(at(problem.layers()), 0);  // a result of a task with several
    for (const Task& task : problem.tasks) {
        for (const TaskResult& result : task.inner) {
            is_inner[at(result.tensor)] = 1;
        }
    }
    for (const Task& task : problem.tasks) {
        basic_ &= task.parts.empty();
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
        const auto append = [](auto& all, const auto& more, int& begin, int& end) {
            begin = static_cast<int>(all.size());
            all.insert(all.end(), more.begin(), more.end());
            end = static_cast<int>(all.size());
        };
        append(inputs_, task.inputs, flat.inputs_begin, flat.inputs_end);
        // In the order in which they are made, mostly, so that little is left to sort; but those of
        // one task stay in the reader's own.
        const std::span<TaskInput> inputs(inputs_.data() + flat.inputs_begin,
                                          inputs_.data() + flat.inputs_end);
        const auto is_one_of_several = [&](const TaskInput& input) {
            return is_inner[at(input.tensor)] != 0;
        };
        if (!std::ranges::is_sorted(inputs, {}, &TaskInput::tensor) &&
            std::ranges::none_of(inputs, is_one_of_several)) {
            std::ranges::stable_sort(inputs, {}, &TaskInput::tensor);
        }
        append(rest_, task.rest, flat.rest_begin, flat.rest_end);
        append(inner_, task.inner, flat.inner_begin, flat.inner_end);
        tasks_.push_back(flat);
    }
    find_turns();
    push_ = placing<true>();
    place_ = placing<false>();
}

template <bool keep>
Evaluator::Placing Evaluator::placing() const {
    if (!basic_) {
        return &Evaluator::place<keep, false, 0>;
    }
    switch (places_) {
        case 1:
            return &Evaluator::place<keep, true, 1>;
        case 2:
            return &Evaluator::place<keep, true, 2>;
        case 3:
            return &Evaluator::place<keep, true, 3>;
        case 4:
            return &Evaluator::place<keep, true, 4>;
        case 6:
            return &Evaluator::place<keep, true, 6>;
        case 8:
            return &Evaluator::place<keep, true, 8>;
        default:
            return &Evaluator::place<keep, true, 0>;
    }
}

// A tensor's turn is the first layer of the task that makes it. Where the turns of two inputs of a
// task can come in more than one order, they are part of the state.
void Evaluator::find_turns() {
    const std::size_t layers = tensors.size();
    std::vector<int> least(layers, static_cast<int>(layers)), most(layers, -1);
    for (const Task& task : problem_.tasks) {
        if (!fits_order(task)) {
            continue;
        }
        for_each_result(task, [&](const TaskResult& result) {
            least[at(result.tensor)] = std::min(least[at(result.tensor)], task.first);
            most[at(result.tensor)] = std::max(most[at(result.tensor)], task.first);
        });
    }
    usual_turn_ = least;
    turn_matters_.assign(layers, 0);
    for (const Task& task : problem_.tasks) {
        for (std::size_t i = 0; i < task.inputs.size(); ++i) {
            for (std::size_t j = i + 1; j < task.inputs.size(); ++j) {
                const auto a = at(task.inputs[i].tensor), b = at(task.inputs[j].tensor);
                const bool one_task =
                    least[a] == most[a] && least[b] == most[b] && least[a] == least[b];
                if (most[a] < least[b] || most[b] < least[a] || one_task) {
                    continue;
                }
                turn_matters_[a] = turn_matters_[b] = 1;
            }
        }
    }
}

template <bool keep>
[[gnu::always_inline]] inline void Evaluator::change(std::size_t slot, Ticks ticks) {
    if constexpr (keep) {
        changes_.push_back({static_cast<int>(slot), ticks_[slot]});
    }
    ticks_[slot] = ticks;
}

template <bool keep, int places>
[[gnu::always_inline]] inline void Evaluator::change_place(int tensor,
                                                           int place,
                                                           Ticks time,
                                                           Ticks lag) {
    const std::size_t s = slot<places>(tensor, place);
    change<keep>(s, time);
    change<keep>(s + at(count<places>()), lag);
}

template <bool keep>
[[gnu::always_inline]] inline void Evaluator::add_load(int resource, Ticks work) {
    if (counts_loads_) {
        change<keep>(at(heads_ / 2 + resource), load(resource) + work);
    }
}

// All of the open segment is submitted when the dispatcher has come this far: its times are final.
template <bool keep, int places>
void Evaluator::close_segment() {
    if (!problem_.whole_segments) {
        return;
    }
    change<keep>(at(core.open), std::max(queue(core.open), core.dispatcher + core.pending));
    for (std::size_t i = at(core.segment); i < waiting.size(); ++i) {
        const auto [tensor, place] = waiting[i];
        change_place<keep, places>(
            tensor,
            place,
            std::max(time<places>(tensor, place), core.dispatcher + lag<places>(tensor, place)),
            -1);
    }
}

// Over the link from where the tensor is, as it was made.
template <bool keep, bool basic, int places>
[[gnu::always_inline]] inline Ticks Evaluator::copy_over_link(int index, int from, int memory) {
    const int layout = tensors[at(index)].layout;
    const std::size_t place = problem_.copy_place(index, layout, from, memory);
    const Ticks copying = problem_.copy_times[place].count();
    Ticks when = 0;
    if (copying >= kNeverTicks) {
        core.possible = false;
    } else {
        const auto engine = at(devices_count_ + problem_.engine[problem_.pair_place(from, memory)]);
        when = std::max(time<places>(index, place_of(from, layout)), ticks_[engine]) + copying;
        change<keep>(engine, when);
        if constexpr (!basic) {
            add_load<keep>(static_cast<int>(engine), copying);
            if (knows_energy_) {
                core.energy += problem_.copy_energies[place].femtojoules;
            }
        }
    }
    change_place<keep, places>(index, place_of(memory, layout), when, -1);
    return when;
}

// By way of another memory, which has the tensor then too.
template <bool keep, bool basic, int places>
[[gnu::noinline]] Ticks Evaluator::copy_by_way(int index, int memory) {
    const Tensor& tensor = tensors[at(index)];
    const int made_in = devices_[at(tensor.device)].memory;
    const int from = problem_.source(index, tensor.layout, made_in, memory);
    if (from < 0) {
        core.possible = false;
        change_place<keep, places>(index, place_of(memory, tensor.layout), 0, -1);
        return 0;
    }
    if (time<places>(index, place_of(from, tensor.layout)) < 0) {
        copy<keep, basic, places>(index, from);
    }
    return copy_over_link<keep, basic, places>(index, from, memory);
}

// Brings a tensor to a memory where it is not, and says when it is there.
template <bool keep, bool basic, int places>
[[gnu::always_inline]] inline Ticks Evaluator::copy(int index, int memory) {
    const int made_in = devices_[at(tensors[at(index)].device)].memory;
    return problem_.engine[problem_.pair_place(made_in, memory)] >= 0
               ? copy_over_link<keep, basic, places>(index, made_in, memory)
               : copy_by_way<keep, basic, places>(index, memory);
}

// When a device sees what is in a place since `when`: the host after the completion of what an
// asynchronous device made; an asynchronous device after synchronising with another one that made
// it in this very place.
template <bool basic>
[[gnu::always_inline]] inline Ticks Evaluator::seen(const Tensor& tensor,
                                                    int place,
                                                    int device_index,
                                                    Ticks when) const {
    const ProblemDevice& device = devices_[at(device_index)];
    const ProblemDevice& maker = devices_[at(tensor.device)];
    if (!device.asynchronous) {
        return maker.asynchronous ? when + maker.completion.count() : when;
    }
    if (!basic && synchronises_ && maker.asynchronous && tensor.device != device_index &&
        place == home(tensor)) {
        return when + synchronise_[at(device.memory)];
    }
    return when;
}

// The time of a conversion; what it takes otherwise is noted.
template <bool keep, bool basic>
[[gnu::always_inline]] inline Ticks Evaluator::conversion(int tensor, int device, int layout) {
    const int from = tensors[at(tensor)].layout;
    const std::size_t place = problem_.conversion_place(tensor, device, from, layout);
    const Ticks converting = problem_.convert_times[place].count();
    if (converting >= kNeverTicks) {
        core.possible = false;
        return 0;
    }
    if constexpr (!basic) {
        add_load<keep>(resource_of(device), converting);
    }
    if (!basic && knows_energy_) {
        core.energy += problem_.convert_energies[place].femtojoules;
    }
    return converting;
}

[[gnu::always_inline]] inline std::span<const TaskInput> Evaluator::inputs_in_turn(
    const FlatTask& task) {
    return in_turn(
        {inputs_.data() + task.inputs_begin, inputs_.data() + task.inputs_end},
        [&](const TaskInput& input) { return tensors[at(input.tensor)].turn; },
        sorted_);
}

// The task's results are where it was made.
template <int places>
[[gnu::always_inline]] inline void Evaluator::expose(const FlatTask& task,
                                                     int turn,
                                                     Ticks time,
                                                     Ticks lag) {
    const int memory = devices_[at(task.device)].memory;
    const auto add = [&](int tensor, int layout) __attribute__((always_inline)) {
        tensors[at(tensor)] = {task.device, layout, turn, true};
        clear_places<places>(tensor);
        set_place<places>(tensor, place_of(memory, layout), time, lag);
        if (lag >= 0) {
            waiting.push_back({tensor, place_of(memory, layout)});
        }
    };
    for (int i = task.inner_begin; i < task.inner_end; ++i) {
        add(inner_[at(i)].tensor, inner_[at(i)].layout);
    }
    add(task.last, task.layout);
}

[[gnu::always_inline]] inline void Evaluator::cover(const FlatTask& task, char value) {
    covered[at(task.first)] = value;
    for (int i = task.rest_begin; i < task.rest_end; ++i) {
        covered[at(rest_[at(i)])] = value;
    }
}

template <bool keep, bool basic, int places>
void Evaluator::place(int index, int turn) {
    const FlatTask& task = tasks_[at(index)];
    if (!basic && task.divided) {
        return place_divided<keep>(index, turn);
    }
    const ProblemDevice& device = devices_[at(task.device)];
    if constexpr (keep) {
        frames_.push_back(
            {core, index, static_cast<int>(changes_.size()), static_cast<int>(waiting.size())});
    }

    // 1. A task elsewhere ends the open segment.
    const bool extends = device.asynchronous && core.open == task.device;
    if (core.open != 0 && !extends) {
        close_segment<keep, places>();
    }

    // 2. Bring every input to the device's memory (copies go to the end of their engine's queue)
    //    and to the layout it is wanted in (conversions are done in front of the task). New
    //    converted places enter `waiting` with their offset from the task's start.
    Ticks ready = 0, work = 0;
    const std::size_t before = waiting.size();
    for (const TaskInput& input : inputs_in_turn(task)) {
        const Tensor& tensor = tensors[at(input.tensor)];
        assert(tensor.exposed);
        const int wanted = place_of(device.memory, input.layout);
        int read = wanted;
        Ticks when = time<places>(input.tensor, wanted);
        if (when < 0) {
            read = place_of(device.memory, tensor.layout);
            when = time<places>(input.tensor, read);
            if (when < 0) {
                when = copy<keep, basic, places>(input.tensor, device.memory);
            }
            if (wanted != read) {
                work += conversion<keep, basic>(input.tensor, task.device, input.layout);
                change_place<keep, places>(input.tensor, wanted, work, -1);  // completed in step 4
                waiting.push_back({input.tensor, wanted});
            }
        }
        ready = std::max(ready, seen<basic>(tensor, read, task.device, when));
    }

    // 3. Run. `base`: the segment's work before this task, if its times wait for the submission.
    work += task.cost;
    if (!basic && knows_energy_) {
        core.energy += energies_[at(index)];
    }
    if constexpr (!basic) {
        add_load<keep>(resource_of(task.device), task.cost);
        if (device.asynchronous) {
            add_load<keep>(0, (device.per_task + (extends ? Time{} : device.submit)).count());
        }
    }
    Ticks start = 0, base = -1;
    if (!device.asynchronous) {
        start = std::max(core.dispatcher, ready);
        core.dispatcher = start + work;
        core.open = 0;
    } else {
        if (!extends) {
            core.dispatcher += device.submit.count();
            if (!basic && knows_energy_) {
                core.energy += device.submit_energy.femtojoules;
            }
            core.pending = 0;
            core.open = task.device;
            core.segment = static_cast<int>(before);
        }
        core.dispatcher += device.per_task.count();
        start = std::max(queue(task.device), ready);
        if (problem_.whole_segments) {
            base = core.pending;
            core.pending += work;
        } else {
            start = std::max(start, core.dispatcher);
        }
        change<keep>(at(task.device), start + work);
    }

    // 4. Converted inputs get their times. The dispatcher's own conversions are in its past, and
    //    nothing that comes starts before its present: 0 says so, and keeps a second reader on
    //    the host from waiting for the maker's completion again.
    for (std::size_t i = before; i < waiting.size(); ++i) {
        const auto [tensor, place] = waiting[i];
        const Ticks offset = time<places>(tensor, place);
        set_place<places>(tensor,
                          place,
                          device.asynchronous ? start + offset : 0,
                          base >= 0 ? base + offset : -1);
    }
    if (base < 0) {
        waiting.shrink(before);
    }

    // 5. The results.
    expose<places>(task, turn, start + work, base >= 0 ? core.pending : -1);
    if constexpr (keep) {
        cover(task, 1);
    }
}

// A layer that several devices divide: all of them are held while it runs, and it is a segment of
// its own on each.
template <bool keep>
[[gnu::noinline]] void Evaluator::place_divided(int index, int turn) {
    const FlatTask& task = tasks_[at(index)];
    const Task& whole = problem_.tasks[at(index)];
    if constexpr (keep) {
        frames_.push_back(
            {core, index, static_cast<int>(changes_.size()), static_cast<int>(waiting.size())});
    }
    if (core.open != 0) {
        close_segment<keep, 0>();
    }
    core.open = 0;
    if (knows_energy_) {
        core.energy += energies_[at(index)];
    }

    // 1. Bring every input to every part's memory, as for a task there. What a part converts is in
    //    front of the whole, so that no other part waits for it in particular.
    Ticks ready = 0, work = 0;
    converted_.clear();
    const std::span<const TaskInput> inputs = inputs_in_turn(task);
    for (const Part& part : whole.parts) {
        const ProblemDevice& device = devices_[at(part.device)];
        for (const TaskInput& input : inputs) {
            const Tensor& tensor = tensors[at(input.tensor)];
            assert(tensor.exposed);
            const int wanted = place_of(device.memory, input.layout);
            int read = wanted;
            Ticks when = time(input.tensor, wanted);
            if (when < 0) {
                read = place_of(device.memory, tensor.layout);
                when = time(input.tensor, read);
                if (when < 0) {
                    when = copy<keep, false, 0>(input.tensor, device.memory);
                }
                if (wanted != read && std::ranges::none_of(converted_, [&](const Converted& c) {
                        return c.tensor == input.tensor && c.place == wanted;
                    })) {
                    work += conversion<keep, false>(input.tensor, part.device, input.layout);
                    converted_.push_back({input.tensor, wanted, device.asynchronous ? work : -1});
                }
            }
            ready = std::max(ready, seen<false>(tensor, read, part.device, when));
        }
        if (device.asynchronous) {
            core.dispatcher += (device.submit + device.per_task).count();
            add_load<keep>(0, (device.submit + device.per_task).count());
        }
    }

    // 2. It starts when all it holds is free.
    Ticks start = std::max(ready, core.dispatcher);
    for (const Part& part : whole.parts) {
        if (devices_[at(part.device)].asynchronous) {
            start = std::max(start, queue(part.device));
        }
    }
    for (const int held : whole.engines) {
        start = std::max(start, engine(held));
    }
    const Ticks end = start + work + task.cost;
    for (const Part& part : whole.parts) {
        if (devices_[at(part.device)].asynchronous) {
            change<keep>(at(part.device), end);
        } else {
            core.dispatcher = end;
        }
    }
    for (const int held : whole.engines) {
        change<keep>(at(devices_count_ + held), end);
        add_load<keep>(devices_count_ + held, task.cost);
    }
    Bits held = 0;
    for (const Part& part : whole.parts) {
        held |= bit(resource_of(part.device));
    }
    for_each_bit(held, [&](int resource) { add_load<keep>(resource, task.cost); });

    // 3. Places and the results; 0 as in `place`.
    for (const auto& [tensor, place, when] : converted_) {
        change_place<keep, 0>(tensor, place, when < 0 ? 0 : start + when, -1);
    }
    expose<0>(task, turn, end, -1);
    if constexpr (keep) {
        cover(task, 1);
    }
}

// A copy that comes before its first reader. Of what the open segment's device has made it ends
// the segment: what is not submitted cannot be copied.
template <bool keep>
void Evaluator::copy_early(const EarlyCopy& early) {
    const Tensor& tensor = tensors[at(early.tensor)];
    assert(tensor.exposed);
    if (time(early.tensor, place_of(early.to, tensor.layout)) >= 0) {
        return;
    }
    if (core.open != 0 && tensor.device == core.open) {
        close_segment<keep, 0>();
        core.open = 0;
    }
    copy<keep, false, 0>(early.tensor, early.to);
}

void Evaluator::pop() {
    const Frame& frame = frames_.back();
    const FlatTask& task = tasks_[at(frame.task)];
    while (changes_.size() > at(frame.changes)) {
        ticks_[at(changes_.back().slot)] = changes_.back().before;
        changes_.pop_back();
    }
    waiting.shrink(at(frame.waiting));
    tensors[at(task.last)].exposed = false;
    for (int i = task.inner_begin; i < task.inner_end; ++i) {
        tensors[at(inner_[at(i)].tensor)].exposed = false;
    }
    cover(task, 0);
    core = frame.core;
    frames_.pop_back();
}

void Evaluator::clear_times() {
    core = {};
    std::fill_n(ticks_.begin(), heads_, Ticks{0});
    frames_.clear();
    changes_.clear();
    waiting.clear();
}

void Evaluator::clear() {
    clear_times();
    std::fill(covered.begin(), covered.end(), char{0});
    for (Tensor& tensor : tensors) {
        tensor.exposed = false;
    }
}

Time Evaluator::makespan(const Mapping& mapping) {
    clear_times();
    std::size_t next = 0;
    for (std::size_t i = 0; i < mapping.tasks.size(); ++i) {
        for (; next < mapping.early.size() && at(mapping.early[next].before) == i; ++next) {
            copy_early<false>(mapping.early[next]);
        }
        (this->*place_)(mapping.tasks[i], static_cast<int>(i));
    }
    return makespan();
}

Ticks Evaluator::end(int task) const {
    const int tensor = tasks_[at(task)].last;
    const int made = home(tensors[at(tensor)]);
    const Ticks when = time(tensor, made), after = lag(tensor, made);
    return after < 0 ? when : std::max(when, core.dispatcher + after);
}

Time makespan(const Problem& problem, const Mapping& mapping) {
    return Evaluator(problem).makespan(mapping);
}

}  // namespace sim
