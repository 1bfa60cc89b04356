#pragma once

// See gemv.cu.

#include "kernels/cuda/dot_finish.cuh"
#include "kernels/cuda/gemv.hpp"

namespace kernels::cuda {

// 128 bits of an image, zero behind its end.
__device__ __forceinline__ uint4 gemv_quad(const GemvShape& shape,
                                           const unsigned* image,
                                           int quad) {
    if (shape.aligned != 0) {
        return __ldg(reinterpret_cast<const uint4*>(image) + quad);
    }
    const int words = shape.dot.length - 4 * quad;
    image += 4 * quad;
    return make_uint4(__ldg(image),
                      words > 1 ? __ldg(image + 1) : 0,
                      words > 2 ? __ldg(image + 2) : 0,
                      words > 3 ? __ldg(image + 3) : 0);
}

template <bool kBytes>
__device__ __forceinline__ int gemv_score(const uint4& image, const uint4& weights, int score) {
    if (!kBytes) {
        return score - __popc(image.x ^ weights.x) - __popc(image.y ^ weights.y) -
               __popc(image.z ^ weights.z) - __popc(image.w ^ weights.w);
    }
    score = dot4_u8s8(image.x, weights.x, score);
    score = dot4_u8s8(image.y, weights.y, score);
    score = dot4_u8s8(image.z, weights.z, score);
    return dot4_u8s8(image.w, weights.w, score);
}

template <bool kBytes, int kOutputs, int kImages>
__global__ void __launch_bounds__(32 * kGemvWarps, 4) gemv(GemvShape shape,
                                                           const unsigned* __restrict__ input,
                                                           const unsigned* __restrict__ weights,
                                                           const int* __restrict__ table,
                                                           const int* __restrict__ thresholds,
                                                           const int* __restrict__ flips,
                                                           const int* __restrict__ second,
                                                           unsigned* __restrict__ output) {
    __shared__ unsigned char bits[kImages][kOutputs][kGemvWarps];
    const DotShape& dot = shape.dot;
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    // A warp's outputs are in different bytes: its bit of each.
    const int first_byte = static_cast<int>(blockIdx.x) * kOutputs;
    const int first_image = static_cast<int>(blockIdx.y) * kImages;

    // 1. Each lane counts over every 32nd unit of 128 bits.
    int scores[kImages][kOutputs] = {};
    for (int quad = lane; quad < shape.quads; quad += 32) {
        uint4 weight[kOutputs];
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) {
            const int channel = (first_byte + i) * kGemvWarps + warp;
            weight[i] =
                __ldg(reinterpret_cast<const uint4*>(weights) + channel * shape.quads + quad);
        }
#pragma unroll
        for (int n = 0; n < kImages; ++n) {
            const int image = min(first_image + n, dot.batch - 1);
            const uint4 values = gemv_quad(shape, input + image * dot.length, quad);
#pragma unroll
            for (int i = 0; i < kOutputs; ++i) {
                scores[n][i] = gemv_score<kBytes>(values, weight[i], scores[n][i]);
            }
        }
    }

    // 2. The warp adds up. Bits of eight warps make a byte.
    const Finish finish{table, thresholds, flips, second};
#pragma unroll
    for (int n = 0; n < kImages; ++n) {
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) {
            int score = scores[n][i];
#pragma unroll
            for (int other = 16; other > 0; other /= 2) {
                score += __shfl_xor_sync(~0u, score, other);
            }
            const int image = first_image + n, channel = (first_byte + i) * kGemvWarps + warp;
            if (lane != 0) {
                continue;
            }
            const bool there = image < dot.batch && channel < dot.channels;
            if (dot.result == Result::sums) {
                if (there) {
                    output[image * dot.channels + channel] = static_cast<unsigned>(
                        sum_of<kBytes>(dot, finish, score, 0, image, channel));
                }
            } else {
                bits[n][i][warp] =
                    there && bit_of<kBytes>(dot, finish, score, 0, image, channel) ? 1 : 0;
            }
        }
    }
    if (dot.result == Result::sums) {
        return;
    }
    __syncthreads();
    const int n = static_cast<int>(threadIdx.x) / kOutputs;
    const int i = static_cast<int>(threadIdx.x) % kOutputs;
    if (n >= kImages || first_image + n >= dot.batch) {
        return;
    }
    unsigned byte = 0;
    for (int bit = 0; bit < kGemvWarps; ++bit) {
        byte |= static_cast<unsigned>(bits[n][i][bit]) << bit;
    }
    reinterpret_cast<unsigned char*>(output)[(first_image + n) * dot.filled / 8 + first_byte + i] =
        static_cast<unsigned char>(byte);
}

}  // namespace kernels::cuda
