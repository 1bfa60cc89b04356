#pragma once

// Bodies of the packed variants: they bring the input of one slice into the form that the inner
// loops want, and call these.

#include "kernels/chain_pattern.hpp"
#include "kernels/cpu/loops.hpp"
#include "kernels/registry.hpp"

namespace kernels::cpu {

// Chains with a conv2d or linear step. `loops` must outlive the body, here and below.
Body dot_body(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices);

// All others.
Body elementwise_body(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices);

struct Rows {
    int begin, end;
};

// Input rows that a pool needs for these rows of its output.
Rows rows_under(const Step& pool, const Shape& input, Rows rows);

// A job for one slice, but for its tensors.
Pool pool_of(const Step& step, const Shape& input, const Shape& output, const Slice& slice);

}  // namespace kernels::cpu
