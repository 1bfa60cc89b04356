// The reference against results worked out by hand. Everything else is compared with it.

#include "kernels/registry.hpp"
#include "kernels_chains.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace kernels;
using namespace kernels_test;

namespace {

// Runs a chain on one image of integers with every supported variant; all must agree.
std::vector<int> run(const Chain& chain,
                     const std::vector<int>& input,
                     const std::vector<int>& second = {}) {
    const auto fill = [](const std::vector<int>& values, Element element) {
        const std::size_t size = element == Element::int32 ? 4 : 1;
        Tensor tensor((values.size() * size + 63) / 64 * 64);
        for (std::size_t i = 0; i < values.size(); ++i) {
            std::memcpy(tensor.data() + i * size, &values[i], size);  // little endian
        }
        return tensor;
    };
    const Tensor plain = fill(input, chain.input.element);
    const Tensor other = fill(second, Element::int32);
    const Shape output = output_of(chain);
    ThreadPool pool(1);

    std::optional<std::vector<int>> result;
    for (const Variant& variant : variants()) {
        if (!variant.supported() || !variant.accepts(chain)) {
            continue;
        }
        CAPTURE(std::string(variant.name));
        const Tensor in = converted(chain.input, 1, Layout::plain, variant.layout, plain);
        Tensor out(tensor_bytes(output, variant.layout, 1));
        Kernel(variant, chain, {.threads = 1}).run({in.data(), other.data(), out.data()}, pool);
        const Tensor values = converted(output, 1, variant.layout, Layout::plain, out);
        std::vector<int> integers;
        for (int i = 0; i < output.height * output.width * output.channels; ++i) {
            std::int32_t value = 0;
            if (output.element == Element::int32) {
                std::memcpy(&value, values.data() + 4 * i, 4);
            } else if (output.element == Element::u8) {
                value = std::to_integer<int>(values.data()[i]);
            } else {
                value = static_cast<std::int8_t>(values.data()[i]);
            }
            integers.push_back(value);
        }
        if (!result) {
            result = integers;
        }
        CHECK(integers == *result);
    }
    return *result;
}

// A 3x3 convolution of one channel to one channel, all weights +1.
Chain sum_of_3x3(int pad_value, Element element) {
    static const std::vector<std::uint64_t> kOnes = {0x1ff};
    Step step;
    step.kind = StepKind::conv2d;
    step.out_channels = 1;
    step.kernel_height = step.kernel_width = 3;
    step.padding = 1;
    step.pad_value = pad_value;
    step.weights = kOnes;
    return {.input = {3, 3, 1, element}, .steps = {step}, .batch = 1};
}

Step threshold(const std::vector<std::int32_t>& thresholds,
               const std::vector<std::uint64_t>& flips) {
    Step step;
    step.kind = StepKind::threshold;
    step.thresholds = thresholds;
    step.flips = flips;
    return step;
}

}  // namespace

// All inputs +1, all weights +1: a window counts what lies inside it.
//
//     inside the image:   4 6 4       outside it:   5 3 5
//                         6 9 6                     3 0 3
//                         4 6 4                     5 3 5
TEST_CASE("padding counts as zero, minus one or plus one, as the layer says") {
    const std::vector<int> input(9, 1);
    CHECK(run(sum_of_3x3(0, Element::binary), input) ==
          std::vector<int>{4, 6, 4, 6, 9, 6, 4, 6, 4});
    CHECK(run(sum_of_3x3(-1, Element::binary), input) ==
          std::vector<int>{-1, 3, -1, 3, 9, 3, -1, 3, -1});
    CHECK(run(sum_of_3x3(1, Element::binary), input) == std::vector<int>(9, 9));

    const std::vector<int> pixels(9, 200);
    CHECK(run(sum_of_3x3(0, Element::u8), pixels) ==
          std::vector<int>{800, 1200, 800, 1200, 1800, 1200, 800, 1200, 800});
    CHECK(run(sum_of_3x3(-1, Element::u8), pixels) ==
          std::vector<int>{795, 1197, 795, 1197, 1800, 1197, 795, 1197, 795});
    CHECK(run(sum_of_3x3(1, Element::u8), pixels) ==
          std::vector<int>{805, 1203, 805, 1203, 1800, 1203, 805, 1203, 805});
}

// Two input channels, two output channels, 1x2 kernel on a 1x3 image:
//
//     image      (+1,-1) (+1,+1) (-1,+1)
//     weights 0  (+1,+1) (-1,+1)     bits (kx, c): 1 1 0 1
//     weights 1  (-1,-1) (-1,-1)                   0 0 0 0
//
//     x = 0: out 0 = 1 - 1 - 1 + 1 = 0      out 1 = -1 + 1 - 1 - 1 = -2
//     x = 1: out 0 = 1 + 1 + 1 + 1 = 4      out 1 = -1 - 1 + 1 - 1 = -2
TEST_CASE("weights run through kernel rows, kernel columns and input channels") {
    const std::vector<std::uint64_t> weights = {0b1011, 0b0000};
    Step step;
    step.kind = StepKind::conv2d;
    step.out_channels = 2;
    step.kernel_width = 2;
    step.weights = weights;
    const Chain chain{.input = {1, 3, 2, Element::binary}, .steps = {step}, .batch = 1};
    CHECK(run(chain, {1, -1, 1, 1, -1, 1}) == std::vector<int>{0, -2, 4, -2});

    // The same as a linear layer over two pixels.
    Step linear;
    linear.kind = StepKind::linear;
    linear.out_channels = 2;
    linear.weights = weights;
    const Chain whole{.input = {1, 2, 2, Element::binary}, .steps = {linear}, .batch = 1};
    CHECK(run(whole, {1, -1, 1, 1}) == std::vector<int>{0, -2});
    CHECK(run(whole, {1, 1, -1, 1}) == std::vector<int>{4, -2});
}

TEST_CASE("a convolution with stride two reads every other window") {
    Chain chain = sum_of_3x3(0, Element::u8);
    chain.steps[0].stride = 2;
    CHECK(run(chain, {1, 2, 3, 4, 5, 6, 7, 8, 9}) ==
          std::vector<int>{1 + 2 + 4 + 5, 2 + 3 + 5 + 6, 4 + 5 + 7 + 8, 5 + 6 + 8 + 9});
}

TEST_CASE("a tie reaches its threshold from either side, and constants are constants") {
    const std::vector<std::int32_t> thresholds = {5, 5, INT32_MIN, INT32_MAX, INT32_MAX, INT32_MIN};
    const std::vector<std::uint64_t> flips = {0b110010};
    //                                 x >= 5   x <= 5   always   never   always   never
    const Chain chain{
        .input = {1, 3, 6, Element::int32}, .steps = {threshold(thresholds, flips)}, .batch = 1};
    CHECK(run(chain, {4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6}) ==
          std::vector<int>{-1,
                           1,
                           1,
                           -1,
                           1,
                           -1,  //
                           1,
                           1,
                           1,
                           -1,
                           1,
                           -1,  //
                           1,
                           -1,
                           1,
                           -1,
                           1,
                           -1});
    // Except where the number is the extreme itself.
    CHECK(
        run(chain,
            {0, 0, INT32_MIN, INT32_MAX, INT32_MAX, INT32_MIN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
            [3] == 1);
}

// Batch norm with negative gamma turns the comparison round: bit = x <= t. On the sums of
// the first test (4 6 4 / 6 9 6 / 4 6 4) with t = 6 the middle alone is above.
TEST_CASE("a flipped channel after a convolution, on the border and on a tie") {
    Chain chain = sum_of_3x3(0, Element::binary);
    const std::vector<std::int32_t> six = {6};
    const std::vector<std::uint64_t> flipped = {1}, straight = {0};
    chain.steps.push_back(threshold(six, flipped));
    CHECK(run(chain, std::vector<int>(9, 1)) == std::vector<int>{1, 1, 1, 1, -1, 1, 1, 1, 1});
    chain.steps[1] = threshold(six, straight);
    CHECK(run(chain, std::vector<int>(9, 1)) == std::vector<int>{-1, 1, -1, 1, 1, 1, -1, 1, -1});
}

// 3x3 windows, 2 apart, one row and column of padding, on a 4x4 image; windows are cut at the
// border, so padding never wins, not even over negative numbers.
//
//     -9 -8 -7 -6
//     -5 -4 -3 -2       max of rows 0-1, columns 0-1: -4     columns 1-3: -2
//     -1 -2 -3 -4       max of rows 1-3, columns 0-1: -1     columns 1-3: -2
//     -5 -6 -7 -8
TEST_CASE("pooling cuts its windows at the border") {
    Step pool;
    pool.kind = StepKind::max_pool2d;
    pool.kernel_height = pool.kernel_width = 3;
    pool.stride = 2;
    pool.padding = 1;
    const Chain chain{.input = {4, 4, 1, Element::int32}, .steps = {pool}, .batch = 1};
    CHECK(run(chain, {-9, -8, -7, -6, -5, -4, -3, -2, -1, -2, -3, -4, -5, -6, -7, -8}) ==
          std::vector<int>{-4, -2, -1, -2});

    // Bits: +1 if any is.
    const Chain bits{.input = {4, 4, 1, Element::binary}, .steps = {pool}, .batch = 1};
    CHECK(run(bits, {-1, -1, -1, 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}) ==
          std::vector<int>{-1, 1, -1, -1});
}

TEST_CASE("sums wrap around, and what was added counts for the threshold") {
    Step add;
    add.kind = StepKind::add;
    const Chain sum{.input = {1, 1, 3, Element::int32}, .steps = {add}, .batch = 1};
    CHECK(run(sum, {1, INT32_MAX, INT32_MIN}, {2, 1, -1}) ==
          std::vector<int>{3, INT32_MIN, INT32_MAX});
    CHECK(needs_second_input(sum));

    const std::vector<std::int32_t> limit = {5};
    const std::vector<std::uint64_t> straight = {0};
    Chain chain = sum_of_3x3(0, Element::binary);
    chain.steps.push_back(add);
    CHECK(run(chain, std::vector<int>(9, 1), {1, 0, -1, 0, -9, 0, 0, 0, 100}) ==
          std::vector<int>{5, 6, 3, 6, 0, 6, 4, 6, 104});
    chain.steps.push_back(threshold(limit, straight));
    CHECK(run(chain, std::vector<int>(9, 1), {1, 0, -1, 0, -9, 0, 0, 0, 100}) ==
          std::vector<int>{1, 1, -1, 1, -1, 1, -1, 1, 1});
}

TEST_CASE("flattening keeps the order of rows, columns and channels") {
    Step flatten;
    flatten.kind = StepKind::flatten;
    const Chain chain{.input = {2, 2, 3, Element::binary}, .steps = {flatten}, .batch = 1};
    const std::vector<int> values = {1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1};
    CHECK(run(chain, values) == values);
    CHECK(output_of(chain) == Shape{1, 1, 12, Element::binary});
}
