#pragma once

// The calibrator's bench for accelerators: kernels in segments of their own, in turn; those that
// cannot be in a fast mapping last.

#include "calibrate/accelerator.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate/device.hpp"
#include "calibrate/samples.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace calibrate {

// One accelerator at all the networks: kernels run in segments of their own, in turn.
struct KernelBench {
    int index = 0;  // of the profile's devices
    std::unique_ptr<Device> device;
    double overhead_ns = 0;  // segment_overhead_ns of it
    struct Entry {
        Candidate candidate;
        Cost* cost = nullptr;
        std::unique_ptr<SegmentTimer> timer;  // made at the first turn
    };
    std::vector<Entry> entries = {};
    // Each network at each batch size: all kernels for it, those that others share among them.
    struct Kernel {
        std::vector<int> layers;  // of the model
        Cost* cost = nullptr;
    };
    std::vector<std::vector<Kernel>> networks = {};
    kernels::Tensors tensors = {};            // as large as any candidate needs
    std::vector<const std::byte*> more = {};  // what `tensors` has beside two inputs

    const std::string& name() const { return device->info().name; }
};

// One network at one batch size; entries are those that another one has not added already.
void add_candidates(KernelBench& bench,
                    const sim::Model& model,
                    std::vector<Candidate> candidates,
                    Costs& costs);

// What no mapping within 20 % of a network's best on this device has (calibrate/promise.hpp), in
// none of the networks. Of costs of which nothing is known nothing is said.
std::set<const Cost*> unpromising_kernels(const KernelBench& bench);

// Every kernel in turn, until all are known, or `more` says that time is up: a look at each, then
// the promising ones, then the others. What the device has no memory for is left out. Throws
// DeviceError where the device is gone.
void measure_kernels(KernelBench& bench,
                     const StoppingRule& rule,
                     const std::function<bool(double share_done)>& more,
                     const std::function<void(const std::string&)>& warn);

}  // namespace calibrate
