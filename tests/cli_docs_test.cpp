// What the pages say that commands print, they print: blocks of README.md and docs/ that begin with
// "$ build/hetmap", each command with the lines below it. Of machines that are described in
// platforms/, so that they print the same everywhere.

#include "cli_program.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Example {
    std::string page, command, output;
};

std::vector<Example> examples_of(const fs::path& page) {
    std::vector<Example> examples;
    std::istringstream text{text_of(page)};
    const std::string prompt = "$ build/hetmap ";
    bool in_block = false, in_example = false;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("```")) {
            in_block = !in_block;
            in_example = false;
        } else if (in_block && line.starts_with(prompt)) {
            in_example = true;
            examples.push_back({page.filename().string(), line.substr(prompt.size()), ""});
        } else if (in_example) {
            examples.back().output += line + "\n";
        }
    }
    return examples;
}

// Without the empty lines that set a command off from the one before.
std::string trimmed(std::string text) {
    while (text.ends_with("\n\n")) {
        text.pop_back();
    }
    return text;
}

}  // namespace

TEST_CASE("the commands in the pages print what the pages say") {
    std::vector<fs::path> pages{HETMAP_SOURCE_DIR "/README.md"};
    for (const auto& entry : fs::directory_iterator{HETMAP_SOURCE_DIR "/docs"}) {
        if (entry.path().extension() == ".md") {
            pages.push_back(entry.path());
        }
    }
    int examples = 0;
    for (const fs::path& page : pages) {
        for (const Example& example : examples_of(page)) {
            CAPTURE(example.page);
            CAPTURE(example.command);
            std::vector<std::string> arguments;
            std::istringstream words{example.command};
            for (std::string word; words >> word;) {
                arguments.push_back(word);
            }
            const Outcome outcome = hetmap(arguments);
            CHECK(outcome.code == 0);
            CHECK(outcome.out == trimmed(example.output));
            ++examples;
        }
    }
    CHECK(examples >= 2);
}
