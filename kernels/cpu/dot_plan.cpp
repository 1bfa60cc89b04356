#include "kernels/cpu/dot_plan.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace kernels::cpu {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

bool bit_of(std::span<const std::uint64_t> words, std::size_t index) {
    return (words[index / 64] >> (index % 64) & 1) != 0;
}

// Needed where padding counts as zero in a packed input, whose bits can only be -1 or +1, and
// where it counts as -1 in an input of u8.
bool needs_correction(const DotGeometry& geometry) {
    if (geometry.padding == 0)
        return false;
    const int unrepresentable = geometry.input.element == Element::binary ? 0 : -1;
    return geometry.pad_value == unrepresentable;
}

// Weights of one output channel, bit by bit: (ky, kx, c) order, c filled up to whole words.
class Channel {
public:
    Channel(const DotGeometry& geometry, const Step& step, int channel, bool negated)
        : words_(geometry.input.words()), channels_(geometry.input.channels) {
        const auto fan_in = static_cast<std::size_t>(geometry.fan_in());
        const std::size_t per_channel = (fan_in + 63) / 64;
        const auto weights = step.weights.subspan(size(channel) * per_channel, per_channel);
        const std::uint64_t negation = negated ? ~std::uint64_t{0} : 0;
        if (channels_ % 64 == 0) {  // the same words
            for (const std::uint64_t word : weights)
                taps_.push_back(word ^ negation);
            return;
        }
        const std::size_t pixels = size(geometry.kernel_height) * size(geometry.kernel_width);
        taps_.assign(pixels * size(words_), 0);
        std::size_t i = 0;
        for (std::size_t pixel = 0; pixel < pixels; ++pixel)
            for (std::size_t c = 0; c < size(channels_); ++c, ++i)
                if (bit_of(weights, i) != negated)
                    taps_[pixel * size(words_) + c / 64] |= std::uint64_t{1} << (c % 64);
    }

    std::uint64_t word(int index) const { return taps_[size(index)]; }

    int weight(int pixel, int c) const {
        return (taps_[size(pixel * words_ + c / 64)] >> (c % 64) & 1) != 0 ? 1 : -1;
    }

    // Sum of the weights over one pixel of the kernel.
    int sum(int pixel) const {
        int ones = 0;
        for (int word = 0; word < words_; ++word)
            ones += std::popcount(taps_[size(pixel * words_ + word)]);
        return 2 * ones - channels_;
    }

private:
    int words_, channels_;
    std::vector<std::uint64_t> taps_;
};

// Sum of the weights that lie over padding.
std::int64_t padded_sum(const DotGeometry& geometry, const Channel& channel, const Border& border) {
    std::int64_t sum = 0;
    for (int ky = 0; ky < geometry.kernel_height; ++ky)
        for (int kx = 0; kx < geometry.kernel_width; ++kx)
            if (ky < border.ky_begin || ky >= border.ky_end || kx < border.kx_begin ||
                kx >= border.kx_end)
                sum += channel.sum(ky * geometry.kernel_width + kx);
    return sum;
}

std::int64_t floor_half(std::int64_t value) { return value >> 1; }

bool is_flipped(const Folded* folded, int channel) {
    return folded != nullptr && folded->flipped[size(channel)];
}

}  // namespace

DotGeometry geometry_of(const Step& step, const Shape& input) {
    if (step.kind == StepKind::linear)
        return {.input = input,
                .kernel_height = input.height,
                .kernel_width = input.width,
                .stride = 1,
                .padding = 0,
                .pad_value = 0,
                .height = 1,
                .width = 1,
                .channels = step.out_channels};
    const auto windows = [&](int length, int kernel) {
        return (length + 2 * step.padding - kernel) / step.stride + 1;
    };
    return {.input = input,
            .kernel_height = step.kernel_height,
            .kernel_width = step.kernel_width,
            .stride = step.stride,
            .padding = step.padding,
            .pad_value = step.pad_value,
            .height = windows(input.height, step.kernel_height),
            .width = windows(input.width, step.kernel_width),
            .channels = step.out_channels};
}

Borders borders_of(const DotGeometry& geometry) {
    Borders borders;
    const bool corrected = needs_correction(geometry);
    const auto inside = [&](int position, int kernel, int length) {
        const int first = position * geometry.stride - geometry.padding;
        const int begin = std::clamp(-first, 0, kernel);
        return std::pair{begin, std::clamp(length - first, begin, kernel)};
    };
    for (int y = 0; y < geometry.height; ++y)
        for (int x = 0; x < geometry.width; ++x) {
            Border border{0, geometry.kernel_height, 0, geometry.kernel_width};
            if (corrected) {
                const auto [ky_begin, ky_end] =
                    inside(y, geometry.kernel_height, geometry.input.height);
                const auto [kx_begin, kx_end] =
                    inside(x, geometry.kernel_width, geometry.input.width);
                border = {ky_begin, ky_end, kx_begin, kx_end};
            }
            const auto found = std::find(borders.classes.begin(), borders.classes.end(), border);
            borders.of_position.push_back(
                static_cast<std::int32_t>(found - borders.classes.begin()));
            if (found == borders.classes.end())
                borders.classes.push_back(border);
        }
    return borders;
}

Folded fold(const Step& threshold) {
    Folded folded;
    for (std::size_t channel = 0; channel < threshold.thresholds.size(); ++channel) {
        const bool flipped = bit_of(threshold.flips, channel);
        const std::int64_t limit = threshold.thresholds[channel];
        folded.flipped.push_back(flipped);
        folded.thresholds.push_back(flipped ? -limit : limit);
    }
    return folded;
}

std::vector<std::int32_t> taps_of(const DotGeometry& geometry) {
    const int words = geometry.input.words();
    std::vector<std::int32_t> taps;
    for (int ky = 0; ky < geometry.kernel_height; ++ky)
        for (int kx = 0; kx < geometry.kernel_width; ++kx)
            for (int word = 0; word < words; ++word)
                taps.push_back((ky * geometry.padded_width() + kx) * words + word);
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
            for (std::size_t border = 0; border < classes; ++border)
                packed.table[row + border * 16] = INT32_MAX;
            continue;
        }
        const Channel weights(geometry, step, channel, is_flipped(folded, channel));

        // 1. Weights, in blocks of channels.
        const int first = channel / block * block;
        const int width = std::min(block, filled - first);
        std::size_t at = size(first) * size(2 * words) + size(channel - first);
        std::uint32_t before = 0;
        for (int half = 0; half < 2 * words; ++half, at += size(width)) {
            const auto weight =
                static_cast<std::uint32_t>(weights.word(half / 2) >> (32 * (half % 2)));
            packed.weights[at] = weight ^ before;
            if (tiling.chained)
                before = packed.weights[at];
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
                          int runs) {
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
            for (std::size_t border = 0; border < classes; ++border)
                packed.table[row + border * 16] = INT32_MAX;
            continue;
        }
        const Channel weights(geometry, step, channel, is_flipped(folded, channel));
        for (int i = 0; i < run * runs; ++i) {
            const int group = i / run * packed.run_groups + i % run / 4;
            const std::size_t block = size(channel / 16) * size(groups) + size(group);
            packed.weights[(block * 16 + size(channel % 16)) * 4 + size(i % run % 4)] =
                static_cast<std::int8_t>(weights.weight(i / channels, i % channels));
        }
        for (std::size_t border = 0; border < classes; ++border) {
            std::int64_t value = -padded_sum(geometry, weights, borders.classes[border]);
            if (folded != nullptr)  // dot products are far from the ends of int32 (see `accepts`)
                value = std::clamp<std::int64_t>(
                    folded->thresholds[size(channel)] - value, INT32_MIN, INT32_MAX);
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
        if (channel < channels)
            result.thresholds[channel] = threshold.thresholds[channel] ^ result.flips[channel];
        else
            result.thresholds[channel] = INT32_MAX;
    }
    return result;
}

}  // namespace kernels::cpu
