#pragma once

// Writes files so that a reader sees all of one or nothing. What stands in a profile: sim::to_yaml.

#include <filesystem>
#include <string>

namespace calibrate {

// Writes to a temporary file beside `path`, then renames it. Throws sim::InputError if the folder
// is not there or not writable; `path` is then as it was.
void write_file(const std::filesystem::path& path, const std::string& text);

// The same check without writing, for before a long measurement.
void check_writable(const std::filesystem::path& path);

}  // namespace calibrate
