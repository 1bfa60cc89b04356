#include "sim/compile/problem.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>
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
        for_each_result(task, [&](const TaskResult& result) { use(result.tensor, result.layout); });
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

// Pairs of memories without a link, but with a way over others.
bool needs_routes(const Problem& problem) {
    const int memories = problem.memories;
    std::vector<char> reached(problem.engine.size());
    for (std::size_t pair = 0; pair < reached.size(); ++pair) {
        reached[pair] = problem.engine[pair] >= 0;
    }
    for (int by = 0; by < memories; ++by) {
        for (int from = 0; from < memories; ++from) {
            for (int to = 0; to < memories; ++to) {
                if (from != to && reached[problem.pair_place(from, by)] &&
                    reached[problem.pair_place(by, to)]) {
                    reached[problem.pair_place(from, to)] = 1;
                }
            }
        }
    }
    for (int from = 0; from < memories; ++from) {
        for (int to = 0; to < memories; ++to) {
            const std::size_t pair = problem.pair_place(from, to);
            if (from != to && reached[pair] && problem.engine[pair] < 0) {
                return true;
            }
        }
    }
    return false;
}

// Of one tensor in one layout, made in one memory: Dijkstra's shortest ways to the memories without
// a link from there. Of equally fast ways the one whose last memory has the lower number.
void find_routes_from(Problem& problem, int tensor, int layout, int from) {
    const int memories = problem.memories;
    std::vector<Time> when(at(memories), kNever);
    std::vector<char> is_linked(at(memories)), is_settled(at(memories));
    for (int to = 0; to < memories; ++to) {
        is_linked[at(to)] = to == from || problem.engine[problem.pair_place(from, to)] >= 0;
        if (is_linked[at(to)]) {
            when[at(to)] = problem.copy(tensor, layout, from, to);
        }
    }
    for (;;) {
        int next = -1;
        for (int memory = 0; memory < memories; ++memory) {
            if (!is_settled[at(memory)] && when[at(memory)] < kNever &&
                (next < 0 || when[at(memory)] < when[at(next)])) {
                next = memory;
            }
        }
        if (next < 0) {
            break;
        }
        is_settled[at(next)] = 1;
        const std::size_t place = problem.copy_place(tensor, layout, from, next);
        problem.transfer_times[place] = when[at(next)];
        for (int to = 0; to < memories && next != from; ++to) {
            const Time hop = problem.copy(tensor, layout, next, to);
            if (is_linked[at(to)] || is_settled[at(to)] ||
                problem.engine[problem.pair_place(next, to)] < 0 || hop >= kNever ||
                when[at(next)] + hop >= when[at(to)]) {
                continue;
            }
            when[at(to)] = when[at(next)] + hop;
            problem.last_hop[problem.copy_place(tensor, layout, from, to)] =
                static_cast<std::int8_t>(next);
        }
    }
}

void find_routes(Problem& problem) {
    problem.transfer_times.clear();
    problem.last_hop.clear();
    if (!needs_routes(problem)) {
        return;
    }
    problem.transfer_times.assign(problem.copy_times.size(), kNever);
    problem.last_hop.assign(problem.copy_times.size(), -1);
    for (int tensor = 0; tensor < problem.layers(); ++tensor) {
        for (int layout = 0; layout < problem.layouts; ++layout) {
            for (int from = 0; from < problem.memories; ++from) {
                find_routes_from(problem, tensor, layout, from);
            }
        }
    }
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

bool is_boundary_layer(const Problem& problem, int layer) {
    const auto is_input = [&] {
        const int index = problem.model_layer.empty() ? -1 : problem.model_layer[at(layer)];
        return index == -2 || (index > 0 && index < problem.model_inputs);
    };
    return layer == 0 || layer == problem.layers() - 1 || is_input();
}

bool is_boundary(const Problem& problem, const Task& task) {
    return is_boundary_layer(problem, task.first);
}

std::vector<int> layers_of(const Task& task) {
    std::vector<int> layers{task.first};
    layers.insert(layers.end(), task.rest.begin(), task.rest.end());
    return layers;
}

Bits devices_of(const Task& task) {
    Bits devices = bit(task.device);
    for (const Part& part : task.parts) {
        devices |= bit(part.device);
    }
    return devices;
}

bool fits_order(const Task& task) {
    return std::ranges::all_of(task.inputs,
                               [&](const TaskInput& input) { return input.tensor < task.first; });
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
        if (fits_order(problem.tasks[i])) {
            problem.starting[at(problem.tasks[i].first)].push_back(static_cast<int>(i));
        }
    }

    // 2. What compile() guarantees.
    assert(!problem.devices.empty() && problem.device_count() <= kMostOfAKind);
    assert(!problem.devices[0].asynchronous && problem.devices[0].memory == 0);
    assert(problem.memories >= 1 && problem.memories <= kMostOfAKind);
    assert(problem.layouts >= 1 && problem.layouts <= kMostOfAKind);
    assert(problem.engines <= kMostOfAKind);
    assert(problem.engine.size() == at(problem.memories * problem.memories));
    assert(problem.copy_times.size() == problem.copy_place(layers, 0, 0, 0));
    assert(problem.convert_times.size() == problem.conversion_place(layers, 0, 0, 0));
    for ([[maybe_unused]] const Task& task : problem.tasks) {
        assert(task.first >= 0 && task.first < layers);
        assert(task.last == (task.rest.empty() ? task.first : task.rest.back()));
        assert(std::ranges::is_sorted(task.rest) && std::ranges::is_sorted(task.inner));
        assert(task.device >= 0 && task.device < problem.device_count());
        assert(task.out_layout >= 0 && task.out_layout < problem.layouts);
        assert(task.cost >= Time{} && task.cost < kNever);
        for ([[maybe_unused]] const TaskInput& input : task.inputs) {
            assert(input.tensor >= 0 && input.tensor < layers);
            assert(input.layout >= 0 && input.layout < problem.layouts);
        }
    }

    // 3. Ways over other memories.
    find_routes(problem);
}

Problem reordered(const Problem& problem, std::span<const int> order) {
    const int layers = problem.layers();
    assert(static_cast<int>(order.size()) == layers);
    std::vector<int> place(at(layers));
    for (int i = 0; i < layers; ++i) {
        place[at(order[at(i)])] = i;
    }
    Problem other = problem;

    // 1. What there is by layer, or by tensor: blocks of equal size.
    const auto permute = [&](auto& values, const auto& before) {
        if (before.empty()) {
            return;
        }
        const std::size_t size = before.size() / at(layers);
        for (std::size_t i = 0; i < at(layers); ++i) {
            std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(at(order[i]) * size),
                        size,
                        values.begin() + static_cast<std::ptrdiff_t>(i * size));
        }
    };
    permute(other.layer_names, problem.layer_names);
    permute(other.model_layer, problem.model_layer);
    permute(other.network, problem.network);
    permute(other.inputs, problem.inputs);
    permute(other.copy_times, problem.copy_times);
    permute(other.copy_energies, problem.copy_energies);
    permute(other.copy_latencies, problem.copy_latencies);
    permute(other.copy_bytes, problem.copy_bytes);
    permute(other.copy_modes, problem.copy_modes);
    permute(other.convert_times, problem.convert_times);
    permute(other.convert_energies, problem.convert_energies);
    permute(other.tensor_bytes, problem.tensor_bytes);
    permute(other.weighted_channels, problem.weighted_channels);
    permute(other.together, problem.together);
    permute(other.turns, problem.turns);
    for (std::vector<int>& inputs : other.inputs) {
        for (int& input : inputs) {
            input = place[at(input)];
        }
        std::ranges::sort(inputs);
    }

    // 2. Tasks. Whichever of its results comes last now is its main one.
    for (Task& task : other.tasks) {
        std::vector<int> covered;
        for (const int layer : layers_of(task)) {
            covered.push_back(place[at(layer)]);
        }
        std::ranges::sort(covered);
        std::vector<TaskResult> results;
        for_each_result(task, [&](const TaskResult& result) {
            results.push_back({place[at(result.tensor)], result.layout});
        });
        std::ranges::sort(results);
        task.first = covered.front();
        task.rest.assign(covered.begin() + 1, covered.end());
        task.last = results.back().tensor;
        task.out_layout = results.back().layout;
        results.pop_back();
        task.inner = std::move(results);
        for (TaskInput& input : task.inputs) {
            input.tensor = place[at(input.tensor)];
        }
    }
    index(other);
    return other;
}

bool is_interacting(const Problem& problem) {
    return !problem.alone.empty() ||
           std::ranges::any_of(problem.contention, [](double factor) { return factor != 1; }) ||
           std::ranges::any_of(problem.bus, [](int bus) { return bus >= 0; }) ||
           reconfigures(problem);
}

bool reconfigures(const Problem& problem) {
    return std::ranges::any_of(problem.devices, [](const ProblemDevice& device) {
        return device.reconfiguration > Time{};
    });
}

bool has_capacities(const Problem& problem) {
    return std::ranges::any_of(problem.capacities, [](std::int64_t bytes) { return bytes > 0; });
}

bool every_result_is_read(const Problem& problem) {
    return std::none_of(problem.consumers.begin(),
                        problem.consumers.end() - problem.model_ends,
                        [](const std::vector<int>& readers) { return readers.empty(); });
}

bool is_coupled(const Problem& problem) {
    if (is_interacting(problem)) {
        return true;
    }
    for (int memory = 0; memory < static_cast<int>(problem.capacities.size()); ++memory) {
        if (problem.capacities[at(memory)] > 0 && may_overflow(problem, memory)) {
            return true;
        }
    }
    return false;
}

bool is_basic(const Problem& problem) {
    return problem.budgets.empty() &&
           std::ranges::none_of(problem.together, [](int group) { return group >= 0; }) &&
           std::ranges::none_of(problem.tasks, [](const Task& t) { return !t.parts.empty(); }) &&
           std::ranges::none_of(problem.synchronise, [](Time t) { return t > Time{}; }) &&
           !is_coupled(problem);
}

std::vector<int> keep_tasks(Problem& problem, const std::vector<char>& allowed) {
    std::vector<int> kept, place(problem.tasks.size(), -1);
    if (std::ranges::all_of(allowed, [](char is_allowed) { return is_allowed != 0; })) {
        kept.resize(problem.tasks.size());
        std::iota(kept.begin(), kept.end(), 0);
        return kept;
    }
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < problem.tasks.size(); ++i) {
        if (allowed[i]) {
            place[i] = static_cast<int>(kept.size());
            kept.push_back(static_cast<int>(i));
            tasks.push_back(std::move(problem.tasks[i]));
        }
    }
    problem.tasks = std::move(tasks);
    for (std::vector<int>& starting : problem.starting) {
        std::erase_if(starting, [&](int task) { return place[at(task)] < 0; });
        for (int& task : starting) {
            task = place[at(task)];
        }
    }
    return kept;
}

std::vector<int> drop_dominated_tasks(Problem& problem) {
    // Tasks that differ in nothing but their cost and what they take of budgets and memories. A
    // divided one holds all of its devices and engines for the whole of its cost: a task that holds
    // others is of another kind, and which shares they have decides nothing but the cost.
    const auto kind_of = [](const Task& task) {
        std::vector<int> held;
        for (const Part& part : task.parts) {
            held.push_back(part.device);
        }
        return std::tuple{task.first,
                          task.rest,
                          task.device,
                          task.out_layout,
                          task.inner,
                          task.inputs,
                          held,
                          task.engines};
    };
    const bool is_limited = has_capacities(problem);
    const auto is_as_good = [&](const Task& a, const Task& b) {
        return a.cost <= b.cost && needs_no_more(a.uses, b.uses) &&
               (!is_limited || needs_no_more(a.weight_bytes, b.weight_bytes));
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
    std::vector<char> allowed(problem.tasks.size(), 0);
    for (const auto& [kind, tasks] : best) {
        for (const int task : tasks) {
            allowed[at(task)] = 1;
        }
    }
    return keep_tasks(problem, allowed);
}

}  // namespace sim
