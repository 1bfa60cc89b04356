#pragma once

// What the variants plain_f32 and plain_int8 have in common on the host's side: a layer's sizes as
// the programs want them, weights by fours of channels, and grids.

#include "kernels/chain.hpp"
#include "kernels/device_kernel.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kernels::opencl {

extern const std::string_view k_plain_cl;  // NOLINT(readability-identifier-naming): plain.cl

// The same, field by field, as Layer of plain.cl, where fields are explained.
struct Layer {
    std::int32_t height = 1, width = 1, channels = 1, words = 1;
    std::int32_t kernel_height = 1, kernel_width = 1, row_stride = 1, column_stride = 1, top = 0,
                 left = 0, pad_value = 0;
    std::int32_t inputs = 1, outputs = 1, fours = 1;
    std::int32_t per_input = 1;
    std::int32_t out_height = 1, out_width = 1, out_channels = 1;
    std::int32_t pieces = 1, total = 1;
    std::int32_t element = 0, result = 0;
    std::int32_t counts_padding = 0;
    std::int32_t first_channel = 0, groups = 1;
};

bool is_product(const Step& step);  // conv2d or linear

// Of a step that reads `input`. A pooling step over all of an image has windows of its size.
Layer layer_of(const Step& step, const Shape& input, const Shape& output, int batch);

// Does each output channel of a product read one channel of its input, of several?
bool is_depthwise(const Step& step, const Shape& input);

// Can offsets into a product's weights, of so many bytes each, and pieces of its output be 32 bits
// wide?
bool is_small(
    const Step& step, const Shape& input, const Shape& output, int batch, std::size_t weight_bytes);

std::size_t fan_in_of(const Step& step, const Shape& input);  // of one output channel

// A product's weights, filled up with zeros. weight_of: a function of an output channel and which
// of its weights, in (ky, kx, input channel) order.
template <class Value, class WeightOf>
std::vector<Value> in_fours(const Layer& layer, std::size_t fan_in, const WeightOf& weight_of) {
    const auto outputs = static_cast<std::size_t>(layer.outputs),
               channels = static_cast<std::size_t>(layer.out_channels),
               fours = static_cast<std::size_t>(layer.fours);
    std::vector<Value> weights(channels / outputs * fan_in * fours * 4);
    for (std::size_t o = 0; o < channels; ++o) {
        const std::size_t group = o / outputs, in_group = o % outputs;
        for (std::size_t i = 0; i < fan_in; ++i) {
            weights[((group * fan_in + i) * fours + in_group / 4) * 4 + in_group % 4] =
                weight_of(o, i);
        }
    }
    return weights;
}

// One work item for each piece of the output.
Launch piece_launch(const std::string& kernel,
                    const Layer& layer,
                    const DeviceLimits& limits,
                    std::vector<Argument> arguments);

// The only configuration: images, positions and channels are all spread over work items.
inline constexpr std::string_view kSpreadAll = "xyz";

}  // namespace kernels::opencl
