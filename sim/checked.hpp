#pragma once

// Arithmetic on numbers that a file decides and nothing has checked yet. Results stop at kBeyond,
// which every check of a range refuses, where they would overflow; so a check can stand after the
// sum. Sums of what was checked (sim/compile: no schedule reaches kNever) need none of this.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sim {

// Beyond any range; small enough that adding two of them does not overflow.
inline constexpr std::int64_t kBeyond = std::numeric_limits<std::int64_t>::max() / 4;

constexpr std::int64_t within_range(std::int64_t a) { return std::clamp(a, -kBeyond, kBeyond); }

constexpr std::int64_t checked_sum(std::int64_t a, std::int64_t b) {
    return within_range(within_range(a) + within_range(b));
}

constexpr std::int64_t checked_product(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        return (a < 0) == (b < 0) ? kBeyond : -kBeyond;
    }
    return within_range(product);
}

// The nearest whole number; what is no number is beyond any.
inline std::int64_t whole_number(double value) {
    if (!(value < static_cast<double>(kBeyond))) {  // also NaN
        return kBeyond;
    }
    return value <= -static_cast<double>(kBeyond) ? -kBeyond : std::llround(value);
}

}  // namespace sim
