#include "sim/import/operations.hpp"

#include "sim/checked.hpp"
#include "sim/import/folding.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

namespace sim::onnx {
namespace {

using Values = std::vector<Value>;
constexpr std::int64_t kLargestWindow = std::int64_t{1} << 30;

void expect(bool holds, const std::string& what) {
    if (!holds) {
        refuse(what);
    }
}

Value tensor(Type type, Dims dims) {
    Value value;
    value.type = type;
    value.dims = std::move(dims);
    return value;
}

std::int64_t size_of(const Dims& dims) { return static_cast<std::int64_t>(dims.size()); }

std::size_t results_of(const Call& call) { return call.node.outputs.size(); }

Type type_named(std::int64_t number) {
    expect(number > 0 && number < kTypes, fmt::format("there is no element type {}", number));
    return static_cast<Type>(number);
}

// ---- the rows' functions ------------------------------------------------------------------------

// One result like the first input.
Values same(const Call& call) { return {tensor(call.input(0).type, call.input(0).dims)}; }

Values same_to_bool(const Call& call) { return {tensor(Type::boolean, call.input(0).dims)}; }

Dims broadcast_inputs(const Call& call) {
    // Before opset 7 the second operand's place was an attribute, and the first gave the shape.
    if (call.integer("broadcast", 0) != 0) {
        return call.input(0).dims;
    }
    std::vector<Dims> all;
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        all.push_back(call.input(i).dims);
    }
    expect(!all.empty(), "it has no inputs");
    return broadcast(all);
}

Values elementwise(const Call& call) {
    return {tensor(call.input(0).type, broadcast_inputs(call))};
}

Values comparison(const Call& call) { return {tensor(Type::boolean, broadcast_inputs(call))}; }

Values where(const Call& call) {
    const Type yes = call.input(1).type, no = call.input(2).type;
    expect(yes == no || yes == Type::undefined || no == Type::undefined,
           "what it chooses from has elements of two types");
    return {tensor(yes, broadcast_inputs(call))};
}

Values prelu(const Call& call) { return same(call); }

Values dropout(const Call& call) {
    Values results = same(call);
    if (results_of(call) > 1) {
        results.push_back(tensor(Type::boolean, call.input(0).dims));
    }
    return results;
}

Values cast(const Call& call) {
    const std::int64_t to = call.integer("to", 0);
    return {tensor(type_named(to), call.input(0).dims)};
}

Values cast_like(const Call& call) { return {tensor(call.input(1).type, call.input(0).dims)}; }

Values quantize(const Call& call) {
    Type type = Type::u8;
    if (const std::int64_t given = call.integer("output_dtype", 0); given != 0) {
        type = type_named(given);
    } else if (call.has(2)) {
        type = call.input(2).type;
    }
    return {tensor(type, call.input(0).dims)};
}

Values dequantize(const Call& call) {
    const std::int64_t given = call.integer("output_dtype", 0);
    return {tensor(given != 0 ? type_named(given) : call.input(1).type, call.input(0).dims)};
}

Values dynamic_quantize(const Call& call) {
    return {tensor(Type::u8, call.input(0).dims), tensor(Type::f32, {}), tensor(Type::u8, {})};
}

// The spatial sides of what a window makes.
Dims windowed(const Dims& input, const Window& window, bool last_starts_inside) {
    Dims sides;
    for (std::size_t i = 0; i < window.kernel.size(); ++i) {
        const std::int64_t reach =
            checked_sum(checked_product(window.kernel[i] - 1, window.dilation[i]), 1);
        const std::int64_t padded =
            checked_sum(input[i + 2], checked_sum(window.pad_begin[i], window.pad_end[i]));
        const std::int64_t stride = window.stride[i];
        std::int64_t room = padded - reach + (window.ceil ? stride - 1 : 0);
        // As ONNX Runtime has it: one pool, if the next would begin beyond what is missing.
        if (last_starts_inside && room < 0 && -room < stride) {
            room = 0;
        }
        expect(
            room >= 0,
            fmt::format("its window of {} is larger than its padded input of {}", reach, padded));
        std::int64_t side = room / stride + 1;
        // The last window begins in the input or in the padding before it.
        if (window.ceil && last_starts_inside &&
            (side - 1) * stride >= input[i + 2] + window.pad_begin[i]) {
            --side;
        }
        sides.push_back(side);
    }
    return sides;
}

Dims joined(std::int64_t batch, std::int64_t channels, const Dims& sides) {
    Dims dims{batch, channels};
    dims.insert(dims.end(), sides.begin(), sides.end());
    return dims;
}

Dims convolved(const Call& call, const Value& input, const Value& weights) {
    expect(input.dims.size() >= 3 && weights.dims.size() == input.dims.size(),
           fmt::format("its input {} and weights {} do not fit together",
                       to_string(input.dims),
                       to_string(weights.dims)));
    const std::int64_t groups = call.integer("group", 1);
    expect(groups > 0 && checked_product(weights.dims[1], groups) == input.dims[1] &&
               weights.dims[0] % groups == 0,
           fmt::format("its input {} and weights {} do not fit together in {} groups",
                       to_string(input.dims),
                       to_string(weights.dims),
                       groups));
    Dims kernel = kernel_of(call);
    return joined(
        input.dims[0], weights.dims[0], windowed(input.dims, window_of(call, kernel), false));
}

Values convolution(const Call& call) {
    return {tensor(call.input(0).type, convolved(call, call.input(0), call.input(1)))};
}

Values convolution_to_int32(const Call& call) {
    return {tensor(Type::int32, convolved(call, call.input(0), call.input(1)))};
}

Values quantized_convolution(const Call& call) {
    return {tensor(call.input(7).type, convolved(call, call.input(0), call.input(3)))};
}

Values transposed_convolution(const Call& call) {
    const Dims& input = call.input(0).dims;
    const Dims& weights = call.input(1).dims;
    expect(input.size() >= 3 && weights.size() == input.size() && weights[0] == input[1],
           fmt::format("its input {} and weights {} do not fit together",
                       to_string(input),
                       to_string(weights)));
    const Window window = window_of(call, kernel_of(call));
    const Dims shape = call.integers("output_shape");
    const Dims more = call.integers("output_padding");
    const std::string automatic = call.text("auto_pad", "NOTSET");
    Dims sides;
    for (std::size_t i = 0; i < window.kernel.size(); ++i) {
        const std::int64_t reach =
            checked_sum(checked_product(window.kernel[i] - 1, window.dilation[i]), 1);
        if (!shape.empty()) {
            expect(shape.size() >= window.kernel.size(), "output_shape has too few sides");
            sides.push_back(shape[shape.size() - window.kernel.size() + i]);
        } else if (automatic.starts_with("SAME")) {
            sides.push_back(checked_product(input[i + 2], window.stride[i]));
        } else {
            const std::int64_t whole =
                checked_sum(checked_sum(checked_product(input[i + 2] - 1, window.stride[i]), reach),
                            i < more.size() ? more[i] : 0);
            sides.push_back(
                checked_sum(whole, -checked_sum(window.pad_begin[i], window.pad_end[i])));
        }
    }
    return {tensor(call.input(0).type,
                   joined(input[0], checked_product(weights[1], call.integer("group", 1)), sides))};
}

Values pool(const Call& call) {
    const Dims& input = call.input(0).dims;
    const Dims kernel = call.integers("kernel_shape");
    expect(
        !kernel.empty() && input.size() == kernel.size() + 2,
        fmt::format(
            "its kernel_shape {} does not fit its input {}", to_string(kernel), to_string(input)));
    const Dims dims = joined(input[0], input[1], windowed(input, window_of(call, kernel), true));
    Values results{tensor(call.input(0).type, dims)};
    if (results_of(call) > 1) {
        results.push_back(tensor(Type::int64, dims));
    }
    return results;
}

Values global_pool(const Call& call) {
    const Dims& input = call.input(0).dims;
    expect(input.size() >= 2, fmt::format("expected an image, got {}", to_string(input)));
    return {tensor(call.input(0).type, joined(input[0], input[1], Dims(input.size() - 2, 1)))};
}

Values unpool(const Call& call) {
    if (call.has(2)) {
        return {tensor(call.input(0).type, call.constant_integers(2))};
    }
    const Dims& input = call.input(0).dims;
    const Dims kernel = call.integers("kernel_shape");
    expect(!kernel.empty() && input.size() == kernel.size() + 2, "its kernel does not fit");
    const Window window = window_of(call, kernel);
    Dims sides;
    for (std::size_t i = 0; i < kernel.size(); ++i) {
        const std::int64_t reach =
            checked_sum(checked_product(input[i + 2] - 1, window.stride[i]), kernel[i]);
        sides.push_back(checked_sum(reach, -(window.pad_begin[i] + window.pad_end[i])));
    }
    return {tensor(call.input(0).type, joined(input[0], input[1], sides))};
}

Values batch_normalization(const Call& call) {
    Values results = same(call);
    const Dims channels{call.rank(0) > 1 ? call.input(0).dims[1] : 1};
    for (std::size_t i = 1; i < results_of(call); ++i) {
        results.push_back(tensor(call.input(0).type, channels));
    }
    return results;
}

Values layer_normalization(const Call& call) {
    Values results = same(call);
    const std::int64_t rank = call.rank(0);
    const std::int64_t axis = call.axis("axis", -1, rank);
    Dims kept = call.input(0).dims;
    std::fill(kept.begin() + axis, kept.end(), 1);
    for (std::size_t i = 1; i < results_of(call); ++i) {
        results.push_back(tensor(Type::f32, kept));
    }
    return results;
}

Dims product_of(Dims a, Dims b) {
    expect(!a.empty() && !b.empty(), "a scalar has no matrix product");
    const bool row = a.size() == 1, column = b.size() == 1;
    if (row) {
        a.insert(a.begin(), 1);
    }
    if (column) {
        b.push_back(1);
    }
    expect(a.back() == b[b.size() - 2],
           fmt::format("{} and {} have no matrix product", to_string(a), to_string(b)));
    const std::array<Dims, 2> outer{Dims{a.begin(), a.end() - 2}, Dims{b.begin(), b.end() - 2}};
    Dims dims = broadcast(outer);
    if (!row) {
        dims.push_back(a[a.size() - 2]);
    }
    if (!column) {
        dims.push_back(b.back());
    }
    return dims;
}

Values matrix_product(const Call& call) {
    return {tensor(call.input(0).type, product_of(call.input(0).dims, call.input(1).dims))};
}

Values matrix_product_to_int32(const Call& call) {
    return {tensor(Type::int32, product_of(call.input(0).dims, call.input(1).dims))};
}

Values quantized_matrix_product(const Call& call) {
    return {tensor(call.input(7).type, product_of(call.input(0).dims, call.input(3).dims))};
}

Values fused_matrix_product(const Call& call) {
    Dims a = call.input(0).dims, b = call.input(1).dims;
    const auto turn = [&](Dims& dims, std::string_view name) {
        if (call.integer(name, 0) != 0 && dims.size() > 1) {
            std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
        }
    };
    turn(a, "transA");
    turn(b, "transB");
    return {tensor(call.input(0).type, product_of(a, b))};
}

Values gemm(const Call& call) {
    Dims a = call.input(0).dims, b = call.input(1).dims;
    expect(a.size() == 2 && b.size() == 2,
           fmt::format("expected two matrices, got {} and {}", to_string(a), to_string(b)));
    if (call.integer("transA", 0) != 0) {
        std::swap(a[0], a[1]);
    }
    if (call.integer("transB", 0) != 0) {
        std::swap(b[0], b[1]);
    }
    return {tensor(call.input(0).type, product_of(a, b))};
}

// "bij,bjk->bik": every letter is a side; "..." stands for those that have none.
Values einsum(const Call& call) {
    std::string equation = call.text("equation", "");
    std::erase(equation, ' ');
    const std::size_t arrow = equation.find("->");
    std::map<char, std::int64_t> sides;
    std::vector<Dims> rest;
    std::map<char, int> seen;
    const auto letters_of = [&](const std::string& term, const Dims& dims) {
        const std::size_t dots = term.find("...");
        const std::size_t letters = term.size() - (dots == std::string::npos ? 0 : 3);
        expect(dots == std::string::npos ? letters == dims.size() : letters <= dims.size(),
               fmt::format("'{}' does not fit {}", printable(term), to_string(dims)));
        const std::size_t between = dims.size() - letters;
        std::size_t side = 0;
        for (std::size_t i = 0; i < term.size();) {
            if (i == dots) {
                rest.emplace_back(dims.begin() + static_cast<std::ptrdiff_t>(side),
                                  dims.begin() + static_cast<std::ptrdiff_t>(side + between));
                side += between;
                i += 3;
                continue;
            }
            std::int64_t& size = sides.try_emplace(term[i], 1).first->second;
            expect(size == 1 || dims[side] == 1 || size == dims[side],
                   fmt::format("'{}' is {} and {}", term[i], size, dims[side]));
            size = std::max(size, dims[side]);
            ++seen[term[i]];
            ++side;
            ++i;
        }
    };
    std::string left = equation.substr(0, arrow);
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        const std::size_t comma = left.find(',');
        letters_of(left.substr(0, comma), call.input(i).dims);
        left = comma == std::string::npos ? "" : left.substr(comma + 1);
    }
    Dims dims;
    const Dims outer = rest.empty() ? Dims{} : broadcast(rest);
    std::string result;
    if (arrow != std::string::npos) {
        result = equation.substr(arrow + 2);
    } else {
        result = rest.empty() ? "" : "...";
        for (const auto& [letter, times] : seen) {
            if (times == 1) {
                result.push_back(letter);
            }
        }
    }
    for (std::size_t i = 0; i < result.size();) {
        if (result.compare(i, 3, "...") == 0) {
            dims.insert(dims.end(), outer.begin(), outer.end());
            i += 3;
            continue;
        }
        const auto side = sides.find(result[i]);
        expect(side != sides.end(), fmt::format("'{}' is in no input", result[i]));
        dims.push_back(side->second);
        ++i;
    }
    return {tensor(call.input(0).type, dims)};
}

// ---- movements ----------------------------------------------------------------------------------

Values reshape(const Call& call) {
    const Dims& from = call.input(0).dims;
    Dims to = call.has_attribute("shape") ? call.integers("shape") : call.constant_integers(1);
    const bool zero_is_zero = call.integer("allowzero", 0) != 0;
    std::int64_t known = 1;
    std::optional<std::size_t> open;
    for (std::size_t i = 0; i < to.size(); ++i) {
        if (to[i] == 0 && !zero_is_zero) {
            expect(i < from.size(), "its shape copies a side that its input does not have");
            to[i] = from[i];
        }
        if (to[i] == -1) {
            expect(!open, "its shape leaves two sides open");
            open = i;
        } else {
            known = checked_product(known, to[i]);
        }
    }
    const std::int64_t elements = elements_of(from);
    if (open) {
        expect(known > 0 && elements % known == 0,
               fmt::format("{} cannot become {}", to_string(from), to_string(to)));
        to[*open] = elements / known;
    }
    expect(elements_of(to) == elements,
           fmt::format("{} cannot become {}", to_string(from), to_string(to)));
    return {tensor(call.input(0).type, to)};
}

Values flatten(const Call& call) {
    const Dims& from = call.input(0).dims;
    std::int64_t axis = call.integer("axis", 1);
    axis = axis < 0 ? axis + size_of(from) : axis;
    expect(axis >= 0 && axis <= size_of(from), "its axis is outside its input");
    return {tensor(call.input(0).type,
                   {elements_of({from.begin(), from.begin() + axis}),
                    elements_of({from.begin() + axis, from.end()})})};
}

Values squeeze(const Call& call) {
    const Dims& from = call.input(0).dims;
    const auto given = call.integers_of("axes", 1);
    std::vector<bool> goes(from.size(), false);
    if (given) {
        for (const std::int64_t axis : *given) {
            const std::size_t i = at(axis_of(axis, size_of(from)));
            expect(from[i] == 1, fmt::format("side {} of {} is not 1", axis, to_string(from)));
            goes[i] = true;
        }
    }
    Dims to;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (given ? !goes[i] : from[i] != 1) {
            to.push_back(from[i]);
        }
    }
    return {tensor(call.input(0).type, to)};
}

Values unsqueeze(const Call& call) {
    const Dims& from = call.input(0).dims;
    const auto given = call.integers_of("axes", 1);
    expect(given.has_value(), "it has no axes");
    const std::size_t rank = from.size() + given->size();
    expect(rank <= kMostRank, "its result has too many sides");
    std::vector<bool> is_new(rank, false);
    for (const std::int64_t axis : *given) {
        const std::size_t i = at(axis_of(axis, static_cast<std::int64_t>(rank)));
        expect(!is_new[i], fmt::format("its axes name {} twice", axis));
        is_new[i] = true;
    }
    Dims to;
    auto next = from.begin();
    for (std::size_t i = 0; i < rank; ++i) {
        to.push_back(is_new[i] ? 1 : *next++);
    }
    return {tensor(call.input(0).type, to)};
}

Values transpose(const Call& call) {
    Dims to;
    for (const std::int64_t from : permutation_of(call)) {
        to.push_back(call.input(0).dims[at(from)]);
    }
    return {tensor(call.input(0).type, to)};
}

Values expand(const Call& call) {
    const std::array<Dims, 2> both{call.input(0).dims, call.constant_integers(1)};
    return {tensor(call.input(0).type, broadcast(both))};
}

Values tile(const Call& call) {
    Dims dims = call.input(0).dims;
    const Dims repeats = call.constant_integers(1);
    expect(repeats.size() == dims.size(), "its repeats do not fit its input");
    for (std::size_t i = 0; i < dims.size(); ++i) {
        expect(repeats[i] >= 0, "a number of repeats is negative");
        dims[i] = checked_product(dims[i], repeats[i]);
    }
    return {tensor(call.input(0).type, dims)};
}

Values pad(const Call& call) {
    Dims dims = call.input(0).dims;
    const auto pads =
        call.has_attribute("paddings") ? call.integers("paddings") : call.integers_of("pads", 1);
    expect(pads.has_value(), "it has no pads");
    Dims axes(dims.size());
    std::iota(axes.begin(), axes.end(), 0);
    if (call.has(3)) {
        axes = call.constant_integers(3);
    }
    expect(pads->size() == 2 * axes.size(), "its pads do not fit its input");
    for (std::size_t i = 0; i < axes.size(); ++i) {
        std::int64_t& side = dims[at(axis_of(axes[i], size_of(dims)))];
        side = checked_sum(side, checked_sum((*pads)[i], (*pads)[axes.size() + i]));
        expect(side >= 0, "it takes away more than there is");
    }
    return {tensor(call.input(0).type, dims)};
}

Values slice(const Call& call) { return {tensor(call.input(0).type, cut_of(call).size)}; }

Values concat(const Call& call) {
    Dims dims = call.input(0).dims;
    const std::int64_t axis = call.axis("axis", 1, size_of(dims));
    for (std::size_t i = 1; i < call.inputs.size(); ++i) {
        const Dims& other = call.input(i).dims;
        bool fits = other.size() == dims.size();
        for (std::size_t side = 0; fits && side < dims.size(); ++side) {
            fits = side == at(axis) || other[side] == dims[side];
        }
        expect(
            fits,
            fmt::format(
                "{} does not continue {} along axis {}", to_string(other), to_string(dims), axis));
        dims[at(axis)] = checked_sum(dims[at(axis)], other[at(axis)]);
    }
    return {tensor(call.input(0).type, dims)};
}

Values split(const Call& call) {
    const Dims& from = call.input(0).dims;
    const std::int64_t axis = call.axis("axis", 0, size_of(from));
    Values results;
    for (const std::int64_t size : split_sizes(call, axis)) {
        Dims dims = from;
        dims[at(axis)] = size;
        results.push_back(tensor(call.input(0).type, dims));
    }
    return results;
}

Values gather(const Call& call) {
    const Dims& from = call.input(0).dims;
    const Dims& indices = call.input(1).dims;
    const std::int64_t axis = call.axis("axis", 0, size_of(from));
    Dims dims{from.begin(), from.begin() + axis};
    dims.insert(dims.end(), indices.begin(), indices.end());
    dims.insert(dims.end(), from.begin() + axis + 1, from.end());
    return {tensor(call.input(0).type, dims)};
}

Values gather_elements(const Call& call) {
    return {tensor(call.input(0).type, call.input(1).dims)};
}

Values gather_nd(const Call& call) {
    const Dims& from = call.input(0).dims;
    const Dims& indices = call.input(1).dims;
    const std::int64_t batch = call.integer("batch_dims", 0);
    expect(!indices.empty() && batch >= 0 && indices.back() >= 0 &&
               checked_sum(batch, indices.back()) <= size_of(from),
           "its indices do not fit its input");
    Dims dims{indices.begin(), indices.end() - 1};
    dims.insert(dims.end(), from.begin() + batch + indices.back(), from.end());
    return {tensor(call.input(0).type, dims)};
}

Values one_hot(const Call& call) {
    const Dims& indices = call.input(0).dims;
    const std::optional<Numbers> depth = numbers_of(call.input(1));
    if (!depth || depth->size() != 1) {
        throw Unknown{"its depth is no constant"};
    }
    Dims dims = indices;
    dims.insert(dims.begin() + call.axis("axis", -1, size_of(indices) + 1),
                whole_number(depth->number(0)));
    return {tensor(call.input(2).type, dims)};
}

Values constant(const Call& call) {
    for (const Attribute& attribute : call.node.attributes) {
        if (attribute.tensor) {
            return {tensor(attribute.tensor->type, attribute.tensor->dims)};
        }
    }
    if (call.has_attribute("value_int")) {
        return {tensor(Type::int64, {})};
    }
    if (call.has_attribute("value_float")) {
        return {tensor(Type::f32, {})};
    }
    if (call.has_attribute("value_string")) {
        return {tensor(Type::string, {})};
    }
    if (call.has_attribute("value_ints")) {
        return {tensor(Type::int64, {size_of(call.integers("value_ints"))})};
    }
    if (const Attribute* const numbers = call.node.find("value_floats")) {
        return {tensor(Type::f32, {static_cast<std::int64_t>(numbers->numbers.size())})};
    }
    if (const Attribute* const texts = call.node.find("value_strings")) {
        return {tensor(Type::string, {static_cast<std::int64_t>(texts->texts.size())})};
    }
    throw Unknown{"it has no value that is known here"};
}

Values constant_of_shape(const Call& call) {
    const Attribute* const value = call.node.find("value");
    return {tensor(value != nullptr && value->tensor ? value->tensor->type : Type::f32,
                   call.constant_integers(0))};
}

Values shape(const Call& call) {
    const std::int64_t rank = call.rank(0);
    const auto bounded = [&](std::int64_t i) {
        return std::clamp<std::int64_t>(i < 0 ? i + rank : i, 0, rank);
    };
    const std::int64_t begin = bounded(call.integer("start", 0));
    const std::int64_t end = bounded(call.integer("end", rank));
    return {tensor(Type::int64, {std::max<std::int64_t>(end - begin, 0)})};
}

Values size(const Call& call) {
    call.input(0);
    return {tensor(Type::int64, {})};
}

Values range(const Call& call) {
    const auto number = [&](std::size_t i) {
        const std::optional<Numbers> numbers = numbers_of(call.input(i));
        if (!numbers || numbers->size() != 1) {
            throw Unknown{"its bounds are no constants"};
        }
        return numbers->number(0);
    };
    const double step = number(2);
    expect(step != 0, "its step is zero");
    const double count = std::ceil((number(1) - number(0)) / step);
    expect(count < 1e9, "it has too many elements");
    return {tensor(call.input(0).type, {std::max<std::int64_t>(whole_number(count), 0)})};
}

Values like(const Call& call) {
    const std::int64_t type = call.integer("dtype", 0);
    return {tensor(type != 0 ? type_named(type) : call.input(0).type, call.input(0).dims)};
}

Values random(const Call& call) {
    return {tensor(type_named(call.integer("dtype", 1)), call.integers("shape"))};
}

Values window_function(const Call& call) {
    const Dims size = call.constant_integers(0);
    expect(size.size() == 1, "its size is no number");
    return {tensor(type_named(call.integer("output_datatype", 1)), size)};
}

Values resize(const Call& call) {
    const Dims& from = call.input(0).dims;
    // Opset 10 has (X, scales), 11 and later (X, roi, scales, sizes); Upsample an attribute or (X,
    // scales).
    const bool two = call.node.operation == "Upsample" || call.inputs.size() == 2;
    const std::size_t scales_at = two ? 1 : 2, sizes_at = 3;
    Dims axes = call.integers("axes");
    if (axes.empty()) {
        axes.resize(from.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    Dims dims = from;
    if (!two && call.has(sizes_at) && elements_of(call.input(sizes_at).dims) > 0) {
        const Dims sizes = call.constant_integers(sizes_at);
        expect(sizes.size() == axes.size(), "its sizes do not fit its input");
        const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
        double scale = policy == "not_larger" ? 1e300 : 0;
        for (std::size_t i = 0; i < axes.size(); ++i) {
            const std::int64_t side = from[at(axis_of(axes[i], size_of(from)))];
            const double own = static_cast<double>(sizes[i]) / static_cast<double>(side);
            scale = policy == "not_larger" ? std::min(scale, own) : std::max(scale, own);
        }
        for (std::size_t i = 0; i < axes.size(); ++i) {
            std::int64_t& side = dims[at(axis_of(axes[i], size_of(from)))];
            side = policy == "stretch"
                       ? sizes[i]
                       : whole_number(std::round(scale * static_cast<double>(side)));
        }
        return {tensor(call.input(0).type, dims)};
    }
    std::vector<double> scales;
    if (const Attribute* const attribute = call.node.find("scales")) {
        scales = attribute->numbers;
    } else if (call.has_attribute("height_scale")) {
        scales = {1, 1, call.number("height_scale", 1), call.number("width_scale", 1)};
    } else {
        const std::optional<Numbers> numbers = numbers_of(call.input(scales_at));
        if (!numbers) {
            throw Unknown{"its scales are no constant"};
        }
        for (std::size_t i = 0; i < numbers->size(); ++i) {
            scales.push_back(numbers->number(i));
        }
    }
    expect(scales.size() == axes.size(), "its scales do not fit its input");
    for (std::size_t i = 0; i < axes.size(); ++i) {
        expect(scales[i] > 0, "a scale is not above zero");
        std::int64_t& side = dims[at(axis_of(axes[i], size_of(from)))];
        // Scales are of single precision, and so is the product.
        const auto product = static_cast<float>(side) * static_cast<float>(scales[i]);
        side = whole_number(std::floor(static_cast<double>(product)));
    }
    return {tensor(call.input(0).type, dims)};
}

Values depth_to_space(const Call& call) {
    const Dims& from = call.input(0).dims;
    const std::int64_t block = call.integer("blocksize", 0);
    expect(from.size() == 4 && block > 0 && block < 1 << 15 && from[1] % (block * block) == 0,
           "its block does not fit its input");
    return {tensor(call.input(0).type,
                   {from[0],
                    from[1] / (block * block),
                    checked_product(from[2], block),
                    checked_product(from[3], block)})};
}

Values space_to_depth(const Call& call) {
    const Dims& from = call.input(0).dims;
    const std::int64_t block = call.integer("blocksize", 0);
    expect(from.size() == 4 && block > 0 && block < 1 << 15 && from[2] % block == 0 &&
               from[3] % block == 0,
           "its block does not fit its input");
    return {tensor(
        call.input(0).type,
        {from[0], checked_product(from[1], block * block), from[2] / block, from[3] / block})};
}

// ---- reductions
// ------------------------------------------------------------------------------------

Values reduce(const Call& call) {
    const Dims axes = reduced_axes(call);
    const bool keep = call.integer("keepdims", 1) != 0;
    Dims dims;
    for (std::int64_t i = 0; i < call.rank(0); ++i) {
        const bool goes = std::ranges::find(axes, i) != axes.end();
        if (!goes) {
            dims.push_back(call.input(0).dims[at(i)]);
        } else if (keep) {
            dims.push_back(1);
        }
    }
    return {tensor(call.input(0).type, dims)};
}

Values argument(const Call& call) {
    Dims dims = call.input(0).dims;
    const std::int64_t axis = call.axis("axis", 0, size_of(dims));
    if (call.integer("keepdims", 1) != 0) {
        dims[at(axis)] = 1;
    } else {
        dims.erase(dims.begin() + axis);
    }
    return {tensor(Type::int64, dims)};
}

Values top_k(const Call& call) {
    Dims dims = call.input(0).dims;
    const auto k = call.has_attribute("k") ? Dims{call.integer("k", 0)} : call.constant_integers(1);
    expect(k.size() == 1 && k[0] >= 0, "its k is no number");
    dims[at(call.axis("axis", -1, size_of(dims)))] = k[0];
    return {tensor(call.input(0).type, dims), tensor(Type::int64, dims)};
}

// ---- recurrent, attention
// --------------------------------------------------------------------------

Values recurrent(const Call& call) {
    const Dims& x = call.input(0).dims;
    const Dims& weights = call.input(1).dims;
    expect(x.size() == 3 && weights.size() == 3, "expected a sequence and weights of rank 3");
    const std::int64_t directions = weights[0];
    const std::int64_t hidden = call.integer("hidden_size", call.input(2).dims.at(2));
    const bool batch_first = call.integer("layout", 0) != 0;
    const Dims all =
        batch_first ? Dims{x[0], x[1], directions, hidden} : Dims{x[0], directions, x[1], hidden};
    const Dims last = batch_first ? Dims{x[0], directions, hidden} : Dims{directions, x[1], hidden};
    const Type type = call.input(0).type;
    Values results{tensor(type, all), tensor(type, last), tensor(type, last)};
    results.resize(call.node.operation == "LSTM" ? 3 : 2);
    return results;
}

Values attention(const Call& call) {
    const Dims& q = call.input(0).dims;
    const Dims& k = call.input(1).dims;
    const Dims& v = call.input(2).dims;
    expect(q.size() == k.size() && q.size() == v.size() && (q.size() == 3 || q.size() == 4),
           "its queries, keys and values do not fit together");
    const std::int64_t q_heads = q.size() == 4 ? q[1] : call.integer("q_num_heads", 0);
    const std::int64_t kv_heads = q.size() == 4 ? k[1] : call.integer("kv_num_heads", 0);
    expect(q_heads > 0 && kv_heads > 0, "its numbers of heads are missing");
    const std::int64_t k_head = q.size() == 4 ? k[3] : k[2] / kv_heads;
    const std::int64_t v_head = q.size() == 4 ? v[3] : v[2] / kv_heads;
    const std::int64_t past = call.has(4) ? call.input(4).dims.at(2) : 0;
    const std::int64_t length = (q.size() == 4 ? k[2] : k[1]) + past;
    const std::int64_t rows = q.size() == 4 ? q[2] : q[1];
    const Type type = call.input(0).type;
    Values results{tensor(type,
                          q.size() == 4 ? Dims{q[0], q_heads, rows, v_head}
                                        : Dims{q[0], rows, checked_product(q_heads, v_head)}),
                   tensor(type, {q[0], kv_heads, length, k_head}),
                   tensor(type, {q[0], kv_heads, length, v_head}),
                   tensor(type, {q[0], q_heads, rows, length})};
    results.resize(std::min(results.size(), results_of(call)));
    return results;
}

// ---- others
// ---------------------------------------------------------------------------------------

Values roi_align(const Call& call) {
    const Dims& x = call.input(0).dims;
    const Dims& rois = call.input(1).dims;
    expect(x.size() == 4 && rois.size() == 2, "expected an image and a list of regions");
    return {
        tensor(call.input(0).type,
               {rois[0], x[1], call.integer("output_height", 1), call.integer("output_width", 1)})};
}

Values max_roi_pool(const Call& call) {
    const Dims& x = call.input(0).dims;
    const Dims& rois = call.input(1).dims;
    const Dims shape = call.integers("pooled_shape");
    expect(x.size() == 4 && rois.size() == 2 && shape.size() == 2,
           "expected an image and a list of regions");
    return {tensor(call.input(0).type, {rois[0], x[1], shape[0], shape[1]})};
}

Values grid_sample(const Call& call) {
    const Dims& x = call.input(0).dims;
    const Dims& grid = call.input(1).dims;
    expect(x.size() >= 3 && grid.size() == x.size(), "its grid does not fit its input");
    return {tensor(call.input(0).type, joined(x[0], x[1], {grid.begin() + 1, grid.end() - 1}))};
}

Values affine_grid(const Call& call) {
    const Dims size = call.constant_integers(1);
    expect(size.size() == 4 || size.size() == 5, "its size has neither 4 nor 5 sides");
    Dims dims{size[0]};
    dims.insert(dims.end(), size.begin() + 2, size.end());
    dims.push_back(size_of(size) - 2);
    return {tensor(call.input(0).type, dims)};
}

Values determinant(const Call& call) {
    const Dims& x = call.input(0).dims;
    expect(x.size() >= 2, "expected a matrix");
    return {tensor(call.input(0).type, {x.begin(), x.end() - 2})};
}

Values column_to_image(const Call& call) {
    const Dims& x = call.input(0).dims;
    const Dims image = call.constant_integers(1), block = call.constant_integers(2);
    const std::int64_t all = elements_of(block);
    expect(x.size() == 3 && all > 0 && x[1] % all == 0, "its block does not fit its input");
    return {tensor(call.input(0).type, joined(x[0], x[1] / all, image))};
}

Values center_crop_pad(const Call& call) {
    Dims dims = call.input(0).dims;
    const Dims shape = call.constant_integers(1);
    Dims axes = call.integers("axes");
    if (axes.empty()) {
        axes.resize(dims.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    expect(axes.size() == shape.size(), "its shape does not fit its axes");
    for (std::size_t i = 0; i < axes.size(); ++i) {
        dims[at(axis_of(axes[i], size_of(dims)))] = shape[i];
    }
    return {tensor(call.input(0).type, dims)};
}

// Discrete Fourier transforms: the last side is real, or real and imaginary part.
Values fourier(const Call& call) {
    Dims dims = call.input(0).dims;
    expect(dims.size() >= 2, "expected a signal with its parts as the last side");
    const bool one_sided = call.integer("onesided", 0) != 0;
    const bool inverse = call.integer("inverse", 0) != 0;
    // The axis was an attribute in opset 17, and is an input since 20.
    const Dims given = call.has(2) ? call.constant_integers(2) : Dims{call.integer("axis", -2)};
    const bool is_attribute =
        call.has_attribute("axis") || (call.node.opset != 0 && call.node.opset < 20);
    expect(given.size() == 1, "its axis is no number");
    const std::int64_t otherwise = is_attribute && !call.has_attribute("axis") ? 1 : given[0];
    std::int64_t& side = dims[at(axis_of(call.has(2) ? given[0] : otherwise, size_of(dims)))];
    if (call.has(1)) {
        const Dims length = call.constant_integers(1);
        expect(length.size() == 1, "its length is no number");
        side = length[0];
    }
    if (one_sided && !inverse) {
        side = side / 2 + 1;
    } else if (one_sided) {
        side = call.has(1) ? side : checked_product(2, side - 1);
    }
    dims.back() = one_sided && inverse ? 1 : 2;
    return {tensor(call.input(0).type, dims)};
}

Values short_time_fourier(const Call& call) {
    const Dims& signal = call.input(0).dims;
    const Dims step = call.constant_integers(1);
    std::int64_t frame = 0;
    if (call.has(3)) {
        frame = call.constant_integers(3).at(0);
    } else {
        frame = call.input(2).dims.at(0);
    }
    expect(signal.size() >= 2 && step.size() == 1 && step[0] > 0 && frame > 0 && signal[1] >= frame,
           "its frames do not fit its signal");
    return {tensor(call.input(0).type,
                   {signal[0],
                    (signal[1] - frame) / step[0] + 1,
                    call.integer("onesided", 1) != 0 ? frame / 2 + 1 : frame,
                    2})};
}

Values loss(const Call& call) {
    const bool each = call.text("reduction", "mean") == "none";
    Values results{tensor(call.input(0).type, each ? call.input(1).dims : Dims{})};
    if (results_of(call) > 1) {
        results.push_back(tensor(call.input(0).type, call.input(0).dims));
    }
    return results;
}

Values data_dependent(const Call&) { throw Unknown{"the shape of its result depends on data"}; }

Values inner_graph(const Call&) {
    throw Unknown{"the shapes of its results are those of an inner graph"};
}

Values qonnx_binary(const Call& call) { return same(call); }

constexpr std::string_view kQonnx = "qonnx.custom_op.general";
constexpr std::string_view kBrevitas = "onnx.brevitas";
constexpr std::string_view kMicrosoft = "com.microsoft";

constexpr Row kRows[] = {
    // Elementwise.
    {"Abs", "", same},
    {"Acos", "", same},
    {"Acosh", "", same},
    {"Asin", "", same},
    {"Asinh", "", same},
    {"Atan", "", same},
    {"Atanh", "", same},
    {"Bernoulli", "", like},
    {"BitwiseNot", "", same},
    {"Ceil", "", same},
    {"Celu", "", same},
    {"Clip", "", same},
    {"Cos", "", same},
    {"Cosh", "", same},
    {"CumSum", "", same},
    {"CumProd", "", same},
    {"Dropout", "", dropout},
    {"Elu", "", same},
    {"Erf", "", same},
    {"Exp", "", same},
    {"Floor", "", same},
    {"Gelu", "", same},
    {"HardSigmoid", "", same},
    {"HardSwish", "", same},
    {"Hardmax", "", same},
    {"Identity", "", same},
    {"IsInf", "", same_to_bool},
    {"IsNaN", "", same_to_bool},
    {"LeakyRelu", "", same},
    {"Log", "", same},
    {"LogSoftmax", "", same},
    {"Mish", "", same},
    {"Neg", "", same},
    {"Not", "", same},
    {"PRelu", "", prelu},
    {"Reciprocal", "", same},
    {"Relu", "", same},
    {"Round", "", same},
    {"Selu", "", same},
    {"Shrink", "", same},
    {"Sigmoid", "", same},
    {"Sign", "", same},
    {"Sin", "", same},
    {"Sinh", "", same},
    {"Softmax", "", same},
    {"Softplus", "", same},
    {"Softsign", "", same},
    {"Sqrt", "", same},
    {"Swish", "", same},
    {"Tan", "", same},
    {"Tanh", "", same},
    {"ThresholdedRelu", "", same},
    {"Trilu", "", same},
    {"ScatterElements", "", same},
    {"ScatterND", "", same},
    {"Scatter", "", same},
    {"TensorScatter", "", same},
    {"ReverseSequence", "", same},
    {"Cast", "", cast},
    {"CastLike", "", cast_like},
    {"QuantizeLinear", "", quantize},
    {"DequantizeLinear", "", dequantize},
    {"DynamicQuantizeLinear", "", dynamic_quantize},
    {"Add", "", elementwise},
    {"Sub", "", elementwise},
    {"Mul", "", elementwise},
    {"Div", "", elementwise},
    {"Pow", "", elementwise},
    {"Mod", "", elementwise},
    {"Min", "", elementwise},
    {"Max", "", elementwise},
    {"Mean", "", elementwise},
    {"Sum", "", elementwise},
    {"And", "", elementwise},
    {"Or", "", elementwise},
    {"Xor", "", elementwise},
    {"BitShift", "", elementwise},
    {"BitwiseAnd", "", elementwise},
    {"BitwiseOr", "", elementwise},
    {"BitwiseXor", "", elementwise},
    {"Equal", "", comparison},
    {"Less", "", comparison},
    {"Greater", "", comparison},
    {"LessOrEqual", "", comparison},
    {"GreaterOrEqual", "", comparison},
    {"Where", "", where},
    // Windows, matrices, normalizations.
    {"Conv", "", convolution},
    {"ConvInteger", "", convolution_to_int32},
    {"QLinearConv", "", quantized_convolution},
    {"ConvTranspose", "", transposed_convolution},
    {"DeformConv", "", convolution},
    {"AveragePool", "", pool},
    {"MaxPool", "", pool},
    {"LpPool", "", pool},
    {"MaxUnpool", "", unpool},
    {"GlobalAveragePool", "", global_pool},
    {"GlobalMaxPool", "", global_pool},
    {"GlobalLpPool", "", global_pool},
    {"MatMul", "", matrix_product},
    {"MatMulInteger", "", matrix_product_to_int32},
    {"QLinearMatMul", "", quantized_matrix_product},
    {"Gemm", "", gemm},
    {"Einsum", "", einsum},
    {"BatchNormalization", "", batch_normalization},
    {"InstanceNormalization", "", same},
    {"LayerNormalization", "", layer_normalization},
    {"RMSNormalization", "", same},
    {"GroupNormalization", "", same},
    {"LRN", "", same},
    {"LpNormalization", "", same},
    {"MeanVarianceNormalization", "", same},
    {"LSTM", "", recurrent},
    {"GRU", "", recurrent},
    {"RNN", "", recurrent},
    {"Attention", "", attention},
    {"RotaryEmbedding", "", same},
    // Movements.
    {"Reshape", "", reshape},
    {"Flatten", "", flatten},
    {"Squeeze", "", squeeze},
    {"Unsqueeze", "", unsqueeze},
    {"Transpose", "", transpose},
    {"Expand", "", expand},
    {"Tile", "", tile},
    {"Pad", "", pad},
    {"Slice", "", slice},
    {"Concat", "", concat},
    {"Split", "", split},
    {"Gather", "", gather},
    {"GatherElements", "", gather_elements},
    {"GatherND", "", gather_nd},
    {"OneHot", "", one_hot},
    {"Resize", "", resize},
    {"Upsample", "", resize},
    {"DepthToSpace", "", depth_to_space},
    {"SpaceToDepth", "", space_to_depth},
    {"Col2Im", "", column_to_image},
    // Made of nothing, or of shapes.
    {"Constant", "", constant},
    {"ConstantOfShape", "", constant_of_shape},
    {"Shape", "", shape},
    {"Size", "", size},
    {"Range", "", range},
    {"EyeLike", "", like},
    {"RandomNormal", "", random},
    {"RandomUniform", "", random},
    {"RandomNormalLike", "", like},
    {"RandomUniformLike", "", like},
    {"HannWindow", "", window_function},
    {"HammingWindow", "", window_function},
    {"BlackmanWindow", "", window_function},
    // Reductions.
    {"ReduceL1", "", reduce},
    {"ReduceL2", "", reduce},
    {"ReduceLogSum", "", reduce},
    {"ReduceLogSumExp", "", reduce},
    {"ReduceMax", "", reduce},
    {"ReduceMean", "", reduce},
    {"ReduceMin", "", reduce},
    {"ReduceProd", "", reduce},
    {"ReduceSum", "", reduce},
    {"ReduceSumSquare", "", reduce},
    {"ArgMax", "", argument},
    {"ArgMin", "", argument},
    {"TopK", "", top_k},
    // Of images.
    {"RoiAlign", "", roi_align},
    {"MaxRoiPool", "", max_roi_pool},
    {"GridSample", "", grid_sample},
    {"AffineGrid", "", affine_grid},
    {"Det", "", determinant},
    {"CenterCropPad", "", center_crop_pad},
    {"DFT", "", fourier},
    {"STFT", "", short_time_fourier},
    {"NegativeLogLikelihoodLoss", "", loss},
    {"SoftmaxCrossEntropyLoss", "", loss},
    // Known, but what they make is not known before they run.
    {"NonZero", "", data_dependent},
    {"NonMaxSuppression", "", data_dependent},
    {"Unique", "", data_dependent},
    {"Compress", "", data_dependent},
    {"If", "", inner_graph},
    {"Loop", "", inner_graph},
    {"Scan", "", inner_graph},
    // Other domains.
    {"BipolarQuant", kQonnx, qonnx_binary},
    {"Quant", kQonnx, same},
    {"Trunc", kQonnx, same},
    {"MultiThreshold", kQonnx, same},
    {"IntQuant", kQonnx, same},
    {"FloatQuant", kQonnx, same},
    {"BipolarQuant", kBrevitas, qonnx_binary},
    {"Quant", kBrevitas, same},
    {"Trunc", kBrevitas, same},
    {"Gelu", kMicrosoft, same},
    {"FastGelu", kMicrosoft, same},
    {"QuickGelu", kMicrosoft, same},
    {"BiasGelu", kMicrosoft, same},
    {"FusedMatMul", kMicrosoft, fused_matrix_product},
    {"FusedConv", kMicrosoft, convolution},
    {"SkipLayerNormalization", kMicrosoft, same},
    {"QuantizeLinear", kMicrosoft, quantize},
    {"DequantizeLinear", kMicrosoft, dequantize},
};

}  // namespace

std::span<const Row> rows() { return kRows; }

const Row* find_row(const Node& node) {
    static const auto kByName = [] {
        std::unordered_map<std::string, const Row*> map;
        for (const Row& row : kRows) {
            map.emplace(fmt::format("{}:{}", row.domain, row.name), &row);
        }
        return map;
    }();
    const auto found = kByName.find(fmt::format("{}:{}", node.domain, node.operation));
    return found == kByName.end() ? nullptr : found->second;
}

// ---- a call
// -----------------------------------------------------------------------------------------

const Value& Call::input(std::size_t i) const {
    if (!has(i)) {
        refuse(fmt::format("input {} is missing", i));
    }
    if (!inputs[i]->is_tensor) {
        throw Unknown{fmt::format("input {} is no tensor", i)};
    }
    return *inputs[i];
}

std::int64_t Call::integer(std::string_view name, std::int64_t otherwise) const {
    const Attribute* const found = node.find(name);
    return found == nullptr || found->kind != Attribute::Kind::integer ? otherwise : found->integer;
}

double Call::number(std::string_view name, double otherwise) const {
    const Attribute* const found = node.find(name);
    return found == nullptr || found->kind != Attribute::Kind::number ? otherwise : found->number;
}

std::string Call::text(std::string_view name, const std::string& otherwise) const {
    const Attribute* const found = node.find(name);
    return found == nullptr || found->kind != Attribute::Kind::text ? otherwise : found->text;
}

std::vector<std::int64_t> Call::integers(std::string_view name) const {
    const Attribute* const found = node.find(name);
    return found == nullptr ? std::vector<std::int64_t>{} : found->integers;
}

std::vector<std::int64_t> Call::constant_integers(std::size_t i) const {
    const std::optional<Numbers> numbers = numbers_of(input(i));
    if (!numbers || !numbers->is_integral) {
        throw Unknown{
            fmt::format("its result's shape depends on input {}, which is no constant of "
                        "whole numbers",
                        i)};
    }
    return numbers->integers;
}

std::optional<std::vector<std::int64_t>> Call::integers_of(std::string_view name,
                                                           std::size_t i) const {
    if (has_attribute(name)) {
        return integers(name);
    }
    if (has(i)) {
        return constant_integers(i);
    }
    return std::nullopt;
}

std::int64_t Call::axis(std::string_view name, std::int64_t otherwise, std::int64_t rank) const {
    return axis_of(integer(name, otherwise), rank);
}

// ---- shared
// -----------------------------------------------------------------------------------------

std::int64_t axis_of(std::int64_t axis, std::int64_t rank) {
    expect(axis >= -rank && axis < rank,
           fmt::format("axis {} is outside its {} dimensions", axis, rank));
    return axis < 0 ? axis + rank : axis;
}

Dims broadcast(std::span<const Dims> all) {
    std::size_t rank = 0;
    for (const Dims& dims : all) {
        rank = std::max(rank, dims.size());
    }
    Dims result(rank, 1);
    for (const Dims& dims : all) {
        const std::size_t skip = rank - dims.size();
        for (std::size_t i = 0; i < dims.size(); ++i) {
            std::int64_t& side = result[skip + i];
            expect(side == dims[i] || side == 1 || dims[i] == 1,
                   fmt::format(
                       "{} and {} do not fit together", to_string(all.front()), to_string(dims)));
            side = side == 1 ? dims[i] : side;
        }
    }
    return result;
}

Dims kernel_of(const Call& call) {
    Dims given = call.integers("kernel_shape");
    const Dims& weights = call.input(call.node.operation == "QLinearConv" ? 3 : 1).dims;
    if (!given.empty()) {
        expect(given.size() + 2 == weights.size(), "its kernel_shape does not fit its weights");
        return given;
    }
    expect(weights.size() > 2, "its weights have no kernel");
    return {weights.begin() + 2, weights.end()};
}

Window window_of(const Call& call, const Dims& kernel) {
    const std::size_t sides = kernel.size();
    const auto one_each = [&](std::string_view name) {
        Dims given = call.integers(name);
        if (given.empty()) {
            given.assign(sides, 1);
        }
        expect(
            given.size() == sides && std::ranges::min(given) > 0,
            fmt::format(
                "its {} {} do not fit its kernel {}", name, to_string(given), to_string(kernel)));
        return given;
    };
    expect(!kernel.empty() && std::ranges::min(kernel) > 0, "its kernel has a side below one");
    expect(std::ranges::max(kernel) <= kLargestWindow, "its kernel is too large");
    Window window{.kernel = kernel,
                  .stride = one_each("strides"),
                  .dilation = one_each("dilations"),
                  .pad_begin = Dims(sides, 0),
                  .pad_end = Dims(sides, 0),
                  .ceil = call.integer("ceil_mode", 0) != 0};
    const std::string automatic = call.text("auto_pad", "NOTSET");
    const Dims& input = call.input(0).dims;
    expect(input.size() >= sides + 2, "its input has fewer sides than its kernel");
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
        for (std::size_t i = 0; i < sides; ++i) {
            const std::int64_t reach =
                checked_sum(checked_product(kernel[i] - 1, window.dilation[i]), 1);
            const std::int64_t out = (input[i + 2] + window.stride[i] - 1) / window.stride[i];
            const std::int64_t all = std::max<std::int64_t>(
                checked_sum(checked_product(out - 1, window.stride[i]), reach) - input[i + 2], 0);
            const std::int64_t less = all / 2, more = all - less;
            window.pad_begin[i] = automatic == "SAME_UPPER" ? less : more;
            window.pad_end[i] = automatic == "SAME_UPPER" ? more : less;
        }
    } else if (const Dims pads = call.integers("pads"); !pads.empty() && automatic != "VALID") {
        expect(pads.size() == 2 * sides && std::ranges::min(pads) >= -kLargestWindow &&
                   std::ranges::max(pads) <= kLargestWindow,
               "its pads do not fit its kernel");
        window.pad_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(sides));
        window.pad_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(sides), pads.end());
    }
    return window;
}

Cut cut_of(const Call& call) {
    const Dims& from = call.input(0).dims;
    const auto begin = call.integers_of("starts", 1), end = call.integers_of("ends", 2);
    auto axes = call.integers_of("axes", 3);
    const auto steps = call.integers_of("steps", 4);
    expect(begin && end && begin->size() == end->size(), "its starts and ends do not fit together");
    if (!axes) {
        axes.emplace(begin->size());
        std::iota(axes->begin(), axes->end(), 0);
    }
    expect(axes->size() == begin->size() && (!steps || steps->size() == begin->size()),
           "its starts, axes and steps do not fit together");
    Cut cut{.begin = Dims(from.size(), 0), .step = Dims(from.size(), 1), .size = from};
    for (std::size_t i = 0; i < axes->size(); ++i) {
        const std::size_t axis = at(axis_of((*axes)[i], size_of(from)));
        const std::int64_t side = from[axis], step = steps ? (*steps)[i] : 1;
        expect(step != 0, "a step is zero");
        const auto from_end = [&](std::int64_t place) {
            return place < 0 ? checked_sum(place, side) : place;
        };
        const std::int64_t first = step > 0 ? 0 : -1;
        const std::int64_t first_in = 0, last_in = step > 0 ? side : side - 1;
        const std::int64_t a =
            std::clamp(from_end((*begin)[i]), first_in, std::max(last_in, first_in));
        const std::int64_t b =
            std::clamp(from_end((*end)[i]), first, std::max(step > 0 ? side : side - 1, first));
        const std::int64_t reach = step > 0 ? b - a : a - b;
        const std::int64_t stride = step > 0 ? step : (step == INT64_MIN ? INT64_MAX : -step);
        cut.begin[axis] = a;
        cut.step[axis] = step;
        cut.size[axis] = reach <= 0 || side == 0 ? 0 : (reach - 1) / stride + 1;
    }
    return cut;
}

Dims permutation_of(const Call& call) {
    const std::int64_t rank = call.rank(0);
    Dims permutation = call.integers("perm");
    if (permutation.empty()) {
        permutation.resize(at(rank));
        std::iota(permutation.rbegin(), permutation.rend(), 0);
    }
    Dims sorted = permutation;
    std::ranges::sort(sorted);
    bool fits = size_of(permutation) == rank;
    for (std::int64_t i = 0; fits && i < rank; ++i) {
        fits = sorted[at(i)] == i;
    }
    expect(fits,
           fmt::format("{} is no permutation of {} dimensions", to_string(permutation), rank));
    return permutation;
}

Dims reduced_axes(const Call& call) {
    auto axes = call.integers_of("axes", 1);
    const std::int64_t rank = call.rank(0);
    if (!axes || axes->empty()) {
        Dims all(call.integer("noop_with_empty_axes", 0) != 0 ? 0 : at(rank));
        std::iota(all.begin(), all.end(), 0);
        return all;
    }
    for (std::int64_t& axis : *axes) {
        axis = axis_of(axis, rank);
    }
    std::ranges::sort(*axes);
    axes->erase(std::unique(axes->begin(), axes->end()), axes->end());
    return *axes;
}

Dims split_sizes(const Call& call, std::int64_t axis) {
    const std::int64_t whole = call.input(0).dims[at(axis)];
    const auto given = call.integers_of("split", 1);
    const auto parts = static_cast<std::int64_t>(call.node.outputs.size());
    if (given && !given->empty()) {
        std::int64_t sum = 0;
        for (const std::int64_t part : *given) {
            expect(part >= 0, "a part is negative");
            sum = checked_sum(sum, part);
        }
        expect(
            sum == whole && size_of(*given) == parts,
            fmt::format("parts of {} are not {} in {} results", to_string(*given), whole, parts));
        return *given;
    }
    // In equal parts; where num_outputs says so the last may be smaller.
    const bool uneven = call.has_attribute("num_outputs");
    expect(parts > 0 && (uneven || whole % parts == 0),
           fmt::format("{} cannot be split into {} equal parts", whole, parts));
    const std::int64_t each = (whole + parts - 1) / parts;
    Dims sizes(at(parts), each);
    sizes.back() = whole - each * (parts - 1);
    expect(sizes.back() >= 0, fmt::format("{} cannot be split into {} parts", whole, parts));
    return sizes;
}

}  // namespace sim::onnx
