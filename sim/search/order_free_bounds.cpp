#include "sim/search/order_free_bounds.hpp"

#include "sim/run/networks.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/mixes.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

namespace sim::internal {
namespace {

using Ticks = Time::rep;

// Of a weighting the weights add up to this; small enough that weighted sums of days fit.
constexpr Ticks kWeightScale = 1024;
constexpr int kWeightingRounds = 120;  // of improving the weighting

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

// Visits the resources that a task holds, and, if they count, the dispatcher for its submissions.
template <class Visit>
void for_each_work(const Problem& problem, const Task& task, bool submits, const Visit& visit) {
    Bits held = 0;
    for_each_bit(devices_of(task), [&](int device) {
        held |= bit(resource_of(problem, device));
        if (submits && problem.devices[at(device)].asynchronous) {
            visit(0, problem.devices[at(device)].per_task);
        }
    });
    for_each_bit(held, [&](int r) { visit(r, task.cost); });
}

// By layer the least weighted work, and the task that it is; a fused set's is shared among its
// layers, rounded down. kNever where no task covers a layer.
struct LeastWork {
    std::vector<Ticks> work;
    std::vector<int> by;
};

LeastWork least_work(const Problem& problem, const std::vector<Ticks>& weight, bool submits) {
    LeastWork least{std::vector<Ticks>(at(problem.layers()), kNever.count()),
                    std::vector<int>(at(problem.layers()), -1)};
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        const Task& task = problem.tasks[at(k)];
        Ticks work = 0;
        for_each_work(problem, task, submits, [&](int r, Time time) {
            work += weight[at(r)] * time.count();
        });
        const std::vector<int> covered = layers_of(task);
        work /= static_cast<Ticks>(covered.size());
        for (const int layer : covered) {
            if (work < least.work[at(layer)]) {
                least.work[at(layer)] = work;
                least.by[at(layer)] = k;
            }
        }
    }
    return least;
}

// By task: the time from its end to the end of the schedule, at least, over the results that have
// been seen.
std::vector<Time> times_after(const Problem& problem) {
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
    return after;
}

// By task: what passes before its start, at least. In the order of the last of their layers: a
// set that makes a tensor before it is complete counts as if nothing came before it.
std::vector<Time> times_before(const Problem& problem) {
    struct Maker {
        int task = 0, layout = 0;
    };
    std::vector<std::vector<Maker>> making(at(problem.layers()));
    std::vector<std::vector<int>> ending(at(problem.layers()));
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        for_each_result(problem.tasks[at(k)], [&](const TaskResult& result) {
            making[at(result.tensor)].push_back({k, result.layout});
        });
        ending[at(problem.tasks[at(k)].last)].push_back(k);
    }
    std::vector<Time> before(problem.tasks.size());
    for (const std::vector<int>& tasks : ending) {
        for (const int k : tasks) {
            const Task& task = problem.tasks[at(k)];
            for (const TaskInput& input : task.inputs) {
                Time best = kNever;
                for (const auto& [m, layout] : making[at(input.tensor)]) {
                    const Task& maker = problem.tasks[at(m)];
                    // What the reader converts it does after its start.
                    const Time step = between(problem, input.tensor, layout, maker, task, layout);
                    best = std::min(best, before[at(m)] + maker.cost + step);
                }
                before[at(k)] = std::max(before[at(k)], std::min(best, kNever));
            }
        }
    }
    return before;
}

// By resource: all work of its tasks, and the dispatcher's for them, is in multiples of it.
std::vector<Ticks> units_of_work(const Problem& problem) {
    std::vector<Ticks> units(at(problem.device_count()), 0);
    for (const Task& task : problem.tasks) {
        for_each_bit(devices_of(task), [&](int device) {
            const ProblemDevice& one = problem.devices[at(device)];
            Ticks& unit = units[at(resource_of(problem, device))];
            unit = std::gcd(unit, task.cost.count());
            if (one.asynchronous) {
                units[0] = std::gcd(units[0], one.per_task.count());
            }
        });
    }
    for (Ticks& unit : units) {
        unit = std::max<Ticks>(unit, 1);
    }
    return units;
}

// The shortest time in which resources of these weights can do so much weighted work, each of them
// in whole units.
Ticks least_time(Ticks work, const std::vector<Ticks>& weight, const std::vector<Ticks>& units) {
    Ticks all = 0;
    for (const Ticks one : weight) {
        all += one;
    }
    const auto is_enough = [&](Ticks time) {
        Ticks done = 0;
        for (std::size_t r = 0; r < weight.size(); ++r) {
            done += weight[r] * (time / units[r] * units[r]);
        }
        return done >= work;
    };
    Ticks low = (work + all - 1) / all, high = low + *std::ranges::max_element(units);
    while (low < high) {
        const Ticks middle = low + (high - low) / 2;
        if (is_enough(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

Ticks sum_of(const std::vector<Ticks>& work) {
    Ticks sum = 0;
    for (const Ticks one : work) {
        if (one >= kNever.count()) {
            return kNever.count();
        }
        sum += one;
    }
    return sum;
}

// The work of those layers alone that neither start before some instant nor end after another:
// what passes before the one and after the other comes on top.
// E. B. Fernandez, B. Bussell, "Bounds on the number of processors and time for multiprocessor
// optimal schedules", IEEE Transactions on Computers C-22(8), 1973.
Time work_between(const Problem& problem, const SharedWork& weighting) {
    if (weighting.all == 0 || !every_result_is_read(problem)) {
        return {};
    }
    // 1. Of every layer what passes before it starts and after it ends, and its work. Submissions
    //    are no part of that: they may come before.
    const std::vector<Time> before = times_before(problem), after = times_after(problem);
    const LeastWork least = least_work(problem, weighting.weight, false);
    struct Layer {
        Ticks before = kNever.count(), after = kNever.count(), work = 0;
    };
    std::vector<Layer> layers(at(problem.layers()));
    for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
        for (const int covered : layers_of(problem.tasks[k])) {
            Layer& layer = layers[at(covered)];
            layer.before = std::min(layer.before, before[k].count());
            layer.after = std::min(layer.after, after[k].count());
            layer.work = least.work[at(covered)];
        }
    }
    // 2. For each time before, those that start no sooner, by the time after them: so much work,
    //    and nothing but that in between.
    std::ranges::sort(layers, std::greater{}, &Layer::after);
    Ticks bound = 0;
    for (const Layer& first : layers) {
        Ticks work = 0;
        for (const Layer& layer : layers) {
            if (layer.before >= first.before) {
                work += layer.work;
                bound = std::max(
                    bound, first.before + layer.after + (work + weighting.all - 1) / weighting.all);
            }
        }
    }
    return std::min(Time{bound}, kNever);
}

// What the cheapest set of tasks that covers every layer once takes, in turn.
Time least_of_covers(const Problem& problem) {
    const std::optional<Mapping> cover = cheapest_cover(problem);
    Time sum{};
    for (std::size_t i = 0; cover && i < cover->size(); ++i) {
        sum += problem.tasks[at((*cover)[i])].cost;
    }
    return sum;
}

}  // namespace

Time longest_path_bound(const Problem& problem) {
    if (!every_result_is_read(problem)) {
        return {};  // what nothing reads may end after the answer
    }
    const std::vector<Time> after = times_after(problem);
    Time bound = kNever;
    for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
        if (problem.tasks[k].first == 0) {
            bound = std::min(bound, problem.tasks[k].cost + after[k]);
        }
    }
    return bound;
}

// The dual of sharing the work fractionally: every weighting of the resources' time is a bound, and
// the best one is found by giving more weight to what the least work of the last weighting has put
// too much on.
SharedWork shared_work(const Problem& problem) {
    SharedWork best;
    double longest = 0;  // of weighted sums
    for (const Task& task : problem.tasks) {
        longest = std::max(longest, static_cast<double>(task.cost.count()));
    }
    if (longest * static_cast<double>(problem.layers()) * kWeightScale >= 0x1p61) {
        return best;
    }
    std::vector<int> resources;
    for (int d = 0; d < problem.device_count(); ++d) {
        if (d == resource_of(problem, d)) {
            resources.push_back(d);
        }
    }
    std::vector<double> share(at(problem.device_count()), 0.0);
    for (const int r : resources) {
        share[at(r)] = 1.0 / static_cast<double>(resources.size());
    }
    const std::vector<Ticks> units = units_of_work(problem);
    for (int round = 0; round < kWeightingRounds; ++round) {
        SharedWork now{.weight = std::vector<Ticks>(share.size(), 0)};
        for (const int r : resources) {
            now.weight[at(r)] = std::llround(share[at(r)] * static_cast<double>(kWeightScale));
            now.all += now.weight[at(r)];
        }
        const LeastWork least = least_work(problem, now.weight, true);
        const Ticks sum = sum_of(least.work);
        if (now.all == 0 || sum >= kNever.count()) {
            break;
        }
        std::vector<double> work(share.size(), 0.0);
        for (const int k : least.by) {
            const Task& task = problem.tasks[at(k)];
            const double part = 1.0 / static_cast<double>(task.rest.size() + 1);
            for_each_work(problem, task, true, [&](int r, Time time) {
                work[at(r)] += part * static_cast<double>(time.count());
            });
        }
        now.bound = Time{least_time(sum, now.weight, units)};
        if (now.bound > best.bound || best.all == 0) {
            best = now;
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

Time period_bound_in_any_order(const Problem& problem, int frames_in_flight) {
    const std::int64_t inside = std::max(1, frames_in_flight);
    // A frame may find loaded what it had to load if it were alone.
    const Time share = reconfigures(problem)
                           ? Time{}
                           : Time{(longest_path_bound(problem).count() + inside - 1) / inside};
    return std::max(share, shared_work(problem).bound);
}

Time makespan_bound_in_any_order(const Problem& problem) {
    const SharedWork work = shared_work(problem);
    const Time bound = std::max({longest_path_bound(problem),
                                 work.bound,
                                 work_between(problem, work),
                                 is_sequential(problem) ? least_of_covers(problem) : Time{}});
    return is_interacting(problem) ? bound : Time{rounded_up(bound.count(), common_unit(problem))};
}

Time least_of_all_but_the_last(const Problem& problem) {
    const std::size_t networks = networks_of(problem);
    // 1. Each by itself: its slowest output, made and brought where that is fastest.
    const std::vector<Time> before = times_before(problem);
    std::vector<Ticks> path(networks, 0), work(networks, 0);
    for (const NetworkOutput& output : network_outputs(problem)) {
        Time least = kNever;
        for (std::size_t k = 0; k < problem.tasks.size(); ++k) {
            const Task& maker = problem.tasks[k];
            for_each_result(maker, [&](const TaskResult& result) {
                if (result.tensor == output.tensor) {
                    const Time brought = between(problem,
                                                 output.tensor,
                                                 result.layout,
                                                 maker,
                                                 problem.tasks[at(output.reader)],
                                                 output.layout);
                    least = std::min(least, before[k] + maker.cost + brought);
                }
            });
        }
        Ticks& one = path[at(output.network)];
        one = std::max(one, least.count());
    }
    // 2. Their work, weighted as it is shared out best.
    const SharedWork weighting = shared_work(problem);
    if (weighting.all > 0) {
        const LeastWork least = least_work(problem, weighting.weight, true);
        for (std::size_t layer = 0; layer < problem.network.size(); ++layer) {
            work[at(problem.network[layer])] += least.work[layer];
        }
    }
    // 3. The smallest first.
    std::ranges::sort(path);
    std::ranges::sort(work);
    Ticks sum = 0, done = 0;
    for (std::size_t n = 0; n + 1 < networks; ++n) {
        done += work[n];
        const Ticks shared = weighting.all > 0 ? (done + weighting.all - 1) / weighting.all : 0;
        sum += std::max(path[n], shared);
    }
    return Time{sum};
}

Time sum_bound_in_any_order(const Problem& problem) {
    return makespan_bound_in_any_order(problem) + least_of_all_but_the_last(problem);
}

bool is_sequential(const Problem& problem) {
    return !is_coupled(problem) && problem.turns.empty() &&
           std::ranges::all_of(problem.tasks, [](const Task& task) {
               return task.device == 0 && task.parts.empty();
           });
}

bool order_decides_nothing(const Problem& problem) {
    return is_sequential(problem) && std::ranges::all_of(problem.tasks, fits_order);
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
