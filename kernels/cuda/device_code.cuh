#pragma once

// What kernel bodies use beside plain CUDA C++. Every kernels/cuda/*.cuh begins with it and is
// compiled twice: by nvcc for devices, and by the host's compiler for tests/cuda_emulation, where
// bodies are tested without one. So a body stays within what tests/cuda_emulation/emulation.hpp
// provides, takes dynamic shared memory from dynamic_shared(), never reaches a collective with
// some lanes only, and is given to launches through exported(). Matrix instructions: mma.cuh.

#if defined(__CUDACC__)

namespace kernels::cuda {

// Kernels leave their .cu file through it: in the emulation it notes the parameters' types.
template <class Kernel>
Kernel exported(Kernel kernel) {
    return kernel;
}

__device__ __forceinline__ uint4* dynamic_shared() {
    extern __shared__ uint4 dynamic_shared_memory[];
    return dynamic_shared_memory;
}

// sum + the dot product of four unsigned and four signed bytes.
__device__ __forceinline__ int dot4_u8s8(unsigned pixels, unsigned weights, int sum) {
    int result;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(pixels), "r"(weights), "r"(sum));
    return result;
}

// A full adder, bit by bit, in one instruction each: left to itself, the compiler takes the
// expressions apart and needs more.
__device__ __forceinline__ unsigned sum_of_bits(unsigned a, unsigned b, unsigned c) {
    unsigned result;
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
}
__device__ __forceinline__ unsigned carry_of_bits(unsigned a, unsigned b, unsigned c) {
    unsigned result;
    asm("lop3.b32 %0, %1, %2, %3, 0xe8;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
}

}  // namespace kernels::cuda

#else

#include "tests/cuda_emulation/emulation.hpp"

namespace kernels::cuda {

using cuda_emulation::exported;

inline uint4* dynamic_shared() {
    return reinterpret_cast<uint4*>(cuda_emulation::dynamic_shared_memory());
}

inline unsigned sum_of_bits(unsigned a, unsigned b, unsigned c) { return a ^ b ^ c; }
inline unsigned carry_of_bits(unsigned a, unsigned b, unsigned c) {
    return (a & b) | (a & c) | (b & c);
}

inline int dot4_u8s8(unsigned pixels, unsigned weights, int sum) {
    for (int byte = 0; byte < 4; ++byte) {
        sum += static_cast<int>(pixels >> (8 * byte) & 0xff) *
               static_cast<std::int8_t>(weights >> (8 * byte));
    }
    return sum;
}

}  // namespace kernels::cuda

#endif
