#pragma once

// The operations a layer can be, one row each: attributes, shapes of its results, work.
//
// A new operation is one row in operations.cpp (and, to run it, a reference kernel). The model
// loader, `hetmap show` and the cost fits read this table; none of them names an operation. What
// has no row is `opaque`: a layer with the shapes that its file states.

#include "sim/describe/tensor.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// What a side or a number of channels, and what a kernel, stride or padding has at most.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 20;
inline constexpr std::int64_t kLargestWindow = 1 << 12;
// Elements of a tensor, and weights of a layer.
inline constexpr std::int64_t kMostElements = std::int64_t{1} << 31;

// One number for each side of a window: depth, height, width. An operation of fewer sides uses the
// last ones.
using Sides = std::array<int, 3>;

// Attributes of a layer, as its YAML entry gives them. Which of them an operation has, which it
// needs and which are optional is in its row; the others keep the defaults below. How they are read
// and written: sim/describe/attributes.hpp.
struct Attributes {
    Element weights = Element::binary;
    bool has_weights = false;  // the layer has some
    std::optional<Element> out =
        std::nullopt;      // of the results; none: what follows from the inputs
    int out_channels = 0;  // split: channels of this part
    Sides kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
    Sides pad_begin{}, pad_end{};  // ahead of the first element of a side, and after the last
    bool pads_to_same = false;     // as many results as inputs / stride; decides the padding
    Sides output_padding{};
    int pad_value = 0;           // what a padded element is: 0 (adds nothing), -1 or +1
    int groups = 1;              // convolutions, channel_shuffle, group_norm
    int first_channel = 0;       // split: this part's first input channel
    bool ceil = false;           // pools: windows may begin that are not all there
    bool count_padding = false;  // average pools: padding is zeros, and counts
    int axis = -1;               // from 0, or from the last, -1
    std::vector<int> axes = {}, sizes = {}, permutation = {};
    std::vector<int> shape = {};     // of the result
    std::vector<int> constant = {};  // shape of an operand that the network holds
    bool keep = false;               // reduce_*: the axes stay, with one element
    bool transpose_a = false, transpose_b = false;
    Sides scale{1, 1, 1};  // upsample
    int hidden = 0, directions = 1, heads = 1, k = 1, vocabulary = 0, block = 1;
    // opaque: what it is called elsewhere, what it gives, and what is known of its work.
    std::string kind = {};
    std::vector<TensorShape> results = {};
    std::int64_t macs = 0, weight_bytes = 0;

    int kernel_height() const { return kernel[1]; }
    int kernel_width() const { return kernel[2]; }

    friend bool operator==(const Attributes&, const Attributes&) = default;
};

// Work of a layer on one image.
struct Work {
    std::int64_t macs = 0;           // multiply-accumulates
    std::int64_t bytes_read = 0;     // inputs
    std::int64_t bytes_written = 0;  // results
    std::int64_t weight_bytes = 0;
    std::int64_t weights = 0;  // how many: all but thresholds and what an opaque layer has
};

using Shapes = std::span<const TensorShape>;

struct Operation {
    std::string_view name;                          // as in YAML: "conv2d"
    std::vector<std::string_view> attributes = {};  // keys it accepts
    std::vector<std::string_view> required = {};    // those of them that must be there
    int min_inputs = 1;
    int max_inputs = 1;
    int sides = 0;             // of its windows: 2 for conv2d; 0: it has none
    bool takes_whole = false;  // its weights see the whole input as one pixel: linear
    bool is_held = false;      // what it gives is a weight of those that read it: constant
    // At least one; see results_of.
    std::vector<TensorShape> (*results)(const Attributes&, Shapes inputs) = nullptr;
    Work (*work)(const Attributes&, Shapes inputs, Shapes results) = nullptr;

    bool has(std::string_view attribute) const;
};

inline constexpr int kAnyNumber = 1 << 20;  // of inputs

// The table. "input" (a model's input) is not in it.
std::span<const Operation> operations();
const Operation* find_operation(std::string_view name);  // nullptr if there is none

// What stands for a layer's second, third, ... result: a layer that reads it and runs with it, at
// no cost of its own. In no file, and not in the table.
const Operation& further_result();

// Shapes of a layer's results, each of at most kMostElements; sets the padding of one that pads to
// the same size. Throws std::invalid_argument with what does not fit.
std::vector<TensorShape> results_of(const Operation& operation,
                                    Attributes& attributes,
                                    Shapes inputs);

}  // namespace sim
