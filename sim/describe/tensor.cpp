#include "sim/describe/tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace sim {
namespace {

struct ElementRow {
    Element element;
    std::string_view name;
    int bits;
    bool is_float = false;
};

constexpr std::array<ElementRow, 18> kRows{{
    {Element::binary, "binary", 1},
    {Element::ternary, "ternary", 2},
    {Element::int4, "int4", 4},
    {Element::u4, "u4", 4},
    {Element::int8, "int8", 8},
    {Element::u8, "u8", 8},
    {Element::int16, "int16", 16},
    {Element::u16, "u16", 16},
    {Element::int32, "int32", 32},
    {Element::u32, "u32", 32},
    {Element::int64, "int64", 64},
    {Element::u64, "u64", 64},
    {Element::f8, "f8", 8, true},
    {Element::f16, "f16", 16, true},
    {Element::bf16, "bf16", 16, true},
    {Element::f32, "f32", 32, true},
    {Element::f64, "f64", 64, true},
    {Element::boolean, "bool", 8},
}};

const ElementRow& row_of(Element element) {
    return *std::ranges::find(kRows, element, &ElementRow::element);
}

}  // namespace

std::span<const Element> elements() {
    static const auto kElements = [] {
        std::array<Element, kRows.size()> all{};
        std::ranges::transform(kRows, all.begin(), &ElementRow::element);
        return all;
    }();
    return kElements;
}

std::string_view name_of(Element element) { return row_of(element).name; }

std::optional<Element> find_element(std::string_view name) {
    const auto* const found = std::ranges::find(kRows, name, &ElementRow::name);
    return found == kRows.end() ? std::nullopt : std::optional{found->element};
}

int bits_of(Element element) { return row_of(element).bits; }

bool is_float(Element element) { return row_of(element).is_float; }

Element promoted(Element a, Element b) {
    if (a == Element::boolean || b == Element::boolean) {
        return a == Element::boolean ? b : a;
    }
    if (is_float(a) != is_float(b)) {
        return is_float(a) ? a : b;
    }
    if (bits_of(a) == bits_of(b) && a != b && is_float(a)) {
        return Element::f32;  // f16 and bf16: neither holds the other
    }
    return bits_of(b) > bits_of(a) ? b : a;
}

TensorShape::TensorShape(int height, int width, int channels, Element of)
    : element{of}, sides_{height, width, channels}, rank_{3} {}

TensorShape::TensorShape(std::span<const int> dimensions, Element of)
    : element{of}, rank_{static_cast<int>(dimensions.size())} {
    assert(!dimensions.empty() && dimensions.size() <= sides_.size());
    std::ranges::copy(dimensions, sides_.begin());
}

std::int64_t TensorShape::height() const {
    std::int64_t all = 1;
    for (int i = 0; i + 2 < rank_; ++i) {
        all *= (*this)[i];
    }
    return all;
}

std::int64_t TensorShape::elements() const {
    std::int64_t all = 1;
    for (const int side : dimensions()) {
        all = side > kMostCounted / all ? kMostCounted : all * side;
    }
    return all;
}

std::string sides_text(const TensorShape& shape) {
    return fmt::format("{}", fmt::join(shape.dimensions(), "x"));
}

std::string to_string(const TensorShape& shape) {
    return fmt::format("{} {}", sides_text(shape), name_of(shape.element));
}

std::int64_t tensor_bytes(const TensorShape& shape) {
    if (shape.element == Element::binary) {
        return shape.height() * shape.width() * ((shape.channels() + 63) / 64) * 8;
    }
    return (shape.elements() * bits_of(shape.element) + 7) / 8;
}

}  // namespace sim
