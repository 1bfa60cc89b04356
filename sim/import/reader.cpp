// Everything from protobuf's classes, which the build makes of ONNX's own onnx.proto, into ours.
// Numbers of types are read as such: those that are newer than the .proto are known too.

#include "sim/import/reader.hpp"

#include "onnx.pb.h"
#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <limits>
#include <set>
#include <stdexcept>

namespace sim::onnx {
namespace {

namespace proto = ::onnx;
using google::protobuf::io::CodedInputStream;

constexpr std::size_t kMostNodes = 200'000;  // after functions are put in place
constexpr std::int64_t kLongestSide = std::int64_t{1} << 40;
constexpr int kDeepest = 32;  // of graphs in graphs, and of functions that call functions

std::string mebibytes(std::int64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

Type type_of(std::int64_t number, const std::string& what) {
    if (number < 0 || number >= kTypes) {
        refuse(fmt::format(
            "{}: its element type has the number {}, which is not known", what, number));
    }
    return static_cast<Type>(number);
}

// ---- constants --------------------------------------------------------------------------------

// Numbers that are stored in wider ones, narrowed to `bytes` each.
template <class Values>
std::string narrowed(const Values& values, std::size_t bytes) {
    std::string text(static_cast<std::size_t>(values.size()) * bytes, '\0');
    std::size_t at = 0;
    for (const auto value : values) {
        std::memcpy(text.data() + at, &value, bytes);  // little-endian, as every host here
        at += bytes;
    }
    return text;
}

template <class Values>
std::string as_they_are(const Values& values) {
    return narrowed(values, sizeof values.Get(0));
}

std::int64_t external_number(const std::string& text, const std::string& what) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 0) {
        refuse(fmt::format("{}: '{}' is no place in its data file", what, printable(text)));
    }
    return number;
}

void find_external(const proto::TensorProto& from,
                   const std::filesystem::path& folder,
                   std::int64_t expected,
                   const std::string& what,
                   Tensor& tensor) {
    std::string location;
    std::int64_t length = -1;
    for (const proto::StringStringEntryProto& entry : from.external_data()) {
        if (entry.key() == "location") {
            location = entry.value();
        } else if (entry.key() == "offset") {
            tensor.offset = external_number(entry.value(), what);
        } else if (entry.key() == "length") {
            length = external_number(entry.value(), what);
        }
    }
    const std::filesystem::path path{location};
    if (location.empty() || location.find('\0') != std::string::npos) {
        refuse(fmt::format("{}: its data is said to be in another file, but not in which", what));
    }
    if (folder.empty()) {
        refuse(fmt::format("{}: its data is in another file, '{}'", what, printable(location)));
    }
    const auto outside = [&] {
        refuse(fmt::format(
            "{}: its data file '{}' is outside the model's folder", what, printable(location)));
    };
    const std::filesystem::path normal = path.lexically_normal();
    if (path.is_absolute() || normal.empty() || *normal.begin() == "..") {
        outside();
    }
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::canonical(folder / path, error);
    if (error) {
        refuse(fmt::format("{}: its data file '{}' is not there", what, printable(location)));
    }
    const std::filesystem::path inside =
        whole.lexically_relative(std::filesystem::canonical(folder));
    if (inside.empty() || *inside.begin() == ".." || *inside.begin() == ".") {
        outside();
    }
    const std::int64_t size = InputFile{whole}.size();
    if (length < 0) {
        length = size - tensor.offset;
    }
    if (tensor.offset > size || length > size - tensor.offset) {
        refuse(fmt::format("{}: its data file '{}' has {} bytes, and it is said to end at {}",
                           what,
                           printable(location),
                           size,
                           checked_sum(tensor.offset, length)));
    }
    if (length != expected) {
        refuse(fmt::format("{}: its data has {} bytes, its shape {} of {} needs {}",
                           what,
                           length,
                           to_string(tensor.dims),
                           name_of(tensor.type),
                           expected));
    }
    tensor.file = whole;
    tensor.length = length;
    tensor.location = location;
}

// `from` loses its bytes to the result: no second copy of the weights.
TensorPointer tensor_of(proto::TensorProto& from,
                        const std::filesystem::path& folder,
                        const std::string& what) {
    auto tensor = std::make_shared<Tensor>();
    tensor->name = from.name();
    tensor->type = type_of(from.data_type(), what);
    if (from.dims_size() > static_cast<int>(kMostRank)) {
        refuse(fmt::format("{}: it has {} dimensions", what, from.dims_size()));
    }
    tensor->dims.assign(from.dims().begin(), from.dims().end());
    if (std::ranges::any_of(tensor->dims, [](std::int64_t side) { return side < 0; })) {
        refuse(fmt::format("{}: a side of {} is negative", what, to_string(tensor->dims)));
    }
    // Where another side is 0 no number of elements tells.
    if (elements_of(tensor->dims) == 0 && std::ranges::max(tensor->dims) > kLongestSide) {
        refuse(fmt::format("{}: a side of {} is too long", what, to_string(tensor->dims)));
    }
    if (tensor->type == Type::string) {
        return tensor;  // no arithmetic is done with it
    }
    const std::int64_t elements = elements_of(tensor->dims);
    const int bits = bits_of(tensor->type);
    const std::int64_t expected =
        bits < 8 ? checked_sum(elements, 1) / 2 : checked_product(elements, bits / 8);
    if (from.data_location() == proto::TensorProto::EXTERNAL) {
        find_external(from, folder, expected, what, *tensor);
        return tensor;
    }
    if (expected > kMostBytes) {
        refuse(fmt::format("{}: {} of {} is {}, more than an ONNX file holds",
                           what,
                           to_string(tensor->dims),
                           name_of(tensor->type),
                           mebibytes(expected)));
    }
    const auto bytes_each = static_cast<std::size_t>(std::max(bits, 8) / 8);
    if (from.has_raw_data()) {
        tensor->bytes = std::move(*from.mutable_raw_data());
    } else if (from.float_data_size() > 0) {
        tensor->bytes = as_they_are(from.float_data());
    } else if (from.double_data_size() > 0) {
        tensor->bytes = as_they_are(from.double_data());
    } else if (from.int64_data_size() > 0) {
        tensor->bytes = as_they_are(from.int64_data());
    } else if (from.uint64_data_size() > 0) {
        tensor->bytes = narrowed(from.uint64_data(), bytes_each);
    } else if (from.int32_data_size() > 0) {
        tensor->bytes = narrowed(from.int32_data(), std::min<std::size_t>(bytes_each, 4));
    } else if (expected > 0) {
        tensor->length = -1;  // a shape alone: some model zoos leave the weights out
        return tensor;
    }
    if (static_cast<std::int64_t>(tensor->bytes.size()) != expected) {
        refuse(fmt::format("{}: its data has {} bytes, its shape {} of {} needs {}",
                           what,
                           tensor->bytes.size(),
                           to_string(tensor->dims),
                           name_of(tensor->type),
                           expected));
    }
    return tensor;
}

// ---- what is declared -----------------------------------------------------------------------

Declared declared_of(const proto::ValueInfoProto& from) {
    Declared declared;
    declared.name = from.name();
    const auto kind = from.type().value_case();
    declared.is_tensor =
        kind == proto::TypeProto::kTensorType || kind == proto::TypeProto::VALUE_NOT_SET;
    if (kind != proto::TypeProto::kTensorType) {
        return declared;
    }
    const proto::TypeProto::Tensor& tensor = from.type().tensor_type();
    const std::int64_t type = tensor.elem_type();
    declared.type = type >= 0 && type < kTypes ? static_cast<Type>(type) : Type::undefined;
    declared.has_shape = tensor.has_shape();
    if (tensor.shape().dim_size() > static_cast<int>(kMostRank)) {
        refuse(fmt::format(
            "'{}' has {} dimensions", printable(declared.name), tensor.shape().dim_size()));
    }
    for (const auto& side : tensor.shape().dim()) {
        if (side.has_dim_value()) {
            declared.sides.push_back({side.dim_value(), ""});
        } else {
            declared.sides.push_back({-1, side.dim_param()});
        }
    }
    return declared;
}

// ---- nodes ----------------------------------------------------------------------------------

struct Function {
    std::vector<std::string> inputs, outputs;
    std::vector<Node> nodes;
};

using Functions = std::map<std::pair<std::string, std::string>, Function>;  // by domain and name
using Opsets = std::map<std::string, std::int64_t>;                         // by domain

// ONNX's own domain has two names.
std::string domain_of(const std::string& name) { return name == "ai.onnx" ? "" : name; }

class Reader {
public:
    Reader(std::filesystem::path folder, Opsets opsets)
        : folder_{std::move(folder)}, opsets_{std::move(opsets)} {}

    Graph graph(proto::GraphProto& from, int depth);
    Function function(proto::FunctionProto& from);

private:
    Attribute attribute(proto::AttributeProto& from, const Node& node, int depth);
    Node node(proto::NodeProto& from, int depth);

    std::filesystem::path folder_;
    Opsets opsets_;
};

Attribute Reader::attribute(proto::AttributeProto& from, const Node& node, int depth) {
    Attribute to;
    to.name = from.name();
    to.refers_to = from.ref_attr_name();
    using Kind = Attribute::Kind;
    // Old files leave the type out.
    const int type = from.type();
    const auto is = [&](int number, bool has) { return type == number || (type == 0 && has); };
    if (is(proto::AttributeProto::INT, from.has_i())) {
        to.kind = Kind::integer;
        to.integer = from.i();
    } else if (is(proto::AttributeProto::FLOAT, from.has_f())) {
        to.kind = Kind::number;
        to.number = static_cast<double>(from.f());
    } else if (is(proto::AttributeProto::STRING, from.has_s())) {
        to.kind = Kind::text;
        to.text = from.s();
    } else if (is(proto::AttributeProto::TENSOR, from.has_t())) {
        to.kind = Kind::tensor;
        to.tensor = tensor_of(
            *from.mutable_t(), folder_, fmt::format("{}: {}", describe(node), printable(to.name)));
    } else if (is(proto::AttributeProto::GRAPH, from.has_g())) {
        to.kind = Kind::graph;
        to.graph = std::make_shared<const Graph>(graph(*from.mutable_g(), depth + 1));
    } else if (is(proto::AttributeProto::INTS, from.ints_size() > 0)) {
        to.kind = Kind::integers;
        to.integers.assign(from.ints().begin(), from.ints().end());
    } else if (is(proto::AttributeProto::FLOATS, from.floats_size() > 0)) {
        to.kind = Kind::numbers;
        to.numbers.assign(from.floats().begin(), from.floats().end());
    } else if (is(proto::AttributeProto::STRINGS, from.strings_size() > 0)) {
        to.kind = Kind::texts;
        to.texts.assign(from.strings().begin(), from.strings().end());
    } else {
        to.kind = Kind::other;
    }
    return to;
}

Node Reader::node(proto::NodeProto& from, int depth) {
    Node to;
    to.name = from.name();
    to.operation = from.op_type();
    to.domain = domain_of(from.domain());
    const auto opset = opsets_.find(to.domain);
    to.opset = opset == opsets_.end() ? 0 : opset->second;
    to.inputs.assign(from.input().begin(), from.input().end());
    to.outputs.assign(from.output().begin(), from.output().end());
    if (std::ranges::all_of(to.outputs, &std::string::empty)) {
        refuse(fmt::format("{}: it has no results", describe(to)));
    }
    for (proto::AttributeProto& one : *from.mutable_attribute()) {
        to.attributes.push_back(attribute(one, to, depth));
    }
    return to;
}

Graph Reader::graph(proto::GraphProto& from, int depth) {
    if (depth > kDeepest) {
        refuse("graphs lie too deep in each other");
    }
    Graph to;
    to.name = from.name();
    for (proto::TensorProto& one : *from.mutable_initializer()) {
        const std::string what = fmt::format("constant '{}'", printable(one.name()));
        TensorPointer tensor = tensor_of(one, folder_, what);
        if (!to.constants.emplace(tensor->name, tensor).second) {
            refuse(fmt::format("two constants are named '{}'", printable(tensor->name)));
        }
    }
    for (proto::SparseTensorProto& one : *from.mutable_sparse_initializer()) {
        auto tensor = std::make_shared<Tensor>();
        tensor->name = one.values().name();
        tensor->type = type_of(one.values().data_type(), "a sparse constant");
        tensor->dims.assign(one.dims().begin(), one.dims().end());
        tensor->length = -1;  // its values are not needed
        if (std::ranges::any_of(tensor->dims, [](std::int64_t side) { return side < 0; })) {
            refuse(
                fmt::format("sparse constant '{}': a side is negative", printable(tensor->name)));
        }
        if (!to.constants.emplace(tensor->name, tensor).second) {
            refuse(fmt::format("two constants are named '{}'", printable(tensor->name)));
        }
    }
    for (const proto::ValueInfoProto& one : from.value_info()) {
        to.declared.insert_or_assign(one.name(), declared_of(one));
    }
    for (const proto::ValueInfoProto& one : from.input()) {
        Declared input = declared_of(one);
        if (!to.constants.contains(input.name)) {  // before IR 4 constants were inputs too
            to.declared.insert_or_assign(input.name, input);
            to.inputs.push_back(std::move(input));
        }
    }
    for (const proto::ValueInfoProto& one : from.output()) {
        Declared output = declared_of(one);
        to.declared.try_emplace(output.name, output);
        to.outputs.push_back(std::move(output));
    }
    to.nodes.reserve(static_cast<std::size_t>(from.node_size()));
    for (proto::NodeProto& one : *from.mutable_node()) {
        to.nodes.push_back(node(one, depth));
    }
    return to;
}

Function Reader::function(proto::FunctionProto& from) {
    for (const proto::OperatorSetIdProto& opset : from.opset_import()) {
        opsets_[domain_of(opset.domain())] = opset.version();
    }
    Function to;
    to.inputs.assign(from.input().begin(), from.input().end());
    to.outputs.assign(from.output().begin(), from.output().end());
    for (proto::NodeProto& one : *from.mutable_node()) {
        to.nodes.push_back(node(one, 0));
        to.nodes.back().function = fmt::format("{}:{}", domain_of(from.domain()), from.name());
        to.nodes.back().place = static_cast<int>(to.nodes.size()) - 1;
    }
    return to;
}

// ---- functions in place of their calls ------------------------------------------------------

class Inliner {
public:
    explicit Inliner(const Functions& functions) : functions_{functions} {}

    std::vector<Node> inlined(std::vector<Node> nodes, int depth = 0) {
        std::vector<Node> result;
        for (Node& node : nodes) {
            if (++nodes_ > kMostNodes) {  // calls among them: functions may be empty
                refuse("with its functions in place of their calls the graph has too many nodes");
            }
            const auto function = functions_.find({node.domain, node.operation});
            if (function == functions_.end()) {
                result.push_back(std::move(node));
                continue;
            }
            if (depth > kDeepest) {
                refuse(fmt::format("{}: functions call each other too deep", describe(node)));
            }
            std::vector<Node> inner = inlined(body(function->second, node), depth + 1);
            if (depth == 0) {
                for (Node& one : inner) {
                    one.call = *std::ranges::find_if_not(node.outputs, &std::string::empty);
                }
            }
            std::ranges::move(inner, std::back_inserter(result));
        }
        return result;
    }

private:
    // The function's nodes with the call's tensors and attributes. What lies between gets names of
    // its own.
    std::vector<Node> body(const Function& function, const Node& call) {
        if (call.inputs.size() > function.inputs.size() ||
            call.outputs.size() > function.outputs.size()) {
            refuse(
                fmt::format("{}: it has more inputs or results than its function", describe(call)));
        }
        const std::string prefix =
            fmt::format("{}/", call.name.empty() ? fmt::format("call{}", ++calls_) : call.name);
        std::map<std::string, std::string> names{{"", ""}};
        for (std::size_t i = 0; i < function.inputs.size(); ++i) {
            names[function.inputs[i]] = i < call.inputs.size() ? call.inputs[i] : "";
        }
        for (std::size_t i = 0; i < call.outputs.size(); ++i) {
            if (!call.outputs[i].empty()) {
                names[function.outputs[i]] = call.outputs[i];
            }
        }
        const auto renamed = [&](const std::string& name) {
            return names.try_emplace(name, fmt::format("{}{}#{}", prefix, name, ++names_))
                .first->second;
        };
        std::vector<Node> nodes = function.nodes;
        for (Node& node : nodes) {
            if (!node.name.empty()) {
                node.name.insert(0, prefix);
            }
            for (std::string& name : node.inputs) {
                name = renamed(name);
            }
            for (std::string& name : node.outputs) {
                name = renamed(name);
            }
            std::vector<Attribute> attributes;
            for (Attribute& attribute : node.attributes) {
                if (attribute.graph) {
                    refuse(fmt::format("{}: a graph within a function is not supported",
                                       describe(node)));
                }
                if (attribute.refers_to.empty()) {
                    attributes.push_back(std::move(attribute));
                } else if (const Attribute* const given = call.find(attribute.refers_to)) {
                    attributes.push_back(*given);
                    attributes.back().name = attribute.name;
                }
            }
            node.attributes = std::move(attributes);
        }
        return nodes;
    }

    const Functions& functions_;
    std::size_t nodes_ = 0;
    std::int64_t calls_ = 0, names_ = 0;
};

// ---- a file ---------------------------------------------------------------------------------

File model_of(CodedInputStream& stream,
              const std::string& name,
              const std::filesystem::path& folder) try {
    // 1. Protobuf. It checks the frame alone: a text can pass for an empty message.
    proto::ModelProto model;
    stream.SetTotalBytesLimit(static_cast<int>(kMostBytes));
    if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
        refuse("this is no ONNX model, or it was cut off");
    }
    if (!model.has_graph()) {
        refuse("this is no ONNX model: it holds no graph");
    }
    if (model.graph().node_size() == 0) {
        refuse("its graph has no nodes");
    }

    // 2. The graph and its functions.
    File file;
    file.name = name;
    file.ir_version = model.ir_version();
    file.producer = model.producer_name() + " " + model.producer_version();
    Opsets opsets;
    for (const proto::OperatorSetIdProto& opset : model.opset_import()) {
        opsets[domain_of(opset.domain())] = opset.version();
    }
    file.opset = opsets[""];
    Reader reader{folder, opsets};
    file.graph = reader.graph(*model.mutable_graph(), 0);
    Functions functions;
    for (proto::FunctionProto& one : *model.mutable_functions()) {
        const std::pair key{domain_of(one.domain()), one.name()};
        functions[key] = Reader{folder, opsets}.function(one);
    }
    file.graph.nodes = Inliner{functions}.inlined(std::move(file.graph.nodes));

    // 3. In order.
    sort(file.graph);
    return file;
} catch (const std::invalid_argument& error) {
    throw InputError{fmt::format("{}: {}", name, error.what())};
}

// Reads a file as protobuf asks for it, so that its text is not in memory twice.
class FileStream : public google::protobuf::io::CopyingInputStream {
public:
    explicit FileStream(InputFile& file) : file_{file} {}
    int Read(void* buffer, int size) override {
        return static_cast<int>(
            file_.read(static_cast<char*>(buffer), static_cast<std::size_t>(size)));
    }

private:
    InputFile& file_;
};

}  // namespace

bool can_read() { return true; }

File read_model(const std::filesystem::path& path) {
    InputFile file{path};
    if (file.size() > kMostBytes) {
        throw InputError{
            fmt::format("{}: the file has {}, and protobuf takes 2047 MiB: save the model with its "
                        "weights as external data",
                        path.string(),
                        mebibytes(file.size()))};
    }
    FileStream copying{file};
    google::protobuf::io::CopyingInputStreamAdaptor stream{&copying, 1 << 20};
    CodedInputStream coded{&stream};
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    return model_of(coded, path.string(), folder);
}

File parse(const std::string& bytes, const std::string& name, const std::filesystem::path& folder) {
    CodedInputStream coded{reinterpret_cast<const std::uint8_t*>(bytes.data()),
                           static_cast<int>(std::min<std::size_t>(bytes.size(), kMostBytes))};
    return model_of(coded, name, folder);
}

}  // namespace sim::onnx
