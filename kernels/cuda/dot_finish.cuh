#pragma once

// What every kernel does with a dot product once it is there, and how it reads the padding.

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/dot_shape.hpp"

namespace kernels::cuda {

struct Finish {
    const int *table, *thresholds, *flips, *second;
};

// `score` is -m for binary input, the dot product for u8. `pixel` counts through the batch, its
// border class is `border`.
template <bool kBytes>
__device__ __forceinline__ int sum_of(
    const DotShape& shape, const Finish& finish, int score, int border, int pixel, int channel) {
    // Unsigned, for sums with the second input wrap around.
    unsigned sum = static_cast<unsigned>(__ldg(finish.table + border * shape.filled + channel)) +
                   static_cast<unsigned>(kBytes ? score : 2 * score);
    if (shape.with_second != 0) {
        sum += static_cast<unsigned>(__ldg(finish.second + pixel * shape.channels + channel));
    }
    return static_cast<int>(sum);
}

// For results of bits; false for channels that only fill up a word.
template <bool kBytes>
__device__ __forceinline__ bool bit_of(
    const DotShape& shape, const Finish& finish, int score, int border, int pixel, int channel) {
    if (shape.result == Result::bits) {
        return score >= __ldg(finish.table + border * shape.filled + channel) &&
               channel < shape.channels;
    }
    if (channel >= shape.channels) {
        return false;
    }
    const int sum = sum_of<kBytes>(shape, finish, score, border, pixel, channel);
    return (sum ^ __ldg(finish.flips + channel)) >= __ldg(finish.thresholds + channel);
}

// Word `word` of a padded pixel of bits.
__device__ __forceinline__ unsigned padded_word(const DotShape& shape, int word) {
    const int ones = shape.padded_channels - 32 * word;
    return ones >= 32 ? ~0u : ones <= 0 ? 0u : ~0u >> (32 - ones);
}

}  // namespace kernels::cuda
