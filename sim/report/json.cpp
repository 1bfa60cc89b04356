// The answer as one JSON object, for programs: `hetmap map --json`. tests/golden/report.json is a
// sample. Times are microseconds, exact to the picosecond; unknown values are null, never zero.
//
// In `layers`, one object for each task: `name` joins the layers it runs ("conv1+threshold1"),
// `kernel` is the operation done ("conv2d binary | threshold"), `variant` how it is written and
// `configuration` its parallel shape. Beyond the layers, `copies`, `conversions`, `submissions` and
// `reconfigurations` list what else the schedule holds.

#include "sim/report/json.hpp"

#include "sim/index.hpp"
#include "sim/report/front.hpp"
#include "sim/report/names.hpp"
#include "sim/run/networks.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace sim {
namespace {

using nlohmann::ordered_json;

ordered_json microseconds_or_null(Time time) {
    return time.count() > 0 && time < kNever ? ordered_json(exact_microseconds(time))
                                             : ordered_json(nullptr);
}

std::string_view name_of(SearchStatus status) {
    switch (status) {
        case SearchStatus::proven:
            return "proven";
        case SearchStatus::unproven:
            return "unproven";
        case SearchStatus::infeasible:
            break;
    }
    return "infeasible";
}

ordered_json layer_object(const Answer& answer, const Event& event) {
    const Problem& problem = *answer.problem;
    const Task& task = problem.tasks[at(event.task)];
    const std::string operation = operation_name(answer, task);
    ordered_json object{
        {"name", chain_name(problem, task)},
        {"layers", ordered_json::array()},
        {"device", device_name(problem, task.device)},
        {"kernel", operation.empty() ? ordered_json(nullptr) : ordered_json(operation)},
        {"variant", task.variant},
        {"configuration", task.configuration},
        {"start_us", exact_microseconds(event.start)},
        {"end_us", exact_microseconds(event.end)},
        {"waited_us", exact_microseconds(event.waited)},
        {"cost_kind", name_of(task.kind)},
        {"spread", nullptr},
        {"precision",
         task.precision.empty() ? ordered_json(nullptr) : ordered_json(task.precision)},
        {"energy_mj",
         problem.knows_energy() ? ordered_json(microjoules(task.energy) / 1000)
                                : ordered_json(nullptr)},
        {"parts", ordered_json::array()},
    };
    for (const Part& part : task.parts) {
        object["parts"].push_back(
            {{"device", device_name(problem, part.device)},
             {"channels", part.channels},
             {"busy_us", exact_microseconds(part.busy)},
             {"variant", part.variant},
             {"configuration", part.configuration},
             {"precision",
              part.precision.empty() ? ordered_json(nullptr) : ordered_json(part.precision)}});
    }
    object["layers"].push_back(layer_name(problem, task.first));
    for (const int layer : task.rest) {
        object["layers"].push_back(layer_name(problem, layer));
    }
    if (task.spread.samples > 0) {
        object["spread"] = {{"p05_us", exact_microseconds(task.spread.p05)},
                            {"p50_us", exact_microseconds(task.spread.p50)},
                            {"p95_us", exact_microseconds(task.spread.p95)},
                            {"samples", task.spread.samples}};
    }
    return object;
}

// The task a copy, conversion or submission is for; null for the model's output.
ordered_json reader_of(const Problem& problem, const Event& event) {
    if (event.task < 0) {
        return nullptr;
    }
    const Task& task = problem.tasks[at(event.task)];
    return is_boundary(problem, task) ? ordered_json(nullptr)
                                      : ordered_json(chain_name(problem, task));
}

ordered_json copy_object(const Problem& problem, const Event& event) {
    return {{"tensor", layer_name(problem, event.tensor)},
            {"engine", engine_name(problem, event.resource)},
            {"from", memory_name(problem, event.from)},
            {"to", memory_name(problem, event.to)},
            {"for", reader_of(problem, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)}};
}

ordered_json conversion_object(const Problem& problem, const Event& event) {
    return {{"tensor", layer_name(problem, event.tensor)},
            {"device", device_name(problem, event.resource)},
            {"from", layout_name(problem, event.from)},
            {"to", layout_name(problem, event.to)},
            {"for", reader_of(problem, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)},
            {"waited_us", exact_microseconds(event.waited)}};
}

// Layers of the tasks that go with a submission: its own, and those behind it on the same device,
// where segments are submitted as a whole.
ordered_json layers_submitted(const Answer& answer, const Event& event) {
    const Problem& problem = *answer.problem;
    ordered_json layers = ordered_json::array();
    const auto add = [&](int task) {
        for (const int layer : layers_of(problem.tasks[at(task)])) {
            layers.push_back(layer_name(problem, layer));
        }
    };
    const auto first = std::ranges::find(answer.mapping.tasks, event.task);
    for (auto task = first; task != answer.mapping.tasks.end(); ++task) {
        const Task& its = problem.tasks[at(*task)];
        const bool goes_on = problem.whole_segments && its.parts.empty() &&
                             problem.tasks[at(*first)].parts.empty() &&
                             its.device == problem.tasks[at(*first)].device;
        if (task != first && !goes_on) {
            break;
        }
        add(*task);
    }
    return layers;
}

ordered_json submission_object(const Answer& answer, const Event& event) {
    const Problem& problem = *answer.problem;
    return {{"device", event_detail(problem, event)},
            {"for", reader_of(problem, event)},
            {"layers", layers_submitted(answer, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)}};
}

ordered_json millijoules(Energy energy) { return microjoules(energy) / 1000; }

ordered_json energy_object(const Problem& problem, const std::optional<EnergyBreakdown>& energy) {
    if (!energy) {
        return nullptr;
    }
    ordered_json devices = ordered_json::object(), links = ordered_json::object();
    for (std::size_t d = 0; d < energy->idle.size(); ++d) {
        devices[device_name(problem, static_cast<int>(d))] = {
            {"idle_mj", millijoules(energy->idle[d])},
            {"working_mj", millijoules(energy->working[d])}};
    }
    for (std::size_t l = 0; l < energy->links.size(); ++l) {
        links[engine_name(problem, static_cast<int>(l))] = millijoules(energy->links[l]);
    }
    return {{"base_mj", millijoules(energy->base)}, {"devices", devices}, {"links", links}};
}

// How long each device worked, also as a share of the whole.
ordered_json devices_object(const Answer& answer) {
    const Problem& problem = *answer.problem;
    const std::vector<Time> busy = busy_times(answer);
    const auto whole = static_cast<double>(answer.schedule.makespan.count());
    ordered_json object = ordered_json::object();
    for (std::size_t d = 0; d < busy.size(); ++d) {
        object[device_name(problem, static_cast<int>(d))] = {
            {"busy_us", exact_microseconds(busy[d])},
            {"utilization", whole > 0 ? static_cast<double>(busy[d].count()) / whole : 0.0}};
    }
    return object;
}

ordered_json resources_object(const Answer& answer) {
    const Problem& problem = *answer.problem;
    ordered_json object = ordered_json::object();
    for (std::size_t b = 0; b < problem.budgets.size(); ++b) {
        object[problem.budgets[b].name] = {{"used", budget_use(answer, b)},
                                           {"limit", problem.budgets[b].limit}};
    }
    return object;
}

ordered_json memories_object(const Answer& answer) {
    const Problem& problem = *answer.problem;
    ordered_json object = ordered_json::object();
    for (std::size_t m = 0; m < answer.memories.size(); ++m) {
        object[memory_name(problem, static_cast<int>(m))] = {
            {"weights_bytes", answer.memories[m].weights},
            {"peak_bytes", answer.memories[m].peak},
            {"capacity_bytes",
             m < problem.capacities.size() && problem.capacities[m] > 0
                 ? ordered_json(problem.capacities[m])
                 : ordered_json(nullptr)}};
    }
    return object;
}

ordered_json violations_array(const Answer& answer) {
    ordered_json array = ordered_json::array();
    for (const Violation& violation : answer.violations) {
        array.push_back(to_string(*answer.problem, violation));
    }
    return array;
}

ordered_json accuracy_object(const std::optional<AccuracyEstimate>& accuracy) {
    if (!accuracy) {
        return nullptr;
    }
    return {
        {"percent", accuracy->percent},
        {"proxy", accuracy->is_proxy},
        {"name", accuracy->name.empty() ? ordered_json(nullptr) : ordered_json(accuracy->name)}};
}

ordered_json stream_object(const Answer& answer) {
    if (!answer.stream) {
        return nullptr;
    }
    const Stream& stream = *answer.stream;
    ordered_json peaks = ordered_json::object();
    for (std::size_t m = 0; m < stream.peak_bytes.size(); ++m) {
        peaks[memory_name(*answer.problem, static_cast<int>(m))] = stream.peak_bytes[m];
    }
    return {
        {"period_us", exact_microseconds(stream.period)},
        {"frames_per_s",
         stream.period > Time{} ? ordered_json(1e12 / static_cast<double>(stream.period.count()))
                                : ordered_json(nullptr)},
        {"latency_us", exact_microseconds(stream.latency)},
        {"frames_in_flight", answer.goal.frames_in_flight},
        {"frames_simulated", stream.frames},
        {"steady", stream.steady},
        {"peak_bytes", peaks}};
}

// A number in the objective's unit of named(); null where it is infinite.
ordered_json value_or_null(const Objective& objective, double value) {
    return std::isfinite(value) ? ordered_json(value / named(objective).per_unit)
                                : ordered_json(nullptr);
}

// Nothing is below it; null if the search gives none.
ordered_json bound_or_null(const Answer& answer) {
    const Objective objective = answer.goal.minimise.front();
    const double bound = objective.criterion == Criterion::latency
                             ? static_cast<double>(answer.result.lower_bound.count())
                             : answer.result.bound;
    return bound > 0 ? value_or_null(objective, bound) : ordered_json(nullptr);
}

// Among which mappings the answer is proven to be the best.
ordered_json proven_for(const Answer& answer) {
    if (answer.search.empty() || answer.result.status != SearchStatus::proven) {
        return nullptr;
    }
    return answer.result.in_any_order ? "any order" : "this order";
}

// In the unit of the objective.
ordered_json baselines_object(const Answer& answer) {
    const Objective& objective = answer.goal.minimise.front();
    ordered_json object = ordered_json::object();
    for (const Baseline& baseline : answer.baselines) {
        object[baseline.name] = objective.criterion == Criterion::latency
                                    ? microseconds_or_null(baseline.makespan)
                                    : value_or_null(objective, baseline.value);
    }
    return object;
}

// The schedule's events of each kind, in order of time.
struct EventArrays {
    ordered_json layers = ordered_json::array(), copies = ordered_json::array(),
                 conversions = ordered_json::array(), submissions = ordered_json::array(),
                 reconfigurations = ordered_json::array();
};

EventArrays event_arrays(const Answer& answer) {
    const Problem& problem = *answer.problem;
    EventArrays arrays;
    for (const Event& event : answer.schedule.events) {
        switch (event.kind) {
            case EventKind::task:
                if (const Task& task = problem.tasks[at(event.task)];
                    !is_boundary(problem, task) && event.resource == task.device) {
                    arrays.layers.push_back(layer_object(answer, event));
                }
                break;
            case EventKind::copy:
                arrays.copies.push_back(copy_object(problem, event));
                break;
            case EventKind::conversion:
                arrays.conversions.push_back(conversion_object(problem, event));
                break;
            case EventKind::submission:
                arrays.submissions.push_back(submission_object(answer, event));
                break;
            case EventKind::reconfiguration:
                arrays.reconfigurations.push_back(submission_object(answer, event));
                break;
        }
    }
    return arrays;
}

// Where several run together.
ordered_json networks_array(const Answer& answer) {
    ordered_json array = ordered_json::array();
    const std::vector<std::string> none;
    const std::vector<std::string>& names = answer.model ? answer.model->networks : none;
    if (names.empty()) {
        return array;
    }
    const std::vector<Time> latencies = network_latencies(*answer.problem, answer.schedule);
    for (std::size_t i = 0; i < names.size(); ++i) {
        array.push_back({{"name", names[i]}, {"latency_us", exact_microseconds(latencies[i])}});
    }
    return array;
}

ordered_json interval_or_null(const Answer& answer) {
    if (!answer.interval) {
        return nullptr;
    }
    return {{"p05", exact_microseconds(answer.interval->p05)},
            {"p95", exact_microseconds(answer.interval->p95)}};
}

}  // namespace

ordered_json json_of(const Answer& answer) {
    const Problem& problem = *answer.problem;
    const bool searched = !answer.search.empty();
    const bool answered = !answer.mapping.empty();
    EventArrays events = event_arrays(answer);
    const Objective objective = answer.goal.minimise.front();
    return {
        {"model", problem.model},
        {"platform", problem.platform},
        {"set", problem.set},
        {"objective", named(objective).name},
        {"value", answered ? value_or_null(objective, value_of(answer)) : ordered_json(nullptr)},
        {"value_unit", named(objective).unit},
        {"bound", bound_or_null(answer)},
        {"batch", problem.batch},
        {"search", searched ? ordered_json(answer.search) : ordered_json(nullptr)},
        {"status", searched ? ordered_json(name_of(answer.result.status)) : ordered_json(nullptr)},
        {"constraints", answer.constraints},
        {"makespan_us",
         answered ? ordered_json(exact_microseconds(answer.schedule.makespan))
                  : ordered_json(nullptr)},
        {"quantile", problem.quantile},
        {"interval_us", interval_or_null(answer)},
        {"energy_mj", answer.energy ? millijoules(answer.energy->total()) : ordered_json(nullptr)},
        {"energy_unknown",
         answer.energy || problem.knows_energy() ? ordered_json(nullptr)
                                                 : ordered_json(problem.energy_unknown)},
        {"energy", energy_object(problem, answer.energy)},
        {"accuracy", accuracy_object(answer.accuracy)},
        {"throughput", stream_object(answer)},
        {"networks", answered ? networks_array(answer) : ordered_json::array()},
        {"segments", answer.segments},
        {"switches", answer.switches},
        {"lower_bound_us", microseconds_or_null(answer.result.lower_bound)},
        {"lower_bound_any_order_us", microseconds_or_null(answer.result.lower_bound_in_any_order)},
        {"proven_optimal", searched && answer.result.status == SearchStatus::proven},
        {"proven_for", proven_for(answer)},
        {"evaluated", answer.result.evaluated},
        {"seconds", answer.seconds},
        {"note",
         answer.result.note.empty() ? ordered_json(nullptr) : ordered_json(answer.result.note)},
        {"baselines", baselines_object(answer)},
        {"layers", std::move(events.layers)},
        {"copies", std::move(events.copies)},
        {"conversions", std::move(events.conversions)},
        {"submissions", std::move(events.submissions)},
        {"reconfigurations", std::move(events.reconfigurations)},
        {"devices", answered ? devices_object(answer) : ordered_json::object()},
        {"resources", answered ? resources_object(answer) : ordered_json::object()},
        {"memories", memories_object(answer)},
        {"violations", violations_array(answer)},
    };
}

std::string dumped(const ordered_json& object, int indent) {
    return object.dump(indent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string json_text(const Answer& answer) { return dumped(json_of(answer)); }

ordered_json json_of(const FrontAnswer& front) {
    ordered_json objectives = ordered_json::array(), points = ordered_json::array();
    for (const Objective& objective : front.goal.minimise) {
        objectives.push_back(
            {{"name", named(front, objective).name}, {"unit", named(objective).unit}});
    }
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        ordered_json values = ordered_json::object();
        for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
            values[named(front, front.goal.minimise[o]).name] =
                value_or_null(front.goal.minimise[o], front.front.points[i].values[o]);
        }
        ordered_json point = json_of(front.points[i]);
        for (const char* const of_a_search : {"objective",
                                              "value",
                                              "value_unit",
                                              "bound",
                                              "search",
                                              "constraints",
                                              "status",
                                              "lower_bound_us",
                                              "lower_bound_any_order_us",
                                              "proven_optimal",
                                              "proven_for",
                                              "evaluated",
                                              "seconds",
                                              "note",
                                              "baselines"}) {
            point.erase(of_a_search);
        }
        point["values"] = std::move(values);
        point["mapping_file"] = i < front.mapping_files.size()
                                    ? ordered_json(front.mapping_files[i])
                                    : ordered_json(nullptr);
        points.push_back(std::move(point));
    }
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? ordered_json(nullptr) : ordered_json(text);
    };
    return {{"objectives", std::move(objectives)},
            {"search", front.search},
            {"constraints", front.constraints},
            {"proven", front.front.proven},
            {"evaluated", front.front.evaluated},
            {"seconds", front.seconds},
            {"note", text_or_null(front.front.note)},
            {"points", std::move(points)}};
}

std::string front_json(const FrontAnswer& front) {
    return dumped(json_of(front), -1);  // thousands of points
}

}  // namespace sim
