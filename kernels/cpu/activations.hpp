#pragma once

// What activations make of one number, for variants on f32. Not for the files with an instruction
// set's suffix (see loops.hpp).

#include "kernels/chain.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace kernels::cpu {

inline bool is_activation(StepKind kind) {
    switch (kind) {
        case StepKind::relu:
        case StepKind::clip:
        case StepKind::sigmoid:
        case StepKind::tanh:
        case StepKind::hard_sigmoid:
        case StepKind::hard_swish:
            return true;
        default:
            return false;
    }
}

// Calls `use` with a function of a float, so that a loop around it is compiled for each of them.
template <typename Use>
void with_activation(const Step& step, const Use& use) {
    const auto between = [](float value, float least, float most) {
        return std::min(std::max(value, least), most);
    };
    const float first = step.limits.empty() ? 0 : step.limits[0],
                second = step.limits.empty() ? 0 : step.limits[1];
    switch (step.kind) {
        case StepKind::relu:
            return use([](float x) { return std::max(x, 0.0F); });
        case StepKind::clip:
            return use([=](float x) { return between(x, first, second); });
        case StepKind::sigmoid:
            return use([](float x) { return 1 / (1 + std::exp(-x)); });
        case StepKind::tanh:
            return use([](float x) { return std::tanh(x); });
        case StepKind::hard_sigmoid:
            return use([=](float x) { return between(first * x + second, 0, 1); });
        case StepKind::hard_swish:
            return use([=](float x) { return x * between(x / 6 + 0.5F, 0, 1); });
        default:
            throw std::logic_error("with_activation: a step of another kind");
    }
}

}  // namespace kernels::cpu
