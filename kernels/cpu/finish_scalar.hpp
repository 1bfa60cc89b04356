#pragma once

// What becomes of the sums of a dot product, one at a time. For the *_scalar.cpp files only; all of
// it is in an anonymous namespace (see loops.hpp).

#include "kernels/cpu/loops.hpp"

namespace kernels::cpu {
namespace {

// Eight channels from `channel` on. `at` is the output's index, `border` its border class; binary
// sums count double.
template <bool Double>
inline void finish(
    const DotOutput& out, int channel, int at, int border, const std::int32_t* sums) {
    const std::int32_t* table =
        out.table + (std::ptrdiff_t{channel / 16} * out.borders + border) * 16 + channel % 16;
    std::byte* output = out.output + at * out.stride;
    unsigned bits = 0;
    if (out.result == Result::bits) {
        for (int c = 0; c < 8; ++c) {
            bits |= static_cast<unsigned>(sums[c] >= table[c]) << c;
        }
        output[channel / 8] = static_cast<std::byte>(bits);
        return;
    }
    const bool is_number = out.result == Result::int32 || out.result == Result::sum;
    for (int c = 0; c < 8 && channel + c < out.channels; ++c) {
        auto value = static_cast<std::uint32_t>((Double ? 2 * sums[c] : sums[c]) + table[c]);
        if (out.second != nullptr) {
            value += static_cast<std::uint32_t>(out.second[at * out.second_stride + channel + c]);
        }
        if (is_number) {
            __builtin_memcpy(output + std::ptrdiff_t{channel + c} * 4, &value, 4);
            continue;
        }
        if (out.result == Result::both) {
            __builtin_memcpy(out.numbers + at * out.second_stride + channel + c, &value, 4);
        }
        if ((static_cast<std::int32_t>(value) ^ out.flips[channel + c]) >=
            out.thresholds[channel + c]) {
            bits |= 1u << c;
        }
    }
    if (!is_number) {
        output[channel / 8] = static_cast<std::byte>(bits);
    }
}

}  // namespace
}  // namespace kernels::cpu
