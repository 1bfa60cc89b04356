#pragma once

// What is known of every tensor of an ONNX model before it runs: element type, shape, and the
// values of what is constant.
//
// Start at `infer`. Shapes are computed by the table (operations.hpp) and compared with those that
// the file declares; where the table cannot know them (loops, other domains) the file must declare
// them.

#include "sim/import/operations.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sim::onnx {

// Sizes for symbolic dimensions, by name: {"batch", 1}. A side that has no name is "input.0".
using Sizes = std::map<std::string, std::int64_t>;

// A node that may become a layer, in order.
struct Step {
    Node node;
    bool is_folded = false;    // all of its results are constants
    bool is_declared = false;  // its results' shapes are those that the file declares
};

struct Inferred {
    File file;  // its graph's nodes have moved to `steps`
    std::vector<Step> steps;
    std::map<std::string, Value> values;  // of every tensor
    // Tensors whose elements are others than their type says (recognise.hpp), as models name them:
    // "binary" where all values are +c or -c.
    std::map<std::string, std::string> elements = {};
    std::vector<std::string> warnings;
};

// Throws InputError, with file and node: sizes that are missing (all of them), inputs that do not
// fit together, sides that are zero, results of which nothing is known.
Inferred infer(File file, const Sizes& sizes);

// What leads to an output: nodes that are no constants, in order, and the tensors that are read.
struct Live {
    std::vector<const Step*> steps;
    std::set<std::string> tensors;
    std::int64_t folded = 0, dead = 0;  // nodes that are constants, and that lead to no output
};
Live live_part_of(const Inferred& inferred);

// The node with what is known of its inputs.
Call call_of(const Node& node, const std::map<std::string, Value>& values);

}  // namespace sim::onnx
