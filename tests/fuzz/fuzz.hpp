#pragma once

// What the fuzz targets share. A target is a file here, <name>_fuzz.cpp, with
// LLVMFuzzerTestOneInput, and a folder of inputs to begin with, corpus/<name>/. `./dev fuzz` runs
// them with libFuzzer; `./dev test` goes through the inputs, with every compiler (replay.cpp).
//
// Bad input is refused with sim::InputError, which a target catches. Everything else is a finding:
// another exception, a crash, what a sanitizer says, more than a second or a gigabyte.

#include "sim/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

// A regular file that is only in memory, for functions that take a path.
class MemoryFile {
public:
    MemoryFile();
    ~MemoryFile();
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    void write(std::string_view bytes) const;
    std::string path() const;  // "/proc/self/fd/5"

private:
    int descriptor_ = -1;
};

// The texts between lines that are "%%%%".
std::vector<std::string_view> sections(std::string_view text);

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// Runs what may refuse its input.
template <class Action>
void tolerate(const Action& action) {
    try {
        action();
    } catch (const sim::InputError&) {
    }
}

// Ends the program: a property does not hold.
[[noreturn]] void fail(const std::string& what);

// libFuzzer's mutations, and of texts like ours: another number in place of one, a line twice or
// not at all, a word in place of another.
std::size_t mutate_text(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);

}  // namespace fuzz
