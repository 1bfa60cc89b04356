#include "sim/search/list_schedule.hpp"

#include "sim/run/evaluator.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

namespace sim::internal {
namespace {

constexpr std::uint64_t kMostPlacements = 2'000'000;  // of each schedule

struct Rule {
    bool by_end = false;   // first what ends first; else what starts first
    bool by_mean = false;  // urgent: the longest path of mean times; else of least times
};
constexpr std::array<Rule, 4> kRules{{{false, false}, {false, true}, {true, false}, {true, true}}};

// By layer: its tasks that cover nothing else.
std::vector<std::vector<int>> single_tasks(const Problem& problem) {
    std::vector<std::vector<int>> tasks(at(problem.layers()));
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        if (problem.tasks[at(k)].rest.empty()) {
            tasks[at(problem.tasks[at(k)].first)].push_back(k);
        }
    }
    return tasks;
}

// By layer: from its start to the end over the layers that read it, without copies.
std::vector<double> paths(const Problem& problem,
                          const std::vector<std::vector<int>>& tasks,
                          bool by_mean) {
    std::vector<double> path(at(problem.layers()), 0);
    for (int layer = problem.layers() - 1; layer >= 0; --layer) {
        double sum = 0;
        Time least = kNever;
        for (const int k : tasks[at(layer)]) {
            sum += static_cast<double>(problem.tasks[at(k)].cost.count());
            least = std::min(least, problem.tasks[at(k)].cost);
        }
        double longest = 0;
        for (const int reader : problem.consumers[at(layer)]) {
            longest = std::max(longest, path[at(reader)]);
        }
        path[at(layer)] = longest + (by_mean ? sum / static_cast<double>(tasks[at(layer)].size())
                                             : static_cast<double>(least.count()));
    }
    return path;
}

// The same machine with a host that waits for nothing that it is not to do itself: submissions go
// on beside its work.
Problem with_patient_host(const Problem& problem) {
    Problem other = problem;
    other.whole_segments = false;
    for (ProblemDevice& device : other.devices) {
        if (!device.asynchronous) {
            device.asynchronous = true;
            device.submit = device.per_task = device.completion = Time{};
        }
    }
    return other;
}

// 1. Of every layer that is ready, the implementation that ends first (of equal ones that which
//    leaves the dispatcher free sooner).
// 2. Of these the first by the rule, and of equal ones the most urgent.
// 3. In order of their starts, but a task of the host where it ends: what starts meanwhile is
//    submitted before it.
std::optional<Mapping> schedule(const Problem& problem,
                                const std::vector<std::vector<int>>& tasks,
                                Evaluator& evaluator,
                                Rule rule) {
    const std::vector<double> path = paths(problem, tasks, rule.by_mean);
    std::vector<std::size_t> missing;
    std::vector<int> ready;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        missing.push_back(problem.inputs[at(layer)].size());
        if (missing.back() == 0) {
            ready.push_back(layer);
        }
    }
    evaluator.clear();
    Mapping mapping;
    std::vector<std::pair<Ticks, int>> place;  // when, task
    const auto is_end = [&](int layer) { return layer >= problem.layers() - problem.model_ends; };
    std::uint64_t placed = 0;
    while (!ready.empty()) {
        const int turn = static_cast<int>(mapping.size());
        std::tuple<Ticks, double, int> first{kNeverTicks, 0, 0};
        std::size_t chosen = ready.size();
        for (std::size_t i = 0; i < ready.size(); ++i) {
            // The model's inputs are the first tasks, its outputs the last.
            const bool is_early = turn < problem.model_inputs && ready[i] >= problem.model_inputs;
            const bool is_first_end = is_end(ready[i]) && !std::ranges::all_of(ready, is_end);
            const bool is_last = ready[i] == problem.layers() - 1;
            if (is_early || is_first_end || (is_last && ready.size() > 1)) {
                continue;
            }
            std::tuple<Ticks, Ticks, int> soonest{kNeverTicks, 0, -1};
            for (const int k : tasks[at(ready[i])]) {
                evaluator.push(k, turn);
                if (evaluator.core.possible) {
                    soonest = std::min(soonest, {evaluator.end(k), evaluator.core.dispatcher, k});
                }
                evaluator.pop();
                ++placed;
            }
            const auto [end, dispatcher, k] = soonest;
            if (k < 0) {
                continue;
            }
            const Ticks start = end - problem.tasks[at(k)].cost.count();
            const std::tuple measure{rule.by_end ? end : start, -path[at(ready[i])], k};
            if (chosen == ready.size() || measure < first) {
                first = measure;
                chosen = i;
            }
        }
        if (chosen == ready.size() || placed > kMostPlacements) {
            return std::nullopt;
        }
        const int layer = ready[chosen];
        const int task = std::get<2>(first);
        evaluator.push(task, turn);
        mapping.push_back(task);
        const Ticks end = evaluator.end(task);
        const bool blocks = !problem.devices[at(problem.tasks[at(task)].device)].asynchronous;
        place.emplace_back(blocks ? end : end - problem.tasks[at(task)].cost.count(), task);
        ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(chosen));
        for (const int reader : problem.consumers[at(layer)]) {
            if (--missing[at(reader)] == 0) {
                ready.push_back(reader);
            }
        }
    }
    std::stable_sort(place.begin(),
                     place.end() - problem.model_ends,
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::ranges::transform(place, mapping.begin(), [](const auto& one) { return one.second; });
    return mapping;
}

}  // namespace

std::vector<Mapping> list_schedules(const Problem& problem) {
    const std::vector<std::vector<int>> tasks = single_tasks(problem);
    std::vector<Mapping> found;
    if (std::ranges::any_of(tasks, [](const std::vector<int>& one) { return one.empty(); })) {
        return found;
    }
    const Problem patient = with_patient_host(problem);
    Evaluator evaluator(patient);
    for (const Rule& rule : kRules) {
        if (std::optional<Mapping> mapping = schedule(problem, tasks, evaluator, rule)) {
            found.push_back(std::move(*mapping));
        }
    }
    return found;
}

}  // namespace sim::internal
