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
#include "sim/search/goal.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sim {

// The beginnings in depth-first order, tasks in the order of `starting`. Nothing if there are more
// than `most` of them, if some mapping is faster, or if `stop`, asked now and then, says so.
// `problem` without dominated tasks.
std::optional<std::vector<Mapping>> certificate(const Problem& problem,
                                                Time makespan,
                                                std::size_t most,
                                                const std::function<bool()>& stop = {});

// Why no search can give a certificate of this goal on this problem; empty if one can.
std::string uncertifiable(const Problem& problem, const Goal& goal);

}  // namespace sim
