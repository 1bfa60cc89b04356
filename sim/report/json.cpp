// The answer as one JSON object, for programs: `hetmap map --json`. tests/golden/report.json is a
// sample. Times are microseconds, exact to the picosecond; unknown values are null, never zero.
//
// In `layers`, one object for each task: `name` joins the layers it runs ("conv1+threshold1"),
// `kernel` is the operation done ("conv2d binary | threshold"), `variant` how it is written and
// `configuration` its parallel shape. Beyond the layers, `copies`, `conversions` and
// `submissions` list what else the schedule holds.

#include "sim/report/names.hpp"

#include <nlohmann/json.hpp>

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
    const Task& task = problem.tasks[static_cast<std::size_t>(event.task)];
    const std::string operation = operation_name(answer, task);
    ordered_json object{
        {"name", chain_name(problem, task)},
        {"layers", ordered_json::array()},
        {"device", problem.device_names.at(static_cast<std::size_t>(task.device))},
        {"kernel", operation.empty() ? ordered_json(nullptr) : ordered_json(operation)},
        {"variant", task.variant},
        {"configuration", task.configuration},
        {"start_us", exact_microseconds(event.start)},
        {"end_us", exact_microseconds(event.end)},
        {"waited_us", exact_microseconds(event.waited)},
        {"cost_kind", name_of(task.kind)},
        {"spread", nullptr},
    };
    object["layers"].push_back(problem.layer_names.at(static_cast<std::size_t>(task.first)));
    for (const int layer : task.rest)
        object["layers"].push_back(problem.layer_names.at(static_cast<std::size_t>(layer)));
    if (task.spread.samples > 0)
        object["spread"] = {{"p05_us", exact_microseconds(task.spread.p05)},
                            {"p50_us", exact_microseconds(task.spread.p50)},
                            {"p95_us", exact_microseconds(task.spread.p95)},
                            {"samples", task.spread.samples}};
    return object;
}

// The task a copy, conversion or submission is for; null for the model's output.
ordered_json reader_of(const Problem& problem, const Event& event) {
    if (event.task < 0)
        return nullptr;
    const Task& task = problem.tasks[static_cast<std::size_t>(event.task)];
    return is_boundary(problem, task) ? ordered_json(nullptr)
                                      : ordered_json(chain_name(problem, task));
}

ordered_json copy_object(const Problem& problem, const Event& event) {
    return {{"tensor", problem.layer_names.at(static_cast<std::size_t>(event.tensor))},
            {"engine", problem.engine_names.at(static_cast<std::size_t>(event.resource))},
            {"from", problem.memory_names.at(static_cast<std::size_t>(event.from))},
            {"to", problem.memory_names.at(static_cast<std::size_t>(event.to))},
            {"for", reader_of(problem, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)}};
}

ordered_json conversion_object(const Problem& problem, const Event& event) {
    return {{"tensor", problem.layer_names.at(static_cast<std::size_t>(event.tensor))},
            {"device", problem.device_names.at(static_cast<std::size_t>(event.resource))},
            {"from", problem.layout_names.at(static_cast<std::size_t>(event.from))},
            {"to", problem.layout_names.at(static_cast<std::size_t>(event.to))},
            {"for", reader_of(problem, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)},
            {"waited_us", exact_microseconds(event.waited)}};
}

ordered_json submission_object(const Problem& problem, const Event& event) {
    return {{"device", event_detail(problem, event)},
            {"for", reader_of(problem, event)},
            {"start_us", exact_microseconds(event.start)},
            {"end_us", exact_microseconds(event.end)}};
}

}  // namespace

std::string json_text(const Answer& answer) {
    const Problem& problem = *answer.problem;
    const bool searched = !answer.search.empty();
    const bool answered = !answer.mapping.empty();

    ordered_json baselines = ordered_json::object();
    for (const Baseline& baseline : answer.baselines)
        baselines[baseline.name] = microseconds_or_null(baseline.makespan);

    ordered_json layers = ordered_json::array(), copies = ordered_json::array();
    ordered_json conversions = ordered_json::array(), submissions = ordered_json::array();
    for (const Event& event : answer.schedule.events) {
        switch (event.kind) {
            case EventKind::task:
                if (!is_boundary(problem, problem.tasks[static_cast<std::size_t>(event.task)]))
                    layers.push_back(layer_object(answer, event));
                break;
            case EventKind::copy:
                copies.push_back(copy_object(problem, event));
                break;
            case EventKind::conversion:
                conversions.push_back(conversion_object(problem, event));
                break;
            case EventKind::submission:
                submissions.push_back(submission_object(problem, event));
                break;
            case EventKind::reconfiguration:
                break;
        }
    }

    const ordered_json object{
        {"model", problem.model},
        {"platform", problem.platform},
        {"objective", "latency"},
        {"batch", problem.batch},
        {"search", searched ? ordered_json(answer.search) : ordered_json(nullptr)},
        {"status", searched ? ordered_json(name_of(answer.result.status)) : ordered_json(nullptr)},
        {"makespan_us",
         answered ? ordered_json(exact_microseconds(answer.schedule.makespan))
                  : ordered_json(nullptr)},
        {"energy_mj", nullptr},
        {"lower_bound_us", microseconds_or_null(answer.result.lower_bound)},
        {"proven_optimal", searched && answer.result.status == SearchStatus::proven},
        {"evaluated", answer.result.evaluated},
        {"seconds", answer.seconds},
        {"note",
         answer.result.note.empty() ? ordered_json(nullptr) : ordered_json(answer.result.note)},
        {"baselines", std::move(baselines)},
        {"layers", std::move(layers)},
        {"copies", std::move(copies)},
        {"conversions", std::move(conversions)},
        {"submissions", std::move(submissions)},
    };
    // Names come from files: what is not UTF-8 in them is replaced, not thrown over.
    return object.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sim
