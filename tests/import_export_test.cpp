// Placements out: where a mapping puts the nodes of its ONNX file, annotations in the file's bytes,
// and a file of each segment.

#include "import_onnx.hpp"
#include "sim/import/export.hpp"
#include "sim/import/reader.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <tuple>

using namespace sim::onnx;
using test::Ints;
using test::Onnx;
using test::Strings;

namespace {

// "gpu: conv relu" is an entry; each of its layers is one.
struct Run {
    std::string device;
    Strings layers;
};

sim::MappingFile mapping_of(const std::vector<Run>& runs) {
    sim::MappingFile mapping;
    mapping.model = "net";
    mapping.platform = "two";
    mapping.is_listed_in_order = true;
    mapping.where = {"map.yaml", 2, 8};
    int line = 6;
    for (const Run& run : runs) {
        for (const std::string& layer : run.layers) {
            mapping.entries.push_back({.layers = {layer},
                                       .device = run.device,
                                       .variant = "any",
                                       .configuration = "any",
                                       .where = {"map.yaml", ++line, 5}});
        }
    }
    return mapping;
}

struct Exported {
    TemporaryFolder folder;
    std::string bytes;
    sim::Model model;

    explicit Exported(const Onnx& onnx) : bytes{onnx.bytes()} {
        const Imported imported = import_onnx(parse(bytes, "net.onnx", folder.path()), {});
        model = sim::load_model(folder.write("model.yaml", imported.yaml), {});
    }

    Placement placed(const sim::MappingFile& mapping) const {
        return place(parse(bytes, "net.onnx", folder.path()), {}, model, mapping);
    }
    Placement placed(const std::vector<Run>& runs) const { return placed(mapping_of(runs)); }

    onnx::ModelProto annotated_model(const std::vector<Run>& runs) const {
        onnx::ModelProto made;
        REQUIRE(made.ParseFromString(annotated(bytes, "net.onnx", placed(runs))));
        return made;
    }

    struct Cut {
        std::vector<SegmentFile> files;
        std::vector<onnx::ModelProto> models;
        Pieces pieces;
    };
    Cut cut(const std::vector<Run>& runs) const {
        Cut cut;
        cut.pieces =
            cut_up(bytes, "net.onnx", folder.path(), placed(runs), [&](const SegmentFile& file) {
                cut.files.push_back(file);
                REQUIRE(cut.models.emplace_back().ParseFromString(file.bytes));
            });
        return cut;
    }
};

// NodeProto's field 9 by hand: {1: key, 2: value}, all shorter than 128 bytes.
std::string entry(const std::string& key, const std::string& value) {
    const auto field = [](char tag, const std::string& text) {
        return std::string{tag, static_cast<char>(text.size())} + text;
    };
    return field(9 << 3 | 2, field(1 << 3 | 2, key) + field(2 << 3 | 2, value));
}
std::string label(const std::string& text) { return entry("layer_ann", text); }

Strings operations_of(const onnx::GraphProto& graph) {
    Strings operations;
    for (const auto& node : graph.node()) {
        operations.push_back(node.op_type());
    }
    return operations;
}

std::set<std::string> constants_of(const onnx::GraphProto& graph) {
    std::set<std::string> names;
    for (const auto& tensor : graph.initializer()) {
        names.insert(tensor.name());
    }
    return names;
}

// x -> conv -> relu -> (shape of it, and it) -> reshape -> product -> y
Onnx chain() {
    Onnx net;
    net.input("x", {1, 2, 4, 4}).constant("w", {2, 2, 1, 1}).constant("v", {32, 3});
    net.node("Conv", {"x", "w"}, {"c"}, "conv").node("Relu", {"c"}, {"r"}, "relu");
    net.node("Shape", {"r"}, {"s"}, "shape").with("end", 1);
    net.ints("minus", {-1}).node("Concat", {"s", "minus"}, {"to"}, "to").with("axis", 0);
    net.node("Reshape", {"r", "to"}, {"f"}, "reshape");
    net.node("MatMul", {"f", "v"}, {"p"}, "product").node("Identity", {"p"}, {"y"}, "last");
    net.node("Neg", {"r"}, {"nobody"}, "dead");
    net.output("y");
    return net;
}

const std::vector<Run> kSplit{{"gpu", {"conv", "relu"}}, {"cpu", {"reshape", "product"}}};

// Calls a function of two nodes twice: h = Half(x), y = Half(h).
Onnx calls() {
    Onnx net;
    net.model.add_opset_import()->set_domain("own");
    net.input("x", {1, 4});
    net.node("Half", {"x"}, {"h"}, "first").in_domain("own");
    net.node("Half", {"h"}, {"y"}, "second").in_domain("own");
    net.output("y");
    onnx::FunctionProto& function = *net.model.add_functions();
    function.set_name("Half");
    function.set_domain("own");
    function.add_input("a");
    function.add_output("b");
    function.add_opset_import()->set_version(18);
    for (const auto& [operation, input, output] :
         {std::tuple{"Relu", "a", "m"}, std::tuple{"Tanh", "m", "b"}}) {
        onnx::NodeProto& node = *function.add_node();
        node.set_op_type(operation);
        node.set_name(operation);
        node.add_input(input);
        node.add_output(output);
    }
    return net;
}

}  // namespace

TEST_CASE("a node goes where its layer is; constants and what moves nothing, where their reader") {
    const Placement placement = Exported{chain()}.placed(kSplit);
    REQUIRE(placement.segments.size() == 2);
    CHECK(placement.segments[0].device == "gpu");
    CHECK(placement.segments[1].layers == Strings{"reshape", "product"});
    const std::map<std::string, int> expected{
        {"c", 0}, {"r", 0}, {"s", 1}, {"to", 1}, {"f", 1}, {"p", 1}, {"y", 1}, {"nobody", 0}};
    CHECK(placement.segment_of == expected);
    CHECK(placement.by_layer == 4);
    CHECK(placement.by_reader == 2);
    CHECK(placement.by_input == 2);
    CHECK(placement.notes.empty());
}

TEST_CASE("parts of a layer go with it: quantized weights, and the operations between") {
    Onnx net{13};
    net.input("x", {1, 2, 4, 4}).constant("s", {}, 0.1F);
    net.tensor_of("z", {}, onnx::TensorProto::INT8).add_int32_data(0);
    onnx::TensorProto& weights = net.tensor_of("w", {2, 2, 1, 1}, onnx::TensorProto::INT8);
    for (int i = 0; i < 4; ++i) {
        weights.add_int32_data(i);
    }
    net.node("QuantizeLinear", {"x", "s", "z"}, {"q"}, "quantize");
    net.node("DequantizeLinear", {"q", "s", "z"}, {"d"}, "inner");
    net.node("DequantizeLinear", {"w", "s", "z"}, {"dw"}, "weights");
    net.node("Conv", {"d", "dw"}, {"c"}, "conv");
    net.node("QuantizeLinear", {"c", "s", "z"}, {"cq"}, "requantize");
    net.node("DequantizeLinear", {"cq", "s", "z"}, {"y"}, "dequantize").output("y");
    const Exported exported{net};
    Strings layers;
    for (std::size_t i = 1; i < exported.model.layers.size(); ++i) {
        layers.push_back(exported.model.layers[i].name);
    }
    REQUIRE(layers.size() == 3);  // quantize, the convolution, dequantize
    const std::vector<Run> runs{{"cpu", {layers[0]}}, {"npu", {layers[1]}}, {"cpu", {layers[2]}}};
    const std::map<std::string, int> expected{
        {"q", 0}, {"d", 1}, {"dw", 1}, {"c", 1}, {"cq", 1}, {"y", 2}};
    CHECK(exported.placed(runs).segment_of == expected);
    const auto cut = exported.cut(runs);
    REQUIRE(cut.files.size() == 3);
    CHECK(cut.files[1].inputs == Strings{"q"});
    CHECK(cut.files[1].outputs == Strings{"cq"});
    const auto& input = cut.models[1].graph().input(0).type().tensor_type();
    CHECK(input.elem_type() == onnx::TensorProto::INT8);
}

TEST_CASE("an annotated file has an entry more in every node, and all of its bytes") {
    Onnx net = chain();
    // Of a newer ONNX: fields that the .proto does not know, on every level.
    net.model.mutable_unknown_fields()->append("\xfa\x3f\x02hi", 5);
    net.graph().mutable_unknown_fields()->append("\xfa\x3f\x02ho", 5);
    std::string* const unknown = net.graph().mutable_node(0)->mutable_unknown_fields();
    unknown->append("\xfa\x3f\x02hu", 5);
    unknown->append(entry("kept", "as it is"));
    const Exported plain{net};
    std::string bytes = annotated(plain.bytes, "net.onnx", plain.placed(kSplit));

    onnx::ModelProto made;
    REQUIRE(made.ParseFromString(bytes));
    REQUIRE(made.graph().node_size() == 8);
    CHECK(made.graph().node(0).unknown_fields() ==
          "\xfa\x3f\x02hu" + entry("kept", "as it is") + label("hetmap/gpu/1"));
    CHECK(made.graph().node(2).unknown_fields() == label("hetmap/cpu/2"));
    for (auto& node : *made.mutable_graph()->mutable_node()) {
        std::string& text = *node.mutable_unknown_fields();
        text.resize(text.rfind(label("x")[0]));
    }
    CHECK(made.SerializeAsString() == plain.bytes);
}

TEST_CASE("an annotation that is there is replaced, wherever it stands") {
    const Exported exported{chain()};
    const std::string once = annotated(exported.bytes, "net.onnx", exported.placed(kSplit));
    const std::vector<Run> other{{"npu", {"conv"}}, {"cpu", {"relu", "reshape", "product"}}};
    const Placement placement = exported.placed(other);
    CHECK(annotated(once, "net.onnx", placement) ==
          annotated(exported.bytes, "net.onnx", placement));

    Onnx net = chain();
    net.graph().mutable_node(1)->mutable_unknown_fields()->append(label("old") + entry("a", "b"));
    const Exported first{net};
    CHECK(first.annotated_model(kSplit).graph().node(1).unknown_fields() ==
          entry("a", "b") + label("hetmap/gpu/1"));
}

TEST_CASE("nodes of graphs in attributes have the place of the node that they are in") {
    Onnx net;
    net.input("x", {1, 4}).input("c", {}, onnx::TensorProto::BOOL);
    net.node("Relu", {"x"}, {"r"}, "relu").node("If", {"c"}, {"y"}, "if");
    net.declared("y", {1, 4}).output("y");
    for (const char* const name : {"then_branch", "else_branch"}) {
        onnx::AttributeProto& branch = *net.graph().mutable_node(1)->add_attribute();
        branch.set_name(name);
        branch.set_type(onnx::AttributeProto::GRAPH);
        onnx::NodeProto& inner = *branch.mutable_g()->add_node();
        inner.set_op_type("Tanh");
        inner.add_input("r");
        inner.add_output("t");
        branch.mutable_g()->add_output()->set_name("t");
    }
    const Exported exported{net};
    const std::vector<Run> runs{{"gpu", {"relu"}}, {"cpu", {"if"}}};
    const onnx::ModelProto made = exported.annotated_model(runs);
    const auto& branches = made.graph().node(1).attribute();
    CHECK(branches[0].g().node(0).unknown_fields() == label("hetmap/cpu/2"));
    CHECK(branches[1].g().node(0).unknown_fields() == label("hetmap/cpu/2"));

    // What they take from outside is an input of the segment.
    const auto cut = exported.cut(runs);
    REQUIRE(cut.files.size() == 2);
    CHECK(cut.files[0].outputs == Strings{"r"});
    CHECK(cut.files[1].inputs == Strings{"c", "r"});
}

TEST_CASE("functions have places where their calls agree; of a call the segment is one") {
    const Exported exported{calls()};
    Strings layers;
    for (std::size_t i = 1; i < exported.model.layers.size(); ++i) {
        layers.push_back(exported.model.layers[i].name);
    }
    REQUIRE(layers.size() == 4);
    const std::vector<Run> agree{
        {"gpu", {layers[0]}}, {"cpu", {layers[1]}}, {"gpu", {layers[2]}}, {"cpu", {layers[3]}}};
    CHECK(exported.placed(agree).notes.empty());
    const onnx::ModelProto made = exported.annotated_model(agree);
    CHECK(made.functions(0).node(0).unknown_fields() == label("hetmap/gpu/1"));
    CHECK(made.functions(0).node(1).unknown_fields() == label("hetmap/cpu/2"));
    CHECK(made.graph().node(0).unknown_fields() == label("hetmap/cpu/2"));

    const std::vector<Run> differ{{"gpu", {layers[0], layers[1]}}, {"cpu", {layers[2], layers[3]}}};
    const Placement placement = exported.placed(differ);
    REQUIRE(placement.notes.size() == 1);
    CHECK(placement.notes[0].starts_with("function 'own:Half': its calls are on several devices"));
    const auto cut = exported.cut(differ);
    REQUIRE(cut.files.size() == 2);
    CHECK(cut.models[0].functions_size() == 1);
    CHECK(cut.files[0].outputs == Strings{"h"});
    CHECK(cut.files[1].inputs == Strings{"h"});

    // A call that lies on two devices runs on the last; segments without nodes have no file.
    const auto whole = exported.cut(agree);
    REQUIRE(whole.files.size() == 2);
    CHECK(whole.files[0].segment.number == 2);
    CHECK(whole.files[1].segment.number == 4);
    REQUIRE(whole.pieces.notes.size() == 4);
    CHECK(whole.pieces.notes[0] ==
          "node 'first' (Half): its function's nodes are on 'cpu', 'gpu'; it runs as one");
    CHECK(whole.pieces.notes[2].starts_with("segment 1 on 'gpu' has no nodes of its own"));
}

TEST_CASE("segments hold what they need, and what they read and make is typed") {
    Onnx net = chain();
    net.graph().mutable_node(0)->mutable_unknown_fields()->append("\xfa\x3f\x02hu", 5);
    const auto cut = Exported{net}.cut(kSplit);
    REQUIRE(cut.files.size() == 2);
    CHECK(cut.pieces.inputs == Strings{"x"});
    CHECK(cut.pieces.outputs == Strings{"y"});
    CHECK(cut.pieces.notes.empty());

    const onnx::GraphProto &first = cut.models[0].graph(), &second = cut.models[1].graph();
    CHECK(operations_of(first) == Strings{"Conv", "Relu"});  // what leads to no output is left out
    CHECK(constants_of(first) == std::set<std::string>{"w"});
    CHECK(cut.files[0].inputs == Strings{"x"});
    CHECK(cut.files[0].outputs == Strings{"r"});
    CHECK(first.node(0).unknown_fields() == "\xfa\x3f\x02hu");

    // The shape is known, and a constant here; what is computed of it is not folded.
    CHECK(operations_of(second) == Strings{"Concat", "Reshape", "MatMul", "Identity"});
    CHECK(constants_of(second) == std::set<std::string>{"s", "minus", "v"});
    CHECK(cut.files[1].inputs == Strings{"r"});
    CHECK(cut.files[1].outputs == Strings{"y"});
    const auto& type = second.input(0).type().tensor_type();
    CHECK(type.elem_type() == onnx::TensorProto::FLOAT);
    REQUIRE(type.shape().dim_size() == 4);
    CHECK(type.shape().dim(1).dim_value() == 2);
    for (const onnx::ModelProto& model : cut.models) {
        CHECK(model.opset_import(0).version() == 18);
        CHECK_NOTHROW(parse(model.SerializeAsString(), "segment.onnx"));
    }
}

TEST_CASE("a tensor goes from the segment that makes it to all that read it, also later ones") {
    Onnx net;
    net.input("x", {1, 4}).node("Relu", {"x"}, {"a"}, "a").node("Tanh", {"a"}, {"b"}, "b");
    net.node("Add", {"a", "b"}, {"y"}, "sum").output("y").output("a");
    const auto cut = Exported{net}.cut({{"gpu", {"a"}}, {"cpu", {"b"}}, {"gpu", {"sum"}}});
    REQUIRE(cut.files.size() == 3);
    CHECK(cut.files[0].outputs == Strings{"a"});
    CHECK(cut.files[1].outputs == Strings{"b"});
    CHECK(cut.files[2].inputs == Strings{"a", "b"});
    CHECK(cut.pieces.outputs == Strings{"y", "a"});
}

TEST_CASE("a node that reads what a later segment makes goes there, which is said") {
    // A call is one node: of its two results the first could be early.
    Onnx net;
    net.model.add_opset_import()->set_domain("own");
    net.input("x", {1, 4}).node("Sigmoid", {"x"}, {"s"}, "side");
    net.node("Pair", {"x", "s"}, {"p", "q"}, "call").in_domain("own").output("p").output("q");
    onnx::FunctionProto& function = *net.model.add_functions();
    function.set_name("Pair");
    function.set_domain("own");
    function.add_opset_import()->set_version(18);
    for (const auto& [operation, input, output] :
         {std::tuple{"Relu", "a", "c"}, std::tuple{"Tanh", "b", "d"}}) {
        function.add_input(input);
        function.add_output(output);
        onnx::NodeProto& node = *function.add_node();
        node.set_op_type(operation);
        node.set_name(operation);
        node.add_input(input);
        node.add_output(output);
    }
    const auto cut =
        Exported{net}.cut({{"gpu", {"call/Relu"}}, {"cpu", {"side"}}, {"npu", {"call/Tanh"}}});
    REQUIRE(cut.files.size() == 1);
    CHECK(cut.files[0].segment.device == "cpu");
    REQUIRE(cut.pieces.notes.size() == 4);
    CHECK(cut.pieces.notes[0] ==
          "node 'call' (Pair): its function's nodes are on 'gpu', 'npu'; it runs as one");
    CHECK(cut.pieces.notes[1] ==
          "node 'call' (Pair) goes to segment 2 on 'cpu' instead of 'gpu': what it reads is made "
          "there");
}

TEST_CASE("external data becomes part of the segment that reads it") {
    Onnx net;
    net.input("x", {1, 2});
    onnx::TensorProto& tensor = net.tensor_of("w", {2, 3}, onnx::TensorProto::FLOAT);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] : {std::pair{"location", "w.bin"}, std::pair{"offset", "4"}}) {
        auto& one = *tensor.add_external_data();
        one.set_key(key);
        one.set_value(value);
    }
    net.node("MatMul", {"x", "w"}, {"p"}, "product").node("Relu", {"p"}, {"y"}, "relu");
    net.output("y");
    const TemporaryFolder folder;
    const std::string values = "0123456789abcdefghijklmn";
    const std::string path = folder.write("net.onnx", net.bytes());
    folder.write("w.bin", "skip" + values);
    const sim::Model model =
        sim::load_model(folder.write("model.yaml", import_onnx(path, {}).yaml), {});
    const Placement placement =
        place(path, {}, model, mapping_of({{"gpu", {"product"}}, {"cpu", {"relu"}}}));
    CHECK(placement.data_files == std::set<std::string>{"w.bin"});
    int files = 0;
    cut_up(path, placement, [&](const SegmentFile& file) {
        onnx::ModelProto made;
        REQUIRE(made.ParseFromString(file.bytes));
        if (++files == 1) {
            CHECK(made.graph().initializer(0).raw_data() == values);
            CHECK(made.graph().initializer(0).external_data_size() == 0);
        }
    });
    CHECK(files == 2);
}

TEST_CASE("a file of ONNX's first versions is cut into files that need no constants as inputs") {
    Onnx net{9};
    net.model.set_ir_version(3);
    net.input("x", {1, 2}).constant("w", {2, 3}).input("w", {2, 3});
    net.node("MatMul", {"x", "w"}, {"p"}, "product").output("p");
    const auto cut = Exported{net}.cut({{"gpu", {"product"}}});
    REQUIRE(cut.files.size() == 1);
    CHECK(cut.models[0].ir_version() == 4);
    CHECK(cut.files[0].inputs == Strings{"x"});
    CHECK(cut.pieces.inputs == Strings{"x"});
}

TEST_CASE("an output that is a constant comes with the last segment") {
    Onnx net;
    net.input("x", {1, 2}).constant("k", {1, 2}).node("Relu", {"x"}, {"y"}, "relu");
    net.node("Neg", {"k"}, {"n"}, "neg").output("n").output("y");
    const auto cut = Exported{net}.cut({{"gpu", {"relu"}}});
    REQUIRE(cut.files.size() == 1);
    CHECK(cut.files[0].outputs == Strings{"y", "n"});
    CHECK(operations_of(cut.models[0].graph()) == Strings{"Neg", "Relu"});
}

TEST_CASE("entries that are in no order run in the model's") {
    sim::MappingFile mapping = mapping_of({{"cpu", {"product", "reshape"}}, {"gpu", {"conv"}}});
    mapping.entries.back().layers = {"conv", "relu"};
    const Exported exported{chain()};
    CHECK(exported.folder.error_of([&] { exported.placed(mapping); }) ==
          "map.yaml:7:5: order: listed, but 'product' reads 'reshape', which comes later");
    mapping.is_listed_in_order = false;
    const Placement placement = exported.placed(mapping);
    REQUIRE(placement.segments.size() == 2);
    CHECK(placement.segments[0].device == "gpu");
    CHECK(placement.segments[1].layers == Strings{"reshape", "product"});
}

TEST_CASE("a divided layer goes to the device with the most channels, which is said") {
    sim::MappingFile mapping = mapping_of(kSplit);
    for (const auto& [device, channels] : {std::pair{"cpu", 12}, std::pair{"npu", 20}}) {
        sim::MappingPart part;
        part.device = device;
        part.channels = channels;
        mapping.entries[0].parts.push_back(part);
    }
    mapping.entries[0].device = "";
    const Placement placement = Exported{chain()}.placed(mapping);
    REQUIRE(placement.segments.size() == 3);
    CHECK(placement.segments[0].device == "npu");
    CHECK(placement.notes ==
          Strings{"layer 'conv' is divided over 2 devices; all of it goes to 'npu', which has the "
                  "most channels"});
}

TEST_CASE("the session option's text names ONNX Runtime's devices") {
    const Exported exported{chain()};
    const auto settings = [&](const std::vector<Run>& runs,
                              const std::map<std::string, std::string>& devices) {
        return exported.folder.error_of([&] {
            throw sim::InputError{"= " + assignment_settings(exported.placed(runs), devices)};
        });
    };
    CHECK(settings(kSplit, {}) == "= gpu(hetmap/gpu/); cpu(hetmap/cpu/)");
    const std::vector<Run> three{
        {"gpu0", {"conv"}}, {"gpu1", {"relu"}}, {"a (new) one;", {"reshape", "product"}}};
    CHECK(settings(three, {{"a (new) one;", "npu"}}) ==
          "= gpu(hetmap/gpu0/, hetmap/gpu1/); npu(hetmap/a__new__one_/)");
    CHECK(settings(three, {{"a (new) one;", "cpu"}, {"gpu1", "gpu:1"}}) ==
          "= gpu(hetmap/gpu0/); gpu:1(hetmap/gpu1/); cpu(hetmap/a__new__one_/)");
    CHECK(settings(three, {}) ==
          "which of ONNX Runtime's devices (cpu, gpu, gpu:N, npu) it is does not follow from the "
          "name: please give --runtime-device a (new) one;=gpu");
    CHECK(settings(kSplit, {{"gpu", "tpu"}}) ==
          "--runtime-device gpu: expected cpu, gpu, gpu:N or npu, got 'tpu'");
    CHECK(settings(kSplit, {{"gpu0", "gpu"}}) ==
          "--runtime-device gpu0: nothing is mapped onto this device");
    // Names that are the same without what the option cannot hold stay apart.
    CHECK(settings({{"gpu 0", {"conv"}}, {"gpu:0", {"relu", "reshape", "product"}}}, {}) ==
          "= gpu(hetmap/gpu_0/, hetmap/gpu_0_/)");
}

TEST_CASE("mappings that are not the file's are refused with the layer") {
    const Exported exported{chain()};
    const auto error = [&](const std::vector<Run>& runs) {
        return exported.folder.error_of([&] { exported.placed(runs); });
    };
    CHECK(error({{"gpu", {"conv", "relu", "reshape"}}}) ==
          "map.yaml: a layer without an implementation: product");
    CHECK(error({{"gpu", {"conv", "rely"}}}) == "map.yaml:8:5: layers: 'net' has no layer 'rely'");
    CHECK(error({{"gpu", {"conv", "conv"}}}) ==
          "map.yaml:8:5: layer 'conv' is mapped twice, first in line 7");
    sim::MappingFile other = mapping_of(kSplit);
    other.model = "other";
    CHECK(exported.folder.error_of([&] { exported.placed(other); }) ==
          "map.yaml:2:8: model: the mapping is for 'other', not for 'net'");

    Onnx renamed = chain();
    renamed.graph().mutable_node(1)->set_name("activation");
    const Exported another{renamed};
    CHECK(exported.folder.error_of([&] {
        place(parse(another.bytes, "new.onnx"), {}, exported.model, mapping_of(kSplit));
    }) == "model.yaml: importing new.onnx makes no layer 'relu': was it made of another file, or "
          "with other sizes (--dim)?");
}

TEST_CASE("bytes that are no ONNX model are not annotated") {
    const Exported exported{chain()};
    const Placement placement = exported.placed(kSplit);
    for (std::size_t size = 1; size < exported.bytes.size(); size += 7) {
        CAPTURE(size);
        const std::string error = exported.folder.error_of(
            [&] { annotated(exported.bytes.substr(0, size), "net.onnx", placement); });
        const bool is_said =
            error == "net.onnx: this is no ONNX model, or it changed while it was read";
        CHECK((is_said || error == "no error"));
    }
    CHECK(exported.folder.error_of([&] {
        cut_up("no model", "net.onnx", "", placement, [](const SegmentFile&) {});
    }) == "net.onnx: this is no ONNX model, or it was cut off");
}
