#pragma once

// Random steps on u8 and int8 that stand for other numbers, for the kernel tests.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace kernels_test::bytes {

using namespace kernels;

inline std::size_t elements(const Shape& shape, int batch) {
    return static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
           static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.channels);
}

// ---- Random steps ------------------------------------------------------------------------------

struct Owned {
    Chain chain;
    std::vector<std::int8_t> weights;
    std::vector<float> scales, biases, limits;
};

inline Element any_byte(Random& random) { return random.one_of({Element::u8, Element::int8}); }

inline float byte_of(Random& random, Element element) {
    return static_cast<float>(element == Element::u8 ? random.between(0, 255)
                                                     : random.between(-128, 127));
}

// A zero, and limits that are mostly those of the element.
inline void add_result(Random& random, Element element, std::vector<float>& limits) {
    const bool is_u8 = element == Element::u8;
    limits.push_back(byte_of(random, element));
    limits.push_back(random.chance(30) ? limits.back() : is_u8 ? 0.0F : -128.0F);
    limits.push_back(is_u8 ? 255.0F : 127.0F);
}

inline void set_product(Owned& owned, Random& random, Step& step) {
    const Shape& in = owned.chain.input;
    step.bytes = true;
    step.result = random.one_of({Element::int32, Element::f32, Element::u8, Element::int8});
    step.real = step.result != Element::int32;
    step.out_channels = random.channels(140);
    int fan_in = in.height * in.width * in.channels;
    if (step.kind == StepKind::conv2d) {
        random_window(random, step, in.height, in.width);
        step.pad_value = 0;
        if (random.chance(40)) {
            step.columns_stride = random.between(1, 3);
            step.left = random.between(0, 2);
            step.right = random.between(0, 2) + std::max(0, step.kernel_width - in.width);
            step.bottom = random.between(0, 2) + std::max(0, step.kernel_height - in.height);
        }
        if (random.chance(35)) {  // depthwise, or nearly
            step.groups = in.channels;
            step.out_channels = in.channels * random.one_of({1, 1, 2});
        } else if (in.channels % 2 == 0 && random.chance(40)) {
            step.groups = 2;
            step.out_channels *= 2;
        }
        fan_in = step.kernel_height * step.kernel_width * in.channels / step.groups;
    }
    const bool extreme = random.chance(40);
    for (int i = 0; i < step.out_channels * fan_in; ++i) {
        owned.weights.push_back(static_cast<std::int8_t>(extreme ? random.one_of({-128, 127, 127})
                                                                 : random.between(-128, 127)));
    }
    step.byte_weights = owned.weights;
    if (step.real && random.chance(80)) {
        // So that results spread over what a byte holds.
        const float scale = 1 / (60 * std::sqrt(static_cast<float>(fan_in)));
        for (int o = 0; o < step.out_channels; ++o) {
            owned.scales.push_back(scale * static_cast<float>(random.between(-300, 300)) / 100);
            owned.biases.push_back(static_cast<float>(random.between(-300, 300)) / 7);
        }
        step.scales = owned.scales;
        step.biases = owned.biases;
    }
    owned.limits = {byte_of(random, in.element)};
    if (step.result == Element::u8 || step.result == Element::int8) {
        add_result(random, step.result, owned.limits);
    }
}

// Spans point into what the vectors of `owned` hold, which may be moved.
inline void random_step(Owned& owned, Random& random, StepKind kind) {
    Shape& in = owned.chain.input;
    in = {random.between(1, 9), random.between(1, 9), random.channels(140), any_byte(random)};
    owned.chain.batch = random.one_of({1, 1, 2, 3});
    Step step{.kind = kind};
    const auto factor = [&] { return static_cast<float>(random.between(-200, 200)) / 97; };
    switch (kind) {
        case StepKind::conv2d:
        case StepKind::linear:
            set_product(owned, random, step);
            break;
        case StepKind::max_pool2d:
            in.element = Element::int8;  // u8 is among the steps on bits
            random_window(random, step, in.height, in.width);
            break;
        case StepKind::add:
            step.result = any_byte(random);
            owned.limits = {
                factor(), byte_of(random, in.element), factor(), byte_of(random, in.element)};
            add_result(random, step.result, owned.limits);
            break;
        case StepKind::global_average_pool:
            step.result = any_byte(random);
            owned.limits = {factor() / static_cast<float>(in.height * in.width),
                            byte_of(random, in.element)};
            add_result(random, step.result, owned.limits);
            break;
        case StepKind::quantize:
            step.result = any_byte(random);
            in.element = Element::f32;
            owned.limits = {0.037F, byte_of(random, step.result)};
            break;
        case StepKind::dequantize:
            owned.limits = {0.037F, byte_of(random, in.element)};
            break;
        case StepKind::reshape:
            step.height = in.width;
            step.width = in.channels;
            step.out_channels = in.height;
            break;
        default:
            in.element = Element::int8;  // flatten
            break;
    }
    step.limits = owned.limits;
    owned.chain.steps = {step};
}

inline Tensor random_input(Random& random, const Shape& shape, int batch) {
    Tensor tensor(tensor_bytes(shape, Layout::nhwc, batch));
    for (std::size_t i = 0; i < elements(shape, batch); ++i) {
        if (shape.element == Element::f32) {
            // Ties among them, and what is cut off.
            const float value = 0.037F * static_cast<float>(random.between(-600, 600)) / 2;
            std::memcpy(tensor.data() + 4 * i, &value, 4);
        } else {
            tensor.data()[i] = static_cast<std::byte>(random.chance(20) ? 255 : random.word());
        }
    }
    return tensor;
}

// ---- Cases -------------------------------------------------------------------------------------

inline constexpr StepKind kKinds[] = {StepKind::conv2d,
                                      StepKind::conv2d,
                                      StepKind::conv2d,
                                      StepKind::linear,
                                      StepKind::max_pool2d,
                                      StepKind::add,
                                      StepKind::global_average_pool,
                                      StepKind::quantize,
                                      StepKind::dequantize,
                                      StepKind::flatten,
                                      StepKind::reshape};

// A step with its inputs and what the reference makes of it.
struct ByteCase {
    Owned owned;
    Shape output;
    Tensor input, second, expected;

    std::size_t expected_bytes() const {
        const bool wide = output.element == Element::int32 || output.element == Element::f32;
        return elements(output, owned.chain.batch) * (wide ? 4 : 1);
    }
};

inline ByteCase random_case(StepKind kind, std::uint64_t seed, ThreadPool& pool) {
    Random random(seed * 100 + static_cast<std::uint64_t>(kind));
    Owned owned;
    random_step(owned, random, kind);
    const Chain& chain = owned.chain;
    const Shape output = output_of(chain);
    Tensor input = random_input(random, chain.input, chain.batch),
           second = random_input(random, chain.input, chain.batch);
    Tensor expected(tensor_bytes(output, Layout::nhwc, chain.batch));
    Kernel(*find_variant("reference"), chain, {.threads = 1})
        .run({input.data(), second.data(), expected.data()}, pool);
    return {.owned = std::move(owned),
            .output = output,
            .input = std::move(input),
            .second = std::move(second),
            .expected = std::move(expected)};
}

}  // namespace kernels_test::bytes
