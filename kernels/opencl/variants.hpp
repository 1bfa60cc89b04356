#pragma once

// The OpenCL variants, each in its file, for the table in variants.cpp.

#include "kernels/device_kernel.hpp"

namespace kernels::opencl {

extern const DeviceVariant kNaive, kPopc;

}  // namespace kernels::opencl
