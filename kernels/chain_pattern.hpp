#pragma once

// Which of the chains that the packed variants know a chain is.

#include "kernels/chain.hpp"

namespace kernels {

// The parts of a chain that are there; they point into the chain.
struct Pattern {
    const Step* dot = nullptr;  // conv2d or linear
    const Step* add = nullptr;
    const Step* threshold = nullptr;
    const Step* pool = nullptr;
    const Step* flatten = nullptr;  // alone: before `linear` it is only a matter of indices
    bool known = false;
};

// Throws std::invalid_argument if a step does not fit what it is given.
Pattern pattern_of(const Chain& chain);

// Offsets are 32 bits wide, and sums of u8 must not wrap around.
bool small_enough(const Chain& chain, const Pattern& pattern);

}  // namespace kernels
