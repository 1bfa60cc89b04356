#pragma once

// Writes a platform as YAML (docs/file-formats.md), so that loading it gives an equal platform,
// and writes files so that nobody ever sees half of one.

#include "sim/describe/platform.hpp"

#include <filesystem>
#include <string>

namespace calibrate {

std::string to_yaml(const sim::Platform& platform);

// Writes to a temporary file beside `path`, then renames it. Throws sim::InputError if the folder
// is not there or not writable; `path` is then as it was.
void write_file(const std::filesystem::path& path, const std::string& text);

// The same check without writing, for before a long measurement.
void check_writable(const std::filesystem::path& path);

}  // namespace calibrate
