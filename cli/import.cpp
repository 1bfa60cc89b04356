// hetmap import: a model of an ONNX file.

#include "sim/import/import.hpp"

#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace cli {
namespace {

namespace onnx = sim::onnx;

struct Options {
    std::string file, folder;
    std::vector<std::string> dims;
    bool force = false, tensors = false;
    OutputOptions output;
};

std::string share(std::int64_t number) {
    return number >= 1'000'000 ? fmt::format("{:.2f} million", static_cast<double>(number) / 1e6)
                               : std::to_string(number);
}

//     squeezenet.onnx (opset 18): 66 layers, 66 exact, 0 opaque
//
//     operation          layers  exact  opaque
//     Conv                   26     26       0
//     ...
std::string text_of(const onnx::Imported& imported, const std::filesystem::path& model) {
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
    text += fmt::format(
        "{} multiply-accumulates, {} weights, which did not come along: the model makes "
        "some up\n",
        share(imported.macs),
        share(layers.weights));
    for (const std::string& warning : imported.warnings) {
        text += fmt::format("warning: {}\n", warning);
    }
    return text + fmt::format("{} layer{}, {} exact, {} opaque, written to {}\n",
                              layers.layers.size(),
                              layers.layers.size() == 1 ? "" : "s",
                              imported.exact,
                              imported.opaque,
                              model.string());
}

nlohmann::ordered_json json_of(const onnx::Imported& imported,
                               const std::filesystem::path& model,
                               bool with_tensors) {
    const onnx::Layers& layers = imported.layers;
    const onnx::File& file = imported.inferred.file;
    nlohmann::ordered_json json{{"file", sim::printable(file.name)},
                                {"opset", file.opset},
                                {"model", model.string()},
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
                                {"warnings", imported.warnings}};
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

void run(const Options& o) {
    const std::filesystem::path model = std::filesystem::path{o.folder} / "model.yaml";
    std::error_code ignored;
    if (!o.force && std::filesystem::exists(std::filesystem::symlink_status(model, ignored))) {
        throw sim::InputError{fmt::format("--out: there is a model in '{}'; --force replaces it",
                                          sim::printable(o.folder))};
    }
    if (std::filesystem::is_directory(o.folder, ignored)) {
        calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", model}},
                                 std::vector<calibrate::NamedFile>{{"FILE.onnx", o.file}});
    }
    const onnx::Imported imported = onnx::import_onnx(o.file, sizes_of(o.dims));
    std::error_code error;
    std::filesystem::create_directories(o.folder, error);
    if (error) {
        throw sim::InputError{fmt::format("--out: the folder '{}' cannot be made: {}",
                                          sim::printable(o.folder),
                                          error.message())};
    }
    calibrate::write_file(model, imported.yaml);
    onnx::check_written(imported, model);
    print(o.output.json ? json_of(imported, model, o.tensors).dump(2) + "\n"
                        : text_of(imported, model));
}

}  // namespace

void add_import(Program& program) {
    Command command = program.add_command("import", "Make a model of an ONNX file");
    const auto o = std::make_shared<Options>();
    command.add_option("file", o->file, "The ONNX file").required().type_name("FILE.onnx");
    command.add_option("--out", o->folder, "Folder for model.yaml; made if it is not there")
        .required()
        .type_name("DIR");
    command
        .add_option(
            "--dim",
            o->dims,
            "Size of a symbolic dimension, such as batch=1, or of a side of an input, input.0=1")
        .one_value_each()
        .type_name("NAME=N");
    command.add_flag("--force", o->force, "Replace a model that is in DIR");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--tensors", o->tensors, "With --json: list every tensor of the file, too");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
