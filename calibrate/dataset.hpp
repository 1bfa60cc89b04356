#pragma once

// Real images: Fashion-MNIST and MNIST in their IDX files, CIFAR-10 in its binary records, plain
// or compressed with gzip.

#include "sim/describe/operations.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace calibrate {

struct Dataset {
    int height = 0, width = 0, channels = 0;
    std::vector<std::uint8_t> pixels;  // image after image, (y, x, channel) order
    std::vector<std::uint8_t> labels;  // one for each image; empty if the files have none

    int images() const { return static_cast<int>(pixels.size()) / (height * width * channels); }
};

// `path`: an IDX image file (labels are looked for beside it: "images-idx3" becomes
// "labels-idx1"), a CIFAR-10 binary file, or a folder that holds the test set of one of them.
// Throws sim::InputError: nothing found, truncated, or not of the shape that is asked for, or as
// many elements in a row; of u8, or f32.
Dataset load_dataset(const std::filesystem::path& path, const sim::TensorShape& shape);

}  // namespace calibrate
