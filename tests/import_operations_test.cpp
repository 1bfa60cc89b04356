// The shapes of results, in the opsets where an operation changed how it says them.

#include "import_onnx.hpp"
#include "sim/error.hpp"
#include "sim/import/folding.hpp"
#include "sim/import/inference.hpp"
#include "sim/import/reader.hpp"

#include <doctest/doctest.h>

using namespace sim::onnx;
using test::Ints;
using test::Onnx;

namespace {

Inferred inferred(const Onnx& model) { return infer(parse(model.bytes(), "net.onnx"), {}); }

Dims shape(const Onnx& model, const std::string& tensor = "y") {
    return inferred(model).values.at(tensor).dims;
}

// A model with an input "x" of this shape.
Onnx of(std::int64_t opset, const Ints& dims, int type = test::kFloat) {
    Onnx model{opset};
    model.input("x", dims, type).output("y");
    return model;
}

}  // namespace

TEST_CASE("attributes that became inputs: both are taken") {
    CHECK(shape(of(9, {2, 10})
                    .node("Slice", {"x"}, {"y"})
                    .with("starts", Ints{1, 2})
                    .with("ends", Ints{2, 5})) == Dims{1, 3});
    CHECK(shape(of(13, {2, 10})
                    .ints("b", {2})
                    .ints("e", {-1})
                    .ints("a", {1})
                    .ints("s", {2})
                    .node("Slice", {"x", "b", "e", "a", "s"}, {"y"})) == Dims{2, 4});
    CHECK(shape(of(11, {1, 3, 1}).node("Squeeze", {"x"}, {"y"}).with("axes", Ints{0})) ==
          Dims{3, 1});
    CHECK(shape(of(13, {1, 3, 1}).ints("a", {-1}).node("Squeeze", {"x", "a"}, {"y"})) ==
          Dims{1, 3});
    CHECK(shape(of(13, {1, 3, 1}).node("Squeeze", {"x"}, {"y"})) == Dims{3});
    CHECK(shape(of(11, {3}).node("Unsqueeze", {"x"}, {"y"}).with("axes", Ints{0, 2})) ==
          Dims{1, 3, 1});
    CHECK(shape(of(13, {3}).ints("a", {-1}).node("Unsqueeze", {"x", "a"}, {"y"})) == Dims{3, 1});
    CHECK(shape(of(7, {2, 3}).node("Pad", {"x"}, {"y"}).with("pads", Ints{0, 1, 0, 2})) ==
          Dims{2, 6});
    CHECK(shape(of(11, {2, 3}).ints("p", {1, 0, 0, 0}).node("Pad", {"x", "p"}, {"y"})) ==
          Dims{3, 3});
    CHECK(shape(of(18, {2, 3})
                    .ints("p", {4, 4})
                    .ints("a", {1})
                    .node("Pad", {"x", "p", "", "a"}, {"y"})) == Dims{2, 11});
    CHECK(shape(of(7, {2, 3})
                    .node("ReduceSum", {"x"}, {"y"})
                    .with("axes", Ints{1})
                    .with("keepdims", 0)) == Dims{2});
    CHECK(shape(of(18, {2, 3}).ints("a", {0}).node("ReduceMean", {"x", "a"}, {"y"})) == Dims{1, 3});
    CHECK(shape(of(18, {2, 3}).node("ReduceMean", {"x"}, {"y"})) == Dims{1, 1});
    CHECK(shape(of(18, {2, 3}).node("ReduceMean", {"x"}, {"y"}).with("noop_with_empty_axes", 1)) ==
          Dims{2, 3});
    CHECK(shape(of(7, {2, 30}).node("TopK", {"x"}, {"y", "i"}).with("k", 5)) == Dims{2, 5});
    CHECK(
        shape(
            of(11, {2, 30}).ints("k", {7}).node("TopK", {"x", "k"}, {"y", "i"}).with("axis", 1)) ==
        Dims{2, 7});
    CHECK(shape(of(7, {1, 3, 8, 8})
                    .node("Upsample", {"x"}, {"y"})
                    .with_floats("scales", {1, 1, 2, 3})) == Dims{1, 3, 16, 24});
    CHECK(shape(of(9, {1, 3, 8, 8})
                    .floats("s", {4}, {1, 1, 2, 2})
                    .node("Upsample", {"x", "s"}, {"y"})) == Dims{1, 3, 16, 16});
    CHECK(shape(of(10, {1, 3, 8, 8})
                    .floats("s", {4}, {1, 1, 0.5F, 2})
                    .node("Resize", {"x", "s"}, {"y"})) == Dims{1, 3, 4, 16});
    CHECK(shape(of(11, {1, 3, 8, 8})
                    .ints("z", {1, 3, 5, 7})
                    .constant("n", {0})
                    .node("Resize", {"x", "n", "n", "z"}, {"y"})) == Dims{1, 3, 5, 7});
    CHECK(shape(of(18, {1, 3, 8, 8})
                    .ints("z", {5, 7})
                    .node("Resize", {"x", "", "", "z"}, {"y"})
                    .with("axes", Ints{2, 3})) == Dims{1, 3, 5, 7});
    CHECK(shape(of(7, {1, 3}).node("Dropout", {"x"}, {"y"})) == Dims{1, 3});
    CHECK(shape(of(13, {1, 3}).constant("r", {}).node("Dropout", {"x", "r"}, {"y", "mask"}),
                "mask") == Dims{1, 3});
    CHECK(shape(of(6, {1, 3}).node("Clip", {"x"}, {"y"})) == Dims{1, 3});
    CHECK(shape(of(11, {1, 3}).constant("lo", {}).node("Clip", {"x", "lo"}, {"y"})) == Dims{1, 3});
}

TEST_CASE("split: equal parts, parts by attribute, by input, by their number") {
    const auto parts = [](const Onnx& model) {
        return std::pair{shape(model, "a")[1], shape(model, "b")[1]};
    };
    CHECK(parts(of(7, {1, 8})
                    .output("b")
                    .node("Split", {"x"}, {"a", "b"})
                    .with("axis", 1)
                    .node("Relu", {"a"}, {"y"})) == std::pair{4L, 4L});
    CHECK(parts(of(7, {1, 8})
                    .node("Split", {"x"}, {"a", "b"})
                    .with("axis", 1)
                    .with("split", Ints{3, 5})
                    .node("Relu", {"a"}, {"y"})) == std::pair{3L, 5L});
    CHECK(parts(of(13, {1, 8})
                    .ints("s", {2, 6})
                    .node("Split", {"x", "s"}, {"a", "b"})
                    .with("axis", 1)
                    .node("Relu", {"a"}, {"y"})) == std::pair{2L, 6L});
    CHECK(parts(of(18, {1, 7})
                    .node("Split", {"x"}, {"a", "b"})
                    .with("axis", 1)
                    .with("num_outputs", 2)
                    .node("Relu", {"a"}, {"y"})) == std::pair{4L, 3L});
}

TEST_CASE("windows: paddings, dilations, strides, automatic paddings, rounding up") {
    const auto conv = [](const Ints& dims) {
        Onnx model = of(18, dims);
        model.constant("w", {8, dims[1], 3, 3}).node("Conv", {"x", "w"}, {"y"});
        return model;
    };
    CHECK(shape(conv({1, 3, 9, 10})) == Dims{1, 8, 7, 8});
    CHECK(shape(conv({1, 3, 9, 10}).with("pads", Ints{1, 0, 2, 1}).with("strides", Ints{2, 1})) ==
          Dims{1, 8, 5, 9});
    CHECK(shape(conv({1, 3, 9, 10}).with("dilations", Ints{3, 1})) == Dims{1, 8, 3, 8});
    CHECK(
        shape(
            conv({1, 3, 9, 10}).with_text("auto_pad", "SAME_UPPER").with("strides", Ints{2, 2})) ==
        Dims{1, 8, 5, 5});
    CHECK(
        shape(conv({1, 3, 9, 10}).with_text("auto_pad", "VALID").with("pads", Ints{9, 9, 9, 9})) ==
        Dims{1, 8, 7, 8});
    const auto pool = [](std::int64_t ceil) {
        Onnx model = of(18, {1, 3, 6, 6});
        model.node("MaxPool", {"x"}, {"y"})
            .with("kernel_shape", Ints{3, 3})
            .with("strides", Ints{2, 2})
            .with("ceil_mode", ceil);
        return model;
    };
    CHECK(shape(pool(0)) == Dims{1, 3, 2, 2});
    CHECK(shape(pool(1)) == Dims{1, 3, 3, 3});
    // A window that would begin behind the image is none.
    CHECK(shape(of(18, {1, 1, 5})
                    .node("AveragePool", {"x"}, {"y"})
                    .with("kernel_shape", Ints{1})
                    .with("strides", Ints{3})
                    .with("ceil_mode", 1)) == Dims{1, 1, 2});
    CHECK(shape(of(18, {1, 4, 5, 5})
                    .constant("w", {4, 2, 3, 3})
                    .node("ConvTranspose", {"x", "w"}, {"y"})
                    .with("group", 2)
                    .with("strides", Ints{2, 2})
                    .with("output_padding", Ints{1, 0})) == Dims{1, 4, 12, 11});
}

TEST_CASE("matrices: broadcasting, vectors, turned ones, sums by letters") {
    CHECK(shape(of(18, {2, 1, 4, 5}).input("z", {3, 5, 6}).node("MatMul", {"x", "z"}, {"y"})) ==
          Dims{2, 3, 4, 6});
    CHECK(shape(of(18, {5}).input("z", {5, 6}).node("MatMul", {"x", "z"}, {"y"})) == Dims{6});
    CHECK(shape(of(18, {4, 5}).input("z", {5}).node("MatMul", {"x", "z"}, {"y"})) == Dims{4});
    CHECK(shape(of(18, {5, 4})
                    .input("z", {6, 5})
                    .node("Gemm", {"x", "z"}, {"y"})
                    .with("transA", 1)
                    .with("transB", 1)) == Dims{4, 6});
    CHECK(shape(of(18, {2, 3, 4})
                    .input("z", {2, 5, 4})
                    .node("Einsum", {"x", "z"}, {"y"})
                    .with_text("equation", "bij, bkj -> bki")) == Dims{2, 5, 3});
    CHECK(shape(of(18, {2, 3, 4, 4})
                    .node("Einsum", {"x"}, {"y"})
                    .with_text("equation", "...ii->...i")) == Dims{2, 3, 4});
}

TEST_CASE("what exporters compute of shapes is computed here") {
    // x.view(x.shape[0], -1, x.shape[1] * 2)
    Onnx model{13};
    model.input("x", {2, 3, 4})
        .ints("zero", {0})
        .ints("one", {1})
        .ints("two", {2})
        .ints("open", {-1});
    model.node("Shape", {"x"}, {"s"})
        .node("Gather", {"s", "zero"}, {"first"})
        .node("Gather", {"s", "one"}, {"second"})
        .node("Mul", {"second", "two"}, {"twice"})
        .node("Concat", {"first", "open", "twice"}, {"to"})
        .with("axis", 0)
        .node("Reshape", {"x", "to"}, {"y"})
        .output("y");
    CHECK(shape(model) == Dims{2, 2, 6});
    // Floor of a division of floating-point numbers, as interpolation sizes are made.
    Onnx size{13};
    size.input("x", {1, 1, 7, 7})
        .floats("scale", {1}, {1.5F})
        .ints("from", {2})
        .ints("to", {4})
        .ints("head", {1, 1});
    size.node("Shape", {"x"}, {"s"})
        .node("Slice", {"s", "from", "to"}, {"sides"})
        .node("Cast", {"sides"}, {"real"})
        .with("to", 1)
        .node("Mul", {"real", "scale"}, {"larger"})
        .node("Floor", {"larger"}, {"whole"})
        .node("Cast", {"whole"}, {"size"})
        .with("to", 7)
        .node("Concat", {"head", "size"}, {"all"})
        .with("axis", 0)
        .node("Resize", {"x", "", "", "all"}, {"y"})
        .output("y");
    CHECK(shape(size) == Dims{1, 1, 10, 10});
}

TEST_CASE("an If whose condition is known is its branch") {
    Onnx model{13};
    model.input("x", {1, 3}).ints("three", {3}).ints("at", {1});
    model.node("Shape", {"x"}, {"s"})
        .node("Gather", {"s", "at"}, {"side"})
        .node("Equal", {"side", "three"}, {"is"});
    model.node("If", {"is"}, {"y"}).output("y");
    for (const char* const name : {"then_branch", "else_branch"}) {
        onnx::AttributeProto& attribute = *model.graph().mutable_node(3)->add_attribute();
        attribute.set_name(name);
        attribute.set_type(onnx::AttributeProto::GRAPH);
        onnx::NodeProto& node = *attribute.mutable_g()->add_node();
        node.set_op_type(name[0] == 't' ? "Squeeze" : "Relu");
        node.add_input("x");
        node.add_output("inner");
        attribute.mutable_g()->add_output()->set_name("inner");
    }
    CHECK(shape(model) == Dims{3});
}

TEST_CASE("whole numbers and their divisions are those of machines") {
    const auto number =
        [](const std::string& operation, std::int64_t a, std::int64_t b, std::int64_t fmod) {
            Onnx model{13};
            model.input("x", {1}).ints("a", {a}).ints("b", {b}).node(operation, {"a", "b"}, {"c"});
            if (fmod != 0) {
                model.with("fmod", fmod);
            }
            model.node("Add", {"x", "c"}, {"y"}).output("y");
            return numbers_of(inferred(model).values.at("c"))->integers[0];
        };
    CHECK(number("Div", -7, 2, 0) == -3);
    CHECK(number("Mod", -7, 3, 0) == 2);
    CHECK(number("Mod", -7, 3, 1) == -1);
    CHECK(number("Div", INT64_MIN, -1, 0) == INT64_MIN);
    CHECK(number("Pow", 3, 4, 0) == 81);
}

TEST_CASE("recurrent layers: directions, states, the batch first") {
    const auto lstm = [](std::int64_t directions) {
        Onnx model = of(14, {7, 2, 5});
        model.constant("w", {directions, 12, 5}).constant("r", {directions, 12, 3});
        model.node("LSTM", {"x", "w", "r"}, {"y", "h", "c"}).with("hidden_size", 3);
        return model;
    };
    CHECK(shape(lstm(1)) == Dims{7, 1, 2, 3});
    CHECK(shape(lstm(2), "c") == Dims{2, 2, 3});
    CHECK(shape(lstm(2).with("layout", 1)) == Dims{7, 2, 2, 3});
}

TEST_CASE("a choice between elements of two types is refused") {
    Onnx model{13};
    model.input("x", {2}).floats("zero", {1}, {0}).ints("n", {1});
    model.node("Less", {"x", "zero"}, {"l"}).node("Where", {"l", "x", "n"}, {"y"}).output("y");
    CHECK_THROWS_WITH_AS(inferred(model),
                         doctest::Contains("what it chooses from has elements of two types"),
                         sim::InputError);
}
