// What the pages say that commands print, they print: blocks of README.md and docs/ that begin with
// "$ build/hetmap", each command with the lines below it. Of machines that are described in
// platforms/ or examples/, so that they print the same everywhere. What commands write into build/
// goes into a folder of the page's own here.

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
    int block = 0;
};

std::vector<Example> examples_of(const fs::path& page) {
    std::vector<Example> examples;
    std::istringstream text{text_of(page)};
    const std::string prompt = "$ build/hetmap ";
    bool in_block = false, in_example = false;
    int block = 0;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("```")) {
            in_block = !in_block;
            ++block;
            in_example = false;
        } else if (in_block && line.starts_with(prompt)) {
            in_example = true;
            examples.push_back({page.filename().string(), line.substr(prompt.size()), "", block});
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

const std::string kSource = HETMAP_SOURCE_DIR "/";

// Where a word of a command leads here.
std::string led(const std::string& word, const std::string& build) {
    return word.starts_with("build/")      ? build + word.substr(6)
           : word.starts_with("examples/") ? kSource + word
                                           : word;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
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
        const TemporaryFolder folder;
        const std::string build = folder.path().string() + "/";
        int skipped = 0;  // a block that imports, where the program was built without ONNX
        for (const Example& example : examples_of(page)) {
            if (example.block == skipped) {
                continue;
            }
            CAPTURE(example.page);
            CAPTURE(example.command);
            std::vector<std::string> arguments;
            std::istringstream words{example.command};
            for (std::string word; words >> word;) {
                arguments.push_back(led(word, build));
            }
            const Outcome outcome = hetmap(arguments);
            if (outcome.err.find("built without ONNX") != std::string::npos) {
                MESSAGE("skipped: this hetmap was built without ONNX");
                skipped = example.block;
                continue;
            }
            CHECK(outcome.err == "");
            CHECK(outcome.code == 0);
            CHECK(replaced(replaced(outcome.out, build, "build/"), kSource, "") ==
                  trimmed(example.output));
            ++examples;
        }
    }
    CHECK(examples >= 2);
}
