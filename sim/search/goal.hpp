#pragma once

// What a search is to find: the least of one criterion, or the Pareto front of several.

#include "sim/run/assess.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

enum class Criterion {
    latency,
    energy,
    energy_delay,  // energy x latency
    period,        // of a stream of frames: the reciprocal of throughput
    loss,          // accuracy lost, by proxy: measured accuracies do not enter
    device         // tie-breaking: as many output channels as possible on Objective::device
};

struct Objective {
    Criterion criterion = Criterion::latency;
    int device = -1;
};

struct Goal {
    std::vector<Objective> minimise{Objective{}};  // one: the best; several: the front
    std::vector<Objective> prefer = {};            // of equally good mappings, in this order
    std::optional<std::int64_t> most_loss = std::nullopt;  // millionths of a percentage point
    int frames_in_flight = 4;                              // period

    bool is_latency() const {
        return minimise.size() == 1 && minimise[0].criterion == Criterion::latency &&
               prefer.empty() && !most_loss;
    }
};

// "latency", "energy", "edp", "throughput", "accuracy", or for `prefer` also a device's name.
// Throws InputError with the list.
Objective objective_named(const Problem& problem, std::string_view name, bool may_be_device);
std::string name_of(const Problem& problem, const Objective& objective);

// Throws InputError where the energies are not known: "objective energy: the energy is unknown:
// device 'cpu' states no active_power_w; say what it is with --set devices.cpu.active_power_w=...".
void expect_known_energy(const Problem& problem, const std::string& whose);

// A mapping's place on an axis, smaller is better: picoseconds, femtojoules, their product,
// millionths of a point, channels elsewhere. Infinite if infeasible. Throws InputError where the
// criterion is energy and the platform does not say it.
double value_on(const Problem& problem,
                const Objective& objective,
                const Mapping& mapping,
                const Assessment& assessment);

struct FrontPoint {
    Mapping mapping;
    Assessment assessment;
    std::vector<double> values;  // by axis of Goal::minimise
};

// No point is at least as good as another on every axis and better on one; ascending by the first
// axis. Of points with equal values one, chosen by Goal::prefer.
struct Front {
    std::vector<FrontPoint> points;
    bool proven = false;  // nothing is missing and nothing can be better
    std::uint64_t evaluated = 0;
    std::vector<double> ideal;  // by axis: nothing is below
    std::string note;
};

}  // namespace sim
