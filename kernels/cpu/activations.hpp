#pragma once

// What activations make of one number, for variants on f32. Not for the files with an instruction
// set's suffix (see loops.hpp).

#include "kernels/chain.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace kernels::cpu {

// e to the x within two units of the last place, and in arithmetic alone, so that loops over it
// become vectors. x = n ln 2 + r with |r| <= ln 2 / 2; the polynomial is e^r's Taylor series, whose
// next term is below 2^-27, and 2^n is an exponent's bits. x is kept between `least` and `most`,
// -87 and 88, which a compiler must not know: it would branch where x is one of them.
inline float exponential(float x, float least, float most) {
    constexpr float kMagic = 12582912;  // 1.5 x 2^23: added and taken away it rounds
    constexpr float kPerLn2 = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
    x = std::min(std::max(x, least), most);
    const float shifted = x * kPerLn2 + kMagic, n = shifted - kMagic;
    const float r = (x - n * kLn2High) - n * kLn2Low;
    float sum = 1.0F / 5040 * r + 1.0F / 720;
    sum = sum * r + 1.0F / 120;
    sum = sum * r + 1.0F / 24;
    sum = sum * r + 1.0F / 6;
    sum = (sum * r + 0.5F) * r + 1;
    sum = sum * r + 1;
    const std::uint32_t bits =
        (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kMagic) + 127) << 23;
    return sum * std::bit_cast<float>(bits);
}

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
    // 0 where the step has none.
    const float first = step.limits.empty() ? 0 : step.limits[0],
                second = step.limits.empty() ? 0 : step.limits[1];
    switch (step.kind) {
        case StepKind::relu:
            return use([](float x) { return std::max(x, 0.0F); });
        case StepKind::clip:
            return use([=](float x) { return between(x, first, second); });
        case StepKind::sigmoid:
            return use([=](float x) { return 1 / (1 + exponential(-x, first - 87, second + 88)); });
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
