#pragma once

// What a local search may put in place of what: tasks by the layers that they cover. Private to the
// searches.

#include "sim/compile/problem.hpp"
#include "sim/search/dice.hpp"

#include <functional>
#include <vector>

namespace sim::internal {

struct Alternatives {
    std::vector<std::vector<int>> members;  // by group: tasks of the same layers
    std::vector<int> group_of;              // by task
    std::vector<std::vector<int>> fusing;   // by layer: tasks that cover it with others
    std::vector<std::vector<int>> alone;    // by layer: tasks that cover it alone

    // One task drawn for each of the layers; empty if some layer has none by itself.
    std::vector<int> one_by_one(const std::vector<int>& layers, Dice& dice) const;
};

// Every task is in a group; those that may not come are no one's alternative.
Alternatives alternatives_of(const Problem& problem, const std::function<bool(int task)>& may_come);

}  // namespace sim::internal
