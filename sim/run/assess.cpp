#include "sim/run/assess.hpp"

#include "sim/index.hpp"
#include "sim/run/engine.hpp"
#include "sim/run/simulate.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <utility>

namespace sim {
namespace {

std::vector<std::int64_t> weights_of(const Problem& problem, const Mapping& mapping) {
    std::vector<std::int64_t> weights(at(problem.memories), 0);
    for (const int task : mapping) {
        const std::vector<std::int64_t>& bytes = problem.tasks[at(task)].weight_bytes;
        for (std::size_t m = 0; m < bytes.size(); ++m) {
            weights[m] += bytes[m];
        }
    }
    return weights;
}

// The budgets of a device that is configured once, or whatever its tasks need together.
std::vector<Violation> budgets_exceeded(const Problem& problem, const Mapping& mapping) {
    std::vector<Violation> violations;
    for (int b = 0; b < static_cast<int>(problem.budgets.size()); ++b) {
        const Budget& budget = problem.budgets[at(b)];
        const bool reconfigured = problem.devices[at(budget.device)].reconfiguration > Time{};
        Violation violation{
            .kind = Violation::Kind::budget, .index = b, .limit = budget.limit, .layer = -1};
        std::int64_t together = 0;
        for (const int index : mapping) {
            const Task& task = problem.tasks[at(index)];
            if (task.uses.empty() || (devices_of(task) & bit(budget.device)) == 0) {
                continue;
            }
            // A reconfigured device can load every task by itself, unless that is too large.
            together = task.uses[at(b)] + (reconfigured ? 0 : together);
            if (together > budget.limit && violation.layer < 0) {
                violation.layer = task.first;
            }
            if (together > budget.limit) {
                violation.needed = std::max(violation.needed, together);
            }
        }
        if (violation.layer >= 0) {
            violations.push_back(violation);
        }
    }
    return violations;
}

std::string bytes_text(std::int64_t bytes) {
    return bytes < 1024 ? fmt::format("{} bytes", bytes)
                        : fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
}

}  // namespace

std::string to_string(const Problem& problem, const Violation& violation) {
    const std::int64_t more = violation.needed - violation.limit;
    if (violation.kind == Violation::Kind::budget) {
        return fmt::format("'{}' needs {}, {} more than its {}, with '{}'",
                           problem.budgets.at(at(violation.index)).name,
                           violation.needed,
                           more,
                           violation.limit,
                           name_in(problem.layer_names, violation.layer));
    }
    if (violation.kind == Violation::Kind::together) {
        return fmt::format("'{}' is not on the device of '{}'",
                           name_in(problem.layer_names, violation.layer),
                           name_in(problem.layer_names, violation.index));
    }
    if (violation.kind == Violation::Kind::turns) {
        return fmt::format("'{}' comes after '{}'",
                           name_in(problem.layer_names, violation.layer),
                           name_in(problem.layer_names, violation.index));
    }
    std::string text = fmt::format("memory '{}' needs {}, {} more than its {}",
                                   name_in(problem.memory_names, violation.index),
                                   bytes_text(violation.needed),
                                   bytes_text(more),
                                   bytes_text(violation.limit));
    if (violation.layer < 0) {
        text += ", with several frames in flight";
    } else {
        text += fmt::format(", while '{}' runs (at {:.2f} us)",
                            name_in(problem.layer_names, violation.layer),
                            microseconds(violation.when));
    }
    return text;
}

// Of one frame at a time, and where a stream was simulated of that too.
std::vector<Violation> violations_of(const Problem& problem,
                                     const Mapping& mapping,
                                     const std::vector<MemoryUse>& memories,
                                     const std::optional<Stream>& stream) {
    std::vector<Violation> violations = budgets_exceeded(problem, mapping);
    for (const Violation& broken : broken_bonds(problem, mapping)) {
        violations.push_back(broken);
    }
    for (int m = 0; m < static_cast<int>(problem.capacities.size()); ++m) {
        const std::int64_t capacity = problem.capacities[at(m)];
        if (capacity <= 0) {
            continue;
        }
        const MemoryUse& use = memories[at(m)];
        if (use.peak > capacity) {
            violations.push_back({.kind = Violation::Kind::capacity,
                                  .index = m,
                                  .needed = use.peak,
                                  .limit = capacity,
                                  .layer = use.peak_layer,
                                  .when = use.peak_at});
        } else if (stream && stream->peak_bytes[at(m)] > capacity) {
            violations.push_back({.kind = Violation::Kind::capacity,
                                  .index = m,
                                  .needed = stream->peak_bytes[at(m)],
                                  .limit = capacity});
        }
    }
    return violations;
}

Changes change_between(const Task& before, const Task& after) {
    const Bits from = devices_of(before), to = devices_of(after);
    Changes changes{.segments = 0, .switches = from == to ? 0 : 1};
    if (!after.parts.empty()) {
        changes.segments = std::popcount(to & ~bit(0));
    } else if (after.device != 0) {
        changes.segments = from == to ? 0 : 1;
    }
    return changes;
}

Changes changes_of(const Problem& problem, const Mapping& mapping) {
    Changes sum;
    for (std::size_t i = 1; i < mapping.size(); ++i) {
        const Changes more =
            change_between(problem.tasks[at(mapping[i - 1])], problem.tasks[at(mapping[i])]);
        sum.segments += more.segments;
        sum.switches += more.switches;
    }
    return sum;
}

std::vector<Violation> broken_bonds(const Problem& problem, const Mapping& mapping) {
    std::vector<Violation> broken;
    const auto count = [&](Violation::Kind kind, int layer, int other) {
        const auto known = std::ranges::find_if(broken, [&](const Violation& violation) {
            return violation.kind == kind && violation.index == other;
        });
        if (known != broken.end()) {
            ++known->needed;
        } else {
            broken.push_back({.kind = kind, .index = other, .needed = 1, .layer = layer});
        }
    };
    // 1. As the first layer of its group.
    if (!problem.together.empty()) {
        std::vector<std::pair<int, Bits>> first;  // by group: a layer, and its devices
        for (const int index : mapping) {
            const Task& task = problem.tasks[at(index)];
            for (const int layer : layers_of(task)) {
                const int group = problem.together[at(layer)];
                if (group < 0) {
                    continue;
                }
                first.resize(std::max(first.size(), at(group) + 1), {-1, 0});
                auto& [leader, devices] = first[at(group)];
                if (leader < 0) {
                    leader = layer;
                    devices = devices_of(task);
                } else if (devices != devices_of(task)) {
                    count(Violation::Kind::together, layer, leader);
                }
            }
        }
    }
    // 2. After all with smaller numbers.
    if (!problem.turns.empty()) {
        int latest = -1;  // layer with the largest number so far
        for (const int index : mapping) {
            const int layer = problem.tasks[at(index)].first;
            const int turn = problem.turns[at(layer)];
            if (turn < 0) {
                continue;
            }
            if (latest >= 0 && turn < problem.turns[at(latest)]) {
                count(Violation::Kind::turns, layer, latest);
            } else {
                latest = layer;
            }
        }
    }
    return broken;
}

Assessment assess(const Problem& problem, const Mapping& mapping, const AssessOptions& options) {
    Assessment assessment;
    for (const int task : mapping) {
        assessment.loss += problem.tasks.at(at(task)).loss;
    }
    const Changes changes = changes_of(problem, mapping);
    assessment.segments = changes.segments;
    assessment.switches = changes.switches;
    const std::optional<Plan> plan = possible_plan_of(problem, mapping);
    if (!plan) {
        return assessment;
    }
    assessment.schedule = simulate(problem, *plan);
    assessment.makespan = assessment.schedule.makespan;
    assessment.energy_pieces = energy_of(problem, *plan, assessment.makespan);
    if (assessment.energy_pieces) {
        assessment.energy = assessment.energy_pieces->total();
    }
    const bool asks_for_memory = !options.is_brief || has_capacities(problem);
    if (asks_for_memory) {
        assessment.memories = memory_use(problem, mapping, *plan, assessment.schedule);
    }
    if (options.frames_in_flight > 0) {
        assessment.stream =
            simulate_stream(problem, mapping, *plan, options.frames_in_flight, asks_for_memory);
        assessment.period = assessment.stream->period;
    }
    assessment.violations = violations_of(problem, mapping, assessment.memories, assessment.stream);
    return assessment;
}

// ---- energy ------------------------------------------------------------------------------------

Energy EnergyBreakdown::total() const {
    Energy sum = base;
    for (const std::vector<Energy>* const pieces : {&idle, &working, &links}) {
        for (const Energy energy : *pieces) {
            sum += energy;
        }
    }
    return sum;
}

std::optional<EnergyBreakdown> energy_of(const Problem& problem, const Plan& plan, Time makespan) {
    if (!problem.knows_energy()) {
        return std::nullopt;
    }
    EnergyBreakdown energy;
    energy.idle.resize(problem.devices.size());
    energy.working.resize(problem.devices.size());
    energy.links.resize(at(problem.engines));

    // 1. At rest. What rounding each device by itself leaves over goes to the base.
    energy.base = problem.at_rest * makespan;
    for (std::size_t d = 0; d < problem.devices.size(); ++d) {
        energy.idle[d] = problem.devices[d].idle * makespan;
        energy.base = energy.base - energy.idle[d];
    }
    if (energy.base < Energy{}) {
        energy.idle[0] += energy.base;
        energy.base = {};
    }

    // 2. What every step adds: submissions to the dispatcher's, copies to their engine's, all else
    // to
    //    the device that works.
    for (const Plan::Step& step : plan.steps) {
        const Event& event = plan.events[at(step.events_begin)];
        if (event.kind == EventKind::copy) {
            energy.links[at(event.resource)] += step.energy;
        } else if (event.kind != EventKind::task || problem.tasks[at(event.task)].parts.empty()) {
            energy.working[at(event.resource)] += step.energy;
        } else {
            // What a divided layer takes beside its parts is for bringing them together.
            const Task& task = problem.tasks[at(event.task)];
            Energy rest = step.energy;
            for (const Part& part : task.parts) {
                energy.working[at(part.device)] += part.energy;
                rest = rest - part.energy;
            }
            (task.engines.empty() ? energy.working[at(task.device)]
                                  : energy.links[at(task.engines.front())]) += rest;
        }
    }
    return energy;
}

// ---- memory ------------------------------------------------------------------------------------

std::vector<Stay> stays_of(const Problem& problem,
                           const Plan& plan,
                           std::span<const Event> events,
                           Time entry) {
    std::vector<Stay> stays;
    if (problem.tensor_bytes.empty()) {
        return stays;
    }
    const int places = problem.memories * problem.layouts;
    std::vector<int> stay_of(at(problem.layers() * places), -1);  // by tensor and place
    const auto place = [&](int tensor, int memory, int layout) -> int& {
        return stay_of[at(tensor * places + memory * problem.layouts + problem.bits_of(layout))];
    };
    const auto memory_of = [&](int device) { return problem.devices[at(device)].memory; };
    const auto layout_of = [&](int tensor) { return plan.makers[at(tensor)].layout; };
    const int output = problem.layers() - 1;

    // 1. What is written where; the model's inputs are there before anything.
    const auto write = [&](int tensor, int memory, int layout, const Event& event, int layer) {
        place(tensor, memory, layout) = static_cast<int>(stays.size());
        stays.push_back({.memory = memory,
                         .tensor = tensor,
                         .layer = layer,
                         .bytes = problem.tensor_bytes[at(tensor * problem.layouts + layout)],
                         .from = event.kind == EventKind::task && is_boundary_layer(problem, tensor)
                                     ? entry
                                     : event.start,
                         .to = event.end});
    };
    for (const Event& event : events) {
        const int layer = event.task < 0 ? output : problem.tasks[at(event.task)].first;
        if (event.kind == EventKind::task) {
            const Task& task = problem.tasks[at(event.task)];
            if (event.resource != task.device || task.last == output) {
                continue;
            }
            for_each_result(task, [&](const TaskResult& result) {
                write(result.tensor, memory_of(task.device), result.layout, event, layer);
            });
        } else if (event.kind == EventKind::copy) {
            write(event.tensor, event.to, layout_of(event.tensor), event, layer);
        } else if (event.kind == EventKind::conversion && !is_handover(problem, event)) {
            write(event.tensor, memory_of(event.resource), event.to, event, layer);
        }
    }

    // 2. It stays until its last reader there is through.
    const auto read = [&](int tensor, int memory, int layout, Time until) {
        Stay& stay = stays[at(place(tensor, memory, layout))];
        stay.to = std::max(stay.to, until);
    };
    for (const Event& event : events) {
        if (event.kind == EventKind::task) {
            for (const TaskInput& input : problem.tasks[at(event.task)].inputs) {
                read(input.tensor, memory_of(event.resource), input.layout, event.end);
            }
        } else if (event.kind == EventKind::copy) {
            read(event.tensor, event.from, layout_of(event.tensor), event.end);
        } else if (event.kind == EventKind::conversion) {
            read(event.tensor, memory_of(event.resource), event.from, event.end);
        }
    }
    return stays;
}

std::vector<MemoryUse> peaks_of(const Problem& problem,
                                const Mapping& mapping,
                                std::span<const Stay> stays) {
    struct Change {
        Time when{};
        std::int64_t bytes = 0;  // negative: what ends makes room before what begins
        int memory = 0, layer = -1;
    };
    std::vector<Change> changes;
    for (const Stay& stay : stays) {
        if (stay.bytes == 0 || stay.from == stay.to) {
            continue;
        }
        changes.push_back({stay.from, stay.bytes, stay.memory, stay.layer});
        changes.push_back({stay.to, -stay.bytes, stay.memory, stay.layer});
    }
    std::ranges::stable_sort(changes, [](const Change& a, const Change& b) {
        return a.when != b.when ? a.when < b.when : (a.bytes < 0) > (b.bytes < 0);
    });
    const std::vector<std::int64_t> weights = weights_of(problem, mapping);
    std::vector<MemoryUse> use(at(problem.memories));
    std::vector<std::int64_t> now = weights;
    for (std::size_t m = 0; m < use.size(); ++m) {
        use[m].weights = use[m].peak = weights[m];
    }
    for (const Change& change : changes) {
        const auto m = at(change.memory);
        now[m] += change.bytes;
        if (now[m] > use[m].peak) {
            use[m].peak = now[m];
            use[m].peak_at = change.when;
            use[m].peak_layer = change.layer;
        }
    }
    return use;
}

std::vector<MemoryUse> memory_use(const Problem& problem,
                                  const Mapping& mapping,
                                  const Plan& plan,
                                  const Schedule& schedule) {
    std::vector<MemoryUse> use =
        peaks_of(problem, mapping, stays_of(problem, plan, schedule.events, Time{}));
    // A copy may fill a memory while another layer runs there: that is the one to name.
    for (std::size_t m = 0; m < use.size(); ++m) {
        const auto runs = [&](const Event& event, bool here) {
            return event.kind == EventKind::task && event.start <= use[m].peak_at &&
                   use[m].peak_at < event.end &&
                   (!here || at(problem.devices[at(event.resource)].memory) == m);
        };
        for (const bool here : {true, false}) {
            const auto event = std::ranges::find_if(
                schedule.events, [&](const Event& one) { return runs(one, here); });
            if (use[m].peak_layer < 0 || event == schedule.events.end()) {
                continue;
            }
            use[m].peak_layer = problem.tasks[at(event->task)].first;
            break;
        }
    }
    return use;
}

}  // namespace sim
