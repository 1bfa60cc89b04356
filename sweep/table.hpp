#pragma once

// What is said of a sweep's cells: a table for people, CSV and JSON for programs. A row for each
// cell, in the plan's order; of a front one for each of its points.

#include "sweep/finished.hpp"
#include "sweep/plan.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sweep {

struct Row {
    Cell cell;
    std::optional<Finished> finished;  // nothing: not done yet
};

// Of more than 40 cells, which a table for people does not show without being asked for `all`, it
// has the models on the platforms: how many cells, and the least and the largest value.
std::string table_text(const std::vector<Row>& rows, bool all);
std::string table_csv(const std::vector<Row>& rows);
nlohmann::ordered_json table_json(const std::vector<Row>& rows);

}  // namespace sweep
