#pragma once

// What a program's command line has, as data, read from the program itself: completions and manual
// pages are made of it, so that they say what the program takes.

#include <string>
#include <vector>

namespace cli {

struct OptionText {
    std::vector<std::string> names;  // "-h", "--help"; a positional's one name: "file"
    bool positional = false;
    std::string value;                 // what it takes: "FILE"; empty: nothing, a flag
    std::string limits;                // "in [1 - 64]", or empty
    std::vector<std::string> choices;  // the values that it takes, or some of them (`only_choices`)
    bool only_choices = false;
    bool required = false;
    bool several = false;
    std::string help;
};

struct CommandText {
    std::string name, help;
    std::vector<OptionText> options;  // positionals as well
};

struct ProgramText {
    std::string name, help;
    std::vector<OptionText> options;
    std::vector<CommandText> commands;
};

// Values that these words stand for in `OptionText::value`, which completions know more of.
inline constexpr const char* kFile = "FILE";
inline constexpr const char* kFolder = "DIR";
inline constexpr const char* kPath = "PATH";
inline constexpr const char* kModel = "MODEL";        // a name in models/, or a path
inline constexpr const char* kPlatform = "PLATFORM";  // a name in platforms/, or a path
inline constexpr const char* kName = "NAME";          // either of them, or a file

// Scripts for the shells' completion.
std::string bash_completion(const ProgramText& program);
std::string zsh_completion(const ProgramText& program);
std::string fish_completion(const ProgramText& program);

// Manual pages in roff: of the program, and of one of its commands.
std::string manual_of(const ProgramText& program);
std::string manual_of(const ProgramText& program, const CommandText& command);

}  // namespace cli
