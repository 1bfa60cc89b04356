#include "sim/import/times.hpp"

#include "sim/describe/input_file.hpp"
#include "sim/describe/json_file.hpp"
#include "sim/describe/platform.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

namespace sim {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kLargestFile = std::int64_t{64} << 20;
constexpr double kMostMicroseconds = 1e9;

InputError error_in(const std::filesystem::path& path, const std::string& why) {
    return InputError{fmt::format("{}: {}", path.string(), why)};
}

InputError error_in_row(const std::filesystem::path& path, int row, const std::string& why) {
    return InputError{fmt::format("{}:{}: {}", path.string(), row, why)};
}

bool is_time(double us) { return std::isfinite(us) && us > 0 && us <= kMostMicroseconds; }

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    return text;
}

std::string trimmed(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    return begin == std::string::npos
               ? std::string{}
               : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// ---- 1. TensorRT. ---------------------------------------------------------------------------

bool is_tensorrt(const ordered_json& json) {
    return json.is_array() && !json.empty() && json.front().is_object() &&
           json.front().contains("count");
}

Times of_tensorrt(const std::filesystem::path& path,
                  const ordered_json& json,
                  const std::string& device) {
    Times times{.tool = "TensorRT", .layers = {}};
    for (std::size_t i = 1; i < json.size(); ++i) {
        const ordered_json& layer = json[i];
        const auto name = layer.is_object() ? layer.find("name") : layer.end();
        if (!layer.is_object() || name == layer.end() || !name->is_string()) {
            throw error_in(path, fmt::format("[{}]: expected an object with a 'name'", i));
        }
        double ms = -1;
        for (const char* const key : {"medianMs", "averageMs"}) {
            if (ms < 0 && layer.contains(key) && layer[key].is_number()) {
                ms = layer[key].get<double>();
            }
        }
        if (ms == 0) {
            continue;  // what takes no time that the tool can see
        }
        if (!is_time(ms * 1e3)) {
            throw error_in(
                path,
                fmt::format("[{}]: expected 'medianMs' or 'averageMs' of '{}', milliseconds",
                            i,
                            name->get<std::string>()));
        }
        times.layers.push_back({.name = name->get<std::string>(),
                                .device = device,
                                .variant = "tensorrt",
                                .configuration = "engine",
                                .times_us = {ms * 1e3},
                                .row = static_cast<int>(i)});
    }
    return times;
}

// ---- 2. ONNX Runtime. -----------------------------------------------------------------------

bool is_onnx_runtime(const ordered_json& json) {
    return json.is_array() && std::any_of(json.begin(), json.end(), [](const ordered_json& event) {
               return event.is_object() && event.contains("cat") && event.contains("dur") &&
                      event["cat"] == "Node";
           });
}

// "CUDAExecutionProvider" as "cuda".
std::string device_of_provider(std::string provider) {
    constexpr std::string_view kEnd = "ExecutionProvider";
    if (provider.ends_with(kEnd)) {
        provider.resize(provider.size() - kEnd.size());
    }
    return lower(provider);
}

Times of_onnx_runtime(const std::filesystem::path& path,
                      const ordered_json& json,
                      const std::string& device) {
    constexpr std::string_view kEnd = "_kernel_time";
    Times times{.tool = "ONNX Runtime", .layers = {}};
    std::map<std::pair<std::string, std::string>, std::size_t> known;  // device, name
    for (std::size_t i = 0; i < json.size(); ++i) {
        const ordered_json& event = json[i];
        if (!event.is_object() || !event.contains("cat") || event["cat"] != "Node" ||
            !event.contains("name") || !event["name"].is_string()) {
            continue;
        }
        std::string name = event["name"].get<std::string>();
        if (!name.ends_with(kEnd)) {
            continue;  // fences before and after it
        }
        name.resize(name.size() - kEnd.size());
        if (!event.contains("dur") || !event["dur"].is_number()) {
            throw error_in(path, fmt::format("[{}]: '{}' has no 'dur', microseconds", i, name));
        }
        std::string its_device = device;
        const auto args = event.find("args");
        if (args != event.end() && args->is_object() && args->contains("provider") &&
            (*args)["provider"].is_string()) {
            its_device = device_of_provider((*args)["provider"].get<std::string>());
        }
        const auto [entry, is_new] =
            known.emplace(std::pair{its_device, name}, times.layers.size());
        if (is_new) {
            times.layers.push_back({.name = name,
                                    .device = its_device,
                                    .variant = "onnxruntime",
                                    .configuration = "session",
                                    .times_us = {},
                                    .row = static_cast<int>(i)});
        }
        // It counts in whole microseconds; what took less than one took some.
        const double us = std::max(0.5, event["dur"].get<double>());
        if (!is_time(us)) {
            throw error_in(path, fmt::format("[{}]: expected a 'dur' in microseconds", i));
        }
        times.layers[entry->second].times_us.push_back(us);
    }
    return times;
}

// ---- 3. Tables. -----------------------------------------------------------------------------

// Microseconds for one of the unit that a column's name says: "us", "time_us", "realTime (ms)".
std::optional<double> unit_of(const std::string& column) {
    std::string name = lower(trimmed(column));
    if (name.ends_with(')')) {
        const std::size_t open = name.rfind('(');
        name = open == std::string::npos ? name : name.substr(open + 1, name.size() - open - 2);
    }
    constexpr std::pair<std::string_view, double> kUnits[] = {
        {"us", 1}, {"ms", 1e3}, {"ns", 1e-3}, {"s", 1e6}};
    for (const auto& [unit, us] : kUnits) {
        if (name == unit || name.ends_with("_" + std::string{unit})) {
            return us;
        }
    }
    return std::nullopt;
}

struct Columns {
    int layer = -1, device = -1, time = -1, variant = -1, configuration = -1, batch = -1,
        status = -1;
    double us = 1;  // for one of the time's unit
    std::size_t count = 0;
};

Columns columns_of(const std::filesystem::path& path, const std::vector<std::string>& head) {
    Columns columns{.count = head.size()};
    std::vector<std::string> times;
    for (std::size_t i = 0; i < head.size(); ++i) {
        const std::string name = lower(trimmed(head[i]));
        const std::pair<std::string_view, int Columns::*> names[] = {
            {"layer", &Columns::layer},
            {"layername", &Columns::layer},
            {"device", &Columns::device},
            {"variant", &Columns::variant},
            {"configuration", &Columns::configuration},
            {"batch", &Columns::batch},
            {"execstatus", &Columns::status}};
        const auto* const known =
            std::ranges::find(names, name, &std::pair<std::string_view, int Columns::*>::first);
        if (known != std::end(names)) {
            int& column = columns.*(known->second);
            if (column >= 0) {
                throw error_in_row(path, 1, fmt::format("the column '{}' is here twice", name));
            }
            column = static_cast<int>(i);
        } else if (const std::optional<double> us = unit_of(head[i])) {
            // Of OpenVINO's two the first is that of the clock, the other the processor's.
            if (columns.time < 0) {
                columns.time = static_cast<int>(i);
                columns.us = *us;
            }
        }
    }
    if (columns.layer < 0 || columns.time < 0) {
        throw error_in_row(path,
                           1,
                           "expected columns 'layer' and 'us' (or ms, ns, s), and, where they are "
                           "there, device, variant, configuration, batch");
    }
    return columns;
}

Times of_table(const std::filesystem::path& path,
               const std::string& bytes,
               const std::string& device) {
    const std::string head = bytes.substr(0, bytes.find('\n'));
    const char separator = head.find(';') != std::string::npos    ? ';'
                           : head.find('\t') != std::string::npos ? '\t'
                                                                  : ',';
    const std::vector<std::vector<std::string>> rows = csv_rows(bytes, separator);
    if (rows.empty()) {
        throw error_in(path, "it is empty");
    }
    const Columns columns = columns_of(path, rows.front());
    const bool is_openvino = columns.status >= 0;
    Times times{.tool = is_openvino ? "OpenVINO" : "CSV", .layers = {}};
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const std::vector<std::string>& row = rows[i];
        const int number = static_cast<int>(i) + 1;
        const auto field = [&](int column) {
            return column < 0 || at(column) >= row.size() ? std::string{}
                                                          : trimmed(row[at(column)]);
        };
        if (row.size() == 1 && trimmed(row.front()).empty()) {
            continue;
        }
        if (is_openvino &&
            (field(columns.status) != "EXECUTED" || field(columns.layer) == "Total")) {
            continue;
        }
        if (row.size() != columns.count) {
            throw error_in_row(
                path, number, fmt::format("expected {} fields, got {}", columns.count, row.size()));
        }
        const std::string text = field(columns.time);
        double value = 0;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (failure != std::errc{} || end != text.data() + text.size() ||
            !is_time(value * columns.us)) {
            throw error_in_row(path,
                               number,
                               fmt::format("{}: expected a time above zero, got '{}'",
                                           trimmed(rows.front()[at(columns.time)]),
                                           text));
        }
        TimedLayers layers{.name = field(columns.layer),
                           .device = field(columns.device),
                           .variant = field(columns.variant),
                           .configuration = field(columns.configuration),
                           .times_us = {value * columns.us},
                           .row = number};
        if (layers.name.empty()) {
            throw error_in_row(path, number, "layer: expected a name");
        }
        if (const std::string batch = field(columns.batch); !batch.empty()) {
            const auto read =
                std::from_chars(batch.data(), batch.data() + batch.size(), layers.batch);
            if (read.ec != std::errc{} || read.ptr != batch.data() + batch.size() ||
                layers.batch < 1 || layers.batch > kLargestBatch) {
                throw error_in_row(
                    path,
                    number,
                    fmt::format("batch: expected 1 to {}, got '{}'", kLargestBatch, batch));
            }
        }
        layers.device = layers.device.empty() ? device : layers.device;
        layers.variant = !layers.variant.empty() ? layers.variant
                         : is_openvino           ? "openvino"
                                                 : "profile";
        layers.configuration = layers.configuration.empty() ? "1" : layers.configuration;
        times.layers.push_back(std::move(layers));
    }
    return times;
}

// What a tool names becomes a name of ours; of a device also a part of others, such as a link's.
void expect_names(const std::filesystem::path& path, const Times& times) {
    for (const TimedLayers& layers : times.layers) {
        const auto expect = [&](bool fits, const std::string& text, std::string_view what) {
            if (!fits) {
                throw error_in_row(
                    path,
                    layers.row,
                    fmt::format("expected {}, got '{}'", what, printable(text.substr(0, 80))));
            }
        };
        const NamedLayers named = layers_named(layers.name);
        expect(named.is_reformat || !named.names.empty(), layers.name, "the name of a layer");
        for (const std::string& name : named.names) {
            expect(is_name(name), name, kNameExpected);
        }
        for (const std::string* const text :
             {&layers.device, &layers.variant, &layers.configuration}) {
            expect(is_device_name(*text), *text, kDeviceNameExpected);
        }
    }
}

// ---- 4. Names. ------------------------------------------------------------------------------

void add_parts(std::string_view text, std::vector<std::string>& names) {
    const auto strip = [&] {
        while (text.starts_with(' ')) {
            text.remove_prefix(1);
        }
        while (text.ends_with(' ')) {
            text.remove_suffix(1);
        }
    };
    strip();
    for (const std::string_view wrapper : {"PWN(", "fusion("}) {
        if (text.starts_with(wrapper) && text.ends_with(')')) {
            text = text.substr(wrapper.size(), text.size() - wrapper.size() - 1);
            strip();
        }
    }
    // At the separators that stand in no parentheses.
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
        for (const std::string_view between : {" + ", " || ", ", "}) {
            if (depth == 0 && text.substr(i).starts_with(between)) {
                add_parts(text.substr(0, i), names);
                add_parts(text.substr(i + between.size()), names);
                return;
            }
        }
    }
    if (!text.empty()) {
        names.emplace_back(text);
    }
}

}  // namespace

bool is_device_name(std::string_view text) {
    constexpr std::size_t kLongest = 80;
    return is_name(text) && text.size() <= kLongest && text.find('/') == std::string_view::npos;
}

NamedLayers layers_named(const std::string& name) {
    NamedLayers layers;
    if (name.starts_with("Reformatting CopyNode") || name.starts_with("ReorderInput") ||
        name.starts_with("ReorderOutput") || name.starts_with("MemcpyToHost") ||
        name.starts_with("MemcpyFromHost")) {
        layers.is_reformat = true;
        return layers;
    }
    constexpr std::string_view kRange = "{ForeignNode[";
    const std::size_t dots = name.find("...");
    if (name.starts_with(kRange) && name.ends_with("]}")) {
        const std::string inner = name.substr(kRange.size(), name.size() - kRange.size() - 2);
        if (dots == std::string::npos) {
            layers.names = {inner};
        } else {
            const std::size_t middle = dots - kRange.size();
            layers.names = {inner.substr(0, middle), inner.substr(middle + 3)};
            layers.is_range = true;
        }
        return layers;
    }
    add_parts(name, layers.names);
    return layers;
}

std::vector<std::vector<std::string>> csv_rows(const std::string& bytes, char separator) {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> row;
    std::string field;
    bool quoted = false, is_anything = false;
    const auto end_row = [&] {
        if (is_anything) {
            row.push_back(std::move(field));
            rows.push_back(std::move(row));
        } else {
            rows.push_back({""});
        }
        field.clear();
        row.clear();
        is_anything = false;
    };
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char c = bytes[i];
        if (quoted) {
            if (c == '"' && i + 1 < bytes.size() && bytes[i + 1] == '"') {
                field += '"';
                ++i;
            } else if (c == '"') {
                quoted = false;
            } else {
                field += c;
            }
        } else if (c == '"' && trimmed(field).empty()) {
            field.clear();
            quoted = is_anything = true;
        } else if (c == separator) {
            row.push_back(std::move(field));
            field.clear();
            is_anything = true;
        } else if (c == '\n') {
            end_row();
        } else if (c != '\r') {
            field += c;
            is_anything = true;
        }
    }
    if (is_anything) {
        end_row();
    }
    return rows;
}

Times read_times(const std::filesystem::path& path, const std::string& device) {
    const std::string bytes = read_file(path, kLargestFile);
    const std::size_t begin = bytes.find_first_not_of(" \t\r\n");
    const bool is_json = begin != std::string::npos && (bytes[begin] == '[' || bytes[begin] == '{');
    Times times;
    if (is_json) {
        const ordered_json json = load_json(path, "not a profile");
        if (is_tensorrt(json)) {
            times = of_tensorrt(path, json, device);
        } else if (is_onnx_runtime(json)) {
            times = of_onnx_runtime(path, json, device);
        } else {
            throw error_in(path,
                           "expected what trtexec --exportProfile or ONNX Runtime's profiler "
                           "writes, or a CSV with the columns layer, device, us");
        }
    } else {
        times = of_table(path, bytes, device);
    }
    expect_names(path, times);
    if (times.layers.empty()) {
        throw error_in(path, fmt::format("{}: it has no times of layers", times.tool));
    }
    return times;
}

}  // namespace sim
