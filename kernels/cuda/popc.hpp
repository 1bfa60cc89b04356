#pragma once

// Convolutions and linear layers by popcounts in register tiles. See popc.cu.

#include "kernels/cuda/dot_shape.hpp"

namespace kernels::cuda {

inline constexpr int kPopcWarps = 4;        // of a block
inline constexpr int kPopcChunkWords = 32;  // 32-bit words of each window in shared memory at once

struct PopcShape {
    DotShape dot;
    int rows, columns;   // of the kernel's output: after pooling
    int pooled;          // are windows of 2x2 bits pooled?
    int quads;           // weights of a channel in units of 128 bits
    int channel_blocks;  // of 32
};

// Where an element of a window is, from the window's first pixel; of bits: a 32-bit word.
struct PopcTap {
    int y, x;
    int offset;       // in the input, in words or bytes
    unsigned padded;  // what is read where there is no pixel
};

// Pixels are those of each warp, blocks are the 32 channels of each warp.
struct PopcTile {
    int pixels, blocks;
    friend bool operator==(const PopcTile&, const PopcTile&) = default;
};
inline constexpr PopcTile kPopcTiles[] = {{8, 4}, {8, 2}, {4, 1}, {1, 1}};

using PopcKernel =
    void (*)(PopcShape,
             const unsigned* input,
             const unsigned* weights,  // [block of 32 channels][quad][lane], 128 bits each
             const PopcTap* taps,
             const int* table,
             const int* of_position,
             const int* thresholds,
             const int* flips,
             const int* second,
             unsigned* output);
PopcKernel popc_kernel(bool bytes, const PopcTile& tile);

}  // namespace kernels::cuda
