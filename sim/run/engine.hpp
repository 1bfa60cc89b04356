#pragma once

// The engine: runs a plan where what runs at the same time interacts. It knows what a forward pass
// and the evaluator cannot, since they place one task after the other for good: devices that slow
// each other down (rule 6), copies that share a bus (rule 4), devices that are reconfigured (rule
// 2), and several frames at a time. With none of these its schedule is that of the forward pass,
// event for event.
//
// Start at `run_frames`. It is as simple as time in whole picoseconds allows: at every instant it
// ends what ends, starts what can start, and asks how fast everything that runs goes from here on.

#include "sim/run/plan.hpp"

#include <vector>

namespace sim {

struct Frame {
    Time entry{}, end = kNever;  // to when the dispatcher has its answer
    std::vector<Event> events;   // ordered by (start, sequence); none if they are not kept
};

struct FrameRun {
    std::vector<Frame> frames;  // in the order they entered
    // The state after `repeat_end` frames had ended was that after `repeat_begin`. 0: never seen.
    int repeat_begin = 0, repeat_end = 0;
    int ended = 0;  // frames that had ended when the last one entered
};

// Frames enter while fewer than `in_flight` are inside, until the state repeats or `most` are in.
FrameRun run_frames(
    const Problem& problem, const Plan& plan, int in_flight, int most, bool keeps_events = true);

// One frame.
Schedule simulate_interacting(const Problem& problem, const Plan& plan);

}  // namespace sim
