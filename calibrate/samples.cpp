#include "calibrate/samples.hpp"

#include "calibrate/executor.hpp"
#include "calibrate/statistics.hpp"
#include "sim/index.hpp"

#include <algorithm>

namespace calibrate {

bool StoppingRule::done(std::vector<double> samples) const {
    const auto n = static_cast<int>(samples.size());
    if (n < fewest || n >= most) {
        return n >= most;
    }
    std::ranges::sort(samples);
    return median_uncertainty(samples) < uncertainty;
}

CostKey key_of(const sim::MeasuredCost& cost) {
    return {.device = cost.device,
            .layers = cost.layers,
            .batch = cost.batch,
            .variant = cost.variant,
            .configuration = cost.configuration,
            .in_layout = cost.in_layout,
            .out_layout = cost.out_layout,
            .results = cost.results};
}

namespace {

// Where the task's results are among its layers; none: the last alone.
std::vector<int> results_of(const sim::Problem& problem, const sim::Task& task) {
    std::vector<int> results;
    if (task.inner.empty()) {
        return results;
    }
    const std::vector<int> layers = model_layers(problem, task);
    sim::for_each_result(task, [&](const sim::TaskResult& result) {
        const int layer = problem.model_layer[sim::at(result.tensor)];
        results.push_back(static_cast<int>(std::ranges::find(layers, layer) - layers.begin()));
    });
    std::ranges::sort(results);
    return results;
}

}  // namespace

CostKey key_of(const sim::Model& model, const sim::Problem& problem, const sim::Task& task) {
    const auto layout = [&](int index) {
        return problem.layout_names[sim::at(problem.bits_of(index))];
    };
    return {.device = task.device,
            .layers = sim::signature(model, model_layers(problem, task)),
            .batch = problem.batch,
            .variant = task.variant,
            .configuration = task.configuration,
            .in_layout = layout(task.inputs.front().layout),
            .out_layout = layout(task.out_layout),
            .results = results_of(problem, task)};
}

CostGroup group_of(const CostKey& key) {
    return {.device = key.device, .layers = key.layers, .batch = key.batch};
}

}  // namespace calibrate
