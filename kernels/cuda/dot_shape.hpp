#pragma once

// What kernels of conv2d and linear steps are told about them: plain numbers, the same for the
// host and for devices. dot_plan.hpp fills them in.

namespace kernels::cuda {

enum class Result : int {
    sums,      // int32: table holds bases; the second input is added where there is one
    bits,      // thresholds are folded into the table's limits
    sum_bits,  // second input added, then thresholds
};

struct DotShape {
    int batch;
    int input_height, input_width;
    int input_pixel;              // of the input: 32-bit words, or bytes where it is u8
    int height, width, channels;  // of the output
    int filled;                   // channels, filled up to whole 64-bit words
    int kernel_height, kernel_width, stride, padding;
    int padded_channels;  // channels of a padded pixel that are +1: all or none
    int length;           // 32-bit words in a channel's weights
    Result result;
    int with_second;  // is a second input added?
};

struct PoolShape {
    int height, width;  // of its output
    int kernel_height, kernel_width, stride, padding;
};

}  // namespace kernels::cuda
