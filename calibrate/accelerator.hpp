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

// How long a kernel takes inside a segment: the difference between a long segment of it and a
// segment of one, shared among the runs. So launches between kernels count, submission does not.
class SegmentTimer {
public:
    // `tensors`: addresses of the device.
    SegmentTimer(Device& device, int kernel, const kernels::Tensors& tensors);
    double sample_ns();  // one measurement; 0 or less where noise was larger than the kernel

private:
    double run(int segment);

    Device& device_;
    int event_ = 0;
    int short_ = 0, long_ = 0;  // segments of one run and of 1 + runs_
    int runs_ = 0;
};

// A first look at a kernel, ns: one run from submission to the end, the second where that is short,
// because the first may load code.
double look_ns(Device& device, int kernel, const kernels::Tensors& tensors);

// Fills submit, per_task and completion of `entry`.
void measure_submission(Device& device, sim::Device& entry);

// Every mode the device has, the one that the executor uses first; 64 B to `largest` bytes.
// `completion`: of the device; the table is without it. `stop` ends it early, with fewer modes.
std::vector<sim::TransferMode> measure_copies(Device& device,
                                              Direction direction,
                                              sim::Time completion,
                                              std::size_t largest,
                                              const std::function<bool()>& stop);

// Named times that show how much one thing slows another: a large copy up alone, with one down at
// the same time, while a kernel runs, and while the host copies memory; a kernel of the host alone
// and beside the device's kernels, and the other way round. Names end with the device's name.
std::vector<std::pair<std::string, sim::Measurement>> measure_interference(Device& host,
                                                                           Device& device);

// Fills active and idle power of `entry` where the device says what energy it used.
void measure_power(Device& device, sim::Device& entry);

}  // namespace calibrate
