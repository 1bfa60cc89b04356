#pragma once

// Where each of several networks counts, not only the last to end: mappings in which one ends
// before the next begins, and what they give is brought away at once. Private to the searches.

#include "sim/compile/problem.hpp"
#include "sim/run/networks.hpp"

#include <span>

namespace sim::internal {

// The same tasks, one network after the other: that with the least work first.
Mapping network_by_network(const Problem& problem, const Mapping& mapping);

// The same tasks in the same order, and no early copies but those of the networks' outputs, each
// issued as soon as the output is made.
Mapping with_early_outputs(const Problem& problem,
                           std::span<const NetworkOutput> outputs,
                           const Mapping& mapping);

}  // namespace sim::internal
