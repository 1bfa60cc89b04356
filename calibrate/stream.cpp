#include "calibrate/stream.hpp"

#include "calibrate/clock.hpp"
#include "sim/index.hpp"

#include <cassert>
#include <thread>

namespace calibrate {

using sim::at;

Stream::Stream(Executor& executor, const sim::Mapping& mapping, int frames_in_flight)
    : executor_{executor} {
    assert(frames_in_flight >= 1);
    for (int lane = 0; lane < frames_in_flight; ++lane) {
        recordings_.push_back(executor.prepare(mapping, false, lane));
    }
}

// The frame's next call, unless it would have to wait for it. A device does what it was given in
// order, so nothing else can be told it meanwhile that would be done sooner.
bool Stream::advance(Frame& frame) {
    const Executor::Call& call = recordings_[at(frame.lane)].calls[frame.next];
    Device& device = executor_.device(call.device);
    if (call.action != Executor::Action::wait) {
        device.submit(call.handle);
    } else if (recordings_.size() == 1 || device.has_happened(call.handle)) {
        device.wait(call.handle);
    } else {
        return false;
    }
    ++frame.next;
    return true;
}

std::vector<std::int64_t> Stream::run(std::int64_t frames, const Hooks& hooks) {
    std::vector<std::int64_t> ends;
    std::vector<Frame> inside;  // the oldest first
    std::vector<int> free;      // lanes
    for (int lane = lanes(); lane-- > 0;) {
        free.push_back(lane);
    }
    std::int64_t entered = 0;
    const Begun begun{executor_, recordings_.front().begun};
    for (;;) {
        while (!free.empty() && entered < frames && !(hooks.stop && hooks.stop())) {
            inside.push_back({.number = entered++, .lane = free.back()});
            free.pop_back();
            if (hooks.enter) {
                hooks.enter(inside.back().number, inside.back().lane);
            }
        }
        if (inside.empty()) {
            return ends;
        }
        bool waits = true;
        for (auto frame = inside.begin(); frame != inside.end(); ++frame) {
            if (!advance(*frame)) {
                continue;
            }
            waits = false;
            if (frame->next == recordings_[at(frame->lane)].calls.size()) {
                ends.push_back(now_ns());
                if (hooks.leave) {
                    hooks.leave(frame->number, frame->lane);
                }
                free.push_back(frame->lane);
                inside.erase(frame);
            }
            break;  // the oldest goes first
        }
        if (waits) {
            std::this_thread::yield();  // a device may need this core
        }
    }
}

double period_ns(std::span<const std::int64_t> ends, int skipped) {
    const std::size_t first = at(skipped);
    if (first < 1 || ends.size() <= first) {
        return 0;
    }
    return static_cast<double>(ends.back() - ends[first - 1]) /
           static_cast<double>(ends.size() - first);
}

}  // namespace calibrate
