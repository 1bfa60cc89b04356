// Loops on numbers of 8 bits with NEON: products of 16 bits added to sums of 32 (SMLAL), of 16
// channels at up to 4 positions at a time, which is what fits into the registers.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/int8_elementwise.hpp"
#include "kernels/cpu/int8_loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

// Sums of a block's 16 channels, in their order.
struct BlockSums {
    int32x4_t of[4];

    static BlockSums nothing() {
        return {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
    }
};

// Weights of a pair of elements, widened: `first` and `second` element's, of channels 0 to 7 and 8
// to 15.
struct PairWeights {
    int16x8_t first[2], second[2];
};

inline PairWeights pair_at(const std::int8_t* weights) {
    const int8x16x2_t both = vld2q_s8(weights);
    return {{vmovl_s8(vget_low_s8(both.val[0])), vmovl_high_s8(both.val[0])},
            {vmovl_s8(vget_low_s8(both.val[1])), vmovl_high_s8(both.val[1])}};
}

// What becomes of sums. What a job says is copied: stores could change it, as far as the compiler
// knows.
template <Int8Result kResult>
class NeonFinish {
public:
    explicit NeonFinish(const Int8Output& out) : out_(out) {
        for (int i = 0; i < 4; ++i) {
            scales_[i] = vld1q_f32(out.scales + 4 * i);
            biases_[i] = vld1q_f32(out.biases + 4 * i);
        }
    }

    void operator()(int position, const BlockSums& sums) const {
        std::byte* const pixel = out_.output + position * out_.stride;
        if (out_.count == kInt8Block) {
            write(pixel, sums);
            return;
        }
        std::byte all[kInt8Block * kBytes];
        write(all, sums);
        for (int i = 0; i < out_.count * kBytes; ++i) {
            pixel[i] = all[out_.first * kBytes + i];
        }
    }

private:
    static constexpr int kBytes =
        kResult == Int8Result::int32 || kResult == Int8Result::f32 ? 4 : 1;

    float32x4_t scaled(const BlockSums& sums, int i) const {
        return vfmaq_f32(biases_[i], vcvtq_f32_s32(sums.of[i]), scales_[i]);
    }
    int16x4_t rounded(const BlockSums& sums, int i) const {
        const float32x4_t cut = vminnmq_f32(vmaxnmq_f32(scaled(sums, i), vdupq_n_f32(out_.least)),
                                            vdupq_n_f32(out_.most));
        return vqmovn_s32(vaddq_s32(vcvtnq_s32_f32(cut), vdupq_n_s32(out_.zero)));
    }

    void write(std::byte* to, const BlockSums& sums) const {
        if constexpr (kResult == Int8Result::int32) {
            for (int i = 0; i < 4; ++i) {
                vst1q_s32(reinterpret_cast<std::int32_t*>(to) + 4 * i, sums.of[i]);
            }
        } else if constexpr (kResult == Int8Result::f32) {
            for (int i = 0; i < 4; ++i) {
                vst1q_f32(reinterpret_cast<float*>(to) + 4 * i, scaled(sums, i));
            }
        } else {
            const int16x8_t low = vcombine_s16(rounded(sums, 0), rounded(sums, 1)),
                            high = vcombine_s16(rounded(sums, 2), rounded(sums, 3));
            if constexpr (kResult == Int8Result::u8) {
                vst1q_u8(reinterpret_cast<std::uint8_t*>(to),
                         vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)));
            } else {
                vst1q_s8(reinterpret_cast<std::int8_t*>(to),
                         vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
            }
        }
    }

    Int8Output out_;
    float32x4_t scales_[4], biases_[4];
};

// Calls work with the NeonFinish of the job's result.
template <typename Work>
inline void with_finish(const Int8Output& out, const Work& work) {
    switch (out.result) {
        case Int8Result::int32:
            return work(NeonFinish<Int8Result::int32>(out));
        case Int8Result::f32:
            return work(NeonFinish<Int8Result::f32>(out));
        case Int8Result::u8:
            return work(NeonFinish<Int8Result::u8>(out));
        case Int8Result::int8:
            return work(NeonFinish<Int8Result::int8>(out));
    }
}

template <int Positions, typename Finish>
inline void dot_at(const Int8Dot job, int first, const Finish& finish) {
    BlockSums sums[Positions];
#pragma GCC unroll 4
    for (int i = 0; i < Positions; ++i) {
        sums[i] = BlockSums::nothing();
    }
    const std::int8_t* weights = job.weights;
    for (int run = 0; run < job.run_count; ++run) {
        const std::int16_t* inputs[Positions];
#pragma GCC unroll 4
        for (int i = 0; i < Positions; ++i) {
            inputs[i] = job.input + job.windows[first + i] + job.runs[run];
        }
        for (std::ptrdiff_t pair = 0; pair < job.pairs; ++pair) {
            const PairWeights w = pair_at(weights);
            weights += 2 * kInt8Block;
#pragma GCC unroll 4
            for (int i = 0; i < Positions; ++i) {
                std::int32_t both;
                __builtin_memcpy(&both, inputs[i] + 2 * pair, sizeof both);
                const int16x4_t x = vreinterpret_s16_s32(vdup_n_s32(both));
                int32x4_t(&of)[4] = sums[i].of;
#pragma GCC unroll 2
                for (int half = 0; half < 2; ++half) {
                    int32x4_t &low = of[2 * half], &high = of[2 * half + 1];
                    low = vmlal_lane_s16(low, vget_low_s16(w.first[half]), x, 0);
                    high = vmlal_high_lane_s16(high, w.first[half], x, 0);
                    low = vmlal_lane_s16(low, vget_low_s16(w.second[half]), x, 1);
                    high = vmlal_high_lane_s16(high, w.second[half], x, 1);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < Positions; ++i) {
        finish(first + i, sums[i]);
    }
}

void neon_dot(const Int8Dot& job) {
    with_finish(job.out, [&](const auto& finish) {
        int i = 0;
        for (; i + 4 <= job.positions; i += 4) {
            dot_at<4>(job, i, finish);
        }
        switch (job.positions - i) {
            case 3:
                return dot_at<3>(job, i, finish);
            case 2:
                return dot_at<2>(job, i, finish);
            case 1:
                return dot_at<1>(job, i, finish);
            default:
                return;
        }
    });
}

void neon_depthwise(const Int8Depthwise& given) {
    const Int8Depthwise job = given;
    with_finish(job.out, [&](const auto& finish) {
        for (int i = 0; i < job.positions; ++i) {
            const std::int16_t* const input = job.input + job.windows[i];
            BlockSums sums = BlockSums::nothing();
            for (int pair = 0; pair < job.pairs; ++pair) {
                const PairWeights w = pair_at(job.weights + pair * 2 * kInt8Block);
                const std::int16_t *const a = input + job.taps[2 * pair],
                                          *const b = input + job.taps[2 * pair + 1];
#pragma GCC unroll 2
                for (int half = 0; half < 2; ++half) {
                    const int16x8_t of_a = vld1q_s16(a + 8 * half), of_b = vld1q_s16(b + 8 * half);
                    int32x4_t &low = sums.of[2 * half], &high = sums.of[2 * half + 1];
                    low = vmlal_s16(low, vget_low_s16(of_a), vget_low_s16(w.first[half]));
                    high = vmlal_high_s16(high, of_a, w.first[half]);
                    low = vmlal_s16(low, vget_low_s16(of_b), vget_low_s16(w.second[half]));
                    high = vmlal_high_s16(high, of_b, w.second[half]);
                }
            }
            finish(i, sums);
        }
    });
}

void neon_pool_signed(const Pool& job) { pool_loop<std::int8_t>(job, Larger<std::int8_t>{}); }

}  // namespace

const Int8Loops kInt8Neon = {.dot = neon_dot,
                             .depthwise = neon_depthwise,
                             .widen = widen_loop,
                             .quantize = quantize_loop,
                             .dequantize = dequantize_loop,
                             .add = add_loop,
                             .pool_u8 = pool_u8_neon,
                             .pool_int8 = neon_pool_signed};

}  // namespace kernels::cpu
