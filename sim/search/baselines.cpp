#include "sim/search/baselines.hpp"

#include "sim/index.hpp"
#include "sim/search/local_search.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace sim {

using namespace internal;

namespace {

// "cpu/avx512/2y": what one layer has, undivided.
std::set<std::string> implementations_of(const Problem& problem) {
    std::set<std::string> names;
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const Task& task = problem.tasks[at(k)];
        if (!task.variant.empty() && task.parts.empty()) {
            names.insert(label(problem, k));
        }
    }
    names.erase("");  // the model's input and output
    return names;
}

}  // namespace

std::vector<NamedResult> baselines(const Problem& problem,
                                   const Goal& goal,
                                   const std::function<bool()>& stop) {
    std::vector<NamedResult> found;
    const Objective& objective = goal.minimise.front();
    const int frames = goal.frames();
    double best = std::numeric_limits<double>::infinity();
    const auto add = [&](std::string name, SearchResult result) {
        if (result.status == SearchStatus::infeasible || result.mapping.empty()) {
            return;
        }
        // A stream is dear: when the time is over, only what may be better than all before.
        if (frames > 0 && best < std::numeric_limits<double>::infinity() && stop && stop() &&
            Appraiser(problem, goal)(result.mapping).value >= best) {
            return;
        }
        const Assessment whole = assess(problem, result.mapping, {.frames_in_flight = frames});
        if (!keeps_to(goal, whole)) {
            return;
        }
        result.value = value_on(problem, objective, result.mapping, whole);
        best = std::min(best, result.value);
        found.push_back({std::move(name), std::move(result)});
    };
    SearchOptions options;
    options.goal = goal;
    options.stop = stop;
    add("greedy", greedy(problem, options));
    add("heft", heft(problem, options));
    if (problem.devices.size() > 1) {
        for (int d = 0; d < problem.device_count(); ++d) {
            const std::string name = at(d) < problem.device_names.size()
                                         ? problem.device_names[at(d)]
                                         : std::to_string(d);
            add("only " + name, on_one_device(problem, options, d));
        }
    }
    for (const std::string& name : implementations_of(problem)) {
        options.only = name;
        add("uniform " + name, uniform(problem, options));
    }
    return found;
}

}  // namespace sim
