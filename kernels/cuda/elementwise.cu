// Thresholds, pooling, add and flatten on their own, for chains in which nothing fuses them with a
// convolution.
//
// Bytes: every input and output once (pooling with overlapping windows reads from the cache again);
// operations: a few for each element, so that the limit is the bandwidth of memory, or of the L2
// cache where tensors fit into it, and the launch for all but large tensors. Neighbouring threads
// read neighbouring words; bits leave by ballot, one word for a warp.

#include "kernels/cuda/elementwise.cuh"

namespace kernels::cuda {

ThresholdPoolKernel threshold_pool_kernel() { return exported(threshold_pool); }

PoolKernel pool_kernel(Pooled kind) {
    return kind == Pooled::bits    ? exported(pool<unsigned long long>)
           : kind == Pooled::bytes ? exported(pool<unsigned char>)
                                   : exported(pool<int>);
}

AddKernel add_kernel() { return exported(add); }
FlattenKernel flatten_kernel() { return exported(flatten); }
CopyKernel copy_kernel() { return exported(copy); }

}  // namespace kernels::cuda
