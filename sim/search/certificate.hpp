#pragma once

// Why no mapping is faster than this: beginnings of mappings, such that every mapping has one of
// them or is complete without, and for each a bound that reaches the makespan. Who doubts the
// search can check that with little code (tests/sim_certificate.hpp does): that the beginnings
// leave nothing out, and that each is as slow as claimed.
//
// It rests on less than the search does: on the path bound alone (bounds.hpp), not on dominance
// between partial schedules, canonical states, load or module bounds. That makes it long, so it
// is for small and medium problems.

#include "sim/compile/problem.hpp"

#include <optional>
#include <vector>

namespace sim {

// The beginnings in depth-first order, tasks in the order of `starting`. Nothing if there are more
// than `most` of them, or if some mapping is faster. `problem` without dominated tasks.
std::optional<std::vector<Mapping>> certificate(const Problem& problem,
                                                Time makespan,
                                                std::size_t most);

}  // namespace sim
