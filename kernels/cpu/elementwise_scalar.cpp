// threshold, add and max_pool2d for any machine.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/loops.hpp"

namespace kernels::cpu {

void threshold_scalar(const Threshold& job) {
    const int words = (job.channels + 63) / 64;
    for (std::ptrdiff_t pixel = 0; pixel < job.pixels; ++pixel) {
        const std::int32_t* input = job.input + pixel * job.channels;
        for (int begin = job.channel_begin; begin < job.channel_end; begin += 64) {
            const int end = begin + 64 < job.channel_end ? begin + 64 : job.channel_end;
            std::uint8_t reached[64] = {};
            for (int channel = begin; channel < end; ++channel) {
                reached[channel - begin] =
                    (input[channel] ^ job.flips[channel]) >= job.thresholds[channel];
            }
            // Eight bytes of 0 or 1 become eight bits: the multiplication moves the lowest bit of
            // byte i to bit 56 + i.
            std::uint64_t word = 0;
            for (int byte = 0; byte < 64; byte += 8) {
                std::uint64_t eight = 0;
                for (int i = 0; i < 8; ++i) {
                    eight |= std::uint64_t{reached[byte + i]} << (8 * i);
                }
                word |= (eight * 0x0102040810204080 >> 56) << byte;
            }
            job.output[pixel * words + begin / 64] = word;
        }
    }
}

void add_scalar(const std::int32_t* a,
                const std::int32_t* b,
                std::int32_t* sum,
                std::ptrdiff_t count) {
    add_loop(a, b, sum, count);
}

void pool_binary_scalar(const Pool& job) { pool_loop<std::uint64_t>(job, Or{}); }
void pool_u8_scalar(const Pool& job) { pool_loop<std::uint8_t>(job, Larger<std::uint8_t>{}); }
void pool_int32_scalar(const Pool& job) { pool_loop<std::int32_t>(job, Larger<std::int32_t>{}); }

}  // namespace kernels::cpu
