#include "sim/report/palette.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace sim {
namespace {

struct Rgb {
    double red = 0, green = 0, blue = 0;  // 0 to 255
};

struct Base {
    Rgb fill;
    const char* text;
};
constexpr std::array<Base, 7> kPalette{{
    {{0x56, 0xb4, 0xe9}, "#10212b"},  // sky blue
    {{0xe6, 0x9f, 0x00}, "#2b1d00"},  // orange
    {{0x00, 0x9e, 0x73}, "#ffffff"},  // bluish green
    {{0xcc, 0x79, 0xa7}, "#2b0f20"},  // reddish purple
    {{0xf0, 0xe4, 0x42}, "#2b2900"},  // yellow
    {{0x00, 0x72, 0xb2}, "#ffffff"},  // blue
    {{0xd5, 0x5e, 0x00}, "#ffffff"},  // vermillion
}};

// How far each round of the palette goes towards white (above zero) or black, the strongest
// contrast to the rounds before it first.
constexpr std::array<double, 11> kShades{
    0, 0.5, -0.45, 0.75, -0.65, 0.25, -0.25, 0.63, -0.55, 0.38, -0.35};
static_assert(kPalette.size() * kShades.size() == kColours);

Rgb shaded(const Rgb& colour, double shade) {
    const auto channel = [shade](double value) {
        return std::round(shade > 0 ? value + (255 - value) * shade : value * (1 + shade));
    };
    return {channel(colour.red), channel(colour.green), channel(colour.blue)};
}

std::string hexadecimal(const Rgb& colour) {
    return fmt::format("#{:02x}{:02x}{:02x}",
                       static_cast<int>(colour.red),
                       static_cast<int>(colour.green),
                       static_cast<int>(colour.blue));
}

// Relative luminance, 0 (black) to 1 (white): WCAG 2.1, "relative luminance".
double luminance(const Rgb& colour) {
    const auto linear = [](double value) {
        const double share = value / 255;
        return share <= 0.03928 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) +
           0.0722 * linear(colour.blue);
}

}  // namespace

Colour colour_of(std::size_t index) {
    const Base& base = kPalette[index % kPalette.size()];
    const double shade = kShades[index / kPalette.size() % kShades.size()];
    if (shade == 0) {
        return {hexadecimal(base.fill), base.text};
    }
    const Rgb fill = shaded(base.fill, shade);
    // Where black and white stand out equally: (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05.
    return {hexadecimal(fill), luminance(fill) > 0.179 ? "#1a1a1a" : "#ffffff"};
}

}  // namespace sim
