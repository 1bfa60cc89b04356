#include "sim/search/accurate.hpp"

#include "sim/run/accuracy.hpp"
#include "sim/search/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

namespace sim {

using namespace internal;

namespace {

constexpr double kMillionthsPerPoint = 1e6;

// Searches beyond this many would only forbid one measured assignment after the other.
constexpr int kMostSearches = 200;

using Allowed = std::vector<char>;  // by task

// Collects what searches among some of the mappings found.
class Accurate {
public:
    Accurate(const Model& model,
             const Problem& problem,
             const SearchOptions& options,
             double percent,
             Front (*find)(const Problem&, const SearchOptions&))
        : model_(model), problem_(problem), options_(options), percent_(percent), find_(find) {
        front.proven = true;
    }

    // Every assignment that was measured to be good enough; the model as it is counts as one.
    void try_measured() {
        for (const MeasuredAccuracy& measured : model_.accuracy->measured) {
            if (measured.percent >= percent_) {
                try_assignment(measured);
            }
        }
        if (reference_is_enough()) {
            try_assignment({});
        }
    }

    // Where losses are known, what they allow.
    void try_known_losses() {
        if (model_.accuracy->sensitivities.empty() || !reference_is_enough()) {
            return;
        }
        const std::vector<bool> known = tasks_with_known_loss(model_, problem_);
        // A thousandth of a millionth for the rounding of decimal fractions.
        const double most = (*model_.accuracy->reference - percent_) * kMillionthsPerPoint + 1e-3;
        try_proxy({known.begin(), known.end()}, static_cast<std::int64_t>(std::floor(most)));
        front.note += front.note.empty() ? "" : "; ";
        front.note += "accuracies of mappings that were not measured are a proxy";
    }

    Front front;

private:
    bool reference_is_enough() const {
        return model_.accuracy->reference && *model_.accuracy->reference >= percent_;
    }

    // Mappings with the precisions of one measured assignment.
    void try_assignment(const MeasuredAccuracy& measured) {
        const std::vector<bool> may = tasks_of(model_, problem_, measured);
        if (std::optional<Front> found = search({may.begin(), may.end()}, options_)) {
            for (FrontPoint& point : found->points) {
                merge(std::move(point));
            }
        }
    }

    // Mappings of these tasks whose proxy is good enough, but for those measured to be worse.
    void try_proxy(const Allowed& allowed, std::int64_t most_loss) {
        if (++searches_ > kMostSearches) {
            front.proven = false;
            return;
        }
        SearchOptions options = options_;
        options.goal.limits.push_back({.kind = Limit::Kind::loss, .most = most_loss});
        std::optional<Front> found = search(allowed, options);
        if (!found) {
            return;
        }
        const auto contradicted = std::ranges::find_if(found->points, [&](const FrontPoint& point) {
            return measured_worse(point.mapping) != nullptr;
        });
        if (contradicted == found->points.end()) {
            for (FrontPoint& point : found->points) {
                merge(std::move(point));
            }
            return;
        }
        // Whatever is not of that assignment differs from it in some layer: one search for each.
        const std::vector<bool> its =
            tasks_of(model_, problem_, *measured_worse(contradicted->mapping));
        for (int layer = 0; layer < problem_.layers(); ++layer) {
            Allowed other = allowed;
            bool differs = false;
            for (std::size_t k = 0; k < other.size(); ++k) {
                if (!covers(problem_.tasks[k], layer)) {
                    continue;
                }
                differs |= other[k] && !its[k];
                other[k] = other[k] && !its[k];
            }
            if (differs) {
                try_proxy(other, most_loss);
            }
        }
    }

    static bool covers(const Task& task, int layer) {
        return task.first == layer || std::ranges::find(task.rest, layer) != task.rest.end();
    }

    // The entry that says so, nullptr if there is none.
    const MeasuredAccuracy* measured_worse(const Mapping& mapping) const {
        const std::optional<AccuracyEstimate> estimate = accuracy_of(model_, problem_, mapping);
        if (!estimate || estimate->is_proxy || estimate->percent >= percent_) {
            return nullptr;
        }
        const auto& entries = model_.accuracy->measured;
        const auto entry = std::ranges::find(entries, estimate->name, &MeasuredAccuracy::name);
        return entry == entries.end() ? nullptr : &*entry;
    }

    // The front of these tasks alone; nothing where they leave out a layer.
    std::optional<Front> search(const Allowed& allowed, const SearchOptions& options) {
        const Restricted few = restricted(problem_, allowed);
        for (int layer = 0; layer < problem_.layers(); ++layer) {
            if (std::ranges::none_of(few.problem.tasks,
                                     [&](const Task& task) { return covers(task, layer); })) {
                return std::nullopt;
            }
        }
        SearchOptions own = options;
        own.starts.clear();  // of other tasks
        Front found = find_(few.problem, own);
        for (FrontPoint& point : found.points) {
            point.mapping = few.in_original(point.mapping);
        }
        front.proven &= found.proven;
        front.evaluated += found.evaluated;
        if (!found.points.empty() && !found.note.empty()) {
            front.note = found.note;
        }
        front.ideal.resize(std::max(front.ideal.size(), found.ideal.size()),
                           std::numeric_limits<double>::infinity());
        for (std::size_t i = 0; i < found.ideal.size(); ++i) {
            front.ideal[i] = std::min(front.ideal[i], found.ideal[i]);
        }
        return found;
    }

    // Adds what no point is at least as good as, and drops what it is as good as.
    void merge(FrontPoint point) {
        const auto covers_it = [](const FrontPoint& a, const FrontPoint& b) {
            return std::ranges::equal(a.values, b.values, std::less_equal{});
        };
        if (std::ranges::any_of(front.points, [&](const auto& p) { return covers_it(p, point); })) {
            return;
        }
        std::erase_if(front.points, [&](const auto& p) { return covers_it(point, p); });
        const auto place = std::ranges::upper_bound(
            front.points, point.values.front(), {}, [](const auto& p) { return p.values[0]; });
        front.points.insert(place, std::move(point));
    }

    const Model& model_;
    const Problem& problem_;
    const SearchOptions& options_;
    const double percent_;
    Front (*const find_)(const Problem&, const SearchOptions&);
    int searches_ = 0;
};

}  // namespace

Front front_with_accuracy(const Model& model,
                          const Problem& problem,
                          const SearchOptions& options,
                          double percent,
                          Front (*find)(const Problem&, const SearchOptions&)) {
    if (!model.accuracy) {
        throw InputError(fmt::format("model '{}' states no accuracy", model.name));
    }
    Accurate search(model, problem, options, percent, find);
    search.try_measured();
    search.try_known_losses();
    Front front = std::move(search.front);
    const std::string unknown = unknown_sensitivity(model, problem);
    if (front.points.empty()) {
        front.note =
            front.proven
                ? fmt::format("no mapping is known to have an accuracy of {}% or more", percent)
                : fmt::format(
                      "none of an accuracy of {}% or more was found, though there "
                      "may be one",
                      percent);
        if (!unknown.empty()) {
            front.note += "; " + unknown;
        }
    }
    return front;
}

SearchResult search_with_accuracy(const Model& model,
                                  const Problem& problem,
                                  const SearchOptions& options,
                                  double percent,
                                  Front (*find)(const Problem&, const SearchOptions&)) {
    return best_of(front_with_accuracy(model, problem, options, percent, find), options.goal);
}

void expect_known_losses(const Model& model, const Problem& problem, const Goal& goal) {
    const auto asks = [](const Objective& objective) {
        return objective.criterion == Criterion::loss;
    };
    if (std::ranges::none_of(goal.minimise, asks) && std::ranges::none_of(goal.prefer, asks)) {
        return;
    }
    if (!model.accuracy) {
        throw InputError{fmt::format("accuracy: model '{}' states none", model.name)};
    }
    if (const std::string unknown = unknown_sensitivity(model, problem); !unknown.empty()) {
        throw InputError{"accuracy: " + unknown};
    }
}

}  // namespace sim
