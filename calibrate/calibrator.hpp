#pragma once

// The calibrator: measures this machine and says what it saw as a platform.
//
// Kernels are timed where they will run: inside networks. Each turn draws a mapping made of the
// implementations measured least, runs it through the executor (once to warm up, then twice for
// the record) and stamps every task. So buffers, caches and neighbours are those of a real run,
// and since the networks and implementations take turns, drift hits all of them alike.
// Kernels of accelerators run in segments of their own. docs/measuring.md tells the whole story.

#include "calibrate/device.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <optional>
#include <span>
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
    bool quick = false;   // fewer samples: good enough to choose by
    std::string command;  // for the profile's provenance
    std::string revision;
};

struct CalibrationHooks {
    std::function<bool()> stop;  // true ends it with what there is
    std::function<void(const std::string& what, double share_done, double seconds_left)> progress;
};

struct Calibration {
    sim::Platform platform;
    int measured = 0;  // costs in the profile that are measured
    int missing = 0;   // that were asked for and have no or too few samples: out of time
    bool stopped = false;
};

// `before`: a profile to continue. What it has is kept, what it lacks is measured.
// Throws sim::InputError if a model has no kernels here or `before` is of another machine.
Calibration calibrate_machine(const CalibrationSettings& settings,
                              const CalibrationHooks& hooks,
                              const std::optional<sim::Platform>& before);

// A platform of these devices, the CPU first, with every implementation of the model at this batch,
// all at the same invented cost: what draws mappings without a profile.
sim::Platform candidates(const sim::Model& model,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants);

// The same of the CPU alone: the platform of this machine with every implementation of the model at
// this batch, all at the same invented cost: what the calibrator measures, and what draws mappings
// without a profile.
sim::Platform candidates(const sim::Model& model,
                         int batch,
                         int threads,
                         const std::vector<std::string>& variants);

}  // namespace calibrate
