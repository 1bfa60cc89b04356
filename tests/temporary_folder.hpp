#pragma once

// Files that a test writes, in a folder of its own that goes when the test ends; and what an
// InputError says about them, without that folder's name.

#include "sim/error.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "hetmap-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error{"cannot make a temporary folder"};
        }
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::filesystem::path& path() const { return path_; }
    std::string file(const std::string& name) const { return (path_ / name).string(); }

    // Writes the file, and its folder if there is none, and returns its path.
    std::string write(const std::string& name, const std::string& text) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream{file, std::ios::binary} << text;
        return file.string();
    }

    // "bad.yaml:1:9: ..." of the InputError that `action` throws; "no error" if it throws none.
    template <class Action>
    std::string error_of(Action action) const {
        try {
            action();
        } catch (const sim::InputError& error) {
            std::string text = error.what();
            const std::string prefix = path_.string() + "/";
            for (std::size_t at; (at = text.find(prefix)) != std::string::npos;) {
                text.erase(at, prefix.size());
            }
            return text;
        }
        return "no error";
    }

private:
    std::filesystem::path path_;
};

// `text` with its first `what` replaced; throws if it is not there, so that no case of a table of
// bad inputs is by mistake the good one.
inline std::string with(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    if (at == std::string::npos) {
        throw std::logic_error{"the test's text has no '" + what + "'"};
    }
    return text.replace(at, what.size(), by);
}

// The yaml block of docs/file-formats.md that begins with `header`.
inline std::string example_in_docs(const std::string& header) {
    std::ifstream file{HETMAP_SOURCE_DIR "/docs/file-formats.md"};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const std::size_t begin = text.find("```yaml\n" + header);
    const std::size_t end = text.find("```\n", begin + 8);
    if (begin == std::string::npos || end == std::string::npos) {
        throw std::logic_error{"docs/file-formats.md has no example of " + header};
    }
    return text.substr(begin + 8, end - begin - 8);
}
