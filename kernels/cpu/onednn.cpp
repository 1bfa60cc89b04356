// Variant onednn: convolutions and linear layers on f32 by oneDNN, where its library is. What
// follows them is taken along: batch norms become part of the weights, ReLU and clip limits of the
// product; a sum with another tensor and what other activations make of it are computed where the
// product lies.
//
// A slice is a product of its own, of the input's rows that it sees and the weights of its
// channels.

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/onednn_library.hpp"
#include "kernels/cpu/onednn_product.hpp"
#include "kernels/cpu/real_pattern.hpp"
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
    int block = 1;  // channels
    DotGeometry geometry;
    bool adds = false;
    std::optional<Limits> limits;    // by the library
    std::optional<Step> activation;  // by us
    std::vector<Part> parts;         // by slice
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
              left = step.padding_left(),
              right = (conv.width - 1) * step.stride_of_columns() - left + conv.kernel_width;
    const bool all_rows = rows == conv.height;
    const Range seen = all_rows ? Range{0, conv.input.height}
                                : Range{std::max(top, 0), std::min(bottom, conv.input.height)};
    const bool all_channels = slice.channel_end - slice.channel_begin == step.out_channels,
               together = linear || (all_rows && (whole.block == 1 || all_channels));

    onednn::Product product{.block = whole.block,
                            .images = together ? images : 1,
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
                            .columns_stride = step.stride_of_columns(),
                            .top = seen.begin - top,
                            .left = left,
                            .bottom = std::max(bottom - seen.end, 0),
                            .right = std::max(right - conv.input.width, 0),
                            .linear = linear,
                            .limited = whole.limits.has_value(),
                            .least = whole.limits.value_or(Limits{}).least,
                            .most = whole.limits.value_or(Limits{}).most};
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
    const bool dense_input = whole.block > 1 || (chain.input.element == Element::f32 &&
                                                 (linear || inputs.count() == conv.input.channels)),
               dense_output = whole.block > 1 || all_channels;
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

// Channels with what fills up their last block.
std::size_t filled(int channels, int block) {
    return size((channels + block - 1) / block) * size(block);
}

// In elements. A row is 0, and a channel the first of a block, where channels are in blocks.
std::size_t start_of(const Shape& shape, int block, int image, int row, int channel) {
    const std::size_t pixels = size(shape.height) * size(shape.width);
    if (block > 1) {
        return (size(image) * filled(shape.channels, block) + size(channel)) * pixels;
    }
    return (size(image) * pixels + size(row) * size(shape.width)) * size(shape.channels) +
           size(channel);
}

// Elements that lie side by side, of `images` from `image` on: the first and how many.
template <typename Work>
void for_each_run(const Shape& shape,
                  int block,
                  Range rows,
                  Range channels,
                  int image,
                  int images,
                  const Work& work) {
    for (int i = image; i < image + images; ++i) {
        const std::size_t first = start_of(shape, block, i, rows.begin, channels.begin),
                          pixels = size(rows.count()) * size(shape.width);
        if (block > 1) {
            work(first, filled(channels.count(), block) * pixels);
            continue;
        }
        for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
            work(first + pixel * size(shape.channels), size(channels.count()));
        }
    }
}

const float* gathered(const Whole& whole, Part& part, const std::byte* input, int image) {
    const Shape& in = whole.input;
    const auto* const floats = reinterpret_cast<const float*>(input);
    if (part.input.size() == 0) {
        return floats + start_of(in, whole.block, image, part.rows.begin, part.inputs.begin);
    }
    float* to = part.input.data();
    for_each_run(in,
                 whole.block,
                 part.rows,
                 part.inputs,
                 image,
                 part.images_at_once,
                 [&](std::size_t at, std::size_t count) {
                     const auto* const bytes = reinterpret_cast<const std::uint8_t*>(input);
                     to = in.element == Element::f32 ? std::copy_n(floats + at, count, to)
                                                     : std::copy_n(bytes + at, count, to);
                 });
    return part.input.data();
}

void run(Whole& whole, const Tensors& tensors, const Slice& slice) {
    Part& part = whole.parts[size(slice.index)];
    const Shape& out = whole.output;
    const Range rows{slice.row_begin, slice.row_end},
        channels{slice.channel_begin, slice.channel_end};
    auto* const output = reinterpret_cast<float*>(tensors.output);
    const auto* const second = reinterpret_cast<const float*>(tensors.second_input);
    for (int image = slice.image_begin; image < slice.image_end; image += part.images_at_once) {
        const auto for_each = [&](const auto& work) {
            for_each_run(out, whole.block, rows, channels, image, part.images_at_once, work);
        };
        const float* const input = gathered(whole, part, tensors.input, image);
        const bool in_place = part.output.size() == 0;
        part.primitive.run(
            input,
            in_place ? output + start_of(out, whole.block, image, rows.begin, channels.begin)
                     : part.output.data());
        if (!in_place) {
            const float* from = part.output.data() + (channels.begin - part.outputs.begin);
            for_each([&](std::size_t at, std::size_t count) {
                std::copy_n(from, count, output + at);
                from += part.outputs.count();
            });
        }
        finish(whole.activation, whole.adds, second, output, for_each);
    }
}

bool accepts(const Chain& chain) {
    try {
        return real_pattern_of(chain).has_value();
    } catch (const std::invalid_argument&) {
        return false;
    }
}

// Of this machine's registers.
Layout blocked_layout() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") != 0 ? Layout::nchw16c : Layout::nchw8c;
#else
    return Layout::nchw8c;
#endif
}

// Blocks are of images: not of what is flat, nor of groups that share them, and not of a few
// channels, for which the library has only slow loops. What fills up the last block stays zero.
bool accepts_blocks(const Chain& chain) {
    if (chain.input.element != Element::f32 || chain.input.channels < block_of(blocked_layout()) ||
        !accepts(chain)) {
        return false;
    }
    const Step& product = chain.steps.front();
    const Step& last = chain.steps.back();
    const bool keeps_zero =
        last.kind == StepKind::clip
            ? last.limits.size() == 2 && last.limits[0] <= 0 && last.limits[1] >= 0
            : last.kind != StepKind::sigmoid && last.kind != StepKind::hard_sigmoid;
    const bool depthwise =
        product.groups == chain.input.channels && product.groups == product.out_channels;
    return product.kind == StepKind::conv2d && (product.groups == 1 || depthwise) && keeps_zero;
}

Body prepare_with(const Chain& chain, std::span<const Slice> slices, int block) {
    const std::optional<RealPattern> pattern = real_pattern_of(chain);
    if (!pattern) {
        throw std::logic_error("onednn: a chain that it does not accept");
    }
    const Step& step = *pattern->product;
    const DotGeometry geometry = geometry_of(step, chain.input);
    auto whole = std::make_shared<Whole>(Whole{.input = chain.input,
                                               .output = output_of(chain),
                                               .block = block,
                                               .geometry = geometry,
                                               .adds = pattern->add != nullptr,
                                               .limits = limits_of(*pattern),
                                               .activation = {},
                                               .parts = {}});
    if (pattern->activation != nullptr && !whole->limits) {
        whole->activation = *pattern->activation;
    }
    const Numbers numbers =
        numbers_of(*pattern, static_cast<std::size_t>(geometry.fan_in()) / size(step.groups));
    for (const Slice& slice : slices) {
        whole->parts.push_back(part_of(chain, *whole, step, numbers, slice, whole->parts));
    }
    return [whole = std::move(whole)](const Tensors& tensors, const Slice& slice) {
        run(*whole, tensors, slice);
    };
}

std::string library_file() { return onednn::library()->file; }

constexpr std::string_view kNeeds = "oneDNN's library, version 2 or 3 (libdnnl.so.2, libdnnl.so.3)";

}  // namespace

Variant onednn_variant() {
    return {.name = "onednn",
            .summary = "f32 convolutions and linear layers by oneDNN, with what follows them",
            .layout = Layout::nhwc,
            .supported = [] { return onednn::library() != nullptr; },
            .accepts = accepts,
            .prepare = [](const Chain& chain,
                          std::span<const Slice> slices) { return prepare_with(chain, slices, 1); },
            .longest_chain = 4,
            .for_bits = false,
            .needs = kNeeds,
            .library = library_file};
}

Variant onednn_blocks_variant() {
    return {.name = "onednn_blocks",
            .summary = "the same, convolutions on blocks of channels",
            .layout = blocked_layout(),
            .supported = [] { return onednn::knows_blocks(block_of(blocked_layout())); },
            .accepts = accepts_blocks,
            .prepare =
                [](const Chain& chain, std::span<const Slice> slices) {
                    return prepare_with(chain, slices, block_of(blocked_layout()));
                },
            .longest_chain = 4,
            .axes = "xz",
            .for_bits = false,
            .needs = kNeeds,
            .library = library_file};
}

}  // namespace kernels::cpu
