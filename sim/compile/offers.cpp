#include "sim/compile/offers.hpp"

#include "sim/compile/costs.hpp"
#include "sim/compile/splits.hpp"
#include "sim/describe/fused_sets.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

namespace sim {
namespace {

// Not by itself: further results, and what the network holds.
bool runs(const Layer& layer) { return !is_further_result(layer) && !is_held(layer); }

// ---- 1. Filters. ----------------------------------------------------------------------------

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

// ---- 2. Measured, stated and fitted costs. ----------------------------------------------------

// The costs of one set of layers, in the platform's order.
struct SetCosts {
    std::vector<const MeasuredCost*> measured;  // at this batch, also those that `only` leaves out
    std::vector<const FittedCost*> fitted;      // of those allowed
};

// By set, in the order in which sets with one first layer are offered: chains in which each layer
// is the only reader of the one before, shortest first, then the others.
struct InOrder {
    const Model* model = nullptr;

    bool is_simple(const std::vector<int>& set) const {
        for (std::size_t i = 0; i + 1 < set.size(); ++i) {
            const std::vector<int>& readers = model->consumers[at(set[i])];
            if (readers.size() != 1 || readers.front() != set[i + 1]) {
                return false;
            }
        }
        return true;
    }
    bool operator()(const std::vector<int>& a, const std::vector<int>& b) const {
        const auto key = [&](const std::vector<int>& set) {
            return std::tuple{set.front(), !is_simple(set), set.size()};
        };
        const auto of_a = key(a), of_b = key(b);
        return of_a != of_b ? of_a < of_b : a < b;
    }
};
using CostsBySet = std::map<std::vector<int>, SetCosts, InOrder>;

template <class Cost>
Offer offer_of(const Platform& platform,
               const std::vector<int>& chain,
               const Cost& cost,
               const Measurement& time,
               CostKind kind) {
    return {.chain = chain,
            .results = {chain.back()},
            .device = cost.device,
            .variant = cost.variant,
            .configuration = cost.configuration,
            .in_layout = cost.in_layout,
            .out_layout = cost.out_layout,
            .precision = {},
            .time = time,
            .kind = kind,
            .energy = drawn_above_idle(platform.devices[at(cost.device)], time.p50),
            .powered = std::uint64_t{time.p50 > Time{} ? 1u : 0u} << cost.device,
            .uses = {},
            .parts = {},
            .links = {}};
}

// A fit stands in for shapes that were not measured. Where anything was measured for a chain on a
// device, what is missing there are configurations that make no sense for this shape.
bool is_applicable(const FittedCost& fit,
                   const Model& model,
                   const std::vector<int>& set,
                   int batch) {
    const TensorShape& result = model.layers[at(set.back())].output;
    if (batch < fit.smallest_batch || result.height() < fit.smallest_height ||
        result.channels() < fit.smallest_channels ||
        (fit.largest_batch > 0 && batch > fit.largest_batch)) {
        return false;
    }
    if (fit.absent.empty()) {
        return true;
    }
    const std::string layers = signature(model, set);
    return std::ranges::none_of(fit.absent, [&](const FittedCost::Absence& absence) {
        return batch >= absence.from && batch <= absence.to && absence.layers == layers;
    });
}

// What is asked for again and again while offers are made.
struct Sources {
    const Model& model;
    const Platform& platform;
    const CompileOptions& options;
    Support support;
    SetFinder finder;
    CostsBySet by_set;
    int longest_stream = 1;
    std::vector<CompiledCost> costs;
    std::vector<const CompiledCost*> allowed;
    std::vector<CompiledSplit> splits;
    // By layer: the formulas that apply to all of it, and what they give.
    std::vector<std::vector<std::pair<const CompiledCost*, FormulaResult>>> whole;
};

// Every text and list of results that costs are filed under, each searched once.
template <class Cost, class Find, class Use>
void for_each_set(const std::vector<Cost>& costs,
                  std::string Cost::*text,
                  const Find& find,
                  const Use& use) {
    std::map<std::pair<std::string_view, std::vector<int>>, std::vector<const Cost*>> by_text;
    for (const Cost& cost : costs) {
        by_text[{cost.*text, cost.results}].push_back(&cost);
    }
    for (const auto& [key, of_text] : by_text) {
        for (const std::vector<int>& set : find(key.first, key.second)) {
            for (const Cost* const cost : of_text) {
                use(set, *cost);
            }
        }
    }
}

// The layers that a cost names, ascending, but for constants; nothing if the model lacks one, or
// there are no others. `network`: what stands before their names where networks are joined.
std::optional<std::vector<int>> named_set(const Model& model,
                                          const MeasuredCost& cost,
                                          const std::string& network) {
    std::vector<int> set;
    for (const std::string& name : cost.layer_names) {
        const auto found = std::ranges::find(model.layers, network + name, &Layer::name);
        if (found == model.layers.end()) {
            return std::nullopt;
        }
        if (!is_held(*found)) {  // which is there for nothing
            set.push_back(static_cast<int>(found - model.layers.begin()));
        }
    }
    if (set.empty()) {
        return std::nullopt;
    }
    std::ranges::sort(set);
    if (set.front() < model.inputs()) {
        throw input_error(cost.where,
                          fmt::format("layer_names: '{}' is an input of model '{}'",
                                      model.layers[at(set.front())].name,
                                      model.name));
    }
    if (!is_convex(model, set)) {
        throw input_error(cost.where,
                          fmt::format("layer_names: nothing can run {} at once: a path of model "
                                      "'{}' leaves them and comes back",
                                      fmt::join(cost.layer_names, " + "),
                                      model.name));
    }
    return set;
}

template <class Use>
void for_each_measured(const SetFinder& finder,
                       const Model& model,
                       const Platform& platform,
                       const Use& use) {
    std::vector<std::string> prefixes{""};
    for (const std::string& network : model.networks) {
        prefixes.push_back(network + "/");
    }
    for (const MeasuredCost& cost : platform.measured) {
        if (cost.layer_names.empty()) {
            continue;
        }
        for (const std::string& network : prefixes) {
            if (const std::optional<std::vector<int>> set = named_set(model, cost, network)) {
                use(*set, cost);
            }
        }
    }
    for_each_set(
        platform.measured,
        &MeasuredCost::layers,
        [&](auto text, const auto& results) { return finder.with_signature(text, results); },
        use);
}

template <class Use>
void for_each_fitted(const SetFinder& finder, const Platform& platform, const Use& use) {
    for_each_set(
        platform.fitted,
        &FittedCost::pattern,
        [&](auto text, const auto& results) { return finder.with_pattern(text, results); },
        use);
}

bool is_supported(const Sources& s, const std::vector<int>& chain, int device) {
    return std::ranges::all_of(chain, [&](int layer) { return s.support.admits(layer, device); });
}

// A cost of layers by their names goes before one of their shapes.
void drop_unnamed_twins(std::vector<const MeasuredCost*>& costs) {
    const auto key = [](const MeasuredCost* cost) {
        return std::tie(cost->device, cost->variant, cost->configuration);
    };
    const std::vector<const MeasuredCost*> all = costs;
    std::erase_if(costs, [&](const MeasuredCost* cost) {
        return cost->layer_names.empty() &&
               std::ranges::any_of(all, [&](const MeasuredCost* other) {
                   return !other->layer_names.empty() && key(other) == key(cost);
               });
    });
}

// A cost that gives just what is read outside goes before one of the same that gives more.
template <class Cost>
void drop_wider_twins(std::vector<const Cost*>& costs) {
    const auto key = [](const Cost* cost) {
        return std::tie(
            cost->device, cost->variant, cost->configuration, cost->in_layout, cost->out_layout);
    };
    const std::vector<const Cost*> all = costs;
    std::erase_if(costs, [&](const Cost* cost) {
        return std::ranges::any_of(all, [&](const Cost* other) {
            return other->results.size() < cost->results.size() && key(other) == key(cost);
        });
    });
}

CostsBySet costs_by_set(const SetFinder& finder,
                        const Model& model,
                        const Platform& platform,
                        const CompileOptions& options) {
    CostsBySet by_set{InOrder{&model}};
    for_each_measured(finder, model, platform, [&](const auto& set, const MeasuredCost& cost) {
        if (cost.batch == options.batch) {
            by_set[set].measured.push_back(&cost);
        }
    });
    for_each_fitted(finder, platform, [&](const auto& set, const FittedCost& fit) {
        if (is_allowed(platform, fit, options.only)) {
            by_set[set].fitted.push_back(&fit);
        }
    });
    for (auto& [set, costs] : by_set) {
        std::ranges::sort(costs.measured);  // places in one vector
        drop_unnamed_twins(costs.measured);
        drop_wider_twins(costs.measured);
        std::ranges::sort(costs.fitted);
        drop_wider_twins(costs.fitted);
    }
    return by_set;
}

void add_measured(std::vector<Offer>& offers,
                  const Sources& s,
                  const std::vector<int>& set,
                  const SetCosts& costs) {
    for (const MeasuredCost* const cost : costs.measured) {
        if (is_supported(s, set, cost->device) && is_allowed(s.platform, *cost, s.options.only)) {
            const CostKind kind = cost->time.samples > 0 ? CostKind::measured : CostKind::stated;
            const double speed = s.platform.devices[at(cost->device)].speed;
            offers.push_back(offer_of(s.platform, set, *cost, at_speed(cost->time, speed), kind));
            offers.back().results = read_outside(s.model, set);
        }
    }
}

void add_fitted(std::vector<Offer>& offers,
                const Sources& s,
                const std::vector<int>& set,
                const SetCosts& costs) {
    for (const FittedCost* const fit : costs.fitted) {
        const auto is_its_device = [&](const MeasuredCost* cost) {
            return cost->device == fit->device;
        };
        if (!is_supported(s, set, fit->device) ||
            std::ranges::any_of(costs.measured, is_its_device) ||
            !is_applicable(*fit, s.model, set, s.options.batch)) {
            continue;
        }
        const CostFeatures features = features_of(s.model, set, s.options.batch, fit->results);
        if (const std::optional<Measurement> time = predict(*fit, features)) {
            if (time->p50 > from_microseconds(kMostFormulaMicroseconds)) {
                throw input_error(fit->where,
                                  fmt::format("expected a fit that gives at most {} us, got {} for "
                                              "'{}'",
                                              kMostFormulaMicroseconds,
                                              microseconds(time->p50),
                                              signature(s.model, set)));
            }
            const double speed = s.platform.devices[at(fit->device)].speed;
            offers.push_back(
                offer_of(s.platform, set, *fit, at_speed(*time, speed), CostKind::fitted));
            offers.back().results = read_outside(s.model, set);
        }
    }
}

// ---- 3. Formulas: a layer alone, and layers that stream. --------------------------------------

using Stage = std::pair<const CompiledCost*, FormulaResult>;

// One layer, or several that flow through the device: the longest stage, and the time that each
// takes to fill. Nothing if layers with weights have them in different precisions: a task has one.
std::optional<Offer> offer_of_stages(const Sources& s,
                                     const std::vector<int>& chain,
                                     const std::vector<const Stage*>& stages) {
    const FormulaCost& first = *stages.front()->first->cost;
    const Device& device = s.platform.devices[at(first.device)];
    Time longest{}, fills{};
    Energy stated{};
    bool is_powered = false;
    std::vector<std::int64_t> uses;
    std::optional<std::string> precision;
    for (std::size_t i = 0; i < stages.size(); ++i) {
        const auto& [cost, result] = *stages[i];
        longest = std::max(longest, result.time);
        if (device.longest_stream > 0) {
            fills = checked_sum(fills, result.fill.value_or(Time{}));
        }
        stated += result.energy.value_or(Energy{});
        is_powered = is_powered || !result.energy;
        uses.resize(std::max(uses.size(), result.uses.size()));
        for (std::size_t budget = 0; budget < result.uses.size(); ++budget) {
            uses[budget] += result.uses[budget];
        }
        if (has_weights(s.model.layers[at(chain[i])])) {
            if (precision && *precision != cost->cost->precision) {
                return std::nullopt;
            }
            precision = cost->cost->precision;
        }
    }
    const Time time = checked_sum(longest, fills);
    Offer offer = offer_of(s.platform,
                           chain,
                           first,
                           {.p05 = time, .p50 = time, .p95 = time, .samples = 0},
                           CostKind::formula);
    offer.out_layout = stages.back()->first->cost->out_layout;
    offer.precision = precision.value_or(first.precision);
    offer.energy = stated + (is_powered ? offer.energy : Energy{});
    offer.powered = is_powered ? offer.powered : 0;
    offer.uses = std::move(uses);
    return offer;
}

// The layer's formula with a fill under the first stage's names.
const Stage* stage_of(const Sources& s, int layer, const FormulaCost& first) {
    const auto& stages = s.whole[at(layer)];
    const auto found = std::ranges::find_if(stages, [&](const Stage& stage) {
        const FormulaCost& cost = *stage.first->cost;
        return stage.second.fill && cost.device == first.device && cost.variant == first.variant &&
               cost.configuration == first.configuration;
    });
    return found == stages.end() ? nullptr : &*found;
}

// What goes beyond a budget by itself is in no mapping.
bool is_within_budgets(const std::vector<Budget>& budgets, const Offer& offer) {
    for (std::size_t budget = 0; budget < offer.uses.size(); ++budget) {
        if (offer.uses[budget] > budgets[budget].limit) {
            return false;
        }
    }
    return true;
}

void add_formulas(std::vector<Offer>& offers,
                  const Sources& s,
                  const std::vector<Budget>& budgets,
                  const std::vector<int>& chain,
                  const SetCosts& costs) {
    const auto size = static_cast<int>(chain.size());
    for (const Stage& stage : s.whole[at(chain.front())]) {
        const FormulaCost& cost = *stage.first->cost;
        const auto is_its_variant = [&](const MeasuredCost* measured) {
            return measured->device == cost.device && measured->variant == cost.variant;
        };
        const bool is_first_of_name = stage_of(s, chain.front(), cost) == &stage;
        if ((size > 1 &&
             (size > s.platform.devices[at(cost.device)].longest_stream || !is_first_of_name)) ||
            std::ranges::any_of(costs.measured, is_its_variant)) {
            continue;
        }
        std::vector<const Stage*> stages{&stage};
        for (std::size_t i = 1; i < chain.size(); ++i) {
            stages.push_back(stage_of(s, chain[i], cost));
        }
        if (std::ranges::find(stages, nullptr) != stages.end()) {
            continue;
        }
        std::optional<Offer> offer = offer_of_stages(s, chain, stages);
        if (offer && is_within_budgets(budgets, *offer)) {
            offers.push_back(std::move(*offer));
        }
    }
}

// ---- 4. Nothing is offered: why. ----------------------------------------------------------------

// By layer: device, and batches at which something that computes the layer was measured there.
using MeasuredBatches = std::vector<std::map<int, std::set<int>>>;

MeasuredBatches measured_batches(const Sources& s) {
    MeasuredBatches batches(s.model.layers.size());
    for_each_measured(
        s.finder, s.model, s.platform, [&](const auto& set, const MeasuredCost& cost) {
            for (const int layer : set) {
                batches[at(layer)][cost.device].insert(cost.batch);
            }
        });
    return batches;
}

// "8, 16 on cpu; 1 on gpu0"
std::string batches_text(const Platform& platform, const std::map<int, std::set<int>>& batches) {
    std::string text;
    for (const auto& [device, set] : batches) {
        text += fmt::format("{}{} on {}",
                            text.empty() ? "" : "; ",
                            fmt::join(set, ", "),
                            platform.devices[at(device)].name);
    }
    return text;
}

// "; digital: kernel 11 is not among 1, 3; analog: ...": of the devices about which more is known
// than that they have no measured cost.
std::string reasons_of(const Sources& s, const std::vector<Budget>& budgets, int layer) {
    const std::string_view operation = s.model.layers[at(layer)].operation->name;
    std::string text;
    for (std::size_t device = 0; device < s.platform.devices.size(); ++device) {
        const auto is_its = [&](const FormulaCost& cost) {
            return cost.device == static_cast<int>(device);
        };
        const auto is_for = [&](const FormulaCost& cost) {
            return is_its(cost) &&
                   std::ranges::find(cost.operations, operation) != cost.operations.end();
        };
        std::string reason = s.support.reasons[at(layer)][device];
        for (const Stage& stage : s.whole[at(layer)]) {
            for (std::size_t budget = 0; budget < stage.second.uses.size(); ++budget) {
                if (reason.empty() && is_its(*stage.first->cost) &&
                    stage.second.uses[budget] > budgets[budget].limit) {
                    reason = fmt::format("it needs {} of {}, of which there are {}",
                                         stage.second.uses[budget],
                                         budgets[budget].name,
                                         budgets[budget].limit);
                }
            }
        }
        const auto is_allowed_one = [&](const CompiledCost* cost) { return is_its(*cost->cost); };
        if (reason.empty() && !s.options.only.empty() &&
            std::ranges::any_of(s.platform.formulas, is_its) &&
            std::ranges::none_of(s.allowed, is_allowed_one)) {
            reason = "not among those allowed";
        }
        if (reason.empty() && std::ranges::any_of(s.platform.formulas, is_its)) {
            reason = std::ranges::any_of(s.platform.formulas, is_for)
                         ? std::string{"no formula whose condition (when) holds"} +
                               (s.options.batch > 1 ? " and that is of several images (names batch)"
                                                    : "")
                         : fmt::format("no formula for {}", operation);
        }
        if (!reason.empty()) {
            text += fmt::format("; {}: {}", s.platform.devices[device].name, reason);
        }
    }
    return text;
}

// "; measured batches: 8 on cpu; digital: kernel 11 is not among 1, 3"
std::string why_not_offered(const Sources& s,
                            const std::vector<Budget>& budgets,
                            const MeasuredBatches& measured,
                            int layer) {
    const std::string reasons = reasons_of(s, budgets, layer);
    const std::string batches = batches_text(s.platform, measured[at(layer)]);
    if (!batches.empty()) {
        return "; measured batches: " + batches + reasons;
    }
    const bool is_known_by_measuring = reasons.empty() || !s.platform.measured.empty();
    return (is_known_by_measuring ? "; it was measured at no batch" : "") + reasons;
}

// Names every layer that nothing is offered for.
void expect_all_offered(const Sources& s,
                        const std::vector<Budget>& budgets,
                        const std::vector<Offer>& offers) {
    std::vector<char> offered(s.model.layers.size());
    for (const Offer& offer : offers) {
        for (const int layer : offer.chain) {
            offered[at(layer)] = 1;
        }
    }
    std::vector<int> missing;
    for (int layer = s.model.inputs(); layer < static_cast<int>(s.model.layers.size()); ++layer) {
        if (!offered[at(layer)] && runs(s.model.layers[at(layer)])) {
            missing.push_back(layer);
        }
    }
    if (missing.empty()) {
        return;
    }
    std::vector<std::string_view> devices;
    for (const Device& device : s.platform.devices) {
        devices.push_back(device.name);
    }
    const std::string at_batch = fmt::format(
        "at batch {}{}",
        s.options.batch,
        s.options.only.empty()
            ? std::string{}
            : fmt::format(" among those allowed ({})", fmt::join(s.options.only, ", ")));
    const MeasuredBatches measured = measured_batches(s);
    const auto nothing_for = fmt::format("no device ({}) has a cost for", fmt::join(devices, ", "));
    if (missing.size() == 1) {
        refuse(s.platform,
               fmt::format("{} {} {}{}",
                           nothing_for,
                           described(s.model, missing.front()),
                           at_batch,
                           why_not_offered(s, budgets, measured, missing.front())));
    }
    std::string text = fmt::format("{} {} layers {}:", nothing_for, missing.size(), at_batch);
    for (const int layer : missing) {
        text += fmt::format(
            "\n  {}{}", described(s.model, layer), why_not_offered(s, budgets, measured, layer));
    }
    refuse(s.platform, text);
}

Sources sources_of(const Model& model,
                   const Platform& platform,
                   const CompileOptions& options,
                   const std::vector<Budget>& budgets) {
    SetFinder finder{model};
    CostsBySet by_set = costs_by_set(finder, model, platform, options);
    Sources s{.model = model,
              .platform = platform,
              .options = options,
              .support = support_of(model, platform, options.batch),
              .finder = std::move(finder),
              .by_set = std::move(by_set),
              .costs = compile_costs(platform, budgets),
              .allowed = {},
              .splits = compile_splits(platform),
              .whole = {}};
    for (const Device& device : platform.devices) {
        s.longest_stream = std::max(s.longest_stream, device.longest_stream);
    }
    for (const CompiledCost& cost : s.costs) {
        if (is_allowed(platform, *cost.cost, options.only)) {
            s.allowed.push_back(&cost);
        }
    }
    s.whole.resize(model.layers.size());
    for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
        for (const CompiledCost* const cost : s.allowed) {
            if (!runs(model.layers[at(layer)]) || !s.support.admits(layer, cost->cost->device)) {
                continue;
            }
            if (std::optional<FormulaResult> result =
                    evaluate(*cost, model, layer, options.batch)) {
                const auto has_its_name = [&](const auto& other) {
                    return other.first->cost->device == cost->cost->device &&
                           other.first->cost->variant == cost->cost->variant &&
                           other.first->cost->configuration == cost->cost->configuration;
                };
                if (std::ranges::any_of(s.whole[at(layer)], has_its_name)) {
                    throw input_error(
                        cost->cost->where,
                        fmt::format("formulas: expected one of this device, variant and "
                                    "configuration for {}, got a second (`when` can tell them "
                                    "apart)",
                                    described(model, layer)));
                }
                s.whole[at(layer)].emplace_back(cost, std::move(*result));
            }
        }
    }
    return s;
}

int layers_in(std::string_view text) { return 1 + static_cast<int>(std::ranges::count(text, '|')); }

}  // namespace

void refuse(const Platform& platform, const std::string& what) {
    throw InputError{fmt::format("platform {}: {}", platform.name, what)};
}

void expect_known(const Platform& platform, const std::vector<std::string>& only) {
    for (const std::string& name : only) {
        const auto named = [&](const auto& cost) { return is_named(platform, cost, name); };
        if (std::ranges::any_of(platform.measured, named) ||
            std::ranges::any_of(platform.fitted, named) ||
            std::ranges::any_of(platform.formulas, named)) {
            continue;
        }
        std::set<std::string> there;
        const auto add = [&](const auto& cost) {
            there.insert(platform.devices[at(cost.device)].name + "/" + cost.variant);
        };
        std::ranges::for_each(platform.measured, add);
        std::ranges::for_each(platform.fitted, add);
        std::ranges::for_each(platform.formulas, add);
        refuse(platform,
               fmt::format("no implementation '{}' (device, device/variant or "
                           "device/variant/configuration); there are: {}",
                           name,
                           there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
    }
}

std::vector<Offer> offers_of(const Model& model,
                             const Platform& platform,
                             const CompileOptions& options) {
    const std::vector<Budget> budgets = budgets_of(platform);
    const Sources s = sources_of(model, platform, options, budgets);
    std::vector<Offer> offers;
    // Layers alone and those that may stream have formulas; in the map they are in their order.
    CostsBySet by_set = s.by_set;
    std::set<std::vector<int>> with_formulas;
    for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
        for (std::vector<int>& chain : chains_from(model, layer, s.longest_stream)) {
            by_set.try_emplace(chain);
            with_formulas.insert(std::move(chain));
        }
    }
    auto next = by_set.cbegin();
    for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
        for (; next != by_set.cend() && next->first.front() == layer; ++next) {
            const auto& [set, costs] = *next;
            add_measured(offers, s, set, costs);
            add_fitted(offers, s, set, costs);
            if (with_formulas.contains(set)) {
                add_formulas(offers, s, budgets, set, costs);
            }
        }
        for (const CompiledSplit& split : s.splits) {
            std::vector<Offer> divisions;
            add_divisions(divisions, model, platform, options, split, s.allowed, s.support, layer);
            std::erase_if(divisions,
                          [&](const Offer& offer) { return !is_within_budgets(budgets, offer); });
            std::ranges::move(divisions, std::back_inserter(offers));
        }
    }
    // A layer gives all of its results at once.
    for (Offer& offer : offers) {
        std::vector<int> set = with_results(model, offer.chain);
        if (set.size() != offer.chain.size()) {
            offer.results = read_outside(model, set);
            offer.chain = std::move(set);
        }
    }
    expect_all_offered(s, budgets, offers);
    return offers;
}

std::vector<std::string> unmatched_costs(const Model& model, const Platform& platform) {
    const SetFinder finder{model};
    std::vector<std::string> notes;
    const auto note = [&](const auto& cost, const std::string& text, const auto& find) {
        if (!find(text, cost.results).empty()) {
            return;
        }
        // With all of its results it may be there.
        std::vector<int> all(at(layers_in(text)));
        std::iota(all.begin(), all.end(), 0);
        const std::vector<std::vector<int>> sets = find(text, all);
        if (sets.empty()) {
            notes.emplace_back(
                input_error(cost.where,
                            fmt::format("'{}': model '{}' has no such layers", text, model.name))
                    .what());
            return;
        }
        const std::vector<int> given = results_in(sets.front(), cost.results);
        std::vector<int> missing = read_outside(model, sets.front());
        std::erase_if(missing, [&](int layer) { return std::ranges::binary_search(given, layer); });
        notes.emplace_back(
            input_error(cost.where,
                        fmt::format("'{}': the result of '{}' is needed outside of these layers "
                                    "of model '{}' and is not among the cost's `results`",
                                    text,
                                    model.layers[at(missing.front())].name,
                                    model.name))
                .what());
    };
    std::set<std::pair<std::string_view, std::vector<int>>> known;
    for (const MeasuredCost& cost : platform.measured) {
        if (!cost.layer_names.empty()) {
            for (const std::string& name : cost.layer_names) {
                if (std::ranges::none_of(model.layers, [&](const Layer& layer) {
                        return layer.name == name ||
                               (layer.network < static_cast<int>(model.networks.size()) &&
                                layer.name == model.networks[at(layer.network)] + "/" + name);
                    })) {
                    notes.emplace_back(
                        input_error(cost.where,
                                    fmt::format("model '{}' has no layer '{}'", model.name, name))
                            .what());
                    break;
                }
            }
        } else if (known.emplace(cost.layers, cost.results).second) {
            note(cost, cost.layers, [&](const auto& text, const auto& results) {
                return finder.with_signature(text, results);
            });
        }
    }
    known.clear();
    for (const FittedCost& fit : platform.fitted) {
        if (known.emplace(fit.pattern, fit.results).second) {
            note(fit, fit.pattern, [&](const auto& text, const auto& results) {
                return finder.with_pattern(text, results);
            });
        }
    }
    return notes;
}

}  // namespace sim
