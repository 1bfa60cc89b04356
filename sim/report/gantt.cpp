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
#include <iterator>

namespace sim {
namespace {

// Pixels. A character of the 11-pixel sans-serif labels is about 6.2 wide in common fonts; texts
// are laid out with that, since an SVG cannot measure itself.
constexpr double kWidth = 1200, kMargin = 24, kLaneHeight = 46, kBoxHeight = 30;
constexpr double kCharacter = 6.2;
constexpr Colour kCopy{"#b8b8b8", "#1a1a1a"};
constexpr Colour kConversion{"#dcc8a8", "#1a1a1a"};
constexpr Colour kSubmission{"#8a8a8a", "#ffffff"};

// The first `width` characters, the last of them an ellipsis if something is left out; empty if
// there is no room for even three.
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

// What the colours mean, in the order of their first appearance.
struct Legend {
    std::vector<std::string> variants;

    Colour colour(const Problem& problem, const Event& event) {
        if (event.kind == EventKind::copy) {
            return kCopy;
        }
        if (event.kind == EventKind::conversion) {
            return kConversion;
        }
        if (event.kind == EventKind::submission) {
            return kSubmission;
        }
        const std::string& variant = problem.tasks[at(event.task)].variant;
        auto found = std::find(variants.begin(), variants.end(), variant);
        if (found == variants.end()) {
            found = variants.insert(variants.end(), variant);
        }
        return colour_of(static_cast<std::size_t>(found - variants.begin()));
    }
};

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

}  // namespace

std::string gantt_svg(const Answer& answer) {
    const Problem& problem = *answer.problem;
    const std::vector<Lane> lanes = lanes_of(answer);

    // 1. Room: lane names on the left, two lines of title above, axis and legend below.
    std::size_t longest = 0;
    for (const Lane& lane : lanes) {
        longest = std::max({longest, width_of(lane.name), width_of(lane.role)});
    }
    const double left = kMargin + std::min(240.0, static_cast<double>(longest) * 7.2) + 16;
    const double right = kWidth - kMargin, top = 76;
    const double bottom = top + kLaneHeight * static_cast<double>(lanes.size());
    const double height = bottom + 92;
    const Time makespan = std::max(answer.schedule.makespan, Time{1});
    const auto x_of = [&](double picoseconds) {
        return left + (right - left) * picoseconds / static_cast<double>(makespan.count());
    };

    std::string svg = fmt::format(
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
        escaped(finding(answer)));

    // 2. Lanes and the time axis, behind everything.
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const double y = top + kLaneHeight * static_cast<double>(i);
        const bool doubled = lanes[i].role != lanes[i].name;
        if (i % 2 == 0) {
            svg += fmt::format(
                "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" "
                "fill=\"#f5f6f8\"/>\n",
                kMargin - 8,
                y,
                right - kMargin + 8,
                kLaneHeight);
        }
        svg += fmt::format(
            "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"13\" font-weight=\"bold\" "
            "fill=\"#1a1a1a\">{}</text>\n",
            kMargin,
            y + (doubled ? 21 : 27),
            escaped(lanes[i].name));
        if (doubled) {
            svg += fmt::format(
                "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"10.5\" fill=\"#777777\">{}</text>\n",
                kMargin,
                y + 35,
                escaped(lanes[i].role));
        }
    }
    const Axis axis = axis_for(makespan);
    const double units = static_cast<double>(makespan.count()) / axis.picoseconds_per_unit;
    for (int k = 0; k * axis.step <= units * (1 + 1e-9); ++k) {
        const double x = x_of(k * axis.step * axis.picoseconds_per_unit);
        svg += fmt::format(
            "<line x1=\"{0:.2f}\" y1=\"{1:.0f}\" x2=\"{0:.2f}\" y2=\"{2:.0f}\" "
            "stroke=\"#d5d8dd\"/>\n"
            "<text x=\"{0:.2f}\" y=\"{3:.0f}\" font-size=\"11\" text-anchor=\"middle\" "
            "fill=\"#555555\">{4:.{5}f}</text>\n",
            x,
            top,
            bottom + 5,
            bottom + 19,
            k * axis.step,
            axis.decimals);
    }
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"11\" fill=\"#555555\">"
        "time [{}]</text>\n",
        kMargin,
        bottom + 19,
        axis.unit);

    // 3. Where the host stands still; the model's output waits too, without a box of its own.
    const auto host = std::find_if(
        lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.role == "device"; });
    bool waits = false;
    for (const Event& event : answer.schedule.events) {
        const bool on_host = event.resource == 0 &&
                             (event.kind == EventKind::task || event.kind == EventKind::conversion);
        if (!on_host || event.waited.count() == 0 || host == lanes.end()) {
            continue;
        }
        waits = true;
        svg += fmt::format(
            "<line x1=\"{0:.2f}\" y1=\"{2:.1f}\" x2=\"{1:.2f}\" y2=\"{2:.1f}\" "
            "stroke=\"#b03060\" stroke-width=\"2\" stroke-dasharray=\"3 3\"/>\n",
            x_of(static_cast<double>((event.start - event.waited).count())),
            x_of(static_cast<double>(event.start.count())),
            top + kLaneHeight * (static_cast<double>(host - lanes.begin()) + 0.5));
    }

    // 4. Boxes with their names, and the kernel where there is room.
    Legend legend;
    std::array<bool, 4> kinds{};
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const double middle = top + kLaneHeight * (static_cast<double>(i) + 0.5);
        for (const Event* event : lanes[i].events) {
            const double x = x_of(static_cast<double>(event->start.count()));
            const double width = std::max(0.6, x_of(static_cast<double>(event->end.count())) - x);
            kinds[static_cast<std::size_t>(event->kind)] = true;
            const Colour colour = legend.colour(problem, *event);
            svg += fmt::format(
                "<g><title>{}</title><rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
                "height=\"{:.0f}\" rx=\"2\" fill=\"{}\" stroke=\"#ffffff\" "
                "stroke-width=\"{}\"/>",
                escaped(tooltip(problem, *event)),
                x,
                middle - kBoxHeight / 2,
                width,
                kBoxHeight,
                colour.fill,
                width > 3 ? "1" : "0");
            const std::string name = shortened(event_name(problem, *event), width - 6);
            const bool two_lines = !name.empty() && event->kind == EventKind::task;
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
                    escaped(shortened(event_detail(problem, *event), (width - 6) * 1.15)));
            }
            svg += "</g>\n";
        }
    }

    // 5. The legend: only what is in the picture.
    double x = left;
    const double y = bottom + 52;
    const auto entry = [&](const std::string& shape, std::string_view name) {
        const double needed = 22 + static_cast<double>(width_of(name)) * 6.4 + 18;
        if (x + needed > right) {
            return;  // a legend that does not fit is cut; tooltips still tell
        }
        svg += fmt::format(
            "<g transform=\"translate({:.1f} {:.0f})\">{}<text x=\"20\" y=\"10\" "
            "font-size=\"11\" fill=\"#333333\">{}</text></g>\n",
            x,
            y,
            shape,
            escaped(name));
        x += needed;
    };
    const auto box = [](Colour colour) {
        return fmt::format("<rect width=\"14\" height=\"12\" rx=\"2\" fill=\"{}\"/>", colour.fill);
    };
    for (std::size_t v = 0; v < legend.variants.size(); ++v) {
        entry(box(colour_of(v)), legend.variants[v]);
    }
    if (kinds[static_cast<std::size_t>(EventKind::copy)]) {
        entry(box(kCopy), "copy");
    }
    if (kinds[static_cast<std::size_t>(EventKind::conversion)]) {
        entry(box(kConversion), "layout conversion");
    }
    if (kinds[static_cast<std::size_t>(EventKind::submission)]) {
        entry(box(kSubmission), "submission");
    }
    if (waits) {
        entry(
            "<line x1=\"0\" y1=\"6\" x2=\"14\" y2=\"6\" stroke=\"#b03060\" stroke-width=\"2\" "
            "stroke-dasharray=\"3 3\"/>",
            "the host waits");
    }
    return svg + "</svg>\n";
}

}  // namespace sim
