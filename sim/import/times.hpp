#pragma once

// Times of layers as other tools write them down. Start at `read_times`, which sees by a file's
// content what it is:
// - TensorRT: the JSON of trtexec --exportProfile;
// - ONNX Runtime: the JSON of its profiler, each execution provider a device of its own;
// - OpenVINO: the CSV of benchmark_app -report_type detailed_counters;
// - a table made by hand: CSV with a first line that names its columns: layer, device, us (or ms,
// ns,
//   s), and, if they are there, variant, configuration, batch.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// What one tool says of one layer, or of several that it runs as one.
struct TimedLayers {
    std::string name;    // as the tool writes it: "conv1 + relu1"
    std::string device;  // "gpu"
    std::string variant, configuration;
    int batch = 0;                 // 0: not said
    std::vector<double> times_us;  // one for each time that it was measured; positive
    int row = 0;                   // of the file, where it has rows

    friend bool operator==(const TimedLayers&, const TimedLayers&) = default;
};

struct Times {
    std::string tool;  // "TensorRT", "ONNX Runtime", "OpenVINO", "CSV"
    std::vector<TimedLayers> layers;
};

// `device`: what those are called of which the file does not say it. Throws InputError naming file,
// row or key.
Times read_times(const std::filesystem::path& path, const std::string& device);

// The layers that a tool's name stands for: "conv1 + relu1", "a || b", "PWN(sigmoid1, mul1)" are
// two each. `from` and `to` are of a range, "{ForeignNode[conv1...pool5]}": both and all between.
// A change of a tensor's format ("Reformatting CopyNode ...", "ReorderInput") is no layer's.
struct NamedLayers {
    std::vector<std::string> names;
    bool is_range = false;  // of names[0] to names[1]
    bool is_reformat = false;
};
NamedLayers layers_named(const std::string& name);

// What a device, a variant or a configuration may be called: a name of at most 80 bytes, without
// '/'.
bool is_device_name(std::string_view text);
inline constexpr std::string_view kDeviceNameExpected =
    "a name of 1 to 80 printable characters without '/'";

// Bytes of a CSV file as rows of fields (RFC 4180, fields apart by `separator`).
std::vector<std::vector<std::string>> csv_rows(const std::string& bytes, char separator);

}  // namespace sim
