#pragma once

// See elementwise.cu.

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/elementwise.hpp"

namespace kernels::cuda {

__device__ __forceinline__ int first_unit() {
    return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}
__device__ __forceinline__ int unit_step() { return static_cast<int>(gridDim.x * blockDim.x); }

// The window of a pooled position, cut at the border.
struct PoolWindow {
    int image, y_begin, y_end, x_begin, x_end;
};

__device__ __forceinline__ PoolWindow window_of(const ElementShape& shape, int position) {
    const PoolShape& pool = shape.pool;
    const int x = position % pool.width * pool.stride - pool.padding;
    const int y = position / pool.width % pool.height * pool.stride - pool.padding;
    return {position / pool.width / pool.height,
            max(y, 0),
            min(y + pool.kernel_height, shape.height),
            max(x, 0),
            min(x + pool.kernel_width, shape.width)};
}

// A warp makes one word of 32 channels: a lane is a channel, so that loads are whole lines.
__global__ void __launch_bounds__(256, 4) threshold_pool(ElementShape shape,
                                                         int units,
                                                         const int* __restrict__ input,
                                                         const int* __restrict__ thresholds,
                                                         const int* __restrict__ flips,
                                                         unsigned* __restrict__ output) {
    const int words = (shape.channels + 63) / 64 * 2;
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int unit = first_unit() / 32; unit < units; unit += unit_step() / 32) {
        const int channel = unit % words * 32 + lane;
        const PoolWindow window = window_of(shape, unit / words);
        bool bit = false;
        if (channel < shape.channels) {
            const int threshold = __ldg(thresholds + channel), flip = __ldg(flips + channel);
            for (int y = window.y_begin; y < window.y_end; ++y) {
                for (int x = window.x_begin; x < window.x_end; ++x) {
                    const int pixel = (window.image * shape.height + y) * shape.width + x;
                    const int value = __ldg(input + pixel * shape.channels + channel);
                    bit = bit || (value ^ flip) >= threshold;
                }
            }
        }
        const unsigned word = __ballot_sync(~0u, bit ? 1 : 0);
        if (lane == 0) {
            output[unit] = word;
        }
    }
}

// A thread makes one element, or one word of 64 bits, whose maximum is their `or`.
template <class Value>
__global__ void __launch_bounds__(256, 3) pool(ElementShape shape,
                                               int units,
                                               const unsigned* __restrict__ input,
                                               unsigned* __restrict__ output) {
    const Value* const from = reinterpret_cast<const Value*>(input);
    Value* const to = reinterpret_cast<Value*>(output);
    for (int unit = first_unit(); unit < units; unit += unit_step()) {
        const PoolWindow window = window_of(shape, unit / shape.channels);
        const auto at = [&](int y, int x) {
            const int pixel = (window.image * shape.height + y) * shape.width + x;
            return __ldg(from + pixel * shape.channels + unit % shape.channels);
        };
        Value result = at(window.y_begin, window.x_begin);
        for (int y = window.y_begin; y < window.y_end; ++y) {
            for (int x = window.x_begin; x < window.x_end; ++x) {
                const Value value = at(y, x);
                if (sizeof(Value) == 8) {
                    result |= value;
                } else {
                    result = result < value ? value : result;
                }
            }
        }
        to[unit] = result;
    }
}

// Four elements each; tensors are whole 64 bytes. Sums wrap around.
__global__ void __launch_bounds__(256, 4) add(int units,
                                              const int* __restrict__ input,
                                              const int* __restrict__ second,
                                              int* __restrict__ output) {
    for (int unit = first_unit(); unit < units; unit += unit_step()) {
        const uint4 a = __ldg(reinterpret_cast<const uint4*>(input) + unit);
        const uint4 b = __ldg(reinterpret_cast<const uint4*>(second) + unit);
        reinterpret_cast<uint4*>(output)[unit] =
            make_uint4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
    }
}

// A thread puts one word of 32 bits together from the pixels that it spans.
__global__ void __launch_bounds__(256, 4) flatten(ElementShape shape,
                                                  int units,
                                                  const unsigned* __restrict__ input,
                                                  unsigned* __restrict__ output) {
    const int words = (shape.channels + 63) / 64 * 2;
    const int pixels = shape.height * shape.width;
    const int bits = pixels * shape.channels;
    const int image_words = (bits + 63) / 64 * 2;
    for (int unit = first_unit(); unit < units; unit += unit_step()) {
        const unsigned* const image = input + unit / image_words * pixels * words;
        const int first = unit % image_words * 32;
        int pixel = first / shape.channels, channel = first % shape.channels;
        unsigned word = 0;
        for (int have = 0; have < 32 && pixel < pixels;) {
            const unsigned piece = __ldg(image + pixel * words + channel / 32) >> (channel % 32);
            const int taken = min(shape.channels - channel, 32 - channel % 32);
            word |= piece << have;  // bits behind the last channel are zero
            have += taken;
            channel += taken;
            if (channel == shape.channels) {
                channel = 0;
                ++pixel;
            }
        }
        output[unit] = word;
    }
}

// 16 bytes each.
__global__ void __launch_bounds__(256, 4)
    copy(int units, const unsigned* __restrict__ input, unsigned* __restrict__ output) {
    for (int unit = first_unit(); unit < units; unit += unit_step()) {
        reinterpret_cast<uint4*>(output)[unit] =
            __ldg(reinterpret_cast<const uint4*>(input) + unit);
    }
}

}  // namespace kernels::cuda
