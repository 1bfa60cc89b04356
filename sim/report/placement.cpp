// Where every layer runs, as a table for other programs: a runtime's partitioner, a script.

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

namespace sim {

// CSV: layer, device, variant, configuration, segment, channels. One row for each layer, in the
// order in which they run; a divided layer has one for each of its devices, with its channels.
// Segments are runs of tasks on one device, numbered from 1: what a runtime would call a partition.
std::string placement_csv(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::string text = "layer,device,variant,configuration,segment,channels\n";
    int segment = 0, before = -1;
    for (const int index : answer.mapping) {
        const Task& task = problem.tasks[at(index)];
        if (is_boundary(problem, task)) {
            continue;
        }
        segment += task.device != before || !task.parts.empty() ? 1 : 0;
        before = task.parts.empty() ? task.device : -1;
        const auto add = [&](int layer,
                             int device,
                             const auto& implementation,
                             const std::string& channels = {}) {
            text += fmt::format("{},{},{},{},{},{}\n",
                                csv_field(layer_name(problem, layer)),
                                csv_field(device_name(problem, device)),
                                csv_field(implementation.variant),
                                csv_field(implementation.configuration),
                                segment,
                                channels);
        };
        for (const int layer : layers_of(task)) {
            const int of_model = problem.model_layer[at(layer)];
            if (answer.model != nullptr && of_model >= 0 &&
                is_further_result(answer.model->layers[at(of_model)])) {
                continue;
            }
            if (task.parts.empty()) {
                add(layer, task.device, task);
            }
            for (const Part& part : task.parts) {
                add(layer, part.device, part, std::to_string(part.channels));
            }
        }
    }
    return text;
}

}  // namespace sim
