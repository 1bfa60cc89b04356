#pragma once

// Trials: mappings that are run when a calibration has its costs, on all devices together. Every
// other one is drawn at random, the rest are near the best one known. They correct the
// accelerators' numbers (corrections.hpp), and say how far predictions of mappings on several
// devices are to be trusted; of the CPU alone the calibrator has mappings from all of its time
// (network_bench.hpp).

#include "calibrate/executor.hpp"
#include "sim/compile/problem.hpp"

#include <functional>
#include <vector>

namespace calibrate {

// A mapping that was run, whatever it was, and what it took.
struct Trial {
    sim::Mapping mapping;
    double ns = 0;
};

// Only while the threads' round trip is `round_trip_ns` (calibrate/placement.hpp), for which it
// waits. What cannot run is passed over.
std::vector<Trial> run_trials(Executor& executor,
                              const sim::Problem& problem,
                              double round_trip_ns,
                              double& patience_s,
                              const std::function<bool()>& stop);

}  // namespace calibrate
