// Copies by the GPU's own threads, for memory that copy engines are not used for: mapped host
// memory and unified memory.

#include <cstddef>
#include <cstdint>

namespace calibrate::cuda {
namespace {

// 16 bytes at a time where both sides allow it, then the rest one by one.
__global__ void copy_bytes(void* to, const void* from, std::size_t bytes) {
    const std::size_t threads = std::size_t{gridDim.x} * blockDim.x;
    const std::size_t first = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const auto both = reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from);
    const std::size_t vectors = both % sizeof(uint4) == 0 ? bytes / sizeof(uint4) : 0;
    for (std::size_t i = first; i < vectors; i += threads) {
        static_cast<uint4*>(to)[i] = static_cast<const uint4*>(from)[i];
    }
    for (std::size_t i = vectors * sizeof(uint4) + first; i < bytes; i += threads) {
        static_cast<unsigned char*>(to)[i] = static_cast<const unsigned char*>(from)[i];
    }
}

}  // namespace

const void* copy_kernel() { return reinterpret_cast<const void*>(&copy_bytes); }

}  // namespace calibrate::cuda
