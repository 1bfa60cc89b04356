// hetmap emit: a folder with all that a program needs to run a network with a mapping.

#include "calibrate/binding.hpp"
#include "calibrate/host_device.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/runnable.hpp"
#include "calibrate/shared_libraries.hpp"
#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/twins.hpp"
#include "sim/error.hpp"
#include "sim/report/json.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// The files of the same names in runtime/ (cmake/embed.cmake).
extern const std::string_view k_hetmap_h;    // NOLINT(readability-identifier-naming)
extern const std::string_view k_hetmap_hpp;  // NOLINT(readability-identifier-naming)
extern const std::string_view k_main_c;      // NOLINT(readability-identifier-naming)

namespace {

namespace fs = std::filesystem;

struct EmitOptions {
    std::string mapping, model, out;
    bool force = false;
    OutputOptions output;
};

// Where it lies in a build and in an installation.
fs::path runtime_library() {
    std::vector<fs::path> tried{program_folder() / HETMAP_LIBRARY,
                                program_folder() / HETMAP_LIBRARY_FOLDER / HETMAP_LIBRARY};
    std::error_code ignored;
    for (const fs::path& path : tried) {
        if (fs::exists(path, ignored)) {
            return path;
        }
    }
    throw sim::MachineError{
        fmt::format("there is no {} beside this program; ./dev build makes it", HETMAP_LIBRARY)};
}

// libhetmap, and what its variants for the CPU in the mapping load themselves; with what they need.
std::vector<fs::path> libraries_for(const sim::MappingFile& mapping) {
    std::vector<fs::path> files = calibrate::with_needed(runtime_library());
    std::set<std::string> carried;
    for (const fs::path& file : files) {
        carried.insert(file.filename().string());
    }
    for (const std::string& name : calibrate::variants_named_by(mapping)) {
        calibrate::expect_supported(name);
        const kernels::Variant* const variant = kernels::find_variant(name);
        if (variant == nullptr || variant->library == nullptr) {
            continue;
        }
        for (const fs::path& file : calibrate::with_needed(variant->library())) {
            if (carried.insert(file.filename().string()).second) {
                files.push_back(file);
            }
        }
    }
    return files;
}

// The layers that no kernel here computes cannot be run by libhetmap either.
void expect_kernels(const sim::Model& model) {
    const std::vector<int> without = calibrate::without_kernel(model);
    if (!without.empty()) {
        const sim::Layer& layer = model.layers[static_cast<std::size_t>(without.front())];
        throw sim::InputError{fmt::format(
            "{}: layer '{}'{}: no kernel here computes it",
            model.path.string(),
            sim::printable(layer.name),
            without.size() == 1 ? std::string{} : fmt::format(" and {} more", without.size() - 1))};
    }
    calibrate::expect_ends_on_host(model);
}

std::string cmake_lists() {
    return fmt::format(R"(# cmake -S . -B build && cmake --build build && build/network FILE...
cmake_minimum_required(VERSION 3.16)
project(network LANGUAGES C)
add_executable(network main.c)
target_include_directories(network PRIVATE include)
target_link_libraries(network PRIVATE ${{CMAKE_CURRENT_SOURCE_DIR}}/lib/{})
# An RPATH, not a RUNPATH: also what the library needs is looked for there.
target_link_options(network PRIVATE -Wl,--disable-new-dtags)
set_target_properties(network PROPERTIES BUILD_RPATH "$ORIGIN/../lib")
)",
                       HETMAP_LIBRARY);
}

std::string read_me(const sim::Model& model,
                    const sim::MappingFile& mapping,
                    const std::vector<std::string>& libraries) {
    std::set<std::string> devices;
    for (const sim::MappingEntry& entry : mapping.entries) {
        devices.insert(entry.device);
    }
    return fmt::format(
        "# {} in a program of your own\n\n"
        "Written by hetmap emit: the network, the mapping of its layers to {}, and libhetmap {}, "
        "which runs it. Batch {}.\n\n"
        "    cmake -S . -B build\n"
        "    cmake --build build\n"
        "    build/network FILE\n\n"
        "main.c is yours to change; include/hetmap.h says what the functions do, "
        "include/hetmap.hpp is the same for C++20.\n\n"
        "The machine needs Linux on {} with the C library that hetmap was built with or a newer "
        "one, "
        "and the devices that the mapping names; lib/ has the rest:\n\n{}",
        sim::printable(model.name),
        sim::printable(fmt::format("{}", fmt::join(devices, ", "))),
        kVersion,
        mapping.batch,
        HETMAP_PROCESSOR,
        [&] {
            std::string list;
            for (const std::string& library : libraries) {
                list += fmt::format("- {}\n", library);
            }
            return list;
        }());
}

void run(const EmitOptions& o) {
    const sim::MappingFile mapping = sim::load_mapping_file(o.mapping);
    const sim::Model model =
        sim::twin_named(model_named(o.model.empty() ? mapping.model : o.model), mapping.model);
    if (model.name != mapping.model) {
        throw sim::InputError{fmt::format("{}: the mapping is for '{}', not for '{}'",
                                          o.mapping,
                                          sim::printable(mapping.model),
                                          sim::printable(model.name))};
    }
    expect_kernels(model);
    const fs::path weights = fs::path{model.parameters.file}.lexically_normal();
    if (weights.is_absolute() || weights.string().starts_with("..")) {
        throw sim::InputError{fmt::format("{}: the weights '{}' are not in the model's folder",
                                          model.path.string(),
                                          sim::printable(weights.string()))};
    }
    std::error_code ignored;
    if (!o.force && fs::exists(fs::symlink_status(o.out, ignored)) &&
        !(fs::is_directory(o.out, ignored) && fs::is_empty(o.out, ignored))) {
        throw sim::InputError{fmt::format("--out: there is something in '{}'; --force replaces it",
                                          sim::printable(o.out))};
    }

    const std::vector<fs::path> files = libraries_for(mapping);
    std::vector<std::string> libraries{HETMAP_LIBRARY};
    for (std::size_t i = 1; i < files.size(); ++i) {
        libraries.push_back(files[i].filename().string());
    }
    calibrate::write_folder(o.out, [&](const fs::path& to) {
        for (std::size_t i = 0; i < files.size(); ++i) {
            calibrate::copy_file(files[i], to / "lib" / libraries[i]);
        }
        calibrate::copy_file(model.path, to / "model" / "model.yaml");
        if (!weights.empty()) {
            calibrate::copy_file(model.path.parent_path() / weights, to / "model" / weights);
        }
        calibrate::copy_file(o.mapping, to / "mapping.yaml");
        fs::create_directory(to / "include");
        calibrate::write_file(to / "include" / "hetmap.h", std::string{k_hetmap_h});
        calibrate::write_file(to / "include" / "hetmap.hpp", std::string{k_hetmap_hpp});
        calibrate::write_file(to / "main.c", std::string{k_main_c});
        calibrate::write_file(to / "CMakeLists.txt", cmake_lists());
        calibrate::write_file(to / "README.md", read_me(model, mapping, libraries));
    });
    if (o.output.json) {
        print(sim::dumped(nlohmann::ordered_json{{"model", model.name},
                                                 {"mapping", o.mapping},
                                                 {"folder", o.out},
                                                 {"libraries", libraries}}));
        return;
    }
    print(
        fmt::format("{}, batch {}, with libhetmap {}\n"
                    "written to {}; build it with\n\n"
                    "    cmake -S {} -B {}/build && cmake --build {}/build\n",
                    model.name,
                    mapping.batch,
                    kVersion,
                    o.out,
                    o.out,
                    o.out,
                    o.out));
}

}  // namespace

void add_emit(Program& program) {
    Command command = program.add_command("emit", "Make a folder that runs a mapping elsewhere");
    const auto o = std::make_shared<EmitOptions>();
    command.add_option("--mapping", o->mapping, "A file written by hetmap map --out")
        .required()
        .type_name(kFile);
    command.add_option("--model", o->model, "Name in models/, or path; default: the mapping's")
        .type_name(kModel);
    command.add_option("--out", o->out, "The folder; made if it is not there")
        .required()
        .type_name(kFolder);
    command.add_flag("--force", o->force, "Replace what is in DIR");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
