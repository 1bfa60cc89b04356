// Files that are wrong, and what is said of them.

#include "import_onnx.hpp"
#include "sim/import/import.hpp"
#include "sim/import/reader.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace sim::onnx;
using test::Onnx;

namespace {

// A network that is right.
Onnx relu() {
    Onnx model;
    model.input("x", {1, 8}).node("Relu", {"x"}, {"y"}, "act").output("y");
    return model;
}

std::string error_of(const std::string& bytes, const Sizes& sizes = {}) {
    try {
        import_onnx(parse(bytes, "net.onnx"), sizes);
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "no error";
}

std::string error_of(const Onnx& model, const Sizes& sizes = {}) {
    return error_of(model.bytes(), sizes);
}

}  // namespace

TEST_CASE("what is no ONNX model is refused in words") {
    CHECK(error_of(relu()) == "no error");
    CHECK(error_of("hello, this is a text") ==
          "net.onnx: this is no ONNX model, or it was cut off");
    CHECK(error_of("") == "net.onnx: this is no ONNX model: it holds no graph");
    const std::string whole = relu().bytes();
    const std::size_t opset = 4;  // its bytes, which stand last, and can be missing
    for (std::size_t size = 0; size < whole.size() - opset; ++size) {
        CHECK(error_of(whole.substr(0, size)) != "no error");
    }
    Onnx empty;
    empty.input("x", {1}).output("x");
    CHECK(error_of(empty) == "net.onnx: its graph has no nodes");
}

TEST_CASE("an opset or an IR version of the future is no reason to refuse") {
    Onnx model{999};
    model.input("x", {1, 8}).node("Relu", {"x"}, {"y"}).output("y");
    model.model.set_ir_version(99);
    model.model.add_opset_import()->set_domain("somebody.else");
    CHECK(error_of(model) == "no error");
}

TEST_CASE("names that are made twice, by nothing or in a circle are named with their node") {
    Onnx twice = relu();
    twice.node("Abs", {"x"}, {"y"}, "again");
    CHECK(error_of(twice) ==
          "net.onnx: node 'again' (Abs): its result 'y' is also made by node 'act' (Relu)");
    Onnx constant = relu();
    constant.constant("y", {1});
    CHECK(
        error_of(constant) ==
        "net.onnx: node 'act' (Relu): its result 'y' is also an input or a constant of the graph");
    Onnx constants = relu();
    constants.constant("c", {1}).constant("c", {1});
    CHECK(error_of(constants) == "net.onnx: two constants are named 'c'");
    Onnx inputs = relu();
    inputs.input("x", {1});
    CHECK(error_of(inputs) == "net.onnx: two inputs are named 'x'");
    Onnx none;
    none.input("x", {1}).node("Add", {"x", "z"}, {"y"}).output("y");
    CHECK(error_of(none) == "net.onnx: the node of 'y' (Add): it reads 'z', which nothing makes");
    Onnx circle;
    circle.input("x", {1})
        .node("Add", {"x", "c"}, {"a"}, "first")
        .node("Relu", {"a"}, {"b"}, "second")
        .node("Relu", {"b"}, {"c"}, "third")
        .output("c");
    CHECK(error_of(circle).find("the graph has a cycle") != std::string::npos);
    Onnx output = relu();
    output.output("z");
    CHECK(error_of(output) == "net.onnx: the graph's output 'z' is made by no node");
}

TEST_CASE("nodes may stand in any order") {
    Onnx model;
    model.input("x", {1, 8}).node("Abs", {"a"}, {"y"}).node("Relu", {"x"}, {"a"}).output("y");
    const Imported imported = import_onnx(parse(model.bytes(), "net.onnx"), {});
    REQUIRE(imported.layers.layers.size() == 2);
    CHECK(imported.layers.layers[0].operation == "relu");
}

TEST_CASE("values that do not fit their shape are refused before anything is allocated") {
    Onnx few = relu();
    few.tensor_of("c", {1000}, test::kFloat).add_float_data(1);
    CHECK(error_of(few) ==
          "net.onnx: constant 'c': its data has 4 bytes, its shape [1000] of float needs 4000");
    Onnx negative = relu();
    negative.tensor_of("c", {-4}, test::kFloat);
    CHECK(error_of(negative) == "net.onnx: constant 'c': a side of [-4] is negative");
    Onnx huge = relu();
    huge.tensor_of("c", {1 << 20, 1 << 20}, test::kFloat).set_raw_data("1234");
    CHECK(error_of(huge) ==
          "net.onnx: constant 'c': [1048576, 1048576] of float is 4194304 MiB, more than an ONNX "
          "file "
          "holds");
    Onnx beyond = relu();
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    beyond.tensor_of("c", {most, most}, test::kFloat).set_raw_data("1234");
    CHECK(error_of(beyond).find("more than an ONNX file holds") != std::string::npos);
    Onnx unknown = relu();
    unknown.tensor_of("c", {1}, 77).set_raw_data("1");
    CHECK(error_of(unknown) ==
          "net.onnx: constant 'c': its element type has the number 77, which is not known");
}

TEST_CASE("sizes that the file leaves open are asked for, all of them") {
    Onnx model;
    model.input("x", {-1, -2, 8}).input("z", {-1, 8}).node("Relu", {"x"}, {"y"}).output("y");
    CHECK(error_of(model) == "net.onnx: sizes are missing, please give: --dim batch=N --dim seq=N");
    CHECK(error_of(model, {{"batch", 1}}) ==
          "net.onnx: sizes are missing, please give: --dim seq=N");
    CHECK(error_of(model, {{"batch", 1}, {"seq", 4}}) == "no error");
    CHECK(error_of(model, {{"x.1", 4}, {"batch", 1}}) == "no error");
    CHECK(error_of(model, {{"bach", 1}}) ==
          "net.onnx: --dim bach: no dimension has this name; its inputs have: batch, seq");
    Onnx zero;
    zero.input("x", {0, 8}).node("Relu", {"x"}, {"y"}).output("y");
    CHECK(error_of(zero) == "net.onnx: input 'x': side 0 is 0");
    Onnx no_shape;
    no_shape.graph().add_input()->set_name("x");
    no_shape.node("Relu", {"x"}, {"y"}).output("y");
    CHECK(error_of(no_shape) ==
          "net.onnx: input 'x': the file does not say its shape or its element type");
}

TEST_CASE("shapes that do not fit together are told with their node") {
    Onnx add;
    add.input("x", {1, 8}).input("z", {1, 7}).node("Add", {"x", "z"}, {"y"}, "sum").output("y");
    CHECK(error_of(add) == "net.onnx: node 'sum' (Add): [1, 8] and [1, 7] do not fit together");
    Onnx conv;
    conv.input("x", {1, 3, 8, 8}).constant("w", {4, 2, 3, 3});
    conv.node("Conv", {"x", "w"}, {"y"}, "c").output("y");
    CHECK(error_of(conv) ==
          "net.onnx: node 'c' (Conv): its input [1, 3, 8, 8] and weights [4, 2, 3, 3] do not fit "
          "together in 1 groups");
    Onnx missing;
    missing.input("x", {1, 8}).node("MatMul", {"x"}, {"y"}, "m").output("y");
    CHECK(error_of(missing) == "net.onnx: node 'm' (MatMul): input 1 is missing");
    Onnx unknown;
    unknown.input("x", {1, 8}).node("Frobnicate", {"x"}, {"y"}, "f").output("y");
    CHECK(
        error_of(unknown) ==
        "net.onnx: node 'f' (Frobnicate): hetmap does not know the operation 'Frobnicate', and the "
        "file does not declare the shape of 'y'");
    Onnx depends;
    depends.input("x", {1, 8}).node("NonZero", {"x"}, {"y"}, "n").output("y");
    CHECK(
        error_of(depends) ==
        "net.onnx: node 'n' (NonZero): the shape of its result depends on data, and the file does "
        "not declare the shape of 'y'");
}

TEST_CASE("what the file declares of an operation that nobody knows is taken") {
    Onnx model;
    model.input("x", {1, 8}).declared("y", {1, -1, 4});
    model.node("Frobnicate", {"x"}, {"y"}, "f").in_domain("somebody.else").output("y");
    CHECK(error_of(model).find("please give the sizes of 'y': --dim batch=N") != std::string::npos);
    const Imported imported = import_onnx(parse(model.bytes(), "net.onnx"), {{"batch", 6}});
    CHECK(imported.opaque == 1);
    CHECK(imported.layers.layers[0].results[0].shape == Dims{6, 4});
}

TEST_CASE(
    "a declaration that contradicts is told with its node, and weights that are no numbers too") {
    Onnx model = relu();
    model.declared("y", {1, 9});
    const Imported imported = import_onnx(parse(model.bytes(), "net.onnx"), {});
    REQUIRE(imported.warnings.size() == 1);
    CHECK(imported.warnings[0] ==
          "node 'act' (Relu): 'y' is [1, 8] here, and [1, 9] as the file declares it");
    Onnx nan;
    nan.input("x", {1, 2}).floats("c", {2}, {1, std::numeric_limits<float>::quiet_NaN()});
    nan.node("Add", {"x", "c"}, {"y"}).output("y");
    CHECK(import_onnx(parse(nan.bytes(), "net.onnx"), {}).warnings ==
          test::Strings{"constant 'c': 1 of its 2 values are NaN"});
}

TEST_CASE("external data is taken from the model's folder and from nowhere else") {
    const TemporaryFolder folder;
    const auto model_with =
        [&](const std::string& location, std::int64_t offset, std::int64_t length) {
            Onnx model;
            model.input("x", {1, 8});
            onnx::TensorProto& tensor = model.tensor_of("c", {8}, test::kFloat);
            tensor.set_data_location(onnx::TensorProto::EXTERNAL);
            const auto say = [&](const std::string& key, const std::string& value) {
                onnx::StringStringEntryProto& entry = *tensor.add_external_data();
                entry.set_key(key);
                entry.set_value(value);
            };
            say("location", location);
            say("offset", std::to_string(offset));
            if (length >= 0) {
                say("length", std::to_string(length));
            }
            model.node("Add", {"x", "c"}, {"y"}).output("y");
            return folder.write("model/net.onnx", model.bytes());
        };
    const auto error =
        [&](const std::string& location, std::int64_t offset = 0, std::int64_t length = 32) {
            const std::string path = model_with(location, offset, length);
            return folder.error_of([&] { import_onnx(std::filesystem::path{path}, {}); });
        };
    folder.write("model/weights.bin", std::string(40, 'w'));
    folder.write("outside.bin", std::string(40, 'o'));
    std::filesystem::create_symlink("../outside.bin", folder.path() / "model/link.bin");
    std::filesystem::create_symlink("weights.bin", folder.path() / "model/inside.bin");
    const std::string begin = "model/net.onnx: constant 'c': its data file ";
    CHECK(error("weights.bin") == "no error");
    CHECK(error("weights.bin", 8) == "no error");
    CHECK(error("weights.bin", 8, -1) == "no error");
    CHECK(error("inside.bin") == "no error");
    CHECK(error("gone.bin") == begin + "'gone.bin' is not there");
    CHECK(error("../outside.bin") == begin + "'../outside.bin' is outside the model's folder");
    CHECK(error("./../model/../outside.bin") ==
          begin + "'./../model/../outside.bin' is outside the model's folder");
    CHECK(error("/etc/passwd") == begin + "'/etc/passwd' is outside the model's folder");
    CHECK(error("link.bin") == begin + "'link.bin' is outside the model's folder");
    CHECK(error("weights.bin", 16) ==
          begin + "'weights.bin' has 40 bytes, and it is said to end at 48");
    CHECK(error("weights.bin", 0, 16) ==
          "model/net.onnx: constant 'c': its data has 16 bytes, its shape [8] of float needs 32");
    CHECK(error("weights.bin", std::numeric_limits<std::int64_t>::max()).find("said to end at") !=
          std::string::npos);
}

TEST_CASE("functions of the file's own stand in for their calls") {
    Onnx model;
    model.input("x", {1, 8}).node("Twice", {"x"}, {"y"}, "call").in_domain("mine").output("y");
    onnx::FunctionProto& function = *model.model.add_functions();
    function.set_name("Twice");
    function.set_domain("mine");
    function.add_input("a");
    function.add_output("c");
    for (const auto& [from, to] : {std::pair{"a", "b"}, std::pair{"b", "c"}}) {
        onnx::NodeProto& node = *function.add_node();
        node.set_op_type("Relu");
        node.set_name(std::string{"to_"} + to);
        node.add_input(from);
        node.add_output(to);
    }
    const Imported imported = import_onnx(parse(model.bytes(), "net.onnx"), {});
    REQUIRE(imported.layers.layers.size() == 2);
    CHECK(imported.layers.layers[1].name == "call/to_c");
    // One that calls itself has no end.
    function.mutable_node(0)->set_op_type("Twice");
    function.mutable_node(0)->set_domain("mine");
    CHECK(error_of(model).find("functions call each other too deep") != std::string::npos);
}
