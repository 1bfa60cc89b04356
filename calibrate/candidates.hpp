#pragma once

// Everything that devices can run of a network: what a calibration measures, and what draws
// mappings without a profile. Start at `candidates`.

#include "calibrate/device.hpp"
#include "calibrate/parameters.hpp"
#include "calibrate/samples.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <span>
#include <string>
#include <vector>

namespace calibrate {

// Of kernel variants: all but the reference where none are named.
bool is_wanted(const std::string& variant, const std::vector<std::string>& wanted);

// One way to run a chain of a model's layers at a batch size.
struct Candidate {
    std::vector<int> layers;  // of the model
    kernels::Chain chain;
    CostKey key;
};

// Everything that a device can run of a model, each once. `device`: its index in the profile. The
// chains point into `parameters`.
std::vector<Candidate> candidates_on(const Device& device,
                                     int index,
                                     const sim::Model& model,
                                     const Parameters& parameters,
                                     int batch,
                                     const std::vector<std::string>& variants);

// A candidate as the fit sees it, its time not yet known.
FitSample features_of(const sim::Model& model, const std::vector<int>& layers, const CostKey& key);

// A platform of these devices, the CPU first, with every implementation of the model at this batch,
// all at the same invented cost: what draws mappings without a profile.
sim::Platform candidates(const sim::Model& model,
                         const Parameters& parameters,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants);

// The same with the model's own parameters.
sim::Platform candidates(const sim::Model& model,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants);

// The same of the CPU alone.
sim::Platform candidates(const sim::Model& model,
                         int batch,
                         int threads,
                         const std::vector<std::string>& variants);

}  // namespace calibrate
