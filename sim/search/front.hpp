#pragma once

// Points that do not dominate each other, and the search for them level by level.
// Private to the searches. pareto_front (front.cpp) runs it; start at `FrontSearch::pass`.
//
// As the layered search (layered.hpp): level i holds partial schedules whose first uncovered layer
// is i, only so many are expanded, and what is let go leaves a bound. But a state carries sums
// beside its times (energy, loss, what budgets are used for), one dominates another only if no
// time and no sum is larger, and it goes when a point that was found is as good on every axis as
// its bounds.

#include "sim/search/bounds.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/search.hpp"
#include "sim/search/state.hpp"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace sim {

// Which of the rows (of `stride` numbers) no other row is as good as: nowhere larger in the first
// `compared` numbers. Of equal rows the one with the lexicographically least `ties` numbers that
// follow, then the first. In lexicographic order.
std::vector<std::uint32_t> undominated(std::span<const std::int64_t> numbers,
                                       std::size_t stride,
                                       std::size_t first,
                                       std::size_t compared,
                                       std::size_t ties);

struct Step {
    std::uint32_t parent = 0;  // in a trace
    int task = -1;
};

// Mappings by their values on the axes: those to minimise, then those that only break ties.
class Points {
public:
    Points(std::size_t minimised, std::size_t axes) : minimised_(minimised), axes_(axes) {}

    struct Point {
        std::vector<double> values;
        Step step;
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

    // The values of a mapping, unless it is impossible or beyond a limit.
    std::optional<std::vector<double>> values(const Mapping& mapping);

    struct Pass {
        std::vector<double> let_go;  // by axis: the least bound of what was let go
        bool complete = true;        // nothing was
        bool stopped = false;
        std::uint64_t nodes = 0;
    };
    // Adds what it finds that is better than the points.
    Pass pass(std::size_t width, Points& points);

private:
    // States with one key.
    struct Group {
        std::vector<std::uint64_t> key;
        std::size_t times = 0;              // of each state's numbers; the rest are sums
        std::vector<std::int64_t> numbers;  // times, then sums
        std::vector<double> bounds;         // by axis
        std::vector<Step> steps;
        std::size_t tidy = 0;  // the first so many do not dominate each other
    };
    struct Hash {
        std::size_t operator()(const std::vector<std::uint64_t>& key) const;
    };
    struct Level {
        std::unordered_map<std::vector<std::uint64_t>, std::size_t, Hash> index;
        std::vector<Group> groups;
        std::size_t states = 0;
    };
    struct Ref {
        Group* group = nullptr;
        std::size_t state = 0;
    };

    void tidy(Level& level, Group& group) const;
    void keep(Level& level, const Step& step, const double* bounds);
    std::vector<Ref> refs(Level& level, const Points& points) const;
    void choose(std::vector<Ref>& refs, std::size_t count, Pass& pass) const;
    void shrink(Level& level, std::size_t room, const Points& points, Pass& pass) const;
    void let_go(const Ref& ref, Pass& pass) const;
    const double* bounds_of(const Ref& ref) const {
        return &ref.group->bounds[ref.state * criteria_.axes()];
    }

    const Problem& problem_;
    const Criteria& criteria_;
    const SearchOptions& options_;
    Bounds bounds_;
    States states_;
    Evaluator evaluator_;
    Bounds::Scratch scratch_;
    Record record_;
    Criteria::Sums sums_;
};

}  // namespace sim
