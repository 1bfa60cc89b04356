#include "sim/describe/yaml.hpp"

#include "sim/describe/input_file.hpp"
#include "sim/describe/yaml_limits.hpp"
#include "sim/index.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace sim {
namespace {

constexpr std::int64_t kLargestFile = kLargestFileMib << 20;
constexpr std::size_t kLongestName = 200;  // bytes
constexpr double kLongestTimeUs = 1e9;

// ---- 1. The bytes. --------------------------------------------------------------------------

// Nothing but text gets past here. What texts in quotes spell out, such as "\x1b", is met again
// where it is read, as a name, or shown.
void expect_text(std::string_view bytes, const std::string& file) {
    int line = 1;
    std::size_t line_begin = 0;
    for (std::size_t i = 0; i < bytes.size();) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const std::size_t length = utf8_length(bytes.substr(i, 4));
        const bool is_space = byte == '\t' || byte == '\n' || byte == '\r';
        const bool is_control = byte < 0x20 || byte == 0x7F;
        if (length == 0 || (is_control && !is_space)) {
            throw input_error({file, line, static_cast<int>(i - line_begin) + 1},
                              fmt::format("not a text file: byte 0x{:02x}", byte));
        }
        if (byte == '\n') {
            ++line;
            line_begin = i + 1;
        }
        i += length;
    }
}

// ---- 2. The tree, from yaml-cpp's events. ---------------------------------------------------

class TreeBuilder : public YAML::EventHandler {
public:
    explicit TreeBuilder(const std::string& file) : file_{file} {}

    YamlNode take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1) {
            throw refuse(mark, "a second YAML document; a file holds one");
        }
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        // What is not there is missed at its key; yaml-cpp marks where the next thing stands.
        YamlNode& node = open(mark, {}, anchor, YamlNode::Kind::nothing);
        if (node.key_line > 0) {
            node.line = node.key_line;
            node.column = node.key_column;
        }
        close();
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        throw refuse(mark, "a YAML alias ('*name'); write it out");
    }
    void OnScalar(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  const std::string& value) override {
        if (!open_.empty() && open_.back().kind == YamlNode::Kind::map && !has_key_.back()) {
            expect_plain(mark, tag, anchor);
            key_ = {value, mark.line + 1, mark.column + 1};
            has_key_.back() = true;
            return;
        }
        YamlNode& node = open(mark, tag, anchor, YamlNode::Kind::text);
        node.text = value;
        node.quoted = tag == "!";  // what yaml-cpp says of texts in quotes
        close();
    }
    void OnSequenceStart(const YAML::Mark& mark,
                         const std::string& tag,
                         YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::list);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark,
                    const std::string& tag,
                    YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::map);
    }
    void OnMapEnd() override {
        expect_no_duplicates(open_.back());
        close();
    }

private:
    struct Key {
        std::string text;
        int line = 0, column = 0;
    };

    InputError refuse(const YAML::Mark& mark, std::string_view what) const {
        return input_error({file_, mark.line + 1, mark.column + 1}, std::string{what});
    }

    void expect_plain(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
        if (anchor != YAML::NullAnchor) {
            throw refuse(mark, "a YAML anchor ('&name'); these files have none");
        }
        if (!tag.empty() && tag != "?" && tag != "!") {
            throw refuse(mark, fmt::format("a YAML tag ('{}'); these files have none", tag));
        }
    }

    YamlNode& open(const YAML::Mark& mark,
                   const std::string& tag,
                   YAML::anchor_t anchor,
                   YamlNode::Kind kind) {
        expect_plain(mark, tag, anchor);
        if (open_.size() >= kDeepestYaml) {
            throw refuse(mark, fmt::format("nested deeper than {} levels", kDeepestYaml));
        }
        if (++nodes_ > kMostYamlNodes) {
            throw refuse(mark, fmt::format("more than {} values", kMostYamlNodes));
        }
        YamlNode node;
        node.kind = kind;
        node.line = mark.line + 1;
        node.column = mark.column + 1;
        node.file = &file_;
        if (!open_.empty() && open_.back().kind == YamlNode::Kind::map) {
            if (!has_key_.back()) {
                // yaml-cpp takes a bracket that is never closed for the beginning of a key.
                throw refuse(mark,
                             "expected a word as key (or a bracket is not closed, or the file "
                             "is cut off)");
            }
            node.key = std::move(key_.text);
            node.key_line = key_.line;
            node.key_column = key_.column;
        } else if (!open_.empty()) {
            node.key = open_.back().key;
        }
        open_.push_back(std::move(node));
        has_key_.push_back(false);
        return open_.back();
    }

    void close() {
        YamlNode node = std::move(open_.back());
        open_.pop_back();
        has_key_.pop_back();
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        has_key_.back() = false;
        open_.back().children.push_back(std::move(node));
    }

    void expect_no_duplicates(const YamlNode& map) const {
        std::vector<const YamlNode*> sorted;
        sorted.reserve(map.children.size());
        for (const YamlNode& child : map.children) {
            sorted.push_back(&child);
        }
        std::ranges::stable_sort(
            sorted, {}, [](const YamlNode* n) -> const std::string& { return n->key; });
        const auto same = std::ranges::adjacent_find(
            sorted, {}, [](const YamlNode* n) -> const std::string& { return n->key; });
        if (same != sorted.end()) {
            throw input_error(
                position_of_key(**(same + 1)),
                fmt::format(
                    "key '{}' is here twice, first in line {}", (*same)->key, (*same)->key_line));
        }
    }

    const std::string& file_;
    std::vector<YamlNode> open_;  // from the root to where we are
    std::vector<bool> has_key_;   // by open node: a map that waits for the value of its key
    Key key_;                     // whose value comes next
    YamlNode root_;
    std::size_t nodes_ = 0;
    int documents_ = 0;
};

// ---- 3. Words for messages. -----------------------------------------------------------------

std::string shortened(std::string_view text) {
    constexpr std::size_t kMost = 60;
    if (text.size() <= kMost) {
        return printable(text);
    }
    std::size_t size = kMost;  // never half a character at the end
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
        --size;
    }
    return printable(text.substr(0, size)) + "...";
}

std::string description(const YamlNode& node) {
    switch (node.kind) {
        case YamlNode::Kind::nothing:
            return "nothing";
        case YamlNode::Kind::list:
            return "a list";
        case YamlNode::Kind::map:
            return "a map";
        case YamlNode::Kind::text:
            break;
    }
    return node.quoted ? fmt::format("the text \"{}\"", shortened(node.text))
                       : fmt::format("'{}'", shortened(node.text));
}

bool is_plain_text(const YamlNode& node) {
    return node.kind == YamlNode::Kind::text && !node.quoted;
}

// A number that is followed by something else, such as "5us".
bool begins_as_number(const YamlNode& node) {
    double value = 0;
    const char* const begin = node.text.data();
    const char* const end = begin + node.text.size();
    const auto [rest, failure] = std::from_chars(begin, end, value);
    return node.kind == YamlNode::Kind::text && failure == std::errc{} && rest != end &&
           rest != begin;
}

InputError not_a_number(const YamlNode& node, std::string_view expected) {
    return unexpected(node,
                      begins_as_number(node)
                          ? fmt::format("{} alone (a unit stands in the key)", expected)
                          : std::string{expected});
}

double number_of(const YamlNode& node, std::string_view expected) {
    double value = 0;
    const char* const end = node.text.data() + node.text.size();
    const auto [rest, failure] = std::from_chars(node.text.data(), end, value);
    if (!is_plain_text(node) || failure != std::errc{} || rest != end || !std::isfinite(value)) {
        throw not_a_number(node, expected);
    }
    return value;
}

std::string joined(std::span<const std::string_view> names) {
    return fmt::format("{}", fmt::join(names, ", "));
}

// ---- 4. Paths of keys. ------------------------------------------------------------------------

bool is_number(const std::string& text) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data(), end, value);
    return failure == std::errc{} && rest == end;
}

// What a path calls the child of this position: its key, an item's name or, without one, the
// position.
std::string address_of(const YamlNode& parent, std::size_t position) {
    const YamlNode& child = parent.children[position];
    if (parent.kind == YamlNode::Kind::map) {
        return child.key;
    }
    const YamlNode* const name = find(child, "name");
    return name != nullptr && name->kind == YamlNode::Kind::text ? name->text
                                                                 : std::to_string(position);
}

// The child that `path` begins with. Names may have dots in them: the longest that fits.
YamlNode* child_on(YamlNode& parent, std::string_view path, std::string& address) {
    YamlNode* found = nullptr;
    for (std::size_t i = 0; i < parent.children.size(); ++i) {
        std::string one = address_of(parent, i);
        const bool fits =
            path.starts_with(one) && (path.size() == one.size() || path[one.size()] == '.');
        if (fits && (found == nullptr || one.size() > address.size())) {
            found = &parent.children[i];
            address = std::move(one);
        }
    }
    return found;
}

std::string addresses_in(const YamlNode& parent) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < parent.children.size(); ++i) {
        all.push_back(address_of(parent, i));
    }
    return list_of(std::vector<std::string_view>(all.begin(), all.end()));
}

}  // namespace

YamlFile load_yaml(const std::filesystem::path& path, std::string_view format) {
    return parse_yaml(read_file(path, kLargestFile), path, format);
}

YamlFile parse_yaml(const std::string& bytes,
                    const std::filesystem::path& path,
                    std::string_view format) {
    YamlFile file{.name = std::make_shared<const std::string>(path.string()), .root = {}};
    const std::string& name = *file.name;
    expect_text(bytes, name);
    expect_yaml_limits(bytes, name);

    TreeBuilder builder{name};
    try {
        std::istringstream stream{bytes};
        YAML::Parser parser{stream};
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const YAML::Exception& error) {
        throw input_error({name, error.mark.line + 1, error.mark.column + 1},
                          fmt::format("not valid YAML (or the file is cut off): {}", error.msg));
    }
    file.root = builder.take();

    const std::string header = fmt::format("hetmap: {}", format);
    if (file.root.kind == YamlNode::Kind::nothing) {
        throw input_error({name, 1, 1},
                          fmt::format("the file is empty; expected it to begin with '{}'", header));
    }
    if (file.root.kind != YamlNode::Kind::map || file.root.children.empty() ||
        file.root.children.front().key != "hetmap") {
        throw input_error({name, 1, 1},
                          fmt::format("expected a file that begins with '{}'", header));
    }
    const YamlNode& first = file.root.children.front();
    if (first.kind != YamlNode::Kind::text || first.text != format) {
        throw unexpected(first, fmt::format("'{}'", format));
    }
    return file;
}

void set_number(YamlFile& file, const std::string& assignment) {
    const std::string& place =
        *file.set.emplace_back(std::make_shared<const std::string>("--set " + assignment));
    const auto refuse = [&](const std::string& why) { return input_error({.file = place}, why); };
    // 1. The path and the number. Names may have a '=' in them.
    const std::size_t sign = std::min(assignment.rfind('='), assignment.size());
    const std::string_view whole = std::string_view{assignment}.substr(0, sign);
    if (sign == assignment.size() || whole.empty() || whole.front() == '.' || whole.back() == '.' ||
        whole.find("..") != std::string_view::npos) {
        throw refuse("expected a path of keys and a number, as devices.cpu.active_power_w=35");
    }
    const std::string number = assignment.substr(sign + 1);
    if (!is_number(number)) {
        throw refuse(fmt::format("expected a number, got '{}'", shortened(number)));
    }

    // 2. A number takes the place of a number, or of nothing.
    const auto put = [&](YamlNode& node, std::string_view step) {
        if (node.kind != YamlNode::Kind::nothing &&
            (node.kind != YamlNode::Kind::text || !is_number(node.text))) {
            throw refuse(fmt::format("{} is {}, not a number", step, description(node)));
        }
        if (node.kind == YamlNode::Kind::text && node.file != file.name.get()) {
            throw refuse(fmt::format("{} is set already: {}", step, *node.file));
        }
        node.kind = YamlNode::Kind::text;
        node.quoted = false;
        node.text = number;
        node.line = node.column = 0;
        node.key_line = node.key_column = 0;
        node.file = &place;
    };

    // 3. Down the path. Keys that are not there are added, items of lists are not; '*' is each of
    //    a list's.
    const auto go_down = [&](const auto& self,
                             YamlNode& node,
                             std::string_view path,
                             std::string_view step) -> void {
        if (path.empty()) {
            put(node, step);
            return;
        }
        if (node.kind == YamlNode::Kind::text) {
            throw refuse(fmt::format("{} is {}, it holds nothing", step, description(node)));
        }
        const std::string_view first = path.substr(0, path.find('.'));
        const std::string_view rest = path.substr(std::min(path.size(), first.size() + 1));
        if (first == "*" && node.kind == YamlNode::Kind::list && !node.children.empty()) {
            for (YamlNode& child : node.children) {
                self(self, child, rest, first);
            }
            return;
        }
        std::string address;
        YamlNode* child = child_on(node, path, address);
        if (child == nullptr && node.kind == YamlNode::Kind::list) {
            throw refuse(fmt::format(
                "{}: there is no '{}'; there are: {}", step, shortened(first), addresses_in(node)));
        }
        if (child == nullptr) {
            address = first;
            node.kind = YamlNode::Kind::map;
            child = &node.children.emplace_back();
            child->key = address;
            child->file = &place;
        }
        self(self, *child, path.substr(std::min(path.size(), address.size() + 1)), address);
    };
    go_down(go_down, file.root, whole, "the file");
}

SourcePosition position_of(const YamlNode& node) {
    return {node.file == nullptr ? std::string{} : *node.file, node.line, node.column};
}

SourcePosition position_of_key(const YamlNode& node) {
    return {node.file == nullptr ? std::string{} : *node.file, node.key_line, node.key_column};
}

InputError unexpected(const YamlNode& node, std::string_view expected) {
    return input_error(position_of(node),
                       fmt::format("{}{}expected {}, got {}",
                                   node.key,
                                   node.key.empty() ? "" : ": ",
                                   expected,
                                   description(node)));
}

void expect_keys(const YamlNode& node,
                 std::string_view what,
                 std::span<const std::string_view> required,
                 std::span<const std::string_view> optional) {
    if (node.kind != YamlNode::Kind::map) {
        throw unexpected(node, fmt::format("{} as a map with the keys {}", what, joined(required)));
    }
    for (const YamlNode& child : node.children) {
        if (std::ranges::find(required, child.key) == required.end() &&
            std::ranges::find(optional, child.key) == optional.end()) {
            throw input_error(position_of_key(child),
                              fmt::format("unknown key '{}'; {} has: {}{}{}",
                                          shortened(child.key),
                                          what,
                                          joined(required),
                                          optional.empty() || required.empty() ? "" : ", ",
                                          joined(optional)));
        }
    }
    for (const std::string_view key : required) {
        if (find(node, key) == nullptr) {
            throw input_error(position_of(node), fmt::format("{} needs the key '{}'", what, key));
        }
    }
}

const YamlNode* find(const YamlNode& map, std::string_view key) {
    const auto found = std::ranges::find(map.children, key, &YamlNode::key);
    return map.kind != YamlNode::Kind::map || found == map.children.end() ? nullptr : &*found;
}

const YamlNode& at(const YamlNode& map, std::string_view key) {
    const YamlNode* const found = find(map, key);
    if (found == nullptr) {
        throw input_error(position_of(map), fmt::format("the key '{}' is missing", key));
    }
    return *found;
}

const std::vector<YamlNode>& read_list(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::list) {
        throw unexpected(node, "a list");
    }
    return node.children;
}

const std::string& read_text(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::text) {
        throw unexpected(node, "a text");
    }
    return node.text;
}

const std::string& read_name(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::text || !is_name(node.text)) {
        throw unexpected(node, std::string{kNameExpected});
    }
    return node.text;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kLongestName && is_printable(text);
}

bool read_bool(const YamlNode& node) {
    if (!is_plain_text(node) || (node.text != "true" && node.text != "false")) {
        throw unexpected(node, "true or false");
    }
    return node.text == "true";
}

std::int64_t read_integer(const YamlNode& node, std::int64_t lowest, std::int64_t highest) {
    std::int64_t value = 0;
    const char* const end = node.text.data() + node.text.size();
    const auto [rest, failure] = std::from_chars(node.text.data(), end, value);
    if (!is_plain_text(node) || failure != std::errc{} || rest != end || value < lowest ||
        value > highest) {
        throw not_a_number(node, fmt::format("a whole number from {} to {}", lowest, highest));
    }
    return value;
}

double read_number(const YamlNode& node) {
    constexpr std::string_view kExpected = "a number of zero or more";
    const double value = number_of(node, kExpected);
    if (value < 0) {
        throw unexpected(node, kExpected);
    }
    return value + 0.0;  // no negative zero
}

double read_positive(const YamlNode& node) {
    constexpr std::string_view kExpected = "a number above zero";
    const double value = number_of(node, kExpected);
    if (value <= 0) {
        throw unexpected(node, kExpected);
    }
    return value;
}

Time read_time_us(const YamlNode& node) {
    const double us = read_number(node);
    if (us > kLongestTimeUs) {
        throw unexpected(node, fmt::format("a time of at most {:.0f} us", kLongestTimeUs));
    }
    return from_microseconds(us);
}

Time read_difference_us(const YamlNode& node) {
    const double us = number_of(node, "a number");
    if (std::abs(us) > kLongestTimeUs) {
        throw unexpected(node, fmt::format("a time of at most {:.0f} us", kLongestTimeUs));
    }
    return from_microseconds(us);
}

int read_choice(const YamlNode& node,
                std::string_view what,
                std::span<const std::string_view> names) {
    const std::string& name = read_text(node);
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
        throw input_error(
            position_of(node),
            fmt::format(
                "{}: no {} '{}'; there are: {}", node.key, what, shortened(name), list_of(names)));
    }
    return static_cast<int>(found - names.begin());
}

std::string yaml_text(std::string_view text) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    constexpr std::string_view kInside = "0123456789-./";
    const bool safe = !text.empty() && kLetters.find(text.front()) != std::string_view::npos &&
                      std::ranges::all_of(text, [&](char c) {
                          return kLetters.find(c) != std::string_view::npos ||
                                 kInside.find(c) != std::string_view::npos;
                      });
    // Words that YAML takes for something else.
    constexpr std::string_view kTaken[] = {"null", "Null", "NULL",  "true",  "True",  "TRUE", "yes",
                                           "Yes",  "YES",  "false", "False", "FALSE", "no",   "No",
                                           "NO",   "on",   "On",    "ON",    "off",   "Off",  "OFF",
                                           "y",    "Y",    "n",     "N"};
    if (safe && std::ranges::find(kTaken, text) == std::end(kTaken)) {
        return std::string{text};
    }
    std::string escaped;
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            escaped += '\\';
        }
        if (c == '\n') {
            escaped += "\\n";
        } else {
            escaped += c;
        }
    }
    return '"' + printable(escaped) + '"';
}

std::string list_of(std::span<const std::string_view> names, std::size_t most) {
    if (names.empty()) {
        return "none";
    }
    const auto shown = names.first(std::min(most, names.size()));
    return names.size() > most
               ? fmt::format("{} and {} more", fmt::join(shown, ", "), names.size() - most)
               : fmt::format("{}", fmt::join(shown, ", "));
}

}  // namespace sim
