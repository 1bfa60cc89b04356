#pragma once

// int8_tensor_core: dot_tile() with byte products. Bits are loaded as bits and spread into bytes
// in registers; pixels are loaded as they are.

#include "kernels/cuda/tensor_core.cuh"

namespace kernels::cuda {

template <int kTiles>
__global__ void __launch_bounds__(threads_of(kTiles))
    int8_tensor_core_bits(DotUnit unit,
                          const unsigned char* constant,
                          const void* input,
                          const int* second,
                          void* output) {
    dot_block<Multiply::bit_bytes, kTiles>(unit, constant, input, second, output);
}

template <int kTiles>
__global__ void __launch_bounds__(threads_of(kTiles))
    int8_tensor_core_pixels(DotUnit unit,
                            const unsigned char* constant,
                            const void* input,
                            const int* second,
                            void* output) {
    dot_block<Multiply::pixels, kTiles>(unit, constant, input, second, output);
}

}  // namespace kernels::cuda
