#include "sim/search/prices.hpp"

#include "sim/checked.hpp"
#include "sim/search/layered.hpp"

#include <algorithm>
#include <cmath>

namespace sim::internal {
namespace {

// Of every search for the fastest mapping at some prices, and of all of them together.
constexpr std::size_t kWidth = 16;
constexpr std::uint64_t kMostNodes = 1'500'000;
constexpr int kMostRounds = 80;

// Steps of the prices, as shares of the time of the fastest mapping: the first, what a step that
// does not help leaves of it, and the least.
constexpr double kFirstStep = 0.5, kShorter = 0.75, kLastStep = 1e-4;

double price_of_one(const Criteria::SumLimit& limit, double of_all) {
    return of_all / std::max(1.0, static_cast<double>(limit.most));
}

Problem priced(const Problem& problem,
               const std::vector<Criteria::SumLimit>& limits,
               const std::vector<double>& of_all) {
    return paying(problem, [&](std::size_t task) {
        double pays = 0;
        for (std::size_t i = 0; i < limits.size(); ++i) {
            pays += price_of_one(limits[i], of_all[i]) *
                    static_cast<double>((*limits[i].of_task)[task]);
        }
        return pays;
    });
}

// Rounded up; beyond kNever as good as that, since no makespan is longer.
Ticks whole(double price) { return whole_number(std::ceil(price * (1 + 1e-12))) + 1; }

}  // namespace

Problem paying(const Problem& problem, const std::function<double(std::size_t task)>& pays) {
    Problem other = problem;
    other.budgets.clear();
    other.capacities.clear();
    // Who pays less than it should leaves a bound a bound; no sum of costs may reach kNever.
    const double most = static_cast<double>((kNever - problem.longest).count()) /
                        (2.0 * std::max(1, problem.layers()));
    for (std::size_t k = 0; k < other.tasks.size(); ++k) {
        Task& task = other.tasks[k];
        task.uses.clear();
        task.weight_bytes.clear();
        task.cost += Time{whole_number(std::floor(std::min(pays(k), most)))};
    }
    return other;
}

bool Prices::matter() const {
    return std::ranges::any_of(of_all, [](double price) { return price > 0; });
}

Prices find_prices(const Problem& problem, const Criteria& criteria, const SearchOptions& options) {
    const std::vector<Criteria::SumLimit> limits = criteria.limits();
    Prices best;
    best.of_all.assign(limits.size(), 0.0);
    if (limits.empty() ||
        std::ranges::any_of(limits, [](const Criteria::SumLimit& one) { return one.most < 0; })) {
        return best;
    }
    SearchOptions quietly = options;
    quietly.progress = {};
    quietly.threads = 1;
    std::vector<double> of_all = best.of_all, excess(limits.size(), 0.0), excess_at_best = excess;
    double scale = 0, step = kFirstStep;
    for (int round = 0; round < kMostRounds && best.nodes < kMostNodes && step > kLastStep;
         ++round) {
        if (options.stop && options.stop()) {
            break;
        }
        // 1. The fastest mapping at these prices.
        const Problem pays = priced(problem, limits, of_all);
        const Incumbent found = Layered(pays, {}, quietly).pass(kWidth, {});
        best.nodes += found.nodes;
        if (found.mapping.empty()) {
            break;
        }
        double price = 0, most_excess = 0;
        for (std::size_t i = 0; i < limits.size(); ++i) {
            std::int64_t used = 0;
            for (const int task : found.mapping) {
                used += (*limits[i].of_task)[at(task)];
            }
            excess[i] = static_cast<double>(used - limits[i].most) /
                        std::max(1.0, static_cast<double>(limits[i].most));
            price += of_all[i];
            most_excess = std::max(most_excess, excess[i]);
        }
        if (std::ranges::find(best.mappings, found.mapping) == best.mappings.end()) {
            best.mappings.push_back(found.mapping);
        }
        // 2. Better prices are kept; from the best ones the next step is shorter.
        const Ticks bound = found.stopped ? 0 : found.bound - whole(price);
        if (round == 0) {
            scale = static_cast<double>(found.makespan);
        }
        if (bound > best.bound) {
            best.bound = bound;
            best.of_all = of_all;
            excess_at_best = excess;
        } else if (round > 0) {
            step *= kShorter;
            of_all = best.of_all;
            for (std::size_t i = 0; i < limits.size(); ++i) {
                excess[i] = (excess[i] + excess_at_best[i]) / 2;
            }
        }
        if (round == 0 && most_excess <= 0) {
            break;  // the fastest mapping of all fits
        }
        // 3. Towards what the last mapping uses too much of.
        double length = 0;
        for (std::size_t i = 0; i < limits.size(); ++i) {
            const bool is_idle = excess[i] < 0 && of_all[i] <= 0;
            length += is_idle ? 0 : excess[i] * excess[i];
        }
        if (length <= 0) {
            break;
        }
        for (std::size_t i = 0; i < limits.size(); ++i) {
            of_all[i] = std::max(0.0, of_all[i] + step * scale * excess[i] / std::sqrt(length));
        }
    }
    return best;
}

PricedBounds::PricedBounds(const Problem& problem, const Criteria& criteria, const Prices& prices)
    : limits_(criteria.limits()),
      priced_(std::make_unique<const Problem>(priced(problem, limits_, prices.of_all))),
      bounds_(*priced_, {}) {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        of_one_.push_back(price_of_one(limits_[i], prices.of_all[i]));
    }
}

Ticks PricedBounds::operator()(const Evaluator& placed,
                               const Criteria::Sums& sums,
                               int layer,
                               Bounds::Scratch& scratch) const {
    const Ticks bound = bounds_(placed, layer, kNeverTicks, scratch);
    if (bound >= kNeverTicks) {
        return bound;
    }
    double left = 0;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        left += of_one_[i] * static_cast<double>(limits_[i].most - sums[limits_[i].sum]);
    }
    return bound - whole(left);
}

}  // namespace sim::internal
