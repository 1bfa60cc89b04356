// Streams of frames: when the state of the run repeats, the rest is known.

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

namespace sim {
namespace {

// A run whose state has not repeated after so many frames is averaged over its last half.
int most_frames(int in_flight) { return 64 + 8 * in_flight; }

// So many, or fewer that are over before the end of time even if they come one after the other.
int most_frames(const Problem& problem, int in_flight) {
    const int most = most_frames(in_flight);
    if (problem.longest == Time{}) {
        return most;
    }
    const std::int64_t fit = kNever / problem.longest;
    if (fit < 2 * in_flight + 2) {
        throw InputError{
            fmt::format("a stream of {} frames at a time may last longer than the simulator's 26 "
                        "days: with the "
                        "times of platform {} one frame takes up to {:.0f} s",
                        in_flight,
                        problem.platform,
                        microseconds(problem.longest) / 1e6)};
    }
    return static_cast<int>(std::min<std::int64_t>(most, fit));
}

// What a frame's work keeps the busiest resource busy for, alone.
Time busiest(const Plan& plan) {
    std::vector<Time> loads(at(plan.resources));
    for (const Plan::Action& action : plan.actions) {
        if (action.kind == EventKind::reconfiguration) {
            continue;  // a frame may find it loaded
        }
        for (int s = action.steps_begin; s < action.steps_end; ++s) {
            for (const int held : plan.holds_of(action)) {
                loads[at(held)] += plan.steps[at(s)].work;
            }
        }
    }
    return *std::ranges::max_element(loads);
}

}  // namespace

Stream simulate_stream(const Problem& problem, const Mapping& mapping, int frames_in_flight) {
    return simulate_stream(problem, mapping, plan_of(problem, mapping), frames_in_flight);
}

Stream simulate_stream(const Problem& problem,
                       const Mapping& mapping,
                       const Plan& plan,
                       int frames_in_flight,
                       bool asks_for_memory) {
    const int in_flight = std::max(1, frames_in_flight);
    const FrameRun run =
        run_frames(problem, plan, in_flight, most_frames(problem, in_flight), asks_for_memory);

    // 1. From which end to which: one repetition, or the last half of those before the stream ran
    //    dry.
    std::vector<std::pair<Time, Time>> ends;  // and how long the frame was inside
    for (const Frame& frame : run.frames) {
        ends.emplace_back(frame.end, frame.end - frame.entry);
    }
    std::ranges::sort(ends);
    const bool steady = run.repeat_end > 0;
    const auto first = at(steady ? run.repeat_begin : run.ended / 2);
    const auto last = at(steady ? run.repeat_end : run.ended);
    const auto count = static_cast<std::int64_t>(last - first);

    Stream stream;
    stream.frames = static_cast<int>(run.frames.size());
    stream.steady = steady;
    const Time between = ends[last - 1].first - ends[first - 1].first;
    stream.period = Time{(between.count() + count / 2) / count};
    // Some resource may have been ahead in the first half and only catch up in the last.
    if (!steady) {
        stream.period = std::max(stream.period, busiest(plan));
    }
    for (std::size_t i = first; i < last; ++i) {
        stream.latency = std::max(stream.latency, ends[i].second);
    }

    // 2. What lies in the memories, of all frames together.
    if (!asks_for_memory) {
        return stream;
    }
    std::vector<Stay> stays;
    for (const Frame& frame : run.frames) {
        std::ranges::move(stays_of(problem, plan, frame.events, frame.entry),
                          std::back_inserter(stays));
    }
    for (const MemoryUse& use : peaks_of(problem, mapping, stays)) {
        stream.peak_bytes.push_back(use.peak);
    }
    return stream;
}

}  // namespace sim
