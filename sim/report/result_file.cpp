#include "sim/report/result_file.hpp"

#include "sim/describe/json_file.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sim {
namespace {

using nlohmann::ordered_json;

ordered_json read_result(const std::filesystem::path& path) {
    ordered_json json = load_json(path, "not a result");
    if (!json.is_object() || !json.contains("model") || !json.contains("layers")) {
        throw InputError{
            fmt::format("{}: not a result: expected the JSON of hetmap map, simulate or validate",
                        path.string())};
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
