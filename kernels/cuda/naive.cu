// HEP-BNN's seven configurations (Vogel, Buschjaeger et al.; its templates x, y, z, xy, xz, yz,
// xyz): which of the images (x), the columns of the output (y) and its channels (z) are blocks of
// the grid; threads are the rows, and the columns too where y is not named. What is not named
// is a loop in the thread. It is here to compare with, and for layers so small that nothing
// matters but the launch.
//
// As there: neighbouring threads are rows, so that they read far apart, and every thread reads all
// of its window for every channel. Better than there: what is counted stays in a register (there it
// is added up in memory), tensors are packed and stay on the device, thresholds and pooling are
// part of the kernel, 32 channels of bits make one word.
//
// Bytes: nothing is shared but by caches; operations: a load of input, a load of weights, an xor, a
// popc and an add for 32 bits. Limit: the loads, two for each popc: at best a quarter of what
// popc.cu reaches.

#include "kernels/cuda/naive.cuh"

namespace kernels::cuda {

NaiveKernel naive_kernel(bool bytes) {
    return bytes ? exported(naive<true>) : exported(naive<false>);
}

}  // namespace kernels::cuda
