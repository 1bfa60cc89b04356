#pragma once

// Refining a profile where it decides: what the best mapping rests on that was not measured is
// measured, and the search asked again, until the best mapping rests on measurements alone.

#include "calibrate/calibrator.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <string>
#include <vector>

namespace calibrate {

struct Refinement {
    sim::Platform platform;
    int measured = 0;  // costs
    int searches = 0;
    bool settled = false;                 // the best mapping rests on measurements alone
    std::vector<std::string> unmeasured;  // fitted costs that nothing here can measure, a line each
};

// Layers of which the profile knows nothing are measured first. `best`: the search, called with the
// problem at the medians first; when that rests on measurements, with the fits at their lower ends,
// so that none whose interval says it may be faster is passed over. Throws as compile() and
// calibrate_machine() do: the platform must be this machine's profile.
Refinement refine(const sim::Model& model,
                  const sim::Platform& platform,
                  const sim::CompileOptions& options,
                  const std::function<sim::Mapping(const sim::Problem&)>& best,
                  const CalibrationSettings& settings,
                  const CalibrationHooks& hooks);

}  // namespace calibrate
