// Earliest finish: each layer, in the static order, takes the implementation that ends first after
// all that was placed before it, with copies, conversions and submissions. The order plays the
// part of the upward ranks: it is topological, ties by longest remaining path.
// H. Topcuoglu, S. Hariri, M. Wu, "Performance-effective and low-complexity task scheduling for
// heterogeneous computing", IEEE TPDS 13(3), 2002.
//
// A task that fuses layers ends later than its first layer alone, but does more: it is credited
// with the fastest single implementation, on any device, of each layer that it takes over.

#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace sim {

using namespace internal;

SearchResult heft(const Problem& problem, const SearchOptions& options) {
    const Covers covers(problem);
    std::vector<Ticks> fastest(at(problem.layers()), kNeverTicks);
    for (const Task& task : problem.tasks) {
        Ticks& least = fastest[at(task.first)];
        if (task.rest.empty()) {
            least = std::min(least, task.cost.count());
        }
    }
    for (Ticks& least : fastest) {  // only ever fused: no credit
        least = least == kNeverTicks ? 0 : least;
    }

    Evaluator evaluator(problem);
    std::vector<Ticks> work(problem.devices.size(), 0);  // by device
    Mapping mapping;
    std::uint64_t evaluated = 0;
    for (int layer = 0; layer < problem.layers(); layer = evaluator.next_layer(layer)) {
        int best = -1;
        std::tuple<Ticks, Ticks, Ticks> least{kNeverTicks, 0, 0};
        for (const int k : covers.fitting(evaluator.covered, layer)) {
            evaluator.push(k);
            ++evaluated;
            Ticks end = evaluator.core.possible ? evaluator.end(k) : kNeverTicks;
            for (const int other : problem.tasks[at(k)].rest) {
                end -= fastest[at(other)];
            }
            const std::tuple measure{
                end, evaluator.core.dispatcher, work[at(problem.tasks[at(k)].device)]};
            if (best < 0 || measure < least) {
                best = k;
                least = measure;
            }
            evaluator.pop();
        }
        if (best < 0) {
            return infeasible("no implementation is left for layer '" +
                              problem.layer_names[at(layer)] + "'");
        }
        evaluator.push(best);
        mapping.push_back(best);
        work[at(problem.tasks[at(best)].device)] += problem.tasks[at(best)].cost.count();
    }
    return heuristic(problem,
                     options.goal,
                     std::move(mapping),
                     evaluated,
                     options.goal.is_latency() ? "" : "it looks at latency alone");
}

}  // namespace sim
