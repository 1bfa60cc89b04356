#include "kernels/device_kernel.hpp"

namespace kernels {

// Each kind's table is in kernels/<kind>/variants.cpp.
#if defined(HETMAP_CUDA)
namespace cuda {
std::span<const DeviceVariant> variants();
}
#endif
#if defined(HETMAP_OPENCL)
namespace opencl {
std::span<const DeviceVariant> variants();
}
#endif

std::span<const DeviceVariant> device_variants(std::string_view device_kind) {
#if defined(HETMAP_CUDA)
    if (device_kind == "cuda")
        return cuda::variants();
#endif
#if defined(HETMAP_OPENCL)
    if (device_kind == "opencl") {
        return opencl::variants();
    }
#endif
    (void)device_kind;
    return {};
}

const DeviceVariant* find_device_variant(std::string_view device_kind, std::string_view name) {
    for (const DeviceVariant& variant : device_variants(device_kind)) {
        if (variant.name == name) {
            return &variant;
        }
    }
    return nullptr;
}

}  // namespace kernels
