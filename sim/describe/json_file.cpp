#include "sim/describe/json_file.hpp"

#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace sim {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kLargestJson = std::int64_t{64} << 20;
// Printing JSON recurses, looking up a key goes through all of an object, and a value takes about
// 100 bytes. Results have 5 levels, 100 keys and 10 values a layer; profiles of other tools less.
constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostKeys = 1000;
constexpr std::size_t kMostValues = 4'000'000;

// Counts, and keeps nothing: what is refused is refused before any tree is built.
class Limits : public nlohmann::json_sax<ordered_json> {
public:
    bool null() override { return value(); }
    bool boolean(bool) override { return value(); }
    bool number_integer(number_integer_t) override { return value(); }
    bool number_unsigned(number_unsigned_t) override { return value(); }
    bool number_float(number_float_t, const string_t&) override { return value(); }
    bool string(string_t& text) override { return value() && expect_text(text); }
    bool binary(binary_t&) override { return value(); }
    bool start_object(std::size_t) override { return start(); }
    bool start_array(std::size_t) override { return start(); }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool key(string_t& text) override {
        return ++keys_.back() <= kMostKeys
                   ? expect_text(text)
                   : refuse(fmt::format("an object of more than {} keys", kMostKeys));
    }
    bool parse_error(std::size_t,
                     const std::string&,
                     const nlohmann::detail::exception& error) override {
        return refuse(error.what());
    }

    const std::string& refusal() const { return refusal_; }

private:
    bool refuse(std::string why) {
        refusal_ = std::move(why);
        return false;
    }
    bool value() {
        return ++values_ <= kMostValues ||
               refuse(fmt::format("it has more than {} values", kMostValues));
    }
    bool start() {
        keys_.push_back(0);
        return value() && (keys_.size() <= kDeepest ||
                           refuse(fmt::format("it is nested deeper than {} levels", kDeepest)));
    }
    bool end() {
        keys_.pop_back();
        return true;
    }
    // Texts go to the terminal as they are.
    bool expect_text(std::string_view text) {
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x20 || byte == 0x7F) {
                return refuse(fmt::format("a text has the control character 0x{:02x}", byte));
            }
        }
        return true;
    }

    std::vector<std::size_t> keys_;  // by open object or array: keys so far
    std::size_t values_ = 0;
    std::string refusal_;
};

}  // namespace

ordered_json load_json(const std::filesystem::path& path, std::string_view what) {
    const std::string bytes = read_file(path, kLargestJson);
    Limits limits;
    if (!ordered_json::sax_parse(bytes, &limits)) {
        throw InputError{fmt::format("{}: {}: {}", path.string(), what, limits.refusal())};
    }
    return ordered_json::parse(bytes, nullptr, false);
}

}  // namespace sim
