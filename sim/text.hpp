#pragma once

// Texts from files, on their way to people and to other programs: which characters are safe to
// show, and what stands for the others.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sim {

// Bytes of the UTF-8 character at the front of `bytes`, 0 if there is none. RFC 3629, section 4.
std::size_t utf8_length(std::string_view bytes);

// UTF-8, and nothing in it that a terminal, an editor or XML would take for a command: no control
// characters, no line breaks, no changes of the direction of writing, nothing that is no character.
bool is_printable(std::string_view text);

// The text with what is not printable spelled out ("\u001b", as in JSON and YAML), and what is no
// UTF-8 replaced by U+FFFD. `kept`: characters that stay all the same.
std::string printable(std::string_view text, std::string_view kept = "");

// A field of a CSV file: in quotes where RFC 4180 asks for them, and behind an apostrophe where a
// spreadsheet would take it for a formula.
std::string csv_field(std::string_view text);

// The name at the index, or the index itself where there are no names.
std::string name_in(std::span<const std::string> names, int index);

}  // namespace sim
