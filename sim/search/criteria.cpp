#include "sim/search/criteria.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/covers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace sim {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// Parts of a weight.
constexpr Ticks kQuarters = 4;

// Rounded down, for negative numbers too.
std::int64_t share(std::int64_t value, std::size_t parts) {
    const auto n = static_cast<std::int64_t>(parts);
    return value >= 0 ? value / n : -((-value + n - 1) / n);
}

}  // namespace

std::int64_t channels_elsewhere(const Problem& problem, const Task& task, int device) {
    if (problem.weighted_channels.empty()) {
        return 0;
    }
    std::int64_t channels = problem.weighted_channels[at(task.first)];
    for (const int layer : task.rest) {
        channels += problem.weighted_channels[at(layer)];
    }
    if (task.parts.empty()) {
        return task.device == device ? 0 : channels;
    }
    if (channels == 0) {
        return 0;
    }
    // Parts may be of the input channels: what counts is their share.
    std::int64_t all = 0, there = 0;
    for (const Part& part : task.parts) {
        all += part.channels;
        there += part.device == device ? part.channels : 0;
    }
    return all == 0 ? channels : channels - channels * there / all;
}

bool is_static(const Problem& problem, const Budget& budget) {
    return problem.devices[at(budget.device)].reconfiguration <= Time{};
}

std::int64_t use_of(const Task& task, const Problem& problem, int budget) {
    const bool works = devices_of(task) >> problem.budgets[at(budget)].device & 1;
    return works && !task.uses.empty() ? task.uses[at(budget)] : 0;
}

Criteria::Criteria(const Problem& problem, const Goal& goal)
    : problem_(problem), minimised_(goal.minimise.size()) {
    // 0. What a fused chain may have covered ahead.
    std::vector<int> taken(at(problem.layers()), problem.layers());
    for (const Task& task : problem.tasks) {
        for (const int layer : task.rest) {
            taken[at(layer)] = std::min(taken[at(layer)], task.first);
        }
    }
    ahead_.resize(at(problem.layers()) + 1);
    for (int t = 0; t < problem.layers(); ++t) {
        for (int i = taken[at(t)] + 1; i <= t; ++i) {
            ahead_[at(i)].push_back(t);
        }
    }

    // 1. The axes and the sums behind them.
    const auto add_axis = [&](const Objective& objective) {
        Axis axis{.criterion = objective.criterion};
        switch (objective.criterion) {
            case Criterion::latency:
                needs_latency_ = true;
                break;
            case Criterion::energy:
            case Criterion::energy_delay:
                if (!problem.knows_energy()) {
                    throw InputError("objective " + name_of(problem, objective) +
                                     ": the energy is unknown: " + problem.energy_unknown);
                }
                needs_latency_ |=
                    objective.criterion == Criterion::energy_delay || problem.at_rest.value > 0;
                axis.sum = sum(Kind::energy, 0, true);
                energy_ = axis.sum;
                break;
            case Criterion::loss:
                axis.sum = sum(Kind::loss, 0, true);
                break;
            case Criterion::device:
                axis.sum = sum(Kind::elsewhere, objective.device, true);
                break;
            case Criterion::period:
                needs_period_ = true;
                break;
        }
        axes_.push_back(axis);
    };
    for (const Objective& objective : goal.minimise) {
        add_axis(objective);
    }
    for (const Objective& objective : goal.prefer) {
        add_axis(objective);
    }

    // 2. Limits.
    if (goal.most_loss) {
        sums_[at(sum(Kind::loss, 0, false))].limit = *goal.most_loss;
    }
    for (int b = 0; b < static_cast<int>(problem.budgets.size()); ++b) {
        if (is_static(problem, problem.budgets[at(b)])) {
            sums_[at(sum(Kind::budget, b, false))].limit = problem.budgets[at(b)].limit;
        }
    }
    for (int m = 0; m < static_cast<int>(problem.capacities.size()); ++m) {
        if (problem.capacities[at(m)] > 0) {
            sums_[at(sum(Kind::weights, m, false))].limit = problem.capacities[at(m)];
        }
    }

    // 3. What tasks and the layers to come add; limits that nothing reaches go.
    for (Sum& one : sums_) {
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            one.of_task.push_back(value(one.kind, one.index, k));
        }
        find_rest(one.of_task, one.least, one.rest);
        one.most.assign(at(problem.layers()) + 1, 0);
        for (int layer = problem.layers() - 1; layer >= 0; --layer) {
            std::int64_t most = 0;
            for (const int k : problem.starting[at(layer)]) {
                most = std::max(most, one.of_task[at(k)]);
            }
            one.most[at(layer)] = one.most[at(layer) + 1] + most;
        }
    }
    const auto idle = [](const Sum& one) { return !one.ranked && one.most.front() <= one.limit; };
    const auto before = sums_;
    std::erase_if(sums_, idle);
    for (Axis& axis : axes_) {
        if (axis.sum >= 0) {
            const Sum& mine = before[at(axis.sum)];
            axis.sum = static_cast<int>(std::find_if(sums_.begin(),
                                                     sums_.end(),
                                                     [&](const Sum& one) {
                                                         return one.kind == mine.kind &&
                                                                one.index == mine.index;
                                                     }) -
                                        sums_.begin());
            if (mine.kind == Kind::energy) {
                energy_ = axis.sum;
            }
        }
    }

    // 4. Energy together with the time at rest.
    bool all_read = true;  // else a result may be late without delaying the end
    for (int layer = 0; layer + 1 < problem.layers(); ++layer) {
        all_read &= !problem.consumers[at(layer)].empty();
    }
    if (energy_ >= 0 && all_read && problem.at_rest.value > 0) {
        make_rested();
    }

    // 5. For the period, the work of each resource: dispatcher and devices, then engines.
    if (!needs_period_) {
        return;
    }
    loads_ = static_cast<int>(sums_.size());
    const int devices = static_cast<int>(problem.devices.size());
    for (int r = 0; r < devices + problem.engines; ++r) {
        Sum load;
        load.kind = Kind::load;
        load.index = r;
        load.ranked = true;
        load.of_task.assign(problem.tasks.size(), 0);
        load.least.assign(at(problem.layers()), 0);
        load.rest.assign(at(problem.layers()) + 1, 0);
        load.most.assign(at(problem.layers()) + 1, 0);
        sums_.push_back(std::move(load));
    }
    unsigned all = 0;
    for (int d = 0; d < devices; ++d) {
        all |= 1u << resource(d);
    }
    for (unsigned some = 1; some <= all; ++some) {
        if ((some & all) != some) {
            continue;
        }
        Together together{.resources = some, .least = {}, .rest = {}};
        std::vector<std::int64_t> work;
        for (const Task& task : problem.tasks) {
            unsigned held = 0;
            std::int64_t sum_of = 0;
            for (unsigned left_ones = devices_of(task); left_ones; left_ones &= left_ones - 1) {
                const int device = std::countr_zero(left_ones);
                held |= 1u << resource(device);
                if (some & 1 && problem.devices[at(device)].asynchronous) {
                    sum_of += problem.devices[at(device)].per_task.count();
                }
            }
            work.push_back(sum_of + task.cost.count() * std::popcount(held & some));
        }
        find_rest(work, together.least, together.rest);
        together_.push_back(std::move(together));
    }
}

int Criteria::sum(Kind kind, int index, bool ranked) {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (sums_[i].kind == kind && sums_[i].index == index) {
            sums_[i].ranked |= ranked;
            return static_cast<int>(i);
        }
    }
    Sum one;
    one.kind = kind;
    one.index = index;
    one.ranked = ranked;
    sums_.push_back(std::move(one));
    return static_cast<int>(sums_.size()) - 1;
}

std::int64_t Criteria::value(Kind kind, int index, int k) const {
    const Task& task = problem_.tasks[at(k)];
    switch (kind) {
        case Kind::energy: {
            std::int64_t energy = task.energy.femtojoules;
            for (unsigned left_ones = devices_of(task); left_ones; left_ones &= left_ones - 1) {
                const ProblemDevice& device = problem_.devices[at(std::countr_zero(left_ones))];
                if (device.asynchronous) {
                    energy += device.per_task_energy.femtojoules;
                }
            }
            return energy;
        }
        case Kind::loss:
            return task.loss;
        case Kind::elsewhere:
            return channels_elsewhere(problem_, task, index);
        case Kind::budget:
            return use_of(task, problem_, index);
        case Kind::weights:
            return task.weight_bytes.empty() ? 0 : task.weight_bytes[at(index)];
        case Kind::load:
            break;
    }
    return 0;
}

// Of a fused chain each layer has an equal share.
void Criteria::find_rest(const std::vector<std::int64_t>& of_task,
                         std::vector<std::int64_t>& least,
                         std::vector<std::int64_t>& rest) const {
    least.assign(at(problem_.layers()), kUnlimited);
    for (std::size_t k = 0; k < of_task.size(); ++k) {
        const Task& task = problem_.tasks[k];
        const std::int64_t each = share(of_task[k], task.rest.size() + 1);
        least[at(task.first)] = std::min(least[at(task.first)], each);
        for (const int layer : task.rest) {
            least[at(layer)] = std::min(least[at(layer)], each);
        }
    }
    rest.assign(at(problem_.layers()) + 1, 0);
    for (int layer = problem_.layers() - 1; layer >= 0; --layer) {
        if (least[at(layer)] == kUnlimited) {
            least[at(layer)] = 0;  // nobody can do it: that shows elsewhere
        }
        rest[at(layer)] = rest[at(layer) + 1] + least[at(layer)];
    }
}

std::int64_t Criteria::left(const std::vector<std::int64_t>& least,
                            const std::vector<std::int64_t>& rest,
                            const Evaluator& placed,
                            int layer) const {
    std::int64_t sum_of = rest[at(layer)];
    for (const int l : ahead_[at(layer)]) {
        if (placed.covered[at(l)]) {
            sum_of -= least[at(l)];
        }
    }
    return sum_of;
}

void Criteria::make_rested() {
    const int devices = static_cast<int>(problem_.devices.size());
    std::array<Ticks, kMaxDevices> weight{};
    const auto choose = [&](const auto& self, int r, Ticks quarters) -> void {
        if (r + 1 == devices || (r > 0 && !problem_.devices[at(r)].asynchronous)) {
            // Of what is not asynchronous the dispatcher has the weight.
            if (r + 1 < devices) {
                weight[at(r)] = 0;
                return self(self, r + 1, quarters);
            }
            const bool own = r == 0 || problem_.devices[at(r)].asynchronous;
            weight[at(r)] = own ? quarters : 0;
            if (!own) {
                weight[0] += quarters;
            }
            Rested rested{.weight = weight, .least = {}, .rest = {}};
            std::vector<std::int64_t> of_task;
            for (std::size_t k = 0; k < problem_.tasks.size(); ++k) {
                const Task& task = problem_.tasks[k];
                Ticks work = 0;
                unsigned held = 0;
                for (unsigned devs = devices_of(task); devs; devs &= devs - 1) {
                    const ProblemDevice& device = problem_.devices[at(std::countr_zero(devs))];
                    held |= 1u << resource(std::countr_zero(devs));
                    if (device.asynchronous) {
                        work += weight[0] * device.per_task.count();
                    }
                }
                for (; held; held &= held - 1) {
                    work += weight[at(std::countr_zero(held))] * task.cost.count();
                }
                of_task.push_back(sums_[at(energy_)].of_task[k] + at_rest(work));
            }
            find_rest(of_task, rested.least, rested.rest);
            rested_.push_back(std::move(rested));
            if (!own) {
                weight[0] -= quarters;
            }
            return;
        }
        for (Ticks w = 0; w <= quarters; ++w) {
            weight[at(r)] = w;
            self(self, r + 1, quarters - w);
        }
    };
    choose(choose, 0, kQuarters);
}

// Of so many quarters of a picosecond, rounded down.
std::int64_t Criteria::at_rest(Ticks quarters) const {
    return static_cast<std::int64_t>(problem_.at_rest.value * 1e3 / kQuarters *
                                     static_cast<double>(quarters) * (1 - 1e-12));
}

// As Bounds::load_bound, with energies.
std::int64_t Criteria::least_energy(const Sums& sums, const Evaluator& placed, int layer) const {
    const Evaluator::Core& core = placed.core;
    std::array<Ticks, kMaxDevices> queue{};
    for (int d = 0; d < static_cast<int>(problem_.devices.size()); ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        queue[at(d)] = core.dispatcher;
        if (!device.asynchronous) {
            continue;
        }
        const bool open = core.open == d;
        const Ticks gate =
            core.dispatcher + device.per_task.count() + (open ? 0 : device.submit.count());
        Ticks end = core.queue[at(d)];
        if (open && problem_.whole_segments) {
            queue[at(d)] = std::max(end, core.dispatcher + core.pending);
        } else if (end > gate) {
            queue[at(d)] = end;
        }
    }
    std::int64_t best = 0;
    for (const Rested& rested : rested_) {
        Ticks past = 0;
        for (std::size_t d = 0; d < problem_.devices.size(); ++d) {
            past += rested.weight[d] * queue[d];
        }
        best = std::max(best, at_rest(past) + left(rested.least, rested.rest, placed, layer));
    }
    return sums[at(energy_)] + best - 1;  // the time at rest is rounded once, to the nearest
}

bool Criteria::is_too_much(int task) const {
    for (int b = 0; b < static_cast<int>(problem_.budgets.size()); ++b) {
        if (use_of(problem_.tasks[at(task)], problem_, b) > problem_.budgets[at(b)].limit) {
            return true;
        }
    }
    return false;
}

void Criteria::add(Sums& sums, const Evaluator& before, int task) const {
    const std::size_t end = loads_ < 0 ? sums_.size() : at(loads_);
    for (std::size_t i = 0; i < end; ++i) {
        sums[i] += sums_[i].of_task[at(task)];
    }
    if (loads_ >= 0) {
        add_loads(sums, before, task);
    }
}

// As Evaluator::place, without times.
void Criteria::add_loads(Sums& sums, const Evaluator& before, int index) const {
    const Task& task = problem_.tasks[at(index)];
    const int devices = static_cast<int>(problem_.devices.size());
    std::int64_t* const load = &sums[at(loads_)];
    std::vector<std::pair<int, int>> brought;  // tensor, place
    const auto reads = [&](int d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        for (const TaskInput& input : task.inputs) {
            const Evaluator::Tensor& tensor = before.tensors[at(input.tensor)];
            const auto there = [&](int layout) {
                const int place = Evaluator::place_of(device.memory, layout);
                return tensor.at[at(place)] >= 0 ||
                       std::find(brought.begin(), brought.end(), std::pair(input.tensor, place)) !=
                           brought.end();
            };
            if (there(input.layout)) {
                continue;
            }
            if (!there(tensor.layout)) {
                const int from = problem_.devices[at(tensor.device)].memory;
                const int engine = problem_.engine[at(from * problem_.memories + device.memory)];
                const Time copy = problem_.copy(input.tensor, tensor.layout, from, device.memory);
                if (engine >= 0 && copy < kNever) {
                    load[devices + engine] += copy.count();
                }
                brought.emplace_back(input.tensor,
                                     Evaluator::place_of(device.memory, tensor.layout));
            }
            if (tensor.layout != input.layout) {
                const Time convert = problem_.convert(input.tensor, d, tensor.layout, input.layout);
                if (convert < kNever) {
                    load[resource(d)] += convert.count();
                }
                brought.emplace_back(input.tensor,
                                     Evaluator::place_of(device.memory, input.layout));
            }
        }
    };
    reads(task.device);
    for (const Part& part : task.parts) {
        if (part.device != task.device) {
            reads(part.device);
        }
    }
    unsigned held = 0;
    for (unsigned left_ones = devices_of(task); left_ones; left_ones &= left_ones - 1) {
        const int d = std::countr_zero(left_ones);
        const ProblemDevice& device = problem_.devices[at(d)];
        held |= 1u << resource(d);
        if (device.asynchronous) {
            load[0] += device.per_task.count() +
                       (task.parts.empty() && before.core.open == d ? 0 : device.submit.count());
        }
    }
    for (; held; held &= held - 1) {
        load[std::countr_zero(held)] += task.cost.count();
    }
    for (const int engine : task.engines) {
        load[devices + engine] += task.cost.count();
    }
}

bool Criteria::fit(const Sums& sums, const Evaluator& placed, int layer) const {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (sums_[i].limit < kUnlimited &&
            sums[i] + left(sums_[i].least, sums_[i].rest, placed, layer) > sums_[i].limit) {
            return false;
        }
    }
    return true;
}

void Criteria::raise(Sums& sums, int layer) const {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (!sums_[i].ranked) {
            sums[i] = std::max(sums[i], sums_[i].limit - sums_[i].most[at(layer)]);
        }
    }
}

void Criteria::bounds(
    Ticks latency, const Sums& sums, const Evaluator& placed, int layer, double* by_axis) const {
    const auto total = [&](int i) {
        return sums[at(i)] + left(sums_[at(i)].least, sums_[at(i)].rest, placed, layer);
    };
    const auto energy = [&](int i) {
        std::int64_t least = (problem_.at_rest * Time{latency}).femtojoules + total(i);
        if (!rested_.empty() && layer < problem_.layers()) {
            least = std::max(least, least_energy(sums, placed, layer));
        }
        return static_cast<double>(least);
    };
    for (const Axis& axis : axes_) {
        double& value_of = *by_axis++;
        switch (axis.criterion) {
            case Criterion::latency:
                value_of = static_cast<double>(latency);
                break;
            case Criterion::energy:
                value_of = energy(axis.sum);
                break;
            case Criterion::energy_delay:
                value_of = energy(axis.sum) * static_cast<double>(latency);
                break;
            case Criterion::loss:
            case Criterion::device:
                value_of = static_cast<double>(total(axis.sum));
                break;
            case Criterion::period: {
                std::int64_t busiest = 0;
                for (std::size_t i = at(loads_); i < sums_.size(); ++i) {
                    busiest = std::max(busiest, sums[i]);
                }
                for (const Together& some : together_) {
                    std::int64_t work = left(some.least, some.rest, placed, layer);
                    for (unsigned r = some.resources; r; r &= r - 1) {
                        work += sums[at(loads_ + std::countr_zero(r))];
                    }
                    const std::int64_t n = std::popcount(some.resources);
                    busiest = std::max(busiest, (work + n - 1) / n);
                }
                value_of = static_cast<double>(busiest);
                break;
            }
        }
    }
}

std::vector<char> Criteria::undominated() const {
    struct Row {
        int task = 0;
        unsigned devices = 0, memories = 0, engines = 0;
        bool synchronous = true;
        std::vector<std::int64_t> costs;
    };
    // 1. What may be compared: one place in the model, one place of the result.
    std::map<std::tuple<int, std::vector<int>, int, int, std::vector<int>>, std::vector<Row>> kinds;
    std::vector<char> stays(problem_.tasks.size(), 1);
    for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
        const Task& task = problem_.tasks[at(k)];
        if (is_too_much(k)) {
            stays[at(k)] = 0;
            continue;
        }
        std::vector<int> inputs;
        for (const TaskInput& input : task.inputs) {
            inputs.push_back(input.tensor);
            inputs.push_back(input.layout);
        }
        Row row{.task = k, .devices = devices_of(task), .costs = {}};
        for (unsigned left_ones = row.devices; left_ones; left_ones &= left_ones - 1) {
            const ProblemDevice& device = problem_.devices[at(std::countr_zero(left_ones))];
            row.memories |= 1u << device.memory;
            row.synchronous &= !device.asynchronous;
        }
        for (const int engine : task.engines) {
            row.engines |= 1u << engine;
        }
        if (needs_latency_ || needs_period_) {
            row.costs.push_back(task.cost.count());
        }
        for (const Sum& one : sums_) {
            row.costs.push_back(one.of_task[at(k)]);
        }
        kinds[{task.first, task.rest, task.device, task.out_layout, std::move(inputs)}].push_back(
            std::move(row));
    }

    // 2. The best first, so that each is compared with few.
    for (auto& [kind, rows] : kinds) {
        std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
            return std::pair(a.costs, std::popcount(a.devices)) <
                   std::pair(b.costs, std::popcount(b.devices));
        });
        std::vector<const Row*> kept;
        for (const Row& row : rows) {
            const bool worse = std::any_of(kept.begin(), kept.end(), [&](const Row* other) {
                // On fewer devices only where that changes nothing but who is held: all work for
                // the dispatcher, and what is copied and converted is the same.
                const bool same = other->devices == row.devices;
                const bool fewer = (other->devices & ~row.devices) == 0 && other->synchronous &&
                                   row.synchronous && other->memories == row.memories &&
                                   problem_.layouts == 1;
                if ((!same && !fewer) || (other->engines & ~row.engines) != 0) {
                    return false;
                }
                for (std::size_t i = 0; i < row.costs.size(); ++i) {
                    if (other->costs[i] > row.costs[i]) {
                        return false;
                    }
                }
                return true;
            });
            if (worse) {
                stays[at(row.task)] = 0;
            } else {
                kept.push_back(&row);
            }
        }
    }
    return stays;
}

std::string Criteria::what_is_too_little() const {
    std::vector<char> allowed;
    for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
        allowed.push_back(!is_too_much(k));
    }
    if (const int layer = Covers(problem_).uncoverable(); layer >= 0) {
        return "no implementation covers layer '" + problem_.layer_names[at(layer)] + "'";
    }
    const Covers covers(problem_, allowed);
    if (const int layer = covers.uncoverable(); layer >= 0) {
        return "every implementation of layer '" + problem_.layer_names[at(layer)] +
               "' goes beyond a budget by itself";
    }
    for (const Sum& one : sums_) {
        if (one.limit == kUnlimited) {
            continue;
        }
        const auto cheapest =
            covers.cheapest([&](int task) { return Time{one.of_task[at(task)]}; });
        if (!cheapest) {
            continue;
        }
        std::int64_t needed = 0;
        for (const int task : *cheapest) {
            needed += one.of_task[at(task)];
        }
        if (needed <= one.limit) {
            continue;
        }
        const std::string least =
            std::to_string(needed) + " at least, and its limit is " + std::to_string(one.limit);
        if (one.kind == Kind::budget) {
            return "budget '" + problem_.budgets[at(one.index)].name + "': every mapping needs " +
                   least;
        }
        if (one.kind == Kind::weights) {
            return "memory '" + problem_.memory_names[at(one.index)] +
                   "': the weights of every mapping need " + least + " bytes";
        }
        return "accuracy: every mapping loses " +
               std::to_string(static_cast<double>(needed) * 1e-6) + " points or more";
    }
    return {};
}

}  // namespace sim
