#pragma once

// The evaluator for many mappings at once: the same rules and the same picoseconds as
// evaluator.hpp, for 16 or 32 mappings side by side in arrays that the compiler turns into vector
// instructions. For exhaustive search, samples and populations.
//
// All mappings follow the same static order, so a step of the simulation is the same layer for
// all of them, and every decision (which device, is it there, does it need a conversion) becomes a
// choice between two numbers. A whole mapping is known in advance, so the end of each segment's
// submission is too (one backward pass), and no time waits for it as in the evaluator.
//
// Times are held in 32 bits if they fit after division by their greatest common divisor, and in
// 64 bits otherwise: exact either way. Start at `advance` in batch_loop.hpp.

#include "sim/evaluator.hpp"
#include "sim/problem.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sim {

// For what the inner loop is compiled. `widest`: the best that this processor has.
enum class InstructionSet { widest, portable, avx2, avx512 };
bool has(InstructionSet set);  // this processor

class BatchEvaluator {
public:
    explicit BatchEvaluator(const Problem& problem, InstructionSet set = InstructionSet::widest);
    ~BatchEvaluator();
    BatchEvaluator(BatchEvaluator&&) noexcept;
    BatchEvaluator& operator=(BatchEvaluator&&) = delete;

    // The time of each mapping, kNever if it is impossible. The view is valid until the next call.
    std::span<const Time> makespans(std::span<const Mapping> mappings);

    // Completions: for exhaustive search. `prepare` takes mappings of the layers from `layer` on
    // that all fit the same beginnings, and returns a handle. `best_completion` finds the fastest
    // of them behind what the evaluator has placed (whose first uncovered layer is `layer`).
    struct Best {
        Time makespan = kNever;
        std::size_t index = 0;  // of the completion, the first of equal ones
    };
    int prepare(int layer, std::span<const Mapping> completions);
    Best best_completion(const Evaluator& placed, int handle);

    // How many mappings are evaluated side by side; 1 if this problem needs the plain evaluator
    // (tasks of one layer that read their inputs in contradicting orders).
    int lanes() const;

private:
    struct Engine;
    std::unique_ptr<Engine> engine_;
};

// The time of each mapping, kNever if it is impossible.
std::vector<Time> makespans(const Problem& problem, std::span<const Mapping> mappings);

}  // namespace sim
