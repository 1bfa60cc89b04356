#pragma once

// Points of a front: mappings by their values, of which none dominates another. Private to the
// searches. Start at `Points::add`.

#include "sim/compile/problem.hpp"
#include "sim/search/levels.hpp"

#include <cstddef>
#include <cstdint>
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

}  // namespace sim::internal
