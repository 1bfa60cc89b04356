#pragma once

// When each of several networks that run together has ended: after a schedule, or in the evaluator
// that searches ask. Start at `network_latencies`.

#include "sim/compile/problem.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/schedule.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace sim {

std::size_t networks_of(const Problem& problem);  // how many run together, 1 at least

// A tensor that a network gives, and where it is wanted at the end.
struct NetworkOutput {
    int network = 0, tensor = 0;
    int memory = 0, layout = 0;
    int reader = 0;  // the task at the end
};
std::vector<NetworkOutput> network_outputs(const Problem& problem);

// By network: from the schedule's beginning until the host has seen that the last of its outputs
// lies where it is wanted. The last to end ends with the whole.
std::vector<Time> network_latencies(const Problem& problem, const Schedule& schedule);

// Their sum.
Time sum_of_latencies(const Problem& problem, const Schedule& schedule);
// The same of a whole mapping that was placed and is possible; without contention and the like, as
// its makespan. Nothing where an output is converted at the end: the evaluator does not tell when.
std::optional<Time> sum_of_latencies(const Problem& problem,
                                     std::span<const NetworkOutput> outputs,
                                     const Evaluator& placed);

}  // namespace sim
