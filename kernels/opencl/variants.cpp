// The table of OpenCL variants: `name`.cl is the program, `name`.cpp when it is offered and what it
// is given.

#include "kernels/opencl/variants.hpp"

#include <array>

namespace kernels::opencl {

DeviceVariant popc_variant();
DeviceVariant naive_variant();
DeviceVariant plain_f32_variant();
DeviceVariant plain_int8_variant();

std::span<const DeviceVariant> variants() {
    static const std::array kVariants{
        popc_variant(), naive_variant(), plain_f32_variant(), plain_int8_variant()};
    return kVariants;
}

}  // namespace kernels::opencl
