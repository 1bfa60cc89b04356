#include "sim/report/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace sim {
namespace {

std::string name_or_number(const std::vector<std::string>& names,
                           int index,
                           std::string_view what) {
    // Problems built by hand may leave names out.
    const auto i = static_cast<std::size_t>(index);
    return index >= 0 && i < names.size() && !names[i].empty() ? names[i]
                                                               : fmt::format("{} {}", what, index);
}

// "2.1x", "1.04x", "23x": two digits that say something.
std::string ratio_text(double ratio) {
    const int decimals = ratio < 1.095 ? 2 : ratio < 9.95 ? 1 : 0;
    return fmt::format("{:.{}f}x", ratio, decimals);
}

// "uniform cpu/avx2/1" and "uniform cpu/avx2/2y" are one family, of which the fastest counts.
std::vector<Baseline> best_of_families(std::span<const Baseline> baselines) {
    std::vector<Baseline> best;
    const auto family = [](const Baseline& b) { return b.name.substr(0, b.name.find(' ')); };
    for (const Baseline& baseline : baselines) {
        const auto found = std::find_if(best.begin(), best.end(), [&](const Baseline& b) {
            return family(b) == family(baseline);
        });
        if (found == best.end())
            best.push_back(baseline);
        else if (baseline.makespan < found->makespan)
            *found = baseline;
    }
    return best;
}

// "2.1x faster than gpu-only, 1.3x than cpu-only, as fast as greedy".
std::string comparisons(Time ours, std::span<const Baseline> baselines) {
    std::string text;
    bool said_faster = false;
    for (const Baseline& baseline : baselines) {
        text += text.empty() ? "" : ", ";
        if (ours.count() <= 0 || baseline.makespan.count() <= 0 || baseline.makespan >= kNever) {
            text += fmt::format("{} is no answer", baseline.name);
            said_faster = false;
            continue;
        }
        const double ratio =
            static_cast<double>(baseline.makespan.count()) / static_cast<double>(ours.count());
        const bool faster = ratio >= 1.005;
        if (faster)
            text += fmt::format(
                "{}{} than {}", ratio_text(ratio), said_faster ? "" : " faster", baseline.name);
        else if (ratio > 0.995)
            text += fmt::format("as fast as {}", baseline.name);
        else
            text += fmt::format("{} slower than {}", ratio_text(1 / ratio), baseline.name);
        said_faster = faster;
    }
    return text;
}

std::string proof(const Answer& answer) {
    const SearchResult& result = answer.result;
    // Exhaustive search counts mappings, the others nodes (sim/search/search.hpp).
    const std::string effort =
        result.evaluated == 0
            ? ""
            : fmt::format(" ({} {})",
                          with_separators(result.evaluated),
                          std::string(answer.search == "exhaustive" ? "mapping" : "node") +
                              (result.evaluated == 1 ? "" : "s"));
    if (result.status == SearchStatus::proven)
        return ", proven optimal" + effort;
    if (result.lower_bound.count() <= 0)
        return ", not proven optimal" + effort;
    const auto makespan = static_cast<double>(answer.schedule.makespan.count());
    const auto bound = static_cast<double>(result.lower_bound.count());
    // Rounded up: a bound that is stated must hold.
    const double gap = std::ceil(std::max(0.0, makespan / bound - 1) * 1000) / 10;
    return fmt::format(", not proven optimal: at most {:.1f}% above the optimum{}", gap, effort);
}

}  // namespace

bool is_boundary(const Problem& problem, const Task& task) {
    return task.first == 0 || task.first == problem.layers() - 1;
}

std::string chain_name(const Problem& problem, const Task& task) {
    std::string name = name_or_number(problem.layer_names, task.first, "layer");
    for (const int layer : task.rest)
        name += "+" + name_or_number(problem.layer_names, layer, "layer");
    return name;
}

std::string kernel_name(const Task& task) {
    return task.configuration.empty() ? task.variant : task.variant + " " + task.configuration;
}

std::string operation_name(const Answer& answer, const Task& task) {
    if (answer.model == nullptr || is_boundary(*answer.problem, task))
        return "";
    std::vector<int> chain;
    const auto add = [&](int layer) {
        chain.push_back(answer.problem->model_layer.at(static_cast<std::size_t>(layer)));
    };
    add(task.first);
    std::for_each(task.rest.begin(), task.rest.end(), add);
    return pattern(*answer.model, chain);
}

std::string event_name(const Problem& problem, const Event& event) {
    switch (event.kind) {
        case EventKind::task:
            return chain_name(problem, problem.tasks[static_cast<std::size_t>(event.task)]);
        case EventKind::conversion:
            return "conversion of " + name_or_number(problem.layer_names, event.tensor, "layer");
        case EventKind::copy:
            return "copy of " + name_or_number(problem.layer_names, event.tensor, "layer");
        case EventKind::reconfiguration:
            return "reconfiguration";
        case EventKind::submission:
            break;
    }
    return "submission";
}

std::string event_detail(const Problem& problem, const Event& event) {
    switch (event.kind) {
        case EventKind::task:
            return kernel_name(problem.tasks[static_cast<std::size_t>(event.task)]);
        case EventKind::conversion:
            return name_or_number(problem.layout_names, event.from, "layout") + " to " +
                   name_or_number(problem.layout_names, event.to, "layout");
        case EventKind::copy:
            return name_or_number(problem.memory_names, event.from, "memory") + " to " +
                   name_or_number(problem.memory_names, event.to, "memory");
        case EventKind::reconfiguration:
        case EventKind::submission:
            break;
    }
    if (event.task < 0)
        return "";
    const Task& task = problem.tasks[static_cast<std::size_t>(event.task)];
    return name_or_number(problem.device_names, task.device, "device");
}

std::vector<Lane> lanes_of(const Answer& answer) {
    const Problem& problem = *answer.problem;
    Lane dispatcher{.name = "dispatcher", .role = "dispatcher", .events = {}};
    std::vector<Lane> devices, engines;
    for (int d = 0; d < static_cast<int>(problem.devices.size()); ++d)
        devices.push_back({name_or_number(problem.device_names, d, "device"), "device", {}});
    for (int e = 0; e < problem.engines; ++e)
        engines.push_back({name_or_number(problem.engine_names, e, "engine"), "copy engine", {}});

    for (const Event& event : answer.schedule.events) {
        const auto resource = static_cast<std::size_t>(event.resource);
        switch (event.kind) {
            case EventKind::task:
                if (!is_boundary(problem, problem.tasks[static_cast<std::size_t>(event.task)]))
                    devices.at(resource).events.push_back(&event);
                break;
            case EventKind::conversion:
            case EventKind::reconfiguration:
                devices.at(resource).events.push_back(&event);
                break;
            case EventKind::copy:
                engines.at(resource).events.push_back(&event);
                break;
            case EventKind::submission:
                dispatcher.events.push_back(&event);
                break;
        }
    }

    std::vector<Lane> lanes;
    if (!dispatcher.events.empty())
        lanes.push_back(std::move(dispatcher));
    std::move(devices.begin(), devices.end(), std::back_inserter(lanes));
    for (Lane& lane : engines)
        if (!lane.events.empty())
            lanes.push_back(std::move(lane));
    return lanes;
}

std::string heading(const Answer& answer) {
    return fmt::format("{} on {}, batch {}, {}",
                       answer.problem->model,
                       answer.problem->platform,
                       answer.problem->batch,
                       answer.search.empty() ? "the given mapping" : answer.search);
}

std::string finding(const Answer& answer) {
    if (!answer.search.empty() && answer.result.status == SearchStatus::infeasible)
        return "no mapping" + (answer.result.note.empty() ? "" : ": " + answer.result.note);

    std::string line = fmt::format("{:.2f} us", exact_microseconds(answer.schedule.makespan));
    if (!answer.search.empty())
        line += proof(answer);
    if (!answer.baselines.empty())
        line += "; " + comparisons(answer.schedule.makespan, best_of_families(answer.baselines));
    return line;
}

double exact_microseconds(Time time) { return static_cast<double>(time.count()) / 1e6; }

std::string with_separators(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3)
        digits.insert(static_cast<std::size_t>(i), ",");
    return digits;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

}  // namespace sim
