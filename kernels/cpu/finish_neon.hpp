#pragma once

// What becomes of the sums of a dot product, eight channels in two registers. For the *_neon.cpp
// and
// *_neon_dotprod.cpp files only; all of it is in an anonymous namespace (see loops.hpp).

#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

// Of eight channels.
struct Sums {
    int32x4_t low, high;
};

inline Sums load(const std::int32_t* eight) { return {vld1q_s32(eight), vld1q_s32(eight + 4)}; }

// The first `count` of eight, with 0 behind them.
inline Sums load_some(const std::int32_t* from, int count) {
    std::int32_t eight[8] = {};
    for (int i = 0; i < count; ++i) {
        eight[i] = from[i];
    }
    return load(eight);
}

// The first `count` of eight.
inline void store_some(std::int32_t* to, int count, Sums values) {
    if (count == 8) {
        vst1q_s32(to, values.low);
        vst1q_s32(to + 4, values.high);
        return;
    }
    std::int32_t eight[8];
    vst1q_s32(eight, values.low);
    vst1q_s32(eight + 4, values.high);
    for (int i = 0; i < count; ++i) {
        to[i] = eight[i];
    }
}

inline Sums add(Sums a, Sums b) { return {vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)}; }

// a >= b, eight bits.
inline unsigned reached(Sums a, Sums b) {
    static constexpr std::uint16_t kBits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint16x8_t all = vuzp1q_u16(vreinterpretq_u16_u32(vcgeq_s32(a.low, b.low)),
                                      vreinterpretq_u16_u32(vcgeq_s32(a.high, b.high)));
    return vaddvq_u16(vandq_u16(all, vld1q_u16(kBits)));
}

// Eight channels from `channel` on. `at` is the output's index, `border` its border class; binary
// sums count double.
template <bool Double>
inline void finish(const DotOutput& out, int channel, int at, int border, Sums sums) {
    const Sums entries =
        load(out.table + (std::ptrdiff_t{channel / 16} * out.borders + border) * 16 + channel % 16);
    std::byte* output = out.output + at * out.stride;
    if (out.result == Result::bits) {
        output[channel / 8] = static_cast<std::byte>(reached(sums, entries));
        return;
    }
    Sums values = add(Double ? add(sums, sums) : sums, entries);
    const int exist = out.channels - channel < 8 ? out.channels - channel : 8;
    if (exist <= 0) {
        return;
    }
    if (out.second != nullptr) {
        const std::int32_t* second = out.second + at * out.second_stride + channel;
        values = add(values, exist == 8 ? load(second) : load_some(second, exist));
    }
    if (out.result == Result::int32 || out.result == Result::sum) {
        store_some(reinterpret_cast<std::int32_t*>(output) + channel, exist, values);
        return;
    }
    if (out.result == Result::both) {
        store_some(out.numbers + at * out.second_stride + channel, exist, values);
    }
    const Sums flips = load(out.flips + channel);
    const Sums flipped = {veorq_s32(values.low, flips.low), veorq_s32(values.high, flips.high)};
    output[channel / 8] = static_cast<std::byte>(reached(flipped, load(out.thresholds + channel)) &
                                                 (255u >> (8 - exist)));
}

}  // namespace
}  // namespace kernels::cpu
