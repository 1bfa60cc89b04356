#include "kernels/cuda/dot_plan.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

namespace kernels::cuda {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }

// Packs the weights of one channel.
void pack_row(const DotGeometry& geometry, const ChannelWeights& weights, std::uint32_t* row) {
    const int pixels = geometry.kernel_height * geometry.kernel_width;
    if (geometry.input.element == Element::binary) {
        for (int word = 0; word < pixels * geometry.input.words(); ++word) {
            *row++ = static_cast<std::uint32_t>(weights.word(word));
            *row++ = static_cast<std::uint32_t>(weights.word(word) >> 32);
        }
        return;
    }
    int i = 0;
    for (int pixel = 0; pixel < pixels; ++pixel) {
        for (int c = 0; c < geometry.input.channels; ++c, ++i) {
            row[i / 4] |= std::uint32_t{static_cast<std::uint8_t>(weights.weight(pixel, c))}
                          << (8 * (i % 4));
        }
    }
}

// A limit or a base (dot_plan.hpp).
std::int64_t entry_of(const DotGeometry& geometry,
                      const ChannelWeights& weights,
                      const Border& border,
                      const std::int64_t* threshold) {
    const std::int64_t padded = padded_sum(geometry, weights, border);
    if (geometry.input.element == Element::binary) {
        const std::int64_t base = geometry.fan_in() + padded;
        if (threshold == nullptr) {
            return base;
        }
        return -std::clamp<std::int64_t>((base - *threshold) >> 1, -1, geometry.fan_in());
    }
    // Sums of u8 are far from the ends of int32 (small_enough).
    return threshold == nullptr
               ? -padded
               : std::clamp<std::int64_t>(*threshold + padded, INT32_MIN, INT32_MAX);
}

}  // namespace

DotPlan plan_dot(const Chain& chain, const Pattern& pattern) {
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    const Borders borders = borders_of(geometry);
    const bool binary = geometry.input.element == Element::binary;
    const int words = geometry.input.words();
    const auto fan_in = static_cast<int>(geometry.fan_in());
    const int pixels = geometry.kernel_height * geometry.kernel_width;
    const bool ones = geometry.pad_value == 1;

    DotPlan plan{};
    plan.geometry = geometry;
    plan.element = geometry.input.element;
    DotShape& shape = plan.shape;
    shape = {.batch = chain.batch,
             .input_height = geometry.input.height,
             .input_width = geometry.input.width,
             .input_pixel = binary ? 2 * words : geometry.input.channels,
             .height = geometry.height,
             .width = geometry.width,
             .channels = geometry.channels,
             .filled = (geometry.channels + 63) / 64 * 64,
             .kernel_height = geometry.kernel_height,
             .kernel_width = geometry.kernel_width,
             .stride = geometry.stride,
             .padding = geometry.padding,
             .padded_channels = ones ? geometry.input.channels : 0,
             .length = binary ? pixels * 2 * words : (fan_in + 3) / 4,
             .result = pattern.threshold == nullptr ? Result::sums
                       : pattern.add == nullptr     ? Result::bits
                                                    : Result::sum_bits,
             .with_second = pattern.add != nullptr ? 1 : 0};

    Folded folded;
    if (shape.result == Result::bits) {
        folded = fold(*pattern.threshold);
    }
    plan.weights.assign(size(shape.filled) * size(shape.length), 0);
    plan.table.assign(borders.classes.size() * size(shape.filled), INT32_MAX);  // never a bit
    plan.of_position = borders.of_position;
    for (int channel = 0; channel < shape.channels; ++channel) {
        const bool is_folded = shape.result == Result::bits;
        const ChannelWeights weights(
            geometry, *pattern.dot, channel, is_folded && folded.flipped[size(channel)]);
        pack_row(geometry, weights, &plan.weights[size(channel) * size(shape.length)]);
        for (std::size_t border = 0; border < borders.classes.size(); ++border) {
            plan.table[border * size(shape.filled) + size(channel)] = static_cast<std::int32_t>(
                entry_of(geometry,
                         weights,
                         borders.classes[border],
                         is_folded ? &folded.thresholds[size(channel)] : nullptr));
        }
    }

    if (shape.result == Result::sum_bits) {
        plan.flipped = flip_thresholds(*pattern.threshold);
    }
    return plan;
}

FlippedThresholds flip_thresholds(const Step& threshold) {
    const std::size_t channels = threshold.thresholds.size();
    FlippedThresholds flipped;
    flipped.thresholds.assign((channels + 63) / 64 * 64, INT32_MAX);
    flipped.flips.assign(flipped.thresholds.size(), 0);
    for (std::size_t c = 0; c < channels; ++c) {
        // x <= t is ~x >= ~t: complement turns the order round, and nothing can overflow.
        flipped.flips[c] = bit_of(threshold.flips, c) ? -1 : 0;
        flipped.thresholds[c] = threshold.thresholds[c] ^ flipped.flips[c];
    }
    return flipped;
}

FinishBuffers add_finish(DeviceKernel& kernel, const DotPlan& plan) {
    FinishBuffers buffers{.table = add_constant(kernel, plan.table),
                          .of_position = add_constant(kernel, plan.of_position),
                          .thresholds = {},
                          .flips = {},
                          .second = kSecondInputBuffer};
    buffers.thresholds = buffers.flips = buffers.table;  // not read
    if (plan.shape.result == Result::sum_bits) {
        buffers.thresholds = add_constant(kernel, plan.flipped.thresholds);
        buffers.flips = add_constant(kernel, plan.flipped.flips);
    }
    if (plan.shape.with_second == 0) {
        buffers.second = buffers.table;  // not read
    }
    return buffers;
}

PoolShape pool_shape(const Step& pool, const Shape& output) {
    return {.height = output.height,
            .width = output.width,
            .kernel_height = pool.kernel_height,
            .kernel_width = pool.kernel_width,
            .stride = pool.stride,
            .padding = pool.padding};
}

bool fits(const Chain& chain, const Pattern& pattern) {
    constexpr std::size_t kMost = std::size_t{1} << 31;
    const auto within = [&](const Shape& shape) {
        return tensor_bytes(shape, Layout::nhwc, chain.batch) < kMost;
    };
    if (!pattern.known || !small_enough(chain, pattern) || !within(chain.input)) {
        return false;
    }
    const std::vector<Shape> shapes = shapes_of(chain);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        // Sums that only become bits are nowhere in memory.
        const bool stored =
            i + 1 == shapes.size() || shapes[i].element != Element::int32 || pattern.add != nullptr;
        if (stored && !within(shapes[i])) {
            return false;
        }
    }
    return true;
}

void refuse(const char* variant, const std::string& configuration) {
    throw std::invalid_argument(std::string(variant) + ": no configuration '" + configuration +
                                "' for this chain");
}

}  // namespace kernels::cuda
