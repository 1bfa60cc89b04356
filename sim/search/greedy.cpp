// The per-layer minimum, as HEP-BNN chooses: the fastest implementation of each layer by itself,
// as if copies, launches and conversions were free. Fused chains only where a layer has no other.

#include "sim/search/covers.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <utility>

namespace sim {

SearchResult greedy(const Problem& problem, const SearchOptions&) {
    const Covers covers(problem);
    std::vector<char> covered(static_cast<std::size_t>(problem.layers()), 0);
    Mapping mapping;
    std::uint64_t evaluated = 0;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[static_cast<std::size_t>(layer)])
            continue;
        const std::vector<int> fitting = covers.fitting(covered, layer);
        if (fitting.empty())
            return infeasible("no implementation is left for layer '" +
                              problem.layer_names[static_cast<std::size_t>(layer)] + "'");
        evaluated += fitting.size();
        // Single layers first, then by cost; of equal ones the first.
        const int best = *std::min_element(fitting.begin(), fitting.end(), [&](int a, int b) {
            const Task& x = problem.tasks[static_cast<std::size_t>(a)];
            const Task& y = problem.tasks[static_cast<std::size_t>(b)];
            return std::pair(!x.rest.empty(), x.cost) < std::pair(!y.rest.empty(), y.cost);
        });
        mapping.push_back(best);
        const Task& task = problem.tasks[static_cast<std::size_t>(best)];
        covered[static_cast<std::size_t>(layer)] = 1;
        for (const int other : task.rest)
            covered[static_cast<std::size_t>(other)] = 1;
    }
    return heuristic(problem, std::move(mapping), evaluated);
}

}  // namespace sim
