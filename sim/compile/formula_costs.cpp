#include "sim/compile/formula_costs.hpp"

#include "sim/compile/costs.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sim {
namespace {

constexpr double kMostMicrojoules = 1e9;  // of the 9.2e9 that an Energy holds
constexpr double kMostOfAResource = 1e15;

// A part of a cell is a cell; but 24.4 x 100 is 2440, not the 2440.0000000000005 of the arithmetic.
std::int64_t whole_units(double value) {
    return static_cast<std::int64_t>(std::ceil(value - 1e-9 * std::max(1.0, value)));
}

std::size_t budget_named(const std::vector<Budget>& budgets,
                         const Platform& platform,
                         const FormulaCost& cost,
                         const std::string& resource,
                         const SourcePosition& where) {
    const std::string& device = platform.devices[at(cost.device)].name;
    const auto found = std::ranges::find(budgets, device + "." + resource, &Budget::name);
    if (found == budgets.end()) {
        throw input_error(where, fmt::format("device '{}' has no resource '{}'", device, resource));
    }
    return static_cast<std::size_t>(found - budgets.begin());
}

}  // namespace

std::vector<Budget> budgets_of(const Platform& platform) {
    std::vector<Budget> budgets;
    for (std::size_t device = 0; device < platform.devices.size(); ++device) {
        for (const ResourceBudget& resource : platform.devices[device].resources) {
            budgets.push_back({.name = platform.devices[device].name + "." + resource.name,
                               .device = static_cast<int>(device),
                               .limit = resource.limit});
        }
    }
    return budgets;
}

std::vector<CompiledCost> compile_costs(const Platform& platform,
                                        const std::vector<Budget>& budgets) {
    std::vector<CompiledCost> costs;
    for (const FormulaCost& cost : platform.formulas) {
        std::vector<std::string> names;
        CompiledCost& compiled = costs.emplace_back();
        compiled.cost = &cost;
        compiled.speed = platform.devices[at(cost.device)].speed;
        const auto formula_of = [&](const Expression& expression) {
            return Formula{expression.text, expression.where, names};
        };
        std::vector<std::string> of_batches{"batch"};  // names that depend on it
        const auto depends = [&](const Formula& formula) {
            return std::ranges::any_of(of_batches,
                                       [&](const auto& name) { return formula.uses(name); });
        };
        const auto optional_of = [&](const Expression& expression) {
            return expression ? std::optional{formula_of(expression)} : std::nullopt;
        };
        compiled.when = optional_of(cost.when);  // before `let`, which may divide by what it asks
        for (const auto& [name, expression] : cost.let) {
            compiled.let.push_back(formula_of(expression));
            names.push_back(name);
            if (depends(compiled.let.back())) {
                of_batches.push_back(name);
            }
        }
        compiled.time = formula_of(cost.time_us ? cost.time_us : cost.cycles);
        compiled.time_of_batches = depends(*compiled.time);
        compiled.energy = optional_of(cost.energy_uj);
        compiled.energy_of_batches = compiled.energy && depends(*compiled.energy);
        compiled.fill = optional_of(cost.fill_us ? cost.fill_us : cost.fill_cycles);
        for (const auto& [resource, expression] : cost.resources) {
            compiled.resources.emplace_back(
                budget_named(budgets, platform, cost, resource, expression.where),
                formula_of(expression));
        }
    }
    return costs;
}

double value_named(const FormulaInputs& inputs, std::string_view name) {
    const auto names = formula_names();
    return inputs.values[static_cast<std::size_t>(std::ranges::find(names, name) - names.begin())];
}

std::string described(const Model& model, int layer, const Share& share) {
    const int one[] = {layer};
    std::string text =
        fmt::format("layer '{}' ({})", model.layers[at(layer)].name, signature(model, one));
    if (share.output_channels > 0) {
        text += fmt::format(", {} of its output channels", share.output_channels);
    }
    if (share.input_channels > 0) {
        text += fmt::format(", {} of its input channels", share.input_channels);
    }
    return text;
}

double checked_value(double value,
                     double most,
                     const Expression& expression,
                     std::string_view key,
                     const std::function<std::string()>& whom) {
    if (value < 0) {
        throw input_error(
            expression.where,
            fmt::format("{}: expected zero or more, got {} for {}", key, value, whom()));
    }
    if (value > most) {
        throw input_error(
            expression.where,
            fmt::format("{}: expected at most {}, got {} for {}", key, most, value, whom()));
    }
    return value;
}

std::optional<FormulaResult> evaluate(
    const CompiledCost& cost, const Model& model, int layer, int batch, const Share& share) {
    const FormulaCost& source = *cost.cost;
    const Operation* const operation = model.layers[at(layer)].operation;
    if (operation == nullptr ||
        std::ranges::find(source.operations, operation->name) == source.operations.end()) {
        return std::nullopt;
    }
    // 1. The names an expression may use.
    const FormulaInputs inputs = formula_inputs(
        model, layer, batch, source.clock_mhz, share.output_channels, share.input_channels);
    if (cost.when && cost.when->evaluate(inputs) == 0) {
        return std::nullopt;
    }
    std::vector<double> more;
    for (const Formula& formula : cost.let) {
        more.push_back(formula.evaluate(inputs, more));
    }

    // 2. Time, energy, resources.
    const auto value = [&](const Formula& formula,
                           const Expression& expression,
                           std::string_view key,
                           double most) {
        return checked_value(formula.evaluate(inputs, more), most, expression, key, [&] {
            return described(model, layer, share);
        });
    };
    const auto time = [&](const Formula& formula,
                          const Expression& us,
                          const Expression& cycles,
                          std::string_view us_key,
                          std::string_view cycles_key) {
        const Time alone = from_microseconds(
            us ? value(formula, us, us_key, kMostFormulaMicroseconds)
               : value(formula, cycles, cycles_key, kMostFormulaMicroseconds * source.clock_mhz) /
                     source.clock_mhz);
        return at_speed(alone, cost.speed);
    };
    FormulaResult result;
    result.time = time(*cost.time, source.time_us, source.cycles, "time_us", "cycles");
    if (cost.fill) {
        result.fill =
            time(*cost.fill, source.fill_us, source.fill_cycles, "fill_us", "fill_cycles");
    }
    if (cost.energy) {
        result.energy =
            from_microjoules(value(*cost.energy, source.energy_uj, "energy_uj", kMostMicrojoules));
    }
    if (batch > 1 && ((!cost.time_of_batches && result.time > Time{}) ||
                      (!cost.energy_of_batches && result.energy.value_or(Energy{}) > Energy{}))) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < cost.resources.size(); ++i) {
        const auto& [budget, formula] = cost.resources[i];
        const auto& [name, expression] = source.resources[i];
        result.uses.resize(std::max(result.uses.size(), budget + 1));
        result.uses[budget] = whole_units(value(formula, expression, name, kMostOfAResource));
    }
    return result;
}

Energy drawn_above_idle(const Device& device, Time time) {
    if (!device.active_power_w || !device.idle_power_w) {
        return {};
    }
    const Watts power{*device.active_power_w - *device.idle_power_w};
    const double femtojoules = power.value * static_cast<double>(time.count()) * 1e3;
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max() / 4;
    return femtojoules < static_cast<double>(kMost) ? power * time : Energy{kMost};
}

}  // namespace sim
