#pragma once

// What a goal asks of partial mappings: the sums that grow with every task (energy, loss, what
// budgets and memories are used for, ...), the least that the layers to come add to them, and with
// a bound on the latency a bound on every axis. Private to the searches. Start at
// `Criteria::bounds`.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/goal.hpp"
#include "sim/search/mixes.hpp"
#include "sim/search/tails.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sim::internal {

// Output channels that a task does not put on the device.
std::int64_t channels_elsewhere(const Problem& problem, const Task& task, int device);

// Devices that are configured once: their budgets are for the whole mapping.
bool is_static(const Problem& problem, const Budget& budget);
std::int64_t use_of(const Task& task, const Problem& problem, int budget);

class Criteria {
public:
    // Throws InputError where the goal needs an energy that the platform does not say.
    Criteria(const Problem& problem, const Goal& goal);

    using Sums = std::vector<std::int64_t>;

    // Axes: Goal::minimise, then Goal::prefer.
    std::size_t minimised() const { return minimised_; }
    std::size_t axes() const { return axes_.size(); }
    std::size_t sums() const { return sums_.size(); }

    // Whether sooner is better, or there is a limit: else only the sums are compared.
    bool needs_latency() const { return needs_latency_; }
    bool needs_period() const { return needs_period_; }

    // A task that can be in no mapping that fits.
    bool is_too_much(int task) const;

    // The sums that have a limit which some mapping exceeds.
    struct SumLimit {
        std::size_t sum = 0;  // of Sums
        std::int64_t most = 0;
        const std::vector<std::int64_t>* of_task = nullptr;
    };
    std::vector<SumLimit> limits() const;

    // Adds what placing the task adds, before it is placed; the energy is the evaluator's, later.
    void add(Sums& sums, const Evaluator& before, int task) const;
    void set_energy(Sums& sums, const Evaluator& placed) const {
        if (energy_ >= 0) {
            sums[at(energy_)] = placed.core.energy;
        }
    }
    std::int64_t energy(const std::int64_t* sums) const { return energy_ < 0 ? 0 : sums[energy_]; }

    // False if every completion goes beyond a limit, or parts what is to be together. `layer`: the
    // first one that is not covered.
    bool fit(const Sums& sums, const Evaluator& placed, int layer) const;
    // The same of limits that have to do with time; no completion is faster than `latency`.
    bool fit_in_time(Ticks latency, const Sums& sums, const Evaluator& placed, int layer) const;
    // What is not faster than this need not be told from what is slower.
    Ticks too_late() const { return most_latency_ < kNeverTicks ? most_latency_ + 1 : kNeverTicks; }

    // Raises sums to where they begin to matter, so that more states are equal.
    void raise(Sums& sums, int layer) const;

    // Some sums are no amounts but marks (where the last task ran, where a group of layers is):
    // only states whose marks are equal may be compared. Appends them to the key.
    void append_marks(const Sums& sums, std::vector<std::uint64_t>& key) const;
    std::size_t marks() const { return last_of_group_.size() + (place_ >= 0 ? 1 : 0); }

    // By axis: no completion is below. At the end (`layer` is the number of layers) these are the
    // values, where nothing is coupled and no goal needs the whole.
    void bounds(
        Ticks latency, const Sums& sums, const Evaluator& placed, int layer, double* by_axis) const;

    // Tasks of which another is never worse: the same layers, inputs and result, no slower, no sum
    // larger. By task, whether it stays.
    std::vector<char> undominated() const;

    // Why nothing fits, if one limit alone explains it.
    std::string what_is_too_little() const;

private:
    enum class Kind {
        energy,
        loss,
        elsewhere,
        budget,
        weights,
        load,
        segments,
        switches,
        parted,  // layers that are not where their group is
        place,   // a mark: of the last task
        group    // a mark: where its layers are, from 1; 0: nowhere yet, or all are
    };
    struct Sum {
        Kind kind = Kind::loss;
        int index = 0;        // of the device, budget, memory, resource or group
        bool ranked = false;  // an axis reads it, or it is a mark; else it only has a limit
        std::int64_t limit = std::numeric_limits<std::int64_t>::max();
        std::vector<std::int64_t> of_task;
        std::vector<std::int64_t> least;  // by layer: of what covers it, its share at least
        std::vector<std::int64_t> rest;   // by layer: the least of this and all later ones
        std::vector<std::int64_t> most;   // of this and all later ones together, at most
        // Changes of device: [layer * places + place]: what comes after the place, at least.
        std::vector<std::int64_t> after;
    };
    // Work of some resources together, for the period.
    struct LoadBound {
        Bits resources = 0;
        std::vector<std::int64_t> least, rest;
    };
    // Energy and time in one: with time worth `mix.weight[r]` on resource r, a schedule takes at
    // least the weighted work of all layers, and all that time the platform draws its power at
    // rest.
    struct EnergyTimeBound {
        Mix mix;
        std::vector<std::int64_t> least, rest;  // femtojoules
        std::vector<std::int64_t> of_task;      // while the tails' table is to come
        int table = -1;
    };
    struct Axis {
        Criterion criterion = Criterion::latency;
        int sum = -1;
    };

    void find_ahead();
    void add_axis(const Objective& objective);
    void add_limits(const Goal& goal);
    void find_contributions();
    void drop_idle_limits();
    void add_loads_of_resources();
    void find_places();
    int add_empty_sum(Kind kind, int index);
    void add_marks();
    void find_least_changes(Sum& one) const;
    std::int64_t changes(Kind kind, int before, int task) const;
    void mark(Sums& sums, int task) const;
    std::int64_t least_energy_of(Ticks latency,
                                 const Sums& sums,
                                 const Evaluator& placed,
                                 int layer) const;
    int sum(Kind kind, int index, bool ranked);
    std::int64_t value(Kind kind, int index, int task) const;
    void find_rest(const std::vector<std::int64_t>& of_task,
                   std::vector<std::int64_t>& least,
                   std::vector<std::int64_t>& rest) const;
    void add_loads(Sums& sums, const Evaluator& before, int task) const;
    void add_energy_time_bounds();
    void add_tails();
    std::int64_t at_rest(Ticks weighted, std::int64_t scale) const;
    std::int64_t least_energy(const Sums& sums,
                              const Evaluator& placed,
                              int layer,
                              const Tails::Front* front) const;
    std::int64_t left(const std::vector<std::int64_t>& least,
                      const std::vector<std::int64_t>& rest,
                      const Evaluator& placed,
                      int layer) const;
    const Problem& problem_;
    std::size_t minimised_ = 0;
    std::vector<Axis> axes_;
    std::vector<Sum> sums_;
    std::vector<LoadBound> load_bounds_;
    std::vector<EnergyTimeBound> energy_time_bounds_;
    std::optional<Tails> tails_;           // their first table: of the energy
    std::vector<std::vector<int>> ahead_;  // by the first uncovered layer: may be covered before
    int energy_ = -1, loads_ = -1;         // the first load
    int segments_ = -1, switches_ = -1;
    int marks_ = -1, place_ = -1, parted_ = -1;  // the first mark; among them the last task's
    Ticks most_latency_ = kNeverTicks;
    std::int64_t most_energy_ = std::numeric_limits<std::int64_t>::max();
    bool needs_latency_ = false, needs_period_ = false;
    Time others_{};  // of the networks' latencies, the least of all but the last
    // Sets of devices that work on a task, numbered from the host's alone.
    std::vector<int> place_of_task_;
    int places_ = 1;
    std::vector<int> last_of_group_;  // the last layer of each
};

}  // namespace sim::internal
