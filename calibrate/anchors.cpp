#include "calibrate/anchors.hpp"

#include "calibrate/assemble.hpp"
#include "calibrate/placement.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/statistics.hpp"
#include "sim/compile/teams.hpp"
#include "sim/index.hpp"
#include "sim/run/simulate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <tuple>

namespace calibrate {
namespace {

bool can_be_anchor(const sim::Task& task) {
    return task.kind == sim::CostKind::measured && !task.variant.empty() && task.cost > sim::Time{};
}

std::string name_of(const sim::Problem& problem, const CostClass& kind) {
    const std::string& device = problem.device_names[sim::at(kind.device)];
    if (kind.threads == CostClass::kHandovers) {
        return device + ", changes of threads";
    }
    return kind.threads == 0
               ? device
               : fmt::format("{}, {} thread{}", device, kind.threads, kind.threads == 1 ? "" : "s");
}

}  // namespace

CostClass class_of(const sim::Task& task) {
    CostClass kind{.device = task.device};
    if (task.device == 0) {
        kind.threads = sim::threads_of(task.configuration);
    }
    return kind;
}

namespace {

bool is_of_kind(const sim::Problem& problem, int task, const CostClass& kind) {
    const sim::Task& one = problem.tasks[sim::at(task)];
    return can_be_anchor(one) && (kind.threads == CostClass::kHandovers || class_of(one) == kind);
}

// Each layer on another number of threads than the one before it, where it can be.
AnchorMapping handover_mapping(const sim::Problem& problem) {
    std::set<int> threads;
    for (const sim::Task& task : problem.tasks) {
        if (can_be_anchor(task) && task.device == 0) {
            threads.insert(class_of(task).threads);
        }
    }
    const std::vector<int> counts{threads.begin(), threads.end()};
    const CostClass kind{.device = 0, .threads = CostClass::kHandovers};
    return {.name = name_of(problem, kind),
            .kind = kind,
            .mapping = assemble(problem, [&](int t) {
                const sim::Task& task = problem.tasks[sim::at(t)];
                const int wanted = counts.empty() ? 0 : counts[sim::at(task.first) % counts.size()];
                const bool is_so = can_be_anchor(task) && task.device == 0 && task.rest.empty() &&
                                   class_of(task).threads == wanted;
                return std::tuple{!is_so, task.cost, t};
            })};
}

double ratio_of(const sim::Task& task, std::span<const Anchor> anchors) {
    const auto anchor = std::ranges::find(anchors, class_of(task), &Anchor::kind);
    return anchor == anchors.end() ? 1 : anchor->ratio;
}

// `then_ns`, `now_ns`: of all tasks of the mapping. Without its handovers it takes what it took
// then, as its kinds of tasks have changed since; what is left now is handovers.
void find_handovers(const sim::Problem& problem,
                    const sim::Mapping& mapping,
                    double then_ns,
                    double now_ns,
                    std::span<const Anchor> known,
                    Anchor& anchor) {
    constexpr double kLeast = 0.2;  // of all that the tasks take: less is lost in it
    double handovers_ns = 0, costs = 0, costs_now = 0;
    int count = 0;
    for (const sim::Event& event : sim::simulate(problem, mapping).events) {
        if (sim::is_handover(problem, event)) {
            handovers_ns += 1000 * sim::microseconds(event.end - event.start);
            ++count;
        }
    }
    for (const int t : mapping) {
        const sim::Task& task = problem.tasks[sim::at(t)];
        costs += sim::microseconds(task.cost);
        costs_now += sim::microseconds(task.cost) * ratio_of(task, known);
    }
    if (then_ns > 0 && costs > 0 && handovers_ns > kLeast * then_ns) {
        const double tasks_ns = std::max(0.0, then_ns - handovers_ns) * costs_now / costs;
        anchor.costs = count;
        anchor.ratio = std::max(0.0, now_ns - tasks_ns) / handovers_ns;
    }
}

}  // namespace

std::vector<AnchorMapping> anchor_mappings(const sim::Problem& problem) {
    std::set<CostClass> kinds;
    for (const sim::Task& task : problem.tasks) {
        if (can_be_anchor(task)) {
            kinds.insert(class_of(task));
        }
    }
    std::vector<AnchorMapping> anchors;
    for (const CostClass& kind : kinds) {
        anchors.push_back(
            {.name = name_of(problem, kind),
             .kind = kind,
             .mapping = assemble(problem, [&](int t) {
                 const sim::Task& task = problem.tasks[sim::at(t)];
                 const auto layers = static_cast<std::int64_t>(task.rest.size()) + 1;
                 return std::tuple{!is_of_kind(problem, t, kind), task.cost / layers, t};
             })});
    }
    if (!problem.teams.empty()) {
        anchors.push_back(handover_mapping(problem));
    }
    return anchors;
}

std::string measurement_name(const sim::Problem& problem, const AnchorMapping& mapping) {
    return fmt::format("anchor {} batch {}: {}", problem.model, problem.batch, mapping.name);
}

AnchorTimer::AnchorTimer(Executor& executor, const sim::Problem& problem, Of of)
    : executor_{executor}, problem_{problem} {
    constexpr int kOthers = 8;
    for (AnchorMapping& anchor : anchor_mappings(problem)) {
        const bool is_host = anchor.kind.device == 0;
        if (is_host == (of == Of::host)) {
            Executor::Recording recording = executor.prepare(anchor.mapping, !is_host);
            anchors_.push_back({std::move(anchor), std::move(recording), {}});
        }
    }
    std::mt19937_64 random{1};
    for (int i = 0; i < kOthers; ++i) {
        others_.push_back(executor.prepare(assemble(problem, [&](int) { return random(); })));
    }
}

// Nanoseconds of its tasks of the kind.
double AnchorTimer::run(const Timed& one) {
    std::vector<std::int64_t> stamps(one.recording.calls.size() + 1);
    executor_.run(one.recording, stamps);
    double ns = 0;
    for (std::size_t i = 0; i < one.recording.calls.size(); ++i) {
        const Executor::Call& call = one.recording.calls[i];
        if (call.action == Executor::Action::compute &&
            is_of_kind(problem_, call.tasks.front(), one.anchor.kind)) {
            ns += static_cast<double>(stamps[i + 1] - stamps[i]);
        }
    }
    for (const auto& [task, stage_ns] : clock_.times_of(executor_, one.recording)) {
        ns += is_of_kind(problem_, task, one.anchor.kind) ? stage_ns : 0;
    }
    return ns;
}

bool AnchorTimer::round(double round_trip_ns,
                        double& patience_s,
                        const std::function<bool()>& stop) {
    for (Timed& one : anchors_) {
        if ((stop && stop()) || !wait_for_placement(executor_, round_trip_ns, patience_s, stop)) {
            return false;
        }
        executor_.run(others_[next_++ % others_.size()]);
        executor_.run(one.recording);  // warms up
        std::vector<double> ns;
        for (int i = 0; i < kRecordedRuns; ++i) {
            ns.push_back(run(one));
        }
        if (is_same_placement(executor_.round_trip_ns(), round_trip_ns)) {
            one.ns.insert(one.ns.end(), ns.begin(), ns.end());
        }
    }
    return true;
}

std::vector<std::pair<std::string, sim::Measurement>> AnchorTimer::measurements() const {
    std::vector<std::pair<std::string, sim::Measurement>> measurements;
    for (const Timed& one : anchors_) {
        if (!one.ns.empty()) {
            measurements.emplace_back(measurement_name(problem_, one.anchor), summarize(one.ns));
        }
    }
    return measurements;
}

Anchor anchor_of(const sim::Platform& platform,
                 const sim::Problem& problem,
                 const AnchorMapping& mapping,
                 const std::map<int, double>& now,
                 std::span<const Anchor> known) {
    Anchor anchor{.name = mapping.name, .kind = mapping.kind};
    double before_ns = 0, now_ns = 0;
    for (const auto& [t, ns] : now) {
        const sim::Task& task = problem.tasks[sim::at(t)];
        if (is_of_kind(problem, t, mapping.kind)) {
            before_ns += 1000 * sim::microseconds(task.spread.p50);
            now_ns += ns;
            ++anchor.costs;
        }
    }
    const sim::Measurement* const then =
        find_measurement(platform, measurement_name(problem, mapping));
    const double then_ns = then == nullptr ? 0 : 1000 * sim::microseconds(then->p50);
    if (mapping.kind.threads == CostClass::kHandovers) {
        anchor.costs = 0;
        find_handovers(problem, mapping.mapping, then_ns, now_ns, known, anchor);
        return anchor;
    }
    before_ns = then_ns > 0 ? then_ns : before_ns;
    anchor.ratio = before_ns > 0 && now_ns > 0 ? now_ns / before_ns : 1;
    return anchor;
}

sim::Problem scaled_to(const sim::Problem& problem, std::span<const Anchor> anchors) {
    sim::Problem scaled = problem;
    for (sim::Task& task : scaled.tasks) {
        if (task.variant.empty()) {
            continue;
        }
        const double cost = static_cast<double>(task.cost.count()) * ratio_of(task, anchors);
        task.cost = sim::Time{std::llround(cost)};
    }
    const auto handovers = std::ranges::find(
        anchors, CostClass{.device = 0, .threads = CostClass::kHandovers}, &Anchor::kind);
    for (int tensor = 0; handovers != anchors.end() && tensor < scaled.layers(); ++tensor) {
        for (int from = 0; from < scaled.layouts; ++from) {
            for (int to = 0; to < scaled.layouts; ++to) {
                if (scaled.bits_of(from) == scaled.bits_of(to)) {
                    sim::Time& time =
                        scaled.convert_times[scaled.conversion_place(tensor, 0, from, to)];
                    const double now = static_cast<double>(time.count()) * handovers->ratio;
                    time = sim::Time{std::llround(now)};
                }
            }
        }
    }
    return scaled;
}

}  // namespace calibrate
