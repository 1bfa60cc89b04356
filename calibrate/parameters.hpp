#pragma once

// A model's parameters: weights, thresholds, scales and biases, from its file
// (docs/file-formats.md) or made up from a seed for networks of which only the shapes are known.

#include "sim/describe/model.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace calibrate {

// Of one layer, in the words of kernels/chain.hpp; empty where the operation has none.
struct LayerParameters {
    std::vector<std::uint64_t> weights;
    std::vector<std::int32_t> thresholds;
    std::vector<std::uint64_t> flips;
    std::vector<std::int8_t> byte_weights;
    std::vector<float> real_weights, scales, biases, limits;
};

using Parameters = std::vector<LayerParameters>;  // by model layer

// Throws sim::InputError if the file is missing, is none of ours, or does not fit the model.
Parameters load_parameters(const sim::Model& model);

// The bytes of a weights file with these parameters, one entry for each of the model's layers.
// Throws std::logic_error where an entry's sizes are not those that the model needs.
std::string weights_file(const sim::Model& model, const Parameters& parameters);

}  // namespace calibrate
