#pragma once

// Sets of layers that one implementation may fuse: any that are connected and convex (no path
// leaves them and comes back). A model has far too many of them to look at each; this finds those
// that a platform has a cost for, by the text that the cost is filed under (sim::signature,
// sim::pattern), growing each from its first layer along the edges that the text tells of.
//
// A set is a list of indices into Model::layers, ascending. Start at `SetFinder`.

#include "sim/describe/model.hpp"

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sim {

bool is_connected(const Model& model, std::span<const int> set);
bool is_convex(const Model& model, std::span<const int> set);

// Layers of the set whose results are needed outside it: others read them, or they are the
// model's answer. Ascending.
std::vector<int> read_outside(const Model& model, std::span<const int> set);

// What a cost's `results` name in a set: positions in it; none: the last alone.
std::vector<int> results_in(std::span<const int> set, std::span<const int> results);

// Chains in which each layer reads the one before, starting at `layer`, of 2 to `longest` layers,
// of which two are read outside: the last and an earlier one (those of which the last alone is, are
// sim::chains_from). Beside the first layer's first input at most one tensor comes from outside.
std::vector<std::vector<int>> chains_of_two_results(const Model& model, int layer, int longest);

class SetFinder {
public:
    explicit SetFinder(const Model& model);

    // Connected, convex sets with this signature whose layers that are read outside are all among
    // `results`, in the order of their layers. No set twice. Of a text that is no signature: none.
    // Throws InputError beyond kMostSets.
    std::vector<std::vector<int>> with_signature(std::string_view signature,
                                                 std::span<const int> results) const;

    // The same for a pattern.
    std::vector<std::vector<int>> with_pattern(std::string_view pattern,
                                               std::span<const int> results) const;

    // The most sets that one text may have, and layers that are tried for it.
    static constexpr std::size_t kMostSets = 200'000, kMostTries = 20'000'000;

private:
    using ByText = std::unordered_map<std::string, std::vector<int>>;

    const Model& model_;
    ByText by_signature_, by_pattern_;  // single layers
};

}  // namespace sim
