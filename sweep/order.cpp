#include "sweep/order.hpp"

#include <tuple>

namespace sweep {
namespace {

// Where nothing is known: a front takes longer than a mapping, by about so much for each objective
// beyond the first.
constexpr double kTimesForAnObjective = 8;
constexpr double kSecondsOfASize = 1e-4;

}  // namespace

Queue::Queue(const std::vector<Cell>& cells, const std::map<std::string, double>& sizes) {
    using Name = std::tuple<std::string, std::string, std::string, std::string, std::string>;
    std::map<Name, std::size_t> known;
    group_of_.reserve(cells.size());
    for (const Cell& cell : cells) {
        const auto [found, fresh] = known.emplace(Name{cell.model,
                                                       cell.platform,
                                                       objective_text(cell),
                                                       cell.search,
                                                       cell.constraints.name},
                                                  groups_.size());
        if (fresh) {
            const auto size = sizes.find(cell.model);
            Group& group = groups_.emplace_back();
            group.size = size == sizes.end() ? 1 : size->second;
            for (std::size_t i = 1; i < cell.objectives.size(); ++i) {
                group.size *= kTimesForAnObjective;
            }
        }
        group_of_.push_back(found->second);
    }
}

void Queue::add(std::size_t cell) {
    groups_[group_of_[cell]].cells.push_back(cell);
    ++left_;
}

double Queue::guess_of(const Group& group) const {
    if (group.ended > 0) {
        return group.seconds / static_cast<double>(group.ended);
    }
    return group.size * (all_sizes_ > 0 ? all_seconds_ / all_sizes_ : kSecondsOfASize);
}

double Queue::guess_of_all() const {
    double seconds = 0;
    for (const Group& group : groups_) {
        seconds += guess_of(group) * static_cast<double>(group.cells.size());
    }
    return seconds;
}

std::optional<std::size_t> Queue::take() {
    Group* longest = nullptr;
    double most = 0;
    for (Group& group : groups_) {
        const double guess = group.cells.empty() ? 0 : guess_of(group);
        if (!group.cells.empty() && (longest == nullptr || guess > most)) {
            longest = &group;
            most = guess;
        }
    }
    if (longest == nullptr) {
        return std::nullopt;
    }
    const std::size_t cell = longest->cells.front();
    longest->cells.pop_front();
    --left_;
    return cell;
}

void Queue::took(std::size_t cell, double seconds) {
    Group& group = groups_[group_of_[cell]];
    group.seconds += seconds;
    ++group.ended;
    all_seconds_ += seconds;
    all_sizes_ += group.size;
}

}  // namespace sweep
