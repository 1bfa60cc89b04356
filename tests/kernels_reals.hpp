#pragma once

// Random steps on f32 for the kernel tests, and what may follow them. Numbers are such that no
// order of summing rounds: small multiples of a quarter.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace kernels_test::reals {

using namespace kernels;

inline std::vector<float> reals_of(const Tensor& tensor, const Shape& shape, int batch) {
    std::vector<float> values(
        static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
        static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.channels));
    std::memcpy(values.data(), tensor.data(), values.size() * 4);
    return values;
}

// ---- Random steps ------------------------------------------------------------------------------

struct Owned {
    Chain chain;
    std::vector<std::uint64_t> bits, flips;
    std::vector<float> weights, scales, biases, limits;
    std::array<std::vector<float>, 2> norms;
    std::vector<float> ends;  // of a clip that follows
};

inline float quarter(Random& random, int most) {
    return static_cast<float>(random.between(-most, most)) / 4;
}

inline std::vector<float> quarters(Random& random, int count, int most) {
    std::vector<float> all;
    for (int i = 0; i < count; ++i) {
        all.push_back(quarter(random, most));
    }
    return all;
}

// Some windows with another stride and other paddings on each side.
inline void random_sides(Random& random, Step& step, const Shape& in) {
    if (random.chance(50)) {
        return;
    }
    // At least what the kernel needs to fit.
    const auto after = [&](int kernel, int length, int before) {
        return std::max(random.between(0, kernel - 1), kernel - length - before);
    };
    step.columns_stride = random.between(1, 3);
    step.padding = std::min(step.padding, step.kernel_height - 1);
    step.left = random.between(0, step.kernel_width - 1);
    step.bottom = after(step.kernel_height, in.height, step.padding);
    step.right = after(step.kernel_width, in.width, step.left);
}

inline void set_product(Owned& owned, Random& random, Step& step, const Shape& in) {
    step.real = true;
    step.out_channels = random.channels(140);
    int fan_in = in.height * in.width * in.channels;
    if (step.kind == StepKind::conv2d) {
        random_window(random, step, in.height, in.width);
        if (in.height >= 3 && in.width >= 3 && random.chance(75)) {  // for `winograd`
            step.kernel_height = step.kernel_width = 3;
            step.stride = 1;
            step.padding = random.between(0, 2);
            step.left = step.bottom = step.right = random.one_of({-1, -1, 0, 1});
        } else {
            random_sides(random, step, in);
        }
        if (random.chance(30)) {  // depthwise
            step.groups = in.channels;
            step.out_channels = in.channels * random.between(1, 2);
        } else if (in.channels % 2 == 0 && random.chance(40)) {
            step.groups = 2;
            step.out_channels *= 2;
        }
        fan_in = step.kernel_height * step.kernel_width * in.channels / step.groups;
    }
    if (random.chance(50)) {
        owned.bits = random_bits(
            random, static_cast<std::size_t>(step.out_channels), static_cast<std::size_t>(fan_in));
        step.weights = owned.bits;
    } else {
        owned.weights = quarters(random, step.out_channels * fan_in, 8);
        step.real_weights = owned.weights;
    }
    if (random.chance(70)) {
        owned.scales = quarters(random, step.out_channels, 8);
        owned.biases = quarters(random, step.out_channels, 40);
        step.scales = owned.scales;
        step.biases = owned.biases;
    }
}

// Spans point into what the vectors of `owned` hold, which may be moved.
inline void random_step(Owned& owned, Random& random, StepKind kind, Element element) {
    Shape& in = owned.chain.input;
    in = {random.between(1, 9), random.between(1, 9), random.channels(140), element};
    owned.chain.batch = random.one_of({1, 1, 2, 3});
    Step step{.kind = kind};
    switch (kind) {
        case StepKind::conv2d:
        case StepKind::linear:
            set_product(owned, random, step, in);
            break;
        case StepKind::threshold:
            owned.limits = quarters(random, in.channels, 40);
            owned.flips = random_bits(random, 1, static_cast<std::size_t>(in.channels));
            step.limits = owned.limits;
            step.flips = owned.flips;
            break;
        case StepKind::max_pool2d:
        case StepKind::average_pool2d:
            step.kind = StepKind::max_pool2d;
            random_window(random, step, in.height, in.width);
            random_sides(random, step, in);
            step.kind = kind;
            step.counts_padding = kind == StepKind::average_pool2d && random.chance(50);
            break;
        case StepKind::clip:
            owned.limits = {-2.5F, 6};
            step.limits = owned.limits;
            break;
        case StepKind::hard_sigmoid:
            owned.limits = {0.25F, 0.5F};
            step.limits = owned.limits;
            break;
        case StepKind::channels:
            step.first_channel = random.between(0, in.channels - 1);
            step.out_channels = random.between(1, in.channels - step.first_channel);
            break;
        case StepKind::channel_shuffle:
            step.groups = in.channels % 3 == 0 ? 3 : in.channels % 2 == 0 ? 2 : in.channels;
            break;
        case StepKind::multiply:
            step.one_pixel = random.chance(50);
            break;
        case StepKind::concat:
            step.parts = {in.channels};
            for (int more = random.between(1, 3); more > 0; --more) {
                step.parts.push_back(random.channels(70));
            }
            break;
        case StepKind::batch_norm:
            owned.scales = quarters(random, in.channels, 8);
            owned.biases = quarters(random, in.channels, 8);
            step.scales = owned.scales;
            step.biases = owned.biases;
            break;
        default:
            break;
    }
    owned.chain.steps = {step};
}

// What may follow a step: batch norms, a sum, an activation.
inline void add_followers(Owned& owned, Random& random) {
    std::vector<Step>& steps = owned.chain.steps;
    const int channels = output_of(owned.chain).channels;
    const bool adds = !has_second(steps[0].kind) && random.chance(50);
    for (std::vector<float>& numbers : owned.norms) {
        if (random.chance(50)) {
            numbers = quarters(random, 2 * channels, 4);
            const std::span<const float> all{numbers};
            steps.push_back({.kind = StepKind::batch_norm,
                             .scales = all.first(all.size() / 2),
                             .biases = all.last(all.size() / 2)});
        }
    }
    if (adds) {
        steps.push_back({.kind = StepKind::add});
    }
    if (random.chance(60)) {
        steps.push_back(
            {.kind = random.one_of(
                 {StepKind::relu, StepKind::relu, StepKind::hard_swish, StepKind::tanh})});
    } else if (random.chance(60)) {
        owned.ends = {-20.5F, 60};
        steps.push_back({.kind = StepKind::clip, .limits = owned.ends});
    }
}

inline Tensor random_input(Random& random, const Shape& shape, int batch) {
    if (shape.element != Element::f32) {
        return converted(
            shape, batch, Layout::plain, Layout::nhwc, random_tensor(random, shape, batch));
    }
    Tensor tensor(tensor_bytes(shape, Layout::nhwc, batch));
    const int count = batch * shape.height * shape.width * shape.channels;
    const std::vector<float> values = quarters(random, count, 40);
    std::memcpy(tensor.data(), values.data(), values.size() * 4);
    return tensor;
}

// What of `made` is not in `expected`, but for what may round.
inline int differences(const Tensor& made, const Tensor& expected, const Shape& shape, int batch) {
    if (shape.element == Element::binary) {
        const std::size_t bytes =
            static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
            static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.words()) * 8;
        return std::memcmp(made.data(), expected.data(), bytes) == 0 ? 0 : 1;
    }
    const std::vector<float> a = reals_of(made, shape, batch), b = reals_of(expected, shape, batch);
    int count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        count += std::abs(a[i] - b[i]) > 1e-5F * (1 + std::abs(b[i])) ? 1 : 0;
    }
    return count;
}

// A batch norm that became part of the weights rounds elsewhere.
inline bool may_round(const Chain& chain) {
    using enum StepKind;
    const StepKind may[] = {
        softmax, log_softmax, sigmoid, StepKind::tanh, hard_sigmoid, hard_swish};
    return chain.steps.size() > 1 || std::ranges::find(may, chain.steps[0].kind) != std::end(may);
}

// ---- Cases -------------------------------------------------------------------------------------

// What a step is and reads.
inline constexpr std::pair<StepKind, Element> kKinds[] = {
    {StepKind::conv2d, Element::f32},
    {StepKind::conv2d, Element::binary},
    {StepKind::conv2d, Element::u8},
    {StepKind::linear, Element::f32},
    {StepKind::linear, Element::binary},
    {StepKind::threshold, Element::f32},
    {StepKind::max_pool2d, Element::f32},
    {StepKind::average_pool2d, Element::f32},
    {StepKind::global_average_pool, Element::f32},
    {StepKind::add, Element::f32},
    {StepKind::flatten, Element::f32},
    {StepKind::relu, Element::f32},
    {StepKind::clip, Element::f32},
    {StepKind::sigmoid, Element::f32},
    {StepKind::tanh, Element::f32},
    {StepKind::hard_sigmoid, Element::f32},
    {StepKind::hard_swish, Element::f32},
    {StepKind::multiply, Element::f32},
    {StepKind::concat, Element::f32},
    {StepKind::channels, Element::f32},
    {StepKind::channel_shuffle, Element::f32},
    {StepKind::batch_norm, Element::f32},
    {StepKind::softmax, Element::f32},
    {StepKind::log_softmax, Element::f32}};

inline bool is_product(StepKind kind) {
    return kind == StepKind::conv2d || kind == StepKind::linear;
}

// Steps that nothing follows.
inline bool ends(StepKind kind) { return kind == StepKind::threshold || kind == StepKind::concat; }

// A chain with its inputs and what the reference makes of it, in layout nhwc.
struct RealCase {
    Owned owned;
    Shape output;
    Tensor input;
    std::vector<Tensor> others;  // inputs: of the result's shape, of one pixel, or to be joined
    Tensor expected;

    std::vector<const std::byte*> more() const {
        std::vector<const std::byte*> addresses;
        for (std::size_t i = 1; i < others.size(); ++i) {
            addresses.push_back(others[i].data());
        }
        return addresses;
    }
};

inline void set_expected(RealCase& test, ThreadPool& pool) {
    const Chain& chain = test.owned.chain;
    test.output = output_of(chain);
    const Tensor plain =
        converted(chain.input, chain.batch, Layout::nhwc, Layout::plain, test.input);
    Tensor made(tensor_bytes(test.output, Layout::plain, chain.batch));
    Kernel(*find_variant("reference"), chain, {.threads = 1})
        .run({plain.data(), test.others.front().data(), made.data(), test.more()}, pool);
    test.expected = converted(test.output, chain.batch, Layout::plain, Layout::nhwc, made);
}

inline RealCase random_case(std::size_t kind, std::uint64_t seed, bool followed, ThreadPool& pool) {
    Random random(seed);
    Owned owned;
    random_step(owned, random, kKinds[kind].first, kKinds[kind].second);
    if (followed) {
        add_followers(owned, random);
    }
    const Chain& chain = owned.chain;
    const Shape output = output_of(chain);
    Tensor input = random_input(random, chain.input, chain.batch);
    const Step& step = chain.steps.front();
    std::vector<Tensor> others;
    for (std::size_t other = 1; other < std::max<std::size_t>(2, step.parts.size()); ++other) {
        Shape shape = output;
        shape.element = Element::f32;
        if (step.one_pixel) {
            shape.height = shape.width = 1;
        }
        if (!step.parts.empty()) {
            shape.channels = step.parts[other];
        }
        others.push_back(random_input(random, shape, chain.batch));
    }
    RealCase test{.owned = std::move(owned),
                  .output = output,
                  .input = std::move(input),
                  .others = std::move(others),
                  .expected = Tensor{0}};
    set_expected(test, pool);
    return test;
}

}  // namespace kernels_test::reals
