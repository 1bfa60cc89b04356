#include "sim/search/stages.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
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

    bool is_boundary(int layer) const { return is_boundary_layer(problem_, layer); }

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

// ---- For every number of stages. ----------------------------------------------------------------

constexpr std::size_t kMostSetsOfStages = 400;  // of devices, of one number of stages
constexpr std::size_t kMostValued = 100;        // pipelines of one number of stages
constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

// Stages on a set of devices that take the first so many layers: the last one, and of all the
// longest, as short as it can be.
struct Staged {
    std::int64_t longest = kNone;
    int device = -1, begin = 0;
};
using StagedUpTo = std::vector<Staged>;  // by the number of layers

class Stages {
public:
    explicit Stages(const Problem& problem)
        : problem_(problem),
          fastest_(problem),
          end_(problem.layers() - 1),
          cut_(at(problem.layers() + 1)) {
        for (int layer = 0; layer < problem.layers(); ++layer) {
            const std::vector<int>& readers = problem.consumers[at(layer)];
            const int last = readers.empty() ? layer : readers.back();
            for (int cut = layer + 1; cut <= last; ++cut) {
                cut_[at(cut)].push_back(layer);
            }
        }
    }

    void run(const std::function<double(const Mapping&)>& value_of,
             const std::function<bool()>& stop) {
        levels_.assign(1, {});
        levels_[0][0] = StagedUpTo(at(end_ + 1));
        levels_[0][0][0].longest = 0;
        double best = std::numeric_limits<double>::infinity();
        for (int count = 1; count <= problem_.device_count() && !stop(); ++count) {
            // 1. One more device for every set of the last level.
            std::map<Bits, StagedUpTo> level;
            for (const auto& [set, before] : levels_.back()) {
                for (int device = 0; device < problem_.device_count() && !stop(); ++device) {
                    if ((set & bit(device)) == 0) {
                        StagedUpTo& after = level[set | bit(device)];
                        after.resize(at(end_ + 1));
                        extend(before, device, best, after);
                    }
                }
            }
            // 2. The most promising go on, and what they are worth is asked for.
            std::vector<std::pair<std::int64_t, Bits>> sets;
            for (const auto& [set, staged] : level) {
                sets.emplace_back(staged[at(end_)].longest, set);
            }
            std::ranges::sort(sets);
            sets.resize(std::min(sets.size(), kMostSetsOfStages));
            levels_.emplace_back();
            for (const auto& [longest, set] : sets) {
                levels_.back()[set] = std::move(level[set]);
            }
            for (std::size_t i = 0; i < std::min(sets.size(), kMostValued) && !stop(); ++i) {
                if (static_cast<double>(sets[i].first) >= best || sets[i].first >= kNone) {
                    break;
                }
                best = std::min(best, value_of(mapping_of(sets[i].second)));
            }
        }
    }

private:
    // A stage on the device after every beginning.
    void extend(const StagedUpTo& before, int device, double best, StagedUpTo& after) const {
        const int memory = problem_.devices[at(device)].memory;
        const std::int64_t capacity =
            problem_.capacities.empty() ? 0 : problem_.capacities[at(memory)];
        for (int begin = 0; begin < end_; ++begin) {
            if (before[at(begin)].longest >= kNone) {
                continue;
            }
            const std::int64_t rest = std::max(before[at(begin)].longest,
                                               brought(begin, before[at(begin)].device, device));
            std::int64_t work = 0, weights = 0;
            for (int layer = begin; layer < end_; ++layer) {
                const int k = fastest_.is_boundary(layer) ? fastest_.task(layer, 0)
                                                          : fastest_.task(layer, device);
                if (k < 0) {
                    break;
                }
                const Task& task = problem_.tasks[at(k)];
                work += task.cost.count();
                weights += task.weight_bytes.empty() ? 0 : task.weight_bytes[at(memory)];
                if (static_cast<double>(work) >= best || (capacity > 0 && weights > capacity)) {
                    break;
                }
                Staged& there = after[at(layer + 1)];
                if (const std::int64_t longest = std::max(rest, work); longest < there.longest) {
                    there = {longest, device, begin};
                }
            }
        }
    }

    // What is copied for a stage that begins there, as if all of it came from the stage before.
    std::int64_t brought(int begin, int last, int device) const {
        if (last < 0) {
            return 0;
        }
        const int from = problem_.devices[at(last)].memory,
                  to = problem_.devices[at(device)].memory;
        std::int64_t sum = 0;
        for (const int tensor : cut_[at(begin)]) {
            if (from != to && problem_.engine[problem_.pair_place(from, to)] >= 0) {
                sum += std::min(problem_.copy(tensor, 0, from, to), kNever).count();
            }
        }
        return sum;
    }

    Mapping mapping_of(Bits set) const {
        std::vector<int> tasks(at(problem_.layers()), -1);
        int end = end_;
        for (std::size_t level = levels_.size() - 1; end > 0; --level) {
            const Staged& staged = levels_[level].at(set)[at(end)];
            for (int layer = staged.begin; layer < end; ++layer) {
                tasks[at(layer)] =
                    fastest_.task(layer, fastest_.is_boundary(layer) ? 0 : staged.device);
            }
            set &= ~bit(staged.device);
            end = staged.begin;
        }
        tasks.back() = fastest_.task(end_, 0);
        return Mapping(std::move(tasks));
    }

    const Problem& problem_;
    const Fastest fastest_;
    const int end_;                      // the output's layer, which is the host's
    std::vector<std::vector<int>> cut_;  // by layer: what is made before and read from it on
    std::vector<std::map<Bits, StagedUpTo>> levels_;  // by the number of stages
};

}  // namespace

void for_each_pipeline(const Problem& problem,
                       const std::function<double(const Mapping&)>& value_of,
                       const std::function<bool()>& stop) {
    const Fastest fastest(problem);
    const int output = problem.layers() - 1;
    if (fastest.task(0, 0) >= 0 && fastest.task(output, 0) >= 0) {
        Stages(problem).run(value_of, stop);
    }
}

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
