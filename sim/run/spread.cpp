#include "sim/run/spread.hpp"

#include "sim/compile/costs.hpp"
#include "sim/run/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace sim {
namespace {

bool has_spread(const Task& task) { return task.spread.p05 < task.spread.p95; }

// Draws are fewer where a simulation takes long, and a few in any case.
int draws_for(const Mapping& mapping) {
    constexpr int kMost = 200, kFewest = 20, kTasks = 200'000;
    return std::clamp(kTasks / std::max(1, static_cast<int>(mapping.size())), kFewest, kMost);
}

// Latin hypercube: every device takes each of `draws` equal parts of 0 to 1 once.
std::vector<double> quantiles(int draws, std::mt19937_64& random) {
    std::vector<double> values;
    for (int i = 0; i < draws; ++i) {
        values.push_back((i + 0.5) / draws);
    }
    std::ranges::shuffle(values, random);
    return values;
}

std::optional<Interval> interval_of_costs(const Problem& problem, const Mapping& mapping) {
    std::set<int> devices;
    for (const int task : mapping) {
        if (has_spread(problem.tasks[at(task)])) {
            devices.insert(problem.tasks[at(task)].device);
        }
    }
    if (devices.empty()) {
        return std::nullopt;
    }
    Problem drawn = problem;
    const auto makespan = [&](const std::vector<double>& quantile_of) {
        for (const int t : mapping) {
            Task& task = drawn.tasks[at(t)];
            if (has_spread(task)) {
                task.cost = at_quantile(task.spread, quantile_of[at(task.device)]);
            }
        }
        return simulate(drawn, mapping).makespan;
    };
    std::vector<double> quantile_of(problem.devices.size(), 0.5);
    if (devices.size() == 1) {  // the makespan grows with the quantile: no need to draw
        quantile_of[at(*devices.begin())] = 0.05;
        const Time p05 = makespan(quantile_of);
        quantile_of[at(*devices.begin())] = 0.95;
        return Interval{p05, makespan(quantile_of)};
    }
    std::mt19937_64 random{1};
    const int draws = draws_for(mapping);
    std::vector<std::vector<double>> drawn_for(problem.devices.size());
    for (const int device : devices) {
        drawn_for[at(device)] = quantiles(draws, random);
    }
    std::vector<Time> makespans;
    for (int draw = 0; draw < draws; ++draw) {
        for (const int device : devices) {
            quantile_of[at(device)] = drawn_for[at(device)][at(draw)];
        }
        makespans.push_back(makespan(quantile_of));
    }
    std::ranges::sort(makespans);
    const auto ranked = [&](double quantile) {
        return makespans[static_cast<std::size_t>(std::lround(quantile * (draws - 1)))];
    };
    return Interval{ranked(0.05), ranked(0.95)};
}

std::optional<Interval> interval_of_trials(const Problem& problem, const Mapping& mapping) {
    const bool host_alone = std::ranges::all_of(mapping, [&](int t) {
        const Task& task = problem.tasks[at(t)];
        return task.device == 0 && task.parts.empty();
    });
    const std::optional<TrialRatios>& ratios =
        host_alone && problem.host_trials ? problem.host_trials : problem.trials;
    if (!ratios) {
        return std::nullopt;
    }
    const double makespan = microseconds(simulate(problem, mapping).makespan);
    return Interval{from_microseconds(makespan * ratios->p05),
                    from_microseconds(makespan * ratios->p95)};
}

}  // namespace

std::optional<Interval> interval_of(const Problem& problem, const Mapping& mapping) {
    const std::optional<Interval> tried = interval_of_trials(problem, mapping);
    const bool is_measured = std::ranges::all_of(mapping, [&](int t) {
        const Task& task = problem.tasks[at(t)];
        return task.variant.empty() || task.kind == CostKind::measured;
    });
    if (tried && is_measured) {
        return tried;
    }
    const std::optional<Interval> of_costs = interval_of_costs(problem, mapping);
    if (!tried || !of_costs) {
        return of_costs;
    }
    return Interval{std::min(tried->p05, of_costs->p05), std::max(tried->p95, of_costs->p95)};
}

}  // namespace sim
