#pragma once

// What a search is to find: the least of one criterion, or the Pareto front of several.

#include "sim/run/assess.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

enum class Criterion {
    latency,
    sum,  // of the latencies of networks that run together
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

// What a mapping may take at most of something.
struct Limit {
    enum class Kind { latency, energy, loss, segments, switches };  // as Assessment has them
    Kind kind = Kind::latency;
    std::int64_t most = 0;  // picoseconds, femtojoules, millionths of a percentage point, a count
};

struct Goal {
    std::vector<Objective> minimise{Objective{}};  // one: the best; several: the front
    std::vector<Objective> prefer = {};            // of equally good mappings, in this order
    std::vector<Limit> limits = {};                // mappings beyond any of these do not count
    int frames_in_flight = 4;                      // period

    bool is_stream() const { return minimise.front().criterion == Criterion::period; }
    // Whether only the simulation of a whole mapping tells how good it is, whatever the problem.
    bool needs_whole() const;
    int frames() const { return is_stream() ? frames_in_flight : 0; }  // AssessOptions of it
    bool is_latency() const {
        return minimise.size() == 1 && minimise[0].criterion == Criterion::latency &&
               prefer.empty() && limits.empty();
    }
};

// "latency", "sum", "energy", "edp", "throughput", "accuracy", or for `prefer` also a device's
// name. Of one network the sum is its latency. Throws InputError with the list.
Objective objective_named(const Problem& problem, std::string_view name, bool may_be_device);
std::vector<std::string_view> objective_names();  // without devices
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

// What a mapping takes of that which a limit is on. Of an impossible mapping, or of an energy that
// is unknown, more than any limit.
std::int64_t taken(const Limit& limit, const Assessment& assessment);
// Whether the mapping fits the platform, and the goal's limits.
bool keeps_to(const Goal& goal, const Assessment& assessment);
// By how much something is beyond its limit, as a share of that; 0 if it is not.
double share_beyond(std::int64_t needed, std::int64_t limit);
// By how much all that does not fit is exceeded, as shares of the limits, added up. Infinite if the
// mapping is impossible.
double excess(const Goal& goal, const Assessment& assessment);
// Throws InputError where a limit is on energy and the platform does not say it.
void expect_known_energy(const Problem& problem, const Goal& goal);

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
