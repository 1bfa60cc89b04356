#pragma once

// A barrier of all blocks of a cooperative launch. A file of its own: the header of the toolkit
// costs a second of compilation for each architecture.

#include "kernels/cuda/device_code.cuh"

#if defined(__CUDACC__)

#include <cooperative_groups.h>

namespace kernels::cuda {

__device__ __forceinline__ void grid_barrier() { cooperative_groups::this_grid().sync(); }

}  // namespace kernels::cuda

#else

namespace kernels::cuda {

using cuda_emulation::grid_barrier;

}  // namespace kernels::cuda

#endif
