#include "sim/report/report.hpp"

#include <array>

namespace sim {

Assessment complete(Answer& answer, int frames_in_flight) {
    const Problem& problem = *answer.problem;
    Assessment assessment = assess(problem, answer.mapping, {.frames_in_flight = frames_in_flight});
    answer.schedule = assessment.schedule;
    answer.energy = assessment.energy_pieces;
    answer.memories = assessment.memories;
    answer.violations = assessment.violations;
    answer.stream = assessment.stream;
    if (answer.model != nullptr) {
        answer.accuracy = accuracy_of(*answer.model, problem, answer.mapping);
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
