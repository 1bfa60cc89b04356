#include "sim/search/criteria.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/order_free_bounds.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <tuple>
#include <utility>

namespace sim::internal {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// Weights are in quarters.
constexpr std::int64_t kParts = 4;

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
    const bool works = (devices_of(task) & bit(problem.budgets[at(budget)].device)) != 0;
    return works && !task.uses.empty() ? task.uses[at(budget)] : 0;
}

Criteria::Criteria(const Problem& problem, const Goal& goal)
    : problem_(problem), minimised_(goal.minimise.size()) {
    find_ahead();

    // 1. The axes and the sums behind them, then sums that have a limit.
    for (const Objective& objective : goal.minimise) {
        add_axis(objective);
    }
    for (const Objective& objective : goal.prefer) {
        add_axis(objective);
    }
    add_limits(goal);

    // 2. What tasks and the layers to come add to them.
    find_places();
    find_contributions();
    drop_idle_limits();
    add_marks();

    // 3. Energy together with the time at rest.
    if (energy_ >= 0 && every_result_is_read(problem)) {
        if (problem.at_rest.value > 0) {
            add_energy_time_bounds();
        }
        add_tails();
    }

    // 4. For the period, the work of each resource.
    if (needs_period_) {
        add_loads_of_resources();
    }
}

// What a fused task may have covered ahead.
void Criteria::find_ahead() {
    std::vector<int> taken(at(problem_.layers()), problem_.layers());
    for (const Task& task : problem_.tasks) {
        for (const int layer : task.rest) {
            taken[at(layer)] = std::min(taken[at(layer)], task.first);
        }
    }
    ahead_.resize(at(problem_.layers()) + 1);
    for (int t = 0; t < problem_.layers(); ++t) {
        for (int i = taken[at(t)] + 1; i <= t; ++i) {
            ahead_[at(i)].push_back(t);
        }
    }
}

void Criteria::add_axis(const Objective& objective) {
    Axis axis{.criterion = objective.criterion};
    switch (objective.criterion) {
        case Criterion::latency:
            needs_latency_ = true;
            break;
        case Criterion::sum:
            needs_latency_ = true;
            others_ = least_of_all_but_the_last(problem_);
            break;
        case Criterion::energy:
        case Criterion::energy_delay:
            expect_known_energy(problem_, "objective " + name_of(problem_, objective));
            needs_latency_ |=
                objective.criterion == Criterion::energy_delay || problem_.at_rest.value > 0;
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
}

void Criteria::add_limits(const Goal& goal) {
    expect_known_energy(problem_, goal);
    const auto limit_sum = [&](Kind kind, std::int64_t most) {
        std::int64_t& limit = sums_[at(sum(kind, 0, false))].limit;
        limit = std::min(limit, most);
    };
    for (const Limit& limit : goal.limits) {
        switch (limit.kind) {
            case Limit::Kind::latency:
                most_latency_ = std::min(most_latency_, limit.most);
                needs_latency_ = true;
                break;
            case Limit::Kind::energy:
                energy_ = sum(Kind::energy, 0, true);
                most_energy_ = std::min(most_energy_, limit.most);
                needs_latency_ |= problem_.at_rest.value > 0;
                break;
            case Limit::Kind::loss:
                limit_sum(Kind::loss, limit.most);
                break;
            case Limit::Kind::segments:
                limit_sum(Kind::segments, limit.most);
                break;
            case Limit::Kind::switches:
                limit_sum(Kind::switches, limit.most);
                break;
        }
    }
    for (int b = 0; b < static_cast<int>(problem_.budgets.size()); ++b) {
        if (is_static(problem_, problem_.budgets[at(b)])) {
            sums_[at(sum(Kind::budget, b, false))].limit = problem_.budgets[at(b)].limit;
        }
    }
    for (int m = 0; m < static_cast<int>(problem_.capacities.size()); ++m) {
        if (problem_.capacities[at(m)] > 0) {
            sums_[at(sum(Kind::weights, m, false))].limit = problem_.capacities[at(m)];
        }
    }
}

void Criteria::find_contributions() {
    for (Sum& one : sums_) {
        for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
            one.of_task.push_back(value(one.kind, one.index, k));
        }
        find_rest(one.of_task, one.least, one.rest);
        one.most.assign(at(problem_.layers()) + 1, 0);
        for (int layer = problem_.layers() - 1; layer >= 0; --layer) {
            std::int64_t most = 0;
            for (const int k : problem_.starting[at(layer)]) {
                // Of changes: after a place that is none.
                most = std::max({most, one.of_task[at(k)], changes(one.kind, -1, k)});
            }
            one.most[at(layer)] = one.most[at(layer) + 1] + most;
        }
    }
}

// Where tasks run, as the changes between them and the groups see it.
void Criteria::find_places() {
    std::map<Bits, int> places{{bit(0), 0}};
    for (const Task& task : problem_.tasks) {
        const auto number = static_cast<int>(places.size());
        place_of_task_.push_back(places.emplace(devices_of(task), number).first->second);
    }
    places_ = static_cast<int>(places.size());
}

// What the task adds, placed after one that runs at the place `before` (-1: at none).
std::int64_t Criteria::changes(Kind kind, int before, int k) const {
    const bool is_elsewhere = before != place_of_task_[at(k)];
    if (kind == Kind::switches) {
        return is_elsewhere ? 1 : 0;
    }
    if (kind != Kind::segments) {
        return 0;
    }
    const Task& task = problem_.tasks[at(k)];
    if (!task.parts.empty()) {
        return std::popcount(devices_of(task) & ~bit(0));
    }
    return is_elsewhere && task.device != 0 ? 1 : 0;
}

// By the first layer that is not covered and the place of the last task: from the end, the task
// that starts at the layer, or none where it may have been covered ahead.
void Criteria::find_least_changes(Sum& one) const {
    std::vector<char> may_be_covered(at(problem_.layers()), 0);
    for (const Task& task : problem_.tasks) {
        for (const int layer : task.rest) {
            may_be_covered[at(layer)] = 1;
        }
    }
    one.after.assign(at((problem_.layers() + 1) * places_), 0);
    for (int layer = problem_.layers() - 1; layer >= 0; --layer) {
        for (int place = 0; place < places_; ++place) {
            const auto then = [&](int where) {
                return one.after[at((layer + 1) * places_ + where)];
            };
            std::int64_t least = may_be_covered[at(layer)] ? then(place) : kUnlimited;
            for (const int k : problem_.starting[at(layer)]) {
                least = std::min(least, changes(one.kind, place, k) + then(place_of_task_[at(k)]));
            }
            one.after[at(layer * places_ + place)] = least == kUnlimited ? 0 : least;
        }
    }
}

// One to which tasks add nothing by themselves. Returns its number.
int Criteria::add_empty_sum(Kind kind, int index) {
    Sum one;
    one.kind = kind;
    one.index = index;
    one.ranked = true;
    one.of_task.assign(problem_.tasks.size(), 0);
    one.least.assign(at(problem_.layers()), 0);
    one.rest.assign(at(problem_.layers()) + 1, 0);
    one.most.assign(at(problem_.layers()) + 1, 0);
    sums_.push_back(std::move(one));
    return static_cast<int>(sums_.size()) - 1;
}

void Criteria::add_marks() {
    // 1. Sums that are left, by what they count.
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (sums_[i].kind == Kind::segments || sums_[i].kind == Kind::switches) {
            (sums_[i].kind == Kind::segments ? segments_ : switches_) = static_cast<int>(i);
            find_least_changes(sums_[i]);
        }
    }
    for (int layer = 0; layer < static_cast<int>(problem_.together.size()); ++layer) {
        const int group = problem_.together[at(layer)];
        if (group >= 0) {
            last_of_group_.resize(std::max(last_of_group_.size(), at(group) + 1), -1);
            last_of_group_[at(group)] = layer;
        }
    }

    // 2. Marks.
    if (!last_of_group_.empty()) {
        parted_ = add_empty_sum(Kind::parted, 0);
        sums_.back().limit = 0;
    }
    marks_ = static_cast<int>(sums_.size());
    for (int group = 0; group < static_cast<int>(last_of_group_.size()); ++group) {
        add_empty_sum(Kind::group, group);
    }
    if (segments_ >= 0 || switches_ >= 0) {
        place_ = add_empty_sum(Kind::place, 0);
    }
}

// Limits that no mapping reaches go; the axes keep their sums.
void Criteria::drop_idle_limits() {
    std::vector<int> place;
    int kept = 0;
    for (const Sum& one : sums_) {
        const bool idle = !one.ranked && one.most.front() <= one.limit;
        place.push_back(idle ? -1 : kept++);
    }
    std::erase_if(sums_,
                  [](const Sum& one) { return !one.ranked && one.most.front() <= one.limit; });
    for (Axis& axis : axes_) {
        axis.sum = axis.sum < 0 ? -1 : place[at(axis.sum)];
    }
    energy_ = energy_ < 0 ? -1 : place[at(energy_)];
}

// Dispatcher and devices, then engines.
void Criteria::add_loads_of_resources() {
    loads_ = static_cast<int>(sums_.size());
    for (int r = 0; r < problem_.device_count() + problem_.engines; ++r) {
        add_empty_sum(Kind::load, r);
    }
    for (const Bits some : resource_sets(problem_)) {
        LoadBound bound{.resources = some, .least = {}, .rest = {}};
        std::vector<std::int64_t> work;
        for (const Task& task : problem_.tasks) {
            std::int64_t submissions = 0;
            if ((some & bit(0)) != 0) {
                for_each_bit(devices_of(task), [&](int d) {
                    const ProblemDevice& device = problem_.devices[at(d)];
                    submissions += device.asynchronous ? device.per_task.count() : 0;
                });
            }
            const int held = std::popcount(resources_of(problem_, task) & some);
            work.push_back(submissions + task.cost.count() * held);
        }
        find_rest(work, bound.least, bound.rest);
        load_bounds_.push_back(std::move(bound));
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
            for_each_bit(devices_of(task), [&](int d) {
                const ProblemDevice& device = problem_.devices[at(d)];
                energy += device.asynchronous ? device.per_task_energy.femtojoules : 0;
            });
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
        case Kind::segments:
        case Kind::switches:
        case Kind::parted:
        case Kind::place:
        case Kind::group:
            break;  // these depend on more than the task
    }
    return 0;
}

// Of a fused task each layer has an equal share.
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
            least[at(layer)] = 0;  // no task does it: that shows elsewhere
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

void Criteria::add_energy_time_bounds() {
    for (Mix& mix : resource_mixes(problem_, kParts, 1)) {
        EnergyTimeBound bound{
            .mix = std::move(mix), .least = {}, .rest = {}, .of_task = {}, .table = -1};
        const std::vector<std::int64_t>& weight = bound.mix.weight;
        std::vector<std::int64_t>& of_task = bound.of_task;
        for (std::size_t k = 0; k < problem_.tasks.size(); ++k) {
            const Task& task = problem_.tasks[k];
            Ticks work = 0;
            for_each_bit(devices_of(task), [&](int d) {
                const ProblemDevice& device = problem_.devices[at(d)];
                work += device.asynchronous ? weight[0] * device.per_task.count() : 0;
            });
            for_each_bit(resources_of(problem_, task),
                         [&](int r) { work += weight[at(r)] * task.cost.count(); });
            of_task.push_back(sums_[at(energy_)].of_task[k] + at_rest(work, bound.mix.scale));
        }
        find_rest(of_task, bound.least, bound.rest);
        energy_time_bounds_.push_back(std::move(bound));
    }
}

// Of the energy alone, and with few devices also of each mix of it with time.
void Criteria::add_tails() {
    constexpr int kMostDevices = 4;
    tails_.emplace(problem_);
    if (!tails_->is_useful()) {
        tails_.reset();
        return;
    }
    tails_->add_energies(sums_[at(energy_)].of_task);
    for (EnergyTimeBound& bound : energy_time_bounds_) {
        if (problem_.device_count() <= kMostDevices) {
            bound.table = tails_->add_mix(bound.of_task);
        }
        bound.of_task.clear();
    }
    tails_->finish();
}

// Of so many picoseconds by weights with this sum, rounded down.
std::int64_t Criteria::at_rest(Ticks weighted, std::int64_t scale) const {
    return static_cast<std::int64_t>(problem_.at_rest.value * 1e3 / static_cast<double>(scale) *
                                     static_cast<double>(weighted) * (1 - 1e-12));
}

// As Bounds::load_bound, with energies.
std::int64_t Criteria::least_energy(const Sums& sums,
                                    const Evaluator& placed,
                                    int layer,
                                    const Tails::Front* front) const {
    const Evaluator::Core& core = placed.core;
    const int devices = problem_.device_count();
    std::array<Ticks, kMostOfAKind> queue;
    for (int d = 0; d < devices; ++d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        queue[at(d)] = core.dispatcher;
        if (!device.asynchronous) {
            continue;
        }
        const bool open = core.open == d;
        const Ticks gate =
            core.dispatcher + device.per_task.count() + (open ? 0 : device.submit.count());
        const Ticks end = placed.queue(d);
        if (open && problem_.whole_segments) {
            queue[at(d)] = std::max(end, core.dispatcher + core.pending);
        } else if (end > gate) {
            queue[at(d)] = end;
        }
    }
    std::int64_t best = 0;
    for (const EnergyTimeBound& bound : energy_time_bounds_) {
        Ticks past = 0;
        for (int d = 0; d < devices; ++d) {
            past += bound.mix.weight[at(d)] * queue[at(d)];
        }
        std::int64_t to_come = left(bound.least, bound.rest, placed, layer);
        if (front != nullptr && bound.table >= 0) {
            to_come = std::max(to_come, tails_->least(bound.table, *front));
        }
        best = std::max(best, at_rest(past, bound.mix.scale) + to_come);
    }
    return sums[at(energy_)] + best - 1;  // the time at rest is rounded once, to the nearest
}

std::vector<Criteria::SumLimit> Criteria::limits() const {
    std::vector<SumLimit> limits;
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        const Sum& one = sums_[i];
        const bool is_of_tasks =
            one.kind == Kind::budget || one.kind == Kind::weights || one.kind == Kind::loss;
        const auto is_negative = [](std::int64_t use) { return use < 0; };
        if (one.limit < kUnlimited && is_of_tasks &&
            std::ranges::none_of(one.of_task, is_negative)) {
            limits.push_back({i, one.limit, &one.of_task});
        }
    }
    return limits;
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
    mark(sums, task);
    if (loads_ >= 0) {
        add_loads(sums, before, task);
    }
}

// Changes of device, and what is together: where it is now.
void Criteria::mark(Sums& sums, int task) const {
    const int place = place_of_task_[at(task)];
    if (place_ >= 0) {
        const int before = static_cast<int>(sums[at(place_)]);
        for (const int counted : {segments_, switches_}) {
            if (counted >= 0) {
                sums[at(counted)] += changes(sums_[at(counted)].kind, before, task);
            }
        }
        sums[at(place_)] = place;
    }
    if (parted_ < 0) {
        return;
    }
    const auto join = [&](int layer) {
        const int group = problem_.together[at(layer)];
        if (group >= 0) {
            std::int64_t& where = sums[at(marks_ + group)];
            sums[at(parted_)] += where != 0 && where != place + 1 ? 1 : 0;
            where = place + 1;
        }
    };
    join(problem_.tasks[at(task)].first);
    std::ranges::for_each(problem_.tasks[at(task)].rest, join);
}

void Criteria::append_marks(const Sums& sums, std::vector<std::uint64_t>& key) const {
    for (std::size_t i = 0; i < marks(); ++i) {
        key.push_back(static_cast<std::uint64_t>(sums[at(marks_) + i]));
    }
}

// As Evaluator::place, without times.
void Criteria::add_loads(Sums& sums, const Evaluator& before, int index) const {
    const Task& task = problem_.tasks[at(index)];
    const int devices = problem_.device_count();
    std::int64_t* const load = &sums[at(loads_)];
    std::vector<std::pair<int, int>> brought;  // tensor, place
    const auto is_there = [&](int tensor, int memory, int layout) {
        const int place = before.place_of(memory, layout);
        return before.time(tensor, place) >= 0 ||
               std::ranges::find(brought, std::pair(tensor, place)) != brought.end();
    };
    // The copies that bring it there, on whatever way.
    const auto bring = [&](int input, int memory) {
        const Evaluator::Tensor& tensor = before.tensors[at(input)];
        const int home = problem_.devices[at(tensor.device)].memory;
        for (int to = memory; !is_there(input, to, tensor.layout);) {
            brought.emplace_back(input, before.place_of(to, tensor.layout));
            const int from = problem_.source(input, tensor.layout, home, to);
            if (from < 0) {
                return;
            }
            const Time copy = problem_.copy(input, tensor.layout, from, to);
            if (copy < kNever) {
                load[devices + problem_.engine[problem_.pair_place(from, to)]] += copy.count();
            }
            to = from;
        }
    };
    const auto reads = [&](int d) {
        const int memory = problem_.devices[at(d)].memory;
        for (const TaskInput& input : task.inputs) {
            const int made_in = before.tensors[at(input.tensor)].layout;
            if (is_there(input.tensor, memory, input.layout)) {
                continue;
            }
            bring(input.tensor, memory);
            if (made_in != input.layout) {
                const Time convert = problem_.convert(input.tensor, d, made_in, input.layout);
                if (convert < kNever) {
                    load[resource_of(problem_, d)] += convert.count();
                }
                brought.emplace_back(input.tensor, before.place_of(memory, input.layout));
            }
        }
    };
    reads(task.device);
    for (const Part& part : task.parts) {
        if (part.device != task.device) {
            reads(part.device);
        }
    }
    for_each_bit(devices_of(task), [&](int d) {
        const ProblemDevice& device = problem_.devices[at(d)];
        if (device.asynchronous) {
            load[0] += device.per_task.count() +
                       (task.parts.empty() && before.core.open == d ? 0 : device.submit.count());
        }
    });
    for_each_bit(resources_of(problem_, task), [&](int r) { load[r] += task.cost.count(); });
    for (const int engine : task.engines) {
        load[devices + engine] += task.cost.count();
    }
}

bool Criteria::fit(const Sums& sums, const Evaluator& placed, int layer) const {
    const auto to_come = [&](const Sum& one) {
        return one.after.empty()
                   ? left(one.least, one.rest, placed, layer)
                   : one.after[at(layer * places_ + static_cast<int>(sums[at(place_)]))];
    };
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (sums_[i].limit < kUnlimited && sums[i] + to_come(sums_[i]) > sums_[i].limit) {
            return false;
        }
    }
    return true;
}

bool Criteria::fit_in_time(Ticks latency,
                           const Sums& sums,
                           const Evaluator& placed,
                           int layer) const {
    return latency <= most_latency_ &&
           (most_energy_ == kUnlimited ||
            least_energy_of(latency, sums, placed, layer) <= most_energy_);
}

void Criteria::raise(Sums& sums, int layer) const {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (!sums_[i].ranked) {
            sums[i] = std::max(sums[i], sums_[i].limit - sums_[i].most[at(layer)]);
        }
    }
    // Where the last task ran matters while changes may become too many; where a group is, while
    // some of its layers are to come.
    if (place_ >= 0 && std::ranges::none_of(std::array{segments_, switches_}, [&](int i) {
            return i >= 0 && sums[at(i)] > sums_[at(i)].limit - sums_[at(i)].most[at(layer)];
        })) {
        sums[at(place_)] = 0;
    }
    for (std::size_t group = 0; group < last_of_group_.size(); ++group) {
        if (last_of_group_[group] < layer) {
            sums[at(marks_) + group] = 0;
        }
    }
}

// Of every completion, of which none is faster than `latency`.
std::int64_t Criteria::least_energy_of(Ticks latency,
                                       const Sums& sums,
                                       const Evaluator& placed,
                                       int layer) const {
    const Sum& energy = sums_[at(energy_)];
    std::int64_t to_come = left(energy.least, energy.rest, placed, layer);
    Tails::Front front;
    const bool is_told = tails_ && layer < problem_.layers() &&
                         tails_->find(placed, layer, ahead_[at(layer)], front);
    if (is_told) {
        to_come = std::max(to_come, tails_->least(0, front));
    }
    std::int64_t least =
        (problem_.at_rest * Time{latency}).femtojoules + sums[at(energy_)] + to_come;
    if (!energy_time_bounds_.empty() && layer < problem_.layers()) {
        least = std::max(least, least_energy(sums, placed, layer, is_told ? &front : nullptr));
    }
    return least;
}

void Criteria::bounds(
    Ticks latency, const Sums& sums, const Evaluator& placed, int layer, double* by_axis) const {
    const auto total = [&](int i) {
        return sums[at(i)] + left(sums_[at(i)].least, sums_[at(i)].rest, placed, layer);
    };
    const auto energy = [&] {
        return static_cast<double>(least_energy_of(latency, sums, placed, layer));
    };
    for (const Axis& axis : axes_) {
        double& value_of = *by_axis++;
        switch (axis.criterion) {
            case Criterion::latency:
                value_of = static_cast<double>(latency);
                break;
            case Criterion::sum:
                value_of = static_cast<double>(latency + others_.count());
                break;
            case Criterion::energy:
                value_of = energy();
                break;
            case Criterion::energy_delay:
                value_of = energy() * static_cast<double>(latency);
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
                for (const LoadBound& some : load_bounds_) {
                    std::int64_t work = left(some.least, some.rest, placed, layer);
                    for_each_bit(some.resources, [&](int r) { work += sums[at(loads_ + r)]; });
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
    struct Rival {
        int task = 0;
        Bits devices = 0, memories = 0, engines = 0;
        bool synchronous = true;
        std::vector<std::int64_t> costs;
    };
    // 1. What may be compared: one place in the model, one place of the result.
    const auto kind_of = [](const Task& task) {
        return std::tuple{
            task.first, task.rest, task.device, task.out_layout, task.inner, task.inputs};
    };
    std::map<decltype(kind_of(problem_.tasks.front())), std::vector<Rival>> kinds;
    std::vector<char> stays(problem_.tasks.size(), 1);
    for (int k = 0; k < static_cast<int>(problem_.tasks.size()); ++k) {
        const Task& task = problem_.tasks[at(k)];
        if (is_too_much(k)) {
            stays[at(k)] = 0;
            continue;
        }
        Rival rival{.task = k, .devices = devices_of(task), .costs = {}};
        for_each_bit(rival.devices, [&](int d) {
            rival.memories |= bit(problem_.devices[at(d)].memory);
            rival.synchronous &= !problem_.devices[at(d)].asynchronous;
        });
        for (const int engine : task.engines) {
            rival.engines |= bit(engine);
        }
        if (needs_latency_ || needs_period_) {
            rival.costs.push_back(task.cost.count());
        }
        for (const Sum& one : sums_) {
            rival.costs.push_back(one.of_task[at(k)]);
        }
        kinds[kind_of(task)].push_back(std::move(rival));
    }

    // 2. The best first, so that each is compared with few.
    for (auto& [kind, rivals] : kinds) {
        std::stable_sort(rivals.begin(), rivals.end(), [](const Rival& a, const Rival& b) {
            return std::pair(a.costs, std::popcount(a.devices)) <
                   std::pair(b.costs, std::popcount(b.devices));
        });
        std::vector<const Rival*> kept;
        for (const Rival& rival : rivals) {
            const bool worse = std::any_of(kept.begin(), kept.end(), [&](const Rival* other) {
                // On fewer devices only where that changes nothing but who is held: all work for
                // the dispatcher, and what is copied and converted is the same, nor does anyone
                // ask which devices it is on.
                const bool same = other->devices == rival.devices;
                const bool fewer = place_ < 0 && parted_ < 0 &&
                                   (other->devices & ~rival.devices) == 0 && other->synchronous &&
                                   rival.synchronous && other->memories == rival.memories &&
                                   problem_.layouts == 1;
                if ((!same && !fewer) || (other->engines & ~rival.engines) != 0) {
                    return false;
                }
                for (std::size_t i = 0; i < rival.costs.size(); ++i) {
                    if (other->costs[i] > rival.costs[i]) {
                        return false;
                    }
                }
                return true;
            });
            if (worse) {
                stays[at(rival.task)] = 0;
            } else {
                kept.push_back(&rival);
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
        if (one.kind != Kind::budget && one.kind != Kind::weights && one.kind != Kind::loss) {
            continue;
        }
        if (one.limit == kUnlimited) {
            continue;
        }
        const auto cheapest = covers.cheapest([&](int task) { return one.of_task[at(task)]; });
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

}  // namespace sim::internal
