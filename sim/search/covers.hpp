#pragma once

// Exact covers: how tasks, some of which fuse several layers, can cover every layer once.
// Times play no part here. Private to the searches.
//
// Layers that share a task, directly or through others, form a group; groups are independent of
// each other, so everything is asked group by group (a network of a hundred fusible pairs has
// 2^100 covers and a hundred groups of two).

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sim::internal {

class Covers {
public:
    // Only the tasks with allowed[task] != 0, or all if `allowed` is empty.
    explicit Covers(const Problem& problem, std::vector<char> allowed = {});

    std::uint64_t count() const;  // saturating at UINT64_MAX

    // The cover with the least sum of `score`, in whatever unit, nothing if there is no cover.
    std::optional<Mapping> cheapest(const std::function<std::int64_t(int task)>& score) const;

    // A layer that no cover reaches, -1 if there is a cover.
    int uncoverable() const;

    // Tasks that can come next, at `layer`, the first uncovered one: they overlap nothing that is
    // covered, and the layers they leave can still be covered.
    std::vector<int> fitting(const std::vector<char>& covered, int layer) const;

private:
    bool can_finish(int group, int layer, const std::vector<int>& ahead) const;
    bool is_allowed(int task) const { return allowed_.empty() || allowed_[at(task)]; }

    const Problem& problem_;
    std::vector<char> allowed_;
    std::vector<int> group_of_;             // by layer
    std::vector<std::vector<int>> groups_;  // layers, ascending
    std::vector<char> safe_;  // by group: each layer has a task of its own, so every start can end
};

// The cover whose tasks' costs have the least sum, of all tasks, whether the static order has them
// or not; not yet in an order that has them all. Nothing if there is no cover.
std::optional<Mapping> cheapest_cover(const Problem& problem);

// A cover as a mapping: every task after those that make what it reads, as near to the static order
// as that allows. Nothing if sets wait for each other, or read what stays inside another.
std::optional<Mapping> in_some_order(const Problem& problem, const Mapping& cover);

}  // namespace sim::internal
