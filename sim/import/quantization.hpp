#pragma once

// How tensors of u8 and int8 stand for f32, as ONNX's QuantizeLinear and DequantizeLinear say it
// and recognise.hpp leaves it on the nodes between them. All of these throw CannotRun where kernels
// here cannot take it.

#include "sim/import/folding.hpp"
#include "sim/import/inference.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace sim::onnx {

// Why a kernel cannot take a layer; the rest is looked at all the same.
struct CannotRun {
    std::string why;
};

// Finite.
float as_float(double value);

// All values of a constant; nothing where they are not known.
std::optional<Numbers> numbers_in(const Inferred& inferred, const std::string& tensor);

struct Quantization {
    std::vector<double> steps;  // by channel, or one for all
    double zero = 0;

    friend bool operator==(const Quantization&, const Quantization&) = default;
};

// By the names of its constants; no zero: 0.
Quantization quantization_named(const Inferred& inferred,
                                const std::string& scale,
                                const std::string& zero);

// `which`: of an input, "0" and so on, or of the result, "".
Quantization quantization_of(const Inferred& inferred, const Node& node, const std::string& which);
// With one step.
Quantization quantization_of_tensor(const Inferred& inferred,
                                    const Node& node,
                                    const std::string& which);

// Zero, least and most of the node's result, of what an activation leaves of int8 or u8.
std::array<float, 3> limits_of_result(const Inferred& inferred,
                                      const Node& node,
                                      const Quantization& quantization,
                                      bool is_signed);

}  // namespace sim::onnx
