#include "sim/simulator.hpp"

#include "sim/error.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

namespace sim {
namespace {

const ProblemDevice& device_of(const Problem& problem, int task) {
    const int device = problem.tasks[static_cast<std::size_t>(task)].device;
    return problem.devices[static_cast<std::size_t>(device)];
}

std::string name_in(const std::vector<std::string>& names, int index) {
    return static_cast<std::size_t>(index) < names.size() ? names[static_cast<std::size_t>(index)]
                                                          : std::to_string(index);
}

// A mapping comes from a user's file: that it is one is checked, not assumed.
void check_cover(const Problem& problem, const Mapping& mapping) {
    std::vector<int> covered(static_cast<std::size_t>(problem.layers()), 0);
    int before = -1;
    for (const int index : mapping) {
        if (index < 0 || index >= static_cast<int>(problem.tasks.size()))
            throw InputError("mapping: there is no implementation " + std::to_string(index));
        const Task& task = problem.tasks[static_cast<std::size_t>(index)];
        if (task.first <= before)
            throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) +
                             "' is mapped twice or out of order");
        before = task.first;
        ++covered[static_cast<std::size_t>(task.first)];
        for (const int layer : task.rest)
            ++covered[static_cast<std::size_t>(layer)];
    }
    for (int layer = 0; layer < problem.layers(); ++layer)
        if (covered[static_cast<std::size_t>(layer)] != 1)
            throw InputError(
                "mapping: layer '" + name_in(problem.layer_names, layer) + "' is " +
                (covered[static_cast<std::size_t>(layer)] ? "mapped twice" : "not mapped"));
}

// Where a tensor is, and since when.
struct Tensor {
    int device = 0, layout = 0;  // that made it
    std::vector<Time> at;        // by memory * layouts + layout; kNever: not there
    std::vector<char> by_host;   // written there by the dispatcher itself
};

}  // namespace

Schedule simulate(const Problem& problem, const Mapping& mapping) {
    check_cover(problem, mapping);
    Schedule schedule;
    schedule.events.reserve(3 * mapping.size());
    std::vector<Tensor> tensors(static_cast<std::size_t>(problem.layers()));
    std::vector<Time> queue(problem.devices.size(), Time{});
    std::vector<Time> engine(static_cast<std::size_t>(problem.engines), Time{});
    Time dispatcher{};
    int open = -1;  // the device whose segment the last task was in
    const auto place = [&](int memory, int layout) {
        return static_cast<std::size_t>(memory * problem.layouts + layout);
    };

    for (std::size_t begin = 0, end = 0; begin < mapping.size(); begin = end) {
        const int device_index = problem.tasks[static_cast<std::size_t>(mapping[begin])].device;
        const ProblemDevice& device = device_of(problem, mapping[begin]);

        // 1. A segment: consecutive tasks of one asynchronous device, submitted in one go. Tasks
        //    of the host, and of devices that take them one by one, are segments of one.
        end = begin + 1;
        if (device.asynchronous && problem.whole_segments)
            while (end < mapping.size() &&
                   problem.tasks[static_cast<std::size_t>(mapping[end])].device == device_index)
                ++end;
        if (device.asynchronous) {
            const Time from = dispatcher;
            if (open != device_index)
                dispatcher += device.submit;
            dispatcher += device.per_task * static_cast<std::int64_t>(end - begin);
            schedule.events.push_back({.kind = EventKind::submission,
                                       .resource = 0,
                                       .task = mapping[begin],
                                       .start = from,
                                       .end = dispatcher});
        }
        open = device.asynchronous ? device_index : -1;

        for (std::size_t i = begin; i < end; ++i) {
            const int index = mapping[i];
            const Task& task = problem.tasks[static_cast<std::size_t>(index)];

            // 2. Copies: what is not in the device's memory goes to the end of the queue of the
            //    engine that brings it, in the layout it was made in.
            Time ready{};
            for (const TaskInput& input : task.inputs) {
                Tensor& tensor = tensors[static_cast<std::size_t>(input.tensor)];
                const ProblemDevice& maker =
                    problem.devices[static_cast<std::size_t>(tensor.device)];
                const std::size_t wanted = place(device.memory, input.layout);
                const std::size_t raw = place(device.memory, tensor.layout);
                if (tensor.at[wanted] == kNever && tensor.at[raw] == kNever) {
                    const int link = problem.engine[static_cast<std::size_t>(
                        maker.memory * problem.memories + device.memory)];
                    const Time copy =
                        problem.copy(input.tensor, tensor.layout, maker.memory, device.memory);
                    if (link < 0 || copy >= kNever)
                        throw InputError("mapping: layer '" +
                                         name_in(problem.layer_names, task.first) + "' reads '" +
                                         name_in(problem.layer_names, input.tensor) +
                                         "', and there is no link from memory '" +
                                         name_in(problem.memory_names, maker.memory) + "' to '" +
                                         name_in(problem.memory_names, device.memory) + "'");
                    Time& busy = engine[static_cast<std::size_t>(link)];
                    const Time start =
                        std::max(busy, tensor.at[place(maker.memory, tensor.layout)]);
                    busy = start + copy;
                    tensor.at[raw] = busy;
                    schedule.events.push_back(
                        {.kind = EventKind::copy,
                         .resource = link,
                         .task = task.first == problem.layers() - 1 ? -1 : index,
                         .tensor = input.tensor,
                         .from = maker.memory,
                         .to = device.memory,
                         .start = start,
                         .end = busy});
                }
                const std::size_t read = tensor.at[wanted] == kNever ? raw : wanted;
                const bool wait =
                    !device.asynchronous && maker.asynchronous && !tensor.by_host[read];
                ready = std::max(ready, tensor.at[read] + (wait ? maker.completion : Time{}));
            }

            // 3. The task starts when its inputs, its device and its submission are there; first
            //    it converts what nobody has converted for this memory before.
            Time& busy =
                device.asynchronous ? queue[static_cast<std::size_t>(task.device)] : dispatcher;
            Time now = std::max(ready, busy);
            if (device.asynchronous)
                now = std::max(now, dispatcher);
            Time waited = now - busy;
            for (const TaskInput& input : task.inputs) {
                Tensor& tensor = tensors[static_cast<std::size_t>(input.tensor)];
                const std::size_t wanted = place(device.memory, input.layout);
                if (tensor.at[wanted] != kNever)
                    continue;
                const Time convert =
                    problem.convert(input.tensor, task.device, tensor.layout, input.layout);
                if (convert >= kNever)
                    throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) +
                                     "' on '" + name_in(problem.device_names, task.device) +
                                     "' wants '" + name_in(problem.layer_names, input.tensor) +
                                     "' as '" + name_in(problem.layout_names, input.layout) +
                                     "', and that device cannot convert it from '" +
                                     name_in(problem.layout_names, tensor.layout) + "'");
                schedule.events.push_back({.kind = EventKind::conversion,
                                           .resource = task.device,
                                           .task = index,
                                           .tensor = input.tensor,
                                           .from = tensor.layout,
                                           .to = input.layout,
                                           .start = now,
                                           .end = now + convert,
                                           .waited = waited});
                now += convert;
                waited = Time{};
                tensor.at[wanted] = now;
                tensor.by_host[wanted] = !device.asynchronous;
            }
            schedule.events.push_back({.kind = EventKind::task,
                                       .resource = task.device,
                                       .task = index,
                                       .start = now,
                                       .end = now + task.cost,
                                       .waited = waited});
            busy = now + task.cost;

            // 4. Its result is where it was made, as it was made.
            Tensor& out = tensors[static_cast<std::size_t>(task.last)];
            out.device = task.device;
            out.layout = task.out_layout;
            out.at.assign(static_cast<std::size_t>(problem.memories * problem.layouts), kNever);
            out.by_host.assign(out.at.size(), 0);
            out.at[place(device.memory, task.out_layout)] = busy;
        }
    }

    schedule.makespan = dispatcher;
    std::stable_sort(schedule.events.begin(),
                     schedule.events.end(),
                     [](const Event& a, const Event& b) { return a.start < b.start; });
    return schedule;
}

}  // namespace sim
