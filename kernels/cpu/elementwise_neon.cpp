// threshold, add and max_pool2d with NEON.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

// Sixteen numbers: bytes of 255 where the number, flipped, reaches its threshold.
inline uint8x16_t reached(const std::int32_t* input,
                          const std::int32_t* flips,
                          const std::int32_t* thresholds) {
    uint16x8_t halves[2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
        uint16x8_t quarters[2];
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const int at = 8 * half + 4 * i;
            quarters[i] = vreinterpretq_u16_u32(
                vcgeq_s32(veorq_s32(vld1q_s32(input + at), vld1q_s32(flips + at)),
                          vld1q_s32(thresholds + at)));
        }
        halves[half] = vuzp1q_u16(quarters[0], quarters[1]);
    }
    return vuzp1q_u8(vreinterpretq_u8_u16(halves[0]), vreinterpretq_u8_u16(halves[1]));
}

// Sixty-four numbers: a bit each. Bytes keep the bit of their place among eight, and neighbours are
// added up three times.
inline std::uint64_t word_of(const std::int32_t* input,
                             const std::int32_t* flips,
                             const std::int32_t* thresholds) {
    const uint8x16_t bits = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t bytes[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        bytes[i] = vandq_u8(reached(input + 16 * i, flips + 16 * i, thresholds + 16 * i), bits);
    }
    const uint8x16_t four = vpaddq_u8(vpaddq_u8(bytes[0], bytes[1]), vpaddq_u8(bytes[2], bytes[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(four, four)), 0);
}

}  // namespace

void threshold_neon(const Threshold& job) {
    const int words = (job.channels + 63) / 64;
    for (std::ptrdiff_t pixel = 0; pixel < job.pixels; ++pixel) {
        const std::int32_t* input = job.input + pixel * job.channels;
        for (int begin = job.channel_begin; begin < job.channel_end; begin += 64) {
            std::int32_t filled[64];
            const std::int32_t* from = input + begin;
            if (begin + 64 > job.channels) {
                for (int i = 0; i < 64; ++i) {
                    filled[i] = begin + i < job.channels ? from[i] : 0;
                }
                from = filled;
            }
            job.output[pixel * words + begin / 64] =
                word_of(from, job.flips + begin, job.thresholds + begin);
        }
    }
}

void add_neon(const std::int32_t* a,
              const std::int32_t* b,
              std::int32_t* sum,
              std::ptrdiff_t count) {
    add_loop(a, b, sum, count);
}

void pool_binary_neon(const Pool& job) { pool_loop<std::uint64_t>(job, Or{}); }
void pool_u8_neon(const Pool& job) { pool_loop<std::uint8_t>(job, Larger<std::uint8_t>{}); }
void pool_int32_neon(const Pool& job) { pool_loop<std::int32_t>(job, Larger<std::int32_t>{}); }

}  // namespace kernels::cpu
