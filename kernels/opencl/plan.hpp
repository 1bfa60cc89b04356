#pragma once

// What the OpenCL variants have in common on the host's side: a chain's sizes as the programs want
// them, what fits, and chains without weights.

#include "kernels/chain_pattern.hpp"
#include "kernels/device_kernel.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kernels::opencl {

// What programs begin with: common.cl and steps.cl, embedded by the build.
// NOLINTNEXTLINE(readability-identifier-naming): named as the files
extern const std::string_view k_common_cl, k_steps_cl;

// The same, field by field, as Sizes of common.cl, where fields are explained.
struct Sizes {
    std::int32_t batch = 1;
    std::int32_t height = 1, width = 1, channels = 1, words = 1;
    std::int32_t kernel_height = 1, kernel_width = 1, stride = 1, padding = 0, pad_value = 0;
    std::int32_t dot_height = 1, dot_width = 1, dot_channels = 1;
    std::int32_t interior = -1;
    std::int32_t pool_height = 1, pool_width = 1, pool_stride = 1, pool_padding = 0;
    std::int32_t out_height = 1, out_width = 1;
    std::int32_t pieces = 1;
    std::int32_t element = 0, result = 0;
    std::int32_t adds = 0, thresholds = 0;
};

// Can offsets into so many bytes be 32 bits wide? Some room is left for the rounding up of grids.
inline bool fits(std::uint64_t bytes) { return bytes <= 0x7fff0000; }

// Is the chain one of those in chain_pattern.hpp, with all of its offsets in 32 bits?
bool accepts(const Chain& chain);

// Without a pool, the output is as large as what the pool would read. Sizes of chains with weights
// have one piece for each eight channels (of whole words, behind a threshold).
Sizes sizes_of(const Chain& chain, const Pattern& pattern);

// A window that reads some position more than once: such a pool is a launch of its own, so that
// no dot product is done twice.
bool overlaps(const Step* pool);

// What the work items are spread over; the rest is looped over inside a work item.
struct Spread {
    bool images = false, positions = false, channels = false;
};

// The grid for kernels that walk through images, positions and pieces.
Launch spread_launch(const std::string& kernel,
                     const Sizes& sizes,
                     const Spread& spread,
                     const DeviceLimits& limits);

// The kernel's launches for a chain without weights. `source` has the kernels of steps.cl in it.
DeviceKernel prepare_steps(const Chain& chain,
                           const Pattern& pattern,
                           std::string_view source,
                           const Spread& spread,
                           const DeviceLimits& limits);

// Makes the pool of a chain with weights a launch of its own: `kernel`, which makes the chain
// without it, writes into scratch memory instead of the output.
void append_pool(DeviceKernel& kernel,
                 const Chain& chain,
                 const Pattern& pattern,
                 const Spread& spread,
                 const DeviceLimits& limits);

// Thresholds as the programs compare with them, filled up to a multiple of 8 channels with limits
// that nothing reaches: two constants, limits and flips. Zeros where there is no threshold.
void append_thresholds(DeviceKernel& kernel, const Step* threshold, int channels);

// Work items of a group: a power of two, at most `wanted` and what the device can do.
unsigned group_size(unsigned wanted, const DeviceLimits& limits);

template <class Value>
void append_constant(DeviceKernel& kernel, std::span<const Value> values) {
    const std::span<const std::byte> bytes = std::as_bytes(values);
    kernel.constants.emplace_back(bytes.begin(), bytes.end());
}

}  // namespace kernels::opencl
