#include "sim/compile/offers.hpp"

#include "sim/compile/costs.hpp"
#include "sim/compile/splits.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

namespace sim {
namespace {

[[noreturn]] void refuse(const Platform& platform, const std::string& what) {
    throw InputError{fmt::format("platform {}: {}", platform.name, what)};
}

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

// ---- 2. Measured and fitted costs. ------------------------------------------------------------

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
Offer offer_of(const Platform& platform,
               const std::vector<int>& chain,
               const Cost& cost,
               const Measurement& time,
               CostKind kind) {
    return {.chain = chain,
            .device = cost.device,
            .variant = cost.variant,
            .configuration = cost.configuration,
            .in_layout = cost.in_layout,
            .out_layout = cost.out_layout,
            .precision = {},
            .time = time,
            .kind = kind,
            .energy = drawn_above_idle(platform.devices[at(cost.device)], time.p50),
            .powered = time.p50 > Time{} ? 1u << cost.device : 0u,
            .uses = {},
            .parts = {},
            .links = {}};
}

// A fit stands in for shapes that were not measured. Where anything was measured for a chain on a
// device, what is missing there are configurations that make no sense for this shape.
bool is_applicable(const FittedCost& fit, const TensorShape& result, int batch) {
    return batch >= fit.smallest_batch && result.height >= fit.smallest_height &&
           result.channels >= fit.smallest_channels;
}

// What is asked for again and again while offers are made.
struct Sources {
    const Model& model;
    const Platform& platform;
    const CompileOptions& options;
    Support support;
    int longest = 1, longest_known = 1;  // chains: with streams, and of measured and fitted costs
    std::unordered_map<std::string_view, std::vector<const MeasuredCost*>> measured;
    std::unordered_map<std::string_view, std::vector<const FittedCost*>> fitted;
    std::vector<CompiledCost> costs;
    std::vector<const CompiledCost*> allowed;
    std::vector<CompiledSplit> splits;
    // By layer: the formulas that apply to all of it, and what they give.
    std::vector<std::vector<std::pair<const CompiledCost*, FormulaResult>>> whole;
};

bool is_supported(const Sources& s, const std::vector<int>& chain, int device) {
    return std::ranges::all_of(chain, [&](int layer) { return s.support.admits(layer, device); });
}

void add_measured(std::vector<Offer>& offers, const Sources& s, const std::vector<int>& chain) {
    if (s.measured.empty()) {
        return;
    }
    const auto found = s.measured.find(signature(s.model, chain));
    if (found == s.measured.end()) {
        return;
    }
    for (const MeasuredCost* const cost : found->second) {
        if (is_supported(s, chain, cost->device)) {
            offers.push_back(offer_of(s.platform, chain, *cost, cost->time, CostKind::measured));
        }
    }
}

// `offers`: the chain's so far.
void add_fitted(std::vector<Offer>& offers, const Sources& s, const std::vector<int>& chain) {
    const auto fits = s.fitted.empty() ? s.fitted.end() : s.fitted.find(pattern(s.model, chain));
    if (fits == s.fitted.end()) {
        return;
    }
    const CostFeatures features = features_of(s.model, chain, s.options.batch);
    const TensorShape& result = s.model.layers[at(chain.back())].output;
    for (const FittedCost* const fit : fits->second) {
        const auto is_measured = [&](const Offer& o) {
            return o.kind == CostKind::measured && o.device == fit->device;
        };
        if (!is_supported(s, chain, fit->device) || std::ranges::any_of(offers, is_measured) ||
            !is_applicable(*fit, result, s.options.batch)) {
            continue;
        }
        if (const std::optional<Measurement> time = predict(*fit, features)) {
            offers.push_back(offer_of(s.platform, chain, *fit, *time, CostKind::fitted));
        }
    }
}

// ---- 3. Formulas: a layer alone, and layers that stream. --------------------------------------

bool has_weights(const Model& model, int layer) {
    const auto& attributes = model.layers[at(layer)].operation->attributes;
    return std::ranges::find(attributes, "weights") != attributes.end();
}

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
        fills += device.longest_stream > 0 ? result.fill.value_or(Time{}) : Time{};
        stated += result.energy.value_or(Energy{});
        is_powered = is_powered || !result.energy;
        uses.resize(std::max(uses.size(), result.uses.size()));
        for (std::size_t budget = 0; budget < result.uses.size(); ++budget) {
            uses[budget] += result.uses[budget];
        }
        if (has_weights(s.model, chain[i])) {
            if (precision && *precision != cost->cost->precision) {
                return std::nullopt;
            }
            precision = cost->cost->precision;
        }
    }
    const Time time = longest + fills;
    Offer offer = offer_of(s.platform,
                           chain,
                           first,
                           {.p05 = time, .p50 = time, .p95 = time, .samples = 0},
                           CostKind::formula);
    offer.out_layout = stages.back()->first->cost->out_layout;
    offer.precision = precision.value_or(first.precision);
    offer.energy = stated + (is_powered ? offer.energy : Energy{});
    offer.powered = is_powered ? offer.powered : 0u;
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
                  const std::vector<int>& chain) {
    const auto size = static_cast<int>(chain.size());
    for (const Stage& stage : s.whole[at(chain.front())]) {
        const FormulaCost& cost = *stage.first->cost;
        const auto is_measured = [&](const Offer& o) {
            return o.kind == CostKind::measured && o.device == cost.device &&
                   o.variant == cost.variant;
        };
        const bool is_first_of_name = stage_of(s, chain.front(), cost) == &stage;
        if ((size > 1 &&
             (size > s.platform.devices[at(cost.device)].longest_stream || !is_first_of_name)) ||
            std::ranges::any_of(offers, is_measured)) {
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

void expect_all_offered(const Sources& s,
                        const std::vector<Budget>& budgets,
                        const std::vector<Offer>& offers) {
    std::vector<bool> offered(s.model.layers.size());
    for (const Offer& offer : offers) {
        for (const int layer : offer.chain) {
            offered[at(layer)] = true;
        }
    }
    for (int layer = 1; layer < static_cast<int>(s.model.layers.size()); ++layer) {
        if (offered[at(layer)]) {
            continue;
        }
        const std::string reasons = reasons_of(s, budgets, layer);
        std::string batches = measured_batches(s.model, s.platform, layer);
        if (!batches.empty()) {
            batches = "; measured batches: " + batches;
        } else if (reasons.empty() || !s.platform.measured.empty()) {
            batches = "; it was measured at no batch";
        }
        std::vector<std::string_view> devices;
        for (const Device& device : s.platform.devices) {
            devices.push_back(device.name);
        }
        const int one[] = {layer};
        const auto allowed = s.options.only.empty() ? std::string{}
                                                    : fmt::format(" among those allowed ({})",
                                                                  fmt::join(s.options.only, ", "));
        refuse(s.platform,
               fmt::format("no device ({}) has a cost for layer '{}' ({}) at batch {}{}{}{}",
                           fmt::join(devices, ", "),
                           s.model.layers[at(layer)].name,
                           signature(s.model, one),
                           s.options.batch,
                           allowed,
                           batches,
                           reasons));
    }
}

Sources sources_of(const Model& model,
                   const Platform& platform,
                   const CompileOptions& options,
                   const std::vector<Budget>& budgets) {
    Sources s{.model = model,
              .platform = platform,
              .options = options,
              .support = support_of(model, platform, options.batch),
              .longest_known = longest_chain(platform),
              .measured = {},
              .fitted = {},
              .costs = compile_costs(platform, budgets),
              .allowed = {},
              .splits = compile_splits(platform),
              .whole = {}};
    s.longest = s.longest_known;
    for (const Device& device : platform.devices) {
        s.longest = std::max(s.longest, device.longest_stream);
    }
    for (const MeasuredCost& cost : platform.measured) {
        if (cost.batch == options.batch && is_allowed(platform, cost, options.only)) {
            s.measured[cost.layers].push_back(&cost);
        }
    }
    for (const FittedCost& fit : platform.fitted) {
        if (is_allowed(platform, fit, options.only)) {
            s.fitted[fit.pattern].push_back(&fit);
        }
    }
    for (const CompiledCost& cost : s.costs) {
        if (is_allowed(platform, *cost.cost, options.only)) {
            s.allowed.push_back(&cost);
        }
    }
    s.whole.resize(model.layers.size());
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        for (const CompiledCost* const cost : s.allowed) {
            if (!s.support.admits(layer, cost->cost->device)) {
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

}  // namespace

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
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        for (const std::vector<int>& chain : chains_from(model, layer, s.longest)) {
            std::vector<Offer> of_chain;
            if (static_cast<int>(chain.size()) <= s.longest_known) {
                add_measured(of_chain, s, chain);
                add_fitted(of_chain, s, chain);
            }
            add_formulas(of_chain, s, budgets, chain);
            std::ranges::move(of_chain, std::back_inserter(offers));
        }
        for (const CompiledSplit& split : s.splits) {
            std::vector<Offer> divisions;
            add_divisions(divisions, model, platform, options, split, s.allowed, s.support, layer);
            std::erase_if(divisions,
                          [&](const Offer& offer) { return !is_within_budgets(budgets, offer); });
            std::ranges::move(divisions, std::back_inserter(offers));
        }
    }
    expect_all_offered(s, budgets, offers);
    return offers;
}

}  // namespace sim
