#include "sim/import/export.hpp"

#include "sim/error.hpp"
#include "sim/import/reader.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <queue>

namespace sim::onnx {
namespace {

constexpr int kNowhere = -1;
constexpr std::size_t kMostKeptBytes = 4096;  // of a constant in a placement: shapes are short

// ---- the mapping --------------------------------------------------------------------------------

// The model's layers by name; of those with several results the first, which the others run with.
class Entries {
public:
    Entries(const MappingFile& mapping, const Model& model) : mapping_{mapping}, model_{model} {
        if (mapping.model != model.name) {
            throw input_error(
                mapping.where,
                fmt::format(
                    "model: the mapping is for '{}', not for '{}'", mapping.model, model.name));
        }
        find_layers();
        expect_all();
    }

    // Indices of entries, each after those that make what it reads.
    std::vector<std::size_t> in_order() const {
        const std::size_t count = mapping_.entries.size();
        std::vector<std::set<std::size_t>> readers(count);
        std::vector<int> waits_for(count, 0);
        for (std::size_t i = 0; i < count; ++i) {
            for (const int input : inputs_of(i)) {
                const std::size_t maker = entry_of_.at(input);
                if (mapping_.is_listed_in_order && maker > i) {
                    throw input_error(
                        mapping_.entries[i].where,
                        fmt::format("order: listed, but '{}' reads '{}', which comes later",
                                    printable(mapping_.entries[i].layers.front()),
                                    printable(model_.layers[at(input)].name)));
                }
                if (readers[maker].insert(i).second) {
                    ++waits_for[i];
                }
            }
        }
        if (mapping_.is_listed_in_order) {
            std::vector<std::size_t> order(count);
            std::ranges::generate(order, [next = std::size_t{0}]() mutable { return next++; });
            return order;
        }
        // Kahn's algorithm; of the entries that are ready the one whose first layer is the first.
        using Ready = std::pair<int, std::size_t>;
        std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
        const auto is_ready = [&](std::size_t i) { ready.emplace(layers_[i].front(), i); };
        for (std::size_t i = 0; i < count; ++i) {
            if (waits_for[i] == 0) {
                is_ready(i);
            }
        }
        std::vector<std::size_t> order;
        while (!ready.empty()) {
            const std::size_t next = ready.top().second;
            ready.pop();
            order.push_back(next);
            for (const std::size_t reader : readers[next]) {
                if (--waits_for[reader] == 0) {
                    is_ready(reader);
                }
            }
        }
        if (order.size() < count) {
            throw input_error(mapping_.where, "its fused layers wait for each other");
        }
        return order;
    }

private:
    void find_layers() {
        std::map<std::string_view, int> numbers;
        for (std::size_t i = at(model_.inputs()); i < model_.layers.size(); ++i) {
            numbers.emplace(model_.layers[i].name, static_cast<int>(i));
        }
        for (std::size_t i = 0; i < mapping_.entries.size(); ++i) {
            const MappingEntry& entry = mapping_.entries[i];
            if (entry.layers.empty()) {
                throw input_error(entry.where, "layers: expected at least one");
            }
            auto& layers = layers_.emplace_back();
            for (const std::string& name : entry.layers) {
                const auto found = numbers.find(name);
                if (found == numbers.end()) {
                    throw input_error(
                        entry.where,
                        fmt::format(
                            "layers: '{}' has no layer '{}'", model_.name, printable(name)));
                }
                const auto [there, is_new] = entry_of_.emplace(found->second, i);
                if (!is_new) {
                    throw input_error(entry.where,
                                      fmt::format("layer '{}' is mapped twice, first in line {}",
                                                  printable(name),
                                                  mapping_.entries[there->second].where.line));
                }
                layers.push_back(found->second);
            }
        }
    }

    void expect_all() {
        for (std::size_t i = at(model_.inputs()); i < model_.layers.size(); ++i) {
            const sim::Layer& layer = model_.layers[i];
            if (entry_of_.contains(static_cast<int>(i))) {
                continue;
            }
            if (layer.inputs.empty()) {
                continue;  // a constant, which nothing computes
            }
            if (!is_further_result(layer)) {
                throw input_error(
                    {.file = mapping_.where.file},
                    fmt::format("a layer without an implementation: {}", printable(layer.name)));
            }
            // It runs with the layer whose results it is among.
            entry_of_.emplace(static_cast<int>(i), entry_of_.at(layer.inputs.front()));
        }
    }

    // What an entry reads of others.
    std::set<int> inputs_of(std::size_t entry) const {
        std::set<int> inputs;
        for (const int layer : layers_[entry]) {
            for (const int input : model_.layers[at(layer)].inputs) {
                const auto maker = entry_of_.find(input);  // none of inputs and constants
                if (maker != entry_of_.end() && maker->second != entry) {
                    inputs.insert(input);
                }
            }
        }
        return inputs;
    }

    const MappingFile& mapping_;
    const Model& model_;
    std::vector<std::vector<int>> layers_;  // by entry
    std::map<int, std::size_t> entry_of_;   // by layer
};

// ---- nodes --------------------------------------------------------------------------------------

std::vector<std::string> reads_of(const Node& node) {
    std::vector<std::string> reads = captured_by(node);
    std::ranges::copy_if(node.inputs, std::back_inserter(reads), [](const std::string& name) {
        return !name.empty();
    });
    return reads;
}

void add_data_files(const std::vector<Node>& nodes, std::set<std::string>& files);

void add_data_files(const Graph& graph, std::set<std::string>& files) {
    for (const auto& [name, tensor] : graph.constants) {
        files.insert(tensor->location);
    }
    add_data_files(graph.nodes, files);
}

void add_data_files(const std::vector<Node>& nodes, std::set<std::string>& files) {
    for (const Node& node : nodes) {
        for (const Attribute& attribute : node.attributes) {
            if (attribute.tensor) {
                files.insert(attribute.tensor->location);
            }
            if (attribute.graph) {
                add_data_files(*attribute.graph, files);
            }
        }
    }
}

void expect_same_layers(const Model& model, const Imported& imported) {
    std::set<std::string> ours;
    for (const Layer& layer : imported.layers.layers) {
        ours.insert(layer.name);
    }
    const auto refuse = [&](const std::string& what) {
        throw InputError{
            fmt::format("{}: {}: was it made of another file, or with other sizes (--dim)?",
                        model.path.string(),
                        what)};
    };
    std::set<std::string> theirs;
    for (std::size_t i = at(model.inputs()); i < model.layers.size(); ++i) {
        const sim::Layer& layer = model.layers[i];
        if (is_further_result(layer)) {
            continue;
        }
        theirs.insert(layer.name);
        if (!ours.contains(layer.name)) {
            refuse(fmt::format("importing {} makes no layer '{}'",
                               imported.inferred.file.name,
                               printable(layer.name)));
        }
    }
    for (const std::string& name : ours) {
        if (!theirs.contains(name)) {
            refuse(fmt::format("it lacks the layer '{}', which importing {} makes",
                               printable(name),
                               imported.inferred.file.name));
        }
    }
}

// The segment of each node.
class Nodes {
public:
    Nodes(const std::vector<Node>& nodes,
          const Imported& imported,
          const std::map<std::string, int>& segment_of_layer,
          Placement& placement)
        : nodes_{nodes},
          made_by_{imported.layers.made_by},
          segment_of_layer_{segment_of_layer},
          placement_{placement},
          segments_(nodes.size(), kNowhere) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            for (const std::string& output : nodes[i].outputs) {
                maker_.emplace(output, i);
            }
        }
        by_layers();
        by_readers();
        by_inputs();
        for (const Layer& layer : imported.layers.layers) {
            if (layer.operation != "constant" && !used_.contains(layer.name)) {
                placement.notes.push_back(fmt::format(
                    "layer '{}' is part of another layer's nodes, and goes where they do",
                    layer.name));
            }
        }
    }

    int segment(std::size_t node) const { return segments_[node]; }

private:
    int segment_of(const std::string& tensor) {
        const auto layer = made_by_.find(tensor);
        if (layer == made_by_.end()) {
            return kNowhere;
        }
        used_.insert(layer->second);
        const auto segment = segment_of_layer_.find(layer->second);
        return segment == segment_of_layer_.end() ? kNowhere : segment->second;
    }

    void by_layers() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            for (const std::string& output : nodes_[i].outputs) {
                segments_[i] = std::max(segments_[i], segment_of(output));
            }
            // An If whose condition is known has the layers of its branch.
            for (const Attribute& attribute : nodes_[i].attributes) {
                if (attribute.graph && segments_[i] == kNowhere && nodes_[i].operation == "If") {
                    for (const Node& inner : attribute.graph->nodes) {
                        for (const std::string& output : inner.outputs) {
                            segments_[i] = std::max(segments_[i], segment_of(output));
                        }
                    }
                }
            }
            placement_.by_layer += segments_[i] != kNowhere ? 1 : 0;
        }
    }

    // The first reader: what it needs is there when it runs.
    void by_readers() {
        std::map<std::string, int> first;  // by tensor
        for (std::size_t i = nodes_.size(); i-- > 0;) {
            int& segment = segments_[i];
            if (segment == kNowhere) {
                for (const std::string& output : nodes_[i].outputs) {
                    const auto found = first.find(output);
                    if (found != first.end() && (segment == kNowhere || found->second < segment)) {
                        segment = found->second;
                    }
                }
                placement_.by_reader += segment != kNowhere ? 1 : 0;
            }
            if (segment != kNowhere) {
                for (const std::string& input : reads_of(nodes_[i])) {
                    const auto [found, is_new] = first.emplace(input, segment);
                    found->second = std::min(found->second, segment);
                }
            }
        }
    }

    void by_inputs() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (segments_[i] != kNowhere) {
                continue;
            }
            for (const std::string& input : reads_of(nodes_[i])) {
                if (const auto maker = maker_.find(input); maker != maker_.end()) {
                    segments_[i] = std::max(segments_[i], segments_[maker->second]);
                }
            }
            segments_[i] = std::max(segments_[i], 0);
            ++placement_.by_input;
        }
    }

    const std::vector<Node>& nodes_;
    const std::map<std::string, std::string>& made_by_;
    const std::map<std::string, int>& segment_of_layer_;
    Placement& placement_;
    std::vector<int> segments_;
    std::map<std::string, std::size_t> maker_;
    std::set<std::string> used_;  // layers
};

// ---- bytes ------------------------------------------------------------------------------------
// Protocol buffers on the wire (https://protobuf.dev/programming-guides/encoding): by hand, since a
// parsed and written message need not have the bytes that it had.

// Numbers of fields in onnx.proto.
constexpr std::uint64_t kGraphOfModel = 7, kFunctionsOfModel = 25;
constexpr std::uint64_t kNodesOfGraph = 1;
constexpr std::uint64_t kNameOfFunction = 1, kNodesOfFunction = 7, kDomainOfFunction = 10;
constexpr std::uint64_t kOutputsOfNode = 2, kAttributesOfNode = 5, kMetadataOfNode = 9;
constexpr std::uint64_t kGraphOfAttribute = 6, kGraphsOfAttribute = 11;
constexpr std::uint64_t kKeyOfEntry = 1, kValueOfEntry = 2;
constexpr std::string_view kKey = "layer_ann";

struct NoMessage {};

struct Field {
    std::uint64_t number = 0;
    bool has_bytes = false;             // a text or a message, else a number
    std::size_t begin = 0, length = 0;  // of the whole field, and of the number of its bytes
    std::size_t content = 0, end = 0;
};

class Wire {
public:
    explicit Wire(std::string_view bytes) : bytes_{bytes} {}

    std::string_view text(const Field& field) const {
        return bytes_.substr(field.content, field.end - field.content);
    }

    std::vector<Field> fields(std::size_t begin, std::size_t end) const {
        std::vector<Field> fields;
        while (begin < end) {
            Field field;
            field.begin = begin;
            const std::uint64_t tag = number(begin, end);
            field.number = tag >> 3;
            field.length = field.content = begin;
            switch (tag & 7) {
                case 0:
                    number(begin, end);
                    break;
                case 1:
                    skip(begin, end, 8);
                    break;
                case 2: {
                    const std::uint64_t bytes = number(begin, end);
                    field.has_bytes = true;
                    field.content = begin;
                    skip(begin, end, bytes);
                    break;
                }
                case 5:
                    skip(begin, end, 4);
                    break;
                default:
                    throw NoMessage{};  // groups: nothing that ONNX has
            }
            field.end = begin;
            fields.push_back(field);
        }
        return fields;
    }
    std::vector<Field> fields(const Field& field) const { return fields(field.content, field.end); }

private:
    std::uint64_t number(std::size_t& begin, std::size_t end) const {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (begin == end) {
                throw NoMessage{};
            }
            const auto byte = static_cast<unsigned char>(bytes_[begin++]);
            value |= std::uint64_t{byte & 127U} << shift;
            if (byte < 128) {
                return value;
            }
        }
        throw NoMessage{};
    }
    static void skip(std::size_t& begin, std::size_t end, std::uint64_t bytes) {
        if (bytes > end - begin) {
            throw NoMessage{};
        }
        begin += static_cast<std::size_t>(bytes);
    }

    std::string_view bytes_;
};

std::string wire_number(std::uint64_t value) {
    std::string text;
    for (; value >= 128; value >>= 7) {
        text += static_cast<char>(value | 128U);
    }
    return text + static_cast<char>(value);
}

std::string wire_text(std::uint64_t number, std::string_view text) {
    return wire_number(number << 3 | 2) + wire_number(text.size()) + std::string{text};
}

class Annotator {
public:
    Annotator(std::string_view bytes, const Placement& placement)
        : bytes_{bytes}, wire_{bytes}, placement_{placement}, labels_{labels_of(placement)} {}

    std::string run() {
        for (const Field& field : wire_.fields(0, bytes_.size())) {
            if (field.number == kGraphOfModel && field.has_bytes) {
                edit_length(field, graph(field, nullptr));
            } else if (field.number == kFunctionsOfModel && field.has_bytes) {
                edit_length(field, function(field));
            }
        }
        std::ranges::stable_sort(edits_, {}, &Edit::begin);
        std::size_t size = bytes_.size();
        for (const Edit& edit : edits_) {
            size += edit.text.size() - (edit.end - edit.begin);
        }
        std::string text;
        text.reserve(size);
        std::size_t done = 0;
        for (const Edit& edit : edits_) {
            text += bytes_.substr(done, edit.begin - done);
            text += edit.text;
            done = edit.end;
        }
        return text.append(bytes_.substr(done));
    }

private:
    struct Edit {
        std::size_t begin = 0, end = 0;
        std::string text;
    };
    using Growth = std::int64_t;  // of a message, in bytes

    // A message within another: its length, and by how much the other grows.
    Growth edit_length(const Field& field, Growth growth) {
        if (growth == 0) {
            return 0;
        }
        const auto bytes = static_cast<Growth>(field.end - field.content) + growth;
        std::string text = wire_number(static_cast<std::uint64_t>(bytes));
        growth +=
            static_cast<Growth>(text.size()) - static_cast<Growth>(field.content - field.length);
        edits_.push_back({field.length, field.content, std::move(text)});
        return growth;
    }

    Growth graph(const Field& field, const std::string* label) {
        Growth growth = 0;
        for (const Field& part : wire_.fields(field)) {
            if (part.number == kNodesOfGraph && part.has_bytes) {
                growth += edit_length(part, node(part, label));
            }
        }
        return growth;
    }

    Growth function(const Field& field) {
        const std::vector<Field> parts = wire_.fields(field);
        std::string name, domain;
        for (const Field& part : parts) {
            if (part.number == kNameOfFunction) {
                name = wire_.text(part);
            } else if (part.number == kDomainOfFunction) {
                domain = wire_.text(part);
            }
        }
        domain = domain == "ai.onnx" ? "" : domain;
        const auto found = placement_.of_functions.find(fmt::format("{}:{}", domain, name));
        if (found == placement_.of_functions.end()) {
            return 0;  // nothing calls it
        }
        const std::vector<int>& segments = found->second;
        const auto some = std::ranges::find_if(segments, [](int one) { return one != kNowhere; });
        Growth growth = 0;
        std::size_t place = 0;
        for (const Field& part : parts) {
            if (part.number == kNodesOfFunction && part.has_bytes) {
                // A call within the function has no place of its own.
                const bool has_place = place < segments.size() && segments[place] != kNowhere;
                const int segment = has_place ? segments[place] : *some;
                growth += edit_length(part, node(part, &labels_[at(segment)]));
                ++place;
            }
        }
        return growth;
    }

    // `label`: of the node that this one is within; of the graph's own the tensors decide.
    Growth node(const Field& field, const std::string* label) {
        const std::vector<Field> parts = wire_.fields(field);
        for (const Field& part : parts) {
            if (part.number == kOutputsOfNode && label == nullptr) {
                const auto found = placement_.segment_of.find(std::string{wire_.text(part)});
                if (found != placement_.segment_of.end()) {
                    label = &labels_[at(found->second)];
                }
            }
        }
        if (label == nullptr) {
            throw NoMessage{};  // reading it has seen other nodes
        }
        Growth growth = 0;
        for (const Field& part : parts) {
            if (part.number == kAttributesOfNode && part.has_bytes) {
                Growth of_attribute = 0;
                for (const Field& inner : wire_.fields(part)) {
                    const bool is_graph =
                        inner.number == kGraphOfAttribute || inner.number == kGraphsOfAttribute;
                    if (is_graph && inner.has_bytes) {
                        of_attribute += edit_length(inner, graph(inner, label));
                    }
                }
                growth += edit_length(part, of_attribute);
            } else if (part.number == kMetadataOfNode && part.has_bytes && is_label(part)) {
                growth -= static_cast<Growth>(part.end - part.begin);
                edits_.push_back({part.begin, part.end, ""});
            }
        }
        std::string entry = wire_text(
            kMetadataOfNode, wire_text(kKeyOfEntry, kKey) + wire_text(kValueOfEntry, *label));
        growth += static_cast<Growth>(entry.size());
        if (!edits_.empty() && edits_.back().end == field.end && edits_.back().text.empty()) {
            edits_.back().text = std::move(entry);  // where an old one stood last
        } else {
            edits_.push_back({field.end, field.end, std::move(entry)});
        }
        return growth;
    }

    bool is_label(const Field& field) const {
        return std::ranges::any_of(wire_.fields(field), [&](const Field& part) {
            return part.number == kKeyOfEntry && part.has_bytes && wire_.text(part) == kKey;
        });
    }

    std::string_view bytes_;
    Wire wire_;
    const Placement& placement_;
    std::vector<std::string> labels_;
    std::vector<Edit> edits_;
};

// Our devices, in the order in which they are first used, with what stands for them in labels.
std::vector<std::pair<std::string, std::string>> devices_of(const Placement& placement) {
    std::vector<std::pair<std::string, std::string>> devices;
    std::set<std::string> taken;
    for (const Segment& segment : placement.segments) {
        const auto named = [&](const auto& device) { return device.first == segment.device; };
        if (std::ranges::any_of(devices, named)) {
            continue;
        }
        std::string label = segment.device;
        for (char& letter : label) {
            const bool is_plain =
                (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.';
            letter = is_plain ? letter : '_';
        }
        while (!taken.insert(label).second) {
            label += '_';
        }
        devices.emplace_back(segment.device, label);
    }
    return devices;
}

bool is_runtime_device(std::string_view name) {
    if (name.starts_with("gpu:")) {
        const std::string_view number = name.substr(4);
        return !number.empty() && number.size() < 4 &&
               number.find_first_not_of("0123456789") == std::string_view::npos;
    }
    return name == "cpu" || name == "gpu" || name == "npu";
}

}  // namespace

std::vector<Segment> segments_of(const MappingFile& mapping,
                                 const Model& model,
                                 std::vector<std::string>& notes) {
    std::vector<Segment> segments;
    bool is_open = false;  // may the last one go on?
    for (const std::size_t i : Entries{mapping, model}.in_order()) {
        const MappingEntry& entry = mapping.entries[i];
        std::string device = entry.device;
        if (!entry.parts.empty()) {
            const auto most = std::ranges::max_element(entry.parts, {}, &MappingPart::channels);
            device = most->device;
            notes.push_back(fmt::format(
                "layer '{}' is divided over {} devices; all of it goes to '{}', which has the most "
                "channels",
                printable(entry.layers.front()),
                entry.parts.size(),
                printable(device)));
        }
        if (!is_open || !entry.parts.empty() || segments.back().device != device) {
            segments.push_back(
                {.number = static_cast<int>(segments.size()) + 1, .device = device, .layers = {}});
        }
        is_open = entry.parts.empty();
        auto& layers = segments.back().layers;
        layers.insert(layers.end(), entry.layers.begin(), entry.layers.end());
    }
    return segments;
}

Placement place(const std::filesystem::path& path,
                const Sizes& sizes,
                const Model& model,
                const MappingFile& mapping) {
    return place(read_model(path), sizes, model, mapping);
}

Placement place(File file, const Sizes& sizes, const Model& model, const MappingFile& mapping) {
    // 1. The mapping's segments, and what import makes of the nodes.
    Placement placement;
    placement.segments = segments_of(mapping, model, placement.notes);
    const std::vector<Node> nodes = file.graph.nodes;
    add_data_files(file.graph, placement.data_files);
    placement.data_files.erase("");
    const Imported imported = import_onnx(std::move(file), sizes);
    expect_same_layers(model, imported);
    std::map<std::string, int> segment_of_layer;
    for (std::size_t i = 0; i < placement.segments.size(); ++i) {
        for (const std::string& layer : placement.segments[i].layers) {
            segment_of_layer.emplace(layer, static_cast<int>(i));
        }
    }

    // 2. The nodes; of those in functions, which may be called several times, the first call's.
    const Nodes placed{nodes, imported, segment_of_layer, placement};
    std::set<std::string> divided;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const int segment = placed.segment(i);
        for (const std::string& output : nodes[i].outputs) {
            placement.segment_of.emplace(output, segment);
        }
        if (nodes[i].function.empty()) {
            continue;
        }
        placement.of_calls[nodes[i].call].insert(segment);
        auto& of_function = placement.of_functions[nodes[i].function];
        of_function.resize(std::max(of_function.size(), at(nodes[i].place) + 1), kNowhere);
        int& known = of_function[at(nodes[i].place)];
        if (known != kNowhere &&
            placement.segments[at(known)].device != placement.segments[at(segment)].device) {
            divided.insert(nodes[i].function);
        }
        known = known == kNowhere ? segment : known;
    }
    for (const std::string& function : divided) {
        placement.notes.push_back(
            fmt::format("function '{}': its calls are on several devices, and its nodes can name "
                        "one; they have "
                        "that of the first call",
                        printable(function)));
    }

    // 3. What is known of tensors, without the weights.
    placement.values = imported.inferred.values;
    for (auto& [name, value] : placement.values) {
        value.origin = nullptr;
        if (value.constant &&
            (value.constant->bytes.size() > kMostKeptBytes || !value.constant->file.empty())) {
            value.constant = nullptr;
        }
    }
    placement.values.erase("");
    for (const Declared& output : imported.inferred.file.graph.outputs) {
        placement.outputs.push_back(output.name);
    }
    return placement;
}

std::vector<std::string> labels_of(const Placement& placement) {
    const auto devices = devices_of(placement);
    std::vector<std::string> labels;
    for (const Segment& segment : placement.segments) {
        const auto device =
            std::ranges::find(devices, segment.device, &std::pair<std::string, std::string>::first);
        labels.push_back(fmt::format("hetmap/{}/{}", device->second, segment.number));
    }
    return labels;
}

std::string annotated(const std::string& bytes,
                      const std::string& name,
                      const Placement& placement) try {
    return Annotator{bytes, placement}.run();
} catch (const NoMessage&) {
    throw InputError{
        fmt::format("{}: this is no ONNX model, or it changed while it was read", name)};
}

std::string assignment_settings(const Placement& placement,
                                const std::map<std::string, std::string>& runtime_devices) {
    const auto devices = devices_of(placement);
    for (const auto& [device, runtime] : runtime_devices) {
        if (std::ranges::find(devices, device, &std::pair<std::string, std::string>::first) ==
            devices.end()) {
            throw InputError{fmt::format("--runtime-device {}: nothing is mapped onto this device",
                                         printable(device))};
        }
        if (!is_runtime_device(runtime)) {
            throw InputError{
                fmt::format("--runtime-device {}: expected cpu, gpu, gpu:N or npu, got '{}'",
                            printable(device),
                            printable(runtime))};
        }
    }
    std::vector<std::pair<std::string, std::vector<std::string>>> rules;
    std::vector<std::string> unknown;
    for (const auto& [device, label] : devices) {
        std::string runtime;
        if (const auto given = runtime_devices.find(device); given != runtime_devices.end()) {
            runtime = given->second;
        } else {
            for (const std::string_view one : {"cpu", "gpu", "npu"}) {
                runtime = device.starts_with(one) ? one : runtime;
            }
        }
        if (runtime.empty()) {
            unknown.push_back(fmt::format("--runtime-device {}=gpu", printable(device)));
            continue;
        }
        auto rule = std::ranges::find(
            rules, runtime, &std::pair<std::string, std::vector<std::string>>::first);
        if (rule == rules.end()) {
            rules.emplace_back(runtime, std::vector<std::string>{});
            rule = rules.end() - 1;
        }
        rule->second.push_back(fmt::format("hetmap/{}/", label));
    }
    if (!unknown.empty()) {
        throw InputError{fmt::format(
            "which of ONNX Runtime's devices (cpu, gpu, gpu:N, npu) it is does not follow from the "
            "name: please give {}",
            fmt::join(unknown, " "))};
    }
    std::vector<std::string> texts;
    for (const auto& [runtime, labels] : rules) {
        texts.push_back(fmt::format("{}({})", runtime, fmt::join(labels, ", ")));
    }
    return fmt::format("{}", fmt::join(texts, "; "));
}

}  // namespace sim::onnx
