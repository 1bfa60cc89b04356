#include "kernels/chain.hpp"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

namespace kernels {
namespace {

std::string_view name_of(Element element) {
    switch (element) {
        case Element::binary:
            return "binary";
        case Element::u8:
            return "u8";
        case Element::int8:
            return "int8";
        case Element::int32:
            return "int32";
        case Element::f32:
            return "f32";
    }
    return "";
}

std::string_view name_of(StepKind kind) {
    switch (kind) {
        case StepKind::conv2d:
            return "conv2d";
        case StepKind::linear:
            return "linear";
        case StepKind::threshold:
            return "threshold";
        case StepKind::max_pool2d:
            return "max_pool2d";
        case StepKind::add:
            return "add";
        case StepKind::flatten:
            return "flatten";
        case StepKind::reshape:
            return "reshape";
        case StepKind::average_pool2d:
            return "average_pool2d";
        case StepKind::global_average_pool:
            return "global_average_pool";
        case StepKind::relu:
            return "relu";
        case StepKind::clip:
            return "clip";
        case StepKind::sigmoid:
            return "sigmoid";
        case StepKind::tanh:
            return "tanh";
        case StepKind::hard_sigmoid:
            return "hard_sigmoid";
        case StepKind::hard_swish:
            return "hard_swish";
        case StepKind::multiply:
            return "multiply";
        case StepKind::concat:
            return "concat";
        case StepKind::channels:
            return "channels";
        case StepKind::channel_shuffle:
            return "channel_shuffle";
        case StepKind::quantize:
            return "quantize";
        case StepKind::dequantize:
            return "dequantize";
        case StepKind::batch_norm:
            return "batch_norm";
        case StepKind::softmax:
            return "softmax";
        case StepKind::log_softmax:
            return "log_softmax";
    }
    return "";
}

void require(bool condition, StepKind kind, const std::string& expected) {
    if (!condition) {
        throw std::invalid_argument(std::string(name_of(kind)) + ": expected " + expected);
    }
}

void require_element(const Shape& input, StepKind kind, std::initializer_list<Element> allowed) {
    std::string names;
    for (Element element : allowed) {
        if (element == input.element) {
            return;
        }
        names += (names.empty() ? "" : " or ") + std::string(name_of(element));
    }
    require(false, kind, names + " input, got " + std::string(name_of(input.element)));
}

// Windows that fit along one dimension.
int windows(int size, int kernel, int stride, int before, int after, StepKind kind) {
    const std::int64_t padded = std::int64_t{size} + before + after;
    require(kernel >= 1, kind, "a kernel of 1 or more");
    require(stride >= 1, kind, "a stride of 1 or more");
    require(before >= 0, kind, "a padding of 0 or more");
    require(kernel <= padded, kind, "a kernel that fits into the padded input");
    return static_cast<int>((padded - kernel) / stride) + 1;
}

int rows_of_windows(const Step& s, const Shape& input) {
    return windows(input.height, s.kernel_height, s.stride, s.padding, s.padding_bottom(), s.kind);
}

int columns_of_windows(const Step& s, const Shape& input) {
    return windows(input.width,
                   s.kernel_width,
                   s.stride_of_columns(),
                   s.padding_left(),
                   s.padding_right(),
                   s.kind);
}

// Parameters may be absent where only shapes are asked for; if they are there, they must fit.
void require_size(const Step& step, std::size_t size, std::size_t expected, const char* what) {
    require(size == 0 || size == expected,
            step.kind,
            std::to_string(expected) + " " + what + ", got " + std::to_string(size));
}

void require_weights(const Step& step, std::int64_t fan_in) {
    require(step.out_channels >= 1, step.kind, "1 output channel or more");
    const auto channels = static_cast<std::size_t>(step.out_channels);
    require_size(step,
                 step.weights.size(),
                 channels * static_cast<std::size_t>((fan_in + 63) / 64),
                 "words of weights");
    require_size(
        step, step.real_weights.size(), channels * static_cast<std::size_t>(fan_in), "weights");
    require_size(
        step, step.byte_weights.size(), channels * static_cast<std::size_t>(fan_in), "weights");
    require(
        step.bytes ? step.weights.empty() && step.real_weights.empty() : step.byte_weights.empty(),
        step.kind,
        "weights of one kind");
    require(step.real || (step.real_weights.empty() && step.scales.empty() && step.biases.empty()),
            step.kind,
            "neither weights of f32 nor scales nor biases for a result of int32");
    require_size(step, step.scales.size(), channels, "scales");
    require_size(step, step.biases.size(), channels, "biases");
}

void require_thresholds(const Step& step, const Shape& input) {
    const auto channels = static_cast<std::size_t>(input.channels);
    const bool is_real = input.element == Element::f32;
    require_size(step, step.thresholds.size(), is_real ? 0 : channels, "thresholds");
    require_size(step, step.limits.size(), is_real ? channels : 0, "thresholds of f32");
    require_size(step, step.flips.size(), (channels + 63) / 64, "words of flips");
}

// Where bytes are the result.
Element byte_result_of(const Step& step) {
    require(is_byte(step.result), step.kind, "a result of u8 or int8");
    return step.result;
}

// Of a conv2d or linear step: real where what it reads is.
Element product_of(const Step& step, const Shape& input) {
    if (step.bytes) {
        require_element(input, step.kind, {Element::u8, Element::int8});
        const bool rounds = step.real && step.result != Element::f32;
        require_size(step, step.limits.size(), rounds ? 4 : 1, "limits");
        return rounds ? byte_result_of(step) : step.real ? Element::f32 : Element::int32;
    }
    require_element(input, step.kind, {Element::binary, Element::u8, Element::f32});
    require(step.real || input.element != Element::f32, step.kind, "a real result of f32 input");
    return step.real ? Element::f32 : Element::int32;
}

Shape pooled(const Step& step, const Shape& input) {
    const int height = rows_of_windows(step, input), width = columns_of_windows(step, input);
    require(std::max(step.padding, step.padding_bottom()) < step.kernel_height &&
                std::max(step.padding_left(), step.padding_right()) < step.kernel_width,
            step.kind,
            "a padding smaller than the kernel, so that no window is empty");
    return {height, width, input.channels, input.element};
}

Shape shape_after(const Step& step, const Shape& input) {
    switch (step.kind) {
        case StepKind::conv2d: {
            require(step.pad_value >= -1 && step.pad_value <= 1,
                    step.kind,
                    "a pad value of -1, 0 or 1");
            const bool divide = step.groups >= 1 && input.channels % step.groups == 0 &&
                                step.out_channels % step.groups == 0;
            require(divide && (step.groups == 1 || step.real || step.bytes),
                    step.kind,
                    "groups that divide the channels, and one of bits where the result is int32");
            const int height = rows_of_windows(step, input),
                      width = columns_of_windows(step, input);
            require_weights(step,
                            std::int64_t{step.kernel_height} * step.kernel_width *
                                (input.channels / step.groups));
            return {height, width, step.out_channels, product_of(step, input)};
        }
        case StepKind::linear:
            require_weights(step, std::int64_t{input.height} * input.width * input.channels);
            return {1, 1, step.out_channels, product_of(step, input)};
        case StepKind::threshold:
            require_element(input, step.kind, {Element::int32, Element::f32});
            require_thresholds(step, input);
            return {input.height, input.width, input.channels, Element::binary};
        case StepKind::max_pool2d:
            return pooled(step, input);
        case StepKind::reshape: {
            require_element(
                input, step.kind, {Element::u8, Element::int8, Element::int32, Element::f32});
            const auto elements = [](int height, int width, int channels) {
                return std::int64_t{height} * width * channels;
            };
            require(elements(step.height, step.width, step.out_channels) ==
                        elements(input.height, input.width, input.channels),
                    step.kind,
                    "as many elements as there are");
            return {step.height, step.width, step.out_channels, input.element};
        }
        case StepKind::average_pool2d:
            require_element(input, step.kind, {Element::f32});
            return pooled(step, input);
        case StepKind::global_average_pool:
            if (is_byte(input.element)) {
                require_size(step, step.limits.size(), 5, "limits");
                return {1, 1, input.channels, byte_result_of(step)};
            }
            require_element(input, step.kind, {Element::f32});
            return {1, 1, input.channels, Element::f32};
        case StepKind::clip:
        case StepKind::hard_sigmoid:
            require_size(step, step.limits.size(), 2, "limits");
            [[fallthrough]];
        case StepKind::relu:
        case StepKind::sigmoid:
        case StepKind::tanh:
        case StepKind::hard_swish:
        case StepKind::multiply:
        case StepKind::softmax:
        case StepKind::log_softmax:
            require_element(input, step.kind, {Element::f32});
            return input;
        case StepKind::batch_norm:
            require_element(input, step.kind, {Element::f32});
            require_size(
                step, step.scales.size(), static_cast<std::size_t>(input.channels), "scales");
            require_size(
                step, step.biases.size(), static_cast<std::size_t>(input.channels), "biases");
            return input;
        case StepKind::add:
            if (is_byte(input.element)) {
                require_size(step, step.limits.size(), 7, "limits");
                return {input.height, input.width, input.channels, byte_result_of(step)};
            }
            require_element(input, step.kind, {Element::int32, Element::f32});
            return input;
        case StepKind::quantize:
            require_element(input, step.kind, {Element::f32});
            require_size(step, step.limits.size(), 2, "limits");
            return {input.height, input.width, input.channels, byte_result_of(step)};
        case StepKind::dequantize:
            require_element(input, step.kind, {Element::u8, Element::int8});
            require_size(step, step.limits.size(), 2, "limits");
            return {input.height, input.width, input.channels, Element::f32};
        case StepKind::channels:
            require_element(input, step.kind, {Element::f32});
            require(step.first_channel >= 0 && step.out_channels >= 1 &&
                        step.out_channels <= input.channels - step.first_channel,
                    step.kind,
                    "channels that the input has");
            return {input.height, input.width, step.out_channels, Element::f32};
        case StepKind::channel_shuffle:
            require_element(input, step.kind, {Element::f32});
            require(step.groups >= 1 && input.channels % step.groups == 0,
                    step.kind,
                    "groups that divide the channels");
            return input;
        case StepKind::concat: {
            require_element(input, step.kind, {Element::f32});
            std::int64_t channels = 0;
            for (const int part : step.parts) {
                require(part >= 1, step.kind, "1 channel or more of each input");
                channels += part;
            }
            require(step.parts.size() >= 2 && step.parts.front() == input.channels,
                    step.kind,
                    "two inputs or more");
            require(channels <= INT32_MAX, step.kind, "fewer than 2^31 channels");
            return {input.height, input.width, static_cast<int>(channels), Element::f32};
        }
        case StepKind::flatten: {
            const std::int64_t elements = std::int64_t{input.height} * input.width * input.channels;
            require(elements <= INT32_MAX, step.kind, "fewer than 2^31 elements");
            return {1, 1, static_cast<int>(elements), input.element};
        }
    }
    throw std::invalid_argument("a step of an unknown kind");
}

}  // namespace

std::string_view name_of(Layout layout) {
    switch (layout) {
        case Layout::nhwc:
            return "nhwc";
        case Layout::plain:
            return "plain";
        case Layout::nchw8c:
            return "nchw8c";
        case Layout::nchw16c:
            break;
    }
    return "nchw16c";
}

int block_of(Layout layout) {
    return layout == Layout::nchw8c ? 8 : layout == Layout::nchw16c ? 16 : 1;
}

std::size_t tensor_bytes(const Shape& shape, Layout layout, int batch) {
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    const auto channels = static_cast<std::size_t>(shape.channels);
    std::size_t pixel_bytes = channels;  // u8, int8, and binary in the plain layout
    if (shape.element == Element::f32) {
        const auto block = static_cast<std::size_t>(block_of(layout));
        pixel_bytes = (channels + block - 1) / block * block * 4;
    } else if (shape.element == Element::int32) {
        pixel_bytes = channels * 4;
    } else if (shape.element == Element::binary && layout != Layout::plain) {
        pixel_bytes = static_cast<std::size_t>(shape.words()) * 8;
    }
    return (pixels * pixel_bytes + 63) / 64 * 64;
}

std::vector<Shape> shapes_of(const Chain& chain) {
    const Shape& input = chain.input;
    if (input.height < 1 || input.width < 1 || input.channels < 1 || chain.batch < 1) {
        throw std::invalid_argument("a chain's input: expected every dimension to be 1 or more");
    }
    std::vector<Shape> shapes;
    shapes.reserve(chain.steps.size());
    for (const Step& step : chain.steps) {
        const auto before = static_cast<int>(shapes.size());
        const auto shape_of = [&](int from) {
            require(from < before, step.kind, "an input that an earlier step makes");
            const bool is_first = from == kBefore && before == 0;
            return is_first || from == kInput ? input
                   : from == kBefore          ? shapes.back()
                                              : shapes[static_cast<std::size_t>(from)];
        };
        require(step.from != kSecondInput, step.kind, "a main input");
        const Shape main = shape_of(step.from);
        require(
            step.kind != StepKind::concat || chain.steps.size() == 1, step.kind, "no other step");
        if (has_second(step.kind) && step.second_from != kSecondInput) {
            Shape second = main;
            if (step.one_pixel) {
                second.height = second.width = 1;
            }
            require(shape_of(step.second_from) == second, step.kind, "inputs of shapes that fit");
        }
        shapes.push_back(shape_after(step, main));
    }
    if (chain.second_result != -1 &&
        (chain.second_result < 0 || chain.second_result + 1 >= std::ssize(chain.steps))) {
        throw std::invalid_argument("a chain's second result: expected a step before the last");
    }
    return shapes;
}

Shape output_of(const Chain& chain) {
    const std::vector<Shape> shapes = shapes_of(chain);
    return shapes.empty() ? chain.input : shapes.back();
}

Shape second_output_of(const Chain& chain) {
    if (chain.second_result < 0) {
        throw std::invalid_argument("a chain without a second result");
    }
    return shapes_of(chain)[static_cast<std::size_t>(chain.second_result)];
}

bool has_second(StepKind kind) {
    return kind == StepKind::add || kind == StepKind::multiply || kind == StepKind::concat;
}

bool needs_second_input(const Chain& chain) {
    for (const Step& step : chain.steps) {
        if (has_second(step.kind) && step.second_from == kSecondInput) {
            return true;
        }
    }
    return false;
}

bool is_byte(Element element) { return element == Element::u8 || element == Element::int8; }

bool has_bytes(const Chain& chain) {
    const std::vector<Shape> shapes = shapes_of(chain);
    const auto is_int8 = [](const Shape& shape) { return shape.element == Element::int8; };
    return is_int8(chain.input) || std::any_of(shapes.begin(), shapes.end(), is_int8) ||
           std::any_of(chain.steps.begin(), chain.steps.end(), [](const Step& step) {
               return step.bytes || step.kind == StepKind::quantize ||
                      step.kind == StepKind::dequantize ||
                      ((step.kind == StepKind::add || step.kind == StepKind::global_average_pool) &&
                       is_byte(step.result));
           });
}

bool is_linear(const Chain& chain) {
    for (const Step& step : chain.steps) {
        if (step.from != kBefore || (has_second(step.kind) && step.second_from != kSecondInput)) {
            return false;
        }
    }
    return true;
}

bool has_reals(const Chain& chain) {
    const auto is_real = [](const Shape& shape) { return shape.element == Element::f32; };
    const std::vector<Shape> shapes = shapes_of(chain);
    return is_real(chain.input) || std::any_of(shapes.begin(), shapes.end(), is_real);
}

}  // namespace kernels
