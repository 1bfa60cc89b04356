// conv2d and linear on u8 input, in plain loops that the compiler can turn into vectors.

#include "kernels/cpu/finish_scalar.hpp"
#include "kernels/cpu/loops.hpp"

namespace kernels::cpu {
namespace {

constexpr int kShortHolds = 128;  // products of up to 255 that fit into 16 bits

// Sixteen channels from block `block` (of 16) on at one position. Each of the 64 products of a
// group, four elements for each channel, has a sum of its own until the end.
void sum_up(const ByteDot& job, int block, int position, std::int32_t* sums) {
    const std::uint8_t* window =
        job.input + (job.stride != 0 ? position * job.stride
                                     : job.positions[position].window - job.first_window);
    const std::int8_t* weights = job.weights + std::ptrdiff_t{block} * job.groups * 64;
    for (int c = 0; c < 16; ++c) {
        sums[c] = 0;
    }
    for (int group = 0; group < job.groups;) {
        const int end = group + kShortHolds < job.groups ? group + kShortHolds : job.groups;
        std::int16_t products[64] = {};
        for (; group < end; ++group, weights += 64) {
            const std::uint8_t* four = window + job.taps[group];
            const std::int16_t twice[8] = {
                four[0], four[1], four[2], four[3], four[0], four[1], four[2], four[3]};
            for (int i = 0; i < 64; i += 8) {
                for (int j = 0; j < 8; ++j) {
                    products[i + j] =
                        static_cast<std::int16_t>(products[i + j] + twice[j] * weights[i + j]);
                }
            }
        }
        for (int c = 0; c < 16; ++c) {
            sums[c] +=
                products[4 * c] + products[4 * c + 1] + products[4 * c + 2] + products[4 * c + 3];
        }
    }
}

}  // namespace

void byte_dot_scalar(const ByteDot& job) {
    const int together = job.pooled ? 4 : 1;
    for (int block = job.channel_begin / 16; block * 16 < job.channel_end; ++block) {
        for (int first = 0; first < job.position_count; first += together) {
            std::int32_t sums[16];
            sum_up(job, block, first, sums);
            for (int other = 1; other < together; ++other) {
                std::int32_t more[16];
                sum_up(job, block, first + other, more);
                for (int c = 0; c < 16; ++c) {
                    sums[c] = more[c] > sums[c] ? more[c] : sums[c];
                }
            }
            for (int channel = block * 16; channel < block * 16 + 16; channel += 8) {
                if (channel < job.channel_end) {
                    finish<false>(job.out,
                                  channel,
                                  first / together,
                                  job.positions[first].border,
                                  sums + channel % 16);
                }
            }
        }
    }
}

}  // namespace kernels::cpu
