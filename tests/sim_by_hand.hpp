#pragma once

// Small problems for schedules worked out by hand, and a schedule as one line of text.

#include "sim/run/simulate.hpp"
#include "sim_generate.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace by_hand {

// Host and one device in a memory of its own, times in picoseconds: a segment costs 10 and each
// of its tasks 2 more; the host sees an end 3 later; a copy takes 20, a conversion 4 on the host
// and 6 on the device.
inline generate::Draft hand(int layouts = 1) {
    generate::Draft d;
    d.add_device({});
    d.add_device({.memory = 1,
                  .asynchronous = true,
                  .submit = sim::Time{10},
                  .per_task = sim::Time{2},
                  .completion = sim::Time{3}});
    d.conversions = {{4, 0}, {6, 0}};
    d.problem.memories = 2;
    d.problem.layouts = layouts;
    d.problem.engines = 2;
    d.problem.engine = {-1, 0, 1, -1};
    d.links = {{0, 0}, {20, 0}, {20, 0}, {0, 0}};
    return d;
}

// Layers with these inputs, after layer 0, the model's input; and then the output.
inline void add_layers(generate::Draft& d, const std::vector<std::vector<int>>& inputs) {
    d.add_layer({}, 0);
    for (const std::vector<int>& of_layer : inputs) {
        d.add_layer(of_layer, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, sim::Time{});
}

// "copy 1 0..20, ..." in the order of the events; tasks by their first layer, others with their
// tensor, nothing that takes no time.
inline std::string story(const sim::Problem& problem, const sim::Schedule& schedule) {
    std::string lines;
    const auto add = [&](const std::string& line) { lines += (lines.empty() ? "" : ", ") + line; };
    for (const sim::Event& event : schedule.events) {
        const std::string when =
            " " + std::to_string(event.start.count()) + ".." + std::to_string(event.end.count());
        const auto first = [&] {
            return std::to_string(problem.tasks[static_cast<std::size_t>(event.task)].first);
        };
        switch (event.kind) {
            case sim::EventKind::task:
                if (event.start != event.end) {
                    add("task " + first() + when);
                }
                break;
            case sim::EventKind::conversion:
                add("convert " + std::to_string(event.tensor) + when);
                break;
            case sim::EventKind::copy:
                add("copy " + std::to_string(event.tensor) + when);
                break;
            case sim::EventKind::submission:
                add("submit " + first() + when);
                break;
            case sim::EventKind::reconfiguration:
                add("load " + first() + when);
                break;
        }
    }
    return lines;
}

// All tasks in the order they were added but the output's, which comes last.
inline sim::Mapping everything(const sim::Problem& problem) {
    sim::Mapping mapping;
    for (int k = 0; k < static_cast<int>(problem.tasks.size()); ++k) {
        mapping.push_back(k);
    }
    std::sort(mapping.begin(), mapping.end(), [&](int a, int b) {
        return problem.tasks[static_cast<std::size_t>(a)].first <
               problem.tasks[static_cast<std::size_t>(b)].first;
    });
    return mapping;
}

// These devices divide the layer between them; the first holds the result.
inline void divide(sim::Task& task, const std::vector<int>& devices) {
    task.device = devices.front();
    for (const int device : devices) {
        sim::Part part;
        part.device = device;
        task.parts.push_back(part);
    }
}

inline sim::Problem finish(generate::Draft& d) {
    d.add_task({d.layers() - 1}, 0, {0}, 0, sim::Time{});
    return d.finish("by hand");
}

}  // namespace by_hand
