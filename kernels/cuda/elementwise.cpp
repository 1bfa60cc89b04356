#include "kernels/cuda/elementwise.hpp"

#include "kernels/chain_pattern.hpp"
#include "kernels/cuda/dot_plan.hpp"

#include <algorithm>

namespace kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

LaunchShape over(std::int64_t threads) {
    constexpr std::int64_t kMostGroups = 65535;  // the rest is a loop
    const std::int64_t groups = (threads + kThreads - 1) / kThreads;
    return {.groups = {static_cast<unsigned>(std::clamp<std::int64_t>(groups, 1, kMostGroups))},
            .group_size = {kThreads}};
}

int pixels_of(const Shape& shape, int batch) { return batch * shape.height * shape.width; }

ElementShape element_shape(const Shape& input, int batch, const Step* pool, const Shape& output) {
    const PoolShape one{.height = input.height,
                        .width = input.width,
                        .kernel_height = 1,
                        .kernel_width = 1,
                        .stride = 1,
                        .padding = 0};
    return {.batch = batch,
            .height = input.height,
            .width = input.width,
            .channels = input.channels,
            .pool = pool == nullptr ? one : pool_shape(*pool, output)};
}

}  // namespace

Launch pool_launch(
    const Step& pool, const Shape& input, int batch, BufferArgument from, BufferArgument to) {
    const Shape output = output_of({.input = input, .steps = {pool}, .batch = batch});
    ElementShape shape = element_shape(input, batch, &pool, output);
    Pooled kind = input.element == Element::u8 ? Pooled::bytes : Pooled::integers;
    if (input.element == Element::binary) {
        kind = Pooled::bits;
        shape.channels = input.words();
    }
    const int units = pixels_of(output, batch) * shape.channels;
    return launch_of(pool_kernel(kind), "max_pool2d", over(units), shape, units, from, to);
}

DeviceKernel elementwise_prepare(const Chain& chain) {
    const Pattern pattern = pattern_of(chain);
    const Shape& input = chain.input;
    const Shape output = output_of(chain);
    const auto size = static_cast<int>(tensor_bytes(output, Layout::nhwc, chain.batch) / 16);
    DeviceKernel kernel;
    if (pattern.threshold != nullptr) {
        const ElementShape shape = element_shape(input, chain.batch, pattern.pool, output);
        const int units = pixels_of(output, chain.batch) * output.words() * 2;
        const FlippedThresholds flipped = flip_thresholds(*pattern.threshold);
        const BufferArgument thresholds = add_constant(kernel, flipped.thresholds);
        const BufferArgument flips = add_constant(kernel, flipped.flips);
        kernel.launches.push_back(launch_of(threshold_pool_kernel(),
                                            "threshold",
                                            over(std::int64_t{units} * 32),
                                            shape,
                                            units,
                                            kInputBuffer,
                                            thresholds,
                                            flips,
                                            kOutputBuffer));
    } else if (pattern.pool != nullptr) {
        kernel.launches.push_back(
            pool_launch(*pattern.pool, input, chain.batch, kInputBuffer, kOutputBuffer));
    } else if (pattern.add != nullptr) {
        kernel.launches.push_back(launch_of(add_kernel(),
                                            "add",
                                            over(size),
                                            size,
                                            kInputBuffer,
                                            kSecondInputBuffer,
                                            kOutputBuffer));
    } else if (input.element == Element::binary && input.channels % 64 != 0) {
        const int units = chain.batch * output.words() * 2;
        kernel.launches.push_back(launch_of(flatten_kernel(),
                                            "flatten",
                                            over(units),
                                            element_shape(input, chain.batch, nullptr, input),
                                            units,
                                            kInputBuffer,
                                            kOutputBuffer));
    } else {
        kernel.launches.push_back(
            launch_of(copy_kernel(), "flatten", over(size), size, kInputBuffer, kOutputBuffer));
    }
    return kernel;
}

}  // namespace kernels::cuda
