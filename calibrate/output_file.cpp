#include "calibrate/output_file.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace calibrate {
namespace {

constexpr int kMostLinks = 40;   // in a row, as in Linux
constexpr int kMostNames = 100;  // tried for a temporary file

std::string message_of(int error) {
    return std::error_code{error, std::generic_category()}.message();
}

std::string cannot_write(const std::filesystem::path& path, const std::string& why) {
    return fmt::format("cannot write '{}': {}", path.string(), why);
}

// What was asked for cannot be.
[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
    throw sim::InputError{cannot_write(path, why)};
}

// The machine could not do it.
[[noreturn]] void give_up(const std::filesystem::path& path, int error) {
    throw sim::MachineError{cannot_write(path, message_of(error))};
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : ".";
}

// An open file, closed when it goes.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    explicit operator bool() const { return number_ >= 0; }
    int number() const { return number_; }
    // Some file systems say only now that the disk is full. 0 or what went wrong.
    int close() { return ::close(std::exchange(number_, -1)) == 0 ? 0 : errno; }

private:
    int number_;
};

// 0 or what went wrong.
int write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
    return 0;
}

// Where the text goes.
struct Target {
    std::filesystem::path path;        // behind all symbolic links
    std::optional<struct stat> there;  // what stands there; nothing: a new file
    bool is_stream = false;         // a device, a pipe, or an open descriptor: no file to replace
    std::optional<int> descriptor;  // if it is one
};

// The number of a descriptor of this process, such as /proc/self/fd/1 behind /dev/stdout; -1: of
// something else under /proc, whose links are no paths; nothing: elsewhere.
std::optional<int> descriptor_of(const std::filesystem::path& path) {
    std::error_code error;
    const std::string folder = std::filesystem::canonical(folder_of(path), error).string();
    if (error || (folder != "/proc" && !folder.starts_with("/proc/"))) {
        return std::nullopt;
    }
    const std::string name = path.filename().string();
    int number = -1;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_ours = folder == fmt::format("/proc/{}/fd", getpid()) && bad == std::errc{} &&
                         end == name.data() + name.size();
    return is_ours ? number : -1;
}

// Throws where nothing can be written.
Target target_of(const std::filesystem::path& asked) {
    Target target;
    target.path = asked;
    std::error_code error;
    for (int links = 0;
         std::filesystem::is_symlink(std::filesystem::symlink_status(target.path, error));
         ++links) {
        target.descriptor = descriptor_of(target.path);
        if (target.descriptor) {
            target.is_stream = true;
            break;
        }
        const auto next = std::filesystem::read_symlink(target.path, error);
        if (error || links == kMostLinks) {
            refuse(asked, error ? error.message() : "too many symbolic links");
        }
        target.path = folder_of(target.path) / next;
    }
    struct stat status {};
    if (::stat(target.path.c_str(), &status) == 0) {
        target.there = status;
    } else if (errno != ENOENT) {
        refuse(asked, message_of(errno));
    }
    if (target.there) {
        const mode_t mode = target.there->st_mode;
        if (S_ISDIR(mode)) {
            refuse(asked, "it is a folder");
        }
        if ((S_ISBLK(mode) || S_ISSOCK(mode)) && !target.descriptor) {
            refuse(asked, S_ISBLK(mode) ? "it is a disk" : "it is a socket");
        }
        target.is_stream |= !S_ISREG(mode);
        if (::access(target.path.c_str(), W_OK) != 0) {
            refuse(asked, message_of(errno));
        }
    }
    if (!target.is_stream) {
        const std::filesystem::path folder = folder_of(target.path);
        if (!std::filesystem::is_directory(folder, error)) {
            refuse(asked, fmt::format("there is no folder '{}'", folder.string()));
        }
        if (::access(folder.c_str(), W_OK) != 0) {
            refuse(asked, message_of(errno));
        }
    }
    return target;
}

void write_to_stream(const Target& target,
                     const std::filesystem::path& asked,
                     const std::string& text) {
    // Of an open descriptor that very one, whose position is shared with all who write to it. A
    // pipe that nobody reads is refused rather than waited for.
    const int own = target.descriptor.value_or(-1);
    const Descriptor file{
        own >= 0 ? ::fcntl(own, F_DUPFD_CLOEXEC, 0)
                 : ::open(target.path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};
    if (!file) {
        refuse(asked, errno == ENXIO ? "it is a pipe that nobody reads" : message_of(errno));
    }
    if (own < 0) {
        ::fcntl(file.number(), F_SETFL, ::fcntl(file.number(), F_GETFL) & ~O_NONBLOCK);
    }
    if (const int error = write_all(file.number(), text)) {
        give_up(asked, error);
    }
}

// A file of its own in the target's folder, with a name that nobody can have put there before.
// Removed when it goes, unless it was moved.
class Temporary {
public:
    Temporary(const std::filesystem::path& folder, const std::filesystem::path& asked) {
        int file = -1;
        for (int i = 0; i < kMostNames && file < 0; ++i) {
            // Not std::random_device: it wants a newer C library than the bundle's other parts.
            std::uint64_t random = 0;
            if (::getentropy(&random, sizeof random) != 0) {
                break;
            }
            path_ = folder / fmt::format(".hetmap-{:016x}.part", random);
            file =
                ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
            if (file < 0 && errno != EEXIST) {
                break;
            }
        }
        if (file < 0) {
            give_up(asked, errno);
        }
        file_.emplace(file);
    }
    ~Temporary() {
        if (!path_.empty()) {
            ::unlink(path_.c_str());
        }
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    // All of the text, on the disk, with the permissions and the owner of what stood there. 0 or
    // what went wrong.
    int fill(const std::string& text, const std::optional<struct stat>& there) {
        if (const int error = write_all(file_->number(), text)) {
            return error;
        }
        if (there) {
            // Another's file stays theirs where this process may do that; if not, it is ours now.
            [[maybe_unused]] const int ignored =
                ::fchown(file_->number(), there->st_uid, there->st_gid);
            if (::fchmod(file_->number(), there->st_mode & 07777) != 0) {
                return errno;
            }
        }
        if (::fsync(file_->number()) != 0 && errno != EINVAL && errno != ENOTSUP) {
            return errno;
        }
        return file_->close();
    }
    int move_to(const std::filesystem::path& target) {
        if (::rename(path_.c_str(), target.c_str()) != 0) {
            return errno;
        }
        path_.clear();
        return 0;
    }
    std::filesystem::path keep() { return std::exchange(path_, {}); }

private:
    std::filesystem::path path_;
    std::optional<Descriptor> file_;
};

// 0 or what went wrong.
int overwrite(const std::filesystem::path& path, const std::string& text) {
    Descriptor file{::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (!file) {
        return errno;
    }
    if (const int error = write_all(file.number(), text)) {
        return error;
    }
    if (::ftruncate(file.number(), static_cast<off_t>(text.size())) != 0 ||
        ::fsync(file.number()) != 0) {
        return errno;
    }
    return file.close();
}

// So that the new name is on the disk as well. Not every file system can.
void sync_folder(const std::filesystem::path& folder) {
    const Descriptor file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (file) {
        ::fsync(file.number());
    }
}

// Of what is written before it gets its own name.
std::filesystem::path random_name() {
    std::uint64_t random = 0;
    if (::getentropy(&random, sizeof random) != 0) {
        throw sim::MachineError{
            fmt::format("the system gives no random numbers: {}", message_of(errno))};
    }
    return fmt::format(".hetmap-{:016x}.part", random);
}

// Whether two paths, of files that need not be there, are the same file.
bool is_same(const std::filesystem::path& a, const std::filesystem::path& b) {
    std::error_code ignored;
    if (std::filesystem::equivalent(a, b, ignored)) {
        return true;
    }
    const auto whole = [](const std::filesystem::path& path) {
        std::error_code error;
        const auto known =
            std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
        return error ? path : known;
    };
    return whole(a) == whole(b);
}

}  // namespace

void write_file(const std::filesystem::path& path, const std::string& text) {
    const Target target = target_of(path);
    if (target.is_stream) {
        write_to_stream(target, path, text);
        return;
    }
    const std::filesystem::path folder = folder_of(target.path);
    Temporary temporary{folder, path};
    if (const int error = temporary.fill(text, target.there)) {
        give_up(path, error);
    }
    if (target.there && target.there->st_nlink > 1) {
        if (const int error = overwrite(target.path, text)) {
            throw sim::MachineError{cannot_write(path,
                                                 fmt::format("{}; what it was to hold is in '{}'",
                                                             message_of(error),
                                                             temporary.keep().string()))};
        }
    } else if (const int error = temporary.move_to(target.path)) {
        give_up(path, error);
    }
    sync_folder(folder);
}

void write_folder(const std::filesystem::path& asked,
                  const std::function<void(const std::filesystem::path&)>& fill) {
    // 1. Where it is: of a link what it points to.
    std::error_code error;
    std::filesystem::path path = std::filesystem::weakly_canonical(asked, error);
    if (error) {
        refuse(asked, error.message());
    }
    if (path.filename().empty()) {
        path = path.parent_path();
    }
    const bool is_there = std::filesystem::exists(path, error);
    if (is_there && !std::filesystem::is_directory(path, error)) {
        refuse(asked, "it is no folder");
    }
    std::filesystem::create_directories(folder_of(path), error);
    if (error) {
        refuse(asked, error.message());
    }

    // 2. Beside it, under a name that nobody can have put there before.
    const std::filesystem::path part = folder_of(path) / random_name();
    if (!std::filesystem::create_directory(part, error)) {
        refuse(asked, error ? error.message() : "its new name is taken");
    }
    const auto remove = [&part] {
        std::error_code ignored;
        std::filesystem::remove_all(part, ignored);
    };
    try {
        fill(part);
    } catch (...) {
        remove();
        throw;
    }
    sync_folder(part);

    // 3. In its place. Not every file system can exchange two names at once.
    int failure = 0;
    if (!is_there) {
        failure = ::rename(part.c_str(), path.c_str()) == 0 ? 0 : errno;
    } else if (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0) {
        const std::filesystem::path old = folder_of(path) / random_name();
        if (::rename(path.c_str(), old.c_str()) != 0) {
            failure = errno;
        } else if (::rename(part.c_str(), path.c_str()) != 0) {
            failure = errno;
            std::filesystem::rename(old, path, error);
        } else {
            std::filesystem::remove_all(old, error);
        }
    }
    remove();  // what stood there, where names were exchanged
    if (failure != 0) {
        give_up(asked, failure);
    }
    sync_folder(folder_of(path));
}

void copy_file(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::error_code error;
    std::filesystem::create_directories(folder_of(to), error);
    if (error) {
        refuse(to, error.message());
    }
    const std::filesystem::path part = folder_of(to) / random_name();
    const bool is_copied = std::filesystem::copy_file(from, part, error);
    if (is_copied && !error) {
        std::filesystem::rename(part, to, error);
    }
    if (error) {
        std::error_code ignored;
        std::filesystem::remove(part, ignored);
        throw sim::MachineError{cannot_write(to, error.message())};
    }
    sync_folder(folder_of(to));
}

void check_outputs(std::span<const NamedFile> outputs, std::span<const NamedFile> inputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const NamedFile& output = outputs[i];
        if (output.path.empty() || target_of(output.path).is_stream) {
            continue;
        }
        for (const NamedFile& input : inputs) {
            if (!input.path.empty() && is_same(output.path, input.path)) {
                throw sim::InputError{fmt::format("{}: '{}' would overwrite what {} reads",
                                                  output.option,
                                                  output.path.string(),
                                                  input.option)};
            }
        }
        for (const NamedFile& other : outputs.first(i)) {
            if (!other.path.empty() && is_same(output.path, other.path)) {
                throw sim::InputError{fmt::format("{}: '{}' is also what {} writes",
                                                  output.option,
                                                  output.path.string(),
                                                  other.option)};
            }
        }
    }
}

}  // namespace calibrate
