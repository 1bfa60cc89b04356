#pragma once

// The colours of pictures. The first are those of Okabe and Ito (2008, "Color Universal Design"),
// which people with any colour vision tell apart, in an order that gives neighbours contrast.
// Beyond them come lighter and darker shades of the same: kColours in all, no two the same.

#include <cstddef>
#include <string>

namespace sim {

struct Colour {
    std::string fill;  // "#56b4e9"
    std::string text;  // readable on it
};

inline constexpr std::size_t kColours = 77;

Colour colour_of(std::size_t index);  // from kColours on they begin again

}  // namespace sim
