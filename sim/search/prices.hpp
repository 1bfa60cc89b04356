#pragma once

// Limits as prices. A mapping that keeps within its limits (budgets, the weights that memories
// hold, accuracy) pays for what its tasks use, at so much time a unit, no more than all of a limit
// costs. So the least time of mappings that pay instead of keeping within limits, less the price of
// all limits, is a lower bound on the time of those that do keep within them (Lagrangian
// relaxation), and at the right prices a sharp one: the fastest mapping alone would put everything
// on the fastest device. Private to the searches.
//
// A task that pays takes longer by what it pays. That adds no more to the makespan than is paid, as
// a schedule's longest path goes through a task once.

#include "sim/compile/problem.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/search.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace sim::internal {

struct Prices {
    std::vector<double> of_all;  // by Criteria::limits(): picoseconds for all of the limit
    Ticks bound = 0;             // no mapping within the limits is faster
    // Found on the way: the fastest at some prices, which may fit.
    std::vector<Mapping> mappings;
    std::uint64_t nodes = 0;

    bool matter() const;  // some are not zero
};

// The problem without limits, where each task takes longer by what it pays: picoseconds, rounded
// down.
Problem paying(const Problem& problem, const std::function<double(std::size_t task)>& pays);

// Raises the prices of limits that the fastest mapping at the last ones exceeds, and lowers others,
// as long as that helps the bound.
Prices find_prices(const Problem& problem, const Criteria& criteria, const SearchOptions& options);

// What is placed has used something; its completions can only use what is left, and pay for that.
class PricedBounds {
public:
    PricedBounds(const Problem& problem, const Criteria& criteria, const Prices& prices);

    Bounds::Scratch scratch() const { return bounds_.scratch(); }
    // At least the makespan of every completion within the limits.
    Ticks operator()(const Evaluator& placed,
                     const Criteria::Sums& sums,
                     int layer,
                     Bounds::Scratch& scratch) const;

private:
    std::vector<Criteria::SumLimit> limits_;
    std::vector<double> of_one_;  // by limit: picoseconds a unit
    std::unique_ptr<const Problem> priced_;
    Bounds bounds_;
};

}  // namespace sim::internal
