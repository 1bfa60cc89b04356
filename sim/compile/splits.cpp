// Start at `add_divisions`, at the end.

#include "sim/compile/splits.hpp"

#include "sim/compile/costs.hpp"
#include "sim/compile/transfers.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace sim {
namespace {

std::string_view or_packed(const std::string& layout) {
    return layout.empty() ? kPackedLayout : std::string_view{layout};
}

// One implementation of a share on a device.
struct Candidate {
    const FormulaCost* cost = nullptr;
    FormulaResult result;
};

struct Division {
    const Model& model;
    const Platform& platform;
    const CompileOptions& options;
    const CompiledSplit& split;
    const std::vector<const CompiledCost*>& costs;
    const Support& support;
    const Engines engines;
    int layer = 0, channels = 0;
    FormulaInputs inputs;
    std::map<std::pair<int, int>, std::vector<Candidate>> known;  // by device and share
    std::vector<std::pair<int, const Candidate*>> chosen;  // by device of the rule: share, and how
    std::vector<Offer> found;
    std::size_t tried = 0;

    bool by_inputs() const { return split.rule->by == SplitRule::By::input_channels; }
    const std::vector<int>& devices() const { return split.rule->devices; }
    Share share_of(int count) const {
        return by_inputs() ? Share{.input_channels = count} : Share{.output_channels = count};
    }
    const std::vector<Candidate>& candidates(int device, int count);
    void choose(std::size_t next, int left);
    void add();
    Time joined(const Offer& offer) const;
    std::string divided_layer(const Offer& offer) const;
    Time gathered(int owner, Offer& offer) const;
};

const std::vector<Candidate>& Division::candidates(int device, int count) {
    const auto [entry, is_new] = known.try_emplace({device, count});
    if (is_new) {
        for (const CompiledCost* const cost : costs) {
            if (cost->cost->device != device || !cost->cost->shares ||
                !support.admits(layer, device)) {
                continue;
            }
            if (std::optional<FormulaResult> result =
                    evaluate(*cost, model, layer, options.batch, share_of(count))) {
                result->time = checked_sum(result->time, result->fill.value_or(Time{}));
                entry->second.push_back({cost->cost, std::move(*result)});
            }
        }
    }
    return entry->second;
}

// The shares of the rule's devices from `next` on, of which `left` channels are left.
void Division::choose(std::size_t next, int left) {
    if (next == devices().size()) {
        const auto working =
            std::ranges::count_if(chosen, [](const auto& part) { return part.first > 0; });
        if (left == 0 && working >= 2) {
            add();
        }
        return;
    }
    const bool is_last = next + 1 == devices().size();
    for (int count = is_last ? left : 0; count <= left; count += split.rule->step) {
        if (count == 0) {
            chosen.emplace_back(0, nullptr);
            choose(next + 1, left);
            chosen.pop_back();
            continue;
        }
        for (const Candidate& candidate : candidates(devices()[next], count)) {
            chosen.emplace_back(count, &candidate);
            choose(next + 1, left - count);
            chosen.pop_back();
        }
    }
}

std::string Division::divided_layer(const Offer& offer) const {
    return fmt::format("{}, divided into {}", described(model, layer), offer.configuration);
}

Time Division::joined(const Offer& offer) const {
    Time longest{}, sum{};
    std::vector<double> us;
    for (const auto& [count, candidate] : chosen) {
        const Time time = count > 0 ? candidate->result.time : Time{};
        longest = std::max(longest, time);
        sum = checked_sum(sum, time);
        us.push_back(microseconds(time));
    }
    if (split.join) {
        return from_microseconds(checked_value(split.join->evaluate(inputs, us),
                                               kMostFormulaMicroseconds,
                                               split.rule->join,
                                               "join",
                                               [&] { return divided_layer(offer); }));
    }
    return split.rule->join.text == "sum" ? sum : longest;
}

// Time to bring the parts into the owner's memory, and its energy into the offer; kNever without a
// link.
Time Division::gathered(int owner, Offer& offer) const {
    const int to = platform.devices[at(owner)].memory;
    std::vector<Time> busy(engines.names.size());
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const auto& [count, candidate] = chosen[i];
        const int from = platform.devices[at(devices()[i])].memory;
        if (count == 0 || from == to) {
            continue;
        }
        const int index = find_link(platform, from, to);
        if (index < 0) {
            return kNever;
        }
        const Link& link = platform.links[at(index)];
        TensorShape shape = model.layers[at(layer)].output;
        Bytes size;
        if (by_inputs()) {
            constexpr int kBytesOfAPartialSum = 4;
            size = {kBytesOfAPartialSum * options.batch * shape.elements()};
        } else {
            shape.set_channels(count);
            size = bytes_on(platform, link, shape, candidate->cost->out_layout, options.batch);
        }
        const Time time = mode_for(link, size, options.transfer_modes).time.time(size);
        Time& engine = busy[at(engines.of_link[at(index)])];
        engine = std::min(kNever, engine + time);
        offer.links.push_back(index);
        offer.energy += energy_on(link, size);
    }
    return busy.empty() ? Time{} : std::ranges::max(busy);
}

// The offer for `chosen`, unless its parts do not fit each other.
void Division::add() {
    if (++tried > kMostDivisions) {
        throw input_error(
            split.rule->where,
            fmt::format("more than {} ways to divide {} by a step of {}; expected a larger step",
                        kMostDivisions,
                        described(model, layer),
                        split.rule->step));
    }
    Offer offer;
    offer.chain = offer.results = {layer};
    offer.kind = CostKind::formula;
    offer.variant = by_inputs() ? kInputSplitVariant : kSplitVariant;

    // 1. The parts. The first that works holds the result.
    const Candidate* first = nullptr;
    bool is_waited_for = false;
    Time completion{};
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const auto& [count, candidate] = chosen[i];
        if (count == 0) {
            continue;
        }
        const int device = devices()[i];
        const FormulaCost& cost = *candidate->cost;
        if (first == nullptr) {
            first = candidate;
            offer.device = device;
        }
        if (or_packed(cost.in_layout) != or_packed(first->cost->in_layout) ||
            or_packed(cost.out_layout) != or_packed(first->cost->out_layout)) {
            return;
        }
        if (platform.devices[at(device)].asynchronous) {
            is_waited_for = true;
            completion = std::max(completion, platform.devices[at(device)].completion);
        }
        const FormulaResult& result = candidate->result;
        offer.parts.push_back({.device = device,
                               .channels = count,
                               .busy = result.time,
                               .energy = result.energy.value_or(
                                   drawn_above_idle(platform.devices[at(device)], result.time)),
                               .variant = cost.variant,
                               .configuration = cost.configuration,
                               .precision = cost.precision});
        if (!result.energy && result.time > Time{}) {
            offer.powered |= std::uint64_t{1} << device;
        }
        offer.uses.resize(std::max(offer.uses.size(), result.uses.size()));
        for (std::size_t budget = 0; budget < result.uses.size(); ++budget) {
            offer.uses[budget] += result.uses[budget];
        }
        offer.configuration += fmt::format("{}{} {}",
                                           offer.configuration.empty() ? "" : " + ",
                                           platform.devices[at(device)].name,
                                           count);
    }
    offer.in_layout = first->cost->in_layout;
    offer.out_layout = first->cost->out_layout;
    const std::string& precision = offer.parts.front().precision;
    if (std::ranges::all_of(offer.parts, [&](const Part& p) { return p.precision == precision; })) {
        offer.precision = precision;
    }

    // 2. Together: the parts, then their copies, then their sum, then the host's wait.
    const Device& owner = platform.devices[at(offer.device)];
    const Time gather = gathered(offer.device, offer);
    if (gather >= kNever) {
        return;
    }
    Time reduction{};
    if (split.reduction) {
        reduction = from_microseconds(checked_value(split.reduction->evaluate(inputs),
                                                    kMostFormulaMicroseconds,
                                                    split.rule->reduction_us,
                                                    "reduction_us",
                                                    [&] { return divided_layer(offer); }));
        Part& part = offer.parts.front();
        part.busy = checked_sum(part.busy, reduction);
        part.energy += drawn_above_idle(owner, reduction);
        if (reduction > Time{}) {
            offer.powered |= std::uint64_t{1} << offer.device;
        }
    }
    const Time wait = !owner.asynchronous && is_waited_for ? completion : Time{};
    const Time time = checked_sum(checked_sum(joined(offer), gather), checked_sum(reduction, wait));
    offer.time = {.p05 = time, .p50 = time, .p95 = time, .samples = 0};
    for (const Part& part : offer.parts) {
        offer.energy += part.energy;
    }
    found.push_back(std::move(offer));
}

}  // namespace

std::vector<CompiledSplit> compile_splits(const Platform& platform) {
    std::vector<CompiledSplit> splits;
    for (const SplitRule& rule : platform.splits) {
        CompiledSplit& split = splits.emplace_back();
        split.rule = &rule;
        std::vector<std::string> names;
        for (const int device : rule.devices) {
            names.push_back(platform.devices[at(device)].name);
        }
        if (rule.join && rule.join.text != "max" && rule.join.text != "sum") {
            split.join.emplace(rule.join.text, rule.join.where, names);
        }
        if (rule.reduction_us && rule.by == SplitRule::By::input_channels) {
            split.reduction.emplace(rule.reduction_us.text, rule.reduction_us.where);
        }
    }
    return splits;
}

void add_divisions(std::vector<Offer>& offers,
                   const Model& model,
                   const Platform& platform,
                   const CompileOptions& options,
                   const CompiledSplit& split,
                   const std::vector<const CompiledCost*>& costs,
                   const Support& support,
                   int layer) {
    const SplitRule& rule = *split.rule;
    const Operation& operation = *model.layers[at(layer)].operation;
    if (std::ranges::find(rule.operations, operation.name) == rule.operations.end()) {
        return;
    }
    Division division{.model = model,
                      .platform = platform,
                      .options = options,
                      .split = split,
                      .costs = costs,
                      .support = support,
                      .engines = engines_of(platform),
                      .layer = layer,
                      .channels = 0,
                      .inputs = formula_inputs(model, layer, options.batch),
                      .known = {},
                      .chosen = {},
                      .found = {},
                      .tried = 0};
    // Sums over input channels are partial where every output channel reads all of them.
    if (division.by_inputs() &&
        (!has_weights(model.layers[at(layer)]) || value_named(division.inputs, "groups") != 1)) {
        return;
    }
    division.channels =
        static_cast<int>(value_named(division.inputs, division.by_inputs() ? "c_in" : "c_out"));
    division.choose(0, division.channels);
    std::ranges::move(division.found, std::back_inserter(offers));
}

}  // namespace sim
