// hetmap import-profile: a platform out of times that other tools measured.

#include "calibrate/output_file.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/import/profile.hpp"
#include "sim/report/json.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <filesystem>
#include <memory>

namespace cli {
namespace {

using nlohmann::ordered_json;

struct ImportProfileOptions {
    std::vector<std::string> files;
    std::string out, name, model, base, links, bandwidth, latency, submit;
    int batch = 1;
    bool force = false;
    OutputOptions output;
};

double number_of(const std::string& option, const std::string& text) {
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() ||
        !(value >= 0 && value <= 1e6)) {
        throw sim::InputError{fmt::format(
            "{}: expected a number from 0 to 1,000,000, got '{}'", option, sim::printable(text))};
    }
    return value;
}

// "gpu=trt.json": what those are called of which the file does not say it; else the file's name.
struct NamedFile {
    std::string device, path;
};

NamedFile named_file(const std::string& argument) {
    std::error_code ignored;
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos || std::filesystem::exists(argument, ignored)) {
        return {std::filesystem::path{argument}.stem().string(), argument};
    }
    return {argument.substr(0, equals), argument.substr(equals + 1)};
}

void add_list(std::string& text, const std::string& heading, const std::vector<std::string>& list) {
    constexpr std::size_t kShown = 20;
    if (list.empty()) {
        return;
    }
    text += fmt::format("\n{} ({}):\n", heading, list.size());
    for (std::size_t i = 0; i < std::min(kShown, list.size()); ++i) {
        text += fmt::format("  {}\n", sim::printable(list[i]));
    }
    if (list.size() > kShown) {
        text += fmt::format("  and {} more\n", list.size() - kShown);
    }
}

std::string text_of(const sim::ProfileRequest& request,
                    const sim::ImportedProfile& imported,
                    const std::string& out) {
    std::string text;
    for (std::size_t i = 0; i < request.files.size(); ++i) {
        text += fmt::format("{}: {}, {} entries\n",
                            sim::printable(request.files[i]),
                            request.times[i].tool,
                            request.times[i].layers.size());
    }
    add_list(text, "changes of formats, which are no layers'", imported.reformats);
    add_list(text, "entries that are for no layers of the model", imported.unknown);
    add_list(text, "layers of the model without a time", imported.untimed_layers);
    for (const std::string& warning : imported.platform.warnings) {
        text += fmt::format("\nwarning: {}", warning);
    }
    return text + fmt::format("\n{} costs on {} devices, written to {}\n",
                              imported.costs,
                              imported.platform.devices.size(),
                              sim::printable(out));
}

ordered_json json_of(const sim::ProfileRequest& request,
                     const sim::ImportedProfile& imported,
                     const std::string& out) {
    ordered_json files = ordered_json::array(), devices = ordered_json::array();
    for (std::size_t i = 0; i < request.files.size(); ++i) {
        files.push_back({{"file", request.files[i]},
                         {"tool", request.times[i].tool},
                         {"entries", request.times[i].layers.size()}});
    }
    for (const sim::Device& device : imported.platform.devices) {
        devices.push_back(device.name);
    }
    return {{"platform", out},
            {"files", files},
            {"devices", devices},
            {"costs", imported.costs},
            {"reformats", imported.reformats},
            {"unknown", imported.unknown},
            {"untimed_layers", imported.untimed_layers},
            {"warnings", imported.platform.warnings}};
}

void run(const ImportProfileOptions& o) {
    sim::ProfileRequest request;
    request.batch = o.batch;
    request.bandwidth_gb_per_s = o.bandwidth.empty() ? 0 : number_of("--bandwidth", o.bandwidth);
    request.latency_us = o.latency.empty() ? 0 : number_of("--latency-us", o.latency);
    request.submit_us = o.submit.empty() ? 0 : number_of("--submit-us", o.submit);
    request.name = o.name.empty() ? std::filesystem::path{o.out}.stem().string() : o.name;
    std::vector<calibrate::NamedFile> inputs;
    for (const std::string& argument : o.files) {
        const NamedFile file = named_file(argument);
        request.files.push_back(file.path);
        inputs.push_back({"FILE", file.path});
        request.times.push_back(sim::read_times(file.path, file.device));
    }
    sim::Model model;
    if (!o.model.empty()) {
        model = model_named(o.model);
        request.model = &model;
        inputs.push_back({"--model", model.path});
    }
    if (!o.base.empty()) {
        request.base = platform_named(o.base, {});
        inputs.push_back({"--base", request.base->path});
    }
    if (!o.links.empty()) {
        request.copies = sim::read_copies(o.links);
        inputs.push_back({"--links", o.links});
    }
    calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", o.out}}, inputs);
    std::error_code ignored;
    if (!o.force && std::filesystem::exists(std::filesystem::symlink_status(o.out, ignored))) {
        throw sim::InputError{
            fmt::format("--out: there is a '{}'; --force replaces it", sim::printable(o.out))};
    }
    const sim::ImportedProfile imported = sim::import_profile(request);
    calibrate::write_file(o.out, sim::to_yaml(imported.platform));
    print(o.output.json ? sim::dumped(json_of(request, imported, o.out))
                        : text_of(request, imported, o.out));
}

}  // namespace

void add_import_profile(Program& program) {
    Command command =
        program.add_command("import-profile", "Make a platform of times that other tools measured");
    const auto o = std::make_shared<ImportProfileOptions>();
    command
        .add_option("files",
                    o->files,
                    "What TensorRT's trtexec --exportProfile, ONNX Runtime's profiler or "
                    "OpenVINO's benchmark_app wrote, or a CSV with the columns layer, device, us; "
                    "DEVICE=FILE where the file does not name its device")
        .required()
        .type_name(kFile);
    command.add_option("--out", o->out, "The platform (YAML)").required().type_name(kFile);
    command.add_option("--model", o->model, "Whose layers they are; says what does not match")
        .type_name(kModel);
    const Option base =
        command
            .add_option("--base",
                        o->base,
                        "A platform with the devices and links; the costs are added to it")
            .type_name(kPlatform);
    command.add_option("--name", o->name, "Of the platform; that of the file if not given");
    command.add_batch(o->batch, "Images at a time, where a file does not say it");
    command.add_option("--links", o->links, "CSV of copies: from,to,bytes,us; devices, or 'host'")
        .type_name(kFile)
        .excludes(base);
    command
        .add_option("--bandwidth",
                    o->bandwidth,
                    "GB/s of links between the host and the other devices, where not measured")
        .excludes(base);
    command.add_option("--latency-us", o->latency, "Of these links").excludes(base);
    command
        .add_option("--submit-us", o->submit, "Of a run of layers on another device than the cpu")
        .excludes(base);
    command.add_flag("--force", o->force, "Replace a platform that is there");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
