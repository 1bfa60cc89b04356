// conv2d and linear by their definition. A good place to start reading.
//
//   output(y, x, o) = sum over ky, kx, c of  weight(o, ky, kx, c) * padded(y s + ky, x s + kx, c)
//
// Weights are +1 or -1. The input is +1 or -1 (binary) or 0 to 255 (u8). An element of the padding
// is the step's pad_value: 0 adds nothing, which a bit cannot express; that is the one place where
// packed variants have to think.

#include "kernels/cpu/reference.hpp"

namespace kernels::cpu {

std::vector<std::int8_t> signs_of(const Step& step, std::size_t fan_in) {
    const std::size_t words = (fan_in + 63) / 64;
    std::vector<std::int8_t> signs;
    signs.reserve(static_cast<std::size_t>(step.out_channels) * fan_in);
    for (std::size_t channel = 0; channel < static_cast<std::size_t>(step.out_channels);
         ++channel) {
        for (std::size_t i = 0; i < fan_in; ++i) {
            const std::uint64_t word = step.weights[channel * words + i / 64];
            signs.push_back((word >> (i % 64) & 1) != 0 ? 1 : -1);
        }
    }
    return signs;
}

Image conv2d_reference(const Step& step,
                       const std::vector<std::int8_t>& signs,
                       const Image& input,
                       Shape shape) {
    Image output{shape, std::vector<std::int32_t>()};
    output.values.reserve(static_cast<std::size_t>(shape.height) *
                          static_cast<std::size_t>(shape.width) *
                          static_cast<std::size_t>(shape.channels));
    const int channels = input.shape.channels;
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            const std::int8_t* weight = signs.data();  // runs through (o, ky, kx, c)
            for (int o = 0; o < shape.channels; ++o) {
                std::int32_t sum = 0;
                for (int ky = 0; ky < step.kernel_height; ++ky) {
                    for (int kx = 0; kx < step.kernel_width; ++kx) {
                        const int from_y = y * step.stride + ky - step.padding;
                        const int from_x = x * step.stride + kx - step.padding;
                        const bool inside = from_y >= 0 && from_y < input.shape.height &&
                                            from_x >= 0 && from_x < input.shape.width;
                        for (int c = 0; c < channels; ++c) {
                            sum += *weight++ * (inside ? input.at(from_y, from_x, c)
                                                       : std::int32_t{step.pad_value});
                        }
                    }
                }
                output.values.push_back(sum);
            }
        }
    }
    return output;
}

Image linear_reference(const Step& step,
                       const std::vector<std::int8_t>& signs,
                       const Image& input,
                       Shape shape) {
    Image output{shape, std::vector<std::int32_t>()};
    const std::int8_t* weight = signs.data();
    for (int o = 0; o < step.out_channels; ++o) {
        std::int32_t sum = 0;
        for (const std::int32_t value : input.values) {
            sum += *weight++ * value;
        }
        output.values.push_back(sum);
    }
    return output;
}

}  // namespace kernels::cpu
