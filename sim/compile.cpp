// Model x platform x batch, compiled to dense arrays. Start at `compile`, at the end.

#include "sim/costs.hpp"
#include "sim/graph.hpp"
#include "sim/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

namespace sim {
namespace {

constexpr int kLargestBatch = 65'536;
constexpr std::string_view kPackedLayout = "nhwc";  // layout 0

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// A task before the layers are renumbered: a cost of the platform for a chain of the model.
struct Offer {
    std::vector<int> chain;  // indices into Model::layers
    int device = 0;
    const std::string* variant = nullptr;
    const std::string* configuration = nullptr;
    const std::string* in_layout = nullptr;
    const std::string* out_layout = nullptr;
    Measurement time;
    CostKind kind = CostKind::measured;
};

[[noreturn]] void refuse(const Platform& platform, const std::string& what) {
    throw InputError{fmt::format("platform {}: {}", platform.name, what)};
}

// ---- 1. Limits and filters. -----------------------------------------------------------------

void expect_limits(const Platform& platform, int batch) {
    if (batch < 1 || batch > kLargestBatch) {
        throw InputError{fmt::format(
            "batch: expected a whole number from 1 to {}, got {}", kLargestBatch, batch)};
    }
    if (platform.devices.size() > kMaxDevices) {
        refuse(platform,
               fmt::format(
                   "{} devices, at most {} are supported", platform.devices.size(), kMaxDevices));
    }
    if (platform.memories.size() > kMaxMemories) {
        refuse(
            platform,
            fmt::format(
                "{} memories, at most {} are supported", platform.memories.size(), kMaxMemories));
    }
}

// Is `name` "device", "device/variant" or "device/variant/configuration" of this implementation?
template <class Cost>
bool is_named(const Platform& platform, const Cost& cost, std::string_view name) {
    const auto eat = [&](std::string_view part) {
        if (!name.starts_with(part)) {
            return false;
        }
        name.remove_prefix(part.size());
        return name.empty() || name.front() == '/';
    };
    for (const std::string_view part : {std::string_view{platform.devices[at(cost.device)].name},
                                        std::string_view{cost.variant},
                                        std::string_view{cost.configuration}}) {
        if (!eat(part)) {
            return false;
        }
        if (name.empty()) {
            return true;
        }
        name.remove_prefix(1);
    }
    return false;
}

template <class Cost>
bool is_allowed(const Platform& platform, const Cost& cost, const std::vector<std::string>& only) {
    return only.empty() || std::ranges::any_of(only, [&](const std::string& name) {
               return is_named(platform, cost, name);
           });
}

void expect_known(const Platform& platform, const std::vector<std::string>& only) {
    for (const std::string& name : only) {
        const auto named = [&](const auto& cost) { return is_named(platform, cost, name); };
        if (std::ranges::any_of(platform.measured, named) ||
            std::ranges::any_of(platform.fitted, named)) {
            continue;
        }
        std::set<std::string> there;
        const auto add = [&](const auto& cost) {
            there.insert(platform.devices[at(cost.device)].name + "/" + cost.variant);
        };
        std::ranges::for_each(platform.measured, add);
        std::ranges::for_each(platform.fitted, add);
        refuse(platform,
               fmt::format("no implementation '{}' (device, device/variant or "
                           "device/variant/configuration); there are: {}",
                           name,
                           there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
    }
}

// ---- 2. Offers: what the platform has a cost for. -------------------------------------------

int layers_in(std::string_view text) { return 1 + static_cast<int>(std::ranges::count(text, '|')); }

int longest_chain(const Platform& platform) {
    int longest = 1;
    for (const MeasuredCost& cost : platform.measured) {
        longest = std::max(longest, layers_in(cost.layers));
    }
    for (const FittedCost& fit : platform.fitted) {
        longest = std::max(longest, layers_in(fit.pattern));
    }
    return longest;
}

template <class Cost>
Offer offer_of(const std::vector<int>& chain,
               const Cost& cost,
               const Measurement& time,
               CostKind kind) {
    return {.chain = chain,
            .device = cost.device,
            .variant = &cost.variant,
            .configuration = &cost.configuration,
            .in_layout = &cost.in_layout,
            .out_layout = &cost.out_layout,
            .time = time,
            .kind = kind};
}

// A fit stands in for shapes that were not measured. Where anything was measured for a chain on a
// device, what is missing there are configurations that make no sense for this shape.
bool is_applicable(const FittedCost& fit, const TensorShape& result, int batch) {
    return batch >= fit.smallest_batch && result.height >= fit.smallest_height &&
           result.channels >= fit.smallest_channels;
}

std::vector<Offer> offers_of(const Model& model,
                             const Platform& platform,
                             const CompileOptions& options) {
    std::unordered_map<std::string_view, std::vector<const MeasuredCost*>> measured;
    for (const MeasuredCost& cost : platform.measured) {
        if (cost.batch == options.batch && is_allowed(platform, cost, options.only)) {
            measured[cost.layers].push_back(&cost);
        }
    }
    std::unordered_map<std::string_view, std::vector<const FittedCost*>> fitted;
    for (const FittedCost& fit : platform.fitted) {
        if (is_allowed(platform, fit, options.only)) {
            fitted[fit.pattern].push_back(&fit);
        }
    }
    const int longest = longest_chain(platform);

    std::vector<Offer> offers;
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        for (const std::vector<int>& chain : chains_from(model, layer, longest)) {
            const std::size_t first = offers.size();
            if (const auto found = measured.find(signature(model, chain));
                found != measured.end()) {
                for (const MeasuredCost* const cost : found->second) {
                    offers.push_back(offer_of(chain, *cost, cost->time, CostKind::measured));
                }
            }
            const auto fits = fitted.empty() ? fitted.end() : fitted.find(pattern(model, chain));
            if (fits == fitted.end()) {
                continue;
            }
            const std::size_t end_of_measured = offers.size();
            const CostFeatures features = features_of(model, chain, options.batch);
            const TensorShape& result = model.layers[at(chain.back())].output;
            for (const FittedCost* const fit : fits->second) {
                const bool is_measured =
                    std::any_of(offers.begin() + static_cast<std::ptrdiff_t>(first),
                                offers.begin() + static_cast<std::ptrdiff_t>(end_of_measured),
                                [&](const Offer& o) { return o.device == fit->device; });
                const std::optional<Measurement> time =
                    is_measured || !is_applicable(*fit, result, options.batch)
                        ? std::nullopt
                        : predict(*fit, features);
                if (time) {
                    offers.push_back(offer_of(chain, *fit, *time, CostKind::fitted));
                }
            }
        }
    }
    return offers;
}

// "8, 16 on cpu; 1 on gpu0": batches at which something that computes this layer was measured.
std::string measured_batches(const Model& model, const Platform& platform, int layer) {
    std::set<std::string> signatures;
    const int longest = longest_chain(platform);
    for (int first = 1; first <= layer; ++first) {
        for (const std::vector<int>& chain : chains_from(model, first, longest)) {
            if (std::ranges::find(chain, layer) != chain.end()) {
                signatures.insert(signature(model, chain));
            }
        }
    }
    std::map<int, std::set<int>> batches;
    for (const MeasuredCost& cost : platform.measured) {
        if (signatures.contains(cost.layers)) {
            batches[cost.device].insert(cost.batch);
        }
    }
    std::string text;
    for (const auto& [device, set] : batches) {
        text += fmt::format("{}{} on {}",
                            text.empty() ? "" : "; ",
                            fmt::join(set, ", "),
                            platform.devices[at(device)].name);
    }
    return text;
}

void expect_all_offered(const Model& model,
                        const Platform& platform,
                        const CompileOptions& options,
                        const std::vector<Offer>& offers) {
    std::vector<bool> offered(model.layers.size());
    for (const Offer& offer : offers) {
        for (const int layer : offer.chain) {
            offered[at(layer)] = true;
        }
    }
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        if (offered[at(layer)]) {
            continue;
        }
        const std::string batches = measured_batches(model, platform, layer);
        std::vector<std::string_view> devices;
        for (const Device& device : platform.devices) {
            devices.push_back(device.name);
        }
        const int one[] = {layer};
        const auto allowed = options.only.empty() ? std::string{}
                                                  : fmt::format(" among those allowed ({})",
                                                                fmt::join(options.only, ", "));
        refuse(platform,
               fmt::format("no device ({}) has a cost for layer '{}' ({}) at batch {}{}; {}",
                           fmt::join(devices, ", "),
                           model.layers[at(layer)].name,
                           signature(model, one),
                           options.batch,
                           allowed,
                           batches.empty() ? "it was measured at no batch"
                                           : "measured batches: " + batches));
    }
}

// ---- 3. Order: topological, ties by longest remaining path (rule 1). ------------------------

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
    alone[0] = Time{};
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
    return topological_order(graph, longest_remaining_paths(graph, weight));
}

// ---- 4. The arrays. -------------------------------------------------------------------------

int intern(std::vector<std::string>& names, std::string_view name) {
    const auto found = std::ranges::find(names, name);
    if (found != names.end()) {
        return static_cast<int>(found - names.begin());
    }
    names.emplace_back(name);
    return static_cast<int>(names.size()) - 1;
}

void add_layers(Problem& problem,
                const Model& model,
                const std::vector<int>& order,
                const std::vector<int>& place) {
    for (const int layer : order) {
        problem.layer_names.push_back(model.layers[at(layer)].name);
        problem.model_layer.push_back(layer);
        std::vector<int> inputs;
        for (const int input : model.layers[at(layer)].inputs) {
            inputs.push_back(place[at(input)]);
        }
        std::ranges::sort(inputs);
        inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
        problem.inputs.push_back(std::move(inputs));
    }
    problem.layer_names.emplace_back("output");
    problem.model_layer.push_back(-1);
    problem.inputs.push_back({place[at(model.output)]});
}

void add_devices(Problem& problem, const Platform& platform) {
    for (const Device& device : platform.devices) {
        problem.device_names.push_back(device.name);
        problem.devices.push_back({.memory = device.memory,
                                   .asynchronous = device.asynchronous,
                                   .submit = device.submit,
                                   .per_task = device.per_task,
                                   .completion = device.completion});
    }
    for (const Memory& memory : platform.memories) {
        problem.memory_names.push_back(memory.name);
    }
    problem.memories = static_cast<int>(platform.memories.size());
    problem.engine.assign(at(problem.memories * problem.memories), -1);
    std::map<std::string, int> shared;  // engines that links name; others have one of their own
    for (const Link& link : platform.links) {
        problem.link_names.push_back(link.name);
        const int next = static_cast<int>(problem.engine_names.size());
        const int engine =
            link.engine.empty() ? next : shared.emplace(link.engine, next).first->second;
        if (engine == next) {
            problem.engine_names.push_back(link.engine.empty() ? link.name : link.engine);
        }
        problem.engine[at(link.from * problem.memories + link.to)] = engine;
    }
    problem.engines = static_cast<int>(problem.engine_names.size());
}

// Only binary tensors have layouts; every other tensor is in layout 0.
int layout_of(Problem& problem,
              const Platform& platform,
              const TensorShape& shape,
              const std::string& layout) {
    const int index = shape.element == Element::binary && !layout.empty()
                          ? intern(problem.layout_names, layout)
                          : 0;
    if (index >= kMaxLayouts) {
        refuse(platform,
               fmt::format("the layouts {}: at most {} are supported",
                           fmt::join(problem.layout_names, ", "),
                           kMaxLayouts));
    }
    return index;
}

// Nothing if a tensor from outside the chain would come after the chain's first layer.
std::optional<Task> task_of(Problem& problem,
                            const Model& model,
                            const Platform& platform,
                            const Offer& offer,
                            const std::vector<int>& place) {
    std::vector<int> layers;  // in static order: in one that branches any may come first
    for (const int layer : offer.chain) {
        layers.push_back(place[at(layer)]);
    }
    std::ranges::sort(layers);
    Task task{.first = layers.front(),
              .rest = {layers.begin() + 1, layers.end()},
              .last = place[at(offer.chain.back())],
              .inputs = {},
              .device = offer.device,
              .cost = offer.time.p50,
              .kind = offer.kind,
              .spread = offer.time,
              .variant = *offer.variant,
              .configuration = *offer.configuration};
    for (const int layer : offer.chain) {
        for (const int input : model.layers[at(layer)].inputs) {
            const int tensor = place[at(input)];
            const auto known = std::ranges::find(task.inputs, tensor, &TaskInput::tensor);
            const bool inside = std::ranges::find(offer.chain, input) != offer.chain.end();
            if (inside || known != task.inputs.end()) {
                continue;
            }
            if (tensor >= task.first) {
                return std::nullopt;
            }
            task.inputs.push_back(
                {tensor,
                 layout_of(problem, platform, model.layers[at(input)].output, *offer.in_layout)});
        }
    }
    task.out_layout = layout_of(
        problem, platform, model.layers[at(offer.chain.back())].output, *offer.out_layout);
    return task;
}

void add_tasks(Problem& problem,
               const Model& model,
               const Platform& platform,
               const std::vector<Offer>& offers,
               const std::vector<int>& place) {
    Task input;  // on the host, in layout 0, at no cost
    problem.tasks.push_back(input);
    for (const Offer& offer : offers) {
        if (std::optional<Task> task = task_of(problem, model, platform, offer, place)) {
            problem.tasks.push_back(std::move(*task));
        }
    }
    Task output;
    output.first = output.last = problem.layers() - 1;
    output.inputs = {{.tensor = problem.inputs.back().front(), .layout = 0}};
    problem.tasks.push_back(output);
    std::ranges::stable_sort(problem.tasks, {}, &Task::first);
    problem.layouts = static_cast<int>(problem.layout_names.size());
}

// Times to copy and convert every tensor, from the links' first modes and the devices'
// conversions. A conversion is known by the bytes of the packed tensor.
void add_transfers(Problem& problem, const Model& model, const Platform& platform) {
    const int tensors = problem.layers(), layouts = problem.layouts, memories = problem.memories;
    const int devices = static_cast<int>(problem.devices.size());
    problem.copy_times.assign(at(tensors * layouts * memories * memories), kNever);
    problem.convert_times.assign(at(tensors * devices * layouts * layouts), kNever);
    for (int tensor = 0; tensor < tensors; ++tensor) {
        const int layer = problem.model_layer[at(tensor)];
        const TensorShape shape =
            layer < 0 ? TensorShape{.element = Element::u8} : model.layers[at(layer)].output;
        for (int layout = 0; layout < layouts; ++layout) {
            const Bytes size{problem.batch *
                             bytes_in_layout(shape, problem.layout_names[at(layout)])};
            const auto time = [&](int from, int to) -> Time& {
                return problem.copy_times[at(
                    ((tensor * layouts + layout) * memories + from) * memories + to)];
            };
            for (int memory = 0; memory < memories; ++memory) {
                time(memory, memory) = Time{};
            }
            for (const Link& link : platform.links) {
                time(link.from, link.to) = link.modes.front().time.time(size);
            }
        }
        const Bytes packed{problem.batch * tensor_bytes(shape)};
        for (int device = 0; device < devices; ++device) {
            const auto time = [&](int from, int to) -> Time& {
                return problem.convert_times[at(
                    ((tensor * devices + device) * layouts + from) * layouts + to)];
            };
            for (int layout = 0; layout < layouts; ++layout) {
                time(layout, layout) = Time{};
            }
            for (const Conversion& conversion : platform.devices[at(device)].conversions) {
                const auto index = [&](const std::string& name) {
                    return static_cast<int>(std::ranges::find(problem.layout_names, name) -
                                            problem.layout_names.begin());
                };
                const int from = index(conversion.from), to = index(conversion.to);
                if (from < layouts && to < layouts) {
                    time(from, to) = conversion.time.time(packed);
                }
            }
        }
    }
}

// ---- 5. What can be used at all. ------------------------------------------------------------

// Can a tensor that `maker` leaves be brought to where and how `reader` wants it?
bool can_bring(const Problem& problem,
               const Task& maker,
               const Task& reader,
               const TaskInput& input) {
    const int from = problem.devices[at(maker.device)].memory;
    const int to = problem.devices[at(reader.device)].memory;
    return problem.copy(input.tensor, maker.out_layout, from, to) < kNever &&
           problem.convert(input.tensor, reader.device, maker.out_layout, input.layout) < kNever;
}

// Why no usable task makes `tensor`, followed back to the first reason.
std::string why_never(const Problem& problem,
                      const Model& model,
                      int tensor,
                      const std::vector<std::vector<int>>& usable_makers) {
    for (;;) {
        const Task* reader = nullptr;
        for (const Task& task : problem.tasks) {
            if (task.last == tensor) {
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
                return can_bring(problem, problem.tasks[at(maker)], *reader, input);
            });
        });
        assert(unmet != reader->inputs.end());
        if (usable_makers[at(unmet->tensor)].empty()) {
            tensor = unmet->tensor;
            continue;
        }
        const Task& maker = problem.tasks[at(usable_makers[at(unmet->tensor)].front())];
        const ProblemDevice& from = problem.devices[at(maker.device)];
        const ProblemDevice& to = problem.devices[at(reader->device)];
        const std::string& read = problem.layer_names[at(unmet->tensor)];
        if (problem.copy(unmet->tensor, maker.out_layout, from.memory, to.memory) >= kNever) {
            return fmt::format(
                "'{}' on {} needs '{}', and there is no link from memory '{}' to '{}'",
                name,
                problem.device_names[at(reader->device)],
                read,
                problem.memory_names[at(from.memory)],
                problem.memory_names[at(to.memory)]);
        }
        return fmt::format(
            "'{}' on {} needs '{}' as {}, and {} has no conversion from {} to {} ({})",
            name,
            problem.device_names[at(reader->device)],
            read,
            problem.layout_names[at(unmet->layout)],
            problem.device_names[at(reader->device)],
            problem.layout_names[at(maker.out_layout)],
            problem.layout_names[at(unmet->layout)],
            to_string(model.layers[at(problem.model_layer[at(unmet->tensor)])].output));
    }
}

// Drops tasks that can never get their inputs. A layer leads to the output, and chains run through
// layers with a single reader only, so if the output's task is left, some mapping covers every
// layer exactly once.
void drop_unusable(Problem& problem, const Model& model, const Platform& platform) {
    std::vector<std::vector<int>> usable_makers(at(problem.layers()));  // by tensor
    std::vector<Task> usable;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {  // ascending by first layer
        const Task& task = problem.tasks[i];
        const bool can_start = std::ranges::all_of(task.inputs, [&](const TaskInput& input) {
            return std::ranges::any_of(usable_makers[at(input.tensor)], [&](int maker) {
                return can_bring(problem, problem.tasks[at(maker)], task, input);
            });
        });
        if (can_start) {
            usable_makers[at(task.last)].push_back(static_cast<int>(i));
            usable.push_back(task);
        }
    }
    if (usable_makers.back().empty()) {
        refuse(platform,
               "no mapping can run " + model.name + ": " +
                   why_never(problem, model, problem.layers() - 1, usable_makers));
    }
    problem.tasks = std::move(usable);
}

// No schedule of any mapping may reach kNever: sums of it would overflow.
void expect_finite(const Problem& problem, const Platform& platform) {
    double sum = 0;
    const auto add_most = [&](auto begin, auto end) {
        Time most{};
        for (auto time = begin; time != end; ++time) {
            most = *time < kNever ? std::max(most, *time) : most;
        }
        sum += static_cast<double>(most.count());
    };
    std::vector<Time> cost(at(problem.layers()));
    for (const Task& task : problem.tasks) {
        cost[at(task.first)] = std::max(cost[at(task.first)], task.cost);
    }
    for (const Time time : cost) {
        sum += static_cast<double>(time.count());
    }
    const std::size_t tensors = at(problem.layers());
    const std::size_t copies = problem.copy_times.size() / tensors;
    const std::size_t conversions = problem.convert_times.size() / tensors;
    for (std::size_t i = 0; i < tensors; ++i) {
        // At most one copy to each memory, one conversion for each device.
        for (int m = 0; m < problem.memories; ++m) {
            const auto begin = problem.copy_times.begin() + static_cast<std::ptrdiff_t>(i * copies);
            add_most(begin, begin + static_cast<std::ptrdiff_t>(copies));
        }
        for (std::size_t d = 0; d < problem.devices.size(); ++d) {
            const auto begin =
                problem.convert_times.begin() + static_cast<std::ptrdiff_t>(i * conversions);
            add_most(begin, begin + static_cast<std::ptrdiff_t>(conversions));
        }
        for (const ProblemDevice& device : problem.devices) {
            sum +=
                static_cast<double>((device.submit + device.per_task + device.completion).count());
        }
    }
    if (sum >= static_cast<double>(kNever.count())) {
        refuse(platform, "its times add up to more than the simulator's 26 days");
    }
}

}  // namespace

std::string_view name_of(CostKind kind) {
    switch (kind) {
        case CostKind::measured:
            return "measured";
        case CostKind::fitted:
            return "fitted";
        case CostKind::formula:
            return "formula";
    }
    return "unknown";
}

Problem compile(const Model& model, const Platform& platform, const CompileOptions& options) {
    // 1. What is asked for exists.
    expect_limits(platform, options.batch);
    expect_known(platform, options.only);

    // 2. Every implementation of every layer and chain.
    const std::vector<Offer> offers = offers_of(model, platform, options);
    expect_all_offered(model, platform, options, offers);

    // 3. The static order.
    const std::vector<int> order = static_order(model, offers);
    std::vector<int> place(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        place[at(order[i])] = static_cast<int>(i);
    }

    // 4. Names become numbers.
    Problem problem;
    problem.model = model.name;
    problem.platform = platform.name;
    problem.batch = options.batch;
    problem.layout_names = {std::string{kPackedLayout}};
    add_layers(problem, model, order, place);
    add_devices(problem, platform);
    add_tasks(problem, model, platform, offers, place);
    add_transfers(problem, model, platform);

    // 5. Only what can be used.
    drop_unusable(problem, model, platform);
    expect_finite(problem, platform);
    index(problem);
    return problem;
}

void index(Problem& problem) {
    const int layers = problem.layers();
    // 1. Readers of every tensor, tasks by their first layers.
    problem.consumers.assign(at(layers), {});
    for (int layer = 0; layer < layers; ++layer) {
        for (const int input : problem.inputs[at(layer)]) {
            assert(input >= 0 && input < layer);
            std::vector<int>& readers = problem.consumers[at(input)];
            if (readers.empty() || readers.back() != layer) {
                readers.push_back(layer);
            }
        }
    }
    problem.starting.assign(at(layers), {});
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        problem.starting[at(problem.tasks[i].first)].push_back(static_cast<int>(i));
    }

    // 2. What compile() guarantees.
    assert(!problem.devices.empty() && problem.devices.size() <= kMaxDevices);
    assert(!problem.devices[0].asynchronous && problem.devices[0].memory == 0);
    assert(problem.memories >= 1 && problem.memories <= kMaxMemories);
    assert(problem.layouts >= 1 && problem.layouts <= kMaxLayouts);
    assert(problem.engine.size() == at(problem.memories * problem.memories));
    assert(problem.copy_times.size() ==
           at(layers * problem.layouts * problem.memories * problem.memories));
    assert(problem.convert_times.size() ==
           at(layers * problem.layouts * problem.layouts) * problem.devices.size());
    for ([[maybe_unused]] const Task& task : problem.tasks) {
        assert(task.first >= 0 && task.first < layers);
        assert(task.last == (task.rest.empty() ? task.first : task.rest.back()));
        assert(std::ranges::is_sorted(task.rest));
        assert(task.device >= 0 && at(task.device) < problem.devices.size());
        assert(task.out_layout >= 0 && task.out_layout < problem.layouts);
        assert(task.cost >= Time{} && task.cost < kNever);
        for ([[maybe_unused]] const TaskInput& input : task.inputs) {
            assert(input.tensor >= 0 && input.tensor < task.first);
            assert(input.layout >= 0 && input.layout < problem.layouts);
        }
    }
}

std::vector<int> drop_dominated_tasks(Problem& problem) {
    // Tasks that differ in nothing but their cost; of these the first of the cheapest stays.
    const auto kind_of = [](const Task& task) {
        std::vector<int> layouts;
        for (const TaskInput& input : task.inputs) {
            layouts.push_back(input.tensor);
            layouts.push_back(input.layout);
        }
        return std::tuple{task.first, task.rest, task.device, task.out_layout, layouts};
    };
    std::map<decltype(kind_of(problem.tasks.front())), int> best;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        const auto [entry, is_new] = best.emplace(kind_of(problem.tasks[i]), static_cast<int>(i));
        if (problem.tasks[i].cost < problem.tasks[at(entry->second)].cost) {
            entry->second = static_cast<int>(i);
        }
    }
    std::vector<int> kept;
    kept.reserve(best.size());
    for (const auto& [kind, task] : best) {
        kept.push_back(task);
    }
    std::ranges::sort(kept);
    std::vector<Task> tasks;
    tasks.reserve(kept.size());
    for (const int task : kept) {
        tasks.push_back(std::move(problem.tasks[at(task)]));
    }
    problem.tasks = std::move(tasks);
    index(problem);
    return kept;
}

}  // namespace sim
