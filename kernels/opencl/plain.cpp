#include "kernels/opencl/plain.hpp"

#include "kernels/geometry.hpp"
#include "kernels/opencl/plan.hpp"

#include <utility>

namespace kernels::opencl {
namespace {

// How a product's output channels are taken by fours: within their group, or all of them where each
// reads one input channel alone.
struct Fours {
    int groups = 1;   // of the input
    int outputs = 1;  // channels that are taken together
    int fours = 1;    // of them
    int pieces = 1;   // of a pixel
};

Fours fours_of(const Step& step, const Shape& input, const Shape& output) {
    const int groups = step.kind == StepKind::linear ? 1 : step.groups;
    const bool alone = is_depthwise(step, input);
    const int outputs = alone ? output.channels : output.channels / groups;
    const int fours = (outputs + 3) / 4;
    return {.groups = groups,
            .outputs = outputs,
            .fours = fours,
            .pieces = alone ? fours : groups * fours};
}

std::int64_t elements_in(const Shape& shape) {
    return std::int64_t{shape.height} * shape.width * shape.channels;
}

}  // namespace

bool is_product(const Step& step) {
    return step.kind == StepKind::conv2d || step.kind == StepKind::linear;
}

bool is_depthwise(const Step& step, const Shape& input) {
    return step.kind == StepKind::conv2d && step.groups > 1 && step.groups == input.channels;
}

std::size_t fan_in_of(const Step& step, const Shape& input) {
    return static_cast<std::size_t>(step.kind == StepKind::linear
                                        ? elements_in(input)
                                        : std::int64_t{step.kernel_height} * step.kernel_width *
                                              (input.channels / step.groups));
}

Layer layer_of(const Step& step, const Shape& input, const Shape& output, int batch) {
    Layer layer{.height = input.height,
                .width = input.width,
                .channels = input.channels,
                .words = input.words(),
                .kernel_height = step.kernel_height,
                .kernel_width = step.kernel_width,
                .row_stride = step.stride,
                .column_stride = step.stride_of_columns(),
                .top = step.padding,
                .left = step.padding_left(),
                .pad_value = step.pad_value,
                .out_height = output.height,
                .out_width = output.width,
                .out_channels = output.channels,
                .pieces = output.channels,
                .element = static_cast<std::int32_t>(input.element),
                .result = static_cast<std::int32_t>(output.element),
                .counts_padding = step.counts_padding ? 1 : 0};
    if (step.kind == StepKind::linear || step.kind == StepKind::global_average_pool) {
        layer.kernel_height = input.height;
        layer.kernel_width = input.width;
        layer.row_stride = layer.column_stride = 1;
        layer.top = layer.left = 0;
    }
    if (is_product(step)) {
        const Fours by = fours_of(step, input, output);
        layer.inputs = input.channels / by.groups;
        layer.outputs = by.outputs;
        layer.fours = by.fours;
        layer.per_input = output.channels / by.groups;
        layer.pieces = by.pieces;
    } else if (step.kind == StepKind::threshold) {
        layer.pieces = output.words() * 8;
    }
    layer.total = batch * output.height * output.width * layer.pieces;
    return layer;
}

bool is_small(const Step& step,
              const Shape& input,
              const Shape& output,
              int batch,
              std::size_t weight_bytes) {
    const std::int64_t pieces = fours_of(step, input, output).pieces,
                       pixels = std::int64_t{output.height} * output.width;
    const auto fan_in = static_cast<std::int64_t>(fan_in_of(step, input)),
               of_a_four = static_cast<std::int64_t>(4 * weight_bytes);
    // No product of two of these wraps around: where the first is too large, the rest is not asked.
    const auto is_little = [](std::int64_t one, std::int64_t other) {
        return one < INT32_MAX && other < INT32_MAX &&
               fits(static_cast<std::uint64_t>(one) * static_cast<std::uint64_t>(other));
    };
    return is_little(pieces, of_a_four) && is_little(fan_in, pieces * of_a_four) &&
           is_little(pixels, batch) && is_little(pixels * batch, pieces);
}

Launch piece_launch(const std::string& kernel,
                    const Layer& layer,
                    const DeviceLimits& limits,
                    std::vector<Argument> arguments) {
    Launch launch;
    launch.name = kernel;
    launch.group_size[0] = group_size(64, limits);
    const auto total = static_cast<unsigned>(layer.total);
    launch.groups[0] = (total + launch.group_size[0] - 1) / launch.group_size[0];
    launch.arguments = std::move(arguments);
    return launch;
}

}  // namespace kernels::opencl
