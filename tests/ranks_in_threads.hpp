#pragma once

// Ranks that are threads of one process, over the same table of functions as MPI's.

#include "cluster/ranks.hpp"

#include <functional>

namespace cluster {

// function(ranks) on so many threads, each of which is a rank. Where one throws, the others' next
// call throws too, and the first error comes out of here.
void run_in_threads(int count, const std::function<void(Ranks&)>& function);

}  // namespace cluster
