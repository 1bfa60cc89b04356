#include "cli/options.hpp"

#include "cli/terminal.hpp"
#include "cluster/ranks.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <sstream>
#include <system_error>

namespace cli {
namespace {

constexpr int kLargestBatch = 65536;

OptionText text_of(const CLI::Option& option, const AllChoices& all) {
    OptionText text;
    text.positional = option.get_positional();
    for (const std::string& name : option.get_snames()) {
        text.names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        text.names.push_back("--" + name);
    }
    if (text.positional) {
        text.names = {option.get_name(true)};
    }
    if (option.get_items_expected_max() != 0) {
        // "INT:INT in [1 - 64]", "TEXT:{free,fixed}": the type, and what its checks say.
        const std::string type = option.get_type_name();
        text.value = type.substr(0, type.find(':'));
        if (const std::size_t limits = type.find(" in ["); limits != std::string::npos) {
            text.limits = type.substr(limits + 1);
        }
        text.several = option.get_expected_max() > 1;
    }
    if (const auto choices = all.find(&option); choices != all.end()) {
        text.choices = choices->second.values;
        text.only_choices = choices->second.only;
    }
    text.required = option.get_required();
    text.help = option.get_description();
    return text;
}

std::vector<OptionText> options_of(const CLI::App& app, const AllChoices& all) {
    std::vector<OptionText> texts;
    for (const CLI::Option* option :
         app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); })) {
        texts.push_back(text_of(*option, all));
    }
    return texts;
}

}  // namespace

Option Option::required() const {
    option_->required();
    return *this;
}
Option Option::type_name(const std::string& name) const {
    option_->type_name(name);
    return *this;
}
Option Option::range(int least, int most) const {
    option_->check(CLI::Range(least, most));
    return *this;
}
Option Option::one_of(const std::vector<std::string>& values) const {
    option_->check(CLI::IsMember(values));
    (*choices_)[option_] = {.values = values, .only = true};
    return *this;
}
Option Option::such_as(const std::vector<std::string>& values) const {
    (*choices_)[option_] = {.values = values, .only = false};
    return *this;
}
Option Option::delimiter(char between) const {
    option_->delimiter(between);
    return *this;
}
Option Option::one_value_each() const {
    option_->allow_extra_args(false);
    return *this;
}
Option Option::needs(Option other) const {
    option_->needs(other.option_);
    return *this;
}
Option Option::excludes(Option other) const {
    option_->excludes(other.option_);
    return *this;
}

Option Command::added(CLI::Option* option) { return Option{*option, *choices_}; }

Option Command::add_option(const std::string& name, std::string& text, const std::string& help) {
    return added(app_->add_option(name, text, help));
}
Option Command::add_option(const std::string& name,
                           std::optional<std::string>& text,
                           const std::string& help) {
    return added(app_->add_option(name, text, help));
}
Option Command::add_option(const std::string& name,
                           std::vector<std::string>& texts,
                           const std::string& help) {
    return added(app_->add_option(name, texts, help));
}
Option Command::add_option(const std::string& name, int& number, const std::string& help) {
    return added(app_->add_option(name, number, help));
}

Option Command::add_option(const std::string& name, double& number, const std::string& help) {
    return added(app_->add_option(name, number, help));
}
Option Command::add_option(const std::string& name,
                           std::uint64_t& number,
                           const std::string& help) {
    return added(app_->add_option(name, number, help));
}
Option Command::add_flag(const std::string& name, bool& flag, const std::string& help) {
    return added(app_->add_flag(name, flag, help));
}

Option Command::add_duration(const std::string& name,
                             std::optional<double>& seconds,
                             const std::string& help) {
    static const std::map<std::string, double> kUnits{
        {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
    return added(app_->add_option(name, seconds, help)
                     ->transform(CLI::AsNumberWithUnit(kUnits).description(""))
                     ->check(CLI::Range(1e-3, 1e9).description(""))
                     ->type_name("TIME"));
}

Option Command::add_memory(const std::string& name,
                           std::optional<std::uint64_t>& bytes,
                           const std::string& help) {
    constexpr std::uint64_t kLeast = std::uint64_t{1} << 20;
    return added(
        app_->add_option(name, bytes, help)
            ->transform(CLI::AsSizeValue(false).description(""))
            ->check(CLI::Range(kLeast, static_cast<std::uint64_t>(kMostMemory)).description(""))
            ->type_name("SIZE"));
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
    return added(app_->add_option(name, percent, help)
                     ->transform(CLI::Validator(read, "", "percent"))
                     ->type_name("PERCENT"));
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

Option Command::add_numbers(const std::string& name,
                            std::vector<int>& numbers,
                            const std::string& help) {
    return added(app_->add_option(name, numbers, help)).delimiter(',');
}

Option Command::add_batches(std::vector<int>& batches, const std::string& help) {
    return add_numbers("--batch", batches, help).range(1, kLargestBatch);
}

void Command::callback(const std::function<void()>& run) { app_->callback(run); }

void Command::hide() { app_->group(""); }

Program::Program() : app_{std::make_unique<CLI::App>()} { app_->require_subcommand(1); }

Program::Program(const std::string& name,
                 const std::string& description,
                 const std::function<std::string()>& version)
    : app_{std::make_unique<CLI::App>(description, name)} {
    app_->require_subcommand(1);
    app_->set_version_flag("--version", version);
    app_->get_formatter()->column_width(28);
}

Program::~Program() = default;

Command Program::add_command(const std::string& name, const std::string& help) {
    return Command{*app_->add_subcommand(name, help), choices_};
}

bool Program::run(int argc, char** argv) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // also of --help and --version
        std::ostringstream out, err;
        const bool is_wrong = app_->exit(error, out, err) != 0;
        // Of processes that were started together one says it.
        if (cluster::rank_by_launcher() == 0) {
            print(out.str());
            say(err.str());
        }
        return !is_wrong;
    }
    return true;
}

void Program::run(const std::vector<std::string>& arguments) {
    app_->parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
}

ProgramText Program::text() const {
    const CLI::App& app = *app_;
    ProgramText text{.name = app.get_name(),
                     .help = app.get_description(),
                     .options = options_of(app, choices_),
                     .commands = {}};
    for (const CLI::App* command :
         app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
        text.commands.push_back({.name = command->get_name(),
                                 .help = command->get_description(),
                                 .options = options_of(*command, choices_)});
    }
    return text;
}

}  // namespace cli
