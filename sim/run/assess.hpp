#pragma once

// Everything that can be asked of a mapping, from a simulation of the whole of it: time, energy,
// whether it fits, and for a stream of frames the time from one to the next. Start at `assess`.
//
// Searches order and prune by cheaper bounds; what they answer has been through here.

#include "sim/compile/problem.hpp"
#include "sim/run/plan.hpp"
#include "sim/run/schedule.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sim {

// What does not fit. A mapping with any of these is infeasible.
struct Violation {
    enum class Kind { budget, capacity, together, turns };
    Kind kind = Kind::budget;
    // Of Problem::budgets, the memory, or a layer: what `layer` is not together with, or too late
    // for.
    int index = 0;
    // The budget's unit, bytes, or how many layers are elsewhere or too late (of 0).
    std::int64_t needed = 0, limit = 0;
    // Budget: the layer that is too much. Capacity: one that runs when the most is needed, and -1
    // if that takes several frames in flight. Else the first that is elsewhere, or too late.
    int layer = -1;
    Time when{};  // capacity: when the most is needed
};

// "memory 'l1' needs 300.0 KiB, 44.0 KiB more than its 256.0 KiB, while 'conv3' runs (at 12.30 us)"
std::string to_string(const Problem& problem, const Violation& violation);

// ---- changes of device
// ---------------------------------------------------------------------------

struct Changes {
    // Runs of consecutive tasks on one device other than the host; a divided layer is a run of its
    // own on each of its devices but the host. On asynchronous devices: the segments of rule 2.
    int segments = 0;
    // Tasks on other devices than the task before them; the model's input and its answer are the
    // host's.
    int switches = 0;
};
Changes changes_of(const Problem& problem, const Mapping& mapping);
// What one task adds after another.
Changes change_between(const Task& before, const Task& after);

// Layers that are not together, or not in turn, as the problem asks.
std::vector<Violation> broken_bonds(const Problem& problem, const Mapping& mapping);

// ---- energy ------------------------------------------------------------------------------------

// Rule 8, piece by piece; the sum is the whole.
struct EnergyBreakdown {
    Energy base{};                      // base power x makespan
    std::vector<Energy> idle, working;  // by device: idle power x makespan; what work adds to it
    std::vector<Energy> links;          // by Problem::engine_names: bytes copied, parts joined

    Energy total() const;
};
// Nothing where energy is unknown.
std::optional<EnergyBreakdown> energy_of(const Problem& problem, const Plan& plan, Time makespan);

// ---- memory ------------------------------------------------------------------------------------

// What lies in a memory: weights all the time, a tensor from the start of the task, copy or
// conversion that writes it to the end of its last reader there. The model's input is in the host's
// memory from the start; what stays between the layers of a fused set takes nothing.
struct MemoryUse {
    std::int64_t weights = 0, peak = 0;  // bytes; the peak includes the weights
    Time peak_at{};
    int peak_layer = -1;  // a layer that runs then
};
// A tensor in a memory. `layer`: of the task that writes it there, or for which that is done.
struct Stay {
    int memory = 0, tensor = 0, layer = 0;
    std::int64_t bytes = 0;
    Time from{}, to{};
};
// Of one run's events; the model's input is there from `entry` on.
std::vector<Stay> stays_of(const Problem& problem,
                           const Plan& plan,
                           std::span<const Event> events,
                           Time entry);
// By memory: the most at a time, with the weights.
std::vector<MemoryUse> peaks_of(const Problem& problem,
                                const Mapping& mapping,
                                std::span<const Stay> stays);
std::vector<MemoryUse> memory_use(const Problem& problem,
                                  const Mapping& mapping,
                                  const Plan& plan,
                                  const Schedule& schedule);

// ---- streams -----------------------------------------------------------------------------------

// Frame after frame through one mapping, several in flight. A frame's work keeps its order; a
// device, the dispatcher or an engine that is free takes the next piece of the oldest frame whose
// next piece there is ready. A frame enters when fewer than `frames_in_flight` are inside.
struct Stream {
    Time period = kNever;  // from one frame's end to the next's, over the last half
    Time latency{};        // of a frame, from its entry to its end: the longest of the last half
    int frames = 0;        // simulated
    bool steady = false;   // the last half repeats: the period is exact
    std::vector<std::int64_t> peak_bytes;  // by memory, weights once
};
// Throws InputError where so many frames could take longer than times can say.
Stream simulate_stream(const Problem& problem, const Mapping& mapping, int frames_in_flight);
// Not asked for the memory it is several times as fast, and peak_bytes is empty.
Stream simulate_stream(const Problem& problem,
                       const Mapping& mapping,
                       const Plan& plan,
                       int frames_in_flight,
                       bool asks_for_memory = true);

// ---- all of it ---------------------------------------------------------------------------------

struct Assessment {
    Time makespan = kNever;
    std::optional<Energy> energy;    // nothing where the platform does not say
    std::int64_t loss = 0;           // Task::loss, summed
    int segments = 0, switches = 0;  // Changes
    std::vector<Violation> violations;
    Time period = kNever;  // of a stream, if asked for

    // What that rests on; empty where the mapping is impossible.
    Schedule schedule;
    std::optional<EnergyBreakdown> energy_pieces;
    std::vector<MemoryUse> memories;
    std::optional<Stream> stream;  // if asked for

    bool feasible() const { return violations.empty() && makespan < kNever; }
};

struct AssessOptions {
    int frames_in_flight = 0;  // 0: no stream
    // Only what decides: times, energy, loss and violations, but of what these rest on nothing that
    // takes long. For searches.
    bool is_brief = false;
};

// Throws InputError if the mapping is none (check_cover). One that needs a copy or a conversion
// that cannot be is assessed as impossible: its makespan is kNever.
Assessment assess(const Problem& problem,
                  const Mapping& mapping,
                  const AssessOptions& options = {});

}  // namespace sim
