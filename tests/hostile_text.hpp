#pragma once

// Texts that a careless writer or reader takes for something else, drawn at random: for tests that
// write files and read them back.

#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace hostile {

inline std::size_t pick(std::mt19937_64& random, std::size_t end) {
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random);
}

// A name as files may have it: printable.
inline std::string name(std::mt19937_64& random) {
    constexpr std::string_view kPieces[] = {
        "\"",  "\\",    "'",   ":",      ": ",         "#",  " #",   "{",      "}",       "[",
        "]",   ",",     "&",   "*",      "!",          "|",  ">",    "<",      "%",       "@",
        "`",   "-",     "- ",  "?",      "~",          "$",  "null", "true",   "1e5",     "0x1",
        " ",   "=",     "+",   "\u00e9", "\U0001f600", "a",  "<<",   "\\x41",  "\\u0041", "---",
        "...", "&amp;", "]]>", "<!--",   "%s",         "{}", "\\n",  "\u00a0", "\u4e2d"};
    std::string text;
    for (std::size_t pieces = 1 + pick(random, 6); pieces > 0; --pieces) {
        text += kPieces[pick(random, std::size(kPieces))];
    }
    return text;
}

// Any UTF-8: with control characters, line breaks, directions of writing, no characters.
inline std::string text(std::mt19937_64& random) {
    constexpr std::string_view kPieces[] = {"\n",
                                            "\r",
                                            "\t",
                                            "\x1b[31m",
                                            "\x7f",
                                            "\x01",
                                            "\u0085",
                                            "\u2028",
                                            "\u202e",
                                            "\ufeff",
                                            "\ufffe",
                                            "\u009b"};
    std::string text = name(random);
    for (std::size_t pieces = pick(random, 3); pieces > 0; --pieces) {
        text.append(kPieces[pick(random, std::size(kPieces))]).append(name(random));
    }
    return text;
}

}  // namespace hostile
