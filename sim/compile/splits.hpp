#pragma once

// Layers divided over several devices: every division that a platform's split rules allow, from
// formulas that know a share's cost. Shares are enumerated: their costs are steps, not curves.

#include "sim/compile/offers.hpp"

#include <string_view>
#include <vector>

namespace sim {

// What a rule may give for one layer. More is an error that asks for a larger step.
inline constexpr std::size_t kMostDivisions = 200'000;

// Task::variant of layers divided by their output channels, and by their input channels.
inline constexpr std::string_view kSplitVariant = "split", kInputSplitVariant = "input_split";

// A rule with its expressions compiled.
struct CompiledSplit {
    const SplitRule* rule = nullptr;
    std::optional<Formula> join, reduction;  // no join: "max" or "sum"
};
std::vector<CompiledSplit> compile_splits(const Platform& platform);

// `costs`: those that may be used.
void add_divisions(std::vector<Offer>& offers,
                   const Model& model,
                   const Platform& platform,
                   const CompileOptions& options,
                   const CompiledSplit& split,
                   const std::vector<const CompiledCost*>& costs,
                   const Support& support,
                   int layer);

}  // namespace sim
