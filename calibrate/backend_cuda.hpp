#pragma once

// What of the CUDA backend its tests need beside device.hpp.

#include "calibrate/device.hpp"

#include <cstddef>
#include <memory>

namespace calibrate::cuda {

// How segments go to the GPU: as one CUDA graph each, or one launch after the other. The results
// are the same; graphs are faster.
enum class Submission { graphs, launches };

// As Backend::open, which takes graphs. Throws DeviceError.
std::unique_ptr<Device> open(const DeviceInfo& info, Submission submission);

// The __global__ function (backend_cuda_kernels.cu) that copies `bytes` bytes from `from` to `to`,
// with any number of threads: (void* to, const void* from, std::size_t bytes). Both are memory
// that the GPU reaches, its own or the host's.
const void* copy_kernel();

}  // namespace calibrate::cuda
