#include "sim/search/stages.hpp"

#include <algorithm>
#include <vector>

namespace sim::internal {
namespace {

constexpr int kMostInAnyOrder = 12;  // devices: all subsets of them are looked at
constexpr int kHalvings = 48;        // of the time between what is too short and what is enough

// The fastest task of every layer by itself on every device, by layer and device; -1: none.
class Fastest {
public:
    explicit Fastest(const Problem& problem)
        : problem_(problem), task_(at(problem.layers()) * at(problem.device_count()), -1) {
        for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
            const Task& task = problem.tasks[at(k)];
            if (!task.rest.empty() || !task.parts.empty() || !fits_order(task)) {
                continue;
            }
            int& best = task_[place(task.first, task.device)];
            if (best < 0 || task.cost < problem.tasks[at(best)].cost) {
                best = k;
            }
        }
    }

    int task(int layer, int device) const { return task_[place(layer, device)]; }

    // The first layer from `begin` on that the device cannot take within this time any more.
    int reach(int begin, int device, Time most) const {
        Time sum{};
        int layer = begin;
        for (; layer < problem_.layers(); ++layer) {
            const int k = is_boundary(layer) ? task(layer, 0) : task(layer, device);
            if (k < 0) {
                break;
            }
            sum += problem_.tasks[at(k)].cost;
            if (sum > most) {
                break;
            }
        }
        return layer;
    }

    bool is_boundary(int layer) const { return layer == 0 || layer + 1 == problem_.layers(); }

private:
    std::size_t place(int layer, int device) const {
        return at(layer) * at(problem_.device_count()) + at(device);
    }

    const Problem& problem_;
    std::vector<int> task_;
};

// A stage: the device that takes the layers up to `end`.
struct Stage {
    int device = 0, end = 0;
};

// Stages of at most this long; empty if there are none.
std::vector<Stage> in_any_order(const Problem& problem, const Fastest& fastest, Time most) {
    const int devices = problem.device_count();
    const std::size_t subsets = std::size_t{1} << devices;
    std::vector<int> reached(subsets, 0), last(subsets, -1);
    for (std::size_t subset = 0; subset < subsets; ++subset) {
        for (int d = 0; d < devices; ++d) {
            const std::size_t more = subset | (std::size_t{1} << d);
            const int end = more == subset ? 0 : fastest.reach(reached[subset], d, most);
            if (end > reached[more]) {
                reached[more] = end;
                last[more] = d;
            }
        }
    }
    std::vector<Stage> stages;
    std::size_t subset = subsets - 1;
    if (reached[subset] < problem.layers()) {
        return stages;
    }
    while (subset != 0 && last[subset] >= 0) {
        stages.push_back({last[subset], reached[subset]});
        subset &= ~(std::size_t{1} << last[subset]);
    }
    std::ranges::reverse(stages);
    return stages;
}

std::vector<Stage> in_their_order(const Problem& problem, const Fastest& fastest, Time most) {
    std::vector<Stage> stages;
    int end = 0;
    for (int d = 0; d < problem.device_count() && end < problem.layers(); ++d) {
        end = fastest.reach(end, d, most);
        stages.push_back({d, end});
    }
    return end == problem.layers() ? stages : std::vector<Stage>{};
}

}  // namespace

std::optional<Mapping> pipeline(const Problem& problem) {
    const Fastest fastest(problem);
    const auto stages_within = [&](Time most) {
        return problem.device_count() <= kMostInAnyOrder ? in_any_order(problem, fastest, most)
                                                         : in_their_order(problem, fastest, most);
    };
    // 1. The shortest time that is enough.
    Time low{}, high{};
    for (const Task& task : problem.tasks) {
        high += task.cost;
    }
    std::vector<Stage> best = stages_within(high);
    for (int i = 0; i < kHalvings && !best.empty() && low < high; ++i) {
        const Time middle = low + (high - low) / 2;
        if (std::vector<Stage> stages = stages_within(middle); stages.empty()) {
            low = middle + Time{1};
        } else {
            best = std::move(stages);
            high = middle;
        }
    }
    if (best.empty()) {
        return std::nullopt;
    }
    // 2. Its tasks.
    Mapping mapping;
    int layer = 0;
    for (const Stage& stage : best) {
        for (; layer < stage.end; ++layer) {
            mapping.push_back(fastest.is_boundary(layer) ? fastest.task(layer, 0)
                                                         : fastest.task(layer, stage.device));
        }
    }
    return mapping;
}

}  // namespace sim::internal
