#pragma once

// A convolution or linear layer and what follows it, as one piece of work for tensor cores, in
// plain data that host and device read alike. tensor_core_plan.hpp makes it, tensor_core.cuh runs
// it; the variants `tensor_core`, `int8_tensor_core` and `persistent` are made of it.

namespace kernels::cuda {

// How elements are multiplied. All but `pixels` count bits, so they share weights and tables:
// with a and w bits (1 is +1, 0 is -1) and K of them,
//     dot = K - 2 popc(a ^ w) = K - 2 popc(w) - 2 (popc(a) - 2 popc(a & w)).
enum class Multiply : int {
    bit_and,    // b1 mma: popc(a & w); sm_80 to sm_90
    bit_xor,    // b1 mma: popc(a ^ w); sm_75
    bit_bytes,  // int8 mma on bits spread into bytes: popc(a & w); everywhere
    pixels,     // int8 mma of unsigned bytes and +1 or -1; everywhere
};

// What is counted for a position and a channel is called u: popc(a) - 2 popc(a & w), popc(a ^ w),
// or minus the sum over pixels. Then dot = base - scale x u, and dot >= t is u + limit < 0. Bases
// and limits know weights and padding: one row of them for each border class.
//
// Rows of the matrix product are channels, 64 in a group, in an order that gives each lane eight
// neighbours. Columns are positions of the convolution's output, in (image, y, x) order. If a 2x2
// pool follows, 16 columns are 4 windows, so that one lane has all of a window: columns 2 w, 2 w +
// 1, 2 w + 8 and 2 w + 9.
//
// A step of the product is four `words` of 8 bytes: 64 bits of a pixel, or 8 bytes of a row of
// pixels. Lane t of four takes word t, as one load.
struct DotUnit {
    int pixels;  // of the output, in all images; after the pool
    int items;   // the same of one image
    int image;   // one image of the input, in words (bits) or bytes (pixels)
    int last;    // pixels: the last whole 32 bits of the input
    int channels, groups, steps;
    int scale;                        // 2, or 1 for pixels
    int pooled;                       // 0 or 1
    int width, height, pooled_width;  // of the convolution's output; of the pool's
    int has_limits;                   // table holds limits: bits come straight from u
    int has_second;                   // an int32 tensor is added
    int has_thresholds;               // of sums; with has_second, or where sums are written too
    int has_sums;                     // sums are written
    int mask_row;                     // pixels: masks of one border class

    // Offsets into the constant buffer, in bytes.
    unsigned weights;            // fragment-major: [group][step][16 channels][lane] x 16 bytes
    unsigned taps;               // [step][4] x {offset of the word, code of its tap}
    unsigned positions;          // [position] x {offset of the window, border class}
    unsigned outside;            // bits: by border class, which codes lie outside
    unsigned masks;              // pixels: [border class][step][4] x 8 bytes, those inside
    unsigned table;              // [border class][channel of all groups]
    unsigned thresholds, flips;  // [channel of all groups]; (sum ^ flip) >= threshold

    // pixel / items is (high 32 bits of pixel x items_factor, plus pixel) >> items_shift.
    unsigned items_factor;
    int items_shift;

    // The work's division: a warp makes (8 x tiles) positions x 64 channels; a block has warps_m x
    // warps_n of them, each by warps_k warps that have a part of the steps each.
    int warps_m, warps_n, warps_k;  // powers of two
    int shift_m, shift_k;           // their logarithms
    int blocks_m, blocks_n;
};

// Of one kernel: unit, constants, input, second input, output (sums or bits).
using DotKernel = void (*)(DotUnit, const unsigned char*, const void*, const int*, void*);

// By tiles of 8 positions for a warp; null where there is none.
struct DotKernels {
    DotKernel tiles2, tiles4, tiles8;
};

// Defined in the .cu files.
DotKernels tensor_core_and_kernels();
DotKernels tensor_core_xor_kernels();
DotKernels int8_bit_kernels();
DotKernels int8_pixel_kernels();

}  // namespace kernels::cuda
