#include "sim/report/report.hpp"

#include <array>

namespace sim {

Assessment complete(Answer& answer, int frames_in_flight) {
    const Problem& problem = *answer.problem;
    answer.schedule = simulate(problem, answer.mapping);
    answer.energy = energy_of(problem, answer.schedule);
    answer.memories = memory_use(problem, answer.mapping, answer.schedule);
    Assessment assessment = assess(problem, answer.mapping, {.frames_in_flight = frames_in_flight});
    answer.violations = assessment.violations;
    if (answer.model != nullptr) {
        answer.accuracy = accuracy_of(*answer.model, problem, answer.mapping);
    }
    if (frames_in_flight > 0) {
        answer.stream = simulate_stream(problem, answer.mapping, frames_in_flight);
    }
    return assessment;
}

std::span<const Report> reports() {
    static constexpr std::array<Report, 3> kTable{{
        {"gantt", "Write a Gantt chart of devices and copies (SVG)", gantt_svg},
        {"trace", "Write a timeline for Perfetto or chrome://tracing (JSON)", trace_json},
        {"dot", "Write the graph, coloured by device (DOT, for Graphviz)", dot_graph},
    }};
    return kTable;
}

}  // namespace sim
