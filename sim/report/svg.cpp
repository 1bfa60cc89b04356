#include "sim/report/svg.hpp"

#include "sim/text.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : printable(text, "\n")) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case '\n':
                out += ' ';
                break;
            default:
                out += c;
        }
    }
    return out;
}

double round_step(double raw) {
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    return raw <= power       ? power
           : raw <= 2 * power ? 2 * power
           : raw <= 5 * power ? 5 * power
                              : 10 * power;
}

int decimals_of(double step) {
    return std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
}

}  // namespace sim
