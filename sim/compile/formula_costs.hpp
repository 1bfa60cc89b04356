#pragma once

// Formula costs of a platform, compiled: what a layer, or a share of its channels, takes on a
// device that is known by a model only. Start at `evaluate`.

#include "sim/compile/problem.hpp"
#include "sim/describe/formula.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

struct CompiledCost {
    const FormulaCost* cost = nullptr;
    double speed = 1;  // of the device
    std::optional<Formula> when;
    std::vector<Formula> let;
    std::optional<Formula> time, energy, fill;
    std::vector<std::pair<std::size_t, Formula>> resources;   // by budget
    bool time_of_batches = false, energy_of_batches = false;  // depend on `batch`
};

struct FormulaResult {
    Time time{};
    std::optional<Time> fill;
    std::optional<Energy> energy;    // nothing: from the device's powers
    std::vector<std::int64_t> uses;  // by budget; empty: none
};

// Of a layer: output or input channels 0 means all of them.
struct Share {
    int output_channels = 0, input_channels = 0;
};

// Every budget of every device, named "device.resource".
std::vector<Budget> budgets_of(const Platform& platform);

// Each expression once. Throws InputError for those that muParser refuses.
std::vector<CompiledCost> compile_costs(const Platform& platform,
                                        const std::vector<Budget>& budgets);

// Nothing where the operation is not listed or `when` is zero, or where several images are asked
// for and a time or an energy above zero does not depend on `batch`: it is of one image. Throws
// InputError at the expression that is negative or beyond the simulator's range, naming the layer,
// the value and the share.
std::optional<FormulaResult> evaluate(
    const CompiledCost& cost, const Model& model, int layer, int batch, const Share& share = {});

// One of formula_names().
double value_named(const FormulaInputs& inputs, std::string_view name);

// "layer 'conv1' (conv2d u8 4x4x1 64 k3x3 s1 p1 v0), 4 of its output channels"
std::string described(const Model& model, int layer, const Share& share = {});

// `value`, checked as evaluate() checks. `key`: what the expression is in the file; `whom`: what it
// was evaluated for, asked only where it is wrong.
double checked_value(double value,
                     double most,
                     const Expression& expression,
                     std::string_view key,
                     const std::function<std::string()>& whom);

// No formula gives more microseconds, microjoules or units of a resource: sums stay in range.
inline constexpr double kMostFormulaMicroseconds = 1e12;

// What `device` draws in `time` more than when it idles; zero if its powers are not stated. At
// most so much that two of them can be added.
Energy drawn_above_idle(const Device& device, Time time);

}  // namespace sim
