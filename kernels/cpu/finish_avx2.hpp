#pragma once

// What becomes of the sums of a dot product, eight channels in a register. For the *_avx2.cpp files
// only; all of it is in an anonymous namespace (see loops.hpp).

#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

using Vector = __m256i;

inline Vector load(const std::int32_t* eight) {
    return _mm256_load_si256(reinterpret_cast<const Vector*>(eight));
}

inline int signs_of(Vector lanes) { return _mm256_movemask_ps(_mm256_castsi256_ps(lanes)); }

// Eight numbers, or those of them that exist. AMD's processors take some 40 micro-operations to
// store under a mask, so that is for the last channels alone.
inline Vector load_some(const std::int32_t* from, bool all, Vector exist) {
    return all ? _mm256_loadu_si256(reinterpret_cast<const Vector*>(from))
               : _mm256_maskload_epi32(from, exist);
}

inline void store_some(std::int32_t* to, bool all, Vector exist, Vector values) {
    if (all) {
        _mm256_storeu_si256(reinterpret_cast<Vector*>(to), values);
    } else {
        _mm256_maskstore_epi32(to, exist, values);
    }
}

// Eight channels from `channel` on. `at` is the output's index, `border` its border class; binary
// sums count double.
template <bool Double>
inline void finish(const DotOutput& out, int channel, int at, int border, Vector sums) {
    const Vector entries =
        load(out.table + (std::ptrdiff_t{channel / 16} * out.borders + border) * 16 + channel % 16);
    std::byte* output = out.output + at * out.stride;
    if (out.result == Result::bits) {
        output[channel / 8] = static_cast<std::byte>(~signs_of(_mm256_cmpgt_epi32(entries, sums)));
        return;
    }
    Vector values = _mm256_add_epi32(Double ? _mm256_add_epi32(sums, sums) : sums, entries);
    const int rest = out.channels - channel;
    const bool all = rest >= 8;
    const Vector exist =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(rest), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const std::ptrdiff_t number = at * out.second_stride + channel;
    if (out.second != nullptr) {
        values = _mm256_add_epi32(values, load_some(out.second + number, all, exist));
    }
    if (out.result == Result::int32 || out.result == Result::sum) {
        store_some(reinterpret_cast<std::int32_t*>(output) + channel, all, exist, values);
        return;
    }
    if (out.result == Result::both) {
        store_some(out.numbers + number, all, exist, values);
    }
    const Vector below = _mm256_cmpgt_epi32(load(out.thresholds + channel),
                                            _mm256_xor_si256(values, load(out.flips + channel)));
    output[channel / 8] = static_cast<std::byte>(signs_of(_mm256_andnot_si256(below, exist)));
}

}  // namespace
}  // namespace kernels::cpu
