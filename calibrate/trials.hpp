#pragma once

// Trials: mappings drawn at random that are run when a calibration has its costs, on all devices
// together, and held against what the profile predicts of them. They say how far predictions of
// mappings on several devices are to be trusted; of the CPU alone the calibrator has mappings from
// all of its time (network_bench.hpp).

#include "calibrate/executor.hpp"
#include "sim/compile/problem.hpp"

#include <functional>
#include <vector>

namespace calibrate {

// What each took over its prediction. Only while the threads' round trip is `round_trip_ns`
// (calibrate/placement.hpp), for which it waits. What cannot run is passed over.
std::vector<double> time_trials(Executor& executor,
                                const sim::Problem& problem,
                                double round_trip_ns,
                                double& patience_s,
                                const std::function<bool()>& stop);

}  // namespace calibrate
