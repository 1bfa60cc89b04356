#pragma once

// The OpenCL variants, the most promising first; variants.cpp lists them.

#include "kernels/device_kernel.hpp"

namespace kernels::opencl {

std::span<const DeviceVariant> variants();

}  // namespace kernels::opencl
