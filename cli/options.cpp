#include "cli/options.hpp"

#include "cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <sstream>
#include <system_error>

namespace cli {
namespace {

constexpr int kLargestBatch = 65536;

}  // namespace

Option Option::required() const { return Option{*option_->required()}; }
Option Option::type_name(const std::string& name) const {
    return Option{*option_->type_name(name)};
}
Option Option::range(int least, int most) const {
    return Option{*option_->check(CLI::Range(least, most))};
}
Option Option::one_of(const std::vector<std::string>& values) const {
    return Option{*option_->check(CLI::IsMember(values))};
}
Option Option::delimiter(char between) const { return Option{*option_->delimiter(between)}; }
Option Option::one_value_each() const { return Option{*option_->allow_extra_args(false)}; }
Option Option::needs(Option other) const { return Option{*option_->needs(other.option_)}; }
Option Option::excludes(Option other) const { return Option{*option_->excludes(other.option_)}; }

Option Command::add_option(const std::string& name, std::string& text, const std::string& help) {
    return Option{*app_->add_option(name, text, help)};
}
Option Command::add_option(const std::string& name,
                           std::optional<std::string>& text,
                           const std::string& help) {
    return Option{*app_->add_option(name, text, help)};
}
Option Command::add_option(const std::string& name,
                           std::vector<std::string>& texts,
                           const std::string& help) {
    return Option{*app_->add_option(name, texts, help)};
}
Option Command::add_option(const std::string& name, int& number, const std::string& help) {
    return Option{*app_->add_option(name, number, help)};
}

Option Command::add_option(const std::string& name, double& number, const std::string& help) {
    return Option{*app_->add_option(name, number, help)};
}
Option Command::add_option(const std::string& name,
                           std::uint64_t& number,
                           const std::string& help) {
    return Option{*app_->add_option(name, number, help)};
}
Option Command::add_flag(const std::string& name, bool& flag, const std::string& help) {
    return Option{*app_->add_flag(name, flag, help)};
}

Option Command::add_duration(const std::string& name,
                             std::optional<double>& seconds,
                             const std::string& help) {
    static const std::map<std::string, double> kUnits{
        {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
    return Option{*app_->add_option(name, seconds, help)
                       ->transform(CLI::AsNumberWithUnit(kUnits).description(""))
                       ->check(CLI::Range(1e-3, 1e9).description(""))
                       ->type_name("TIME")};
}

Option Command::add_memory(const std::string& name,
                           std::optional<std::uint64_t>& bytes,
                           const std::string& help) {
    constexpr std::uint64_t kLeast = std::uint64_t{1} << 20;
    return Option{
        *app_->add_option(name, bytes, help)
             ->transform(CLI::AsSizeValue(false).description(""))
             ->check(CLI::Range(kLeast, static_cast<std::uint64_t>(kMostMemory)).description(""))
             ->type_name("SIZE")};
}

Option Command::add_percent(const std::string& name,
                            std::optional<double>& percent,
                            const std::string& help) {
    // Units of CLI::AsNumberWithUnit are letters.
    const auto read = [](std::string& text) -> std::string {
        const std::string number = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
        double value = 0;
        const char* const last = number.data() + number.size();
        const auto [end, error] = std::from_chars(number.data(), last, value);
        if (error != std::errc{} || end != last || !(value >= 0) || !(value < 1e9)) {
            return fmt::format("expected a percentage, such as 10%, got '{}'", text);
        }
        text = number;
        return {};
    };
    return Option{*app_->add_option(name, percent, help)
                       ->transform(CLI::Validator(read, "", "percent"))
                       ->type_name("PERCENT")};
}

Option Command::add_set(std::vector<std::string>& set) {
    return add_option("--set",
                      set,
                      "A number of the platform, in place of its file's: "
                      "devices.cpu.active_power_w=35")
        .one_value_each()
        .type_name("PATH=NUMBER");
}

Option Command::add_batch(int& batch, const std::string& help) {
    return add_option("--batch", batch, help).range(1, kLargestBatch);
}

Option Command::add_batches(std::vector<int>& batches, const std::string& help) {
    return Option{*app_->add_option("--batch", batches, help)}.delimiter(',').range(1,
                                                                                    kLargestBatch);
}

void Command::callback(const std::function<void()>& run) { app_->callback(run); }

Program::Program() : app_{std::make_unique<CLI::App>()} { app_->require_subcommand(1); }

Program::Program(const std::string& description, const std::string& version)
    : app_{std::make_unique<CLI::App>(description)} {
    app_->require_subcommand(1);
    app_->set_version_flag("--version", version);
    app_->get_formatter()->column_width(28);
}

Program::~Program() = default;

Command Program::add_command(const std::string& name, const std::string& help) {
    return Command{*app_->add_subcommand(name, help)};
}

bool Program::run(int argc, char** argv) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // also of --help and --version
        std::ostringstream out, err;
        const bool is_wrong = app_->exit(error, out, err) != 0;
        print(out.str());
        say(err.str());
        return !is_wrong;
    }
    return true;
}

void Program::run(const std::vector<std::string>& arguments) {
    app_->parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
}

}  // namespace cli
