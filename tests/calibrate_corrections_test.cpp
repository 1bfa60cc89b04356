#include "calibrate/candidates.hpp"
#include "calibrate/corrections.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/statistics.hpp"
#include "calibrate_small_model.hpp"
#include "sim/index.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

namespace {

using calibrate::CostKey;
using sim::at;

sim::Measurement about(double us) {
    return {.p05 = sim::from_microseconds(0.9 * us),
            .p50 = sim::from_microseconds(us),
            .p95 = sim::from_microseconds(1.3 * us),
            .samples = 30};
}

void scale(sim::Measurement& time, double factor) {
    time = about(sim::microseconds(time.p50) * factor);
}

// The CPU and a GPU with a memory of its own, each cost another.
sim::Platform two_devices(const sim::Model& model) {
    std::mt19937_64 random{7};
    const auto draw = [&] { return std::uniform_real_distribution{5.0, 60.0}(random); };
    sim::Platform platform = calibrate::candidates(model, 1, 1, {"scalar"});
    const sim::TransferTable copy{
        .points = {{.size = {64}, .time = about(15)}, {.size = {1 << 20}, .time = about(100)}}};
    sim::Device gpu;
    gpu.submit = sim::from_microseconds(5);
    gpu.per_task = sim::from_microseconds(1);
    gpu.completion = sim::from_microseconds(3);
    calibrate::DeviceInfo info;
    info.name = "gpu";
    info.kind = "cuda";
    info.asynchronous = true;
    const sim::TransferMode mode{.name = "pinned", .time = copy};
    const int index =
        calibrate::add_device(platform, info, {.entry = gpu, .up = {mode}, .down = {mode}});
    platform.devices.back().conversions = platform.devices.front().conversions;
    const std::vector<sim::MeasuredCost> of_cpu = platform.measured;
    for (sim::MeasuredCost& cost : platform.measured) {
        cost.time = about(2 * draw());
    }
    for (const sim::MeasuredCost& cost : of_cpu) {
        for (const char* variant : {"popc", "tensor"}) {
            sim::MeasuredCost same = cost;
            same.device = index;
            same.variant = variant;
            same.time = about(draw());
            platform.measured.push_back(std::move(same));
        }
    }
    return platform;
}

std::set<CostKey> costs_of_gpu(const sim::Platform& platform) {
    std::set<CostKey> keys;
    for (const sim::MeasuredCost& cost : platform.measured) {
        if (cost.device == 1) {
            keys.insert(calibrate::key_of(cost));
        }
    }
    return keys;
}

// What the machine is: the profile with all that it does not see.
sim::Platform as_in_networks(sim::Platform platform) {
    std::mt19937_64 random{3};
    platform.devices[1].submit += sim::from_microseconds(4);
    for (sim::Link& link : platform.links) {
        for (sim::TransferTable::Point& point : link.modes[0].time.points) {
            scale(point.time, link.to == 1 ? 1.8 : 1.1);
        }
    }
    for (sim::MeasuredCost& cost : platform.measured) {
        if (cost.device == 1) {
            const double own = std::exp(0.08 * std::normal_distribution{}(random));
            scale(cost.time, 1.2 * own);
        }
    }
    return platform;
}

calibrate::TriedNetwork tried(const sim::Model& model,
                              const sim::Platform& profile,
                              const sim::Platform& machine,
                              int first,
                              int trials) {
    std::mt19937_64 random{at(first)};
    calibrate::TriedNetwork network;
    network.problem = sim::compile(model, profile, {});
    const sim::Problem real = sim::compile(model, machine, {});
    for (const sim::Task& task : network.problem.tasks) {
        network.keys.push_back(
            task.variant.empty() ? CostKey{} : calibrate::key_of(model, network.problem, task));
    }
    for (int i = first; i < first + trials; ++i) {
        calibrate::Trial trial{.mapping = sim::random_mapping(network.problem, at(i))};
        const double noise = std::exp(0.01 * std::normal_distribution{}(random));
        const double held_up = i % 25 == 0 ? 3 : 1;
        trial.ns =
            1000 * sim::microseconds(sim::simulate(real, trial.mapping).makespan) * noise * held_up;
        network.trials.push_back(std::move(trial));
    }
    return network;
}

// Medians of the errors in percent of trials that nothing held up.
double error_of(const sim::Problem& problem, const calibrate::TriedNetwork& network) {
    std::vector<double> errors;
    for (const calibrate::Trial& trial : network.trials) {
        const double us = sim::microseconds(sim::simulate(problem, trial.mapping).makespan);
        errors.push_back(100 * std::abs(1000 * us / trial.ns - 1));
    }
    return calibrate::quantile(errors, 0.5);
}

}  // namespace

TEST_CASE("corrections: what mappings show of an accelerator holds for others") {
    const sim::Model model = small_model();
    const sim::Platform profile = two_devices(model), machine = as_in_networks(profile);
    const std::set<CostKey> alone = costs_of_gpu(profile);
    const std::vector<calibrate::TriedNetwork> seen{tried(model, profile, machine, 1, 80)};
    const calibrate::TriedNetwork unseen = tried(model, profile, machine, 1001, 60);

    const calibrate::Corrections found = calibrate::fit_corrections(seen, alone);
    const double before = error_of(unseen.problem, unseen);
    const double after = error_of(calibrate::corrected(unseen, found, alone), unseen);
    CHECK(before > 8);
    CHECK(after < 2);
    // It says so of itself, by leaving each out in turn.
    CHECK(found.error_before_percent == doctest::Approx(before).epsilon(0.3));
    CHECK(found.error_after_percent < 3);
    CHECK(found.error_after_percent > after / 2);
    REQUIRE(found.ratios.size() == 1);
    CHECK(found.ratios[0].size() == 80);
    CHECK(calibrate::quantile(found.ratios[0], 0.5) == doctest::Approx(1).epsilon(0.02));
    REQUIRE(found.devices.size() == 1);
    CHECK(found.devices[0].device == 1);
    CHECK(found.devices[0].work > 1.05);
    CHECK(found.devices[0].up > 1.3);

    // The profile says the same then, and notes it for what is measured later.
    sim::Platform corrected = profile;
    calibrate::correct(corrected, found, alone);
    CHECK(error_of(sim::compile(model, corrected, {}), unseen) ==
          doctest::Approx(after).epsilon(0.05));
    REQUIRE(corrected.devices[1].in_networks);
    CHECK(corrected.devices[1].in_networks->work == doctest::Approx(found.devices[0].work));
    const double later =
        sim::microseconds(calibrate::in_networks(about(20), corrected.devices[1]).p50);
    CHECK(later == doctest::Approx(20 * found.devices[0].work + found.devices[0].task));
    CHECK(calibrate::in_networks(about(20), profile.devices[1]) == about(20));
    CHECK(corrected.devices[0] == profile.devices[0]);
    for (const sim::MeasuredCost& cost : corrected.measured) {
        CHECK(cost.time.p05 <= cost.time.p50);
        CHECK(cost.time.p50 <= cost.time.p95);
    }

    // What is from networks already is not scaled again.
    const calibrate::TriedNetwork again = tried(model, corrected, machine, 1, 80);
    const calibrate::Corrections more = calibrate::fit_corrections({&again, 1}, {});
    for (const calibrate::DeviceCorrection& device : more.devices) {
        CHECK(device.work == doctest::Approx(1));
        CHECK(device.task == doctest::Approx(0));
    }
}

TEST_CASE("corrections: nothing where predictions are right, or too little was tried") {
    const sim::Model model = small_model();
    const sim::Platform profile = two_devices(model);
    const std::set<CostKey> alone = costs_of_gpu(profile);
    const calibrate::TriedNetwork right = tried(model, profile, profile, 1, 60);
    const calibrate::Corrections none = calibrate::fit_corrections({&right, 1}, alone);
    const double error = error_of(calibrate::corrected(right, none, alone), right);
    CHECK(error < 1.5);

    const calibrate::TriedNetwork few = tried(model, profile, as_in_networks(profile), 1, 15);
    const calibrate::Corrections too_few = calibrate::fit_corrections({&few, 1}, alone);
    CHECK(too_few.devices.empty());
    REQUIRE(too_few.ratios.size() == 1);
    CHECK(too_few.ratios[0].size() == 15);
    CHECK(calibrate::quantile(too_few.ratios[0], 0.5) > 1.05);
    sim::Platform same = profile;
    calibrate::correct(same, too_few, alone);
    CHECK(same == profile);
    CHECK(calibrate::fit_corrections({}, alone).devices.empty());
}
