#include "calibrate/binding.hpp"

#include "sim/describe/fused_sets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace calibrate {
namespace {

constexpr std::pair<std::string_view, kernels::StepKind> kKernels[] = {
    {"conv2d", kernels::StepKind::conv2d},
    {"linear", kernels::StepKind::linear},
    {"threshold", kernels::StepKind::threshold},
    {"max_pool2d", kernels::StepKind::max_pool2d},
    {"add", kernels::StepKind::add},
    {"flatten", kernels::StepKind::flatten},
    {"depthwise_conv2d", kernels::StepKind::conv2d},
    {"reshape", kernels::StepKind::reshape},
    {"average_pool2d", kernels::StepKind::average_pool2d},
    {"global_average_pool", kernels::StepKind::global_average_pool},
    {"relu", kernels::StepKind::relu},
    {"clip", kernels::StepKind::clip},
    {"batch_norm", kernels::StepKind::batch_norm},
    {"softmax", kernels::StepKind::softmax},
    {"log_softmax", kernels::StepKind::log_softmax},
    {"sigmoid", kernels::StepKind::sigmoid},
    {"tanh", kernels::StepKind::tanh},
    {"hard_sigmoid", kernels::StepKind::hard_sigmoid},
    {"hard_swish", kernels::StepKind::hard_swish},
    {"multiply", kernels::StepKind::multiply},
    {"concat", kernels::StepKind::concat},
    {"split", kernels::StepKind::channels},
    {"channel_shuffle", kernels::StepKind::channel_shuffle},
    {"reduce_mean", kernels::StepKind::global_average_pool},
    {"quantize", kernels::StepKind::quantize},
    {"dequantize", kernels::StepKind::dequantize},
};

std::optional<kernels::StepKind> kind_of(const sim::Layer& layer) {
    const auto* const found = std::ranges::find(
        kKernels, layer.operation->name, &std::pair<std::string_view, kernels::StepKind>::first);
    return found == std::end(kKernels) ? std::nullopt : std::optional{found->second};
}

std::optional<kernels::Element> element_of(sim::Element element) {
    switch (element) {
        case sim::Element::binary:
            return kernels::Element::binary;
        case sim::Element::u8:
            return kernels::Element::u8;
        case sim::Element::int8:
            return kernels::Element::int8;
        case sim::Element::int32:
            return kernels::Element::int32;
        case sim::Element::f32:
            return kernels::Element::f32;
        default:
            return std::nullopt;
    }
}

const sim::Layer& at(const sim::Model& model, int layer) {
    return model.layers[static_cast<std::size_t>(layer)];
}

bool is_as_large(const sim::Model& model, int input, int layer) {
    const sim::TensorShape &read = at(model, input).output, &made = at(model, layer).output;
    return read.rank() == made.rank() && read.elements() == made.elements();
}

// One pixel for all of an image.
bool is_one_pixel(const sim::Model& model, int input, kernels::Shape image) {
    image.height = image.width = 1;
    return at(model, input).output.rank() == 3 && kernel_shape(at(model, input).output) == image;
}

// Of a concat: the channels of its inputs.
std::vector<int> parts_of(const sim::Model& model, const sim::Layer& layer) {
    std::vector<int> parts;
    if (layer.operation->name == "concat") {
        for (const int input : layer.inputs) {
            parts.push_back(kernel_shape(at(model, input).output).channels);
        }
    }
    return parts;
}

// Where step `index` of a chain reads from, in the words of kernels::Step.
struct Sources {
    int main = kernels::kBefore;
    int second = kernels::kSecondInput;
    int main_layer = -1, second_layer = -1;  // of the model, where they come from outside
};

Sources sources_of(const sim::Model& model, std::span<const int> layers, std::size_t index) {
    const std::vector<int>& inputs = at(model, layers[index]).inputs;
    const auto place_of = [&](int layer) {
        const auto inside = std::ranges::find(layers, layer);
        return inside != layers.end() ? static_cast<int>(inside - layers.begin()) : kernels::kInput;
    };
    const int before = static_cast<int>(index) - 1;
    const bool reads_before =
        index == 0 || std::ranges::any_of(inputs, [&](int i) { return place_of(i) == before; });
    // The one before is the main input of a layer that reads it, whichever it is called first; else
    // the one that is as large as the result.
    const bool swapped =
        inputs.size() == 2 && (index > 0 ? place_of(inputs[1]) == before
                                         : !is_as_large(model, inputs[0], layers[0]) &&
                                               is_as_large(model, inputs[1], layers[0]));
    Sources sources;
    if (!reads_before) {
        sources.main = place_of(inputs.front());
    }
    if (index == 0 || sources.main == kernels::kInput) {
        sources.main_layer = inputs.front();
    }
    if (index == 0 && swapped) {
        sources.main_layer = inputs[1];
    }
    if (inputs.size() >= 2) {
        const int layer = swapped ? inputs[0] : inputs[1];
        const int second = place_of(layer);
        sources.second = second >= 0 ? second : kernels::kSecondInput;
        sources.second_layer = second >= 0 ? -1 : layer;
    }
    return sources;
}

// One stride and one padding for all sides.
bool is_square_window(const sim::Attributes& a) {
    const auto all_are = [](const sim::Sides& sides, int value) {
        return sides[1] == value && sides[2] == value;
    };
    return all_are(a.stride, a.stride[1]) && all_are(a.pad_begin, a.pad_begin[1]) &&
           a.pad_begin == a.pad_end && !a.ceil;
}

bool is_byte(sim::Element element) {
    return element == sim::Element::u8 || element == sim::Element::int8;
}

// Of a layer that multiplies: its weights are of 8 bits.
bool has_byte_weights(const sim::Layer& layer) {
    return sim::has_weights(layer) && layer.attributes.weights == sim::Element::int8;
}

// The windows that the kernels know: nothing dilated, and square where weights are bits and
// results no f32.
bool is_known_window(const sim::Layer& layer) {
    const sim::Sides& dilation = layer.attributes.dilation;
    return dilation[1] == 1 && dilation[2] == 1 &&
           (layer.output.element == sim::Element::f32 || has_byte_weights(layer) ||
            is_square_window(layer.attributes));
}

// What has to be padded after the last row or column, for as many windows as there are.
int padding_after(const sim::Model& model, const sim::Layer& layer, std::size_t side) {
    const sim::Attributes& a = layer.attributes;
    if (!a.ceil) {
        return a.pad_end[side];
    }
    const sim::TensorShape& input = at(model, layer.inputs.front()).output;
    const std::int64_t length = side == 1 ? input.height() : input.width(),
                       windows = side == 1 ? layer.output.height() : layer.output.width(),
                       kernel = side == 1 ? a.kernel_height() : a.kernel_width();
    const std::int64_t reach = (windows - 1) * a.stride[side] + kernel;
    return static_cast<int>(std::max<std::int64_t>(0, reach - length - a.pad_begin[side]));
}

// Height and width, counted from the first axis or the last.
bool are_sides_of_image(const std::vector<int>& axes) {
    return axes == std::vector{0, 1} || axes == std::vector{-3, -2};
}

}  // namespace

bool has_kernel(const sim::Model& model, const sim::Layer& layer) {
    if (layer.operation == nullptr || !element_of(layer.output.element) || !kind_of(layer) ||
        layer.output.rank() > 3 || !is_known_window(layer) ||
        (layer.inputs.size() > 2 && layer.operation->name != "concat") ||
        !layer.attributes.constant.empty()) {
        return false;
    }
    using kernels::StepKind;
    const sim::Attributes& a = layer.attributes;
    const bool is_real = layer.output.element == sim::Element::f32;
    const bool no_padding = a.pad_begin == sim::Sides{} && a.pad_end == sim::Sides{};
    const bool makes_bytes = is_byte(layer.output.element);
    const bool reads_bytes =
        !layer.inputs.empty() && is_byte(at(model, layer.inputs.front()).output.element);
    const bool stays_bytes = makes_bytes && reads_bytes;
    if (a.out && !is_real && !makes_bytes) {
        return false;
    }
    switch (*kind_of(layer)) {
        case StepKind::conv2d:
        case StepKind::linear:
            if (a.weights == sim::Element::int8) {
                return reads_bytes && a.pad_value == 0;
            }
            return a.weights == sim::Element::binary
                       ? is_real || (a.groups == 1 && layer.operation->name != "depthwise_conv2d")
                       : a.weights == sim::Element::f32 && is_real;
        case StepKind::max_pool2d:
            return !a.out && (is_real || stays_bytes || no_padding);
        case StepKind::average_pool2d:
            return !a.out && is_real && !(a.count_padding && a.ceil);
        case StepKind::threshold:
        case StepKind::flatten:
            return true;
        case StepKind::add:
            return stays_bytes || (!a.out && !makes_bytes);
        case StepKind::quantize:
            return makes_bytes &&
                   at(model, layer.inputs.front()).output.element == sim::Element::f32;
        case StepKind::dequantize:
            return reads_bytes && is_real;
        case StepKind::reshape:
            return layer.output.element != sim::Element::binary;
        case StepKind::softmax:
        case StepKind::log_softmax:
        case StepKind::concat:
            return is_real && (a.axis == -1 || a.axis == layer.output.rank() - 1);
        case StepKind::global_average_pool:
            return stays_bytes
                       ? layer.operation->name == "global_average_pool"
                       : is_real && !a.out &&
                             (layer.operation->name != "reduce_mean" || are_sides_of_image(a.axes));
        case StepKind::channels:  // of a split into several, each is a layer's result of its own
            return is_real && a.sizes.empty() &&
                   (a.axis == -1 || a.axis == layer.output.rank() - 1);
        case StepKind::channel_shuffle:
            return is_real;
        case StepKind::relu:
        case StepKind::clip:
        case StepKind::sigmoid:
        case StepKind::tanh:
        case StepKind::hard_sigmoid:
        case StepKind::hard_swish:
        case StepKind::batch_norm:
            return is_real && !a.out;
        case StepKind::multiply:
            return is_real && !a.out && layer.inputs.size() == 2;
    }
    return false;
}

namespace {

// Kernels add tensors of one shape and element, and multiply by one or by one pixel; nothing else
// is broadcast or converted. What a mean is over are the pixels of an image.
bool operands_fit(const sim::Model& model, std::span<const int> layers, std::size_t index) {
    const sim::Layer& layer = at(model, layers[index]);
    const std::string_view name = layer.operation->name;
    const kernels::Shape result = kernel_shape(layer.output);
    const auto is_result = [&](int input) {
        return kernel_shape(at(model, input).output) == result;
    };
    if (name == "add" && is_byte(layer.output.element)) {
        // A chain may exchange its operands, and here each is scaled in its own way.
        kernels::Shape read = result;
        read.element = kernel_shape(at(model, layer.inputs.front()).output).element;
        return layers.size() == 1 && std::ranges::all_of(layer.inputs, [&](int input) {
                   return kernel_shape(at(model, input).output) == read;
               });
    }
    if (name == "add") {
        return std::ranges::all_of(layer.inputs, is_result);
    }
    if (name == "concat") {
        return std::ranges::all_of(layer.inputs, [&](int input) {
            return at(model, input).output.rank() == layer.output.rank();
        });
    }
    if (name == "reduce_mean") {
        return at(model, layer.inputs[0]).output.rank() == 3;
    }
    if (name != "multiply") {
        return true;
    }
    const Sources sources = sources_of(model, layers, index);
    const int main = sources.main_layer >= 0 ? sources.main_layer
                     : sources.main >= 0     ? layers[static_cast<std::size_t>(sources.main)]
                                             : layers[index - 1];
    const bool first = layer.inputs[0] == main;
    return is_result(main) && (is_result(layer.inputs[first ? 1 : 0]) ||
                               is_one_pixel(model, layer.inputs[first ? 1 : 0], result));
}

}  // namespace

namespace {

// The layers that are read outside, in the model's order.
std::vector<int> results_of_set(const sim::Model& model, std::span<const int> layers) {
    std::vector<int> set(layers.begin(), layers.end());
    std::ranges::sort(set);
    return sim::read_outside(model, set);
}

}  // namespace

std::vector<int> without_kernel(const sim::Model& model) {
    std::vector<int> layers;
    for (int l = model.inputs(); l < static_cast<int>(model.layers.size()); ++l) {
        if (!has_kernel(model, at(model, l))) {
            layers.push_back(l);
        }
    }
    return layers;
}

void expect_ends_on_host(const sim::Model& model) {
    const auto is_elsewhere = [](const auto& end) { return !end.place.empty(); };
    if (std::ranges::any_of(model.layers, is_elsewhere) ||
        std::ranges::any_of(model.outputs, is_elsewhere)) {
        throw sim::InputError{
            fmt::format("{}: inputs and outputs in other memories than the "
                        "host's can be simulated, not run",
                        model.path.string())};
    }
}

bool fit_one_kernel(const sim::Model& model, std::span<const int> layers) {
    if (!std::ranges::all_of(layers, [&](int l) { return has_kernel(model, at(model, l)); })) {
        return false;
    }
    const std::vector<int> results = results_of_set(model, layers);
    if (results.empty() || results.size() > 2 || results.back() != layers.back()) {
        return false;
    }
    try {
        const ChainInputs inputs = inputs_of(model, layers);
        (void)kernel_shape(at(model, inputs.main).output);
        if (inputs.second >= 0) {
            (void)kernel_shape(at(model, inputs.second).output);
        }
        for (std::size_t i = 0; i < layers.size(); ++i) {
            if (!operands_fit(model, layers, i)) {
                return false;
            }
        }
        return true;
    } catch (const sim::InputError&) {
        return false;
    }
}

kernels::Shape kernel_shape(const sim::TensorShape& shape) {
    const std::optional<kernels::Element> element = element_of(shape.element);
    if (!element) {
        throw sim::InputError{
            fmt::format("no kernel here for tensors of {}", sim::name_of(shape.element))};
    }
    if (shape.rank() > 3) {
        throw sim::InputError{
            fmt::format("no kernel here for {}: it is no image", sim::to_string(shape))};
    }
    kernels::Shape result{.element = *element};
    int* const sides[] = {&result.height, &result.width, &result.channels};
    for (int i = 0; i < shape.rank(); ++i) {
        *sides[3 - shape.rank() + i] = shape[i];
    }
    return result;
}

ChainInputs inputs_of(const sim::Model& model, std::span<const int> layers) {
    ChainInputs inputs{.main = sources_of(model, layers, 0).main_layer, .second = -1, .more = {}};
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const Sources sources = sources_of(model, layers, i);
        const bool fits = (sources.main_layer < 0 || sources.main_layer == inputs.main) &&
                          (sources.second_layer < 0 || inputs.second < 0 ||
                           sources.second_layer == inputs.second);
        const bool too_many = at(model, layers[i]).inputs.size() > 2 && layers.size() > 1;
        if (!fits || too_many) {
            throw sim::InputError{
                fmt::format("layer '{}': with the layers that it is fused with, it reads more from "
                            "outside than the two tensors that a kernel here reads",
                            at(model, layers[i]).name)};
        }
        if (sources.second_layer >= 0) {
            inputs.second = sources.second_layer;
        }
    }
    const std::vector<int>& read = at(model, layers.front()).inputs;
    if (read.size() > 2) {
        inputs.more.assign(read.begin() + 2, read.end());
    }
    return inputs;
}

kernels::Chain chain_of(const sim::Model& model,
                        const Parameters& parameters,
                        std::span<const int> layers,
                        int batch) {
    const std::vector<int> results = results_of_set(model, layers);
    kernels::Chain chain{
        .input = kernel_shape(at(model, inputs_of(model, layers).main).output),
        .steps = {},
        .batch = batch,
        .second_result =
            results.size() < 2
                ? -1
                : static_cast<int>(std::ranges::find(layers, results.front()) - layers.begin()),
    };
    for (const int l : layers) {
        const sim::Layer& layer = at(model, l);
        if (!has_kernel(model, layer)) {
            throw sim::input_error(
                layer.where,
                fmt::format(
                    "layer '{}': no kernel here for this '{}'", layer.name, layer.operation->name));
        }
        const LayerParameters& p = parameters[static_cast<std::size_t>(l)];
        const Sources sources = sources_of(model, layers, chain.steps.size());
        const kernels::Shape shape = kernel_shape(layer.output);
        const bool is_product = sim::has_weights(layer);
        const bool is_square = is_square_window(layer.attributes);
        const bool makes_bytes = is_byte(layer.output.element);
        chain.steps.push_back({
            .kind = *kind_of(layer),
            .out_channels = shape.channels,
            .height = shape.height,
            .width = shape.width,
            .kernel_height = layer.attributes.kernel_height(),
            .kernel_width = layer.attributes.kernel_width(),
            .stride = layer.attributes.stride[1],
            .padding = layer.attributes.pad_begin[1],
            .columns_stride = is_square ? 0 : layer.attributes.stride[2],
            .left = is_square ? -1 : layer.attributes.pad_begin[2],
            .bottom = is_square ? -1 : padding_after(model, layer, 1),
            .right = is_square ? -1 : padding_after(model, layer, 2),
            .pad_value = layer.attributes.pad_value,
            .groups = layer.operation->name == "depthwise_conv2d" ? shape.channels
                                                                  : layer.attributes.groups,
            .first_channel = layer.attributes.first_channel,
            .real = is_product && (shape.element == kernels::Element::f32 || makes_bytes),
            .bytes = has_byte_weights(layer),
            .result = shape.element,
            .weights = p.weights,
            .thresholds = p.thresholds,
            .flips = p.flips,
            .real_weights = p.real_weights,
            .byte_weights = p.byte_weights,
            .scales = p.scales,
            .biases = p.biases,
            .limits = p.limits,
            .counts_padding = layer.attributes.count_padding,
            .one_pixel = layer.operation->name == "multiply" &&
                         std::ranges::any_of(layer.inputs,
                                             [&](int input) {
                                                 return is_one_pixel(model, input, shape) &&
                                                        kernel_shape(at(model, input).output) !=
                                                            shape;
                                             }),
            .parts = parts_of(model, layer),
            .from = sources.main,
            .second_from = sources.second,
        });
    }
    return chain;
}

}  // namespace calibrate
