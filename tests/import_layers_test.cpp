// What becomes of nodes: the layers of a model.

#include "import_onnx.hpp"
#include "sim/import/import.hpp"
#include "sim/import/reader.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

using namespace sim::onnx;
using test::Ints;
using test::Onnx;

namespace {

// It loads again, with the shapes that were meant.
Imported imported(const Onnx& model) {
    Imported result = import_onnx(parse(model.bytes(), "net.onnx"), {});
    const TemporaryFolder folder;
    (void)checked_model(result, folder.file("model.yaml"));
    return result;
}

// The model from its inputs on, without what is the same everywhere.
std::string model_of(const Onnx& model) {
    const std::string yaml = imported(model).yaml;
    std::string text = yaml.substr(yaml.find("input"));
    const std::string seed = "parameters: {seed: 1}\nlayers:\n";
    return text.erase(text.find(seed), seed.size());
}

Onnx image(std::int64_t opset = 18) {
    Onnx model{opset};
    model.input("x", {1, 3, 8, 10});
    return model;
}

// One of 1 x 64 x 8 x 8 with weights of +1 and -1.
Onnx binary_convolution() {
    Onnx model{13};
    model.input("x", {1, 2, 4, 4});
    std::vector<float> weights;
    for (int i = 0; i < 2 * 2 * 3 * 3; ++i) {
        weights.push_back(i % 3 == 0 ? -1.0F : 1.0F);
    }
    model.floats("w", {2, 2, 3, 3}, weights);
    model.node("Conv", {"x", "w"}, {"c"}, "conv");
    for (const char* const name : {"gamma", "beta", "mean", "variance"}) {
        model.constant(name, {2});
    }
    model.node("BatchNormalization", {"c", "gamma", "beta", "mean", "variance"}, {"n"}, "norm");
    return model;
}

}  // namespace

TEST_CASE("images are height x width x channels, without the batch") {
    Onnx model = image();
    model.constant("w", {16, 3, 3, 5}).constant("b", {16});
    model.node("Conv", {"x", "w", "b"}, {"c"}, "conv")
        .with("strides", Ints{2, 1})
        .with("pads", Ints{1, 0, 0, 2})
        .node("Relu", {"c"}, {"r"})
        .output("r");
    CHECK(model_of(model) ==
          "input: {name: x, height: 8, width: 10, channels: 3, type: f32}\n"
          "  - {name: conv, operation: conv2d, inputs: [x], weights: f32, out_channels: 16, "
          "kernel: [3, 5], "
          "stride: [2, 1], padding: [1, 0, 0, 2]}\n"
          "  - {name: r, operation: relu, inputs: [conv]}\n"
          "output: r\n");
    CHECK(imported(model).macs == 16 * 4 * 8 * 3 * 3 * 5);
    CHECK(imported(model).layers.weights == 16 * 3 * 3 * 5 + 16);
}

TEST_CASE("a window that rounds up has the paddings that make it so") {
    Onnx model;
    model.input("x", {1, 3, 6, 6});
    model.node("MaxPool", {"x"}, {"y"}, "pool")
        .with("kernel_shape", Ints{3, 3})
        .with("strides", Ints{2, 2})
        .with("ceil_mode", 1)
        .output("y");
    CHECK(model_of(model).find(
              "{name: pool, operation: max_pool2d, inputs: [x], kernel: [3, 3], stride: 2, "
              "padding: [0, 0, 1, 1]}") != std::string::npos);
}

TEST_CASE("as many groups as channels are depthwise; other groups are said") {
    Onnx model;
    model.input("x", {1, 4, 8, 8}).constant("d", {4, 1, 3, 3}).constant("g", {8, 2, 1, 1});
    model.node("Conv", {"x", "d"}, {"a"}, "depthwise")
        .with("group", 4)
        .node("Conv", {"a", "g"}, {"b"}, "grouped")
        .with("group", 2)
        .output("b");
    CHECK(model_of(model) ==
          "input: {name: x, height: 8, width: 8, channels: 4, type: f32}\n"
          "  - {name: depthwise, operation: depthwise_conv2d, inputs: [x], weights: f32, kernel: "
          "[3, 3], "
          "stride: 1}\n"
          "  - {name: grouped, operation: conv2d, inputs: [depthwise], weights: f32, out_channels: "
          "8, kernel: "
          "[1, 1], stride: 1, groups: 2}\n"
          "output: grouped\n");
}

TEST_CASE("transposing an image to tokens moves nothing, and the batch may lie anywhere") {
    Onnx model{13};
    model.input("x", {1, 3, 8, 8})
        .constant("w", {16, 3, 4, 4})
        .ints("to", {1, 16, -1})
        .constant("m", {16, 5});
    model.node("Conv", {"x", "w"}, {"c"}, "patches")
        .with("strides", Ints{4, 4})
        .node("Reshape", {"c", "to"}, {"flat"}, "flat")
        .node("Transpose", {"flat"}, {"tokens"}, "tokens")
        .with("perm", Ints{2, 0, 1})
        .node("MatMul", {"tokens", "m"}, {"y"}, "product")
        .output("y");
    CHECK(model_of(model) ==
          "input: {name: x, height: 8, width: 8, channels: 3, type: f32}\n"
          "  - {name: patches, operation: conv2d, inputs: [x], weights: f32, out_channels: 16, "
          "kernel: [4, 4], "
          "stride: 4}\n"
          "  - {name: flat, operation: reshape, inputs: [patches], shape: [4, 16]}\n"
          "  - {name: product, operation: matmul, inputs: [flat], weights: f32, out_channels: 5}\n"
          "output: product\n");
}

TEST_CASE("axes of images are those of the model") {
    Onnx model = image();
    model.node("Softmax", {"x"}, {"s"}, "soft")
        .with("axis", 1)
        .node("ReduceMean", {"s"}, {"m"}, "mean")
        .with("axes", Ints{2, 3})
        .node("GlobalAveragePool", {"x"}, {"p"}, "pool")
        .node("Concat", {"m", "p"}, {"y"}, "both")
        .with("axis", 1)
        .output("y");
    CHECK(model_of(model) ==
          "input: {name: x, height: 8, width: 10, channels: 3, type: f32}\n"
          "  - {name: soft, operation: softmax, inputs: [x]}\n"
          "  - {name: mean, operation: reduce_mean, inputs: [soft], axes: [-3, -2], keep: true}\n"
          "  - {name: pool, operation: global_average_pool, inputs: [x]}\n"
          "  - {name: both, operation: concat, inputs: [mean, pool]}\n"
          "output: both\n");
}

TEST_CASE("constant operands are shapes; more than one of them are layers") {
    Onnx model = image();
    model.constant("c", {3, 1, 1}).constant("yes", {1}, 1).constant("no", {1}, 0);
    model.constant("w", {3, 3, 1, 1})
        .node("Conv", {"x", "w"}, {"k"}, "conv")
        .node("Mul", {"k", "c"}, {"m"}, "scale")
        .node("Greater", {"m", "no"}, {"g"}, "positive")
        .node("Where", {"g", "yes", "no"}, {"y"}, "step")
        .output("y");
    CHECK(model_of(model).find(
              "  - {name: scale, operation: multiply, inputs: [conv], constant: [3]}\n"
              "  - {name: positive, operation: greater, inputs: [scale], constant: [1]}\n"
              "  - {name: \"yes\", operation: constant, shape: [1], type: f32}\n"
              "  - {name: \"no\", operation: constant, shape: [1], type: f32}\n"
              "  - {name: step, operation: where, inputs: [positive, \"yes\", \"no\"]}\n") !=
          std::string::npos);
}

TEST_CASE("binary weights are found, and a batch norm and what follows it are one threshold") {
    const auto check = [](Onnx& model, const std::string& from, const std::string& name) {
        model.output("y");
        const Imported got = imported(model);
        CHECK(
            got.yaml.find(
                "{name: conv, operation: conv2d, inputs: [x], weights: binary, out_channels: 2") !=
            std::string::npos);
        REQUIRE(got.layers.layers.size() == 2);
        CHECK(got.layers.layers[1].operation == "threshold");
        CHECK(got.layers.layers[1].name == name);
        CHECK(got.layers.layers[1].from == from);
        CHECK(got.layers.layers[1].results[0].element == "binary");
    };
    Onnx sign = binary_convolution();
    sign.node("Sign", {"n"}, {"y"}, "sign");
    check(sign, "BatchNormalization + Sign", "sign");
    Onnx where = binary_convolution();
    where.constant("zero", {}, 0).constant("one", {}, 1).constant("minus", {}, -1);
    where.node("Less", {"n", "zero"}, {"l"}).node("Where", {"l", "minus", "one"}, {"y"}, "w");
    check(where, "BatchNormalization + Less + Where", "w");
    Onnx qonnx = binary_convolution();
    qonnx.constant("scale", {}, 1);
    qonnx.node("BipolarQuant", {"n", "scale"}, {"y"}, "q").in_domain("qonnx.custom_op.general");
    check(qonnx, "BatchNormalization + BipolarQuant", "q");
    Onnx clip = binary_convolution();
    clip.constant("minus", {}, -1).constant("one", {}, 1);
    clip.node("Clip", {"n", "minus", "one"}, {"h"}).node("Sign", {"h"}, {"y"}, "sign");
    check(clip, "BatchNormalization + Sign", "sign");
}

TEST_CASE("a batch norm that others read stays; weights that are not all alike are not binary") {
    Onnx model = binary_convolution();
    model.node("Sign", {"n"}, {"y"}, "sign").output("y").output("n");
    const Imported got = imported(model);
    REQUIRE(got.layers.layers.size() == 3);
    CHECK(got.layers.layers[1].operation == "batch_norm");
    Onnx other = binary_convolution();
    other.graph().mutable_initializer(0)->set_float_data(35, 0.5F);
    other.output("n");
    CHECK(imported(other).yaml.find("weights: f32") != std::string::npos);
    // One scale for each channel is still one bit for each weight.
    Onnx scaled = binary_convolution();
    for (int i = 0; i < 18; ++i) {
        const float was = scaled.graph().initializer(0).float_data(i);
        scaled.graph().mutable_initializer(0)->set_float_data(i, was * 0.25F);
    }
    scaled.output("n");
    CHECK(imported(scaled).yaml.find("weights: binary") != std::string::npos);
}

TEST_CASE("what is binary stays so where it only moves; paddings go to their convolution") {
    Onnx model = binary_convolution();
    std::vector<float> weights(3 * 2 * 2 * 2, 1);
    weights[5] = -1;
    model.floats("v", {3, 2, 2, 2}, weights)
        .constant("minus", {}, -1)
        .ints("pads", {0, 0, 1, 0, 0, 0, 1, 0});
    model.node("Sign", {"n"}, {"s"}, "sign")
        .node("MaxPool", {"s"}, {"p"}, "pool")
        .with("kernel_shape", Ints{1, 1})
        .node("Pad", {"p", "pads", "minus"}, {"q"}, "pad")
        .node("Conv", {"q", "v"}, {"d"}, "second")
        .node("Sign", {"d"}, {"t"}, "last")
        .node("Conv", {"p", "v"}, {"y"}, "real")
        .output("t")
        .output("y");
    CHECK(model_of(model).find(
              "  - {name: pool, operation: max_pool2d, inputs: [sign], kernel: [1, 1], stride: 1}\n"
              "  - {name: second, operation: conv2d, inputs: [pool], weights: binary, "
              "out_channels: 3, kernel: "
              "[2, 2], stride: 1, padding: [1, 0, 1, 0], pad_value: -1}\n"
              "  - {name: last, operation: threshold, inputs: [second]}\n"
              "  - {name: real, operation: conv2d, inputs: [pool], weights: binary, out_channels: "
              "3, kernel: [2, "
              "2], stride: 1}\n") != std::string::npos);
    CHECK(imported(model).layers.layers[2].results[0].element == "binary");
}

TEST_CASE("channels that change places are one layer") {
    Onnx model{13};
    model.input("x", {1, 8, 4, 4}).constant("w", {8, 8, 1, 1});
    model.ints("apart", {1, 2, 4, 4, 4}).ints("together", {1, 8, 4, 4});
    model.node("Conv", {"x", "w"}, {"c"}, "conv")
        .node("Reshape", {"c", "apart"}, {"a"})
        .node("Transpose", {"a"}, {"t"})
        .with("perm", Ints{0, 2, 1, 3, 4})
        .node("Reshape", {"t", "together"}, {"y"}, "shuffle")
        .output("y");
    CHECK(model_of(model).find(
              "{name: shuffle, operation: channel_shuffle, inputs: [conv], groups: 2}\n") !=
          std::string::npos);
}

TEST_CASE("a convolution between quantization and dequantization is one of int8") {
    Onnx model{13};
    model.input("x", {1, 3, 8, 8}).constant("s", {}, 0.1F);
    model.tensor_of("z", {}, onnx::TensorProto::INT8).add_int32_data(0);
    onnx::TensorProto& weights = model.tensor_of("w", {4, 3, 3, 3}, onnx::TensorProto::INT8);
    for (int i = 0; i < 4 * 27; ++i) {
        weights.add_int32_data(i - 50);
    }
    model.node("QuantizeLinear", {"x", "s", "z"}, {"xq"}, "in")
        .node("DequantizeLinear", {"xq", "s", "z"}, {"xf"})
        .node("DequantizeLinear", {"w", "s", "z"}, {"wf"})
        .node("Conv", {"xf", "wf"}, {"c"}, "conv")
        .node("Relu", {"c"}, {"r"}, "relu")
        .node("QuantizeLinear", {"r", "s", "z"}, {"yq"})
        .node("DequantizeLinear", {"yq", "s", "z"}, {"y"}, "out")
        .output("y");
    CHECK(model_of(model) ==
          "input: {name: x, height: 8, width: 8, channels: 3, type: f32}\n"
          "  - {name: in, operation: quantize, inputs: [x], out: int8}\n"
          "  - {name: conv, operation: conv2d, inputs: [in], weights: int8, out_channels: 4, "
          "kernel: [3, 3], "
          "stride: 1, out: int8}\n"
          "  - {name: out, operation: dequantize, inputs: [conv], out: f32}\n"
          "output: out\n");
    CHECK(imported(model).merged == 3);
}

TEST_CASE("sequences of recurrent layers are [length, channels]") {
    Onnx model{14};
    model.input("x", {1, 7, 5})
        .constant("w", {2, 12, 5})
        .constant("r", {2, 12, 3})
        .ints("to", {0, 0, -1});
    model.node("Transpose", {"x"}, {"t"})
        .with("perm", Ints{1, 0, 2})
        .node("LSTM", {"t", "w", "r"}, {"l", "h", "c"}, "lstm")
        .with("hidden_size", 3)
        .node("Transpose", {"l"}, {"u"})
        .with("perm", Ints{0, 2, 1, 3})
        .node("Reshape", {"u", "to"}, {"v"})
        .node("Transpose", {"v"}, {"y"})
        .with("perm", Ints{1, 0, 2})
        .output("y");
    CHECK(model_of(model) ==
          "input: {name: x, shape: [7, 5], type: f32}\n"
          "  - {name: lstm, operation: lstm, inputs: [x], hidden: 3, directions: 2}\n"
          "output: lstm\n");
    model.output("h");
    CHECK(model_of(model).find("outputs: [lstm.0, lstm.1, lstm.2]}\noutputs: [lstm.0, lstm.1]\n") !=
          std::string::npos);
}

TEST_CASE("what has no layer is opaque, with its shapes, work and weights") {
    Onnx model = image();
    model.input("grid", {1, 4, 4, 2})
        .node("GridSample", {"x", "grid"}, {"y"}, "sample")
        .output("y");
    CHECK(model_of(model).find(
              "{name: sample, operation: opaque, inputs: [x, grid], kind: GridSample, shape: "
              "[4, 4, 3], type: f32}") != std::string::npos);
    Onnx batch;
    batch.input("x", {2, 3, 8, 8}).constant("w", {4, 3, 1, 1});
    batch.node("Conv", {"x", "w"}, {"y"}, "conv").output("y");
    CHECK(model_of(batch).find(
              "{name: conv, operation: opaque, inputs: [x], kind: Conv, shape: [2, 4, 8, 8], "
              "type: f32, macs: 1536, weight_bytes: 48}") != std::string::npos);
    CHECK(imported(batch).warnings.size() == 1);
}

TEST_CASE("names are the nodes' where those are there and once, else the tensors'") {
    Onnx model;
    model.input("x", {1, 8});
    model.node("Relu", {"x"}, {"a"}, "same")
        .node("Abs", {"a"}, {"b"}, "same")
        .node("Neg", {"b"}, {"c"}, "x")
        .node("Exp", {"c"}, {"d/e:0"})
        .node("Identity", {"d/e:0"}, {"y"}, "gone")
        .node("Exp", {"b"}, {"unused"}, "dead")
        .output("y");
    CHECK(model_of(model) ==
          "input: {name: x, shape: [8], type: f32}\n"
          "  - {name: same, operation: relu, inputs: [x]}\n"
          "  - {name: b, operation: abs, inputs: [same]}\n"
          "  - {name: c, operation: negative, inputs: [b]}\n"
          "  - {name: \"d/e:0\", operation: exp, inputs: [c]}\n"
          "output: \"d/e:0\"\n");
    CHECK(imported(model).dead == 1);
    CHECK(imported(model).layers.removed == 1);
}
