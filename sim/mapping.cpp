#include "sim/mapping.hpp"

#include "sim/yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace sim {
namespace {

constexpr std::string_view kFormat = "mapping/1";
constexpr std::int64_t kLargestBatch = 65'536;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

MappingEntry read_entry(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"layers", "device", "variant", "configuration"};
    expect_keys(node, "an entry", kKeys);
    MappingEntry entry{.layers = {},
                       .device = read_name(at(node, "device")),
                       .variant = read_name(at(node, "variant")),
                       .configuration = read_name(at(node, "configuration")),
                       .where = position_of(node)};
    const YamlNode& layers = at(node, "layers");
    for (const YamlNode& layer : read_list(layers)) {
        entry.layers.push_back(read_name(layer));
    }
    if (entry.layers.empty()) {
        throw unexpected(layers, "at least one layer");
    }
    return entry;
}

// Layers of a task, first to last.
std::vector<int> layers_of(const Task& task) {
    std::vector<int> layers{task.first};
    layers.insert(layers.end(), task.rest.begin(), task.rest.end());
    return layers;
}

// The model's input and the answer are in every mapping; no file names them.
bool is_of_the_model(const Problem& problem, int layer) {
    return problem.model_layer[at(layer)] > 0;
}

std::string joined(const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, " + "));
}

std::vector<int> find_layers(const Problem& problem, const MappingEntry& entry) {
    std::vector<int> layers;
    for (const std::string& name : entry.layers) {
        int found = -1;
        std::vector<std::string_view> names;
        for (int layer = 0; layer < problem.layers(); ++layer) {
            if (is_of_the_model(problem, layer)) {
                names.push_back(problem.layer_names[at(layer)]);
                found = names.back() == name ? layer : found;
            }
        }
        if (found < 0) {
            throw input_error(entry.where,
                              fmt::format("layers: model '{}' has no layer '{}'; there are: {}",
                                          problem.model,
                                          name,
                                          list_of(names, 30)));
        }
        layers.push_back(found);
    }
    return layers;
}

int find_task(const Problem& problem, const MappingEntry& entry, const std::vector<int>& layers) {
    std::vector<std::string> there;
    for (const int index : problem.starting[at(layers.front())]) {
        const Task& task = problem.tasks[at(index)];
        if (layers_of(task) != layers) {
            continue;
        }
        const std::string& device = problem.device_names[at(task.device)];
        if (device == entry.device && task.variant == entry.variant &&
            task.configuration == entry.configuration) {
            return index;
        }
        there.push_back(fmt::format("{}/{}/{}", device, task.variant, task.configuration));
    }
    if (there.empty()) {
        throw input_error(entry.where,
                          fmt::format("platform '{}' has no implementation of {} {} at batch {}",
                                      problem.platform,
                                      layers.size() == 1 ? "layer" : "the chain",
                                      joined(entry.layers),
                                      problem.batch));
    }
    const std::vector<std::string_view> views(there.begin(), there.end());
    throw input_error(entry.where,
                      fmt::format("platform '{}' has no implementation {}/{}/{} of {} at batch {}; "
                                  "there are: {}",
                                  problem.platform,
                                  entry.device,
                                  entry.variant,
                                  entry.configuration,
                                  joined(entry.layers),
                                  problem.batch,
                                  list_of(views)));
}

}  // namespace

MappingFile load_mapping_file(const std::filesystem::path& path) {
    constexpr std::string_view kRequired[] = {"hetmap", "model", "platform", "batch", "entries"};
    constexpr std::string_view kOptional[] = {"predicted_us"};
    const YamlFile file = load_yaml(path, kFormat);
    const YamlNode& root = file.root;
    expect_keys(root, "a mapping", kRequired, kOptional);
    const YamlNode* const predicted = find(root, "predicted_us");
    MappingFile mapping{
        .model = read_name(at(root, "model")),
        .platform = read_name(at(root, "platform")),
        .batch = static_cast<int>(read_integer(at(root, "batch"), 1, kLargestBatch)),
        .predicted_us = predicted == nullptr ? 0.0 : read_number(*predicted),
        .entries = {},
        .where = position_of(at(root, "model"))};
    for (const YamlNode& item : read_list(at(root, "entries"))) {
        mapping.entries.push_back(read_entry(item));
    }
    return mapping;
}

std::string to_yaml(const MappingFile& mapping) {
    std::string text = fmt::format(
        "hetmap: {}\nmodel: {}\nplatform: {}\nbatch: {}\npredicted_us: {}\nentries:{}\n",
        kFormat,
        yaml_text(mapping.model),
        yaml_text(mapping.platform),
        mapping.batch,
        mapping.predicted_us,
        mapping.entries.empty() ? " []" : "");
    for (const MappingEntry& entry : mapping.entries) {
        std::vector<std::string> layers;
        for (const std::string& layer : entry.layers) {
            layers.push_back(yaml_text(layer));
        }
        text += fmt::format("  - {{layers: [{}], device: {}, variant: {}, configuration: {}}}\n",
                            fmt::join(layers, ", "),
                            yaml_text(entry.device),
                            yaml_text(entry.variant),
                            yaml_text(entry.configuration));
    }
    return text;
}

MappingFile describe(const Problem& problem, const Mapping& mapping, Time predicted) {
    MappingFile file{.model = problem.model,
                     .platform = problem.platform,
                     .batch = problem.batch,
                     .predicted_us = microseconds(predicted),
                     .entries = {},
                     .where = {}};
    for (const int index : mapping) {
        const Task& task = problem.tasks[at(index)];
        if (!is_of_the_model(problem, task.first)) {
            continue;
        }
        MappingEntry entry{.layers = {},
                           .device = problem.device_names[at(task.device)],
                           .variant = task.variant,
                           .configuration = task.configuration,
                           .where = {}};
        for (const int layer : layers_of(task)) {
            entry.layers.push_back(problem.layer_names[at(layer)]);
        }
        file.entries.push_back(std::move(entry));
    }
    return file;
}

Mapping resolve(const MappingFile& file, const Problem& problem) {
    if (file.model != problem.model) {
        throw input_error(
            file.where,
            fmt::format("model: the mapping is for '{}', not for '{}'", file.model, problem.model));
    }
    // 1. The input's and the output's tasks, which no file names.
    Mapping mapping;
    std::vector<const MappingEntry*> covered_by(at(problem.layers()), nullptr);
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (!is_of_the_model(problem, layer)) {
            mapping.push_back(problem.starting[at(layer)].front());
        }
    }
    // 2. Every entry's.
    for (const MappingEntry& entry : file.entries) {
        const std::vector<int> layers = find_layers(problem, entry);
        for (const int layer : layers) {
            if (const MappingEntry* const other = covered_by[at(layer)]) {
                throw input_error(entry.where,
                                  fmt::format("layer '{}' is mapped twice, first in line {}",
                                              problem.layer_names[at(layer)],
                                              other->where.line));
            }
            covered_by[at(layer)] = &entry;
        }
        mapping.push_back(find_task(problem, entry, layers));
    }
    // 3. Nothing is left out.
    std::vector<std::string_view> missing;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (is_of_the_model(problem, layer) && covered_by[at(layer)] == nullptr) {
            missing.push_back(problem.layer_names[at(layer)]);
        }
    }
    if (!missing.empty()) {
        throw input_error({.file = file.where.file},
                          fmt::format("{} without an implementation: {}",
                                      missing.size() == 1 ? "a layer" : "layers",
                                      list_of(missing)));
    }
    std::ranges::sort(mapping, {}, [&](int task) { return problem.tasks[at(task)].first; });
    return mapping;
}

}  // namespace sim
