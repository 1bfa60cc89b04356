// Follows a mapping task by task. Start at `PlanBuilder::build`.

#include "sim/run/plan.hpp"

#include "sim/error.hpp"
#include "sim/run/turns.hpp"
#include "sim/text.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace sim {
namespace {

std::string reads(const Problem& problem, const Task& task, int tensor) {
    return "mapping: layer '" + name_in(problem.layer_names, task.first) + "' reads '" +
           name_in(problem.layer_names, tensor) + "'";
}

// A copy or a conversion that cannot be.
struct Impossible : InputError {
    using InputError::InputError;
};

[[noreturn]] void refuse_copy(
    const Problem& problem, const Task& task, int tensor, int from, int to) {
    throw Impossible(reads(problem, task, tensor) + ", and no link, nor any way over other " +
                     "memories, leads from memory '" + name_in(problem.memory_names, from) +
                     "' to '" + name_in(problem.memory_names, to) + "'");
}

[[noreturn]] void refuse_conversion(
    const Problem& problem, const Task& task, int device, const TaskInput& input, int from) {
    throw Impossible("mapping: layer '" + name_in(problem.layer_names, task.first) + "' on '" +
                     name_in(problem.device_names, device) + "' wants '" +
                     name_in(problem.layer_names, input.tensor) + "' as '" +
                     name_in(problem.layout_names, input.layout) +
                     "', and that device cannot convert it from '" +
                     name_in(problem.layout_names, from) + "'");
}

// By position in the mapping and device: the configuration that it needs there, -1 for none.
//
// What fits a device's budgets all together is loaded beforehand. Otherwise each run of consecutive
// tasks on the device begins a configuration, and so does a task that does not fit the one at hand.
std::vector<std::vector<int>> configurations_of(const Problem& problem, const Mapping& mapping) {
    std::vector<std::vector<int>> configurations;
    for (int d = 0; d < problem.device_count(); ++d) {
        if (problem.devices[at(d)].reconfiguration <= Time{}) {
            continue;
        }
        configurations.resize(mapping.size(), std::vector<int>(problem.devices.size(), -1));
        const auto fits = [&](const std::vector<std::int64_t>& used) {
            for (std::size_t b = 0; b < used.size(); ++b) {
                if (problem.budgets[b].device == d && used[b] > problem.budgets[b].limit) {
                    return false;
                }
            }
            return true;
        };
        const auto add = [](std::vector<std::int64_t>& used, const Task& task) {
            for (std::size_t b = 0; b < task.uses.size(); ++b) {
                used[b] += task.uses[b];
            }
        };
        const auto is_here = [&](int index) {
            return (devices_of(problem.tasks[at(index)]) & bit(d)) != 0;
        };
        const std::vector<std::int64_t> none(problem.budgets.size(), 0);
        std::vector<std::int64_t> all = none;
        for (const int index : mapping) {
            if (is_here(index)) {
                add(all, problem.tasks[at(index)]);
            }
        }
        if (fits(all)) {
            continue;
        }
        int configuration = -1;
        std::vector<std::int64_t> used = none;
        for (std::size_t i = 0; i < mapping.size(); ++i) {
            if (!is_here(mapping[i])) {
                continue;
            }
            const Task& task = problem.tasks[at(mapping[i])];
            add(used, task);
            if (configuration < 0 || !is_here(mapping[i - 1]) || !fits(used)) {
                ++configuration;
                used = none;
                add(used, task);
            }
            configurations[i][at(d)] = configuration;
        }
    }
    return configurations;
}

class PlanBuilder {
public:
    PlanBuilder(const Problem& problem, const Mapping& mapping)
        : problem_(problem),
          mapping_(mapping),
          places_(at(problem.layers()) * at(problem.memories * problem.layouts)),
          turns_(at(problem.layers())) {
        plan_.resources = problem.device_count() + problem.engines;
        plan_.makers.resize(at(problem.layers()));
        plan_.actions.reserve(3 * mapping.size());
        plan_.steps.reserve(3 * mapping.size());
        plan_.events.reserve(3 * mapping.size());
        plan_.holds.reserve(3 * mapping.size());
        plan_.waits.reserve(4 * mapping.size());
    }

    Plan build() {
        const std::vector<std::vector<int>> configurations = configurations_of(problem_, mapping_);
        const std::vector<int> none(problem_.devices.size(), -1);
        loaded_ = none;
        std::size_t next_early = 0;
        for (std::size_t i = 0; i < mapping_.size(); ++i) {
            // 1. Copies that do not wait for their first reader's turn.
            while (next_early < mapping_.early.size() &&
                   at(mapping_.early[next_early].before) == i) {
                copy_early(mapping_.early[next_early++], mapping_[i]);
            }
            // 2. The submission; then configurations, copies, conversions and the task.
            turn_ = static_cast<int>(i);
            submit(mapping_[i]);
            add_task(mapping_[i], configurations.empty() ? none : configurations[i]);
        }
        return std::move(plan_);
    }

private:
    // Where a tensor is, in a memory and a layout.
    struct Place {
        int step = -1;  // that brings it there
        int by = -1;    // the device that made or converted it there; -1: a copy
    };

    Place& place(int tensor, int memory, int layout) {
        return places_[(at(tensor) * at(problem_.memories) + at(memory)) * at(problem_.layouts) +
                       at(layout)];
    }
    const ProblemDevice& device_at(int device) const { return problem_.devices[at(device)]; }
    int resource_of(int device) const {
        return device_at(device).asynchronous ? device : Plan::kDispatcher;
    }
    int resource_of_engine(int engine) const { return problem_.device_count() + engine; }

    // ---- what a plan is made of ----

    // A new action, the latest, to which steps, holds, waits and needs are added until the next.
    Plan::Action& begin_action(EventKind kind, int device, int task) {
        Plan::Action& action = plan_.actions.emplace_back();
        action.kind = kind;
        action.device = device;
        action.task = task;
        action.steps_begin = action.steps_end = static_cast<int>(plan_.steps.size());
        action.holds_begin = action.holds_end = static_cast<int>(plan_.holds.size());
        action.waits_begin = action.waits_end = static_cast<int>(plan_.waits.size());
        action.needs_begin = action.needs_end = static_cast<int>(plan_.needs.size());
        return action;
    }
    void hold(int resource) {
        Plan::Action& action = plan_.actions.back();
        const auto held = plan_.holds_of(action);
        if (std::ranges::find(held, resource) == held.end()) {
            plan_.holds.push_back(resource);
            action.holds_end = static_cast<int>(plan_.holds.size());
        }
    }
    void wait(const Plan::Wait& one) {
        plan_.waits.push_back(one);
        plan_.actions.back().waits_end = static_cast<int>(plan_.waits.size());
    }
    void need(const Plan::Configuration& configuration) {
        plan_.needs.push_back(configuration);
        plan_.actions.back().needs_end = static_cast<int>(plan_.needs.size());
    }
    // Its index.
    int add_step(Time work, Energy energy, Bits works, const Event& event) {
        Plan::Step& step = plan_.steps.emplace_back();
        step.work = work;
        step.energy = energy;
        step.works = works;
        step.events_begin = static_cast<int>(plan_.events.size());
        plan_.events.push_back(event);
        step.events_end = static_cast<int>(plan_.events.size());
        plan_.actions.back().steps_end = static_cast<int>(plan_.steps.size());
        return static_cast<int>(plan_.steps.size()) - 1;
    }

    // ---- rule 2: segments ----

    // The task's own device first. In `workers_`, until the next task.
    void find_workers(const Task& task) {
        workers_.assign(task.parts.empty() ? 1 : 0, task.device);
        for (const Part& part : task.parts) {
            workers_.push_back(part.device);
        }
    }

    // Consecutive tasks of one asynchronous device are submitted in one go: the first one's
    // submission grows with every further task. Where `whole_segments` is not set, each task of the
    // run has a submission of its own. A divided layer is a segment of its own on each of its
    // devices.
    void submit(int index) {
        const Task& task = problem_.tasks[at(index)];
        const bool divided = !task.parts.empty();
        submission_ = -1;
        find_workers(task);
        for (const int d : workers_) {
            const ProblemDevice& device = device_at(d);
            if (!device.asynchronous) {
                continue;
            }
            const bool extends = !divided && open_device_ == d;
            if (extends && problem_.whole_segments) {
                Plan::Step& step = plan_.steps[at(plan_.actions[at(open_)].steps_begin)];
                step.work += device.per_task;
                step.energy += device.per_task_energy;
                submission_ = open_;
                continue;
            }
            begin_action(EventKind::submission, d, index);
            hold(Plan::kDispatcher);
            add_step(device.per_task + (extends ? Time{} : device.submit),
                     device.per_task_energy + (extends ? Energy{} : device.submit_energy),
                     0,
                     {.kind = EventKind::submission, .resource = 0, .task = index});
            submission_ = static_cast<int>(plan_.actions.size()) - 1;
        }
        open_ = divided ? -1 : submission_;
        open_device_ = open_ < 0 ? -1 : task.device;
    }

    int submitted_step() const { return plan_.actions[at(submission_)].steps_begin; }

    // A device that is reconfigured loads when it is free and knows of it.
    void load(int index, int d, int configuration) {
        if (configuration < 0 || configuration == loaded_[at(d)]) {
            return;
        }
        loaded_[at(d)] = configuration;
        begin_action(EventKind::reconfiguration, d, index).submission =
            device_at(d).asynchronous ? submission_ : -1;
        hold(resource_of(d));
        need({d, configuration});
        if (device_at(d).asynchronous) {
            wait({.step = submitted_step(), .reason = Plan::Reason::submitted});
        }
        add_step(device_at(d).reconfiguration,
                 {},
                 0,
                 {.kind = EventKind::reconfiguration, .resource = d, .task = index});
    }

    // ---- rules 3 and 4: copies ----

    // Brings a tensor to a memory where it is not, as it was made: hop by hop, where no link leads
    // there. `reader`: the task that wants it.
    void bring(int reader, int tensor, int to) {
        const Plan::Maker& maker = plan_.makers[at(tensor)];
        const int home = device_at(maker.device).memory;
        const int from = problem_.source(tensor, maker.layout, home, to);
        if (from < 0 || problem_.copy(tensor, maker.layout, from, to) >= kNever) {
            refuse_copy(problem_, problem_.tasks[at(reader)], tensor, home, to);
        }
        if (place(tensor, from, maker.layout).step < 0) {
            bring(reader, tensor, from);
        }
        add_copy(reader, tensor, from, to);
    }

    // A copy's latency passes before its bytes flow, which take the rest of its time if alone.
    void add_copy(int reader, int tensor, int from, int to) {
        const int layout = plan_.makers[at(tensor)].layout;
        const std::size_t copy = problem_.copy_place(tensor, layout, from, to);
        const std::size_t pair = problem_.pair_place(from, to);
        const int engine = problem_.engine[pair];
        const bool for_output = problem_.tasks[at(reader)].first == problem_.layers() - 1;
        begin_action(EventKind::copy, -1, reader);
        hold(resource_of_engine(engine));
        const Place& source = place(tensor, from, layout);
        wait({.step = source.step,
              .reason = source.by < 0 ? Plan::Reason::arrived : Plan::Reason::made,
              .tensor = tensor});
        const int bus = problem_.bus.empty() ? -1 : problem_.bus[pair];
        const std::int64_t bytes = bus < 0 ? 0 : problem_.copy_bytes[copy];
        const Time time = problem_.copy_times[copy];
        const Time latency = bytes > 0 ? problem_.copy_latencies[copy] : time;
        const Energy energy = problem_.knows_energy() ? problem_.copy_energies[copy] : Energy{};
        int step = add_step(latency,
                            energy,
                            0,
                            {.kind = EventKind::copy,
                             .resource = engine,
                             .task = for_output ? -1 : reader,
                             .tensor = tensor,
                             .from = from,
                             .to = to});
        if (bytes > 0) {
            // Where a copy takes its latency alone, however many bytes it has, the bus is what
            // bounds them.
            const BytesPerSecond bandwidth = problem_.buses[at(bus)].bandwidth;
            const Time flow = time > latency ? time - latency : Bytes{bytes} / bandwidth;
            Plan::Step flowing = plan_.steps.back();
            flowing.work = flow;
            flowing.energy = {};
            flowing.bus = bus;
            flowing.rate = {static_cast<double>(bytes) * 1e12 / static_cast<double>(flow.count())};
            flowing.continues = true;
            plan_.steps.push_back(flowing);
            step = plan_.actions.back().steps_end++;
        }
        place(tensor, to, layout) = {.step = step, .by = -1};
    }

    // What is not submitted cannot be copied: a copy of what the open segment's device has made
    // ends the segment.
    void copy_early(const EarlyCopy& early, int before) {
        const Plan::Maker& maker = plan_.makers[at(early.tensor)];
        if (place(early.tensor, early.to, maker.layout).step >= 0) {
            return;
        }
        if (maker.device == open_device_) {
            open_ = open_device_ = -1;
        }
        bring(before, early.tensor, early.to);
    }

    // ---- rules 3 and 5: what a task waits for ----

    // Of one reader: when it may use what is in this place.
    Plan::Wait wait_of(int tensor, int reader, const Place& there, bool at_home) const {
        const int maker = plan_.makers[at(tensor)].device;
        const bool on_host = !device_at(reader).asynchronous;
        Plan::Wait one{.step = there.step, .tensor = tensor};
        one.reason = there.by < 0 ? Plan::Reason::arrived : Plan::Reason::made;
        if (on_host) {
            const bool host_converted = there.by >= 0 && !device_at(there.by).asynchronous;
            if (device_at(maker).asynchronous && !host_converted) {
                one.reason = Plan::Reason::seen;
                one.lag = device_at(maker).completion;
            }
        } else if (there.by >= 0 && there.by != reader && device_at(there.by).asynchronous) {
            one.reason = Plan::Reason::synchronised;
            if (at_home && !problem_.synchronise.empty()) {
                one.lag = problem_.synchronise[at(device_at(reader).memory)];
            }
        }
        return one;
    }

    void add_task(int index, const std::vector<int>& configurations) {
        const Task& task = problem_.tasks[at(index)];
        const std::vector<int>& workers = workers_;
        const auto memory_of = [&](int device) { return device_at(device).memory; };
        for (const int d : workers) {
            load(index, d, configurations[at(d)]);
        }

        // 1. Its inputs, in the order in which they were made, to every worker's memory.
        const std::span<const TaskInput> inputs = in_turn(
            task.inputs, [&](const TaskInput& input) { return turns_[at(input.tensor)]; }, sorted_);
        waits_.clear();
        for (const int d : workers) {
            for (const TaskInput& input : inputs) {
                const Plan::Maker& maker = plan_.makers[at(input.tensor)];
                const bool converted = place(input.tensor, memory_of(d), input.layout).step >= 0;
                if (!converted && place(input.tensor, memory_of(d), maker.layout).step < 0) {
                    bring(index, input.tensor, memory_of(d));
                }
                const int layout = converted ? input.layout : maker.layout;
                const bool at_home =
                    memory_of(d) == memory_of(maker.device) && layout == maker.layout;
                waits_.push_back(
                    wait_of(input.tensor, d, place(input.tensor, memory_of(d), layout), at_home));
            }
        }

        // 2. What it holds and waits for.
        begin_action(EventKind::task, task.device, index).submission = submission_;
        for (const int d : workers) {
            hold(resource_of(d));
        }
        for (const int engine : task.engines) {
            hold(resource_of_engine(engine));
        }
        if (submission_ >= 0) {
            wait({.step = submitted_step(), .reason = Plan::Reason::submitted});
        }
        for (const Plan::Wait& one : waits_) {
            wait(one);
        }
        for (const int d : workers) {
            if (configurations[at(d)] >= 0) {
                need({d, configurations[at(d)]});
            }
        }

        // 3. Conversions of what no worker there has converted before, then the task.
        for (const int d : workers) {
            for (const TaskInput& input : inputs) {
                if (place(input.tensor, memory_of(d), input.layout).step < 0) {
                    convert(index, d, input);
                }
            }
        }
        const int step =
            add_step(task.cost,
                     task.energy,
                     devices_of(task),
                     {.kind = EventKind::task, .resource = workers.front(), .task = index});
        for (std::size_t i = 1; i < workers.size(); ++i) {
            plan_.events.push_back(
                {.kind = EventKind::task, .resource = workers[i], .task = index});
        }
        plan_.steps.back().events_end = static_cast<int>(plan_.events.size());
        plan_.steps.back().contention = task.contention;

        // 4. Its results are where it was made, as it was made.
        for_each_result(task, [&](const TaskResult& result) {
            plan_.makers[at(result.tensor)] = {index, task.device, result.layout};
            turns_[at(result.tensor)] = turn_;
            place(result.tensor, memory_of(task.device), result.layout) = {.step = step,
                                                                           .by = task.device};
        });
    }

    void convert(int index, int device, const TaskInput& input) {
        const int from = plan_.makers[at(input.tensor)].layout;
        const std::size_t conversion =
            problem_.conversion_place(input.tensor, device, from, input.layout);
        const Time time = problem_.convert_times[conversion];
        if (time >= kNever) {
            refuse_conversion(problem_, problem_.tasks[at(index)], device, input, from);
        }
        const int step =
            add_step(time,
                     problem_.knows_energy() ? problem_.convert_energies[conversion] : Energy{},
                     bit(device),
                     {.kind = EventKind::conversion,
                      .resource = device,
                      .task = index,
                      .tensor = input.tensor,
                      .from = from,
                      .to = input.layout});
        place(input.tensor, device_at(device).memory, input.layout) = {.step = step, .by = device};
    }

    const Problem& problem_;
    const Mapping& mapping_;
    Plan plan_;
    std::vector<Place> places_;      // by tensor, memory, layout
    std::vector<int> turns_;         // by tensor: the place of its task in the mapping
    std::vector<int> loaded_;        // by device: configuration
    std::vector<int> workers_;       // of the task at hand
    std::vector<TaskInput> sorted_;  // its inputs, if they are not in turn
    std::vector<Plan::Wait> waits_;  // and what it waits for
    int turn_ = 0;
    int submission_ = -1;               // of the task at hand; -1: the dispatcher does it itself
    int open_ = -1, open_device_ = -1;  // the segment that may still grow: its submission
};

}  // namespace

bool is_handover(const Problem& problem, const Event& event) {
    return event.kind == EventKind::conversion &&
           problem.bits_of(event.from) == problem.bits_of(event.to);
}

void check_cover(const Problem& problem, const Mapping& mapping) {
    const auto name_of = [&](int layer) { return name_in(problem.layer_names, layer); };
    std::vector<int> covered(at(problem.layers()), 0);
    for (const int index : mapping) {
        if (index < 0 || index >= static_cast<int>(problem.tasks.size())) {
            throw InputError("mapping: there is no implementation " + std::to_string(index));
        }
        const Task& task = problem.tasks[at(index)];
        ++covered[at(task.first)];
        for (const int layer : task.rest) {
            ++covered[at(layer)];
        }
    }
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[at(layer)] != 1) {
            throw InputError("mapping: layer '" + name_of(layer) + "' is " +
                             (covered[at(layer)] ? "mapped twice" : "not mapped"));
        }
    }
    std::vector<char> is_made(covered.size(), 0);
    auto early = mapping.early.begin();
    for (std::size_t i = 0; i < mapping.size(); ++i) {
        for (; early != mapping.early.end() && early->before <= static_cast<int>(i); ++early) {
            if (early->before != static_cast<int>(i) || early->tensor < 0 ||
                early->tensor >= problem.layers() || !is_made[at(early->tensor)] || early->to < 0 ||
                early->to >= problem.memories) {
                throw InputError("mapping: a copy before '" +
                                 name_of(problem.tasks[at(mapping[i])].first) +
                                 "' is out of order, or of what is not made by then");
            }
        }
        const Task& task = problem.tasks[at(mapping[i])];
        for (const TaskInput& input : task.inputs) {
            if (!is_made[at(input.tensor)]) {
                throw InputError("mapping: layer '" + name_of(task.first) + "' reads '" +
                                 name_of(input.tensor) +
                                 "', which stays inside a fused set of layers or comes later");
            }
        }
        for_each_result(task, [&](const TaskResult& result) { is_made[at(result.tensor)] = 1; });
    }
    if (early != mapping.early.end()) {
        throw InputError("mapping: a copy stands after the last task");
    }
}

Plan plan_of(const Problem& problem, const Mapping& mapping) {
    check_cover(problem, mapping);
    return PlanBuilder(problem, mapping).build();
}

std::optional<Plan> possible_plan_of(const Problem& problem, const Mapping& mapping) {
    try {
        return plan_of(problem, mapping);
    } catch (const Impossible&) {
        return std::nullopt;
    }
}

std::vector<int> dispatch_order(const Problem& problem, const Plan& plan) {
    std::vector<int> order;
    std::vector<std::vector<int>> copies(at(problem.engines));  // by engine: still to be issued
    for (std::size_t a = plan.actions.size(); a-- > 0;) {
        if (plan.actions[a].kind == EventKind::copy) {
            copies[at(plan.event_of(plan.actions[a]).resource)].push_back(static_cast<int>(a));
        }
    }
    std::vector<char> is_dispatched(plan.actions.size(), 0);
    std::vector<int> action_of(plan.steps.size());
    for (std::size_t a = 0; a < plan.actions.size(); ++a) {
        for (int s = plan.actions[a].steps_begin; s < plan.actions[a].steps_end; ++s) {
            action_of[at(s)] = static_cast<int>(a);
        }
    }
    const auto is_source_there = [&](int copy) {
        const Plan::Action& source =
            plan.actions[at(action_of[at(plan.waits_of(plan.actions[at(copy)]).front().step)])];
        const int dispatched = source.submission >= 0
                                   ? source.submission
                                   : static_cast<int>(&source - plan.actions.data());
        return is_dispatched[at(dispatched)] != 0;
    };
    const auto issue_copies = [&] {
        for (bool any = true; any;) {
            any = false;
            for (std::vector<int>& queue : copies) {
                while (!queue.empty() && is_source_there(queue.back())) {
                    order.push_back(queue.back());
                    is_dispatched[at(queue.back())] = 1;
                    queue.pop_back();
                    any = true;
                }
            }
        }
    };
    for (std::size_t a = 0; a < plan.actions.size(); ++a) {
        const Plan::Action& action = plan.actions[a];
        if (action.kind == EventKind::submission ||
            (action.kind != EventKind::copy && action.submission < 0)) {
            order.push_back(static_cast<int>(a));
            is_dispatched[a] = 1;
            issue_copies();
        }
    }
    return order;
}

}  // namespace sim
