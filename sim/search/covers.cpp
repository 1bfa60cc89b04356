#include "sim/search/covers.hpp"

#include "sim/compile/makers.hpp"
#include "sim/describe/graph.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

namespace sim::internal {
namespace {

// Layers of a group that are covered though an earlier one is not: all that the rest of the group
// depends on.
using Ahead = std::vector<int>;  // ascending

// `ahead` with the task's other layers, nothing if they overlap.
std::optional<Ahead> with(const Ahead& ahead, const Task& task) {
    Ahead both = ahead;
    for (const int layer : task.rest) {
        const auto at = std::lower_bound(both.begin(), both.end(), layer);
        if (at != both.end() && *at == layer) {
            return std::nullopt;
        }
        both.insert(at, layer);
    }
    return both;
}

}  // namespace

Covers::Covers(const Problem& problem, std::vector<char> allowed)
    : problem_(problem), allowed_(std::move(allowed)) {
    // Layers that share a task get the same root.
    std::vector<int> root(at(problem.layers()));
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](int layer) {
        while (root[at(layer)] != layer) {
            int& up = root[at(layer)];
            up = root[at(up)];
            layer = up;
        }
        return layer;
    };
    std::vector<char> alone(at(problem.layers()), 0);
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        if (!is_allowed(k)) {
            continue;
        }
        const Task& task = problem.tasks[at(k)];
        if (task.rest.empty()) {
            alone[at(task.first)] = 1;
        }
        for (const int layer : task.rest) {
            const int a = find(task.first), b = find(layer);
            root[at(std::max(a, b))] = std::min(a, b);
        }
    }
    group_of_.resize(root.size());
    for (int layer = 0; layer < problem.layers(); ++layer) {
        const int top = find(layer);
        if (top == layer) {
            group_of_[at(layer)] = static_cast<int>(groups_.size());
            groups_.emplace_back();
            safe_.push_back(1);
        }
        const int group = group_of_[at(top)];
        group_of_[at(layer)] = group;
        groups_[at(group)].push_back(layer);
        safe_[at(group)] &= alone[at(layer)];
    }
}

std::uint64_t Covers::count() const {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t product = 1;
    for (const std::vector<int>& group : groups_) {
        std::map<Ahead, std::uint64_t> ways{{{}, 1}};
        for (const int layer : group) {
            std::map<Ahead, std::uint64_t> next;
            const auto add = [&](const Ahead& ahead, std::uint64_t n) {
                std::uint64_t& sum = next[ahead];
                sum = sum > kMost - n ? kMost : sum + n;
            };
            for (const auto& [ahead, n] : ways) {
                if (!ahead.empty() && ahead.front() == layer) {
                    add(Ahead(ahead.begin() + 1, ahead.end()), n);
                    continue;
                }
                for (const int k : problem_.starting[at(layer)]) {
                    if (is_allowed(k)) {
                        if (const auto both = with(ahead, problem_.tasks[at(k)])) {
                            add(*both, n);
                        }
                    }
                }
            }
            ways = std::move(next);
        }
        const std::uint64_t n = ways.empty() ? 0 : ways.begin()->second;
        if (n == 0) {
            return 0;
        }
        product = product > kMost / n ? kMost : product * n;
    }
    return product;
}

std::optional<Mapping> Covers::cheapest(const std::function<std::int64_t(int task)>& score) const {
    struct Best {
        std::int64_t sum = 0;
        Ahead before;
        int task = -1;  // -1: the layer was covered already
    };
    Mapping mapping;
    for (const std::vector<int>& group : groups_) {
        std::vector<std::map<Ahead, Best>> ways(group.size() + 1);
        ways[0][{}] = {};
        for (std::size_t i = 0; i < group.size(); ++i) {
            const auto offer = [&](const Ahead& ahead, Best best) {
                const auto [known, fresh] = ways[i + 1].try_emplace(ahead, best);
                if (!fresh && best.sum < known->second.sum) {
                    known->second = std::move(best);
                }
            };
            for (const auto& [ahead, best] : ways[i]) {
                if (!ahead.empty() && ahead.front() == group[i]) {
                    offer(Ahead(ahead.begin() + 1, ahead.end()), {best.sum, ahead, -1});
                    continue;
                }
                for (const int k : problem_.starting[at(group[i])]) {
                    if (is_allowed(k)) {
                        if (const auto both = with(ahead, problem_.tasks[at(k)])) {
                            offer(*both, {best.sum + score(k), ahead, k});
                        }
                    }
                }
            }
        }
        if (ways.back().empty()) {
            return std::nullopt;
        }
        Ahead ahead;
        for (std::size_t i = group.size(); i > 0; --i) {
            const Best& best = ways[i].at(ahead);
            if (best.task >= 0) {
                mapping.push_back(best.task);
            }
            ahead = best.before;
        }
    }
    std::sort(mapping.begin(), mapping.end(), [&](int a, int b) {
        return problem_.tasks[at(a)].first < problem_.tasks[at(b)].first;
    });
    return mapping;
}

// Whether the group's layers from `layer` on, without `ahead`, have a cover.
bool Covers::can_finish(int group, int layer, const std::vector<int>& ahead) const {
    std::set<Ahead> ways{ahead};
    for (const int member : groups_[at(group)]) {
        if (member < layer) {
            continue;
        }
        std::set<Ahead> next;
        for (const Ahead& way : ways) {
            if (!way.empty() && way.front() == member) {
                next.insert(Ahead(way.begin() + 1, way.end()));
                continue;
            }
            for (const int k : problem_.starting[at(member)]) {
                if (is_allowed(k)) {
                    if (auto both = with(way, problem_.tasks[at(k)])) {
                        next.insert(std::move(*both));
                    }
                }
            }
        }
        ways = std::move(next);
    }
    return !ways.empty();
}

int Covers::uncoverable() const {
    for (int group = 0; group < static_cast<int>(groups_.size()); ++group) {
        if (!safe_[at(group)] && !can_finish(group, 0, {})) {
            return groups_[at(group)].front();
        }
    }
    return -1;
}

std::vector<int> Covers::fitting(const std::vector<char>& covered, int layer) const {
    const int group = group_of_[at(layer)];
    std::vector<int> found;
    for (const int k : problem_.starting[at(layer)]) {
        const Task& task = problem_.tasks[at(k)];
        const bool overlaps = std::any_of(
            task.rest.begin(), task.rest.end(), [&](int other) { return covered[at(other)] != 0; });
        if (!is_allowed(k) || overlaps) {
            continue;
        }
        if (!safe_[at(group)]) {
            Ahead ahead;
            for (const int other : groups_[at(group)]) {
                if (other > layer && covered[at(other)]) {
                    ahead.push_back(other);
                }
            }
            if (!can_finish(group, layer + 1, *with(ahead, task))) {
                continue;
            }
        }
        found.push_back(k);
    }
    return found;
}

std::optional<Mapping> cheapest_cover(const Problem& problem) {
    Problem all = problem;
    for (std::vector<int>& tasks : all.starting) {
        tasks.clear();
    }
    for (std::size_t t = 0; t < all.tasks.size(); ++t) {
        all.starting[at(all.tasks[t].first)].push_back(static_cast<int>(t));
    }
    const auto cost = [&](int t) { return all.tasks[at(t)].cost.count(); };
    return Covers(all).cheapest(cost);
}

std::optional<Mapping> in_some_order(const Problem& problem, const Mapping& cover) {
    const std::vector<int> maker = places_made(problem, cover.tasks);
    Graph graph{.vertices = static_cast<int>(cover.size()), .edges = {}};
    std::vector<std::int64_t> priority;
    for (std::size_t i = 0; i < cover.size(); ++i) {
        const Task& task = problem.tasks[at(cover[i])];
        priority.push_back(-task.first);
        for (const TaskInput& input : task.inputs) {
            if (maker[at(input.tensor)] < 0) {
                return std::nullopt;  // it stays inside a fused set
            }
            graph.edges.emplace_back(maker[at(input.tensor)], static_cast<int>(i));
        }
    }
    Mapping mapping;
    for (const int place : topological_order(graph, priority)) {
        mapping.push_back(cover[at(place)]);
    }
    return mapping.size() == cover.size() ? std::optional{mapping} : std::nullopt;
}

}  // namespace sim::internal
