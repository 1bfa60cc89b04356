// The per-layer minimum, as HEP-BNN chooses: the fastest implementation of each layer by itself,
// as if copies, launches and conversions were free. Fused chains only where a layer has no other.
//
// With another goal: the least of its (first) objective for each layer by itself, ties by
// Goal::prefer, which is the Min-Cost mapping of ODiMO (arXiv 2306.05060).

#include "sim/index.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using namespace internal;

namespace {

// What a task adds by itself. A layer alone keeps the machine at rest busy for its time.
double cost_on(const Problem& problem, const Objective& objective, const Task& task) {
    const auto energy = [&] {
        return static_cast<double>((task.energy + problem.at_rest * task.cost).femtojoules);
    };
    switch (objective.criterion) {
        case Criterion::latency:
        case Criterion::sum:
        case Criterion::period:
            return static_cast<double>(task.cost.count());
        case Criterion::energy:
            return energy();
        case Criterion::energy_delay:
            return energy() * static_cast<double>(task.cost.count());
        case Criterion::loss:
            return static_cast<double>(task.loss);
        case Criterion::device:
            return static_cast<double>(channels_elsewhere(problem, task, objective.device));
    }
    return 0;
}

}  // namespace

SearchResult greedy(const Problem& problem, const SearchOptions& options) {
    const Goal& goal = options.goal;
    const Criteria criteria(problem, goal);  // throws where the goal needs an unknown energy
    std::vector<Objective> objectives{goal.minimise.front()};
    objectives.insert(objectives.end(), goal.prefer.begin(), goal.prefer.end());
    const Covers covers(problem);
    std::vector<char> covered(at(problem.layers()), 0);
    Mapping mapping;
    std::uint64_t evaluated = 0;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[at(layer)]) {
            continue;
        }
        const std::vector<int> fitting = covers.fitting(covered, layer);
        if (fitting.empty()) {
            return infeasible("no implementation is left for layer '" +
                              problem.layer_names[at(layer)] + "'");
        }
        evaluated += fitting.size();
        // Single layers first, then by cost; of equal ones the first.
        const int best = *std::min_element(fitting.begin(), fitting.end(), [&](int a, int b) {
            const Task& x = problem.tasks[at(a)];
            const Task& y = problem.tasks[at(b)];
            if (x.rest.empty() != y.rest.empty()) {
                return x.rest.empty();
            }
            for (const Objective& objective : objectives) {
                const double cost = cost_on(problem, objective, x);
                const double other = cost_on(problem, objective, y);
                if (cost != other) {
                    return cost < other;
                }
            }
            return false;
        });
        mapping.push_back(best);
        const Task& task = problem.tasks[at(best)];
        covered[at(layer)] = 1;
        for (const int other : task.rest) {
            covered[at(other)] = 1;
        }
    }
    SearchResult result = heuristic(problem, goal, std::move(mapping), evaluated);
    if (!goal.is_latency() && result.status != SearchStatus::infeasible) {
        const Assessment whole =
            assess(problem, result.mapping, {.frames_in_flight = goal.frames()});
        result.value = value_on(problem, goal.minimise.front(), result.mapping, whole);
    }
    return result;
}

}  // namespace sim
