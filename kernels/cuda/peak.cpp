#include "kernels/cuda/peak.hpp"

#include "kernels/cuda/launch.hpp"

namespace kernels::cuda {

Peak peak_b1(const DeviceLimits& limits, int rounds) {
    constexpr unsigned kWarps = 32, kBlocksEach = 1;
    constexpr double kAccumulators = 8, kOperations = 2.0 * 16 * 8 * 256;
    const unsigned blocks = static_cast<unsigned>(limits.compute_units) * kBlocksEach;
    Peak peak;
    const BufferArgument sink = add_scratch(peak.kernel, sizeof(int));
    peak.kernel.launches.push_back(launch_of(peak_b1_kernel(),
                                             "peak_b1",
                                             {.groups = {blocks}, .group_size = {32 * kWarps}},
                                             rounds,
                                             sink));
    peak.operations = kOperations * kAccumulators * rounds * blocks * kWarps;
    return peak;
}

}  // namespace kernels::cuda
