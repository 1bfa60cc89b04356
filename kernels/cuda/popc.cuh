#pragma once

// See popc.cu.

#include "kernels/cuda/dot_finish.cuh"
#include "kernels/cuda/popc.hpp"

namespace kernels::cuda {

// What is known of a pixel of the tile before its window is read.
struct PopcPixel {
    int y, x;    // of the window's first pixel in the input
    int window;  // its offset, in words or bytes; padding is outside
    int border;  // its border class; -1: there is no such pixel
    int at;      // in the convolution's output, through the batch
    int stored;  // in the kernel's output
};

// The pixels of a tile follow each other; the four of a window to pool stand together.
__device__ __forceinline__ PopcPixel popc_pixel(const PopcShape& shape,
                                                const int* of_position,
                                                int index) {
    const DotShape& dot = shape.dot;
    const int stored = shape.pooled != 0 ? index / 4 : index;
    const int image = stored / (shape.rows * shape.columns);
    if (image >= dot.batch) {
        return {0, 0, 0, -1, 0, 0};
    }
    int y = stored / shape.columns % shape.rows, x = stored % shape.columns;
    if (shape.pooled != 0) {
        y = 2 * y + index / 2 % 2;
        x = 2 * x + index % 2;
    }
    const int from_y = y * dot.stride - dot.padding, from_x = x * dot.stride - dot.padding;
    return {from_y,
            from_x,
            ((image * dot.input_height + from_y) * dot.input_width + from_x) * dot.input_pixel,
            __ldg(of_position + y * dot.width + x),
            (image * dot.height + y) * dot.width + x,
            stored};
}

// One 32-bit word of a window: a word of bits, or four bytes that need not lie together.
template <bool kBytes>
struct PopcWord {
    static constexpr int kTaps = kBytes ? 4 : 1;
    PopcTap taps[kTaps];

    __device__ __forceinline__ PopcWord(const PopcTap* table, int word) {
#pragma unroll
        for (int i = 0; i < kTaps; ++i) {
            const int4 tap = __ldg(reinterpret_cast<const int4*>(table) + word * kTaps + i);
            taps[i] = {tap.x, tap.y, tap.z, static_cast<unsigned>(tap.w)};
        }
    }

    __device__ __forceinline__ unsigned read(const DotShape& shape,
                                             const unsigned* input,
                                             const PopcPixel& pixel) const {
        unsigned word = 0;
#pragma unroll
        for (int i = 0; i < kTaps; ++i) {
            const int y = pixel.y + taps[i].y, x = pixel.x + taps[i].x;
            const bool inside = y >= 0 && y < shape.input_height && x >= 0 && x < shape.input_width;
            unsigned value = taps[i].padded;
            if (inside) {
                const int at = pixel.window + taps[i].offset;
                value = kBytes ? __ldg(reinterpret_cast<const unsigned char*>(input) + at)
                               : __ldg(input + at);
            }
            word |= value << (8 * i);
        }
        return word;
    }
};

// Counts the bits that differ in pairs: a carry-save adder takes two words and the bits left over
// from before, and gives bits left over and bits that count twice.
struct CarrySave {
    unsigned ones = 0;

    __device__ __forceinline__ unsigned twos_of(unsigned a, unsigned b) {
        const unsigned twos = carry_of_bits(ones, a, b);
        ones = sum_of_bits(ones, a, b);
        return twos;
    }
};

template <bool kBytes>
struct PopcSum;

template <>
struct PopcSum<false> {
    CarrySave carry;
    int pairs = 0;

    __device__ __forceinline__ void add(const uint4& window, const uint4& weights) {
        pairs += __popc(carry.twos_of(window.x ^ weights.x, window.y ^ weights.y)) +
                 __popc(carry.twos_of(window.z ^ weights.z, window.w ^ weights.w));
    }
    __device__ __forceinline__ int score() const { return -2 * pairs - __popc(carry.ones); }
};

template <>
struct PopcSum<true> {
    int sum = 0;

    __device__ __forceinline__ void add(const uint4& window, const uint4& weights) {
        sum = dot4_u8s8(window.x, weights.x, sum);
        sum = dot4_u8s8(window.y, weights.y, sum);
        sum = dot4_u8s8(window.z, weights.z, sum);
        sum = dot4_u8s8(window.w, weights.w, sum);
    }
    __device__ __forceinline__ int score() const { return sum; }
};

// Blocks that a multiprocessor should hold at once: what registers are left for.
constexpr int popc_resident(int pixels, int blocks) { return pixels * blocks > 16 ? 4 : 6; }

template <bool kBytes, int kPixels, int kBlocks>
__global__ void __launch_bounds__(32 * kPopcWarps, popc_resident(kPixels, kBlocks))
    popc(PopcShape shape,
         const unsigned* __restrict__ input,
         const unsigned* __restrict__ weights,
         const PopcTap* __restrict__ taps,
         const int* __restrict__ table,
         const int* __restrict__ of_position,
         const int* __restrict__ thresholds,
         const int* __restrict__ flips,
         const int* __restrict__ second,
         unsigned* __restrict__ output) {
    constexpr int kTile = kPopcWarps * kPixels, kChunkQuads = kPopcChunkWords / 4;
    // Small tiles: many loads at once.
    [[maybe_unused]] constexpr int kUnrolled = kPixels * kBlocks > 4 ? 2 : 8 / kPixels;
    __shared__ uint4 windows[kTile][kChunkQuads];
    __shared__ PopcPixel pixels[kTile];
    const DotShape& dot = shape.dot;
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    const int first_block = static_cast<int>(blockIdx.y) * kBlocks;

    // 1. Which pixels are the tile's?
    const int own = static_cast<int>(threadIdx.x);
    if (own < kTile) {
        pixels[own] = popc_pixel(shape, of_position, static_cast<int>(blockIdx.x) * kTile + own);
    }

    // 2. Chunk by chunk: the block gathers windows into shared memory, a lane for each word; every
    //    warp counts over its pixels, a lane for each channel.
    const uint4* const lane_weights = reinterpret_cast<const uint4*>(weights) + lane;
    PopcSum<kBytes> sums[kPixels][kBlocks];
    for (int chunk = 0; chunk < shape.quads; chunk += kChunkQuads) {
        const int quads = min(kChunkQuads, shape.quads - chunk);
        __syncthreads();
        if (lane < 4 * quads) {
            const PopcWord<kBytes> word(taps, 4 * chunk + lane);
            for (int pixel = warp; pixel < kTile; pixel += kPopcWarps) {
                if (pixels[pixel].border >= 0) {
                    reinterpret_cast<unsigned*>(windows[pixel])[lane] =
                        word.read(dot, input, pixels[pixel]);
                }
            }
        }
        __syncthreads();
#pragma unroll kUnrolled
        for (int quad = 0; quad < quads; ++quad) {
            uint4 weight[kBlocks];
#pragma unroll
            for (int i = 0; i < kBlocks; ++i) {
                const int block = min(first_block + i, shape.channel_blocks - 1);
                weight[i] = __ldg(lane_weights + (block * shape.quads + chunk + quad) * 32);
            }
#pragma unroll
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                const uint4 window = windows[warp * kPixels + pixel][quad];
#pragma unroll
                for (int i = 0; i < kBlocks; ++i) {
                    sums[pixel][i].add(window, weight[i]);
                }
            }
        }
    }

    // 3. Sums leave one line for a warp; bits as one word, by ballot. Lane n keeps the word that
    //    it stores: word n % kBlocks of stored pixel n / kBlocks.
    const Finish finish{table, thresholds, flips, second};
    unsigned kept = 0;
#pragma unroll
    for (int pixel = 0; pixel < kPixels; ++pixel) {
        const PopcPixel& at = pixels[warp * kPixels + pixel];
#pragma unroll
        for (int i = 0; i < kBlocks; ++i) {
            const int channel = (first_block + i) * 32 + lane, score = sums[pixel][i].score();
            const bool there = at.border >= 0 && channel < dot.channels;
            if (dot.result == Result::sums) {
                if (there) {
                    output[at.at * dot.channels + channel] = static_cast<unsigned>(
                        sum_of<kBytes>(dot, finish, score, at.border, at.at, channel));
                }
                continue;
            }
            const bool bit = there && bit_of<kBytes>(dot, finish, score, at.border, at.at, channel);
            const unsigned word = __ballot_sync(~0u, bit ? 1 : 0);
            if (lane == (shape.pooled != 0 ? pixel / 4 : pixel) * kBlocks + i) {
                kept |= word;
            }
        }
    }
    if (dot.result == Result::sums) {
        return;
    }
    const int step = shape.pooled != 0 ? 4 : 1;
    const int pixel = lane / kBlocks * step, block = first_block + lane % kBlocks;
    if (pixel < kPixels && block < shape.channel_blocks &&
        pixels[warp * kPixels + pixel].border >= 0) {
        output[pixels[warp * kPixels + pixel].stored * shape.channel_blocks + block] = kept;
    }
}

}  // namespace kernels::cuda
