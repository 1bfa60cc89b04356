#include "sim/compile/support.hpp"

#include "sim/compile/formula_costs.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace sim {
namespace {

struct CompiledRule {
    const SupportRule* rule = nullptr;
    std::optional<Formula> when;
};

// "kernel 11 is not among 1, 3, 5, 7", or nothing if `list` is empty or has it.
template <class Value, class Item>
std::string not_among(std::string_view what, const Value& value, const std::vector<Item>& list) {
    return list.empty() || std::ranges::find(list, value) != list.end()
               ? std::string{}
               : fmt::format("{} {} is not among {}", what, value, fmt::join(list, ", "));
}

// "3", or "3x5" where the sides differ.
std::string sides_text(std::span<const int> sides) {
    return std::ranges::all_of(sides, [&](int side) { return side == sides.front(); })
               ? std::to_string(sides.front())
               : fmt::format("{}", fmt::join(sides, "x"));
}

// "kernel 3x5 is not square"; a rule lists the sizes of square ones.
std::string not_among_sides(std::string_view what,
                            std::span<const int> sides,
                            const std::vector<int>& list) {
    const std::string text = sides_text(sides);
    if (list.empty() || text.find('x') == std::string::npos) {
        return not_among(what, sides.front(), list);
    }
    return fmt::format("{} {} is not square", what, text);
}

std::string no_multiple(std::string_view what, double channels, int of) {
    const int count = static_cast<int>(channels);
    return count % of == 0 ? std::string{}
                           : fmt::format("{} {} channels are no multiple of {}", count, what, of);
}

bool lists_operation(const SupportRule& rule, const Layer& layer) {
    return rule.operations.empty() ||
           std::ranges::find(rule.operations, layer.operation->name) != rule.operations.end();
}

// The first thing about a layer that the rule, which is for its operation, does not admit.
std::string why_not(const CompiledRule& compiled,
                    const Model& model,
                    int index,
                    const FormulaInputs& inputs) {
    const SupportRule& rule = *compiled.rule;
    const Layer& layer = model.layers[at(index)];
    const Attributes& a = layer.attributes;
    std::vector<std::string> reasons;
    const auto sides = static_cast<std::size_t>(layer.operation->sides);
    if (sides > 0) {
        reasons.push_back(not_among_sides("kernel", std::span{a.kernel}.last(sides), rule.kernels));
        reasons.push_back(not_among_sides("stride", std::span{a.stride}.last(sides), rule.strides));
    }
    if (has_weights(layer)) {
        if (sides > 0) {
            const int groups = static_cast<int>(value_named(inputs, "groups"));
            reasons.push_back(not_among("groups", groups, rule.groups));
        }
        reasons.push_back(
            not_among("the weights' element", std::string{name_of(a.weights)}, rule.weights));
    }
    for (const int input : layer.inputs) {
        const Element element = model.layers[at(input)].output.element;
        reasons.push_back(
            not_among("the input's element", std::string{name_of(element)}, rule.activations));
    }
    reasons.push_back(no_multiple("input", value_named(inputs, "c_in"), rule.in_channels_multiple));
    reasons.push_back(
        no_multiple("output", value_named(inputs, "c_out"), rule.out_channels_multiple));
    const auto first =
        std::ranges::find_if(reasons, [](const std::string& reason) { return !reason.empty(); });
    if (first != reasons.end()) {
        return *first;
    }
    // Only then: an expression may rely on the rest of its rule.
    if (compiled.when && compiled.when->evaluate(inputs) == 0) {
        return fmt::format("'{}' does not hold", rule.when.text);
    }
    return {};
}

std::string why_no_rule(const std::vector<CompiledRule>& rules,
                        const Model& model,
                        int index,
                        const FormulaInputs& inputs) {
    const Layer& layer = model.layers[at(index)];
    std::vector<std::string> reasons;
    std::vector<std::string> operations;  // of the rules that are for others
    for (const CompiledRule& compiled : rules) {
        if (!lists_operation(*compiled.rule, layer)) {
            for (const std::string& operation : compiled.rule->operations) {
                if (std::ranges::find(operations, operation) == operations.end()) {
                    operations.push_back(operation);
                }
            }
            continue;
        }
        const std::string reason = why_not(compiled, model, index, inputs);
        if (reason.empty()) {
            return {};
        }
        if (std::ranges::find(reasons, reason) == reasons.end()) {
            reasons.push_back(reason);
        }
    }
    return reasons.empty() ? not_among("operation", std::string{layer.operation->name}, operations)
                           : fmt::format("{}", fmt::join(reasons, ", and by another rule "));
}

}  // namespace

Support support_of(const Model& model, const Platform& platform, int batch) {
    std::vector<std::vector<CompiledRule>> rules;  // by device
    for (const Device& device : platform.devices) {
        std::vector<CompiledRule>& compiled = rules.emplace_back();
        for (const SupportRule& rule : device.supports) {
            compiled.push_back({.rule = &rule, .when = std::nullopt});
            if (rule.when) {
                compiled.back().when.emplace(rule.when.text, rule.when.where);
            }
        }
    }
    Support support;
    support.reasons.assign(model.layers.size(), std::vector<std::string>(platform.devices.size()));
    const bool has_rules = std::ranges::any_of(rules, [](const auto& of) { return !of.empty(); });
    for (std::size_t layer = 0; has_rules && layer < model.layers.size(); ++layer) {
        if (model.layers[layer].operation == nullptr || is_further_result(model.layers[layer]) ||
            is_held(model.layers[layer])) {
            continue;
        }
        const FormulaInputs inputs = formula_inputs(model, static_cast<int>(layer), batch);
        for (std::size_t device = 0; device < rules.size(); ++device) {
            if (!rules[device].empty()) {
                support.reasons[layer][device] =
                    why_no_rule(rules[device], model, static_cast<int>(layer), inputs);
            }
        }
    }
    return support;
}

}  // namespace sim
