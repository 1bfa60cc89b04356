#include "calibrate/whole_networks.hpp"

#include "calibrate/anchors.hpp"
#include "calibrate/corrections.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/trials.hpp"
#include "sim/compile/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace calibrate {
namespace {

constexpr int kRounds = 15;  // of anchors

void write_anchors(sim::Platform& platform, const AnchorTimer& timer) {
    for (const auto& [name, time] : timer.measurements()) {
        set_measurement(platform, name, time);
    }
}

// Those of the accelerators; none where what the anchors take turns with cannot run here.
void measure_anchors_of(sim::Platform& platform,
                        Executor& executor,
                        const sim::Problem& problem,
                        WholeNetworkSettings& settings) {
    try {
        AnchorTimer timer{executor, problem, AnchorTimer::Of::accelerators};
        for (int round = 0; round < kRounds; ++round) {
            if (!timer.round(round_trip_of(platform), settings.patience_s, settings.stop)) {
                break;
            }
        }
        write_anchors(platform, timer);
    } catch (const sim::InputError&) {
        return;
    }
}

// Where the profile says how devices do in networks: in words.
void note_corrections(sim::Platform& platform, const Corrections& corrections) {
    std::size_t trials = 0;
    for (const std::vector<double>& of_network : corrections.ratios) {
        trials += of_network.size();
    }
    for (const DeviceCorrection& one : corrections.devices) {
        const std::string key =
            platform.devices[sim::at(one.device)].name + "_corrected_in_networks";
        const std::string what = fmt::format(
            "by {} mappings: submission {:+.2f} us, completion {:+.2f} us, copies x {:.2f} up and "
            "x {:.2f} down, tasks x {:.3f} {:+.2f} us; median error {:.1f} % before, {:.1f} % on "
            "mappings left out",
            trials,
            one.submit,
            one.completion,
            one.up,
            one.down,
            one.work,
            one.task,
            corrections.error_before_percent,
            corrections.error_after_percent);
        std::erase_if(platform.provenance, [&](const auto& fact) { return fact.first == key; });
        platform.provenance.emplace_back(key, what);
    }
}

// A network on all devices, as the profile has them before corrections.
TriedNetwork try_network(sim::Platform& platform,
                         const WholeNetwork& network,
                         WholeNetworkSettings& settings) {
    TriedNetwork tried;
    tried.problem = sim::compile(*network.model, platform, {.batch = network.batch, .only = {}});
    for (const sim::Task& task : tried.problem.tasks) {
        tried.keys.push_back(task.variant.empty() ? CostKey{}
                                                  : key_of(*network.model, tried.problem, task));
    }
    Executor executor{*network.model, *network.parameters, tried.problem, settings.host_threads};
    tried.trials = run_trials(
        executor, tried.problem, round_trip_of(platform), settings.patience_s, settings.stop);
    measure_anchors_of(platform, executor, tried.problem, settings);
    return tried;
}

}  // namespace

void measure_anchors(sim::Platform& platform,
                     std::span<const WholeNetwork> networks,
                     WholeNetworkSettings& settings) {
    struct Network {
        sim::Problem problem;
        std::unique_ptr<Executor> executor;
        std::unique_ptr<AnchorTimer> timer;
    };
    std::vector<std::unique_ptr<Network>> all;
    for (const WholeNetwork& one : networks) {
        try {
            auto network = std::make_unique<Network>();
            network->problem =
                sim::compile(*one.model,
                             platform,
                             {.batch = one.batch, .only = {platform.devices.front().name}});
            OpenDevices cpu_alone;
            cpu_alone.devices.resize(network->problem.devices.size());
            cpu_alone.missing.assign(network->problem.devices.size(), "the anchors are the CPU's");
            cpu_alone.devices.front() = open_cpu(settings.threads);
            network->executor = std::make_unique<Executor>(
                *one.model, *one.parameters, network->problem, std::move(cpu_alone));
            network->timer = std::make_unique<AnchorTimer>(
                *network->executor, network->problem, AnchorTimer::Of::host);
            all.push_back(std::move(network));
        } catch (const sim::InputError&) {
            continue;  // the CPU cannot run all of it
        } catch (const sim::MachineError&) {
            continue;
        }
    }
    // All networks in turn, so that each sees the machine at several times.
    const double round_trip = round_trip_of(platform);
    const auto has_round = [&](const std::unique_ptr<Network>& network) {
        return network->timer->round(round_trip, settings.patience_s, settings.stop);
    };
    for (int round = 0; round < kRounds && std::ranges::all_of(all, has_round); ++round) {
    }
    for (const auto& network : all) {
        write_anchors(platform, *network->timer);
    }
}

void try_all_devices(sim::Platform& platform,
                     std::span<const WholeNetwork> networks,
                     const std::set<CostKey>& alone,
                     WholeNetworkSettings& settings) {
    std::vector<WholeNetwork> run;
    std::vector<TriedNetwork> tried;
    for (const WholeNetwork& network : networks) {
        if (settings.stop && settings.stop()) {
            break;
        }
        try {
            tried.push_back(try_network(platform, network, settings));
            run.push_back(network);
        } catch (const sim::InputError&) {
            continue;
        } catch (const sim::MachineError&) {
            continue;
        } catch (const DeviceError& error) {
            settings.warn(fmt::format("{} batch {}: not tried on all devices: {}",
                                      network.model->name,
                                      network.batch,
                                      error.what()));
        }
    }
    const Corrections corrections = fit_corrections(tried, alone);
    correct(platform, corrections, alone);
    note_corrections(platform, corrections);
    for (std::size_t i = 0; i < run.size(); ++i) {
        set_trials(platform, run[i].model->name, run[i].batch, false, corrections.ratios[i]);
    }
}

}  // namespace calibrate
