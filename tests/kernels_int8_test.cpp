// Steps on u8 and int8 that stand for other numbers: the reference by hand, and every variant that
// takes them against it, bit by bit.

#include "kernels_int8.hpp"

#include "kernels/registry.hpp"

#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string_view>

using namespace kernels;
using namespace kernels_test;
using namespace kernels_test::bytes;

namespace {

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
    std::map<std::string_view, int> runs;
    ThreadPool pool(4);
    for (const StepKind kind : kKinds) {
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            const ByteCase test = random_case(kind, seed, pool);
            const Chain& chain = test.owned.chain;
            CAPTURE(seed);
            CAPTURE(static_cast<int>(kind));
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
                    Tensor made(test.expected.size());
                    for (int repeat = 0; repeat < 2; ++repeat) {
                        std::memset(made.data(), 0xa5, made.size());
                        kernel.run({test.input.data(), test.second.data(), made.data()}, pool);
                        CHECK(std::memcmp(
                                  made.data(), test.expected.data(), test.expected_bytes()) == 0);
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
