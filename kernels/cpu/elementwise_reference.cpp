// threshold, max_pool2d, add and flatten by their definition.

#include "kernels/cpu/reference.hpp"

#include <algorithm>

namespace kernels::cpu {

Image threshold_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, std::vector<std::int32_t>(input.values.size())};
    const auto channels = static_cast<std::size_t>(shape.channels);
    for (std::size_t i = 0; i < input.values.size(); ++i) {
        const std::size_t channel = i % channels;
        const std::int32_t limit = step.thresholds[channel];
        const bool flipped = (step.flips[channel / 64] >> (channel % 64) & 1) != 0;
        const bool bit = flipped ? input.values[i] <= limit : input.values[i] >= limit;
        output.values[i] = bit ? 1 : -1;
    }
    return output;
}

Image max_pool2d_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, std::vector<std::int32_t>()};
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            for (int c = 0; c < shape.channels; ++c) {
                std::int32_t largest = INT32_MIN;
                for (int ky = 0; ky < step.kernel_height; ++ky) {
                    for (int kx = 0; kx < step.kernel_width; ++kx) {
                        const int from_y = y * step.stride + ky - step.padding;
                        const int from_x = x * step.stride + kx - step.padding;
                        if (from_y >= 0 && from_y < input.shape.height && from_x >= 0 &&
                            from_x < input.shape.width) {
                            largest = std::max(largest, input.at(from_y, from_x, c));
                        }
                    }
                }
                output.values.push_back(largest);
            }
        }
    }
    return output;
}

// Sums wrap around, as two's complement does.
Image add_reference(const Image& input, const Image& second) {
    Image output = input;
    for (std::size_t i = 0; i < output.values.size(); ++i) {
        output.values[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(input.values[i]) +
                                                     static_cast<std::uint32_t>(second.values[i]));
    }
    return output;
}

Image flatten_reference(const Image& input, Shape shape) { return {shape, input.values}; }

}  // namespace kernels::cpu
