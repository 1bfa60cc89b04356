#pragma once

// What a calibration measures of whole networks, when its profile has the costs of their layers:
// anchors, which validations measure again, and on several devices trials, which correct the
// accelerators' numbers and say how far predictions are to be trusted.

#include "calibrate/parameters.hpp"
#include "calibrate/samples.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <set>
#include <span>
#include <string>

namespace calibrate {

struct WholeNetwork {
    const sim::Model* model = nullptr;
    const Parameters* parameters = nullptr;
    int batch = 1;
};

struct WholeNetworkSettings {
    int threads = 1;        // of the CPU
    int host_threads = 1;   // and of devices on the host's cores
    double patience_s = 0;  // of all waiting for the threads to sit as the profile has them
    std::function<bool()> stop;
    std::function<void(const std::string&)> warn;
};

// The CPU's anchors (calibrate/anchors.hpp), among the profile's measurements.
void measure_anchors(sim::Platform& platform,
                     std::span<const WholeNetwork> networks,
                     WholeNetworkSettings& settings);

// Trials on all devices of a profile with accelerators: corrections (calibrate/corrections.hpp) of
// what was measured, the accelerators' anchors, and how far predictions were off. `alone`: the
// costs that were measured by themselves.
void try_all_devices(sim::Platform& platform,
                     std::span<const WholeNetwork> networks,
                     const std::set<CostKey>& alone,
                     WholeNetworkSettings& settings);

}  // namespace calibrate
