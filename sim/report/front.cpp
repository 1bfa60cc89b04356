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
// `devices`: how the output channels of the layers with weights are divided. The CSV has a row for
// each point: its number, every objective in the unit of the header, then each device's share.

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

std::string title_of(const FrontAnswer& front) {
    std::string names;
    const std::size_t count = front.goal.minimise.size();
    for (std::size_t i = 0; i < count; ++i) {
        names += i == 0 ? "" : i + 1 == count ? " and " : ", ";
        names += named(front.goal.minimise[i]).name;
    }
    if (front.points.empty()) {
        return "the front of " + names;
    }
    const Problem& problem = *front.points.front().problem;
    return fmt::format("{} on {}, batch {}: the front of {}",
                       problem.model,
                       problem.platform,
                       problem.batch,
                       names);
}

std::string column_of(const Objective& objective) {
    return fmt::format("{} [{}]", named(objective).name, named(objective).unit);
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
                                problem.device_names.at(d),
                                100 * shares[d],
                                shares[d] > 0.995 && shares[d] < 1 ? 1 : 0);
        }
    }
    return text;
}

std::string conclusion(const FrontAnswer& front) {
    const std::size_t count = front.points.size();
    const std::string points = fmt::format("{} point{}", count, count == 1 ? "" : "s");
    const std::string effort = with_separators(front.front.evaluated) + " nodes";
    return front.front.proven
               ? fmt::format(
                     "{}, proven: no mapping is better than all of them ({})", points, effort)
               : fmt::format("{}, not proven: there may be better ones ({})", points, effort);
}

}  // namespace

std::string front_text(const FrontAnswer& front) {
    // 1. Cells.
    std::vector<std::vector<std::string>> rows{{"point"}};
    for (const Objective& objective : front.goal.minimise) {
        rows[0].push_back(column_of(objective));
    }
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        std::vector<std::string>& row = rows.emplace_back();
        row.push_back(std::to_string(i + 1));
        for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
            const double value = front.front.points[i].values[o];
            const ObjectiveName name = named(front.goal.minimise[o]);
            row.push_back(front.goal.minimise[o].criterion == Criterion::latency
                              ? fmt::format("{:.2f}", value / name.per_unit)
                              : fmt::format("{:.5g}", value / name.per_unit));
        }
    }
    // 2. Right-aligned columns, then the devices.
    std::vector<std::size_t> widths(rows[0].size(), 0);
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c) {
            widths[c] = std::max(widths[c], width_of(row[c]));
        }
    }
    std::string text = title_of(front) + "\n\n";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t c = 0; c < rows[r].size(); ++c) {
            text += fmt::format("{}{:>{}}", c == 0 ? "" : "  ", rows[r][c], widths[c]);
        }
        text += "  " +
                (r == 0 ? "devices"
                        : shares_text(*front.points[r - 1].problem, front.points[r - 1].mapping)) +
                "\n";
    }
    text += "\n";
    if (std::any_of(front.goal.minimise.begin(), front.goal.minimise.end(), [](const auto& o) {
            return o.criterion == Criterion::loss;
        })) {
        text += "the proxy of accuracy lost: sensitivities added up, not measured\n";
    }
    if (!front.front.note.empty()) {
        text += "note: " + front.front.note + "\n";
    }
    return text + conclusion(front) + "\n";
}

std::string front_csv(const FrontAnswer& front) {
    std::string text = "point";
    for (const Objective& objective : front.goal.minimise) {
        text += "," + column_of(objective);
    }
    if (!front.points.empty()) {
        for (const std::string& device : front.points.front().problem->device_names) {
            text += fmt::format(",share of channels on {}", device);
        }
    }
    text += "\n";
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        text += std::to_string(i + 1);
        for (std::size_t o = 0; o < front.goal.minimise.size(); ++o) {
            text += fmt::format(
                ",{:.12g}",
                front.front.points[i].values[o] / named(front.goal.minimise[o]).per_unit);
        }
        for (const double share :
             channel_shares(*front.points[i].problem, front.points[i].mapping)) {
            text += fmt::format(",{:.6g}", share);
        }
        text += "\n";
    }
    return text;
}

// The first objective to the right, the second upwards, the points joined as steps: what lies right
// of and above a step can be had.
std::string front_svg(const FrontAnswer& front) {
    constexpr double kWidth = 720, kHeight = 480, kLeft = 90, kRight = 24, kTop = 48, kBottom = 64;
    std::array<std::vector<double>, 2> values;
    std::array<ObjectiveName, 2> names{};
    for (std::size_t o = 0; o < 2; ++o) {
        const std::size_t objective = std::min(o, front.goal.minimise.size() - 1);
        names[o] = named(front.goal.minimise[objective]);
        for (const FrontPoint& point : front.front.points) {
            values[o].push_back(point.values[objective] / names[o].per_unit);
        }
    }
    // 1. Scales: some room around the points.
    std::array<double, 2> low{}, high{};
    for (std::size_t o = 0; o < 2; ++o) {
        const auto [least, most] = std::minmax_element(values[o].begin(), values[o].end());
        low[o] = values[o].empty() ? 0 : *least;
        high[o] = values[o].empty() ? 1 : *most;
        const double room = std::max((high[o] - low[o]) * 0.08, std::abs(high[o]) * 1e-3 + 1e-12);
        low[o] -= room;
        high[o] += room;
    }
    const auto x_of = [&](double v) {
        return kLeft + (v - low[0]) / (high[0] - low[0]) * (kWidth - kLeft - kRight);
    };
    const auto y_of = [&](double v) {
        return kHeight - kBottom - (v - low[1]) / (high[1] - low[1]) * (kHeight - kTop - kBottom);
    };
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
        "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
        "<text x=\"{2}\" y=\"24\" font-size=\"14\">{3}</text>\n",
        kWidth,
        kHeight,
        kLeft,
        escaped(title_of(front)));
    // 2. Grid and numbers.
    for (std::size_t o = 0; o < 2; ++o) {
        const double step = round_step((high[o] - low[o]) / 6);
        for (double k = std::ceil(low[o] / step); k * step <= high[o]; ++k) {
            const std::string number = fmt::format("{:.{}f}", k * step, decimals_of(step));
            const double x = x_of(k * step), y = y_of(k * step);
            svg += o == 0 ? fmt::format(
                                "<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#ddd\"/><text "
                                "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
                                x,
                                kTop,
                                kHeight - kBottom,
                                kHeight - kBottom + 18,
                                number)
                          : fmt::format(
                                "<path d=\"M{1} {0:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" "
                                "y=\"{0:.1f}\" text-anchor=\"end\" "
                                "dominant-baseline=\"middle\">{4}</text>\n",
                                y,
                                kLeft,
                                kWidth - kRight,
                                kLeft - 8,
                                number);
        }
    }
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">{} [{}]</text>\n",
                       (kLeft + kWidth - kRight) / 2,
                       kHeight - 20,
                       names[0].name,
                       names[0].unit);
    svg += fmt::format(
        "<text transform=\"translate(20 {:.0f}) rotate(-90)\" "
        "text-anchor=\"middle\">{} [{}]</text>\n",
        (kTop + kHeight - kBottom) / 2,
        names[1].name,
        names[1].unit);
    // 3. The steps and the points.
    std::string path;
    for (std::size_t i = 0; i < values[0].size(); ++i) {
        path += i == 0 ? fmt::format("M{:.1f} {:.1f}", x_of(values[0][i]), y_of(values[1][i]))
                       : fmt::format("H{:.1f}V{:.1f}", x_of(values[0][i]), y_of(values[1][i]));
    }
    if (front.goal.minimise.size() == 2) {
        svg +=
            fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\"/>\n", path, colour_of(5).fill);
    }
    for (std::size_t i = 0; i < values[0].size(); ++i) {
        svg += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" "
            "fill=\"{}\"><title>{}: {:.6g} {}, {:.6g} {}</title></circle>\n",
            x_of(values[0][i]),
            y_of(values[1][i]),
            colour_of(5).fill,
            i + 1,
            values[0][i],
            names[0].unit,
            values[1][i],
            names[1].unit);
    }
    return svg + "</svg>\n";
}

}  // namespace sim
