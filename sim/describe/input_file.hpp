#pragma once

// The bytes of a file that the user names: a model, a platform, a result, weights, images.
//
// Only regular files are read: a FIFO or a terminal could be waited for without end, a device has
// no end. What the user can mend (no such file, a folder, too large) is an InputError; what the
// machine lacks (file descriptors, a disk that answers) is a MachineError and says what it said.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

namespace sim {

// Throws what is said above, with "FILE: ..." in front. Larger than `most_bytes` is refused before
// anything is read.
std::string read_file(const std::filesystem::path& path, std::int64_t most_bytes);

// What came of going through a folder. One that is not there, or that may not be looked into, has
// nothing in it; what else ends it, such as too few file descriptors, is a MachineError.
void expect_gone_through(const std::filesystem::path& folder, const std::error_code& end);

// An open regular file, closed at the end; for what reads its own way, such as through zlib.
class InputFile {
public:
    explicit InputFile(const std::filesystem::path& path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    std::int64_t size() const { return size_; }
    // The next bytes, as many as are wanted and there are.
    std::size_t read(char* to, std::size_t bytes);
    int release();  // the descriptor, which the caller closes

private:
    std::filesystem::path path_;
    int descriptor_ = -1;
    std::int64_t size_ = 0;
};

}  // namespace sim
