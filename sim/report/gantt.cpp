// A Gantt chart as SVG: a lane for each resource, time from left to right, a colour for each
// kernel variant. Hovering over a box shows its name, kernel and times. The host's lane shows where
// it stands still waiting for a result. tests/golden/gantt.svg is a sample.
//
// It is one file without scripts or outside fonts, so that it opens in any browser and in papers.

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"
#include "sim/report/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace sim {
namespace {

// Pixels. A character of the 11-pixel sans-serif labels is about 6.2 wide in common fonts; texts
// are laid out with that, since an SVG cannot measure itself.
constexpr double kWidth = 1200, kMargin = 24, kLaneHeight = 46, kBoxHeight = 30;
constexpr double kCharacter = 6.2;
constexpr double kLegendRow = 20;

// As many characters as fit in `pixels`, the last of them an ellipsis if something is left out;
// empty if there is no room for even three.
std::string shortened(std::string_view text, double pixels) {
    const auto room = static_cast<std::size_t>(std::max(0.0, pixels / kCharacter));
    if (width_of(text) <= room) {
        return std::string(text);
    }
    if (room < 3) {
        return "";
    }
    std::string out;
    std::size_t characters = 0;
    for (const char c : text) {
        characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
        if (characters == room) {
            break;
        }
        out += c;
    }
    return out + "…";
}

// Ticks at 1, 2 or 5 times a power of ten, in the unit that keeps their numbers short.
struct Axis {
    std::string_view unit;
    double picoseconds_per_unit = 1;
    double step = 1;  // in the unit
    int decimals = 0;
};

Axis axis_for(Time makespan) {
    constexpr std::array<std::pair<double, std::string_view>, 4> kUnits{
        {{1e12, "s"}, {1e9, "ms"}, {1e6, "us"}, {1e3, "ns"}}};
    const auto length = std::max(1.0, static_cast<double>(makespan.count()));
    Axis axis;
    for (const auto& [size, name] : kUnits) {
        axis.picoseconds_per_unit = size;
        axis.unit = name;
        if (length >= 2 * size) {
            break;
        }
    }
    const double raw = length / axis.picoseconds_per_unit / 12;
    axis.step = round_step(raw);
    axis.decimals = decimals_of(axis.step);
    return axis;
}

// All that a hovering reader wants to know.
std::string tooltip(const Problem& problem, const Event& event) {
    std::string text = event_name(problem, event);
    if (const std::string detail = event_detail(problem, event); !detail.empty()) {
        text += "\n" + detail;
    }
    text += fmt::format("\n{:.3f} to {:.3f} us ({:.3f} us)",
                        exact_microseconds(event.start),
                        exact_microseconds(event.end),
                        exact_microseconds(event.end - event.start));
    if (event.kind == EventKind::task) {
        const Task& task = problem.tasks[at(event.task)];
        text += fmt::format("\ncost {}", name_of(task.kind));
    }
    if (event.resource == 0 && event.waited.count() > 0) {
        text += fmt::format("\nafter waiting {:.3f} us", exact_microseconds(event.waited));
    }
    return text;
}

// A line of dashes where the host stands still waiting, from the end of what it did before.
struct Pause {
    Time from{}, to{};
};

// Where everything goes and in which colour, before anything is drawn.
struct Chart {
    std::vector<Lane> lanes;
    std::vector<std::string> variants;  // of kernels, in the order of their first appearance
    std::vector<Pause> pauses;
    Time makespan{1};
    double left = 0, right = 0, top = 76, bottom = 0;  // of the lanes' boxes

    double x_of(double picoseconds) const {
        return left + (right - left) * picoseconds / static_cast<double>(makespan.count());
    }
    double x_of(Time time) const { return x_of(static_cast<double>(time.count())); }
    double top_of(std::size_t lane) const { return top + kLaneHeight * static_cast<double>(lane); }
    double middle_of(std::size_t lane) const {
        return top + kLaneHeight * (static_cast<double>(lane) + 0.5);
    }
};

std::string variant_of(const Problem& problem, const Event& event) {
    const Part* const part = part_of(problem, event);
    return part != nullptr ? part->variant : problem.tasks[at(event.task)].variant;
}

// Boxes of the host that began late; the model's output waits too, without a box of its own.
std::vector<Pause> pauses_of(const Schedule& schedule) {
    std::vector<Pause> pauses;
    for (const Event& event : schedule.events) {
        const bool on_host = event.resource == 0 &&
                             (event.kind == EventKind::task || event.kind == EventKind::conversion);
        if (on_host && event.waited.count() > 0) {
            pauses.push_back({event.start - event.waited, event.start});
        }
    }
    return pauses;
}

Chart chart_of(const Answer& answer) {
    Chart chart;
    chart.lanes = lanes_of(answer);
    chart.pauses = pauses_of(answer.schedule);
    chart.makespan = std::max(answer.schedule.makespan, Time{1});

    std::size_t longest = 0;
    for (const Lane& lane : chart.lanes) {
        longest = std::max({longest, width_of(lane.name), width_of(lane.role)});
        for (const Event* event : lane.events) {
            if (event->kind != EventKind::task) {
                continue;
            }
            const std::string variant = variant_of(*answer.problem, *event);
            if (std::find(chart.variants.begin(), chart.variants.end(), variant) ==
                chart.variants.end()) {
                chart.variants.push_back(variant);
            }
        }
    }
    chart.left = kMargin + std::min(240.0, static_cast<double>(longest) * 7.2) + 16;
    chart.right = kWidth - kMargin;
    chart.bottom = chart.top_of(chart.lanes.size());
    return chart;
}

Colour box_colour(const Chart& chart, const Problem& problem, const Event& event) {
    switch (event.kind) {
        case EventKind::task:
            break;
        case EventKind::copy:
            return {"#b8b8b8", "#1a1a1a"};
        case EventKind::conversion:
            return {"#dcc8a8", "#1a1a1a"};
        case EventKind::submission:
            return {"#8a8a8a", "#ffffff"};
        case EventKind::reconfiguration:
            return {"#5c4a63", "#ffffff"};
    }
    const auto found =
        std::find(chart.variants.begin(), chart.variants.end(), variant_of(problem, event));
    return colour_of(static_cast<std::size_t>(found - chart.variants.begin()));
}

// ---- The legend: only what is in the picture ----------------------------------------------------

struct LegendEntry {
    std::string shape;  // 14 x 12 pixels
    std::string name;
    double x = 0, y = 0;
};

constexpr std::string_view kPauseShape =
    "<line x1=\"0\" y1=\"6\" x2=\"14\" y2=\"6\" stroke=\"#b03060\" stroke-width=\"2\" "
    "stroke-dasharray=\"3 3\"/>";

std::string box_shape(const Colour& colour) {
    return fmt::format("<rect width=\"14\" height=\"12\" rx=\"2\" fill=\"{}\"/>", colour.fill);
}

// From left to right, in as many rows as it takes.
std::vector<LegendEntry> legend_of(const Chart& chart, const Problem& problem) {
    std::vector<LegendEntry> legend;
    for (std::size_t v = 0; v < chart.variants.size(); ++v) {
        legend.push_back({box_shape(colour_of(v)), chart.variants[v]});
    }
    for (const auto& [kind, name] : {std::pair{EventKind::copy, "copy"},
                                     std::pair{EventKind::conversion, "layout conversion"},
                                     std::pair{EventKind::submission, "submission"},
                                     std::pair{EventKind::reconfiguration, "reconfiguration"}}) {
        for (const Lane& lane : chart.lanes) {
            const auto found = std::find_if(
                lane.events.begin(), lane.events.end(), [kind = kind](const Event* event) {
                    return event->kind == kind;
                });
            if (found != lane.events.end()) {
                legend.push_back({box_shape(box_colour(chart, problem, **found)), name});
                break;
            }
        }
    }
    if (!chart.pauses.empty()) {
        legend.push_back({std::string(kPauseShape), "the host waits"});
    }

    double x = chart.left, y = chart.bottom + 52;
    for (LegendEntry& entry : legend) {
        entry.name = shortened(entry.name, chart.right - chart.left - 40);
        const double needed = 22 + static_cast<double>(width_of(entry.name)) * 6.4 + 18;
        if (x + needed > chart.right && x > chart.left) {
            x = chart.left;
            y += kLegendRow;
        }
        entry.x = x;
        entry.y = y;
        x += needed;
    }
    return legend;
}

std::string draw_legend(const std::vector<LegendEntry>& legend) {
    std::string svg;
    for (const LegendEntry& entry : legend) {
        svg += fmt::format(
            "<g transform=\"translate({:.1f} {:.0f})\">{}<text x=\"20\" y=\"10\" "
            "font-size=\"11\" fill=\"#333333\">{}</text></g>\n",
            entry.x,
            entry.y,
            entry.shape,
            escaped(entry.name));
    }
    return svg;
}

// ---- The picture, from back to front ------------------------------------------------------------

// The root's opening tag, white paper and two lines of title.
std::string draw_title(const Answer& answer, double height) {
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\">\n"
        "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n"
        "<text x=\"{2:.0f}\" y=\"32\" font-size=\"17\" font-weight=\"bold\" "
        "fill=\"#1a1a1a\">{3}</text>\n"
        "<text x=\"{2:.0f}\" y=\"53\" font-size=\"13\" fill=\"#555555\">{4}</text>\n",
        kWidth,
        height,
        kMargin,
        escaped(heading(answer)),
        escaped(finding(answer) +
                (answer.interval ? "; " + interval_text(*answer.interval) : std::string{})));
}

// Every second lane shaded, and the names on the left.
std::string draw_lanes(const Chart& chart) {
    std::string svg;
    for (std::size_t i = 0; i < chart.lanes.size(); ++i) {
        const Lane& lane = chart.lanes[i];
        const double y = chart.top_of(i);
        const bool doubled = lane.role != lane.name;
        if (i % 2 == 0) {
            svg += fmt::format(
                "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" "
                "fill=\"#f5f6f8\"/>\n",
                kMargin - 8,
                y,
                chart.right - kMargin + 8,
                kLaneHeight);
        }
        svg += fmt::format(
            "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"13\" font-weight=\"bold\" "
            "fill=\"#1a1a1a\">{}</text>\n",
            kMargin,
            y + (doubled ? 21 : 27),
            escaped(lane.name));
        if (doubled) {
            svg += fmt::format(
                "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"10.5\" fill=\"#777777\">{}</text>\n",
                kMargin,
                y + 35,
                escaped(lane.role));
        }
    }
    return svg;
}

std::string draw_axis(const Chart& chart) {
    std::string svg;
    const Axis axis = axis_for(chart.makespan);
    const double units = static_cast<double>(chart.makespan.count()) / axis.picoseconds_per_unit;
    for (int k = 0; k * axis.step <= units * (1 + 1e-9); ++k) {
        svg += fmt::format(
            "<line x1=\"{0:.2f}\" y1=\"{1:.0f}\" x2=\"{0:.2f}\" y2=\"{2:.0f}\" "
            "stroke=\"#d5d8dd\"/>\n"
            "<text x=\"{0:.2f}\" y=\"{3:.0f}\" font-size=\"11\" text-anchor=\"middle\" "
            "fill=\"#555555\">{4:.{5}f}</text>\n",
            chart.x_of(k * axis.step * axis.picoseconds_per_unit),
            chart.top,
            chart.bottom + 5,
            chart.bottom + 19,
            k * axis.step,
            axis.decimals);
    }
    return svg + fmt::format(
                     "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"11\" fill=\"#555555\">"
                     "time [{}]</text>\n",
                     kMargin,
                     chart.bottom + 19,
                     axis.unit);
}

// In the host's lane, the first of the devices'.
std::string draw_pauses(const Chart& chart) {
    const auto host = std::find_if(chart.lanes.begin(), chart.lanes.end(), [](const Lane& lane) {
        return lane.role == "device";
    });
    std::string svg;
    for (const Pause& pause : chart.pauses) {
        svg += fmt::format(
            "<line x1=\"{0:.2f}\" y1=\"{2:.1f}\" x2=\"{1:.2f}\" y2=\"{2:.1f}\" "
            "stroke=\"#b03060\" stroke-width=\"2\" stroke-dasharray=\"3 3\"/>\n",
            chart.x_of(pause.from),
            chart.x_of(pause.to),
            chart.middle_of(static_cast<std::size_t>(host - chart.lanes.begin())));
    }
    return svg;
}

// A box that tells more when pointed at; where there is room its name, and below that the kernel.
std::string draw_box(const Problem& problem,
                     const Event& event,
                     const Colour& colour,
                     double x,
                     double width,
                     double middle) {
    std::string svg = fmt::format(
        "<g><title>{}</title><rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
        "height=\"{:.0f}\" rx=\"2\" fill=\"{}\" stroke=\"#ffffff\" "
        "stroke-width=\"{}\"/>",
        escaped(tooltip(problem, event)),
        x,
        middle - kBoxHeight / 2,
        width,
        kBoxHeight,
        colour.fill,
        width > 3 ? "1" : "0");
    const std::string name = shortened(event_name(problem, event), width - 6);
    const bool two_lines = !name.empty() && event.kind == EventKind::task;
    if (!name.empty()) {
        svg += fmt::format(
            "<text x=\"{:.2f}\" y=\"{:.1f}\" font-size=\"11\" "
            "text-anchor=\"middle\" fill=\"{}\">{}</text>",
            x + width / 2,
            middle + (two_lines ? -2 : 4),
            colour.text,
            escaped(name));
    }
    if (two_lines) {
        svg += fmt::format(
            "<text x=\"{:.2f}\" y=\"{:.1f}\" font-size=\"9.5\" text-anchor=\"middle\" "
            "fill=\"{}\">{}</text>",
            x + width / 2,
            middle + 10,
            colour.text,
            escaped(shortened(event_detail(problem, event), (width - 6) * 1.15)));
    }
    return svg + "</g>\n";
}

std::string draw_boxes(const Chart& chart, const Problem& problem) {
    std::string svg;
    for (std::size_t i = 0; i < chart.lanes.size(); ++i) {
        for (const Event* event : chart.lanes[i].events) {
            const double x = chart.x_of(event->start);
            const double width = std::max(0.6, chart.x_of(event->end) - x);
            const Colour colour = box_colour(chart, problem, *event);
            svg += draw_box(problem, *event, colour, x, width, chart.middle_of(i));
        }
    }
    return svg;
}

}  // namespace

std::string gantt_svg(const Answer& answer) {
    const Chart chart = chart_of(answer);
    const std::vector<LegendEntry> legend = legend_of(chart, *answer.problem);
    const double height = (legend.empty() ? chart.bottom + 52 : legend.back().y) + 40;
    return draw_title(answer, height) + draw_lanes(chart) + draw_axis(chart) + draw_pauses(chart) +
           draw_boxes(chart, *answer.problem) + draw_legend(legend) + "</svg>\n";
}

}  // namespace sim
