#include "sim/report/names.hpp"

#include "sim/index.hpp"
#include "sim/run/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace sim {
namespace {

std::string name_or_number(const std::vector<std::string>& names,
                           int index,
                           std::string_view what) {
    const bool is_named = index >= 0 && at(index) < names.size() && !names[at(index)].empty();
    return is_named ? names[at(index)] : fmt::format("{} {}", what, index);
}

// "2.1x", "1.04x", "23x": two digits that say something.
std::string ratio_text(double ratio) {
    const int decimals = ratio < 1.095 ? 2 : ratio < 9.95 ? 1 : 0;
    return fmt::format("{:.{}f}x", ratio, decimals);
}

// "uniform cpu/avx2/1" and "uniform cpu/avx2/2y" are one family, of which the fastest counts.
std::vector<Baseline> best_of_families(std::span<const Baseline> baselines, bool by_time) {
    std::vector<Baseline> best;
    const auto family = [](const Baseline& b) { return b.name.substr(0, b.name.find(' ')); };
    for (const Baseline& baseline : baselines) {
        const auto found = std::find_if(best.begin(), best.end(), [&](const Baseline& b) {
            return family(b) == family(baseline);
        });
        if (found == best.end()) {
            best.push_back(baseline);
        } else if (by_time ? baseline.makespan < found->makespan : baseline.value < found->value) {
            *found = baseline;
        }
    }
    return best;
}

// "2.1x faster than only gpu0, 1.3x faster than heft, as fast as greedy".
std::string comparisons(Time ours, std::span<const Baseline> baselines) {
    std::string text;
    for (const Baseline& baseline : baselines) {
        text += text.empty() ? "" : ", ";
        if (ours.count() <= 0 || baseline.makespan.count() <= 0 || baseline.makespan >= kNever) {
            text += fmt::format("{} is no answer", baseline.name);
            continue;
        }
        const double ratio =
            static_cast<double>(baseline.makespan.count()) / static_cast<double>(ours.count());
        if (ratio >= 1.005) {
            text += fmt::format("{} faster than {}", ratio_text(ratio), baseline.name);
        } else if (ratio > 0.995) {
            text += fmt::format("as fast as {}", baseline.name);
        } else {
            text += fmt::format("{} slower than {}", ratio_text(1 / ratio), baseline.name);
        }
    }
    return text;
}

// What less of an objective is called, and what more.
std::pair<std::string_view, std::string_view> words_of(Criterion criterion) {
    switch (criterion) {
        case Criterion::latency:
        case Criterion::sum:
        case Criterion::period:
            return {"faster", "slower"};
        case Criterion::energy:
            return {"less energy", "more energy"};
        case Criterion::energy_delay:
            return {"less energy x delay", "more energy x delay"};
        case Criterion::loss:
            return {"less lost", "more lost"};
        case Criterion::device:
            break;
    }
    return {"better", "worse"};
}

// "1.3x less energy than greedy": of objectives other than time.
std::string comparisons_of_values(Criterion criterion,
                                  double ours,
                                  std::span<const Baseline> baselines) {
    const auto [less, more] = words_of(criterion);
    std::string text;
    for (const Baseline& baseline : baselines) {
        if (!(ours > 0) || !(baseline.value > 0) || !std::isfinite(baseline.value)) {
            continue;
        }
        const double ratio = baseline.value / ours;
        text += text.empty() ? "" : ", ";
        if (ratio > 0.995 && ratio < 1.005) {
            text += fmt::format("as good as {}", baseline.name);
        } else {
            text += fmt::format("{} {} than {}",
                                ratio_text(std::max(ratio, 1 / ratio)),
                                ratio > 1 ? less : more,
                                baseline.name);
        }
    }
    return text;
}

bool minimises_time(const Goal& goal) {
    return goal.minimise.size() == 1 && goal.minimise.front().criterion == Criterion::latency;
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
    const bool time = minimises_time(answer.goal);
    // Rounded up: a bound that is stated must hold.
    const auto percent_above = [&](double bound) {
        return std::ceil(std::max(0.0, value_of(answer) / bound - 1) * 1000) / 10;
    };
    if (result.status == SearchStatus::proven) {
        const auto others = static_cast<double>(result.lower_bound_in_any_order.count());
        return result.in_any_order ? ", proven optimal in any order" + effort
               : time && others > 0
                   ? fmt::format(", proven optimal in this order, at most {:.1f}% above any{}",
                                 percent_above(others),
                                 effort)
                   : ", proven optimal in this order" + effort;
    }
    const double bound = time ? static_cast<double>(result.lower_bound.count()) : result.bound;
    if (bound <= 0) {
        return ", not proven optimal" + effort;
    }
    return fmt::format(", not proven optimal: at most {:.1f}% above the optimum in this order{}",
                       percent_above(bound),
                       effort);
}

}  // namespace

std::string layer_name(const Problem& problem, int layer) {
    return name_or_number(problem.layer_names, layer, "layer");
}
std::string device_name(const Problem& problem, int device) {
    return name_or_number(problem.device_names, device, "device");
}
std::string memory_name(const Problem& problem, int memory) {
    return name_or_number(problem.memory_names, memory, "memory");
}
std::string layout_name(const Problem& problem, int layout) {
    return name_or_number(problem.layout_names, layout, "layout");
}
std::string engine_name(const Problem& problem, int engine) {
    return name_or_number(problem.engine_names, engine, "engine");
}

std::string_view name_of(EventKind kind) {
    switch (kind) {
        case EventKind::task:
            return "task";
        case EventKind::conversion:
            return "conversion";
        case EventKind::copy:
            return "copy";
        case EventKind::submission:
            return "submission";
        case EventKind::reconfiguration:
            return "reconfiguration";
    }
    return "";
}

std::string chain_name(const Problem& problem, const Task& task) {
    std::string name = layer_name(problem, task.first);
    for (const int layer : task.rest) {
        name += "+" + layer_name(problem, layer);
    }
    return name;
}

std::string kernel_name(const Task& task) {
    return task.configuration.empty() ? task.variant : task.variant + " " + task.configuration;
}

std::string operation_name(const Answer& answer, const Task& task) {
    if (answer.model == nullptr || is_boundary(*answer.problem, task)) {
        return "";
    }
    std::vector<int> chain;
    const auto add = [&](int layer) { chain.push_back(answer.problem->model_layer.at(at(layer))); };
    add(task.first);
    std::for_each(task.rest.begin(), task.rest.end(), add);
    return pattern(*answer.model, chain);
}

std::string event_name(const Problem& problem, const Event& event) {
    switch (event.kind) {
        case EventKind::task:
            return chain_name(problem, problem.tasks[at(event.task)]);
        case EventKind::conversion:
            return (is_handover(problem, event) ? "handover of " : "conversion of ") +
                   layer_name(problem, event.tensor);
        case EventKind::copy:
            return "copy of " + layer_name(problem, event.tensor);
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
            if (const Part* const part = part_of(problem, event)) {
                return fmt::format("{}, {} channels", part->variant, part->channels);
            }
            return kernel_name(problem.tasks[at(event.task)]);
        case EventKind::conversion:
            return is_handover(problem, event)
                       ? problem.teams[at(event.from)] + " to " + problem.teams[at(event.to)]
                       : layout_name(problem, event.from) + " to " + layout_name(problem, event.to);
        case EventKind::copy:
            return memory_name(problem, event.from) + " to " + memory_name(problem, event.to);
        case EventKind::reconfiguration:
            return device_name(problem, event.resource);
        case EventKind::submission:
            break;
    }
    if (event.task < 0) {
        return "";
    }
    const Task& task = problem.tasks[at(event.task)];
    return device_name(problem, task.device);
}

std::vector<Lane> lanes_of(const Answer& answer) {
    const Problem& problem = *answer.problem;
    Lane dispatcher{.name = "dispatcher", .role = "dispatcher", .events = {}};
    std::vector<Lane> devices, engines;
    for (int d = 0; d < static_cast<int>(problem.devices.size()); ++d) {
        devices.push_back({device_name(problem, d), "device", {}});
    }
    for (int e = 0; e < problem.engines; ++e) {
        engines.push_back({engine_name(problem, e), "copy engine", {}});
    }

    for (const Event& event : answer.schedule.events) {
        const auto resource = at(event.resource);
        switch (event.kind) {
            case EventKind::task:
                if (!is_boundary(problem, problem.tasks[at(event.task)])) {
                    devices.at(resource).events.push_back(&event);
                }
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
    if (!dispatcher.events.empty()) {
        lanes.push_back(std::move(dispatcher));
    }
    std::move(devices.begin(), devices.end(), std::back_inserter(lanes));
    for (Lane& lane : engines) {
        if (!lane.events.empty()) {
            lanes.push_back(std::move(lane));
        }
    }
    return lanes;
}

std::string platform_text(const std::string& name, std::span<const std::string> set) {
    return set.empty() ? name : fmt::format("{} with {}", name, fmt::join(set, ", "));
}

std::string heading(const Answer& answer) {
    const double quantile = answer.problem->quantile;
    return fmt::format("{} on {}, batch {}, {}{}",
                       answer.problem->model,
                       platform_text(answer.problem->platform, answer.problem->set),
                       answer.problem->batch,
                       answer.point > 0        ? fmt::format("point {} of the front", answer.point)
                       : answer.search.empty() ? "the given mapping"
                                               : answer.search,
                       quantile == 0.5 ? "" : fmt::format(", costs at p{:.0f}", 100 * quantile));
}

std::string interval_text(const Interval& interval) {
    return fmt::format("{:.2f} to {:.2f} us in nine of ten runs",
                       exact_microseconds(interval.p05),
                       exact_microseconds(interval.p95));
}

std::string finding(const Answer& answer) {
    if (!answer.search.empty() && answer.result.status == SearchStatus::infeasible) {
        return "no mapping" + (answer.result.note.empty() ? "" : ": " + answer.result.note);
    }

    const bool time = minimises_time(answer.goal) || answer.point > 0;
    std::string line = time ? "" : value_text(answer.goal.minimise.front(), answer.result.value);
    if (!time) {
        line += answer.search.empty() ? ", " : proof(answer) + "; ";
    }
    line += fmt::format("{:.2f} us", exact_microseconds(answer.schedule.makespan));
    if (answer.energy && (time || answer.goal.minimise.front().criterion != Criterion::energy)) {
        line += ", " + energy_text(answer.energy->total());
    }
    if (time && !answer.search.empty()) {
        line += proof(answer);
    }
    if (!answer.baselines.empty()) {
        const std::vector<Baseline> best = best_of_families(answer.baselines, time);
        const std::string than =
            time ? comparisons(answer.schedule.makespan, best)
                 : comparisons_of_values(
                       answer.goal.minimise.front().criterion, answer.result.value, best);
        line += than.empty() ? "" : "; " + than;
    }
    return line;
}

const Part* part_of(const Problem& problem, const Event& event) {
    if (event.kind != EventKind::task || event.task < 0) {
        return nullptr;
    }
    const std::vector<Part>& parts = problem.tasks[at(event.task)].parts;
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const Part& part) {
        return part.device == event.resource;
    });
    return found == parts.end() ? nullptr : &*found;
}

std::vector<Time> busy_times(const Answer& answer) {
    const Problem& problem = *answer.problem;
    std::vector<Time> busy(problem.devices.size(), Time{});
    for (const Event& event : answer.schedule.events) {
        if (event.kind == EventKind::copy) {
            continue;  // an engine's
        }
        const Part* const part = part_of(problem, event);
        busy[at(event.resource)] += part != nullptr ? part->busy : event.end - event.start;
    }
    return busy;
}

std::int64_t budget_use(const Answer& answer, std::size_t budget) {
    const Problem& problem = *answer.problem;
    const int device = problem.budgets[budget].device;
    std::set<int> loaded_for;  // tasks before which another configuration is loaded
    for (const Event& event : answer.schedule.events) {
        if (event.kind == EventKind::reconfiguration && event.resource == device) {
            loaded_for.insert(event.task);
        }
    }
    std::int64_t used = 0, most = 0;
    for (const int index : answer.mapping) {
        const std::vector<std::int64_t>& uses = problem.tasks[at(index)].uses;
        used = loaded_for.contains(index) ? 0 : used;
        used += budget < uses.size() ? uses[budget] : 0;
        most = std::max(most, used);
    }
    return most;
}

ObjectiveName named(const Objective& objective) {
    switch (objective.criterion) {
        case Criterion::latency:
            return {"latency", "us", 1e6};
        case Criterion::sum:
            return {"sum of latencies", "us", 1e6};
        case Criterion::energy:
            return {"energy", "uJ", 1e9};
        case Criterion::energy_delay:
            return {"energy x delay", "uJ us", 1e15};
        case Criterion::period:
            return {"period", "us", 1e6};
        case Criterion::loss:
            return {"accuracy lost by proxy", "points", 1e6};
        case Criterion::device:
            break;
    }
    return {"channels elsewhere", "", 1};
}

std::string energy_text(Energy energy) {
    const double uj = microjoules(energy);
    if (std::abs(uj) >= 999.95) {
        return fmt::format("{:.4g} mJ", uj / 1000);
    }
    return std::abs(uj) >= 1 || energy.femtojoules == 0 ? fmt::format("{:.4g} uJ", uj)
                                                        : fmt::format("{:.4g} nJ", uj * 1000);
}

double value_of(const Answer& answer) {
    return minimises_time(answer.goal) ? static_cast<double>(answer.schedule.makespan.count())
                                       : answer.result.value;
}

std::string accuracy_text(const AccuracyEstimate& accuracy) {
    return accuracy.is_proxy
               ? fmt::format("{:.2f}% by proxy, not measured", accuracy.percent)
               : fmt::format("{:.2f}% (measured: {})", accuracy.percent, accuracy.name);
}

std::string value_text(const Objective& objective, double value) {
    if (objective.criterion == Criterion::energy) {
        return energy_text(Energy{std::llround(value)});
    }
    const ObjectiveName name = named(objective);
    if (objective.criterion == Criterion::period && value > 0) {
        return fmt::format(
            "a frame every {:.2f} us ({:.1f} a second)", value / name.per_unit, 1e12 / value);
    }
    if (objective.criterion == Criterion::latency) {
        return fmt::format("{:.2f} us", value / name.per_unit);
    }
    if (objective.criterion == Criterion::sum) {
        return fmt::format("{:.2f} us in sum", value / name.per_unit);
    }
    return fmt::format("{:.4g} {}{}",
                       value / name.per_unit,
                       name.unit,
                       objective.criterion == Criterion::loss ? " by proxy" : "");
}

std::string value_per_image_text(const Answer& answer) {
    const Objective& objective = answer.goal.minimise.front();
    const double value = value_per_image(answer);
    if (objective.criterion == Criterion::period && value > 0) {
        return fmt::format("an image every {:.2f} us ({:.1f} a second)",
                           value / named(objective).per_unit,
                           1e12 / value);
    }
    return value_text(objective, value) + " an image";
}

double exact_microseconds(Time time) { return static_cast<double>(time.count()) / 1e6; }

std::string with_separators(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) {
        digits.insert(at(i), ",");
    }
    return digits;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

}  // namespace sim
