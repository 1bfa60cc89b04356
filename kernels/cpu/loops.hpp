#pragma once

// The innermost loops: what an instruction set does its own way, as a table of functions.
//
// Each *_scalar.cpp, *_avx2.cpp, *_avx512.cpp, *_neon.cpp and *_neon_dotprod.cpp file is compiled
// with its own flags, so what it instantiates of other headers might be used by code for lesser
// machines (the linker keeps one copy of each inline function). Therefore this header holds plain
// structs only, and those files include nothing else but intrinsics. Planning, memory and
// everything with a name from std belong to dot_plan.cpp, dot_body.cpp and elementwise_bodies.cpp.

#include <cstddef>
#include <cstdint>

namespace kernels::cpu {

// ---- Dot products: conv2d and linear ---------------------------------------------------------

// What becomes of a dot product.
enum class Result : std::uint8_t {
    bits,      // dot >= t as a bit
    int32,     // dot
    sum,       // dot + second input
    sum_bits,  // dot + second input, thresholded
    both,      // dot, or dot + second input where there is one, and that thresholded
};

// One output position: where its window begins in the input, and which elements of the window
// lie in the padding (positions with the same padded elements are one border class).
struct Position {
    std::int32_t window;
    std::int32_t border;
};

struct DotOutput {
    Result result;
    int channels;  // all of them, not only this job's
    // What to compare a sum with (bits: sum >= entry) or what to add to it (else), filled up to
    // multiples of 16 channels: [channel / 16][border class][channel % 16].
    const std::int32_t* table;
    int borders;
    std::byte* output;               // of the first position, channel 0
    std::ptrdiff_t stride;           // bytes from one position to the next
    const std::int32_t* second;      // of the first position, channel 0; null: none
    std::int32_t* numbers;           // both: likewise, where what is thresholded goes
    std::ptrdiff_t second_stride;    // elements, of these two
    const std::int32_t* thresholds;  // sum_bits, both: (x ^ flip) >= threshold
    const std::int32_t* flips;       // sum_bits, both: 0 or -1
};

// Binary input. The weights are blocks of `block_vectors` vectors of `lanes` output channels (the
// last block may hold fewer), in words of 32 bits; a block is [word][vector][lane]: all its
// channels next to each other for each word of the window, or for each `halves` words (the last
// may be fewer), which then are next to each other in each channel. Channels are filled up to a
// multiple of 16.
//
// The sum is minus the number of bits that differ from the weights; a dot product is twice the
// sum plus the table's entry.
//
// Offsets and counts are in words of 64 bits, each of them two words of weights, the lower half
// first. Direct: position i's word w is at input[positions[i].window - first_window + taps[w]].
// Chained: it is at input[i * stride + w], and each half stands for the xor of all halves of the
// window up to it, in the input and in the weights; see conv_avx512.cpp for what that is good for.
struct BinaryDot {
    const std::uint64_t* input;
    const Position* positions;
    std::int32_t first_window;
    const std::int32_t* taps;
    std::ptrdiff_t stride;
    bool chained;
    int position_count;
    int words;
    const std::uint32_t* weights;
    int block_vectors;
    int channel_begin, channel_end;  // multiples of 64, or the end
    DotOutput out;
};

// Copies windows one after the other out of rows that are chained each for itself, and makes each
// window one chain: `runs` runs of `run_words` words. What lies before a row is 0. Up to 64
// bytes behind the last window may be overwritten, and as much may be read behind a run.
struct ChainWindows {
    const std::uint64_t* rows;
    const Position* positions;
    std::int32_t first_window;
    int position_count;
    int runs, run_words;
    std::ptrdiff_t run_stride;  // from one run to the next, in words
    std::uint64_t* output;
};

// u8 input, in groups of four elements. The weights are [channel / 16][group][channel % 16][4] of
// +1, -1 or (filling) 0. A dot product is the sum plus the table's entry. Loops that want signed
// elements take 128 off each of them, and say so (Loops::byte_offset), for the table's sake.
//
// Position i's group g is at input[i * stride + taps[g]] if there is a stride, else at
// input[positions[i].window - first_window + taps[g]]. If `pooled`, four positions
// have one output, made from the largest of their sums; they are of the same border class.
struct ByteDot {
    const std::uint8_t* input;
    const Position* positions;
    std::int32_t first_window;
    std::ptrdiff_t stride;
    const std::int32_t* taps;
    int groups;
    int position_count;
    bool pooled;
    const std::int8_t* weights;
    int channel_begin, channel_end;  // multiples of 64, or the end
    DotOutput out;
};

// How a variant wants the weights of a binary dot product.
struct Tiling {
    int lanes;
    int block_vectors;
    bool chained;
    int halves = 1;  // words of 32 bits of one channel side by side
};

// ---- Elementwise -----------------------------------------------------------------------------

struct Threshold {
    const std::int32_t* input;  // [pixel][channel]
    std::ptrdiff_t pixels;
    int channels;
    int channel_begin, channel_end;  // multiples of 64, or the end
    const std::int32_t* thresholds;  // (x ^ flip) >= threshold
    const std::int32_t* flips;       // 0 or -1
    std::uint64_t* output;           // [pixel][word]
};

// Rows of one image; `units` are the words, bytes or int32 of a pixel.
struct Pool {
    const std::byte* input;
    int input_row;  // first row that `input` points to
    int height, width, units;
    int kernel_height, kernel_width, stride, padding;
    int row_begin, row_end;  // of the output
    int unit_begin, unit_end;
    std::byte* output;  // of the image: row 0
    int output_width;
};

// ---- The table -------------------------------------------------------------------------------

struct Loops {
    // For windows of `words` words at `positions` positions.
    Tiling (*tiling)(int words, int positions, int channels);
    void (*chain_windows)(const ChainWindows&);  // none: never chained
    void (*binary_dot)(const BinaryDot&);
    void (*byte_dot)(const ByteDot&);
    void (*threshold)(const Threshold&);
    void (*add)(const std::int32_t* a,
                const std::int32_t* b,
                std::int32_t* sum,
                std::ptrdiff_t count);
    void (*pool_binary)(const Pool&);  // or of the bits
    void (*pool_u8)(const Pool&);
    void (*pool_int32)(const Pool&);
    int byte_offset = 0;  // what byte_dot takes off each element
};

Tiling tiling_scalar(int words, int positions, int channels);
Tiling tiling_avx2(int words, int positions, int channels);
Tiling tiling_avx512(int words, int positions, int channels);
Tiling tiling_neon(int words, int positions, int channels);

void chain_windows_avx2(const ChainWindows&);
void chain_windows_avx512(const ChainWindows&);

void binary_dot_scalar(const BinaryDot&);
void binary_dot_avx2(const BinaryDot&);
void binary_dot_avx512(const BinaryDot&);
void binary_dot_neon(const BinaryDot&);
void binary_dot_neon_dotprod(const BinaryDot&);

void byte_dot_scalar(const ByteDot&);
void byte_dot_avx2(const ByteDot&);
void byte_dot_avx512(const ByteDot&);
void byte_dot_neon(const ByteDot&);
void byte_dot_neon_dotprod(const ByteDot&);

void threshold_scalar(const Threshold&);
void threshold_avx2(const Threshold&);
void threshold_avx512(const Threshold&);
void threshold_neon(const Threshold&);

void add_scalar(const std::int32_t*, const std::int32_t*, std::int32_t*, std::ptrdiff_t);
void add_avx2(const std::int32_t*, const std::int32_t*, std::int32_t*, std::ptrdiff_t);
void add_avx512(const std::int32_t*, const std::int32_t*, std::int32_t*, std::ptrdiff_t);
void add_neon(const std::int32_t*, const std::int32_t*, std::int32_t*, std::ptrdiff_t);

void pool_binary_scalar(const Pool&);
void pool_binary_avx2(const Pool&);
void pool_binary_avx512(const Pool&);
void pool_binary_neon(const Pool&);

void pool_u8_scalar(const Pool&);
void pool_u8_avx2(const Pool&);
void pool_u8_avx512(const Pool&);
void pool_u8_neon(const Pool&);

void pool_int32_scalar(const Pool&);
void pool_int32_avx2(const Pool&);
void pool_int32_avx512(const Pool&);
void pool_int32_neon(const Pool&);

}  // namespace kernels::cpu
