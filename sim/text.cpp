#include "sim/text.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace sim {
namespace {

// Of a character of so many bytes, which utf8_length found.
std::uint32_t code_point(std::string_view character) {
    const auto first = static_cast<unsigned char>(character.front());
    std::uint32_t code = character.size() == 1 ? first : first & (0x7FU >> character.size());
    for (const char c : character.substr(1)) {
        code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
    }
    return code;
}

bool is_printable(std::uint32_t code) {
    const auto within = [&](std::uint32_t first, std::uint32_t last) {
        return code >= first && code <= last;
    };
    return !within(0, 0x1F) && !within(0x7F, 0x9F)                // control characters
           && !within(0x2028, 0x2029)                             // line and paragraph separators
           && !within(0x200E, 0x200F) && code != 0x61C            // directions of writing:
           && !within(0x202A, 0x202E) && !within(0x2066, 0x2069)  // Unicode, annex 9
           && code != 0xFEFF                                      // a byte order mark
           && !within(0xFDD0, 0xFDEF) && (code & 0xFFFEU) != 0xFFFE;  // no characters
}

}  // namespace

std::size_t utf8_length(std::string_view bytes) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
    };
    const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return continues(1) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80;   // no overlong forms
        const unsigned high = first == 0xED ? 0x9F : 0xBF;  // no surrogates
        return continues(1, low, high) && continues(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
        return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0 || !is_printable(code_point(text.substr(0, length)))) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::string printable(std::string_view text, std::string_view kept) {
    constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
    std::string shown;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::string_view character = text.substr(0, length);
        if (length == 0) {
            shown += kReplacement;
            text.remove_prefix(1);
            continue;
        }
        const std::uint32_t code = code_point(character);
        if (is_printable(code) || (length == 1 && kept.find(character) != kept.npos)) {
            shown += character;
        } else if (code <= 0xFFFF) {
            shown += fmt::format("\\u{:04x}", code);
        } else {
            shown += kReplacement;
        }
        text.remove_prefix(length);
    }
    return shown;
}

std::string csv_field(std::string_view text) {
    constexpr std::string_view kFormula = "=+-@\t\r", kQuoted = ",\"\r\n";
    std::string field{text};
    if (!field.empty() && kFormula.find(field.front()) != kFormula.npos) {
        field.insert(0, 1, '\'');
    }
    if (field.find_first_of(kQuoted) == field.npos) {
        return field;
    }
    std::string quoted = "\"";
    for (const char c : field) {
        quoted += c;
        if (c == '"') {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string name_in(std::span<const std::string> names, int index) {
    return at(index) < names.size() ? names[at(index)] : std::to_string(index);
}

}  // namespace sim
