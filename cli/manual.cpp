// hetmap man: manual pages in roff, made of what the program says of itself, with the few sections
// that it does not: exit codes, environment, files.

#include "calibrate/output_file.hpp"
#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/description.hpp"
#include "cli/terminal.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace cli {
namespace {

// Text as it is: roff reads backslashes, dots and quotes at the beginning of a line, and makes of a
// hyphen a dash that nobody can search for.
std::string roff(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\\') {
            escaped += "\\e";
        } else if (c == '-') {
            escaped += "\\-";
        } else {
            if (escaped.empty() && (c == '.' || c == '\'')) {
                escaped += "\\&";
            }
            escaped += c;
        }
    }
    return escaped;
}

std::string upper(std::string text) {
    for (char& c : text) {
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return text;
}

std::string heading(const std::string& page) {
    return fmt::format(".\\\" Written by `hetmap man`.\n.TH {} 1 \"{}\" \"hetmap {}\" \"hetmap\"\n",
                       roff(upper(page)),
                       kRevisionDate,
                       roff(kVersion));
}

// "--model MODEL ..." in its two fonts.
std::string option_line(const OptionText& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.names) {
        names.push_back(option.positional ? fmt::format("\\fI{}\\fR", roff(name))
                                          : fmt::format("\\fB{}\\fR", roff(name)));
    }
    std::string text = fmt::format("{}", fmt::join(names, ", "));
    if (!option.positional && !option.value.empty()) {
        text += fmt::format(" \\fI{}\\fR", roff(option.value));
    }
    return text + (option.several ? " ..." : "");
}

std::string option_entry(const OptionText& option) {
    std::string text = fmt::format(".TP\n{}\n{}", option_line(option), roff(option.help));
    const char last = option.help.empty() ? '.' : option.help.back();
    text += last == '.' ? "\n" : ".\n";
    if (option.only_choices) {
        text +=
            fmt::format("One of {}.\n", roff(fmt::format("{}", fmt::join(option.choices, ", "))));
    }
    if (!option.limits.empty()) {
        text += fmt::format("A number {}.\n", roff(option.limits));
    }
    if (option.required && !option.positional) {
        text += "Required.\n";
    }
    return text;
}

std::string option_entries(const std::vector<OptionText>& options, bool positional) {
    std::string text;
    for (const OptionText& option : options) {
        if (option.positional == positional) {
            text += option_entry(option);
        }
    }
    return text;
}

// What must be given, and how much else there is.
std::string synopsis(const ProgramText& program, const CommandText& command) {
    std::string text =
        fmt::format(".SH SYNOPSIS\n\\fB{} {}\\fR", roff(program.name), roff(command.name));
    for (const OptionText& option : command.options) {
        if (!option.positional && option.required) {
            text += " " + option_line(option);
        }
    }
    text += " [\\fIoptions\\fR]";
    for (const OptionText& option : command.options) {
        if (option.positional) {
            text += option.required ? " " + option_line(option) : " [" + option_line(option) + "]";
        }
    }
    return text + "\n";
}

constexpr const char* kExitStatus = R"(.SH EXIT STATUS
.TP
0
Done.
.TP
1
The machine failed, such as a device or a disk, or the program has a defect.
.TP
2
Bad input: an option, a file, or what they ask for; the text says what and where.
.TP
3
A bound that was asked for was not met.
)";

constexpr const char* kFilesAndEnvironment = R"(.SH FILES
A model or a platform is named by its path, or by its name in one of these folders:
.TP
.I models/, platforms/
of the folder that the program is called in;
.TP
.I ../share/hetmap/models/, ../share/hetmap/platforms/
beside the program's own folder, which come with it.
.SH ENVIRONMENT
.TP
.B HETMAP_ONEDNN
The shared library of oneDNN to use for f32; empty: none.
Otherwise
.I libdnnl.so.3
or
.I libdnnl.so.2
is used where the loader finds it.
.TP
.B HETMAP_DATA
A folder that holds
.I fashion\-mnist/
with the test images, for the demo.
)";

std::string page_name(const ProgramText& program, const CommandText& command) {
    return program.name + "-" + command.name;
}

std::string page_of(const ProgramText& program, const std::string& name) {
    for (const CommandText& command : program.commands) {
        if (command.name == name) {
            return manual_of(program, command);
        }
    }
    std::vector<std::string> names;
    for (const CommandText& command : program.commands) {
        names.push_back(command.name);
    }
    throw sim::InputError{fmt::format("hetmap man: there is no command '{}'; there are: {}",
                                      sim::printable(name),
                                      fmt::join(names, ", "))};
}

// hetmap.1, hetmap-map.1, ...
void write_pages(const ProgramText& program, const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    calibrate::write_file(folder / (program.name + ".1"), manual_of(program));
    for (const CommandText& command : program.commands) {
        calibrate::write_file(folder / (page_name(program, command) + ".1"),
                              manual_of(program, command));
    }
}

}  // namespace

std::string manual_of(const ProgramText& program) {
    std::string text = heading(program.name);
    text += fmt::format(".SH NAME\n{} \\- {}\n", roff(program.name), roff(program.help));
    text += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR \\fIcommand\\fR [\\fIoptions\\fR]\n",
                        roff(program.name));
    text +=
        ".SH DESCRIPTION\n"
        "Decides, for every layer of a neural network, on which device and with which kernel it "
        "runs.\n"
        "It measures a machine once, simulates mappings without the machine, finds the best one "
        "and\n"
        "proves that it is, and checks the prediction on the machine.\n"
        ".SH COMMANDS\n";
    std::string pages;
    for (const CommandText& command : program.commands) {
        text += fmt::format(".TP\n\\fB{}\\fR\n{}.\n", roff(command.name), roff(command.help));
        pages += fmt::format(
            "{}.BR {} (1)", pages.empty() ? "" : ",\n", roff(page_name(program, command)));
    }
    text += ".SH OPTIONS\n" + option_entries(program.options, false);
    return text + kExitStatus + kFilesAndEnvironment + ".SH SEE ALSO\n" + pages + "\n";
}

std::string manual_of(const ProgramText& program, const CommandText& command) {
    const std::string page = page_name(program, command);
    std::string text = heading(page);
    text += fmt::format(".SH NAME\n{} \\- {}\n", roff(page), roff(command.help));
    text += synopsis(program, command);
    text += fmt::format(".SH DESCRIPTION\n{}.\n", roff(command.help));
    text += option_entries(command.options, true);
    text += ".SH OPTIONS\n" + option_entries(command.options, false);
    return text + kExitStatus + fmt::format(".SH SEE ALSO\n.BR {} (1)\n", roff(program.name));
}

void add_man(Program& program) {
    Command command = program.add_command("man", "Print a manual page (roff)");
    command.hide();
    struct ManOptions {
        std::string command, folder;
    };
    const auto o = std::make_shared<ManOptions>();
    command.add_option("command", o->command, "Of which command; none: of the program");
    command.add_option("--out", o->folder, "Write all pages into this folder").type_name(kFolder);
    command.callback([o, &program] {
        const ProgramText text = program.text();
        if (!o->folder.empty()) {
            write_pages(text, o->folder);
        } else {
            print(o->command.empty() ? manual_of(text) : page_of(text, o->command));
        }
    });
}

}  // namespace cli
