#pragma once

// What accelerators' tasks took by the devices' own clocks. A recording that is `timed` launches
// kernels one by one, each between two events; what that adds to every kernel is measured once for
// each device and taken off.

#include "calibrate/executor.hpp"

#include <map>
#include <utility>
#include <vector>

namespace calibrate {

class StageClock {
public:
    // Tasks and nanoseconds of the last run of a timed recording; of another nothing.
    std::vector<std::pair<int, double>> times_of(Executor& executor,
                                                 const Executor::Recording& recording);

    // Of the devices that were read so far, by the problem's number.
    const std::map<int, double>& overheads_ns() const { return overheads_ns_; }

private:
    std::map<int, double> overheads_ns_;
};

}  // namespace calibrate
