// Popcounts in register tiles, without tensor cores: for every device, and for layers too narrow or
// too odd for those. Fused: convolution, addition of the second input, thresholds, 2x2 pooling.
//
// A warp's lanes are 32 channels, so that a ballot makes the packed word of the output; each lane
// has a tile of pixels x blocks of channels in registers. A block of four warps shares the windows
// of its pixels: they are gathered once into shared memory (padding is decided there, not in the
// loop) and read as broadcasts of 128 bits. Weights lie as lanes want them, whole lines of 512
// bytes, and come through the L1 cache, which the four warps share.
//
// Operations. Plain counting needs an xor and a popc for 32 multiplications, and popc is slow: 16
// a clock and multiprocessor, a quarter of what xor runs at. Carry-save adders count in pairs:
//     128 multiplications: 4 xor, 4 carry-save (three-input logic), 2 popc, 1 add
//     at 64 and 16 a clock and multiprocessor: 2.25 and 2 clocks a warp and scheduler of four
// where plain counting takes 4 for its popc: both pipes are about full, and the limit is 1.8
// times the popc rate (the popc rate of an H100 is about 240e12 operations a second; Harley and
// Seal's counting in Warren, Hacker's Delight, 5-1).
// Bytes: a step of 128 bits reads `pixels` broadcasts and 4 x `blocks` lines of 128 bytes for
// 4.5 x pixels x blocks clocks, so that with 8 x 2 memory takes under a third of the time; 1x1
// is for layers so small that all multiprocessors being busy matters more.
//
// u8 input (first layers) runs the same way with four bytes to a word and dp4a by +1 and -1.

#include "kernels/cuda/popc.cuh"

namespace kernels::cuda {

PopcKernel popc_kernel(bool bytes, const PopcTile& tile) {
    if (tile == PopcTile{8, 4}) {
        return bytes ? exported(popc<true, 8, 4>) : exported(popc<false, 8, 4>);
    }
    if (tile == PopcTile{8, 2}) {
        return bytes ? exported(popc<true, 8, 2>) : exported(popc<false, 8, 2>);
    }
    if (tile == PopcTile{4, 1}) {
        return bytes ? exported(popc<true, 4, 1>) : exported(popc<false, 4, 1>);
    }
    return bytes ? exported(popc<true, 1, 1>) : exported(popc<false, 1, 1>);
}

}  // namespace kernels::cuda
