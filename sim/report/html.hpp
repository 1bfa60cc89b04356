#pragma once

// A report to look at: one HTML file with all that it shows, for a browser. It asks no network for
// anything. The words and the numbers are those of the JSON reports; what becomes of them is
// sim/report/html/report.js, drawn with D3, which is embedded when hetmap is built.
//
// Start at `html_report`.

#include "sim/search/answer.hpp"

#include <string>

namespace sim {

// What a report is of. What is missing is left out of it.
struct HtmlContent {
    // The machine, and where its numbers are from; of all but sweeps.
    const Platform* platform = nullptr;
    const Answer* answer = nullptr;      // a mapping
    const FrontAnswer* front = nullptr;  // or those of a front
    std::string validation = {};         // what `hetmap validate --json` says of `answer`
    bool profile = false;                // the platform's costs and fits, one by one
    std::string sweep = {};              // an array of cells, as `hetmap sweep --json` says them
    std::string heading = {}, finding = {};  // of a sweep; all else says it by itself
};

// Throws InputError in a build without D3: before the work of which the report would be.
void expect_html_reports();

// A whole file. Names and texts of the content are shown as what they are, whatever stands in them:
// none is taken for HTML or for a script. Throws as expect_html_reports.
std::string html_report(const HtmlContent& content);

}  // namespace sim
