// Segments as ONNX files. Beside reader.cpp the one file that knows protobuf: nodes, constants and
// functions go over as the messages that they are, with what the .proto does not know.

#include "onnx.pb.h"
#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"
#include "sim/import/export.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace sim::onnx {
namespace {

namespace proto = ::onnx;

constexpr std::int64_t kLeastIrVersion = 4;  // before it constants had to be inputs too
constexpr int kNone = -1;

// ---- names --------------------------------------------------------------------------------------

void add_captured(const proto::NodeProto& node, std::vector<std::string>& names);

void add_captured(const proto::GraphProto& graph, std::vector<std::string>& names) {
    std::unordered_set<std::string> own;
    for (const auto& input : graph.input()) {
        own.insert(input.name());
    }
    for (const auto& tensor : graph.initializer()) {
        own.insert(tensor.name());
    }
    for (const auto& tensor : graph.sparse_initializer()) {
        own.insert(tensor.values().name());
    }
    for (const auto& node : graph.node()) {
        own.insert(node.output().begin(), node.output().end());
    }
    std::vector<std::string> read;
    for (const auto& node : graph.node()) {
        read.insert(read.end(), node.input().begin(), node.input().end());
        add_captured(node, read);
    }
    for (const auto& output : graph.output()) {
        read.push_back(output.name());
    }
    std::ranges::copy_if(read, std::back_inserter(names), [&](const std::string& name) {
        return !name.empty() && !own.contains(name);
    });
}

void add_captured(const proto::NodeProto& node, std::vector<std::string>& names) {
    for (const auto& attribute : node.attribute()) {
        if (attribute.has_g()) {
            add_captured(attribute.g(), names);
        }
        for (const auto& graph : attribute.graphs()) {
            add_captured(graph, names);
        }
    }
}

// Each once, in order.
std::vector<std::string> reads_of(const proto::NodeProto& node) {
    std::vector<std::string> names{node.input().begin(), node.input().end()};
    add_captured(node, names);
    std::unordered_set<std::string> seen{""};
    std::vector<std::string> reads;
    std::ranges::copy_if(names, std::back_inserter(reads), [&](const std::string& name) {
        return seen.insert(name).second;
    });
    return reads;
}

std::string describe(const proto::NodeProto& node) {
    Node named;
    named.name = node.name();
    named.operation = node.op_type();
    named.outputs.assign(node.output().begin(), node.output().end());
    return onnx::describe(named);
}

using FunctionKey = std::pair<std::string, std::string>;  // domain and name

FunctionKey key_of(const std::string& domain, const std::string& name) {
    return {domain == "ai.onnx" ? "" : domain, name};
}

// ---- external data ------------------------------------------------------------------------------
// What lies in other files becomes part of the message. That those are in the model's folder, and
// as long as they should be, was checked when the placement was made.
class Embedder {
public:
    explicit Embedder(std::filesystem::path folder) : folder_{std::move(folder)} {}

    void embed(proto::TensorProto& tensor) const {
        if (tensor.data_location() != proto::TensorProto::EXTERNAL) {
            return;
        }
        Tensor external;
        external.length = -1;
        for (const auto& entry : tensor.external_data()) {
            if (entry.key() == "location") {
                external.file = folder_ / entry.value();
            } else if (entry.key() == "offset") {
                external.offset = number_of(entry.value());
            } else if (entry.key() == "length") {
                external.length = number_of(entry.value());
            }
        }
        if (external.length < 0) {
            external.length = InputFile{external.file}.size() - external.offset;
        }
        if (external.length < 0 || external.length > kMostBytes) {
            throw InputError{fmt::format("constant '{}': its external data is too large",
                                         printable(tensor.name()))};
        }
        tensor.set_raw_data(bytes_of(external));
        tensor.clear_external_data();
        tensor.clear_data_location();
    }

    void embed(proto::GraphProto& graph) const {
        for (auto& tensor : *graph.mutable_initializer()) {
            embed(tensor);
        }
        for (auto& node : *graph.mutable_node()) {
            embed(node);
        }
    }

    void embed(proto::NodeProto& node) const {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_t()) {
                embed(*attribute.mutable_t());
            }
            for (auto& tensor : *attribute.mutable_tensors()) {
                embed(tensor);
            }
            if (attribute.has_g()) {
                embed(*attribute.mutable_g());
            }
            for (auto& graph : *attribute.mutable_graphs()) {
                embed(graph);
            }
        }
    }

private:
    static std::int64_t number_of(const std::string& text) {
        std::int64_t number = -1;
        std::from_chars(text.data(), text.data() + text.size(), number);
        return std::max<std::int64_t>(number, 0);
    }

    std::filesystem::path folder_;
};

// ---- the cut ------------------------------------------------------------------------------------

// What a node is to the segments.
enum class Kind {
    placed,    // it runs in one of them
    constant,  // of constants alone: it runs in each that reads it
    known,     // its values follow from shapes: they are in each that reads them
};

class Cutter {
public:
    Cutter(proto::ModelProto& model,
           std::string name,
           std::filesystem::path folder,
           const Placement& placement)
        : model_{model},
          graph_{*model.mutable_graph()},
          name_{std::move(name)},
          embedder_{std::move(folder)},
          placement_{placement} {}

    Pieces run(const std::function<void(const SegmentFile&)>& take) {
        find_constants();
        sort_nodes();
        find_kinds();
        find_live();
        find_segments();
        find_readers();
        for (const auto& input : graph_.input()) {
            if (!constants_.contains(input.name())) {
                pieces_.inputs.push_back(input.name());
            }
        }
        pieces_.outputs = placement_.outputs;
        std::vector<std::vector<int>> nodes(placement_.segments.size());
        for (const int node : order_) {
            if (segments_[at(node)] != kNone) {
                nodes[at(segments_[at(node)])].push_back(node);
            }
        }
        // Outputs that are constants are the last one's.
        std::size_t last = 0;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            last = nodes[i].empty() ? last : i;
        }
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (!nodes[i].empty()) {
                take(segment_file(i, nodes[i], i == last));
            } else {
                pieces_.notes.push_back(fmt::format(
                    "segment {} on '{}' has no nodes of its own and no file: constants are in the "
                    "segments that read them",
                    placement_.segments[i].number,
                    printable(placement_.segments[i].device)));
            }
        }
        return std::move(pieces_);
    }

private:
    [[noreturn]] void refuse(const std::string& what) const {
        throw InputError{fmt::format("{}: {}", name_, what)};
    }

    const proto::NodeProto& node(int i) const { return graph_.node(i); }

    // 1. Constants of the file.
    void find_constants() {
        for (int i = 0; i < graph_.initializer_size(); ++i) {
            constants_.emplace(graph_.initializer(i).name(), i);
        }
        for (int i = 0; i < graph_.sparse_initializer_size(); ++i) {
            constants_.emplace(graph_.sparse_initializer(i).values().name(), -1 - i);
        }
    }

    // 2. Nodes, each after those that it reads.
    void sort_nodes() {
        Graph graph;
        std::vector<std::string> outer;
        for (const auto& [name, place] : constants_) {
            outer.push_back(name);
        }
        for (const auto& input : graph_.input()) {
            outer.push_back(input.name());
        }
        for (int i = 0; i < graph_.node_size(); ++i) {
            Node light;
            light.name = node(i).name();
            light.operation = node(i).op_type();
            light.inputs = reads_of(node(i));
            light.outputs.assign(node(i).output().begin(), node(i).output().end());
            light.place = i;
            reads_.push_back(light.inputs);
            for (const std::string& output : light.outputs) {
                if (!output.empty()) {
                    maker_.emplace(output, i);
                }
            }
            graph.nodes.push_back(std::move(light));
        }
        try {
            sort(graph, outer);
        } catch (const std::invalid_argument& error) {
            refuse(error.what());
        }
        for (const Node& light : graph.nodes) {
            order_.push_back(light.place);
        }
    }

    const Value* value_of(const std::string& tensor) const {
        const auto found = placement_.values.find(tensor);
        return found == placement_.values.end() ? nullptr : &found->second;
    }

    int maker_of(const std::string& tensor) const {
        const auto found = maker_.find(tensor);
        return found == maker_.end() ? kNone : found->second;
    }

    // Is it the same everywhere, without any segment's result?
    bool is_anywhere(const std::string& tensor) const {
        const int maker = maker_of(tensor);
        return maker == kNone ? constants_.contains(tensor) : kinds_[at(maker)] != Kind::placed;
    }

    // 3. What runs in a segment, and what is computed wherever it is read.
    void find_kinds() {
        kinds_.assign(at(graph_.node_size()), Kind::placed);
        for (const int i : order_) {
            bool is_constant = true, is_known = true;
            for (const std::string& output : node(i).output()) {
                if (output.empty()) {
                    continue;
                }
                const Value* const value = value_of(output);
                is_constant = is_constant && value != nullptr && value->is_constant;
                is_known = is_known && value != nullptr && value->is_tensor &&
                           (value->constant != nullptr || elements_of(value->dims) == 0);
            }
            if (!is_constant) {
                continue;
            }
            if (std::ranges::all_of(reads_[at(i)],
                                    [&](const std::string& read) { return is_anywhere(read); })) {
                kinds_[at(i)] = Kind::constant;
            } else if (is_known) {
                kinds_[at(i)] = Kind::known;
            }
        }
    }

    // 4. Nodes that lead to an output.
    void find_live() {
        std::unordered_set<std::string> wanted{placement_.outputs.begin(),
                                               placement_.outputs.end()};
        is_live_.assign(at(graph_.node_size()), false);
        for (auto next = order_.rbegin(); next != order_.rend(); ++next) {
            const int i = *next;
            is_live_[at(i)] = std::ranges::any_of(
                node(i).output(), [&](const auto& output) { return wanted.contains(output); });
            if (is_live_[at(i)] && kinds_[at(i)] != Kind::known) {
                wanted.insert(reads_[at(i)].begin(), reads_[at(i)].end());
            }
        }
    }

    // 5. Where each runs: where it was placed, but not before what it reads.
    void find_segments() {
        segments_.assign(at(graph_.node_size()), kNone);
        for (const int i : order_) {
            if (kinds_[at(i)] != Kind::placed || !is_live_[at(i)]) {
                continue;
            }
            int placed = kNone;
            say_divided(node(i));
            for (const std::string& output : node(i).output()) {
                if (const auto found = placement_.segment_of.find(output);
                    placed == kNone && !output.empty() && found != placement_.segment_of.end()) {
                    placed = found->second;
                }
            }
            int segment = std::max(placed, 0);
            for (const std::string& read : reads_[at(i)]) {
                if (const int maker = maker_of(read); maker != kNone) {
                    segment = std::max(segment, segments_[at(maker)]);
                }
            }
            segments_[at(i)] = segment;
            const auto& all = placement_.segments;
            if (placed != kNone && all[at(placed)].device != all[at(segment)].device) {
                pieces_.notes.push_back(
                    fmt::format("{} goes to segment {} on '{}' instead of '{}': what it reads is "
                                "made there",
                                describe(node(i)),
                                all[at(segment)].number,
                                printable(all[at(segment)].device),
                                printable(all[at(placed)].device)));
            }
        }
    }

    // A call of a function whose nodes are on several devices.
    void say_divided(const proto::NodeProto& call) {
        const auto first = std::ranges::find_if_not(call.output(), &std::string::empty);
        const auto found = placement_.of_calls.find(*first);
        std::set<std::string> devices;
        if (found != placement_.of_calls.end()) {
            for (const int segment : found->second) {
                devices.insert(
                    fmt::format("'{}'", printable(placement_.segments[at(segment)].device)));
            }
        }
        if (devices.size() > 1) {
            pieces_.notes.push_back(
                fmt::format("{}: its function's nodes are on {}; it runs as one",
                            describe(call),
                            fmt::join(devices, ", ")));
        }
    }

    // 6. The last segment that reads each tensor.
    void find_readers() {
        for (const int i : order_) {
            if (segments_[at(i)] == kNone) {
                continue;
            }
            for (const std::string& read : reads_[at(i)]) {
                int& last = last_reader_[read];
                last = std::max(last, segments_[at(i)]);
            }
        }
    }

    // A segment while it is made.
    struct Part {
        proto::ModelProto model;
        std::vector<std::string> inputs, outputs;
        std::unordered_set<std::string> there;  // tensors
        std::vector<int> constant_nodes;
        std::int64_t bytes = 0;  // of its constants
    };

    void add_constant(const std::string& name, Part& part) {
        proto::GraphProto& graph = *part.model.mutable_graph();
        const int place = constants_.at(name);
        if (place < 0) {
            *graph.add_sparse_initializer() = graph_.sparse_initializer(-1 - place);
            return;
        }
        proto::TensorProto& tensor = *graph.add_initializer();
        tensor = graph_.initializer(place);
        embedder_.embed(tensor);
        part.bytes += static_cast<std::int64_t>(tensor.ByteSizeLong());
        expect_fits(part);
    }

    void add_known(const std::string& name, Part& part) {
        const Value& value = placement_.values.at(name);
        proto::TensorProto& tensor = *part.model.mutable_graph()->add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(static_cast<int>(value.type));
        for (const std::int64_t side : value.dims) {
            tensor.add_dims(side);
        }
        tensor.set_raw_data(value.constant ? value.constant->bytes : std::string{});
    }

    // What is needed of a tensor that no node of the segment makes. Deep chains of constants are
    // rare and short: shapes, and weights that are dequantized.
    void need(const std::string& tensor, Part& part) {
        if (!part.there.insert(tensor).second) {
            return;
        }
        if (!is_anywhere(tensor)) {
            part.inputs.push_back(tensor);
            return;
        }
        const int maker = maker_of(tensor);
        if (maker == kNone) {
            add_constant(tensor, part);
        } else if (kinds_[at(maker)] == Kind::known) {
            add_known(tensor, part);
        } else {
            part.there.insert(node(maker).output().begin(), node(maker).output().end());
            for (const std::string& read : reads_[at(maker)]) {
                need(read, part);
            }
            part.constant_nodes.push_back(maker);
        }
    }

    void add_node(int i, Part& part) {
        proto::NodeProto& made = *part.model.mutable_graph()->add_node();
        made = node(i);
        embedder_.embed(made);
        part.bytes += static_cast<std::int64_t>(made.ByteSizeLong());
        expect_fits(part);
    }

    void expect_fits(const Part& part) const {
        if (part.bytes >= kMostBytes) {
            refuse(
                fmt::format("{} is larger than the 2047 MiB that protobuf takes: map its layers "
                            "in more segments",
                            printable(part.model.graph().name())));
        }
    }

    void declare(const std::string& tensor, proto::ValueInfoProto& to) const {
        const Value* const value = value_of(tensor);
        if (value == nullptr || !value->is_tensor || value->type == Type::undefined) {
            refuse(
                fmt::format("'{}' goes from one segment to another, and is no tensor of known "
                            "shape but a sequence, a map or an optional",
                            printable(tensor)));
        }
        to.set_name(tensor);
        proto::TypeProto::Tensor& type = *to.mutable_type()->mutable_tensor_type();
        type.set_elem_type(static_cast<int>(value->type));
        type.mutable_shape();
        for (const std::int64_t side : value->dims) {
            type.mutable_shape()->add_dim()->set_dim_value(side);
        }
    }

    // Functions that the nodes call, and those that these call.
    void add_functions(Part& part) const {
        std::map<FunctionKey, bool> is_called;
        for (const auto& function : model_.functions()) {
            is_called.emplace(key_of(function.domain(), function.name()), false);
        }
        const auto call = [&](const auto& nodes) {
            bool is_new = false;
            for (const proto::NodeProto& one : nodes) {
                const auto found = is_called.find(key_of(one.domain(), one.op_type()));
                if (found != is_called.end() && !found->second) {
                    found->second = is_new = true;
                }
            }
            return is_new;
        };
        bool again = call(part.model.graph().node());
        while (again) {
            again = false;
            for (const auto& function : model_.functions()) {
                if (is_called.at(key_of(function.domain(), function.name()))) {
                    again = call(function.node()) || again;
                }
            }
        }
        for (const auto& function : model_.functions()) {
            if (is_called.at(key_of(function.domain(), function.name()))) {
                proto::FunctionProto& made = *part.model.add_functions();
                made = function;
                for (proto::NodeProto& one : *made.mutable_node()) {
                    embedder_.embed(one);
                }
            }
        }
    }

    SegmentFile segment_file(std::size_t index, const std::vector<int>& nodes, bool is_last) {
        // 1. The model without its graph.
        Part part;
        part.model.set_ir_version(std::max<std::int64_t>(model_.ir_version(), kLeastIrVersion));
        *part.model.mutable_opset_import() = model_.opset_import();
        part.model.set_producer_name(model_.producer_name());
        part.model.set_producer_version(model_.producer_version());
        *part.model.mutable_metadata_props() = model_.metadata_props();
        proto::GraphProto& graph = *part.model.mutable_graph();
        const Segment& segment = placement_.segments[index];
        graph.set_name(fmt::format("{} segment {}", graph_.name(), segment.number));

        // 2. What its nodes read of others, and what others read of it.
        std::vector<std::string> made;
        for (const int i : nodes) {
            std::ranges::copy_if(node(i).output(), std::back_inserter(made), [](const auto& one) {
                return !one.empty();
            });
        }
        part.there.insert(made.begin(), made.end());
        for (const int i : nodes) {
            for (const std::string& read : reads_[at(i)]) {
                need(read, part);
            }
        }
        const std::unordered_set<std::string> wanted{placement_.outputs.begin(),
                                                     placement_.outputs.end()};
        for (const std::string& tensor : made) {
            const auto reader = last_reader_.find(tensor);
            if (wanted.contains(tensor) ||
                (reader != last_reader_.end() && reader->second > static_cast<int>(index))) {
                part.outputs.push_back(tensor);
            }
        }
        for (const std::string& output : placement_.outputs) {
            if (is_last && is_anywhere(output)) {
                need(output, part);
                part.outputs.push_back(output);
            }
        }

        // 3. The messages: constants' nodes first.
        for (const int i : part.constant_nodes) {
            add_node(i, part);
        }
        for (const int i : nodes) {
            add_node(i, part);
        }
        for (const std::string& input : part.inputs) {
            declare(input, *graph.add_input());
        }
        for (const std::string& output : part.outputs) {
            declare(output, *graph.add_output());
        }
        const std::unordered_set<std::string> outputs{part.outputs.begin(), part.outputs.end()};
        const std::unordered_set<std::string> inputs{part.inputs.begin(), part.inputs.end()};
        for (const auto& info : graph_.value_info()) {
            if (part.there.contains(info.name()) && !outputs.contains(info.name()) &&
                !inputs.contains(info.name())) {
                *graph.add_value_info() = info;
            }
        }
        for (const auto& annotation : graph_.quantization_annotation()) {
            if (part.there.contains(annotation.tensor_name())) {
                *graph.add_quantization_annotation() = annotation;
            }
        }
        add_functions(part);
        part.bytes = static_cast<std::int64_t>(part.model.ByteSizeLong());
        expect_fits(part);
        SegmentFile file{.segment = segment,
                         .inputs = std::move(part.inputs),
                         .outputs = std::move(part.outputs),
                         .nodes = graph.node_size(),
                         .bytes = {}};
        if (!part.model.SerializeToString(&file.bytes)) {
            refuse(fmt::format("{} cannot be written: a field that it needs is missing",
                               printable(graph.name())));
        }
        return file;
    }

    proto::ModelProto& model_;
    proto::GraphProto& graph_;
    std::string name_;
    Embedder embedder_;
    const Placement& placement_;
    Pieces pieces_;
    std::unordered_map<std::string, int> constants_;  // sparse ones: -1 - their place
    std::unordered_map<std::string, int> maker_;
    std::vector<std::vector<std::string>> reads_;
    std::vector<int> order_, segments_;
    std::vector<Kind> kinds_;
    std::vector<bool> is_live_;
    std::unordered_map<std::string, int> last_reader_;
};

proto::ModelProto parsed(const std::string& bytes, const std::string& name) {
    proto::ModelProto model;
    if (static_cast<std::int64_t>(bytes.size()) > kMostBytes ||
        !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw InputError{fmt::format("{}: this is no ONNX model, or it was cut off", name)};
    }
    return model;
}

}  // namespace

Pieces cut_up(const std::string& bytes,
              const std::string& name,
              const std::filesystem::path& folder,
              const Placement& placement,
              const std::function<void(const SegmentFile&)>& take) {
    proto::ModelProto model = parsed(bytes, name);
    return Cutter{model, name, folder, placement}.run(take);
}

Pieces cut_up(const std::filesystem::path& path,
              const Placement& placement,
              const std::function<void(const SegmentFile&)>& take) {
    proto::ModelProto model = parsed(read_file(path, kMostBytes), path.string());
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    return Cutter{model, path.string(), folder, placement}.run(take);
}

}  // namespace sim::onnx
