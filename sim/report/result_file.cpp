#include "sim/report/result_file.hpp"

#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace sim {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kLargestFile = std::int64_t{64} << 20;
// Printing JSON recurses, looking up a key goes through all of an object, and a value takes about
// 100 bytes. Results have 5 levels, 100 keys and 10 values a layer.
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

ordered_json read_result(const std::filesystem::path& path) {
    const auto refuse = [&](std::string_view why) {
        return InputError{fmt::format("{}: not a result: {}", path.string(), why)};
    };
    const std::string bytes = read_file(path, kLargestFile);
    Limits limits;
    if (!ordered_json::sax_parse(bytes, &limits)) {
        throw refuse(limits.refusal());
    }
    ordered_json json = ordered_json::parse(bytes, nullptr, false);
    if (!json.is_object() || !json.contains("model") || !json.contains("layers")) {
        throw refuse("expected the JSON of hetmap map, simulate or validate");
    }
    return json;
}

std::string cell(const ordered_json& value) {
    return value.is_string()         ? value.get<std::string>()
           : value.is_number_float() ? fmt::format("{:.2f}", value.get<double>())
                                     : value.dump();
}

}  // namespace

std::string result_text(const std::filesystem::path& path, bool as_json) {
    const ordered_json json = read_result(path);
    if (as_json) {
        return json.dump(2) + "\n";
    }
    std::string text;
    for (const auto& [key, value] : json.items()) {
        if (key == "set" && value.is_array() && !value.empty()) {
            text += fmt::format("{:<22} {}\n", key, value.dump());
        }
        if (value.is_primitive()) {
            text += fmt::format(
                "{:<22} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
        }
    }
    text += "\n";
    for (const ordered_json& layer : json["layers"]) {
        for (const char* key : {"name",
                                "device",
                                "variant",
                                "configuration",
                                "start_us",
                                "end_us",
                                "predicted_us",
                                "error_percent"}) {
            if (layer.contains(key)) {
                text += fmt::format("{:<14} ", cell(layer[key]));
            }
        }
        text += "\n";
    }
    return text;
}

}  // namespace sim
