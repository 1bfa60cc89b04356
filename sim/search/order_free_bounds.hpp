#pragma once

// What no mapping is faster than, in whatever order its tasks come. The bounds of the exact
// searches (bounds.hpp) are sharper, but hold for one order. Private to the searches.

#include "sim/compile/problem.hpp"

namespace sim::internal {

// Some chain of layers that read each other, each done where that is fastest, with the copies,
// conversions, submissions and completions between them.
Time longest_path_bound(const Problem& problem);

// The work that somehow has to be shared among the dispatcher and the devices: the largest lower
// bound on the busiest of them that a weighting of their time gives. It bounds the makespan, and
// the period of a stream of frames as well.
Time shared_work_bound(const Problem& problem);

// The larger of the two, and what the work is at least that must be done in between: of those
// layers alone that neither start before some instant nor end after another. Rounded up to what all
// times are multiples of where makespans are, too.
Time makespan_bound_in_any_order(const Problem& problem);

// Whether tasks can only come in one order: every layer reads the one before it. Then what is
// proven in the static order is proven.
bool has_one_order(const Problem& problem);

}  // namespace sim::internal
