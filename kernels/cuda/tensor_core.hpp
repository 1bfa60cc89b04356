#pragma once

// Which multiplication of bits a device has.

#include "kernels/cuda/tensor_core_plan.hpp"

#include <optional>

namespace kernels::cuda {

// Of two generations of b1 instructions; none where hardware has none.
std::optional<Multiply> bit_multiply(const DeviceLimits& limits);

}  // namespace kernels::cuda
