#include "sim/run/accuracy.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim {
namespace {

// The model's own precision goes by no name or by its element's.
bool is_own(const Layer& layer, std::string_view precision) {
    return precision.empty() || precision == name_of(layer.attributes.weights);
}

bool is_same(const Layer& layer, std::string_view a, std::string_view b) {
    return a == b || (is_own(layer, a) && is_own(layer, b));
}

// A task's layers with weights, as indices into Model::layers.
std::vector<int> weighted_layers(const Model& model, const Problem& problem, const Task& task) {
    std::vector<int> layers;
    const auto add = [&](int place) {
        const int layer = problem.model_layer[at(place)];
        if (layer >= 0 && has_weights(model.layers[at(layer)])) {
            layers.push_back(layer);
        }
    };
    add(task.first);
    std::ranges::for_each(task.rest, add);
    return layers;
}

// Precisions of a task's weights and the share of the channels that has each.
std::vector<std::pair<std::string_view, double>> precisions_of(const Task& task) {
    if (task.parts.empty()) {
        return {{task.precision, 1.0}};
    }
    int channels = 0;
    for (const Part& part : task.parts) {
        channels += part.channels;
    }
    std::vector<std::pair<std::string_view, double>> precisions;
    for (const Part& part : task.parts) {
        precisions.emplace_back(part.precision, static_cast<double>(part.channels) / channels);
    }
    return precisions;
}

std::string_view listed(const MeasuredAccuracy& measured, const std::string& layer) {
    for (const auto& [name, precision] : measured.layers) {
        if (name == layer) {
            return precision;
        }
    }
    return measured.precision;
}

bool is_allowed(const Model& model,
                const Problem& problem,
                const MeasuredAccuracy& measured,
                const Task& task) {
    const auto precisions = precisions_of(task);
    return std::ranges::all_of(weighted_layers(model, problem, task), [&](int index) {
        const Layer& layer = model.layers[at(index)];
        return std::ranges::all_of(precisions, [&](const auto& precision) {
            return is_same(layer, precision.first, listed(measured, layer.name));
        });
    });
}

std::string unknown_of(const Model& model, const Problem& problem, const Task& task) {
    for (const int layer : weighted_layers(model, problem, task)) {
        for (const auto& [precision, share] : precisions_of(task)) {
            if (!points_lost(model, layer, precision)) {
                return fmt::format(
                    "model '{}' states no sensitivity of layer '{}' at precision '{}'",
                    model.name,
                    model.layers[at(layer)].name,
                    precision);
            }
        }
    }
    return {};
}

}  // namespace

std::optional<double> points_lost(const Model& model, int layer, std::string_view precision) {
    const Layer& l = model.layers[at(layer)];
    if (is_own(l, precision)) {
        return 0.0;
    }
    const Sensitivity* of_all = nullptr;
    if (model.accuracy) {
        for (const Sensitivity& one : model.accuracy->sensitivities) {
            if (is_same(l, one.precision, precision)) {
                if (one.layer == l.name) {
                    return one.points;
                }
                of_all = one.layer.empty() ? &one : of_all;
            }
        }
    }
    return of_all != nullptr ? std::optional{of_all->points} : std::nullopt;
}

std::int64_t loss_of(const Model& model, const std::vector<int>& chain, const Task& task) {
    double points = 0;
    for (const int layer : chain) {
        if (!has_weights(model.layers[at(layer)])) {
            continue;
        }
        for (const auto& [precision, share] : precisions_of(task)) {
            points += share * points_lost(model, layer, precision).value_or(0.0);
        }
    }
    constexpr double kMillionthsOfAPoint = 1e6;
    return std::llround(points * kMillionthsOfAPoint);
}

std::optional<AccuracyEstimate> accuracy_of(const Model& model,
                                            const Problem& problem,
                                            const Mapping& mapping) {
    if (!model.accuracy) {
        return std::nullopt;
    }
    const auto task_of = [&](int task) -> const Task& { return problem.tasks[at(task)]; };
    // 1. Measured with these precisions.
    for (const MeasuredAccuracy& measured : model.accuracy->measured) {
        if (std::ranges::all_of(mapping, [&](int task) {
                return is_allowed(model, problem, measured, task_of(task));
            })) {
            return AccuracyEstimate{
                .percent = measured.percent, .is_proxy = false, .name = measured.name};
        }
    }
    // 2. The model as it is: no precision but its own.
    if (!model.accuracy->reference) {
        return std::nullopt;
    }
    if (std::ranges::all_of(
            mapping, [&](int task) { return is_allowed(model, problem, {}, task_of(task)); })) {
        return AccuracyEstimate{
            .percent = *model.accuracy->reference, .is_proxy = false, .name = "reference"};
    }
    // 3. The proxy.
    std::int64_t loss = 0;
    for (const int task : mapping) {
        if (!unknown_of(model, problem, task_of(task)).empty()) {
            return std::nullopt;
        }
        loss += task_of(task).loss;
    }
    return AccuracyEstimate{
        .percent = *model.accuracy->reference - static_cast<double>(loss) * 1e-6,
        .is_proxy = true,
        .name = {}};
}

std::vector<bool> tasks_of(const Model& model,
                           const Problem& problem,
                           const MeasuredAccuracy& measured) {
    std::vector<bool> allowed;
    for (const Task& task : problem.tasks) {
        allowed.push_back(is_allowed(model, problem, measured, task));
    }
    return allowed;
}

std::string unknown_sensitivity(const Model& model, const Problem& problem) {
    for (const Task& task : problem.tasks) {
        if (std::string unknown = unknown_of(model, problem, task); !unknown.empty()) {
            return unknown;
        }
    }
    return {};
}

std::vector<bool> tasks_with_known_loss(const Model& model, const Problem& problem) {
    std::vector<bool> known;
    for (const Task& task : problem.tasks) {
        known.push_back(unknown_of(model, problem, task).empty());
    }
    return known;
}

}  // namespace sim
