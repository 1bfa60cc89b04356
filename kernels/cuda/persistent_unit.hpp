#pragma once

// A run of layers as a table of units, in plain data that host and device read alike.
// persistent.hpp makes it, persistent.cuh runs it.

#include "kernels/cuda/tensor_core_unit.hpp"

namespace kernels::cuda {

enum class PersistentKind : int {
    dot,        // a DotUnit
    threshold,  // int32 to bits
    add,        // int32 + int32
    pool_bits,  // max_pool2d of any window
    pool_int32,
    pool_u8,
    flatten_bits,  // channels no multiple of 64
    copy,          // of 32-bit words: any other flatten
};

// Where a tensor is: which of the launch's buffers, and how far into it, in bytes.
enum class PersistentPlace : int { input, second_input, output, scratch };
struct PersistentTensor {
    PersistentPlace place;
    unsigned offset;
};

struct PersistentUnit {
    PersistentKind kind;
    int wait;                                    // for all blocks, before it
    int pixels;                                  // dot: multiply bytes of pixels, not bits
    PersistentTensor input, second, sums, bits;  // all others than dot write to `sums`
    DotUnit dot;

    // All others than dot.
    int count;            // of what is written: bytes (threshold), 32-bit words, or elements
    int channels, words;  // words: 32 bits of a packed pixel
    int height, width, out_height, out_width;
    int kernel_height, kernel_width, stride, padding;
    unsigned thresholds, flips;
};

// units, where their table is in the constants, constants, input, second input, output, tensors in
// between, state of the barrier.
using PersistentKernel = void (*)(int,
                                  unsigned,
                                  const unsigned char*,
                                  const void*,
                                  const void*,
                                  void*,
                                  unsigned char*,
                                  unsigned*);

// Defined in persistent.cu; which one a device runs is in bit_multiply() of tensor_core.hpp.
struct PersistentKernels {
    PersistentKernel with_and, with_xor, with_bytes;
};
PersistentKernels persistent_kernels();

inline constexpr int kPersistentWarps = 8;  // of a block
inline constexpr int kPersistentTiles = 2;  // of 8 positions, for a warp

}  // namespace kernels::cuda
