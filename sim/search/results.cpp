#include "sim/search/results.hpp"

#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace sim::internal {

SearchOptions until(const SearchOptions& options, double share) {
    SearchOptions limited = options;
    limited.stop = [&options, share] {
        return (options.stop && options.stop()) || (options.elapsed && options.elapsed() >= share);
    };
    return limited;
}

SearchOptions from_now_until(const SearchOptions& options, double share) {
    SearchOptions limited = until(options, share);
    if (options.elapsed) {
        limited.elapsed = [&options, begin = options.elapsed(), share] {
            return (options.elapsed() - begin) / std::max(share - begin, 1e-6);
        };
    }
    return limited;
}

SearchResult or_known(const Problem& problem, const SearchOptions& options, SearchResult found) {
    const Objective& objective = options.goal.minimise.front();
    const AssessOptions whole{.frames_in_flight = options.goal.frames()};
    double best =
        found.mapping.empty()
            ? std::numeric_limits<double>::infinity()
            : value_on(problem, objective, found.mapping, assess(problem, found.mapping, whole));
    for (const Mapping& start : options.starts) {
        const Assessment assessment = assess(problem, start, whole);
        if (!keeps_to(options.goal, assessment)) {
            continue;
        }
        const double value = value_on(problem, objective, start, assessment);
        if (value < best) {
            best = value;
            found.mapping = start;
            found.makespan = assessment.makespan;
            found.value = value;
            found.status = SearchStatus::unproven;
            found.note = "stopped before anything better than a heuristic's was found";
        }
    }
    return found;
}

std::string unproven_note(const SearchOptions& options, bool full) {
    return full ? "stopped before the proof; more states than fit into " +
                      to_string(options.memory) + " (--memory)"
                : "stopped before the proof";
}

SearchResult infeasible(std::string note) {
    SearchResult result;
    result.status = SearchStatus::infeasible;
    result.note = std::move(note);
    return result;
}

SearchResult heuristic(const Problem& problem,
                       const Goal& goal,
                       Mapping mapping,
                       std::uint64_t evaluated,
                       std::string note) {
    SearchResult result;
    result.makespan = makespan(problem, mapping);
    if (result.makespan >= kNever) {
        return infeasible("its mapping needs a copy or a conversion that this platform cannot do");
    }
    if (!is_basic(problem) || !goal.limits.empty()) {
        const Assessment whole = assess(problem, mapping);
        if (!whole.violations.empty()) {
            return infeasible("its mapping does not fit: " +
                              to_string(problem, whole.violations.front()));
        }
        if (!keeps_to(goal, whole)) {
            return infeasible("its mapping goes beyond a limit, of which it knows nothing");
        }
        result.makespan = whole.makespan;
    }
    result.mapping = std::move(mapping);
    result.evaluated = evaluated;
    result.note = std::move(note);
    return result;
}

SearchResult best_of(Front front, const Goal& goal) {
    SearchResult result;
    result.evaluated = front.evaluated;
    result.note = std::move(front.note);
    if (front.points.empty()) {
        result.status = SearchStatus::infeasible;
        return result;
    }
    FrontPoint& best = front.points.front();
    result.mapping = std::move(best.mapping);
    result.makespan = best.assessment.makespan;
    result.value = best.values.front();
    result.bound = front.ideal.front();
    if (goal.minimise.front().criterion == Criterion::latency) {
        result.lower_bound =
            front.proven ? result.makespan : Time{static_cast<Ticks>(std::max(0.0, result.bound))};
    }
    if (front.proven) {
        result.status = SearchStatus::proven;
    }
    return result;
}

bool has_bonds(const Problem& problem) {
    const auto is_bound = [](int number) { return number >= 0; };
    return std::ranges::any_of(problem.together, is_bound) ||
           std::ranges::any_of(problem.turns, is_bound);
}

std::string label(const Problem& problem, int task) {
    const Task& t = problem.tasks[at(task)];
    if (is_boundary(problem, t)) {
        return {};
    }
    const auto device = at(t.device);
    const std::string name = device < problem.device_names.size() ? problem.device_names[device]
                                                                  : std::to_string(t.device);
    return name + "/" + t.variant + "/" + t.configuration;
}

Mapping Restricted::in_original(const Mapping& mapping) const {
    Mapping renamed;
    renamed.reserve(mapping.size());
    for (const int task : mapping) {
        renamed.push_back(original[at(task)]);
    }
    return renamed;
}

Restricted restricted(const Problem& problem, const std::vector<char>& allowed) {
    Restricted few{.problem = problem, .original = {}};
    std::vector<char> stays = allowed;
    for (std::size_t task = 0; task < stays.size(); ++task) {
        stays[task] = stays[task] && fits_order(problem.tasks[task]);
    }
    few.original = keep_tasks(few.problem, stays);
    return few;
}

Restricted without_dominated_tasks(const Problem& problem) {
    Restricted few = restricted(problem, std::vector<char>(problem.tasks.size(), 1));
    std::vector<int> kept = drop_dominated_tasks(few.problem);
    for (int& task : kept) {
        task = few.original[at(task)];
    }
    few.original = std::move(kept);
    return few;
}

}  // namespace sim::internal
