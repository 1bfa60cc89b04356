#pragma once

// List scheduling: whenever something is free, the most urgent of what is ready. Mappings in orders
// of their own, for searches that decide the order to begin with. Private to the searches.
// R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Applied Mathematics 17, 1969.

#include "sim/compile/problem.hpp"

#include <vector>

namespace sim::internal {

// By several rules; each layer by itself, none fused. Empty where a layer has no task of its own,
// or where trying takes too long.
std::vector<Mapping> list_schedules(const Problem& problem);

}  // namespace sim::internal
