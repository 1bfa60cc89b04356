#pragma once

// What a YAML text may be before it is parsed.
//
// yaml-cpp keeps everything between an opening bracket and its end until it knows whether a ':'
// follows it and makes it a key: 8 MB of '[' take 1.9 GB. So the brackets are counted first, in one
// pass that needs no memory but the places of the levels it is in. It follows yaml-cpp's scanner in
// what is a bracket and what is only text: comments, quotes, block texts ('|', '>') and plain
// texts, also of several lines. It finds no other faults: those are left to the parser.

#include <cstddef>
#include <string>
#include <string_view>

namespace sim {

inline constexpr std::size_t kDeepestYaml = 16;           // levels of lists and maps
inline constexpr std::size_t kMostYamlNodes = 2'000'000;  // values: a node is about 200 bytes
// Words and signs between one pair of brackets, of about 100 bytes each: 320,000 layers have
// 6,400,000.
inline constexpr std::size_t kMostYamlTokens = 8'000'000;

// Throws InputError with file, line and column where the text is deeper or has more than that.
void expect_yaml_limits(std::string_view bytes, const std::string& file);

}  // namespace sim
