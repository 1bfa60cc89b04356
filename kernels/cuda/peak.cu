// Eight independent accumulators a warp keep the tensor core's pipeline full; nothing is loaded,
// and the result is stored only in a case that never happens, so that the compiler keeps it all.

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/peak.hpp"

#include <climits>

namespace kernels::cuda {
namespace {

constexpr int kAccumulators = 8;

// One block fills a multiprocessor's registers, so that each gets the same work.
__global__ void __launch_bounds__(1024, 1) peak_b1(int rounds, int* sink) {
    unsigned a[4], b[2];
    for (int i = 0; i < 4; ++i)
        a[i] = threadIdx.x * 0x9e3779b9u + static_cast<unsigned>(i);
    for (int i = 0; i < 2; ++i)
        b[i] = threadIdx.x * 0x85ebca6bu + static_cast<unsigned>(i);
    // Different from each other, or the compiler would make one product of all.
    int c[kAccumulators][4];
    for (int i = 0; i < kAccumulators; ++i)
        for (int j = 0; j < 4; ++j)
            c[i][j] = static_cast<int>(threadIdx.x) + 4 * i + j;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int i = 0; i < kAccumulators; ++i)
            mma_b1_and_16x8x256(c[i], a, b);
    }
    int sum = 0;
    for (int i = 0; i < kAccumulators; ++i)
        sum += c[i][0] ^ c[i][1] ^ c[i][2] ^ c[i][3];
    if (sum == INT_MIN)
        *sink = sum;
}

}  // namespace

PeakKernel peak_b1_kernel() { return peak_b1; }

}  // namespace kernels::cuda
