#pragma once

// What a kernel computes: a chain of layers on one batch of images, its parameters, and how
// tensors lie in memory. Every variant takes the same chain and gives the same result.
//
// Layouts of tensors in memory, batch outermost, then height, width, channels (NHWC):
// - `nhwc`: binary tensors packed along the channels, ceil(C / 64) 64-bit words for each pixel,
//   channel c in bit c % 64 of word c / 64, 1 is +1 and 0 is -1, unused bits 0; u8 and int8: one
//   byte; int32 and f32: four bytes, little endian.
// - `plain`: binary tensors as one int8 of +1 or -1 for each element; the rest as in nhwc.
// - `nchw8c`, `nchw16c`: f32 tensors by blocks of 8 or 16 channels, filled up with zeros: batch,
// block,
//   height, width, channel of the block; the rest as in nhwc.
//
// Nothing here knows platforms, mappings or costs.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kernels {

enum class Element : std::uint8_t { binary, u8, int8, int32, f32 };
enum class Layout : std::uint8_t { nhwc, plain, nchw8c, nchw16c };
inline constexpr Layout kLayouts[] = {Layout::nhwc, Layout::plain, Layout::nchw8c, Layout::nchw16c};

std::string_view name_of(Layout layout);
int block_of(Layout layout);  // channels; 1 where f32 tensors lie in no blocks

// One image.
struct Shape {
    int height = 1, width = 1, channels = 1;
    Element element = Element::binary;

    int words() const { return (channels + 63) / 64; }  // 64-bit words of a packed pixel
    friend bool operator==(const Shape&, const Shape&) = default;
};

// Bytes of a batch in memory; a multiple of 64, so that tensors may be read in whole registers.
std::size_t tensor_bytes(const Shape& shape, Layout layout, int batch);

enum class StepKind : std::uint8_t {
    conv2d,      // binary weights on binary or u8 give int32; what is real gives f32 (Step::real);
                 // weights of int8 on u8 or int8 (Step::bytes)
    linear,      // the same over the whole input, (y, x, channel) order
    threshold,   // int32 or f32 to binary
    max_pool2d,  // no padding counts: windows are cut at the border; any element
    add,         // the result so far plus another, by default the second input; int32 or f32, or
                 // u8 and int8 as what they stand for (Step::limits)
    flatten,     // HxWxC to 1x1x(H*W*C), (y, x, channel) order
    reshape,     // to height x width x out_channels, which has as many elements; not of bits
    // f32 to f32:
    average_pool2d,       // as max_pool2d: over the elements that are there, or padding too
    global_average_pool,  // also of u8 and int8, as what they stand for
    relu,
    clip,
    sigmoid,
    tanh,
    hard_sigmoid,  // slope x + middle, from 0 to 1
    hard_swish,    // x (x / 6 + 1 / 2), the second factor from 0 to 1
    batch_norm,
    softmax,          // over the channels
    log_softmax,      // the same
    multiply,         // by the second input, of the same shape or of one pixel for all
    concat,           // the channels of all inputs, one after the other; alone in its chain
    channels,         // out_channels of them, from first_channel on
    channel_shuffle,  // channel i of group g, of n groups, becomes channel i n + g
    quantize,         // to u8 or int8: x / step, rounded, + zero
    dequantize,       // from u8 or int8: (x - zero) step
};

// Where a step reads from: the step before it (the chain's input, for the first), the chain's
// inputs, or an earlier step's result by its index, in chains that branch.
inline constexpr int kBefore = -1, kInput = -2, kSecondInput = -3;

// One layer. Spans point into parameters that outlive the chain.
struct Step {
    StepKind kind = StepKind::conv2d;
    int out_channels = 0;                     // conv2d, linear, reshape
    int height = 1, width = 1;                // reshape
    int kernel_height = 1, kernel_width = 1;  // conv2d, max_pool2d
    int stride = 1,
        padding = 0;         // of rows and columns, and on all sides, but where these say more:
    int columns_stride = 0;  // 0: as of rows
    int left = -1, bottom = -1,
        right = -1;  // paddings; -1: as at the top. Only where the result is f32

    int stride_of_columns() const { return columns_stride > 0 ? columns_stride : stride; }
    int padding_left() const { return left >= 0 ? left : padding; }
    int padding_bottom() const { return bottom >= 0 ? bottom : padding; }
    int padding_right() const { return right >= 0 ? right : padding; }
    bool is_padded() const {
        return padding > 0 || padding_left() > 0 || padding_bottom() > 0 || padding_right() > 0;
    }
    int pad_value = 0;      // conv2d: a padded element is 0 (adds nothing), -1 or +1
    int groups = 1;         // conv2d: more than one only where it is real; channel_shuffle
    int first_channel = 0;  // channels
    // conv2d, linear: scale x products + bias, as f32; always where the input or the weights are.
    bool real = false;
    // conv2d, linear: weights are `byte_weights`. Their products are of what the input is above the
    // number that stands for zero there (`limits`), and so is padding; `real` or int32.
    bool bytes = false;
    // conv2d and linear of bytes that are real, add and global_average_pool of u8 or int8,
    // quantize: f32, or rounded to the nearest whole number (to even in the middle), zero of the
    // result added, cut off at the limits.
    Element result = Element::f32;

    // conv2d, linear: for each output channel ceil(fan_in / 64) words, bit i (lowest first) is
    // weight i in (ky, kx, input channel) order, 1 is +1; unused bits 0.
    std::span<const std::uint64_t> weights = {};
    // threshold: for each channel; bit c of `flips` (lowest first) clear: x >= t; set: x <= t.
    std::span<const std::int32_t> thresholds = {};
    std::span<const std::uint64_t> flips = {};
    // conv2d, linear, in place of `weights`: for each output channel its weights in their order.
    std::span<const float> real_weights = {};
    std::span<const std::int8_t> byte_weights = {};  // likewise
    // For each channel: of conv2d and linear that are real, and batch_norm. No scales: all are 1.
    std::span<const float> scales = {}, biases = {};
    // threshold of f32: for each channel, in place of `thresholds`. clip: the least and the most.
    // hard_sigmoid: slope and middle. quantize, dequantize: step and zero. conv2d and linear of
    // bytes: the input's zero; where the result is u8 or int8 also its zero, least and most. Of u8
    // and int8: add: factor and zero of either operand; the result's zero, least and most;
    // global_average_pool: the sum's factor, the input's zero, and the same three.
    std::span<const float> limits = {};
    bool counts_padding = false;  // average_pool2d: padding is zeros, and counts
    bool one_pixel = false;       // multiply: the second input is of height and width 1
    std::vector<int> parts = {};  // concat: the channels of each input

    int from = kBefore;              // the main input
    int second_from = kSecondInput;  // add, multiply: the other operand
};

struct Chain {
    Shape input = {};
    std::vector<Step> steps = {};
    int batch = 1;
    // A step before the last whose result is wanted too, such as the sums that a threshold makes
    // bits of; -1: none.
    int second_result = -1;
};

// Shape after each step. Throws std::invalid_argument if a step does not fit what it is given.
std::vector<Shape> shapes_of(const Chain& chain);
Shape output_of(const Chain& chain);
// Of `second_result`; throws std::invalid_argument where there is none.
Shape second_output_of(const Chain& chain);
bool has_second(StepKind kind);               // add, multiply, concat: reads two tensors or more
bool needs_second_input(const Chain& chain);  // a step reads it
bool is_linear(const Chain& chain);           // no step reads another than the one before it
bool has_reals(const Chain& chain);           // a tensor of it is f32
bool has_bytes(const Chain& chain);  // a step is of u8 or int8 as numbers that stand for others
bool is_byte(Element element);       // u8 or int8

}  // namespace kernels
