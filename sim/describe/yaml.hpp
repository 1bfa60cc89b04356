#pragma once

// Strict reading of YAML: what the files of this project have in common.
//
// Start at `load_yaml`. Every function throws InputError with file, line, column and key. Not a
// general YAML reader: no anchors or aliases (so no alias bombs), no tags, no second document,
// no keys but words, no duplicate keys, nothing deep. yaml-cpp stays in yaml.cpp.

#include "sim/error.hpp"
#include "sim/units.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// Files above this size are refused before they are read.
inline constexpr std::int64_t kLargestFileMib = 64;

struct YamlNode {
    enum class Kind { nothing, text, list, map };

    Kind kind = Kind::nothing;
    bool quoted = false;  // a text in quotes is never a number
    std::string text;
    std::vector<YamlNode> children;  // items of a list, values of a map in the file's order

    std::string key;  // of a map's value; of a list's item: the list's
    int key_line = 0, key_column = 0;
    int line = 0, column = 0;
    const std::string* file = nullptr;  // owned by the YamlFile, and by copies of it
};

struct YamlFile {
    std::shared_ptr<const std::string> name;
    YamlNode root;
    std::vector<std::shared_ptr<const std::string>> set =
        {};  // what stands for the file in messages
};

// Reads a file whose first key is `hetmap: <format>`, such as "model/1".
YamlFile load_yaml(const std::filesystem::path& path, std::string_view format);
// The same of a text that is to be, or was, the file's; `path` is its name in messages.
YamlFile parse_yaml(const std::string& bytes,
                    const std::filesystem::path& path,
                    std::string_view format);

// Puts a number where "devices.cpu.active_power_w=35" says, as if it stood in the file: a path of
// keys, the items of a list by their names or, where they have none, by their positions from 0;
// '*' stands for all of a list's: "links.up.modes.*.bandwidth_gb_per_s=8".
// Keys that are not there are added: whoever reads the file says whether they may be. Errors about
// it name "--set devices.cpu.active_power_w=35" in place of the file.
void set_number(YamlFile& file, const std::string& assignment);

SourcePosition position_of(const YamlNode& node);
SourcePosition position_of_key(const YamlNode& node);

// "places.yaml:4:15: latency_us: expected a number above zero, got 'fast'"
InputError unexpected(const YamlNode& node, std::string_view expected);

// Checks that `node` is a map with all of the required keys and no key but those listed. `what`
// is its name in messages: "a link", "layer 'conv1'".
void expect_keys(const YamlNode& node,
                 std::string_view what,
                 std::span<const std::string_view> required,
                 std::span<const std::string_view> optional = {});

const YamlNode* find(const YamlNode& map, std::string_view key);  // nullptr if it is not there
const YamlNode& at(const YamlNode& map, std::string_view key);    // it must be there

const std::vector<YamlNode>& read_list(const YamlNode& node);
const std::string& read_text(const YamlNode& node);  // may be empty
const std::string& read_name(const YamlNode& node);  // is_name
bool read_bool(const YamlNode& node);
std::int64_t read_integer(const YamlNode& node, std::int64_t lowest, std::int64_t highest);
double read_number(const YamlNode& node);  // finite, zero or more
double read_positive(const YamlNode& node);
Time read_time_us(const YamlNode& node);        // zero or more, at most 1000 seconds
Time read_difference_us(const YamlNode& node);  // may be below zero

// Index of the text in `names`, or an error that lists them: "no device 'cpu1'; there are: cpu".
int read_choice(const YamlNode& node,
                std::string_view what,
                std::span<const std::string_view> names);

// What may be a name: 1 to 200 bytes that are printable (sim/text.hpp).
bool is_name(std::string_view text);
inline constexpr std::string_view kNameExpected = "a name of 1 to 200 printable characters";

// Text as YAML: as it is where that is safe, else in double quotes.
std::string yaml_text(std::string_view text);

// "cpu, gpu0" or, if there is nothing, "none"; at most `most` of them, then "and 12 more".
std::string list_of(std::span<const std::string_view> names, std::size_t most = 12);

}  // namespace sim
