#pragma once

// Lower bounds on the makespan of every completion of a partial schedule, and the structure of a
// problem that bounds and states share: what is alive when, and where the model has cuts.
// Private to the searches. Start at `Bounds::operator()`.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/mixes.hpp"

#include <cstdint>
#include <vector>

namespace sim::internal {

// What the layered search does beyond enumerating; tests switch parts off, searches never.
struct PruningRules {
    bool path = true;       // bound: the longest path from where the live tensors are
    bool load = true;       // bound: the work left for the dispatcher and the devices
    bool modules = true;    // bound: exact tails between cuts
    bool dominance = true;  // of two states with the same future, the later one goes
    bool raise = true;      // states: times up to where they begin to matter
    bool forget = true;     // states: who made a tensor that is wherever it is read
};

// All times of the problem are multiples of it, and so is every sum of them. What shares
// (contention, buses) is no sum.
Ticks common_unit(const Problem& problem);
constexpr Ticks rounded_up(Ticks bound, Ticks unit) {
    return bound >= kNeverTicks ? bound : (bound + unit - 1) / unit * unit;
}

class Bounds {
public:
    Bounds(const Problem& problem, const PruningRules& rules);

    // When a tensor can be read, by device and layout, and what converting it takes then.
    struct Arrival {
        Ticks time = 0, conversion = 0;
    };
    // What a bound works on; one for each thread.
    struct Scratch {
        std::uint64_t bound = 0;            // counts them
        std::vector<std::uint64_t> seen;    // by tensor: the last bound that read it
        std::vector<Arrival> arrivals;      // by tensor, device and layout: valid if seen
        std::vector<Ticks> queue, soonest;  // by device
        std::vector<Ticks> sums;            // by mix
    };
    Scratch scratch() const;

    // At least the makespan of every completion of what is placed, where `layer` is the first
    // one that is not covered; or, if that is not below `limit`, perhaps only `limit`.
    Ticks operator()(const Evaluator& placed, int layer, Ticks limit, Scratch& scratch) const;

    // ---- structure ----

    // By the first uncovered layer: tensors that may be read later, layers that a fused chain may
    // have covered ahead, and the layers that read a live tensor.
    std::vector<std::vector<int>> live, ahead, front;

    // A cut: once this layer is covered, its result is the only one alive.
    std::vector<char> cut;

    std::vector<std::vector<int>> ending;  // by layer: tasks that have its result

    // By tensor and index into its consumers: the tasks that read the tensor for that layer.
    std::vector<std::vector<std::vector<int>>> readers;

    // ---- tails ----

    // By task: at least the time from its end to the end of the schedule.
    std::vector<Ticks> tail;

    // Recomputes, from those of later layers, what the bounds know of this layer and of the
    // tasks that have its result; `set_tails` first, then perhaps larger tails, then `set_loads`.
    // A task of several results has its tail when the first of them is done: nothing before that
    // layer reads from the task.
    void set_tails(int layer);
    void set_loads(int layer);

    // Every makespan is a multiple of it, so a bound rounds up.
    Ticks unit = 1;
    Ticks rounded_up(Ticks bound) const { return internal::rounded_up(bound, unit); }

    // No schedule is longer.
    double horizon = 0;

    // No task to come starts before this instant; only submissions do. For searches of a module,
    // which start from a state in the middle of nowhere.
    Ticks floor = 0;

private:
    // How a layer can be done: the tasks that cover it on one device with the same inputs.
    struct Alternative {
        int device = 0, first = 0;
        Ticks after = kNeverTicks;  // from the start to the end of the schedule, but conversions
        std::vector<TaskInput> inputs;
        std::vector<int> tasks;
        std::vector<std::size_t> arrivals;  // of the inputs, in the scratch
    };
    // Weighted work of what is to come. A bound goes through all mixes at one layer, so these
    // numbers lie side by side.
    struct Loads {
        std::size_t count = 0;
        std::vector<std::int64_t> scales;   // by mix
        std::vector<std::int64_t> weights;  // [device * mixes + mix]
        std::vector<Ticks> after;  // [(layer * devices + open device) * mixes + mix]: of this layer
                                   // and later ones
        std::vector<Ticks> free;   // [layer * mixes + mix]: the same without submissions
        std::vector<Ticks> most;   // and what the layer, if covered ahead, can count in it at most
    };

    void find_structure();
    void find_horizon();
    void make_loads();
    void set_load(int layer, std::size_t mix);
    void refresh_alternatives(int layer);
    bool has_neighbour(int device) const;
    Ticks step(int tensor, const Task& from, int made_in, const Task& to, int layout) const;
    void find_arrivals(const Evaluator& placed, int tensor, Arrival* arrivals) const;
    Ticks reach(const Evaluator& placed, int tensor, int memory) const;
    Ticks load_bound(const Evaluator& placed, int layer, Scratch& scratch) const;

    const Problem& problem_;
    const PruningRules rules_;
    const int devices_;
    bool every_result_is_read_ = true;
    std::vector<std::vector<Alternative>> alternatives_;  // by layer
    std::vector<std::vector<int>> inside_;  // by layer: tasks that cover it after their first
    Loads loads_;
};

}  // namespace sim::internal
