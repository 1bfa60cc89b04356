#pragma once

// The discrete-event simulator: the execution model of docs/execution-model.md, rules 1-7.
//
// A mapping becomes a plan (plan.hpp), the one place where the rules are spelled. `simulate` puts
// times to it: one forward pass, or, where what runs at the same time interacts, the engine
// (engine.hpp). Searches use a fast form of the same rules, the evaluator (evaluator.hpp), which is
// equal but for coupled problems (problem.hpp), where it is a lower bound. The tests hold both
// against a slow third reading.

#include "sim/compile/problem.hpp"
#include "sim/run/plan.hpp"
#include "sim/run/schedule.hpp"

namespace sim {

// Throws InputError as plan_of does.
Schedule simulate(const Problem& problem, const Mapping& mapping);

// The same of a plan that is there already.
Schedule simulate(const Problem& problem, const Plan& plan);

}  // namespace sim
