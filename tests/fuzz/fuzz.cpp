#include "fuzz.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

extern "C" {
// libFuzzer's own; where the inputs are only gone through there is none.
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most)
    __attribute__((weak));
}

namespace fuzz {
namespace {

using Words = std::vector<std::pair<std::size_t, std::size_t>>;  // begin, end

template <class Is>
Words words_of(std::string_view text, const Is& is) {
    Words words;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i;
        while (end < text.size() && is(text[end])) {
            ++end;
        }
        if (end > i) {
            words.emplace_back(i, end);
        }
        i = std::max(end, i + 1);
    }
    return words;
}

bool is_number_part(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.'; }
bool is_word_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_line_part(char c) { return c != '\n'; }

constexpr const char* kNumbers[] = {"0",          "1",
                                    "2",          "3",
                                    "7",          "63",
                                    "64",         "65",
                                    "1000",       "4096",
                                    "1e-9",       "1e9",
                                    "1e12",       "1e15",
                                    "1e300",      "1e308",
                                    "-1",         "0.5",
                                    "1048576",    "2147483647",
                                    "4294967296", "9223372036854775807",
                                    "1e-300",     "999999999",
                                    "65536"};

std::string mutated(std::string text, std::mt19937& random) {
    const auto one_of = [&](const Words& words) { return words[random() % words.size()]; };
    const auto replace = [&](std::pair<std::size_t, std::size_t> place, const std::string& by) {
        text.replace(place.first, place.second - place.first, by);
    };
    switch (random() % 5) {
        case 0:
        case 1: {
            const Words numbers = words_of(text, is_number_part);
            if (!numbers.empty()) {
                replace(one_of(numbers), kNumbers[random() % std::size(kNumbers)]);
            }
            break;
        }
        case 2: {
            const Words words = words_of(text, is_word_part);
            if (!words.empty()) {
                const auto [begin, end] = one_of(words);
                replace(one_of(words), text.substr(begin, end - begin));
            }
            break;
        }
        case 3: {
            const Words lines = words_of(text, is_line_part);
            if (!lines.empty()) {
                const auto [begin, end] = one_of(lines);
                const std::string line = text.substr(begin, end - begin) + "\n";
                text.insert(one_of(lines).first, line);
            }
            break;
        }
        default: {
            const Words lines = words_of(text, is_line_part);
            if (!lines.empty()) {
                replace(one_of(lines), "");
            }
            break;
        }
    }
    return text;
}

}  // namespace

MemoryFile::MemoryFile() : descriptor_{memfd_create("fuzz", MFD_CLOEXEC)} {
    if (descriptor_ < 0) {
        fail("no file in memory");
    }
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

void MemoryFile::write(std::string_view bytes) const {
    if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) !=
                                                static_cast<ssize_t>(bytes.size())) {
        fail("the file in memory cannot be written");
    }
}

std::string MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

std::vector<std::string_view> sections(std::string_view text) {
    constexpr std::string_view kBetween = "%%%%\n";
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(kBetween);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + kBetween.size());
    }
}

void fail(const std::string& what) {
    std::fprintf(stderr, "fuzz: %s\n", what.c_str());
    std::abort();
}

std::size_t mutate_text(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
    std::mt19937 random{seed};
    if (LLVMFuzzerMutate != nullptr && random() % 3 == 0) {
        return LLVMFuzzerMutate(data, size, most);
    }
    std::string text{text_of(data, size)};
    for (unsigned i = 0; i <= random() % 3; ++i) {
        text = mutated(std::move(text), random);
    }
    size = std::min(text.size(), most);
    std::memcpy(data, text.data(), size);
    return size;
}

}  // namespace fuzz
