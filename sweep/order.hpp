#pragma once

// In which order cells are handed out: those that are guessed to take longest come first, so that
// no long one is left when all else is done.

#include "sweep/plan.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sweep {

// The cells that are left, grouped by what decides how long they take: model, platform, objectives,
// search and constraints. A group is guessed by what its cells took so far, and by the size of its
// network where none has ended.
class Queue {
public:
    // Of none of these cells yet. `sizes`: of the networks, by model; any unit.
    Queue(const std::vector<Cell>& cells, const std::map<std::string, double>& sizes);

    void add(std::size_t cell);
    // The cell of the group that is guessed to take longest; of one group in the order in which
    // they came.
    std::optional<std::size_t> take();
    void took(std::size_t cell, double seconds);

    std::size_t left() const { return left_; }
    double guess(std::size_t cell) const { return guess_of(groups_[group_of_[cell]]); }  // seconds
    double guess_of_all() const;  // of those left

private:
    struct Group {
        double size = 1;
        std::deque<std::size_t> cells;
        double seconds = 0;  // of those that ended
        std::size_t ended = 0;
    };

    double guess_of(const Group& group) const;

    std::vector<Group> groups_;          // in the order in which the first of their cells came
    std::vector<std::size_t> group_of_;  // by cell
    std::size_t left_ = 0;
    double all_seconds_ = 0, all_sizes_ = 0;  // of the cells that ended
};

}  // namespace sweep
