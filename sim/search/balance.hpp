#pragma once

// Streams: mappings whose busiest resource has little to do for a frame, found by annealing over
// what resources are kept busy with (loads.hpp), which is far cheaper than any schedule; of the
// best, the stream is simulated. Private to the searches.
//
// The tasks stay in the order of the mapping that it begins with; local_search.hpp changes orders.

#include "sim/compile/problem.hpp"
#include "sim/search/goal.hpp"
#include "sim/search/local_search.hpp"

namespace sim::internal {

// Of a goal whose first objective is the period. `start` covers every layer in an order that
// check_cover accepts. LocalSearchOptions::reorders is not asked.
LocalSearchResult balance(const Problem& problem,
                          const Goal& goal,
                          const Mapping& start,
                          const LocalSearchOptions& options);

}  // namespace sim::internal
