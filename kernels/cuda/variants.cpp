// The table of cuda variants.

#include "kernels/device_kernel.hpp"

namespace kernels::cuda {

std::span<const DeviceVariant> variants() { return {}; }

}  // namespace kernels::cuda
