#include "sim/compile/problem.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <tuple>

namespace sim {
namespace {

// All the weights and tensors that a mapping can have in the memory at once, and more.
bool may_overflow(const Problem& problem, int memory) {
    // 1. Weights: of every layer's heaviest task.
    double bytes = 0;
    for (const std::vector<int>& tasks : problem.starting) {
        std::int64_t most = 0;
        for (const int task : tasks) {
            const std::vector<std::int64_t>& weights = problem.tasks[at(task)].weight_bytes;
            most = std::max(most, weights.empty() ? 0 : weights[at(memory)]);
        }
        bytes += static_cast<double>(most);
    }
    // 2. Tensors: in every layout that some task makes or wants.
    std::vector<char> is_used(problem.tensor_bytes.size());
    const auto use = [&](int tensor, int layout) {
        const std::size_t place = at(tensor * problem.layouts + layout);
        if (place < is_used.size() && is_used[place] == 0) {
            is_used[place] = 1;
            bytes += static_cast<double>(problem.tensor_bytes[place]);
        }
    };
    for (const Task& task : problem.tasks) {
        use(task.last, task.out_layout);
        for (const TaskInput& input : task.inputs) {
            use(input.tensor, input.layout);
        }
    }
    return bytes > static_cast<double>(problem.capacities[at(memory)]);
}

// No more of anything that is limited.
bool needs_no_more(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
    const auto value = [](const std::vector<std::int64_t>& of, std::size_t i) {
        return i < of.size() ? of[i] : 0;
    };
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        if (value(a, i) > value(b, i)) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string_view name_of(CostKind kind) {
    switch (kind) {
        case CostKind::measured:
            return "measured";
        case CostKind::stated:
            return "stated";
        case CostKind::fitted:
            return "fitted";
        case CostKind::formula:
            return "formula";
    }
    return "unknown";
}

void index(Problem& problem) {
    const int layers = problem.layers();
    // 1. Readers of every tensor, tasks by their first layers.
    problem.consumers.assign(at(layers), {});
    for (int layer = 0; layer < layers; ++layer) {
        for (const int input : problem.inputs[at(layer)]) {
            assert(input >= 0 && input < layer);
            std::vector<int>& readers = problem.consumers[at(input)];
            if (readers.empty() || readers.back() != layer) {
                readers.push_back(layer);
            }
        }
    }
    problem.starting.assign(at(layers), {});
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        problem.starting[at(problem.tasks[i].first)].push_back(static_cast<int>(i));
    }

    // 2. What compile() guarantees.
    assert(!problem.devices.empty() && problem.devices.size() <= kMaxDevices);
    assert(!problem.devices[0].asynchronous && problem.devices[0].memory == 0);
    assert(problem.memories >= 1 && problem.memories <= kMaxMemories);
    assert(problem.layouts >= 1 && problem.layouts <= kMaxLayouts);
    assert(problem.engine.size() == at(problem.memories * problem.memories));
    assert(problem.copy_times.size() ==
           at(layers * problem.layouts * problem.memories * problem.memories));
    assert(problem.convert_times.size() ==
           at(layers * problem.layouts * problem.layouts) * problem.devices.size());
    for ([[maybe_unused]] const Task& task : problem.tasks) {
        assert(task.first >= 0 && task.first < layers);
        assert(task.last == (task.rest.empty() ? task.first : task.rest.back()));
        assert(std::ranges::is_sorted(task.rest));
        assert(task.device >= 0 && at(task.device) < problem.devices.size());
        assert(task.out_layout >= 0 && task.out_layout < problem.layouts);
        assert(task.cost >= Time{} && task.cost < kNever);
        for ([[maybe_unused]] const TaskInput& input : task.inputs) {
            assert(input.tensor >= 0 && input.tensor < task.first);
            assert(input.layout >= 0 && input.layout < problem.layouts);
        }
    }
}

bool is_coupled(const Problem& problem) {
    if (!problem.buses.empty() ||
        std::ranges::any_of(problem.contention, [](double factor) { return factor != 1; }) ||
        std::ranges::any_of(problem.devices, [](const ProblemDevice& device) {
            return device.reconfiguration > Time{};
        })) {
        return true;
    }
    for (std::size_t memory = 0; memory < problem.capacities.size(); ++memory) {
        if (problem.capacities[memory] > 0 && may_overflow(problem, static_cast<int>(memory))) {
            return true;
        }
    }
    return false;
}

bool is_plain(const Problem& problem) {
    return problem.budgets.empty() &&
           std::ranges::none_of(problem.tasks, [](const Task& t) { return !t.parts.empty(); }) &&
           std::ranges::none_of(problem.synchronise, [](Time t) { return t > Time{}; }) &&
           !is_coupled(problem);
}

std::vector<int> drop_dominated_tasks(Problem& problem) {
    // Tasks that differ in nothing but their cost and what they take of budgets and memories. A
    // divided one holds all of its devices and engines for the whole of its cost: whoever holds
    // others is of another kind, and which shares they have decides nothing but the cost.
    const auto kind_of = [](const Task& task) {
        std::vector<int> layouts, held;
        for (const TaskInput& input : task.inputs) {
            layouts.push_back(input.tensor);
            layouts.push_back(input.layout);
        }
        for (const Part& part : task.parts) {
            held.push_back(part.device);
        }
        return std::tuple{
            task.first, task.rest, task.device, task.out_layout, layouts, held, task.engines};
    };
    const bool has_capacities =
        std::ranges::any_of(problem.capacities, [](std::int64_t bytes) { return bytes > 0; });
    const auto is_as_good = [&](const Task& a, const Task& b) {
        return a.cost <= b.cost && needs_no_more(a.uses, b.uses) &&
               (!has_capacities || needs_no_more(a.weight_bytes, b.weight_bytes));
    };
    // By kind: those that are kept so far. Of equal ones the first stays.
    std::map<decltype(kind_of(problem.tasks.front())), std::vector<int>> best;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        const Task& task = problem.tasks[i];
        std::vector<int>& rivals = best[kind_of(task)];
        if (std::ranges::any_of(rivals,
                                [&](int r) { return is_as_good(problem.tasks[at(r)], task); })) {
            continue;
        }
        std::erase_if(rivals, [&](int r) { return is_as_good(task, problem.tasks[at(r)]); });
        rivals.push_back(static_cast<int>(i));
    }
    std::vector<int> kept;
    for (const auto& [kind, tasks] : best) {
        kept.insert(kept.end(), tasks.begin(), tasks.end());
    }
    std::ranges::sort(kept);
    std::vector<Task> tasks;
    tasks.reserve(kept.size());
    for (const int task : kept) {
        tasks.push_back(std::move(problem.tasks[at(task)]));
    }
    problem.tasks = std::move(tasks);
    index(problem);
    return kept;
}

}  // namespace sim
