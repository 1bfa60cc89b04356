#pragma once

// Runs kernels as data (kernels/device_kernel.hpp) in the emulation, the way a backend runs them
// on a device: buffers are allocated, constants uploaded, launches made one after the other.

#include "kernels/device_kernel.hpp"
#include "tests/cuda_emulation/emulation.hpp"
#include "tests/cuda_emulation/guarded_memory.hpp"

#include <memory>
#include <span>
#include <vector>

namespace cuda_emulation {

// Buffers of a kernel that may run many times: scratch memory is zeroed once, as on a device.
// Every buffer ends or begins at a page that must not be touched.
class Prepared {
public:
    Prepared(const kernels::DeviceKernel& kernel, GuardedMemory::Guard guard);

    // Input and output are read and written in place. Throws Error.
    void run(std::span<const std::byte> input,
             std::span<const std::byte> second_input,
             std::span<std::byte> output,
             Order order);

private:
    const kernels::DeviceKernel& kernel_;
    GuardedMemory::Guard guard_;
    std::vector<std::unique_ptr<GuardedMemory>> constants_, scratch_;
};

}  // namespace cuda_emulation
