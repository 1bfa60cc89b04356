#pragma once

// The CUDA variants, the most promising first; variants.cpp lists them.

#include "kernels/device_kernel.hpp"

namespace kernels::cuda {

std::span<const DeviceVariant> variants();

}  // namespace kernels::cuda
