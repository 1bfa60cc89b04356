#pragma once

// A platform's file, read once, for many platforms that differ in some numbers of it: reading a
// measured one takes longer than many a search.

#include "sim/describe/platform.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace sim {

struct YamlFile;

class PlatformFile {
public:
    // As load_platform finds it. Throws InputError where there is none, or it is no YAML.
    PlatformFile(const std::string& name_or_path,
                 std::span<const std::filesystem::path> search_path);

    const std::filesystem::path& path() const { return path_; }
    // What load_platform gives with these numbers set. Throws InputError as it does.
    Platform with(std::span<const std::string> set) const;

private:
    std::filesystem::path path_;
    std::shared_ptr<const YamlFile> file_;
};

}  // namespace sim
