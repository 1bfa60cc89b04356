#pragma once

// The reference: every step on plain integers, one element at a time, in the order of the
// definition. It defines the results of all variants; it is not meant to be fast.
//
// Start with conv_reference.cpp.

#include "kernels/registry.hpp"

#include <cstdint>
#include <vector>

namespace kernels::cpu {

// One image: an integer for each element in (y, x, channel) order; +1 or -1 where binary.
struct Image {
    Shape shape;
    std::vector<std::int32_t> values;

    std::size_t index(int y, int x, int channel) const {
        return (static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) +
                static_cast<std::size_t>(x)) *
                   static_cast<std::size_t>(shape.channels) +
               static_cast<std::size_t>(channel);
    }
    std::int32_t at(int y, int x, int channel) const { return values[index(y, x, channel)]; }
};

// The weights of a conv2d or linear step as +1 and -1: fan_in of them for each output channel.
std::vector<std::int8_t> signs_of(const Step& step, std::size_t fan_in);

// Each takes the input of a step and the shape of its output.
Image conv2d_reference(const Step&, const std::vector<std::int8_t>& signs, const Image&, Shape);
Image linear_reference(const Step&, const std::vector<std::int8_t>& signs, const Image&, Shape);
Image threshold_reference(const Step&, const Image&, Shape);
Image max_pool2d_reference(const Step&, const Image&, Shape);
Image add_reference(const Image&, const Image& second);
Image flatten_reference(const Image&, Shape);

}  // namespace kernels::cpu
