#pragma once

// Sets of resources, and mixes of them, for bounds by load: whatever of it is done in parallel, the
// work of n resources together takes at least an n-th of its sum, and the same holds with weights.
// Private to the searches.
//
// A resource is what does one thing after the other: the dispatcher, which stands for all
// synchronous devices, or an asynchronous device. Each has the number of its device, the
// dispatcher 0.
//
// Any sets and any weights give a valid bound. With few resources all of them are taken, else so
// many that a bound stays cheap.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"

#include <vector>

namespace sim::internal {

inline int resource_of(const Problem& problem, int device) {
    return problem.devices[at(device)].asynchronous ? device : 0;
}
Bits resources_of(const Problem& problem, const Task& task);
Bits all_resources(const Problem& problem);

// Every set that is not empty while there are few, else each resource alone, all of them, all but
// the dispatcher, and pairs.
std::vector<Bits> resource_sets(const Problem& problem);

// Time is worth weight[r] on resource r; of all resources together `scale`.
struct Mix {
    std::vector<std::int64_t> weight;  // by device; 0 where it is not a resource
    std::int64_t scale = 1;
};

// Every division of `scale` in parts of `step` while there are few resources, else equal weights
// of the sets above.
std::vector<Mix> resource_mixes(const Problem& problem, std::int64_t scale, std::int64_t step);

}  // namespace sim::internal
