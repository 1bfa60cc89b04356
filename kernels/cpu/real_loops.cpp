// Variant loops: a step on f32, and the activations and batch norms after it, in plain loops that
// the compiler makes vectors of.
//
// Sums go over the kernel's rows and columns and the input's channels, in this order, in f32, for
// many output channels side by side: weights are laid out so that their output channels are
// neighbours. Of a depthwise convolution these are the input's too.

#include "kernels/chain_pattern.hpp"
#include "kernels/cpu/activations.hpp"
#include "kernels/geometry.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

namespace kernels::cpu {
namespace {

std::size_t size(int number) { return static_cast<std::size_t>(number); }

struct RealStep {
    Step step;
    std::vector<Step> after;  // activations and batch norms, done where the step's result lies
    Shape input, output;
    // conv2d, linear: for each group, tap and input channel of it the group's output channels.
    std::vector<float> weights;
    DotGeometry geometry = {};   // conv2d, linear
    std::vector<float> padding;  // a pixel of it
    // By slice: of the output; of the input, unpacked.
    std::vector<std::vector<float>> sums, pixels;

    std::size_t taps() const { return size(geometry.kernel_height) * size(geometry.kernel_width); }
    // Channels of a group.
    std::size_t inputs() const { return size(input.channels / step.groups); }
    std::size_t outputs() const { return size(step.out_channels / step.groups); }
};

bool is_product(const Step& step) {
    return step.kind == StepKind::conv2d || step.kind == StepKind::linear;
}

std::vector<float> laid_out(const RealStep& real) {
    const Step& step = real.step;
    const std::size_t outputs = real.outputs(), fan_in = real.taps() * real.inputs();
    std::vector<float> weights(size(step.out_channels) * fan_in);
    for (std::size_t o = 0; o < size(step.out_channels); ++o) {
        const std::size_t group = o / outputs, in_group = o % outputs;
        for (std::size_t i = 0; i < fan_in; ++i) {
            weights[(group * fan_in + i) * outputs + in_group] = real_weight_of(step, fan_in, o, i);
        }
    }
    return weights;
}

// ---- Reading and writing ---------------------------------------------------------------------

std::size_t pixel_at(const Shape& shape, int image, int y, int x) {
    return (size(image) * size(shape.height) + size(y)) * size(shape.width) + size(x);
}

template <typename T>
const T* elements_at(const std::byte* tensor, const Shape& shape, int image, int y, int x) {
    return reinterpret_cast<const T*>(tensor) + pixel_at(shape, image, y, x) * size(shape.channels);
}

template <typename T>
T* elements_at(std::byte* tensor, const Shape& shape, int image, int y, int x) {
    return reinterpret_cast<T*>(tensor) + pixel_at(shape, image, y, x) * size(shape.channels);
}

// The channels of a pixel as f32; in `room` where they are not that already.
const float* reals_at(const std::byte* tensor,
                      const Shape& shape,
                      int image,
                      int y,
                      int x,
                      std::vector<float>& room) {
    switch (shape.element) {
        case Element::f32:
            return elements_at<float>(tensor, shape, image, y, x);
        case Element::u8: {
            const auto* const bytes = elements_at<std::uint8_t>(tensor, shape, image, y, x);
            std::copy_n(bytes, size(shape.channels), room.begin());
            break;
        }
        case Element::binary: {
            const auto* const words = reinterpret_cast<const std::uint64_t*>(tensor) +
                                      pixel_at(shape, image, y, x) * size(shape.words());
            for (std::size_t c = 0; c < size(shape.channels); ++c) {
                room[c] = bit_of({words, size(shape.words())}, c) ? 1.0F : -1.0F;
            }
            break;
        }
        case Element::int8:
        case Element::int32:
            throw std::logic_error("loops: a product of whole numbers");
    }
    return room.data();
}

template <typename Work>
void for_each_pixel(const Slice& slice, int width, const Work& work) {
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        for (int y = slice.row_begin; y < slice.row_end; ++y) {
            for (int x = 0; x < width; ++x) {
                work(image, y, x);
            }
        }
    }
}

// ---- What comes after a step -------------------------------------------------------------------

// A function of a channel and what it holds.
auto norm_of(const Step& step) {
    return [&step](std::size_t c, float x) {
        return (step.scales.empty() ? 1.0F : step.scales[c]) * x +
               (step.biases.empty() ? 0.0F : step.biases[c]);
    };
}

// What comes after the step, on the slice's channels of its result.
void finish_pixel(const RealStep& real, const Slice& slice, float* pixel) {
    for (const Step& step : real.after) {
        const auto each = [&](const auto& result) {
            for (std::size_t c = size(slice.channel_begin); c < size(slice.channel_end); ++c) {
                pixel[c] = result(c, pixel[c]);
            }
        };
        if (step.kind == StepKind::batch_norm) {
            each(norm_of(step));
        } else {
            with_activation(step, [&](const auto& activation) {
                each([&](std::size_t, float x) { return activation(x); });
            });
        }
    }
}

// ---- Products --------------------------------------------------------------------------------

// sums[o] of the slice's channels plus what one tap gives them.
void add_tap(
    const RealStep& real, const Slice& slice, std::size_t tap, const float* pixel, float* sums) {
    const std::size_t inputs = real.inputs(), outputs = real.outputs(), taps = real.taps(),
                      begin = size(slice.channel_begin), end = size(slice.channel_end);
    if (inputs == 1 && outputs == 1) {  // depthwise
        for (std::size_t c = begin; c < end; ++c) {
            sums[c] += pixel[c] * real.weights[c * taps + tap];
        }
        return;
    }
    for (std::size_t group = begin / outputs; group * outputs < end; ++group) {
        const std::size_t first = std::max(begin, group * outputs),
                          last = std::min(end, (group + 1) * outputs);
        for (std::size_t c = 0; c < inputs; ++c) {
            const float value = pixel[group * inputs + c];
            const float* const weights =
                real.weights.data() + ((group * taps + tap) * inputs + c) * outputs;
            const std::size_t skipped = group * outputs;
            for (std::size_t o = first; o < last; ++o) {
                sums[o] += value * weights[o - skipped];
            }
        }
    }
}

Body product_body(std::shared_ptr<RealStep> real) {
    return [real = std::move(real)](const Tensors& tensors, const Slice& slice) {
        const Step& step = real->step;
        const DotGeometry& conv = real->geometry;
        const Shape& in = real->input;
        std::vector<float>& sums = real->sums[size(slice.index)];
        std::vector<float>& room = real->pixels[size(slice.index)];
        for_each_pixel(slice, real->output.width, [&](int image, int y, int x) {
            std::fill(sums.begin(), sums.end(), 0.0F);
            for (int ky = 0; ky < conv.kernel_height; ++ky) {
                for (int kx = 0; kx < conv.kernel_width; ++kx) {
                    const int from_y = y * conv.stride + ky - conv.padding,
                              from_x = x * step.stride_of_columns() + kx - step.padding_left();
                    const bool inside =
                        from_y >= 0 && from_y < in.height && from_x >= 0 && from_x < in.width;
                    if (!inside && conv.pad_value == 0) {
                        continue;
                    }
                    const float* const pixel =
                        inside ? reals_at(tensors.input, in, image, from_y, from_x, room)
                               : real->padding.data();
                    add_tap(*real, slice, size(ky * conv.kernel_width + kx), pixel, sums.data());
                }
            }
            float* const to = elements_at<float>(tensors.output, real->output, image, y, x);
            for (std::size_t o = size(slice.channel_begin); o < size(slice.channel_end); ++o) {
                const float scale = step.scales.empty() ? 1.0F : step.scales[o];
                to[o] = scale * sums[o] + (step.biases.empty() ? 0.0F : step.biases[o]);
            }
            finish_pixel(*real, slice, to);
        });
    };
}

// ---- The rest --------------------------------------------------------------------------------

void threshold_pixel(const RealStep& real,
                     const Slice& slice,
                     const float* from,
                     std::uint64_t* to) {
    for (std::size_t first = size(slice.channel_begin); first < size(slice.channel_end);
         first += 64) {
        std::uint64_t word = 0;
        const std::size_t count = std::min<std::size_t>(64, size(slice.channel_end) - first);
        for (std::size_t i = 0; i < count; ++i) {
            const float value = from[first + i], limit = real.step.limits[first + i];
            const bool flipped = (real.step.flips[first / 64] >> i & 1) != 0;
            word |= std::uint64_t{flipped ? value <= limit : value >= limit} << i;
        }
        to[first / 64] = word;
    }
}

void pool_pixel(const RealStep& real,
                const Slice& slice,
                const std::byte* input,
                int image,
                int y,
                int x,
                float* to) {
    const Step& pool = real.step;
    const bool largest = pool.kind == StepKind::max_pool2d;
    const auto begin = size(slice.channel_begin), end = size(slice.channel_end);
    std::fill(to + begin, to + end, largest ? -std::numeric_limits<float>::infinity() : 0.0F);
    int count = 0;
    const int top = y * pool.stride - pool.padding,
              left = x * pool.stride_of_columns() - pool.padding_left();
    for (int from_y = std::max(0, top);
         from_y < std::min(real.input.height, top + pool.kernel_height);
         ++from_y) {
        for (int from_x = std::max(0, left);
             from_x < std::min(real.input.width, left + pool.kernel_width);
             ++from_x) {
            const float* const from = elements_at<float>(input, real.input, image, from_y, from_x);
            for (std::size_t c = begin; c < end; ++c) {
                to[c] = largest ? std::max(to[c], from[c]) : to[c] + from[c];
            }
            ++count;
        }
    }
    if (pool.counts_padding) {
        count = pool.kernel_height * pool.kernel_width;
    }
    for (std::size_t c = begin; c < end && !largest; ++c) {
        to[c] /= static_cast<float>(count);
    }
}

// Of all the pixel's channels, those of the slice written.
void softmax_pixel(const RealStep& real, const Slice& slice, const float* from, float* to) {
    const float* const all = from + real.input.channels;
    const float largest = *std::max_element(from, all);
    float sum = 0;
    for (const float* value = from; value != all; ++value) {
        sum += std::exp(*value - largest);
    }
    const float log_sum = std::log(sum);
    for (std::size_t c = size(slice.channel_begin); c < size(slice.channel_end); ++c) {
        to[c] = real.step.kind == StepKind::softmax ? std::exp(from[c] - largest) / sum
                                                    : from[c] - largest - log_sum;
    }
}

void each_pixel(
    const RealStep& real, const Slice& slice, const float* from, const float* second, float* to) {
    const Step& step = real.step;
    const auto each = [&](const auto& result) {
        for (std::size_t c = size(slice.channel_begin); c < size(slice.channel_end); ++c) {
            to[c] = result(c, from[c]);
        }
    };
    switch (step.kind) {
        case StepKind::batch_norm:
            return each(norm_of(step));
        case StepKind::add:
            return each([&](std::size_t c, float x) { return x + second[c]; });
        case StepKind::multiply:
            return each([&](std::size_t c, float x) { return x * second[c]; });
        case StepKind::channels:
            return each([&](std::size_t c, float) { return from[size(step.first_channel) + c]; });
        case StepKind::channel_shuffle: {
            const std::size_t groups = size(step.groups),
                              in_group = size(real.input.channels) / groups;
            return each(
                [&](std::size_t c, float) { return from[c % groups * in_group + c / groups]; });
        }
        case StepKind::flatten:
        case StepKind::reshape:
            return each([](std::size_t, float x) { return x; });
        default:
            return with_activation(step, [&](const auto& activation) {
                each([&](std::size_t, float x) { return activation(x); });
            });
    }
}

// The slice's channels of every input's pixel.
void concat_pixel(const RealStep& real,
                  const Slice& slice,
                  const Tensors& tensors,
                  std::size_t pixel,
                  float* to) {
    int first = 0;
    for (std::size_t i = 0; i < real.step.parts.size(); ++i) {
        const int channels = real.step.parts[i];
        const std::byte* const tensor = i == 0   ? tensors.input
                                        : i == 1 ? tensors.second_input
                                                 : tensors.more[i - 2];
        const int begin = std::max(slice.channel_begin, first),
                  end = std::min(slice.channel_end, first + channels);
        if (begin < end) {
            const float* const from = reinterpret_cast<const float*>(tensor) +
                                      pixel * size(channels) + size(begin - first);
            std::copy_n(from, size(end - begin), to + begin);
        }
        first += channels;
    }
}

// The pixel of the second input; null where the step has none.
const float* second_at(const RealStep& real, const Tensors& tensors, int image, int y, int x) {
    if (!has_second(real.step.kind)) {
        return nullptr;
    }
    Shape shape = real.input;
    if (real.step.one_pixel) {
        shape.height = shape.width = 1;
        y = x = 0;
    }
    return elements_at<float>(tensors.second_input, shape, image, y, x);
}

Body other_body(std::shared_ptr<RealStep> real) {
    return [real = std::move(real)](const Tensors& tensors, const Slice& slice) {
        const Shape& out = real->output;
        const bool moves =
            real->step.kind == StepKind::flatten || real->step.kind == StepKind::reshape;
        const Shape in = moves ? out : real->input;
        for_each_pixel(slice, out.width, [&](int image, int y, int x) {
            if (real->step.kind == StepKind::threshold) {
                threshold_pixel(*real,
                                slice,
                                elements_at<float>(tensors.input, in, image, y, x),
                                reinterpret_cast<std::uint64_t*>(tensors.output) +
                                    pixel_at(out, image, y, x) * size(out.words()));
                return;
            }
            float* const to = elements_at<float>(tensors.output, out, image, y, x);
            switch (real->step.kind) {
                case StepKind::max_pool2d:
                case StepKind::average_pool2d:
                case StepKind::global_average_pool:
                    pool_pixel(*real, slice, tensors.input, image, y, x, to);
                    break;
                case StepKind::softmax:
                case StepKind::log_softmax:
                    softmax_pixel(
                        *real, slice, elements_at<float>(tensors.input, in, image, y, x), to);
                    break;
                case StepKind::concat:
                    concat_pixel(*real, slice, tensors, pixel_at(out, image, y, x), to);
                    break;
                default:
                    each_pixel(*real,
                               slice,
                               elements_at<float>(tensors.input, in, image, y, x),
                               second_at(*real, tensors, image, y, x),
                               to);
                    break;
            }
            finish_pixel(*real, slice, to);
        });
    };
}

bool can_follow(const Step& step) {
    return is_activation(step.kind) || step.kind == StepKind::batch_norm;
}

bool accepts(const Chain& chain) {
    try {
        const auto begin = chain.steps.begin(), end = chain.steps.end();
        return has_reals(chain) && !has_bytes(chain) && is_linear(chain) && begin != end &&
               (begin + 1 == end || begin->kind != StepKind::threshold) &&
               std::all_of(begin + 1, end, can_follow) &&
               !sums_of(chain);  // the packed variants do that in a fraction of the time
    } catch (const std::invalid_argument&) {
        return false;
    }
}

Body prepare(const Chain& chain, std::span<const Slice> slices) {
    auto real = std::make_shared<RealStep>();
    real->input = chain.input;
    real->output = output_of(chain);
    real->step = chain.steps.front();
    real->after.assign(chain.steps.begin() + 1, chain.steps.end());
    if (is_product(real->step)) {
        real->geometry = geometry_of(real->step, chain.input);
        real->weights = laid_out(*real);
        real->padding.assign(size(chain.input.channels), static_cast<float>(real->step.pad_value));
        real->sums.resize(slices.size(), std::vector<float>(size(real->output.channels)));
        real->pixels.resize(slices.size(), std::vector<float>(size(chain.input.channels)));
        return product_body(std::move(real));
    }
    if (real->step.kind == StepKind::global_average_pool) {
        real->step.kernel_height = chain.input.height;
        real->step.kernel_width = chain.input.width;
    }
    return other_body(std::move(real));
}

}  // namespace

Variant loops_variant() {
    return {.name = "loops",
            .summary = "f32 in plain loops, a layer with the activations and batch norms after it",
            .layout = Layout::nhwc,
            .supported = [] { return true; },
            .accepts = accepts,
            .prepare = prepare,
            .longest_chain = 3,
            .for_bits = false};
}

}  // namespace kernels::cpu
