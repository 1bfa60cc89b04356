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
    // The one before is the main input of a layer that reads it, whichever it is called first.
    const bool swapped = index > 0 && inputs.size() == 2 && place_of(inputs[1]) == before;
    Sources sources;
    if (!reads_before) {
        sources.main = place_of(inputs.front());
    }
    if (index == 0 || sources.main == kernels::kInput) {
        sources.main_layer = inputs.front();
    }
    if (inputs.size() == 2) {
        const int layer = swapped ? inputs[0] : inputs[1];
        const int second = place_of(layer);
        sources.second = second >= 0 ? second : kernels::kSecondInput;
        sources.second_layer = second >= 0 ? -1 : layer;
    }
    return sources;
}

}  // namespace

namespace {

// The windows that the kernels know: one stride and one padding for all sides, nothing dilated.
bool is_plain_window(const sim::Attributes& a) {
    const auto all_are = [](const sim::Sides& sides, int value) {
        return sides[1] == value && sides[2] == value;
    };
    return all_are(a.stride, a.stride[1]) && all_are(a.dilation, 1) &&
           all_are(a.pad_begin, a.pad_begin[1]) && a.pad_begin == a.pad_end && !a.ceil;
}

}  // namespace

bool has_kernel(const sim::Layer& layer) {
    if (layer.operation == nullptr || !element_of(layer.output.element) || !kind_of(layer) ||
        layer.output.rank() > 3 || !is_plain_window(layer.attributes) || layer.inputs.size() > 2 ||
        !layer.attributes.constant.empty()) {
        return false;
    }
    using kernels::StepKind;
    const sim::Attributes& a = layer.attributes;
    const bool is_real = layer.output.element == sim::Element::f32;
    const bool no_padding = a.pad_begin == sim::Sides{};
    if (a.out && !is_real) {
        return false;
    }
    switch (*kind_of(layer)) {
        case StepKind::conv2d:
        case StepKind::linear:
            return a.weights == sim::Element::binary
                       ? is_real || (a.groups == 1 && layer.operation->name != "depthwise_conv2d")
                       : a.weights == sim::Element::f32 && is_real;
        case StepKind::max_pool2d:
            return !a.out && (is_real || no_padding);
        case StepKind::average_pool2d:  // what padding counts for is not in the model
            return !a.out && is_real && no_padding;
        case StepKind::threshold:
        case StepKind::flatten:
            return true;
        case StepKind::add:
            return !a.out;
        case StepKind::reshape:
            return layer.output.element != sim::Element::binary;
        case StepKind::softmax:
        case StepKind::log_softmax:
            return is_real && (a.axis == -1 || a.axis == layer.output.rank() - 1);
        case StepKind::global_average_pool:
        case StepKind::relu:
        case StepKind::clip:
        case StepKind::batch_norm:
            return is_real && !a.out;
    }
    return false;
}

namespace {

// Kernels add tensors of one shape and element; nothing is broadcast or converted.
bool adds_equals(const sim::Model& model, const sim::Layer& layer) {
    return layer.operation->name != "add" || std::ranges::all_of(layer.inputs, [&](int input) {
               return kernel_shape(at(model, input).output) == kernel_shape(layer.output);
           });
}

}  // namespace

std::vector<int> without_kernel(const sim::Model& model) {
    std::vector<int> layers;
    for (int l = model.inputs(); l < static_cast<int>(model.layers.size()); ++l) {
        if (!has_kernel(at(model, l))) {
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
    if (!std::ranges::all_of(layers, [&](int l) { return has_kernel(at(model, l)); })) {
        return false;
    }
    if (sim::read_outside(model, layers) != std::vector<int>{layers.back()}) {
        return false;
    }
    try {
        const ChainInputs inputs = inputs_of(model, layers);
        (void)kernel_shape(at(model, inputs.main).output);
        if (inputs.second >= 0) {
            (void)kernel_shape(at(model, inputs.second).output);
        }
        return std::ranges::all_of(layers, [&](int l) { return adds_equals(model, at(model, l)); });
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
    ChainInputs inputs{.main = at(model, layers.front()).inputs.front(), .second = -1};
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const Sources sources = sources_of(model, layers, i);
        const bool fits = (sources.main_layer < 0 || sources.main_layer == inputs.main) &&
                          (sources.second_layer < 0 || inputs.second < 0 ||
                           sources.second_layer == inputs.second);
        if (!fits || at(model, layers[i]).inputs.size() > 2) {
            throw sim::InputError{
                fmt::format("layer '{}': with the layers that it is fused with, it reads more from "
                            "outside than the two tensors that a kernel here reads",
                            at(model, layers[i]).name)};
        }
        if (sources.second_layer >= 0) {
            inputs.second = sources.second_layer;
        }
    }
    return inputs;
}

kernels::Chain chain_of(const sim::Model& model,
                        const Parameters& parameters,
                        std::span<const int> layers,
                        int batch) {
    kernels::Chain chain{
        .input = kernel_shape(at(model, inputs_of(model, layers).main).output),
        .steps = {},
        .batch = batch,
    };
    for (const int l : layers) {
        const sim::Layer& layer = at(model, l);
        if (!has_kernel(layer)) {
            throw sim::input_error(
                layer.where,
                fmt::format(
                    "layer '{}': no kernel here for this '{}'", layer.name, layer.operation->name));
        }
        const LayerParameters& p = parameters[static_cast<std::size_t>(l)];
        const Sources sources = sources_of(model, layers, chain.steps.size());
        const kernels::Shape shape = kernel_shape(layer.output);
        const bool is_product = sim::has_weights(layer);
        chain.steps.push_back({
            .kind = *kind_of(layer),
            .out_channels = shape.channels,
            .height = shape.height,
            .width = shape.width,
            .kernel_height = layer.attributes.kernel_height(),
            .kernel_width = layer.attributes.kernel_width(),
            .stride = layer.attributes.stride[1],
            .padding = layer.attributes.pad_begin[1],
            .pad_value = layer.attributes.pad_value,
            .groups = layer.operation->name == "depthwise_conv2d" ? shape.channels
                                                                  : layer.attributes.groups,
            .real = is_product && shape.element == kernels::Element::f32,
            .weights = p.weights,
            .thresholds = p.thresholds,
            .flips = p.flips,
            .real_weights = p.real_weights,
            .scales = p.scales,
            .biases = p.biases,
            .limits = p.limits,
            .from = sources.main,
            .second_from = sources.second,
        });
    }
    return chain;
}

}  // namespace calibrate
