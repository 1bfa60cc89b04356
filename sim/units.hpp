#pragma once

// Units of the simulator. A number without a unit never crosses a function boundary, but inside the
// evaluators and searches: there times and energies are the bare counts of Time and Energy, called
// Ticks (run/evaluator.hpp), and what is compared only with its like is a score.
//
// Simulated time is a whole number of picoseconds: sums are exact, ties are real ties, and the
// same input gives the same schedule on every machine. Measured values become `Time` once, in
// the loader, and bytes become `Time` once, in costs.cpp.

#include "sim/checked.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace sim {

using Time = std::chrono::duration<std::int64_t, std::pico>;

// Later than anything; small enough that adding two of them does not overflow.
inline constexpr Time kNever{kBeyond};

constexpr Time checked_sum(Time a, Time b) { return Time{checked_sum(a.count(), b.count())}; }

struct Bytes {
    std::int64_t count = 0;

    friend constexpr auto operator<=>(Bytes, Bytes) = default;
    friend constexpr Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }
};

std::string to_string(Bytes bytes);  // "33.4 KiB", "2.0 GiB"

struct BytesPerSecond {
    double rate = 0.0;

    friend constexpr bool operator==(BytesPerSecond, BytesPerSecond) = default;
};

// Whole femtojoules, for the same reason: 9,200 J at most.
struct Energy {
    std::int64_t femtojoules = 0;

    friend constexpr auto operator<=>(Energy, Energy) = default;
    friend constexpr Energy operator+(Energy a, Energy b) {
        return {a.femtojoules + b.femtojoules};
    }
    friend constexpr Energy operator-(Energy a, Energy b) {
        return {a.femtojoules - b.femtojoules};
    }
    constexpr Energy& operator+=(Energy other) { return *this = *this + other; }
};

struct Watts {
    double value = 0.0;
};

// What `power` draws in `time`, rounded to the nearest femtojoule; a quarter of the largest at
// most.
Energy operator*(Watts power, Time time);

// Time to push `size` through a pipe of bandwidth `rate`, rounded up to the next picosecond.
Time operator/(Bytes size, BytesPerSecond rate);

// For loaders and formatters only.
Time from_microseconds(double us);  // rounded to the nearest picosecond; kNever at most
constexpr double microseconds(Time t) { return static_cast<double>(t.count()) * 1e-6; }
Energy from_microjoules(double uj);  // rounded to the nearest femtojoule
constexpr double microjoules(Energy e) { return static_cast<double>(e.femtojoules) * 1e-9; }

}  // namespace sim
