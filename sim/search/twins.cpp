#include "sim/search/twins.hpp"

#include "sim/error.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace sim {
namespace {

constexpr double kPerPoint = 1e6;  // of Criterion::loss: millionths of a percentage point

double percent_of(const Answer& answer) {
    if (!answer.accuracy) {
        throw InputError{
            fmt::format("model '{}' states no accuracy, so it cannot be compared with its twins",
                        answer.model->name)};
    }
    return answer.accuracy->percent;
}

// Is `a` at least as good as `b` on every axis?
bool covers(const FrontPoint& a, const FrontPoint& b) {
    return std::ranges::equal(a.values, b.values, [](double x, double y) { return x <= y; });
}

}  // namespace

std::size_t best_of_twins(const std::vector<Answer>& answers) {
    assert(!answers.empty());
    const bool by_accuracy = answers.front().goal.minimise.front().criterion == Criterion::loss;
    const auto cost = [&](const Answer& answer) {
        return by_accuracy ? -percent_of(answer) : answer.result.value;
    };
    return static_cast<std::size_t>(std::ranges::min_element(answers, {}, cost) - answers.begin());
}

FrontAnswer front_of_twins(std::vector<FrontAnswer> fronts) {
    assert(!fronts.empty());
    FrontAnswer all = std::move(fronts.front());
    all.of_twins = true;
    for (std::size_t f = 1; f < fronts.size(); ++f) {
        FrontAnswer& next = fronts[f];
        std::ranges::move(next.points, std::back_inserter(all.points));
        std::ranges::move(next.front.points, std::back_inserter(all.front.points));
        all.front.proven = all.front.proven && next.front.proven;
        all.front.evaluated += next.front.evaluated;
        all.seconds += next.seconds;
        all.front.note +=
            (all.front.note.empty() || next.front.note.empty() ? "" : "; ") + next.front.note;
        for (std::size_t axis = 0; axis < all.front.ideal.size(); ++axis) {
            all.front.ideal[axis] = std::min(all.front.ideal[axis], next.front.ideal[axis]);
        }
    }
    // 1. Accuracies against the highest.
    const auto loss = std::ranges::find(all.goal.minimise, Criterion::loss, &Objective::criterion);
    if (loss != all.goal.minimise.end()) {
        const auto axis = static_cast<std::size_t>(loss - all.goal.minimise.begin());
        double most = 0;
        for (const Answer& point : all.points) {
            most = std::max(most, percent_of(point));
        }
        for (std::size_t i = 0; i < all.points.size(); ++i) {
            all.front.points[i].values[axis] =
                std::round(kPerPoint * (most - percent_of(all.points[i])));
        }
        all.front.ideal[axis] = 0;
    }
    // 2. Ascending by the axes in turn, so that only an earlier point is as good as another on all;
    //    such points are left out.
    std::vector<std::size_t> order(all.points.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return all.front.points[i].values; });
    std::vector<Answer> points;
    std::vector<FrontPoint> values;
    for (const std::size_t i : order) {
        FrontPoint& next = all.front.points[i];
        if (std::ranges::none_of(values, [&](const FrontPoint& p) { return covers(p, next); })) {
            points.push_back(std::move(all.points[i]));
            points.back().point = static_cast<int>(points.size());
            values.push_back(std::move(next));
        }
    }
    all.points = std::move(points);
    all.front.points = std::move(values);
    return all;
}

}  // namespace sim
