#pragma once

// Chance that repeats: the same numbers with every standard library. Private to the searches.

#include "sim/index.hpp"

#include <cstdint>
#include <random>

namespace sim::internal {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
    int below(int count) { return static_cast<int>(below(at(count))); }
    double share() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

private:
    std::mt19937_64 engine_;
};

}  // namespace sim::internal
