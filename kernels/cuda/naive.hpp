#pragma once

// HEP-BNN's seven ways to spread a convolution over a grid. See naive.cu.

#include "kernels/cuda/dot_shape.hpp"

namespace kernels::cuda {

struct NaiveShape {
    DotShape dot;
    PoolShape pool;  // of one pixel where nothing is pooled
    int linear;      // threads are channels, for there is one position only
};

using NaiveKernel = void (*)(NaiveShape,
                             const unsigned* input,
                             const unsigned* weights,
                             const int* table,
                             const int* of_position,
                             const int* thresholds,
                             const int* flips,
                             const int* second,
                             unsigned* output);
NaiveKernel naive_kernel(bool bytes);

}  // namespace kernels::cuda
