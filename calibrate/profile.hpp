#pragma once

// A profile in the making: the platform that a calibration fills, from nothing or from the profile
// that it goes on from.

#include "calibrate/device.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/samples.hpp"
#include "sim/describe/platform.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace calibrate {

// Of the host's memory and the CPU alone, without costs.
sim::Platform empty_platform(const std::string& name, std::int64_t memory_mib);

// What tensors become in a layout, where that is more than another order of their elements.
void add_layout(sim::Platform& platform, kernels::Layout layout);

// What using a device costs beside its kernels.
struct DeviceCosts {
    sim::Device entry;  // submit, per_task and completion
    std::vector<sim::TransferMode> up, down;
};

// A device's entry, its memory and links. Returns its index.
int add_device(sim::Platform& platform, const DeviceInfo& info, const DeviceCosts& costs);

// Where a profile that is continued has the device; -1: nowhere.
int index_of(const sim::Platform& platform, const DeviceInfo& info);

// What a profile says about devices beside the CPU, as it is. Those that are measured again keep
// their place, and must be the ones they were: else throws sim::InputError.
void adopt_devices(sim::Platform& platform,
                   const sim::Platform& before,
                   const std::vector<DeviceInfo>& here);

// Costs of a profile are only good for the machine they were measured on: else throws
// sim::InputError.
void check_same_machine(const sim::Platform& before, const Machine& machine);

// Fits of the profile before stay where there is no new one of at least as many shapes.
void keep_fits(std::vector<sim::FittedCost>& fits, const std::vector<sim::FittedCost>& before);

// The threads' round trip in the placement that the profile is about (calibrate/placement.hpp), by
// name and in nanoseconds; 0 where the profile does not say, or there is one thread.
inline constexpr const char* kRoundTrip = "thread_pool_spinning";
double round_trip_of(const sim::Platform& platform);

// One of the named measurements; nullptr if there is none of that name.
const sim::Measurement* find_measurement(const sim::Platform& platform, std::string_view name);
// Takes the place of the one of that name, if there is one.
void set_measurement(sim::Platform& platform,
                     const std::string& name,
                     const sim::Measurement& time);

// What mappings of a network took over what the profile predicts, in place of what it said of that
// network, batch and devices; a few are too few to tell.
void set_trials(sim::Platform& platform,
                const std::string& model,
                int batch,
                bool host_alone,
                const std::vector<double>& ratios);

// With so many samples at least.
bool measured_before(const sim::Platform& before, const CostKey& key, int fewest);

}  // namespace calibrate
