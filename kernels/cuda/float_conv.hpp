#pragma once

// Networks in full precision, the baseline that binarized ones are compared with: convolutions,
// linear layers and pooling on floats. Not a variant of anything; benchmarks make the DeviceKernel
// and run it as they run the others. See float_conv.cu.

#if !defined(__CUDACC__)
#include "kernels/device_kernel.hpp"

#include <span>
#include <vector>
#endif

namespace kernels::cuda {

inline constexpr int kFloatPixels = 32, kFloatChannels = 32, kFloatDepth = 16;  // of a tile

struct FloatShape {
    int batch, input_height, input_width, input_channels;
    int height, width, channels;  // of the output
    int kernel_height, kernel_width, stride, padding;
    int filled;  // output channels in whole tiles
    int relu;
};

using FloatDotKernel = void (*)(
    FloatShape, const float* input, const float* weights, const float* bias, float* output);
using FloatPoolKernel = void (*)(FloatShape, const float* input, float* output);
FloatDotKernel float_conv_kernel();    // weights: (ky, kx, input channel) x filled
FloatDotKernel float_linear_kernel();  // weights: channels x inputs
FloatPoolKernel float_pool_kernel();

#if !defined(__CUDACC__)

enum class FloatStepKind : std::uint8_t { conv2d, linear, max_pool2d };

struct FloatStep {
    FloatStepKind kind = FloatStepKind::conv2d;
    int out_channels = 0;
    int kernel = 1, stride = 1, padding = 0;  // square; padding of 0.0, none for max_pool2d
    bool relu = false;                        // conv2d, linear: max(x, 0) at the end
    // For each output channel (ky, kx, input channel); linear: (y, x, channel).
    std::span<const float> weights = {};
    std::span<const float> bias = {};
};

struct FloatNetwork {
    int batch = 1, height = 1, width = 1, channels = 1;  // of the input, NHWC
    std::vector<FloatStep> steps = {};
};

// Input and output are NHWC floats. Throws std::invalid_argument if parameters do not fit.
DeviceKernel float_network(const FloatNetwork& network);

#endif

}  // namespace kernels::cuda
