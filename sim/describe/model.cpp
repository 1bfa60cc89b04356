#include "sim/describe/model.hpp"

#include "sim/describe/attributes.hpp"
#include "sim/describe/graph.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/describe/model_text.hpp"
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

constexpr std::string_view kModelFormat = "model/1";

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

const Operation& read_known_operation(const YamlNode& node) {
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
            "operation: unknown operation '{}'; there are: {} (the last for any other: "
            "'operation: opaque, kind: {}', with the keys 'shape' and 'type' of its result)",
            node.text,
            fmt::join(names, ", "),
            node.text));
}

Layer read_input(const YamlNode& node) {
    constexpr std::string_view kRequired[] = {"name", "type"};
    constexpr std::string_view kImage[] = {"name", "height", "width", "channels", "type"};
    constexpr std::string_view kOptional[] = {
        "depth", "height", "width", "channels", "shape", "place"};
    constexpr std::string_view kBeside[] = {"depth", "place"};
    const bool has_shape = node.kind == YamlNode::Kind::map && find(node, "shape") != nullptr;
    expect_keys(node,
                "input",
                has_shape ? std::span<const std::string_view>{kRequired} : kImage,
                has_shape ? std::span<const std::string_view>{kOptional} : kBeside);
    Layer layer{.name = read_name(at(node, "name")),
                .attributes = {},
                .inputs = {},
                .output = read_tensor(node),
                .where = position_of(node)};
    if (layer.output.elements() > std::numeric_limits<int>::max()) {
        throw input_error(
            layer.where,
            fmt::format("input: {} has more than 2^31 - 1 elements", to_string(layer.output)));
    }
    if (const YamlNode* const place = find(node, "place")) {
        layer.place = read_name(*place);
    }
    return layer;
}

// One, or a list of several.
std::span<const YamlNode> items_of(const YamlNode& node) {
    return node.kind == YamlNode::Kind::list ? std::span<const YamlNode>{node.children}
                                             : std::span<const YamlNode>{&node, 1};
}

Layer read_layer(const YamlNode& node) {
    // The operation first: it decides which keys there may be.
    if (node.kind != YamlNode::Kind::map) {
        throw unexpected(node, "a layer as a map with the keys name, operation, inputs");
    }
    Layer layer{.name = read_name(at(node, "name")),
                .operation = &read_known_operation(at(node, "operation")),
                .attributes = {},
                .inputs = {},
                .output = {},
                .where = position_of(node)};
    std::vector<std::string_view> required{"name", "operation"};
    std::vector<std::string_view> optional{"outputs"};
    (layer.operation->min_inputs > 0 ? required : optional).emplace_back("inputs");
    required.insert(
        required.end(), layer.operation->required.begin(), layer.operation->required.end());
    for (const std::string_view key : layer.operation->attributes) {
        if (std::ranges::find(required, key) == required.end()) {
            optional.push_back(key);
        }
    }
    expect_keys(node,
                fmt::format("layer '{}' ({})", layer.name, layer.operation->name),
                required,
                optional);
    layer.attributes = read_attributes(*layer.operation, node);
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

// Tensors by name: the results of layers. Layers come to stand for a second, third, ... result when
// it is first asked for.
class Tensors {
public:
    explicit Tensors(std::vector<Layer>& layers) : layers_{layers} {
        for (const auto& [name, layer] : names_of(layers)) {
            results_.emplace(std::string{name}, Result{layer, 0});
        }
    }

    // The results' own names, of the layer's entry.
    void add(const YamlNode& names, int layer) {
        const std::vector<YamlNode>& items = read_list(names);
        for (std::size_t i = 0; i < items.size(); ++i) {
            const std::string& name = read_name(items[i]);
            const auto [entry, is_new] = results_.emplace(name, Result{layer, static_cast<int>(i)});
            const bool is_the_layers_own = i == 0 && name == layers_[at(layer)].name;
            if (!is_new && !is_the_layers_own) {
                throw input_error(position_of(items[i]),
                                  fmt::format("outputs: there is another '{}', of layer '{}'",
                                              name,
                                              layers_[at(entry->second.layer)].name));
            }
        }
        most_[layer] = {static_cast<int>(items.size()), position_of(names)};
    }

    // The layer whose output the tensor is. Throws InputError naming `key`.
    int find(const YamlNode& name, std::string_view key) {
        const auto found = results_.find(read_name(name));
        if (found == results_.end()) {
            throw input_error(position_of(name),
                              fmt::format("{}: {}", key, no_such_layer(name.text, layers_)));
        }
        const Result result = found->second;
        if (result.number == 0) {
            return result.layer;
        }
        const auto next = static_cast<int>(layers_.size());
        const auto [entry, is_new] = further_.emplace(std::pair{result.layer, result.number}, next);
        if (is_new) {
            layers_.push_back({.name = name.text,
                               .operation = &further_result(),
                               .attributes = {},
                               .inputs = {result.layer},
                               .output = {},
                               .where = layers_[at(result.layer)].where});
            layers_.back().attributes.k = result.number;
        }
        return entry->second;
    }

    // How many results a layer's entry names, and where; none: it does not.
    struct Count {
        int count;
        SourcePosition where;
    };
    const std::map<int, Count>& counts() const { return most_; }

private:
    struct Result {
        int layer, number;
    };
    std::vector<Layer>& layers_;
    std::unordered_map<std::string, Result> results_;
    std::map<std::pair<int, int>, int> further_;
    std::map<int, Count> most_;
};

std::vector<int> read_inputs(const YamlNode& node, const Layer& layer, Tensors& tensors) {
    const std::vector<YamlNode>& items = read_list(node);
    const auto count = static_cast<int>(items.size());
    const Operation& operation = *layer.operation;
    if (count < operation.min_inputs || count > operation.max_inputs) {
        throw input_error(position_of(node),
                          fmt::format("inputs: {} takes {}{}, got {}",
                                      operation.name,
                                      operation.min_inputs,
                                      operation.min_inputs == operation.max_inputs ? ""
                                      : operation.max_inputs == kAnyNumber
                                          ? " or more"
                                          : fmt::format(" to {}", operation.max_inputs),
                                      count));
    }
    std::vector<int> inputs;
    for (const YamlNode& item : items) {
        inputs.push_back(tensors.find(item, "inputs"));
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

// Puts every layer after its inputs; layers that may come in either order keep the file's. Gives
// the place that each has now.
std::vector<int> sort_layers(std::vector<Layer>& layers) {
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
    return place;
}

void compute_shapes(Model& model) {
    std::vector<std::vector<TensorShape>> results(model.layers.size());
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        Layer& layer = model.layers[i];
        if (layer.operation == nullptr) {
            continue;
        }
        if (is_further_result(layer)) {
            const std::vector<TensorShape>& all = results[at(layer.inputs.front())];
            if (at(layer.attributes.k) >= all.size()) {
                throw input_error(layer.where,
                                  fmt::format("outputs: '{}' would be result {}, and there are {}",
                                              layer.name,
                                              layer.attributes.k + 1,
                                              all.size()));
            }
            layer.output = all[at(layer.attributes.k)];
            continue;
        }
        try {
            results[i] = results_of(*layer.operation, layer.attributes, input_shapes(model, layer));
            layer.output = results[i].front();
        } catch (const std::invalid_argument& misfit) {
            throw input_error(
                layer.where,
                fmt::format(
                    "layer '{}' ({}): {}", layer.name, layer.operation->name, misfit.what()));
        }
    }
}

// Every layer must serve an output: one that does not is a slip, and would cost time for nothing.
void expect_all_used(const Model& model) {
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        if (model.consumers[i].empty() && !is_output(model, static_cast<int>(i))) {
            const Layer& layer = model.layers[i];
            throw input_error(layer.where,
                              fmt::format("{} '{}' is used by no layer and is not the output",
                                          layer.operation == nullptr ? "input" : "layer",
                                          layer.name));
        }
    }
}

std::vector<Output> read_outputs(const YamlNode& node,
                                 Tensors& tensors,
                                 const std::vector<Layer>& layers) {
    std::vector<Output> outputs;
    for (const YamlNode& item : items_of(node)) {
        Output output;
        const YamlNode* name = &item;
        if (item.kind == YamlNode::Kind::map) {
            constexpr std::string_view kRequired[] = {"name"}, kOptional[] = {"place"};
            expect_keys(item, "an output", kRequired, kOptional);
            name = &at(item, "name");
            const YamlNode* const place = find(item, "place");
            output.place = place == nullptr ? "" : read_name(*place);
        }
        output.layer = tensors.find(*name, "output");
        if (std::ranges::find(outputs, output.layer, &Output::layer) != outputs.end()) {
            throw input_error(position_of(*name),
                              fmt::format("output: '{}' is here twice", name->text));
        }
        if (is_held(layers[at(output.layer)])) {
            throw input_error(position_of(*name),
                              fmt::format("output: '{}' is a constant", name->text));
        }
        outputs.push_back(std::move(output));
    }
    if (outputs.empty()) {
        throw unexpected(node, "at least one output");
    }
    return outputs;
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
    if (!has_weights(model.layers[at(found->second)])) {
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

// `input` or `inputs`: either holds one or several.
std::string_view key_of(const YamlNode& root, std::string_view one, std::string_view several) {
    if (find(root, several) == nullptr) {
        return one;
    }
    if (const YamlNode* const other = find(root, one)) {
        throw input_error(position_of_key(*other),
                          fmt::format("{}: there is '{}' already", one, several));
    }
    return several;
}

Model read_model(const YamlFile& file, const std::filesystem::path& path) {
    constexpr std::string_view kOptional[] = {"description", "source", "accuracy", "twins"};

    // 1. What stands in the file.
    const YamlNode& root = file.root;
    std::string_view input_key = "input", output_key = "output";
    if (root.kind == YamlNode::Kind::map) {
        input_key = key_of(root, "input", "inputs");
        output_key = key_of(root, "output", "outputs");
    }
    const std::string_view required[] = {
        "hetmap", "name", input_key, "parameters", "layers", output_key};
    expect_keys(root, "a model", required, kOptional);
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
                .layers = {},
                .outputs = {},
                .consumers = {}};
    for (const YamlNode& item : items_of(at(root, input_key))) {
        model.layers.push_back(read_input(item));
    }
    if (model.layers.empty()) {
        throw unexpected(at(root, input_key), "at least one input");
    }
    const std::vector<YamlNode>& items = read_list(at(root, "layers"));
    if (items.empty()) {
        throw unexpected(at(root, "layers"), "at least one layer");
    }
    const std::size_t first = model.layers.size();
    for (const YamlNode& item : items) {
        model.layers.push_back(read_layer(item));
    }

    // 2. Names become indices; the inputs come first and stay there.
    Tensors tensors{model.layers};
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (const YamlNode* const names = find(items[i], "outputs")) {
            tensors.add(*names, static_cast<int>(first + i));
        }
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (const YamlNode* const node = find(items[i], "inputs")) {
            std::vector<int> inputs = read_inputs(*node, model.layers[first + i], tensors);
            model.layers[first + i].inputs = std::move(inputs);
        }
    }
    model.outputs = read_outputs(at(root, output_key), tensors, model.layers);
    const std::vector<int> place = sort_layers(model.layers);
    for (Output& output : model.outputs) {
        output.layer = place[at(output.layer)];
    }

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
    if (const YamlNode* const twins = find(root, "twins")) {
        for (const YamlNode& item : read_list(*twins)) {
            model.twins.push_back({read_text(item), position_of(item)});
        }
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
        if (given.is_relative() &&
            std::filesystem::exists(folder / given / "model.yaml", ignored)) {
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
                texts.back() += " " + sides_text(in);
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
    const std::filesystem::path path = find_model(name_or_path, search_path);
    return read_model(load_yaml(path, kModelFormat), path);
}

std::vector<std::string> model_names(std::span<const std::filesystem::path> search_path) {
    std::set<std::string> names;
    for (const std::filesystem::path& folder : search_path) {
        for (std::string& name : models_in(folder)) {
            names.insert(std::move(name));
        }
    }
    return {names.begin(), names.end()};
}

Model parse_model(const std::string& text, const std::filesystem::path& path) {
    return read_model(parse_yaml(text, path, kModelFormat), path);
}

std::vector<std::pair<std::string_view, std::string>> attributes_of(const Layer& layer) {
    return layer.operation == nullptr ? std::vector<std::pair<std::string_view, std::string>>{}
                                      : attribute_texts(*layer.operation, layer.attributes);
}

int Model::inputs() const {
    const auto is_input = [](const Layer& layer) { return layer.operation == nullptr; };
    return static_cast<int>(std::ranges::find_if_not(layers, is_input) - layers.begin());
}

bool is_output(const Model& model, int layer) {
    return std::ranges::find(model.outputs, layer, &Output::layer) != model.outputs.end();
}

bool is_further_result(const Layer& layer) { return layer.operation == &further_result(); }

bool is_held(const Layer& layer) { return layer.operation != nullptr && layer.operation->is_held; }

std::vector<int> with_results(const Model& model, std::span<const int> set) {
    std::vector<int> all(set.begin(), set.end());
    for (const int layer : set) {
        std::ranges::copy_if(model.consumers[at(layer)], std::back_inserter(all), [&](int reader) {
            return is_further_result(layer_of(model, reader));
        });
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

bool has_weights(const Layer& layer) {
    return layer.operation != nullptr && layer.attributes.has_weights;
}

Work work_of(const Model& model, int layer) {
    const Layer& l = layer_of(model, layer);
    if (l.operation == nullptr || is_further_result(l)) {
        return {};
    }
    std::vector<TensorShape> results{l.output};
    for (const int reader : model.consumers[at(layer)]) {
        if (is_further_result(layer_of(model, reader))) {
            results.push_back(layer_of(model, reader).output);
        }
    }
    return l.operation->work(l.attributes, input_shapes(model, l), results);
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
        if (is_further_result(layer) || (l != last && (readers.empty() || is_output(model, l) ||
                                                       !std::ranges::all_of(readers, is_inside)))) {
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
        if (is_further_result(layer)) {
            continue;  // it goes without saying
        }
        const InputsText inputs = inputs_text(model, set, layer, before, true);
        text += fmt::format("{}{}{}{}{}",
                            text.empty() ? "" : " | ",
                            layer.operation->name,
                            inputs.inputs,
                            signature_of(*layer.operation, layer.attributes),
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
        if (is_further_result(layer)) {
            continue;
        }
        const bool first = text.empty();
        text += fmt::format("{}{}", first ? "" : " | ", layer.operation->name);
        InputsText inputs;
        if (first) {
            const Layer& read =
                layer.inputs.empty() ? layer : layer_of(model, layer.inputs.front());
            text += fmt::format(" {}", name_of(read.output.element));
        } else if (tells_inputs) {
            inputs = inputs_text(model, set, layer, before, false);
            text += inputs.inputs;
        }
        if (has_weights(layer) && layer.attributes.weights != Element::binary) {
            text += fmt::format(" w{}", name_of(layer.attributes.weights));
        }
        text += inputs.number;
        before = index;
    }
    return text;
}

std::vector<std::vector<int>> chains_from(const Model& model, int layer, int longest) {
    std::vector<std::vector<int>> chains;
    if (is_further_result(layer_of(model, layer)) || is_held(layer_of(model, layer))) {
        return chains;  // the first runs with the layer that it is a result of
    }
    std::vector<int> chain{layer};
    const std::vector<int>& first_inputs = layer_of(model, layer).inputs;
    std::set<int> others(first_inputs.begin() + (first_inputs.empty() ? 0 : 1), first_inputs.end());
    while (static_cast<int>(chain.size()) <= longest) {
        chains.push_back(chain);
        const std::vector<int>& readers = model.consumers[at(chain.back())];
        // An input is no layer that anything runs.
        if (readers.size() != 1 || layer_of(model, chain.back()).operation == nullptr ||
            is_output(model, chain.back()) || is_further_result(layer_of(model, readers.front()))) {
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
