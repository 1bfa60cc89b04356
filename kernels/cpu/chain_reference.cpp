// Runs a chain on the reference steps: reads an image, does one step after the other, writes
// what the slice asks for.

#include "kernels/cpu/reference.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>

namespace kernels::cpu {
namespace {

struct Prepared {
    Chain chain;
    std::vector<Shape> shapes;                 // after each step
    std::vector<std::vector<double>> factors;  // of each step; empty where it has no weights
};

std::size_t elements_of(const Shape& shape) {
    return static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width) *
           static_cast<std::size_t>(shape.channels);
}

std::size_t element_bytes(Element element) {
    return element == Element::int32 || element == Element::f32 ? 4 : 1;
}

template <typename T>
double loaded(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <typename T>
void store(double number, std::byte* to) {
    const T value = static_cast<T>(number);
    std::memcpy(to, &value, sizeof value);
}

double load(Element element, const std::byte* from) {
    switch (element) {
        case Element::int32:
            return loaded<std::int32_t>(from);
        case Element::f32:
            return loaded<float>(from);
        case Element::u8:
            return loaded<std::uint8_t>(from);
        case Element::int8:
        case Element::binary:
            return loaded<std::int8_t>(from);
    }
    return 0;
}

void store(Element element, double number, std::byte* to) {
    switch (element) {
        case Element::int32:
            return store<std::int32_t>(number, to);
        case Element::f32:
            return store<float>(number, to);
        case Element::u8:
            return store<std::uint8_t>(number, to);
        case Element::int8:
        case Element::binary:
            return store<std::int8_t>(number, to);
    }
}

Image read_image(const Shape& shape, const std::byte* tensor, int image) {
    const std::size_t count = elements_of(shape), size = element_bytes(shape.element);
    const std::byte* source = tensor + static_cast<std::size_t>(image) * count * size;
    Image result{shape, std::vector<double>(count)};
    for (std::size_t i = 0; i < count; ++i) {
        result.values[i] = load(shape.element, source + i * size);
    }
    return result;
}

void write_slice(const Image& result, const Slice& slice, std::byte* tensor, int image) {
    const Shape& shape = result.shape;
    const std::size_t size = element_bytes(shape.element);
    std::byte* base = tensor + static_cast<std::size_t>(image) * elements_of(shape) * size;
    for (int y = slice.row_begin; y < slice.row_end; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            for (int c = slice.channel_begin; c < slice.channel_end; ++c) {
                const std::size_t index = result.index(y, x, c);
                store(shape.element, result.values[index], base + index * size);
            }
        }
    }
}

// Of a step's input `which`, not the main one, where it is another tensor.
Shape shape_of_other(const Step& step, const Shape& main, std::size_t which) {
    Shape shape = main;
    if (step.one_pixel) {
        shape.height = shape.width = 1;
    }
    if (step.kind == StepKind::concat) {
        shape.channels = step.parts[which];
    }
    return shape;
}

// The step whose result is the main input of step `index`; negative: the chain's input.
int source_of(const Step& step, std::size_t index) {
    return step.from == kBefore ? static_cast<int>(index) - 1 : step.from;
}

Image run_step(const Prepared& prepared,
               std::size_t index,
               const Image& input,
               const std::function<Image(std::size_t)>& other) {
    const Step& step = prepared.chain.steps[index];
    const Shape& shape = prepared.shapes[index];
    switch (step.kind) {
        case StepKind::conv2d:
            return conv2d_reference(step, prepared.factors[index], input, shape);
        case StepKind::linear:
            return linear_reference(step, prepared.factors[index], input, shape);
        case StepKind::threshold:
            return threshold_reference(step, input, shape);
        case StepKind::max_pool2d:
        case StepKind::average_pool2d:
            return pool2d_reference(step, input, shape);
        case StepKind::global_average_pool:
            return is_byte(shape.element) ? average_bytes_reference(step, input, shape)
                                          : global_average_pool_reference(input, shape);
        case StepKind::relu:
        case StepKind::clip:
        case StepKind::batch_norm:
        case StepKind::sigmoid:
        case StepKind::tanh:
        case StepKind::hard_sigmoid:
        case StepKind::hard_swish:
            return each_reference(step, input);
        case StepKind::softmax:
        case StepKind::log_softmax:
            return softmax_reference(step, input);
        case StepKind::add:
            return is_byte(shape.element) ? add_bytes_reference(step, input, other(1), shape)
                                          : add_reference(input, other(1));
        case StepKind::quantize:
            return quantize_reference(step, input, shape);
        case StepKind::dequantize:
            return dequantize_reference(step, input, shape);
        case StepKind::channels:
        case StepKind::channel_shuffle:
            return channels_reference(step, input, shape);
        case StepKind::multiply:
            return multiply_reference(input, other(1));
        case StepKind::concat: {
            std::vector<Image> inputs{input};
            while (inputs.size() < step.parts.size()) {
                inputs.push_back(other(inputs.size()));
            }
            return concat_reference(inputs, shape);
        }
        case StepKind::flatten:
        case StepKind::reshape:
            return flatten_reference(input, shape);
    }
    throw std::invalid_argument("a step of an unknown kind");
}

// Any chain whose shapes fit; a slice is one of both its results.
bool accepts(const Chain& chain) {
    try {
        const Shape last = output_of(chain);
        Shape second = chain.second_result < 0 ? last : second_output_of(chain);
        second.element = last.element;
        return !chain.steps.empty() && second == last;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

Body prepare(const Chain& chain, std::span<const Slice> /*it needs no scratch memory*/) {
    auto prepared = std::make_shared<Prepared>();
    prepared->chain = chain;
    prepared->shapes = shapes_of(chain);
    for (std::size_t i = 0; i < chain.steps.size(); ++i) {
        const Step& step = chain.steps[i];
        const int from = source_of(step, i);
        const Shape& input =
            from < 0 ? chain.input : prepared->shapes[static_cast<std::size_t>(from)];
        std::size_t fan_in = 0;
        if (step.kind == StepKind::conv2d) {
            fan_in = static_cast<std::size_t>(step.kernel_height) *
                     static_cast<std::size_t>(step.kernel_width) *
                     static_cast<std::size_t>(input.channels / step.groups);
        } else if (step.kind == StepKind::linear) {
            fan_in = elements_of(input);
        }
        prepared->factors.push_back(fan_in > 0 ? factors_of(step, fan_in) : std::vector<double>());
    }
    return [prepared](const Tensors& tensors, const Slice& slice) {
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            const Image input = read_image(prepared->chain.input, tensors.input, image);
            std::vector<Image> results;
            results.reserve(prepared->chain.steps.size());  // `main` stays where it is
            for (std::size_t i = 0; i < prepared->chain.steps.size(); ++i) {
                const Step& step = prepared->chain.steps[i];
                const auto result_of = [&](int from) -> const Image& {
                    return from < 0 ? input : results[static_cast<std::size_t>(from)];
                };
                const Image& main = result_of(source_of(step, i));
                const auto other = [&](std::size_t which) {
                    return step.second_from == kSecondInput
                               ? read_image(
                                     shape_of_other(step, main.shape, which),
                                     which == 1 ? tensors.second_input : tensors.more[which - 2],
                                     image)
                               : result_of(step.second_from);
                };
                results.push_back(run_step(*prepared, i, main, other));
            }
            write_slice(results.back(), slice, tensors.output, image);
            if (prepared->chain.second_result >= 0) {
                write_slice(results[static_cast<std::size_t>(prepared->chain.second_result)],
                            slice,
                            tensors.second_output,
                            image);
            }
        }
    };
}

}  // namespace

Variant reference_variant() {
    return {.name = "reference",
            .summary = "plain loops on plain numbers; defines the results",
            .layout = Layout::plain,
            .supported = [] { return true; },
            .accepts = accepts,
            .prepare = prepare,
            .gives_two_results = true};
}

}  // namespace kernels::cpu
