#include "kernels/cpu/real_pattern.hpp"

#include "kernels/geometry.hpp"

#include <algorithm>
#include <limits>

namespace kernels::cpu {

std::optional<RealPattern> real_pattern_of(const Chain& chain) {
    (void)shapes_of(chain);  // do the steps fit?
    const std::vector<Step>& steps = chain.steps;
    const bool reals = chain.input.element == Element::f32 || chain.input.element == Element::u8;
    if (steps.empty() || !reals || !is_linear(chain)) {
        return std::nullopt;
    }
    RealPattern pattern;
    std::size_t next = 0;
    const auto take = [&](StepKind kind) -> const Step* {
        return next < steps.size() && steps[next].kind == kind ? &steps[next++] : nullptr;
    };
    pattern.product = take(StepKind::conv2d);
    if (pattern.product == nullptr) {
        pattern.product = take(StepKind::linear);
    }
    while (const Step* const norm = take(StepKind::batch_norm)) {
        pattern.norms.push_back(norm);
    }
    pattern.add = take(StepKind::add);
    if (next < steps.size() && is_activation(steps[next].kind)) {
        pattern.activation = &steps[next++];
    }
    // Padding is zeros, and each window sees something else.
    const auto fits = [](const Step& product) {
        return product.real && !product.bytes &&
               (product.kind == StepKind::linear || !product.is_padded() ||
                (product.pad_value == 0 &&
                 std::max(product.padding, product.padding_bottom()) < product.kernel_height &&
                 std::max(product.padding_left(), product.padding_right()) < product.kernel_width));
    };
    if (next != steps.size() || pattern.product == nullptr || !fits(*pattern.product)) {
        return std::nullopt;
    }
    return pattern;
}

Numbers numbers_of(const RealPattern& pattern, std::size_t fan_in) {
    const Step& step = *pattern.product;
    Numbers numbers;
    for (std::size_t o = 0; o < static_cast<std::size_t>(step.out_channels); ++o) {
        double scale = step.scales.empty() ? 1 : step.scales[o];
        double bias = step.biases.empty() ? 0 : step.biases[o];
        for (const Step* const norm : pattern.norms) {
            const double factor = norm->scales.empty() ? 1 : norm->scales[o];
            scale *= factor;
            bias = bias * factor + (norm->biases.empty() ? 0 : norm->biases[o]);
        }
        for (std::size_t i = 0; i < fan_in; ++i) {
            numbers.weights.push_back(
                static_cast<float>(scale * real_weight_of(step, fan_in, o, i)));
        }
        numbers.biases.push_back(static_cast<float>(bias));
    }
    return numbers;
}

std::optional<Limits> limits_of(const RealPattern& pattern) {
    const Step* const activation = pattern.activation;
    if (activation == nullptr || pattern.add != nullptr) {
        return std::nullopt;
    }
    if (activation->kind == StepKind::clip) {
        return Limits{activation->limits[0], activation->limits[1]};
    }
    return activation->kind == StepKind::relu
               ? std::optional{Limits{0, std::numeric_limits<float>::infinity()}}
               : std::nullopt;
}

}  // namespace kernels::cpu
