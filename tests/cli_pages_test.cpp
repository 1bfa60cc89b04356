// Manual pages, completions and --version: made of the command line's own description, so all that
// the help lists must be in each, and each must be what its reader takes: bash, zsh, fish, man.

#include "cli_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

// The words that begin a line of the help below `heading`: commands, or options ("-h,--help").
std::vector<std::string> listed(const std::string& help, const std::string& heading) {
    std::vector<std::string> words;
    bool below = false;
    for (const std::string& line : lines_of(help)) {
        if (!line.starts_with(' ')) {
            below = line == heading;
        } else if (below && line.size() > 2 && line[2] != ' ') {
            words.push_back(line.substr(2, line.find(' ', 2) - 2));
        }
    }
    return words;
}

// What the help says: of every command its long options.
std::map<std::string, std::set<std::string>> options_of_commands() {
    std::map<std::string, std::set<std::string>> all;
    for (const std::string& command : listed(hetmap({"--help"}).out, "Subcommands:")) {
        for (const std::string& names : listed(hetmap({command, "--help"}).out, "Options:")) {
            all[command].insert(names.substr(names.find("--")));
        }
    }
    return all;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
    }
    return text;
}

bool is_here(const std::string& program) {
    return shell("command -v " + program + " >/dev/null").code == 0;
}

// The part of a text from `begin` to the next `end`.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
    const std::size_t at = text.find(begin);
    return at == std::string::npos ? std::string{} : text.substr(at, text.find(end, at + 1) - at);
}

// What bash offers for the words of a line, of which the last is being completed.
std::set<std::string> offered(const std::vector<std::string>& words) {
    std::string line =
        "bash --norc -c 'eval \"$(\"$hetmap\" completion bash)\"; COMP_WORDS=(\"$@\"); "
        "COMP_CWORD=$(($# - 1)); _hetmap \"$hetmap\" \"${COMP_WORDS[COMP_CWORD]}\" "
        "\"${COMP_WORDS[COMP_CWORD - 1]}\"; printf \"%s\\n\" \"${COMPREPLY[@]}\"' bash";
    for (const std::string& word : words) {
        line += " '" + word + "'";
    }
    const Outcome outcome = shell(line);
    CHECK(outcome.code == 0);
    CHECK(outcome.err == "");
    std::set<std::string> found;
    for (const std::string& one : lines_of(outcome.out)) {
        if (!one.empty()) {
            found.insert(one);
        }
    }
    return found;
}

using Words = std::set<std::string>;

}  // namespace

TEST_CASE("every command and every option of the help is in its manual page") {
    const std::string all = hetmap({"man"}).out;
    const auto commands = options_of_commands();
    REQUIRE(commands.size() > 8);
    for (const auto& entry : commands) {
        const std::string& command = entry.first;
        CAPTURE(command);
        CHECK(has(all, "\\fB" + replaced(command, "-", "\\-") + "\\fR"));
        const Outcome page = hetmap({"man", command});
        CHECK(page.code == 0);
        for (const std::string& option : entry.second) {
            CAPTURE(option);
            CHECK(has(page.out, "\\fB" + replaced(option, "-", "\\-") + "\\fR"));
        }
    }
    CHECK(hetmap({"man", "no-such-command"}).code == 2);
}

TEST_CASE("every command and every option of the help is in the completions") {
    const std::string bash = hetmap({"completion", "bash"}).out;
    const std::string zsh = hetmap({"completion", "zsh"}).out;
    const std::string fish = hetmap({"completion", "fish"}).out;
    for (const auto& entry : options_of_commands()) {
        const std::string& command = entry.first;
        CAPTURE(command);
        const std::string in_bash = between(bash, "\n    " + command + ")\n", "\n        ;;\n");
        const std::string in_zsh =
            between(zsh, "\n        " + command + ")\n", "\n            ;;\n");
        CHECK(has(zsh, "'" + command + ":"));
        CHECK(has(fish, "__fish_use_subcommand -a " + command + " "));
        for (const std::string& option : entry.second) {
            CAPTURE(option);
            CHECK(has(replaced(in_bash, "\"", " "), " " + option + " "));
            CHECK((has(in_zsh, option + "=[") || has(in_zsh, option + "[")));
            bool is_in_fish = false;
            for (const std::string& line : lines_of(fish)) {
                is_in_fish = is_in_fish || (has(line, "__fish_seen_subcommand_from " + command) &&
                                            has(line, " -l " + option.substr(2) + " "));
            }
            CHECK(is_in_fish);
        }
    }
    CHECK(hetmap({"completion", "tcsh"}).code == 2);
}

TEST_CASE("bash completes commands, options, and what is known of values") {
    if (!is_here("bash")) {
        MESSAGE("there is no bash here");
        return;
    }
    CHECK(offered({"hetmap", "ma"}) == Words{"map"});
    CHECK(offered({"hetmap", "import"}) == Words{"import", "import-profile"});
    CHECK(offered({"hetmap", "--v"}) == Words{"--version"});
    CHECK(offered({"hetmap", "map", "--pl"}) == Words{"--placement", "--platform"});
    CHECK(offered({"hetmap", "map", "--order", ""}) == Words{"fixed", "free"});
    CHECK(offered({"hetmap", "map", "--order", "=", "fr"}) == Words{"free"});
    CHECK(offered({"hetmap", "map", "--order", "="}) == Words{"fixed", "free"});
    CHECK(offered({"hetmap", "map", "--search", "he"}) == Words{"heft"});
    CHECK(offered({"hetmap", "map", "--pareto", "latency,en"}) == Words{"latency,energy"});
    CHECK(offered({"hetmap", "map", "--max", ""}).empty());
    CHECK(offered({"hetmap", "show", ""}) ==
          Words{"devices", "mapping", "model", "platform", "result"});
    CHECK(offered({"hetmap", "show", "--json", "mo"}) == Words{"model"});
    // Names of what comes along, and files; after an option's value there is a positional again.
    CHECK(offered({"hetmap", "run", "--model", "vgg3"}) == Words{"vgg3-fashion"});
    CHECK(offered({"hetmap", "map", "--platform", "dia"}) == Words{"diana", "diana-overlap"});
    CHECK(offered({"hetmap", "show", "model", "resnet20"}) == Words{"resnet20-cifar10"});
    CHECK(offered({"hetmap", "show", "--set", "model", "pl"}) == Words{"platform"});
    const TemporaryFolder folder;
    const std::string file = folder.write("a b.yaml", "");
    fs::create_directory(folder.path() / "a c");
    CHECK(offered({"hetmap", "emit", "--mapping", folder.file("a")}) ==
          Words{file, folder.file("a c")});
    CHECK(offered({"hetmap", "emit", "--out", folder.file("a")}) == Words{folder.file("a c")});
}

TEST_CASE("names of folders are completed as they are, whatever they look like to the shell") {
    if (!is_here("bash")) {
        MESSAGE("there is no bash here");
        return;
    }
    const TemporaryFolder folder;
    folder.write("models/$(touch here)/model.yaml", "");
    const Outcome outcome = shell(
        "cd " + folder.path().string() +
        " && bash --norc -c 'eval \"$(\"$hetmap\" completion bash)\"; COMP_WORDS=(hetmap run "
        "--model \\$); COMP_CWORD=3; _hetmap \"$hetmap\" \\$ --model; echo \"${COMPREPLY[@]}\"'");
    CHECK(outcome.out == "$(touch here)\n");
    CHECK(!fs::exists(folder.path() / "here"));
}

TEST_CASE("zsh and fish take their scripts") {
    const TemporaryFolder folder;
    if (is_here("zsh")) {
        const std::string script = folder.write("_hetmap", hetmap({"completion", "zsh"}).out);
        const Outcome read = shell("zsh -f -n " + script);
        CHECK(read.code == 0);
        CHECK(read.err == "");
    } else {
        MESSAGE("there is no zsh here");
    }
    if (is_here("fish")) {
        const std::string script = folder.write("hetmap.fish", hetmap({"completion", "fish"}).out);
        const Outcome read =
            shell("HOME=" + folder.path().string() + " fish --no-execute " + script);
        CHECK(read.code == 0);
        CHECK(read.err == "");
        // A complete line that fish itself is asked to complete.
        const Outcome asked =
            shell("HOME=" + folder.path().string() + " fish --no-config -c 'source " + script +
                  "; complete -C \"$hetmap map --order f\"; complete -C \"hetmap sh\"'");
        CHECK(has(asked.out, "show\t"));
    } else {
        MESSAGE("there is no fish here");
    }
}

TEST_CASE("readers of manual pages have nothing to say about them") {
    const TemporaryFolder folder;
    REQUIRE(hetmap({"man", "--out", folder.path().string()}).code == 0);
    CHECK(fs::exists(folder.path() / "hetmap.1"));
    CHECK(fs::exists(folder.path() / "hetmap-import-profile.1"));
    for (const std::string& reader :
         {std::string{"groff -man -Tutf8 -ww -z"}, std::string{"mandoc -T lint -W warning"}}) {
        if (!is_here(reader.substr(0, reader.find(' ')))) {
            MESSAGE(reader << " is not here");
            continue;
        }
        // Of a folder without its repository nobody knows the date.
        const Outcome outcome =
            shell(reader + " " + folder.path().string() + "/*.1 2>&1 | grep -v 'missing date'");
        CHECK(outcome.out == "");
    }
}

TEST_CASE("the version names the commit and what is built in") {
    const Outcome outcome = hetmap({"--version"});
    CHECK(outcome.code == 0);
    const std::vector<std::string> lines = lines_of(outcome.out);
    REQUIRE(lines.size() > 3);
    CHECK(lines[0].starts_with("hetmap 0."));
    CHECK(has(lines[0], "("));
    CHECK(has(outcome.out, "reference"));
    CHECK(has(outcome.out, "\nopencl "));
    CHECK(has(outcome.out, "\ncuda "));
    CHECK(outcome.err == "");
}
