#include "kernels/cpu/dot_plan.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace kernels::cpu {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

std::int64_t floor_half(std::int64_t value) { return value >> 1; }

bool is_flipped(const Folded* folded, int channel) {
    return folded != nullptr && folded->flipped[size(channel)];
}

}  // namespace

std::vector<std::int32_t> taps_of(const DotGeometry& geometry) {
    const int words = geometry.input.words();
    std::vector<std::int32_t> taps;
    for (int ky = 0; ky < geometry.kernel_height; ++ky) {
        for (int kx = 0; kx < geometry.kernel_width; ++kx) {
            for (int word = 0; word < words; ++word) {
                taps.push_back((ky * geometry.padded_width() + kx) * words + word);
            }
        }
    }
    return taps;
}

BinaryParameters pack_binary(const DotGeometry& geometry,
                             const Step& step,
                             const Borders& borders,
                             const Folded* folded,
                             const Tiling& tiling) {
    const int words = geometry.kernel_height * geometry.kernel_width * geometry.input.words();
    const int filled = round_up(geometry.channels, 16);
    const int block = tiling.lanes * tiling.block_vectors;
    const std::size_t classes = borders.classes.size();

    BinaryParameters packed;
    packed.weights = Buffer<std::uint32_t>(size(filled) * size(2 * words));
    packed.table = Buffer<std::int32_t>(size(filled) * classes);
    for (int channel = 0; channel < filled; ++channel) {
        const std::size_t row = size(channel / 16) * classes * 16 + size(channel % 16);
        if (channel >= geometry.channels) {  // never a bit
            for (std::size_t border = 0; border < classes; ++border) {
                packed.table[row + border * 16] = INT32_MAX;
            }
            continue;
        }
        const ChannelWeights weights(geometry, step, channel, is_flipped(folded, channel));

        // 1. Weights, in blocks of channels.
        const int first = channel / block * block;
        const int width = std::min(block, filled - first);
        const std::size_t block_begin = size(first) * size(2 * words);
        std::uint32_t before = 0;
        for (int half = 0; half < 2 * words; ++half) {
            const int group = half / tiling.halves * tiling.halves;
            const int together = std::min(tiling.halves, 2 * words - group);
            const std::size_t at = block_begin + size(group) * size(width) +
                                   size(channel - first) * size(together) + size(half - group);
            const auto weight =
                static_cast<std::uint32_t>(weights.word(half / 2) >> (32 * (half % 2)));
            packed.weights[at] = weight ^ before;
            if (tiling.chained) {
                before = packed.weights[at];
            }
        }

        // 2. Limits or bases, by border class.
        for (std::size_t border = 0; border < classes; ++border) {
            std::int64_t value =
                geometry.fan_in() + padded_sum(geometry, weights, borders.classes[border]);
            if (folded != nullptr) {
                const std::int64_t most = floor_half(value - folded->thresholds[size(channel)]);
                value = -std::clamp<std::int64_t>(most, -1, geometry.fan_in());
            }
            packed.table[row + border * 16] = static_cast<std::int32_t>(value);
        }
    }
    return packed;
}

ByteParameters pack_bytes(const DotGeometry& geometry,
                          const Step& step,
                          const Borders& borders,
                          const Folded* folded,
                          int runs,
                          int offset) {
    const int filled = round_up(geometry.channels, 16);
    const int channels = geometry.input.channels;
    const int run = static_cast<int>(geometry.fan_in()) / runs;  // elements
    const std::size_t classes = borders.classes.size();

    ByteParameters packed;
    packed.run_groups = (run + 3) / 4;
    const int groups = packed.run_groups * runs;
    packed.weights = Buffer<std::int8_t>(size(filled) * size(groups) * 4);
    packed.table = Buffer<std::int32_t>(size(filled) * classes);
    for (int channel = 0; channel < filled; ++channel) {
        const std::size_t row = size(channel / 16) * classes * 16 + size(channel % 16);
        if (channel >= geometry.channels) {  // never a bit
            for (std::size_t border = 0; border < classes; ++border) {
                packed.table[row + border * 16] = INT32_MAX;
            }
            continue;
        }
        const ChannelWeights weights(geometry, step, channel, is_flipped(folded, channel));
        std::int64_t sum = 0;
        for (int i = 0; i < run * runs; ++i) {
            const int group = i / run * packed.run_groups + i % run / 4;
            const std::size_t block = size(channel / 16) * size(groups) + size(group);
            const int weight = weights.weight(i / channels, i % channels);
            packed.weights[(block * 16 + size(channel % 16)) * 4 + size(i % run % 4)] =
                static_cast<std::int8_t>(weight);
            sum += weight;
        }
        for (std::size_t border = 0; border < classes; ++border) {
            std::int64_t value =
                offset * sum - padded_sum(geometry, weights, borders.classes[border]);
            if (folded != nullptr) {  // dot products are far from the ends of int32 (see `accepts`)
                value = std::clamp<std::int64_t>(
                    folded->thresholds[size(channel)] - value, INT32_MIN, INT32_MAX);
            }
            packed.table[row + border * 16] = static_cast<std::int32_t>(value);
        }
    }
    return packed;
}

FlippedThresholds flip_thresholds(const Step& threshold) {
    const std::size_t channels = threshold.thresholds.size();
    const std::size_t filled = (channels + 63) / 64 * 64;
    FlippedThresholds result{Buffer<std::int32_t>(filled), Buffer<std::int32_t>(filled)};
    for (std::size_t channel = 0; channel < filled; ++channel) {
        const bool flipped = channel < channels && bit_of(threshold.flips, channel);
        result.flips[channel] = flipped ? -1 : 0;
        // x <= t is ~x >= ~t: complement turns the order round, and nothing can overflow.
        if (channel < channels) {
            result.thresholds[channel] = threshold.thresholds[channel] ^ result.flips[channel];
        } else {
            result.thresholds[channel] = INT32_MAX;
        }
    }
    return result;
}

}  // namespace kernels::cpu
