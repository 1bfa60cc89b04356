#include "calibrate/anchors.hpp"

#include "calibrate/assemble.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <set>
#include <tuple>

namespace calibrate {
namespace {

bool can_be_anchor(const sim::Task& task) {
    return task.kind == sim::CostKind::measured && !task.variant.empty() && task.cost > sim::Time{};
}

std::string name_of(const sim::Problem& problem, const CostClass& kind) {
    const std::string& device = problem.device_names[sim::at(kind.device)];
    return kind.threads == 0
               ? device
               : fmt::format("{}, {} thread{}", device, kind.threads, kind.threads == 1 ? "" : "s");
}

}  // namespace

CostClass class_of(const sim::Task& task) {
    CostClass kind{.device = task.device};
    if (task.device == 0) {  // "1", "2y"
        const char* const text = task.configuration.data();
        std::from_chars(text, text + task.configuration.size(), kind.threads);
    }
    return kind;
}

std::vector<AnchorMapping> anchor_mappings(const sim::Problem& problem) {
    std::set<CostClass> kinds;
    for (const sim::Task& task : problem.tasks) {
        if (can_be_anchor(task)) {
            kinds.insert(class_of(task));
        }
    }
    std::vector<AnchorMapping> anchors;
    for (const CostClass& kind : kinds) {
        anchors.push_back({.name = name_of(problem, kind),
                           .kind = kind,
                           .mapping = assemble(problem, [&](int t) {
                               const sim::Task& task = problem.tasks[sim::at(t)];
                               const bool is_of_kind =
                                   can_be_anchor(task) && class_of(task) == kind;
                               const auto layers = static_cast<std::int64_t>(task.rest.size()) + 1;
                               return std::tuple{!is_of_kind, task.cost / layers, t};
                           })});
    }
    return anchors;
}

Anchor anchor_of(const sim::Problem& problem,
                 const AnchorMapping& mapping,
                 const std::map<int, double>& now) {
    Anchor anchor{.name = mapping.name, .kind = mapping.kind};
    double before_ns = 0, now_ns = 0;
    for (const auto& [t, ns] : now) {
        const sim::Task& task = problem.tasks[sim::at(t)];
        if (can_be_anchor(task) && class_of(task) == mapping.kind) {
            before_ns += 1000 * sim::microseconds(task.spread.p50);
            now_ns += ns;
            ++anchor.costs;
        }
    }
    anchor.ratio = before_ns > 0 && now_ns > 0 ? now_ns / before_ns : 1;
    return anchor;
}

sim::Problem scaled_to(const sim::Problem& problem, std::span<const Anchor> anchors) {
    sim::Problem scaled = problem;
    for (sim::Task& task : scaled.tasks) {
        if (task.variant.empty()) {
            continue;
        }
        const auto anchor = std::ranges::find(anchors, class_of(task), &Anchor::kind);
        if (anchor != anchors.end()) {
            const double cost = static_cast<double>(task.cost.count()) * anchor->ratio;
            task.cost = sim::Time{std::llround(cost)};
        }
    }
    return scaled;
}

}  // namespace calibrate
