#include "calibrate/handovers.hpp"

#include "calibrate/statistics.hpp"
#include "sim/compile/teams.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace calibrate {

using sim::at;

std::vector<std::vector<Crossing>> crossings_of(const sim::Problem& problem,
                                                const sim::Mapping& mapping) {
    std::vector<std::vector<Crossing>> crossings(mapping.size());
    if (problem.teams.empty()) {
        return crossings;
    }
    struct Tensor {
        std::size_t made_by = 0;  // place in the mapping
        int layout = 0;
        std::set<std::string> teams;  // in whose caches it is
    };
    std::map<int, Tensor> tensors;
    for (std::size_t i = 0; i < mapping.size(); ++i) {
        const sim::Task& task = problem.tasks[at(mapping[i])];
        for (const sim::TaskInput& input : task.inputs) {
            Tensor& tensor = tensors.at(input.tensor);
            const std::string& from = problem.teams[at(tensor.layout)];
            const std::string& to = problem.teams[at(input.layout)];
            if (from.empty() || to.empty() || !tensor.teams.insert(to).second) {
                continue;
            }
            const int bits = problem.bits_of(tensor.layout);
            Crossing crossing{
                .from = sim::threads_of(from),
                .to = sim::threads_of(to),
                .bytes = problem.tensor_bytes[problem.tensor_place(input.tensor, bits)]};
            crossings[tensor.made_by].push_back(crossing);
            crossing.reads = true;
            crossings[i].push_back(crossing);
        }
        sim::for_each_result(task, [&](const sim::TaskResult& result) {
            tensors[result.tensor] = {
                .made_by = i, .layout = result.layout, .teams = {problem.teams[at(result.layout)]}};
        });
    }
    return crossings;
}

void Crossings::add(const Crossing& crossing, const Cost& cost, double ns) {
    std::vector<Seen>& kernels = seen_[crossing];
    const auto found = std::ranges::find(kernels, &cost, &Seen::cost);
    Seen& seen =
        found == kernels.end() ? kernels.emplace_back(Seen{.cost = &cost, .ns = {}}) : *found;
    seen.ns.push_back(ns);
}

std::vector<sim::Handover> Crossings::handovers(const StoppingRule& rule) const {
    // 1. What each kernel loses by a side.
    std::map<Crossing, double> sum;  // of both sides
    for (const auto& [crossing, kernels] : seen_) {
        std::vector<std::pair<double, double>> losses;  // of kernels, by what they take alone
        for (const Seen& seen : kernels) {
            const std::vector<double>& alone = seen.cost->alone(rule);
            if (!alone.empty()) {
                const double median = quantile(alone, 0.5);
                losses.emplace_back(median, quantile(seen.ns, 0.5) - median);
            }
        }
        if (losses.empty()) {
            continue;
        }
        std::ranges::sort(losses);
        std::vector<double> of_fast;
        for (std::size_t i = 0; i < (losses.size() + 1) / 2; ++i) {
            of_fast.push_back(losses[i].second);
        }
        Crossing both = crossing;
        both.reads = false;
        sum[both] += std::max(0.0, quantile(of_fast, 0.5));
    }

    // 2. A table for each pair of teams' sizes. More bytes take no less.
    std::map<std::pair<int, int>, sim::Handover> tables;
    std::map<std::pair<int, int>, double> most;
    for (const auto& [crossing, lost] : sum) {
        const std::pair threads{crossing.from, crossing.to};
        const double ns = most[threads] = std::max(most[threads], lost);
        sim::Handover& table = tables[threads];
        table.from = crossing.from;
        table.to = crossing.to;
        table.time.points.push_back(
            {.size = {crossing.bytes}, .time = summarize(std::vector<double>{ns})});
    }
    std::vector<sim::Handover> all;
    for (auto& [threads, table] : tables) {
        all.push_back(std::move(table));
    }
    return all;
}

std::vector<sim::Handover> merged(std::vector<sim::Handover> now,
                                  std::span<const sim::Handover> before) {
    for (const sim::Handover& old : before) {
        const auto same = std::ranges::find_if(now, [&](const sim::Handover& one) {
            return one.from == old.from && one.to == old.to;
        });
        if (same == now.end()) {
            now.push_back(old);
            continue;
        }
        auto& points = same->time.points;
        for (const auto& point : old.time.points) {
            const auto there = std::ranges::find_if(
                points, [&](const auto& one) { return one.size == point.size; });
            if (there == points.end()) {
                points.push_back(point);
            }
        }
        std::ranges::sort(points, {}, [](const auto& point) { return point.size.count; });
    }
    return now;
}

}  // namespace calibrate
