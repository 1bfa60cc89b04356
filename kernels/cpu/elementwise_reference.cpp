// The steps without weights by their definition.

#include "kernels/cpu/reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kernels::cpu {

Image threshold_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, std::vector<double>(input.values.size())};
    const auto channels = static_cast<std::size_t>(shape.channels);
    for (std::size_t i = 0; i < input.values.size(); ++i) {
        const std::size_t channel = i % channels;
        const double limit = input.shape.element == Element::f32 ? double{step.limits[channel]}
                                                                 : step.thresholds[channel];
        const bool flipped = (step.flips[channel / 64] >> (channel % 64) & 1) != 0;
        const bool bit = flipped ? input.values[i] <= limit : input.values[i] >= limit;
        output.values[i] = bit ? 1 : -1;
    }
    return output;
}

// The largest of a window, or the average of what of it is inside.
Image pool2d_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, {}};
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            for (int c = 0; c < shape.channels; ++c) {
                double largest = -std::numeric_limits<double>::infinity(), sum = 0;
                int count = 0;
                for (int ky = 0; ky < step.kernel_height; ++ky) {
                    for (int kx = 0; kx < step.kernel_width; ++kx) {
                        const int from_y = y * step.stride + ky - step.padding;
                        const int from_x = x * step.stride_of_columns() + kx - step.padding_left();
                        if (from_y >= 0 && from_y < input.shape.height && from_x >= 0 &&
                            from_x < input.shape.width) {
                            largest = std::max(largest, input.at(from_y, from_x, c));
                            sum += input.at(from_y, from_x, c);
                            ++count;
                        }
                    }
                }
                if (step.counts_padding) {
                    count = step.kernel_height * step.kernel_width;
                }
                output.values.push_back(step.kind == StepKind::max_pool2d ? largest
                                                                          : rounded(sum / count));
            }
        }
    }
    return output;
}

Image global_average_pool_reference(const Image& input, Shape shape) {
    Image output{shape, {}};
    for (int c = 0; c < shape.channels; ++c) {
        double sum = 0;
        for (int y = 0; y < input.shape.height; ++y) {
            for (int x = 0; x < input.shape.width; ++x) {
                sum += input.at(y, x, c);
            }
        }
        output.values.push_back(
            rounded(sum / (double{1} * input.shape.height * input.shape.width)));
    }
    return output;
}

Image average_bytes_reference(const Step& step, const Image& input, Shape shape) {
    const std::span<const float> l = step.limits;
    Image output{shape, {}};
    for (int c = 0; c < shape.channels; ++c) {
        double sum = 0;
        for (int y = 0; y < input.shape.height; ++y) {
            for (int x = 0; x < input.shape.width; ++x) {
                sum += input.at(y, x, c) - double{l[1]};
            }
        }
        output.values.push_back(quantized(static_cast<float>(sum) * l[0], l[2], l[3], l[4]));
    }
    return output;
}

Image add_reference(const Image& input, const Image& second) {
    Image output = input;
    for (std::size_t i = 0; i < output.values.size(); ++i) {
        const double sum = input.values[i] + second.values[i];
        output.values[i] = input.shape.element == Element::f32 ? rounded(sum) : wrapped(sum);
    }
    return output;
}

Image add_bytes_reference(const Step& step, const Image& input, const Image& second, Shape shape) {
    const std::span<const float> l = step.limits;
    Image output{shape, {}};
    for (std::size_t i = 0; i < input.values.size(); ++i) {
        const float a = static_cast<float>(input.values[i]) - l[1],
                    b = static_cast<float>(second.values[i]) - l[3];
        output.values.push_back(quantized(std::fma(l[0], a, l[2] * b), l[4], l[5], l[6]));
    }
    return output;
}

Image quantize_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, {}};
    for (const double value : input.values) {
        output.values.push_back(quantized(static_cast<float>(value) / step.limits[0],
                                          step.limits[1],
                                          least_of(shape.element),
                                          most_of(shape.element)));
    }
    return output;
}

Image dequantize_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, {}};
    for (const double value : input.values) {
        output.values.push_back(rounded((value - step.limits[1]) * step.limits[0]));
    }
    return output;
}

Image multiply_reference(const Image& input, const Image& second) {
    Image output = input;
    for (std::size_t i = 0; i < output.values.size(); ++i) {
        output.values[i] = rounded(input.values[i] * second.values[i % second.values.size()]);
    }
    return output;
}

Image channels_reference(const Step& step, const Image& input, Shape shape) {
    Image output{shape, {}};
    const int each = input.shape.channels / step.groups;
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            for (int c = 0; c < shape.channels; ++c) {
                const int from = step.kind == StepKind::channels
                                     ? step.first_channel + c
                                     : c % step.groups * each + c / step.groups;
                output.values.push_back(input.at(y, x, from));
            }
        }
    }
    return output;
}

Image concat_reference(const std::vector<Image>& inputs, Shape shape) {
    Image output{shape, {}};
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            for (const Image& input : inputs) {
                for (int c = 0; c < input.shape.channels; ++c) {
                    output.values.push_back(input.at(y, x, c));
                }
            }
        }
    }
    return output;
}

Image flatten_reference(const Image& input, Shape shape) { return {shape, input.values}; }

namespace {

double each_value(const Step& step, std::size_t channel, double x) {
    const auto between = [](double value, double least, double most) {
        return std::min(std::max(value, least), most);
    };
    switch (step.kind) {
        case StepKind::relu:
            return std::max(x, 0.0);
        case StepKind::clip:
            return between(x, step.limits[0], step.limits[1]);
        case StepKind::sigmoid:
            return 1 / (1 + std::exp(-x));
        case StepKind::tanh:
            return std::tanh(x);
        case StepKind::hard_sigmoid:
            return between(double{step.limits[0]} * x + step.limits[1], 0, 1);
        case StepKind::hard_swish:
            return x * between(x / 6 + 0.5, 0, 1);
        default:  // batch_norm
            return (step.scales.empty() ? 1.0 : double{step.scales[channel]}) * x +
                   (step.biases.empty() ? 0.0 : double{step.biases[channel]});
    }
}

}  // namespace

Image each_reference(const Step& step, const Image& input) {
    Image output = input;
    const auto channels = static_cast<std::size_t>(input.shape.channels);
    for (std::size_t i = 0; i < output.values.size(); ++i) {
        output.values[i] = rounded(each_value(step, i % channels, input.values[i]));
    }
    return output;
}

// Each pixel by itself: exp(x - m) / sum of exp(x - m), m being the largest x; or its logarithm.
Image softmax_reference(const Step& step, const Image& input) {
    Image output = input;
    const auto channels = static_cast<std::ptrdiff_t>(input.shape.channels);
    for (auto pixel = output.values.begin(); pixel != output.values.end(); pixel += channels) {
        const double largest = *std::max_element(pixel, pixel + channels);
        double sum = 0;
        for (auto value = pixel; value != pixel + channels; ++value) {
            sum += std::exp(*value - largest);
        }
        for (auto value = pixel; value != pixel + channels; ++value) {
            *value = rounded(step.kind == StepKind::softmax ? std::exp(*value - largest) / sum
                                                            : *value - largest - std::log(sum));
        }
    }
    return output;
}

}  // namespace kernels::cpu
