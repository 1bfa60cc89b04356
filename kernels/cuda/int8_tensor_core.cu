// Convolutions and linear layers on tensor cores that multiply bytes (sm_75 and later): the same
// tiles, tables and epilogue as tensor_core.cu.
//
// First layers: unsigned bytes of pixels x weights of +1 and -1. A row of a window is one run of
// bytes in memory, which begins anywhere: a lane takes eight of them out of three aligned loads,
// and a mask from the border class takes away what lies outside.
//   operations  32 positions x 64 channels x 32 bytes in 16 instructions (m16n8k32): 16 clocks of a
//               multiprocessor at 4096 products a clock (sm_90), 32 of sm_80, 64 of others
//   others      some 20 instructions of a lane for the 8 bytes of a pixel: 80 beside the 16, or 20
//               clocks of four schedulers
// Limit: tensor cores, but instructions on sm_90. Runs are filled up to 8 bytes and steps to 32: a
// 3x3 window of three channels is 64 for 27, a 7x7 one 192 for 147.
//
// Bits, where there is no b1 instruction that is worth it: they are loaded as bits, so there is no
// more to read than in tensor_core.cu, and spread in registers: in round s of eight, a lane takes
// bit s of every byte, of pixels and of weights. Bytes of 0 and 1 multiply as AND does.
//   operations  eight times those of tensor_core.cu: one eighth of its rate where both exist
//   others      two for a register (shift, mask): 48 for 16 instructions of tensor cores
// Limit: tensor cores, whose 16 instructions take 64 clocks on sm_120, 16 on sm_90.

#include "kernels/cuda/int8_tensor_core.cuh"

namespace kernels::cuda {

DotKernels int8_bit_kernels() {
    return {exported(int8_tensor_core_bits<2>), exported(int8_tensor_core_bits<4>), nullptr};
}

DotKernels int8_pixel_kernels() {
    return {exported(int8_tensor_core_pixels<2>), exported(int8_tensor_core_pixels<4>), nullptr};
}

}  // namespace kernels::cuda
