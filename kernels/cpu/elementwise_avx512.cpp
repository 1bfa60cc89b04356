// threshold, add and max_pool2d with AVX-512: sixteen comparisons make sixteen bits of a mask.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {

void threshold_avx512(const Threshold& job) {
    const int words = (job.channels + 63) / 64;
    for (std::ptrdiff_t pixel = 0; pixel < job.pixels; ++pixel) {
        const std::int32_t* input = job.input + pixel * job.channels;
        auto* output = reinterpret_cast<std::uint16_t*>(job.output + pixel * words);
        const int end = (job.channel_end + 63) / 64 * 64;
        for (int channel = job.channel_begin; channel < end; channel += 16) {
            const int rest = job.channels - channel;
            const auto exist = static_cast<__mmask16>(rest >= 16  ? 0xffff
                                                      : rest <= 0 ? 0
                                                                  : 0xffff >> (16 - rest));
            const __m512i values = _mm512_maskz_loadu_epi32(exist, input + channel);
            const __m512i flipped =
                _mm512_xor_si512(values, _mm512_load_si512(job.flips + channel));
            output[channel / 16] = _mm512_mask_cmpge_epi32_mask(
                exist, flipped, _mm512_load_si512(job.thresholds + channel));
        }
    }
}

void add_avx512(const std::int32_t* a,
                const std::int32_t* b,
                std::int32_t* sum,
                std::ptrdiff_t count) {
    add_loop(a, b, sum, count);
}

void pool_binary_avx512(const Pool& job) { pool_loop<std::uint64_t>(job, Or{}); }
void pool_u8_avx512(const Pool& job) { pool_loop<std::uint8_t>(job, Larger<std::uint8_t>{}); }
void pool_int32_avx512(const Pool& job) { pool_loop<std::int32_t>(job, Larger<std::int32_t>{}); }

}  // namespace kernels::cpu
