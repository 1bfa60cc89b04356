#pragma once

// What becomes of the sums of a dot product, sixteen channels in a register. For the *_avx512.cpp
// files only; all of it is in an anonymous namespace (see loops.hpp).

#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

using Vector = __m512i;

// `V` x 16 channels from block `block` (of 16) on. `at` is the output's index, `border` its border
// class; binary sums count double.
template <int V, bool Double>
inline void finish(const DotOutput& out, int block, int at, int border, const Vector* sums) {
    const std::ptrdiff_t row = std::ptrdiff_t{out.borders} * 16;
    const std::int32_t* table = out.table + block * row + border * 16;
    std::byte* output = out.output + at * out.stride;

    if (out.result == Result::bits) {
        __mmask16 bits[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            bits[v] = _mm512_cmpge_epi32_mask(sums[v], _mm512_load_si512(table + v * row));
        }
        if constexpr (V == 4) {  // a whole word
            const __mmask64 word = _mm512_kunpackd(_mm512_kunpackw(bits[3], bits[2]),
                                                   _mm512_kunpackw(bits[1], bits[0]));
            _store_mask64(reinterpret_cast<__mmask64*>(output) + block / 4, word);
        } else {
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                _store_mask16(reinterpret_cast<__mmask16*>(output) + block + v, bits[v]);
            }
        }
        return;
    }

#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        Vector values = Double ? _mm512_add_epi32(sums[v], sums[v]) : sums[v];
        values = _mm512_add_epi32(values, _mm512_load_si512(table + v * row));
        const int channel = (block + v) * 16;
        const int rest = out.channels - channel;
        const auto exist = static_cast<__mmask16>(rest >= 16 ? 0xffff : 0xffff >> (16 - rest));
        if (out.second != nullptr) {
            values = _mm512_add_epi32(
                values,
                _mm512_maskz_loadu_epi32(exist, out.second + at * out.second_stride + channel));
        }
        if (out.result == Result::int32 || out.result == Result::sum) {
            _mm512_mask_storeu_epi32(output + std::ptrdiff_t{channel} * 4, exist, values);
            continue;
        }
        if (out.result == Result::both) {
            _mm512_mask_storeu_epi32(out.numbers + at * out.second_stride + channel, exist, values);
        }
        const Vector flipped = _mm512_xor_si512(values, _mm512_load_si512(out.flips + channel));
        _store_mask16(reinterpret_cast<__mmask16*>(output) + block + v,
                      _mm512_mask_cmpge_epi32_mask(
                          exist, flipped, _mm512_load_si512(out.thresholds + channel)));
    }
}

}  // namespace
}  // namespace kernels::cpu
