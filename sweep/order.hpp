#pragma once

// In which order cells are handed out: those that are guessed to take longest come first, so that
// no long one is left when all else is done. And what that would have made of other crews.

#include "sweep/plan.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace sweep {

// The cells that are left, grouped by what decides how long they take: model, platform, objectives,
// search and constraints. A group is guessed by what its cells took so far, and by the size of its
// network where none has ended.
class Queue {
public:
    // `sizes`: of the networks, by model; any unit.
    Queue(const std::vector<Cell>& cells, std::map<std::string, double> sizes)
        : cells_{cells}, sizes_{std::move(sizes)} {}

    void add(std::size_t cell);
    // The cell of the group that is guessed to take longest; of one group in the order in which
    // they came.
    std::optional<std::size_t> take();
    void took(std::size_t cell, double seconds);

    bool empty() const { return left_ == 0; }
    std::size_t left() const { return left_; }
    double guess(std::size_t cell) const;  // seconds
    double guess_of_all() const;           // of those left

private:
    using Name = std::tuple<std::string, std::string, std::string, std::string, std::string>;
    struct Group {
        std::string model;
        std::size_t objectives = 1;
        std::deque<std::size_t> cells;
        double seconds = 0;  // of those that ended
        std::size_t ended = 0;
    };

    Name name_of_group(std::size_t cell) const;
    Group& group_of(std::size_t cell);
    double size_of(const Group& group) const;
    double guess_of(const Group& group) const;

    const std::vector<Cell>& cells_;
    std::map<std::string, double> sizes_;
    std::map<Name, Group> groups_;
    std::size_t left_ = 0;
    double all_seconds_ = 0, all_sizes_ = 0;  // of the cells that ended
};

// What a crew of so many would make of cells that took so long, handed out in this order by one who
// needs `hand_out_s` for each: how long all takes, and how much of the workers' time is work.
struct Played {
    double seconds = 0, efficiency = 0;
};
Played play(const std::vector<double>& seconds, std::size_t workers, double hand_out_s);

}  // namespace sweep
