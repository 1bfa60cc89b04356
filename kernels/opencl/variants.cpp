// The table of OpenCL variants.

#include "kernels/opencl/variants.hpp"

#include <array>

namespace kernels::opencl {

std::span<const DeviceVariant> variants() {
    static const std::array kVariants{kPopc, kNaive};
    return kVariants;
}

}  // namespace kernels::opencl
