#pragma once

// A stream: frame after frame (batch after batch) passes through one mapping, several inside at a
// time, as docs/execution-model.md says under "Streams". Each frame that is inside has tensors and
// events of its own, a lane; kernels and weights are everybody's. The dispatcher takes the next
// piece of the oldest frame that has one it need not wait for. Start at `Stream::run`.

#include "calibrate/executor.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace calibrate {

class Stream {
public:
    struct Hooks {
        // Before a frame enters: its inputs may be written, into its lane's. And when it has left:
        // its lane's outputs are there, until the next frame enters.
        std::function<void(std::int64_t frame, int lane)> enter, leave;
        std::function<bool()> stop;  // true: no more frames enter
    };

    // With `frames_in_flight` lanes, 1 or more, of the executor's the first ones. Throws as
    // Executor::prepare does. The executor must outlive it, and runs nothing else meanwhile.
    Stream(Executor& executor, const sim::Mapping& mapping, int frames_in_flight);

    int lanes() const { return static_cast<int>(recordings_.size()); }
    const Executor::Recording& recording(int lane) const { return recordings_[sim::at(lane)]; }

    // Runs so many frames, but for those that `stop` keeps out. When each left, in the order in
    // which they did: nanoseconds of a steady clock.
    std::vector<std::int64_t> run(std::int64_t frames, const Hooks& hooks);

private:
    struct Frame {
        std::int64_t number = 0;
        int lane = 0;
        std::size_t next = 0;  // call
    };
    bool advance(Frame& frame);

    Executor& executor_;
    std::vector<Executor::Recording> recordings_;  // by lane
};

// From one frame's end to the next, of frames that left then: nanoseconds, over all but the first
// `skipped`, in which the stream fills up. 0 of too few.
double period_ns(std::span<const std::int64_t> ends, int skipped);

}  // namespace calibrate
