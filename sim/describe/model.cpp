#include "sim/describe/model.hpp"

#include "sim/describe/graph.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <unordered_map>

namespace sim {
namespace {

constexpr std::string_view kFormat = "model/1";

const Layer& layer_of(const Model& model, int layer) { return model.layers[at(layer)]; }

std::vector<TensorShape> input_shapes(const Model& model, const Layer& layer) {
    std::vector<TensorShape> shapes;
    shapes.reserve(layer.inputs.size());
    for (const int input : layer.inputs) {
        shapes.push_back(layer_of(model, input).output);
    }
    return shapes;
}

// ---- Reading. -------------------------------------------------------------------------------

int read_int(const YamlNode& node, std::int64_t lowest, std::int64_t highest) {
    return static_cast<int>(read_integer(node, lowest, highest));
}

Element read_element(const YamlNode& node, std::span<const Element> allowed) {
    std::vector<std::string_view> names;
    for (const Element element : allowed) {
        names.push_back(name_of(element));
    }
    return allowed[at(read_choice(node, "type", names))];
}

Element read_weights(const YamlNode& node) {
    constexpr Element kAllowed[] = {Element::binary, Element::int8, Element::f32};
    return read_element(node, kAllowed);
}

Element read_input_type(const YamlNode& node) {
    constexpr Element kAllowed[] = {
        Element::binary, Element::u8, Element::int8, Element::int16, Element::int32, Element::f32};
    return read_element(node, kAllowed);
}

// `kernel: 3` or `kernel: [3, 5]`, height and width.
void read_kernel(const YamlNode& node, Attributes& attributes) {
    if (node.kind != YamlNode::Kind::list) {
        attributes.kernel_height = attributes.kernel_width = read_int(node, 1, kLargestWindow);
        return;
    }
    if (node.children.size() != 2) {
        throw input_error(
            position_of(node),
            fmt::format("kernel: expected [height, width], got {} values", node.children.size()));
    }
    attributes.kernel_height = read_int(node.children[0], 1, kLargestWindow);
    attributes.kernel_width = read_int(node.children[1], 1, kLargestWindow);
}

// The only place that knows how the keys in the operations' rows are read.
void read_attribute(std::string_view key, const YamlNode& node, Attributes& attributes) {
    if (key == "weights") {
        attributes.weights = read_weights(node);
    } else if (key == "out_channels") {
        attributes.out_channels = read_int(node, 1, kLargestSize);
    } else if (key == "kernel") {
        read_kernel(node, attributes);
    } else if (key == "stride") {
        attributes.stride = read_int(node, 1, kLargestWindow);
    } else if (key == "padding") {
        attributes.padding = read_int(node, 0, kLargestWindow);
    } else if (key == "pad_value") {
        attributes.pad_value = read_int(node, -1, 1);
    } else if (key == "groups") {
        attributes.groups = read_int(node, 1, kLargestSize);
    } else if (key == "first_channel") {
        attributes.first_channel = read_int(node, 0, kLargestSize);
    } else {
        throw std::logic_error{fmt::format("no reader for the attribute '{}'", key)};
    }
}

// The same key's value, as YAML.
std::string attribute_text(std::string_view key, const Attributes& a) {
    if (key == "weights") {
        return std::string{name_of(a.weights)};
    }
    if (key == "kernel") {
        return fmt::format("[{}, {}]", a.kernel_height, a.kernel_width);
    }
    return std::to_string(key == "out_channels"    ? a.out_channels
                          : key == "stride"        ? a.stride
                          : key == "padding"       ? a.padding
                          : key == "pad_value"     ? a.pad_value
                          : key == "groups"        ? a.groups
                          : key == "first_channel" ? a.first_channel
                                                   : throw std::logic_error{std::string{key}});
}

const Operation& read_operation(const YamlNode& node) {
    if (const Operation* const operation = find_operation(read_name(node))) {
        return *operation;
    }
    std::vector<std::string_view> names;
    for (const Operation& operation : operations()) {
        names.push_back(operation.name);
    }
    throw input_error(
        position_of(node),
        fmt::format(
            "operation: unknown operation '{}'; there are: {}", node.text, fmt::join(names, ", ")));
}

Layer read_input(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"name", "height", "width", "channels", "type"};
    expect_keys(node, "input", kKeys);
    Layer layer{
        .name = read_name(at(node, "name")),
        .attributes = {},
        .inputs = {},
        .output = {.height = read_int(at(node, "height"), 1, kLargestSize),
                   .width = read_int(at(node, "width"), 1, kLargestSize),
                   .channels = read_int(at(node, "channels"), 1, kLargestSize),
                   .element = read_input_type(at(node, "type"))},
        .where = position_of(node),
    };
    if (layer.output.elements() > std::numeric_limits<int>::max()) {
        throw input_error(
            layer.where,
            fmt::format("input: {} has more than 2^31 - 1 elements", to_string(layer.output)));
    }
    return layer;
}

Layer read_layer(const YamlNode& node) {
    // The operation first: it decides which keys there may be.
    if (node.kind != YamlNode::Kind::map) {
        throw unexpected(node, "a layer as a map with the keys name, operation, inputs");
    }
    Layer layer{.name = read_name(at(node, "name")),
                .operation = &read_operation(at(node, "operation")),
                .attributes = {},
                .inputs = {},
                .output = {},
                .where = position_of(node)};
    std::vector<std::string_view> required{"name", "operation", "inputs"};
    required.insert(
        required.end(), layer.operation->required.begin(), layer.operation->required.end());
    std::vector<std::string_view> optional;
    for (const std::string_view key : layer.operation->attributes) {
        if (std::ranges::find(required, key) == required.end()) {
            optional.push_back(key);
        }
    }
    expect_keys(node,
                fmt::format("layer '{}' ({})", layer.name, layer.operation->name),
                required,
                optional);
    for (const std::string_view key : layer.operation->attributes) {
        if (const YamlNode* const value = find(node, key)) {
            read_attribute(key, *value, layer.attributes);
        }
    }
    return layer;
}

Parameters read_parameters(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"file", "seed"};
    expect_keys(node, "parameters", {}, kKeys);
    if (node.children.size() != 1) {
        throw input_error(position_of(node),
                          "parameters: expected either {file: ...} or {seed: ...}");
    }
    if (const YamlNode* const file = find(node, "file")) {
        if (read_name(*file).find('/') != std::string::npos || file->text == "..") {
            throw unexpected(*file, "the name of a file in the model's own folder");
        }
        return {.file = file->text};
    }
    return {.file = {},
            .seed = static_cast<std::uint64_t>(
                read_integer(at(node, "seed"), 0, std::numeric_limits<std::int64_t>::max()))};
}

// ---- The graph. -----------------------------------------------------------------------------

using Names = std::unordered_map<std::string_view, int>;

Names names_of(const std::vector<Layer>& layers) {
    Names names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const auto [first, is_new] = names.emplace(layers[i].name, static_cast<int>(i));
        if (!is_new) {
            throw input_error(layers[i].where,
                              fmt::format("layer '{}' is here twice, first in line {}",
                                          layers[i].name,
                                          layers[at(first->second)].where.line));
        }
    }
    return names;
}

std::string no_such_layer(std::string_view wrong, const std::vector<Layer>& layers) {
    std::vector<std::string_view> names;
    names.reserve(layers.size());
    for (const Layer& layer : layers) {
        names.push_back(layer.name);
    }
    return fmt::format("no layer '{}'; there are: {}", wrong, list_of(names, 30));
}

std::vector<int> read_inputs(const YamlNode& node,
                             const Layer& layer,
                             const Names& names,
                             const std::vector<Layer>& layers) {
    const std::vector<YamlNode>& items = read_list(node);
    const auto count = static_cast<int>(items.size());
    const Operation& operation = *layer.operation;
    if (count < operation.min_inputs || count > operation.max_inputs) {
        throw input_error(
            position_of(node),
            fmt::format("inputs: {} takes {}{}, got {}",
                        operation.name,
                        operation.min_inputs,
                        operation.min_inputs == operation.max_inputs ? "" : " or more",
                        count));
    }
    std::vector<int> inputs;
    for (const YamlNode& item : items) {
        const auto found = names.find(read_name(item));
        if (found == names.end()) {
            throw input_error(position_of(item), "inputs: " + no_such_layer(item.text, layers));
        }
        inputs.push_back(found->second);
    }
    return inputs;
}

Graph graph_of(const std::vector<Layer>& layers) {
    Graph graph{.vertices = static_cast<int>(layers.size()), .edges = {}};
    for (std::size_t i = 0; i < layers.size(); ++i) {
        for (const int input : layers[i].inputs) {
            graph.edges.emplace_back(input, static_cast<int>(i));
        }
    }
    return graph;
}

// Puts every layer after its inputs; layers that may come in either order keep the file's.
void sort_layers(std::vector<Layer>& layers) {
    const Graph graph = graph_of(layers);
    if (const std::vector<int> cycle = find_cycle(graph); !cycle.empty()) {
        std::string path;
        for (const int layer : cycle) {
            path += fmt::format("{} -> ", layers[at(layer)].name);
        }
        const Layer& first = layers[at(cycle.front())];
        throw input_error(first.where,
                          fmt::format("the layers form a cycle: {}{}", path, first.name));
    }
    const std::vector<std::int64_t> file_order(layers.size(), 0);
    const std::vector<int> order = topological_order(graph, file_order);
    std::vector<int> place(layers.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        place[at(order[i])] = static_cast<int>(i);
    }
    std::vector<Layer> sorted(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
        for (int& input : layers[i].inputs) {
            input = place[at(input)];
        }
        sorted[at(place[i])] = std::move(layers[i]);
    }
    layers = std::move(sorted);
}

void compute_shapes(Model& model) {
    for (Layer& layer : model.layers) {
        if (layer.operation == nullptr) {
            continue;
        }
        try {
            layer.output = layer.operation->output(layer.attributes, input_shapes(model, layer));
        } catch (const std::invalid_argument& misfit) {
            throw input_error(
                layer.where,
                fmt::format(
                    "layer '{}' ({}): {}", layer.name, layer.operation->name, misfit.what()));
        }
    }
}

// Every layer must serve the output: one that does not is a slip, and would cost time for nothing.
// (So nothing reads the output either: from a reader of it no way would lead back to it.)
void expect_all_used(const Model& model) {
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        if (model.consumers[i].empty() && static_cast<int>(i) != model.output) {
            const Layer& layer = model.layers[i];
            throw input_error(layer.where,
                              fmt::format("{} '{}' is used by no layer and is not the output",
                                          layer.operation == nullptr ? "input" : "layer",
                                          layer.name));
        }
    }
}

// ---- Accuracy. ------------------------------------------------------------------------------

double read_percent(const YamlNode& node) {
    const double percent = read_number(node);
    if (percent > 100) {
        throw unexpected(node, "a number from 0 to 100");
    }
    return percent;
}

// A layer that has weights, and so a precision of them.
void expect_weighted(const Model& model,
                     const Names& names,
                     const std::string& name,
                     const SourcePosition& where) {
    const auto found = names.find(name);
    if (found == names.end()) {
        throw input_error(where, no_such_layer(name, model.layers));
    }
    const Operation* const operation = model.layers[at(found->second)].operation;
    if (operation == nullptr ||
        std::ranges::find(operation->attributes, "weights") == operation->attributes.end()) {
        throw input_error(where, fmt::format("layer '{}' has no weights", name));
    }
}

MeasuredAccuracy read_measured_accuracy(const YamlNode& node,
                                        const Model& model,
                                        const Names& names) {
    constexpr std::string_view kRequired[] = {"name", "percent"};
    constexpr std::string_view kOptional[] = {"source", "precision", "layers"};
    expect_keys(node, "a measured accuracy", kRequired, kOptional);
    MeasuredAccuracy measured;
    measured.name = read_name(at(node, "name"));
    measured.percent = read_percent(at(node, "percent"));
    measured.where = position_of(node);
    if (const YamlNode* const source = find(node, "source")) {
        measured.source = read_text(*source);
    }
    if (const YamlNode* const precision = find(node, "precision")) {
        measured.precision = read_name(*precision);
    }
    if (const YamlNode* const layers = find(node, "layers")) {
        if (layers->kind != YamlNode::Kind::map) {
            throw unexpected(*layers, "a map of layers to precisions");
        }
        for (const YamlNode& child : layers->children) {
            expect_weighted(model, names, child.key, position_of_key(child));
            measured.layers.emplace_back(child.key, read_name(child));
        }
    }
    return measured;
}

Sensitivity read_sensitivity(const YamlNode& node, const Model& model, const Names& names) {
    constexpr std::string_view kRequired[] = {"precision", "points"};
    constexpr std::string_view kOptional[] = {"layer"};
    expect_keys(node, "a sensitivity", kRequired, kOptional);
    Sensitivity sensitivity;
    sensitivity.precision = read_name(at(node, "precision"));
    sensitivity.points = read_percent(at(node, "points"));
    sensitivity.where = position_of(node);
    if (const YamlNode* const layer = find(node, "layer")) {
        sensitivity.layer = read_name(*layer);
        expect_weighted(model, names, sensitivity.layer, position_of(*layer));
    }
    return sensitivity;
}

Accuracy read_accuracy(const YamlNode& node, const Model& model) {
    constexpr std::string_view kRequired[] = {"metric"};
    constexpr std::string_view kOptional[] = {"reference_percent", "measured", "sensitivity"};
    expect_keys(node, "accuracy", kRequired, kOptional);
    const Names names = names_of(model.layers);
    Accuracy accuracy;
    accuracy.metric = read_name(at(node, "metric"));
    if (const YamlNode* const reference = find(node, "reference_percent")) {
        accuracy.reference = read_percent(*reference);
    }
    if (const YamlNode* const measured = find(node, "measured")) {
        std::map<std::string, int> lines;
        for (const YamlNode& item : read_list(*measured)) {
            MeasuredAccuracy next = read_measured_accuracy(item, model, names);
            const auto [same, is_new] = lines.emplace(next.name, next.where.line);
            if (!is_new) {
                throw input_error(next.where,
                                  fmt::format("the measured accuracy '{}' is here twice, first in "
                                              "line {}",
                                              next.name,
                                              same->second));
            }
            accuracy.measured.push_back(std::move(next));
        }
    }
    if (const YamlNode* const sensitivity = find(node, "sensitivity")) {
        constexpr std::string_view kPoints[] = {"points_lost"};
        constexpr std::string_view kSource[] = {"source"};
        expect_keys(*sensitivity, "sensitivity", kPoints, kSource);
        if (find(node, "reference_percent") == nullptr) {
            throw input_error(position_of(node),
                              "points are lost from something: with 'sensitivity', accuracy needs "
                              "the key 'reference_percent'");
        }
        if (const YamlNode* const source = find(*sensitivity, "source")) {
            accuracy.sensitivity_source = read_text(*source);
        }
        std::map<std::pair<std::string, std::string>, int> lines;
        for (const YamlNode& item : read_list(at(*sensitivity, "points_lost"))) {
            Sensitivity next = read_sensitivity(item, model, names);
            const auto [same, is_new] =
                lines.emplace(std::pair{next.layer, next.precision}, next.where.line);
            if (!is_new) {
                throw input_error(
                    next.where,
                    fmt::format("the same layer and precision are in line {}", same->second));
            }
            accuracy.sensitivities.push_back(std::move(next));
        }
    }
    return accuracy;
}

Model read_model(const std::filesystem::path& path) {
    constexpr std::string_view kRequired[] = {
        "hetmap", "name", "input", "parameters", "layers", "output"};
    constexpr std::string_view kOptional[] = {"description", "source", "accuracy"};

    // 1. What stands in the file.
    const YamlFile file = load_yaml(path, kFormat);
    const YamlNode& root = file.root;
    expect_keys(root, "a model", kRequired, kOptional);
    const auto text_of = [&](std::string_view key) {
        const YamlNode* const node = find(root, key);
        return node == nullptr ? std::string{} : read_text(*node);
    };
    Model model{.name = read_name(at(root, "name")),
                .description = text_of("description"),
                .source = text_of("source"),
                .path = path,
                .parameters = read_parameters(at(root, "parameters")),
                .accuracy = std::nullopt,
                .layers = {read_input(at(root, "input"))},
                .consumers = {}};
    const std::vector<YamlNode>& items = read_list(at(root, "layers"));
    if (items.empty()) {
        throw unexpected(at(root, "layers"), "at least one layer");
    }
    for (const YamlNode& item : items) {
        model.layers.push_back(read_layer(item));
    }

    // 2. Names become indices; the input is layer 0 and stays there.
    {
        const Names names = names_of(model.layers);
        for (std::size_t i = 0; i < items.size(); ++i) {
            Layer& layer = model.layers[i + 1];
            layer.inputs = read_inputs(at(items[i], "inputs"), layer, names, model.layers);
        }
    }
    sort_layers(model.layers);
    const YamlNode& output = at(root, "output");
    const auto found = std::ranges::find(model.layers, read_name(output), &Layer::name);
    if (found == model.layers.end()) {
        throw input_error(position_of(output),
                          "output: " + no_such_layer(output.text, model.layers));
    }
    model.output = static_cast<int>(found - model.layers.begin());

    // 3. Readers and shapes.
    model.consumers.resize(model.layers.size());
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        for (const int input : model.layers[i].inputs) {
            std::vector<int>& readers = model.consumers[at(input)];
            if (readers.empty() || readers.back() != static_cast<int>(i)) {
                readers.push_back(static_cast<int>(i));
            }
        }
    }
    expect_all_used(model);
    compute_shapes(model);

    // 4. What is known of it beyond its own weights.
    if (const YamlNode* const accuracy = find(root, "accuracy")) {
        model.accuracy = read_accuracy(*accuracy, model);
    }
    return model;
}

// ---- Finding. -------------------------------------------------------------------------------

// Names of the models in a folder, in alphabetical order.
std::vector<std::string> models_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    std::error_code end, ignored;
    for (auto entry = std::filesystem::directory_iterator{folder, end};
         !end && entry != std::filesystem::directory_iterator{};
         entry.increment(end)) {
        if (std::filesystem::exists(entry->path() / "model.yaml", ignored)) {
            names.push_back(entry->path().filename().string());
        }
    }
    expect_gone_through(folder, end);
    std::ranges::sort(names);
    return names;
}

std::filesystem::path find_model(const std::string& name_or_path,
                                 std::span<const std::filesystem::path> search_path) {
    std::filesystem::path given{name_or_path};
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(given, ignored);
    if (!is_folder && std::filesystem::exists(given, ignored)) {
        return given;
    }
    if (is_folder && std::filesystem::exists(given / "model.yaml", ignored)) {
        return given / "model.yaml";
    }
    const bool is_name = given.has_filename() && !given.has_parent_path();
    std::string folders;
    std::vector<std::string> names;
    for (const std::filesystem::path& folder : search_path) {
        if (is_name && std::filesystem::exists(folder / given / "model.yaml", ignored)) {
            return folder / given / "model.yaml";
        }
        folders += fmt::format("{}{}", folders.empty() ? "" : ", ", folder.string());
        std::ranges::copy(models_in(folder), std::back_inserter(names));
    }
    if (is_folder) {
        throw InputError{fmt::format("{}: there is no model.yaml in this folder", name_or_path)};
    }
    if (!is_name || given.has_extension()) {
        throw InputError{fmt::format("{}: no such file", name_or_path)};
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    throw InputError{fmt::format("no model '{}' in {}; there are: {}",
                                 name_or_path,
                                 folders.empty() ? "the search path" : folders,
                                 list_of(views, 40))};
}

// ---- Signatures. ----------------------------------------------------------------------------

bool has_attribute(const Operation& operation, std::string_view key) {
    return std::ranges::find(operation.attributes, key) != operation.attributes.end();
}

std::string attributes_text(const Operation& operation, const Attributes& a) {
    std::string text;
    const auto has = [&](std::string_view key) { return has_attribute(operation, key); };
    if (has("weights") && a.weights != Element::binary) {
        text += fmt::format(" w{}", name_of(a.weights));
    }
    if (has("out_channels")) {
        text += fmt::format(" {}", a.out_channels);
    }
    if (has("first_channel")) {
        text += fmt::format(" c{}", a.first_channel);
    }
    if (has("kernel")) {
        text += fmt::format(" k{}x{}", a.kernel_height, a.kernel_width);
    }
    if (has("stride")) {
        text += fmt::format(" s{}", a.stride);
    }
    if (has("padding") && (has("pad_value") || a.padding != 0)) {
        text += fmt::format(" p{}", a.padding);
    }
    if (has("pad_value")) {
        text += fmt::format(" v{}", a.pad_value);
    }
    if (has("groups") && (!has("weights") || a.groups != 1)) {
        text += fmt::format(" g{}", a.groups);
    }
    return text;
}

// What a layer of a set reads beside the layer before it: "binary 14x14x64", or "binary" without
// shapes; "@0".
std::vector<std::string> other_inputs(
    const Model& model, std::span<const int> set, const Layer& layer, int before, bool has_shapes) {
    std::vector<std::string> texts;
    for (const int input : layer.inputs) {
        const auto inside = std::ranges::find(set, input);
        if (inside != set.end() && input != before) {
            texts.push_back(fmt::format("@{}", inside - set.begin()));
        } else if (input != before) {
            const TensorShape& in = layer_of(model, input).output;
            texts.emplace_back(name_of(in.element));
            if (has_shapes) {
                texts.back() += fmt::format(" {}x{}x{}", in.height, in.width, in.channels);
            }
        }
    }
    return texts;
}

bool reads(const Layer& layer, int input) {
    return std::ranges::find(layer.inputs, input) != layer.inputs.end();
}

// " binary 14x14x64 + @0", and " i2" at the end of the attributes where only the number of inputs
// tells that the layer before is not among them.
struct InputsText {
    std::string inputs, number;
};

InputsText inputs_text(
    const Model& model, std::span<const int> set, const Layer& layer, int before, bool has_shapes) {
    InputsText text;
    for (const std::string& in : other_inputs(model, set, layer, before, has_shapes)) {
        text.inputs += fmt::format("{}{}", text.inputs.empty() ? " " : " + ", in);
    }
    const bool has_any_number = layer.operation->min_inputs != layer.operation->max_inputs;
    if (before >= 0 && has_any_number && !reads(layer, before)) {
        text.number = fmt::format(" i{}", layer.inputs.size());
    }
    return text;
}

// Does each layer of the set read the one before it?
bool is_chain(const Model& model, std::span<const int> set) {
    for (std::size_t i = 1; i < set.size(); ++i) {
        if (!reads(layer_of(model, set[i]), set[i - 1])) {
            return false;
        }
    }
    return true;
}

}  // namespace

Model load_model(const std::string& name_or_path,
                 std::span<const std::filesystem::path> search_path) {
    return read_model(find_model(name_or_path, search_path));
}

std::vector<std::pair<std::string_view, std::string>> attributes_of(const Layer& layer) {
    std::vector<std::pair<std::string_view, std::string>> attributes;
    if (layer.operation != nullptr) {
        for (const std::string_view key : layer.operation->attributes) {
            attributes.emplace_back(key, attribute_text(key, layer.attributes));
        }
    }
    return attributes;
}

Work work_of(const Model& model, int layer) {
    const Layer& l = layer_of(model, layer);
    return l.operation == nullptr
               ? Work{}
               : l.operation->work(l.attributes, input_shapes(model, l), l.output);
}

bool is_branching_run(const Model& model, int first, int last) {
    int outside = -1;
    bool branches = false;
    for (int l = first; l <= last; ++l) {
        const Layer& layer = layer_of(model, l);
        for (const int input : layer.inputs) {
            if (input >= l) {
                return false;  // the file's order is not the layers'
            } else if (input >= first) {
                branches |= input != l - 1;
            } else if (outside >= 0 && input != outside) {
                return false;
            } else {
                branches |= l != first;
                outside = input;
            }
        }
        const std::vector<int>& readers = model.consumers[at(l)];
        const auto is_inside = [&](int reader) { return reader > l && reader <= last; };
        if (l != last && (readers.empty() || !std::ranges::all_of(readers, is_inside))) {
            return false;
        }
    }
    return branches;
}

std::string signature(const Model& model, std::span<const int> set) {
    std::string text;
    int before = -1;
    for (const int index : set) {
        const Layer& layer = layer_of(model, index);
        if (layer.operation == nullptr) {
            return fmt::format("input {}", to_string(layer.output));
        }
        const InputsText inputs = inputs_text(model, set, layer, before, true);
        text += fmt::format("{}{}{}{}{}",
                            text.empty() ? "" : " | ",
                            layer.operation->name,
                            inputs.inputs,
                            attributes_text(*layer.operation, layer.attributes),
                            inputs.number);
        before = index;
    }
    return text;
}

std::string pattern(const Model& model, std::span<const int> set) {
    const bool is_run = set.back() - set.front() + 1 == static_cast<int>(set.size()) &&
                        is_branching_run(model, set.front(), set.back());
    const bool tells_inputs = !is_chain(model, set) && !is_run;
    std::string text;
    int before = -1;
    for (const int index : set) {
        const Layer& layer = layer_of(model, index);
        if (layer.operation == nullptr) {
            return "input";
        }
        const bool first = text.empty();
        text += fmt::format("{}{}", first ? "" : " | ", layer.operation->name);
        InputsText inputs;
        if (first) {
            text +=
                fmt::format(" {}", name_of(layer_of(model, layer.inputs.front()).output.element));
        } else if (tells_inputs) {
            inputs = inputs_text(model, set, layer, before, false);
            text += inputs.inputs;
        }
        if (has_attribute(*layer.operation, "weights") &&
            layer.attributes.weights != Element::binary) {
            text += fmt::format(" w{}", name_of(layer.attributes.weights));
        }
        text += inputs.number;
        before = index;
    }
    return text;
}

std::vector<std::vector<int>> chains_from(const Model& model, int layer, int longest) {
    std::vector<std::vector<int>> chains;
    std::vector<int> chain{layer};
    const std::vector<int>& first_inputs = layer_of(model, layer).inputs;
    std::set<int> others(first_inputs.begin() + (first_inputs.empty() ? 0 : 1), first_inputs.end());
    while (static_cast<int>(chain.size()) <= longest) {
        chains.push_back(chain);
        const std::vector<int>& readers = model.consumers[at(chain.back())];
        // The input is no layer that anything runs; the output has no reader.
        if (readers.size() != 1 || layer_of(model, chain.back()).operation == nullptr) {
            break;
        }
        for (const int input : layer_of(model, readers.front()).inputs) {
            if (input != chain.back()) {
                others.insert(input);
            }
        }
        if (others.size() > 1) {
            break;
        }
        chain.push_back(readers.front());
    }
    if (layer_of(model, layer).operation == nullptr) {
        return chains;
    }
    const int layers = static_cast<int>(model.layers.size());
    for (int last = layer + 1; last < std::min(layers, layer + longest); ++last) {
        if (is_branching_run(model, layer, last)) {
            std::vector<int> run(at(last - layer + 1));
            std::iota(run.begin(), run.end(), layer);
            if (std::ranges::find(chains, run) == chains.end()) {
                chains.push_back(std::move(run));
            }
        }
    }
    return chains;
}

}  // namespace sim
