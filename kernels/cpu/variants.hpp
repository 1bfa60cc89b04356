#pragma once

// The CPU variants on packed bits (layout nhwc), as registry.cpp lists them. They share all but
// the innermost loops, which loops.hpp lists: dot_body.cpp and elementwise_bodies.cpp call them.

#include "kernels/registry.hpp"

namespace kernels::cpu {

bool scalar_supported();
bool avx2_supported();
bool avx512_supported();

// Single steps of every kind, and these chains (an optional part in brackets):
//   [flatten |] conv2d or linear [| add] [| threshold [| max_pool2d]]      flatten before linear
//   only threshold | max_pool2d
bool accepts(const Chain& chain);

Body prepare_scalar(const Chain& chain, int slices);
Body prepare_avx2(const Chain& chain, int slices);
Body prepare_avx512(const Chain& chain, int slices);

}  // namespace kernels::cpu
