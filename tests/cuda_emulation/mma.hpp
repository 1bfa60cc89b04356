#pragma once

// The tensor-core instructions of kernels/cuda/mma.cuh in plain code: every lane shows its
// fragments to the others and computes its own elements of the product.

#include "tests/cuda_emulation/emulation.hpp"

namespace cuda_emulation {

struct Fragments {
    unsigned a[4], b[2];
};

// Elements of one word: how two words are multiplied and summed.
inline int popc_and(unsigned a, unsigned b) { return std::popcount(a & b); }
inline int popc_xor(unsigned a, unsigned b) { return std::popcount(a ^ b); }
template <class A, class B>
int dot_bytes(unsigned a, unsigned b) {
    int sum = 0;
    for (int byte = 0; byte < 4; ++byte) {
        sum += int{static_cast<A>(a >> (8 * byte))} * int{static_cast<B>(b >> (8 * byte))};
    }
    return sum;
}

template <class Multiply>
void mma_16x8(int (&c)[4],
              const unsigned (&a)[4],
              const unsigned (&b)[2],
              const char* what,
              Multiply multiply) {
    const auto lanes = warp_exchange(~0u, Fragments{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, what);
    const auto own = static_cast<std::size_t>(lane());
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = own / 4, upper = i / 2, column = 2 * (own % 4) + i % 2;
        for (std::size_t word = 0; word < 8; ++word) {
            const Fragments& from_row = lanes[row * 4 + word % 4];
            const Fragments& from_column = lanes[column * 4 + word % 4];
            c[i] += multiply(from_row.a[upper + word / 4 * 2], from_column.b[word / 4]);
        }
    }
}

}  // namespace cuda_emulation

namespace kernels::cuda {

inline void mma_b1_and_16x8x256(int (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cuda_emulation::mma_16x8(c, a, b, "mma_b1_and_16x8x256", cuda_emulation::popc_and);
}

inline void mma_b1_xor_8x8x128(int (&c)[2], unsigned a, unsigned b) {
    int rows[4] = {c[0], c[1], 0, 0};
    cuda_emulation::mma_16x8(
        rows, {a, 0, 0, 0}, {b, 0}, "mma_b1_xor_8x8x128", cuda_emulation::popc_xor);
    c[0] = rows[0];
    c[1] = rows[1];
}

inline void mma_s8_16x8x32(int (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cuda_emulation::mma_16x8(
        c, a, b, "mma_s8_16x8x32", cuda_emulation::dot_bytes<std::int8_t, std::int8_t>);
}

inline void mma_s8u8_16x8x32(int (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cuda_emulation::mma_16x8(
        c, a, b, "mma_s8u8_16x8x32", cuda_emulation::dot_bytes<std::int8_t, std::uint8_t>);
}

}  // namespace kernels::cuda
