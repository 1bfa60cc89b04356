#include "sim/compile/makers.hpp"

#include "sim/index.hpp"

namespace sim {

std::vector<int> places_made(const Problem& problem, std::span<const int> tasks) {
    std::vector<int> places(at(problem.layers()), -1);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        for_each_result(problem.tasks[at(tasks[i])], [&](const TaskResult& result) {
            places[at(result.tensor)] = static_cast<int>(i);
        });
    }
    return places;
}

}  // namespace sim
