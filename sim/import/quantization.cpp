#include "sim/import/quantization.hpp"

#include "sim/import/operations.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sim::onnx {

float as_float(double value) {
    if (!std::isfinite(value)) {
        throw CannotRun{"one of its numbers is not finite"};
    }
    return static_cast<float>(value);
}

std::optional<Numbers> numbers_in(const Inferred& inferred, const std::string& tensor) {
    const auto& constants = inferred.file.graph.constants;
    if (const auto found = constants.find(tensor); found != constants.end()) {
        return numbers_of(*found->second);
    }
    const auto found = inferred.values.find(tensor);
    return found == inferred.values.end() ? std::nullopt : numbers_of(found->second);
}

Quantization quantization_named(const Inferred& inferred,
                                const std::string& scale,
                                const std::string& zero) {
    const std::optional<Numbers> steps = numbers_in(inferred, scale);
    const std::optional<Numbers> zeros = zero.empty() ? std::nullopt : numbers_in(inferred, zero);
    if (!steps || steps->size() == 0 || (!zero.empty() && (!zeros || zeros->size() == 0))) {
        throw CannotRun{"how it is quantized is no constant"};
    }
    Quantization result{.steps = {}, .zero = zeros ? zeros->number(0) : 0};
    for (std::size_t i = 0; i < steps->size(); ++i) {
        result.steps.push_back(steps->number(i));
        if (!(result.steps.back() > 0) || !std::isfinite(result.steps.back())) {
            throw CannotRun{"it is quantized by a scale that is not above zero"};
        }
    }
    for (std::size_t i = 1; zeros && i < zeros->size(); ++i) {
        if (zeros->number(i) != result.zero) {
            throw CannotRun{"its channels have zero points of their own"};
        }
    }
    return result;
}

Quantization quantization_of(const Inferred& inferred, const Node& node, const std::string& which) {
    const Call call = call_of(node, inferred.values);
    const std::string scale = call.text("scale" + which, "");
    if (scale.empty()) {
        throw CannotRun{"kernels here take operands that are all quantized, or none"};
    }
    return quantization_named(inferred, scale, call.text("zero" + which, ""));
}

Quantization quantization_of_tensor(const Inferred& inferred,
                                    const Node& node,
                                    const std::string& which) {
    Quantization result = quantization_of(inferred, node, which);
    if (result.steps.size() != 1) {
        throw CannotRun{"kernels here quantize all channels of a tensor alike"};
    }
    return result;
}

std::array<float, 3> limits_of_result(const Inferred& inferred,
                                      const Node& node,
                                      const Quantization& quantization,
                                      bool is_signed) {
    const Call call = call_of(node, inferred.values);
    if (call.integer("is_clipped", 0) < 0) {
        throw CannotRun{"its limits are no constants"};
    }
    const double least = is_signed ? -128 : 0, most = is_signed ? 127 : 255;
    const auto coded = [&](double value) {
        return as_float(std::clamp(
            std::nearbyint(value / quantization.steps[0]) + quantization.zero, least, most));
    };
    return {as_float(quantization.zero),
            coded(call.number("least", -std::numeric_limits<float>::max())),
            coded(call.number("most", std::numeric_limits<float>::max()))};
}

}  // namespace sim::onnx
