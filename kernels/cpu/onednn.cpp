// Variant onednn: convolutions and linear layers on f32 by oneDNN, where its library is. What
// follows them is taken along: batch norms become part of the weights, ReLU and clip limits of the
// product; a sum with another tensor is made where the product lies.
//
// A slice is a product of its own, of the input's rows that it sees and the weights of its
// channels.

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/onednn_library.hpp"
#include "kernels/cpu/onednn_product.hpp"
#include "kernels/geometry.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace kernels::cpu {
namespace {

std::size_t size(int number) { return static_cast<std::size_t>(number); }

// The parts of a chain that are there; they point into the chain.
struct RealPattern {
    const Step* product = nullptr;
    std::vector<const Step*> norms;
    const Step* add = nullptr;
    const Step* limits = nullptr;  // relu or clip
};

// Nothing where the chain is another: conv2d or linear, real, on f32 or bytes, and of
// [batch_norm ...] [add] [relu or clip] what there is.
std::optional<RealPattern> real_pattern_of(const Chain& chain) {
    (void)shapes_of(chain);  // do the steps fit?
    const std::vector<Step>& steps = chain.steps;
    const bool reals = chain.input.element == Element::f32 || chain.input.element == Element::u8;
    if (steps.empty() || !reals || !is_linear(chain)) {
        return std::nullopt;
    }
    RealPattern pattern;
    std::size_t next = 0;
    const auto take = [&](StepKind kind) -> const Step* {
        return next < steps.size() && steps[next].kind == kind ? &steps[next++] : nullptr;
    };
    pattern.product = take(StepKind::conv2d);
    if (pattern.product == nullptr) {
        pattern.product = take(StepKind::linear);
    }
    while (const Step* const norm = take(StepKind::batch_norm)) {
        pattern.norms.push_back(norm);
    }
    pattern.add = take(StepKind::add);
    pattern.limits = take(StepKind::relu);
    if (pattern.limits == nullptr) {
        pattern.limits = take(StepKind::clip);
    }
    // Padding is zeros, and each window sees something else.
    const auto fits = [](const Step& product) {
        return product.real &&
               (product.kind == StepKind::linear || product.padding == 0 ||
                (product.pad_value == 0 &&
                 product.padding < std::min(product.kernel_height, product.kernel_width)));
    };
    if (next != steps.size() || pattern.product == nullptr || !fits(*pattern.product)) {
        return std::nullopt;
    }
    return pattern;
}

// A product with all that became part of its numbers: by output channel fan_in weights, a bias.
struct Numbers {
    std::vector<float> weights, biases;
};

Numbers numbers_of(const RealPattern& pattern, std::size_t fan_in) {
    const Step& step = *pattern.product;
    const std::size_t words = (fan_in + 63) / 64;
    Numbers numbers;
    for (std::size_t o = 0; o < size(step.out_channels); ++o) {
        double scale = step.scales.empty() ? 1 : step.scales[o];
        double bias = step.biases.empty() ? 0 : step.biases[o];
        for (const Step* const norm : pattern.norms) {
            const double factor = norm->scales.empty() ? 1 : norm->scales[o];
            scale *= factor;
            bias = bias * factor + (norm->biases.empty() ? 0 : norm->biases[o]);
        }
        for (std::size_t i = 0; i < fan_in; ++i) {
            const double weight = !step.real_weights.empty() ? step.real_weights[o * fan_in + i]
                                  : bit_of(step.weights, o * words * 64 + i) ? 1
                                                                             : -1;
            numbers.weights.push_back(static_cast<float>(scale * weight));
        }
        numbers.biases.push_back(static_cast<float>(bias));
    }
    return numbers;
}

// ---- One slice -------------------------------------------------------------------------------

struct Range {
    int begin = 0, end = 0;
    int count() const { return end - begin; }
};

struct Part {
    Range rows, inputs, outputs;  // rows of the input; channels of the input and of the output
    int images_at_once = 1;
    onednn::Primitive primitive;
    Buffer<float> input, output;  // what is not dense where it lies, of the images at once
};

struct Whole {
    Shape input, output;
    DotGeometry geometry;
    bool adds, limited;
    float least, most;
    std::vector<Part> parts;  // by slice
};

// `outputs` may be more than the slice's channels: whole groups.
Part part_of(const Chain& chain,
             const Whole& whole,
             const Step& step,
             const Numbers& numbers,
             const Slice& slice,
             const std::vector<Part>& before) {
    const DotGeometry& conv = whole.geometry;
    const bool linear = step.kind == StepKind::linear;
    const int groups = linear ? 1 : step.groups, group_inputs = conv.input.channels / groups,
              group_outputs = step.out_channels / groups;

    Range outputs{slice.channel_begin, slice.channel_end}, inputs{0, conv.input.channels};
    int part_groups = 1;
    if (groups > 1) {
        const Range in{outputs.begin / group_outputs,
                       (outputs.end + group_outputs - 1) / group_outputs};
        part_groups = in.count();
        outputs = {in.begin * group_outputs, in.end * group_outputs};
        inputs = {in.begin * group_inputs, in.end * group_inputs};
    }
    // Rows and columns that the slice's windows span, and what of them lies inside.
    const int images = slice.image_end - slice.image_begin, rows = slice.row_end - slice.row_begin,
              top = slice.row_begin * conv.stride - conv.padding,
              bottom = (slice.row_end - 1) * conv.stride - conv.padding + conv.kernel_height,
              right = (conv.width - 1) * conv.stride - conv.padding + conv.kernel_width;
    const Range seen{std::max(top, 0), std::min(bottom, conv.input.height)};
    const bool all_rows = seen.count() == conv.input.height && rows == conv.height;

    onednn::Product product{.images = linear || all_rows ? images : 1,
                            .height = seen.count(),
                            .width = conv.input.width,
                            .channels = inputs.count(),
                            .out_height = rows,
                            .out_width = conv.width,
                            .out_channels = outputs.count(),
                            .groups = part_groups,
                            .kernel_height = conv.kernel_height,
                            .kernel_width = conv.kernel_width,
                            .stride = conv.stride,
                            .top = seen.begin - top,
                            .left = conv.padding,
                            .bottom = bottom - seen.end,
                            .right = std::max(right - conv.input.width, 0),
                            .linear = linear,
                            .limited = whole.limited && !whole.adds,
                            .least = whole.least,
                            .most = whole.most};
    if (linear) {
        product.channels = static_cast<int>(conv.fan_in());
        product.height = product.width = product.kernel_height = product.kernel_width = 1;
    }
    const std::size_t fan_in = numbers.weights.size() / numbers.biases.size(),
                      first = size(outputs.begin), count = size(outputs.count());
    // Slices of the same channels have the same weights.
    std::shared_ptr<const onednn::Weights> shared;
    for (const Part& other : before) {
        if (other.outputs.begin == outputs.begin && other.outputs.end == outputs.end) {
            shared = other.primitive.weights();
        }
    }
    const bool dense_input = chain.input.element == Element::f32 &&
                             (linear || inputs.count() == conv.input.channels),
               dense_output = slice.channel_end - slice.channel_begin == step.out_channels;
    const auto room = [&](bool dense, int height, int width, int channels) {
        return Buffer<float>(
            dense ? 0 : size(product.images) * size(height) * size(width) * size(channels));
    };
    return {.rows = seen,
            .inputs = inputs,
            .outputs = outputs,
            .images_at_once = product.images,
            .primitive = {product,
                          std::span{numbers.weights}.subspan(first * fan_in, count * fan_in),
                          std::span{numbers.biases}.subspan(first, count),
                          std::move(shared)},
            .input = room(dense_input, product.height, product.width, product.channels),
            .output = room(dense_output, rows, conv.width, outputs.count())};
}

// Of some images from `image` on: the pixels of `rows`, their channels in `channels`.
template <typename Work>
void for_each_pixel(
    const Shape& shape, Range rows, Range channels, int image, int images, const Work& work) {
    for (int i = image; i < image + images; ++i) {
        const std::size_t first =
                              (size(i) * size(shape.height) + size(rows.begin)) * size(shape.width),
                          pixels = size(rows.count()) * size(shape.width);
        for (std::size_t pixel = first; pixel < first + pixels; ++pixel) {
            work(pixel * size(shape.channels) + size(channels.begin));
        }
    }
}

const float* gathered(const Whole& whole, Part& part, const std::byte* input, int image) {
    const Shape& in = whole.input;
    if (part.input.size() == 0) {
        const std::size_t row = size(image) * size(in.height) + size(part.rows.begin);
        return reinterpret_cast<const float*>(input) + row * size(in.width) * size(in.channels);
    }
    float* to = part.input.data();
    for_each_pixel(in, part.rows, part.inputs, image, part.images_at_once, [&](std::size_t at) {
        const std::size_t count = size(part.inputs.count());
        to = in.element == Element::f32
                 ? std::copy_n(reinterpret_cast<const float*>(input) + at, count, to)
                 : std::copy_n(reinterpret_cast<const std::uint8_t*>(input) + at, count, to);
    });
    return part.input.data();
}

// The sum with the other tensor, and what limits it, where the product lies.
void finish(const Whole& whole,
            const Tensors& tensors,
            const Slice& slice,
            Range channels,
            int image,
            int images) {
    auto* const output = reinterpret_cast<float*>(tensors.output);
    const auto* const second = reinterpret_cast<const float*>(tensors.second_input);
    const Range rows{slice.row_begin, slice.row_end};
    for_each_pixel(whole.output, rows, channels, image, images, [&](std::size_t at) {
        for (std::size_t i = at; i < at + size(channels.count()); ++i) {
            const float sum = output[i] + second[i];
            output[i] = std::min(std::max(sum, whole.least), whole.most);
        }
    });
}

void run(Whole& whole, const Tensors& tensors, const Slice& slice) {
    Part& part = whole.parts[size(slice.index)];
    const Shape& out = whole.output;
    const Range rows{slice.row_begin, slice.row_end},
        channels{slice.channel_begin, slice.channel_end};
    auto* const output = reinterpret_cast<float*>(tensors.output);
    for (int image = slice.image_begin; image < slice.image_end; image += part.images_at_once) {
        const float* const input = gathered(whole, part, tensors.input, image);
        const std::size_t row = size(image) * size(out.height) + size(rows.begin);
        float* const dense = part.output.size() == 0
                                 ? output + row * size(out.width) * size(out.channels)
                                 : part.output.data();
        part.primitive.run(input, dense);
        if (part.output.size() != 0) {
            const float* from = dense + (channels.begin - part.outputs.begin);
            for_each_pixel(out, rows, channels, image, part.images_at_once, [&](std::size_t at) {
                std::copy_n(from, size(channels.count()), output + at);
                from += part.outputs.count();
            });
        }
        if (whole.adds) {
            finish(whole, tensors, slice, channels, image, part.images_at_once);
        }
    }
}

bool accepts(const Chain& chain) {
    try {
        return real_pattern_of(chain).has_value();
    } catch (const std::invalid_argument&) {
        return false;
    }
}

Body prepare(const Chain& chain, std::span<const Slice> slices) {
    const std::optional<RealPattern> pattern = real_pattern_of(chain);
    if (!pattern) {
        throw std::logic_error("onednn: a chain that it does not accept");
    }
    const Step& step = *pattern->product;
    const DotGeometry geometry = geometry_of(step, chain.input);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const Step* const limits = pattern->limits;
    const bool clips = limits != nullptr && limits->kind == StepKind::clip;
    auto whole = std::make_shared<Whole>(Whole{.input = chain.input,
                                               .output = output_of(chain),
                                               .geometry = geometry,
                                               .adds = pattern->add != nullptr,
                                               .limited = limits != nullptr,
                                               .least = limits == nullptr ? -kInfinity
                                                        : clips           ? limits->limits[0]
                                                                          : 0,
                                               .most = clips ? limits->limits[1] : kInfinity,
                                               .parts = {}});
    const Numbers numbers =
        numbers_of(*pattern, static_cast<std::size_t>(geometry.fan_in()) / size(step.groups));
    for (const Slice& slice : slices) {
        whole->parts.push_back(part_of(chain, *whole, step, numbers, slice, whole->parts));
    }
    return [whole = std::move(whole)](const Tensors& tensors, const Slice& slice) {
        run(*whole, tensors, slice);
    };
}

}  // namespace

Variant onednn_variant() {
    return {.name = "onednn",
            .summary = "f32 convolutions and linear layers by oneDNN, with what follows them",
            .layout = Layout::nhwc,
            .supported = [] { return onednn::library() != nullptr; },
            .accepts = accepts,
            .prepare = prepare,
            .longest_chain = 4,
            .for_reals = true,
            .needs = "oneDNN's library, version 2 or 3 (libdnnl.so.2, libdnnl.so.3)",
            .library = [] { return onednn::library()->file; }};
}

}  // namespace kernels::cpu
