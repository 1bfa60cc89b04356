#pragma once

// How sure a prediction is: the makespan's interval, from mappings that were tried, or from the
// spreads of the costs it is made of.

#include "sim/compile/problem.hpp"

#include <optional>

namespace sim {

// In nine of ten runs the makespan is between.
struct Interval {
    Time p05{}, p95{};
};

// Where the calibration tried mappings (Problem::trials), what these took over their predictions:
// that has in it what a model of costs leaves out, and what the machine did meanwhile.
//
// Else, and for what was not measured beside it, by simulation: each draw takes all costs of
// a device at one quantile, for what slows one kernel slows its neighbours (the clock, other
// programs, where a hypervisor puts a core), and those of different devices at quantiles of their
// own. Copies and submissions keep their medians. The same draws for the same mapping. Nothing
// where no cost of the mapping has a spread.
std::optional<Interval> interval_of(const Problem& problem, const Mapping& mapping);

}  // namespace sim
