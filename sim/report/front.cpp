// The front of several objectives as text, CSV and a picture. For example (tests/golden/front.txt):
//
//     small on two-devices, batch 1: the front of latency and energy
//
//     point  latency [us]  energy [uJ]  devices
//         1         15.98        9.551  cpu 75%, gpu0 25%
//         2         21.40            8  cpu 75%, gpu0 25%
//
//     2 points, proven: no mapping is better than all of them (1,873 nodes)
//
// `devices`: how the output channels of the layers with weights are divided. Of long fronts the
// table has the ends and the knees alone. The CSV has a row for each point: its number, every
// objective in the unit of the header, then each device's share. Where the points are of several
// twins, their accuracy and network stand before that, in both.

#include "sim/report/front.hpp"

#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"
#include "sim/report/svg.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace sim {
namespace {

// Nothing where one is not known.
std::string accuracy_cell(const Answer& point) {
    return point.accuracy
               ? fmt::format(
                     "{}{:.2f}", point.accuracy->is_proxy ? "~" : "", point.accuracy->percent)
               : "";
}

std::string column_of(const FrontAnswer& front, const Objective& objective) {
    const ObjectiveName name = named(front, objective);
    return fmt::format("{} [{}]", name.name, name.unit);
}

// By device: its share of the output channels of the layers with weights.
std::vector<double> channel_shares(const Problem& problem, const Mapping& mapping) {
    std::vector<double> channels(problem.devices.size(), 0);
    double all = 0;
    for (const int index : mapping) {
        const Task& task = problem.tasks[at(index)];
        const auto add = [&](int layer) {
            const auto l = at(layer);
            const int count =
                l < problem.weighted_channels.size() ? problem.weighted_channels[l] : 0;
            double whole = 0;
            for (const Part& part : task.parts) {
                whole += part.channels;
            }
            for (const Part& part : task.parts) {
                channels[at(part.device)] += count * part.channels / whole;
            }
            if (task.parts.empty()) {
                channels[at(task.device)] += count;
            }
            all += count;
        };
        add(task.first);
        std::for_each(task.rest.begin(), task.rest.end(), add);
    }
    for (double& share : channels) {
        share /= std::max(all, 1.0);
    }
    return channels;
}

std::string shares_text(const Problem& problem, const Mapping& mapping) {
    const std::vector<double> shares = channel_shares(problem, mapping);
    std::string text;
    for (std::size_t d = 0; d < shares.size(); ++d) {
        if (shares[d] > 0) {
            text += fmt::format("{}{} {:.{}f}%",
                                text.empty() ? "" : ", ",
                                device_name(problem, static_cast<int>(d)),
                                100 * shares[d],
                                shares[d] > 0.995 && shares[d] < 1 ? 1 : 0);
        }
    }
    return text;
}

// ---- Long fronts --------------------------------------------------------------------------------

constexpr std::size_t kLongest = 40;  // points that a table shows without being asked for all

// The values of each point, every objective from 0 at its least on the front to 1 at its most.
std::vector<std::vector<double>> normalised(const FrontAnswer& front) {
    std::vector<std::vector<double>> all;
    for (const FrontPoint& point : front.front.points) {
        all.push_back(point.values);
    }
    for (std::size_t o = 0; o < front.goal.minimise.size() && !all.empty(); ++o) {
        double least = all[0][o], most = all[0][o];
        for (const std::vector<double>& values : all) {
            least = std::min(least, values[o]);
            most = std::max(most, values[o]);
        }
        for (std::vector<double>& values : all) {
            values[o] = most > least ? (values[o] - least) / (most - least) : 0;
        }
    }
    return all;
}

// Calls `use(weights)` for all weights of `objectives` that are multiples of 1/`steps`, add up to
// one and leave no objective out.
template <class Use>
void for_each_weighting(std::size_t objectives, int steps, const Use& use) {
    std::vector<double> weights(objectives);
    const auto share_out = [&](const auto& self, std::size_t o, int left) -> void {
        if (o + 1 == objectives) {
            weights[o] = static_cast<double>(left) / steps;
            use(weights);
            return;
        }
        for (int part = 1; left - part >= static_cast<int>(objectives - o) - 1; ++part) {
            weights[o] = static_cast<double>(part) / steps;
            self(self, o + 1, left - part);
        }
    };
    share_out(share_out, 0, steps);
}

// What is said of a point of a long front: "least latency", "knee"; empty: it is not shown.
std::vector<std::string> remarks_on(const FrontAnswer& front) {
    std::vector<std::string> remarks(front.points.size());
    for (const std::size_t knee : knees(front)) {
        remarks[knee] = "knee";
    }
    for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
        const auto least = std::min_element(
            front.front.points.begin(),
            front.front.points.end(),
            [o](const FrontPoint& a, const FrontPoint& b) { return a.values[o] < b.values[o]; });
        std::string& remark = remarks[static_cast<std::size_t>(least - front.front.points.begin())];
        remark += fmt::format(
            "{}least {}", remark.empty() ? "" : ", ", named(front, front.goal.minimise[o]).name);
    }
    return remarks;
}

// ---- The picture: the first objective to the right, the second upwards --------------------------

constexpr double kPlotWidth = 720, kPlotHeight = 480, kLeft = 90, kRight = 24, kTop = 48,
                 kBottom = 64;

// An objective along one side of the picture.
struct Scale {
    ObjectiveName name;
    std::vector<double> values;  // of the points
    double low = 0, high = 1;    // some room around them

    double share_of(double value) const { return (value - low) / (high - low); }
};

Scale scale_of(const FrontAnswer& front, std::size_t objective) {
    Scale scale{.name = named(front, front.goal.minimise[objective]), .values = {}};
    for (const FrontPoint& point : front.front.points) {
        scale.values.push_back(point.values[objective] / scale.name.per_unit);
    }
    const auto [least, most] = std::minmax_element(scale.values.begin(), scale.values.end());
    if (!scale.values.empty()) {
        scale.low = *least;
        scale.high = *most;
    }
    const double room =
        std::max((scale.high - scale.low) * 0.08, std::abs(scale.high) * 1e-3 + 1e-12);
    scale.low -= room;
    scale.high += room;
    return scale;
}

double x_of(const Scale& scale, double value) {
    return kLeft + scale.share_of(value) * (kPlotWidth - kLeft - kRight);
}
double y_of(const Scale& scale, double value) {
    return kPlotHeight - kBottom - scale.share_of(value) * (kPlotHeight - kTop - kBottom);
}

// Calls `draw(value, number)` for round values within the scale.
template <class Draw>
void for_each_tick(const Scale& scale, const Draw& draw) {
    const double step = round_step((scale.high - scale.low) / 6);
    // + 0.0: no tick is called -0.
    for (double k = std::ceil(scale.low / step) + 0.0; k * step <= scale.high; ++k) {
        draw(k * step, fmt::format("{:.{}f}", k * step, decimals_of(step)));
    }
}

// Lines across the picture with their numbers, and what is along each side.
std::string draw_grid(const Scale& right, const Scale& up) {
    std::string svg;
    for_each_tick(right, [&](double value, const std::string& number) {
        svg += fmt::format(
            "<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#ddd\"/><text "
            "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
            x_of(right, value),
            kTop,
            kPlotHeight - kBottom,
            kPlotHeight - kBottom + 18,
            number);
    });
    for_each_tick(up, [&](double value, const std::string& number) {
        svg += fmt::format(
            "<path d=\"M{1} {0:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" "
            "y=\"{0:.1f}\" text-anchor=\"end\" "
            "dominant-baseline=\"middle\">{4}</text>\n",
            y_of(up, value),
            kLeft,
            kPlotWidth - kRight,
            kLeft - 8,
            number);
    });
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">{} [{}]</text>\n",
                       (kLeft + kPlotWidth - kRight) / 2,
                       kPlotHeight - 20,
                       right.name.name,
                       right.name.unit);
    return svg + fmt::format(
                     "<text transform=\"translate(20 {:.0f}) rotate(-90)\" "
                     "text-anchor=\"middle\">{} [{}]</text>\n",
                     (kTop + kPlotHeight - kBottom) / 2,
                     up.name.name,
                     up.name.unit);
}

// The points joined as steps: what lies right of and above a step can be had.
std::string draw_steps(const Scale& right, const Scale& up) {
    std::string path;
    for (std::size_t i = 0; i < right.values.size(); ++i) {
        const double x = x_of(right, right.values[i]), y = y_of(up, up.values[i]);
        path += i == 0 ? fmt::format("M{:.1f} {:.1f}", x, y) : fmt::format("H{:.1f}V{:.1f}", x, y);
    }
    return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\"/>\n", path, colour_of(5).fill);
}

// Of twins each point says whose it is.
std::string draw_points(const FrontAnswer& front, const Scale& right, const Scale& up) {
    std::string svg;
    for (std::size_t i = 0; i < right.values.size(); ++i) {
        if (front.of_twins) {
            const bool is_left = right.share_of(right.values[i]) > 0.5;  // or it would be cut off
            svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                               x_of(right, right.values[i]) + (is_left ? -7 : 7),
                               y_of(up, up.values[i]) + (is_left ? 14 : -6),
                               is_left ? "end" : "start",
                               escaped(front.points[i].problem->model));
        }
        svg += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" "
            "fill=\"{}\"><title>{}: {:.6g} {}, {:.6g} {}</title></circle>\n",
            x_of(right, right.values[i]),
            y_of(up, up.values[i]),
            colour_of(5).fill,
            i + 1,
            right.values[i],
            right.name.unit,
            up.values[i],
            up.name.unit);
    }
    return svg;
}

}  // namespace

ObjectiveName named(const FrontAnswer& front, const Objective& objective) {
    ObjectiveName name = named(objective);
    if (front.of_twins && objective.criterion == Criterion::loss) {
        name.name = "accuracy lost";
    }
    return name;
}

std::string heading(const FrontAnswer& front) {
    std::string names;
    const std::size_t count = front.goal.minimise.size();
    for (std::size_t i = 0; i < count; ++i) {
        names += i == 0 ? "" : i + 1 == count ? " and " : ", ";
        names += named(front, front.goal.minimise[i]).name;
    }
    if (front.points.empty()) {
        return "the front of " + names;
    }
    const Problem& problem = *front.points.front().problem;
    return fmt::format("{} on {}, batch {}: the front of {}",
                       front.model,
                       platform_text(problem.platform, problem.set),
                       problem.batch,
                       names);
}

std::string finding(const FrontAnswer& front) {
    const std::size_t count = front.points.size();
    const std::string points = fmt::format("{} point{}", count, count == 1 ? "" : "s");
    const std::string effort = with_separators(front.front.evaluated) + " nodes";
    return front.front.proven
               ? fmt::format(
                     "{}, proven: no mapping is better than all of them ({})", points, effort)
               : fmt::format("{}, not proven: there may be better ones ({})", points, effort);
}

std::vector<std::size_t> knees(const FrontAnswer& front, std::size_t most) {
    // Fewer steps for more objectives: some hundred weightings in any case.
    constexpr std::array<int, 5> kSteps{1, 1, 400, 32, 16};
    const std::vector<std::vector<double>> points = normalised(front);
    const std::size_t objectives = front.goal.minimise.size();
    if (points.empty()) {
        return {};
    }
    std::vector<int> won(points.size(), 0);
    for_each_weighting(
        objectives,
        objectives < kSteps.size() ? kSteps[objectives] : static_cast<int>(objectives) + 4,
        [&](const std::vector<double>& weights) {
            const auto sum = [&](const std::vector<double>& values) {
                return std::inner_product(values.begin(), values.end(), weights.begin(), 0.0);
            };
            std::size_t best = 0;
            for (std::size_t i = 1; i < points.size(); ++i) {
                best = sum(points[i]) < sum(points[best]) ? i : best;
            }
            ++won[best];
        });
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < won.size(); ++i) {
        if (won[i] > 0) {
            found.push_back(i);
        }
    }
    std::stable_sort(
        found.begin(), found.end(), [&](std::size_t a, std::size_t b) { return won[a] > won[b]; });
    found.resize(std::min(found.size(), most));
    std::sort(found.begin(), found.end());
    return found;
}

std::string front_text(const FrontAnswer& front, bool all) {
    const bool is_short = all || front.points.size() <= kLongest;
    const std::vector<std::string> remarks =
        is_short ? std::vector<std::string>(front.points.size()) : remarks_on(front);
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        if (is_short || !remarks[i].empty()) {
            shown.push_back(i);
        }
    }
    // 1. Cells.
    std::vector<std::vector<std::string>> rows{{"point"}};
    for (const Objective& objective : front.goal.minimise) {
        rows[0].push_back(column_of(front, objective));
    }
    if (front.of_twins) {
        rows[0].emplace_back("accuracy [%]");
        rows[0].emplace_back("network");
    }
    if (!is_short) {
        rows[0].emplace_back("why");
    }
    for (const std::size_t i : shown) {
        std::vector<std::string>& row = rows.emplace_back();
        row.push_back(std::to_string(i + 1));
        for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
            const double value = front.front.points[i].values[o];
            const ObjectiveName name = named(front, front.goal.minimise[o]);
            row.push_back(front.goal.minimise[o].criterion == Criterion::latency
                              ? fmt::format("{:.2f}", value / name.per_unit)
                              : fmt::format("{:.5g}", value / name.per_unit));
        }
        if (front.of_twins) {
            row.push_back(accuracy_cell(front.points[i]));
            row.push_back(front.points[i].problem->model);
        }
        if (!is_short) {
            row.push_back(remarks[i]);
        }
    }
    // 2. Numbers to the right, then why it is shown, and the devices.
    std::vector<std::size_t> widths(rows[0].size(), 0);
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c) {
            widths[c] = std::max(widths[c], width_of(row[c]));
        }
    }
    std::string text = heading(front) + "\n\n";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t c = 0; c < rows[r].size(); ++c) {
            const bool is_remark = !is_short && c + 1 == rows[r].size();
            text += c == 0 ? "" : "  ";
            text += is_remark ? fmt::format("{:<{}}", rows[r][c], widths[c])
                              : fmt::format("{:>{}}", rows[r][c], widths[c]);
        }
        const Answer* const point = r == 0 ? nullptr : &front.points[shown[r - 1]];
        text += "  " +
                (point == nullptr ? "devices" : shares_text(*point->problem, point->mapping)) +
                "\n";
    }
    text += "\n";
    if (!is_short) {
        text += fmt::format(
            "{} of {} points, --all shows every one; knees are best for many weightings of the "
            "objectives\n",
            shown.size(),
            front.points.size());
    }
    const bool is_of_accuracy = std::ranges::any_of(
        front.goal.minimise, [](const auto& o) { return o.criterion == Criterion::loss; });
    const bool has_proxies = std::ranges::any_of(front.points, [](const Answer& point) {
        return point.accuracy && point.accuracy->is_proxy;
    });
    if (is_of_accuracy && !front.of_twins) {
        text += "the proxy of accuracy lost: sensitivities added up, not measured\n";
    } else if (is_of_accuracy) {
        text += "accuracy lost against the most accurate of these points\n";
    }
    if (front.of_twins && has_proxies) {
        text += "~: a proxy, sensitivities added up, not measured\n";
    }
    if (!front.constraints.empty()) {
        text += fmt::format("keeps to: {}\n", fmt::join(front.constraints, ", "));
    }
    if (!front.front.note.empty()) {
        text += "note: " + front.front.note + "\n";
    }
    return text + finding(front) + "\n";
}

std::string front_csv(const FrontAnswer& front) {
    std::string text = "point";
    for (const Objective& objective : front.goal.minimise) {
        text += "," + csv_field(column_of(front, objective));
    }
    text += front.of_twins ? ",accuracy [%],network" : "";
    if (!front.points.empty()) {
        const Problem& problem = *front.points.front().problem;
        for (std::size_t d = 0; d < problem.devices.size(); ++d) {
            text += "," +
                    csv_field("share of channels on " + device_name(problem, static_cast<int>(d)));
        }
    }
    text += "\n";
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        text += std::to_string(i + 1);
        for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
            text += fmt::format(
                ",{:.12g}",
                front.front.points[i].values[o] / named(front, front.goal.minimise[o]).per_unit);
        }
        if (front.of_twins) {
            const Answer& point = front.points[i];
            text +=
                fmt::format(",{},{}",
                            point.accuracy ? fmt::format("{:.6g}", point.accuracy->percent) : "",
                            csv_field(point.problem->model));
        }
        for (const double share :
             channel_shares(*front.points[i].problem, front.points[i].mapping)) {
            text += fmt::format(",{:.6g}", share);
        }
        text += "\n";
    }
    return text;
}

std::string front_svg(const FrontAnswer& front) {
    const Scale right = scale_of(front, 0);
    const Scale up = scale_of(front, std::min<std::size_t>(1, front.goal.minimise.size() - 1));
    const std::string title = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
        "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
        "<text x=\"{2}\" y=\"24\" font-size=\"14\">{3}</text>\n",
        kPlotWidth,
        kPlotHeight,
        kLeft,
        escaped(heading(front)));
    // Of more than two objectives the picture is a shadow, in which steps mean nothing.
    const bool has_steps = front.goal.minimise.size() == 2;
    return title + draw_grid(right, up) + (has_steps ? draw_steps(right, up) : "") +
           draw_points(front, right, up) + "</svg>\n";
}

}  // namespace sim
