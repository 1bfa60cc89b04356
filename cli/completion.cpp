// hetmap completion: scripts that complete hetmap's command line in bash, zsh and fish, made of
// what the program says of itself. They ask the program for the names of models and platforms,
// which depend on the folder that one is in.

#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/description.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cli {
namespace {

// What the value of an option or a positional may be, beside its choices.
struct Candidates {
    std::vector<std::string> lists;  // "models", "platforms": what `hetmap completion` prints
    bool files = false;
    bool folders = false;
};

Candidates candidates_of(const OptionText& option) {
    const std::string& value = option.value;
    if (value == kModel) {
        return {.lists = {"models"}, .files = true};
    }
    if (value == kPlatform) {
        return {.lists = {"platforms"}, .files = true};
    }
    if (value == kName) {
        return {.lists = {"models", "platforms"}, .files = true};
    }
    return {.lists = {},
            .files = value.starts_with(kFile) || value == kPath,
            .folders = value == kFolder};
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
    }
    return text;
}

// ---- bash ---------------------------------------------------------------------------------

// The names of all options that take a value, or of all that take none.
std::string names_of(const std::vector<OptionText>& options, bool with_value) {
    std::vector<std::string> names;
    for (const OptionText& option : options) {
        if (!option.positional && option.value.empty() != with_value) {
            names.insert(names.end(), option.names.begin(), option.names.end());
        }
    }
    return fmt::format("{}", fmt::join(names, " "));
}

// "values=(free fixed)", "lists=(models) files=yes", or "" where nothing is known.
std::string bash_values(const OptionText& option) {
    const Candidates candidates = candidates_of(option);
    std::vector<std::string> parts;
    if (!option.choices.empty()) {
        parts.push_back(fmt::format("values=({})", fmt::join(option.choices, " ")));
    }
    if (!candidates.lists.empty()) {
        parts.push_back(fmt::format("lists=({})", fmt::join(candidates.lists, " ")));
    }
    if (candidates.files) {
        parts.emplace_back("files=yes");
    }
    if (candidates.folders) {
        parts.emplace_back("folders=yes");
    }
    return fmt::format("{}", fmt::join(parts, " "));
}

std::string bash_case(const CommandText& command) {
    std::string options, places;
    int place = 0;
    for (const OptionText& option : command.options) {
        const std::string values = bash_values(option);
        if (option.positional) {
            const std::string which = option.several ? "*" : std::to_string(place++);
            places += fmt::format("        {}) {} ;;\n", which, values.empty() ? ":" : values);
        } else if (!values.empty()) {
            options += fmt::format("        {}) {} ;;\n", fmt::join(option.names, " | "), values);
        }
    }
    std::string text =
        fmt::format("    {})\n        valued=\"{}\"\n        flags=\"{}\"\n        _hetmap_look\n",
                    command.name,
                    names_of(command.options, true),
                    names_of(command.options, false));
    if (!options.empty()) {
        text += fmt::format("        case $option in\n{}        esac\n", options);
    }
    if (!places.empty()) {
        text += fmt::format("        case $place in\n{}        esac\n", places);
    }
    return text + "        ;;\n";
}

// ---- zsh ----------------------------------------------------------------------------------

std::string zsh_quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

// In the [...] of a specification.
std::string zsh_help(const std::string& text) {
    return replaced(replaced(replaced(text, "\\", "\\\\"), "[", "\\["), "]", "\\]");
}

// ":FILE:_files"
std::string zsh_value(const OptionText& option) {
    const Candidates candidates = candidates_of(option);
    const std::string what =
        replaced(option.positional ? option.names.front() : option.value, ":", "\\:");
    std::string action = " ";
    if (!option.choices.empty()) {
        action = fmt::format("({})", fmt::join(option.choices, " "));
    } else if (!candidates.lists.empty()) {
        action = fmt::format("_hetmap_{}", fmt::join(candidates.lists, "_"));
    } else if (candidates.files) {
        action = "_files";
    } else if (candidates.folders) {
        action = "_files -/";
    }
    return fmt::format(":{}:{}", what, action);
}

std::vector<std::string> zsh_arguments(const std::vector<OptionText>& options) {
    std::vector<std::string> arguments;
    for (const OptionText& option : options) {
        if (option.positional) {
            arguments.push_back(zsh_quoted((option.several    ? "*"
                                            : option.required ? ""
                                                              : ":") +
                                           zsh_value(option)));
            continue;
        }
        for (const std::string& name : option.names) {
            arguments.push_back(
                zsh_quoted(fmt::format("{}{}{}[{}]{}",
                                       option.several ? "*" : "",
                                       name,
                                       !option.value.empty() && name.starts_with("--") ? "=" : "",
                                       zsh_help(option.help),
                                       option.value.empty() ? "" : zsh_value(option))));
        }
    }
    return arguments;
}

// ---- fish ---------------------------------------------------------------------------------

std::string fish_quoted(const std::string& text) {
    return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

// "-r -F -a '(__hetmap_names models)'"
std::string fish_value(const OptionText& option) {
    const Candidates candidates = candidates_of(option);
    std::string text = option.positional ? "" : " -r";
    text += candidates.files ? " -F" : " -f";
    if (!option.choices.empty()) {
        text += fmt::format(" -a '{}'", fmt::join(option.choices, " "));
    } else if (!candidates.lists.empty()) {
        text += fmt::format(" -a '(__hetmap_names {})'", fmt::join(candidates.lists, " "));
    } else if (candidates.folders) {
        text += " -a '(__fish_complete_directories)'";
    }
    return text;
}

std::string fish_line(const OptionText& option, const std::string& condition) {
    std::string text = fmt::format("complete -c hetmap -n {}", fish_quoted(condition));
    for (const std::string& name : option.names) {
        if (!option.positional) {
            text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        }
    }
    if (!option.value.empty()) {
        text += fish_value(option);
    }
    return text + " -d " + fish_quoted(option.help) + "\n";
}

}  // namespace

std::string bash_completion(const ProgramText& program) {
    std::string cases;
    std::vector<std::string> names;
    for (const CommandText& command : program.commands) {
        names.push_back(command.name);
        cases += bash_case(command);
    }
    // Words of the line are never expanded: names of files may be anything.
    return fmt::format(
        R"bash(# Completion of {0}'s command line for bash, written by `{0} completion bash`.

# How many words of the command before this one are neither options nor their values, and whether
# this one is an option's value: else `option` is none. The variables are those of its caller.
_{0}_look() {{
    for ((i = begin; i < last; ++i)); do
        word=${{COMP_WORDS[i]}}
        if [[ " $valued " == *" $word "* ]]; then
            [[ ${{COMP_WORDS[i + 1]}} != "=" ]] || ((++i))
            ((++i))
        elif [[ $word != -* ]]; then
            ((++place))
        fi
    done
    if [[ " $valued " == *" $option "* ]]; then
        place=none
    else
        option=none
    fi
}}

_{0}() {{
    local program=${{1/#\~/$HOME}} current=$2 option=$3 last=$COMP_CWORD
    local command="" place=0 begin=1 valued="" flags="" files="" folders="" list word i
    local values=() lists=()

    # "--option=value" comes as three words.
    if [[ ${{COMP_WORDS[last]}} == "=" ]]; then
        option=${{COMP_WORDS[last - 1]}} current=""
    elif [[ $option == "=" ]]; then
        option=${{COMP_WORDS[last - 2]}}
    fi
    for ((i = 1; i < last; ++i)); do
        if [[ ${{COMP_WORDS[i]}} != -* ]]; then
            command=${{COMP_WORDS[i]}} begin=$((i + 1))
            break
        fi
    done

    case $command in
    "")
        flags="{1}" option=none
        values=({2})
        ;;
{3}    esac

    COMPREPLY=()
    if [[ $option == none && $current == -* ]]; then
        values=($flags $valued) lists=() files="" folders=""
    fi
    for list in "${{lists[@]}}"; do
        while IFS= read -r word; do
            values+=("$word")
        done < <("$program" completion "$list" 2>/dev/null)
    done
    # Of several values with commas between them it is the last.
    local before=""
    if [[ -z $files$folders && $current == *,* ]]; then
        before=${{current%,*}},
    fi
    for word in "${{values[@]}}"; do
        if [[ $before$word == "$current"* ]]; then
            COMPREPLY+=("$before$word") # names that need quotes come with files, and get them
        fi
    done
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done < <(compgen -f -- "$current")
    elif [[ -n $folders ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done < <(compgen -d -- "$current")
    fi
}}

complete -F _{0} {0}
)bash",
        program.name,
        names_of(program.options, false),
        fmt::join(names, " "),
        cases);
}

std::string zsh_completion(const ProgramText& program) {
    std::string commands, cases;
    for (const CommandText& command : program.commands) {
        commands += fmt::format("            {}\n", zsh_quoted(command.name + ":" + command.help));
        cases += fmt::format(
            "        {})\n            _arguments \\\n                {}\n            ;;\n",
            command.name,
            fmt::join(zsh_arguments(command.options), " \\\n                "));
    }
    return fmt::format(
        R"zsh(#compdef {0}
# Completion of {0}'s command line for zsh, written by `{0} completion zsh`.

_{0}_listed() {{
    local list
    local -a found
    for list; do
        found+=(${{(f)"$("$program" completion $list 2>/dev/null)"}})
    done
    compadd -a found
    _files
}}
_{0}_models() {{ _{0}_listed models }}
_{0}_platforms() {{ _{0}_listed platforms }}
_{0}_models_platforms() {{ _{0}_listed models platforms }}

_{0}() {{
    local program=${{~words[1]}} curcontext=$curcontext state line
    local -A opt_args
    local -a commands

    _arguments -C \
        {1} \
        '1: :->command' \
        '*:: :->argument'
    case $state in
    command)
        commands=(
{2}        )
        _describe -t commands command commands
        ;;
    argument)
        case $words[1] in
{3}        esac
        ;;
    esac
}}

if [[ $funcstack[1] == _{0} ]]; then
    _{0} "$@"
else
    compdef _{0} {0}
fi
)zsh",
        program.name,
        fmt::join(zsh_arguments(program.options), " \\\n        "),
        commands,
        cases);
}

std::string fish_completion(const ProgramText& program) {
    std::string text = fmt::format(
        R"fish(# Completion of {0}'s command line for fish, written by `{0} completion fish`.

function __{0}_names
    set -l program (string replace -r '^~' $HOME -- (commandline -opc)[1])
    for list in $argv
        $program completion $list 2>/dev/null
    end
end

complete -c {0} -f
)fish",
        program.name);
    for (const OptionText& option : program.options) {
        text += fish_line(option, "__fish_use_subcommand");
    }
    for (const CommandText& command : program.commands) {
        text += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d {}\n",
                            program.name,
                            command.name,
                            fish_quoted(command.help));
    }
    for (const CommandText& command : program.commands) {
        std::string condition = "__fish_seen_subcommand_from " + command.name;
        text += "\n";
        for (const OptionText& option : command.options) {
            std::string here = condition;
            if (option.positional && option.only_choices) {
                // Once: what comes after it is another.
                const std::string chosen =
                    fmt::format("__fish_seen_subcommand_from {}", fmt::join(option.choices, " "));
                here += "; and not " + chosen;
                condition += "; and " + chosen;
            }
            text += fish_line(option, here);
        }
    }
    return text;
}

void add_completion(Program& program) {
    Command command = program.add_command("completion", "Print a script for a shell's completion");
    command.hide();
    const auto what = std::make_shared<std::string>();
    command
        .add_option("what",
                    *what,
                    "bash, zsh or fish: its script; models or platforms: their names, for scripts")
        .required()
        .one_of({"bash", "zsh", "fish", "models", "platforms"});
    command.callback([what, &program] {
        if (*what == "models" || *what == "platforms") {
            for (const std::string& name :
                 *what == "models" ? all_model_names() : all_platform_names()) {
                print(name + "\n");
            }
            return;
        }
        const ProgramText text = program.text();
        print(*what == "bash"  ? bash_completion(text)
              : *what == "zsh" ? zsh_completion(text)
                               : fish_completion(text));
    });
}

}  // namespace cli
