// The table of opencl variants.

#include "kernels/device_kernel.hpp"

namespace kernels::opencl {

std::span<const DeviceVariant> variants() { return {}; }

}  // namespace kernels::opencl
