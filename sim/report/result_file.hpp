#pragma once

// A result read back: the JSON that map, simulate or validate printed, as a table for people.

#include <filesystem>
#include <string>

namespace sim {

// The table, or with `as_json` the JSON again, two spaces a level. Throws InputError where the file
// is no result, or is larger or deeper than any.
std::string result_text(const std::filesystem::path& path, bool as_json);

}  // namespace sim
