// Variant plain_f32: plain_f32.cl with its weights. A step on f32, or one that makes f32 of bits
// and bytes, is a launch, with the sums, factors, batch norms and activations after it.

#include "kernels/chain_pattern.hpp"
#include "kernels/geometry.hpp"
#include "kernels/opencl/plain.hpp"
#include "kernels/opencl/plan.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

namespace kernels::opencl {

extern const std::string_view k_plain_f32_cl;  // NOLINT(readability-identifier-naming): the file

namespace {

constexpr std::size_t kMostFollowers = 8;

enum class Does : std::int32_t {
    scales,
    adds,
    multiplies,
    multiplies_by_pixel,
    relu,
    clip,
    sigmoid,
    tanh,
    hard_sigmoid,
    hard_swish
};

// The same, field by field, as Followers of plain_f32.cl.
struct Followers {
    std::int32_t count = 0;
    std::array<std::int32_t, kMostFollowers> does{}, at{};
    std::array<float, kMostFollowers> first{}, second{};
};

// What is done to each number, or nothing where a step is another.
std::optional<Does> done_by(const Step& step) {
    switch (step.kind) {
        case StepKind::batch_norm:
            return Does::scales;
        case StepKind::add:
            return Does::adds;
        case StepKind::multiply:
            return step.one_pixel ? Does::multiplies_by_pixel : Does::multiplies;
        case StepKind::relu:
            return Does::relu;
        case StepKind::clip:
            return Does::clip;
        case StepKind::sigmoid:
            return Does::sigmoid;
        case StepKind::tanh:
            return Does::tanh;
        case StepKind::hard_sigmoid:
            return Does::hard_sigmoid;
        case StepKind::hard_swish:
            return Does::hard_swish;
        default:
            return std::nullopt;
    }
}

// Steps that others may follow, beside what is done to each number.
bool leads(const Step& step) {
    switch (step.kind) {
        case StepKind::conv2d:
        case StepKind::linear:
        case StepKind::max_pool2d:
        case StepKind::average_pool2d:
        case StepKind::global_average_pool:
        case StepKind::softmax:
        case StepKind::log_softmax:
        case StepKind::channels:
        case StepKind::channel_shuffle:
        case StepKind::flatten:
        case StepKind::reshape:
            return true;
        default:
            return false;
    }
}

// The step that leads, and what follows it.
struct Parts {
    const Step* lead = nullptr;  // nullptr: numbers stay where they are
    std::span<const Step> after;
};

// Before a linear layer flatten moves nothing: what it reads lies in the order of its weights.
Parts parts_of(const Chain& chain) {
    const std::span<const Step> steps = chain.steps;
    const bool flattens =
        steps.size() > 1 && steps[0].kind == StepKind::flatten && steps[1].kind == StepKind::linear;
    const std::size_t first = flattens ? 1 : 0;
    const Step& step = steps[first];
    return done_by(step) ? Parts{nullptr, steps} : Parts{&step, steps.subspan(first + 1)};
}

bool is_known(const Chain& chain) {
    if (chain.steps.empty() || !is_linear(chain) || !has_reals(chain) || has_bytes(chain)) {
        return false;
    }
    const Parts parts = parts_of(chain);
    if (parts.lead != nullptr) {
        const bool is_alone = chain.steps.size() == 1;
        const bool ends =
            parts.lead->kind == StepKind::threshold || parts.lead->kind == StepKind::concat;
        if (!(leads(*parts.lead) || (ends && is_alone))) {
            return false;
        }
        if (is_product(*parts.lead) ? !parts.lead->real : chain.input.element != Element::f32) {
            return false;
        }
    }
    return std::ranges::all_of(parts.after,
                               [](const Step& step) { return done_by(step).has_value(); }) &&
           std::ranges::count_if(parts.after, [](const Step& s) { return has_second(s.kind); }) <=
               1 &&
           parts.after.size() < kMostFollowers &&  // a product's own scales are one more
           !sums_of(chain);                        // `naive` counts bits for that
}

bool fits_in_offsets(const Chain& chain) {
    std::vector<Shape> shapes = shapes_of(chain);
    const Parts parts = parts_of(chain);
    const Shape& output = shapes.back();
    const auto is_large = [&](const Shape& shape) {
        return !fits(tensor_bytes(shape, Layout::nhwc, chain.batch));
    };
    if (is_large(chain.input) || is_large(output)) {
        return false;
    }
    return parts.lead == nullptr || !is_product(*parts.lead) ||
           is_small(*parts.lead, chain.input, output, chain.batch, sizeof(float));
}

std::vector<std::string> offered_for_reals(const Chain& chain, const DeviceLimits&) {
    if (!is_known(chain) || !fits_in_offsets(chain)) {
        return {};
    }
    return {std::string{kSpreadAll}};
}

std::string_view source_for_reals() {
    static const std::string kText =
        std::string(k_common_cl) + std::string(k_plain_cl) + std::string(k_plain_f32_cl);
    return kText;
}

// What follows, and the numbers of it: scales and biases.
struct Finish {
    Followers followers;
    std::vector<float> numbers;

    void add(Does what, std::span<const float> limits) {
        const auto i = static_cast<std::size_t>(followers.count++);
        followers.does[i] = static_cast<std::int32_t>(what);
        followers.at[i] = static_cast<std::int32_t>(numbers.size());
        followers.first[i] = limits.empty() ? 0.0F : limits[0];
        followers.second[i] = limits.size() < 2 ? 0.0F : limits[1];
    }
    void add_scales(const Step& step, std::size_t channels) {
        if (step.scales.empty() && step.biases.empty()) {
            return;
        }
        add(Does::scales, {});
        for (std::size_t c = 0; c < channels; ++c) {
            numbers.push_back(step.scales.empty() ? 1.0F : step.scales[c]);
        }
        for (std::size_t c = 0; c < channels; ++c) {
            numbers.push_back(step.biases.empty() ? 0.0F : step.biases[c]);
        }
    }
};

Finish finish_of(const Parts& parts, std::size_t channels) {
    Finish finish;
    if (parts.lead != nullptr && is_product(*parts.lead)) {
        finish.add_scales(*parts.lead, channels);
    }
    for (const Step& step : parts.after) {
        const Does what = *done_by(step);
        if (what == Does::scales) {
            finish.add_scales(step, channels);
        } else {
            finish.add(what, step.limits);
        }
    }
    return finish;
}

constexpr BufferArgument kInput{Place::input, 0}, kOutput{Place::output, 0};

// One launch for each input.
void append_concat(DeviceKernel& kernel,
                   const Step& step,
                   Layer layer,
                   const DeviceLimits& limits) {
    const std::int32_t pixels = layer.total / layer.pieces;
    for (std::size_t i = 0; i < step.parts.size(); ++i) {
        const BufferArgument part = i == 0   ? kInput
                                    : i == 1 ? BufferArgument{Place::second_input, 0}
                                             : BufferArgument{Place::more, static_cast<int>(i) - 2};
        layer.pieces = step.parts[i];
        layer.total = pixels * layer.pieces;
        kernel.launches.push_back(
            piece_launch("concat", layer, limits, {part, kOutput, by_value(layer)}));
        layer.first_channel += step.parts[i];
    }
}

DeviceKernel prepare_reals(const Chain& chain,
                           const std::string& configuration,
                           const DeviceLimits& limits) {
    if (!std::ranges::count(offered_for_reals(chain, limits), configuration)) {
        throw std::invalid_argument("plain_f32: no configuration '" + configuration + "'");
    }
    // 1. Sizes. Numbers that stay where they are: channels of the output.
    const Parts parts = parts_of(chain);
    const Shape output = output_of(chain);
    const Step none{.kind = StepKind::relu};
    const Step& lead = parts.lead == nullptr ? none : *parts.lead;
    Layer layer = layer_of(lead, chain.input, output, chain.batch);
    DeviceKernel kernel;
    kernel.source = source_for_reals();

    // 2. What nothing follows.
    if (lead.kind == StepKind::concat) {
        append_concat(kernel, lead, layer, limits);
        return kernel;
    }
    if (lead.kind == StepKind::threshold) {
        append_constant(kernel, lead.limits);
        append_constant(kernel, lead.flips);
        kernel.launches.push_back(piece_launch("threshold_f32",
                                               layer,
                                               limits,
                                               {kInput,
                                                kOutput,
                                                BufferArgument{Place::constant, 0},
                                                BufferArgument{Place::constant, 1},
                                                by_value(layer)}));
        return kernel;
    }

    // 3. Constants: numbers of what follows, and a product's weights.
    const Finish finish = finish_of(parts, static_cast<std::size_t>(output.channels));
    append_constant<float>(kernel, finish.numbers);
    std::vector<Argument> arguments{
        kInput,
        BufferArgument{needs_second_input(chain) ? Place::second_input : Place::input, 0},
        kOutput};
    if (is_product(lead)) {
        const std::size_t fan_in = fan_in_of(lead, chain.input);
        append_constant<float>(kernel,
                               in_fours<float>(layer, fan_in, [&](std::size_t o, std::size_t i) {
                                   return real_weight_of(lead, fan_in, o, i);
                               }));
        arguments.emplace_back(BufferArgument{Place::constant, 1});
    }
    arguments.emplace_back(BufferArgument{Place::constant, 0});

    // 4. The launch.
    std::string name = "each";
    switch (lead.kind) {
        case StepKind::conv2d:
        case StepKind::linear:
            name = is_depthwise(lead, chain.input) ? "depthwise" : "product";
            break;
        case StepKind::max_pool2d:
            name = "max_pool";
            break;
        case StepKind::average_pool2d:
        case StepKind::global_average_pool:
            name = "average_pool";
            break;
        case StepKind::softmax:
        case StepKind::log_softmax:
            name = "softmax";
            arguments.push_back(by_value(lead.kind == StepKind::log_softmax ? 1 : 0));
            break;
        case StepKind::channels:
            layer.first_channel = lead.first_channel;
            break;
        case StepKind::channel_shuffle:
            layer.groups = lead.groups;
            break;
        default:  // numbers stay in their order
            layer.channels = output.channels;
            break;
    }
    arguments.push_back(by_value(layer));
    arguments.push_back(by_value(finish.followers));
    Launch launch = piece_launch(name, layer, limits, std::move(arguments));
    if (name == "softmax") {  // a group for each pixel
        launch.groups[0] = static_cast<unsigned>(layer.total / layer.pieces);
    }
    kernel.launches.push_back(std::move(launch));
    return kernel;
}

}  // namespace

DeviceVariant plain_f32_variant() {
    return {.name = "plain_f32",
            .summary = "f32 in plain loops, a layer with what follows it number by number",
            .configurations = offered_for_reals,
            .prepare = prepare_reals,
            .longest_chain = 4};
}

}  // namespace kernels::opencl
