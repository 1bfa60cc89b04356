#pragma once

// Reports: what a schedule looks like, as text, JSON, SVG, trace or DOT. A new report is a file
// here and a row in report.cpp; its option follows. Reports only read; they decide nothing.

#include "sim/search/answer.hpp"

#include <span>
#include <string>
#include <string_view>

namespace sim {

struct Report {
    std::string_view name;  // its option: --gantt FILE
    std::string_view summary;
    std::string (*render)(const Answer&);
};

std::span<const Report> reports();  // those written to files: gantt (SVG), trace (JSON), ...

std::string gantt_svg(const Answer& answer);
std::string trace_json(const Answer& answer);
std::string dot_graph(const Answer& answer);
std::string placement_csv(const Answer& answer);

std::string text_table(const Answer& answer);  // HOUSE style: first line asked, last line found
std::string json_text(const Answer& answer);   // `hetmap map --json`

// The certificate that the answer's search gave, for a checker of one's own: certificate.cpp.
std::string certificate_json(const Answer& answer);

// Fronts: a table (of a long one its ends and knees, unless `all`), one object, a CSV with one row
// for each point, and a picture of the first two objectives.
std::string front_text(const FrontAnswer& answer, bool all = false);
std::string front_json(const FrontAnswer& answer);
std::string front_csv(const FrontAnswer& answer);
std::string front_svg(const FrontAnswer& answer);

}  // namespace sim
