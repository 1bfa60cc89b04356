#pragma once

// What the CUDA variants want of a chain with a conv2d or linear step, worked out once on the host:
// its shape in numbers, weights row by row, thresholds folded into limits on what is counted.
//
// Folding is as in kernels/cpu/dot_plan.hpp: kernels count m, the bits of a window that differ from
// the weights, and a padded element that should be 0 is read as -1; the table, by border class
// and channel, makes up for it:
//     bits of binary input   -m >= limit          sums   base - 2 m
//     bits of u8 input      dot >= limit          sums   base + dot

#include "kernels/chain_pattern.hpp"
#include "kernels/cuda/dot_shape.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/device_kernel.hpp"
#include "kernels/geometry.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace kernels::cuda {

// A threshold as (x ^ flip) >= threshold, filled up to whole words.
struct FlippedThresholds {
    std::vector<std::int32_t> thresholds, flips;
};
FlippedThresholds flip_thresholds(const Step& threshold);

struct DotPlan {
    DotShape shape;
    DotGeometry geometry;
    Element element = Element::binary;
    // filled x length words. Binary: (ky, kx, word) order, 1 is +1; u8: four signed bytes each, in
    // (ky, kx, channel) order, zero behind the end.
    std::vector<std::uint32_t> weights;
    std::vector<std::int32_t> table;        // classes x filled
    std::vector<std::int32_t> of_position;  // border class of (y, x)
    FlippedThresholds flipped;              // of sum_bits
};

DotPlan plan_dot(const Chain& chain, const Pattern& pattern);

// What follows the convolution, as buffers in the order in which kernels take them.
struct FinishBuffers {
    BufferArgument table, of_position, thresholds, flips, second;
};
FinishBuffers add_finish(DeviceKernel& kernel, const DotPlan& plan);

PoolShape pool_shape(const Step& pool, const Shape& output);

// Are all tensors within reach of 32-bit offsets, and is the pattern known?
bool fits(const Chain& chain, const Pattern& pattern);

[[noreturn]] void refuse(const char* variant, const std::string& configuration);

}  // namespace kernels::cuda
