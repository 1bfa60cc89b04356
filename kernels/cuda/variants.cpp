// The table of CUDA variants.

#include "kernels/cuda/variants.hpp"

#include <array>

namespace kernels::cuda {

std::span<const DeviceVariant> variants() {
    static constexpr std::array kVariants{
        DeviceVariant{.name = "tensor_core",
                      .device_kind = "cuda",
                      .summary = "tensor cores that multiply bits: positions x 64 channels a warp",
                      .configurations = tensor_core_configurations,
                      .prepare = tensor_core_prepare,
                      .longest_chain = 4},
        DeviceVariant{.name = "int8_tensor_core",
                      .device_kind = "cuda",
                      .summary = "tensor cores that multiply bytes: pixels, or bits spread out",
                      .configurations = int8_tensor_core_configurations,
                      .prepare = int8_tensor_core_prepare,
                      .longest_chain = 4},
        DeviceVariant{.name = "persistent",
                      .device_kind = "cuda",
                      .summary = "many layers in one launch, on tensor cores, for small batches",
                      .configurations = persistent_configurations,
                      .prepare = persistent_prepare,
                      .longest_chain = 64},
        DeviceVariant{.name = "popc",
                      .device_kind = "cuda",
                      .summary = "popcounts in register tiles of pixels x channels",
                      .configurations = popc_configurations,
                      .prepare = popc_prepare},
        DeviceVariant{.name = "gemv",
                      .device_kind = "cuda",
                      .summary = "linear layers on few images: weights are read once",
                      .configurations = gemv_configurations,
                      .prepare = gemv_prepare},
        DeviceVariant{.name = "naive",
                      .device_kind = "cuda",
                      .summary = "one window and channel after the other, spread as HEP-BNN does",
                      .configurations = naive_configurations,
                      .prepare = naive_prepare},
    };
    return kVariants;
}

}  // namespace kernels::cuda
