#include "calibrate/refine.hpp"

#include "calibrate/executor.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace calibrate {
namespace {

// As fast as nine of ten of its errors allow.
sim::Platform with_fits_at_their_best(sim::Platform platform) {
    for (sim::FittedCost& fit : platform.fitted) {
        const double share = 1 / (1 + fit.p90_error_percent / 100);
        for (double* const part : {&fit.constant_us,
                                   &fit.us_per_million_macs,
                                   &fit.us_per_kib_read,
                                   &fit.us_per_kib_written,
                                   &fit.us_per_thousand_tiles}) {
            *part *= share;
        }
    }
    return platform;
}

// What the mapping rests on and was not measured, or hardly. Of the same layers on the same device
// everything is wanted: a fit is only offered where nothing was measured.
std::set<CostGroup> unsure(const sim::Model& model,
                           const sim::Problem& problem,
                           const sim::Mapping& mapping) {
    std::set<CostGroup> groups;
    for (const int t : mapping) {
        const sim::Task& task = problem.tasks[sim::at(t)];
        const bool rough =
            task.kind == sim::CostKind::measured && task.spread.samples < kFewestSure;
        if (task.parts.empty() && (task.kind == sim::CostKind::fitted || rough) &&
            !task.variant.empty()) {
            groups.insert({.device = task.device,
                           .layers = sim::signature(model, model_layers(problem, task)),
                           .batch = problem.batch});
        }
    }
    return groups;
}

}  // namespace

Refinement refine(const sim::Model& model,
                  const sim::Platform& platform,
                  const sim::CompileOptions& options,
                  const std::function<sim::Mapping(const sim::Problem&)>& best,
                  const CalibrationSettings& settings,
                  const CalibrationHooks& hooks) {
    Refinement result;
    result.platform = platform;
    std::set<CostGroup> tried;
    const auto stop = [&] { return hooks.stop && hooks.stop(); };
    CalibrationSettings now = settings;
    now.models = {model};
    now.batches = {options.batch};
    const auto measure = [&] {
        const std::filesystem::path path = result.platform.path;
        result.platform = calibrate_machine(now, hooks, result.platform).platform;
        result.platform.path = path;
    };
    // A profile of other networks may lack layers of this one: a mapping first.
    try {
        (void)sim::compile(model, platform, options);
    } catch (const sim::InputError&) {
        now.budget_s = 0;
        measure();
        now.budget_s = settings.budget_s;
        // And all other ways to run its layers, of which no fit speaks any more.
        for (const sim::MeasuredCost& cost : result.platform.measured) {
            const CostKey key = key_of(cost);
            if (std::ranges::none_of(platform.measured, [&](const sim::MeasuredCost& before) {
                    return key_of(before) == key;
                })) {
                now.only.insert(group_of(key));
            }
        }
        if (!now.only.empty()) {
            measure();
        }
    }
    // Measures what a search of this platform rests on. False where there is nothing more to do.
    const auto improve = [&](const sim::Platform& searched) {
        const sim::Problem problem = sim::compile(model, searched, options);
        ++result.searches;
        std::set<CostGroup> groups = unsure(model, problem, best(problem));
        result.settled = groups.empty();
        std::erase_if(groups, [&](const CostGroup& group) { return tried.contains(group); });
        if (groups.empty() || stop()) {
            return false;
        }
        tried.insert(groups.begin(), groups.end());
        now.only = groups;
        measure();
        for (const CostGroup& group : groups) {
            const auto found = std::ranges::count(
                result.platform.measured, group, [](const sim::MeasuredCost& cost) {
                    return group_of(key_of(cost));
                });
            result.measured += static_cast<int>(found);
            if (found == 0) {
                result.unmeasured.push_back(fmt::format(
                    "{} on {}", group.layers, result.platform.devices[sim::at(group.device)].name));
            }
        }
        return true;
    };
    while (improve(result.platform) || improve(with_fits_at_their_best(result.platform))) {
    }
    return result;
}

}  // namespace calibrate
