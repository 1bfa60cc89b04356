#pragma once

// A small network with everything the kernels do: u8 input, strides, odd sizes, channels that are
// no multiple of 64, a residual addition, pools, negative gammas (seeded). Written to a temporary
// folder, since models are loaded from files.

#include "sim/describe/model.hpp"
#include "temporary_folder.hpp"

#include <string>

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

// The folder is this process's own: ctest runs every test case as a process, several at a time.
inline sim::Model small_model(const std::string& yaml = kSmallModel) {
    static const TemporaryFolder kFolder;
    return sim::load_model(kFolder.write("model.yaml", yaml), {});
}
