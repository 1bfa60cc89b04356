// Steps on f32: the reference by hand, and every variant that takes them against it. Numbers are
// such that no order of summing rounds: small multiples of a quarter.

#include "kernels_reals.hpp"

#include "kernels/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>

using namespace kernels;
using namespace kernels_test;
using namespace kernels_test::reals;

namespace {

Tensor tensor_of(const std::vector<float>& values) {
    Tensor tensor((values.size() * 4 + 63) / 64 * 64);
    if (!values.empty()) {
        std::memcpy(tensor.data(), values.data(), values.size() * 4);
    }
    return tensor;
}

// What every variant that takes it makes of one step on f32, one image; all must agree.
std::vector<float> run(const Step& step,
                       const Shape& input,
                       const std::vector<float>& values,
                       const std::vector<float>& second = {}) {
    const Chain chain{.input = input, .steps = {step}, .batch = 1};
    const Shape output = output_of(chain);
    const Tensor in = tensor_of(values), other = tensor_of(second);
    ThreadPool pool(1);
    std::vector<float> result;
    REQUIRE(find_variant("reference")->accepts(chain));
    REQUIRE(find_variant("loops")->accepts(chain));
    for (const Variant& variant : variants()) {
        if (!variant.supported() || !variant.accepts(chain)) {
            continue;
        }
        CAPTURE(std::string(variant.name));
        Tensor out(tensor_bytes(output, variant.layout, 1));
        const Tensor there = converted(input, 1, Layout::nhwc, variant.layout, in);
        Kernel(variant, chain, {.threads = 1}).run({there.data(), other.data(), out.data()}, pool);
        std::vector<float> made;
        if (output.element == Element::f32) {
            made = reals_of(converted(output, 1, variant.layout, Layout::nhwc, out), output, 1);
        } else {
            const Tensor plain = converted(output, 1, variant.layout, Layout::plain, out);
            for (int i = 0; i < output.height * output.width * output.channels; ++i) {
                made.push_back(static_cast<float>(static_cast<std::int8_t>(plain.data()[i])));
            }
        }
        if (result.empty()) {
            result = made;
        }
        REQUIRE(made.size() == result.size());
        for (std::size_t i = 0; i < made.size(); ++i) {
            CHECK(made[i] == doctest::Approx(result[i]).epsilon(1e-6));
        }
    }
    return result;
}

// Of one image.
std::size_t block_bytes(const Shape& shape, Layout layout) {
    const auto block = static_cast<std::size_t>(block_of(layout));
    const std::size_t blocks = (static_cast<std::size_t>(shape.channels) + block - 1) / block;
    return blocks * block * static_cast<std::size_t>(shape.height) *
           static_cast<std::size_t>(shape.width) * 4;
}

}  // namespace

TEST_CASE("a real convolution is scaled, and its bias added") {
    //  1 2     weights  1    0.5     1*1 + 2*0.5 - 3 + 4*2 = 7      2 * 7 + 0.25
    //  3 4             -1    2
    const std::vector<float> weights{1, 0.5F, -1, 2}, scales{2}, biases{0.25F};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 1,
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .real = true,
                    .real_weights = weights,
                    .scales = scales,
                    .biases = biases};
    CHECK(run(step, {2, 2, 1, Element::f32}, {1, 2, 3, 4}) == std::vector<float>{14.25F});
}

TEST_CASE("groups keep to their own channels") {
    // Two groups of two channels: (1, 2) with (1, 1), (3, 4) with (1, -1).
    const std::vector<float> weights{1, 1, 1, -1};
    const Step step{.kind = StepKind::conv2d,
                    .out_channels = 2,
                    .groups = 2,
                    .real = true,
                    .real_weights = weights};
    CHECK(run(step, {1, 1, 4, Element::f32}, {1, 2, 3, 4}) == std::vector<float>{3, -1});
}

TEST_CASE("thresholds of f32, both ways, with ties and infinities") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> limits{0.5F, 0.5F, kInfinity, -kInfinity};
    const std::vector<std::uint64_t> flips{0b0010};
    const Step step{.kind = StepKind::threshold, .flips = flips, .limits = limits};
    const Shape shape{1, 3, 4, Element::f32};
    CHECK(run(step, shape, {0.5F, 0.5F, 9, -9, 0.25F, 0.25F, 9, -9, 1, 1, kInfinity, -kInfinity}) ==
          std::vector<float>{1, 1, -1, 1, -1, 1, -1, 1, 1, -1, 1, 1});
}

TEST_CASE("averages are over what is inside, softmax over the channels") {
    const Step pool{.kind = StepKind::average_pool2d,
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .stride = 1,
                    .padding = 1};
    CHECK(run(pool, {1, 2, 1, Element::f32}, {2, 4}) == std::vector<float>{2, 3, 4, 2, 3, 4});
    CHECK(run({.kind = StepKind::global_average_pool}, {2, 1, 2, Element::f32}, {1, 2, 5, 8}) ==
          std::vector<float>{3, 5});
    const std::vector<float> soft =
        run({.kind = StepKind::softmax}, {1, 1, 3, Element::f32}, {0, std::log(2.0F), 100});
    CHECK(soft[2] == doctest::Approx(1));
    const std::vector<float> logs =
        run({.kind = StepKind::log_softmax}, {1, 1, 2, Element::f32}, {1000, 1000});
    CHECK(logs[0] == doctest::Approx(-std::log(2.0)));
}

TEST_CASE("what is done to each number") {
    const Shape shape{1, 1, 3, Element::f32};
    const std::vector<float> values{-1, 0.5F, 9}, limits{0, 6}, scales{1, 2, 3}, biases{4, 5, 6};
    CHECK(run({.kind = StepKind::relu}, shape, values) == std::vector<float>{0, 0.5F, 9});
    CHECK(run({.kind = StepKind::clip, .limits = limits}, shape, values) ==
          std::vector<float>{0, 0.5F, 6});
    CHECK(run({.kind = StepKind::batch_norm, .scales = scales, .biases = biases}, shape, values) ==
          std::vector<float>{3, 6, 33});
    CHECK(run({.kind = StepKind::add}, shape, values, {1, 1, 1}) ==
          std::vector<float>{0, 1.5F, 10});
}

TEST_CASE("activations of f32") {
    const Shape shape{1, 1, 3, Element::f32};
    const std::vector<float> values{-6, 0, 3}, limits{0.25F, 0.5F};
    CHECK(run({.kind = StepKind::sigmoid}, shape, values)[1] == 0.5F);
    CHECK(run({.kind = StepKind::sigmoid}, shape, values)[2] == doctest::Approx(0.9525741));
    CHECK(run({.kind = StepKind::tanh}, shape, values)[2] == doctest::Approx(0.9950548));
    CHECK(run({.kind = StepKind::hard_sigmoid, .limits = limits}, shape, values) ==
          std::vector<float>{0, 0.5F, 1});
    CHECK(run({.kind = StepKind::hard_swish}, shape, values) == std::vector<float>{0, 0, 3});
}

TEST_CASE("tensors are multiplied by others and by one pixel, joined, parted and shuffled") {
    const Shape shape{2, 1, 2, Element::f32};
    CHECK(run({.kind = StepKind::multiply}, shape, {1, 2, 3, 4}, {5, 6, 7, 8}) ==
          std::vector<float>{5, 12, 21, 32});
    CHECK(run({.kind = StepKind::multiply, .one_pixel = true}, shape, {1, 2, 3, 4}, {5, 6}) ==
          std::vector<float>{5, 12, 15, 24});
    CHECK(run({.kind = StepKind::concat, .parts = {2, 1}}, shape, {1, 2, 3, 4}, {5, 6}) ==
          std::vector<float>{1, 2, 5, 3, 4, 6});
    const Shape row{1, 1, 6, Element::f32};
    CHECK(run({.kind = StepKind::channels, .out_channels = 2, .first_channel = 3},
              row,
              {1, 2, 3, 4, 5, 6}) == std::vector<float>{4, 5});
    CHECK(run({.kind = StepKind::channel_shuffle, .groups = 2}, row, {1, 2, 3, 4, 5, 6}) ==
          std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("every variant that takes f32 equals the reference in every configuration") {
    ThreadPool pool(4, std::chrono::microseconds{0});
    std::map<std::string_view, int> compared;
    for (std::size_t k = 0; k < std::size(kKinds); ++k) {
        for (std::uint64_t i = 0; i < 100; ++i) {
            const StepKind kind = kKinds[k].first;
            const std::uint64_t alone = is_product(kind) ? 50 : 25, all = is_product(kind) ? 100
                                                                          : ends(kind)     ? 25
                                                                                           : 40;
            if (i >= all) {
                break;
            }
            const RealCase test = random_case(k, k * 1000 + i, i >= alone, pool);
            const Chain& chain = test.owned.chain;
            const Shape& output = test.output;
            const Tensor &input = test.input, &second = test.others.front(),
                         &expected = test.expected;
            const std::vector<const std::byte*> more = test.more();
            Shape same = output;
            same.element = Element::f32;
            for (const Variant& variant : variants()) {
                if (!variant.supported() || !variant.accepts(chain) ||
                    variant.layout == Layout::plain) {
                    continue;
                }
                const bool in_blocks = block_of(variant.layout) > 1;
                const Tensor in =
                    converted(chain.input, chain.batch, Layout::nhwc, variant.layout, input);
                const Tensor other =
                    in_blocks ? converted(same, chain.batch, Layout::nhwc, variant.layout, second)
                              : Tensor{0};
                for (const Configuration& configuration : configurations(chain, 4, variant.axes)) {
                    CAPTURE(k);
                    CAPTURE(i);
                    CAPTURE(configuration.name());
                    Tensor there(tensor_bytes(output, variant.layout, chain.batch));
                    std::memset(there.data(), 0xa5, there.size());
                    const Kernel kernel(variant, chain, configuration);
                    for (int repeat = 0; repeat < 2; ++repeat) {
                        kernel.run({in.data(),
                                    in_blocks ? other.data() : second.data(),
                                    there.data(),
                                    more},
                                   pool);
                        const Tensor result =
                            converted(output, chain.batch, variant.layout, Layout::nhwc, there);
                        // What fills up blocks is zero.
                        const Tensor again =
                            converted(output, chain.batch, Layout::nhwc, variant.layout, result);
                        if (block_of(variant.layout) > 1) {
                            REQUIRE(std::memcmp(again.data(),
                                                there.data(),
                                                block_bytes(output, variant.layout) *
                                                    static_cast<std::size_t>(chain.batch)) == 0);
                        }
                        if (may_round(chain) || output.element == Element::binary) {
                            REQUIRE(differences(result, expected, output, chain.batch) == 0);
                        } else {
                            REQUIRE(reals_of(result, output, chain.batch) ==
                                    reals_of(expected, output, chain.batch));
                        }
                    }
                    ++compared[variant.name];
                }
            }
        }
    }
    CHECK(compared["loops"] > 500);
    if (!find_variant("onednn")->supported()) {
        MESSAGE("onednn: skipped, there is no library");
    }
    for (const Variant& variant : variants()) {
        if (variant.supported() && variant.layout == Layout::nhwc && !is_for_bytes(variant)) {
            CHECK(compared[variant.name] > 50);  // those of bits scale their sums
        }
    }
}

TEST_CASE("what does not fit f32 is refused") {
    const auto refused = [](const Step& step, const Shape& input) {
        try {
            (void)output_of({.input = input, .steps = {step}, .batch = 1});
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    const Shape bits{2, 2, 4, Element::binary}, reals{2, 2, 4, Element::f32};
    CHECK(refused({.kind = StepKind::relu}, bits) == "relu: expected f32 input, got binary");
    CHECK(refused({.kind = StepKind::conv2d, .out_channels = 2}, reals) ==
          "conv2d: expected a real result of f32 input");
    CHECK(refused({.kind = StepKind::conv2d, .out_channels = 2, .groups = 2}, bits) ==
          "conv2d: expected groups that divide the channels, and one of bits where the result is "
          "int32");
    const std::vector<float> three{1, 2, 3};
    CHECK(refused({.kind = StepKind::clip, .limits = three}, reals) ==
          "clip: expected 2 limits, got 3");
    CHECK(refused({.kind = StepKind::linear, .out_channels = 1, .real_weights = three}, bits) ==
          "linear: expected 16 weights, got 3");
}
