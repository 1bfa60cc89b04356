#pragma once

// Arithmetic on constants that are small: what exporters leave of shapes (Shape, Gather, Concat,
// ...).

#include "sim/import/operations.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace sim::onnx {

// Larger constants are known to be constants, but not computed.
inline constexpr std::int64_t kMostFolded = 1 << 16;

// The elements of a tensor: whole numbers (bool among them), or others.
struct Numbers {
    Type type = Type::undefined;
    Dims dims;
    bool is_integral = true;
    std::vector<std::int64_t> integers;
    std::vector<double> others;

    std::size_t size() const { return is_integral ? integers.size() : others.size(); }
    double number(std::size_t i) const {
        return is_integral ? static_cast<double>(integers[i]) : others[i];
    }
};

// Nothing where the values are not known, too many, or of a type that is not computed with.
std::optional<Numbers> numbers_of(const Value& value);
// The same of all of a tensor's values, however many.
std::optional<Numbers> numbers_of(const Tensor& tensor);

// Are all of a constant's values +c or -c, and both of them there? Each of its first sides
// (channels) may have a c of its own.
bool is_binary(const Tensor& tensor);

TensorPointer tensor_of(const Numbers& numbers);

// The values of the node's results, which are known to have these shapes; nothing where they are
// not computed here. Inputs that are no constants have only a shape.
std::optional<std::vector<Numbers>> folded(const Call& call, const std::vector<Value>& results);

}  // namespace sim::onnx
