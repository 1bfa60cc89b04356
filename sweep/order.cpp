#include "sweep/order.hpp"

#include <algorithm>
#include <functional>
#include <queue>

namespace sweep {
namespace {

// Where nothing is known: a front takes longer than a mapping, by about so much for each objective
// beyond the first.
constexpr double kTimesForAnObjective = 8;
constexpr double kSecondsOfASize = 1e-4;

}  // namespace

Queue::Name Queue::name_of_group(std::size_t cell) const {
    const Cell& one = cells_[cell];
    return {one.model, one.platform, objective_text(one), one.search, one.constraints.name};
}

Queue::Group& Queue::group_of(std::size_t cell) {
    Group& group = groups_[name_of_group(cell)];
    group.model = cells_[cell].model;
    group.objectives = cells_[cell].objectives.size();
    return group;
}

void Queue::add(std::size_t cell) {
    group_of(cell).cells.push_back(cell);
    ++left_;
}

double Queue::size_of(const Group& group) const {
    const auto found = sizes_.find(group.model);
    double size = found == sizes_.end() ? 1 : found->second;
    for (std::size_t i = 1; i < group.objectives; ++i) {
        size *= kTimesForAnObjective;
    }
    return size;
}

double Queue::guess_of(const Group& group) const {
    if (group.ended > 0) {
        return group.seconds / static_cast<double>(group.ended);
    }
    return size_of(group) * (all_sizes_ > 0 ? all_seconds_ / all_sizes_ : kSecondsOfASize);
}

double Queue::guess(std::size_t cell) const {
    const auto found = groups_.find(name_of_group(cell));
    return found == groups_.end() ? 0 : guess_of(found->second);
}

double Queue::guess_of_all() const {
    double seconds = 0;
    for (const auto& [name, group] : groups_) {
        seconds += guess_of(group) * static_cast<double>(group.cells.size());
    }
    return seconds;
}

std::optional<std::size_t> Queue::take() {
    Group* longest = nullptr;
    for (auto& [name, group] : groups_) {
        if (!group.cells.empty() && (longest == nullptr || guess_of(group) > guess_of(*longest))) {
            longest = &group;
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
    Group& group = group_of(cell);
    group.seconds += seconds;
    ++group.ended;
    all_seconds_ += seconds;
    all_sizes_ += size_of(group);
}

Played play(const std::vector<double>& seconds, std::size_t workers, double hand_out_s) {
    // 1. Who is free first gets the next cell, one hand-out after the other.
    std::priority_queue<double, std::vector<double>, std::greater<>> free;
    for (std::size_t i = 0; i < workers; ++i) {
        free.push(0);
    }
    double hands = 0, end = 0, work = 0;
    for (const double one : seconds) {
        hands = std::max(hands, free.top()) + hand_out_s;
        free.pop();
        free.push(hands + one);
        end = std::max(end, hands + one);
        work += one;
    }
    // 2. Against all of them at work until the end.
    return {.seconds = end,
            .efficiency = end > 0 ? work / (end * static_cast<double>(workers)) : 1};
}

}  // namespace sweep
