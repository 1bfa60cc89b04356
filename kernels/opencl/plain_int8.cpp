// Variant plain_int8: plain_int8.cl with its weights. Single layers on u8 and int8 that stand for
// other numbers, and what brings tensors into that form and back, as the CPU's int8 has them.

#include "kernels/opencl/plain.hpp"
#include "kernels/opencl/plan.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace kernels::opencl {

extern const std::string_view k_plain_int8_cl;  // NOLINT(readability-identifier-naming): the file

namespace {

// The same as Limits of plain_int8.cl.
struct Limits {
    std::array<float, 7> at{};
};

// Sums stay below 2^31: of so many products of 8 bits, or of so many bytes.
bool sums_are_small(std::int64_t addends) { return addends <= INT32_MAX / (255 * 128); }

bool is_known_step(const Chain& chain) {
    const Step& step = chain.steps.front();
    const Shape& in = chain.input;
    if (!has_bytes(chain) && !(step.kind == StepKind::reshape && is_byte(in.element))) {
        return false;
    }
    switch (step.kind) {
        case StepKind::conv2d:
        case StepKind::linear:
            return step.bytes && step.pad_value == 0 &&
                   sums_are_small(static_cast<std::int64_t>(fan_in_of(step, in))) &&
                   is_small(step, in, output_of(chain), chain.batch, sizeof(std::int8_t));
        case StepKind::global_average_pool:
            return sums_are_small(std::int64_t{in.height} * in.width);
        case StepKind::max_pool2d:
        case StepKind::add:
        case StepKind::quantize:
        case StepKind::dequantize:
        case StepKind::flatten:
        case StepKind::reshape:
            return true;
        default:
            return false;
    }
}

std::vector<std::string> offered_for_bytes(const Chain& chain, const DeviceLimits&) {
    (void)shapes_of(chain);  // do the steps fit?
    const auto has_room = [&](const Shape& shape) {
        return fits(tensor_bytes(shape, Layout::nhwc, chain.batch));
    };
    if (chain.steps.size() != 1 || !is_linear(chain) || !has_room(chain.input) ||
        !has_room(output_of(chain)) || !is_known_step(chain)) {
        return {};
    }
    return {std::string{kSpreadAll}};
}

std::string_view source_for_bytes() {
    static const std::string kText =
        std::string(k_common_cl) + std::string(k_plain_cl) + std::string(k_plain_int8_cl);
    return kText;
}

// Scales, then biases.
std::vector<float> numbers_of(const Step& step) {
    const auto channels = static_cast<std::size_t>(step.out_channels);
    std::vector<float> numbers(2 * channels, 0.0F);
    std::fill_n(numbers.begin(), channels, 1.0F);
    std::ranges::copy(step.scales, numbers.begin());
    std::ranges::copy(step.biases, numbers.begin() + step.out_channels);
    return numbers;
}

// The kernel of a step, with what stands between the tensors and the sizes among its arguments.
struct Named {
    std::string name;
    std::vector<Argument> arguments = {};
    bool has_limits = true;
};

Named named(const Step& step, const Shape& input, const Layer& layer, DeviceKernel& kernel) {
    switch (step.kind) {
        case StepKind::conv2d:
        case StepKind::linear: {
            const std::size_t fan_in = fan_in_of(step, input);
            append_constant<std::int8_t>(
                kernel, in_fours<std::int8_t>(layer, fan_in, [&](std::size_t o, std::size_t i) {
                    return step.byte_weights[o * fan_in + i];
                }));
            append_constant<float>(kernel, numbers_of(step));
            return {.name = is_depthwise(step, input) ? "depthwise_bytes" : "product_bytes",
                    .arguments = {BufferArgument{Place::constant, 0},
                                  BufferArgument{Place::constant, 1}}};
        }
        case StepKind::max_pool2d:
            return {.name = "max_pool_bytes", .has_limits = false};
        case StepKind::global_average_pool:
            return {.name = "average_bytes"};
        case StepKind::add:
            return {.name = "add_bytes"};
        case StepKind::quantize:
            return {.name = "quantize", .arguments = {by_value(1.0F / step.limits[0])}};
        case StepKind::dequantize:
            return {.name = "dequantize"};
        default:
            return {.name = "copy_bytes", .has_limits = false};
    }
}

DeviceKernel prepare_bytes(const Chain& chain,
                           const std::string& configuration,
                           const DeviceLimits& device) {
    if (!std::ranges::count(offered_for_bytes(chain, device), configuration)) {
        throw std::invalid_argument("plain_int8: no configuration '" + configuration + "'");
    }
    const Step& step = chain.steps.front();
    const Layer layer = layer_of(step, chain.input, output_of(chain), chain.batch);
    DeviceKernel kernel;
    kernel.source = source_for_bytes();
    Named what = named(step, chain.input, layer, kernel);

    std::vector<Argument> arguments;
    for (const Place place : {Place::input, Place::second_input, Place::output}) {
        if (place != Place::second_input || step.kind == StepKind::add) {
            arguments.emplace_back(BufferArgument{place, 0});
        }
    }
    std::ranges::move(what.arguments, std::back_inserter(arguments));
    arguments.push_back(by_value(layer));
    if (what.has_limits) {
        Limits limits;
        std::ranges::copy(step.limits, limits.at.begin());
        arguments.push_back(by_value(limits));
    }
    kernel.launches.push_back(piece_launch(what.name, layer, device, std::move(arguments)));
    return kernel;
}

}  // namespace

DeviceVariant plain_int8_variant() {
    return {.name = "plain_int8",
            .summary = "8-bit integers in plain loops, layer by layer",
            .configurations = offered_for_bytes,
            .prepare = prepare_bytes,
            .longest_chain = 1};
}

}  // namespace kernels::opencl
