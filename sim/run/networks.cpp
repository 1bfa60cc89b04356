#include "sim/run/networks.hpp"

#include "sim/index.hpp"

#include <algorithm>

namespace sim {
namespace {

// When the tensor lies in the memory in which it is wanted: made, copied or converted there.
Time arrival(const Problem& problem, const Schedule& schedule, int tensor, int memory) {
    Time end{};
    const auto memory_of = [&](int device) { return problem.devices[at(device)].memory; };
    for (const Event& event : schedule.events) {
        if (event.kind == EventKind::task) {
            const Task& task = problem.tasks[at(event.task)];
            bool makes = false;
            for_each_result(task,
                            [&](const TaskResult& result) { makes |= result.tensor == tensor; });
            if (makes && memory_of(task.device) == memory) {
                end = std::max(end, event.end + problem.devices[at(task.device)].completion);
            }
        } else if (event.tensor == tensor &&
                   ((event.kind == EventKind::copy && event.to == memory) ||
                    (event.kind == EventKind::conversion && memory_of(event.resource) == memory))) {
            end = std::max(end, event.end);
        }
    }
    return end;
}

}  // namespace

std::vector<Time> network_latencies(const Model& model,
                                    const Problem& problem,
                                    const Schedule& schedule) {
    std::vector<Time> latencies(std::max<std::size_t>(1, model.networks.size()));
    for (int end = problem.layers() - problem.model_ends; end < problem.layers(); ++end) {
        const Task& reader = problem.tasks[at(problem.starting[at(end)].front())];
        for (const TaskInput& input : reader.inputs) {
            const int layer = problem.model_layer[at(input.tensor)];
            Time& latency = latencies[at(model.layers[at(layer)].network)];
            latency = std::max(
                latency,
                arrival(
                    problem, schedule, input.tensor, problem.devices[at(reader.device)].memory));
        }
    }
    return latencies;
}

}  // namespace sim
