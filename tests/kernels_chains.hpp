#pragma once

// Random chains of integers for the kernel tests: shapes, parameters and data from a seed, with all
// the odd sizes, and tensors in memory of exactly the size they should have. Those of f32 are in
// kernels_reals_test.cpp.

#include "kernels/registry.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace kernels_test {

// A tensor's memory, aligned to 64 bytes and not one byte longer than tensor_bytes() says, so
// that the address sanitizer sees every read behind it.
class Tensor {
public:
    explicit Tensor(std::size_t size)
        : data_(static_cast<std::byte*>(::operator new (size, std::align_val_t{64}))), size_(size) {
        std::memset(data_.get(), 0, size);
    }
    std::byte* data() { return data_.get(); }
    const std::byte* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    struct Free {
        void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_;
};

// A chain and what its spans point to.
struct OwnedChain {
    kernels::Chain chain;
    std::vector<std::unique_ptr<std::vector<std::uint64_t>>> words;
    std::vector<std::unique_ptr<std::vector<std::int32_t>>> integers;
};

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    int between(int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(engine_);
    }
    bool chance(int percent) { return between(1, 100) <= percent; }
    std::uint64_t word() { return engine_(); }
    template <typename T>
    T one_of(std::initializer_list<T> values) {
        return values.begin()[between(0, static_cast<int>(values.size()) - 1)];
    }
    // Sizes around the word boundaries are where packed code goes wrong.
    int channels(int most) {
        const int favourite = one_of({1, 3, 8, 10, 16, 63, 64, 65, 127, 128, 129, 192});
        return chance(50) && favourite <= most ? favourite : between(1, most);
    }

private:
    std::mt19937_64 engine_;
};

// Of those that take steps on u8 and int8 that stand for others (kernels_int8_test.cpp).
inline bool is_for_bytes(const kernels::Variant& variant) {
    return variant.name.starts_with("int8");
}

inline std::vector<std::uint64_t> random_bits(Random& random, std::size_t rows, std::size_t bits) {
    const std::size_t words = (bits + 63) / 64;
    std::vector<std::uint64_t> result;
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t word = 0; word < words; ++word) {
            const std::size_t used = std::min<std::size_t>(64, bits - word * 64);
            result.push_back(random.word() & (~std::uint64_t{0} >> (64 - used)));
        }
    }
    return result;
}

// Adds weights for `fan_in` inputs to a step that knows its output channels.
inline void add_weights(OwnedChain& owned, Random& random, kernels::Step& step, int fan_in) {
    owned.words.push_back(std::make_unique<std::vector<std::uint64_t>>(random_bits(
        random, static_cast<std::size_t>(step.out_channels), static_cast<std::size_t>(fan_in))));
    step.weights = *owned.words.back();
}

// Adds thresholds that make about half of the bits 1 for values of about `spread`, many ties among
// them, some flipped, some constant.
inline void add_thresholds(
    OwnedChain& owned, Random& random, kernels::Step& step, int channels, int spread) {
    owned.integers.push_back(std::make_unique<std::vector<std::int32_t>>());
    for (int c = 0; c < channels; ++c) {
        owned.integers.back()->push_back(
            random.chance(6) ? random.one_of({INT32_MIN, INT32_MIN + 1, INT32_MAX - 1, INT32_MAX})
                             : random.between(-spread, spread));
    }
    owned.words.push_back(std::make_unique<std::vector<std::uint64_t>>(
        random_bits(random, 1, static_cast<std::size_t>(channels))));
    step.thresholds = *owned.integers.back();
    step.flips = *owned.words.back();
}

// Random contents for a tensor in the layout `plain`.
inline Tensor random_tensor(Random& random, const kernels::Shape& shape, int batch) {
    Tensor tensor(kernels::tensor_bytes(shape, kernels::Layout::plain, batch));
    const std::size_t elements =
        static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
        static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.channels);
    for (std::size_t i = 0; i < elements; ++i) {
        if (shape.element == kernels::Element::int32) {
            const auto value = static_cast<std::int32_t>(
                random.chance(95) ? random.between(-40, 40) : static_cast<int>(random.word()));
            std::memcpy(tensor.data() + 4 * i, &value, 4);
        } else if (shape.element == kernels::Element::u8) {
            tensor.data()[i] = static_cast<std::byte>(random.word());
        } else {
            tensor.data()[i] = static_cast<std::byte>(random.chance(50) ? 1 : -1);
        }
    }
    return tensor;
}

inline Tensor converted(const kernels::Shape& shape,
                        int batch,
                        kernels::Layout from,
                        kernels::Layout to,
                        const Tensor& tensor) {
    Tensor result(kernels::tensor_bytes(shape, to, batch));
    kernels::convert(shape, batch, from, to, tensor.data(), result.data());
    return result;
}

inline std::string describe(const kernels::Chain& chain) {
    using kernels::StepKind;
    const auto shape_text = [](const kernels::Shape& shape) {
        const char* names[] = {"binary", "u8", "int32", "f32"};
        return std::to_string(shape.height) + "x" + std::to_string(shape.width) + "x" +
               std::to_string(shape.channels) + " " + names[static_cast<int>(shape.element)];
    };
    std::string text = shape_text(chain.input) + " batch " + std::to_string(chain.batch);
    for (const kernels::Step& step : chain.steps) {
        const char* names[] = {"conv2d", "linear", "threshold", "max_pool2d", "add", "flatten"};
        text += std::string(" | ") + names[static_cast<int>(step.kind)];
        if (step.out_channels > 0) {
            text += " " + std::to_string(step.out_channels);
        }
        if (step.kind == StepKind::conv2d || step.kind == StepKind::max_pool2d) {
            text += " k" + std::to_string(step.kernel_height) + "x" +
                    std::to_string(step.kernel_width) + " s" + std::to_string(step.stride) + " p" +
                    std::to_string(step.padding) + " v" + std::to_string(step.pad_value);
        }
    }
    return text + (chain.second_result < 0 ? "" : ", and what it thresholds");
}

// ---- Random chains, by what they are made of --------------------------------------------------

struct Kind {
    const char* name;
    std::vector<kernels::StepKind> steps;
    kernels::Element input;
    bool has_two_results = false;  // what the threshold at its end reads, too
};

inline const std::vector<Kind>& kinds() {
    using enum kernels::StepKind;
    using kernels::Element;
    static const std::vector<Kind> kKinds = {
        {"conv2d", {conv2d}, Element::binary},
        {"conv2d on u8", {conv2d}, Element::u8},
        {"linear", {linear}, Element::binary},
        {"linear on u8", {linear}, Element::u8},
        {"threshold", {threshold}, Element::int32},
        {"max_pool2d on bits", {max_pool2d}, Element::binary},
        {"max_pool2d on u8", {max_pool2d}, Element::u8},
        {"max_pool2d on int32", {max_pool2d}, Element::int32},
        {"add", {add}, Element::int32},
        {"flatten of bits", {flatten}, Element::binary},
        {"flatten of u8", {flatten}, Element::u8},
        {"flatten of int32", {flatten}, Element::int32},
        {"conv2d | threshold", {conv2d, threshold}, Element::binary},
        {"conv2d on u8 | threshold", {conv2d, threshold}, Element::u8},
        {"conv2d | threshold | max_pool2d", {conv2d, threshold, max_pool2d}, Element::binary},
        {"conv2d on u8 | threshold | max_pool2d", {conv2d, threshold, max_pool2d}, Element::u8},
        {"conv2d | add", {conv2d, add}, Element::binary},
        {"conv2d on u8 | add", {conv2d, add}, Element::u8},
        {"conv2d | add | threshold", {conv2d, add, threshold}, Element::binary},
        {"conv2d on u8 | add | threshold", {conv2d, add, threshold}, Element::u8},
        {"conv2d | add | threshold | max_pool2d",
         {conv2d, add, threshold, max_pool2d},
         Element::binary},
        {"linear | threshold", {linear, threshold}, Element::binary},
        {"linear on u8 | threshold", {linear, threshold}, Element::u8},
        {"linear | add | threshold", {linear, add, threshold}, Element::binary},
        {"flatten | linear", {flatten, linear}, Element::binary},
        {"flatten | linear | threshold", {flatten, linear, threshold}, Element::binary},
        {"flatten of u8 | linear | threshold", {flatten, linear, threshold}, Element::u8},
        {"threshold | max_pool2d", {threshold, max_pool2d}, Element::int32},
    };
    return kKinds;
}

// Those that some variants take with a second result.
inline const std::vector<Kind>& kinds_of_two_results() {
    using enum kernels::StepKind;
    using kernels::Element;
    static const std::vector<Kind> kKinds = {
        {"conv2d | threshold", {conv2d, threshold}, Element::binary, true},
        {"conv2d on u8 | threshold", {conv2d, threshold}, Element::u8, true},
        {"conv2d | add | threshold", {conv2d, add, threshold}, Element::binary, true},
        {"conv2d on u8 | add | threshold", {conv2d, add, threshold}, Element::u8, true},
        {"linear | threshold", {linear, threshold}, Element::binary, true},
        {"flatten | linear | add | threshold",
         {flatten, linear, add, threshold},
         Element::binary,
         true},
    };
    return kKinds;
}

// A kernel and padding that fit into a `height` x `width` input.
inline void random_window(Random& random, kernels::Step& step, int height, int width) {
    step.padding = random.one_of({0, 0, 1, 1, 2, 3});
    const int tallest = std::min(7, height + 2 * step.padding);
    const int widest = std::min(7, width + 2 * step.padding);
    const int usual = random.one_of({1, 2, 3, 3, 3, 5, 7});
    step.kernel_height = std::min(tallest, random.chance(70) ? usual : random.between(1, 7));
    step.kernel_width = std::min(widest, random.chance(70) ? usual : random.between(1, 7));
    step.stride = random.one_of({1, 1, 1, 2, 2, 3, 4});
    step.pad_value = random.between(-1, 1);
    if (step.kind == kernels::StepKind::max_pool2d) {
        if (random.chance(40)) {
            step.padding = 0;
            step.stride = step.kernel_height = step.kernel_width = std::min({2, height, width});
        }
        step.padding = std::min({step.padding, step.kernel_height - 1, step.kernel_width - 1});
        step.pad_value = 0;
        // A smaller padding must still leave room for the kernel.
        step.kernel_height = std::min(step.kernel_height, height + 2 * step.padding);
        step.kernel_width = std::min(step.kernel_width, width + 2 * step.padding);
        step.padding = std::min({step.padding, step.kernel_height - 1, step.kernel_width - 1});
    }
}

enum class Size { small, large };

inline OwnedChain random_chain(Random& random, const Kind& kind, Size size) {
    OwnedChain owned;
    kernels::Chain& chain = owned.chain;
    const bool pool =
        std::find(kind.steps.begin(), kind.steps.end(), kernels::StepKind::max_pool2d) !=
        kind.steps.end();
    const int largest = pool ? 14 : 10;
    chain.batch = random.one_of({1, 1, 1, 2, 3});
    chain.input = {random.between(1, largest),
                   random.between(1, largest),
                   kind.input == kernels::Element::u8 && random.chance(70) ? random.between(1, 4)
                                                                           : random.channels(200),
                   kind.input};
    if (random.chance(8)) {  // many images of one pixel, as between linear layers
        chain.input.height = chain.input.width = 1;
    }
    if (random.chance(4)) {  // batches that are larger than what is computed together
        chain.batch = random.between(30, 70);
    }

    if (size == Size::large) {  // more than what fits into the cache, or is done together
        chain.batch = random.one_of({1, 2});
        chain.input.height = random.between(20, 70);
        chain.input.width = random.between(20, 70);
    }

    kernels::Shape shape = chain.input;
    for (const kernels::StepKind step_kind : kind.steps) {
        kernels::Step step{.kind = step_kind};
        switch (step_kind) {
            case kernels::StepKind::conv2d:
            case kernels::StepKind::linear: {
                if (step_kind == kernels::StepKind::conv2d) {
                    random_window(random, step, shape.height, shape.width);
                }
                const int fan_in = step_kind == kernels::StepKind::linear
                                       ? shape.height * shape.width * shape.channels
                                       : step.kernel_height * step.kernel_width * shape.channels;
                // As many output channels as keep the reference quick.
                const double positions =
                    step_kind == kernels::StepKind::linear
                        ? 1.0
                        : double{1.0} * shape.height * shape.width / step.stride / step.stride;
                const double budget = 400'000 / (positions * fan_in * chain.batch);
                step.out_channels =
                    std::min(random.channels(200), std::max(10, static_cast<int>(budget)));
                add_weights(owned, random, step, fan_in);
                break;
            }
            case kernels::StepKind::threshold: {
                const kernels::Step* dot = chain.steps.empty() ? nullptr : &chain.steps.back();
                const int scale = kind.input == kernels::Element::u8 ? 150 : 1;
                const int spread =
                    dot == nullptr
                        ? 30
                        : static_cast<int>(scale * std::sqrt(double(dot->weights.size()))) + 1;
                add_thresholds(owned, random, step, shape.channels, spread);
                break;
            }
            case kernels::StepKind::max_pool2d:
                random_window(random, step, shape.height, shape.width);
                break;
            default:
                break;
        }
        chain.steps.push_back(step);
        shape = output_of(chain);
    }
    chain.second_result = kind.has_two_results ? static_cast<int>(chain.steps.size()) - 2 : -1;
    return owned;
}

// A chain with its inputs and the results that it must have, all in layout nhwc.
struct Case {
    OwnedChain owned;
    Tensor input, second, expected;
    kernels::Shape output;
    std::optional<Tensor> second_expected;

    const kernels::Chain& chain() const { return owned.chain; }
};

// Computed by the fastest variant of this CPU (`quick`), or by the reference.
inline Case with_result(OwnedChain owned, Random& random, bool quick) {
    const kernels::Chain& chain = owned.chain;
    const kernels::Variant* variant = kernels::find_variant("reference");
    for (const kernels::Variant& other : kernels::variants()) {
        if (quick && other.supported() && kernels::takes(other, chain) &&
            other.layout == kernels::Layout::nhwc) {
            variant = &other;
        }
    }
    kernels::Shape sum = kernels::output_of(chain);
    for (std::size_t i = 0; i < chain.steps.size(); ++i) {
        if (chain.steps[i].kind == kernels::StepKind::add) {
            sum = kernels::shapes_of(chain)[i];
        }
    }
    sum.element = kernels::Element::int32;
    const kernels::Shape output = kernels::output_of(chain);
    const auto packed = [&](const kernels::Shape& shape, const Tensor& plain) {
        return converted(shape, chain.batch, kernels::Layout::plain, kernels::Layout::nhwc, plain);
    };
    const Tensor plain = random_tensor(random, chain.input, chain.batch);
    Tensor input = packed(chain.input, plain);
    Tensor second = random_tensor(random, sum, chain.batch);

    Tensor result(kernels::tensor_bytes(output, variant->layout, chain.batch));
    std::optional<Tensor> second_result;  // int32, which is the same in both layouts
    if (chain.second_result >= 0) {
        second_result.emplace(
            kernels::tensor_bytes(kernels::second_output_of(chain), variant->layout, chain.batch));
    }
    kernels::ThreadPool alone(1);
    const Tensor& from = variant->layout == kernels::Layout::plain ? plain : input;
    kernels::Kernel(*variant, chain, {.threads = 1, .axes = ""})
        .run({.input = from.data(),
              .second_input = second.data(),
              .output = result.data(),
              .second_output = second_result ? second_result->data() : nullptr},
             alone);
    Tensor expected =
        variant->layout == kernels::Layout::plain ? packed(output, result) : std::move(result);
    return {std::move(owned),
            std::move(input),
            std::move(second),
            std::move(expected),
            output,
            std::move(second_result)};
}

inline Case random_case(std::uint64_t seed, const Kind& kind, Size size = Size::small) {
    Random random(seed);
    OwnedChain owned = random_chain(random, kind, size);
    return with_result(std::move(owned), random, false);
}

}  // namespace kernels_test
