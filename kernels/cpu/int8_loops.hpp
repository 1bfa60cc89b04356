#pragma once

// The innermost loops on numbers of 8 bits, as a table of functions; as in loops.hpp, this holds
// plain structs only, because files of different flags include it.
//
// Inputs of products are widened to 16 bits, less the number that stands for zero, so that the
// product of two of them and the sum of such a pair are exact in 32 bits.

#include "kernels/cpu/loops.hpp"

#include <cstddef>
#include <cstdint>

namespace kernels::cpu {

inline constexpr int kInt8Block = 16;  // output channels that are computed side by side

enum class Int8Result : std::uint8_t { int32, f32, u8, int8 };

// What becomes of sums: sum, or v = scale x sum + bias, or v between `least` and `most`, rounded to
// the nearest whole number (to even in the middle), + zero.
struct Int8Output {
    Int8Result result;
    const float* scales;  // of the block's channels, as are biases
    const float* biases;
    float least, most;  // less the zero
    std::int32_t zero;
    int first, count;       // channels of the block that are written
    std::byte* output;      // of the first position and the first channel that is written
    std::ptrdiff_t stride;  // bytes from one position to the next
};

// A block of channels at `positions` positions. Position i's window is `run_count` runs of 2 x
// `pairs` elements, from input[windows[i] + runs[r]] on.
struct Int8Dot {
    const std::int16_t* input;
    const std::int32_t* windows;
    int positions;
    const std::int32_t* runs;
    int run_count, pairs;
    const std::int8_t* weights;  // [run][pair][channel][2]
    Int8Output out;
};

// The same of a depthwise convolution: channel c of the block is at input[windows[i] + taps[t] +
// c]. `pairs` pairs of taps; up to 16 elements may be read from each of them.
struct Int8Depthwise {
    const std::int16_t* input;
    const std::int32_t* windows;
    int positions;
    const std::int32_t* taps;
    int pairs;
    const std::int8_t* weights;  // [pair][channel][2]
    Int8Output out;
};

// Of whole tensors of bytes.
struct Int8Format {
    bool is_signed;
    float zero;
};

// Rounded (factor of a x (a - zero of a) + the same of b), between `least` and `most`, which have
// the result's zero in them.
struct Int8Add {
    const std::byte *a, *b;
    Int8Format of_a, of_b;
    float by_a, by_b;
    float least, most;
    std::byte* to;
    Int8Format of_result;
    std::ptrdiff_t count;
};

struct Int8Loops {
    void (*dot)(const Int8Dot&);
    void (*depthwise)(const Int8Depthwise&);
    // Less the zero.
    void (*widen)(const std::byte* from, Int8Format, std::int16_t* to, std::ptrdiff_t count);
    void (*quantize)(
        const float* from, float step, std::byte* to, Int8Format, std::ptrdiff_t count);
    void (*dequantize)(
        const std::byte* from, Int8Format, float step, float* to, std::ptrdiff_t count);
    void (*add)(const Int8Add&);
    void (*pool_u8)(const Pool&);
    void (*pool_int8)(const Pool&);
};

extern const Int8Loops kInt8Scalar, kInt8Avx2, kInt8Neon;

}  // namespace kernels::cpu
