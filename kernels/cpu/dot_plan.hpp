#pragma once

// What the loops want of a conv2d or linear step: thresholds folded into limits on what they count,
// and weights packed for them. No loop over data is here.
//
// Folding. With K elements in a window, m of which differ from the weights, dot = K - 2 m. Bits of
// padding are set to -1 in the packed input; where a padded element should be 0 instead, the
// true dot product is larger by the sum of the weights that lie over the padding, which depends on
// the border class only. So with base = K + that sum:
//     dot >= t   is   -m >= -floor((base - t) / 2)
//     dot <= t   is   the same for -dot >= -t, with all weights of the channel negated.

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/loops.hpp"
#include "kernels/geometry.hpp"

#include <cstdint>
#include <vector>

namespace kernels::cpu {

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
// `offset` is what the loop takes off each element.
struct ByteParameters {
    Buffer<std::int8_t> weights;
    Buffer<std::int32_t> table;
    int run_groups = 0;  // groups of a run
};

ByteParameters pack_bytes(const DotGeometry& geometry,
                          const Step& step,
                          const Borders& borders,
                          const Folded* folded,
                          int runs,
                          int offset);

// A threshold for loops that compare (x ^ flip) >= threshold, filled up to whole words with
// channels that never reach it.
struct FlippedThresholds {
    Buffer<std::int32_t> thresholds, flips;
};

FlippedThresholds flip_thresholds(const Step& threshold);

}  // namespace kernels::cpu
