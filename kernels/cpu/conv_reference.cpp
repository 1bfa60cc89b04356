// conv2d and linear by their definition. A good place to start reading.
//
//   output(y, x, o) = sum over ky, kx, c of  weight(o, ky, kx, c) * padded(y s + ky, x s + kx, c)
//
// c goes over the channels of o's group. Weights are +1 or -1, or real. The input is +1 or -1
// (binary), 0 to 255 (u8) or real. An element of the padding is the step's pad_value: 0 adds
// nothing, which a bit cannot express; that is the one place where packed variants have to think.
// A real result is scale(o) * sum + bias(o).
//
// Of bytes (int8 weights), the input counts from the number that stands for zero in it, and padding
// is that number. Their sums are whole numbers; scale(o) * sum + bias(o) is one rounding of f32,
// and that rounded again where the result is u8 or int8.

#include "kernels/cpu/reference.hpp"

namespace kernels::cpu {
namespace {

double result_of(const Step& step, int channel, double sum) {
    if (!step.real) {
        return wrapped(sum);
    }
    const auto c = static_cast<std::size_t>(channel);
    const double scale = step.scales.empty() ? 1.0 : double{step.scales[c]};
    const double bias = step.biases.empty() ? 0.0 : double{step.biases[c]};
    if (!step.bytes) {
        return rounded(scale * sum + bias);
    }
    const float value =
        std::fma(static_cast<float>(sum), static_cast<float>(scale), static_cast<float>(bias));
    return step.result == Element::f32
               ? double{value}
               : quantized(value, step.limits[1], step.limits[2], step.limits[3]);
}

// What an input of 0 is.
double zero_of(const Step& step) { return step.bytes ? double{step.limits[0]} : 0; }

}  // namespace

std::vector<double> factors_of(const Step& step, std::size_t fan_in) {
    if (!step.real_weights.empty()) {
        return {step.real_weights.begin(), step.real_weights.end()};
    }
    if (step.bytes) {
        return {step.byte_weights.begin(), step.byte_weights.end()};
    }
    const std::size_t words = (fan_in + 63) / 64;
    std::vector<double> factors;
    factors.reserve(static_cast<std::size_t>(step.out_channels) * fan_in);
    for (std::size_t channel = 0; channel < static_cast<std::size_t>(step.out_channels);
         ++channel) {
        for (std::size_t i = 0; i < fan_in; ++i) {
            const std::uint64_t word = step.weights[channel * words + i / 64];
            factors.push_back((word >> (i % 64) & 1) != 0 ? 1 : -1);
        }
    }
    return factors;
}

Image conv2d_reference(const Step& step,
                       const std::vector<double>& factors,
                       const Image& input,
                       Shape shape) {
    Image output{shape, {}};
    output.values.reserve(static_cast<std::size_t>(shape.height) *
                          static_cast<std::size_t>(shape.width) *
                          static_cast<std::size_t>(shape.channels));
    const int channels = input.shape.channels / step.groups;
    const double zero = zero_of(step);
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            const double* weight = factors.data();  // runs through (o, ky, kx, c)
            for (int o = 0; o < shape.channels; ++o) {
                const int first = o / (shape.channels / step.groups) * channels;
                double sum = 0;
                for (int ky = 0; ky < step.kernel_height; ++ky) {
                    for (int kx = 0; kx < step.kernel_width; ++kx) {
                        const int from_y = y * step.stride + ky - step.padding;
                        const int from_x = x * step.stride_of_columns() + kx - step.padding_left();
                        const bool inside = from_y >= 0 && from_y < input.shape.height &&
                                            from_x >= 0 && from_x < input.shape.width;
                        for (int c = first; c < first + channels; ++c) {
                            sum += *weight++ *
                                   (inside ? input.at(from_y, from_x, c) - zero : step.pad_value);
                        }
                    }
                }
                output.values.push_back(result_of(step, o, sum));
            }
        }
    }
    return output;
}

Image linear_reference(const Step& step,
                       const std::vector<double>& factors,
                       const Image& input,
                       Shape shape) {
    Image output{shape, {}};
    const double zero = zero_of(step);
    const double* weight = factors.data();
    for (int o = 0; o < step.out_channels; ++o) {
        double sum = 0;
        for (const double value : input.values) {
            sum += *weight++ * (value - zero);
        }
        output.values.push_back(result_of(step, o, sum));
    }
    return output;
}

}  // namespace kernels::cpu
