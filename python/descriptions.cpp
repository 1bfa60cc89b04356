// Models, platforms and mappings: from files, or from texts that stand for files. The texts are
// made of dictionaries, and become dictionaries, in python/hetmap/_descriptions.py.

#include "python/module.hpp"
#include "python/unlocked.hpp"
#include "sim/describe/joined.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/model_text.hpp"
#include "sim/describe/platform.hpp"
#include "sim/describe/yaml.hpp"

#include <charconv>
#include <filesystem>
#include <memory>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <string_view>
#include <vector>

namespace python {
namespace {

using Folders = std::vector<std::filesystem::path>;
using Names = std::vector<std::string>;

// A number, or true, false and null, where the text is one and not in quotes; as JSON has it.
py::object scalar_of(const sim::YamlNode& node) {
    const std::string& text = node.text;
    const char* const end = text.data() + text.size();
    if (node.quoted) {
        return py::str{text};
    }
    if (text == "true" || text == "false") {
        return py::bool_{text == "true"};
    }
    std::int64_t whole = 0;
    const auto [whole_end, whole_failure] = std::from_chars(text.data(), end, whole);
    if (whole_failure == std::errc{} && whole_end == end) {
        return py::int_{whole};
    }
    double number = 0;
    const auto [number_end, failure] = std::from_chars(text.data(), end, number);
    const bool is_word = text.find_first_of("0123456789") == std::string::npos;  // inf, nan
    if (failure == std::errc{} && number_end == end && !is_word) {
        return py::float_{number};
    }
    return py::str{text};
}

py::object object_of(const sim::YamlNode& node) {
    switch (node.kind) {
        case sim::YamlNode::Kind::nothing:
            return py::none();
        case sim::YamlNode::Kind::text:
            return scalar_of(node);
        case sim::YamlNode::Kind::list: {
            py::list list;
            for (const sim::YamlNode& child : node.children) {
                list.append(object_of(child));
            }
            return list;
        }
        case sim::YamlNode::Kind::map:
            break;
    }
    py::dict map;
    for (const sim::YamlNode& child : node.children) {
        map[py::str{child.key}] = object_of(child);
    }
    return map;
}

Names layer_names(const sim::Model& model) {
    Names names;
    for (const sim::Layer& layer : model.layers) {
        names.push_back(layer.name);
    }
    return names;
}

Names device_names(const sim::Platform& platform) {
    Names names;
    for (const sim::Device& device : platform.devices) {
        names.push_back(device.name);
    }
    return names;
}

}  // namespace

void add_descriptions(py::module_& module) {
    using Free = py::call_guard<Unlocked>;

    py::class_<sim::Model, std::shared_ptr<sim::Model>>(module, "Model")
        .def_readonly("name", &sim::Model::name)
        .def_readonly("description", &sim::Model::description)
        .def_readonly("path", &sim::Model::path)
        .def_property_readonly("weights_file",
                               [](const sim::Model& model) { return model.parameters.file; })
        .def_property_readonly("layers", &layer_names);
    module.def(
        "load_model",
        [](const std::filesystem::path& name, const Folders& folders) {
            return sim::load_model(name.string(), folders);
        },
        py::arg("name"),
        py::arg("folders"),
        Free{});
    module.def("parse_model", &sim::parse_model, py::arg("text"), py::arg("file"), Free{});
    module.def(
        "joined",
        [](const std::vector<std::shared_ptr<sim::Model>>& models) {
            std::vector<sim::Model> all;
            for (const auto& model : models) {
                if (model != nullptr) {
                    all.push_back(*model);
                }
            }
            if (all.empty()) {
                throw sim::InputError{"expected at least one model"};
            }
            return sim::joined(all);
        },
        py::arg("models"));

    py::class_<sim::Platform, std::shared_ptr<sim::Platform>>(module, "Platform")
        .def_readonly("name", &sim::Platform::name)
        .def_readonly("path", &sim::Platform::path)
        .def_readonly("warnings", &sim::Platform::warnings)
        .def_property_readonly("devices", &device_names)
        .def("to_yaml", [](const sim::Platform& platform) { return sim::to_yaml(platform); });
    module.def(
        "load_platform",
        [](const std::filesystem::path& name, const Folders& folders, const Names& set) {
            return sim::load_platform(name.string(), folders, set);
        },
        py::arg("name"),
        py::arg("folders"),
        py::arg("set"),
        Free{});
    module.def(
        "parse_platform",
        [](const std::string& text, const std::filesystem::path& file, const Names& set) {
            return sim::parse_platform(text, file, set);
        },
        py::arg("text"),
        py::arg("file"),
        py::arg("set"),
        Free{});

    py::class_<sim::MappingFile, std::shared_ptr<sim::MappingFile>>(module, "Mapping")
        .def_readonly("model", &sim::MappingFile::model)
        .def_readonly("platform", &sim::MappingFile::platform)
        .def_readonly("batch", &sim::MappingFile::batch)
        .def_readonly("predicted_us", &sim::MappingFile::predicted_us)
        .def("to_yaml", [](const sim::MappingFile& mapping) { return sim::to_yaml(mapping); });
    module.def("load_mapping", &sim::load_mapping_file, py::arg("path"), Free{});
    module.def("parse_mapping", &sim::parse_mapping_file, py::arg("text"), py::arg("file"), Free{});

    module.def(
        "object_of",
        [](const std::string& text, const std::filesystem::path& file, std::string_view format) {
            return object_of(sim::parse_yaml(text, file, format).root);
        },
        py::arg("text"),
        py::arg("file"),
        py::arg("format"));
}

}  // namespace python
