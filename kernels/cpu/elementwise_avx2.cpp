// threshold, add and max_pool2d with AVX2.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {

void threshold_avx2(const Threshold& job) {
    const int words = (job.channels + 63) / 64;
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (std::ptrdiff_t pixel = 0; pixel < job.pixels; ++pixel) {
        const std::int32_t* input = job.input + pixel * job.channels;
        auto* output = reinterpret_cast<std::uint8_t*>(job.output + pixel * words);
        const int end = (job.channel_end + 63) / 64 * 64;
        for (int channel = job.channel_begin; channel < end; channel += 8) {
            const __m256i exist =
                _mm256_cmpgt_epi32(_mm256_set1_epi32(job.channels - channel), lanes);
            const __m256i values = _mm256_maskload_epi32(input + channel, exist);
            const __m256i flipped = _mm256_xor_si256(
                values, _mm256_load_si256(reinterpret_cast<const __m256i*>(job.flips + channel)));
            const __m256i below = _mm256_cmpgt_epi32(
                _mm256_load_si256(reinterpret_cast<const __m256i*>(job.thresholds + channel)),
                flipped);
            output[channel / 8] = static_cast<std::uint8_t>(
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_andnot_si256(below, exist))));
        }
    }
}

void add_avx2(const std::int32_t* a,
              const std::int32_t* b,
              std::int32_t* sum,
              std::ptrdiff_t count) {
    add_loop(a, b, sum, count);
}

void pool_binary_avx2(const Pool& job) { pool_loop<std::uint64_t>(job, Or{}); }
void pool_u8_avx2(const Pool& job) { pool_loop<std::uint8_t>(job, Larger<std::uint8_t>{}); }
void pool_int32_avx2(const Pool& job) { pool_loop<std::int32_t>(job, Larger<std::int32_t>{}); }

}  // namespace kernels::cpu
