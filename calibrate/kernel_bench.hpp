#pragma once

// The calibrator's bench for accelerators: kernels in segments of their own, in turn, the hopeless
// ones last.

#include "calibrate/accelerator.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate/device.hpp"
#include "calibrate/samples.hpp"

#include <functional>
#include <memory>
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
    kernels::Tensors tensors = {};  // as large as any candidate needs

    const std::string& name() const { return device->info().name; }
};

// Of one model those which another network has not added already.
void add_candidates(KernelBench& bench,
                    const sim::Model& model,
                    std::vector<Candidate> candidates,
                    Costs& costs);

// Every kernel in turn, until all are known, or `more` says that time is up. What takes three times
// as long as another way to run the same layers will hardly be chosen: it comes last. What the
// device has no memory for is left out. Throws DeviceError where the device is gone.
void measure_kernels(KernelBench& bench,
                     const StoppingRule& rule,
                     const std::function<bool(double share_done)>& more,
                     const std::function<void(const std::string&)>& warn);

}  // namespace calibrate
