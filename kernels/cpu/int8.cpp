// Variants int8, int8_avx2 and int8_neon: layers on numbers of 8 bits that stand for others, u8 or
// int8, and what brings tensors into that form and back. Single layers; the whole of a network that
// was quantized (ONNX's QuantizeLinear) is a sequence of them.
//
// Products of them are computed by rows: as many of the padded input as fit into a cache are
// widened to 16 bits, then every block of output channels goes over them.

#include "kernels/chain.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/instruction_sets.hpp"
#include "kernels/cpu/int8_loops.hpp"
#include "kernels/geometry.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace kernels::cpu {
namespace {

std::size_t size(int number) { return static_cast<std::size_t>(number); }

bool is_product(const Step& step) {
    return step.kind == StepKind::conv2d || step.kind == StepKind::linear;
}

std::size_t element_bytes(Element element) {
    return element == Element::int32 || element == Element::f32 ? 4 : 1;
}

Int8Result result_of(Element element) {
    switch (element) {
        case Element::int32:
            return Int8Result::int32;
        case Element::f32:
            return Int8Result::f32;
        case Element::u8:
            return Int8Result::u8;
        default:
            return Int8Result::int8;
    }
}

Int8Format format_of(Element element, float zero) {
    return {.is_signed = element == Element::int8, .zero = zero};
}

// ---- Products ----------------------------------------------------------------------------------

// As pack() found it; what is by block is so for all groups' blocks, one group after the other.
struct Int8Product {
    Shape input, output;  // a linear layer's input is one pixel
    Int8Loops loops;
    int kernel_height = 1, kernel_width = 1, stride = 1, columns_stride = 1, top = 0, left = 0;
    int groups = 1;
    bool is_depthwise = false;
    Int8Format format = {};
    Int8Output result = {};             // but for what is by block and by position
    std::vector<std::int32_t> runs;     // or taps, two by two
    int pairs = 0;                      // of a run, or of taps
    Buffer<std::int8_t> weights;        // by block
    std::vector<float> scales, biases;  // kInt8Block by block
    int rows_at_once = 1;
    std::vector<std::int32_t> windows;               // of rows_at_once rows
    mutable std::vector<Buffer<std::int16_t>> rows;  // by slice

    int inputs() const { return input.channels / groups; }
    int outputs() const { return output.channels / groups; }
    // Depthwise channels are side by side in the input too: one group of them all.
    int block_groups() const { return is_depthwise ? 1 : groups; }
    int block_outputs() const { return output.channels / block_groups(); }
    int blocks() const { return (block_outputs() + kInt8Block - 1) / kInt8Block; }  // of a group
    std::size_t block_weights() const {
        return (is_depthwise ? 1 : runs.size()) * size(pairs) * 2 * kInt8Block;
    }
    int padded_width() const { return (output.width - 1) * columns_stride + kernel_width; }
    int rows_of(int output_rows) const { return (output_rows - 1) * stride + kernel_height; }
    std::size_t row_elements() const { return size(padded_width()) * size(input.channels); }
};

// Where the elements of a window are, from its first on.
void find_runs(Int8Product& product) {
    const int width = product.padded_width(), channels = product.input.channels;
    if (product.groups == 1) {
        product.pairs = (product.kernel_width * channels + 1) / 2;
        for (int ky = 0; ky < product.kernel_height; ++ky) {
            product.runs.push_back(ky * width * channels);
        }
        return;
    }
    for (int ky = 0; ky < product.kernel_height; ++ky) {
        for (int kx = 0; kx < product.kernel_width; ++kx) {
            product.runs.push_back((ky * width + kx) * channels);
        }
    }
    product.pairs = (product.inputs() + 1) / 2;
    if (product.is_depthwise) {
        if (product.runs.size() % 2 != 0) {
            product.runs.push_back(product.runs.back());  // times a weight of 0
        }
        product.pairs = static_cast<int>(product.runs.size() / 2);
    }
}

// Of block `block` of a group, weight `index` in (ky, kx, c) order of a channel of it.
std::size_t place_of(const Int8Product& product, int block, int channel, int index) {
    std::size_t pair = 0;
    int in_pair = index % 2;
    if (product.is_depthwise) {
        pair = size(index / 2);
    } else {
        const int run_elements =
            product.groups == 1 ? product.kernel_width * product.input.channels : product.inputs();
        pair = size(index / run_elements) * size(product.pairs) + size(index % run_elements / 2);
        in_pair = index % run_elements % 2;
    }
    return size(block) * product.block_weights() + pair * 2 * kInt8Block + size(channel) * 2 +
           size(in_pair);
}

void pack(Int8Product& product, const Step& step) {
    const int outputs = product.block_outputs(), blocks = product.blocks(),
              all = product.block_groups() * blocks,
              fan_in = product.kernel_height * product.kernel_width * product.inputs();
    product.weights = Buffer<std::int8_t>(size(all) * product.block_weights());
    product.scales.assign(size(all) * kInt8Block, 1.0F);
    product.biases.assign(size(all) * kInt8Block, 0.0F);
    for (int o = 0; o < product.output.channels; ++o) {
        const int group = o / outputs, in_group = o % outputs,
                  block = group * blocks + in_group / kInt8Block, channel = in_group % kInt8Block;
        for (int i = 0; i < fan_in; ++i) {
            product.weights[place_of(product, block, channel, i)] =
                step.byte_weights[size(o) * size(fan_in) + size(i)];
        }
        const std::size_t at = size(block) * kInt8Block + size(channel);
        if (!step.scales.empty()) {
            product.scales[at] = step.scales[size(o)];
        }
        if (!step.biases.empty()) {
            product.biases[at] = step.biases[size(o)];
        }
    }
}

Int8Output finish_of(const Step& step, Element element) {
    Int8Output result{.result = result_of(element),
                      .scales = nullptr,
                      .biases = nullptr,
                      .least = 0,
                      .most = 0,
                      .zero = 0,
                      .first = 0,
                      .count = 0,
                      .output = nullptr,
                      .stride = 0};
    if (is_byte(element)) {
        result.zero = static_cast<std::int32_t>(step.limits[1]);
        result.least = step.limits[2] - step.limits[1];
        result.most = step.limits[3] - step.limits[1];
    }
    return result;
}

// The padded rows of the input that `count` rows of the output from `first` on see, as 16 bits.
void widen_rows(
    const Int8Product& product, const std::byte* image, int first, int count, std::int16_t* to) {
    const Shape& in = product.input;
    const int channels = in.channels, width = product.padded_width(),
              columns = std::clamp(width - product.left, 0, in.width);
    const std::size_t before = size(std::min(product.left, width)) * size(channels),
                      inside = size(columns) * size(channels);
    for (int row = 0; row < product.rows_of(count); ++row, to += product.row_elements()) {
        const int from = first * product.stride - product.top + row;
        if (from < 0 || from >= in.height) {
            std::fill_n(to, product.row_elements(), std::int16_t{0});
            continue;
        }
        std::fill_n(to, before, std::int16_t{0});
        product.loops.widen(image + size(from) * size(in.width) * size(channels),
                            product.format,
                            to + before,
                            static_cast<std::ptrdiff_t>(inside));
        std::fill(to + before + inside, to + product.row_elements(), std::int16_t{0});
    }
}

// One block of channels of some rows. `output`: of the first position, channel 0.
void multiply(const Int8Product& product,
              const Slice& slice,
              int group,
              int block,
              const std::int16_t* rows,
              int positions,
              std::byte* output) {
    const int first = group * product.block_outputs() + block * kInt8Block,
              end = std::min(first + kInt8Block, (group + 1) * product.block_outputs()),
              begin = std::max(first, slice.channel_begin),
              count = std::min(end, slice.channel_end) - begin;
    if (count <= 0) {
        return;
    }
    const std::size_t index = size(group * product.blocks() + block);
    const std::size_t bytes = element_bytes(product.output.element);
    Int8Output out = product.result;
    out.scales = product.scales.data() + index * kInt8Block;
    out.biases = product.biases.data() + index * kInt8Block;
    out.first = begin - first;
    out.count = count;
    out.output = output + size(begin) * bytes;
    out.stride = static_cast<std::ptrdiff_t>(size(product.output.channels) * bytes);
    const std::int8_t* const weights = product.weights.data() + index * product.block_weights();
    if (product.is_depthwise) {
        product.loops.depthwise({.input = rows + first,
                                 .windows = product.windows.data(),
                                 .positions = positions,
                                 .taps = product.runs.data(),
                                 .pairs = product.pairs,
                                 .weights = weights,
                                 .out = out});
        return;
    }
    product.loops.dot({.input = rows + group * product.inputs(),
                       .windows = product.windows.data(),
                       .positions = positions,
                       .runs = product.runs.data(),
                       .run_count = static_cast<int>(product.runs.size()),
                       .pairs = product.pairs,
                       .weights = weights,
                       .out = out});
}

void run(const Int8Product& product, const Tensors& tensors, const Slice& slice) {
    const Shape &in = product.input, &out = product.output;
    const std::size_t in_image = size(in.height) * size(in.width) * size(in.channels),
                      out_row = size(out.width) * size(out.channels) * element_bytes(out.element);
    std::int16_t* const rows = product.rows[size(slice.index)].data();
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        for (int row = slice.row_begin; row < slice.row_end; row += product.rows_at_once) {
            const int count = std::min(product.rows_at_once, slice.row_end - row);
            widen_rows(product, tensors.input + size(image) * in_image, row, count, rows);
            std::byte* const output =
                tensors.output + (size(image) * size(out.height) + size(row)) * out_row;
            for (int group = 0; group < product.block_groups(); ++group) {
                for (int block = 0; block < product.blocks(); ++block) {
                    multiply(product, slice, group, block, rows, count * out.width, output);
                }
            }
        }
    }
}

Body product_body(const Chain& chain, std::size_t slices, const Int8Loops& loops) {
    constexpr std::size_t kCache = std::size_t{96} << 10;  // elements of 16 bits
    const Step& step = chain.steps.front();
    auto product = std::make_shared<Int8Product>();
    product->loops = loops;
    product->input = chain.input;
    product->output = output_of(chain);
    if (step.kind == StepKind::linear) {
        product->input = {.height = 1,
                          .width = 1,
                          .channels = chain.input.height * chain.input.width * chain.input.channels,
                          .element = chain.input.element};
    } else {
        product->kernel_height = step.kernel_height;
        product->kernel_width = step.kernel_width;
        product->stride = step.stride;
        product->columns_stride = step.stride_of_columns();
        product->top = step.padding;
        product->left = step.padding_left();
        product->groups = step.groups;
    }
    product->is_depthwise =
        product->groups > 1 && product->inputs() == 1 && product->outputs() == 1;
    product->format = format_of(chain.input.element, step.limits[0]);
    product->result = finish_of(step, product->output.element);
    find_runs(*product);
    pack(*product, step);

    const int height = product->output.height, width = product->output.width;
    while (product->rows_at_once < height &&
           size(product->rows_of(product->rows_at_once + 1)) * product->row_elements() <= kCache) {
        ++product->rows_at_once;
    }
    for (int y = 0; y < product->rows_at_once; ++y) {
        for (int x = 0; x < width; ++x) {
            product->windows.push_back(
                (y * product->stride * product->padded_width() + x * product->columns_stride) *
                product->input.channels);
        }
    }
    for (std::size_t i = 0; i < slices; ++i) {
        product->rows.emplace_back(size(product->rows_of(product->rows_at_once)) *
                                   product->row_elements());
    }
    return [product = std::shared_ptr<const Int8Product>(std::move(product))](
               const Tensors& tensors, const Slice& slice) { run(*product, tensors, slice); };
}

// ---- The rest ----------------------------------------------------------------------------------

// Calls work(first, count) for what of a tensor is the slice's: elements that lie side by side.
template <typename Work>
void for_each_run(const Shape& shape, const Slice& slice, const Work& work) {
    const std::size_t channels = size(shape.channels),
                      count = size(slice.channel_end - slice.channel_begin);
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        const std::size_t first = (size(image) * size(shape.height) + size(slice.row_begin)) *
                                  size(shape.width),
                          pixels = size(slice.row_end - slice.row_begin) * size(shape.width);
        if (count == channels) {
            work(first * channels, pixels * channels);
            continue;
        }
        for (std::size_t pixel = first; pixel < first + pixels; ++pixel) {
            work(pixel * channels + size(slice.channel_begin), count);
        }
    }
}

void pool(const Step& step,
          const Shape& in,
          const Shape& out,
          const Int8Loops& loops,
          const Tensors& tensors,
          const Slice& slice) {
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        const auto image_of = [&](const Shape& shape) {
            return size(image) * size(shape.height) * size(shape.width) * size(shape.channels);
        };
        const Pool job{.input = tensors.input + image_of(in),
                       .input_row = 0,
                       .height = in.height,
                       .width = in.width,
                       .units = in.channels,
                       .kernel_height = step.kernel_height,
                       .kernel_width = step.kernel_width,
                       .stride = step.stride,
                       .padding = step.padding,
                       .row_begin = slice.row_begin,
                       .row_end = slice.row_end,
                       .unit_begin = slice.channel_begin,
                       .unit_end = slice.channel_end,
                       .output = tensors.output + image_of(out),
                       .output_width = out.width};
        in.element == Element::u8 ? loops.pool_u8(job) : loops.pool_int8(job);
    }
}

struct AverageRoom {
    std::vector<std::int32_t> sums;
    std::vector<std::int16_t> wide;
};

// Sums over all pixels stay below 2^31 (is_small).
void average(const std::vector<float>& limits,
             const Shape& in,
             const Int8Loops& loops,
             AverageRoom& room,
             const Tensors& tensors,
             const Slice& slice) {
    const std::size_t channels = size(in.channels), pixels = size(in.height) * size(in.width);
    const Int8Format format = format_of(in.element, limits[1]);
    const float zero = limits[2], least = limits[3] - zero, most = limits[4] - zero;
    const std::size_t begin = size(slice.channel_begin),
                      count = size(slice.channel_end - slice.channel_begin);
    std::vector<std::int32_t>& sums = room.sums;
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        const std::byte* from = tensors.input + size(image) * pixels * channels + begin;
        std::fill(sums.begin(), sums.end(), 0);
        for (std::size_t pixel = 0; pixel < pixels; ++pixel, from += channels) {
            loops.widen(from, format, room.wide.data(), static_cast<std::ptrdiff_t>(count));
            for (std::size_t c = 0; c < count; ++c) {
                sums[c] += room.wide[c];
            }
        }
        std::byte* const to = tensors.output + size(image) * channels + begin;
        for (std::size_t c = 0; c < count; ++c) {
            const float value =
                std::min(std::max(static_cast<float>(sums[c]) * limits[0], least), most);
            to[c] = static_cast<std::byte>(static_cast<std::int32_t>(std::nearbyint(value) + zero));
        }
    }
}

Body other_body(const Chain& chain, std::size_t slices, const Int8Loops& loops) {
    const Shape out = output_of(chain), in = chain.input;
    const Step step = chain.steps.front();
    std::vector<float> limits(step.limits.begin(), step.limits.end());
    switch (step.kind) {
        case StepKind::max_pool2d:
            return [=](const Tensors& tensors, const Slice& slice) {
                pool(step, in, out, loops, tensors, slice);
            };
        case StepKind::global_average_pool: {
            const std::size_t channels = size(in.channels);
            const auto rooms = std::make_shared<std::vector<AverageRoom>>(
                slices,
                AverageRoom{std::vector<std::int32_t>(channels),
                            std::vector<std::int16_t>(channels)});
            return [=](const Tensors& tensors, const Slice& slice) {
                average(limits, in, loops, (*rooms)[size(slice.index)], tensors, slice);
            };
        }
        case StepKind::quantize:
            return [=](const Tensors& tensors, const Slice& slice) {
                for_each_run(out, slice, [&](std::size_t first, std::size_t count) {
                    loops.quantize(reinterpret_cast<const float*>(tensors.input) + first,
                                   limits[0],
                                   tensors.output + first,
                                   format_of(out.element, limits[1]),
                                   static_cast<std::ptrdiff_t>(count));
                });
            };
        case StepKind::dequantize:
            return [=](const Tensors& tensors, const Slice& slice) {
                for_each_run(out, slice, [&](std::size_t first, std::size_t count) {
                    loops.dequantize(tensors.input + first,
                                     format_of(in.element, limits[1]),
                                     limits[0],
                                     reinterpret_cast<float*>(tensors.output) + first,
                                     static_cast<std::ptrdiff_t>(count));
                });
            };
        case StepKind::add:
            return [=](const Tensors& tensors, const Slice& slice) {
                for_each_run(out, slice, [&](std::size_t first, std::size_t count) {
                    loops.add({.a = tensors.input + first,
                               .b = tensors.second_input + first,
                               .of_a = format_of(in.element, limits[1]),
                               .of_b = format_of(in.element, limits[3]),
                               .by_a = limits[0],
                               .by_b = limits[2],
                               .least = limits[5],
                               .most = limits[6],
                               .to = tensors.output + first,
                               .of_result = format_of(out.element, limits[4]),
                               .count = static_cast<std::ptrdiff_t>(count)});
                });
            };
        default:  // flatten, reshape
            return [=](const Tensors& tensors, const Slice& slice) {
                for_each_run(out, slice, [&](std::size_t first, std::size_t count) {
                    std::memcpy(tensors.output + first, tensors.input + first, count);
                });
            };
    }
}

// ---- The variants ------------------------------------------------------------------------------

// Sums stay below 2^31, and offsets into the padded input too.
bool is_small(const Chain& chain) {
    constexpr std::int64_t kMost = INT32_MAX;
    const Step& step = chain.steps.front();
    const Shape& in = chain.input;
    const std::int64_t per_tap = step.kind == StepKind::global_average_pool
                                     ? std::int64_t{in.height} * in.width
                                 : step.kind == StepKind::linear
                                     ? std::int64_t{in.height} * in.width * in.channels
                                     : std::int64_t{step.kernel_height} * step.kernel_width *
                                           (in.channels / step.groups),
                       padded =
                           (std::int64_t{in.height} + step.padding + step.padding_bottom()) *
                           (std::int64_t{in.width} + step.padding_left() + step.padding_right()) *
                           in.channels;
    return per_tap <= kMost / (255 * 128) && padded < kMost / 2;
}

bool accepts(const Chain& chain) {
    try {
        if (chain.steps.size() != 1) {
            return false;
        }
        (void)shapes_of(chain);
        const Step& step = chain.steps.front();
        if (!has_bytes(chain) &&
            !(step.kind == StepKind::reshape && is_byte(chain.input.element))) {
            return false;
        }
        const bool square =
            step.columns_stride == 0 && step.left < 0 && step.bottom < 0 && step.right < 0;
        switch (step.kind) {
            case StepKind::conv2d:
            case StepKind::linear:
                return step.bytes && step.pad_value == 0 && is_small(chain);
            case StepKind::max_pool2d:
                return square;
            case StepKind::global_average_pool:
                return is_small(chain);
            case StepKind::add:
                return is_linear(chain);
            case StepKind::quantize:
            case StepKind::dequantize:
            case StepKind::flatten:
            case StepKind::reshape:
                return true;
            default:
                return false;
        }
    } catch (const std::invalid_argument&) {
        return false;
    }
}

template <const Int8Loops& kLoops>
Body prepare_with(const Chain& chain, std::span<const Slice> slices) {
    return is_product(chain.steps.front()) ? product_body(chain, slices.size(), kLoops)
                                           : other_body(chain, slices.size(), kLoops);
}

}  // namespace

Variant int8_variant() {
    return {.name = "int8",
            .summary = "8-bit integers in plain loops",
            .supported = [] { return true; },
            .accepts = accepts,
            .prepare = prepare_with<kInt8Scalar>,
            .longest_chain = 1,
            .for_bits = false};
}

#if defined(__x86_64__)

Variant int8_avx2_variant() {
    return {.name = "int8_avx2",
            .summary = "8-bit integers, pairs of 16-bit products in 256-bit registers",
            .supported = avx2_supported,
            .accepts = accepts,
            .prepare = prepare_with<kInt8Avx2>,
            .longest_chain = 1,
            .for_bits = false,
            .needs = kAvx2Needs};
}

#elif defined(__aarch64__)

Variant int8_neon_variant() {
    return {.name = "int8_neon",
            .summary = "8-bit integers, 16-bit products in 128-bit registers",
            .supported = [] { return true; },
            .accepts = accepts,
            .prepare = prepare_with<kInt8Neon>,
            .longest_chain = 1,
            .for_bits = false};
}

#endif

}  // namespace kernels::cpu
