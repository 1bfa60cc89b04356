#pragma once

// The general form of the execution model: a mapping as a list of activities, and the engine that
// runs them. It knows what the evaluator and `simulate` cannot, since they place one task after
// the other for good: devices that slow each other down (rule 6), copies that share a bus (rule 4),
// devices that are reconfigured (rule 2), and several frames at a time. With none of these its
// schedule is that of `simulate`, event for event.
//
// Start at `activities_of`, then `run_frames`. `simulate` comes here where it has to. The engine is
// as simple as time in whole picoseconds allows: at every instant it ends what ends, starts what
// can start, and asks how fast everything that runs goes from here on.

#include "sim/compile/problem.hpp"
#include "sim/run/simulate.hpp"

#include <vector>

namespace sim {

// A submission, a task with its conversions, a copy, or the loading of a configuration. It starts
// when it is next on everything that it holds, all of that is free, and all it waits for is over.
struct Activity {
    // What it does, one step after the other: conversions, then the task; or a copy's latency, then
    // its bytes.
    struct Step {
        Time work{};         // alone
        unsigned works = 0;  // devices that work and slow each other meanwhile, as bits
        int bus = -1;        // whose bandwidth its bytes share
        double rate = 0;     // bytes per second, alone
        int events_begin = 0, events_end = 0;
        bool continues = false;  // its event began with the step before
    };
    struct Wait {
        int step = 0;  // of an activity before
        Time lag{};    // after its end: completion, synchronisation
    };
    struct Configuration {
        int device = 0, index = 0;
    };

    int steps_begin = 0, steps_end = 0;
    std::vector<int> holds;  // resources
    std::vector<Wait> waits;
    std::vector<Configuration> needs;  // loaded on devices that are reconfigured
    bool loads = false;                // does nothing else
};

// Resource 0 is the dispatcher, with all synchronous devices; then come the devices, by number, and
// then the engines.
struct Activities {
    std::vector<Activity> activities;  // those of a resource in the order of that resource
    std::vector<Activity::Step> steps;
    std::vector<Event> events;            // without their times, in the order of `simulate`
    std::vector<std::vector<int>> order;  // by resource: activities
};

// Throws InputError as `simulate` does.
Activities activities_of(const Problem& problem, const Mapping& mapping);

struct Frame {
    Time entry{}, end = kNever;
    std::vector<Event> events;  // ordered by (start, sequence)
};

struct FrameRun {
    std::vector<Frame> frames;  // in the order they entered
    // The state after `repeat_end` frames had ended was that after `repeat_begin`. 0: never seen.
    int repeat_begin = 0, repeat_end = 0;
    int ended = 0;  // frames that had ended when the last one entered
};

// Frames enter while fewer than `in_flight` are inside, until the state repeats or `most` are in.
FrameRun run_frames(const Problem& problem, const Activities& activities, int in_flight, int most);

// One frame, with events as of `simulate`.
Schedule simulate_activities(const Problem& problem, const Mapping& mapping);

// Whether times depend on more than the tasks before: contention, buses or reconfiguration.
bool needs_activities(const Problem& problem);

}  // namespace sim
