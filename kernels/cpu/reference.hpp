#pragma once

// The reference: every step on plain numbers, one element at a time, in the order of the
// definition. It defines the results of all variants; it is not meant to be fast.
//
// Numbers are doubles, in which the integers here are exact. What is f32 is computed as if without
// rounding, or nearly so, and rounded where a step's result is complete; other variants may round
// more often.
//
// Start with conv_reference.cpp.

#include "kernels/registry.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace kernels::cpu {

// One image: a number for each element in (y, x, channel) order; +1 or -1 where binary.
struct Image {
    Shape shape;
    std::vector<double> values;

    std::size_t index(int y, int x, int channel) const {
        return (static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) +
                static_cast<std::size_t>(x)) *
                   static_cast<std::size_t>(shape.channels) +
               static_cast<std::size_t>(channel);
    }
    double at(int y, int x, int channel) const { return values[index(y, x, channel)]; }
};

// A step's result: as f32 rounded, as int32 wrapped around, as two's complement does.
inline double rounded(double value) { return double{static_cast<float>(value)}; }
inline double wrapped(double value) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int64_t>(value)));
}

// As u8 or int8: the nearest whole number, to even in the middle, its zero added, cut off.
inline double quantized(float value, float zero, double least, double most) {
    return std::min(std::max(std::nearbyint(double{value}) + double{zero}, least), most);
}
inline double least_of(Element element) { return element == Element::u8 ? 0 : -128; }
inline double most_of(Element element) { return element == Element::u8 ? 255 : 127; }

// What a conv2d or linear step multiplies with: fan_in numbers for each output channel, +1 and -1
// where its weights are bits.
std::vector<double> factors_of(const Step& step, std::size_t fan_in);

// Each takes the input of a step and the shape of its output.
Image conv2d_reference(const Step&, const std::vector<double>& factors, const Image&, Shape);
Image linear_reference(const Step&, const std::vector<double>& factors, const Image&, Shape);
Image threshold_reference(const Step&, const Image&, Shape);
Image pool2d_reference(const Step&, const Image&, Shape);
Image global_average_pool_reference(const Image&, Shape);
Image add_reference(const Image&, const Image& second);
Image average_bytes_reference(const Step&, const Image&, Shape);
Image add_bytes_reference(const Step&, const Image&, const Image& second, Shape);
Image quantize_reference(const Step&, const Image&, Shape);
Image dequantize_reference(const Step&, const Image&, Shape);
Image multiply_reference(const Image&, const Image& second);  // which may have one pixel
Image channels_reference(const Step&, const Image&, Shape);   // and channel_shuffle
Image concat_reference(const std::vector<Image>&, Shape);
Image flatten_reference(const Image&, Shape);
Image each_reference(const Step&, const Image&);  // what is done to each number, and batch_norm
Image softmax_reference(const Step&, const Image&);

}  // namespace kernels::cpu
