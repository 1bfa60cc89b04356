#pragma once

// The variants of CUDA kernels; each file says what it is good for. `name`.cuh is the kernel's
// body, `name`.cu what of it is compiled, with its bytes, operations and limit, and `name`.cpp when
// it is offered and what it is given.

#include "kernels/device_kernel.hpp"

#include <span>
#include <string>
#include <vector>

namespace kernels::cuda {

std::span<const DeviceVariant> variants();

// HEP-BNN's seven configurations: naive.cu.
std::vector<std::string> naive_configurations(const Chain& chain, const DeviceLimits& limits);
DeviceKernel naive_prepare(const Chain& chain,
                           const std::string& configuration,
                           const DeviceLimits& limits);

// Popcounts in register tiles: popc.cu.
std::vector<std::string> popc_configurations(const Chain& chain, const DeviceLimits& limits);
DeviceKernel popc_prepare(const Chain& chain,
                          const std::string& configuration,
                          const DeviceLimits& limits);

// Linear layers on few images: gemv.cu.
std::vector<std::string> gemv_configurations(const Chain& chain, const DeviceLimits& limits);
DeviceKernel gemv_prepare(const Chain& chain,
                          const std::string& configuration,
                          const DeviceLimits& limits);

// Tensor cores that multiply bits: tensor_core.cu.
std::vector<std::string> tensor_core_configurations(const Chain& chain, const DeviceLimits& limits);
DeviceKernel tensor_core_prepare(const Chain& chain,
                                 const std::string& configuration,
                                 const DeviceLimits& limits);

// Tensor cores that multiply bytes, for pixels and for bits: int8_tensor_core.cu.
std::vector<std::string> int8_tensor_core_configurations(const Chain& chain,
                                                         const DeviceLimits& limits);
DeviceKernel int8_tensor_core_prepare(const Chain& chain,
                                      const std::string& configuration,
                                      const DeviceLimits& limits);

// Many layers in one launch: persistent.cu.
std::vector<std::string> persistent_configurations(const Chain& chain, const DeviceLimits& limits);
DeviceKernel persistent_prepare(const Chain& chain,
                                const std::string& configuration,
                                const DeviceLimits& limits);

}  // namespace kernels::cuda
