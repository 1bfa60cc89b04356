#pragma once

// What using an accelerator costs beside its kernels: submission and seeing the end, copies by mode
// and size, how both sides slow each other down, and power. Everything goes through the interface
// of device.hpp, so that it is what the executor will meet.

#include "calibrate/device.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace calibrate {

// Fills submit, per_task and completion of `entry`.
void measure_submission(Device& device, sim::Device& entry);

// What a segment of one task takes beside its work, nanoseconds: submission and completion.
double segment_overhead_ns(const sim::Device& entry);

// What timing a segment's stages one by one adds to each of them, nanoseconds.
double timing_overhead_ns(Device& device);

// How long a kernel takes inside a segment: a segment of it and nothing else, less what every
// segment takes, shared among its runs. So launches between kernels count, submission does not.
class SegmentTimer {
public:
    // `tensors`: addresses of the device; `overhead_ns`: segment_overhead_ns of it.
    SegmentTimer(Device& device, int kernel, const kernels::Tensors& tensors, double overhead_ns);

    // A first idea, ns: of one run; of the second where the first is short, as it may load code.
    double look_ns();
    // One measurement, of so many runs that noise of the overhead is small beside them. Never less
    // than a tenth of what was seen for each run.
    double sample_ns();

private:
    void record(int runs);
    double run();  // of the segment, and what it makes of one of its runs

    Device& device_;
    int kernel_ = 0;
    kernels::Tensors tensors_;
    double overhead_ns_ = 0;
    int event_ = 0;
    int segment_ = -1, runs_ = 0;
};

// Every mode the device has, the one that the executor uses first; 64 B to `largest` bytes.
// `completion`: of the device; the table is without it. `stop` ends it early, with fewer modes.
std::vector<sim::TransferMode> measure_copies(Device& device,
                                              Direction direction,
                                              sim::Time completion,
                                              std::size_t largest,
                                              const std::function<bool()>& stop);

// Named times that show how much one thing slows another: a large copy up alone, with one down at
// the same time, while a kernel runs, and while the host copies memory; a kernel of the host alone
// and beside the device's kernels, and the other way round where the device tells when it is done.
// Names end with the device's name.
std::vector<std::pair<std::string, sim::Measurement>> measure_interference(Device& host,
                                                                           Device& device);

// How many times as long the kernels of the host and of a device on its cores take while the
// other's run, by what `measure_interference` returned; 1 where that is within the noise.
struct Slowing {
    double host = 1, device = 1;
};
Slowing slowing_of(const std::vector<std::pair<std::string, sim::Measurement>>& interference,
                   const std::string& device);

// Fills active and idle power of `entry` where the device says what energy it used.
void measure_power(Device& device, sim::Device& entry);

}  // namespace calibrate
