#pragma once

// ONNX's operations, one row each: the shapes and element types of their results, in opsets 7
// to 24.
//
// Where an attribute became an input (Slice, Squeeze, Pad, ...) the row takes whichever the node
// has, so that rows hold for older opsets too. Source: https://onnx.ai/onnx/operators, and its
// changelog. A new operation is a row in operations.cpp; if it is to be computed on constants, a
// case in folding.cpp; and, to be more than `opaque` in a model, one in layers.cpp.

#include "sim/import/graph.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim::onnx {

// What is known of a tensor before anything runs.
struct Value {
    Type type = Type::undefined;
    Dims dims;
    bool is_tensor = true;             // no sequence, map or optional
    bool is_constant = false;          // the same for every input
    TensorPointer constant = nullptr;  // its values, where they are known
    TensorPointer origin =
        nullptr;  // a constant of the file that holds the same values in another order
    Type stored =
        Type::undefined;  // of a constant: its element type in the file (int8, if dequantized)
};

// A node with what is known of its inputs.
struct Call {
    const Node& node;
    std::vector<const Value*> inputs;  // nullptr: left out

    bool has(std::size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
    const Value& input(std::size_t i) const;  // throws std::invalid_argument if it is left out
    std::int64_t rank(std::size_t i) const {
        return static_cast<std::int64_t>(input(i).dims.size());
    }

    bool has_attribute(std::string_view name) const { return node.find(name) != nullptr; }
    std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
    double number(std::string_view name, double otherwise) const;
    std::string text(std::string_view name, const std::string& otherwise) const;
    std::vector<std::int64_t> integers(std::string_view name) const;  // empty if it is not there

    // Whole numbers of an input that is a constant. Throws Unknown if it is none.
    std::vector<std::int64_t> constant_integers(std::size_t i) const;
    // Those of an attribute or, where there is none, of an input; nothing if there is neither.
    std::optional<std::vector<std::int64_t>> integers_of(std::string_view name,
                                                         std::size_t i) const;
    // The position from 0 that an attribute names, which may count from the end.
    std::int64_t axis(std::string_view name, std::int64_t otherwise, std::int64_t rank) const;
};

// The shape of a result depends on data, or on what is not known here.
struct Unknown {
    std::string why;
};

struct Row {
    std::string_view name;
    std::string_view domain;  // "" is ONNX's own
    // What is known of the results. Throws std::invalid_argument where the inputs do not fit
    // together, Unknown where the shapes depend on more than shapes.
    std::vector<Value> (*results)(const Call& call);
};

std::span<const Row> rows();
const Row* find_row(const Node& node);  // nullptr if there is none

// ---- what the table shares with folding and with the writing of layers ------------------------

std::int64_t axis_of(std::int64_t axis, std::int64_t rank);
Dims broadcast(std::span<const Dims> all);

// Convolutions and pools: the window on each spatial side.
struct Window {
    Dims kernel, stride, dilation, pad_begin, pad_end;
    bool ceil = false;
};
Window window_of(const Call& call, const Dims& kernel);
Dims kernel_of(const Call& call);  // of convolutions, from the weights where there is no attribute

// Slice: where it begins on every axis, its step and how many it takes.
struct Cut {
    Dims begin, step, size;
};
Cut cut_of(const Call& call);

Dims permutation_of(const Call& call);
Dims reduced_axes(const Call& call);  // all, where the node names none; ascending
Dims split_sizes(const Call& call, std::int64_t axis);

}  // namespace sim::onnx
