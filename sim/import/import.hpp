#pragma once

// ONNX files to models: `hetmap import`.
//
// Start at `import_onnx`. It reads (reader.hpp), finds the shapes of all tensors (inference.hpp),
// puts one node in place of what exporters spread over several (recognise.hpp), writes layers
// (layers.hpp), and takes weights and thresholds along (parameters.hpp).

#include "sim/describe/model.hpp"
#include "sim/import/layers.hpp"
#include "sim/import/parameters.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sim::onnx {

// What became of the nodes of one of ONNX's operations.
struct Count {
    std::string operation;
    int exact = 0, opaque = 0;
};

struct Imported {
    Inferred inferred;
    Layers layers;
    std::vector<Count> counts;  // by operation
    std::vector<std::string> warnings;
    Carried carried;   // what its layers hold, as far as kernels here can take it
    std::string yaml;  // the model, with parameters that are made up
    int exact = 0, opaque = 0;
    // Nodes: all of them (functions in place), constants, those that lead to no output, those that
    // became part of another's layer.
    std::int64_t nodes = 0, folded = 0, dead = 0, merged = 0;
    std::int64_t macs = 0;
};

// Throws InputError as its parts say.
Imported import_onnx(const std::filesystem::path& path, const Sizes& sizes);
Imported import_onnx(File file, const Sizes& sizes);  // of a model that was read before

// The model as every command will read it from `path`, where it need not be yet. Throws InputError
// where the network is larger than models can be, std::logic_error where a layer has become another
// than was meant.
Model checked_model(const Imported& imported, const std::filesystem::path& path);

// The model's text with its parameters in a file beside it.
std::string yaml_with_file(const Imported& imported, const std::string& file);

}  // namespace sim::onnx
