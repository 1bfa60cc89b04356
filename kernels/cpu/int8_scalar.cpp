// Loops on numbers of 8 bits for any machine.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/int8_elementwise.hpp"
#include "kernels/cpu/int8_loops.hpp"

namespace kernels::cpu {
namespace {

// Of one position and one channel of the block, v as Int8Output has it; `sum` as it is.
void write_one(const Int8Output& out, int position, int channel, std::int32_t sum) {
    std::byte* const pixel = out.output + position * out.stride;
    const int at = channel - out.first;
    if (out.result == Int8Result::int32) {
        __builtin_memcpy(pixel + std::ptrdiff_t{at} * 4, &sum, 4);
        return;
    }
    const float value =
        __builtin_fmaf(static_cast<float>(sum), out.scales[channel], out.biases[channel]);
    if (out.result == Int8Result::f32) {
        __builtin_memcpy(pixel + std::ptrdiff_t{at} * 4, &value, 4);
        return;
    }
    const auto byte = static_cast<std::int32_t>(nearest(between(value, out.least, out.most)));
    pixel[at] = static_cast<std::byte>(byte + out.zero);
}

void write(const Int8Output& out, int position, const std::int32_t* sums) {
    for (int c = out.first; c < out.first + out.count; ++c) {
        write_one(out, position, c, sums[c]);
    }
}

void dot(const Int8Dot& job) {
    for (int i = 0; i < job.positions; ++i) {
        std::int32_t sums[kInt8Block] = {};
        const std::int8_t* weights = job.weights;
        for (int run = 0; run < job.run_count; ++run) {
            const std::int16_t* const input = job.input + job.windows[i] + job.runs[run];
            for (int pair = 0; pair < job.pairs; ++pair) {
                const std::int32_t first = input[2 * pair], second = input[2 * pair + 1];
                for (int c = 0; c < kInt8Block; ++c) {
                    sums[c] += first * weights[2 * c] + second * weights[2 * c + 1];
                }
                weights += 2 * kInt8Block;
            }
        }
        write(job.out, i, sums);
    }
}

void depthwise(const Int8Depthwise& job) {
    for (int i = 0; i < job.positions; ++i) {
        std::int32_t sums[kInt8Block] = {};
        const std::int8_t* weights = job.weights;
        for (int pair = 0; pair < job.pairs; ++pair) {
            const std::int16_t* const first = job.input + job.windows[i] + job.taps[2 * pair];
            const std::int16_t* const second = job.input + job.windows[i] + job.taps[2 * pair + 1];
            for (int c = job.out.first; c < job.out.first + job.out.count; ++c) {
                sums[c] += first[c] * weights[2 * c] + second[c] * weights[2 * c + 1];
            }
            weights += 2 * kInt8Block;
        }
        write(job.out, i, sums);
    }
}

void pool_signed(const Pool& job) { pool_loop<std::int8_t>(job, Larger<std::int8_t>{}); }

}  // namespace

const Int8Loops kInt8Scalar = {.dot = dot,
                               .depthwise = depthwise,
                               .widen = widen_loop,
                               .quantize = quantize_loop,
                               .dequantize = dequantize_loop,
                               .add = add_loop,
                               .pool_u8 = pool_u8_scalar,
                               .pool_int8 = pool_signed};

}  // namespace kernels::cpu
