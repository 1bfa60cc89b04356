#pragma once

// A mapping made ready to run on this machine: what it is one of, and the devices, opened. Where
// there is no profile that is what the devices which it names can run with the variants that it
// names; no costs are known there, so nothing can be predicted. Start at `runnable`.

#include "calibrate/executor.hpp"
#include "calibrate/parameters.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"

#include <string>
#include <vector>

namespace calibrate {

struct Runnable {
    OpenDevices devices;  // by the problem's device
    sim::Problem problem;
    sim::Mapping mapping;
};

// Names of the variants, of whatever device.
std::vector<std::string> variants_named_by(const sim::MappingFile& mapping);

// The CPU gets as many threads as the mapping's kernels take. Throws sim::InputError where the file
// is another model's, or names a device, variant or configuration that this machine does not have;
// DeviceError where a device does not open.
Runnable runnable(const sim::Model& model,
                  const Parameters& parameters,
                  const sim::MappingFile& mapping);

// Where there is no mapping: the last variants of the CPU's table that this machine can run, for
// bits and for f32, on one thread, with as many layers fused as they can. Throws sim::InputError
// where that runs not all of the model's layers.
Runnable guessed(const sim::Model& model, const Parameters& parameters, int batch);

}  // namespace calibrate
