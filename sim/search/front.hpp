#pragma once

// Points that do not dominate each other, and the search for them level by level.
// Private to the searches. pareto_front (front.cpp) runs it; start at `FrontSearch::pass`.
//
// As the search for the least latency (levels.hpp says what they share), but a state carries sums
// beside its times (energy, loss, what budgets are used for), one dominates another only if no
// time and no sum is larger, and it goes when a point that was found is as good on every axis as
// its bounds.

#include "sim/search/bounds.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/levels.hpp"
#include "sim/search/memory.hpp"
#include "sim/search/prices.hpp"
#include "sim/search/search.hpp"
#include "sim/search/state.hpp"
#include "sim/search/workers.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sim::internal {

// Which of the rows (of `stride` numbers) no other row is as good as: nowhere larger in the first
// `compared` numbers. Of equal rows the one with the lexicographically least `ties` numbers that
// follow, then the first. In lexicographic order.
std::vector<std::uint32_t> undominated(std::span<const std::int64_t> numbers,
                                       std::size_t stride,
                                       std::size_t first,
                                       std::size_t compared,
                                       std::size_t ties);

// Mappings by their values on the axes: those to minimise, then those that only break ties.
class Points {
public:
    Points(std::size_t minimised, std::size_t axes) : minimised_(minimised), axes_(axes) {}

    struct Point {
        std::vector<double> values;
        TraceStep step;
        Mapping mapping;  // empty: see `step`
        int start = -1;   // of SearchOptions::starts: neither of the two
    };

    // Nothing with these bounds would be better than what is here. May say no too often.
    bool cover(const double* bounds) const;
    void add(Point point);
    void settle();  // drops what is dominated

    bool empty() const { return points_.empty(); }
    std::vector<Point>& all() { return points_; }  // ascending, once settled
    double least(std::size_t axis) const;

private:
    bool is_as_good(const Point& point, const double* bounds) const;

    std::size_t minimised_, axes_;
    std::vector<Point> points_;  // up to settled_: sorted, none dominates another
    std::size_t settled_ = 0;
};

class FrontSearch {
public:
    FrontSearch(const Problem& problem, const Criteria& criteria, const SearchOptions& options);

    // Bounds know from now on what limits cost.
    void use(const Prices& prices);

    // The values of a mapping, unless it is impossible or beyond a limit.
    std::optional<std::vector<double>> values(const Mapping& mapping);

    struct Pass {
        std::vector<double> let_go;  // by axis: the least bound of what was let go
        bool complete = true;        // nothing was
        bool stopped = false;
        bool full = false;  // not all fitted into memory
        std::uint64_t nodes = 0;
    };
    // Adds what it finds that is better than the points. `goes_deep`: see Course.
    Pass pass(std::size_t width, Points& points, bool goes_deep = false);

private:
    class Levels;

    const Problem& problem_;
    const Criteria& criteria_;
    const SearchOptions& options_;
    Bounds bounds_;
    std::optional<PricedBounds> priced_;
    States states_;
    Memory memory_;
    Workers workers_;
    std::vector<Evaluator> evaluators_;  // by worker
};

}  // namespace sim::internal
