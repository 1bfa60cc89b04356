// For example, where the batch size and a what-if differ:
//
//     model         platform     batch  what if                    found  took [s]  status
//     vgg3-fashion  hep-bnn-tx2      1  devices.cpu.speed=1   1117.00 us      0.01  proven

#include "sweep/table.hpp"

#include "sim/report/names.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace sweep {
namespace {

constexpr std::size_t kLongest = 40;

// ---- columns of a text --------------------------------------------------------------------------

struct Column {
    std::string head;
    bool is_number = false;
    std::vector<std::string> cells = {};
};

std::string aligned(const std::vector<Column>& columns) {
    std::vector<std::size_t> widths;
    for (const Column& column : columns) {
        std::size_t width = sim::width_of(column.head);
        for (const std::string& cell : column.cells) {
            width = std::max(width, sim::width_of(cell));
        }
        widths.push_back(width);
    }
    std::string text;
    const auto add_line = [&](const auto& cell_of) {
        std::string line;
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const std::string& cell = cell_of(columns[c]);
            const std::string gap(widths[c] - sim::width_of(cell), ' ');
            line += c == 0 ? "" : "  ";
            line += columns[c].is_number ? gap + cell : cell + gap;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    };
    add_line([](const Column& column) -> const std::string& { return column.head; });
    const std::size_t rows = columns.empty() ? 0 : columns.front().cells.size();
    for (std::size_t row = 0; row < rows; ++row) {
        add_line([row](const Column& column) -> const std::string& { return column.cells[row]; });
    }
    return text;
}

// Of what may list many layers.
std::string first_line(const Finished& finished) {
    std::string line = finished.message.substr(0, finished.message.find('\n'));
    if (!line.empty() && line.back() == ':') {
        line.pop_back();
    }
    return line;
}

std::string status_text(const Row& row) {
    if (!row.finished) {
        return "open";
    }
    const Finished& finished = *row.finished;
    std::string text{name_of(finished.status)};
    if (finished.status == Status::unproven && finished.bound && finished.value) {
        text = fmt::format("at most {:.1f}% above the best",
                           100 * (*finished.value / *finished.bound - 1));
    }
    return finished.message.empty() ? text : fmt::format("{}: {}", text, first_line(finished));
}

std::string value_cell(const Row& row) {
    if (!row.finished || !row.finished->value) {
        return "";
    }
    const Finished& finished = *row.finished;
    return row.cell.objectives.size() > 1
               ? fmt::format("{:.0f} {}", *finished.value, finished.unit)
               : fmt::format("{:.2f} {}", *finished.value, finished.unit);
}

std::string whole_table(const std::vector<Row>& rows) {
    std::vector<Column> columns{{"model"},
                                {"platform"},
                                {"batch", true},
                                {"objective"},
                                {"search"},
                                {"constraints"},
                                {"what if"},
                                {"found", true},
                                {"took [s]", true},
                                {"status"}};
    for (const Row& row : rows) {
        const std::array cells{
            row.cell.model,
            row.cell.platform,
            fmt::format("{}", row.cell.batch),
            objective_text(row.cell),
            row.cell.search,
            row.cell.constraints.name,
            fmt::format("{}", fmt::join(row.cell.what_if, ", ")),
            value_cell(row),
            row.finished ? fmt::format("{:.2f}", row.finished->seconds) : std::string{},
            status_text(row)};
        for (std::size_t c = 0; c < cells.size(); ++c) {
            columns[c].cells.push_back(cells[c]);
        }
    }
    // What is the same in all of them says nothing.
    const auto says_nothing = [](const Column& column) {
        const bool may_go = column.head == "search" || column.head == "constraints" ||
                            column.head == "what if" || column.head == "objective";
        return may_go && std::ranges::adjacent_find(column.cells, std::ranges::not_equal_to{}) ==
                             column.cells.end();
    };
    std::erase_if(columns, says_nothing);
    return aligned(columns);
}

// A line for each model on each platform and objective, and one for those without an answer.
std::string summary_table(const std::vector<Row>& rows) {
    struct Summary {
        std::size_t cells = 0, answered = 0, proven = 0, refused = 0;
        double seconds = 0, least = 0, most = 0;
        std::string unit, why;  // the first that was refused
    };
    using Name = std::array<std::string, 3>;
    std::vector<Name> order;
    std::map<Name, Summary> summaries;
    for (const Row& row : rows) {
        const Name name{row.cell.model, row.cell.platform, objective_text(row.cell)};
        Summary& summary = summaries[name];
        if (summary.cells++ == 0) {
            order.push_back(name);
        }
        if (!row.finished) {
            continue;
        }
        const Finished& finished = *row.finished;
        summary.seconds += finished.seconds;
        summary.proven += finished.status == Status::proven ? 1 : 0;
        if (finished.status == Status::refused && summary.refused++ == 0) {
            summary.why = first_line(finished);
        }
        if (finished.value) {
            const double value = *finished.value;
            const bool is_first = summary.answered++ == 0;
            summary.least = is_first ? value : std::min(summary.least, value);
            summary.most = is_first ? value : std::max(summary.most, value);
            summary.unit = finished.unit;
        }
    }
    std::vector<Column> columns{{"model"},
                                {"platform"},
                                {"objective"},
                                {"cells", true},
                                {"answered", true},
                                {"proven", true},
                                {"refused", true},
                                {"least", true},
                                {"most", true},
                                {"unit"},
                                {"took [s]", true}};
    std::size_t unanswered = 0;
    std::string such_as;
    for (const Name& name : order) {
        const Summary& summary = summaries[name];
        const bool is_answered = summary.answered > 0;
        if (summary.refused == summary.cells) {
            if (unanswered++ == 0) {
                such_as = fmt::format("{} on {}, {}: {}", name[0], name[1], name[2], summary.why);
            }
            continue;
        }
        const std::array cells{name[0],
                               name[1],
                               name[2],
                               fmt::format("{}", summary.cells),
                               fmt::format("{}", summary.answered),
                               fmt::format("{}", summary.proven),
                               fmt::format("{}", summary.refused),
                               is_answered ? fmt::format("{:.2f}", summary.least) : std::string{},
                               is_answered ? fmt::format("{:.2f}", summary.most) : std::string{},
                               summary.unit,
                               fmt::format("{:.2f}", summary.seconds)};
        for (std::size_t c = 0; c < cells.size(); ++c) {
            columns[c].cells.push_back(cells[c]);
        }
    }
    std::string text = aligned(columns);
    if (unanswered > 0) {
        text += fmt::format(
            "\n{} combination{} of model, platform and objective {} no answer, such as {}\n",
            unanswered,
            unanswered == 1 ? "" : "s",
            unanswered == 1 ? "has" : "have",
            such_as);
    }
    return text;
}

// ---- edits: a column for each path that some cell changes
// -----------------------------------------

std::vector<std::string> paths_of(const std::vector<Row>& rows) {
    std::vector<std::string> paths;
    std::set<std::string> seen;
    for (const Row& row : rows) {
        for (const std::string& edit : row.cell.what_if) {
            if (std::string path = edit_of(edit).path; seen.insert(path).second) {
                paths.push_back(std::move(path));
            }
        }
    }
    return paths;
}

std::string number_at(const Cell& cell, const std::string& path) {
    for (const std::string& text : cell.what_if) {
        if (const Edit edit = edit_of(text); edit.path == path) {
            return edit.number;
        }
    }
    return "";
}

std::string number_text(const std::optional<double>& number) {
    return number ? fmt::format("{}", *number) : "";
}

}  // namespace

std::string table_text(const std::vector<Row>& rows, bool all) {
    return all || rows.size() <= kLongest ? whole_table(rows) : summary_table(rows);
}

std::string table_csv(const std::vector<Row>& rows) {
    const std::vector<std::string> paths = paths_of(rows);
    std::vector<std::string> heads{
        "model", "platform", "batch", "objective", "search", "constraints"};
    heads.insert(heads.end(), paths.begin(), paths.end());
    for (const char* const head : {"status",
                                   "value",
                                   "unit",
                                   "bound",
                                   "point",
                                   "latency_us",
                                   "energy_mj",
                                   "accuracy_percent",
                                   "images_per_second",
                                   "network",
                                   "nodes",
                                   "seconds",
                                   "message"}) {
        heads.emplace_back(head);
    }
    std::string csv;
    const auto add_line = [&](const std::vector<std::string>& fields) {
        std::string line;
        for (const std::string& field : fields) {
            line += (line.empty() && &field == &fields.front() ? "" : ",") + sim::csv_field(field);
        }
        csv += line + "\r\n";
    };
    add_line(heads);
    for (const Row& row : rows) {
        const Cell& cell = row.cell;
        std::vector<std::string> begin{cell.model,
                                       cell.platform,
                                       fmt::format("{}", cell.batch),
                                       objective_text(cell),
                                       cell.search,
                                       cell.constraints.name};
        for (const std::string& path : paths) {
            begin.push_back(number_at(cell, path));
        }
        const Finished finished = row.finished.value_or(Finished{});
        begin.emplace_back(row.finished ? name_of(finished.status) : "open");
        begin.push_back(number_text(finished.value));
        begin.push_back(finished.unit);
        begin.push_back(number_text(finished.bound));
        const std::vector<std::string> end{
            row.finished ? fmt::format("{}", finished.nodes) : "",
            row.finished ? fmt::format("{:.6f}", finished.seconds) : "",
            finished.message};
        const auto add_row = [&](const std::vector<std::string>& middle) {
            std::vector<std::string> fields = begin;
            fields.insert(fields.end(), middle.begin(), middle.end());
            fields.insert(fields.end(), end.begin(), end.end());
            add_line(fields);
        };
        if (finished.points.empty()) {
            add_row({"", "", "", "", "", ""});
        }
        for (std::size_t i = 0; i < finished.points.size(); ++i) {
            const Point& point = finished.points[i];
            add_row({fmt::format("{}", i + 1),
                     fmt::format("{}", point.latency_us),
                     number_text(point.energy_mj),
                     number_text(point.accuracy_percent),
                     number_text(point.images_per_second),
                     point.network});
        }
    }
    return csv;
}

nlohmann::ordered_json table_json(const std::vector<Row>& rows) {
    nlohmann::ordered_json cells = nlohmann::ordered_json::array();
    for (const Row& row : rows) {
        nlohmann::ordered_json cell{{"model", row.cell.model},
                                    {"platform", row.cell.platform},
                                    {"batch", row.cell.batch},
                                    {"objectives", row.cell.objectives},
                                    {"search", row.cell.search},
                                    {"constraints", row.cell.constraints.name},
                                    {"what_if", edits_json(row.cell)}};
        if (!row.finished) {
            cell["status"] = "open";
        } else {
            cell.update(to_json(*row.finished));
        }
        cells.push_back(std::move(cell));
    }
    return cells;
}

}  // namespace sweep
