#pragma once

// Which device can run which layer, by the support rules of the platform; and if not, why.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/index.hpp"

#include <string>
#include <vector>

namespace sim {

struct Support {
    // [layer][device]: why the device cannot run the layer, such as "kernel 11 is not among 1, 3";
    // empty where it can.
    std::vector<std::vector<std::string>> reasons;

    bool admits(int layer, int device) const { return reasons[at(layer)][at(device)].empty(); }
};

// Constraints on what an operation does not have (the stride of an addition) do not hold for it.
Support support_of(const Model& model, const Platform& platform, int batch);

}  // namespace sim
