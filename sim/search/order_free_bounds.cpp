#include "sim/search/order_free_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sim::internal {
namespace {

using Ticks = Time::rep;

// Of a weighting the weights add up to this; small enough that weighted sums of days fit.
constexpr Ticks kScale = 1024;
constexpr int kRounds = 120;  // of improving the weighting

// From the end of `from`, which makes the tensor in this layout, to the start of `to`; what is
// converted is done after its start but counted here. kNever if it cannot be.
Time between(const Problem& problem,
             int tensor,
             int made_layout,
             const Task& from,
             const Task& to,
             int wanted_layout) {
    const ProblemDevice& a = problem.devices[at(from.device)];
    const ProblemDevice& b = problem.devices[at(to.device)];
    Time delay{};
    if (a.memory != b.memory) {
        delay = problem.transfer(tensor, made_layout, a.memory, b.memory);
    }
    if (a.asynchronous && !b.asynchronous) {
        delay += a.completion;
    }
    if (!a.asynchronous && b.asynchronous) {
        // The host's task ends every segment, so this one is submitted after it.
        delay = std::max(delay, b.submit + b.per_task);
    }
    if (made_layout != wanted_layout && problem.consumers[at(tensor)].size() == 1) {
        const int sharing =
            static_cast<int>(std::ranges::count(problem.devices, b.memory, &ProblemDevice::memory));
        const Time convert = problem.convert(tensor, to.device, made_layout, wanted_layout);
        // A neighbour on that memory may be the one that converts.
        delay += convert < kNever || sharing == 1 ? convert : Time{};
    }
    return std::min(delay, kNever);
}

// The least weighted work of every layer, added up; a fused set's is shared among its layers,
// rounded down. `resource_work`: by resource, if given, the work of the tasks that are the least.
Ticks weighted_work(const Problem& problem,
                    const std::vector<Ticks>& weight,
                    std::vector<double>* resource_work) {
    const std::size_t layers = at(problem.layers());
    std::vector<Ticks> least(layers, kNever.count());
    std::vector<int> by(layers, -1);
    const auto resource = [&](int device) {
        return problem.devices[at(device)].asynchronous ? device : 0;
    };
    const auto for_each_work = [&](const Task& task, const auto& visit) {
        Bits held = 0;
        for_each_bit(devices_of(task), [&](int device) {
            held |= bit(resource(device));
            if (problem.devices[at(device)].asynchronous) {
                visit(0, problem.devices[at(device)].per_task);
            }
        });
        for_each_bit(held, [&](int r) { visit(r, task.cost); });
    };
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const Task& task = problem.tasks[at(k)];
        Ticks work = 0;
        for_each_work(task, [&](int r, Time time) { work += weight[at(r)] * time.count(); });
        const std::vector<int> covered = layers_of(task);
        work /= static_cast<Ticks>(covered.size());
        for (const int layer : covered) {
            if (work < least[at(layer)]) {
                least[at(layer)] = work;
                by[at(layer)] = k;
            }
        }
    }
    Ticks sum = 0;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        if (by[layer] < 0) {
            return kNever.count();
        }
        sum += least[layer];
        if (resource_work != nullptr) {
            const Task& task = problem.tasks[at(by[layer])];
            const double share = 1.0 / static_cast<double>(task.rest.size() + 1);
            for_each_work(task, [&](int r, Time time) {
                (*resource_work)[at(r)] += share * static_cast<double>(time.count());
            });
        }
    }
    return sum;
}

}  // namespace

Time longest_path_bound(const Problem& problem) {
    for (int layer = 0; layer + 1 < problem.layers(); ++layer) {
        if (problem.consumers[at(layer)].empty()) {
            return {};  // what nothing reads may end after the answer
        }
    }
    // By layer: the tasks that cover it. By task: the time from its end to the end of the schedule,
    // at least, over the results that have been seen.
    std::vector<std::vector<int>> covering(at(problem.layers())), making(at(problem.layers()));
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        for (const int layer : layers_of(problem.tasks[at(k)])) {
            covering[at(layer)].push_back(k);
        }
        for_each_result(problem.tasks[at(k)],
                        [&](const TaskResult& result) { making[at(result.tensor)].push_back(k); });
    }
    std::vector<Time> after(problem.tasks.size());
    for (int tensor = problem.layers() - 1; tensor >= 0; --tensor) {
        for (const int k : making[at(tensor)]) {
            const Task& task = problem.tasks[at(k)];
            int layout = task.out_layout;
            for_each_result(task, [&](const TaskResult& result) {
                layout = result.tensor == tensor ? result.layout : layout;
            });
            const std::vector<int> inside = layers_of(task);
            for (const int consumer : problem.consumers[at(tensor)]) {
                if (std::ranges::binary_search(inside, consumer)) {
                    continue;
                }
                Time best = kNever;
                for (const int m : covering[at(consumer)]) {
                    const Task& reader = problem.tasks[at(m)];
                    const auto input = std::ranges::find(reader.inputs, tensor, &TaskInput::tensor);
                    if (input == reader.inputs.end()) {
                        continue;  // it makes the tensor itself
                    }
                    const Time step = between(problem, tensor, layout, task, reader, input->layout);
                    best = std::min(best, step + reader.cost + after[at(m)]);
                }
                after[at(k)] = std::max(after[at(k)], std::min(best, kNever));
            }
        }
    }
    Time bound = kNever;
    for (const int k : covering.front()) {
        bound = std::min(bound, problem.tasks[at(k)].cost + after[at(k)]);
    }
    return bound;
}

// The dual of sharing the work fractionally: every weighting of the resources' time is a bound, and
// the best one is found by giving more weight to what the least work of the last weighting has put
// too much on.
SharedWork shared_work(const Problem& problem) {
    double longest = 0;  // of weighted sums
    for (const Task& task : problem.tasks) {
        longest = std::max(longest, static_cast<double>(task.cost.count()));
    }
    if (longest * static_cast<double>(problem.layers()) * kScale >= 0x1p61) {
        return {};
    }
    std::vector<int> resources;
    for (int d = 0; d < problem.device_count(); ++d) {
        if (d == 0 || problem.devices[at(d)].asynchronous) {
            resources.push_back(d);
        }
    }
    std::vector<double> share(at(problem.device_count()), 0.0);
    for (const int r : resources) {
        share[at(r)] = 1.0 / static_cast<double>(resources.size());
    }
    SharedWork best;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<Ticks> weight(share.size(), 0);
        Ticks all = 0;
        for (const int r : resources) {
            weight[at(r)] = std::llround(share[at(r)] * static_cast<double>(kScale));
            all += weight[at(r)];
        }
        std::vector<double> work(share.size(), 0.0);
        const Ticks sum = weighted_work(problem, weight, &work);
        if (all == 0 || sum >= kNever.count()) {
            break;
        }
        if (const Time bound{(sum + all - 1) / all}; bound > best.bound) {
            best = {.bound = bound, .weight = weight};
        }
        double total = 0, mean = 0;
        for (const int r : resources) {
            mean += work[at(r)] / static_cast<double>(resources.size());
        }
        if (mean <= 0) {
            break;
        }
        const double pace = 1.0 / (2.0 + round * 0.2);
        for (const int r : resources) {
            share[at(r)] *= std::exp(pace * std::clamp(work[at(r)] / mean - 1, -1.0, 2.0));
            total += share[at(r)];
        }
        for (const int r : resources) {
            share[at(r)] /= total;
        }
    }
    return best;
}

Time makespan_bound_in_any_order(const Problem& problem) {
    return std::max(longest_path_bound(problem), shared_work(problem).bound);
}

bool has_one_order(const Problem& problem) {
    for (int layer = 1; layer < problem.layers(); ++layer) {
        if (std::ranges::find(problem.inputs[at(layer)], layer - 1) ==
            problem.inputs[at(layer)].end()) {
            return false;
        }
    }
    return true;
}

}  // namespace sim::internal
