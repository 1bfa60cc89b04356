#pragma once

// What no mapping is faster than, in whatever order its tasks come. The bounds of the exact
// searches (bounds.hpp) are sharper, but hold for one order. Private to the searches.

#include "sim/compile/problem.hpp"

#include <cstdint>
#include <vector>

namespace sim::internal {

// Some chain of layers that read each other, each done where that is fastest, with the copies,
// conversions, submissions and completions between them.
Time longest_path_bound(const Problem& problem);

// The work that somehow has to be shared among the dispatcher and the devices: the largest lower
// bound on the busiest of them that a weighting of their time gives. It bounds the makespan, and
// the period of a stream of frames as well. Where all work of a resource comes in multiples of some
// time, it is bounded by whole ones.
struct SharedWork {
    std::vector<std::int64_t> weight;  // of the time of each device, 0 where it is no resource
    std::int64_t all = 0;              // their sum; 0: no weighting is known
    Time bound{};
};
SharedWork shared_work(const Problem& problem);

// The larger of the two, and what the work is at least that must be done in between: of those
// layers alone that neither start before some instant nor end after another; of a sequential
// problem also its cheapest cover. Rounded up to what all times are multiples of where makespans
// are, too.
Time makespan_bound_in_any_order(const Problem& problem);

// Of several networks, what the latencies of all but the last to end add up to at least: the n-th
// of them is not before the n-th by its own longest path, nor before the least work of n networks
// is done.
Time least_of_all_but_the_last(const Problem& problem);

// No sum of the networks' latencies is below.
Time sum_bound_in_any_order(const Problem& problem);

// Of a stream: no more frames end than are inside in the time that one is.
Time period_bound_in_any_order(const Problem& problem, int frames_in_flight);

// Whether tasks can only come in one order: every layer reads the one before it. Then what is
// proven in the static order is proven.
bool has_one_order(const Problem& problem);

// Whether all tasks are the host's, one after the other: then the order only decides which of them
// fit together, not what they take.
bool is_sequential(const Problem& problem);

// Whether every task of a sequential problem fits the static order, so that every set of them that
// covers the layers does. Then, too, what is proven in the static order is proven.
bool order_decides_nothing(const Problem& problem);

}  // namespace sim::internal
