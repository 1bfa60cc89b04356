// conv2d and linear on u8 input with VNNI: one instruction multiplies four elements with the
// weights of sixteen output channels and adds the products to their sums.

#include "kernels/cpu/finish_avx512.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

inline Vector broadcast(const std::uint8_t* elements) {
    std::int32_t four;
    __builtin_memcpy(&four, elements, 4);
    return _mm512_set1_epi32(four);
}

// Adds products to sums. Assembler, because g++ 12 copies the sums to other registers and back
// around the intrinsic.
inline void add_products(Vector& sum, Vector input, Vector weight) {
    asm("vpdpbusd %[weight], %[input], %[sum]"
        : [sum] "+v"(sum)
        : [input] "v"(input), [weight] "v"(weight));
}

// (The intrinsic without a mask makes g++ 12 warn of an uninitialized register.)
inline Vector larger(Vector a, Vector b) { return _mm512_maskz_max_epi32(0xffff, a, b); }

// V vectors of channels x P positions.
template <int V, int P>
void tile(const ByteDot& job, int block, int first) {
    const std::uint8_t* windows[P];
    Vector sums[P][V];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        windows[p] =
            job.input + (job.stride != 0 ? (first + p) * job.stride
                                         : job.positions[first + p].window - job.first_window);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            sums[p][v] = _mm512_setzero_si512();
        }
    }
    const std::int8_t* weights = job.weights + std::ptrdiff_t{block} * job.groups * 64;
    const std::ptrdiff_t next = std::ptrdiff_t{job.groups} * 64;  // the next sixteen channels
    for (int group = 0; group < job.groups; ++group, weights += 64) {
        const std::ptrdiff_t at = job.taps[group];
        Vector weight[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            weight[v] = _mm512_load_si512(weights + v * next);
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            const Vector input = broadcast(windows[p] + at);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                add_products(sums[p][v], input, weight[v]);
            }
        }
    }

    const int border = job.positions[first].border;
    if (job.pooled) {
        if constexpr (P == 4) {
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                sums[0][v] = larger(larger(sums[0][v], sums[1][v]), larger(sums[2][v], sums[3][v]));
            }
            finish<V, false>(job.out, block, first / 4, border, sums[0]);
        }
        return;
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        finish<V, false>(job.out, block, first + p, job.positions[first + p].border, sums[p]);
    }
}

template <int V>
void all_positions(const ByteDot& job, int block) {
    int first = 0;
    for (; first + 4 <= job.position_count; first += 4) {
        tile<V, 4>(job, block, first);
    }
    for (; first < job.position_count; ++first) {
        tile<V, 1>(job, block, first);
    }
}

}  // namespace

void byte_dot_avx512(const ByteDot& job) {
    const int end = (job.channel_end + 15) / 16;
    int block = job.channel_begin / 16;
    for (; block + 4 <= end; block += 4) {
        all_positions<4>(job, block);
    }
    for (; block + 2 <= end; block += 2) {
        all_positions<2>(job, block);
    }
    if (block < end) {
        all_positions<1>(job, block);
    }
}

}  // namespace kernels::cpu
