#include "cli/validation_text.hpp"

#include "sim/report/json.hpp"
#include "sim/report/names.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <set>

namespace cli {
namespace {

using calibrate::MappingComparison;
using nlohmann::ordered_json;
using sim::microseconds;

// "avx512 2y"; with its device where there are several: "cuda0 popc 8x4".
std::string kernel_of(const sim::Problem& problem, const sim::Task& task) {
    const std::string kernel = fmt::format("{} {}", task.variant, task.configuration);
    return problem.devices.size() == 1
               ? kernel
               : problem.device_names[static_cast<std::size_t>(task.device)] + " " + kernel;
}

// Mappings that really ran on two devices or more.
int count_mixed(const sim::Problem& problem, const calibrate::Validation& v) {
    int mixed = 0;
    const auto add = [&](const MappingComparison& m) {
        std::set<int> devices;
        for (const int t : m.mapping) {
            const sim::Task& task = problem.tasks[static_cast<std::size_t>(t)];
            if (!is_boundary(problem, task)) {
                devices.insert(task.device);
            }
        }
        mixed += devices.size() > 1;
    };
    add(v.chosen);
    std::ranges::for_each(v.baselines, add);
    std::ranges::for_each(v.sample, add);
    return mixed;
}

std::string layers_of(const sim::Problem& problem, const sim::Task& task) {
    std::string text = problem.layer_names[static_cast<std::size_t>(task.first)];
    for (const int layer : task.rest) {
        text += "+" + problem.layer_names[static_cast<std::size_t>(layer)];
    }
    return text;
}

// "model on platform, batch 1"
std::string asked(const sim::Model& model,
                  const sim::Platform& platform,
                  const sim::Problem& problem) {
    return fmt::format("{} on {}, batch {}",
                       model.name,
                       sim::platform_text(platform.name, platform.set),
                       problem.batch);
}

std::string mapping_row(const MappingComparison& m) {
    return fmt::format("{:<28} {:>14.2f} {:>14.2f} {:>10.2f} {:>10.2f} {:>+10.1f}  {}\n",
                       m.name,
                       microseconds(m.predicted),
                       microseconds(m.measured.p50),
                       microseconds(m.measured.p05),
                       microseconds(m.measured.p95),
                       m.error_percent,
                       m.output_identical ? "identical" : "DIFFERENT");
}

ordered_json measurement_json(const sim::Measurement& m) {
    return {{"p05", microseconds(m.p05)},
            {"p50", microseconds(m.p50)},
            {"p95", microseconds(m.p95)},
            {"samples", m.samples}};
}

ordered_json mapping_json(const sim::Problem& problem, const MappingComparison& m) {
    ordered_json layers = ordered_json::array();
    for (const calibrate::TaskComparison& t : m.tasks) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(t.task)];
        layers.push_back({{"name", layers_of(problem, task)},
                          {"device", problem.device_names[static_cast<std::size_t>(task.device)]},
                          {"variant", task.variant},
                          {"configuration", task.configuration},
                          {"cost_kind", sim::name_of(task.kind)},
                          {"predicted_us", microseconds(t.predicted)},
                          {"measured_us", measurement_json(t.measured)},
                          {"error_percent", t.error_percent}});
    }
    const ordered_json interval = m.interval ? ordered_json{{"p05", microseconds(m.interval->p05)},
                                                            {"p95", microseconds(m.interval->p95)}}
                                             : ordered_json(nullptr);
    return {{"name", m.name},
            {"predicted_us", microseconds(m.predicted)},
            {"measured_us", measurement_json(m.measured)},
            {"error_percent", m.error_percent},
            {"predicted_now_us", microseconds(m.predicted_now)},
            {"error_now_percent", m.error_now_percent},
            {"interval_us", interval},
            {"output_identical", m.output_identical},
            {"layers", layers}};
}

// What the anchors say, and what becomes of the errors with it.
std::string anchors_text(const calibrate::Validation& v) {
    constexpr double kOff = 0.05;
    constexpr double kHandoversOff = 0.5;  // a difference of large numbers
    std::string ratios;
    bool off = false;
    for (const calibrate::Anchor& anchor : v.anchors) {
        ratios += fmt::format("{}{} {:.2f}", ratios.empty() ? "" : ", ", anchor.name, anchor.ratio);
        const bool is_handovers = anchor.kind.threads == calibrate::CostClass::kHandovers;
        off = off || std::abs(anchor.ratio - 1) > (is_handovers ? kHandoversOff : kOff);
    }
    std::string text;
    if (v.frames_in_flight > 0) {
        return text;
    }
    if (!v.sample.empty()) {
        text += fmt::format(
            "against the machine as it is now: median error {:.1f} %, p90 {:.1f} %, rank "
            "correlation {:.3f}; of {} measured medians {} are inside the predicted interval, {} "
            "inside that for the machine as it is now\n",
            v.median_error_now_percent,
            v.p90_error_now_percent,
            v.rank_correlation_now,
            v.sample.size(),
            v.inside_interval,
            v.inside_interval_now);
    }
    if (!ratios.empty()) {
        text += fmt::format("costs measured again take so many times what the profile says: {}{}\n",
                            ratios,
                            off ? "; more than 5 % off: calibrate again" : "");
    }
    return text;
}

}  // namespace

std::string accuracy_text(const calibrate::Accuracy& accuracy) {
    std::string text;
    if (accuracy.labelled) {
        text += fmt::format("{} of {} images right ({:.2f} %)",
                            accuracy.right,
                            accuracy.images,
                            100.0 * accuracy.right / std::max(1, accuracy.images));
    } else {
        text += fmt::format("{} images classified, no labels to compare with", accuracy.images);
    }
    if (accuracy.compared) {
        text += accuracy.different == 0
                    ? "; the same answer as its trainer's, image by image"
                    : fmt::format("; {} answers differ from its trainer's", accuracy.different);
    }
    return text + "\n";
}

std::string validation_text(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& v,
                            const std::optional<calibrate::Accuracy>& accuracy) {
    std::string text = fmt::format("{}: predicted and measured here, {} rounds\n\n",
                                   asked(model, platform, problem),
                                   v.rounds);
    // 1. The chosen mapping, layer by layer.
    if (v.frames_in_flight > 0) {
        text += fmt::format(
            "a stream, {} at a time: times are those from the end of one batch to the next's\n",
            v.frames_in_flight);
    } else {
        text += fmt::format("{:<28} {:<24} {:>14} {:>14} {:>10}\n",
                            "layer",
                            "kernel",
                            "predicted [us]",
                            "measured [us]",
                            "error [%]");
    }
    for (const calibrate::TaskComparison& t : v.chosen.tasks) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(t.task)];
        text += fmt::format("{:<28} {:<24} {:>14.2f} {:>14.2f} {:>+10.1f}\n",
                            layers_of(problem, task),
                            kernel_of(problem, task),
                            microseconds(t.predicted),
                            microseconds(t.measured.p50),
                            t.error_percent);
    }
    // 2. Every mapping.
    text += fmt::format("\n{:<28} {:>14} {:>14} {:>10} {:>10} {:>10}  {}\n",
                        "mapping",
                        "predicted [us]",
                        "measured [us]",
                        "p05 [us]",
                        "p95 [us]",
                        "error [%]",
                        "output");
    text += mapping_row(v.chosen);
    for (const MappingComparison& m : v.baselines) {
        text += mapping_row(m);
    }
    for (const MappingComparison& m : v.sample) {
        text += mapping_row(m);
    }
    // 3. In short.
    text += '\n';
    if (!v.sample.empty()) {
        text += fmt::format(
            "{} random mappings: median error {:.1f} %, p90 {:.1f} %, rank correlation (tau-b) "
            "{:.3f}\n",
            v.sample.size(),
            v.median_error_percent,
            v.p90_error_percent,
            v.rank_correlation);
    }
    text += anchors_text(v);
    for (const std::string& reason : v.left_out) {
        text += fmt::format("left out: {}\n", reason);
    }
    if (problem.devices.size() > 1) {
        text += fmt::format("{} of {} mappings ran on two devices or more\n",
                            count_mixed(problem, v),
                            1 + v.baselines.size() + v.sample.size());
    }
    if (v.clock_ratio < 0.97 || v.clock_ratio > 1.03) {
        text += fmt::format("the clock runs at {:.2f} of its speed when the profile was measured\n",
                            v.clock_ratio);
    }
    if (v.elsewhere_percent >= 0.5) {
        text += fmt::format(
            "the threads were on other cores than when the profile was measured for {:.0f} % of "
            "the turns (their round trip is {:.2f} times what it was): layers on several threads "
            "take "
            "another time there\n",
            v.elsewhere_percent,
            v.round_trip_ratio);
    }
    for (const auto& [device, time] : v.timing_overheads) {
        text += fmt::format(
            "layers on {} are launched one by one where they are timed; the {:.2f} us that this "
            "adds to each are taken off\n",
            device,
            microseconds(time));
    }
    if (accuracy) {
        text += accuracy_text(*accuracy);
    }
    if (v.frames_in_flight > 0) {
        text += fmt::format("{:.1f} images/s measured\n",
                            1e6 * problem.batch / microseconds(v.chosen.measured.p50));
    }
    text +=
        fmt::format("{:.2f} us predicted, {:.2f} us measured ({:+.1f} %); regret {:.1f} %; {}\n",
                    microseconds(v.chosen.predicted),
                    microseconds(v.chosen.measured.p50),
                    v.chosen.error_percent,
                    v.regret_percent,
                    v.outputs_identical ? "all outputs identical to the reference's"
                                        : "OUTPUTS DIFFER from the reference's");
    return text;
}

std::string validation_json(const sim::Model& model,
                            const sim::Platform& platform,
                            const sim::Problem& problem,
                            const calibrate::Validation& v,
                            const std::optional<calibrate::Accuracy>& accuracy) {
    ordered_json json{{"model", model.name},
                      {"platform", platform.name},
                      {"set", platform.set},
                      {"batch", problem.batch},
                      {"objective", v.frames_in_flight > 0 ? "throughput" : "latency"},
                      {"rounds", v.rounds}};
    if (v.frames_in_flight > 0) {
        json["frames_in_flight"] = v.frames_in_flight;
    }
    json.update(mapping_json(problem, v.chosen));
    json["name"] = "chosen";
    const auto list = [&](const std::vector<MappingComparison>& mappings) {
        ordered_json all = ordered_json::array();
        for (const MappingComparison& m : mappings) {
            all.push_back(mapping_json(problem, m));
        }
        return all;
    };
    json["baselines"] = list(v.baselines);
    json["sample"] = list(v.sample);
    if (!v.sample.empty()) {
        json["rank_correlation"] = v.rank_correlation;
        json["median_error_percent"] = v.median_error_percent;
        json["p90_error_percent"] = v.p90_error_percent;
        json["rank_correlation_now"] = v.rank_correlation_now;
        json["median_error_now_percent"] = v.median_error_now_percent;
        json["p90_error_now_percent"] = v.p90_error_now_percent;
        json["inside_interval"] = v.inside_interval;
        json["inside_interval_now"] = v.inside_interval_now;
    }
    json["anchors"] = ordered_json::array();
    for (const calibrate::Anchor& anchor : v.anchors) {
        json["anchors"].push_back(
            {{"name", anchor.name}, {"costs", anchor.costs}, {"ratio", anchor.ratio}});
    }
    json["left_out"] = v.left_out;
    json["mixed_mappings"] = count_mixed(problem, v);
    json["regret_percent"] = v.regret_percent;
    json["outputs_identical"] = v.outputs_identical;
    json["clock_ratio"] = v.clock_ratio;
    json["round_trip_ratio"] = v.round_trip_ratio;
    json["elsewhere_percent"] = v.elsewhere_percent;
    json["timing_overhead_us"] = ordered_json::object();
    for (const auto& [device, time] : v.timing_overheads) {
        json["timing_overhead_us"][device] = microseconds(time);
    }
    if (accuracy) {
        json["images"] = accuracy->images;
        if (accuracy->labelled) {
            json["right"] = accuracy->right;
        }
        if (accuracy->compared) {
            json["different_from_trainer"] = accuracy->different;
        }
    }
    return sim::dumped(json);
}

std::string validation_csv(const sim::Problem& problem, const calibrate::Validation& v) {
    std::string text =
        "mapping,batch,predicted_us,measured_p05_us,measured_p50_us,measured_p95_us,"
        "error_percent,output_identical,kernels\n";
    const auto add = [&](const MappingComparison& m) {
        std::string kernels;
        for (const calibrate::TaskComparison& t : m.tasks) {
            const sim::Task& task = problem.tasks[static_cast<std::size_t>(t.task)];
            kernels += fmt::format("{}{}={}",
                                   kernels.empty() ? "" : ";",
                                   layers_of(problem, task),
                                   kernel_of(problem, task));
        }
        fmt::format_to(std::back_inserter(text),
                       "{},{},{:.3f},{:.3f},{:.3f},{:.3f},{:.2f},{},{}\n",
                       sim::csv_field(m.name),
                       problem.batch,
                       microseconds(m.predicted),
                       microseconds(m.measured.p05),
                       microseconds(m.measured.p50),
                       microseconds(m.measured.p95),
                       m.error_percent,
                       m.output_identical,
                       sim::csv_field(kernels));
    };
    add(v.chosen);
    for (const MappingComparison& m : v.baselines) {
        add(m);
    }
    for (const MappingComparison& m : v.sample) {
        add(m);
    }
    return text;
}

}  // namespace cli
