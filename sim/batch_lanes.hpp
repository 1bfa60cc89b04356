#pragma once

// What the batch evaluator's inner loop works on: rows of numbers, one for each mapping.
// Private to batch_evaluator.cpp, which fills the rows and reads the result; the loop itself is
// batch_loop.hpp, compiled once for each instruction set.

#include "sim/evaluator.hpp"
#include "sim/problem.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace sim::lanes {

inline constexpr int kRowBytes = 128;  // two AVX-512 registers, four of AVX2
template <class T>
inline constexpr int kLanes = kRowBytes / static_cast<int>(sizeof(T));

// One number for each mapping.
template <class T>
struct Row {
    alignas(64) T lane[static_cast<std::size_t>(kLanes<T>)] = {};
};

// What a mapping does at a layer, in one number: bit fields from the lowest.
//   active (1), asynchronous (1), device (2), its memory (2), layout of the result (1), which of
//   the layer's possible results (3), then for each possible input: read (1), in layout (1).
// Inputs beyond the first word's go to further words. All zero: covered by a chain before.
inline constexpr int kActive = 0, kAsynchronous = 1, kDevice = 2, kMemory = 4, kLayout = 6,
                     kResult = 7, kInputs = 10;
inline constexpr int kMaxResults = 8, kInputsInFirst = 10, kInputsInOther = 15;
static_assert(kMaxDevices <= 4 && kMaxMemories <= 4 && kMaxLayouts <= 2);

template <class T>
struct Input {
    int tensor = 0;
    int word = 0, shift = 0;  // where its two bits are
    std::array<std::array<T, kMaxMemories * kMaxMemories>, kMaxLayouts> copy{};  // by raw layout
    // By raw layout, to the other one; -1: impossible.
    std::array<std::array<T, kMaxDevices>, kMaxLayouts> convert{};
};

// A layer: what any task that starts there may read and make.
template <class T>
struct Step {
    int words = 1;
    std::vector<Input<T>> inputs;
    std::vector<int> results;  // tensors
};

template <class T>
struct Machine {
    int devices = 0, memories = 0;
    bool whole_segments = true;
    std::array<T, kMaxDevices> submit{}, per_task{}, completion{};
    std::array<int, kMaxMemories * kMaxMemories> engine{};
};

// What each mapping does at each layer from `first` on.
template <class T>
struct Program {
    using Word = std::make_unsigned_t<T>;
    int first = 0;
    std::vector<Row<T>> cost;             // by step
    std::vector<Row<T>> submission;       // by step: per_task of what is left of the segment
    std::vector<Row<Word>> words;         // of a step one after the other
    std::vector<std::size_t> word_at;     // by step: its first word
    Row<T> lead_device, lead_submission;  // the asynchronous run that it begins with, or -1
};

// The state of the simulation. A tensor has a row for every place, then where it was made, in
// which layout, and how long a synchronous device waits for it.
template <class T>
struct State {
    Row<T> dispatcher, open, impossible;
    std::array<Row<T>, kMaxDevices> queue;
    std::array<Row<T>, kMaxEngines> engine;
    std::vector<Row<T>> tensors;
    std::vector<Row<T>> offsets;  // scratch, by input: when its conversion ends, after the start
};

// The loop for one instruction set.
template <class T>
struct Loops {
    void (*count_submissions)(const Machine<T>&, Program<T>&) = nullptr;
    void (*advance)(const Machine<T>&,
                    const std::vector<Step<T>>&,
                    const Program<T>&,
                    State<T>&) = nullptr;
};

}  // namespace sim::lanes
