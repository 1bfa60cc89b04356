#include "sim/report/report.hpp"

#include <array>

namespace sim {

std::span<const Report> reports() {
    static constexpr std::array<Report, 4> kTable{{
        {"gantt", "Write a Gantt chart of devices and copies (SVG)", gantt_svg},
        {"trace", "Write a timeline for Perfetto or chrome://tracing (JSON)", trace_json},
        {"placement",
         "Write every layer's device and segment, for other programs (CSV)",
         placement_csv},
        {"dot", "Write the graph, coloured by device (DOT, for Graphviz)", dot_graph},
    }};
    return kTable;
}

}  // namespace sim
