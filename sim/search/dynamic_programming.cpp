// Dynamic programming: exact, in time linear in the number of tasks, where nothing can overlap.
//
// That is so when the model is a chain (every layer reads the one before and nothing else) and
// every task is on a synchronous device: the dispatcher then does or awaits everything, one thing
// after the other, copies included, so the makespan is a sum, and all that the rest of a mapping
// knows of its beginning is where, and in which layout, the last result lies. With an
// asynchronous device the dispatcher submits ahead and the sum becomes a maximum: this search
// says so and gives no answer.

#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using namespace internal;

SearchResult dynamic_programming(const Problem& problem, const SearchOptions& options) {
    // 1. Does it apply?
    if (!options.goal.is_latency()) {
        return infeasible("it knows the latency alone; branch-and-bound knows other goals");
    }
    if (!is_basic(problem)) {
        return infeasible(
            "it knows no divided layers, budgets, synchronisation, contention, buses or "
            "capacities; "
            "branch-and-bound does");
    }
    const int layers = problem.layers();
    for (int layer = 1; layer < layers; ++layer) {
        if (problem.inputs[at(layer)] != std::vector<int>{layer - 1}) {
            return infeasible(
                "the model is not a chain: layer '" + problem.layer_names[at(layer)] +
                "' does not read just the layer before it; branch-and-bound is exact here");
        }
    }
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const auto device = at(problem.tasks[at(k)].device);
        if (problem.devices[device].asynchronous) {
            return infeasible("device '" + problem.device_names[device] +
                              "' is asynchronous and overlaps with the host; branch-and-bound is "
                              "exact here");
        }
    }

    // 2. best[layer][device][layout]: the least time until that layer's result lies there.
    struct Best {
        Ticks end = kNeverTicks;
        int task = -1, layer = -1;  // the task, and the layer before it
        int device = 0, layout = 0;
    };
    const int devices = problem.device_count();
    const int places = devices * problem.layouts;
    std::vector<Best> best(at(layers * places));
    const auto best_of = [&](int layer, int device, int layout) -> Best& {
        return best[at(layer * places + device * problem.layouts + layout)];
    };
    std::uint64_t evaluated = 0;
    for (int layer = 0; layer < layers; ++layer) {
        for (const int k : problem.starting[at(layer)]) {
            const Task& task = problem.tasks[at(k)];
            Best& result = best_of(task.last, task.device, task.out_layout);
            if (layer == 0) {
                ++evaluated;
                if (task.cost.count() < result.end) {
                    result = {task.cost.count(), k, -1, 0, 0};
                }
                continue;
            }
            const int to = problem.devices[at(task.device)].memory;
            for (int device = 0; device < devices; ++device) {
                const int from = problem.devices[at(device)].memory;
                for (int layout = 0; layout < problem.layouts; ++layout) {
                    const Best& before = best_of(layer - 1, device, layout);
                    if (before.task < 0) {
                        continue;
                    }
                    ++evaluated;
                    const int wanted = task.inputs.front().layout;
                    const Ticks copy =
                        from == to ? 0 : problem.transfer(layer - 1, layout, from, to).count();
                    const Ticks convert =
                        layout == wanted
                            ? 0
                            : problem.convert(layer - 1, task.device, layout, wanted).count();
                    if (copy >= kNeverTicks || convert >= kNeverTicks) {
                        continue;
                    }
                    const Ticks end = before.end + copy + convert + task.cost.count();
                    if (end < result.end) {
                        result = {end, k, layer - 1, device, layout};
                    }
                }
            }
        }
    }

    // 3. Back from the output.
    const Best* last = nullptr;
    for (int i = 0; i < places; ++i) {
        const Best& one = best[at((layers - 1) * places + i)];
        if (one.task >= 0 && (!last || one.end < last->end)) {
            last = &one;
        }
    }
    if (!last) {
        return infeasible("no mapping covers every layer");
    }
    SearchResult result;
    result.makespan = result.lower_bound = Time{last->end};
    result.status = SearchStatus::proven;
    result.evaluated = evaluated;
    for (const Best* step = last; step;
         step = step->layer < 0 ? nullptr : &best_of(step->layer, step->device, step->layout)) {
        result.mapping.push_back(step->task);
    }
    std::ranges::reverse(result.mapping);
    return result;
}

}  // namespace sim
