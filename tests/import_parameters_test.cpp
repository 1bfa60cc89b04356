// Weights and thresholds of ONNX files. What networks of any shape compute with them, against ONNX
// Runtime: tests/import/parameters.py.

#include "import_onnx.hpp"
#include "sim/import/exact_sign.hpp"
#include "sim/import/import.hpp"
#include "sim/import/reader.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace sim::onnx;
using test::Ints;
using test::Onnx;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int32_t kAlways = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();

Carried carried(const Onnx& model) {
    return import_onnx(parse(model.bytes(), "net.onnx"), {}).carried;
}

// Four pixels of uint8, times +1, +1, -1, -1 for each of as many channels as `gamma` has.
Onnx four_pixels(std::size_t channels) {
    Onnx model{14};
    model.input("x", {1, 4}, onnx::TensorProto::UINT8);
    std::vector<float> weights;
    for (std::size_t c = 0; c < channels; ++c) {
        weights.insert(weights.end(), {1, 1, -1, -1});
    }
    model.floats("w", {static_cast<std::int64_t>(channels), 4}, weights);
    model.node("Cast", {"x"}, {"f"}).with("to", onnx::TensorProto::FLOAT);
    model.node("Gemm", {"f", "w"}, {"g"}, "fc").with("transB", 1);
    return model;
}

struct Norms {
    std::vector<float> gamma, beta, mean, variance;
};

// The thresholds of that, with a batch norm and a comparison with `level`.
Carried thresholds(const Norms& norms, const std::string& comparison, float level = 0) {
    const auto channels = static_cast<std::int64_t>(norms.gamma.size());
    Onnx model = four_pixels(norms.gamma.size());
    model.floats("gamma", {channels}, norms.gamma).floats("beta", {channels}, norms.beta);
    model.floats("mean", {channels}, norms.mean).floats("variance", {channels}, norms.variance);
    model.node("BatchNormalization", {"g", "gamma", "beta", "mean", "variance"}, {"n"}, "norm");
    model.graph().mutable_node(2)->add_attribute()->set_name("epsilon");
    model.graph().mutable_node(2)->mutable_attribute(0)->set_type(onnx::AttributeProto::FLOAT);
    model.graph().mutable_node(2)->mutable_attribute(0)->set_f(0);
    if (comparison == "Sign") {
        model.node("Sign", {"n"}, {"y"}, "t");
    } else {
        model.constant("level", {}, level).constant("yes", {}, 1).constant("no", {}, -1);
        model.node(comparison, {"n", "level"}, {"b"}).node("Where", {"b", "yes", "no"}, {"y"}, "t");
    }
    model.output("y");
    return carried(model);
}

}  // namespace

TEST_CASE("signs of what has a square root in it are found without rounding") {
    // 2 x - 6 against sqrt(4), and against sqrt(2): x = 3 +- 1, and 3 +- 0.707.
    const Line whole{1, 0, {.gamma = 2, .beta = -1, .mean = 3, .variance = 4, .epsilon = 0}, 0};
    CHECK(whole.sign_at(3) == -1);
    CHECK(whole.sign_at(4) == 0);
    CHECK(whole.sign_at(5) == 1);
    const Line root{1, 0, {.gamma = 2, .beta = 1, .mean = 3, .variance = 2, .epsilon = 0}, 0};
    CHECK(root.sign_at(2) == -1);
    CHECK(root.sign_at(3) == 1);
    // One unit in the last place decides.
    const double above = std::nextafter(4.0, 5.0);
    const Line close{1, 0, {.gamma = 2, .beta = -1, .mean = 3, .variance = above, .epsilon = 0}, 0};
    CHECK(close.sign_at(4) == -1);
    CHECK(Line{0x1p-140, 0, -0x1p-149}.sign_at(0) == 1);
    CHECK(Line{0.1, -0.3, 0}.sign_at(3) == 1);  // 0.1 is a little more, 0.3 a little less
}

TEST_CASE("a batch norm and a sign are one whole number for each channel, and a direction") {
    // 1 (x - 2) / 2 + 0.75 is zero at 0.5, -(x - 2) / 2 + 0.75 at 3.5.
    const Carried got = thresholds({.gamma = {1, -1, 0, 0, 1, 1},
                                    .beta = {0.75, 0.75, 0.5, -0.5, kInfinity, -kInfinity},
                                    .mean = {2, 2, 0, 0, 0, 0},
                                    .variance = {4, 4, 1, 1, 1, 1}},
                                   "Sign");
    REQUIRE(got.obstacles.empty());
    CHECK(got.warnings.empty());
    REQUIRE(got.layers.size() == 2);
    CHECK(got.layers[0].layer == "fc");
    CHECK(got.layers[0].weights == std::vector<std::uint64_t>(6, 3));
    CHECK(got.layers[1].layer == "t");
    CHECK(got.layers[1].thresholds ==
          std::vector<std::int32_t>{1, 3, kAlways, kNever, kAlways, kNever});
    CHECK(got.layers[1].flips == std::vector<std::uint64_t>{2});
}

TEST_CASE("a sum that is exactly there goes where the comparison says") {
    const Norms norms{.gamma = {1, -1}, .beta = {0, 0}, .mean = {5, 5}, .variance = {1, 1}};
    const auto of = [&](const std::string& comparison) {
        const Carried got = thresholds(norms, comparison);
        CHECK(got.obstacles.empty());
        CHECK(got.warnings.empty());
        return std::pair{got.layers.at(1).thresholds, got.layers.at(1).flips.at(0)};
    };
    using Both = std::pair<std::vector<std::int32_t>, std::uint64_t>;
    CHECK(of("GreaterOrEqual") == Both{{5, 5}, 2});
    CHECK(of("Greater") == Both{{6, 4}, 2});
    CHECK(of("LessOrEqual") == Both{{5, 5}, 1});
    CHECK(of("Less") == Both{{4, 6}, 1});
    // Sign has 0 there, for which there is no bit.
    const Carried sign = thresholds(norms, "Sign");
    CHECK(sign.layers.at(1).thresholds == std::vector<std::int32_t>{5, 5});
    REQUIRE(sign.warnings.size() == 1);
    CHECK(sign.warnings[0] ==
          "layer 't': in 2 of its 2 channels the sign of zero, which is 0 in ONNX, can be asked "
          "for; here it is +1");
    // Beyond what four pixels add up to, nothing changes any more.
    const Carried far = thresholds(
        {.gamma = {1, 1}, .beta = {0, 0}, .mean = {-1021, 1021}, .variance = {1, 1}}, "Sign");
    CHECK(far.warnings.empty());
    CHECK(far.layers.at(1).thresholds == std::vector<std::int32_t>{kAlways, kNever});
}

TEST_CASE("what kernels cannot take is said with the layer") {
    const auto says = [](const Carried& got, const std::string& what) {
        REQUIRE(got.obstacles.size() == 1);
        CHECK(got.obstacles[0] == what);
    };
    const std::string norm = "layer 't' (BatchNormalization + Sign): ";
    says(thresholds({{1}, {kNan}, {0}, {1}}, "Sign"), norm + "it compares what is no number (NaN)");
    says(thresholds({{kInfinity}, {0}, {1}, {1}}, "Sign"), norm + "its numbers are infinite");
    says(thresholds({{1}, {0}, {0}, {0}}, "Sign"),
         norm + "a variance with its epsilon is not above zero");
    Onnx soft = four_pixels(2);
    soft.node("Elu", {"g"}, {"y"}, "soft").output("y");
    says(carried(soft), "layer 'soft' (Elu): no kernel here computes it");
    Onnx infinite = four_pixels(2);
    infinite.graph().mutable_initializer(0)->set_float_data(3, kInfinity);
    infinite.node("Relu", {"g"}, {"y"}, "r").output("y");
    says(carried(infinite), "layer 'fc' (Gemm): one of its numbers is not finite");
}

TEST_CASE("weights that are no signs, and what is f32, come along as they are") {
    Onnx uneven = four_pixels(2);
    uneven.graph().mutable_initializer(0)->set_float_data(3, -0.5F);
    uneven.constant("b", {2}, 0.25F);
    *uneven.graph().mutable_node(1)->add_input() = "b";
    uneven.output("g");
    const Carried numbers = carried(uneven);
    REQUIRE(numbers.obstacles.empty());
    CHECK(numbers.layers.at(0).limits == std::vector<float>{1, 0});  // the cast of the bytes
    CHECK(numbers.layers.at(1).real_weights == std::vector<float>{1, 1, -1, -0.5F, 1, 1, -1, -1});
    CHECK(numbers.layers.at(1).biases == std::vector<float>{0.25F, 0.25F});

    // A bias makes f32 of what would be whole numbers.
    Onnx biased = four_pixels(2);
    biased.constant("b", {2}, 0.5F);
    *biased.graph().mutable_node(1)->add_input() = "b";
    biased.output("g");
    const Carried half = carried(biased);
    REQUIRE(half.obstacles.empty());
    CHECK(half.layers.at(0).biases == std::vector<float>{0.5F, 0.5F});
    CHECK(half.layers.at(0).scales == std::vector<float>{1, 1});

    // Signs times f32: bits, with the size of the weights as a scale.
    Onnx real;
    real.input("x", {1, 4}).floats("w", {2, 4}, {1, 1, -1, -1, 3, -3, 3, 3});
    real.node("Gemm", {"x", "w"}, {"y"}, "fc").with("transB", 1).output("y");
    const Carried signs = carried(real);
    REQUIRE(signs.obstacles.empty());
    CHECK(signs.layers.at(0).weights == std::vector<std::uint64_t>{0b0011, 0b1101});
    CHECK(signs.layers.at(0).scales == std::vector<float>{1, 3});
    CHECK(signs.layers.at(0).biases == std::vector<float>{0, 0});
}

TEST_CASE("means over pixels, activations, products and joins of f32 can be run") {
    const auto squeezed = [] {
        Onnx model;
        model.input("i", {1, 3, 2, 2}).constant("w", {3, 3, 1, 1});
        model.node("Conv", {"i", "w"}, {"x"}, "conv");
        model.node("ReduceMean", {"x", "axes"}, {"m"}, "mean").ints("axes", {2, 3});
        model.node("HardSigmoid", {"m"}, {"s"}, "gate").node("Mul", {"s", "x"}, {"p"}, "scaled");
        model.node("HardSwish", {"p"}, {"h"}, "swish");
        return model;
    };
    Onnx joined = squeezed();
    joined.node("Concat", {"h", "x", "p"}, {"y"}, "joined").with("axis", 1).output("y");
    const Carried got = carried(joined);
    CHECK(got.obstacles.empty());
    REQUIRE(got.layers.size() == 2);
    CHECK(got.layers[1].layer == "gate");
    CHECK(got.layers[1].limits == std::vector<float>{0.2F, 0.5F});

    const auto says = [&](const std::string& operation, const std::string& other, int axis) {
        Onnx model = squeezed();
        model.input("row", {1, 1, 1, 2});
        model.node(operation, {"h", other}, {"y"}, "last").output("y");
        if (axis >= 0) {
            model.with("axis", axis);
        }
        const Carried refused = carried(model);
        REQUIRE(refused.obstacles.size() == 1);
        return refused.obstacles[0];
    };
    CHECK(
        says("Mul", "row", -1) ==
        "layer 'last' (Mul): kernels here multiply tensors of one shape, or an image by one pixel");
    CHECK(says("Concat", "x", 2) ==
          "layer 'last' (Concat): kernels here join channels, and nothing else");
}

TEST_CASE("parts of channels, shuffles and averages over padding can be run") {
    const auto parts = [](const std::string& operation) {
        Onnx model{11};
        model.input("i", {1, 3, 4, 4}).constant("w", {4, 3, 1, 1});
        model.node("Conv", {"i", "w"}, {"x"}, "conv");
        if (operation == "Split") {
            model.node("Split", {"x"}, {"a", "b"}, "parts")
                .with("axis", 1)
                .with("split", Ints{1, 3});
        } else {
            model.ints("begin", {1}).ints("end", {4}).ints("axis", {1});
            model.node("Slice", {"x", "begin", "end", "axis"}, {"b"}, "parts");
        }
        model.node("AveragePool", {"b"}, {"y"}, "pool")
            .with("kernel_shape", Ints{3, 3})
            .with("pads", Ints{1, 1, 1, 1})
            .with("count_include_pad", 1)
            .output("y");
        if (operation == "Split") {
            model.output("a");
        }
        return import_onnx(parse(model.bytes(), "net.onnx"), {});
    };
    const auto has = [](const Imported& imported, const std::string& layer) {
        return imported.yaml.find("{name: " + layer + "}\n") != std::string::npos;
    };
    const Imported split = parts("Split"), slice = parts("Slice");
    CHECK(split.carried.obstacles.empty());
    CHECK(has(split, "a, operation: split, inputs: [conv], out_channels: 1, first_channel: 0"));
    CHECK(has(split, "b, operation: split, inputs: [conv], out_channels: 3, first_channel: 1"));
    CHECK(has(split,
              "pool, operation: average_pool2d, inputs: [b], kernel: [3, 3], stride: 1, "
              "padding: 1, count_padding: true"));
    CHECK(slice.carried.obstacles.empty());
    CHECK(has(slice, "parts, operation: split, inputs: [conv], out_channels: 3, first_channel: 1"));
}

// x quantized (step 0.5, zero 3), times weights that have a step for each channel and a bias, cut
// off at 0 and quantized (step 0.25, zero 10).
Onnx quantized(int zero_of_weights = 0, const Ints& steps_of_input = {}) {
    Onnx model{13};
    model.input("x", {1, 2, 1, 1}).constant("s", steps_of_input, 0.5F).constant("t", {}, 0.25F);
    model.floats("sw", {2}, {1, 2}).floats("sb", {2}, {0.5F, 1});
    model.tensor_of("z", {}, onnx::TensorProto::UINT8).add_int32_data(3);
    model.tensor_of("zy", {}, onnx::TensorProto::UINT8).add_int32_data(10);
    model.tensor_of("zw", {}, onnx::TensorProto::INT8).add_int32_data(zero_of_weights);
    onnx::TensorProto& weights = model.tensor_of("w", {2, 2, 1, 1}, onnx::TensorProto::INT8);
    for (const int weight : {1, -2, 127, -128}) {
        weights.add_int32_data(weight);
    }
    onnx::TensorProto& bias = model.tensor_of("b", {2}, onnx::TensorProto::INT32);
    bias.add_int32_data(4);
    bias.add_int32_data(-6);
    model.node("QuantizeLinear", {"x", "s", "z"}, {"xq"}, "in")
        .node("DequantizeLinear", {"xq", "s", "z"}, {"xf"})
        .node("DequantizeLinear", {"w", "sw", "zw"}, {"wf"})
        .with("axis", 0)
        .node("DequantizeLinear", {"b", "sb"}, {"bf"})
        .with("axis", 0)
        .node("Conv", {"xf", "wf", "bf"}, {"c"}, "conv")
        .node("Relu", {"c"}, {"r"}, "relu")
        .node("QuantizeLinear", {"r", "t", "zy"}, {"yq"})
        .node("DequantizeLinear", {"yq", "t", "zy"}, {"yf"}, "out");
    return model;
}

TEST_CASE("what a quantized network holds comes along") {
    Onnx model = quantized();
    model.constant("u", {}, 0.125F);
    model.node("Add", {"yf", "xf"}, {"a"}, "sum")
        .node("QuantizeLinear", {"a", "u", "zy"}, {"aq"})
        .node("DequantizeLinear", {"aq", "u", "zy"}, {"af"})
        .node("GlobalAveragePool", {"af"}, {"m"}, "mean")
        .node("QuantizeLinear", {"m", "t", "zy"}, {"mq"})
        .node("DequantizeLinear", {"mq", "t", "zy"}, {"mf"}, "last")
        .output("mf");
    const Carried got = carried(model);
    CHECK(got.obstacles.empty());
    REQUIRE(got.layers.size() == 5);
    using Floats = std::vector<float>;
    CHECK(got.layers[0].limits == Floats{0.5F, 3});
    CHECK(got.layers[1].layer == "conv");
    CHECK(got.layers[1].byte_weights == std::vector<std::int8_t>{1, -2, 127, -128});
    CHECK(got.layers[1].scales == Floats{2, 4});            // 0.5 step / 0.25
    CHECK(got.layers[1].biases == Floats{8, -24});          // 4 x 0.5 / 0.25, -6 x 1 / 0.25
    CHECK(got.layers[1].limits == Floats{3, 10, 10, 255});  // nothing below 0
    CHECK(got.layers[2].limits == Floats{2, 10, 4, 3, 10, 0, 255});
    CHECK(got.layers[3].limits == Floats{0.5F, 10, 10, 0, 255});
    CHECK(got.layers[4].limits == Floats{0.25F, 10});
}

TEST_CASE("a product of quantized numbers that nothing quantizes again gives f32") {
    Onnx model{13};
    model.input("x", {1, 2, 1, 1}).constant("s", {}, 0.5F).floats("sw", {2}, {1, 2});
    model.floats("b", {2}, {0.5F, -1});
    model.tensor_of("z", {}, onnx::TensorProto::UINT8).add_int32_data(3);
    onnx::TensorProto& weights = model.tensor_of("w", {2, 2, 1, 1}, onnx::TensorProto::INT8);
    for (const int weight : {1, -2, 127, -127}) {
        weights.add_int32_data(weight);
    }
    model.node("QuantizeLinear", {"x", "s", "z"}, {"xq"}, "in")
        .node("DequantizeLinear", {"xq", "s", "z"}, {"xf"})
        .node("DequantizeLinear", {"w", "sw"}, {"wf"})
        .with("axis", 0)
        .node("Conv", {"xf", "wf", "b"}, {"c"}, "conv")
        .node("Add", {"c", "x"}, {"y"}, "sum")
        .output("y");
    const Imported imported = import_onnx(parse(model.bytes(), "net.onnx"), {});
    CHECK(imported.yaml.find("{name: conv, operation: conv2d, inputs: [in], weights: int8, "
                             "out_channels: 2, kernel: [1, 1], stride: 1, out: f32}\n") !=
          std::string::npos);
    CHECK(imported.yaml.find("dequantize") == std::string::npos);
    const Carried& got = imported.carried;
    CHECK(got.obstacles.empty());
    REQUIRE(got.layers.size() == 2);
    using Floats = std::vector<float>;
    CHECK(got.layers[1].byte_weights == std::vector<std::int8_t>{1, -2, 127, -127});
    CHECK(got.layers[1].scales == Floats{0.5F, 1});
    CHECK(got.layers[1].biases == Floats{0.5F, -1});
    CHECK(got.layers[1].limits == Floats{3});
}

TEST_CASE("bytes that are cast to float are dequantized, but where bits alone multiply them") {
    const auto of_weights = [](std::vector<float> values) {
        Onnx model{13};
        const std::int64_t channels = static_cast<std::int64_t>(values.size());
        model.input("x", {1, 1, 2, 2}, onnx::TensorProto::UINT8);
        model.floats("w", {channels, 1, 1, 1}, std::move(values));
        model.node("Cast", {"x"}, {"f"}, "pixels")
            .with("to", std::int64_t{onnx::TensorProto::FLOAT});
        model.node("Conv", {"f", "w"}, {"y"}, "conv").output("y");
        return import_onnx(parse(model.bytes(), "net.onnx"), {});
    };
    const Imported reals = of_weights({0.5F, 2}), bits = of_weights({1, -1});
    CHECK(reals.carried.obstacles.empty());
    REQUIRE(reals.carried.layers.size() == 2);
    CHECK(reals.yaml.find("{name: pixels, operation: dequantize, inputs: [x], out: f32}\n") !=
          std::string::npos);
    CHECK(reals.carried.layers[0].limits == std::vector<float>{1, 0});
    CHECK(reals.carried.layers[1].real_weights == std::vector<float>{0.5F, 2});
    CHECK(bits.yaml.find("pixels") == std::string::npos);
}

TEST_CASE("what kernels cannot take of a quantized network is said") {
    const auto says = [](Onnx model) {
        const Carried refused = carried(model.output("yf"));
        REQUIRE(refused.obstacles.size() == 1);
        return refused.obstacles[0];
    };
    CHECK(says(quantized(1)) ==
          "layer 'conv' (DequantizeLinear + Conv + Relu + QuantizeLinear): kernels here multiply "
          "by weights of int8 around zero, which have one scale, or one for each output channel");
    CHECK(says(quantized(0, {2})) ==
          "layer 'in' (QuantizeLinear): kernels here quantize to u8 or int8, all channels of a "
          "tensor alike");
}

TEST_CASE("thresholds of f32 are the floats next to where the sign changes") {
    // 3 s + 1 > 0 from the first float above -1/3 on; -2 s + 1 >= 0 up to 1/2.
    const auto limits = [](const std::string& comparison, std::vector<float> w, float level) {
        Onnx model{14};
        model.input("x", {1, 2}).floats("w", {1, 2}, std::move(w)).constant("b", {1}, 1.0F);
        model.node("Gemm", {"x", "w", "b"}, {"g"}, "fc").with("transB", 1);
        model.constant("level", {}, level).constant("yes", {}, 1).constant("no", {}, -1);
        model.node(comparison, {"g", "level"}, {"c"});
        model.node("Where", {"c", "yes", "no"}, {"y"}, "t").output("y");
        Carried got = carried(model);
        REQUIRE(got.obstacles.empty());
        return got.layers.at(1);
    };
    const LayerNumbers above = limits("Greater", {3, -3}, 0);
    const float limit = above.limits.at(0);
    CHECK(3 * double{limit} + 1 > 0);
    CHECK(3 * double{std::nextafter(limit, -1.0F)} + 1 <= 0);
    CHECK(above.flips == std::vector<std::uint64_t>{0});
    const LayerNumbers tie = limits("GreaterOrEqual", {2, -2}, 5);
    CHECK(tie.limits == std::vector<float>{2});  // 2 s + 1 >= 5
    const LayerNumbers below = limits("Less", {2, -2}, 5);
    CHECK(below.limits == std::vector<float>{std::nextafter(2.0F, 0.0F)});
    CHECK(below.flips == std::vector<std::uint64_t>{1});
}

TEST_CASE("an input that is only an image in a row is that image") {
    Onnx model{14};
    model.input("x", {1, 8}).floats("w", {2, 2, 1, 1}, {1, 1, 1, -1});
    model.ints("shape", {1, 2, 2, 2});
    model.node("Reshape", {"x", "shape"}, {"i"}, "image");
    model.node("Conv", {"i", "w"}, {"y"}, "conv").output("y");
    const Carried got = carried(model);
    CHECK(got.obstacles.empty());
    CHECK(got.layers.at(0).weights == std::vector<std::uint64_t>{0b11, 0b01});
}

TEST_CASE("weights are in the order of the model's elements: channels last") {
    // 1 x 2 x 2 x 2: channel 0 is 1 to 4, channel 1 is 5 to 8, in ONNX's order.
    Onnx model{14};
    model.input("x", {1, 1, 2, 2}, onnx::TensorProto::UINT8);
    model.floats("w", {2, 1, 1, 1}, {1, -1}).floats("v", {1, 8}, {1, -1, -1, -1, 1, 1, -1, -1});
    model.node("Cast", {"x"}, {"f"}).with("to", onnx::TensorProto::FLOAT);
    model.node("Conv", {"f", "w"}, {"c"}, "conv").node("Sign", {"c"}, {"s"}, "sign");
    model.node("Flatten", {"s"}, {"r"}, "flat");
    model.node("Gemm", {"r", "v"}, {"y"}, "fc").with("transB", 1).output("y");
    const Carried got = carried(model);
    REQUIRE(got.obstacles.empty());
    CHECK(got.layers.at(2).layer == "fc");
    // (pixel, channel): +1 +1, -1 +1, -1 -1, -1 -1
    CHECK(got.layers.at(2).weights == std::vector<std::uint64_t>{0b00001011});
}
