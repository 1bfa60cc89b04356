#include "sim/search/accurate.hpp"

#include "sim/accuracy.hpp"
#include "sim/search/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sim {
namespace {

constexpr double kMillionthsPerPoint = 1e6;

bool dominates(const FrontPoint& a, const FrontPoint& b) {
    for (std::size_t i = 0; i < a.values.size(); ++i)
        if (a.values[i] > b.values[i])
            return false;
    return true;
}

// Adds what no point of the front is at least as good as, and drops what it is as good as.
void merge(Front& front, FrontPoint point) {
    const auto better = [&](const FrontPoint& other) { return dominates(other, point); };
    if (std::ranges::any_of(front.points, better))
        return;
    std::erase_if(front.points, [&](const FrontPoint& other) { return dominates(point, other); });
    const auto place = std::ranges::upper_bound(
        front.points, point.values.front(), {}, [](const FrontPoint& p) { return p.values[0]; });
    front.points.insert(place, std::move(point));
}

// Adds what another search found among some of the mappings.
void add(Front& front, const Front& some) {
    front.proven &= some.proven;
    front.evaluated += some.evaluated;
    front.ideal.resize(std::max(front.ideal.size(), some.ideal.size()),
                       std::numeric_limits<double>::infinity());
    for (std::size_t i = 0; i < some.ideal.size(); ++i)
        front.ideal[i] = std::min(front.ideal[i], some.ideal[i]);
}

}  // namespace

Front front_with_accuracy(const Model& model,
                          const Problem& problem,
                          const SearchOptions& options,
                          double percent) {
    if (!model.accuracy)
        throw InputError(fmt::format("model '{}' states no accuracy", model.name));
    const Accuracy& accuracy = *model.accuracy;
    Front front;
    front.proven = true;

    // 1. Every assignment that was measured to be good enough; the model's own precision is one.
    const auto try_assignment = [&](const MeasuredAccuracy& measured) {
        const std::vector<bool> may = tasks_of(model, problem, measured);
        const Restricted few = restricted(problem, {may.begin(), may.end()});
        for (int layer = 0; layer < problem.layers(); ++layer)
            if (std::ranges::none_of(few.problem.tasks, [&](const Task& task) {
                    return task.first == layer ||
                           std::ranges::find(task.rest, layer) != task.rest.end();
                }))
                return;  // nobody offers it
        Front found = pareto_front(few.problem, options);
        add(front, found);
        for (FrontPoint& point : found.points) {
            point.mapping = few.in_original(point.mapping);
            merge(front, std::move(point));
        }
    };
    for (const MeasuredAccuracy& measured : accuracy.measured)
        if (measured.percent >= percent)
            try_assignment(measured);

    // 2. Mappings whose proxy is good enough, but for those measured to be worse.
    std::string unknown = unknown_sensitivity(model, problem);
    if (!accuracy.sensitivities.empty() && unknown.empty() && accuracy.reference >= percent) {
        SearchOptions by_proxy = options;
        by_proxy.goal.most_loss =
            std::llround((accuracy.reference - percent) * kMillionthsPerPoint);
        Front found = pareto_front(problem, by_proxy);
        add(front, found);
        for (FrontPoint& point : found.points) {
            const std::optional<AccuracyEstimate> estimate =
                accuracy_of(model, problem, point.mapping);
            if (estimate && estimate->percent >= percent)
                merge(front, std::move(point));
            else
                front.proven = false;  // what it hid is not known
        }
        front.note = "accuracies of mappings that were not measured are a proxy";
    }
    if (front.points.empty()) {
        front.note =
            fmt::format("no mapping is known to have an accuracy of {} % or more", percent);
        if (!unknown.empty())
            front.note += "; " + unknown;
    }
    return front;
}

SearchResult search_with_accuracy(const Model& model,
                                  const Problem& problem,
                                  const SearchOptions& options,
                                  double percent) {
    Front front = front_with_accuracy(model, problem, options, percent);
    if (front.points.empty())
        return infeasible(front.note);
    FrontPoint& best = front.points.front();
    SearchResult result;
    result.mapping = std::move(best.mapping);
    result.makespan = best.assessment.makespan;
    result.value = best.values.front();
    result.bound = front.ideal.empty() ? 0 : front.ideal.front();
    if (options.goal.minimise.front().criterion == Criterion::latency)
        result.lower_bound = Time{static_cast<Time::rep>(result.bound)};
    result.status = front.proven ? SearchStatus::proven : SearchStatus::unproven;
    result.evaluated = front.evaluated;
    result.note = front.note;
    return result;
}

}  // namespace sim
