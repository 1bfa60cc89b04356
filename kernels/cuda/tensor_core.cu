// Convolutions and linear layers on tensor cores that multiply bits, as one matrix product:
// channels x positions, over the words of a window. b1 mma with AND where hardware has it (sm_80 to
// sm_90), with XOR on sm_75; later generations would emulate it, so there they are not offered.
//
// Weights are the rows of the product and pixels the columns, not the other way round: a pixel's
// 64-bit word is then exactly the two registers that a lane gives for a column, and a packed
// 128-bit load of weights the four for its rows, so that nothing has to be moved between registers.
//
// Padding costs nothing: bits outside the image are 0, and what that is short of is in the bases
// and limits of the border class. What AND needs beside, popc(a), is counted from the fragments by
// another pipe while tensor cores are busy.
//
// A tile of 64 positions x 64 channels, for one step of 256 bits:
//   operations  2^20 products in 32 instructions (m16n8k256): 49 clocks of a multiprocessor of
//               sm_90 (mma.sync reaches 21446 of its 32768 a clock), 64 of sm_80, 128 of sm_86
//               and sm_89
//   bytes       2 KiB of weights and 2 KiB of pixels from the first-level cache (128 bytes a clock:
//               32 clocks); from the second level a pixel once for all taps of its window, and
//               weights once for all blocks of a multiprocessor that run together
//   others      16 popc for each lane (16 lanes a clock: 32 clocks), some 90 instructions for loads
// Limit: tensor cores. Around the steps are
// some 1,000 instructions, two thirds of them 3 for each output (add the limit, subtract the count,
// shift the sign bit in), which is more than 3 steps' time: for windows below 1,000 bits that is
// the limit. 32 and 16 positions have less to compute for each weight (limit: the cache) and are
// for layers with few positions; there warps of a block may share a tile's steps (k4, k8), for then
// latency is all that matters.

#include "kernels/cuda/tensor_core.cuh"

namespace kernels::cuda {

DotKernels tensor_core_and_kernels() {
    return {
        exported(tensor_core_and<2>), exported(tensor_core_and<4>), exported(tensor_core_and<8>)};
}

DotKernels tensor_core_xor_kernels() {
    return {
        exported(tensor_core_xor<2>), exported(tensor_core_xor<4>), exported(tensor_core_xor<8>)};
}

}  // namespace kernels::cuda
