#pragma once

// Reports: what a schedule looks like, as text, JSON, SVG, trace or DOT. A new report is a file
// here and a row in report.cpp; its option follows. Reports only read; they decide nothing.

#include "sim/model.hpp"
#include "sim/problem.hpp"
#include "sim/search/search.hpp"
#include "sim/simulator.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

struct Baseline {
    std::string name;
    Time makespan{};
};

// All that a report may want to know.
struct Answer {
    const Model* model = nullptr;
    const Problem* problem = nullptr;
    Mapping mapping;
    Schedule schedule;
    std::string search;   // empty: the mapping was given
    SearchResult result;  // of `search`
    double seconds = 0;   // how long it took
    std::vector<Baseline> baselines;
};

struct Report {
    std::string_view name;  // its option: --gantt FILE
    std::string_view summary;
    std::string (*render)(const Answer&);
};

std::span<const Report> reports();  // those written to files: gantt (SVG), trace (JSON), dot

std::string gantt_svg(const Answer& answer);
std::string trace_json(const Answer& answer);
std::string dot_graph(const Answer& answer);

std::string text_table(const Answer& answer);  // HOUSE style: first line asked, last line found
std::string json_text(const Answer& answer);   // `hetmap map --json`

}  // namespace sim
