#pragma once

// The compiled problem: model x platform x batch, turned once into dense arrays, so that a
// simulation touches no strings, no maps and no allocation.
//
// Start at `compile`. Layers are renumbered into the static order of rule 1 (topological, ties by
// longest remaining path). The first layers are the model's inputs and the last one stands for its
// outputs, read by the host: all are tasks of cost 0 on the host, so a mapping covers every layer
// and the makespan is the dispatcher's time at the end.
//
// The static order is where searches begin, not a rule: a Mapping comes with an order of its own,
// and `reordered` gives the same problem with its layers in another one.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/index.hpp"
#include "sim/units.hpp"

#include <bit>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

// A set of devices, memories, engines or layouts: bit i stands for number i.
using Bits = std::uint64_t;
constexpr Bits bit(int index) { return Bits{1} << index; }
// Numbers of the set, ascending.
template <class Visit>
void for_each_bit(Bits set, const Visit& visit) {
    for (; set != 0; set &= set - 1) {
        visit(std::countr_zero(set));
    }
}

// stated: a time that was written down by hand.
enum class CostKind { measured, stated, fitted, formula };
std::string_view name_of(CostKind kind);

// What a task reads from outside the layers that it fuses.
struct TaskInput {
    int tensor = 0;  // the layer that makes it
    int layout = 0;  // the layout the implementation wants it in

    friend auto operator<=>(const TaskInput&, const TaskInput&) = default;
};

// What a task makes.
struct TaskResult {
    int tensor = 0;
    int layout = 0;

    friend auto operator<=>(const TaskResult&, const TaskResult&) = default;
};

// One device's share of a layer that several divide between them.
struct Part {
    int device = 0;
    int channels = 0;  // of the layer's output channels (input channels, where those are divided)
    Time busy{};       // of the task's time, what the device works
    Energy energy{};   // its share of the task's
    std::string variant, configuration, precision;
};

// A task: one implementation (device x variant x configuration) of one layer, or of several that
// it fuses (connected, and convex: no path leaves them and comes back); or one layer divided over
// several devices.
struct Task {
    int first = 0;                  // the first of its layers in the static order
    std::vector<int> rest;          // the others, ascending
    int last = 0;                   // first, or rest.back(): its result is read outside
    std::vector<TaskInput> inputs;  // every tensor once, in the order of the model's inputs
    int device = 0;
    int out_layout = 0;             // of the result of `last`
    std::vector<TaskResult> inner;  // results of other layers that are read outside, ascending
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
    int contention = 0;                      // which of the problem's tables it is slowed down by
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

// What whole mappings took over what was predicted, in nine of ten runs.
struct TrialRatios {
    double p05 = 1, p95 = 1;
};

struct Problem {
    std::string model, platform;
    std::vector<std::string> set;  // numbers of the platform that are other than in its file
    int batch = 1;

    // Layers in static order. consumers: ascending.
    std::vector<std::string> layer_names;
    std::vector<int> model_layer;  // by layer: index in Model::layers; below 0: outputs
    int model_inputs = 1;          // of the model's layers, the first
    // Layers at the end that stand for outputs: -1, and -2 for those wanted in other memories than
    // the last one's.
    int model_ends = 1;
    std::vector<int> network;  // by layer: whose it is, of several that run together; else empty
    std::vector<std::vector<int>> inputs, consumers;

    std::vector<ProblemDevice> devices;  // [0] is the host
    std::vector<std::string> device_names, memory_names, layout_names, engine_names, link_names;
    int memories = 1, layouts = 1, engines = 0;
    std::vector<int> engine;  // [from * memories + to]; -1: no link

    Time longest{};  // no schedule of one frame takes longer; zero: not known

    std::vector<Task> tasks;
    // By layer: tasks whose first layer it is, of those that fit the static order (what they read
    // is made before their first layer). The others are for mappings in other orders.
    std::vector<std::vector<int>> starting;

    // Layouts of the same bits, which teams of the host's threads have in their caches
    // (compile/teams.hpp): by layout the first of them, and the team. Empty: there are no teams.
    std::vector<int> same_bits;
    std::vector<std::string> teams;

    // By copy_place: over the link between the two memories, kNever without one.
    std::vector<Time> copy_times;
    // By conversion_place: kNever where impossible.
    std::vector<Time> convert_times;

    // A segment starts when all of it is submitted (rule 2). false: each task on its own.
    bool whole_segments = true;

    // ---- beyond rules 1-5; empty or zero where the platform says nothing ----

    // Of mappings on the host alone, and of all others; nothing where none were tried.
    std::optional<TrialRatios> host_trials, trials;

    // Rule 8. Energy of a schedule: at_rest x makespan + that of its tasks, copies, conversions and
    // submissions. Unknown: `energy_unknown` says what is missing, and the rest is zero.
    std::string energy_unknown = "the platform states no powers";
    std::vector<std::string> energy_missing;  // the numbers: "devices.cpu.active_power_w"
    Watts at_rest{};  // the platform's base power and the devices' idle powers
    std::vector<Energy> copy_energies, convert_energies;  // beside copy_times, convert_times

    std::vector<Budget> budgets;
    std::vector<std::int64_t> capacities;    // bytes by memory, 0: not stated
    std::vector<std::int64_t> tensor_bytes;  // [tensor * layouts + layout]

    std::vector<Time> synchronise;  // by memory
    // Tables of [device * devices + other]: times as long while other works. The first is for all
    // that has no table of its own (Task::contention), conversions among it.
    std::vector<double> contention;
    // And while it does not, where it takes longer then: a task's cost is the least it can take.
    // Tables likewise. Empty: 1 everywhere.
    std::vector<double> alone;
    std::vector<ProblemBus> buses;
    std::vector<int> bus;  // [from * memories + to]; -1: a link of its own
    // Of a copy, beside copy_times: the time before its bytes flow, and how many they are.
    std::vector<Time> copy_latencies;
    std::vector<std::int64_t> copy_bytes;

    std::string transfer_modes = "first";  // as CompileOptions said
    double quantile = 0.5;                 // likewise
    std::vector<std::string> mode_names;
    std::vector<int> copy_modes;  // beside copy_times: which

    // By layer, for accuracy: output channels that carry weights, 0 for layers without.
    std::vector<int> weighted_channels;

    // ---- what mappings are asked to keep to (search/constraints.hpp); empty: nothing ----

    // By layer: the number of a group, whose layers are all on the same devices; -1: of none.
    std::vector<int> together;
    // By layer: its task comes after those of all layers with a smaller number; -1: whenever.
    std::vector<int> turns;

    // ---- by index(), where some memory is reached only by way of others; else empty ----

    std::vector<Time> transfer_times;   // by copy_place: all copies of the fastest way, or kNever
    std::vector<std::int8_t> last_hop;  // by copy_place: the memory before `to`; -1: none

    bool knows_energy() const { return energy_unknown.empty(); }

    int layers() const { return static_cast<int>(inputs.size()); }
    int device_count() const { return static_cast<int>(devices.size()); }

    // ---- places in the arrays ----

    std::size_t pair_place(int from, int to) const { return at(from * memories + to); }
    std::size_t copy_place(int tensor, int layout, int from, int to) const {
        return (at(tensor * layouts + layout) * at(memories) + at(from)) * at(memories) + at(to);
    }
    std::size_t conversion_place(int tensor, int device, int from, int to) const {
        return (at(tensor * device_count() + device) * at(layouts) + at(from)) * at(layouts) +
               at(to);
    }
    std::size_t tensor_place(int tensor, int layout) const {  // in tensor_bytes
        return at(tensor * layouts + layout);
    }

    // One copy, over the link between the memories; kNever without one.
    Time copy(int tensor, int layout, int from, int to) const {
        return copy_times[copy_place(tensor, layout, from, to)];
    }
    // From one memory to another over the link between them, or else by way of others, one copy
    // after the other; kNever if there is no way.
    Time transfer(int tensor, int layout, int from, int to) const {
        return transfer_times.empty() ? copy(tensor, layout, from, to)
                                      : transfer_times[copy_place(tensor, layout, from, to)];
    }
    bool has_routes() const { return !last_hop.empty(); }
    // The memory from which a tensor made in `from` is copied to `to`: `from` itself where there is
    // a link; -1 if there is no way.
    int source(int tensor, int layout, int from, int to) const {
        if (engine[pair_place(from, to)] >= 0) {
            return from;
        }
        return has_routes() ? last_hop[copy_place(tensor, layout, from, to)] : -1;
    }
    // How many times as long as its least something takes on a device while no other works, by the
    // table of contention that it follows; 1 where others only slow it down.
    double alone_factor(int table, int device) const {
        double factor = 1;
        for (int other = 0; !alone.empty() && other < device_count(); ++other) {
            factor *= alone[at((table * device_count() + device) * device_count() + other)];
        }
        return factor;
    }
    // The layout that says how the bits lie, whoever has them.
    int bits_of(int layout) const { return same_bits.empty() ? layout : same_bits[at(layout)]; }
    Time convert(int tensor, int device, int from, int to) const {
        return convert_times[conversion_place(tensor, device, from, to)];
    }
};

// A copy that is issued before its first reader's turn comes: ahead of the task at this place of
// the mapping. It takes its place in the queue of its engine there.
struct EarlyCopy {
    int before = 0;  // index in Mapping::tasks
    int tensor = 0;  // made by an earlier task
    int to = 0;      // memory

    friend auto operator<=>(const EarlyCopy&, const EarlyCopy&) = default;
};

// A mapping: tasks that cover every layer exactly once, in the order in which the dispatcher, and
// every device, goes through them; what a task reads is made by tasks before it. Copies that are
// not listed queue in the order of their first readers. As a range it is its tasks.
struct Mapping {
    std::vector<int> tasks;
    std::vector<EarlyCopy> early;  // ascending by `before`

    Mapping() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): a mapping is written as the list of its tasks
    Mapping(std::initializer_list<int> list) : tasks(list) {}
    explicit Mapping(std::vector<int> list) : tasks(std::move(list)) {}

    auto begin() { return tasks.begin(); }
    auto end() { return tasks.end(); }
    auto begin() const { return tasks.begin(); }
    auto end() const { return tasks.end(); }
    std::size_t size() const { return tasks.size(); }
    bool empty() const { return tasks.empty(); }
    int operator[](std::size_t i) const { return tasks[i]; }
    int& operator[](std::size_t i) { return tasks[i]; }
    int front() const { return tasks.front(); }
    int back() const { return tasks.back(); }
    void push_back(int task) { tasks.push_back(task); }
    void pop_back() { tasks.pop_back(); }
    void reserve(std::size_t count) { tasks.reserve(count); }
    void clear() {
        tasks.clear();
        early.clear();
    }

    friend auto operator<=>(const Mapping&, const Mapping&) = default;
};

struct CompileOptions {
    int batch = 1;
    // Offer only these, if not empty: "device", "device/variant" or "device/variant/configuration".
    std::vector<std::string> only;
    // "first": each link's first mode; "fastest": for every copy the one that takes least (then
    // that takes least energy); else a mode's name, for the links that have it.
    std::string transfer_modes = "first";
    // Of measured and fitted costs what the tasks cost: 0.5 the median, 0.9 what nine of ten runs
    // keep to. 0.05 to 0.95.
    double quantile = 0.5;
};

// Throws InputError naming layer and device where no device has a cost for a layer or can run it,
// where the platform goes beyond the limits above, where a formula gives no time (naming file,
// line, layer and value), or where `only` names nothing.
Problem compile(const Model& model, const Platform& platform, const CompileOptions& options);

// Fills consumers, starting and the ways over other memories of a problem built by hand (tests,
// generators): layers must already be in static order. Asserts what compile() guarantees.
void index(Problem& problem);

// The same problem with its layers in another order: order[i] is the layer that comes i-th. The
// first and the last stay, and no layer comes before what it reads. Tasks keep their indices, so a
// mapping of one problem is one of the other, and takes the same time; only the tensors of early
// copies have other numbers: `order[tensor]` was the number in the first problem.
Problem reordered(const Problem& problem, std::span<const int> order);

// Whether a layer is an input of the model or stands for its outputs: its task does no work, and
// reports leave it out.
bool is_boundary_layer(const Problem& problem, int layer);
bool is_boundary(const Problem& problem, const Task& task);

// All layers of a task, ascending.
std::vector<int> layers_of(const Task& task);

// Its results, the inner ones and that of `last`, by ascending tensor.
template <class Visit>
void for_each_result(const Task& task, const Visit& visit) {
    for (const TaskResult& result : task.inner) {
        visit(result);
    }
    visit(TaskResult{task.last, task.out_layout});
}

// All devices that work on a task.
Bits devices_of(const Task& task);

// Whether what the task reads is made before its first layer in the static order.
bool fits_order(const Task& task);

// Only the tasks with allowed[task] != 0. Returns their old indices.
std::vector<int> keep_tasks(Problem& problem, const std::vector<char>& allowed);

// What decides which searches can answer.
// Basic: rules 1-5 alone (no divided layers, budgets, synchronisation, no layers that are to be
// together), so that for latency the
// fast searches are exact. Interacting: a task's time depends on what runs beside it (contention,
// buses, reconfiguration), so only the engine (run/engine.hpp) knows it; the evaluator's makespan
// is a lower bound. Coupled: interacting, or whether a mapping fits depends on what is alive at a
// time (capacities).
bool is_basic(const Problem& problem);
bool is_interacting(const Problem& problem);
bool is_coupled(const Problem& problem);

bool reconfigures(const Problem& problem);    // some device does
bool has_capacities(const Problem& problem);  // some memory has one
// But for the answer. What nothing reads may be late without delaying the end.
bool every_result_is_read(const Problem& problem);

// Drops every task that is never better in latency than another: same layers, device, layouts, not
// faster. Returns the kept tasks' old indices. Searches of plain problems do this first.
std::vector<int> drop_dominated_tasks(Problem& problem);

}  // namespace sim
