#include "sim/describe/twins.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace sim {
namespace {

std::vector<TensorShape> inputs_of(const Model& model) {
    std::vector<TensorShape> shapes;
    for (int i = 0; i < model.inputs(); ++i) {
        shapes.push_back(model.layers[at(i)].output);
    }
    return shapes;
}

// Scores may be whole numbers in one and f32 in another.
std::vector<std::string> outputs_of(const Model& model) {
    std::vector<std::string> sides;
    for (const Output& output : model.outputs) {
        sides.push_back(sides_text(model.layers[at(output.layer)].output));
    }
    return sides;
}

}  // namespace

std::vector<Model> with_twins(const Model& model) {
    std::vector<Model> all{model};
    for (const Twin& twin : model.twins) {
        try {
            all.push_back(load_model((model.path.parent_path() / twin.path).string(), {}));
        } catch (const InputError& error) {
            throw input_error(twin.where, fmt::format("twin '{}': {}", twin.path, error.what()));
        }
        const Model& loaded = all.back();
        if (inputs_of(loaded) != inputs_of(model) || outputs_of(loaded) != outputs_of(model)) {
            throw input_error(
                twin.where,
                fmt::format(
                    "twin '{}' does not take and give what '{}' does", twin.path, model.name));
        }
        const auto same = std::ranges::find(all, loaded.name, &Model::name);
        if (same != all.end() - 1) {
            throw input_error(
                twin.where,
                fmt::format("twin '{}' is called '{}', as another is", twin.path, loaded.name));
        }
    }
    return all;
}

Model twin_named(const Model& model, std::string_view name) {
    if (!name.empty() && model.name != name && !model.twins.empty()) {
        for (Model& twin : with_twins(model)) {
            if (twin.name == name) {
                return std::move(twin);
            }
        }
    }
    return model;
}

}  // namespace sim
