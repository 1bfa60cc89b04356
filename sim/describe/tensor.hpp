#pragma once

// Shapes of tensors and what their elements are. Layout in memory is not part of a shape.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sim {

// What one element of a tensor is. `binary` is +1 or -1, stored as one bit; `ternary` -1, 0 or +1,
// stored as two; `boolean` a byte.
enum class Element {
    binary,
    ternary,
    int4,
    u4,
    int8,
    u8,
    int16,
    u16,
    int32,
    u32,
    int64,
    u64,
    f8,
    f16,
    bf16,
    f32,
    f64,
    boolean
};

std::span<const Element> elements();
std::string_view name_of(Element element);  // "int8"; of boolean "bool"
std::optional<Element> find_element(std::string_view name);
int bits_of(Element element);
bool is_float(Element element);

// Of what two operands give together: the wider one, floating-point numbers before whole ones.
Element promoted(Element a, Element b);

// Shape of one image's tensor, without the batch: 1 to kMostDimensions sides of at least one. A
// tensor that is an image, or is taken as one, has its channels last: height x width x channels.
class TensorShape {
public:
    static constexpr int kMostDimensions = 8;

    TensorShape() : TensorShape{1, 1, 1, Element::f32} {}
    TensorShape(int height, int width, int channels, Element of);
    TensorShape(std::span<const int> dimensions, Element of);  // 1 to kMostDimensions
    TensorShape(std::initializer_list<int> dimensions, Element of)
        : TensorShape{std::span{dimensions.begin(), dimensions.size()}, of} {}

    Element element = Element::f32;

    std::span<const int> dimensions() const { return {sides_.data(), std::size_t(rank_)}; }
    int rank() const { return rank_; }
    int operator[](int dimension) const { return sides_[static_cast<std::size_t>(dimension)]; }
    void set(int dimension, int size) { sides_[static_cast<std::size_t>(dimension)] = size; }

    // As an image: the last dimension; the one before; all others together, 1 where there are none.
    // (Of a shape that passed the loader, which has at most 2^31 elements.)
    int channels() const { return sides_[static_cast<std::size_t>(rank_ - 1)]; }
    int width() const { return rank_ < 2 ? 1 : sides_[static_cast<std::size_t>(rank_ - 2)]; }
    std::int64_t height() const;
    void set_channels(int channels) { set(rank_ - 1, channels); }

    std::int64_t elements() const;  // at most kMostCounted: that many, or more
    static constexpr std::int64_t kMostCounted = std::int64_t{1} << 40;

    friend bool operator==(const TensorShape&, const TensorShape&) = default;

private:
    std::array<int, kMostDimensions> sides_{};
    int rank_ = 0;
};

// "14x14x64", "14x14x64 binary".
std::string sides_text(const TensorShape& shape);
std::string to_string(const TensorShape& shape);

// Bytes of a tensor of one image in memory: bits are packed along the channels in 64-bit words for
// every pixel, other elements lie one after the other, those of less than a byte packed.
std::int64_t tensor_bytes(const TensorShape& shape);

}  // namespace sim
