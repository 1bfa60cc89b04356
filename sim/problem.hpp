#pragma once

// The compiled problem: model x platform x batch, turned once into dense arrays, so that a
// simulation touches no strings, no maps and no allocation.
//
// Start at `compile`. Layers are renumbered into the static order of rule 1 (topological, ties by
// longest remaining path). Layer 0 is the model's input and the last layer is its output, read by
// the host: both are tasks of cost 0 on the host, so a mapping covers every layer and the
// makespan is the dispatcher's time at the end.

#include "sim/model.hpp"
#include "sim/platform.hpp"
#include "sim/units.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

// Limits of the dense arrays. compile() says so clearly when a platform goes beyond them.
inline constexpr int kMaxDevices = 4;
inline constexpr int kMaxMemories = 4;
inline constexpr int kMaxLayouts = 2;

enum class CostKind { measured, fitted, formula };
std::string_view name_of(CostKind kind);

// What a task reads from outside its chain.
struct TaskInput {
    int tensor = 0;  // the layer that makes it
    int layout = 0;  // the layout the implementation wants it in
};

// A task: one implementation (device x variant x configuration) of one layer, or of a chain of
// layers that it fuses.
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
};

struct ProblemDevice {
    int memory = 0;
    bool asynchronous = false;
    Time submit{}, per_task{}, completion{};
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

    int layers() const { return static_cast<int>(inputs.size()); }
    Time copy(int tensor, int layout, int from, int to) const {
        return copy_times[static_cast<std::size_t>(
            ((tensor * layouts + layout) * memories + from) * memories + to)];
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
};

// Throws InputError naming layer and device where no device has a cost for a layer, where the
// platform goes beyond the limits above, or where `only` names nothing.
Problem compile(const Model& model, const Platform& platform, const CompileOptions& options);

// Fills consumers, starting, copy and conversion sizes' checks of a problem built by hand (tests,
// generators): layers must already be in static order. Asserts what compile() guarantees.
void index(Problem& problem);

// Drops every task that is never better than another: same layers, device, layouts, not faster.
// Returns the kept tasks' old indices. Searches do this first.
std::vector<int> drop_dominated_tasks(Problem& problem);

}  // namespace sim
