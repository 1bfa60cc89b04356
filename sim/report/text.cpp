// The table for people: what was asked, one row for each task, copy and conversion in the order
// they start, what was found. For example (tests/golden/report.txt is this, and a test prints it):
//
//     small on two-devices, batch 1, branch-and-bound
//
//     layer                       device     kernel         start [us]  end [us]  cost
//     conv1+threshold1+pool1      cpu        avx512 2y            0.00      4.81  measured
//       copy of pool1             to gpu0    host to gpu0         4.81      6.91
//     conv2+threshold2            gpu0       tensor_core          8.31     11.03  fitted
//       copy of threshold2        from gpu0  gpu0 to host        11.03     12.93
//       conversion of threshold2  cpu        nhwc to plain       14.43     14.73
//     fc                          cpu        scalar 1            14.73     15.98  measured
//
//     besides: 2 copies 4.00 us, 1 conversion 0.30 us, 1 submission 3.50 us, the host waits 6.12 us
//     15.98 us, proven optimal in any order (1,873 nodes); 1.3x faster than only cpu
//
// The column `cost` appears only if some cost was not measured. The line before the last adds up
// what is not computing; it appears only if there is such a thing.

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/run/networks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace sim {
namespace {

using Row = std::array<std::string, 6>;
constexpr std::array<bool, 6> kRightAligned{false, false, false, true, true, false};

std::string two_decimals(Time time) { return fmt::format("{:.2f}", exact_microseconds(time)); }

Row row_of(const Problem& problem, const Event& event) {
    const std::string start = two_decimals(event.start), end = two_decimals(event.end);
    if (event.kind == EventKind::task) {
        const Task& task = problem.tasks[at(event.task)];
        return {event_name(problem, event),
                device_name(problem, event.resource),
                event_detail(problem, event),
                start,
                end,
                std::string(name_of(task.kind))};
    }
    // What is not a task stands a little to the right.
    return {"  " + event_name(problem, event),
            event.kind == EventKind::copy ? engine_name(problem, event.resource)
                                          : device_name(problem, event.resource),
            event_detail(problem, event),
            start,
            end,
            ""};
}

// "1 copy", "3 copies".
std::string counted(int count, std::string_view one, std::string_view many) {
    return fmt::format(
        "{} {}", with_separators(static_cast<std::uint64_t>(count)), count == 1 ? one : many);
}

// "2 copies 3.20 us, 1 submission 6.00 us, the host waits 4.10 us": empty if none.
std::string overheads(const Answer& answer) {
    struct Sum {
        EventKind kind;
        std::string_view one, many;
        int count = 0;
        Time time{};
    };
    std::array<Sum, 4> sums{{{EventKind::copy, "copy", "copies"},
                             {EventKind::conversion, "conversion", "conversions"},
                             {EventKind::submission, "submission", "submissions"},
                             {EventKind::reconfiguration, "reconfiguration", "reconfigurations"}}};
    Time waited{};
    for (const Event& event : answer.schedule.events) {
        for (Sum& sum : sums) {
            if (sum.kind == event.kind) {
                ++sum.count;
                sum.time += event.end - event.start;
            }
        }
        // `waited` of a submission or a copy would be another resource's.
        const bool on_device = event.kind == EventKind::task || event.kind == EventKind::conversion;
        if (on_device && event.resource == 0) {
            waited += event.waited;
        }
    }
    std::string line;
    const auto add = [&](const std::string& what, Time time) {
        line += fmt::format("{}{} {} us", line.empty() ? "" : ", ", what, two_decimals(time));
    };
    for (const Sum& sum : sums) {
        if (sum.count > 0) {
            add(counted(sum.count, sum.one, sum.many), sum.time);
        }
    }
    if (waited.count() > 0) {
        add("the host waits", waited);
    }
    return line;
}

// "energy: base 3.83 uJ, digital 0.20 uJ, analog 5.52 uJ": what is not zero.
std::string energy_line(const Problem& problem, const EnergyBreakdown& energy) {
    std::string line;
    const double least = 1e-9 * microjoules(energy.total());  // else it is rounding
    const auto add = [&](std::string_view name, Energy value) {
        if (std::abs(microjoules(value)) > least) {
            line += fmt::format("{}{} {}", line.empty() ? "" : ", ", name, energy_text(value));
        }
    };
    add("base", energy.base);
    for (std::size_t d = 0; d < energy.working.size(); ++d) {
        add(device_name(problem, static_cast<int>(d)), energy.working[d] + energy.idle[d]);
    }
    for (std::size_t l = 0; l < energy.links.size(); ++l) {
        add(engine_name(problem, static_cast<int>(l)), energy.links[l]);
    }
    return line;
}

// The lines on what is not time: energy, what resources and memories are taken, accuracy, a stream.
std::string more_lines(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::string text;
    if (answer.interval) {
        text += "interval: " + interval_text(*answer.interval) + "\n";
    }
    if (answer.energy) {
        text += "energy: " + energy_line(problem, *answer.energy) + "\n";
    }
    std::string taken;
    for (std::size_t b = 0; b < problem.budgets.size(); ++b) {
        taken += fmt::format("{}{} {} of {}",
                             taken.empty() ? "" : ", ",
                             problem.budgets[b].name,
                             with_separators(static_cast<std::uint64_t>(budget_use(answer, b))),
                             with_separators(static_cast<std::uint64_t>(problem.budgets[b].limit)));
    }
    for (std::size_t m = 0; m < answer.memories.size(); ++m) {
        if (m < problem.capacities.size() && problem.capacities[m] > 0) {
            taken += fmt::format("{}{} {} of {}",
                                 taken.empty() ? "" : ", ",
                                 memory_name(problem, static_cast<int>(m)),
                                 to_string(Bytes{answer.memories[m].peak}),
                                 to_string(Bytes{problem.capacities[m]}));
        }
    }
    if (!taken.empty()) {
        text += "takes: " + taken + "\n";
    }
    if (answer.model != nullptr && !answer.model->networks.empty()) {
        const std::vector<Time> latencies = network_latencies(problem, answer.schedule);
        std::vector<std::string> networks;
        for (std::size_t i = 0; i < latencies.size(); ++i) {
            networks.push_back(fmt::format(
                "{} after {} us", answer.model->networks[i], two_decimals(latencies[i])));
        }
        text += fmt::format("networks: {}\n", fmt::join(networks, ", "));
    }
    if (!answer.constraints.empty()) {
        text += fmt::format("keeps to: {}\n", fmt::join(answer.constraints, ", "));
    }
    for (const Violation& violation : answer.violations) {
        text += "does not fit: " + to_string(problem, violation) + "\n";
    }
    if (answer.accuracy) {
        text += "accuracy: " + accuracy_text(*answer.accuracy) + "\n";
    }
    if (answer.stream) {
        const Time period = answer.stream->period;
        const std::string rate =
            period > Time{}
                ? fmt::format(" ({:.1f} a second)", 1e12 / static_cast<double>(period.count()))
                : "";
        text += fmt::format("stream: a frame every {} us{} with {} in flight, each takes {} us{}\n",
                            two_decimals(period),
                            rate,
                            answer.goal.frames_in_flight,
                            two_decimals(answer.stream->latency),
                            answer.stream->steady ? "" : "; it is not steady: an average");
    }
    return text;
}

void append_row(std::string& text,
                const Row& row,
                const std::array<std::size_t, 6>& widths,
                std::size_t columns) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
        const std::string padding(widths[c] - width_of(row[c]), ' ');
        line += c == 0 ? "" : "  ";
        line += kRightAligned[c] ? padding + row[c] : row[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
}

}  // namespace

std::string text_table(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::string text = heading(answer) + "\n\n";
    if (answer.mapping.empty()) {
        return text + finding(answer) + "\n";
    }

    // 1. A row for everything that takes a device or an engine.
    std::vector<Row> rows{{"layer", "device", "kernel", "start [us]", "end [us]", "cost"}};
    bool all_measured = true;
    for (const Event& event : answer.schedule.events) {
        if (event.kind == EventKind::submission) {
            continue;
        }
        if (event.kind == EventKind::task) {
            const Task& task = problem.tasks[at(event.task)];
            if (is_boundary(problem, task)) {
                continue;
            }
            all_measured = all_measured && task.kind == CostKind::measured;
        }
        rows.push_back(row_of(problem, event));
    }

    // 2. Columns as wide as their widest entry.
    const std::size_t columns = all_measured ? 5 : 6;
    std::array<std::size_t, 6> widths{};
    for (const Row& row : rows) {
        for (std::size_t c = 0; c < columns; ++c) {
            widths[c] = std::max(widths[c], width_of(row[c]));
        }
    }
    for (const Row& row : rows) {
        append_row(text, row, widths, columns);
    }

    // 3. What was found.
    text += "\n";
    if (const std::string line = overheads(answer); !line.empty()) {
        text += "besides: " + line + "\n";
    }
    text += more_lines(answer);
    if (!answer.result.note.empty()) {
        text += "note: " + answer.result.note + "\n";
    }
    return text + finding(answer) + "\n";
}

}  // namespace sim
