// conv2d and linear on u8 input with NEON: elements, less 128 so that they are signed, times
// weights, added to sums of 16 bits (SMLAL), one for each element of a group of four and each
// channel.

#include "kernels/cpu/finish_neon.hpp"
#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

constexpr int kShortHolds = 255;  // products of up to 128 that fit into 16 bits

// Sixteen channels.
struct ByteSums {
    Sums half[2];
};

// Four elements, four times, less 128.
inline int8x16_t broadcast(const std::uint8_t* elements) {
    std::uint32_t four;
    __builtin_memcpy(&four, elements, 4);
    return vreinterpretq_s8_u32(veorq_u32(vdupq_n_u32(four), vdupq_n_u32(0x80808080)));
}

// Of four channels with four sums each.
inline int32x4_t wide(int16x8_t first, int16x8_t second) {
    return vpaddq_s32(vpaddlq_s16(first), vpaddlq_s16(second));
}

// Sixteen channels from block `block` (of 16) on at P positions.
template <int P>
inline void sum_up(const ByteDot& job, int block, int first, ByteSums (&sums)[P]) {
    const std::uint8_t* windows[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
        windows[p] =
            job.input + (job.stride != 0 ? (first + p) * job.stride
                                         : job.positions[first + p].window - job.first_window);
        for (Sums& half : sums[p].half) {
            half = {vdupq_n_s32(0), vdupq_n_s32(0)};
        }
    }
    const std::int8_t* weights = job.weights + std::ptrdiff_t{block} * job.groups * 64;
    for (int group = 0; group < job.groups;) {
        const int end = group + kShortHolds < job.groups ? group + kShortHolds : job.groups;
        int16x8_t products[P][8];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i) {
                products[p][i] = vdupq_n_s16(0);
            }
        }
        for (; group < end; ++group, weights += 64) {
            const std::ptrdiff_t at = job.taps[group];
            int8x16_t inputs[P];
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p) {
                inputs[p] = broadcast(windows[p] + at);
            }
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
                const int8x16_t weight = vld1q_s8(weights + 16 * i);
#pragma GCC unroll 2
                for (int p = 0; p < P; ++p) {
                    products[p][2 * i] =
                        vmlal_s8(products[p][2 * i], vget_low_s8(inputs[p]), vget_low_s8(weight));
                    products[p][2 * i + 1] =
                        vmlal_high_s8(products[p][2 * i + 1], inputs[p], weight);
                }
            }
        }
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                const int16x8_t* four = products[p] + 4 * v;
                sums[p].half[v] =
                    add(sums[p].half[v], {wide(four[0], four[1]), wide(four[2], four[3])});
            }
        }
    }
}

inline Sums larger(Sums a, Sums b) { return {vmaxq_s32(a.low, b.low), vmaxq_s32(a.high, b.high)}; }

template <int P>
inline void write(const ByteDot& job, int block, int at, int first, const ByteSums (&sums)[P]) {
    for (int v = 0; v < 2 && block * 16 + v * 8 < job.channel_end; ++v) {
        for (int p = 0; p < P; ++p) {
            finish<false>(job.out,
                          block * 16 + v * 8,
                          at + p,
                          job.positions[first + p].border,
                          sums[p].half[v]);
        }
    }
}

}  // namespace

void byte_dot_neon(const ByteDot& job) {
    const int end = (job.channel_end + 15) / 16;
    for (int block = job.channel_begin / 16; block < end; ++block) {
        int first = 0;
        if (job.pooled) {
            for (; first < job.position_count; first += 4) {
                ByteSums upper[2], lower[2], largest[1];
                sum_up<2>(job, block, first, upper);
                sum_up<2>(job, block, first + 2, lower);
                for (int v = 0; v < 2; ++v) {
                    largest[0].half[v] = larger(larger(upper[0].half[v], upper[1].half[v]),
                                                larger(lower[0].half[v], lower[1].half[v]));
                }
                write<1>(job, block, first / 4, first, largest);
            }
            continue;
        }
        for (; first + 2 <= job.position_count; first += 2) {
            ByteSums sums[2];
            sum_up<2>(job, block, first, sums);
            write<2>(job, block, first, first, sums);
        }
        if (first < job.position_count) {
            ByteSums sums[1];
            sum_up<1>(job, block, first, sums);
            write<1>(job, block, first, first, sums);
        }
    }
}

}  // namespace kernels::cpu
