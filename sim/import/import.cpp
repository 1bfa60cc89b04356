#include "sim/import/import.hpp"

#include "sim/checked.hpp"
#include "sim/describe/model_text.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/error.hpp"
#include "sim/import/folding.hpp"
#include "sim/import/reader.hpp"
#include "sim/import/recognise.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

namespace sim::onnx {
namespace {

std::string tensor_yaml(const LayerInput& input) {
    const Dims& shape = input.tensor.shape;
    if (input.is_image && shape.size() == 3) {
        return fmt::format("{{name: {}, height: {}, width: {}, channels: {}, type: {}}}",
                           yaml_text(input.name),
                           shape[0],
                           shape[1],
                           shape[2],
                           input.tensor.element);
    }
    return fmt::format("{{name: {}, shape: {}, type: {}}}",
                       yaml_text(input.name),
                       to_string(shape),
                       input.tensor.element);
}

std::string names_yaml(const std::vector<std::string>& names) {
    std::vector<std::string> texts;
    for (const std::string& name : names) {
        texts.push_back(yaml_text(name));
    }
    return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string layer_yaml(const Layer& layer) {
    std::string text =
        fmt::format("  - {{name: {}, operation: {}", yaml_text(layer.name), layer.operation);
    if (!layer.inputs.empty()) {
        text += fmt::format(", inputs: {}", names_yaml(layer.inputs));
    }
    for (const auto& [key, value] : layer.attributes) {
        text += fmt::format(", {}: {}", key, value);
    }
    if (!layer.outputs.empty()) {
        text += fmt::format(", outputs: {}", names_yaml(layer.outputs));
    }
    return text + "}\n";
}

std::string to_yaml(const Imported& imported, const std::string& parameters) {
    const File& file = imported.inferred.file;
    const std::filesystem::path path{file.name};
    const std::string stem = path.stem().string();
    const Layers& layers = imported.layers;
    std::string text = "hetmap: model/1\n";
    text += fmt::format("name: {}\n", yaml_text(is_name(stem) ? stem : "network"));
    const std::string name = path.filename().string();
    text += fmt::format(
        "source: {}\n",
        yaml_text(fmt::format("imported from {} (opset {})", printable(name), file.opset)));
    if (layers.inputs.size() == 1) {
        text += fmt::format("input: {}\n", tensor_yaml(layers.inputs[0]));
    } else {
        text += "inputs:\n";
        for (const LayerInput& input : layers.inputs) {
            text += fmt::format("  - {}\n", tensor_yaml(input));
        }
    }
    text += fmt::format("parameters: {{{}}}\nlayers:\n", parameters);
    for (const Layer& layer : layers.layers) {
        text += layer_yaml(layer);
    }
    text += layers.outputs.size() == 1 ? fmt::format("output: {}\n", yaml_text(layers.outputs[0]))
                                       : fmt::format("outputs: {}\n", names_yaml(layers.outputs));
    return text;
}

// Weights that are no numbers make results that are none: said, since no shape shows it.
void warn_of_nan(const File& file, std::vector<std::string>& warnings) {
    for (const auto& [name, tensor] : file.graph.constants) {
        if (!is_float(tensor->type)) {
            continue;
        }
        const std::optional<Numbers> numbers = numbers_of(*tensor);
        if (!numbers) {
            continue;
        }
        const auto bad =
            std::ranges::count_if(numbers->others, [](double x) { return std::isnan(x); });
        if (bad > 0) {
            warnings.push_back(fmt::format("constant '{}': {} of its {} values are NaN",
                                           printable(name),
                                           bad,
                                           numbers->size()));
        }
    }
}

}  // namespace

Imported import_onnx(const std::filesystem::path& path, const Sizes& sizes) {
    return import_onnx(read_model(path), sizes);
}

Imported import_onnx(File file, const Sizes& sizes) {
    Imported imported;
    imported.inferred = infer(std::move(file), sizes);
    imported.warnings = imported.inferred.warnings;
    const Live before = live_part_of(imported.inferred);
    recognise(imported.inferred);
    imported.nodes = static_cast<std::int64_t>(imported.inferred.steps.size());
    imported.folded = before.folded;
    imported.dead = before.dead;
    imported.merged = live_part_of(imported.inferred).dead - before.dead;
    imported.layers = layers_of(imported.inferred);
    const std::vector<std::string>& more = imported.layers.warnings;
    imported.warnings.insert(imported.warnings.end(), more.begin(), more.end());
    warn_of_nan(imported.inferred.file, imported.warnings);
    std::map<std::string, Count> counts;
    for (const Layer& layer : imported.layers.layers) {
        Count& count = counts[layer.from];
        count.operation = layer.from;
        ++(layer.is_opaque ? count.opaque : count.exact);
        ++(layer.is_opaque ? imported.opaque : imported.exact);
        imported.macs = checked_sum(imported.macs, layer.macs);
    }
    for (const auto& [operation, count] : counts) {
        imported.counts.push_back(count);
    }
    imported.carried = carried_numbers(imported.inferred, imported.layers);
    imported.yaml = to_yaml(imported, "seed: 1");
    return imported;
}

std::string yaml_with_file(const Imported& imported, const std::string& file) {
    return to_yaml(imported, fmt::format("file: {}", yaml_text(file)));
}

Model checked_model(const Imported& imported, const std::filesystem::path& path) {
    Model model;
    try {
        model = parse_model(imported.yaml, path);
    } catch (const InputError& error) {
        throw InputError{fmt::format("{}: no model can hold this network: {}",
                                     printable(imported.inferred.file.name),
                                     error.what())};
    }
    std::map<std::string, const sim::Layer*> read;
    for (const sim::Layer& layer : model.layers) {
        read.emplace(layer.name, &layer);
    }
    // Sides of 1 in front say nothing: a fully connected layer gives 1x1xN.
    const auto without_ones = [](const auto& sides) {
        Dims dims{sides.begin(), sides.end()};
        while (dims.size() > 1 && dims[0] == 1) {
            dims.erase(dims.begin());
        }
        return dims;
    };
    for (const Layer& layer : imported.layers.layers) {
        for (std::size_t i = 0; i < layer.results.size(); ++i) {
            // Of several results the layer itself is the first.
            const std::string& name = i == 0 ? layer.name : layer.outputs[i];
            const ModelTensor& meant = layer.results[i];
            const auto found = read.find(name);
            if (found == read.end() && i > 0) {
                continue;  // nobody reads it
            }
            if (found == read.end()) {
                throw std::logic_error{
                    fmt::format("{}: the imported model has no '{}'", path.string(), name)};
            }
            const TensorShape& is = found->second->output;
            if (without_ones(is.dimensions()) != without_ones(meant.shape) ||
                name_of(is.element) != meant.element) {
                throw std::logic_error{fmt::format("{}: '{}' ({}) was meant to be {} {}, and is {}",
                                                   path.string(),
                                                   name,
                                                   layer.operation,
                                                   to_string(meant.shape),
                                                   meant.element,
                                                   sim::to_string(is))};
            }
        }
    }
    return model;
}

}  // namespace sim::onnx
