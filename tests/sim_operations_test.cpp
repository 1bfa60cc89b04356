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
    return sim::find_operation(operation)->output(attributes, inputs);
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
    return sim::find_operation(operation)->work(
        attributes, inputs, output(operation, attributes, inputs));
}

Attributes conv(int out_channels, int kernel, int stride, int padding) {
    return {.out_channels = out_channels,
            .kernel_height = kernel,
            .kernel_width = kernel,
            .stride = stride,
            .padding = padding};
}

Attributes pool(int kernel, int stride, int padding = 0) {
    return {.kernel_height = kernel, .kernel_width = kernel, .stride = stride, .padding = padding};
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
        CHECK((operation.output != nullptr));
        CHECK((operation.work != nullptr));
        CHECK(operation.min_inputs <= operation.max_inputs);
        for (const std::string_view key : operation.required) {
            CAPTURE(key);
            CHECK(std::ranges::count(operation.attributes, key) == 1);
        }
    }
    CHECK(names == std::set<std::string_view>{"conv2d",
                                              "depthwise_conv2d",
                                              "linear",
                                              "threshold",
                                              "max_pool2d",
                                              "average_pool2d",
                                              "add",
                                              "concat",
                                              "split",
                                              "channel_shuffle",
                                              "flatten",
                                              "softmax"});
    CHECK(sim::operations().size() == names.size());
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
}

TEST_CASE("output shapes, by hand") {
    // floor((in + 2 padding - kernel) / stride) + 1
    CHECK(result("conv2d", conv(64, 3, 1, 1), {{28, 28, 1, Element::u8}}) == "28x28x64 int32");
    CHECK(result("conv2d", conv(64, 7, 4, 3), {{224, 224, 3, Element::u8}}) == "56x56x64 int32");
    CHECK(result("conv2d", conv(128, 1, 2, 0), {{56, 55, 64, kBinary}}) == "28x28x128 int32");
    CHECK(result("conv2d", conv(8, 3, 1, 0), {{3, 3, 64, kBinary}}) == "1x1x8 int32");
    CHECK(result("conv2d", weights(conv(8, 3, 1, 1), Element::f32), {{5, 4, 2, Element::f32}}) ==
          "5x4x8 f32");
    CHECK(result("conv2d",
                 {.out_channels = 4, .kernel_height = 3, .kernel_width = 5, .padding = 1},
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
         {{9, 9, 1, kInt32}},
         "binary weights do not work on int32 inputs (binary and int8 weights take binary, u8 or "
         "int8; f32 weights take f32)"},
        {"linear",
         weights(conv(8, 1, 1, 0), Element::f32),
         {{1, 1, 9, kBinary}},
         "f32 weights do not work on binary inputs (binary and int8 weights take binary, u8 or "
         "int8; f32 weights take f32)"},
        {"conv2d",
         {.out_channels = 8, .groups = 3},
         {{9, 9, 8, kBinary}},
         "8 input channels do not divide into 3 groups"},
        {"conv2d",
         {.out_channels = 8, .groups = 3},
         {{9, 9, 9, kBinary}},
         "8 output channels do not divide into 3 groups"},
        {"threshold",
         {},
         {{9, 9, 9, kBinary}},
         "a threshold takes int8, int16, int32 or f32, not binary"},
        {"max_pool2d",
         pool(2, 2, 2),
         {{9, 9, 9, kBinary}},
         "a padding of 2 leaves windows of 2x2 without any input"},
        {"average_pool2d",
         pool(2, 2),
         {{9, 9, 9, kBinary}},
         "average_pool2d does not work on binary inputs"},
        {"add",
         {},
         {{9, 9, 9, kInt32}, {9, 8, 9, kInt32}},
         "cannot add 9x9x9 int32 and 9x8x9 int32"},
        {"add",
         {},
         {{9, 9, 9, kInt32}, {9, 9, 9, Element::f32}},
         "cannot add 9x9x9 int32 and 9x9x9 f32"},
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
    CHECK(work("add", {}, {{7, 7, 8, kInt32}, {7, 7, 8, kInt32}}).bytes_read == 2 * 7 * 7 * 8 * 4);
    CHECK(work("split", {.out_channels = 4}, {{7, 7, 8, kInt32}}).bytes_read == 7 * 7 * 4 * 4);
}

TEST_CASE("the greatest work there can be does not overflow") {
    Attributes a = conv(1, 1, 1, 0);
    CHECK(work("conv2d", a, {{1 << 16, 1 << 15, 1, kBinary}}).macs == std::int64_t{1} << 31);
    a.out_channels = 1 << 11;
    CHECK(work("conv2d", a, {{1, 1, 1 << 20, kBinary}}).macs == std::int64_t{1} << 31);
}
