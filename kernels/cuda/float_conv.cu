// Full precision, to compare with: what a network costs that is not binarized, by the same means
// and without a library. Bias and rectifier are part of the kernel.
//
// Bytes: four for every weight and value, 32 times those of bits; operations: one multiply-add
// each. A tile of 32 x 32 reads its windows and filters through shared memory once for 32
// multiply-adds; a thread's 2 x 4 make 8 multiply-adds of three loads (a float4 of filters, two
// broadcast pixels). Limit: shared memory, about half of the rate of multiply-adds; a library
// with larger tiles or tensor cores is faster on large batches, which is why results say what the
// baseline was. Linear layers on few images read each weight once: the bandwidth of memory or L2.

#include "kernels/cuda/float_conv.cuh"

namespace kernels::cuda {

FloatDotKernel float_conv_kernel() { return exported(float_conv); }
FloatDotKernel float_linear_kernel() { return exported(float_linear); }
FloatPoolKernel float_pool_kernel() { return exported(float_pool); }

}  // namespace kernels::cuda
