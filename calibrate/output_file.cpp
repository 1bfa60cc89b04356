#include "calibrate/output_file.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <unistd.h>

namespace calibrate {

void write_file(const std::filesystem::path& path, const std::string& text) {
    const std::filesystem::path temporary{path.string() + fmt::format(".{}.part", getpid())};
    const auto fail = [&](const char* what) {
        const std::string why = std::strerror(errno);
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        throw sim::InputError{fmt::format("cannot {} '{}': {}", what, path.string(), why)};
    };
    errno = 0;
    {
        std::ofstream file{temporary, std::ios::binary};
        if (!file.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
            fail("write");
        }
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
        fail("replace");
    }
}

void check_writable(const std::filesystem::path& path) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    if (!std::filesystem::is_directory(folder)) {
        throw sim::InputError{fmt::format(
            "cannot write '{}': there is no folder '{}'", path.string(), folder.string())};
    }
    if (std::filesystem::is_directory(path)) {
        throw sim::InputError{fmt::format("cannot write '{}': it is a folder", path.string())};
    }
    if (access(folder.c_str(), W_OK) != 0) {
        throw sim::InputError{
            fmt::format("cannot write '{}': {}", path.string(), std::strerror(errno))};
    }
}

}  // namespace calibrate
