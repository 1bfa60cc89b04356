// The mapped graph for Graphviz (`dot -Tsvg`): one node for each task, coloured by device, one
// edge for each tensor, dashed where it is copied or converted. tests/golden/mapping.dot is a
// sample.

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"

#include <fmt/format.h>

#include <map>

namespace sim {
namespace {

// In a quoted DOT string only the quote and the backslash are special.
std::string dot_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "\"";
}

// Lines of a label, each ended by DOT's own line break.
std::string label_of(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) {
        const std::string inner = dot_string(line);
        out += (out.empty() ? "" : "\\n") + inner.substr(1, inner.size() - 2);
    }
    return "\"" + out + "\"";
}

}  // namespace

std::string dot_graph(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::string out = "// " + heading(answer) + ": " + finding(answer) + "\n";
    for (char& c : out) {
        c = c == '\n' || c == '\r' ? ' ' : c;
    }
    out.back() = '\n';
    out +=
        "digraph mapping {\n"
        "    graph [rankdir=TB, fontname=\"Helvetica\", labelloc=t, label=" +
        dot_string(heading(answer)) +
        "]\n"
        "    node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"filled,rounded\"]\n"
        "    edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"]\n";

    // 1. Nodes, named after their first layer's number.
    std::vector<int> maker(at(problem.layers()), -1);  // by tensor
    for (const int index : answer.mapping) {
        const Task& task = problem.tasks[at(index)];
        maker[at(task.last)] = task.first;
        if (is_boundary(problem, task)) {
            out += fmt::format("    t{} [shape=ellipse, fillcolor=\"#eeeeee\", label={}]\n",
                               task.first,
                               dot_string(chain_name(problem, task)));
            continue;
        }
        std::vector<std::string> lines{problem.layer_names.at(at(task.first))};
        for (const int layer : task.rest) {
            lines.push_back(problem.layer_names.at(at(layer)));
        }
        lines.push_back(
            fmt::format("{}: {}", problem.device_names.at(at(task.device)), kernel_name(task)));
        lines.push_back(fmt::format("{:.2f} us", exact_microseconds(task.cost)));
        const Colour colour = colour_of(at(task.device));
        out += fmt::format("    t{} [fillcolor=\"{}\", fontcolor=\"{}\", label={}]\n",
                           task.first,
                           colour.fill,
                           colour.text,
                           label_of(lines));
    }

    // 2. What happens to a tensor before a task reads it. A copy is made once for each memory, so
    //    it stands on the edges of all its readers there; task -1 is the model's output.
    std::map<std::pair<int, int>, std::vector<const Event*>> copies;       // tensor, to memory
    std::map<std::pair<int, int>, std::vector<const Event*>> conversions;  // tensor, device
    for (const Event& event : answer.schedule.events) {
        if (event.kind == EventKind::copy) {
            copies[{event.tensor, event.to}].push_back(&event);
        }
        if (event.kind == EventKind::conversion) {
            conversions[{event.tensor, event.resource}].push_back(&event);
        }
    }

    // 3. Edges.
    for (const int index : answer.mapping) {
        const Task& task = problem.tasks[at(index)];
        const int memory = problem.devices.at(at(task.device)).memory;
        for (const TaskInput& input : task.inputs) {
            std::vector<std::string> lines;
            const auto add = [&](std::string_view what, const std::vector<const Event*>& events) {
                for (const Event* event : events) {
                    lines.push_back(fmt::format("{} {}, {:.2f} us",
                                                what,
                                                event_detail(problem, *event),
                                                exact_microseconds(event->end - event->start)));
                }
            };
            if (const auto it = copies.find({input.tensor, memory}); it != copies.end()) {
                add("copy", it->second);
            }
            if (const auto it = conversions.find({input.tensor, task.device});
                it != conversions.end()) {
                add("convert", it->second);
            }
            out += fmt::format("    t{} -> t{}", maker.at(at(input.tensor)), task.first);
            out +=
                lines.empty() ? "\n" : fmt::format(" [style=dashed, label={}]\n", label_of(lines));
        }
    }
    return out + "}\n";
}

}  // namespace sim
