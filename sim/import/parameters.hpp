#pragma once

// What an ONNX network's layers hold, as kernels here take it: signs of weights as bits, batch
// norms with the signs after them as thresholds between whole numbers; and where a tensor is real,
// f32.
//
// A tensor of such a network holds a scale times whole numbers: bytes of an image, +1 and -1, or
// sums of these. What the file does with the sums in floating-point numbers is a question to
// real numbers here (is gamma (x - mean) / sqrt(variance + epsilon) + beta above zero?), answered
// for whole numbers x without rounding.

#include "sim/import/layers.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim::onnx {

// Of one layer of the model, as docs/file-formats.md (weights.bin) has them.
struct LayerNumbers {
    std::string layer;
    std::vector<std::uint64_t> weights;    // ceil(n / 64) words for each output channel
    std::vector<std::int32_t> thresholds;  // for each channel
    std::vector<std::uint64_t> flips;      // bit c: at most, rather than at least, the threshold
    std::vector<std::int8_t> byte_weights = {};
    std::vector<float> real_weights = {}, scales = {}, biases = {}, limits = {};  // of f32, and of
                                                                                  // bytes
};

struct Carried {
    std::vector<LayerNumbers> layers;    // those that hold some
    std::vector<std::string> obstacles;  // why kernels cannot run it: "layer 'y' (Softmax): ..."
    std::vector<std::string> warnings;   // where the file's answer is none that a bit can give
};

// `layers`: what layers_of(inferred) gave. Without obstacles, all that there is came along.
Carried carried_numbers(const Inferred& inferred, const Layers& layers);

}  // namespace sim::onnx
