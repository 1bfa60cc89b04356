#include "sim/describe/mapping.hpp"

#include "sim/compile/makers.hpp"
#include "sim/compile/splits.hpp"
#include "sim/compile/transfers.hpp"
#include "sim/describe/graph.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"
#include "sim/run/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

namespace sim {
namespace {

constexpr std::string_view kMappingFormat = "mapping/1";
constexpr std::int64_t kMostChannels = std::int64_t{1} << 30;
constexpr std::string_view kOrders[] = {"static", "listed"};
constexpr std::string_view kDivisions[] = {"output_channels", "input_channels"};

MappingPart read_part(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"device", "channels", "variant", "configuration"};
    expect_keys(node, "a part", kKeys);
    return {.device = read_name(at(node, "device")),
            .channels = static_cast<int>(read_integer(at(node, "channels"), 1, kMostChannels)),
            .variant = read_name(at(node, "variant")),
            .configuration = read_name(at(node, "configuration")),
            .where = position_of(node)};
}

MappingEntry read_entry(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"layers", "device", "variant", "configuration"};
    constexpr std::string_view kDividedKeys[] = {"layers", "parts"};
    constexpr std::string_view kDividedOptional[] = {"by"};
    MappingEntry entry;
    entry.where = position_of(node);
    if (find(node, "parts") == nullptr) {
        expect_keys(node, "an entry", kKeys);
        entry.device = read_name(at(node, "device"));
        entry.variant = read_name(at(node, "variant"));
        entry.configuration = read_name(at(node, "configuration"));
    } else {
        expect_keys(node, "an entry of a divided layer", kDividedKeys, kDividedOptional);
        const YamlNode& parts = at(node, "parts");
        for (const YamlNode& part : read_list(parts)) {
            entry.parts.push_back(read_part(part));
        }
        if (entry.parts.size() < 2) {
            throw unexpected(parts, "at least two parts");
        }
        if (const YamlNode* const by = find(node, "by")) {
            entry.by_input_channels = read_choice(*by, "division", kDivisions) == 1;
        }
    }
    const YamlNode& layers = at(node, "layers");
    for (const YamlNode& layer : read_list(layers)) {
        entry.layers.push_back(read_name(layer));
    }
    if (entry.layers.empty()) {
        throw unexpected(layers, "at least one layer");
    }
    if (!entry.parts.empty() && entry.layers.size() != 1) {
        throw unexpected(layers, "one layer, as it has parts");
    }
    return entry;
}

MappingCopy read_copy(const YamlNode& node) {
    constexpr std::string_view kKeys[] = {"tensor", "from", "to"};
    constexpr std::string_view kOptional[] = {"mode", "before"};
    expect_keys(node, "a copy", kKeys, kOptional);
    const auto optional = [&](std::string_view key) {
        const YamlNode* const value = find(node, key);
        return value == nullptr ? std::string{} : read_name(*value);
    };
    MappingCopy copy{.tensor = read_name(at(node, "tensor")),
                     .from = read_name(at(node, "from")),
                     .to = read_name(at(node, "to")),
                     .mode = optional("mode"),
                     .before = optional("before"),
                     .where = position_of(node)};
    if (copy.mode.empty() && copy.before.empty()) {
        throw unexpected(node, "a mode, or the layer before which it is issued, or both");
    }
    return copy;
}

bool is_by_input_channels(const Task& task) { return task.variant == kInputSplitVariant; }

// The model's inputs and the answers are in every mapping; no file names them.
bool is_of_the_model(const Problem& problem, int layer) {
    return problem.model_layer[at(layer)] >= problem.model_inputs;
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

// "digital 4 array/1 + analog 60 array/1"
template <class Parts, class Name>
std::string text_of(const Parts& parts, Name name_of_device) {
    std::string text;
    for (const auto& part : parts) {
        text += fmt::format("{}{} {} {}/{}",
                            text.empty() ? "" : " + ",
                            name_of_device(part.device),
                            part.channels,
                            part.variant,
                            part.configuration);
    }
    return text;
}

// A divided layer's. The parts may be in any order.
int find_divided_task(const Problem& problem, const MappingEntry& entry, int layer) {
    // 1. The devices there are.
    for (const MappingPart& part : entry.parts) {
        if (std::ranges::find(problem.device_names, part.device) == problem.device_names.end()) {
            const std::vector<std::string_view> names(problem.device_names.begin(),
                                                      problem.device_names.end());
            throw input_error(part.where,
                              fmt::format("device: platform '{}' has no device '{}'; there are: {}",
                                          problem.platform,
                                          part.device,
                                          list_of(names)));
        }
    }
    // 2. The divisions of the layer.
    const auto name_of_device = [&](int device) { return problem.device_names[at(device)]; };
    const auto key_of = [](std::string device, const auto& part) {
        return std::tuple{std::move(device), part.channels, part.variant, part.configuration};
    };
    std::set<decltype(key_of({}, entry.parts.front()))> wanted;
    std::int64_t given = 0;
    for (const MappingPart& part : entry.parts) {
        wanted.insert(key_of(part.device, part));
        given += part.channels;
    }
    int channels = 0;
    std::vector<std::string> there;
    for (const int index : problem.starting[at(layer)]) {
        const Task& task = problem.tasks[at(index)];
        if (task.parts.empty() || is_by_input_channels(task) != entry.by_input_channels) {
            continue;
        }
        decltype(wanted) parts;
        channels = 0;
        for (const Part& part : task.parts) {
            parts.insert(key_of(name_of_device(part.device), part));
            channels += part.channels;
        }
        if (parts == wanted && task.parts.size() == entry.parts.size()) {
            return index;
        }
        there.push_back(text_of(task.parts, name_of_device));
    }
    if (there.empty()) {
        throw input_error(
            entry.where,
            fmt::format("parts: platform '{}' does not divide layer {} by its {} at batch {}",
                        problem.platform,
                        entry.layers.front(),
                        entry.by_input_channels ? "input channels" : "output channels",
                        problem.batch));
    }
    // 3. Why this one is not among them.
    if (given != channels) {
        throw input_error(entry.where,
                          fmt::format("parts: expected shares that add up to the {} {} channels of "
                                      "layer {}, got {}",
                                      channels,
                                      entry.by_input_channels ? "input" : "output",
                                      entry.layers.front(),
                                      given));
    }
    const std::vector<std::string_view> views(there.begin(), there.end());
    throw input_error(
        entry.where,
        fmt::format("parts: platform '{}' does not divide layer {} into {} at batch "
                    "{}; there are: {}",
                    problem.platform,
                    entry.layers.front(),
                    text_of(entry.parts, [](const std::string& name) { return name; }),
                    problem.batch,
                    list_of(views)));
}

int find_task(const Problem& problem, const MappingEntry& entry, const std::vector<int>& layers) {
    if (!entry.parts.empty()) {
        return find_divided_task(problem, entry, layers.front());
    }
    std::vector<int> wanted = layers;
    std::ranges::sort(wanted);
    std::vector<std::string> there;
    for (int index = 0; index < static_cast<int>(problem.tasks.size()); ++index) {
        const Task& task = problem.tasks[at(index)];
        if (task.first != wanted.front() || !task.parts.empty() || layers_of(task) != wanted) {
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
                                      layers.size() == 1 ? "layer" : "the layers",
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

// A name for the task in a mapping file: its first layer's.
const std::string& name_of_task(const Problem& problem, int task) {
    return problem.layer_names[at(problem.tasks[at(task)].first)];
}

// Of every copy that the mapping needs what is not as it would be without: the mode, where there is
// a choice, and its turn. In the order of the plan.
std::vector<MappingCopy> copies_of(const Problem& problem, const Mapping& mapping) {
    std::vector<MappingCopy> copies;
    const bool has_choice = problem.mode_names.size() > 1;
    if (!has_choice && mapping.early.empty()) {
        return copies;
    }
    const Plan plan = plan_of(problem, mapping);
    for (const Plan::Action& action : plan.actions) {
        const Event& event = plan.event_of(action);
        if (action.kind != EventKind::copy) {
            continue;
        }
        MappingCopy copy{.tensor = problem.layer_names[at(event.tensor)],
                         .from = problem.memory_names[at(event.from)],
                         .to = problem.memory_names[at(event.to)],
                         .mode = {},
                         .before = {},
                         .where = {}};
        if (has_choice) {
            const int layout = plan.makers[at(event.tensor)].layout;
            const int mode =
                problem.copy_modes[problem.copy_place(event.tensor, layout, event.from, event.to)];
            copy.mode = mode < 0 ? "" : problem.mode_names[at(mode)];
        }
        const auto early = std::ranges::find_if(mapping.early, [&](const EarlyCopy& one) {
            return one.tensor == event.tensor && one.to == event.to;
        });
        if (early != mapping.early.end()) {
            copy.before = name_of_task(problem, mapping[at(early->before)]);
        }
        if (!copy.mode.empty() || !copy.before.empty()) {
            copies.push_back(std::move(copy));
        }
    }
    return copies;
}

// Index of the name in `names`, or an error with the list.
int index_of(const MappingCopy& copy,
             std::string_view key,
             std::string_view what,
             const std::string& name,
             std::span<const std::string> names) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
        const std::vector<std::string_view> views(names.begin(), names.end());
        throw input_error(
            copy.where,
            fmt::format("{}: no {} '{}'; there are: {}", key, what, name, list_of(views, 30)));
    }
    return static_cast<int>(found - names.begin());
}

[[noreturn]] void refuse_inner(const Problem& problem,
                               int task,
                               int tensor,
                               const SourcePosition& where) {
    throw input_error(where,
                      fmt::format("layer '{}' reads '{}', which stays inside the layers that are "
                                  "fused with it",
                                  name_of_task(problem, task),
                                  problem.layer_names[at(tensor)]));
}

// `entries`: by place in the mapping; nullptr for the inputs' tasks.
void expect_made_before_read(const Problem& problem,
                             const Mapping& mapping,
                             const std::vector<const MappingEntry*>& entries) {
    const std::vector<int> made = places_made(problem, mapping.tasks);
    for (std::size_t i = 0; i < mapping.size(); ++i) {
        const SourcePosition where = entries[std::min(i, entries.size() - 1)] == nullptr
                                         ? SourcePosition{}
                                         : entries[std::min(i, entries.size() - 1)]->where;
        for (const TaskInput& input : problem.tasks[at(mapping[i])].inputs) {
            const int maker = made[at(input.tensor)];
            if (maker < 0) {
                refuse_inner(problem, mapping[i], input.tensor, where);
            }
            if (maker >= static_cast<int>(i)) {
                throw input_error(where,
                                  fmt::format("order: listed, but '{}' reads '{}', which comes "
                                              "later",
                                              name_of_task(problem, mapping[i]),
                                              problem.layer_names[at(input.tensor)]));
            }
        }
    }
}

// Each task after those that make what it reads; of those that may come next the one whose first
// layer is the first in the static order.
std::vector<int> in_static_order(const Problem& problem,
                                 std::vector<int> tasks,
                                 const SourcePosition& where) {
    std::ranges::sort(tasks, {}, [&](int task) { return problem.tasks[at(task)].first; });
    const std::vector<int> made = places_made(problem, tasks);
    Graph graph{.vertices = static_cast<int>(tasks.size()), .edges = {}};
    std::vector<std::int64_t> priority;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        priority.push_back(-static_cast<std::int64_t>(i));
        for (const TaskInput& input : problem.tasks[at(tasks[i])].inputs) {
            const int maker = made[at(input.tensor)];
            if (maker < 0) {
                refuse_inner(problem, tasks[i], input.tensor, where);
            }
            graph.edges.emplace_back(maker, static_cast<int>(i));
        }
    }
    if (const std::vector<int> cycle = find_cycle(graph); !cycle.empty()) {
        throw input_error(where,
                          fmt::format("the fused layers of '{}' and of '{}' wait for each other",
                                      name_of_task(problem, tasks[at(cycle.front())]),
                                      name_of_task(problem, tasks[at(cycle.back())])));
    }
    std::vector<int> ordered;
    for (const int place : topological_order(graph, priority)) {
        ordered.push_back(tasks[at(place)]);
    }
    return ordered;
}

EarlyCopy early_copy(const Problem& problem, const Mapping& mapping, const MappingCopy& copy) {
    const std::span tensors(problem.layer_names.begin(), problem.layer_names.end() - 1);
    EarlyCopy early{.before = -1,
                    .tensor = index_of(copy, "tensor", "tensor", copy.tensor, tensors),
                    .to = index_of(copy, "to", "memory", copy.to, problem.memory_names)};
    const int before = index_of(copy, "before", "layer", copy.before, tensors);
    for (std::size_t i = 0; i < mapping.size(); ++i) {
        const std::vector<int> layers = layers_of(problem.tasks[at(mapping[i])]);
        if (std::ranges::find(layers, before) != layers.end()) {
            early.before = static_cast<int>(i);
        }
    }
    const int made = places_made(problem, mapping.tasks)[at(early.tensor)];
    if (made < 0 || made >= early.before) {
        throw input_error(
            copy.where,
            fmt::format("before: '{}' is not made before '{}'", copy.tensor, copy.before));
    }
    return early;
}

MappingFile read_mapping(const YamlFile& file) {
    constexpr std::string_view kRequired[] = {"hetmap", "model", "platform", "batch", "entries"};
    constexpr std::string_view kOptional[] = {
        "set", "predicted_us", "transfer_modes", "order", "copies"};
    const YamlNode& root = file.root;
    expect_keys(root, "a mapping", kRequired, kOptional);
    const YamlNode* const predicted = find(root, "predicted_us");
    const YamlNode* const modes = find(root, "transfer_modes");
    const YamlNode* const order = find(root, "order");
    MappingFile mapping{
        .model = read_name(at(root, "model")),
        .platform = read_name(at(root, "platform")),
        .batch = static_cast<int>(read_integer(at(root, "batch"), 1, kLargestBatch)),
        .predicted_us = predicted == nullptr ? 0.0 : read_number(*predicted),
        .transfer_modes = modes == nullptr ? std::string{"first"} : read_text(*modes),
        .is_listed_in_order = order != nullptr && read_choice(*order, "order", kOrders) == 1,
        .entries = {},
        .copies = {},
        .where = position_of(at(root, "model"))};
    if (const YamlNode* const set = find(root, "set")) {
        for (const YamlNode& item : read_list(*set)) {
            mapping.set.push_back(read_text(item));
        }
    }
    for (const YamlNode& item : read_list(at(root, "entries"))) {
        mapping.entries.push_back(read_entry(item));
    }
    if (const YamlNode* const copies = find(root, "copies")) {
        for (const YamlNode& item : read_list(*copies)) {
            mapping.copies.push_back(read_copy(item));
        }
    }
    return mapping;
}

}  // namespace

MappingFile load_mapping_file(const std::filesystem::path& path) {
    return read_mapping(load_yaml(path, kMappingFormat));
}

MappingFile parse_mapping_file(const std::string& text, const std::filesystem::path& path) {
    return read_mapping(parse_yaml(text, path, kMappingFormat));
}

std::string to_yaml(const MappingFile& mapping) {
    std::vector<std::string> set;
    for (const std::string& assignment : mapping.set) {
        set.push_back(yaml_text(assignment));
    }
    std::string text = fmt::format(
        "hetmap: {}\nmodel: {}\nplatform: {}\n{}batch: {}\npredicted_us: {}\n{}{}entries:{}\n",
        kMappingFormat,
        yaml_text(mapping.model),
        yaml_text(mapping.platform),
        set.empty() ? "" : fmt::format("set: [{}]\n", fmt::join(set, ", ")),
        mapping.batch,
        mapping.predicted_us,
        mapping.transfer_modes == "first"
            ? ""
            : fmt::format("transfer_modes: {}\n", yaml_text(mapping.transfer_modes)),
        mapping.is_listed_in_order ? fmt::format("order: {}\n", kOrders[1]) : "",
        mapping.entries.empty() ? " []" : "");
    for (const MappingEntry& entry : mapping.entries) {
        std::vector<std::string> layers;
        for (const std::string& layer : entry.layers) {
            layers.push_back(yaml_text(layer));
        }
        text += fmt::format("  - {{layers: [{}], ", fmt::join(layers, ", "));
        if (entry.parts.empty()) {
            text += fmt::format("device: {}, variant: {}, configuration: {}}}\n",
                                yaml_text(entry.device),
                                yaml_text(entry.variant),
                                yaml_text(entry.configuration));
            continue;
        }
        text += fmt::format("{}parts: [", entry.by_input_channels ? "by: input_channels, " : "");
        for (const MappingPart& part : entry.parts) {
            text += fmt::format(
                "{}\n      {{device: {}, channels: {}, variant: {}, configuration: {}}}",
                &part == &entry.parts.front() ? "" : ",",
                yaml_text(part.device),
                part.channels,
                yaml_text(part.variant),
                yaml_text(part.configuration));
        }
        text += "]}\n";
    }
    text += mapping.copies.empty() ? "" : "copies:\n";
    for (const MappingCopy& copy : mapping.copies) {
        text += fmt::format("  - {{tensor: {}, from: {}, to: {}{}{}}}\n",
                            yaml_text(copy.tensor),
                            yaml_text(copy.from),
                            yaml_text(copy.to),
                            copy.mode.empty() ? "" : ", mode: " + yaml_text(copy.mode),
                            copy.before.empty() ? "" : ", before: " + yaml_text(copy.before));
    }
    return text;
}

MappingFile describe(const Problem& problem, const Mapping& mapping, Time predicted) {
    MappingFile file{.model = problem.model,
                     .platform = problem.platform,
                     .set = problem.set,
                     .batch = problem.batch,
                     .predicted_us = microseconds(predicted),
                     .transfer_modes = problem.transfer_modes,
                     .is_listed_in_order = true,
                     .entries = {},
                     .copies = copies_of(problem, mapping),
                     .where = {}};
    for (const int index : mapping) {
        const Task& task = problem.tasks[at(index)];
        if (!is_of_the_model(problem, task.first)) {
            continue;
        }
        MappingEntry entry;
        if (task.parts.empty()) {
            entry.device = problem.device_names[at(task.device)];
            entry.variant = task.variant;
            entry.configuration = task.configuration;
        }
        entry.by_input_channels = is_by_input_channels(task);
        for (const Part& part : task.parts) {
            entry.parts.push_back({.device = problem.device_names[at(part.device)],
                                   .channels = part.channels,
                                   .variant = part.variant,
                                   .configuration = part.configuration,
                                   .where = {}});
        }
        for (const int layer : layers_of(task)) {
            entry.layers.push_back(problem.layer_names[at(layer)]);
        }
        file.entries.push_back(std::move(entry));
    }
    return file;
}

std::vector<int> tasks_of(const MappingFile& file, const Problem& problem) {
    if (file.model != problem.model) {
        throw input_error(
            file.where,
            fmt::format("model: the mapping is for '{}', not for '{}'", file.model, problem.model));
    }
    std::vector<int> tasks;
    std::vector<const MappingEntry*> covered_by(at(problem.layers()), nullptr);
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
        tasks.push_back(find_task(problem, entry, layers));
    }
    return tasks;
}

Mapping resolve(const MappingFile& file, const Problem& problem) {
    // 1. Every entry's task, between those of the inputs and the outputs, which no file names.
    Mapping mapping;
    std::vector<const MappingEntry*> entries;  // by place in the mapping
    std::vector<char> is_covered(at(problem.layers()), 0);
    for (int layer = 0; layer < problem.model_inputs; ++layer) {
        entries.push_back(nullptr);
        mapping.push_back(problem.starting[at(layer)].front());
    }
    for (const int task : tasks_of(file, problem)) {
        entries.push_back(&file.entries[mapping.size() - at(problem.model_inputs)]);
        mapping.push_back(task);
        for (const int layer : layers_of(problem.tasks[at(task)])) {
            is_covered[at(layer)] = 1;
        }
    }
    for (int layer = problem.layers() - problem.model_ends; layer < problem.layers(); ++layer) {
        mapping.push_back(problem.starting[at(layer)].front());
    }

    // 2. Nothing is left out.
    std::vector<std::string_view> missing;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (is_of_the_model(problem, layer) && !is_covered[at(layer)]) {
            missing.push_back(problem.layer_names[at(layer)]);
        }
    }
    if (!missing.empty()) {
        throw input_error({.file = file.where.file},
                          fmt::format("{} without an implementation: {}",
                                      missing.size() == 1 ? "a layer" : "layers",
                                      list_of(missing)));
    }

    // 3. The order, and copies with turns of their own.
    if (file.is_listed_in_order) {
        expect_made_before_read(problem, mapping, entries);
    } else {
        mapping.tasks = in_static_order(problem, mapping.tasks, file.where);
    }
    for (const MappingCopy& copy : file.copies) {
        if (!copy.before.empty()) {
            mapping.early.push_back(early_copy(problem, mapping, copy));
        }
    }
    std::ranges::stable_sort(mapping.early, {}, &EarlyCopy::before);
    return mapping;
}

void apply_transfer_modes(const MappingFile& file, const Platform& platform, Problem& problem) {
    // The answer is no tensor that anything copies.
    const std::span tensors(problem.layer_names.begin(), problem.layer_names.end() - 1);
    for (const MappingCopy& copy : file.copies) {
        if (copy.mode.empty()) {
            continue;
        }
        const int tensor = index_of(copy, "tensor", "tensor", copy.tensor, tensors);
        const int from = index_of(copy, "from", "memory", copy.from, problem.memory_names);
        const int to = index_of(copy, "to", "memory", copy.to, problem.memory_names);
        set_transfer_mode(problem, platform, tensor, from, to, copy.mode, copy.where);
    }
    if (problem.has_routes()) {
        index(problem);  // the fastest ways may be others now
    }
}

}  // namespace sim
