// Loops on numbers of 8 bits for any machine. Also what the others fall back on for odd ends.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/int8_elementwise.hpp"
#include "kernels/cpu/int8_loops.hpp"

namespace kernels::cpu {
namespace {

constexpr auto kMultiplyAdd = [](float a, float b, float c) { return __builtin_fmaf(a, b, c); };

void write(const Int8Output& out, int position, const std::int32_t* sums) {
    for (int c = out.first; c < out.first + out.count; ++c) {
        write_one(out, position, c, sums[c], kMultiplyAdd);
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

void add(const Int8Add& job) { add_loop(job, kMultiplyAdd); }

void pool_signed(const Pool& job) { pool_loop<std::int8_t>(job, Larger<std::int8_t>{}); }

}  // namespace

const Int8Loops kInt8Scalar = {.dot = dot,
                               .depthwise = depthwise,
                               .widen = widen_loop,
                               .quantize = quantize_loop,
                               .dequantize = dequantize_loop,
                               .add = add,
                               .pool_u8 = pool_u8_scalar,
                               .pool_int8 = pool_signed};

}  // namespace kernels::cpu
