#pragma once

// What a simulation answers: who did what, from when to when.

#include "sim/units.hpp"

#include <vector>

namespace sim {

enum class EventKind { task, conversion, copy, submission, reconfiguration };
inline constexpr int kEventKinds = 5;

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

}  // namespace sim
