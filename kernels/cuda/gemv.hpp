#pragma once

// Linear layers on few images. See gemv.cu.

#include "kernels/cuda/dot_shape.hpp"

namespace kernels::cuda {

inline constexpr int kGemvWarps = 8;  // of a block: the bits of a byte of the output

struct GemvShape {
    DotShape dot;
    int quads;    // weights of a channel in units of 128 bits
    int aligned;  // does every image begin at a multiple of 128 bits?
};

// Outputs are those of each warp, images those it reads its weights for.
struct GemvTile {
    int outputs, images;
    friend bool operator==(const GemvTile&, const GemvTile&) = default;
};
inline constexpr GemvTile kGemvTiles[] = {{2, 4}, {1, 1}, {4, 1}};

using GemvKernel = void (*)(GemvShape,
                            const unsigned* input,
                            const unsigned* weights,  // [channel][quad], 128 bits each
                            const int* table,
                            const int* thresholds,
                            const int* flips,
                            const int* second,
                            unsigned* output);
GemvKernel gemv_kernel(bool bytes, const GemvTile& tile);

}  // namespace kernels::cuda
