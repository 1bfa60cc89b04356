// conv2d and linear on u8 input with SDOT (ARMv8.2): one instruction multiplies four elements, less
// 128 so that they are signed, with the weights of four output channels and adds the products to
// their sums. Where four groups of elements are neighbours one register of the input holds them.

#include "kernels/cpu/finish_neon.hpp"
#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

inline int8x16_t less_128(uint8x16_t elements) {
    return vreinterpretq_s8_u8(veorq_u8(elements, vdupq_n_u8(128)));
}

// Four elements, four times.
inline int8x16_t broadcast(const std::uint8_t* elements) {
    std::uint32_t four;
    __builtin_memcpy(&four, elements, 4);
    return less_128(vreinterpretq_u8_u32(vdupq_n_u32(four)));
}

// One group, of which `lane` of the input is.
template <int Lane, int P>
inline void add_group(int32x4_t (&sums)[P][4],
                      const int8x16_t (&inputs)[P],
                      const std::int8_t* weights) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
        const int8x16_t weight = vld1q_s8(weights + 16 * v);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
            sums[p][v] = vdotq_laneq_s32(sums[p][v], weight, inputs[p], Lane);
        }
    }
}

inline int32x4_t largest(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
    return vmaxq_s32(vmaxq_s32(a, b), vmaxq_s32(c, d));
}

// Sixteen channels from block `block` (of 16) on at P positions.
template <int P>
inline void byte_tile(const ByteDot& job, int block, int first) {
    const std::uint8_t* windows[P];
    int32x4_t sums[P][4];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
        windows[p] =
            job.input + (job.stride != 0 ? (first + p) * job.stride
                                         : job.positions[first + p].window - job.first_window);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            sums[p][v] = vdupq_n_s32(0);
        }
    }
    const std::int8_t* weights = job.weights + std::ptrdiff_t{block} * job.groups * 64;
    for (int group = 0; group < job.groups;) {
        const std::ptrdiff_t at = job.taps[group];
        int8x16_t inputs[P];
        if (group + 4 <= job.groups && job.taps[group + 3] == job.taps[group] + 12) {
#pragma GCC unroll 4
            for (int p = 0; p < P; ++p) {
                inputs[p] = less_128(vld1q_u8(windows[p] + at));
            }
            add_group<0>(sums, inputs, weights);
            add_group<1>(sums, inputs, weights + 64);
            add_group<2>(sums, inputs, weights + 128);
            add_group<3>(sums, inputs, weights + 192);
            group += 4;
            weights += 256;
            continue;
        }
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
            inputs[p] = broadcast(windows[p] + at);
        }
        add_group<0>(sums, inputs, weights);
        ++group;
        weights += 64;
    }

    for (int v = 0; v < 2 && block * 16 + v * 8 < job.channel_end; ++v) {
        const int channel = block * 16 + v * 8;
        if (job.pooled) {
            if constexpr (P == 4) {
                const int i = 2 * v, j = 2 * v + 1;
                finish<false>(job.out,
                              channel,
                              first / 4,
                              job.positions[first].border,
                              {largest(sums[0][i], sums[1][i], sums[2][i], sums[3][i]),
                               largest(sums[0][j], sums[1][j], sums[2][j], sums[3][j])});
            }
            continue;
        }
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
            finish<false>(job.out,
                          channel,
                          first + p,
                          job.positions[first + p].border,
                          {sums[p][2 * v], sums[p][2 * v + 1]});
        }
    }
}

}  // namespace

void byte_dot_neon_dotprod(const ByteDot& job) {
    const int end = (job.channel_end + 15) / 16;
    for (int block = job.channel_begin / 16; block < end; ++block) {
        int first = 0;
        for (; first + 4 <= job.position_count; first += 4) {
            byte_tile<4>(job, block, first);
        }
        for (; first < job.position_count; ++first) {
            byte_tile<1>(job, block, first);
        }
    }
}

}  // namespace kernels::cpu
