#include "sim/import/folding.hpp"

#include "sim/checked.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>

namespace sim::onnx {
namespace {

// ---- bytes and numbers --------------------------------------------------------------------------

template <class Stored, class To>
void read_all(const std::string& bytes, std::vector<To>& to) {
    to.resize(bytes.size() / sizeof(Stored));
    for (std::size_t i = 0; i < to.size(); ++i) {
        Stored value;
        std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
        to[i] = static_cast<To>(value);
    }
}

// IEEE 754 half precision.
double half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 != 0 ? -1 : 1;
    if (exponent == 31) {
        return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                             : sign * std::numeric_limits<double>::infinity();
    }
    return exponent == 0 ? sign * std::ldexp(fraction, -24)
                         : sign * std::ldexp(fraction + 1024, exponent - 25);
}

std::uint16_t to_half(double value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    const double size = std::fabs(value);
    if (std::isnan(value)) {
        return static_cast<std::uint16_t>(sign | 0x7e00);
    }
    if (size >= 65520) {
        return static_cast<std::uint16_t>(sign | 0x7c00);
    }
    int exponent = 0;
    std::frexp(size, &exponent);
    exponent = std::max(exponent, -13);  // below that halves are subnormal
    const auto fraction = static_cast<int>(std::nearbyint(std::ldexp(size, 11 - exponent)));
    // The fraction's carry, and the leading one of a normal number, add to the exponent's field.
    return static_cast<std::uint16_t>(sign + ((exponent + 13) << 10) + fraction);
}

// What a value is once it is stored as `type`.
double rounded(Type type, double value) {
    switch (type) {
        case Type::f32:
            return static_cast<double>(static_cast<float>(value));
        case Type::f16:
            return half(to_half(value));
        case Type::bf16: {
            const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
            const std::uint32_t even = bits + 0x7fff + (bits >> 16 & 1);
            return std::isnan(value)
                       ? value
                       : static_cast<double>(std::bit_cast<float>(even & 0xffff0000U));
        }
        default:
            return value;
    }
}

std::int64_t wrapped(Type type, std::int64_t value) {
    switch (type) {
        case Type::boolean:
            return value != 0 ? 1 : 0;
        case Type::int8:
            return static_cast<std::int8_t>(value);
        case Type::u8:
            return static_cast<std::uint8_t>(value);
        case Type::int16:
            return static_cast<std::int16_t>(value);
        case Type::u16:
            return static_cast<std::uint16_t>(value);
        case Type::int32:
            return static_cast<std::int32_t>(value);
        case Type::u32:
            return static_cast<std::uint32_t>(value);
        default:
            return value;
    }
}

bool is_computed(Type type) {
    switch (type) {
        case Type::f32:
        case Type::f64:
        case Type::f16:
        case Type::bf16:
        case Type::int8:
        case Type::u8:
        case Type::int16:
        case Type::u16:
        case Type::int32:
        case Type::u32:
        case Type::int64:
        case Type::u64:
        case Type::boolean:
            return true;
        default:
            return false;
    }
}

Numbers empty_like(const Value& result) {
    return {.type = result.type,
            .dims = result.dims,
            .is_integral = is_integer(result.type),
            .integers = {},
            .others = {}};
}

// ---- movements: for each element of the result the place it comes from
// ------------------------------

// Steps over all positions of `dims`, the last side fastest.
template <class Visit>
void each_position(const Dims& dims, const Visit& visit) {
    const std::int64_t count = elements_of(dims);
    Dims position(dims.size(), 0);
    for (std::int64_t n = 0; n < count; ++n) {
        visit(position);
        for (std::size_t i = dims.size(); i-- > 0;) {
            if (++position[i] < dims[i]) {
                break;
            }
            position[i] = 0;
        }
    }
}

std::int64_t place_in(const Dims& dims, const Dims& position) {
    std::int64_t place = 0;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        place = place * dims[i] + position[i];
    }
    return place;
}

// The same place in what was broadcast.
std::int64_t broadcast_place(const Dims& dims, const Dims& position) {
    const std::size_t skip = position.size() - dims.size();
    std::int64_t place = 0;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        place = place * dims[i] + (dims[i] == 1 ? 0 : position[skip + i]);
    }
    return place;
}

Numbers picked(const Numbers& from, const Value& result, const std::vector<std::int64_t>& places) {
    Numbers to = empty_like(result);
    for (const std::int64_t place : places) {
        if (from.is_integral) {
            to.integers.push_back(from.integers[static_cast<std::size_t>(place)]);
        } else {
            to.others.push_back(from.others[static_cast<std::size_t>(place)]);
        }
    }
    return to;
}

// Places for each position of the result by `place_of(position)`.
template <class PlaceOf>
Numbers moved(const Numbers& from, const Value& result, const PlaceOf& place_of) {
    std::vector<std::int64_t> places;
    each_position(result.dims, [&](const Dims& position) { places.push_back(place_of(position)); });
    return picked(from, result, places);
}

Numbers reshaped(Numbers from, const Value& result) {
    from.dims = result.dims;
    return from;
}

Numbers gathered(const Call& call,
                 const Numbers& from,
                 const Numbers& indices,
                 const Value& result) {
    const auto rank = static_cast<std::int64_t>(from.dims.size());
    const auto axis = static_cast<std::size_t>(call.axis("axis", 0, rank));
    return moved(from, result, [&](const Dims& position) {
        const Dims inner{
            position.begin() + static_cast<std::ptrdiff_t>(axis),
            position.begin() + static_cast<std::ptrdiff_t>(axis + indices.dims.size())};
        std::int64_t index =
            indices.integers[static_cast<std::size_t>(place_in(indices.dims, inner))];
        index = index < 0 ? index + from.dims[axis] : index;
        if (index < 0 || index >= from.dims[axis]) {
            throw std::invalid_argument{"an index is outside its input"};
        }
        Dims source{position.begin(), position.begin() + static_cast<std::ptrdiff_t>(axis)};
        source.push_back(index);
        source.insert(source.end(),
                      position.begin() + static_cast<std::ptrdiff_t>(axis + indices.dims.size()),
                      position.end());
        return place_in(from.dims, source);
    });
}

// ---- arithmetic
// --------------------------------------------------------------------------------------

// Whole numbers as machines compute with them: past the end they start again.
std::int64_t sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t product(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
std::int64_t negative(std::int64_t a) { return product(a, -1); }

[[noreturn]] void refuse_zero() { throw std::invalid_argument{"it divides by zero"}; }

std::int64_t whole(std::string_view operation, std::int64_t a, std::int64_t b, bool as_c) {
    if (operation == "Add" || operation == "Sum") {
        return sum(a, b);
    }
    if (operation == "Sub") {
        return sum(a, negative(b));
    }
    if (operation == "Mul") {
        return product(a, b);
    }
    if (operation == "Div" || operation == "Mod") {
        if (b == 0) {
            refuse_zero();
        }
        if (b == -1) {
            return operation == "Div" ? negative(a) : 0;
        }
        if (operation == "Div") {
            return a / b;
        }
        const std::int64_t rest = a % b;
        return !as_c && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    if (operation == "Pow") {
        return whole_number(std::pow(static_cast<double>(a), static_cast<double>(b)));
    }
    if (operation == "Min") {
        return std::min(a, b);
    }
    if (operation == "Max") {
        return std::max(a, b);
    }
    if (operation == "And" || operation == "BitwiseAnd") {
        return a & b;
    }
    if (operation == "Or" || operation == "BitwiseOr") {
        return a | b;
    }
    return a ^ b;  // Xor, BitwiseXor
}

double real(std::string_view operation, double a, double b, bool as_c) {
    if (operation == "Add" || operation == "Sum") {
        return a + b;
    }
    if (operation == "Sub") {
        return a - b;
    }
    if (operation == "Mul") {
        return a * b;
    }
    if (operation == "Div") {
        return a / b;
    }
    if (operation == "Mod") {
        const double rest = std::fmod(a, b);
        return !as_c && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    if (operation == "Pow") {
        return std::pow(a, b);
    }
    return operation == "Min" ? std::min(a, b) : std::max(a, b);
}

bool holds(std::string_view operation, auto a, auto b) {
    if (operation == "Equal") {
        return a == b;
    }
    if (operation == "Less") {
        return a < b;
    }
    if (operation == "LessOrEqual") {
        return a <= b;
    }
    return operation == "Greater" ? a > b : a >= b;
}

constexpr std::string_view kBinary =
    " Add Sub Mul Div Mod Pow Min Max Sum And Or Xor BitwiseAnd BitwiseOr BitwiseXor ";
constexpr std::string_view kComparisons = " Equal Less LessOrEqual Greater GreaterOrEqual ";

Numbers combined(const Call& call, std::span<const Numbers> inputs, const Value& result) {
    const std::string_view operation = call.node.operation;
    const bool as_c = call.integer("fmod", 0) != 0;
    Numbers to = empty_like(result);
    each_position(result.dims, [&](const Dims& position) {
        const auto place = [&](std::size_t i) {
            return static_cast<std::size_t>(broadcast_place(inputs[i].dims, position));
        };
        if (to.is_integral) {
            std::int64_t value = inputs[0].integers[place(0)];
            for (std::size_t i = 1; i < inputs.size(); ++i) {
                value = whole(operation, value, inputs[i].integers[place(i)], as_c);
            }
            to.integers.push_back(wrapped(to.type, value));
        } else {
            double value = inputs[0].others[place(0)];
            for (std::size_t i = 1; i < inputs.size(); ++i) {
                // Powers may be of another type than their base.
                value = rounded(to.type, real(operation, value, inputs[i].number(place(i)), as_c));
            }
            to.others.push_back(value);
        }
    });
    return to;
}

Numbers compared(const Call& call, std::span<const Numbers> inputs, const Value& result) {
    Numbers to = empty_like(result);
    each_position(result.dims, [&](const Dims& position) {
        const auto a = static_cast<std::size_t>(broadcast_place(inputs[0].dims, position));
        const auto b = static_cast<std::size_t>(broadcast_place(inputs[1].dims, position));
        const bool is =
            inputs[0].is_integral
                ? holds(call.node.operation, inputs[0].integers[a], inputs[1].integers[b])
                : holds(call.node.operation, inputs[0].others[a], inputs[1].others[b]);
        to.integers.push_back(is ? 1 : 0);
    });
    return to;
}

Numbers cast(const Numbers& from, const Value& result) {
    Numbers to = empty_like(result);
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (!to.is_integral) {
            to.others.push_back(rounded(to.type, from.number(i)));
        } else if (from.is_integral) {
            to.integers.push_back(wrapped(to.type, from.integers[i]));
        } else if (to.type == Type::boolean) {
            to.integers.push_back(from.others[i] != 0 ? 1 : 0);
        } else {
            to.integers.push_back(wrapped(to.type, whole_number(std::trunc(from.others[i]))));
        }
    }
    return to;
}

// Each number by itself; nullptr where the operation is no such one.
double (*function_of(std::string_view operation))(double) {
    struct Named {
        std::string_view name;
        double (*function)(double);
    };
    static constexpr Named kFunctions[] = {
        {"Abs", [](double x) { return std::fabs(x); }},
        {"Ceil", [](double x) { return std::ceil(x); }},
        {"Cos", [](double x) { return std::cos(x); }},
        {"Exp", [](double x) { return std::exp(x); }},
        {"Floor", [](double x) { return std::floor(x); }},
        {"Log", [](double x) { return std::log(x); }},
        {"Neg", [](double x) { return -x; }},
        {"Reciprocal", [](double x) { return 1 / x; }},
        {"Relu", [](double x) { return std::max(x, 0.0); }},
        {"Round", [](double x) { return std::nearbyint(x); }},
        {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
        {"Sign", [](double x) { return static_cast<double>((x > 0) - (x < 0)); }},
        {"Sin", [](double x) { return std::sin(x); }},
        {"Sqrt", [](double x) { return std::sqrt(x); }},
        {"Tanh", [](double x) { return std::tanh(x); }},
    };
    for (const Named& one : kFunctions) {
        if (one.name == operation) {
            return one.function;
        }
    }
    return nullptr;
}

std::optional<Numbers> mapped(std::string_view operation,
                              const Numbers& from,
                              const Value& result) {
    Numbers to = empty_like(result);
    if (!from.is_integral) {
        const auto function = function_of(operation);
        for (const double value : from.others) {
            to.others.push_back(rounded(to.type, function(value)));
        }
        return to;
    }
    for (const std::int64_t value : from.integers) {
        if (operation == "Neg") {
            to.integers.push_back(wrapped(to.type, negative(value)));
        } else if (operation == "Abs") {
            to.integers.push_back(wrapped(to.type, value < 0 ? negative(value) : value));
        } else if (operation == "Sign") {
            to.integers.push_back((value > 0) - (value < 0));
        } else if (operation == "Relu") {
            to.integers.push_back(std::max<std::int64_t>(value, 0));
        } else {
            return std::nullopt;
        }
    }
    return to;
}

std::optional<Numbers> reduced(const Call& call, const Numbers& from, const Value& result) {
    const Dims axes = reduced_axes(call);
    const std::string_view operation = call.node.operation;
    if (from.size() == 0) {
        return std::nullopt;
    }
    Dims kept = from.dims;
    for (const std::int64_t axis : axes) {
        kept[static_cast<std::size_t>(axis)] = 1;
    }
    const auto places = static_cast<std::size_t>(elements_of(kept));
    const std::int64_t count = elements_of(from.dims) / static_cast<std::int64_t>(places);
    std::vector<std::optional<double>> reals(places);
    std::vector<std::optional<std::int64_t>> wholes(places);
    std::size_t n = 0;
    each_position(from.dims, [&](const Dims& position) {
        const auto place = static_cast<std::size_t>(broadcast_place(kept, position));
        const std::string_view one = operation == "ReduceMax"    ? "Max"
                                     : operation == "ReduceMin"  ? "Min"
                                     : operation == "ReduceProd" ? "Mul"
                                                                 : "Add";
        if (from.is_integral) {
            const std::int64_t value = from.integers[n];
            wholes[place] = wholes[place] ? whole(one, *wholes[place], value, false) : value;
        } else {
            const double value = from.others[n];
            reals[place] = reals[place] ? real(one, *reals[place], value, false) : value;
        }
        ++n;
    });
    Numbers to = empty_like(result);
    for (std::size_t i = 0; i < places; ++i) {
        if (from.is_integral) {
            const std::int64_t all = wholes[i].value_or(0);
            to.integers.push_back(wrapped(to.type, operation == "ReduceMean" ? all / count : all));
        } else {
            const double all = reals[i].value_or(0);
            to.others.push_back(rounded(
                to.type, operation == "ReduceMean" ? all / static_cast<double>(count) : all));
        }
    }
    return to;
}

Numbers constant(const Call& call, const Value& result) {
    Numbers to = empty_like(result);
    if (const Attribute* const one = call.node.find("value_int")) {
        to.integers = {one->integer};
    } else if (const Attribute* const many = call.node.find("value_ints")) {
        to.integers = many->integers;
    } else if (const Attribute* const number = call.node.find("value_float")) {
        to.others = {number->number};
    } else if (const Attribute* const numbers = call.node.find("value_floats")) {
        to.others = numbers->numbers;
    }
    return to;
}

}  // namespace

std::optional<Numbers> numbers_of(const Tensor& tensor) {
    if (tensor.length < 0 || !is_computed(tensor.type)) {
        return std::nullopt;
    }
    Numbers numbers{.type = tensor.type,
                    .dims = tensor.dims,
                    .is_integral = is_integer(tensor.type),
                    .integers = {},
                    .others = {}};
    const std::string read = tensor.file.empty() ? std::string{} : bytes_of(tensor);
    const std::string& bytes = tensor.file.empty() ? tensor.bytes : read;
    switch (tensor.type) {
        case Type::f32:
            read_all<float>(bytes, numbers.others);
            break;
        case Type::f64:
            read_all<double>(bytes, numbers.others);
            break;
        case Type::f16:
        case Type::bf16: {
            std::vector<std::int64_t> bits;
            read_all<std::uint16_t>(bytes, bits);
            for (const std::int64_t one : bits) {
                numbers.others.push_back(tensor.type == Type::f16
                                             ? half(static_cast<std::uint16_t>(one))
                                             : static_cast<double>(std::bit_cast<float>(
                                                   static_cast<std::uint32_t>(one) << 16)));
            }
            break;
        }
        case Type::int8:
            read_all<std::int8_t>(bytes, numbers.integers);
            break;
        case Type::u8:
        case Type::boolean:
            read_all<std::uint8_t>(bytes, numbers.integers);
            break;
        case Type::int16:
            read_all<std::int16_t>(bytes, numbers.integers);
            break;
        case Type::u16:
            read_all<std::uint16_t>(bytes, numbers.integers);
            break;
        case Type::int32:
            read_all<std::int32_t>(bytes, numbers.integers);
            break;
        case Type::u32:
            read_all<std::uint32_t>(bytes, numbers.integers);
            break;
        default:  // int64, u64
            read_all<std::int64_t>(bytes, numbers.integers);
            break;
    }
    return numbers;
}

std::optional<Numbers> numbers_of(const Value& value) {
    if (!value.constant || elements_of(value.constant->dims) > kMostFolded) {
        return std::nullopt;
    }
    return numbers_of(*value.constant);
}

bool is_binary(const Tensor& tensor) {
    const std::int64_t elements = elements_of(tensor.dims);
    if (tensor.dims.empty() || elements < 2 || tensor.length < 0 ||
        (!is_float(tensor.type) && tensor.type != Type::int8)) {
        return false;
    }
    // Of channels of one element nothing is shown by each having a c.
    const std::int64_t channel = elements / tensor.dims[0];
    const auto each = static_cast<std::size_t>(channel > 1 ? channel : elements);
    const auto are_alike = [&](const Numbers& numbers) {
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            const double size = std::abs(numbers.number(i - i % each));
            if (!(size > 0) || std::abs(numbers.number(i)) != size) {
                return false;
            }
        }
        return true;
    };
    // A look at the beginning is enough for nearly all that are not.
    constexpr std::size_t kFirst = 64;
    Tensor head;
    head.type = tensor.type;
    const std::size_t bytes_each = static_cast<std::size_t>(std::max(bits_of(tensor.type), 8) / 8);
    head.bytes = bytes_of(tensor, static_cast<std::int64_t>(std::min(kFirst, each) * bytes_each));
    const std::optional<Numbers> first = numbers_of(head);
    if (!first || !are_alike(*first)) {
        return false;
    }
    const std::optional<Numbers> numbers = numbers_of(tensor);
    if (!numbers || !are_alike(*numbers)) {
        return false;
    }
    bool plus = false, minus = false;
    for (std::size_t i = 0; i < numbers->size(); ++i) {
        (numbers->number(i) > 0 ? plus : minus) = true;
    }
    return plus && minus;
}

TensorPointer tensor_of(const Numbers& numbers) {
    auto tensor = std::make_shared<Tensor>();
    tensor->type = numbers.type;
    tensor->dims = numbers.dims;
    const auto put = [&](auto value) {
        tensor->bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        switch (numbers.type) {
            case Type::f32:
                put(static_cast<float>(numbers.others[i]));
                break;
            case Type::f64:
                put(numbers.others[i]);
                break;
            case Type::f16:
                put(to_half(numbers.others[i]));
                break;
            case Type::bf16:
                put(static_cast<std::uint16_t>(
                    std::bit_cast<std::uint32_t>(static_cast<float>(numbers.others[i])) >> 16));
                break;
            default: {
                const auto bytes = static_cast<std::size_t>(bits_of(numbers.type) / 8);
                tensor->bytes.append(reinterpret_cast<const char*>(&numbers.integers[i]), bytes);
            }
        }
    }
    return tensor;
}

std::optional<std::vector<Numbers>> folded(const Call& call, const std::vector<Value>& results) {
    const std::string_view operation = call.node.operation;
    // 1. Few elements, of a type that is computed with.
    if (!call.node.domain.empty() || results.empty()) {
        return std::nullopt;
    }
    for (const Value& result : results) {
        if (!result.is_tensor || !is_computed(result.type) ||
            elements_of(result.dims) > kMostFolded) {
            return std::nullopt;
        }
    }
    const Value& first = results.front();
    const auto only = [](Numbers numbers) { return std::vector<Numbers>{std::move(numbers)}; };

    // 2. What needs no values.
    if (operation == "Shape") {
        const Dims& dims = call.input(0).dims;
        const auto rank = static_cast<std::int64_t>(dims.size());
        const std::int64_t start = call.integer("start", 0);
        const std::int64_t begin =
            std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
        Numbers to = empty_like(first);
        to.integers.assign(dims.begin() + begin, dims.begin() + begin + first.dims[0]);
        return only(std::move(to));
    }
    if (operation == "Size") {
        Numbers to = empty_like(first);
        to.integers = {elements_of(call.input(0).dims)};
        return only(std::move(to));
    }
    if (operation == "Constant") {
        Numbers to = constant(call, first);
        if (static_cast<std::int64_t>(to.size()) != elements_of(first.dims)) {
            return std::nullopt;
        }
        return only(std::move(to));
    }

    // 3. The values of its inputs: all must be known, but those that are left out.
    std::vector<Numbers> inputs;
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        if (!call.has(i) || (operation == "CastLike" && i == 1)) {
            inputs.emplace_back();
            continue;
        }
        std::optional<Numbers> numbers = numbers_of(call.input(i));
        if (!numbers) {
            return std::nullopt;
        }
        inputs.push_back(std::move(*numbers));
    }
    if (operation == "ConstantOfShape") {
        Numbers to = empty_like(first);
        const Attribute* const value = call.node.find("value");
        std::optional<Numbers> one;
        if (value != nullptr && value->tensor) {
            one = numbers_of(*value->tensor);
            if (!one || one->size() != 1) {
                return std::nullopt;
            }
        }
        const auto count = static_cast<std::size_t>(elements_of(first.dims));
        if (to.is_integral) {
            to.integers.assign(count, one ? one->integers[0] : 0);
        } else {
            to.others.assign(count, one ? one->others[0] : 0);
        }
        return only(std::move(to));
    }
    if (inputs.empty()) {
        return std::nullopt;
    }
    const Numbers& from = inputs.front();
    const bool alike = std::ranges::all_of(
        inputs, [&](const Numbers& one) { return one.is_integral == from.is_integral; });

    // 4. Movements.
    if (operation == "Identity" || operation == "Reshape" || operation == "Flatten" ||
        operation == "Squeeze" || operation == "Unsqueeze") {
        return only(reshaped(from, first));
    }
    if (operation == "Transpose") {
        const Dims permutation = permutation_of(call);
        return only(moved(from, first, [&](const Dims& position) {
            Dims source(position.size());
            for (std::size_t i = 0; i < position.size(); ++i) {
                source[static_cast<std::size_t>(permutation[i])] = position[i];
            }
            return place_in(from.dims, source);
        }));
    }
    if (operation == "Slice") {
        const Cut cut = cut_of(call);
        return only(moved(from, first, [&](const Dims& position) {
            Dims source(position.size());
            for (std::size_t i = 0; i < position.size(); ++i) {
                source[i] = cut.begin[i] + position[i] * cut.step[i];
            }
            return place_in(from.dims, source);
        }));
    }
    if (operation == "Gather" && inputs.size() == 2 && is_integer(inputs[1].type)) {
        return only(gathered(call, from, inputs[1], first));
    }
    if (operation == "Expand") {
        return only(moved(from, first, [&](const Dims& position) {
            return broadcast_place(from.dims, position);
        }));
    }
    if (operation == "Tile") {
        return only(moved(from, first, [&](Dims position) {
            for (std::size_t i = 0; i < position.size(); ++i) {
                position[i] %= from.dims[i];
            }
            return place_in(from.dims, position);
        }));
    }
    if (operation == "Concat" && alike) {
        const auto axis = static_cast<std::size_t>(
            call.axis("axis", 1, static_cast<std::int64_t>(first.dims.size())));
        Numbers to = empty_like(first);
        each_position(first.dims, [&](Dims position) {
            std::size_t i = 0;
            while (position[axis] >= inputs[i].dims[axis]) {
                position[axis] -= inputs[i].dims[axis];
                ++i;
            }
            const auto place = static_cast<std::size_t>(place_in(inputs[i].dims, position));
            if (to.is_integral) {
                to.integers.push_back(inputs[i].integers[place]);
            } else {
                to.others.push_back(inputs[i].others[place]);
            }
        });
        return only(std::move(to));
    }
    if (operation == "Split") {
        const auto axis = static_cast<std::size_t>(
            call.axis("axis", 0, static_cast<std::int64_t>(from.dims.size())));
        std::vector<Numbers> parts;
        std::int64_t begin = 0;
        for (const Value& result : results) {
            parts.push_back(moved(from, result, [&](Dims position) {
                position[axis] += begin;
                return place_in(from.dims, position);
            }));
            begin += result.dims[axis];
        }
        return parts;
    }

    // 5. Arithmetic.
    if (operation == "Range" && alike && inputs.size() == 3) {
        Numbers to = empty_like(first);
        for (std::int64_t i = 0; i < first.dims[0]; ++i) {
            if (to.is_integral) {
                to.integers.push_back(sum(from.integers[0], product(i, inputs[2].integers[0])));
            } else {
                to.others.push_back(rounded(
                    to.type, from.others[0] + static_cast<double>(i) * inputs[2].others[0]));
            }
        }
        return only(std::move(to));
    }
    if (operation == "Cast" || operation == "CastLike") {
        return only(cast(from, first));
    }
    if (operation == "Not") {
        Numbers to = empty_like(first);
        for (const std::int64_t value : from.integers) {
            to.integers.push_back(value == 0 ? 1 : 0);
        }
        return only(std::move(to));
    }
    if (operation == "Where" && inputs.size() == 3 &&
        inputs[1].is_integral == inputs[2].is_integral && from.is_integral) {
        Numbers to = empty_like(first);
        each_position(first.dims, [&](const Dims& position) {
            const auto condition = static_cast<std::size_t>(broadcast_place(from.dims, position));
            const Numbers& chosen = inputs[from.integers[condition] != 0 ? 1 : 2];
            const auto place = static_cast<std::size_t>(broadcast_place(chosen.dims, position));
            if (to.is_integral) {
                to.integers.push_back(chosen.integers[place]);
            } else {
                to.others.push_back(chosen.others[place]);
            }
        });
        return only(std::move(to));
    }
    const bool same_kind = first.is_tensor && is_integer(first.type) == from.is_integral;
    if (is_one_of(operation, kBinary) && same_kind &&
        (alike || (operation == "Pow" && !from.is_integral))) {
        const bool of_bits = operation == "And" || operation == "Or" || operation == "Xor" ||
                             operation.starts_with("Bitwise");
        if (of_bits && !from.is_integral) {
            return std::nullopt;
        }
        return only(combined(call, inputs, first));
    }
    if (is_one_of(operation, kComparisons) && inputs.size() == 2 && alike) {
        return only(compared(call, inputs, first));
    }
    if (function_of(operation) != nullptr && same_kind) {
        if (std::optional<Numbers> numbers = mapped(operation, from, first)) {
            return only(std::move(*numbers));
        }
        return std::nullopt;
    }
    constexpr std::string_view kReductions =
        " ReduceMax ReduceMin ReduceProd ReduceSum ReduceMean ";
    if (is_one_of(operation, kReductions) && same_kind) {
        if (std::optional<Numbers> numbers = reduced(call, from, first)) {
            return only(std::move(*numbers));
        }
    }
    return std::nullopt;
}

}  // namespace sim::onnx
