#pragma once

// Accuracy of a mapping: what a model's file states for the precisions that the mapping gives to
// the weights of its layers, or a proxy, and called so. Start at `accuracy_of`.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct AccuracyEstimate {
    double percent = 0;
    bool is_proxy = false;  // from sensitivities; else measured with these very precisions
    std::string name;       // of the measured entry; "reference": the model's own precision
};

// Measured, if every layer with weights has the precision that an entry of `measured` lists (a
// layer divided between precisions has none); else the reference less the sensitivities; nothing
// where the model has neither, or no sensitivity for some precision of the mapping.
std::optional<AccuracyEstimate> accuracy_of(const Model& model,
                                            const Problem& problem,
                                            const Mapping& mapping);

// By task: whether the measured assignment allows it. A mapping of such tasks alone has the
// entry's accuracy.
std::vector<bool> tasks_of(const Model& model,
                           const Problem& problem,
                           const MeasuredAccuracy& measured);

// Percentage points lost if all channels of the layer had the precision; zero at the model's own.
// Nothing where the model does not say.
std::optional<double> points_lost(const Model& model, int layer, std::string_view precision);

// Task::loss: of a task before its layers are renumbered, `chain` being indices into Model::layers.
// What is unknown counts as zero: see `unknown_sensitivity`.
std::int64_t loss_of(const Model& model, const std::vector<int>& chain, const Task& task);

// Why losses cannot be compared: the first precision of a task for which the model states no
// sensitivity, such as "model 'resnet20' states no sensitivity of layer 'conv1' at precision
// 'ternary'"; empty if there is none. A search that minimises or bounds the loss asks this first.
std::string unknown_sensitivity(const Model& model, const Problem& problem);

// By task: whether Task::loss is all known.
std::vector<bool> tasks_with_known_loss(const Model& model, const Problem& problem);

}  // namespace sim
