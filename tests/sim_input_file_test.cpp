// Files that are none, or not there.

#include "sim/describe/input_file.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cerrno>
#include <sys/resource.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 20;

// No file can be opened while it lives.
class NoDescriptors {
public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = 0;
        setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

// Of an action without descriptors. The undefined-behaviour sanitizer looks through a pipe at an
// object whose class is new to it: it meets those that make the text before, and the error after.
std::string machine_error_of(const auto& action) {
    static_cast<void>(fmt::format("{}", std::generic_category().message(EMFILE)));
    try {
        const NoDescriptors none;
        action();
    } catch (const sim::MachineError& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a file is read as it is, and up to a size") {
    const TemporaryFolder folder;
    CHECK(sim::read_file(folder.write("a", std::string("x\0y", 3)), kMost) ==
          std::string("x\0y", 3));
    CHECK(sim::read_file(folder.write("empty", ""), kMost).empty());
    CHECK(sim::read_file(folder.write("full", std::string(kMost, 'x')), kMost).size() == kMost);
    const std::string large = folder.write("large", std::string(kMost + 1, 'x'));
    CHECK(folder.error_of([&] { sim::read_file(large, kMost); }) ==
          "large: the file has 1 MiB, the most that is read is 1 MiB");
    // One that does not say how much it has.
    CHECK(sim::read_file("/proc/self/status", kMost).starts_with("Name:"));
}

TEST_CASE("what is no file is refused in words, and nobody waits for it") {
    const TemporaryFolder folder;
    const auto error_of = [&](const std::string& path) {
        return folder.error_of([&] { sim::read_file(path, kMost); });
    };
    REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
    CHECK(error_of(folder.file("pipe")) == "pipe: expected a regular file, this is a pipe");
    CHECK(error_of(folder.path().string()).ends_with("expected a file, this is a folder"));
    CHECK(error_of("/dev/zero") == "/dev/zero: expected a regular file, this is a device");
    CHECK(error_of(folder.file("none")) == "none: no such file");
    CHECK(error_of(folder.write("file", "") + "/below") == "file/below: no such file");
    CHECK(error_of("/" + std::string(300, 'x')).ends_with("cannot be read: File name too long"));
    std::filesystem::create_symlink("loop", folder.path() / "loop");
    CHECK(error_of(folder.file("loop")).starts_with("loop: cannot be read: "));
}

TEST_CASE("too few file descriptors are the machine's fault, and it says so") {
    const TemporaryFolder folder;
    const std::string file = folder.write("folder/model.yaml", "hetmap: model/1\n");
    const std::filesystem::path search_path[] = {folder.path()};
    CHECK(machine_error_of([&] { sim::load_model(file, {}); }) ==
          file + ": cannot be read: Too many open files");
    CHECK(machine_error_of([&] { sim::load_model("other", search_path); }) ==
          folder.path().string() + ": cannot be gone through: Too many open files");
    CHECK(machine_error_of([&] { sim::load_platform("other", search_path, {}); }) ==
          folder.path().string() + ": cannot be gone through: Too many open files");
}
