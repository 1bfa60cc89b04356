#include "sim/run/networks.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <numeric>

namespace sim {
namespace {

// When the tensor lies in the memory and the layout in which it is wanted: made, copied or
// converted there. A schedule has no hand-overs that take no time.
Time arrival(const Problem& problem, const Schedule& schedule, const NetworkOutput& output) {
    const auto memory_of = [&](int device) { return problem.devices[at(device)].memory; };
    bool is_made_so = false;
    Time completion{};  // until the host has seen what the maker gives
    Time end{};
    for (const Event& event : schedule.events) {
        if (event.kind == EventKind::task) {
            const Task& task = problem.tasks[at(event.task)];
            for_each_result(task, [&](const TaskResult& result) {
                if (result.tensor != output.tensor) {
                    return;
                }
                is_made_so = problem.bits_of(result.layout) == problem.bits_of(output.layout);
                completion = problem.devices[at(task.device)].completion;
                if (is_made_so && memory_of(task.device) == output.memory) {
                    end = std::max(end, event.end + completion);
                }
            });
        } else if (event.tensor == output.tensor && event.kind == EventKind::copy) {
            if (event.to == output.memory && is_made_so) {
                end = std::max(end, event.end + completion);
            }
        } else if (event.tensor == output.tensor && event.kind == EventKind::conversion) {
            if (memory_of(event.resource) == output.memory && event.to == output.layout) {
                end = std::max(end, event.end);
            }
        }
    }
    return end;
}

}  // namespace

std::size_t networks_of(const Problem& problem) {
    return problem.network.empty() ? 1 : at(std::ranges::max(problem.network)) + 1;
}

std::vector<NetworkOutput> network_outputs(const Problem& problem) {
    std::vector<NetworkOutput> outputs;
    for (int end = problem.layers() - problem.model_ends; end < problem.layers(); ++end) {
        const int index = problem.starting[at(end)].front();
        const Task& reader = problem.tasks[at(index)];
        for (const TaskInput& input : reader.inputs) {
            outputs.push_back(
                {.network = problem.network.empty() ? 0 : problem.network[at(input.tensor)],
                 .tensor = input.tensor,
                 .memory = problem.devices[at(reader.device)].memory,
                 .layout = input.layout,
                 .reader = index});
        }
    }
    return outputs;
}

std::vector<Time> network_latencies(const Problem& problem, const Schedule& schedule) {
    std::vector<Time> latencies(networks_of(problem));
    for (const NetworkOutput& output : network_outputs(problem)) {
        Time& latency = latencies[at(output.network)];
        latency = std::max(latency, arrival(problem, schedule, output));
    }
    return latencies;
}

Time sum_of_latencies(const Problem& problem, const Schedule& schedule) {
    const std::vector<Time> latencies = network_latencies(problem, schedule);
    return std::accumulate(latencies.begin(), latencies.end(), Time{});
}

std::optional<Time> sum_of_latencies(const Problem& problem,
                                     std::span<const NetworkOutput> outputs,
                                     const Evaluator& placed) {
    std::vector<Ticks> latencies(networks_of(problem), 0);
    for (const NetworkOutput& output : outputs) {
        const Evaluator::Tensor& tensor = placed.tensors[at(output.tensor)];
        if (tensor.layout != output.layout &&
            (problem.bits_of(tensor.layout) != problem.bits_of(output.layout) ||
             problem.convert(output.tensor, tensor.device, tensor.layout, output.layout) >
                 Time{})) {
            return std::nullopt;
        }
        const ProblemDevice& device = problem.devices[at(tensor.device)];
        const int place = placed.place_of(output.memory, tensor.layout);
        const Ticks end = placed.time(output.tensor, place) +
                          (device.asynchronous ? device.completion.count() : 0);
        latencies[at(output.network)] = std::max(latencies[at(output.network)], end);
    }
    return Time{std::accumulate(latencies.begin(), latencies.end(), Ticks{})};
}

}  // namespace sim
