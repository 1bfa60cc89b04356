#pragma once

// What is done to bytes one by one, in plain loops for the compiler to vectorize with the flags of
// the file that includes this. All of it is in an anonymous namespace (see loops.hpp).

#include "kernels/cpu/int8_loops.hpp"

namespace kernels::cpu {
namespace {

// To the nearest whole number, to even in the middle; of numbers well below 2^22.
inline float nearest(float value) {
    constexpr float kNoFractions = 12582912.0F;  // 1.5 x 2^23
    return (value + kNoFractions) - kNoFractions;
}

// Calls work(T{}) with the type of the bytes.
template <typename Work>
inline void with_type(bool is_signed, const Work& work) {
    if (is_signed) {
        work(std::int8_t{});
    } else {
        work(std::uint8_t{});
    }
}

inline float between(float value, float least, float most) {
    const float above = value > least ? value : least;
    return above < most ? above : most;
}

inline void widen_loop(const std::byte* from,
                       Int8Format format,
                       std::int16_t* __restrict to,
                       std::ptrdiff_t count) {
    const auto zero = static_cast<std::int16_t>(format.zero);
    with_type(format.is_signed, [&](auto type) {
        const auto* const bytes = reinterpret_cast<const decltype(type)*>(from);
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            to[i] = static_cast<std::int16_t>(bytes[i] - zero);
        }
    });
}

inline void quantize_loop(const float* from,
                          float step,
                          std::byte* __restrict to,
                          Int8Format format,
                          std::ptrdiff_t count) {
    const float least = (format.is_signed ? -128.0F : 0.0F) - format.zero,
                most = (format.is_signed ? 127.0F : 255.0F) - format.zero, zero = format.zero;
    with_type(format.is_signed, [&](auto type) {
        auto* const bytes = reinterpret_cast<decltype(type)*>(to);
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            const float value = nearest(between(from[i] / step, least, most)) + zero;
            bytes[i] = static_cast<decltype(type)>(static_cast<std::int32_t>(value));
        }
    });
}

inline void dequantize_loop(const std::byte* from,
                            Int8Format format,
                            float step,
                            float* __restrict to,
                            std::ptrdiff_t count) {
    const float zero = format.zero;
    with_type(format.is_signed, [&](auto type) {
        const auto* const bytes = reinterpret_cast<const decltype(type)*>(from);
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            to[i] = (static_cast<float>(bytes[i]) - zero) * step;
        }
    });
}

// `job` becomes a copy: what is stored could change it, as far as the compiler knows.
inline void add_loop(const Int8Add& given) {
    const Int8Add job = given;
    const float zero = job.of_result.zero;
    with_type(job.of_a.is_signed, [&](auto type_a) {
        with_type(job.of_b.is_signed, [&](auto type_b) {
            with_type(job.of_result.is_signed, [&](auto type) {
                const auto* const a = reinterpret_cast<const decltype(type_a)*>(job.a);
                const auto* const b = reinterpret_cast<const decltype(type_b)*>(job.b);
                auto* const __restrict to = reinterpret_cast<decltype(type)*>(job.to);
                for (std::ptrdiff_t i = 0; i < job.count; ++i) {
                    const float other = job.by_b * (static_cast<float>(b[i]) - job.of_b.zero);
                    const float sum =
                        __builtin_fmaf(job.by_a, static_cast<float>(a[i]) - job.of_a.zero, other);
                    const float value =
                        nearest(between(sum, job.least - zero, job.most - zero)) + zero;
                    to[i] = static_cast<decltype(type)>(static_cast<std::int32_t>(value));
                }
            });
        });
    });
}

}  // namespace
}  // namespace kernels::cpu
