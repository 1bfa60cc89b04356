// hetmap export: a mapping, back on the nodes of the ONNX file that its model was imported from.

#include "sim/import/export.hpp"

#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"
#include "sim/report/json.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <memory>

namespace cli {
namespace {

namespace onnx = sim::onnx;
using nlohmann::ordered_json;

constexpr std::int64_t kMostBytes = std::numeric_limits<std::int32_t>::max();  // of an ONNX file
constexpr std::string_view kList = "segments.json";

struct ExportOptions {
    std::string file, model, mapping, out, format = "annotated";
    std::vector<std::string> dims, runtime_devices;
    bool force = false;
    OutputOptions output;
};

std::map<std::string, std::string> runtime_devices_of(const std::vector<std::string>& arguments) {
    std::map<std::string, std::string> devices;
    for (const std::string& argument : arguments) {
        const std::size_t equals = argument.rfind('=');
        if (equals == std::string::npos || equals == 0) {
            throw sim::InputError{
                fmt::format("--runtime-device: expected NAME=DEVICE, such as gpu0=gpu:0, got '{}'",
                            sim::printable(argument))};
        }
        if (!devices.emplace(argument.substr(0, equals), argument.substr(equals + 1)).second) {
            throw sim::InputError{fmt::format("--runtime-device: '{}' is given twice",
                                              sim::printable(argument.substr(0, equals)))};
        }
    }
    return devices;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path() : ".";
}

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

[[noreturn]] void refuse_to_replace(const std::filesystem::path& path) {
    throw sim::InputError{
        fmt::format("--out: there is a '{}'; --force replaces it", sim::printable(path.string()))};
}

std::string counted(std::int64_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string notes_text(const std::vector<std::string>& notes) {
    std::string text;
    for (const std::string& note : notes) {
        text += fmt::format("warning: {}\n", note);
    }
    return text;
}

// ---- annotated --------------------------------------------------------------------------------

//     squeezenet.onnx: 65 nodes: 65 by their layers, 0 where a reader goes, 0 where their input is
//     5 segments: gpu0 3, cpu 2
//
//     session option session.layer_assignment_settings:
//     gpu(hetmap/gpu0/); cpu(hetmap/cpu/)
//
//     written to annotated.onnx
void write_annotated(const ExportOptions& o, const onnx::Placement& placement) {
    const std::string settings =
        onnx::assignment_settings(placement, runtime_devices_of(o.runtime_devices));
    const std::filesystem::path from = folder_of(o.file), to = folder_of(o.out);
    std::error_code ignored;
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> copies;
    for (const std::string& name : placement.data_files) {
        calibrate::check_outputs(
            std::vector<calibrate::NamedFile>{{"--out", o.out}},
            std::vector<calibrate::NamedFile>{{"FILE.onnx", from / name}, {"it", to / name}});
        if (std::filesystem::equivalent(from / name, to / name, ignored)) {
            continue;
        }
        if (!o.force && is_there(to / name)) {
            refuse_to_replace(to / name);
        }
        copies.emplace_back(from / name, to / name);
    }
    const std::string bytes =
        onnx::annotated(sim::read_file(o.file, kMostBytes), o.file, placement);
    if (static_cast<std::int64_t>(bytes.size()) > kMostBytes) {
        throw sim::InputError{fmt::format(
            "{}: with annotations it is larger than the 2047 MiB that protobuf takes: save the "
            "model with its weights as external data",
            o.file)};
    }
    for (const auto& [source, target] : copies) {
        calibrate::copy_file(source, target);
    }
    calibrate::write_file(o.out, bytes);

    const std::int64_t nodes = placement.by_layer + placement.by_reader + placement.by_input;
    if (o.output.json) {
        ordered_json segments = ordered_json::array();
        const std::vector<std::string> labels = onnx::labels_of(placement);
        for (std::size_t i = 0; i < placement.segments.size(); ++i) {
            const onnx::Segment& segment = placement.segments[i];
            segments.push_back({{"segment", segment.number},
                                {"device", segment.device},
                                {"label", labels[i]},
                                {"layers", segment.layers}});
        }
        print(sim::dumped({{"file", o.file},
                           {"out", o.out},
                           {"nodes", nodes},
                           {"by_layer", placement.by_layer},
                           {"by_reader", placement.by_reader},
                           {"by_input", placement.by_input},
                           {"session.layer_assignment_settings", settings},
                           {"segments", segments},
                           {"copied", copies.size()},
                           {"warnings", placement.notes}}));
        return;
    }
    std::vector<std::pair<std::string, int>> devices;
    for (const onnx::Segment& segment : placement.segments) {
        auto device =
            std::ranges::find(devices, segment.device, &std::pair<std::string, int>::first);
        if (device == devices.end()) {
            devices.emplace_back(segment.device, 0);
            device = devices.end() - 1;
        }
        ++device->second;
    }
    std::vector<std::string> counts;
    for (const auto& [device, count] : devices) {
        counts.push_back(fmt::format("{} {}", sim::printable(device), count));
    }
    print(fmt::format(
        "{}: {}: {} by their layers, {} where a reader of theirs goes, {} where their input is "
        "made\n{}: {}\n{}\nsession option session.layer_assignment_settings:\n{}\n\nwritten to "
        "{}{}\n",
        sim::printable(o.file),
        counted(nodes, "node"),
        placement.by_layer,
        placement.by_reader,
        placement.by_input,
        counted(static_cast<std::int64_t>(placement.segments.size()), "segment"),
        fmt::join(counts, ", "),
        notes_text(placement.notes),
        settings,
        sim::printable(o.out),
        copies.empty() ? ""
                       : fmt::format(", with {} of weights beside it",
                                     counted(static_cast<std::int64_t>(copies.size()), "file"))));
}

// ---- segments ---------------------------------------------------------------------------------

bool is_of_segments(const std::string& name) {
    return name == kList || (name.starts_with("segment-") && name.ends_with(".onnx"));
}

// A folder of segments may be replaced, or one that is empty; nothing else is lost to --force.
void expect_replaceable(const ExportOptions& o) {
    std::error_code error;
    if (!is_there(o.out)) {
        return;
    }
    if (!std::filesystem::is_directory(o.out, error)) {
        throw sim::InputError{
            fmt::format("--out: '{}' is no folder, which segments need", sim::printable(o.out))};
    }
    bool is_empty = true;
    std::filesystem::directory_iterator entry{o.out, error};
    for (; entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        is_empty = false;
        const std::string name = entry->path().filename().string();
        if (!is_of_segments(name)) {
            throw sim::InputError{fmt::format(
                "--out: the folder '{}' holds '{}', which is none of a network's segments, and is "
                "not replaced",
                sim::printable(o.out),
                sim::printable(name))};
        }
    }
    sim::expect_gone_through(o.out, error);
    if (!is_empty && !o.force) {
        refuse_to_replace(o.out);
    }
}

void write_segments(const ExportOptions& o,
                    const std::string& model,
                    const std::string& platform,
                    const onnx::Placement& placement) {
    if (!o.runtime_devices.empty()) {
        throw sim::InputError{
            "--runtime-device: segments name hetmap's devices; it is for "
            "--format annotated"};
    }
    const std::size_t digits = std::to_string(placement.segments.size()).size();
    ordered_json json{{"hetmap", "segments/1"},
                      {"source", std::filesystem::path{o.file}.filename().string()},
                      {"model", model},
                      {"platform", platform},
                      {"inputs", ordered_json::array()},
                      {"outputs", ordered_json::array()},
                      {"segments", ordered_json::array()}};
    std::vector<std::string> notes = placement.notes;
    std::int64_t nodes = 0;
    std::string table;
    calibrate::write_folder(o.out, [&](const std::filesystem::path& folder) {
        const onnx::Pieces pieces =
            onnx::cut_up(o.file, placement, [&](const onnx::SegmentFile& file) {
                const std::string name =
                    fmt::format("segment-{:0{}}.onnx", file.segment.number, digits);
                calibrate::write_file(folder / name, file.bytes);
                json["segments"].push_back({{"segment", file.segment.number},
                                            {"file", name},
                                            {"device", file.segment.device},
                                            {"layers", file.segment.layers},
                                            {"inputs", file.inputs},
                                            {"outputs", file.outputs}});
                nodes += file.nodes;
                table += fmt::format("{:<{}}  {:>5}  {:>6}  {:>7}  {}\n",
                                     name,
                                     digits + 13,
                                     file.nodes,
                                     file.inputs.size(),
                                     file.outputs.size(),
                                     sim::printable(file.segment.device));
            });
        json["inputs"] = pieces.inputs;
        json["outputs"] = pieces.outputs;
        notes.insert(notes.end(), pieces.notes.begin(), pieces.notes.end());
        calibrate::write_file(folder / kList, sim::dumped(json));
    });
    if (o.output.json) {
        json["out"] = o.out;
        json["warnings"] = notes;
        print(sim::dumped(json));
        return;
    }
    print(fmt::format("{}\n\n{:<{}}  nodes  inputs  outputs  device\n{}\n{}{}, {}, written to {}\n",
                      sim::printable(o.file),
                      "file",
                      digits + 13,
                      table,
                      notes_text(notes),
                      counted(static_cast<std::int64_t>(json["segments"].size()), "segment"),
                      counted(nodes, "node"),
                      sim::printable(o.out)));
}

void run(const ExportOptions& o) {
    const sim::Model model = model_named(o.model);
    const sim::MappingFile mapping = sim::load_mapping_file(o.mapping);
    const onnx::Sizes sizes = sizes_of(o.dims);
    const std::vector<calibrate::NamedFile> inputs{
        {"FILE.onnx", o.file}, {"--model", model.path}, {"--mapping", o.mapping}};
    if (o.format == "annotated") {
        calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", o.out}}, inputs);
        if (!o.force && is_there(o.out)) {
            refuse_to_replace(o.out);
        }
        write_annotated(o, onnx::place(o.file, sizes, model, mapping));
    } else {
        expect_replaceable(o);
        for (const calibrate::NamedFile& input : inputs) {
            if (is_there(o.out)) {
                const auto inside = std::filesystem::path{o.out} / input.path.filename();
                calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", inside}},
                                         std::vector<calibrate::NamedFile>{input});
            }
        }
        write_segments(o, model.name, mapping.platform, onnx::place(o.file, sizes, model, mapping));
    }
}

}  // namespace

void add_export(Program& program) {
    Command command =
        program.add_command("export", "Bring a mapping back to the ONNX file of its model");
    const auto o = std::make_shared<ExportOptions>();
    command.add_option("file", o->file, "The ONNX file").required().type_name("FILE.onnx");
    command.add_option("--model", o->model, "What hetmap import made of it")
        .required()
        .type_name(kModel);
    command.add_option("--mapping", o->mapping, "A file written by hetmap map --out")
        .required()
        .type_name(kFile);
    command.add_option("--out", o->out, "The annotated ONNX file, or a folder for segments")
        .required()
        .type_name(kPath);
    command
        .add_option("--format",
                    o->format,
                    "annotated: the file with a place for every node, for ONNX Runtime; segments: "
                    "a file for each run of layers on one device")
        .one_of({"annotated", "segments"});
    command
        .add_option("--runtime-device",
                    o->runtime_devices,
                    "What ONNX Runtime calls a device: cpu, gpu, gpu:N or npu; if not given, what "
                    "its name begins with")
        .one_value_each()
        .type_name("NAME=DEVICE");
    command.add_option("--dim", o->dims, "Size of a symbolic dimension, as for import")
        .one_value_each()
        .type_name("NAME=N");
    command.add_flag("--force", o->force, "Replace what is at PATH");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
