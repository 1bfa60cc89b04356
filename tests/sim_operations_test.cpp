#include "sim/describe/operations.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

using sim::Attributes;
using sim::Element;
using sim::TensorShape;

namespace {

using Shapes = std::vector<TensorShape>;

TensorShape output(std::string_view operation, const Attributes& attributes, const Shapes& inputs) {
    Attributes padded = attributes;
    return sim::results_of(*sim::find_operation(operation), padded, inputs).front();
}

// "14x14x64 binary", or why it does not fit.
std::string result(std::string_view operation, const Attributes& attributes, const Shapes& inputs) {
    try {
        return to_string(output(operation, attributes, inputs));
    } catch (const std::invalid_argument& misfit) {
        return misfit.what();
    }
}

sim::Work work(std::string_view operation, const Attributes& attributes, const Shapes& inputs) {
    Attributes padded = attributes;
    const sim::Operation& row = *sim::find_operation(operation);
    return row.work(attributes, inputs, sim::results_of(row, padded, inputs));
}

Attributes conv(int out_channels, int kernel, int stride, int padding) {
    return {.out_channels = out_channels,
            .kernel = {1, kernel, kernel},
            .stride = {1, stride, stride},
            .pad_begin = {0, padding, padding},
            .pad_end = {0, padding, padding}};
}

Attributes pool(int kernel, int stride, int padding = 0) {
    return conv(0, kernel, stride, padding);
}

Attributes weights(Attributes attributes, Element element) {
    attributes.weights = element;
    return attributes;
}

constexpr Element kBinary = Element::binary;
constexpr Element kInt32 = Element::int32;

}  // namespace

TEST_CASE("the table has the operations of the design, each once") {
    std::set<std::string_view> names;
    for (const sim::Operation& operation : sim::operations()) {
        names.insert(operation.name);
        CHECK((operation.results != nullptr));
        CHECK((operation.work != nullptr));
        CHECK(operation.min_inputs <= operation.max_inputs);
        for (const std::string_view key : operation.required) {
            CAPTURE(key);
            CHECK(std::ranges::count(operation.attributes, key) == 1);
        }
    }
    CHECK(sim::operations().size() == names.size());
    CHECK(names.size() == 111);
    CHECK(sim::find_operation("input") == nullptr);
    CHECK(sim::find_operation("conv2d")->name == "conv2d");
}

TEST_CASE("bits are packed in 64-bit words for every pixel, other elements lie side by side") {
    CHECK(sim::tensor_bytes({14, 14, 64, kBinary}) == 14 * 14 * 8);
    CHECK(sim::tensor_bytes({14, 14, 65, kBinary}) == 14 * 14 * 16);
    CHECK(sim::tensor_bytes({1, 1, 1, kBinary}) == 8);
    CHECK(sim::tensor_bytes({28, 28, 3, Element::u8}) == 28 * 28 * 3);
    CHECK(sim::tensor_bytes({7, 7, 10, Element::int16}) == 7 * 7 * 10 * 2);
    CHECK(sim::tensor_bytes({7, 7, 10, kInt32}) == 7 * 7 * 10 * 4);
    CHECK(sim::tensor_bytes({{5, 3}, Element::int4}) == 8);  // 60 bits
    CHECK(sim::tensor_bytes({{2, 3, 4, 5}, Element::f16}) == 240);
    CHECK(sim::tensor_bytes({{2, 3, 4, 65}, kBinary}) == 2 * 3 * 4 * 16);
}

TEST_CASE("output shapes, by hand") {
    // floor((in + 2 padding - kernel) / stride) + 1
    CHECK(result("conv2d", conv(64, 3, 1, 1), {{28, 28, 1, Element::u8}}) == "28x28x64 int32");
    CHECK(result("conv2d", conv(64, 7, 4, 3), {{224, 224, 3, Element::u8}}) == "56x56x64 int32");
    CHECK(result("conv2d", conv(128, 1, 2, 0), {{56, 55, 64, kBinary}}) == "28x28x128 int32");
    CHECK(result("conv2d", conv(8, 3, 1, 0), {{3, 3, 64, kBinary}}) == "1x1x8 int32");
    CHECK(result("conv2d", weights(conv(8, 3, 1, 1), Element::f32), {{5, 4, 2, Element::f32}}) ==
          "5x4x8 f32");
    CHECK(
        result(
            "conv2d",
            {.out_channels = 4, .kernel = {1, 3, 5}, .pad_begin = {0, 1, 1}, .pad_end = {0, 1, 1}},
            {{9, 9, 1, kBinary}}) == "9x7x4 int32");
    CHECK(result("depthwise_conv2d", conv(0, 3, 2, 1), {{7, 7, 20, kBinary}}) == "4x4x20 int32");
    CHECK(result("linear", {.out_channels = 10}, {{1, 1, 64, kBinary}}) == "1x1x10 int32");
    CHECK(result("linear", {.out_channels = 10}, {{7, 7, 64, kBinary}}) == "1x1x10 int32");
    CHECK(result("threshold", {}, {{14, 14, 64, kInt32}}) == "14x14x64 binary");
    CHECK(result("max_pool2d", pool(2, 2), {{7, 7, 64, kBinary}}) == "3x3x64 binary");
    CHECK(result("max_pool2d", pool(3, 2, 1), {{112, 112, 64, kInt32}}) == "56x56x64 int32");
    CHECK(result("average_pool2d", pool(7, 7), {{7, 7, 512, kInt32}}) == "1x1x512 int32");
    CHECK(result("add", {}, {{7, 7, 8, kInt32}, {7, 7, 8, Element::int8}}) == "7x7x8 int32");
    CHECK(result("add", {}, {{7, 7, 8, Element::f32}, {7, 7, 8, Element::f32}}) == "7x7x8 f32");
    CHECK(result("concat", {}, {{7, 7, 8, kBinary}, {7, 7, 9, kBinary}, {7, 7, 1, kBinary}}) ==
          "7x7x18 binary");
    CHECK(result("split", {.out_channels = 3, .first_channel = 5}, {{7, 7, 8, kBinary}}) ==
          "7x7x3 binary");
    CHECK(result("channel_shuffle", {.groups = 4}, {{7, 7, 8, kBinary}}) == "7x7x8 binary");
    CHECK(result("flatten", {}, {{7, 7, 64, kBinary}}) == "1x1x3136 binary");
    CHECK(result("softmax", {}, {{1, 1, 10, kInt32}}) == "1x1x10 f32");
}

TEST_CASE("output shapes of tensors of any dimensions, by hand") {
    constexpr Element kF32 = Element::f32, kF16 = Element::f16;
    const auto f32 = [](const std::vector<int>& sides) { return TensorShape{sides, kF32}; };
    // What is not as deep, wide or far as the other side.
    CHECK(result("conv1d",
                 {.out_channels = 64, .kernel = {1, 1, 9}, .stride = {1, 1, 2}},
                 {f32({1600, 40})}) == "796x64 f32");
    CHECK(result("conv3d", conv(8, 3, 1, 1), {f32({8, 14, 14, 4})}) == "8x14x14x8 f32");
    CHECK(result("conv2d",
                 {.out_channels = 8,
                  .kernel = {1, 3, 3},
                  .stride = {1, 2, 1},
                  .dilation = {1, 2, 1},
                  .pad_begin = {0, 0, 1},
                  .pad_end = {0, 1, 1}},
                 {{20, 20, 4, kF32}}) == "9x20x8 f32");
    // Pads to the same: ceil(20 / 3) = 7 results from 6 * 3 + 5 = 23 elements.
    CHECK(
        result("conv2d",
               {.out_channels = 8, .kernel = {1, 5, 5}, .stride = {1, 3, 3}, .pads_to_same = true},
               {{20, 20, 4, kF32}}) == "7x7x8 f32");
    CHECK(result("conv_transpose2d", conv(16, 2, 2, 0), {{14, 14, 64, kF32}}) == "28x28x16 f32");
    CHECK(result("conv_transpose2d",
                 {.out_channels = 16,
                  .kernel = {1, 3, 3},
                  .stride = {1, 2, 2},
                  .pad_begin = {0, 1, 1},
                  .pad_end = {0, 1, 1},
                  .output_padding = {0, 1, 1}},
                 {{14, 14, 64, kF32}}) == "28x28x16 f32");
    // floor((6 - 3) / 2) + 1 = 2 windows, and a third that begins inside.
    CHECK(result("max_pool2d",
                 {.kernel = {1, 3, 3}, .stride = {1, 2, 2}, .ceil = true},
                 {{6, 6, 4, kF32}}) == "3x3x4 f32");
    CHECK(result("global_average_pool", {}, {{7, 7, 64, kF32}}) == "1x1x64 f32");
    CHECK(result("matmul", {}, {f32({12, 197, 64}), f32({12, 64, 197})}) == "12x197x197 f32");
    CHECK(result("matmul", {.transpose_b = true}, {f32({197, 64}), f32({12, 50, 64})}) ==
          "12x197x50 f32");
    CHECK(result("matmul",
                 {.weights = kF16, .has_weights = true, .out_channels = 3072},
                 {{{197, 768}, kF16}}) == "197x3072 f16");
    CHECK(result("multiply", {}, {f32({7, 7, 64}), f32({64})}) == "7x7x64 f32");
    CHECK(result("multiply", {}, {{7, 7, 64, kBinary}, {1, 1, 64, kF32}}) == "7x7x64 f32");
    CHECK(result("multiply", {.constant = {64}}, {f32({7, 7, 64})}) == "7x7x64 f32");
    CHECK(result("add", {}, {{9, 9, 9, kInt32}, {9, 9, 9, kF32}}) == "9x9x9 f32");
    CHECK(result("add", {.out = Element::int8}, {{9, 9, 9, kInt32}, {9, 9, 9, kInt32}}) ==
          "9x9x9 int8");
    CHECK(result("less", {}, {f32({5}), f32({5})}) == "5 bool");
    CHECK(result("where", {}, {{{5}, Element::boolean}, f32({5}), f32({1})}) == "5 f32");
    CHECK(result("reshape", {.shape = {196, 768}}, {f32({14, 14, 768})}) == "196x768 f32");
    CHECK(result("transpose", {.permutation = {1, 0, 2}}, {f32({197, 12, 64})}) == "12x197x64 f32");
    CHECK(result("concat", {.axis = 0}, {f32({1, 768}), f32({196, 768})}) == "197x768 f32");
    CHECK(result("slice", {.shape = {768}}, {f32({197, 768})}) == "768 f32");
    CHECK(result("pad", {.shape = {16, 16, 3}}, {f32({14, 14, 3})}) == "16x16x3 f32");
    CHECK(result("reduce_mean", {.axes = {0, 1}}, {f32({7, 7, 64})}) == "64 f32");
    CHECK(result("reduce_mean", {.axes = {-1}, .keep = true}, {f32({197, 768})}) == "197x1 f32");
    CHECK(result("arg_max", {.axes = {0}}, {f32({10})}) == "1 int64");
    CHECK(result("upsample", {.scale = {1, 2, 3}}, {{14, 14, 64, kF32}}) == "28x42x64 f32");
    CHECK(result("resize", {.sizes = {20, 30}}, {{14, 14, 64, kF32}}) == "20x30x64 f32");
    CHECK(result("depth_to_space", {.block = 2}, {{14, 14, 64, kF32}}) == "28x28x16 f32");
    CHECK(result("space_to_depth", {.block = 2}, {{14, 14, 64, kF32}}) == "7x7x256 f32");
    CHECK(result("embedding",
                 {.weights = kF32, .out_channels = 768, .vocabulary = 30522},
                 {{{128}, Element::int64}}) == "128x768 f32");
    CHECK(result("lstm", {.hidden = 128, .directions = 2}, {f32({50, 40})}) == "50x256 f32");
    CHECK(result("attention", {.heads = 12}, {f32({197, 768}), f32({50, 768}), f32({50, 384})}) ==
          "197x384 f32");
    CHECK(result("convert", {.out = kF16}, {f32({5})}) == "5 f16");
}

TEST_CASE("layers of several results give them all") {
    const auto results = [](std::string_view operation, Attributes a, const Shapes& inputs) {
        std::string text;
        for (const TensorShape& shape :
             sim::results_of(*sim::find_operation(operation), a, inputs)) {
            text += (text.empty() ? "" : ", ") + to_string(shape);
        }
        return text;
    };
    const Shapes sequence{{{50, 40}, Element::f32}};
    CHECK(results("split", {.axis = 0, .sizes = {20, 30}}, sequence) == "20x40 f32, 30x40 f32");
    CHECK(results("lstm", {.hidden = 8}, sequence) == "50x8 f32, 1x8 f32, 1x8 f32");
    CHECK(results("gru", {.hidden = 8}, sequence) == "50x8 f32, 1x8 f32");
    CHECK(results("top_k", {.k = 5}, sequence) == "50x5 f32, 50x5 int64");
    CHECK(results("opaque", {.results = {{7, 7, 2, Element::f16}, {{3}, Element::int32}}}, {}) ==
          "7x7x2 f16, 3 int32");
}

TEST_CASE("two operands give the wider element, floating-point numbers before whole ones") {
    CHECK(sim::promoted(Element::int8, Element::int32) == Element::int32);
    CHECK(sim::promoted(Element::int64, Element::f16) == Element::f16);
    CHECK(sim::promoted(Element::f16, Element::bf16) == Element::f32);
    CHECK(sim::promoted(Element::binary, Element::ternary) == Element::ternary);
    CHECK(sim::promoted(Element::boolean, Element::u8) == Element::u8);
    for (const Element a : sim::elements()) {
        CHECK(sim::find_element(sim::name_of(a)) == a);
        CHECK(sim::promoted(a, a) == a);
        for (const Element b : sim::elements()) {
            CHECK(sim::bits_of(sim::promoted(a, b)) >=
                  (a == Element::boolean || b == Element::boolean ? 0 : 1));
        }
    }
}

TEST_CASE("what does not fit says why") {
    struct Case {
        std::string_view operation;
        Attributes attributes;
        Shapes inputs;
        std::string why;
    };
    const Case cases[] = {
        {"conv2d",
         conv(8, 5, 1, 0),
         {{9, 4, 1, kBinary}},
         "a kernel of width 5 does not fit an input of 4 with a padding of 0"},
        {"conv2d",
         conv(8, 3, 1, 1),
         {{{9, 9}, kInt32}},
         "it takes a tensor of 3 dimensions (height, width, channels), not 9x9 int32"},
        {"conv3d",
         conv(8, 3, 1, 1),
         {{9, 9, 1, kInt32}},
         "it takes a tensor of 4 dimensions (depth, height, width, channels), not 9x9x1 int32; an "
         "input has its depth as 'depth', beside 'height' and 'width'"},
        {"conv2d",
         {.out_channels = 8, .groups = 3},
         {{9, 9, 8, kBinary}},
         "8 input channels do not divide into 3 groups"},
        {"conv2d",
         {.out_channels = 8, .groups = 3},
         {{9, 9, 9, kBinary}},
         "8 output channels do not divide into 3 groups"},
        {"threshold", {}, {{9, 9, 9, kBinary}}, "a threshold takes numbers, not binary"},
        {"max_pool2d",
         pool(2, 2, 2),
         {{9, 9, 9, kBinary}},
         "a padding of 2 leaves windows of 2x2 without any input"},
        {"average_pool2d",
         pool(2, 2),
         {{9, 9, 9, kBinary}},
         "an average does not work on binary inputs"},
        {"add",
         {},
         {{9, 9, 9, kInt32}, {9, 8, 9, kInt32}},
         "9x9x9 int32 and 9x8x9 int32 do not fit together"},
        {"add", {}, {{9, 9, 9, kInt32}}, "it takes two inputs, or one and a 'constant'"},
        {"matmul",
         {},
         {{9, 9, 9, kInt32}},
         "with one input it needs the keys 'weights' and 'out_channels'"},
        {"matmul",
         {},
         {{{4, 5}, kInt32}, {{6, 4}, kInt32}},
         "4x5 int32 and 6x4 int32 do not multiply: 5 columns, 6 rows"},
        {"matmul",
         {},
         {{{4, 5}, kInt32}, {{6, 5}, kInt32}},
         "4x5 int32 and 6x5 int32 do not multiply: 5 columns, 6 rows; with 'transpose_b: true' "
         "they do"},
        {"matmul",
         {.transpose_a = true},
         {{{4, 5}, kInt32}, {{5, 6}, kInt32}},
         "4x5 int32 transposed and 5x6 int32 do not multiply: 4 columns, 5 rows; without "
         "'transpose_a' they do"},
        {"reshape",
         {.shape = {4, 4}},
         {{{5, 3}, kInt32}},
         "5x3 int32 has 15 elements, 4x4 int32 has 16"},
        {"transpose",
         {.permutation = {0, 0}},
         {{{5, 3}, kInt32}},
         "0, 0 is no permutation of the 2 dimensions of 5x3 int32"},
        {"softmax", {.axis = 2}, {{{5, 3}, kInt32}}, "5x3 int32 has no axis 2"},
        {"split",
         {.sizes = {2, 2}},
         {{{5, 3}, kInt32}},
         "its sizes add up to 4, and axis -1 of 5x3 int32 has 3"},
        {"split",
         {},
         {{{5, 3}, kInt32}},
         "it needs the keys 'out_channels' and 'first_channel', or 'sizes'"},
        {"top_k", {.k = 4}, {{{5, 3}, kInt32}}, "there are no 4 largest of 3"},
        {"attention",
         {.heads = 5},
         {{{9, 8}, Element::f32}, {{9, 8}, Element::f32}, {{9, 8}, Element::f32}},
         "8 channels do not divide into 5 heads"},
        {"resize",
         {.sizes = {4}},
         {{9, 8, 3, Element::f32}},
         "its size has 1 sides, 9x8x3 f32 has 2 and channels"},
        {"add", {}, {{9, 9, 9, kInt32}, {9, 9, 9, kBinary}}, "add does not work on binary inputs"},
        {"concat",
         {},
         {{9, 9, 9, kInt32}, {9, 9, 9, kBinary}},
         "cannot concatenate 9x9x9 int32 and 9x9x9 binary along their channels"},
        {"split",
         {.out_channels = 4, .first_channel = 5},
         {{9, 9, 8, kBinary}},
         "channels 5 to 8 are not in an input of 8 channels"},
        {"channel_shuffle",
         {.groups = 3},
         {{9, 9, 8, kBinary}},
         "8 input channels do not divide into 3 groups"},
        {"softmax", {}, {{1, 1, 8, kBinary}}, "softmax does not work on binary inputs"},
        {"linear",
         {.out_channels = 1 << 20},
         {{64, 64, 1, kBinary}},
         "it would have 1048576 x 4096 weights, more than 2^31"},
        {"conv2d",
         conv(1 << 20, 1, 1, 0),
         {{1 << 6, 1 << 6, 1, kBinary}},
         "its output would be 64x64x1048576 int32, more than 2^31 elements"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.operation);
        CHECK(result(c.operation, c.attributes, c.inputs) == c.why);
    }
}

TEST_CASE("work of a binary convolution, by hand") {
    // 14x14 outputs x 64 channels x (3x3x64) weights; a pixel of 64 bits is one word.
    const sim::Work w = work("conv2d", conv(64, 3, 1, 1), {{14, 14, 64, kBinary}});
    CHECK(w.macs == 14 * 14 * 64 * 576);
    CHECK(w.bytes_read == 14 * 14 * 8);
    CHECK(w.bytes_written == 14 * 14 * 64 * 4);
    CHECK(w.weight_bytes == 64 * 9 * 8);  // 576 bits are nine words
}

TEST_CASE("work of the other operations, by hand") {
    // Two groups halve the work; int8 weights are bytes.
    Attributes grouped = weights(conv(64, 3, 1, 1), Element::int8);
    grouped.groups = 2;
    CHECK(work("conv2d", grouped, {{14, 14, 64, Element::int8}}).macs == 14 * 14 * 64 * 288);
    CHECK(work("conv2d", grouped, {{14, 14, 64, Element::int8}}).weight_bytes == 64 * 288);
    CHECK(work("depthwise_conv2d", conv(0, 3, 1, 1), {{14, 14, 64, kBinary}}).macs ==
          14 * 14 * 64 * 9);
    CHECK(work("linear", {.out_channels = 10}, {{7, 7, 65, kBinary}}).macs == 7 * 7 * 65 * 10);
    // 3185 bits are 50 words.
    CHECK(work("linear", {.out_channels = 10}, {{7, 7, 65, kBinary}}).weight_bytes == 10 * 50 * 8);
    const sim::Work threshold = work("threshold", {}, {{7, 7, 65, kInt32}});
    CHECK(threshold.macs == 0);
    CHECK(threshold.bytes_read == 7 * 7 * 65 * 4);
    CHECK(threshold.bytes_written == 7 * 7 * 16);
    CHECK(threshold.weight_bytes == 65 * 4 + 2 * 8);
    // Two matrices of 12 heads; an LSTM's four gates over what comes in and what it holds.
    const Shapes matrices{{{12, 5, 64}, Element::f32}, {{12, 64, 7}, Element::f32}};
    CHECK(work("matmul", {}, matrices).macs == 12 * 5 * 64 * 7);
    CHECK(work("matmul", {}, matrices).weight_bytes == 0);
    const Shapes sequence{{{50, 40}, Element::f32}};
    const Attributes lstm{.weights = Element::f32, .hidden = 8};
    CHECK(work("lstm", lstm, sequence).macs == 50 * 4 * 8 * (40 + 8));
    CHECK(work("lstm", lstm, sequence).weight_bytes == 4 * 4 * 8 * (40 + 8));
    CHECK(work("conv_transpose2d",
               weights(conv(16, 2, 2, 0), Element::f32),
               {{14, 14, 64, Element::f32}})
              .macs == 14 * 14 * 64 * 4 * 16);
    CHECK(work("opaque", {.results = {{5, 5, 5, kInt32}}, .macs = 77, .weight_bytes = 33}, sequence)
              .macs == 77);
    CHECK(work("multiply", {.constant = {8}}, {{7, 7, 8, kInt32}}).weight_bytes == 8 * 4);
    CHECK(work("add", {}, {{7, 7, 8, kInt32}, {7, 7, 8, kInt32}}).bytes_read == 2 * 7 * 7 * 8 * 4);
    CHECK(work("split", {.out_channels = 4}, {{7, 7, 8, kInt32}}).bytes_read == 7 * 7 * 4 * 4);
}

TEST_CASE("the greatest work there can be does not overflow") {
    Attributes a = conv(1, 1, 1, 0);
    CHECK(work("conv2d", a, {{1 << 16, 1 << 15, 1, kBinary}}).macs == std::int64_t{1} << 31);
    a.out_channels = 1 << 11;
    CHECK(work("conv2d", a, {{1, 1, 1 << 20, kBinary}}).macs == std::int64_t{1} << 31);
}
