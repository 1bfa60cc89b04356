#pragma once

// Binary conv2d and linear with NEON: a register holds two words of one output channel, so nothing
// has to be broadcast: xor, count the bits of bytes (CNT), add; three instructions for 128
// products. For the *_neon.cpp and *_neon_dotprod.cpp files only; all of it is in an anonymous
// namespace.
//
// A tile is eight channels (a byte of the output) at up to two positions: sixteen sums, so that a
// pair of words of the input serves eight channels, and weights two positions. Weights lie as the
// tile reads them: [pair of words][channel][word]. Four sums at a time are assembler: g++ 12 begins
// with all xors of a tile, and then has no registers left for the sums; and processors that keep
// the order of instructions (Cortex-A53 and A55) should find four chains side by side.
//
// Chained windows (conv_avx512.cpp) would save one of six instructions here, as BSL is what chooses
// the carry; but they need a chain beside each sum, more than there are registers for two
// positions, and their windows copied.

#include "kernels/cpu/finish_neon.hpp"
#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

struct Four {
    uint8x16_t a, b, c, d;
};

// What may be anything of 64 bits in memory.
using Word = std::uint64_t __attribute__((may_alias));

inline uint8x16_t two(const Word* words) {
    return vld1q_u8(reinterpret_cast<const std::uint8_t*>(words));
}

// One word, and zeros.
inline uint8x16_t one(const Word* word) {
    return vcombine_u8(vld1_u8(reinterpret_cast<const std::uint8_t*>(word)), vdup_n_u8(0));
}

inline uint8x16_t apart(const Word* first, const Word* second) {
    const uint64x2_t low = vcombine_u64(vld1_u64(first), vdup_n_u64(0));
    return vreinterpretq_u8_u64(vld1q_lane_u64(second, low, 1));
}

// Are the words of each pair neighbours in the input?
inline bool in_pairs(const BinaryDot& job) {
    for (int word = 0; word + 1 < job.words; word += 2) {
        if (job.taps[word + 1] != job.taps[word] + 1) {
            return false;
        }
    }
    return true;
}

// Eight channels at P positions. `Count` says how bits are added up.
template <typename Count, int P>
inline void binary_tile(
    const BinaryDot& job, bool pairs, const std::uint32_t* weights, int channel, int first) {
    const Word* windows[P];
    Sums sums[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
        windows[p] = job.input + (job.positions[first + p].window - job.first_window);
        sums[p] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    }
    const auto* weight = reinterpret_cast<const Word*>(weights);
    int word = 0;
    do {
        typename Count::Sum counts[P][8];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
            for (int c = 0; c < 8; ++c) {
                counts[p][c] = Count::nothing();
            }
        }
        // `weight_of` is that of a channel.
        const auto step = [&](const uint8x16_t(&inputs)[P], const auto& weight_of) {
            constexpr int kChannels = 4 / P;  // four sums at a time
#pragma GCC unroll 8
            for (int c = 0; c < 8; c += kChannels) {
                uint8x16_t of_channel[kChannels];
#pragma GCC unroll 4
                for (int i = 0; i < kChannels; ++i) {
                    of_channel[i] = weight_of(c + i);
                }
                if constexpr (P == 2) {
                    Count::add_four(counts[0][c],
                                    counts[1][c],
                                    counts[0][c + 1],
                                    counts[1][c + 1],
                                    {inputs[0], inputs[1], inputs[0], inputs[1]},
                                    {of_channel[0], of_channel[0], of_channel[1], of_channel[1]});
                } else {
                    Count::add_four(counts[0][c],
                                    counts[0][c + 1],
                                    counts[0][c + 2],
                                    counts[0][c + 3],
                                    {inputs[0], inputs[0], inputs[0], inputs[0]},
                                    {of_channel[0], of_channel[1], of_channel[2], of_channel[3]});
                }
            }
        };
        const auto two_of = [&](int c) { return two(weight + 2 * c); };
        const int most = word + 2 * Count::kSteps;
        const int end = most < job.words - 1 ? most : job.words - 1;
        if (pairs) {
            for (; word < end; word += 2) {
                const std::ptrdiff_t tap = job.taps[word];
                uint8x16_t inputs[P];
#pragma GCC unroll 2
                for (int p = 0; p < P; ++p) {
                    inputs[p] = two(windows[p] + tap);
                }
                step(inputs, two_of);
                weight += 16;
            }
        } else {
            for (; word < end; word += 2) {
                const std::ptrdiff_t tap = job.taps[word], next = job.taps[word + 1];
                uint8x16_t inputs[P];
#pragma GCC unroll 2
                for (int p = 0; p < P; ++p) {
                    inputs[p] = apart(windows[p] + tap, windows[p] + next);
                }
                step(inputs, two_of);
                weight += 16;
            }
        }
        if (word == job.words - 1) {
            const std::ptrdiff_t tap = job.taps[word];
            uint8x16_t inputs[P];
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p) {
                inputs[p] = one(windows[p] + tap);
            }
            step(inputs, [&](int c) { return one(weight + c); });
            ++word;
        }
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
            const int32x4_t low = vreinterpretq_s32_u32(Count::four(counts[p])),
                            high = vreinterpretq_s32_u32(Count::four(counts[p] + 4));
            sums[p] = {vsubq_s32(sums[p].low, low), vsubq_s32(sums[p].high, high)};
        }
    } while (word < job.words);
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
        finish<true>(job.out, channel, first + p, job.positions[first + p].border, sums[p]);
    }
}

template <typename Count>
inline void binary_loop(const BinaryDot& job) {
    const bool pairs = in_pairs(job);
    for (int channel = job.channel_begin; channel < job.channel_end; channel += 8) {
        const std::uint32_t* weights = job.weights + std::ptrdiff_t{channel} * 2 * job.words;
        int first = 0;
        for (; first + 2 <= job.position_count; first += 2) {
            binary_tile<Count, 2>(job, pairs, weights, channel, first);
        }
        if (first < job.position_count) {
            binary_tile<Count, 1>(job, pairs, weights, channel, first);
        }
    }
}

}  // namespace
}  // namespace kernels::cpu
