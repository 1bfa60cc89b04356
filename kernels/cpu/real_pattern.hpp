#pragma once

// What variants on f32 compute in one go: a product and what follows it. Not for the files with an
// instruction set's suffix (see loops.hpp).

#include "kernels/chain.hpp"
#include "kernels/cpu/activations.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace kernels::cpu {

// The parts of a chain that are there; they point into the chain.
struct RealPattern {
    const Step* product = nullptr;
    std::vector<const Step*> norms;
    const Step* add = nullptr;
    const Step* activation = nullptr;
};

// Nothing where the chain is another: conv2d or linear, real, on f32 or bytes, and of
// [batch_norm ...] [add] [an activation] what there is. Throws std::invalid_argument where its
// steps do not fit.
std::optional<RealPattern> real_pattern_of(const Chain& chain);

// A product with all that became part of its numbers: by output channel fan_in weights, a bias.
struct Numbers {
    std::vector<float> weights, biases;
};

Numbers numbers_of(const RealPattern& pattern, std::size_t fan_in);

struct Limits {
    float least = 0, most = 0;
};

// An activation that is nothing but limits, of a product that nothing is added to.
std::optional<Limits> limits_of(const RealPattern& pattern);

// Adds and activates where the product lies. `for_each_run`: calls its argument with where to begin
// and how many, of elements that lie side by side.
template <typename ForEachRun>
void finish(const std::optional<Step>& activation,
            bool adds,
            const float* second,
            float* output,
            const ForEachRun& for_each_run) {
    const auto each = [&](const auto& result) {
        for_each_run([&](std::size_t at, std::size_t count) {
            for (std::size_t i = at; i < at + count; ++i) {
                output[i] = result(i);
            }
        });
    };
    if (activation) {
        with_activation(*activation, [&](const auto& activated) {
            if (adds) {
                each([&](std::size_t i) { return activated(output[i] + second[i]); });
            } else {
                each([&](std::size_t i) { return activated(output[i]); });
            }
        });
    } else if (adds) {
        each([&](std::size_t i) { return output[i] + second[i]; });
    }
}

}  // namespace kernels::cpu
