#pragma once

// The geometry of a conv2d or linear step, worked out once, before it runs, for every kind of
// device: sizes, which positions see padding, thresholds as one comparison, and weights by channel
// and tap. No loop over data is here.
//
// A linear step is a convolution whose kernel is as large as its input.

#include "kernels/chain.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace kernels {

// Bit `index` of words, lowest first.
bool bit_of(std::span<const std::uint64_t> words, std::size_t index);

// As if one stride and one padding held for all sides, which is so wherever anything is no f32;
// what holds for each is the step's.
struct DotGeometry {
    Shape input;
    int kernel_height, kernel_width, stride, padding, pad_value;
    int height, width, channels;  // of the output

    int padded_height() const { return input.height + 2 * padding; }
    int padded_width() const { return input.width + 2 * padding; }
    std::int64_t fan_in() const {
        return std::int64_t{kernel_height} * kernel_width * input.channels;
    }
};

// Weight `index` of an output channel of a real conv2d or linear step, which has `fan_in` of them.
float real_weight_of(const Step& step, std::size_t fan_in, std::size_t channel, std::size_t index);

DotGeometry geometry_of(const Step& step, const Shape& input);

// Which rows and columns of the kernel lie inside the image, for one class of output positions.
struct Border {
    int ky_begin, ky_end, kx_begin, kx_end;
    friend bool operator==(const Border&, const Border&) = default;
};

// The border class of every output position in (y, x) order. One class only where nothing has
// to be corrected: no padding, or padding with a value that the packed input can hold.
struct Borders {
    std::vector<Border> classes;
    std::vector<std::int32_t> of_position;
};

Borders borders_of(const DotGeometry& geometry);

// A threshold as x' >= t with x' = -x where the channel is flipped.
struct Folded {
    std::vector<bool> flipped;             // by channel
    std::vector<std::int64_t> thresholds;  // by channel
};

Folded fold(const Step& threshold);

// Weights of one output channel, bit by bit: (ky, kx, c) order, c filled up to whole words.
class ChannelWeights {
public:
    ChannelWeights(const DotGeometry& geometry, const Step& step, int channel, bool negated);

    std::uint64_t word(int index) const;  // index: pixel of the kernel x words + word
    int weight(int pixel, int c) const;   // +1 or -1
    int sum(int pixel) const;             // of the weights over one pixel of the kernel

private:
    int words_, channels_;
    std::vector<std::uint64_t> taps_;
};

// Sum of the weights that lie over padding.
std::int64_t padded_sum(const DotGeometry& geometry,
                        const ChannelWeights& channel,
                        const Border& border);

}  // namespace kernels
