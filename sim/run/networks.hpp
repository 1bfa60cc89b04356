#pragma once

// When each of several networks that run together has ended. Start at `network_latencies`.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/run/schedule.hpp"

#include <vector>

namespace sim {

// By network of the model: from the schedule's beginning until the last of its outputs lies where
// it is wanted and, if a device has made it there, the host has seen that.
std::vector<Time> network_latencies(const Model& model,
                                    const Problem& problem,
                                    const Schedule& schedule);

}  // namespace sim
