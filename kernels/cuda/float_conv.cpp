#include "kernels/cuda/float_conv.hpp"

#include "kernels/cuda/launch.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace kernels::cuda {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }
unsigned groups(int count, int each) { return static_cast<unsigned>((count + each - 1) / each); }

// For the convolution: (ky, kx, input channel) x filled, so that rows are whole tiles.
std::vector<float> by_depth(const FloatStep& step, const FloatShape& shape, std::size_t depth) {
    std::vector<float> weights(depth * size(shape.filled), 0.0f);
    for (std::size_t channel = 0; channel < size(shape.channels); ++channel) {
        for (std::size_t i = 0; i < depth; ++i) {
            weights[i * size(shape.filled) + channel] = step.weights[channel * depth + i];
        }
    }
    return weights;
}

FloatShape shape_of(const FloatStep& step, int batch, int height, int width, int channels) {
    FloatShape shape{
        .batch = batch,
        .input_height = height,
        .input_width = width,
        .input_channels = channels,
        .height = 1,
        .width = 1,
        .channels = step.out_channels,
        .kernel_height = step.kernel,
        .kernel_width = step.kernel,
        .stride = step.stride,
        .padding = step.padding,
        .filled = (step.out_channels + kFloatChannels - 1) / kFloatChannels * kFloatChannels,
        .relu = step.relu ? 1 : 0};
    if (step.kind == FloatStepKind::linear) {
        shape.kernel_height = height;
        shape.kernel_width = width;
        return shape;
    }
    const auto windows = [&](int length) {
        return (length + 2 * step.padding - step.kernel) / step.stride + 1;
    };
    shape.height = windows(height);
    shape.width = windows(width);
    if (step.kind == FloatStepKind::max_pool2d) {
        shape.channels = channels;
    }
    return shape;
}

}  // namespace

DeviceKernel float_network(const FloatNetwork& network) {
    DeviceKernel kernel;
    int height = network.height, width = network.width, channels = network.channels;
    BufferArgument from = kInputBuffer;
    for (std::size_t i = 0; i < network.steps.size(); ++i) {
        const FloatStep& step = network.steps[i];
        const FloatShape shape = shape_of(step, network.batch, height, width, channels);
        const int pixels = shape.batch * shape.height * shape.width;
        const std::size_t depth =
            size(shape.kernel_height) * size(shape.kernel_width) * size(shape.input_channels);
        const bool pool = step.kind == FloatStepKind::max_pool2d;
        if (shape.height < 1 || shape.width < 1 || (pool && step.padding != 0) ||
            (!pool && (step.weights.size() != depth * size(shape.channels) ||
                       step.bias.size() != size(shape.channels)))) {
            throw std::invalid_argument("step " + std::to_string(i) +
                                        " of a float network does not fit");
        }
        const BufferArgument to =
            i + 1 == network.steps.size()
                ? kOutputBuffer
                : add_scratch(kernel, size(pixels) * size(shape.channels) * sizeof(float));

        if (pool) {
            const unsigned blocks = std::min(groups(pixels * shape.channels, 256), 65535u);
            kernel.launches.push_back(launch_of(float_pool_kernel(),
                                                "float max_pool2d",
                                                {.groups = {blocks}, .group_size = {256}},
                                                shape,
                                                from,
                                                to));
        } else {
            const bool linear = step.kind == FloatStepKind::linear;
            const BufferArgument weights = linear
                                               ? add_constant(kernel, step.weights)
                                               : add_constant(kernel, by_depth(step, shape, depth));
            const BufferArgument bias = add_constant(kernel, step.bias);
            const LaunchShape launch =
                linear ? LaunchShape{.groups = {groups(shape.channels, 1), groups(shape.batch, 1)},
                                     .group_size = {256}}
                       : LaunchShape{.groups = {groups(pixels, kFloatPixels),
                                                groups(shape.filled, kFloatChannels)},
                                     .group_size = {128}};
            kernel.launches.push_back(
                launch_of(linear ? float_linear_kernel() : float_conv_kernel(),
                          linear ? "float linear" : "float conv2d",
                          launch,
                          shape,
                          from,
                          weights,
                          bias,
                          to));
        }
        from = to;
        height = shape.height;
        width = shape.width;
        channels = shape.channels;
    }
    return kernel;
}

}  // namespace kernels::cuda
