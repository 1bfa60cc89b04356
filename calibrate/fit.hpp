#pragma once

// Fitted costs: a formula over a layer's features for shapes that were never measured.
//
// time = constant + a x macs + b x bytes read + c x bytes written + d x output tiles, all
// coefficients at least 0, fitted to the relative error. Which of the four features take part is
// chosen by cross-validation: each shape is left out in turn (all its batches), so the error in
// the profile is one on shapes the fit has not seen.

#include "sim/compile/costs.hpp"
#include "sim/describe/platform.hpp"

#include <span>
#include <string>
#include <vector>

namespace calibrate {

// One measured cost and what it is a cost of.
struct FitSample {
    std::string pattern;    // sim::pattern
    std::string signature;  // sim::signature: the shape that is left out together
    int device = 0;
    std::string variant, configuration, in_layout, out_layout;
    std::vector<int> results = {};  // as in a profile's cost
    sim::CostFeatures features;
    int batch = 1, height = 1, channels = 1;  // of the chain's result
    double time_us = 0;
};

// One fit for each (pattern, results, device, variant, configuration, layouts) with enough shapes:
// at least three. Sorted like the samples' first appearances.
std::vector<sim::FittedCost> fit_costs(std::span<const FitSample> samples);

}  // namespace calibrate
