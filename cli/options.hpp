#pragma once

// Options of commands: what of CLI11 the commands use, without its headers. Those would take most
// of the time that a command's file takes to compile.

#include "cli/description.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cli {

// What CLI11 does not keep of an option: the values that it is completed with.
struct Choices {
    std::vector<std::string> values;
    bool only = false;
};
using AllChoices = std::map<const CLI::Option*, Choices>;

// One option that was added. Wrong values are refused with exit code 2 when a program is parsed.
class Option {
public:
    Option(CLI::Option& option, AllChoices& choices) : option_{&option}, choices_{&choices} {}
    Option required() const;
    Option type_name(const std::string& name) const;  // in the help: FILE
    Option range(int least, int most) const;
    Option one_of(const std::vector<std::string>& values) const;
    Option such_as(const std::vector<std::string>& values) const;  // others are not refused
    Option delimiter(char between) const;  // of several values in one argument
    Option one_value_each() const;         // of several values, each after the option's name
    Option needs(Option other) const;      // makes no sense without
    Option excludes(Option other) const;   // makes no sense with

private:
    CLI::Option* option_;
    AllChoices* choices_;
};

// A command whose options are added: to variables that outlive its callback.
class Command {
public:
    Command(CLI::App& app, AllChoices& choices) : app_{&app}, choices_{&choices} {}
    Option add_option(const std::string& name, std::string& text, const std::string& help);
    Option add_option(const std::string& name,
                      std::optional<std::string>& text,
                      const std::string& help);
    Option add_option(const std::string& name,
                      std::vector<std::string>& texts,
                      const std::string& help);
    Option add_option(const std::string& name, int& number, const std::string& help);
    Option add_option(const std::string& name, double& number, const std::string& help);
    Option add_option(const std::string& name, std::uint64_t& number, const std::string& help);
    Option add_flag(const std::string& name, bool& flag, const std::string& help);
    // "90s", "2m", "500ms", "1.5" (seconds): as seconds.
    Option add_duration(const std::string& name,
                        std::optional<double>& seconds,
                        const std::string& help);
    // "512MiB", "4GiB"; MB are MiB, as everywhere with memory.
    Option add_memory(const std::string& name,
                      std::optional<std::uint64_t>& bytes,
                      const std::string& help);
    // "10%" or "10": as 10.
    Option add_percent(const std::string& name,
                       std::optional<double>& percent,
                       const std::string& help);
    // "devices.cpu.active_power_w=35", any number of times: of the command's platform.
    Option add_set(std::vector<std::string>& set);
    // "64,1000".
    Option add_numbers(const std::string& name, std::vector<int>& numbers, const std::string& help);
    // "1", where the command takes several "1,8".
    Option add_batch(int& batch, const std::string& help);
    Option add_batches(std::vector<int>& batches, const std::string& help);
    void callback(const std::function<void()>& run);  // what it does, after all options are read
    void hide();                                      // from help, completions and pages

private:
    Option added(CLI::Option* option);
    CLI::App* app_;
    AllChoices* choices_;
};

// A list of commands of which one is run.
class Program {
public:
    Program();
    // `version`: what --version prints, asked only then.
    Program(const std::string& name,
            const std::string& description,
            const std::function<std::string()>& version);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    Command add_command(const std::string& name, const std::string& help);
    // Runs the command that the arguments name, or prints help. False if they are wrong, which is
    // said.
    bool run(int argc, char** argv);
    // The same within a command of another program, which says what is wrong.
    void run(const std::vector<std::string>& arguments);
    // All that is not hidden.
    ProgramText text() const;

private:
    std::unique_ptr<CLI::App> app_;
    AllChoices choices_;
};

// The most memory that --memory takes.
inline constexpr std::int64_t kMostMemory = std::int64_t{1} << 40;

}  // namespace cli
