// A timeline for ui.perfetto.dev or chrome://tracing: one track for each resource. The format is
// Chrome's "Trace Event Format": complete events ("X") in microseconds, names as metadata ("M").
// tests/golden/trace.json is a sample.

#include "sim/index.hpp"
#include "sim/report/json.hpp"
#include "sim/report/names.hpp"

#include <nlohmann/json.hpp>

namespace sim {
namespace {

using nlohmann::ordered_json;

}  // namespace

std::string trace_json(const Answer& answer) {
    const Problem& problem = *answer.problem;
    ordered_json events = ordered_json::array();
    events.push_back(
        {{"ph", "M"}, {"pid", 1}, {"name", "process_name"}, {"args", {{"name", heading(answer)}}}});

    const std::vector<Lane> lanes = lanes_of(answer);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const int track = static_cast<int>(i) + 1;
        const std::string name = lanes[i].role == lanes[i].name
                                     ? lanes[i].name
                                     : lanes[i].name + " (" + lanes[i].role + ")";
        events.push_back({{"ph", "M"},
                          {"pid", 1},
                          {"tid", track},
                          {"name", "thread_name"},
                          {"args", {{"name", name}}}});
        events.push_back({{"ph", "M"},
                          {"pid", 1},
                          {"tid", track},
                          {"name", "thread_sort_index"},
                          {"args", {{"sort_index", track}}}});
        for (const Event* event : lanes[i].events) {
            ordered_json arguments = ordered_json::object();
            if (const std::string detail = event_detail(problem, *event); !detail.empty()) {
                arguments[event->kind == EventKind::task ? "kernel" : "what"] = detail;
            }
            if (event->kind == EventKind::task) {
                const Task& task = problem.tasks[at(event->task)];
                arguments["cost_kind"] = name_of(task.kind);
            }
            if (event->waited.count() > 0) {
                arguments["waited_us"] = exact_microseconds(event->waited);
            }
            events.push_back({{"ph", "X"},
                              {"pid", 1},
                              {"tid", track},
                              {"name", event_name(problem, *event)},
                              {"cat", name_of(event->kind)},
                              {"ts", exact_microseconds(event->start)},
                              {"dur", exact_microseconds(event->end - event->start)},
                              {"args", std::move(arguments)}});
        }
    }
    const ordered_json file{{"displayTimeUnit", "ns"},
                            {"otherData", {{"asked", heading(answer)}, {"found", finding(answer)}}},
                            {"traceEvents", std::move(events)}};
    return dumped(file, 1);
}

}  // namespace sim
