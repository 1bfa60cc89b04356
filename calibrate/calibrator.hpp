#pragma once

// The calibrator: measures this machine and says what it saw as a platform.
//
// Kernels of the CPU are timed where they will run: inside networks (network_bench.hpp), so
// buffers, caches and neighbours are those of a real run, and since the networks and
// implementations take turns, drift hits all of them alike. Kernels of accelerators run in segments
// of their own (kernel_bench.hpp). What nothing here computes is left out, and said.
// docs/measuring.md tells the whole story.

#include "calibrate/candidates.hpp"
#include "calibrate/samples.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace calibrate {

struct CalibrationSettings {
    std::vector<sim::Model> models;
    std::vector<int> batches{1, 8};
    double budget_s = 180;
    int threads = 0;                    // 0: all that the process may use
    std::vector<std::string> variants;  // empty: all this machine can run, but the reference
    // Beside the CPU, by name; empty: all that do not compute on the CPU's own cores.
    std::vector<std::string> devices;
    std::set<CostGroup> only;  // empty: all
    bool quick = false;        // fewer samples: good enough to choose by
    std::string command;       // for the profile's provenance
    std::string revision;
};

struct CalibrationHooks {
    std::function<bool()> stop;  // true ends it with what there is
    std::function<void(const std::string& what, double share_done, double seconds_left)> progress;
};

struct Calibration {
    sim::Platform platform;
    int measured = 0;  // costs in the profile that are measured
    int missing = 0;   // that were asked for and have no samples: out of time
    int rough = 0;     // that have fewer than kFewestSure
    bool stopped = false;
    std::vector<std::string> left_out;  // layers that no kernel here computes, a line each
};

// `before`: a profile to continue. What it has is kept, what it lacks is measured.
// Throws sim::InputError if `before` is of another machine.
Calibration calibrate_machine(const CalibrationSettings& settings,
                              const CalibrationHooks& hooks,
                              const std::optional<sim::Platform>& before);

}  // namespace calibrate
