#pragma once

// Which of the chains that the packed variants know a chain is.

#include "kernels/chain.hpp"

#include <optional>

namespace kernels {

// The parts of a chain that are there; they point into the chain.
struct Pattern {
    const Step* dot = nullptr;  // conv2d or linear
    const Step* add = nullptr;
    const Step* threshold = nullptr;
    const Step* pool = nullptr;
    const Step* flatten = nullptr;  // alone: before `linear` it is only a matter of indices
    bool known = false;             // and has one result
    bool gives_sums = false;  // is known but for a second one: what its threshold makes bits of
};

// Throws std::invalid_argument if a step does not fit what it is given.
Pattern pattern_of(const Chain& chain);

// Of a product of bits or bytes by weights of one bit that is real, [flatten |] conv2d or linear:
// the chain of its sums, whole numbers, which the packed variants know; they have to be scaled
// where they lie. Nothing of other chains.
std::optional<Chain> sums_of(const Chain& chain);

// Offsets are 32 bits wide, and sums of u8 must not wrap around.
bool small_enough(const Chain& chain, const Pattern& pattern);

}  // namespace kernels
