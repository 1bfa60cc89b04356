// hetmap import: a model of an ONNX file.

#include "sim/import/import.hpp"

#include "calibrate/binding.hpp"
#include "calibrate/parameters.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace cli {
namespace {

namespace onnx = sim::onnx;

struct ImportOptions {
    std::string file, folder;
    std::vector<std::string> dims;
    bool force = false, tensors = false, parameters = false;
    OutputOptions output;
};

std::string share(std::int64_t number) {
    return number >= 1'000'000 ? fmt::format("{:.2f} million", static_cast<double>(number) / 1e6)
                               : std::to_string(number);
}

constexpr const char* kWeightsFile = "weights.bin";

// Why the network cannot run here, as far as it is known; nothing: it can.
std::vector<std::string> obstacles(const onnx::Imported& imported, const sim::Model& model) {
    std::vector<std::string> all = imported.carried.obstacles;
    for (const int layer : calibrate::without_kernel(model)) {
        const sim::Layer& l = model.layers[static_cast<std::size_t>(layer)];
        const std::string whose = fmt::format("layer '{}' (", l.name);
        const bool is_said = std::ranges::any_of(
            all, [&](const std::string& one) { return one.starts_with(whose); });
        if (!is_said) {
            all.push_back(fmt::format(
                "{}{}): no kernel here computes it as it is used", whose, l.operation->name));
        }
    }
    return all;
}

std::string shortened(const std::vector<std::string>& all) {
    constexpr std::size_t kShown = 8;
    const auto shown = static_cast<std::ptrdiff_t>(std::min(kShown, all.size()));
    return fmt::format(
        "{}{}",
        fmt::join(all.begin(), all.begin() + shown, "; "),
        all.size() > kShown ? fmt::format("; and {} more", all.size() - kShown) : "");
}

std::string weights_of(const onnx::Imported& imported, const sim::Model& model) {
    calibrate::Parameters parameters(model.layers.size());
    for (const onnx::LayerNumbers& numbers : imported.carried.layers) {
        const auto layer = std::ranges::find(model.layers, numbers.layer, &sim::Layer::name);
        parameters.at(static_cast<std::size_t>(layer - model.layers.begin())) = {
            .weights = numbers.weights,
            .thresholds = numbers.thresholds,
            .flips = numbers.flips,
            .byte_weights = numbers.byte_weights,
            .real_weights = numbers.real_weights,
            .scales = numbers.scales,
            .biases = numbers.biases,
            .limits = numbers.limits};
    }
    return calibrate::weights_file(model, parameters);
}

// What was written, and what stands in the way of writing more.
struct Written {
    std::filesystem::path model;
    std::filesystem::path weights = {};  // empty: the model makes them up
    std::vector<std::string> obstacles = {};
};

// Those of the weights only where they came along.
std::vector<std::string> warnings_of(const onnx::Imported& imported, const Written& written) {
    std::vector<std::string> all = imported.warnings;
    if (!written.weights.empty()) {
        const std::vector<std::string>& more = imported.carried.warnings;
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

//     squeezenet.onnx (opset 18): 66 layers, 66 exact, 0 opaque
//
//     operation          layers  exact  opaque
//     Conv                   26     26       0
//     ...
std::string text_of(const onnx::Imported& imported, const Written& written) {
    const onnx::Layers& layers = imported.layers;
    const onnx::File& file = imported.inferred.file;
    std::size_t width = 9;
    for (const onnx::Count& count : imported.counts) {
        width = std::max(width, count.operation.size());
    }
    std::string text = fmt::format("{} (opset {})\n\n{:<{}}  layers  exact  opaque\n",
                                   file.name,
                                   file.opset,
                                   "operation",
                                   width);
    for (const onnx::Count& count : imported.counts) {
        text += fmt::format("{:<{}}  {:>6}  {:>5}  {:>6}\n",
                            count.operation,
                            width,
                            count.exact + count.opaque,
                            count.exact,
                            count.opaque);
    }
    text += fmt::format(
        "\n{} nodes: {} constant, {} part of another's layer, {} that move nothing, {} that lead "
        "to no "
        "output\n",
        imported.nodes,
        imported.folded,
        imported.merged,
        layers.removed,
        imported.dead);
    text += fmt::format("{} multiply-accumulates, {} weights, {}\n",
                        share(imported.macs),
                        share(layers.weights),
                        written.weights.empty()
                            ? std::string{"which did not come along: the model makes some up"}
                            : fmt::format("which came along in {}", written.weights.string()));
    for (const std::string& warning : warnings_of(imported, written)) {
        text += fmt::format("warning: {}\n", warning);
    }
    return text + fmt::format("{} layer{}, {} exact, {} opaque, written to {}\n",
                              layers.layers.size(),
                              layers.layers.size() == 1 ? "" : "s",
                              imported.exact,
                              imported.opaque,
                              written.model.string());
}

nlohmann::ordered_json json_of(const onnx::Imported& imported,
                               const Written& written,
                               bool with_tensors) {
    const onnx::Layers& layers = imported.layers;
    const onnx::File& file = imported.inferred.file;
    nlohmann::ordered_json json{{"file", sim::printable(file.name)},
                                {"opset", file.opset},
                                {"model", written.model.string()},
                                {"layers", layers.layers.size()},
                                {"exact", imported.exact},
                                {"opaque", imported.opaque},
                                {"nodes", imported.nodes},
                                {"folded", imported.folded},
                                {"removed", layers.removed},
                                {"merged", imported.merged},
                                {"dead", imported.dead},
                                {"macs", imported.macs},
                                {"weights", layers.weights},
                                {"operations", nlohmann::ordered_json::array()},
                                {"warnings", warnings_of(imported, written)},
                                {"parameters", nullptr},
                                {"cannot_run", written.obstacles}};
    if (!written.weights.empty()) {
        json["parameters"] = written.weights.string();
    }
    for (const onnx::Count& count : imported.counts) {
        json["operations"].push_back({{"operation", sim::printable(count.operation)},
                                      {"exact", count.exact},
                                      {"opaque", count.opaque}});
    }
    if (with_tensors) {
        json["tensors"] = nlohmann::ordered_json::array();
        for (const auto& [name, value] : imported.inferred.values) {
            if (value.is_tensor) {
                json["tensors"].push_back({{"name", sim::printable(name)},
                                           {"type", onnx::name_of(value.type)},
                                           {"shape", value.dims},
                                           {"constant", value.is_constant}});
            }
        }
        json["results"] = nlohmann::ordered_json::array();
        for (const onnx::Layer& layer : layers.layers) {
            nlohmann::ordered_json results = nlohmann::ordered_json::array();
            for (const onnx::ModelTensor& result : layer.results) {
                results.push_back({{"shape", result.shape}, {"type", result.element}});
            }
            json["results"].push_back(
                {{"layer", layer.name}, {"from", layer.from}, {"results", results}});
        }
    }
    return json;
}

void run(const ImportOptions& o) {
    const std::filesystem::path path = std::filesystem::path{o.folder} / "model.yaml";
    std::error_code ignored;
    if (!o.force && std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
        throw sim::InputError{fmt::format("--out: there is a model in '{}'; --force replaces it",
                                          sim::printable(o.folder))};
    }
    if (std::filesystem::is_directory(o.folder, ignored)) {
        calibrate::check_outputs(
            std::vector<calibrate::NamedFile>{
                {"--out", path}, {"--out", std::filesystem::path{o.folder} / kWeightsFile}},
            std::vector<calibrate::NamedFile>{{"FILE.onnx", o.file}});
    }
    const onnx::Imported imported = onnx::import_onnx(o.file, sizes_of(o.dims));
    const sim::Model model = onnx::checked_model(imported, path);
    Written written{.model = path, .obstacles = obstacles(imported, model)};
    if (o.parameters && !written.obstacles.empty()) {
        throw sim::InputError{fmt::format("--parameters: '{}' cannot run here: {}",
                                          sim::printable(o.file),
                                          shortened(written.obstacles))};
    }
    std::error_code error;
    std::filesystem::create_directories(o.folder, error);
    if (error) {
        throw sim::InputError{fmt::format("--out: the folder '{}' cannot be made: {}",
                                          sim::printable(o.folder),
                                          error.message())};
    }
    if (written.obstacles.empty()) {
        written.weights = std::filesystem::path{o.folder} / kWeightsFile;
        if (!o.force && std::filesystem::exists(std::filesystem::symlink_status(written.weights))) {
            throw sim::InputError{fmt::format("--out: there is '{}'; --force replaces it",
                                              sim::printable(written.weights.string()))};
        }
        calibrate::write_file(written.weights, weights_of(imported, model));
    }
    calibrate::write_file(
        path,
        written.weights.empty() ? imported.yaml : onnx::yaml_with_file(imported, kWeightsFile));
    print(o.output.json ? json_of(imported, written, o.tensors).dump(2) + "\n"
                        : text_of(imported, written));
}

}  // namespace

void add_import(Program& program) {
    Command command = program.add_command("import", "Make a model of an ONNX file");
    const auto o = std::make_shared<ImportOptions>();
    command.add_option("file", o->file, "The ONNX file").required().type_name("FILE.onnx");
    command.add_option("--out", o->folder, "Folder for model.yaml; made if it is not there")
        .required()
        .type_name(kFolder);
    command
        .add_option(
            "--dim",
            o->dims,
            "Size of a symbolic dimension, such as batch=1, or of a side of an input, input.0=1")
        .one_value_each()
        .type_name("NAME=N");
    command.add_flag(
        "--parameters",
        o->parameters,
        "Refuse a network whose weights kernels here cannot take; without it they come "
        "along where they can");
    command.add_flag("--force", o->force, "Replace a model that is in DIR");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--tensors", o->tensors, "With --json: list every tensor of the file, too");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
