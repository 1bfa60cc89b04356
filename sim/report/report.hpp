#pragma once

// Reports: what a schedule looks like, as text, JSON, SVG, trace or DOT. A new report is a file
// here and a row in report.cpp; its option follows. Reports only read; they decide nothing.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/run/accuracy.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

struct Baseline {
    std::string name;
    Time makespan{};
    double value = 0;  // on the objective, where that is not the latency
};

// All that a report may want to know.
struct Answer {
    const Model* model = nullptr;
    const Problem* problem = nullptr;
    Mapping mapping;
    Schedule schedule;
    std::string search;   // empty: the mapping was given
    Goal goal;            // of the search: one objective
    SearchResult result;  // of `search`
    double seconds = 0;   // how long it took
    std::vector<Baseline> baselines;

    // What the platform and the model say beyond times; see `complete`.
    std::optional<EnergyBreakdown> energy;
    std::vector<MemoryUse> memories;
    std::vector<Violation> violations;
    std::optional<AccuracyEstimate> accuracy;
    std::optional<Stream> stream;
};

// Fills in schedule, energy, memories, violations and accuracy of `mapping`, and with frames in
// flight the stream. Returns the assessment that says so.
Assessment complete(Answer& answer, int frames_in_flight = 0);

// The front of several objectives: each point as an answer of its own.
struct FrontAnswer {
    std::string search;
    Goal goal;
    Front front;
    double seconds = 0;
    std::vector<Answer> points;              // as Front::points
    std::vector<std::string> mapping_files;  // of the points; empty: not written
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

// Fronts: a table, one object, a CSV with one row for each point, and a picture of the first two
// objectives.
std::string front_text(const FrontAnswer& answer);
std::string front_json(const FrontAnswer& answer);
std::string front_csv(const FrontAnswer& answer);
std::string front_svg(const FrontAnswer& answer);

}  // namespace sim
