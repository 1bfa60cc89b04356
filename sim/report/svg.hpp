#pragma once

// What pictures share: text that XML can hold, and round numbers along an axis.

#include <string>
#include <string_view>

namespace sim {

// Marks escaped, line breaks as spaces, and what is not printable, of which XML forbids some,
// spelled out.
std::string escaped(std::string_view text);

// The smallest of 1, 2 and 5 times a power of ten that is not below `raw` (above zero).
double round_step(double raw);

// Digits after the point that multiples of such a step need.
int decimals_of(double step);

}  // namespace sim
