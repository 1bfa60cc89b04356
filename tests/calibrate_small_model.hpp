#pragma once

// Small networks with everything the kernels do. Written to a temporary folder, since models are
// loaded from files.

#include "sim/describe/model.hpp"
#include "temporary_folder.hpp"

#include <string>

// Bits: u8 input, strides, odd sizes, channels that are no multiple of 64, a residual addition,
// pools, negative gammas (seeded).
inline const std::string kSmallModel = R"(hetmap: model/1
name: small
description: a network for tests
source: made up
input: {name: image, height: 9, width: 11, channels: 3, type: u8}
parameters: {seed: 5}
layers:
  - {name: conv1, operation: conv2d, inputs: [image], weights: binary, out_channels: 70, kernel: 3, stride: 1, padding: 1, pad_value: 0}
  - {name: threshold1, operation: threshold, inputs: [conv1]}
  - {name: conv2, operation: conv2d, inputs: [threshold1], weights: binary, out_channels: 70, kernel: 3, stride: 1, padding: 1, pad_value: 0}
  - {name: add, operation: add, inputs: [conv2, conv1]}
  - {name: threshold2, operation: threshold, inputs: [add]}
  - {name: conv3, operation: conv2d, inputs: [threshold2], weights: binary, out_channels: 128, kernel: 3, stride: 2, padding: 1, pad_value: -1}
  - {name: threshold3, operation: threshold, inputs: [conv3]}
  - {name: pool, operation: max_pool2d, inputs: [threshold3], kernel: 2, stride: 2}
  - {name: flatten, operation: flatten, inputs: [pool]}
  - {name: fc1, operation: linear, inputs: [flatten], weights: binary, out_channels: 65}
  - {name: threshold4, operation: threshold, inputs: [fc1]}
  - {name: fc2, operation: linear, inputs: [threshold4], weights: binary, out_channels: 10}
output: fc2
)";

// What networks of f32 are made of beside chains: branches of three, gates, windows with sides of
// their own, and tensors that are wanted in blocks of channels and without.
inline const std::string kRealModel = R"(hetmap: model/1
name: reals
input: {name: image, height: 12, width: 11, channels: 3, type: u8}
parameters: {seed: 5}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: f32, out_channels: 20, kernel: 3, padding: [0, 1, 1, 2], stride: [1, 2], out: f32}
  - {name: swish, operation: hard_swish, inputs: [stem]}
  - {name: mean, operation: global_average_pool, inputs: [swish]}
  - {name: squeeze, operation: conv2d, inputs: [mean], weights: f32, out_channels: 20, kernel: 1}
  - {name: gate, operation: hard_sigmoid, inputs: [squeeze]}
  - {name: gated, operation: multiply, inputs: [gate, swish]}
  - {name: wide, operation: depthwise_conv2d, inputs: [gated], weights: f32, kernel: 3, padding: 1}
  - {name: sum, operation: add, inputs: [wide, swish]}
  - {name: relu, operation: relu, inputs: [sum]}
  - {name: pool, operation: max_pool2d, inputs: [relu], kernel: 3, stride: 1, padding: 1}
  - {name: joined, operation: concat, inputs: [pool, gated, relu]}
  - {name: shuffled, operation: channel_shuffle, inputs: [joined], groups: 3}
  - {name: part, operation: split, inputs: [shuffled], out_channels: 33, first_channel: 7}
  - {name: last, operation: conv2d, inputs: [part], weights: f32, out_channels: 9, kernel: 3, padding: 1}
output: last
)";

// What a quantized network is made of, u8 and int8 in turn, and f32 at both ends.
inline const std::string kByteModel = R"(hetmap: model/1
name: bytes
input: {name: image, height: 9, width: 8, channels: 3, type: f32}
parameters: {seed: 4}
layers:
  - {name: coded, operation: quantize, inputs: [image], out: int8}
  - {name: first, operation: conv2d, inputs: [coded], weights: int8, out_channels: 70, kernel: 3, stride: 1, padding: [1, 0, 1, 2], out: u8}
  - {name: pool, operation: max_pool2d, inputs: [first], kernel: 3, stride: 2, padding: 1}
  - {name: deep, operation: depthwise_conv2d, inputs: [pool], weights: int8, kernel: 3, padding: 1, out: int8}
  - {name: pair, operation: conv2d, inputs: [deep], weights: int8, out_channels: 70, kernel: 1, groups: 2, out: int8}
  - {name: sum, operation: add, inputs: [pair, deep], out: u8}
  - {name: sums, operation: conv2d, inputs: [sum], weights: int8, out_channels: 5, kernel: 2}
  - {name: threshold, operation: threshold, inputs: [sums]}
  - {name: bits, operation: conv2d, inputs: [threshold], weights: binary, out_channels: 70, kernel: 1, out: f32}
  - {name: again, operation: quantize, inputs: [bits], out: int8}
  - {name: mean, operation: global_average_pool, inputs: [again]}
  - {name: flat, operation: flatten, inputs: [mean]}
  - {name: last, operation: linear, inputs: [flat], weights: int8, out_channels: 9, out: u8}
  - {name: real, operation: dequantize, inputs: [last], out: f32}
outputs: [real, last]
)";

// The folder is this process's own: ctest runs every test case as a process, several at a time.
inline sim::Model small_model(const std::string& yaml = kSmallModel) {
    static const TemporaryFolder kFolder;
    return sim::load_model(kFolder.write("model.yaml", yaml), {});
}
