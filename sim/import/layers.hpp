#pragma once

// An ONNX graph as the layers of a model: the batch left out, images as height x width x channels.
//
// Start at `layers_of`. An operation without a row in the table of layers.cpp, or one whose use the
// model's grammar cannot say, becomes `opaque`: its shapes, element types, work and bytes are kept.

#include "sim/import/inference.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sim::onnx {

// How the sides of a tensor stand in the model.
enum class Layout {
    plain,     // as in ONNX; the first side is the batch and left out where it is 1
    image,     // [1, C, D.., H, W] as [D.., H, W, C]
    sequence,  // of recurrent layers: [L, 1, C] as [L, C], [L, directions, 1, H] as [L, directions
               // * H]
};

// A tensor as the model has it.
struct ModelTensor {
    Dims shape;
    std::string element;
};

struct Layer {
    std::string name;
    std::string operation;
    std::vector<std::string> inputs;  // names of layers, of their results, or of inputs
    std::vector<std::pair<std::string, std::string>> attributes;  // in YAML
    std::vector<std::string> outputs;  // names, where it has several results
    std::vector<ModelTensor> results;
    std::string from;  // ONNX's operation, or "BatchNormalization + Sign"
    std::int64_t macs = 0;
    bool is_opaque = false;
};

struct LayerInput {
    std::string name;
    ModelTensor tensor;
    bool is_image = false;
};

struct Layers {
    std::vector<LayerInput> inputs;
    std::vector<Layer> layers;
    std::vector<std::string> outputs;
    std::map<std::string, std::string> made_by;  // tensors of the file, and whose results they are
    std::int64_t removed = 0;                    // nodes that move nothing
    std::int64_t weights = 0;  // elements of the constants that layers hold, each layer for itself
    std::vector<std::string> warnings;
};

// Throws InputError where nothing is left to run, or a tensor has elements that no model can have.
Layers layers_of(const Inferred& inferred);

}  // namespace sim::onnx
