#pragma once

// The clock that everything here is timed with.

#include <chrono>
#include <cstdint>

namespace calibrate {

// Nanoseconds of a steady clock.
inline std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace calibrate
