#pragma once

// The operations a layer can be, one row each: attributes, output shape, work.
//
// A new operation is one row in operations.cpp (and, to run it, a reference kernel). The model
// loader, `hetmap show` and the cost fits read this table; none of them names an operation.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// What one element of a tensor is. `binary` is +1 or -1, stored as one bit.
enum class Element { binary, u8, int8, int16, int32, f32 };

std::string_view name_of(Element element);
int bits_of(Element element);

// Shape of one image's tensor, without the batch. Layout in memory is not part of a shape.
struct TensorShape {
    int height = 1;
    int width = 1;
    int channels = 1;
    Element element = Element::f32;

    std::int64_t elements() const { return std::int64_t{height} * width * channels; }
    friend bool operator==(const TensorShape&, const TensorShape&) = default;
};

// "14x14x64 binary"
std::string to_string(const TensorShape& shape);

// What a side or a number of channels, and what a kernel, stride or padding has at most.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 20;
inline constexpr std::int64_t kLargestWindow = 1 << 12;

// Attributes of a layer, as its YAML entry gives them. Which of them an operation has, which it
// needs and which are optional is in its row; the others keep the defaults below.
struct Attributes {
    Element weights = Element::binary;  // conv2d, depthwise_conv2d, linear
    int out_channels = 0;               // conv2d, linear; split: channels of this part
    int kernel_height = 1;
    int kernel_width = 1;
    int stride = 1;
    int padding = 0;        // on all four sides
    int pad_value = 0;      // what a padded element is: 0 (adds nothing), -1 or +1
    int groups = 1;         // conv2d, channel_shuffle
    int first_channel = 0;  // split: this part's first input channel

    friend bool operator==(const Attributes&, const Attributes&) = default;
};

// Work of a layer on one image.
struct Work {
    std::int64_t macs = 0;           // multiply-accumulates
    std::int64_t bytes_read = 0;     // inputs
    std::int64_t bytes_written = 0;  // output
    std::int64_t weight_bytes = 0;
};

struct Operation {
    std::string_view name;                     // as in YAML: "conv2d"
    std::vector<std::string_view> attributes;  // keys it accepts ("kernel" is height and width)
    std::vector<std::string_view> required;    // those of them that must be there
    int min_inputs = 1;
    int max_inputs = 1;
    // Output shape, or an explanation of what does not fit, thrown as std::invalid_argument.
    TensorShape (*output)(const Attributes&, std::span<const TensorShape> inputs);
    Work (*work)(const Attributes&, std::span<const TensorShape> inputs, const TensorShape& output);
};

// The table. "input" (the model's input) is not in it.
std::span<const Operation> operations();
const Operation* find_operation(std::string_view name);  // nullptr if there is none

// Bytes of a tensor of one image in memory: bits are packed along the channels in 64-bit words
// for every pixel (NHWC), other elements lie one after the other.
std::int64_t tensor_bytes(const TensorShape& shape);

}  // namespace sim
