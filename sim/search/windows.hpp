#pragma once

// A local search for the least latency, window by window: annealing over implementations, fusions
// and the order of a few tasks in a row, while all others stay. Private to the searches; it is how
// local_search.hpp looks for it where the evaluator knows the time.
//
// What a change in a window costs does not depend on what comes after it: with a fixed sequence of
// tasks behind it, the makespan is the largest of the times in the state where the window ends,
// each plus the time that is left from it. What is left is found once for each window, by delaying
// one time of the state until nothing else counts, and then for each change the tasks from the
// first changed place to the end of the window are placed, no others.

#include "sim/compile/problem.hpp"
#include "sim/search/local_search.hpp"

namespace sim::internal {

// Whether it can: the makespan is all that counts, and the evaluator's is exact.
bool can_search_windows(const Problem& problem, const Goal& goal);

// As local_search, whose options it takes but `reorders`, which it always does.
LocalSearchResult search_windows(const Problem& problem,
                                 const Mapping& start,
                                 const LocalSearchOptions& options);

}  // namespace sim::internal
