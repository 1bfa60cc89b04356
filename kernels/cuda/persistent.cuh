#pragma once

// The body of `persistent`: one launch for many layers. Every block goes through the table of
// units; the tiles of a unit are dealt to the blocks, and where a unit needs what an earlier one
// wrote, all blocks meet first.

#include "kernels/cuda/persistent_unit.hpp"
#include "kernels/cuda/tensor_core.cuh"

namespace kernels::cuda {

// All threads of all blocks, which must be resident together. What the blocks add in one meeting
// is 2^31 in all: the top bit turns when the last one comes, the rest is zero again, and nothing
// has to be reset between launches. The fences make what was written before the meeting visible
// after it, and drop what the first-level cache still holds.
__device__ __forceinline__ void meet(unsigned* state) {
    __syncthreads();
    if (threadIdx.x == 0) {
        constexpr unsigned kTop = 0x80000000u;
        const unsigned share = blockIdx.x == 0 ? kTop - (gridDim.x - 1) : 1u;
        __threadfence();
        const unsigned before = atomicAdd(state, share);
        while (((*static_cast<volatile unsigned*>(state) ^ before) & kTop) == 0) {
            __nanosleep(20);
        }
        __threadfence();
    }
    __syncthreads();
}

struct PersistentBuffers {
    const void* input;
    const void* second_input;
    void* output;
    unsigned char* scratch;
};

__device__ __forceinline__ unsigned char* address_of(const PersistentBuffers& buffers,
                                                     const PersistentTensor& tensor) {
    const void* base = buffers.scratch;
    if (tensor.place == PersistentPlace::input) {
        base = buffers.input;
    } else if (tensor.place == PersistentPlace::second_input) {
        base = buffers.second_input;
    } else if (tensor.place == PersistentPlace::output) {
        base = buffers.output;
    }
    return static_cast<unsigned char*>(const_cast<void*>(base)) + tensor.offset;
}

// The pixels of a window that are inside the image, one after the other.
template <class Visit>
__device__ __forceinline__ void for_each_in_window(const PersistentUnit& unit,
                                                   int pixel,
                                                   const Visit& visit) {
    const int x = pixel % unit.out_width, y = pixel / unit.out_width % unit.out_height;
    const int image = pixel / unit.out_width / unit.out_height;
    const int top = y * unit.stride - unit.padding, left = x * unit.stride - unit.padding;
    for (int row = max(top, 0); row < min(top + unit.kernel_height, unit.height); ++row) {
        for (int column = max(left, 0); column < min(left + unit.kernel_width, unit.width);
             ++column) {
            visit((image * unit.height + row) * unit.width + column);
        }
    }
}

// One piece of what a unit without a dot product writes.
__device__ __forceinline__ void write_piece(const PersistentUnit& unit,
                                            const unsigned char* constant,
                                            const unsigned char* input,
                                            const unsigned char* second,
                                            unsigned char* output,
                                            int piece) {
    const auto* const input32 = reinterpret_cast<const unsigned*>(input);
    auto* const output32 = reinterpret_cast<unsigned*>(output);
    switch (unit.kind) {
        case PersistentKind::threshold: {
            const int bytes = unit.words * 4;
            const int pixel = piece / bytes, first = piece % bytes * 8;
            unsigned bits = 0;
            for (int c = 0; c < 8 && first + c < unit.channels; ++c) {
                const int value = static_cast<int>(input32[pixel * unit.channels + first + c]);
                const int limit = __ldg(table_at<int>(constant, unit.thresholds) + first + c);
                const int flip = __ldg(table_at<int>(constant, unit.flips) + first + c);
                bits |= ((value ^ flip) >= limit ? 1u : 0u) << c;
            }
            output[piece] = static_cast<unsigned char>(bits);
            break;
        }
        case PersistentKind::add:
            output32[piece] = input32[piece] + reinterpret_cast<const unsigned*>(second)[piece];
            break;
        case PersistentKind::pool_bits: {
            unsigned bits = 0;
            for_each_in_window(unit, piece / unit.words, [&](int pixel) {
                bits |= input32[pixel * unit.words + piece % unit.words];
            });
            output32[piece] = bits;
            break;
        }
        case PersistentKind::pool_int32: {
            int largest = -2147483647 - 1;
            for_each_in_window(unit, piece / unit.channels, [&](int pixel) {
                largest =
                    max(largest,
                        static_cast<int>(input32[pixel * unit.channels + piece % unit.channels]));
            });
            output32[piece] = static_cast<unsigned>(largest);
            break;
        }
        case PersistentKind::pool_u8: {
            int largest = 0;
            for_each_in_window(unit, piece / unit.channels, [&](int pixel) {
                largest =
                    max(largest,
                        static_cast<int>(input[pixel * unit.channels + piece % unit.channels]));
            });
            output[piece] = static_cast<unsigned char>(largest);
            break;
        }
        case PersistentKind::flatten_bits: {
            const int elements = unit.height * unit.width * unit.channels;
            const int out_words = (elements + 63) / 64 * 2;
            const int image = piece / out_words, first = piece % out_words * 32;
            unsigned bits = 0;
            for (int i = 0; i < 32 && first + i < elements; ++i) {
                const int pixel = image * unit.height * unit.width + (first + i) / unit.channels;
                const int c = (first + i) % unit.channels;
                bits |= (input32[pixel * unit.words + c / 32] >> (c % 32) & 1) << i;
            }
            output32[piece] = bits;
            break;
        }
        default:
            output32[piece] = input32[piece];
    }
}

template <Multiply kMultiply>
__device__ __forceinline__ void run_persistent(int units,
                                               unsigned table,
                                               const unsigned char* constant,
                                               const PersistentBuffers& buffers,
                                               unsigned* barrier) {
    // As far as registers go: 128, for two blocks on a multiprocessor.
    constexpr int kAhead = kMultiply == Multiply::bit_bytes ? 1 : 2;
    __shared__ PersistentUnit unit;
    const int thread = static_cast<int>(threadIdx.x);
    const int blocks = static_cast<int>(gridDim.x);
    int next = static_cast<int>(blockIdx.x);  // the block's turn among those of this unit

    for (int index = 0; index < units; ++index) {
        // 1. What to do next.
        __syncthreads();
        constexpr int kWords = sizeof(PersistentUnit) / 4;
        for (int i = thread; i < kWords; i += static_cast<int>(blockDim.x)) {
            reinterpret_cast<unsigned*>(&unit)[i] =
                __ldg(table_at<unsigned>(constant, table) + index * kWords + i);
        }
        __syncthreads();

        // 2. Its inputs have to be there.
        if (unit.wait != 0) {
            meet(barrier);
            next = static_cast<int>(blockIdx.x);
        }

        // 3. The block's share. The next unit begins with the block after the last one of this.
        if (unit.kind != PersistentKind::dot) {
            const unsigned char* const input = address_of(buffers, unit.input);
            const unsigned char* const second = address_of(buffers, unit.second);
            unsigned char* const output = address_of(buffers, unit.sums);
            const int stride = blocks * static_cast<int>(blockDim.x);
            for (int piece = next * static_cast<int>(blockDim.x) + thread; piece < unit.count;
                 piece += stride) {
                write_piece(unit, constant, input, second, output, piece);
            }
            continue;
        }
        const DotTensors at{constant,
                            address_of(buffers, unit.input),
                            reinterpret_cast<const int*>(address_of(buffers, unit.second)),
                            reinterpret_cast<int*>(address_of(buffers, unit.sums)),
                            address_of(buffers, unit.bits)};
        const int tiles = unit.dot.blocks_m * unit.dot.blocks_n;
        auto* const shared = reinterpret_cast<int4*>(dynamic_shared());
        int tile = next;
        for (; tile < tiles; tile += blocks) {
            if (unit.pixels != 0) {
                dot_tile<Multiply::pixels, kPersistentTiles, kAhead>(unit.dot, at, tile, shared);
            } else {
                dot_tile<kMultiply, kPersistentTiles, kAhead>(unit.dot, at, tile, shared);
            }
        }
        next = tile - tiles;
    }
}

__global__ void __launch_bounds__(32 * kPersistentWarps, 2)
    persistent_and(int units,
                   unsigned table,
                   const unsigned char* constant,
                   const void* input,
                   const void* second_input,
                   void* output,
                   unsigned char* scratch,
                   unsigned* barrier) {
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 800 || __CUDA_ARCH__ >= 1000)
    __trap();
#else
    run_persistent<Multiply::bit_and>(
        units, table, constant, {input, second_input, output, scratch}, barrier);
#endif
}

__global__ void __launch_bounds__(32 * kPersistentWarps, 2)
    persistent_xor(int units,
                   unsigned table,
                   const unsigned char* constant,
                   const void* input,
                   const void* second_input,
                   void* output,
                   unsigned char* scratch,
                   unsigned* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    __trap();
#else
    run_persistent<Multiply::bit_xor>(
        units, table, constant, {input, second_input, output, scratch}, barrier);
#endif
}

__global__ void __launch_bounds__(32 * kPersistentWarps, 2)
    persistent_bytes(int units,
                     unsigned table,
                     const unsigned char* constant,
                     const void* input,
                     const void* second_input,
                     void* output,
                     unsigned char* scratch,
                     unsigned* barrier) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 1000
    __trap();
#else
    run_persistent<Multiply::bit_bytes>(
        units, table, constant, {input, second_input, output, scratch}, barrier);
#endif
}

}  // namespace kernels::cuda
