#include "sim/describe/operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace sim {
namespace {

// ---- Elements. ------------------------------------------------------------------------------

struct ElementRow {
    Element element;
    std::string_view name;
    int bits;
};

constexpr std::array<ElementRow, 6> kElements{{
    {Element::binary, "binary", 1},
    {Element::u8, "u8", 8},
    {Element::int8, "int8", 8},
    {Element::int16, "int16", 16},
    {Element::int32, "int32", 32},
    {Element::f32, "f32", 32},
}};

const ElementRow& row_of(Element element) {
    return *std::ranges::find(kElements, element, &ElementRow::element);
}

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// ---- What fits. -----------------------------------------------------------------------------

// Sizes beyond these are a slip of the pen, and below them no product of sizes here overflows
// 64 bits: at most kMostElements outputs of at most kMostElements multiply-accumulates each.
constexpr std::int64_t kMostElements = std::int64_t{1} << 31;

template <class... Arguments>
[[noreturn]] void misfit(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    throw std::invalid_argument{fmt::format(format, std::forward<Arguments>(arguments)...)};
}

const TensorShape& checked(const TensorShape& shape) {
    if (shape.elements() > kMostElements) {
        misfit("its output would be {}, more than 2^31 elements", to_string(shape));
    }
    return shape;
}

int window_count(int size, int kernel, const Attributes& a, std::string_view side) {
    const int padded = size + 2 * a.padding;
    if (kernel > padded) {
        misfit("a kernel of {} {} does not fit an input of {} with a padding of {}",
               side,
               kernel,
               size,
               a.padding);
    }
    return (padded - kernel) / a.stride + 1;
}

// Output of a window that slides over the input.
TensorShape slid(const Attributes& a, const TensorShape& in, int channels, Element element) {
    const int height = window_count(in.height, a.kernel_height, a, "height");
    const int width = window_count(in.width, a.kernel_width, a, "width");
    return checked({height, width, channels, element});
}

// What weights times inputs add up to.
Element product_of(Element weights, Element input) {
    const bool integers = weights == Element::binary || weights == Element::int8;
    const bool integer_input =
        input == Element::binary || input == Element::u8 || input == Element::int8;
    if (integers && integer_input) {
        return Element::int32;
    }
    if (weights == Element::f32 && input == Element::f32) {
        return Element::f32;
    }
    misfit(
        "{} weights do not work on {} inputs (binary and int8 weights take binary, u8 or int8; "
        "f32 weights take f32)",
        name_of(weights),
        name_of(input));
}

void expect_groups(const Attributes& a, int channels, std::string_view which) {
    if (channels % a.groups != 0) {
        misfit("{} {} channels do not divide into {} groups", channels, which, a.groups);
    }
}

void expect_no_bits(const TensorShape& in, std::string_view operation) {
    if (in.element == Element::binary) {
        misfit("{} does not work on binary inputs", operation);
    }
}

// ---- Work. ----------------------------------------------------------------------------------

// Weights of `rows` output channels with `fan_in` weights each, as they lie in memory.
std::int64_t weight_bytes(Element weights, std::int64_t rows, std::int64_t fan_in) {
    return weights == Element::binary ? rows * divide_up(fan_in, 64) * 8
                                      : rows * fan_in * bits_of(weights) / 8;
}

std::int64_t checked_weights(std::int64_t rows, std::int64_t fan_in) {
    if (fan_in > kMostElements / std::max<std::int64_t>(1, rows)) {
        misfit("it would have {} x {} weights, more than 2^31", rows, fan_in);
    }
    return fan_in;
}

Work moved(std::span<const TensorShape> inputs, const TensorShape& output) {
    Work work{.bytes_written = tensor_bytes(output)};
    for (const TensorShape& input : inputs) {
        work.bytes_read += tensor_bytes(input);
    }
    return work;
}

Work weighted(const Attributes& a,
              std::span<const TensorShape> inputs,
              const TensorShape& output,
              std::int64_t fan_in) {
    Work work = moved(inputs, output);
    work.macs = output.elements() * fan_in;
    work.weight_bytes = weight_bytes(a.weights, output.channels, fan_in);
    return work;
}

// ---- conv2d, depthwise_conv2d, linear. ------------------------------------------------------

std::int64_t window_weights(const Attributes& a, int channels) {
    return std::int64_t{a.kernel_height} * a.kernel_width * channels;
}

TensorShape conv2d_output(const Attributes& a, std::span<const TensorShape> inputs) {
    const TensorShape& in = inputs[0];
    expect_groups(a, in.channels, "input");
    expect_groups(a, a.out_channels, "output");
    checked_weights(a.out_channels, window_weights(a, in.channels / a.groups));
    return slid(a, in, a.out_channels, product_of(a.weights, in.element));
}

Work conv2d_work(const Attributes& a,
                 std::span<const TensorShape> inputs,
                 const TensorShape& output) {
    return weighted(a, inputs, output, window_weights(a, inputs[0].channels / a.groups));
}

TensorShape depthwise_output(const Attributes& a, std::span<const TensorShape> inputs) {
    const TensorShape& in = inputs[0];
    checked_weights(in.channels, window_weights(a, 1));
    return slid(a, in, in.channels, product_of(a.weights, in.element));
}

Work depthwise_work(const Attributes& a,
                    std::span<const TensorShape> inputs,
                    const TensorShape& output) {
    return weighted(a, inputs, output, window_weights(a, 1));
}

TensorShape linear_output(const Attributes& a, std::span<const TensorShape> inputs) {
    const TensorShape& in = inputs[0];
    checked_weights(a.out_channels, in.elements());
    return checked({1, 1, a.out_channels, product_of(a.weights, in.element)});
}

Work linear_work(const Attributes& a,
                 std::span<const TensorShape> inputs,
                 const TensorShape& output) {
    return weighted(a, inputs, output, inputs[0].elements());
}

// ---- threshold: one int32 for each channel, and one bit that says which way. ----------------

TensorShape threshold_output(const Attributes&, std::span<const TensorShape> inputs) {
    TensorShape out = inputs[0];
    if (out.element == Element::binary || out.element == Element::u8) {
        misfit("a threshold takes int8, int16, int32 or f32, not {}", name_of(out.element));
    }
    out.element = Element::binary;
    return out;
}

Work threshold_work(const Attributes&,
                    std::span<const TensorShape> inputs,
                    const TensorShape& output) {
    Work work = moved(inputs, output);
    work.weight_bytes = std::int64_t{4} * output.channels + divide_up(output.channels, 64) * 8;
    return work;
}

// ---- max_pool2d, average_pool2d. ------------------------------------------------------------

TensorShape max_pool2d_output(const Attributes& a, std::span<const TensorShape> inputs) {
    // Each window then holds at least one element that is there.
    if (a.padding >= std::min(a.kernel_height, a.kernel_width)) {
        misfit("a padding of {} leaves windows of {}x{} without any input",
               a.padding,
               a.kernel_height,
               a.kernel_width);
    }
    return slid(a, inputs[0], inputs[0].channels, inputs[0].element);
}

TensorShape average_pool2d_output(const Attributes& a, std::span<const TensorShape> inputs) {
    expect_no_bits(inputs[0], "average_pool2d");
    return max_pool2d_output(a, inputs);
}

Work data_movement(const Attributes&,
                   std::span<const TensorShape> inputs,
                   const TensorShape& output) {
    return moved(inputs, output);
}

// ---- add, concat. ---------------------------------------------------------------------------

TensorShape add_output(const Attributes&, std::span<const TensorShape> inputs) {
    const auto is_f32 = [](const TensorShape& s) { return s.element == Element::f32; };
    TensorShape out = inputs[0];
    for (const TensorShape& in : inputs) {
        expect_no_bits(in, "add");
        if (in.height != out.height || in.width != out.width || in.channels != out.channels ||
            is_f32(in) != is_f32(out)) {
            misfit("cannot add {} and {}", to_string(inputs[0]), to_string(in));
        }
    }
    out.element = is_f32(out) ? Element::f32 : Element::int32;
    return out;
}

TensorShape concat_output(const Attributes&, std::span<const TensorShape> inputs) {
    TensorShape out = inputs[0];
    std::int64_t channels = 0;
    for (const TensorShape& in : inputs) {
        if (in.height != out.height || in.width != out.width || in.element != out.element) {
            misfit("cannot concatenate {} and {} along their channels",
                   to_string(inputs[0]),
                   to_string(in));
        }
        channels += in.channels;
    }
    if (channels > kMostElements / 2) {
        misfit("its output would have {} channels", channels);
    }
    out.channels = static_cast<int>(channels);
    return checked(out);
}

// ---- split, channel_shuffle, flatten, softmax. ----------------------------------------------

TensorShape split_output(const Attributes& a, std::span<const TensorShape> inputs) {
    TensorShape out = inputs[0];
    if (a.first_channel + a.out_channels > out.channels) {
        misfit("channels {} to {} are not in an input of {} channels",
               a.first_channel,
               a.first_channel + a.out_channels - 1,
               out.channels);
    }
    out.channels = a.out_channels;
    return out;
}

Work split_work(const Attributes&, std::span<const TensorShape>, const TensorShape& output) {
    return {.bytes_read = tensor_bytes(output), .bytes_written = tensor_bytes(output)};
}

TensorShape channel_shuffle_output(const Attributes& a, std::span<const TensorShape> inputs) {
    expect_groups(a, inputs[0].channels, "input");
    return inputs[0];
}

TensorShape flatten_output(const Attributes&, std::span<const TensorShape> inputs) {
    const TensorShape& in = inputs[0];
    if (in.elements() > kMostElements / 2) {
        misfit("its output would have {} channels", in.elements());
    }
    return {1, 1, static_cast<int>(in.elements()), in.element};
}

TensorShape softmax_output(const Attributes&, std::span<const TensorShape> inputs) {
    expect_no_bits(inputs[0], "softmax");
    TensorShape out = inputs[0];
    out.element = Element::f32;
    return out;
}

// ---- The table. -----------------------------------------------------------------------------

constexpr int kAnyNumber = 1 << 20;

const std::vector<Operation>& table() {
    static const std::vector<Operation> kRows{
        {.name = "conv2d",
         .attributes =
             {"weights", "out_channels", "kernel", "stride", "padding", "pad_value", "groups"},
         .required = {"weights", "out_channels", "kernel"},
         .output = conv2d_output,
         .work = conv2d_work},
        {.name = "depthwise_conv2d",
         .attributes = {"weights", "kernel", "stride", "padding", "pad_value"},
         .required = {"weights", "kernel"},
         .output = depthwise_output,
         .work = depthwise_work},
        {.name = "linear",
         .attributes = {"weights", "out_channels"},
         .required = {"weights", "out_channels"},
         .output = linear_output,
         .work = linear_work},
        {.name = "threshold",
         .attributes = {},
         .required = {},
         .output = threshold_output,
         .work = threshold_work},
        {.name = "max_pool2d",
         .attributes = {"kernel", "stride", "padding"},
         .required = {"kernel", "stride"},
         .output = max_pool2d_output,
         .work = data_movement},
        {.name = "average_pool2d",
         .attributes = {"kernel", "stride", "padding"},
         .required = {"kernel", "stride"},
         .output = average_pool2d_output,
         .work = data_movement},
        {.name = "add",
         .attributes = {},
         .required = {},
         .min_inputs = 2,
         .max_inputs = kAnyNumber,
         .output = add_output,
         .work = data_movement},
        {.name = "concat",
         .attributes = {},
         .required = {},
         .min_inputs = 2,
         .max_inputs = kAnyNumber,
         .output = concat_output,
         .work = data_movement},
        {.name = "split",
         .attributes = {"out_channels", "first_channel"},
         .required = {"out_channels", "first_channel"},
         .output = split_output,
         .work = split_work},
        {.name = "channel_shuffle",
         .attributes = {"groups"},
         .required = {"groups"},
         .output = channel_shuffle_output,
         .work = data_movement},
        {.name = "flatten",
         .attributes = {},
         .required = {},
         .output = flatten_output,
         .work = data_movement},
        {.name = "softmax",
         .attributes = {},
         .required = {},
         .output = softmax_output,
         .work = data_movement},
    };
    return kRows;
}

}  // namespace

std::string_view name_of(Element element) { return row_of(element).name; }

int bits_of(Element element) { return row_of(element).bits; }

std::string to_string(const TensorShape& shape) {
    return fmt::format(
        "{}x{}x{} {}", shape.height, shape.width, shape.channels, name_of(shape.element));
}

std::span<const Operation> operations() { return table(); }

const Operation* find_operation(std::string_view name) {
    const auto found = std::ranges::find(table(), name, &Operation::name);
    return found == table().end() ? nullptr : &*found;
}

std::int64_t tensor_bytes(const TensorShape& shape) {
    const std::int64_t pixels = std::int64_t{shape.height} * shape.width;
    return shape.element == Element::binary ? pixels * divide_up(shape.channels, 64) * 8
                                            : pixels * shape.channels * bits_of(shape.element) / 8;
}

}  // namespace sim
