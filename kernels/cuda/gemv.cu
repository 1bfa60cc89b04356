// Linear layers on few images: a matrix of weights is read once, and nothing else is large.
//
// A warp makes a few outputs; its lanes read the rows of weights 128 bits each, 512 bytes a warp,
// and add up at the end. Eight warps make the eight bits of a byte of the output, so that no word
// is shared and no atomics are needed.
//
// Bytes: the weights, 1 bit each (u8 input: 1 byte), once for every `images` images; operations: an
// xor, a popc and an add for 32 bits, of which a multiprocessor does 64 bytes of weights a clock,
// twice what the L2 cache gives it. The limit is therefore the bandwidth of L2 (or of memory, the
// first time), and for layers of less than about a megabyte the launch. From two images on,
// 2x4 reads weights once for four images; many images are a matter for popc.cu or tensor cores.

#include "kernels/cuda/gemv.cuh"

namespace kernels::cuda {

GemvKernel gemv_kernel(bool bytes, const GemvTile& tile) {
    if (tile == GemvTile{2, 4}) {
        return bytes ? exported(gemv<true, 2, 4>) : exported(gemv<false, 2, 4>);
    }
    if (tile == GemvTile{4, 1}) {
        return bytes ? exported(gemv<true, 4, 1>) : exported(gemv<false, 4, 1>);
    }
    return bytes ? exported(gemv<true, 1, 1>) : exported(gemv<false, 1, 1>);
}

}  // namespace kernels::cuda
