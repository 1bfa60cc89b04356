#include "sim/run/simulate.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/run/activities.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

namespace sim {
namespace {

std::string name_in(const std::vector<std::string>& names, int index) {
    return at(index) < names.size() ? names[at(index)] : std::to_string(index);
}

// Where a tensor is, and since when.
struct Tensor {
    int device = 0, layout = 0;  // that made it
    std::vector<Time> at;        // by memory * layouts + layout; kNever: not there
    std::vector<char> by_host;   // written there by the dispatcher itself
};

}  // namespace

void check_cover(const Problem& problem, const Mapping& mapping) {
    std::vector<int> covered(at(problem.layers()), 0);
    int before = -1;
    for (const int index : mapping) {
        if (index < 0 || index >= static_cast<int>(problem.tasks.size())) {
            throw InputError("mapping: there is no implementation " + std::to_string(index));
        }
        const Task& task = problem.tasks[at(index)];
        if (task.first <= before) {
            throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) +
                             "' is mapped twice or out of order");
        }
        before = task.first;
        ++covered[at(task.first)];
        for (const int layer : task.rest) {
            ++covered[at(layer)];
        }
    }
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[at(layer)] != 1) {
            throw InputError("mapping: layer '" + name_in(problem.layer_names, layer) + "' is " +
                             (covered[at(layer)] ? "mapped twice" : "not mapped"));
        }
    }
    std::vector<char> is_made(covered.size(), 0);
    for (const int index : mapping) {
        const Task& task = problem.tasks[at(index)];
        for (const TaskInput& input : task.inputs) {
            if (!is_made[at(input.tensor)]) {
                throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) +
                                 "' reads '" + name_in(problem.layer_names, input.tensor) +
                                 "', which stays inside a fused chain or comes later");
            }
        }
        is_made[at(task.last)] = 1;
    }
}

void refuse_copy(const Problem& problem, const Task& task, int tensor, int from, int to) {
    throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) + "' reads '" +
                     name_in(problem.layer_names, tensor) +
                     "', and there is no link from memory '" + name_in(problem.memory_names, from) +
                     "' to '" + name_in(problem.memory_names, to) + "'");
}

void refuse_conversion(
    const Problem& problem, const Task& task, int device, const TaskInput& input, int from) {
    throw InputError("mapping: layer '" + name_in(problem.layer_names, task.first) + "' on '" +
                     name_in(problem.device_names, device) + "' wants '" +
                     name_in(problem.layer_names, input.tensor) + "' as '" +
                     name_in(problem.layout_names, input.layout) +
                     "', and that device cannot convert it from '" +
                     name_in(problem.layout_names, from) + "'");
}

Schedule simulate(const Problem& problem, const Mapping& mapping) {
    check_cover(problem, mapping);
    if (needs_activities(problem)) {
        return simulate_activities(problem, mapping);
    }
    Schedule schedule;
    schedule.events.reserve(3 * mapping.size());
    std::vector<Tensor> tensors(at(problem.layers()));
    std::vector<Time> queue(problem.devices.size(), Time{});
    std::vector<Time> engine(at(problem.engines), Time{});
    Time dispatcher{};
    int open = -1;              // the device whose segment the last task was in
    std::vector<int> together;  // the devices of the task at hand, its own first
    const auto task_at = [&](std::size_t i) -> const Task& {
        return problem.tasks[at(mapping[i])];
    };
    const auto place = [&](int memory, int layout) {
        return at(memory * problem.layouts + layout);
    };
    const auto device_at = [&](int device) -> const ProblemDevice& {
        return problem.devices[at(device)];
    };
    const auto busy = [&](int device) -> Time& {
        return device_at(device).asynchronous ? queue[at(device)] : dispatcher;
    };

    for (std::size_t begin = 0, end = 0; begin < mapping.size(); begin = end) {
        const int device_index = task_at(begin).device;
        const bool asynchronous = device_at(device_index).asynchronous;
        const bool divided = !task_at(begin).parts.empty();

        // 1. A segment: consecutive tasks of one asynchronous device, submitted in one go. Tasks
        //    of the host, and of devices that take them one by one, are segments of one; so is a
        //    divided layer, on each of its devices.
        end = begin + 1;
        if (asynchronous && !divided && problem.whole_segments) {
            while (end < mapping.size() && task_at(end).device == device_index &&
                   task_at(end).parts.empty()) {
                ++end;
            }
        }
        together.assign(1, device_index);
        if (divided) {
            together.clear();
            for (const Part& part : task_at(begin).parts) {
                together.push_back(part.device);
            }
        }
        for (const int submitted : together) {
            const ProblemDevice& device = device_at(submitted);
            if (!device.asynchronous) {
                continue;
            }
            const Time from = dispatcher;
            if (divided || open != submitted) {
                dispatcher += device.submit;
            }
            dispatcher += device.per_task * static_cast<std::int64_t>(end - begin);
            schedule.events.push_back({.kind = EventKind::submission,
                                       .resource = 0,
                                       .task = mapping[begin],
                                       .start = from,
                                       .end = dispatcher});
        }
        open = asynchronous && !divided ? device_index : -1;

        for (std::size_t i = begin; i < end; ++i) {
            const int index = mapping[i];
            const Task& task = task_at(i);

            // 2. Copies: what is not in the device's memory goes to the end of the queue of the
            //    engine that brings it, in the layout it was made in.
            Time now = dispatcher;
            for (const int reader : together) {
                const ProblemDevice& device = device_at(reader);
                for (const TaskInput& input : task.inputs) {
                    Tensor& tensor = tensors[at(input.tensor)];
                    const ProblemDevice& maker = device_at(tensor.device);
                    const std::size_t wanted = place(device.memory, input.layout);
                    const std::size_t raw = place(device.memory, tensor.layout);
                    if (tensor.at[wanted] == kNever && tensor.at[raw] == kNever) {
                        const int link =
                            problem.engine[at(maker.memory * problem.memories + device.memory)];
                        const Time copy =
                            problem.copy(input.tensor, tensor.layout, maker.memory, device.memory);
                        if (link < 0 || copy >= kNever) {
                            refuse_copy(problem, task, input.tensor, maker.memory, device.memory);
                        }
                        Time& copying = engine[at(link)];
                        const Time start =
                            std::max(copying, tensor.at[place(maker.memory, tensor.layout)]);
                        copying = start + copy;
                        tensor.at[raw] = copying;
                        schedule.events.push_back(
                            {.kind = EventKind::copy,
                             .resource = link,
                             .task = task.first == problem.layers() - 1 ? -1 : index,
                             .tensor = input.tensor,
                             .from = maker.memory,
                             .to = device.memory,
                             .start = start,
                             .end = copying});
                    }
                    const std::size_t read = tensor.at[wanted] == kNever ? raw : wanted;
                    Time seen = tensor.at[read];
                    if (maker.asynchronous && !device.asynchronous && !tensor.by_host[read]) {
                        seen += maker.completion;
                    }
                    // Not what somebody has converted, or copied, since.
                    if (maker.asynchronous && device.asynchronous && tensor.device != reader &&
                        read == place(maker.memory, tensor.layout) &&
                        !problem.synchronise.empty()) {
                        seen += problem.synchronise[at(device.memory)];
                    }
                    now = std::max(now, seen);
                }
            }

            // 3. The task starts when its inputs, its submission and all that it holds are there;
            //    first it converts what nobody has converted for its memories before.
            for (const int holder : together) {
                now = std::max(now, busy(holder));
            }
            for (const int held : task.engines) {
                now = std::max(now, engine[at(held)]);
            }
            for (const int reader : together) {
                for (const TaskInput& input : task.inputs) {
                    Tensor& tensor = tensors[at(input.tensor)];
                    const std::size_t wanted = place(device_at(reader).memory, input.layout);
                    if (tensor.at[wanted] != kNever) {
                        continue;
                    }
                    const Time convert =
                        problem.convert(input.tensor, reader, tensor.layout, input.layout);
                    if (convert >= kNever) {
                        refuse_conversion(problem, task, reader, input, tensor.layout);
                    }
                    schedule.events.push_back({.kind = EventKind::conversion,
                                               .resource = reader,
                                               .task = index,
                                               .tensor = input.tensor,
                                               .from = tensor.layout,
                                               .to = input.layout,
                                               .start = now,
                                               .end = now + convert,
                                               .waited = now - busy(reader)});
                    now += convert;
                    busy(reader) = now;
                    tensor.at[wanted] = now;
                    tensor.by_host[wanted] = !device_at(reader).asynchronous;
                }
            }
            for (const int worker : together) {
                schedule.events.push_back({.kind = EventKind::task,
                                           .resource = worker,
                                           .task = index,
                                           .start = now,
                                           .end = now + task.cost,
                                           .waited = now - busy(worker)});
            }
            now += task.cost;
            for (const int worker : together) {
                busy(worker) = now;
            }
            for (const int held : task.engines) {
                engine[at(held)] = now;
            }

            // 4. Its result is where it was made, as it was made.
            Tensor& out = tensors[at(task.last)];
            out.device = task.device;
            out.layout = task.out_layout;
            out.at.assign(at(problem.memories * problem.layouts), kNever);
            out.by_host.assign(out.at.size(), 0);
            out.at[place(device_at(task.device).memory, task.out_layout)] = now;
        }
    }

    schedule.makespan = dispatcher;
    std::stable_sort(schedule.events.begin(),
                     schedule.events.end(),
                     [](const Event& a, const Event& b) { return a.start < b.start; });
    return schedule;
}

}  // namespace sim
