#pragma once

// Everything about a conv2d or linear step that is worked out once, before it runs: its geometry,
// which positions see padding, thresholds folded into limits on what the loops count, and
// weights packed for the loops. No loop over data is here.
//
// A linear step is a convolution whose kernel is as large as its input.
//
// Folding. With K elements in a window, m of which differ from the weights, dot = K - 2 m. Bits of
// padding are set to -1 in the packed input; where a padded element should be 0 instead, the
// true dot product is larger by the sum of the weights that lie over the padding, which depends on
// the border class only. So with base = K + that sum:
//     dot >= t   is   -m >= -floor((base - t) / 2)
//     dot <= t   is   the same for -dot >= -t, with all weights of the channel negated.

#include "kernels/chain.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/loops.hpp"

#include <cstdint>
#include <vector>

namespace kernels::cpu {

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

// Where the words of a window are, as offsets from its first pixel in the padded input, in the
// order of the weights: (ky, kx, word).
std::vector<std::int32_t> taps_of(const DotGeometry& geometry);

// As BinaryDot wants them. `folded` may be null: then the table holds bases.
struct BinaryParameters {
    Buffer<std::uint32_t> weights;
    Buffer<std::int32_t> table;
};

BinaryParameters pack_binary(const DotGeometry& geometry,
                             const Step& step,
                             const Borders& borders,
                             const Folded* folded,
                             const Tiling& tiling);

// As ByteDot wants them: the window is `runs` runs, each cut into groups of four for itself.
struct ByteParameters {
    Buffer<std::int8_t> weights;
    Buffer<std::int32_t> table;
    int run_groups = 0;  // groups of a run
};

ByteParameters pack_bytes(const DotGeometry& geometry,
                          const Step& step,
                          const Borders& borders,
                          const Folded* folded,
                          int runs);

// A threshold for loops that compare (x ^ flip) >= threshold, filled up to whole words with
// channels that never reach it.
struct FlippedThresholds {
    Buffer<std::int32_t> thresholds, flips;
};

FlippedThresholds flip_thresholds(const Step& threshold);

}  // namespace kernels::cpu
