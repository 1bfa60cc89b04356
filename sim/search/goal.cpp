#include "sim/search/goal.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"
#include "sim/run/networks.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace sim {

using namespace internal;

namespace {

constexpr std::array<std::pair<std::string_view, Criterion>, 6> kCriteria{{
    {"latency", Criterion::latency},
    {"sum", Criterion::sum},
    {"energy", Criterion::energy},
    {"edp", Criterion::energy_delay},
    {"throughput", Criterion::period},
    {"accuracy", Criterion::loss},
}};

}  // namespace

bool Goal::needs_whole() const {
    const auto is_such = [](const Objective& objective) {
        return objective.criterion == Criterion::period || objective.criterion == Criterion::sum;
    };
    return std::ranges::any_of(minimise, is_such) || std::ranges::any_of(prefer, is_such);
}

Objective objective_named(const Problem& problem, std::string_view name, bool may_be_device) {
    std::string names;
    for (const auto& [known, criterion] : kCriteria) {
        if (known == name) {
            const bool is_alone = criterion == Criterion::sum && problem.network.empty();
            return {.criterion = is_alone ? Criterion::latency : criterion};
        }
        names += names.empty() ? "" : ", ";
        names += known;
    }
    for (std::size_t d = 0; may_be_device && d < problem.device_names.size(); ++d) {
        if (problem.device_names[d] == name) {
            return {.criterion = Criterion::device, .device = static_cast<int>(d)};
        }
        names += ", " + problem.device_names[d];
    }
    throw InputError("objective: expected one of " + names + ", got '" + std::string(name) + "'");
}

std::vector<std::string_view> objective_names() {
    std::vector<std::string_view> names;
    for (const auto& [name, criterion] : kCriteria) {
        names.push_back(name);
    }
    return names;
}

std::string name_of(const Problem& problem, const Objective& objective) {
    for (const auto& [name, criterion] : kCriteria) {
        if (criterion == objective.criterion) {
            return std::string(name);
        }
    }
    const auto device = at(objective.device);
    return device < problem.device_names.size() ? problem.device_names[device]
                                                : std::to_string(objective.device);
}

void expect_known_energy(const Problem& problem, const std::string& whose) {
    if (problem.knows_energy()) {
        return;
    }
    constexpr std::size_t kShown = 12;
    std::string ways;
    for (std::size_t i = 0; i < std::min(kShown, problem.energy_missing.size()); ++i) {
        ways += (i == 0 ? "" : " ") + ("--set " + problem.energy_missing[i] + "=...");
    }
    const std::size_t more =
        problem.energy_missing.size() - std::min(kShown, problem.energy_missing.size());
    throw InputError(whose + ": the energy is unknown: " + problem.energy_unknown +
                     (ways.empty() ? "" : "; say what it is with " + ways) +
                     (more == 0 ? "" : " and " + std::to_string(more) + " more"));
}

double value_on(const Problem& problem,
                const Objective& objective,
                const Mapping& mapping,
                const Assessment& assessment) {
    const auto energy = [&] {
        expect_known_energy(problem, "objective " + name_of(problem, objective));
        return assessment.energy ? static_cast<double>(assessment.energy->femtojoules) : kInfinite;
    };
    const auto latency = static_cast<double>(assessment.makespan.count());
    switch (objective.criterion) {
        case Criterion::latency:
            return assessment.feasible() ? latency : kInfinite;
        case Criterion::sum:
            return assessment.feasible()
                       ? static_cast<double>(sum_of_latencies(problem, assessment.schedule).count())
                       : kInfinite;
        case Criterion::energy: {
            const double value = energy();
            return assessment.feasible() ? value : kInfinite;
        }
        case Criterion::energy_delay: {
            const double value = energy();
            return assessment.feasible() ? value * latency : kInfinite;
        }
        case Criterion::period:
            return assessment.feasible() && assessment.period < kNever
                       ? static_cast<double>(assessment.period.count())
                       : kInfinite;
        case Criterion::loss:
            return assessment.feasible() ? static_cast<double>(assessment.loss) : kInfinite;
        case Criterion::device:
            break;
    }
    if (!assessment.feasible()) {
        return kInfinite;
    }
    std::int64_t elsewhere = 0;
    for (const int task : mapping) {
        elsewhere += channels_elsewhere(problem, problem.tasks[at(task)], objective.device);
    }
    return static_cast<double>(elsewhere);
}

std::int64_t taken(const Limit& limit, const Assessment& assessment) {
    constexpr std::int64_t kTooMuch = std::numeric_limits<std::int64_t>::max();
    if (assessment.makespan >= kNever) {
        return kTooMuch;
    }
    switch (limit.kind) {
        case Limit::Kind::latency:
            return assessment.makespan.count();
        case Limit::Kind::energy:
            return assessment.energy ? assessment.energy->femtojoules : kTooMuch;
        case Limit::Kind::loss:
            return assessment.loss;
        case Limit::Kind::segments:
            return assessment.segments;
        case Limit::Kind::switches:
            return assessment.switches;
    }
    return kTooMuch;
}

double share_beyond(std::int64_t needed, std::int64_t limit) {
    const double more = static_cast<double>(needed) - static_cast<double>(limit);
    return more > 0 ? more / std::max(static_cast<double>(limit), 1.0) : 0.0;
}

bool keeps_to(const Goal& goal, const Assessment& assessment) {
    return assessment.feasible() && std::ranges::all_of(goal.limits, [&](const Limit& limit) {
               return taken(limit, assessment) <= limit.most;
           });
}

double excess(const Goal& goal, const Assessment& assessment) {
    if (assessment.makespan >= kNever) {
        return std::numeric_limits<double>::infinity();
    }
    double sum = 0;
    for (const Violation& violation : assessment.violations) {
        sum += share_beyond(violation.needed, violation.limit);
    }
    for (const Limit& limit : goal.limits) {
        sum += share_beyond(taken(limit, assessment), limit.most);
    }
    return sum;
}

void expect_known_energy(const Problem& problem, const Goal& goal) {
    const bool asks = std::ranges::any_of(
        goal.limits, [](const Limit& limit) { return limit.kind == Limit::Kind::energy; });
    if (asks) {
        expect_known_energy(problem, "max energy");
    }
}

}  // namespace sim
