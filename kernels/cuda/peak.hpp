#pragma once

// What mma.sync can do at most: products on registers alone. The kernels here are made of it; a
// benchmark runs it beside them and gives their speed as a share of it. On sm_90 the products of
// a warpgroup (wgmma) go further: there mma.sync reaches two thirds of the hardware's rate. See
// peak.cu.

#if !defined(__CUDACC__)
#include "kernels/device_kernel.hpp"
#endif

namespace kernels::cuda {

using PeakKernel = void (*)(int rounds, int* sink);
PeakKernel peak_b1_kernel();  // sm_80 to sm_90

#if !defined(__CUDACC__)

struct Peak {
    DeviceKernel kernel;
    double operations = 0;  // of one run: 2 for each product of two bits
};

// Every warp multiplies 16 x 8 x 256 bits `rounds` times into each of its eight accumulators.
Peak peak_b1(const DeviceLimits& limits, int rounds);

#endif

}  // namespace kernels::cuda
