#pragma once

// The order in which a task's inputs are handled: copied, converted, waited for (rules 3 and 4).

#include "sim/compile/problem.hpp"

#include <span>
#include <utility>
#include <vector>

namespace sim {

// A task's inputs in the order in which they were made, those of one task in the reader's own
// order. `sorted`: where they are put if they have to be sorted.
template <class TurnOf>
std::span<const TaskInput> in_turn(std::span<const TaskInput> inputs,
                                   const TurnOf& turn_of,
                                   std::vector<TaskInput>& sorted) {
    std::size_t i = 1;
    while (i < inputs.size() && turn_of(inputs[i - 1]) <= turn_of(inputs[i])) {
        ++i;
    }
    if (i >= inputs.size()) {
        return inputs;
    }
    sorted.assign(inputs.begin(), inputs.end());
    for (; i < sorted.size(); ++i) {
        for (std::size_t j = i; j > 0 && turn_of(sorted[j]) < turn_of(sorted[j - 1]); --j) {
            std::swap(sorted[j], sorted[j - 1]);
        }
    }
    return sorted;
}

}  // namespace sim
