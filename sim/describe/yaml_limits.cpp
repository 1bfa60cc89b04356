#include "sim/describe/yaml_limits.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace sim {
namespace {

bool is_break(char c) { return c == '\n' || c == '\r'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Scanner {
public:
    Scanner(std::string_view bytes, const std::string& file) : bytes_{bytes}, file_{file} {
        if (bytes_.starts_with("\xEF\xBB\xBF")) {  // a byte order mark counts as nothing
            bytes_.remove_prefix(3);
        }
    }

    void scan() {
        while (skip_to_token()) {
            token();
        }
    }

private:
    // A list or map in the block style: where its dashes or keys stand.
    struct Level {
        std::size_t column;
        bool is_list;
    };

    // ---- Characters. ------------------------------------------------------------------------

    char peek(std::size_t ahead = 0) const {
        return i_ + ahead < bytes_.size() ? bytes_[i_ + ahead] : '\n';
    }
    bool at_end() const { return i_ >= bytes_.size(); }
    std::size_t column() const { return i_ - line_begin_; }
    bool ends_word(std::size_t ahead) const {
        return is_blank(peek(ahead)) || is_break(peek(ahead));
    }

    void advance() {
        if (bytes_[i_++] == '\n') {
            line_begin_ = i_;
            ++line_;
        }
    }

    void skip_line() {
        while (!at_end() && !is_break(peek())) {
            ++i_;
        }
    }

    // "---" or "..." at the beginning of a line.
    bool at_document_mark() const {
        const std::string_view three = bytes_.substr(i_, 3);
        return column() == 0 && (three == "---" || three == "...") && ends_word(3);
    }

    bool skip_to_token() {
        while (!at_end()) {
            if (peek() == '#') {
                skip_line();
            } else if (is_blank(peek()) || is_break(peek())) {
                advance();
            } else {
                return true;
            }
        }
        return false;
    }

    // ---- Levels. ----------------------------------------------------------------------------

    [[noreturn]] void refuse(std::size_t where, const std::string& what) const {
        throw input_error({file_, line_, static_cast<int>(where) + 1}, what);
    }

    void expect_not_too_deep(std::size_t where) const {
        if (levels_.size() + flow_ > kDeepestYaml) {
            refuse(where, fmt::format("nested deeper than {} levels", kDeepestYaml));
        }
    }

    void leave_levels(bool at_dash) {
        while (!levels_.empty() &&
               (levels_.back().column > column() ||
                (levels_.back().column == column() && levels_.back().is_list && !at_dash))) {
            levels_.pop_back();
        }
    }

    void enter_level(std::size_t where, bool is_list) {
        const bool is_inside =
            levels_.empty() || levels_.back().column < where ||
            (levels_.back().column == where && is_list && !levels_.back().is_list);
        if (is_inside) {
            levels_.push_back({where, is_list});
            expect_not_too_deep(where);
        }
    }

    // ---- Tokens. ----------------------------------------------------------------------------

    void token() {
        // 1. Documents and directives begin a line.
        if (column() == 0 && (peek() == '%' || at_document_mark())) {
            levels_.clear();
            if (flow_ > 0) {
                i_ = bytes_.size();  // where a bracket is open: the parser ends here
            } else if (peek() == '%') {
                skip_line();
            } else {
                i_ += 3;
            }
            return;
        }
        const bool is_dash = peek() == '-' && ends_word(1);
        if (flow_ == 0) {
            leave_levels(is_dash);
        } else if (++tokens_ > kMostYamlTokens) {
            refuse(
                column(),
                fmt::format("more than {} words and signs between two brackets", kMostYamlTokens));
        }

        // 2. What may be a key, and everything else. A key is of one line.
        const std::size_t begin = column(), line_begin = line_begin_;
        const bool began_in_block = flow_ == 0;
        switch (peek()) {
            case '[':
            case '{':
                if (flow_++ == 0) {
                    tokens_ = 0;
                    flow_column_ = begin;
                    flow_line_begin_ = line_begin;
                }
                expect_not_too_deep(begin);
                ++i_;
                return;
            case ']':
            case '}':
                ++i_;
                if (flow_ > 0 && --flow_ == 0 && line_begin_ == flow_line_begin_) {
                    enter_map_at_colon(flow_column_);
                }
                return;
            case ',':
                ++i_;
                return;
            case '\'':
            case '"':
                quoted(peek());
                break;
            case '&':
            case '*':
            case '!':
                property();
                return;  // a key's anchor or tag: the key itself comes next
            case '|':
            case '>':
                if (flow_ == 0) {
                    block_text();
                    return;
                }
                ++i_;
                return;
            default:
                if (is_sign()) {
                    if (flow_ == 0) {
                        enter_level(begin, is_dash);  // '?', or the ':' after what it began
                    }
                    ++i_;
                    return;
                }
                plain();
        }
        if (began_in_block && line_begin == line_begin_) {
            enter_map_at_colon(begin);
        }
    }

    // '-', '?' and ':' where they are no part of a word.
    bool is_sign() const {
        const char c = peek();
        return ((c == '-' || c == '?' || c == ':') && ends_word(1)) || (c == ':' && flow_ > 0);
    }

    // What began in that column of this line is a key if a ':' follows.
    void enter_map_at_colon(std::size_t key_column) {
        std::size_t ahead = 0;
        while (i_ + ahead < bytes_.size() && is_blank(peek(ahead))) {
            ++ahead;
        }
        if (peek(ahead) == ':' && ends_word(ahead + 1)) {
            enter_level(key_column, false);
            i_ += ahead + 1;
        }
    }

    void property() {
        // A tag in angle brackets may have brackets in it.
        const bool verbatim = peek() == '!' && peek(1) == '<';
        ++i_;
        while (!at_end() && !ends_word(0)) {
            const std::string_view ends = verbatim ? ">" : "[]{},";
            if (ends.find(peek()) != std::string_view::npos) {
                i_ += verbatim ? 1 : 0;
                return;
            }
            ++i_;
        }
    }

    void quoted(char quote) {
        advance();
        while (!at_end()) {
            const char c = peek();
            if (quote == '"' && c == '\\' && i_ + 1 < bytes_.size()) {
                ++i_;
                advance();
            } else if (quote == '\'' && c == quote && peek(1) == quote) {
                i_ += 2;
            } else if (c == quote) {
                ++i_;
                return;
            } else {
                advance();
            }
        }
    }

    // After '|' or '>': the lines that are further in than the level, or as far as the first.
    void block_text() {
        const std::size_t level = levels_.empty() ? 0 : levels_.back().column;
        std::size_t indent = levels_.empty() ? 1 : level + 1;
        bool knows_indent = false;
        for (++i_; peek() == '+' || peek() == '-' || (peek() >= '1' && peek() <= '9'); ++i_) {
            if (peek() >= '1') {
                indent = level + static_cast<std::size_t>(peek() - '0');
                knows_indent = true;
            }
        }
        skip_line();
        while (!at_end()) {
            advance();  // past the end of the line before
            while (!at_end() && peek() == ' ' && (!knows_indent || column() < indent)) {
                ++i_;
            }
            if (!knows_indent) {
                indent = std::max(indent, column());
            }
            if (at_end() || is_break(peek())) {
                continue;
            }
            if (column() < indent || at_document_mark()) {
                return;
            }
            knows_indent = true;
            skip_line();
        }
    }

    // Does what stands here end a text without quotes?
    bool ends_plain() const {
        const char c = peek(), next = peek(1);
        const bool is_space = is_blank(c) || is_break(c);
        if ((c == ':' && ends_word(1)) || (is_space && next == '#')) {
            return true;
        }
        constexpr std::string_view kSigns = ",?[]{}";
        constexpr std::string_view kAfterColon = ",]}";
        return flow_ > 0 && (kSigns.find(c) != std::string_view::npos ||
                             (c == ':' && kAfterColon.find(next) != std::string_view::npos));
    }

    // A text without quotes, until what ends it or a line that is not further in than the level.
    void plain() {
        const std::size_t indent = flow_ > 0 || levels_.empty() ? 0 : levels_.back().column + 1;
        ++i_;  // whatever it is
        for (;;) {
            while (!at_end() && !is_break(peek())) {
                if (ends_plain()) {
                    return;
                }
                ++i_;
            }
            while (!at_end() && (is_break(peek()) || is_blank(peek()))) {
                if (ends_plain()) {
                    return;
                }
                advance();
            }
            if (at_end() || column() < indent || at_document_mark()) {
                return;
            }
        }
    }

    std::string_view bytes_;
    const std::string& file_;
    std::size_t i_ = 0;
    std::size_t line_begin_ = 0;
    int line_ = 1;
    std::vector<Level> levels_;
    std::size_t flow_ = 0;                               // open brackets
    std::size_t flow_column_ = 0, flow_line_begin_ = 0;  // of the outermost
    std::size_t tokens_ = 0;                             // since the outermost bracket
};

}  // namespace

void expect_yaml_limits(std::string_view bytes, const std::string& file) {
    Scanner{bytes, file}.scan();
}

}  // namespace sim
