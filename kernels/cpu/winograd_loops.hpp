#pragma once

// The innermost loops of the variant winograd, with AVX2 and FMA or with NEON. Plain declarations
// only, as in loops.hpp.
//
// A tile is 2x2 pixels of the output and the 4x4 of the input that they see. `places` are the 4x4
// elements of what it is transformed to, row by row.

#include <cstddef>

namespace kernels::cpu {

inline constexpr int kWinogradPlaces = 16;
inline constexpr int kWinogradBlock = 16;  // output channels that are computed side by side

// Of one tile, `channels` numbers at each of its 16 pixels: to[place x stride + channel].
void winograd_input_avx2(const float* const* pixels,
                         int channels,
                         float* to,
                         std::ptrdiff_t stride);
void winograd_input_neon(const float* const* pixels,
                         int channels,
                         float* to,
                         std::ptrdiff_t stride);

// For one place: to[tile][16 output channels], the products of `count` tiles, `stride` numbers one
// after the other, with weights[channel][16].
void winograd_product_avx2(const float* tiles,
                           std::ptrdiff_t stride,
                           int count,
                           int channels,
                           const float* weights,
                           float* to);
void winograd_product_neon(const float* tiles,
                           std::ptrdiff_t stride,
                           int count,
                           int channels,
                           const float* weights,
                           float* to);

// Of one tile, 16 channels at from[place x stride]: back to 2x2 pixels, a bias added, cut off at
// the limits. A pixel that is null is not wanted; of the others `channels` are written.
struct WinogradOutput {
    const float* from;
    std::ptrdiff_t stride;
    const float* biases;
    float least, most;
    float* pixels[4];
    int channels;
};
void winograd_output_avx2(const WinogradOutput& job);
void winograd_output_neon(const WinogradOutput& job);

}  // namespace kernels::cpu
