// Do fits say how sure they are? Every shape of a profile's measured costs is left out in turn, the
// fits are made from the others alone, and what they predict for it is held against what was
// measured: the error, and whether the measured median is inside p05 to p95.
//
//   build/fit_coverage_benchmark [OUT.csv [PROFILE...]]
//
// By device and variant, over the models whose costs the profile has; by default the profiles in
// platforms/measured. OUT.csv has a row for each cost; the table goes to standard output.

#include "calibrate/candidates.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/fit.hpp"
#include "calibrate/samples.hpp"
#include "calibrate/statistics.hpp"
#include "sim/compile/costs.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using calibrate::FitSample;

const std::string kModels[] = {"vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"};

bool is_one_fit(const FitSample& a, const FitSample& b) {
    const auto key = [](const FitSample& s) {
        return std::tie(s.pattern, s.device, s.variant, s.configuration, s.in_layout, s.out_layout);
    };
    return key(a) == key(b);
}

// What was measured of the models, each cost once.
std::vector<FitSample> samples_of(const sim::Platform& platform) {
    std::set<calibrate::CostKey> seen;
    std::set<int> batches;
    for (const sim::MeasuredCost& cost : platform.measured) {
        batches.insert(cost.batch);
    }
    sim::Platform measured = platform;
    measured.fitted.clear();
    std::vector<FitSample> samples;
    for (const std::string& name : kModels) {
        const sim::Model model =
            sim::load_model(std::string{HETMAP_SOURCE_MODELS} + "/" + name + "/model.yaml", {});
        for (const int batch : batches) {
            sim::Problem problem;
            try {
                problem = sim::compile(model, measured, {.batch = batch, .only = {}});
            } catch (const sim::InputError&) {
                continue;  // not all of this model was measured at this batch
            }
            for (const sim::Task& task : problem.tasks) {
                if (task.variant.empty()) {
                    continue;
                }
                const calibrate::CostKey key = calibrate::key_of(model, problem, task);
                if (seen.insert(key).second) {
                    const std::vector<int> layers = calibrate::model_layers(problem, task);
                    FitSample sample = calibrate::features_of(model, layers, key);
                    sample.time_us = sim::microseconds(task.spread.p50);
                    samples.push_back(std::move(sample));
                }
            }
        }
    }
    return samples;
}

// What a fit from all other shapes says of it; nothing where there is none.
std::optional<sim::Measurement> predicted(const FitSample& one,
                                          const std::vector<FitSample>& of_its_fit) {
    std::vector<FitSample> others;
    for (const FitSample& other : of_its_fit) {
        if (other.signature != one.signature) {
            others.push_back(other);
        }
    }
    const std::vector<sim::FittedCost> fits = calibrate::fit_costs(others);
    return fits.empty() ? std::nullopt : sim::predict(fits.front(), one.features);
}

struct Seen {
    std::vector<double> errors;  // absolute, percent
    int inside = 0;
};

void run(const std::string& profile, std::ofstream& csv) {
    const sim::Platform platform = sim::load_platform(profile, {});
    std::vector<FitSample> samples = samples_of(platform);
    std::map<std::pair<int, std::string>, Seen> by_variant;
    Seen all;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        std::vector<FitSample> of_its_fit;
        for (const FitSample& other : samples) {
            if (is_one_fit(samples[i], other)) {
                of_its_fit.push_back(other);
            }
        }
        const FitSample& one = samples[i];
        const std::optional<sim::Measurement> time = predicted(one, of_its_fit);
        if (!time) {
            continue;
        }
        const double us = sim::microseconds(time->p50);
        const double error = 100 * std::abs(us / one.time_us - 1);
        const bool is_inside = sim::microseconds(time->p05) <= one.time_us &&
                               one.time_us <= sim::microseconds(time->p95);
        for (Seen* const seen : {&by_variant[{one.device, one.variant}], &all}) {
            seen->errors.push_back(error);
            seen->inside += is_inside ? 1 : 0;
        }
        csv << fmt::format("{},{},{},{},\"{}\",{},{:.3f},{:.3f},{:.3f},{:.3f}\n",
                           platform.name,
                           platform.devices[sim::at(one.device)].name,
                           one.variant,
                           one.configuration,
                           one.signature,
                           one.batch,
                           one.time_us,
                           us,
                           sim::microseconds(time->p05),
                           sim::microseconds(time->p95));
    }
    const auto row = [&](const std::string& what, const Seen& seen) {
        fmt::print("| {} | {} | {} | {:.1f} | {:.1f} | {:.0f} |\n",
                   platform.name,
                   what,
                   seen.errors.size(),
                   calibrate::quantile(seen.errors, 0.5),
                   calibrate::quantile(seen.errors, 0.9),
                   100.0 * seen.inside / static_cast<double>(seen.errors.size()));
    };
    for (const auto& [key, seen] : by_variant) {
        row(platform.devices[sim::at(key.first)].name + " " + key.second, seen);
    }
    if (!all.errors.empty()) {
        row("all", all);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    std::ofstream csv{arguments.empty() ? "fit-coverage.csv" : arguments.front()};
    std::vector<std::string> profiles;
    if (arguments.size() > 1) {
        profiles.assign(arguments.begin() + 1, arguments.end());
    } else {
        const std::filesystem::path folder =
            std::filesystem::path{HETMAP_SOURCE_MODELS}.parent_path() / "platforms/measured";
        for (const auto& entry : std::filesystem::directory_iterator{folder}) {
            profiles.push_back(entry.path().string());
        }
        std::ranges::sort(profiles);
    }
    csv << "profile,device,variant,configuration,layers,batch,measured_us,predicted_us,p05_us,p95_"
           "us\n";
    fmt::print(
        "| profile | variant | costs, each with its shape left out | median error [%] | p90 [%] | "
        "measured inside p05 to p95 [%] |\n|---|---|--:|--:|--:|--:|\n");
    try {
        for (const std::string& profile : profiles) {
            run(profile, csv);
        }
    } catch (const sim::InputError& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        return 2;
    }
    return 0;
}
