// Steps on u8 and int8 that stand for other numbers: the reference by hand, and every variant that
// takes them against it, bit by bit.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string_view>

using namespace kernels;
using namespace kernels_test;

namespace {

std::size_t elements(const Shape& shape, int batch) {
    return static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
           static_cast<std::size_t>(shape.width) * static_cast<std::size_t>(shape.channels);
}

// A step on one image, by hand: what goes in and comes out are bytes or floats.
template <typename To, typename From>
std::vector<To> run(const Step& step,
                    const Shape& input,
                    const std::vector<From>& values,
                    const std::vector<From>& second = {}) {
    const Chain chain{.input = input, .steps = {step}, .batch = 1};
    const auto filled = [](const std::vector<From>& from) {
        Tensor tensor((from.size() * sizeof(From) + 63) / 64 * 64);
        std::copy_n(reinterpret_cast<const std::byte*>(from.data()),
                    from.size() * sizeof(From),
                    tensor.data());
        return tensor;
    };
    const Tensor in = filled(values), other = filled(second);
    const Shape output = output_of(chain);
    ThreadPool pool(1);
    std::vector<To> first;
    for (const Variant& variant : variants()) {
        if (!variant.supported() || !(is_for_bytes(variant) || variant.name == "reference")) {
            continue;
        }
        CAPTURE(std::string(variant.name));
        REQUIRE(variant.accepts(chain));
        Tensor out(tensor_bytes(output, variant.layout, 1));
        Kernel(variant, chain, {.threads = 1}).run({in.data(), other.data(), out.data()}, pool);
        std::vector<To> made(elements(output, 1));
        std::memcpy(made.data(), out.data(), made.size() * sizeof(To));
        first = first.empty() ? made : first;
        CHECK(made == first);
    }
    return first;
}

// ---- Random steps ------------------------------------------------------------------------------

struct Owned {
    Chain chain;
    std::vector<std::int8_t> weights;
    std::vector<float> scales, biases, limits;
};

Element any_byte(Random& random) { return random.one_of({Element::u8, Element::int8}); }

float byte_of(Random& random, Element element) {
    return static_cast<float>(element == Element::u8 ? random.between(0, 255)
                                                     : random.between(-128, 127));
}

// A zero, and limits that are mostly those of the element.
void add_result(Random& random, Element element, std::vector<float>& limits) {
    const bool is_u8 = element == Element::u8;
    limits.push_back(byte_of(random, element));
    limits.push_back(random.chance(30) ? limits.back() : is_u8 ? 0.0F : -128.0F);
    limits.push_back(is_u8 ? 255.0F : 127.0F);
}

void set_product(Owned& owned, Random& random, Step& step) {
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

// Spans point into `owned`, which must stay where it is.
void random_step(Owned& owned, Random& random, StepKind kind) {
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

Tensor random_input(Random& random, const Shape& shape, int batch) {
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

}  // namespace

TEST_CASE("a product of bytes counts from the zero, and so does its padding") {
    // 130 and 127 are 2 and -1 above 128; a window of three sees padding on both sides.
    const std::vector<std::int8_t> weights{1, 10, 100};
    const std::vector<float> zero{128};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 1,
                    .kernel_height = 1,
                    .kernel_width = 3,
                    .columns_stride = 1,
                    .left = 1,
                    .right = 1,
                    .bytes = true,
                    .result = Element::int32,
                    .byte_weights = weights,
                    .limits = zero};
    CHECK(run<std::int32_t>(step, {1, 2, 1, Element::u8}, std::vector<std::uint8_t>{130, 127}) ==
          std::vector<std::int32_t>{2 * 10 - 100, 2 - 10});
}

TEST_CASE("a product of bytes is rounded to the nearest, to even in the middle, and cut off") {
    const std::vector<std::int8_t> weights{1};
    const std::vector<float> scales{0.5F}, biases{0}, limits{0, 3, 0, 7};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 1,
                    .real = true,
                    .bytes = true,
                    .result = Element::int8,
                    .byte_weights = weights,
                    .scales = scales,
                    .biases = biases,
                    .limits = limits};
    // Halves of them: 0.5, 1.5, -0.5, -4, 5
    CHECK(run<std::int8_t>(
              step, {1, 5, 1, Element::int8}, std::vector<std::int8_t>{1, 3, -1, -8, 10}) ==
          std::vector<std::int8_t>{3, 5, 3, 0, 7});
}

TEST_CASE("pairs of products that 16 bits do not hold") {
    const std::vector<std::int8_t> weights(64, 127);
    const std::vector<float> zero{0};
    const Step step{.kind = StepKind::linear,
                    .out_channels = 1,
                    .bytes = true,
                    .result = Element::int32,
                    .byte_weights = weights,
                    .limits = zero};
    CHECK(run<std::int32_t>(step, {1, 1, 64, Element::u8}, std::vector<std::uint8_t>(64, 255)) ==
          std::vector<std::int32_t>{64 * 127 * 255});
}

TEST_CASE("to bytes and back") {
    const std::vector<float> limits{0.5F, 128};
    const Step to{.kind = StepKind::quantize, .result = Element::u8, .limits = limits};
    const Shape reals{1, 5, 1, Element::f32};
    CHECK(run<std::uint8_t>(to, reals, std::vector<float>{0, 0.25F, 0.75F, -1e9F, 1e9F}) ==
          std::vector<std::uint8_t>{128, 128, 130, 0, 255});
    const Step back{.kind = StepKind::dequantize, .limits = limits};
    CHECK(run<float>(back, {1, 3, 1, Element::u8}, std::vector<std::uint8_t>{128, 0, 255}) ==
          std::vector<float>{0, -64, 63.5F});
}

TEST_CASE("a sum of bytes, each in its own steps") {
    // 2 (a - 1) + 0.5 (b + 2), zero 10
    const std::vector<float> limits{2, 1, 0.5F, -2, 10, -128, 127};
    const Step step{.kind = StepKind::add, .result = Element::int8, .limits = limits};
    CHECK(run<std::int8_t>(step,
                           {1, 3, 1, Element::int8},
                           std::vector<std::int8_t>{1, 4, 100},
                           std::vector<std::int8_t>{-2, 1, 0}) ==
          std::vector<std::int8_t>{10, 18, 127});
}

TEST_CASE("an average of bytes") {
    const std::vector<float> limits{0.25F, 1, 2, 0, 255};
    const Step step{.kind = StepKind::global_average_pool, .result = Element::u8, .limits = limits};
    CHECK(run<std::uint8_t>(
              step, {2, 2, 2, Element::u8}, std::vector<std::uint8_t>{1, 5, 2, 5, 3, 5, 4, 5}) ==
          std::vector<std::uint8_t>{4, 6});  // 6 / 4 is 1.5
}

TEST_CASE("every variant for bytes gives the reference's results on random steps") {
    using enum StepKind;
    std::map<std::string_view, int> runs;
    ThreadPool pool(4);
    for (const StepKind kind : {conv2d,
                                conv2d,
                                conv2d,
                                linear,
                                max_pool2d,
                                add,
                                global_average_pool,
                                quantize,
                                dequantize,
                                flatten,
                                reshape}) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            Random random(seed * 100 + static_cast<std::uint64_t>(kind));
            Owned owned;
            random_step(owned, random, kind);
            const Chain& chain = owned.chain;
            const Shape output = output_of(chain);
            CAPTURE(seed);
            CAPTURE(static_cast<int>(kind));
            const Tensor input = random_input(random, chain.input, chain.batch),
                         second = random_input(random, chain.input, chain.batch);
            Tensor expected(tensor_bytes(output, Layout::nhwc, chain.batch));
            Kernel(*find_variant("reference"), chain, {.threads = 1})
                .run({input.data(), second.data(), expected.data()}, pool);
            for (const Variant& variant : variants()) {
                if (!variant.supported() || variant.name == "reference") {
                    continue;
                }
                CAPTURE(std::string(variant.name));
                REQUIRE(variant.accepts(chain) == is_for_bytes(variant));
                if (!is_for_bytes(variant)) {
                    continue;
                }
                for (const Configuration& configuration : configurations(chain, 4)) {
                    CAPTURE(configuration.name());
                    const Kernel kernel(variant, chain, configuration);
                    Tensor made(tensor_bytes(output, Layout::nhwc, chain.batch));
                    for (int repeat = 0; repeat < 2; ++repeat) {
                        std::memset(made.data(), 0xa5, made.size());
                        kernel.run({input.data(), second.data(), made.data()}, pool);
                        const std::size_t bytes =
                            elements(output, chain.batch) *
                            (output.element == Element::int32 || output.element == Element::f32
                                 ? 4
                                 : 1);
                        CHECK(std::memcmp(made.data(), expected.data(), bytes) == 0);
                    }
                    ++runs[variant.name];
                }
            }
        }
    }
    CHECK(runs["int8"] >= 400);
}

TEST_CASE("steps on bytes that do not fit say why") {
    const auto message = [](const Shape& input, const Step& step) {
        try {
            (void)output_of(Chain{.input = input, .steps = {step}, .batch = 1});
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    const std::vector<float> two{1, 0}, three{1, 0, 0};
    const Shape bytes{1, 1, 4, Element::u8}, reals{1, 1, 4, Element::f32};
    CHECK(message(bytes, {.kind = StepKind::quantize, .result = Element::u8, .limits = two}) ==
          "quantize: expected f32 input, got u8");
    CHECK(message(reals, {.kind = StepKind::quantize, .limits = two}) ==
          "quantize: expected a result of u8 or int8");
    CHECK(message(bytes, {.kind = StepKind::dequantize, .limits = three}) ==
          "dequantize: expected 2 limits, got 3");
    CHECK(message(reals, {.kind = StepKind::linear, .out_channels = 2, .bytes = true}) ==
          "linear: expected u8 or int8 input, got f32");
    const std::vector<std::uint64_t> bits(2);
    CHECK(message(bytes,
                  {.kind = StepKind::linear, .out_channels = 2, .bytes = true, .weights = bits}) ==
          "linear: expected weights of one kind");
}
