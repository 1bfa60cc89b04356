#include "sim/search/alternatives.hpp"

#include <map>

namespace sim::internal {

Alternatives alternatives_of(const Problem& problem,
                             const std::function<bool(int task)>& may_come) {
    Alternatives found;
    std::map<std::vector<int>, int> groups;
    found.fusing.resize(at(problem.layers()));
    found.alone.resize(at(problem.layers()));
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const std::vector<int> layers = layers_of(problem.tasks[at(k)]);
        const auto [group, is_new] = groups.emplace(layers, static_cast<int>(groups.size()));
        if (is_new) {
            found.members.emplace_back();
        }
        found.group_of.push_back(group->second);
        if (!may_come(k)) {
            continue;
        }
        found.members[at(group->second)].push_back(k);
        for (const int layer : layers) {
            (layers.size() == 1 ? found.alone : found.fusing)[at(layer)].push_back(k);
        }
    }
    return found;
}

std::vector<int> Alternatives::one_by_one(const std::vector<int>& layers, Dice& dice) const {
    std::vector<int> singles;
    for (const int layer : layers) {
        const std::vector<int>& tasks = alone[at(layer)];
        if (tasks.empty()) {
            return {};
        }
        singles.push_back(tasks[dice.below(tasks.size())]);
    }
    return singles;
}

}  // namespace sim::internal
