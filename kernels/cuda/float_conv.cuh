#pragma once

// See float_conv.cu.

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/float_conv.hpp"

namespace kernels::cuda {

__device__ __forceinline__ float float_finish(const FloatShape& shape, float sum, float bias) {
    sum += bias;
    return shape.relu != 0 && sum < 0 ? 0 : sum;
}

// 32 pixels x 32 channels by 128 threads; a thread has 2 x 4.
__global__ void __launch_bounds__(128) float_conv(FloatShape shape,
                                                  const float* __restrict__ input,
                                                  const float* __restrict__ weights,
                                                  const float* __restrict__ bias,
                                                  float* __restrict__ output) {
    // Rows of 34, so that the 16 rows that a warp writes are in different banks.
    __shared__ float pixels[kFloatDepth][kFloatPixels + 2];
    __shared__ float4 filters[kFloatDepth][kFloatChannels / 4];
    const int thread = static_cast<int>(threadIdx.x);
    const int first_pixel = static_cast<int>(blockIdx.x) * kFloatPixels;
    const int first_channel = static_cast<int>(blockIdx.y) * kFloatChannels;
    const int depth = shape.kernel_height * shape.kernel_width * shape.input_channels;
    const int pixel_count = shape.batch * shape.height * shape.width;

    // 1. The four pixels that this thread gathers: depth % 16 is the same for all.
    constexpr int kGathered = kFloatPixels * kFloatDepth / 128;
    const int row = thread % kFloatDepth;
    int from_y[kGathered], from_x[kGathered], window[kGathered];
#pragma unroll
    for (int i = 0; i < kGathered; ++i) {
        const int pixel = first_pixel + thread / kFloatDepth + i * (128 / kFloatDepth);
        const int x = pixel % shape.width, y = pixel / shape.width % shape.height;
        from_y[i] = pixel < pixel_count ? y * shape.stride - shape.padding : 1 << 29;
        from_x[i] = x * shape.stride - shape.padding;
        window[i] = pixel / shape.width / shape.height * shape.input_height;
    }

    // 2. Chunks of 16 (ky, kx, channel).
    float sums[2][4] = {};
    const int pixel_pair = thread / 8, channel_quad = thread % 8;
    for (int chunk = 0; chunk < depth; chunk += kFloatDepth) {
        const int at = chunk + row, tap = at / shape.input_channels;
        const int ky = tap / shape.kernel_width, kx = tap % shape.kernel_width;
        const int channel = at % shape.input_channels;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < kGathered; ++i) {
            const int y = from_y[i] + ky, x = from_x[i] + kx;
            const bool inside =
                at < depth && y >= 0 && y < shape.input_height && x >= 0 && x < shape.input_width;
            // Unsigned: of pixels that are not inside it may wrap around.
            const auto width = static_cast<unsigned>(shape.input_width),
                       channels = static_cast<unsigned>(shape.input_channels);
            const unsigned offset =
                (static_cast<unsigned>(window[i] + y) * width + static_cast<unsigned>(x)) *
                    channels +
                static_cast<unsigned>(channel);
            pixels[row][thread / kFloatDepth + i * (128 / kFloatDepth)] =
                inside ? __ldg(input + offset) : 0.0f;
        }
        const int filter_row = chunk + thread / 8;
        filters[thread / 8][thread % 8] =
            filter_row < depth ? __ldg(reinterpret_cast<const float4*>(
                                           weights + filter_row * shape.filled + first_channel) +
                                       thread % 8)
                               : make_float4(0, 0, 0, 0);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < kFloatDepth; ++k) {
            const float4 filter = filters[k][channel_quad];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const float pixel = pixels[k][2 * pixel_pair + i];
                sums[i][0] += pixel * filter.x;
                sums[i][1] += pixel * filter.y;
                sums[i][2] += pixel * filter.z;
                sums[i][3] += pixel * filter.w;
            }
        }
    }

    // 3. Neighbouring threads store neighbouring channels.
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int pixel = first_pixel + 2 * pixel_pair + i;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int channel = first_channel + 4 * channel_quad + j;
            if (pixel < pixel_count && channel < shape.channels) {
                output[pixel * shape.channels + channel] =
                    float_finish(shape, sums[i][j], __ldg(bias + channel));
            }
        }
    }
}

// A block for each output of each image.
__global__ void __launch_bounds__(256) float_linear(FloatShape shape,
                                                    const float* __restrict__ input,
                                                    const float* __restrict__ weights,
                                                    const float* __restrict__ bias,
                                                    float* __restrict__ output) {
    __shared__ float partial[8];
    const int thread = static_cast<int>(threadIdx.x);
    const int channel = static_cast<int>(blockIdx.x), image = static_cast<int>(blockIdx.y);
    const int depth = shape.input_height * shape.input_width * shape.input_channels;
    const float* const values = input + image * depth;
    const float* const row = weights + channel * depth;
    float sum = 0;
    for (int i = thread; i < depth; i += 256) {
        sum += __ldg(values + i) * __ldg(row + i);
    }
    for (int other = 16; other > 0; other /= 2) {
        sum += __shfl_xor_sync(~0u, sum, other);
    }
    if (thread % 32 == 0) {
        partial[thread / 32] = sum;
    }
    __syncthreads();
    if (thread != 0) {
        return;
    }
    sum = 0;
    for (const float each : partial) {
        sum += each;
    }
    output[image * shape.channels + channel] = float_finish(shape, sum, __ldg(bias + channel));
}

__global__ void __launch_bounds__(256)
    float_pool(FloatShape shape, const float* __restrict__ input, float* __restrict__ output) {
    const int channels = shape.channels;
    const int units = shape.batch * shape.height * shape.width * channels;
    for (int unit = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); unit < units;
         unit += static_cast<int>(gridDim.x * blockDim.x)) {
        const int pixel = unit / channels, x = pixel % shape.width * shape.stride;
        const int y = pixel / shape.width % shape.height * shape.stride;
        const int image = pixel / shape.width / shape.height;
        const auto at = [&](int ky, int kx) {
            const int from = (image * shape.input_height + y + ky) * shape.input_width + x + kx;
            return __ldg(input + from * channels + unit % channels);
        };
        float largest = at(0, 0);
        for (int ky = 0; ky < shape.kernel_height; ++ky) {
            for (int kx = 0; kx < shape.kernel_width; ++kx) {
                largest = fmaxf(largest, at(ky, kx));
            }
        }
        output[unit] = largest;
    }
}

}  // namespace kernels::cuda
