#pragma once

// The compiled problem: model x platform x batch, turned once into dense arrays, so that a
// simulation touches no strings, no maps and no allocation.
//
// Start at `compile`. Layers are renumbered into the static order of rule 1 (topological, ties by
// longest remaining path). Layer 0 is the model's input and the last layer is its output, read by
// the host: both are tasks of cost 0 on the host, so a mapping covers every layer and the
// makespan is the dispatcher's time at the end.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/index.hpp"
#include "sim/units.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

// Limits of the dense arrays. compile() says so clearly when a platform goes beyond them.
inline constexpr int kMaxDevices = 4;
inline constexpr int kMaxMemories = 4;
inline constexpr int kMaxLayouts = 2;

// stated: a time that was written down by hand.
enum class CostKind { measured, stated, fitted, formula };
std::string_view name_of(CostKind kind);

// What a task reads from outside its chain.
struct TaskInput {
    int tensor = 0;  // the layer that makes it
    int layout = 0;  // the layout the implementation wants it in
};

// One device's share of a layer that several divide between them.
struct Part {
    int device = 0;
    int channels = 0;  // of the layer's output channels (input channels, where those are divided)
    Time busy{};       // of the task's time, what the device works
    Energy energy{};   // its share of the task's
    std::string variant, configuration, precision;
};

// A task: one implementation (device x variant x configuration) of one layer, or of a chain of
// layers that it fuses; or one layer divided over several devices.
struct Task {
    int first = 0;                  // layer where it stands in the order
    std::vector<int> rest;          // the chain's other layers, ascending
    int last = 0;                   // the layer whose result it makes: first, or rest.back()
    std::vector<TaskInput> inputs;  // every tensor once; all made by layers before `first`
    int device = 0;
    int out_layout = 0;
    Time cost{};

    CostKind kind = CostKind::measured;
    Measurement spread;  // p05, p50, p95 of the cost
    std::string variant, configuration;
    std::string precision;  // of its weights; empty: the model's own

    // A divided layer: all that work on it, `device`, which holds the result, first; else empty.
    // It starts when all its devices are free and all inputs are in all their memories, and holds
    // every device for the whole `cost`.
    std::vector<Part> parts;
    std::vector<int> engines;  // a divided layer's: that bring the parts together; held likewise

    Energy energy{};                 // more than the platform draws at rest; zero if unknown
    std::int64_t loss = 0;           // proxy: accuracy lost, in millionths of a percentage point
    std::vector<std::int64_t> uses;  // by budget; empty: none
    std::vector<std::int64_t> weight_bytes;  // by memory; empty: none
};

struct ProblemDevice {
    int memory = 0;
    bool asynchronous = false;
    Time submit{}, per_task{}, completion{};
    Time reconfiguration{};  // at the start of each segment; zero: configured once
    Watts idle{};
    Energy submit_energy{}, per_task_energy{};  // of the dispatcher, while it submits
};

// What the tasks on a device may use together (of each segment, where it is reconfigured).
struct Budget {
    std::string name;  // "fpga.alm"
    int device = 0;
    std::int64_t limit = 0;
};

struct ProblemBus {
    std::string name;
    BytesPerSecond bandwidth{};
};

struct Problem {
    std::string model, platform;
    int batch = 1;

    // Layers in static order. consumers: ascending.
    std::vector<std::string> layer_names;
    std::vector<int> model_layer;  // by layer: index in Model::layers; -1 for the output
    std::vector<std::vector<int>> inputs, consumers;

    std::vector<ProblemDevice> devices;  // [0] is the host
    std::vector<std::string> device_names, memory_names, layout_names, engine_names, link_names;
    int memories = 1, layouts = 1, engines = 0;
    std::vector<int> engine;  // [from * memories + to]; -1: no link

    std::vector<Task> tasks;
    std::vector<std::vector<int>> starting;  // by layer: tasks whose chain starts there

    // [((tensor * layouts + layout) * memories + from) * memories + to], kNever without a link
    std::vector<Time> copy_times;
    // [((tensor * devices + device) * layouts + from) * layouts + to], kNever where impossible
    std::vector<Time> convert_times;

    // A segment starts when all of it is submitted (rule 2). false: each task on its own.
    bool whole_segments = true;

    // ---- beyond rules 1-5; empty or zero where the platform says nothing ----

    // Rule 8. Energy of a schedule: at_rest x makespan + that of its tasks, copies, conversions and
    // submissions. Unknown: `energy_unknown` says what is missing, and the rest is zero.
    std::string energy_unknown = "the platform states no powers";
    Watts at_rest{};  // the platform's base power and the devices' idle powers
    std::vector<Energy> copy_energies, convert_energies;  // beside copy_times, convert_times

    std::vector<Budget> budgets;
    std::vector<std::int64_t> capacities;    // bytes by memory, 0: not stated
    std::vector<std::int64_t> tensor_bytes;  // [tensor * layouts + layout]

    std::vector<Time> synchronise;   // by memory
    std::vector<double> contention;  // [device * devices + other]: times as long while other works
    std::vector<ProblemBus> buses;
    std::vector<int> bus;  // [from * memories + to]; -1: a link of its own
    // Of a copy, beside copy_times: the time before its bytes flow, and how many they are.
    std::vector<Time> copy_latencies;
    std::vector<std::int64_t> copy_bytes;

    std::string transfer_modes = "first";  // as CompileOptions said
    std::vector<std::string> mode_names;
    std::vector<int> copy_modes;  // beside copy_times: which

    // By layer, for accuracy: output channels that carry weights, 0 for layers without.
    std::vector<int> weighted_channels;

    bool knows_energy() const { return energy_unknown.empty(); }

    int layers() const { return static_cast<int>(inputs.size()); }
    Time copy(int tensor, int layout, int from, int to) const {
        return copy_times[at(((tensor * layouts + layout) * memories + from) * memories + to)];
    }
    Time convert(int tensor, int device, int from, int to) const {
        return convert_times[static_cast<std::size_t>(
            ((tensor * static_cast<int>(devices.size()) + device) * layouts + from) * layouts +
            to)];
    }
};

// A mapping: tasks that cover every layer exactly once, in the order of their first layers.
using Mapping = std::vector<int>;

struct CompileOptions {
    int batch = 1;
    // Offer only these, if not empty: "device", "device/variant" or "device/variant/configuration".
    std::vector<std::string> only;
    // "first": each link's first mode; "fastest": for every copy the one that takes least (then
    // that takes least energy); else a mode's name, for the links that have it.
    std::string transfer_modes = "first";
};

// Throws InputError naming layer and device where no device has a cost for a layer or can run it,
// where the platform goes beyond the limits above, where a formula gives no time (naming file,
// line, layer and value), or where `only` names nothing.
Problem compile(const Model& model, const Platform& platform, const CompileOptions& options);

// Fills consumers, starting, copy and conversion sizes' checks of a problem built by hand (tests,
// generators): layers must already be in static order. Asserts what compile() guarantees.
void index(Problem& problem);

// What decides which searches can answer. Plain: rules 1-5 alone (no divided layers, budgets,
// synchronisation), so that for latency the fast searches are exact. Coupled: a task's time depends
// on what runs beside it, or whether it fits on what is alive then (contention, buses, capacities,
// reconfiguration), so only the simulation of a whole mapping tells; the evaluator's makespan is
// then a lower bound.
bool is_plain(const Problem& problem);
bool is_coupled(const Problem& problem);

// Drops every task that is never better in latency than another: same layers, device, layouts, not
// faster. Returns the kept tasks' old indices. Searches of plain problems do this first.
std::vector<int> drop_dominated_tasks(Problem& problem);

}  // namespace sim
