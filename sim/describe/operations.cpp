#include "sim/describe/operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace sim {
namespace {

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// ---- What fits. -----------------------------------------------------------------------------

template <class... Arguments>
[[noreturn]] void misfit(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    throw std::invalid_argument{fmt::format(format, std::forward<Arguments>(arguments)...)};
}

// Sizes beyond these are a slip of the pen, and below them no product of sizes here overflows
// 64 bits: at most kMostElements outputs of at most kMostElements multiply-accumulates each.
const TensorShape& checked(const TensorShape& shape) {
    if (shape.elements() > kMostElements) {
        misfit("its output would be {}, more than 2^31 elements", to_string(shape));
    }
    return shape;
}

std::int64_t checked_weights(std::int64_t rows, std::int64_t fan_in) {
    if (fan_in > kMostElements / std::max<std::int64_t>(1, rows)) {
        misfit("it would have {} x {} weights, more than 2^31", rows, fan_in);
    }
    return fan_in;
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

void expect_rank(const TensorShape& in, int rank, std::string_view dimensions) {
    if (in.rank() != rank) {
        misfit("it takes a tensor of {} dimensions ({}), not {}{}",
               rank,
               dimensions,
               to_string(in),
               rank == 4 && in.rank() == 3
                   ? "; an input has its depth as 'depth', beside 'height' and 'width'"
                   : "");
    }
}

// From 0, of an axis that may count from the last.
int axis_of(int axis, const TensorShape& in) {
    const int from_first = axis < 0 ? axis + in.rank() : axis;
    if (from_first < 0 || from_first >= in.rank()) {
        misfit("{} has no axis {}", to_string(in), axis);
    }
    return from_first;
}

int narrowed(std::int64_t size) {
    if (size > kMostElements / 2) {
        misfit("its output would have a side of {}", size);
    }
    return static_cast<int>(size);
}

// ---- Windows. -------------------------------------------------------------------------------

constexpr std::string_view kSideNames[] = {"depth", "height", "width"};

std::string_view dimensions_of(int sides) {
    return sides == 1   ? "width, channels"
           : sides == 2 ? "height, width, channels"
                        : "depth, height, width, channels";
}

std::int64_t reach_of(const Attributes& a, std::size_t side) {
    return std::int64_t{a.dilation[side]} * (a.kernel[side] - 1) + 1;
}

int window_count(int size, const Attributes& a, std::size_t side) {
    const std::int64_t padded = std::int64_t{size} + a.pad_begin[side] + a.pad_end[side];
    const std::int64_t kernel = reach_of(a, side);
    if (kernel > padded) {
        misfit("a kernel of {} {} does not fit an input of {} with a padding of {}{}",
               kSideNames[side],
               kernel,
               size,
               a.pad_begin[side],
               a.pad_begin[side] == a.pad_end[side] ? "" : fmt::format(" and {}", a.pad_end[side]));
    }
    const std::int64_t stride = a.stride[side];
    std::int64_t count = (padded - kernel) / stride + 1;
    if (a.ceil && (padded - kernel) % stride != 0 &&
        count * stride < size + std::int64_t{a.pad_begin[side]}) {
        ++count;
    }
    return static_cast<int>(count);
}

// Output of a window of so many sides that slides over the input.
template <int kSides>
TensorShape slid(const Attributes& a, const TensorShape& in, int channels, Element element) {
    expect_rank(in, kSides + 1, dimensions_of(kSides));
    TensorShape out = in;
    out.element = element;
    for (int i = 0; i < kSides; ++i) {
        out.set(i, window_count(in[i], a, static_cast<std::size_t>(3 - kSides + i)));
    }
    out.set_channels(channels);
    return out;
}

std::int64_t window_weights(const Attributes& a, std::int64_t channels) {
    return std::int64_t{a.kernel[0]} * a.kernel[1] * a.kernel[2] * channels;
}

// What weights times inputs add up to: whole numbers in 32 bits, or 64 where they come in as many.
Element product_of(Element weights, Element input) {
    const Element wider = promoted(weights, input);
    if (is_float(wider)) {
        return wider;
    }
    return bits_of(wider) > 32 ? wider : Element::int32;
}

// ---- Work. ----------------------------------------------------------------------------------

// Weights of `rows` output channels with `fan_in` weights each, as they lie in memory.
std::int64_t weight_bytes(Element weights, std::int64_t rows, std::int64_t fan_in) {
    return weights == Element::binary ? rows * divide_up(fan_in, 64) * 8
                                      : (rows * fan_in * bits_of(weights) + 7) / 8;
}

std::int64_t bytes_of(Shapes shapes) {
    std::int64_t bytes = 0;
    for (const TensorShape& shape : shapes) {
        bytes += tensor_bytes(shape);
    }
    return bytes;
}

Work data_movement(const Attributes& a, Shapes inputs, Shapes results) {
    Work work{.bytes_read = bytes_of(inputs), .bytes_written = bytes_of(results)};
    if (!a.constant.empty()) {
        work.weight_bytes = tensor_bytes({a.constant, inputs[0].element});
    }
    return work;
}

Work weighted(
    const Attributes& a, Shapes inputs, Shapes results, std::int64_t rows, std::int64_t fan_in) {
    Work work = data_movement(a, inputs, results);
    work.macs = results[0].elements() * fan_in;
    work.weights = rows * fan_in;
    work.weight_bytes = weight_bytes(a.weights, rows, fan_in);
    return work;
}

// ---- Convolutions and products. -------------------------------------------------------------

template <int kSides>
TensorShape conv_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    expect_groups(a, in.channels(), "input");
    expect_groups(a, a.out_channels, "output");
    checked_weights(a.out_channels, window_weights(a, in.channels() / a.groups));
    return slid<kSides>(a, in, a.out_channels, product_of(a.weights, in.element));
}

Work conv_work(const Attributes& a, Shapes inputs, Shapes results) {
    return weighted(a,
                    inputs,
                    results,
                    results[0].channels(),
                    window_weights(a, inputs[0].channels() / a.groups));
}

TensorShape depthwise_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    checked_weights(in.channels(), window_weights(a, 1));
    return slid<2>(a, in, in.channels(), product_of(a.weights, in.element));
}

Work depthwise_work(const Attributes& a, Shapes inputs, Shapes results) {
    return weighted(a, inputs, results, results[0].channels(), window_weights(a, 1));
}

template <int kSides>
TensorShape conv_transpose_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    expect_rank(in, kSides + 1, dimensions_of(kSides));
    expect_groups(a, in.channels(), "input");
    expect_groups(a, a.out_channels, "output");
    checked_weights(a.out_channels, window_weights(a, in.channels() / a.groups));
    TensorShape out = in;
    for (int i = 0; i < kSides; ++i) {
        const auto side = static_cast<std::size_t>(3 - kSides + i);
        const std::int64_t size = std::int64_t{in[i] - 1} * a.stride[side] + reach_of(a, side) -
                                  a.pad_begin[side] - a.pad_end[side] + a.output_padding[side];
        if (size < 1) {
            misfit("a padding of {} and {} leaves nothing of its {}",
                   a.pad_begin[side],
                   a.pad_end[side],
                   kSideNames[side]);
        }
        out.set(i, narrowed(size));
    }
    out.set_channels(a.out_channels);
    out.element = product_of(a.weights, in.element);
    return out;
}

// Every element of the input meets every weight of its group once.
Work conv_transpose_work(const Attributes& a, Shapes inputs, Shapes results) {
    const std::int64_t fan_in = window_weights(a, inputs[0].channels() / a.groups);
    Work work = weighted(a, inputs, results, a.out_channels, fan_in);
    work.macs = inputs[0].elements() / inputs[0].channels() * work.weights;
    return work;
}

TensorShape linear_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    checked_weights(a.out_channels, in.elements());
    return {1, 1, a.out_channels, product_of(a.weights, in.element)};
}

Work linear_work(const Attributes& a, Shapes inputs, Shapes results) {
    return weighted(a, inputs, results, a.out_channels, inputs[0].elements());
}

// Sides that numpy's rules make of two, from the last on: equal, or one of them is 1.
TensorShape broadcast(const TensorShape& a, const TensorShape& b, Element element) {
    const TensorShape& longer = a.rank() >= b.rank() ? a : b;
    const TensorShape& shorter = a.rank() >= b.rank() ? b : a;
    TensorShape out = longer;
    const int skip = longer.rank() - shorter.rank();
    for (int i = 0; i < shorter.rank(); ++i) {
        const int one = longer[skip + i], other = shorter[i];
        if (one != other && one != 1 && other != 1) {
            misfit("{} and {} do not fit together", to_string(a), to_string(b));
        }
        out.set(skip + i, one == 1 ? other : one);
    }
    out.element = element;
    return out;
}

struct MatrixSides {
    int rows, columns;
};

MatrixSides matrix_of(const TensorShape& in, bool transposed) {
    MatrixSides sides{in.rank() < 2 ? 1 : in[in.rank() - 2], in[in.rank() - 1]};
    if (transposed) {
        std::swap(sides.rows, sides.columns);
    }
    return sides;
}

// Without its last two sides, as far as they are there; 1 where nothing is left.
TensorShape stack_of(const TensorShape& in) {
    const auto all = in.dimensions();
    return in.rank() <= 2 ? TensorShape{std::array{1}, in.element}
                          : TensorShape{all.first(all.size() - 2), in.element};
}

TensorShape matmul_output(const Attributes& a, Shapes inputs) {
    const TensorShape& left = inputs[0];
    if (inputs.size() == 1) {
        if (!a.has_weights || a.out_channels == 0) {
            misfit("with one input it needs the keys 'weights' and 'out_channels'");
        }
        checked_weights(a.out_channels, left.channels());
        TensorShape out = left;
        out.set_channels(a.out_channels);
        out.element = product_of(a.weights, left.element);
        return out;
    }
    const TensorShape& right = inputs[1];
    if (a.has_weights || a.out_channels != 0) {
        misfit("with two inputs it has no weights of its own");
    }
    const MatrixSides one = matrix_of(left, a.transpose_a), two = matrix_of(right, a.transpose_b);
    if (one.columns != two.rows) {
        const std::string_view turned = one.columns == two.columns ? "transpose_b"
                                        : one.rows == two.rows     ? "transpose_a"
                                                                   : "";
        misfit("{}{} and {}{} do not multiply: {} columns, {} rows{}",
               to_string(left),
               a.transpose_a ? " transposed" : "",
               to_string(right),
               a.transpose_b ? " transposed" : "",
               one.columns,
               two.rows,
               turned.empty() ? ""
               : (turned == "transpose_a" ? a.transpose_a : a.transpose_b)
                   ? fmt::format("; without '{}' they do", turned)
                   : fmt::format("; with '{}: true' they do", turned));
    }
    const Element element = product_of(left.element, right.element);
    std::vector<int> sides{one.rows, two.columns};
    if (left.rank() > 2 || right.rank() > 2) {
        const TensorShape stack = broadcast(stack_of(left), stack_of(right), element);
        sides.assign(stack.dimensions().begin(), stack.dimensions().end());
        sides.push_back(one.rows);
        sides.push_back(two.columns);
    }
    if (sides.size() > TensorShape::kMostDimensions) {
        misfit("its output would have {} dimensions", sides.size());
    }
    return {sides, element};
}

Work matmul_work(const Attributes& a, Shapes inputs, Shapes results) {
    if (inputs.size() == 1) {
        return weighted(a, inputs, results, a.out_channels, inputs[0].channels());
    }
    Work work = data_movement(a, inputs, results);
    work.macs = results[0].elements() * matrix_of(inputs[0], a.transpose_a).columns;
    return work;
}

// ---- threshold: one int32 for each channel, and one bit that says which way. ----------------

TensorShape threshold_output(const Attributes&, Shapes inputs) {
    TensorShape out = inputs[0];
    if (out.element == Element::binary || out.element == Element::boolean) {
        misfit("a threshold takes numbers, not {}", name_of(out.element));
    }
    out.element = Element::binary;
    return out;
}

Work threshold_work(const Attributes& a, Shapes inputs, Shapes results) {
    Work work = data_movement(a, inputs, results);
    const std::int64_t channels = results[0].channels();
    work.weight_bytes = 4 * channels + divide_up(channels, 64) * 8;
    return work;
}

// ---- Pools. ---------------------------------------------------------------------------------

template <int kSides>
TensorShape max_pool_output(const Attributes& a, Shapes inputs) {
    // Each window then holds at least one element that is there.
    for (std::size_t side = 3 - kSides; side < 3; ++side) {
        if (std::max(a.pad_begin[side], a.pad_end[side]) >= reach_of(a, side)) {
            misfit("a padding of {} leaves windows of {}x{} without any input",
                   std::max(a.pad_begin[side], a.pad_end[side]),
                   a.kernel[1],
                   a.kernel[2]);
        }
    }
    return slid<kSides>(a, inputs[0], inputs[0].channels(), inputs[0].element);
}

template <int kSides>
TensorShape average_pool_output(const Attributes& a, Shapes inputs) {
    expect_no_bits(inputs[0], "an average");
    return max_pool_output<kSides>(a, inputs);
}

TensorShape global_pool_output(const Attributes&, Shapes inputs) {
    return {1, 1, inputs[0].channels(), inputs[0].element};
}

// ---- Element by element. --------------------------------------------------------------------

TensorShape same_output(const Attributes&, Shapes inputs) { return inputs[0]; }

TensorShape bool_output(const Attributes& a, Shapes inputs);

TensorShape axis_output(const Attributes& a, Shapes inputs) {
    axis_of(a.axis, inputs[0]);
    return inputs[0];
}

TensorShape groups_output(const Attributes& a, Shapes inputs) {
    expect_groups(a, inputs[0].channels(), "input");
    return inputs[0];
}

TensorShape softmax_output(const Attributes& a, Shapes inputs) {
    expect_no_bits(inputs[0], "softmax");
    TensorShape out = axis_output(a, inputs);
    out.element = is_float(out.element) ? out.element : Element::f32;
    return out;
}

TensorShape convert_output(const Attributes& a, Shapes inputs) {
    TensorShape out = inputs[0];
    out.element = *a.out;
    return out;
}

// All inputs together, and the operand that the network holds.
TensorShape combined(const Attributes& a, Shapes inputs) {
    if (inputs.size() == 1 && a.constant.empty()) {
        misfit("it takes two inputs, or one and a 'constant'");
    }
    TensorShape out = inputs[0];
    for (const TensorShape& in : inputs.subspan(1)) {
        out = broadcast(out, in, promoted(out.element, in.element));
    }
    if (!a.constant.empty()) {
        out = broadcast(out, {a.constant, out.element}, out.element);
    }
    return out;
}

TensorShape bool_output(const Attributes& a, Shapes inputs) {
    TensorShape out = combined(a, inputs);
    out.element = Element::boolean;
    return out;
}

// Sums of narrow whole numbers are as wide as what a convolution gives.
TensorShape add_output(const Attributes& a, Shapes inputs) {
    for (const TensorShape& in : inputs) {
        expect_no_bits(in, "add");
    }
    TensorShape out = combined(a, inputs);
    out.element = product_of(out.element, out.element);
    return out;
}

TensorShape where_output(const Attributes& a, Shapes inputs) {
    // The condition counts for its shape alone.
    TensorShape out = combined(a, inputs);
    out.element = inputs.back().element;
    return out;
}

// ---- Sides. ---------------------------------------------------------------------------------

TensorShape stated_output(const Attributes& a, Shapes inputs) {
    return {a.shape, inputs[0].element};
}

TensorShape reshape_output(const Attributes& a, Shapes inputs) {
    const TensorShape out = stated_output(a, inputs);
    if (out.elements() != inputs[0].elements()) {
        misfit("{} has {} elements, {} has {}",
               to_string(inputs[0]),
               inputs[0].elements(),
               to_string(out),
               out.elements());
    }
    return out;
}

TensorShape slice_output(const Attributes& a, Shapes inputs) {
    const TensorShape out = stated_output(a, inputs);
    if (out.elements() > inputs[0].elements()) {
        misfit("{} is more than there is in {}", to_string(out), to_string(inputs[0]));
    }
    return out;
}

TensorShape pad_output(const Attributes& a, Shapes inputs) {
    const TensorShape out = stated_output(a, inputs);
    if (out.elements() < inputs[0].elements()) {
        misfit("{} is less than {}", to_string(out), to_string(inputs[0]));
    }
    return out;
}

TensorShape transpose_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    TensorShape out = in;
    std::vector<int> sorted = a.permutation;
    std::ranges::sort(sorted);
    bool fits = static_cast<int>(sorted.size()) == in.rank();
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        fits = fits && sorted[i] == static_cast<int>(i);
    }
    if (!fits) {
        misfit("{} is no permutation of the {} dimensions of {}",
               fmt::join(a.permutation, ", "),
               in.rank(),
               to_string(in));
    }
    for (int i = 0; i < in.rank(); ++i) {
        out.set(i, in[a.permutation[static_cast<std::size_t>(i)]]);
    }
    return out;
}

TensorShape flatten_output(const Attributes&, Shapes inputs) {
    const TensorShape& in = inputs[0];
    if (in.elements() > kMostElements / 2) {
        misfit("its output would have {} channels", in.elements());
    }
    return {1, 1, static_cast<int>(in.elements()), in.element};
}

TensorShape concat_output(const Attributes& a, Shapes inputs) {
    TensorShape out = inputs[0];
    const int axis = axis_of(a.axis, out);
    std::int64_t size = 0;
    for (const TensorShape& in : inputs) {
        bool fits = in.rank() == out.rank() && in.element == out.element;
        for (int i = 0; fits && i < in.rank(); ++i) {
            fits = i == axis || in[i] == out[i];
        }
        if (!fits) {
            misfit("cannot concatenate {} and {} along {}",
                   to_string(inputs[0]),
                   to_string(in),
                   axis + 1 == out.rank() ? "their channels" : fmt::format("axis {}", a.axis));
        }
        size += in[axis];
    }
    if (size > kMostElements / 2) {
        misfit("its output would have {} {}",
               size,
               axis + 1 == out.rank() ? "channels" : "elements along the axis");
    }
    out.set(axis, static_cast<int>(size));
    return out;
}

// One part of the channels, or all parts along an axis.
std::vector<TensorShape> split_results(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    TensorShape out = in;
    if (a.sizes.empty()) {
        if (a.out_channels == 0) {
            misfit("it needs the keys 'out_channels' and 'first_channel', or 'sizes'");
        }
        if (a.first_channel + a.out_channels > in.channels()) {
            misfit("channels {} to {} are not in an input of {} channels",
                   a.first_channel,
                   a.first_channel + a.out_channels - 1,
                   in.channels());
        }
        out.set_channels(a.out_channels);
        return {out};
    }
    const int axis = axis_of(a.axis, in);
    std::int64_t all = 0;
    std::vector<TensorShape> results;
    for (const int size : a.sizes) {
        out.set(axis, size);
        all += size;
        results.push_back(out);
    }
    if (all != in[axis]) {
        misfit("its sizes add up to {}, and axis {} of {} has {}",
               all,
               a.axis,
               to_string(in),
               in[axis]);
    }
    return results;
}

Work split_work(const Attributes&, Shapes, Shapes results) {
    return {.bytes_read = bytes_of(results), .bytes_written = bytes_of(results)};
}

// Of the sides of an image that has `block` times more, or less, along each.
TensorShape depth_to_space_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    expect_rank(in, 3, dimensions_of(2));
    if (in.channels() % (a.block * a.block) != 0) {
        misfit("{} channels do not divide into blocks of {} x {}", in.channels(), a.block, a.block);
    }
    return {narrowed(in.height() * a.block),
            narrowed(std::int64_t{in.width()} * a.block),
            in.channels() / (a.block * a.block),
            in.element};
}

TensorShape space_to_depth_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    expect_rank(in, 3, dimensions_of(2));
    if (in.height() % a.block != 0 || in.width() % a.block != 0) {
        misfit("{} does not divide into blocks of {} x {}", to_string(in), a.block, a.block);
    }
    return {static_cast<int>(in.height() / a.block),
            in.width() / a.block,
            narrowed(std::int64_t{in.channels()} * a.block * a.block),
            in.element};
}

TensorShape upsample_output(const Attributes& a, Shapes inputs) {
    TensorShape out = inputs[0];
    const int sides = std::min(3, out.rank() - 1);
    for (int i = 0; i < sides; ++i) {
        const int scale = a.scale[static_cast<std::size_t>(3 - sides + i)];
        const int dimension = out.rank() - 1 - sides + i;
        out.set(dimension, narrowed(std::int64_t{out[dimension]} * scale));
    }
    return out;
}

TensorShape resize_output(const Attributes& a, Shapes inputs) {
    TensorShape out = inputs[0];
    const int sides = static_cast<int>(a.sizes.size());
    if (sides != out.rank() - 1) {
        misfit(
            "its size has {} sides, {} has {} and channels", sides, to_string(out), out.rank() - 1);
    }
    for (int i = 0; i < sides; ++i) {
        out.set(i, a.sizes[static_cast<std::size_t>(i)]);
    }
    return out;
}

TensorShape reduce_output(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    std::vector<char> reduced(static_cast<std::size_t>(in.rank()));
    for (const int axis : a.axes) {
        reduced[static_cast<std::size_t>(axis_of(axis, in))] = 1;
    }
    std::vector<int> left;
    for (int i = 0; i < in.rank(); ++i) {
        if (reduced[static_cast<std::size_t>(i)] == 0) {
            left.push_back(in[i]);
        } else if (a.keep) {
            left.push_back(1);
        }
    }
    if (left.empty()) {
        left.push_back(1);
    }
    return {left, in.element};
}

TensorShape arg_output(const Attributes& a, Shapes inputs) {
    TensorShape out = reduce_output(a, inputs);
    out.element = Element::int64;
    return out;
}

std::vector<TensorShape> top_k_results(const Attributes& a, Shapes inputs) {
    TensorShape values = inputs[0];
    const int axis = axis_of(a.axis, values);
    if (a.k > values[axis]) {
        misfit("there are no {} largest of {}", a.k, values[axis]);
    }
    values.set(axis, a.k);
    TensorShape indices = values;
    indices.element = Element::int64;
    return {values, indices};
}

// ---- Sequences. -----------------------------------------------------------------------------

TensorShape embedding_output(const Attributes& a, Shapes inputs) {
    std::vector<int> sides(inputs[0].dimensions().begin(), inputs[0].dimensions().end());
    sides.push_back(a.out_channels);
    if (sides.size() > TensorShape::kMostDimensions) {
        misfit("its output would have {} dimensions", sides.size());
    }
    checked_weights(a.vocabulary, a.out_channels);
    return {sides, a.weights};
}

Work embedding_work(const Attributes& a, Shapes inputs, Shapes results) {
    Work work = data_movement(a, inputs, results);
    work.bytes_read += bytes_of(results);
    work.weights = std::int64_t{a.vocabulary} * a.out_channels;
    work.weight_bytes = weight_bytes(a.weights, a.vocabulary, a.out_channels);
    return work;
}

// Gates of a cell: input, forget, cell, output; reset, update, new; one.
template <int kGates>
std::vector<TensorShape> recurrent_results(const Attributes& a, Shapes inputs) {
    const TensorShape& in = inputs[0];
    checked_weights(std::int64_t{kGates} * a.directions * a.hidden,
                    std::int64_t{in.channels()} + a.hidden);
    TensorShape out = in;
    out.set_channels(narrowed(std::int64_t{a.directions} * a.hidden));
    const int last[] = {a.directions, a.hidden};
    std::vector<TensorShape> results{out, {last, in.element}};
    if (kGates == 4) {
        results.emplace_back(last, in.element);
    }
    return results;
}

template <int kGates>
Work recurrent_work(const Attributes& a, Shapes inputs, Shapes results) {
    const TensorShape& in = inputs[0];
    const std::int64_t rows = std::int64_t{kGates} * a.directions * a.hidden;
    Work work = weighted(a, inputs, results, rows, std::int64_t{in.channels()} + a.hidden);
    work.macs = in.elements() / in.channels() * work.weights;
    return work;
}

// Queries, keys and values as [length, channels]; the heads divide the channels.
TensorShape attention_output(const Attributes& a, Shapes inputs) {
    for (const TensorShape& in : inputs) {
        expect_rank(in, 2, "length, channels");
        if (in.channels() % a.heads != 0) {
            misfit("{} channels do not divide into {} heads", in.channels(), a.heads);
        }
    }
    if (inputs[0].channels() != inputs[1].channels() || inputs[1][0] != inputs[2][0]) {
        misfit("queries of {}, keys of {} and values of {} do not fit together",
               to_string(inputs[0]),
               to_string(inputs[1]),
               to_string(inputs[2]));
    }
    TensorShape out = inputs[0];
    out.set_channels(inputs[2].channels());
    return out;
}

Work attention_work(const Attributes& a, Shapes inputs, Shapes results) {
    Work work = data_movement(a, inputs, results);
    work.macs = std::int64_t{inputs[0][0]} * inputs[1][0] *
                (std::int64_t{inputs[0].channels()} + inputs[2].channels());
    return work;
}

// ---- What the network holds. ------------------------------------------------------------------

std::vector<TensorShape> constant_results(const Attributes& a, Shapes) {
    return {{a.shape, *a.out}};
}

Work no_work(const Attributes&, Shapes, Shapes) { return {}; }

// ---- Whatever has no row. -------------------------------------------------------------------

std::vector<TensorShape> opaque_results(const Attributes& a, Shapes) { return a.results; }

Work opaque_work(const Attributes& a, Shapes inputs, Shapes results) {
    Work work = data_movement(a, inputs, results);
    work.macs = a.macs;
    work.weight_bytes = a.weight_bytes;
    return work;
}

// ---- The table. -----------------------------------------------------------------------------

using Keys = std::vector<std::string_view>;
using OneResult = TensorShape (*)(const Attributes&, Shapes);

// Of an operation with one result, in the element that the layer asks for.
template <OneResult kOutput>
std::vector<TensorShape> one(const Attributes& a, Shapes inputs) {
    TensorShape out = kOutput(a, inputs);
    out.element = a.out.value_or(out.element);
    return {out};
}

Keys operator+(Keys a, std::initializer_list<std::string_view> b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

using Rows = std::vector<Operation>;

template <int kSides>
void add_windowed(Rows& rows, std::string_view conv, std::string_view transposed) {
    const Keys window = {"weights", "out_channels", "kernel", "stride", "padding"};
    const Keys required = {"weights", "out_channels", "kernel"};
    rows.push_back({.name = conv,
                    .attributes = window +
                                  std::initializer_list<std::string_view>{
                                      "pad_value", "dilation", "groups", "out"},
                    .required = required,
                    .sides = kSides,
                    .results = one<conv_output<kSides>>,
                    .work = conv_work});
    rows.push_back({.name = transposed,
                    .attributes = window +
                                  std::initializer_list<std::string_view>{
                                      "output_padding", "dilation", "groups", "out"},
                    .required = required,
                    .sides = kSides,
                    .results = one<conv_transpose_output<kSides>>,
                    .work = conv_transpose_work});
}

template <int kSides>
void add_pools(Rows& rows, std::string_view largest, std::string_view average) {
    const Keys window = {"kernel", "stride", "padding", "dilation", "ceil"};
    rows.push_back({.name = largest,
                    .attributes = window,
                    .required = {"kernel", "stride"},
                    .sides = kSides,
                    .results = one<max_pool_output<kSides>>,
                    .work = data_movement});
    rows.push_back({.name = average,
                    .attributes = window + std::initializer_list<std::string_view>{"count_padding"},
                    .required = {"kernel", "stride"},
                    .sides = kSides,
                    .results = one<average_pool_output<kSides>>,
                    .work = data_movement});
}

void add_products(Rows& rows) {
    add_windowed<2>(rows, "conv2d", "conv_transpose2d");
    rows.push_back(
        {.name = "depthwise_conv2d",
         .attributes = {"weights", "kernel", "stride", "padding", "pad_value", "dilation", "out"},
         .required = {"weights", "kernel"},
         .sides = 2,
         .results = one<depthwise_output>,
         .work = depthwise_work});
    add_windowed<1>(rows, "conv1d", "conv_transpose1d");
    add_windowed<3>(rows, "conv3d", "conv_transpose3d");
    rows.push_back({.name = "linear",
                    .attributes = {"weights", "out_channels", "out"},
                    .required = {"weights", "out_channels"},
                    .takes_whole = true,
                    .results = one<linear_output>,
                    .work = linear_work});
    rows.push_back({.name = "matmul",
                    .attributes = {"weights", "out_channels", "transpose_a", "transpose_b", "out"},
                    .max_inputs = 2,
                    .results = one<matmul_output>,
                    .work = matmul_work});
    rows.push_back({.name = "attention",
                    .attributes = {"heads"},
                    .required = {"heads"},
                    .min_inputs = 3,
                    .max_inputs = 3,
                    .results = one<attention_output>,
                    .work = attention_work});
    rows.push_back({.name = "embedding",
                    .attributes = {"vocabulary", "out_channels", "weights"},
                    .required = {"vocabulary", "out_channels"},
                    .results = one<embedding_output>,
                    .work = embedding_work});
    const Keys recurrent = {"hidden", "directions", "weights"};
    rows.push_back({.name = "lstm",
                    .attributes = recurrent,
                    .required = {"hidden"},
                    .max_inputs = 3,  // and the states that it begins with
                    .results = recurrent_results<4>,
                    .work = recurrent_work<4>});
    rows.push_back({.name = "gru",
                    .attributes = recurrent,
                    .required = {"hidden"},
                    .max_inputs = 2,
                    .results = recurrent_results<3>,
                    .work = recurrent_work<3>});
    rows.push_back({.name = "rnn",
                    .attributes = recurrent,
                    .required = {"hidden"},
                    .max_inputs = 2,
                    .results = recurrent_results<1>,
                    .work = recurrent_work<1>});
}

void add_elementwise(Rows& rows) {
    rows.push_back({.name = "threshold", .results = one<threshold_output>, .work = threshold_work});
    for (const std::string_view name :
         {"relu",     "leaky_relu",   "prelu",      "elu",           "selu",       "celu",
          "sigmoid",  "hard_sigmoid", "hard_swish", "silu",          "gelu",       "tanh",
          "softplus", "softsign",     "mish",       "erf",           "exp",        "log",
          "sqrt",     "reciprocal",   "abs",        "negative",      "floor",      "ceil",
          "round",    "sign",         "sin",        "cos",           "not",        "identity",
          "clip",     "dropout",      "batch_norm", "instance_norm", "layer_norm", "rms_norm",
          "lrn"}) {
        rows.push_back({.name = name,
                        .attributes = {"out"},
                        .results = one<same_output>,
                        .work = data_movement});
    }
    for (const std::string_view name : {"softmax", "log_softmax"}) {
        rows.push_back({.name = name,
                        .attributes = {"axis"},
                        .results = one<softmax_output>,
                        .work = data_movement});
    }
    rows.push_back({.name = "cumulative_sum",
                    .attributes = {"axis"},
                    .results = one<axis_output>,
                    .work = data_movement});
    rows.push_back({.name = "group_norm",
                    .attributes = {"groups"},
                    .required = {"groups"},
                    .results = one<groups_output>,
                    .work = data_movement});
    for (const std::string_view name : {"convert", "quantize", "dequantize"}) {
        rows.push_back({.name = name,
                        .attributes = {"out"},
                        .required = {"out"},
                        .results = one<convert_output>,
                        .work = data_movement});
    }
    rows.push_back({.name = "add",
                    .attributes = {"constant", "out"},
                    .max_inputs = kAnyNumber,
                    .results = one<add_output>,
                    .work = data_movement});
    for (const std::string_view name :
         {"subtract", "multiply", "divide", "power", "minimum", "maximum", "modulo"}) {
        rows.push_back({.name = name,
                        .attributes = {"constant", "out"},
                        .max_inputs = 2,
                        .results = one<combined>,
                        .work = data_movement});
    }
    for (const std::string_view name :
         {"equal", "less", "greater", "less_equal", "greater_equal", "and", "or", "xor"}) {
        rows.push_back({.name = name,
                        .attributes = {"constant"},
                        .max_inputs = 2,
                        .results = one<bool_output>,
                        .work = data_movement});
    }
    rows.push_back({.name = "where",
                    .attributes = {"constant", "out"},
                    .max_inputs = 3,
                    .results = one<where_output>,
                    .work = data_movement});
}

void add_shapes(Rows& rows) {
    add_pools<2>(rows, "max_pool2d", "average_pool2d");
    add_pools<1>(rows, "max_pool1d", "average_pool1d");
    add_pools<3>(rows, "max_pool3d", "average_pool3d");
    const auto add = [&](std::string_view name,
                         std::string_view attribute,
                         std::vector<TensorShape> (*results)(const Attributes&, Shapes),
                         int most = 1) {
        const Keys keys = attribute.empty() ? Keys{} : Keys{attribute};
        rows.push_back({.name = name,
                        .attributes = keys,
                        .required = keys,
                        .max_inputs = most,
                        .results = results,
                        .work = data_movement});
    };
    add("global_average_pool", "", one<global_pool_output>);
    add("global_max_pool", "", one<global_pool_output>);
    add("reshape", "shape", one<reshape_output>);
    add("slice", "shape", one<slice_output>);
    add("pad", "shape", one<pad_output>);
    add("expand", "shape", one<pad_output>);
    add("tile", "shape", one<pad_output>);
    add("gather", "shape", one<stated_output>, 3);
    add("scatter", "shape", one<stated_output>, 3);
    add("transpose", "permutation", one<transpose_output>);
    add("flatten", "", one<flatten_output>);
    add("channel_shuffle", "groups", one<groups_output>);
    add("depth_to_space", "block", one<depth_to_space_output>);
    add("space_to_depth", "block", one<space_to_depth_output>);
    add("upsample", "scale", one<upsample_output>);
    add("resize", "size", one<resize_output>);
    rows.push_back({.name = "concat",
                    .attributes = {"axis"},
                    .min_inputs = 2,
                    .max_inputs = kAnyNumber,
                    .results = one<concat_output>,
                    .work = data_movement});
    rows.push_back({.name = "split",
                    .attributes = {"out_channels", "first_channel", "axis", "sizes"},
                    .results = split_results,
                    .work = split_work});
    for (const std::string_view name :
         {"reduce_mean", "reduce_sum", "reduce_max", "reduce_min", "reduce_product", "reduce_l2"}) {
        rows.push_back({.name = name,
                        .attributes = {"axes", "keep"},
                        .required = {"axes"},
                        .results = one<reduce_output>,
                        .work = data_movement});
    }
    for (const std::string_view name : {"arg_max", "arg_min"}) {
        rows.push_back({.name = name,
                        .attributes = {"axes", "keep"},
                        .required = {"axes"},
                        .results = one<arg_output>,
                        .work = data_movement});
    }
    rows.push_back({.name = "top_k",
                    .attributes = {"k", "axis"},
                    .required = {"k"},
                    .results = top_k_results,
                    .work = data_movement});
    rows.push_back({.name = "constant",
                    .attributes = {"shape", "type"},
                    .required = {"shape", "type"},
                    .min_inputs = 0,
                    .max_inputs = 0,
                    .is_held = true,
                    .results = constant_results,
                    .work = no_work});
    rows.push_back(
        {.name = "opaque",
         .attributes = {"kind", "shape", "type", "shapes", "types", "macs", "weight_bytes"},
         .required = {"kind"},
         .min_inputs = 0,
         .max_inputs = kAnyNumber,
         .results = opaque_results,
         .work = opaque_work});
}

const Rows& table() {
    static const Rows kRows = [] {
        Rows rows;
        add_products(rows);
        add_elementwise(rows);
        add_shapes(rows);
        return rows;
    }();
    return kRows;
}

}  // namespace

bool Operation::has(std::string_view attribute) const {
    return std::ranges::find(attributes, attribute) != attributes.end();
}

std::span<const Operation> operations() { return table(); }

const Operation* find_operation(std::string_view name) {
    const auto found = std::ranges::find(table(), name, &Operation::name);
    return found == table().end() ? nullptr : &*found;
}

const Operation& further_result() {
    static const Operation kFurther{.name = "result", .results = one<same_output>, .work = no_work};
    return kFurther;
}

std::vector<TensorShape> results_of(const Operation& operation,
                                    Attributes& attributes,
                                    Shapes inputs) {
    if (attributes.pads_to_same) {
        for (int i = 0; i < operation.sides; ++i) {
            const auto side = static_cast<std::size_t>(3 - operation.sides + i);
            const int dimension = inputs[0].rank() - 1 - operation.sides + i;
            const int size = dimension < 0 ? 1 : inputs[0][dimension];
            const std::int64_t count = divide_up(size, attributes.stride[side]);
            const std::int64_t padding = std::max<std::int64_t>(
                0, (count - 1) * attributes.stride[side] + reach_of(attributes, side) - size);
            attributes.pad_begin[side] = static_cast<int>(padding / 2);
            attributes.pad_end[side] = static_cast<int>(padding - padding / 2);
        }
    }
    std::vector<TensorShape> results = operation.results(attributes, inputs);
    std::ranges::for_each(results, [](const TensorShape& shape) { checked(shape); });
    return results;
}

}  // namespace sim
