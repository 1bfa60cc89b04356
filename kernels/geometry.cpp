#include "kernels/geometry.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace kernels {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }

// Needed where padding counts as zero in a packed input, whose bits can only be -1 or +1, and
// where it counts as -1 in an input of u8.
bool needs_correction(const DotGeometry& geometry) {
    if (geometry.padding == 0) {
        return false;
    }
    const int unrepresentable = geometry.input.element == Element::binary ? 0 : -1;
    return geometry.pad_value == unrepresentable;
}

}  // namespace

bool bit_of(std::span<const std::uint64_t> words, std::size_t index) {
    return (words[index / 64] >> (index % 64) & 1) != 0;
}

float real_weight_of(const Step& step, std::size_t fan_in, std::size_t channel, std::size_t index) {
    if (!step.real_weights.empty()) {
        return step.real_weights[channel * fan_in + index];
    }
    return bit_of(step.weights, channel * ((fan_in + 63) / 64) * 64 + index) ? 1.0F : -1.0F;
}

ChannelWeights::ChannelWeights(const DotGeometry& geometry,
                               const Step& step,
                               int channel,
                               bool negated)
    : words_(geometry.input.words()), channels_(geometry.input.channels) {
    const auto fan_in = static_cast<std::size_t>(geometry.fan_in());
    const std::size_t per_channel = (fan_in + 63) / 64;
    const auto weights = step.weights.subspan(size(channel) * per_channel, per_channel);
    const std::uint64_t negation = negated ? ~std::uint64_t{0} : 0;
    if (channels_ % 64 == 0) {  // the same words
        for (const std::uint64_t word : weights) {
            taps_.push_back(word ^ negation);
        }
        return;
    }
    const std::size_t pixels = size(geometry.kernel_height) * size(geometry.kernel_width);
    taps_.assign(pixels * size(words_), 0);
    std::size_t i = 0;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        for (std::size_t c = 0; c < size(channels_); ++c, ++i) {
            if (bit_of(weights, i) != negated) {
                taps_[pixel * size(words_) + c / 64] |= std::uint64_t{1} << (c % 64);
            }
        }
    }
}

std::uint64_t ChannelWeights::word(int index) const { return taps_[size(index)]; }

int ChannelWeights::weight(int pixel, int c) const {
    return (taps_[size(pixel * words_ + c / 64)] >> (c % 64) & 1) != 0 ? 1 : -1;
}

int ChannelWeights::sum(int pixel) const {
    int ones = 0;
    for (int word = 0; word < words_; ++word) {
        ones += std::popcount(taps_[size(pixel * words_ + word)]);
    }
    return 2 * ones - channels_;
}

std::int64_t padded_sum(const DotGeometry& geometry,
                        const ChannelWeights& channel,
                        const Border& border) {
    std::int64_t sum = 0;
    for (int ky = 0; ky < geometry.kernel_height; ++ky) {
        for (int kx = 0; kx < geometry.kernel_width; ++kx) {
            if (ky < border.ky_begin || ky >= border.ky_end || kx < border.kx_begin ||
                kx >= border.kx_end) {
                sum += channel.sum(ky * geometry.kernel_width + kx);
            }
        }
    }
    return sum;
}

DotGeometry geometry_of(const Step& step, const Shape& input) {
    if (step.kind == StepKind::linear) {
        return {.input = input,
                .kernel_height = input.height,
                .kernel_width = input.width,
                .stride = 1,
                .padding = 0,
                .pad_value = 0,
                .height = 1,
                .width = 1,
                .channels = step.out_channels};
    }
    const auto windows = [](int length, int before, int after, int kernel, int stride) {
        return (length + before + after - kernel) / stride + 1;
    };
    return {.input = input,
            .kernel_height = step.kernel_height,
            .kernel_width = step.kernel_width,
            .stride = step.stride,
            .padding = step.padding,
            .pad_value = step.pad_value,
            .height = windows(
                input.height, step.padding, step.padding_bottom(), step.kernel_height, step.stride),
            .width = windows(input.width,
                             step.padding_left(),
                             step.padding_right(),
                             step.kernel_width,
                             step.stride_of_columns()),
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
    for (int y = 0; y < geometry.height; ++y) {
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
            if (found == borders.classes.end()) {
                borders.classes.push_back(border);
            }
        }
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

}  // namespace kernels
