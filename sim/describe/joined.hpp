#pragma once

// Several networks as one model: what one machine runs at the same time, such as a detector and a
// segmenter on one camera's images. They have nothing in common but the machine, so one mapping
// and one order hold for all, and the model's end is that of the last.

#include "sim/describe/model.hpp"

#include <span>

namespace sim {

// Tensors and layers are called "detector/conv1"; a network that is there twice is "detector" and
// "detector#2". What is known of the networks' accuracies is left out. One model: itself.
Model joined(std::span<const Model> models);

}  // namespace sim
