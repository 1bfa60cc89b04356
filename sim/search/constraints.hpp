#pragma once

// What is asked of a mapping beside its goal: at most so much of something, layers on a certain
// device or implementation, layers together, a partial mapping that stays as it is. Start at
// `constrained`: the problem and the goal of which every answer keeps to all of them.
//
// Pins and partial mappings leave tasks out, and a limit on a memory lowers its capacity: every
// search keeps to these. Limits on the whole of a mapping, and layers together, are for searches
// that count as they go (Search::constraints).

#include "sim/compile/problem.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/search/goal.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sim {

// Peak memory, as it is assessed.
struct MemoryLimit {
    int memory = 0;
    std::int64_t most = 0;  // bytes, more than zero
};

// Layers with certain tasks alone.
struct Pinned {
    std::vector<char> allowed;            // by task
    std::vector<std::vector<int>> fixed;  // sets of layers with one task each
    bool is_in_order = false;             // and these come in this order
};

// Layers on the same device; those that are divided, among the same devices.
struct Together {
    std::vector<int> layers;
};

struct Constraint {
    std::string text;  // as it was asked for: "max latency=2ms"
    std::variant<Limit, MemoryLimit, Pinned, Together> what;
};

// ---- as people write them; they throw InputError ------------------------------------------------
// Layers are named by patterns: `*` stands for any letters, `?` for one. The model's input and its
// output are no one's choice.

// "latency=2ms", "energy=5mJ", "memory.l1=3MiB", "segments=2", "switches=4".
Constraint limit_named(const Problem& problem, std::string_view text);
// "conv*=gpu0/tensor_core/1": every layer of the pattern. A set of fused layers counts where it is
// on that device, variant and configuration; a divided layer, which is on several, does not.
Constraint pin_named(const Problem& problem, std::string_view text);
// "conv1,fc*"
Constraint together_named(const Problem& problem, std::string_view text);
// What a mapping file says of some of the layers. Its copies' modes are not looked at.
Constraint fixed_by(const Problem& problem, const MappingFile& file, const std::string& name);

// ---- what is left -------------------------------------------------------------------------------

struct Constrained {
    Problem problem;
    Goal goal;
    std::vector<int> original;        // by task: its number in the problem without constraints
    std::vector<int> original_layer;  // by layer

    Mapping in_original(const Mapping& mapping) const;
    // Nothing where one of its tasks is left out.
    Mapping from_original(const Mapping& mapping) const;
};
// Throws InputError where a partial mapping's order cannot be.
Constrained constrained(const Problem& problem,
                        const Goal& goal,
                        std::span<const Constraint> constraints);

// Where no mapping keeps to all of them: a smallest part of them to which none does, in words, with
// the least there is of what is limited; found by leaving out one after the other. Empty if it is
// not for the constraints, or if `stop` came before that was clear.
std::string why_none(const Problem& problem,
                     std::span<const Constraint> constraints,
                     bool free_order,
                     const std::function<bool()>& stop);

}  // namespace sim
