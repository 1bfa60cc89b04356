#pragma once

// JSON files that a user names: results of ours, profiles of other tools.

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string_view>

namespace sim {

// Throws InputError "FILE: <what>: ..." where it is no JSON, or larger or deeper than any such
// file.
nlohmann::ordered_json load_json(const std::filesystem::path& path, std::string_view what);

}  // namespace sim
