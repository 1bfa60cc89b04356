// The table of CUDA variants. Each says what it is good for in its own file: `name`.cuh is the
// kernel's body, `name`.cu what of it is compiled, with its bytes, operations and limit, and
// `name`.cpp when it is offered and what it is given.

#include "kernels/cuda/variants.hpp"

#include <array>

namespace kernels::cuda {

DeviceVariant tensor_core_variant();
DeviceVariant int8_tensor_core_variant();
DeviceVariant persistent_variant();
DeviceVariant popc_variant();
DeviceVariant gemv_variant();
DeviceVariant naive_variant();

std::span<const DeviceVariant> variants() {
    static const std::array kVariants{tensor_core_variant(),
                                      int8_tensor_core_variant(),
                                      persistent_variant(),
                                      popc_variant(),
                                      gemv_variant(),
                                      naive_variant()};
    return kVariants;
}

}  // namespace kernels::cuda
