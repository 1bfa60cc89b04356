#pragma once

// Where kernels exist: a fit holds for a pattern of layers, but its configuration may not be there
// for some shapes and batches. Devices are asked, without running anything, and the fits are told.

#include "calibrate/device.hpp"
#include "calibrate/parameters.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace calibrate {

class Existence {
public:
    // All sets of a model's layers that the device may fuse, at 1, 2, 4, ... 16384 images and at
    // `batches`. `index`: of the profile's devices.
    void ask(const Device& device,
             int index,
             const sim::Model& model,
             const Parameters& parameters,
             std::span<const int> batches,
             const std::vector<std::string>& variants);

    // Fills `absent` and `largest_batch`. Between a batch that has the kernel and one that lacks it
    // nobody knows: there it is absent.
    void limit(sim::FittedCost& fit) const;

private:
    // The device's index; what it gives (MeasuredCost::results); layers, variant, configuration.
    using Kernel = std::tuple<int, std::vector<int>, std::string, std::string, std::string>;
    // By device, results and pattern.
    std::map<std::tuple<int, std::vector<int>, std::string>, std::set<std::string>> shapes_;
    std::map<Kernel, std::set<int>> batches_;
    std::set<int> asked_;
};

}  // namespace calibrate
