#pragma once

// Matrix products of a warp. In all of them lane L holds, of the 16 rows (or 8) and 8 columns,
//     a[0], a[1]: row L / 4, row L / 4 + 8; word L % 4 of the row's first four
//     a[2], a[3]: the same rows; word L % 4 of the row's last four
//     b[0], b[1]: column L / 4; word L % 4 of the first four, of the last four
//     c[0], c[1]: row L / 4, columns 2 (L % 4) and the next; c[2], c[3]: row L / 4 + 8
// where a word is 32 bits: 32 elements of one bit or 4 of a byte (PTX ISA, "Matrix Fragments for
// mma.m16n8k256" and its neighbours). Products of 8 rows have the first half of it.
//
// b1: where hardware has no such instruction, the compiler would emulate it in silence; here a
// kernel that gets there traps. The host never launches one.

#include "kernels/cuda/device_code.cuh"

#if defined(__CUDACC__)

namespace kernels::cuda {

// c += popc(a & b)
__device__ __forceinline__ void mma_b1_and_16x8x256(int (&c)[4],
                                                    const unsigned (&a)[4],
                                                    const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800 && __CUDA_ARCH__ < 1000
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

// c += popc(a ^ b)
__device__ __forceinline__ void mma_b1_xor_8x8x128(int (&c)[2], unsigned a, unsigned b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
    asm("mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc "
        "{%0, %1}, {%2}, {%3}, {%0, %1};"
        : "+r"(c[0]), "+r"(c[1])
        : "r"(a), "r"(b));
#else
    __trap();
#endif
}

// c += a b, of signed bytes; on sm_75 from products of 8 x 8 x 16.
__device__ __forceinline__ void mma_s8_16x8x32(int (&c)[4],
                                               const unsigned (&a)[4],
                                               const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#pragma unroll
    for (int part = 0; part < 4; ++part)
        asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
            : "+r"(c[part % 2 * 2]), "+r"(c[part % 2 * 2 + 1])
            : "r"(a[part]), "r"(b[part / 2]));
#endif
}

// c += a b, of signed and unsigned bytes.
__device__ __forceinline__ void mma_s8u8_16x8x32(int (&c)[4],
                                                 const unsigned (&a)[4],
                                                 const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#pragma unroll
    for (int part = 0; part < 4; ++part)
        asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
            : "+r"(c[part % 2 * 2]), "+r"(c[part % 2 * 2 + 1])
            : "r"(a[part]), "r"(b[part / 2]));
#endif
}

}  // namespace kernels::cuda

#else

#include "tests/cuda_emulation/mma.hpp"

#endif

namespace kernels::cuda {

// c += popc(a ^ b), from products of 8 x 8 x 128.
__device__ __forceinline__ void mma_b1_xor_16x8x256(int (&c)[4],
                                                    const unsigned (&a)[4],
                                                    const unsigned (&b)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        int rows[2] = {c[2 * half], c[2 * half + 1]};
        mma_b1_xor_8x8x128(rows, a[half], b[0]);
        mma_b1_xor_8x8x128(rows, a[half + 2], b[1]);
        c[2 * half] = rows[0];
        c[2 * half + 1] = rows[1];
    }
}

}  // namespace kernels::cuda
