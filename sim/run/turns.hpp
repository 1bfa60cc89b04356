#pragma once

// The order in which a task's inputs are handled: copied, converted, waited for (rules 3 and 4).

#include "sim/compile/problem.hpp"

#include <span>
#include <utility>
#include <vector>

namespace sim {

// Where they come in another order than that in which they were made.
template <class TurnOf>
[[gnu::noinline]] std::span<const TaskInput> sorted_by_turn(std::span<const TaskInput> inputs,
                                                            const TurnOf& turn_of,
                                                            std::vector<TaskInput>& sorted) {
    sorted.assign(inputs.begin(), inputs.end());
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        for (std::size_t j = i; j > 0 && turn_of(sorted[j]) < turn_of(sorted[j - 1]); --j) {
            std::swap(sorted[j], sorted[j - 1]);
        }
    }
    return sorted;
}

// A task's inputs in the order in which they were made, those of one task in the reader's own
// order. `sorted`: where they are put if they have to be sorted.
template <class TurnOf>
[[gnu::always_inline]] inline std::span<const TaskInput> in_turn(std::span<const TaskInput> inputs,
                                                                 const TurnOf& turn_of,
                                                                 std::vector<TaskInput>& sorted) {
    for (std::size_t i = 1; i < inputs.size(); ++i) {
        if (turn_of(inputs[i]) < turn_of(inputs[i - 1])) {
            return sorted_by_turn(inputs, turn_of, sorted);
        }
    }
    return inputs;
}

}  // namespace sim
