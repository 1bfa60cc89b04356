#pragma once

// The discrete-event simulator: the execution model of docs/execution-model.md, rules 1-7.
//
// Two forms, equal but for coupled problems (problem.hpp), where the second is a lower bound
// (tests/sim_simulator_test.cpp compares them, and both with a third, plain reading of the rules):
// - `simulate`: a whole mapping, with every task, conversion, copy and submission: for people.
// - `Evaluator`: push a task, pop it: for searches. `makespan` runs a whole mapping with it.

#include "sim/compile/problem.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sim {

enum class EventKind { task, conversion, copy, submission, reconfiguration };

// Something that kept a resource busy.
struct Event {
    // A divided layer has one event for each of its devices, the owner's first.
    EventKind kind = EventKind::task;
    int resource = 0;      // task, conversion: device; copy: engine; submission: 0 (the dispatcher)
    int task = -1;         // the task it belongs to or is done for; -1 for a copy to the output
    int tensor = -1;       // copy, conversion: what is moved
    int from = 0, to = 0;  // copy: memories; conversion: layouts
    Time start{}, end{};
    Time waited{};  // task: of `start`, how long the resource stood still before it
};

struct Schedule {
    Time makespan{};
    std::vector<Event> events;  // ordered by (start, sequence)
};

// A mapping comes from a user's file: that it is one is checked, not assumed. Throws InputError if
// it does not cover every layer exactly once, in the static order.
void check_cover(const Problem& problem, const Mapping& mapping);

// What both forms of the simulation say of a mapping that cannot be.
[[noreturn]] void refuse_copy(
    const Problem& problem, const Task& task, int tensor, int from, int to);
[[noreturn]] void refuse_conversion(
    const Problem& problem, const Task& task, int device, const TaskInput& input, int from);

// Throws InputError as check_cover does, and where a copy or a conversion is impossible. Coupled
// problems (problem.hpp) are simulated by sim/run/activities.hpp.
Schedule simulate(const Problem& problem, const Mapping& mapping);

}  // namespace sim
