#include "sim/describe/input_file.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace sim {
namespace {

// Is it something that the user can mend by naming another file?
bool is_users(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
        case EACCES:
        case EPERM:
        case ELOOP:
        case ENAMETOOLONG:
        case EISDIR:
        case ENXIO:  // a socket
        case EINVAL:
            return true;
        default:
            return false;
    }
}

[[noreturn]] void refuse(const std::filesystem::path& path, int error) {
    if (error == ENOENT || error == ENOTDIR) {
        throw InputError{fmt::format("{}: no such file", path.string())};
    }
    const std::string what = fmt::format(
        "{}: cannot be read: {}", path.string(), std::generic_category().message(error));
    if (is_users(error)) {
        throw InputError{what};
    }
    throw MachineError{what};
}

std::string_view what_it_is(mode_t mode) {
    return S_ISDIR(mode)    ? "expected a file, this is a folder"
           : S_ISFIFO(mode) ? "expected a regular file, this is a pipe"
           : S_ISSOCK(mode) ? "expected a regular file, this is a socket"
                            : "expected a regular file, this is a device";
}

}  // namespace

void expect_gone_through(const std::filesystem::path& folder, const std::error_code& end) {
    if (end && !is_users(end.value())) {
        throw MachineError{
            fmt::format("{}: cannot be gone through: {}", folder.string(), end.message())};
    }
}

InputFile::InputFile(const std::filesystem::path& path) : path_{path} {
    // Opening a FIFO waits for its writer, and opening a device can do something: looked at first,
    // and opened without waiting, should it be another by then.
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        refuse(path, errno);
    }
    if (S_ISREG(status.st_mode)) {
        descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (descriptor_ < 0) {
            refuse(path, errno);
        }
        if (::fstat(descriptor_, &status) != 0) {
            const int error = errno;
            ::close(descriptor_);
            refuse(path, error);
        }
    }
    if (!S_ISREG(status.st_mode)) {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
        throw InputError{fmt::format("{}: {}", path.string(), what_it_is(status.st_mode))};
    }
    size_ = status.st_size;
}

InputFile::~InputFile() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

std::size_t InputFile::read(char* to, std::size_t bytes) {
    std::size_t all = 0;
    while (all < bytes) {
        const ssize_t got = ::read(descriptor_, to + all, bytes - all);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            refuse(path_, errno);
        }
        if (got == 0) {
            break;
        }
        all += static_cast<std::size_t>(got);
    }
    return all;
}

int InputFile::release() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return descriptor;
}

std::string read_file(const std::filesystem::path& path, std::int64_t most_bytes) {
    InputFile file{path};
    const auto refuse_size = [&](std::int64_t size) {
        throw InputError{fmt::format("{}: the file has {} MiB, the most that is read is {} MiB",
                                     path.string(),
                                     size >> 20,
                                     most_bytes >> 20)};
    };
    if (file.size() > most_bytes) {
        refuse_size(file.size());
    }
    // A file may have more than it says, such as those of /proc, or grow meanwhile.
    constexpr std::size_t kMore = std::size_t{1} << 16;
    std::string bytes;
    std::size_t wanted = static_cast<std::size_t>(file.size()) + 1;
    for (std::size_t read = 0; read == bytes.size(); wanted = kMore) {
        bytes.resize(read + wanted);
        read += file.read(bytes.data() + read, wanted);
        if (read > static_cast<std::size_t>(most_bytes)) {
            refuse_size(static_cast<std::int64_t>(read));
        }
        if (read < bytes.size()) {
            bytes.resize(read);
            break;
        }
    }
    return bytes;
}

}  // namespace sim
