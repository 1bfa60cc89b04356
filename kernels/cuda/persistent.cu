// Many layers in one launch, for batches so small that launches and their gaps would take longer
// than the layers: a cooperative kernel whose blocks go through a table of units together, with a
// barrier only where a unit reads what was written since the last one. A shortcut and the layer
// beside it run side by side.
//
// Units are the tiles of tensor_core.cu (XOR on sm_75, AND on sm_80 to sm_90) or
// int8_tensor_core.cu (first layers; bits on later generations), 16 positions x 64 channels for a
// warp. As long as that leaves warps without work, they share the steps of a tile: a block is eight
// warps, and 7 x 7 x 512 at batch 1 is 32 tiles of 18 steps.
//
// Bytes and operations are those of the layers, and all weights of a network fit into the
// second-level cache. Limit: latency: for a unit about one barrier (two trips to the second-level
// cache), its table, and a chain of loads that depend on each other (unit, position, tap, word),
// each a trip; then steps, some of which are under way at once. Tensor cores hardly matter below
// batch 8.
//
// One or two blocks for each multiprocessor: two hide more latency, one has half as many to wait
// for at the barrier.

#include "kernels/cuda/persistent.cuh"

namespace kernels::cuda {

PersistentKernels persistent_kernels() {
    return {exported(persistent_and), exported(persistent_xor), exported(persistent_bytes)};
}

}  // namespace kernels::cuda
