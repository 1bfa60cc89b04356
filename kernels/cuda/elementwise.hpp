#pragma once

// Steps that are not part of a fused kernel: thresholds, pooling, add and flatten. See
// elementwise.cu.

#include "kernels/cuda/dot_shape.hpp"

#if !defined(__CUDACC__)
#include "kernels/device_kernel.hpp"

#include <vector>
#endif

namespace kernels::cuda {

struct ElementShape {
    int batch, height, width;  // of the input
    int channels;              // or, of bits to pool, words of 64
    PoolShape pool;
};

// `units` is what there is to do: one for each thread, or for each warp of threshold_pool.
using ThresholdPoolKernel = void (*)(ElementShape,
                                     int units,
                                     const int* input,
                                     const int* thresholds,
                                     const int* flips,
                                     unsigned* output);
using PoolKernel = void (*)(ElementShape, int units, const unsigned* input, unsigned* output);
using AddKernel = void (*)(int units, const int* input, const int* second, int* output);
using FlattenKernel = void (*)(ElementShape, int units, const unsigned* input, unsigned* output);
using CopyKernel = void (*)(int units, const unsigned* input, unsigned* output);

enum class Pooled : int { bits, bytes, integers };

ThresholdPoolKernel threshold_pool_kernel();
PoolKernel pool_kernel(Pooled kind);
AddKernel add_kernel();
FlattenKernel flatten_kernel();
CopyKernel copy_kernel();

#if !defined(__CUDACC__)

// A chain without conv2d and linear.
DeviceKernel elementwise_prepare(const Chain& chain);

// Pools tensors of any element.
Launch pool_launch(
    const Step& pool, const Shape& input, int batch, BufferArgument from, BufferArgument to);

#endif

}  // namespace kernels::cuda
