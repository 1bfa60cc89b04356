// conv2d and linear on u8 input with AVX2: products of bytes are added in pairs to 16 bits, and in
// pairs again to 32 bits; eight output channels in a register.

#include "kernels/cpu/finish_avx2.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

inline Vector broadcast(const std::uint8_t* elements) {
    std::int32_t four;
    __builtin_memcpy(&four, elements, 4);
    return _mm256_set1_epi32(four);
}

// Sixteen channels from block `block` (of 16) on at P positions.
template <int P>
void tile(const ByteDot& job, int block, int first) {
    const std::uint8_t* windows[P];
    Vector sums[P][2];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
        windows[p] =
            job.input + (job.stride != 0 ? (first + p) * job.stride
                                         : job.positions[first + p].window - job.first_window);
        sums[p][0] = sums[p][1] = _mm256_setzero_si256();
    }
    const Vector ones = _mm256_set1_epi16(1);
    const auto* weights =
        reinterpret_cast<const Vector*>(job.weights + std::ptrdiff_t{block} * job.groups * 64);
    for (int group = 0; group < job.groups; ++group, weights += 2) {
        const std::ptrdiff_t at = job.taps[group];
        const Vector weight[2] = {_mm256_load_si256(weights), _mm256_load_si256(weights + 1)};
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
            const Vector input = broadcast(windows[p] + at);
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                sums[p][v] = _mm256_add_epi32(
                    sums[p][v], _mm256_madd_epi16(_mm256_maddubs_epi16(input, weight[v]), ones));
            }
        }
    }

    const int border = job.positions[first].border;
    for (int v = 0; v < 2 && block * 16 + v * 8 < job.channel_end; ++v) {
        const int channel = block * 16 + v * 8;
        if (job.pooled) {
            if constexpr (P == 4) {
                finish<false>(job.out,
                              channel,
                              first / 4,
                              border,
                              _mm256_max_epi32(_mm256_max_epi32(sums[0][v], sums[1][v]),
                                               _mm256_max_epi32(sums[2][v], sums[3][v])));
            }
            continue;
        }
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
            finish<false>(job.out, channel, first + p, job.positions[first + p].border, sums[p][v]);
        }
    }
}

}  // namespace

void byte_dot_avx2(const ByteDot& job) {
    const int end = (job.channel_end + 15) / 16;
    for (int block = job.channel_begin / 16; block < end; ++block) {
        int first = 0;
        for (; first + 4 <= job.position_count; first += 4) {
            tile<4>(job, block, first);
        }
        for (; first < job.position_count; ++first) {
            tile<1>(job, block, first);
        }
    }
}

}  // namespace kernels::cpu
