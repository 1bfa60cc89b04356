#pragma once

// Who makes what among tasks in an order, such as those of a mapping.

#include "sim/compile/problem.hpp"

#include <span>
#include <vector>

namespace sim {

// By tensor: the place in `tasks` of the one that makes it; -1: none of them gives it.
std::vector<int> places_made(const Problem& problem, std::span<const int> tasks);

}  // namespace sim
