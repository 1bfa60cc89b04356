// The mapped graph for Graphviz (`dot -Tsvg`): one node for each task, coloured by device, one
// edge for each tensor, dashed where it is copied or converted; a copy by way of other memories is
// a line for each hop. tests/golden/mapping.dot is a sample.

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace sim {
namespace {

// In a quoted DOT string only the quote and the backslash are special.
std::string dot_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : printable(text)) {
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

std::string duration_of(const Event& event) {
    return fmt::format("{:.2f} us", exact_microseconds(event.end - event.start));
}

std::vector<int> fused_layers(const Task& task) {
    std::vector<int> layers{task.first};
    layers.insert(layers.end(), task.rest.begin(), task.rest.end());
    return layers;
}

// The task's own device, then those it is divided over.
std::vector<int> working_devices(const Task& task) {
    std::vector<int> devices{task.device};
    for (const Part& part : task.parts) {
        if (part.device != task.device) {
            devices.push_back(part.device);
        }
    }
    return devices;
}

// A node for each task, named after its first layer's number: its layers, device, kernel and time,
// and what the device needed before it began.
std::string nodes_of(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::map<int, std::vector<const Event*>> before;  // by task
    for (const Event& event : answer.schedule.events) {
        if (event.kind == EventKind::submission || event.kind == EventKind::reconfiguration) {
            before[event.task].push_back(&event);
        }
    }
    std::string out;
    for (const int index : answer.mapping) {
        const Task& task = problem.tasks[at(index)];
        if (is_boundary(problem, task)) {
            out += fmt::format("    t{} [shape=ellipse, fillcolor=\"#eeeeee\", label={}]\n",
                               task.first,
                               dot_string(chain_name(problem, task)));
            continue;
        }
        std::vector<std::string> lines;
        for (const int layer : fused_layers(task)) {
            lines.push_back(layer_name(problem, layer));
        }
        lines.push_back(device_name(problem, task.device) + ": " + kernel_name(task));
        lines.push_back(fmt::format("{:.2f} us", exact_microseconds(task.cost)));
        for (const Event* event : before[index]) {
            lines.push_back(event_name(problem, *event) + ", " + duration_of(*event));
        }
        const Colour colour = colour_of(at(task.device));
        out += fmt::format("    t{} [fillcolor=\"{}\", fontcolor=\"{}\", label={}]\n",
                           task.first,
                           colour.fill,
                           colour.text,
                           label_of(lines));
    }
    return out;
}

// What happens to a tensor on its way to a task. A copy is made once for each memory, so it stands
// on the edges of all its readers there, and with it the copies that brought the tensor where it
// was copied from.
struct Ways {
    std::map<std::pair<int, int>, const Event*> copies;                    // tensor, to memory
    std::map<std::pair<int, int>, std::vector<const Event*>> conversions;  // tensor, device

    explicit Ways(const Schedule& schedule) {
        for (const Event& event : schedule.events) {
            if (event.kind == EventKind::copy) {
                copies.try_emplace({event.tensor, event.to}, &event);
            }
            if (event.kind == EventKind::conversion) {
                conversions[{event.tensor, event.resource}].push_back(&event);
            }
        }
    }

    // The copies that bring `tensor` from the memory it was made in to `memory`, in their order.
    std::vector<const Event*> copies_to(int tensor, int memory, int made_in) const {
        std::vector<const Event*> hops;
        while (memory != made_in) {
            const auto found = copies.find({tensor, memory});
            if (found == copies.end() || hops.size() == copies.size()) {
                break;
            }
            hops.insert(hops.begin(), found->second);
            memory = found->second->from;
        }
        return hops;
    }
};

// An edge from the task that makes a tensor to each that reads it.
std::string edges_of(const Answer& answer) {
    const Problem& problem = *answer.problem;
    const Ways ways(answer.schedule);
    std::vector<const Task*> maker(at(problem.layers()), nullptr);  // by tensor
    for (const int index : answer.mapping) {
        for (const int layer : fused_layers(problem.tasks[at(index)])) {
            maker[at(layer)] = &problem.tasks[at(index)];
        }
    }
    const auto memory_of = [&](int device) { return problem.devices.at(at(device)).memory; };
    std::string out;
    for (const int index : answer.mapping) {
        const Task& task = problem.tasks[at(index)];
        for (const TaskInput& input : task.inputs) {
            const Task& from = *maker.at(at(input.tensor));
            std::vector<std::string> lines;
            const auto add = [&](const std::string& what, const Event* event) {
                const std::string line =
                    what + " " + event_detail(problem, *event) + ", " + duration_of(*event);
                if (std::find(lines.begin(), lines.end(), line) == lines.end()) {
                    lines.push_back(line);
                }
            };
            for (const int device : working_devices(task)) {
                for (const Event* event :
                     ways.copies_to(input.tensor, memory_of(device), memory_of(from.device))) {
                    add("copy", event);
                }
                const auto found = ways.conversions.find({input.tensor, device});
                if (found != ways.conversions.end()) {
                    for (const Event* event : found->second) {
                        add("convert", event);
                    }
                }
            }
            out += fmt::format("    t{} -> t{}", from.first, task.first);
            out +=
                lines.empty() ? "\n" : fmt::format(" [style=dashed, label={}]\n", label_of(lines));
        }
    }
    return out;
}

}  // namespace

std::string dot_graph(const Answer& answer) {
    std::string title = "// " + heading(answer) + ": " + finding(answer);
    for (char& c : title) {
        c = c == '\n' || c == '\r' ? ' ' : c;
    }
    return title +
           "\ndigraph mapping {\n"
           "    graph [rankdir=TB, fontname=\"Helvetica\", labelloc=t, label=" +
           dot_string(heading(answer)) +
           "]\n"
           "    node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"filled,rounded\"]\n"
           "    edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"]\n" +
           nodes_of(answer) + edges_of(answer) + "}\n";
}

}  // namespace sim
