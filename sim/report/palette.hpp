#pragma once

// The colours of pictures: the eight of Okabe and Ito (2008, "Color Universal Design"), which
// people with any colour vision tell apart, in an order that gives neighbours contrast.

#include <array>
#include <cstddef>
#include <string_view>

namespace sim {

struct Colour {
    std::string_view fill;
    std::string_view text;  // readable on it
};

inline constexpr std::array<Colour, 7> kPalette{{
    {"#56b4e9", "#10212b"},  // sky blue
    {"#e69f00", "#2b1d00"},  // orange
    {"#009e73", "#ffffff"},  // bluish green
    {"#cc79a7", "#2b0f20"},  // reddish purple
    {"#f0e442", "#2b2900"},  // yellow
    {"#0072b2", "#ffffff"},  // blue
    {"#d55e00", "#ffffff"},  // vermillion
}};

constexpr Colour colour_of(std::size_t index) { return kPalette[index % kPalette.size()]; }

}  // namespace sim
