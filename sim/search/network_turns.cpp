#include "sim/search/network_turns.hpp"

#include "sim/compile/makers.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace sim::internal {

Mapping network_by_network(const Problem& problem, const Mapping& mapping) {
    const auto network_of = [&](int k) {
        return problem.network.empty() ? 0 : problem.network[at(problem.tasks[at(k)].first)];
    };
    std::map<int, Time> work;
    for (const int k : mapping) {
        work[network_of(k)] += problem.tasks[at(k)].cost;
    }
    Mapping turned{mapping.tasks};
    // The inputs' tasks stay first, the outputs' last.
    std::stable_sort(turned.begin() + problem.model_inputs,
                     turned.end() - problem.model_ends,
                     [&](int a, int b) {
                         const int one = network_of(a), other = network_of(b);
                         return work[one] != work[other] ? work[one] < work[other] : one < other;
                     });
    return turned;
}

Mapping with_early_outputs(const Problem& problem,
                           std::span<const NetworkOutput> outputs,
                           const Mapping& mapping) {
    const std::vector<int> made = places_made(problem, mapping.tasks);
    Mapping early{mapping.tasks};
    const int ends = static_cast<int>(mapping.size()) - problem.model_ends;
    for (const NetworkOutput& output : outputs) {
        const int before = made[at(output.tensor)] + 1;
        if (before <= 0 || before >= ends) {
            continue;
        }
        const Task& maker = problem.tasks[at(mapping[at(before - 1)])];
        if (problem.devices[at(maker.device)].memory != output.memory) {
            early.early.push_back({.before = before, .tensor = output.tensor, .to = output.memory});
        }
    }
    std::ranges::sort(early.early);
    return early;
}

}  // namespace sim::internal
