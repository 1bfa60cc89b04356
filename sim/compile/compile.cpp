// Model x platform x batch, compiled to dense arrays. Start at `compile`, at the end.

#include "sim/compile/costs.hpp"
#include "sim/compile/offers.hpp"
#include "sim/compile/problem.hpp"
#include "sim/compile/teams.hpp"
#include "sim/compile/transfers.hpp"
#include "sim/describe/graph.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"
#include "sim/run/accuracy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <type_traits>

namespace sim {
namespace {

// ---- 1. Limits. -----------------------------------------------------------------------------

void expect_limits(const Platform& platform, int batch) {
    if (batch < 1 || batch > kLargestBatch) {
        throw InputError{fmt::format(
            "batch: expected a whole number from 1 to {}, got {}", kLargestBatch, batch)};
    }
    const auto expect_few = [&](std::size_t count, std::string_view of_what) {
        if (count > at(kMostOfAKind)) {
            refuse(platform,
                   fmt::format("{} {}, at most {} are supported", count, of_what, kMostOfAKind));
        }
    };
    expect_few(platform.devices.size(), "devices");
    expect_few(platform.memories.size(), "memories");
    expect_few(engines_of(platform).names.size(), "copy engines");
}

// ---- 2. Order: topological, ties by longest remaining path (rule 1). ------------------------

// What the first layer of a chain waits for although only a later one reads it.
std::vector<int> outside_of_later_layers(const Model& model, const std::vector<int>& chain) {
    std::vector<int> outside;
    for (std::size_t i = 1; i < chain.size(); ++i) {
        for (const int input : model.layers[at(chain[i])].inputs) {
            if (std::ranges::find(chain, input) == chain.end()) {
                outside.push_back(input);
            }
        }
    }
    return outside;
}

// A chain of convolution and add can only be used if the other addend is there first, and of two
// convolutions that feed one add only one can come second. Wishes for such an order, the one that
// saves most first.
std::vector<std::pair<int, int>> order_wishes(const Model& model,
                                              const std::vector<Offer>& offers,
                                              const std::vector<Time>& alone) {
    std::map<std::vector<int>, Time> cheapest;  // by chain
    for (const Offer& offer : offers) {
        if (offer.chain.size() > 1) {
            const auto [entry, is_new] = cheapest.emplace(offer.chain, offer.time.p50);
            entry->second = std::min(entry->second, offer.time.p50);
        }
    }
    struct Wish {
        Time saved;
        int from, to;
    };
    std::vector<Wish> wishes;
    for (const auto& [chain, time] : cheapest) {
        const std::vector<int> outside = outside_of_later_layers(model, chain);
        Time apart{};
        for (const int layer : chain) {
            apart = std::min(kNever, apart + alone[at(layer)]);
        }
        for (const int layer : outside) {
            wishes.push_back({apart - time, layer, chain.front()});
        }
    }
    std::ranges::stable_sort(wishes, std::greater{}, &Wish::saved);
    std::vector<std::pair<int, int>> edges;
    std::set<std::pair<int, int>> known;
    for (const Wish& wish : wishes) {
        if (known.emplace(wish.from, wish.to).second) {
            edges.emplace_back(wish.from, wish.to);
        }
    }
    return edges;
}

std::vector<int> static_order(const Model& model, const std::vector<Offer>& offers) {
    const std::size_t layers = model.layers.size();
    // 1. What a layer takes: alone, or else its share of the cheapest chain.
    std::vector<Time> alone(layers, kNever), share(layers, kNever);
    const std::size_t inputs = at(model.inputs());
    std::fill_n(alone.begin(), inputs, Time{});
    for (std::size_t i = inputs; i < layers; ++i) {
        alone[i] = is_held(model.layers[i]) ? Time{} : kNever;
    }
    for (const Offer& offer : offers) {
        const auto count = static_cast<std::int64_t>(offer.chain.size());
        for (const int layer : offer.chain) {
            Time& least = count == 1 ? alone[at(layer)] : share[at(layer)];
            least = std::min(least, offer.time.p50 / count);
        }
    }
    std::vector<std::int64_t> weight(layers);
    for (std::size_t i = 0; i < layers; ++i) {
        weight[i] = (alone[i] < kNever ? alone[i] : share[i]).count();
    }
    // 2. The model's edges, and those that make fused chains usable.
    Graph graph{.vertices = static_cast<int>(layers), .edges = {}};
    for (std::size_t i = 0; i < layers; ++i) {
        for (const int input : model.layers[i].inputs) {
            graph.edges.emplace_back(input, static_cast<int>(i));
        }
    }
    add_edges_without_cycle(graph, order_wishes(model, offers, alone));
    std::vector<std::int64_t> priority = longest_remaining_paths(graph, weight);
    std::fill_n(priority.begin(), inputs, std::numeric_limits<std::int64_t>::max());
    std::vector<int> order = topological_order(graph, priority);
    std::erase_if(order, [&](int layer) { return is_held(model.layers[at(layer)]); });
    return order;
}

// ---- 3. The arrays. -------------------------------------------------------------------------

int intern(std::vector<std::string>& names, std::string_view name) {
    const auto found = std::ranges::find(names, name);
    if (found != names.end()) {
        return static_cast<int>(found - names.begin());
    }
    names.emplace_back(name);
    return static_cast<int>(names.size()) - 1;
}

// The number of a memory that the model names: the host's where it names none.
int memory_named(const Model& model,
                 const Platform& platform,
                 const std::string& layer,
                 const std::string& name) {
    if (name.empty()) {
        return 0;
    }
    const auto found = std::ranges::find(platform.memories, name, &Memory::name);
    if (found == platform.memories.end()) {
        std::vector<std::string_view> names;
        for (const Memory& memory : platform.memories) {
            names.push_back(memory.name);
        }
        throw InputError{
            fmt::format("model {}: place of '{}': platform {} has no memory '{}'; "
                        "there are: {}",
                        model.name,
                        layer,
                        platform.name,
                        name,
                        list_of(names))};
    }
    return static_cast<int>(found - platform.memories.begin());
}

// Where inputs start and outputs are wanted, beyond the host's memory, something has to stand for
// who has made them or reads them: a device without work, which takes no time and no submission.
struct Ends {
    std::vector<int> inputs;                                // memories, by input
    std::vector<std::pair<int, std::vector<int>>> outputs;  // memory, layers; the host's last
    std::vector<int> memories;                              // other than the host's, ascending

    // The device that stands in a memory.
    int device(const Platform& platform, int memory) const {
        const auto found = std::ranges::find(memories, memory);
        return memory == 0 ? 0
                           : static_cast<int>(platform.devices.size()) +
                                 static_cast<int>(found - memories.begin());
    }
};

Ends ends_of(const Model& model, const Platform& platform) {
    Ends ends;
    std::map<int, std::vector<int>, std::greater<>> outputs;
    std::set<int> memories;
    for (int i = 0; i < model.inputs(); ++i) {
        const Layer& input = model.layers[at(i)];
        ends.inputs.push_back(memory_named(model, platform, input.name, input.place));
        memories.insert(ends.inputs.back());
    }
    for (const Output& output : model.outputs) {
        const std::string& name = model.layers[at(output.layer)].name;
        const int memory = memory_named(model, platform, name, output.place);
        outputs[memory].push_back(output.layer);
        memories.insert(memory);
    }
    memories.erase(0);
    ends.outputs.assign(outputs.begin(), outputs.end());
    ends.memories.assign(memories.begin(), memories.end());
    if (platform.devices.size() + ends.memories.size() > kMostOfAKind) {
        refuse(platform,
               fmt::format("at most {} devices and places of inputs and outputs together",
                           kMostOfAKind));
    }
    return ends;
}

void add_layers(Problem& problem,
                const Model& model,
                const Ends& ends,
                const std::vector<int>& order,
                const std::vector<int>& place) {
    for (const int layer : order) {
        problem.layer_names.push_back(model.layers[at(layer)].name);
        problem.model_layer.push_back(layer);
        std::vector<int> inputs;
        for (const int input : model.layers[at(layer)].inputs) {
            if (!is_held(model.layers[at(input)])) {
                inputs.push_back(place[at(input)]);
            }
        }
        std::ranges::sort(inputs);
        inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
        problem.inputs.push_back(std::move(inputs));
        const Layer& its = model.layers[at(layer)];
        problem.weighted_channels.push_back(has_weights(its) ? its.output.channels() : 0);
        if (!model.networks.empty()) {
            problem.network.push_back(its.network);
        }
    }
    for (const auto& [memory, layers] : ends.outputs) {
        problem.weighted_channels.push_back(0);
        problem.layer_names.emplace_back("output");
        problem.model_layer.push_back(-2);
        std::vector<int> outputs;
        for (const int layer : layers) {
            outputs.push_back(place[at(layer)]);
        }
        std::ranges::sort(outputs);
        problem.inputs.push_back(std::move(outputs));
    }
    problem.model_layer.back() = -1;
    if (!problem.network.empty()) {
        problem.network.resize(problem.layer_names.size(), 0);
    }
    problem.model_inputs = model.inputs();
    problem.model_ends = static_cast<int>(ends.outputs.size());
}

// Operations that have factors of their own on some device, ascending: each has a table.
std::vector<std::string> contention_kinds(const Platform& platform) {
    std::set<std::string> kinds;
    for (const Device& device : platform.devices) {
        for (const auto& [operation, factors] : device.contention_of) {
            kinds.insert(operation);
        }
    }
    return {kinds.begin(), kinds.end()};
}

// The table of a task that begins with this layer.
int contention_of(const Platform& platform, const Layer& layer) {
    const std::vector<std::string> kinds = contention_kinds(platform);
    const auto found = std::ranges::find(kinds, layer.operation->name);
    return found == kinds.end() ? 0 : static_cast<int>(found - kinds.begin()) + 1;
}

void add_devices(Problem& problem, const Platform& platform, const Ends& ends) {
    const Device& host = platform.devices.front();
    bool has_contention = false;
    for (const Device& device : platform.devices) {
        problem.device_names.push_back(device.name);
        problem.devices.push_back({.memory = device.memory,
                                   .asynchronous = device.asynchronous,
                                   .submit = device.submit,
                                   .per_task = device.per_task,
                                   .completion = device.completion,
                                   .reconfiguration = device.reconfiguration.value_or(Time{}),
                                   .idle = {device.idle_power_w.value_or(0)},
                                   .submit_energy = drawn_above_idle(host, device.submit),
                                   .per_task_energy = drawn_above_idle(host, device.per_task)});
        has_contention =
            has_contention || !device.contention.empty() || !device.contention_of.empty();
    }
    for (const int memory : ends.memories) {
        problem.device_names.push_back(platform.memories[at(memory)].name + " (place)");
        problem.devices.push_back({.memory = memory});
    }
    const std::vector<std::string> kinds = contention_kinds(platform);
    const std::size_t devices = problem.devices.size(), table = devices * devices;
    problem.contention.assign(has_contention ? (1 + kinds.size()) * table : 0, 1.0);
    const auto set = [&](std::size_t kind,
                         std::size_t device,
                         const std::vector<std::pair<std::string, double>>& factors) {
        for (const auto& [name, factor] : factors) {
            const auto other = std::ranges::find(platform.devices, name, &Device::name);
            if (other == platform.devices.end()) {
                refuse(platform,
                       fmt::format("device '{}' has contention with '{}', and there is no such "
                                   "device",
                                   platform.devices[device].name,
                                   name));
            }
            const std::size_t pair = kind * table + device * devices +
                                     at(static_cast<int>(other - platform.devices.begin()));
            problem.contention[pair] = std::max(1.0, factor);
            if (factor < 1) {
                problem.alone.resize(problem.contention.size(), 1.0);
            }
            if (!problem.alone.empty()) {
                problem.alone[pair] = factor < 1 ? 1 / factor : 1;
            }
        }
    };
    for (std::size_t kind = 0; kind <= kinds.size(); ++kind) {
        for (std::size_t i = 0; i < platform.devices.size(); ++i) {
            set(kind, i, platform.devices[i].contention);
            for (const auto& [operation, factors] : platform.devices[i].contention_of) {
                if (kind > 0 && operation == kinds[kind - 1]) {
                    set(kind, i, factors);
                }
            }
        }
    }
    problem.budgets = budgets_of(platform);
    bool has_synchronise = false;
    for (const Memory& memory : platform.memories) {
        constexpr std::int64_t kBytesOfAKib = 1024;
        problem.memory_names.push_back(memory.name);
        problem.capacities.push_back(memory.capacity_kib * kBytesOfAKib);
        problem.synchronise.push_back(memory.synchronise);
        has_synchronise = has_synchronise || memory.synchronise > Time{};
    }
    if (!has_synchronise) {
        problem.synchronise.clear();
    }
    problem.memories = static_cast<int>(platform.memories.size());
}

// Layout 0 is what a profile means where it names none. Elements of a byte and more are plain
// anyway.
int layout_of(Problem& problem,
              const Platform& platform,
              const TensorShape& shape,
              const std::string& layout,
              const std::string& team) {
    const bool is_first = layout.empty() || (layout == kPlainLayout && bits_of(shape.element) >= 8);
    const int bits = is_first ? 0 : intern(problem.layout_names, layout);
    const int index =
        team.empty() ? bits
                     : intern(problem.layout_names, problem.layout_names[at(bits)] + '/' + team);
    problem.same_bits.resize(problem.layout_names.size(), index);
    problem.teams.resize(problem.layout_names.size());
    problem.same_bits[at(bits)] = problem.same_bits[at(index)] = bits;
    problem.teams[at(index)] = team;
    if (index >= kMostOfAKind) {
        refuse(platform,
               fmt::format("the layouts {}: at most {} are supported",
                           fmt::join(problem.layout_names, ", "),
                           kMostOfAKind));
    }
    return index;
}

// By memory. A share of a layer has its share of the weights.
std::vector<std::int64_t> weight_bytes_of(const Problem& problem,
                                          const Model& model,
                                          const Offer& offer) {
    std::int64_t bytes = 0, channels = 0;
    for (const int layer : offer.chain) {
        bytes += work_of(model, layer).weight_bytes;
        for (const int input : model.layers[at(layer)].inputs) {
            const Layer& read = model.layers[at(input)];
            bytes += is_held(read) ? tensor_bytes(read.output) : 0;
        }
    }
    for (const Part& part : offer.parts) {
        channels += part.channels;
    }
    if (bytes == 0) {
        return {};
    }
    std::vector<std::int64_t> by_memory(at(problem.memories));
    const auto memory_of = [&](int device) { return at(problem.devices[at(device)].memory); };
    if (offer.parts.empty()) {
        by_memory[memory_of(offer.device)] = bytes;
    }
    for (const Part& part : offer.parts) {
        by_memory[memory_of(part.device)] += (bytes * part.channels + channels - 1) / channels;
    }
    return by_memory;
}

// A task that reads what comes after its first layer in the static order is for other orders.
Task task_of(Problem& problem,
             const Model& model,
             const Platform& platform,
             const Offer& offer,
             const std::string& team,
             const std::vector<int>& place) {
    // 1. Its layers in static order, in which any may come first.
    std::vector<int> layers;
    for (const int layer : offer.chain) {
        layers.push_back(place[at(layer)]);
    }
    std::ranges::sort(layers);
    Task task{.first = layers.front(),
              .rest = {layers.begin() + 1, layers.end()},
              .last = layers.back(),
              .inputs = {},
              .device = offer.device,
              .inner = {},
              // What is longer than anything is refused when all are known.
              .cost = std::min(at_quantile(offer.time, problem.quantile), kNever - Time{1}),
              .kind = offer.kind,
              .spread = offer.time,
              .variant = offer.variant,
              .configuration = offer.configuration,
              .precision = offer.precision,
              .parts = offer.parts,
              .engines = {},
              .energy = offer.energy,
              .loss = 0,
              .uses = offer.uses,
              .weight_bytes = weight_bytes_of(problem, model, offer)};
    task.loss = loss_of(model, offer.chain, task);
    if (!task.uses.empty()) {
        task.uses.resize(problem.budgets.size());
    }

    // 2. The least it takes: beside others that make it faster.
    task.contention = contention_of(platform, model.layers[at(offer.chain.front())]);
    if (!problem.alone.empty()) {
        double most = 1;
        for_each_bit(devices_of(task), [&](int device) {
            most = std::max(most, problem.alone_factor(task.contention, device));
        });
        task.cost = shortened(task.cost, most);
    }

    // 3. What it reads from outside.
    for (const int layer : offer.chain) {
        for (const int input : model.layers[at(layer)].inputs) {
            const int tensor = place[at(input)];
            const auto known = std::ranges::find(task.inputs, tensor, &TaskInput::tensor);
            const bool inside = std::ranges::find(offer.chain, input) != offer.chain.end();
            if (!inside && !is_held(model.layers[at(input)]) && known == task.inputs.end()) {
                const TensorShape& shape = model.layers[at(input)].output;
                task.inputs.push_back(
                    {.tensor = tensor,
                     .layout = layout_of(problem, platform, shape, offer.in_layout, team)});
            }
        }
    }

    // 4. What it gives.
    std::vector<TaskResult> results;
    for (const int layer : offer.results) {
        const TensorShape& shape = model.layers[at(layer)].output;
        results.push_back({.tensor = place[at(layer)],
                           .layout = layout_of(problem, platform, shape, offer.out_layout, team)});
    }
    std::ranges::sort(results);
    assert(results.back().tensor == task.last);
    task.out_layout = results.back().layout;
    results.pop_back();
    task.inner = std::move(results);
    return task;
}

void add_tasks(Problem& problem,
               const Model& model,
               const Platform& platform,
               const Ends& ends,
               const std::vector<Offer>& offers,
               const std::vector<int>& place) {
    const Engines engines = engines_of(platform);
    for (int i = 0; i < model.inputs(); ++i) {
        Task input;  // in layout 0, at no cost
        input.first = input.last = place[at(i)];
        input.device = ends.device(platform, ends.inputs[at(i)]);
        problem.tasks.push_back(std::move(input));
    }
    const Teams teams(platform, offers);
    for (const Offer& offer : offers) {
        Task task = task_of(problem, model, platform, offer, teams.of(offer), place);
        for (const int link : offer.links) {
            task.engines.push_back(engines.of_link[at(link)]);
        }
        std::ranges::sort(task.engines);
        task.engines.erase(std::unique(task.engines.begin(), task.engines.end()),
                           task.engines.end());
        problem.tasks.push_back(std::move(task));
    }
    int end = problem.layers() - problem.model_ends;
    for (const auto& [memory, layers] : ends.outputs) {
        Task output;
        output.first = output.last = end++;
        output.device = ends.device(platform, memory);
        for (const int tensor : problem.inputs[at(output.first)]) {
            output.inputs.push_back({.tensor = tensor, .layout = 0});
        }
        problem.tasks.push_back(std::move(output));
    }
    std::ranges::stable_sort(problem.tasks, {}, &Task::first);
    problem.layouts = static_cast<int>(problem.layout_names.size());
    if (std::ranges::all_of(problem.teams, &std::string::empty)) {
        problem.teams.clear();
        problem.same_bits.clear();
    }
}

// ---- 4. Energy. ------------------------------------------------------------------------------

// What is missing for the energy of every mapping.
struct Missing {
    std::string text;  // "device 'gpu' states no active_power_w; ..."; empty if nothing is
    std::vector<std::string> paths;  // "devices.gpu.active_power_w"
};

Missing missing_for_energy(const Platform& platform, const std::vector<Offer>& offers) {
    std::uint64_t powered = 0;
    bool states_any = platform.base_power_w.has_value();
    for (const Offer& offer : offers) {
        powered |= offer.powered;
    }
    for (const Device& device : platform.devices) {
        if (device.asynchronous && device.submit + device.per_task > Time{}) {
            powered |= 1;  // the host submits
        }
        states_any = states_any || device.active_power_w || device.idle_power_w;
    }
    states_any =
        states_any ||
        std::ranges::any_of(platform.links,
                            [](const Link& link) { return link.energy_pj_per_byte.has_value(); }) ||
        std::ranges::any_of(platform.formulas, [](const FormulaCost& cost) {
            return static_cast<bool>(cost.energy_uj);
        });
    std::vector<std::string> missing, paths;
    if (!platform.base_power_w) {
        missing.emplace_back("the platform states no base_power_w");
        paths.emplace_back("base_power_w");
    }
    for (std::size_t i = 0; i < platform.devices.size(); ++i) {
        const Device& device = platform.devices[i];
        const bool works = (powered >> i & 1) != 0 || !device.conversions.empty();
        std::vector<std::string_view> keys;
        if (works && !device.active_power_w) {
            keys.emplace_back("active_power_w");
        }
        if (!device.idle_power_w) {
            keys.emplace_back("idle_power_w");
        }
        if (!keys.empty()) {
            missing.push_back(
                fmt::format("device '{}' states no {}", device.name, fmt::join(keys, " and no ")));
        }
        for (const std::string_view key : keys) {
            paths.push_back(fmt::format("devices.{}.{}", device.name, key));
        }
    }
    for (const Link& link : platform.links) {
        if (!link.energy_pj_per_byte) {
            missing.push_back(fmt::format("link '{}' states no energy_pj_per_byte", link.name));
            paths.push_back(fmt::format("links.{}.energy_pj_per_byte", link.name));
        }
    }
    return {.text = states_any ? fmt::format("{}", fmt::join(missing, "; "))
                               : "the platform states no powers",
            .paths = std::move(paths)};
}

// The rest is zero where the energy is not known.
void forget_energy(Problem& problem) {
    problem.at_rest = {};
    std::ranges::fill(problem.copy_energies, Energy{});
    std::ranges::fill(problem.convert_energies, Energy{});
    for (ProblemDevice& device : problem.devices) {
        device.idle = {};
        device.submit_energy = device.per_task_energy = Energy{};
    }
    for (Task& task : problem.tasks) {
        task.energy = Energy{};
        for (Part& part : task.parts) {
            part.energy = Energy{};
        }
    }
}

void add_energy(Problem& problem, const Platform& platform, const std::vector<Offer>& offers) {
    for (const Device& device : platform.devices) {
        if (device.active_power_w && device.idle_power_w &&
            *device.active_power_w < *device.idle_power_w) {
            refuse(platform,
                   fmt::format("device '{}' draws {} W while it works (active_power_w), less than "
                               "the {} W while it waits (idle_power_w)",
                               device.name,
                               *device.active_power_w,
                               *device.idle_power_w));
        }
    }
    Missing missing = missing_for_energy(platform, offers);
    problem.energy_unknown = std::move(missing.text);
    problem.energy_missing = std::move(missing.paths);
    if (!problem.knows_energy()) {
        forget_energy(problem);
        return;
    }
    problem.at_rest = {*platform.base_power_w};
    for (const Device& device : platform.devices) {
        problem.at_rest.value += *device.idle_power_w;
    }
}

// ---- 5. What can be used at all. ------------------------------------------------------------

// Who brings a task's inputs into each memory of those who work on it: the first there.
std::vector<int> readers_of(const Problem& problem, const Task& task) {
    std::vector<int> devices{task.device}, memories{problem.devices[at(task.device)].memory};
    for (const Part& part : task.parts) {
        const int memory = problem.devices[at(part.device)].memory;
        if (std::ranges::find(memories, memory) == memories.end()) {
            devices.push_back(part.device);
            memories.push_back(memory);
        }
    }
    return devices;
}

// In which layout a task makes one of its results.
int layout_made(const Task& maker, int tensor) {
    int layout = maker.out_layout;
    for_each_result(maker, [&](const TaskResult& result) {
        layout = result.tensor == tensor ? result.layout : layout;
    });
    return layout;
}

bool makes(const Task& task, int tensor) {
    bool found = false;
    for_each_result(task, [&](const TaskResult& result) { found |= result.tensor == tensor; });
    return found;
}

// Of those who work on `reader`, one that a tensor which `maker` leaves cannot be brought to as it
// wants it; -1 if there is none.
int out_of_reach(const Problem& problem,
                 const Task& maker,
                 const Task& reader,
                 const TaskInput& input) {
    const int from = problem.devices[at(maker.device)].memory;
    const int layout = layout_made(maker, input.tensor);
    for (const int device : readers_of(problem, reader)) {
        const int to = problem.devices[at(device)].memory;
        if (problem.transfer(input.tensor, layout, from, to) >= kNever ||
            problem.convert(input.tensor, device, layout, input.layout) >= kNever) {
            return device;
        }
    }
    return -1;
}

// Why no usable task makes `tensor`, followed back to the first reason.
std::string why_never(const Problem& problem,
                      const Model& model,
                      int tensor,
                      const std::vector<std::vector<int>>& usable_makers) {
    for (;;) {
        const Task* reader = nullptr;
        for (const Task& task : problem.tasks) {
            if (makes(task, tensor)) {
                reader = &task;
                break;
            }
        }
        const std::string& name = problem.layer_names[at(tensor)];
        if (reader == nullptr) {
            return fmt::format(
                "nothing computes '{}' for those that read it: it has costs only "
                "inside fused chains that cannot be used here",
                name);
        }
        const auto unmet = std::ranges::find_if(reader->inputs, [&](const TaskInput& input) {
            return std::ranges::none_of(usable_makers[at(input.tensor)], [&](int maker) {
                return out_of_reach(problem, problem.tasks[at(maker)], *reader, input) < 0;
            });
        });
        assert(unmet != reader->inputs.end());
        if (usable_makers[at(unmet->tensor)].empty()) {
            tensor = unmet->tensor;
            continue;
        }
        const Task& maker = problem.tasks[at(usable_makers[at(unmet->tensor)].front())];
        const ProblemDevice& from = problem.devices[at(maker.device)];
        const int device = out_of_reach(problem, maker, *reader, *unmet);
        const ProblemDevice& to = problem.devices[at(device)];
        const std::string& read = problem.layer_names[at(unmet->tensor)];
        const int layout = layout_made(maker, unmet->tensor);
        if (problem.transfer(unmet->tensor, layout, from.memory, to.memory) >= kNever) {
            return fmt::format(
                "'{}' on {} needs '{}', and no link, nor any way over other memories, leads from "
                "memory '{}' to '{}'",
                name,
                problem.device_names[at(device)],
                read,
                problem.memory_names[at(from.memory)],
                problem.memory_names[at(to.memory)]);
        }
        return fmt::format(
            "'{}' on {} needs '{}' as {}, and {} has no conversion from {} to {} ({})",
            name,
            problem.device_names[at(device)],
            read,
            problem.layout_names[at(unmet->layout)],
            problem.device_names[at(device)],
            problem.layout_names[at(layout)],
            problem.layout_names[at(unmet->layout)],
            to_string(model.layers[at(problem.model_layer[at(unmet->tensor)])].output));
    }
}

// Drops tasks that can never get their inputs, whatever the order.
void drop_unusable(Problem& problem, const Model& model, const Platform& platform) {
    std::vector<std::vector<int>> usable_makers(at(problem.layers()));  // by tensor
    std::vector<char> is_usable(problem.tasks.size(), 0);
    for (bool changed = true; changed;) {  // once, if all fit the static order
        changed = false;
        for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
            const Task& task = problem.tasks[i];
            const auto can_reach = [&](const TaskInput& input) {
                return std::ranges::any_of(usable_makers[at(input.tensor)], [&](int maker) {
                    return out_of_reach(problem, problem.tasks[at(maker)], task, input) < 0;
                });
            };
            if (is_usable[i] || !std::ranges::all_of(task.inputs, can_reach)) {
                continue;
            }
            is_usable[i] = 1;
            for_each_result(task, [&](const TaskResult& result) {
                usable_makers[at(result.tensor)].push_back(static_cast<int>(i));
                changed = changed || result.tensor + 1 < problem.layers();
            });
        }
    }
    for (int end = problem.layers() - problem.model_ends; end < problem.layers(); ++end) {
        if (usable_makers[at(end)].empty()) {
            refuse(platform,
                   "no mapping can run " + model.name + ": " +
                       why_never(problem, model, end, usable_makers));
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        if (is_usable[i]) {
            std::swap(problem.tasks[kept++], problem.tasks[i]);
        }
    }
    problem.tasks.resize(kept);
}

// More than any schedule of any mapping takes or needs, in picoseconds and femtojoules.
struct Most {
    double time = 0, energy = 0;
};

double as_number(std::int64_t count) { return static_cast<double>(count); }

// The largest value of a tensor, where each of `tensors` has as many.
template <class Value>
double largest_of(const std::vector<Value>& values, std::size_t tensor, std::size_t tensors) {
    const std::size_t size = values.size() / tensors;
    double largest = 0;
    for (std::size_t i = tensor * size; i < (tensor + 1) * size; ++i) {
        if constexpr (std::is_same_v<Value, Time>) {
            largest = std::max(largest, values[i] < kNever ? as_number(values[i].count()) : 0.0);
        } else if constexpr (std::is_same_v<Value, Energy>) {
            largest = std::max(largest, as_number(values[i].femtojoules));
        } else {
            largest = std::max(largest, as_number(values[i]));
        }
    }
    return largest;
}

Most most_of(const Problem& problem) {
    Most most;
    // 1. Tasks, each as long as what works beside it makes it.
    double slower = 1;
    const std::size_t count = problem.devices.size();
    for (std::size_t d = 0; d * count < problem.contention.size(); ++d) {
        double all_others = 1;
        for (std::size_t other = 0; other < count; ++other) {
            all_others *= std::max(1.0, problem.contention[d * count + other]);
            all_others *= problem.alone.empty() ? 1.0 : problem.alone[d * count + other];
        }
        slower = std::max(slower, all_others);
    }
    const std::size_t tensors = at(problem.layers());
    std::vector<Time> time(tensors);
    std::vector<Energy> energy(tensors);
    for (const Task& task : problem.tasks) {
        time[at(task.first)] = std::max(time[at(task.first)], task.cost);
        energy[at(task.first)] = std::max(energy[at(task.first)], task.energy);
    }
    // 2. For every tensor at most one copy to each memory and one conversion for each device; for
    //    every task at most one segment.
    const double memories = problem.memories;
    const auto devices = static_cast<double>(problem.devices.size());
    for (std::size_t i = 0; i < tensors; ++i) {
        most.time += slower * as_number(time[i].count()) +
                     memories * largest_of(problem.copy_times, i, tensors) +
                     devices * largest_of(problem.convert_times, i, tensors);
        most.energy += as_number(energy[i].femtojoules) +
                       memories * largest_of(problem.copy_energies, i, tensors) +
                       devices * largest_of(problem.convert_energies, i, tensors);
        for (const ProblemBus& bus : problem.buses) {
            most.time +=
                memories * largest_of(problem.copy_bytes, i, tensors) / bus.bandwidth.rate * 1e12;
        }
        for (const ProblemDevice& device : problem.devices) {
            most.time += as_number(
                (device.submit + device.per_task + device.completion + device.reconfiguration)
                    .count());
            most.energy += as_number((device.submit_energy + device.per_task_energy).femtojoules);
        }
        for (const Time wait : problem.synchronise) {
            most.time += as_number(wait.count());
        }
    }
    most.energy += problem.at_rest.value * most.time * 1e3;
    return most;
}

// No schedule of any mapping may reach kNever: sums of it would overflow. Nor may its energy, but
// that is no reason to give no answer.
void expect_finite(Problem& problem, const Platform& platform) {
    const Most most = most_of(problem);
    if (most.time >= static_cast<double>(kNever.count())) {
        refuse(platform, "its times add up to more than the simulator's 26 days");
    }
    problem.longest = Time{static_cast<std::int64_t>(std::ceil(most.time))};
    if (most.energy >= static_cast<double>(std::numeric_limits<std::int64_t>::max()) / 2) {
        problem.energy_unknown = "its energies may add up to more than the simulator's 4,600 J";
        problem.energy_missing.clear();
        forget_energy(problem);
    }
}

// Of this network at this batch size, or else the widest of all.
std::optional<TrialRatios> trials_of(const Platform& platform,
                                     const std::string& model,
                                     int batch,
                                     bool host_alone) {
    std::optional<TrialRatios> widest;
    for (const Trials& trials : platform.trials) {
        if (trials.host_alone != host_alone) {
            continue;
        }
        if (trials.model == model && trials.batch == batch) {
            return TrialRatios{trials.p05, trials.p95};
        }
        const TrialRatios so_far = widest.value_or(TrialRatios{trials.p05, trials.p95});
        widest = {std::min(so_far.p05, trials.p05), std::max(so_far.p95, trials.p95)};
    }
    return widest;
}

}  // namespace

Problem compile(const Model& model, const Platform& platform, const CompileOptions& options) {
    // 1. What is asked for exists.
    expect_limits(platform, options.batch);
    expect_known(platform, options.only);
    expect_transfer_modes(platform, options.transfer_modes);

    // 2. Every implementation of every layer and chain.
    const std::vector<Offer> offers = offers_of(model, platform, options);

    // 3. The static order.
    const std::vector<int> order = static_order(model, offers);
    std::vector<int> place(model.layers.size(), -1);  // of what the network holds: none
    for (std::size_t i = 0; i < order.size(); ++i) {
        place[at(order[i])] = static_cast<int>(i);
    }

    // 4. Names become numbers.
    Problem problem;
    problem.model = model.name;
    problem.platform = platform.name;
    problem.set = platform.set;
    problem.batch = options.batch;
    problem.transfer_modes = options.transfer_modes;
    problem.quantile = options.quantile;
    problem.host_trials = trials_of(platform, model.name, options.batch, true);
    problem.trials = trials_of(platform, model.name, options.batch, false);
    problem.layout_names = {std::string{kPackedLayout}};
    const Ends ends = ends_of(model, platform);
    add_layers(problem, model, ends, order, place);
    add_devices(problem, platform, ends);
    add_tasks(problem, model, platform, ends, offers, place);
    add_transfers(problem, model, platform, options.transfer_modes);
    add_energy(problem, platform, offers);

    // 5. Only what can be used.
    index(problem);  // what follows asks for ways over other memories
    drop_unusable(problem, model, platform);
    expect_finite(problem, platform);
    index(problem);
    return problem;
}

}  // namespace sim
