#include "calibrate/profile.hpp"

#include "calibrate/statistics.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace calibrate {
namespace {

const std::string* fact(const sim::Platform& platform, std::string_view key) {
    for (const auto& [name, value] : platform.provenance) {
        if (name == key) {
            return &value;
        }
    }
    return nullptr;
}

}  // namespace

sim::Platform empty_platform(const std::string& name, std::int64_t memory_mib) {
    sim::Platform platform;
    platform.name = name;
    platform.memories = {{.name = "host", .capacity_kib = memory_mib * 1024}};
    platform.devices = {{.name = "cpu",
                         .kind = "cpu",
                         .memory = 0,
                         .asynchronous = false,
                         .submit = {},
                         .per_task = {},
                         .completion = {},
                         .conversions = {}}};
    return platform;
}

void add_layout(sim::Platform& platform, kernels::Layout layout) {
    const std::string name{kernels::name_of(layout)};
    if (kernels::block_of(layout) > 1 &&
        std::ranges::find(platform.layouts, name, &sim::Layout::name) == platform.layouts.end()) {
        platform.layouts.push_back({.name = name, .channels_multiple = kernels::block_of(layout)});
    }
}

int add_device(sim::Platform& platform, const DeviceInfo& info, const DeviceCosts& costs) {
    int memory = 0;
    if (!info.host_memory) {
        memory = static_cast<int>(platform.memories.size());
        platform.memories.push_back({.name = info.name, .capacity_kib = info.memory_mib * 1024});
        platform.links.push_back(
            {.name = info.name + "_up", .from = 0, .to = memory, .engine = {}, .modes = costs.up});
        platform.links.push_back({.name = info.name + "_down",
                                  .from = memory,
                                  .to = 0,
                                  .engine = {},
                                  .modes = costs.down});
    }
    sim::Device entry = costs.entry;
    entry.name = info.name;
    entry.kind = info.kind;
    entry.memory = memory;
    entry.asynchronous = info.asynchronous;
    platform.devices.push_back(std::move(entry));
    return static_cast<int>(platform.devices.size()) - 1;
}

int index_of(const sim::Platform& platform, const DeviceInfo& info) {
    const auto known = std::ranges::find(platform.devices, info.name, &sim::Device::name);
    return known != platform.devices.end() ? static_cast<int>(known - platform.devices.begin())
                                           : -1;
}

void adopt_devices(sim::Platform& platform,
                   const sim::Platform& before,
                   const std::vector<DeviceInfo>& here) {
    const sim::Memory host = platform.memories.front();
    platform.name = before.name;
    platform.memories = before.memories;
    platform.memories.front() = host;
    platform.devices = before.devices;  // the CPU's is the same but for its power
    platform.links = before.links;
    for (std::size_t d = 1; d < before.devices.size(); ++d) {
        const std::string& name = before.devices[d].name;
        const auto info = std::ranges::find(here, name, &DeviceInfo::name);
        const std::string* const was = fact(before, name);
        if (info == here.end()) {
            for (const auto& [key, value] : before.provenance) {
                if (key == name || key.starts_with(name + "_")) {
                    platform.provenance.emplace_back(key, value);
                }
            }
        } else if (was != nullptr && *was != info->description) {
            throw sim::InputError{
                fmt::format("{}: cannot be continued here: its {} is '{}', this machine's is '{}'",
                            before.path.string(),
                            name,
                            *was,
                            info->description)};
        }
        for (const std::string& warning : before.warnings) {
            if (warning.starts_with(name + ":")) {
                platform.warnings.push_back(warning);
            }
        }
    }
}

void check_same_machine(const sim::Platform& before, const Machine& machine) {
    for (const std::string_view key : {"cpu", "cores", "caches"}) {
        const std::string* const was = fact(before, key);
        const auto is =
            std::ranges::find(machine.facts, key, &std::pair<std::string, std::string>::first);
        if (was != nullptr && is != machine.facts.end() && *was != is->second) {
            throw sim::InputError{
                fmt::format("{}: cannot be continued here: its {} is '{}', this machine's is '{}'",
                            before.path.string(),
                            key,
                            *was,
                            is->second)};
        }
    }
}

void keep_fits(std::vector<sim::FittedCost>& fits, const std::vector<sim::FittedCost>& before) {
    const auto key = [](const sim::FittedCost& f) {
        return std::tie(
            f.pattern, f.results, f.device, f.variant, f.configuration, f.in_layout, f.out_layout);
    };
    for (const sim::FittedCost& old : before) {
        const auto same = std::ranges::find_if(
            fits, [&](const sim::FittedCost& fit) { return key(fit) == key(old); });
        if (same == fits.end()) {
            fits.push_back(old);
        } else if (same->samples < old.samples) {
            *same = old;
        }
    }
}

double round_trip_of(const sim::Platform& platform) {
    const sim::Measurement* const round_trip = find_measurement(platform, kRoundTrip);
    return round_trip == nullptr ? 0 : 1000 * sim::microseconds(round_trip->p50);
}

const sim::Measurement* find_measurement(const sim::Platform& platform, std::string_view name) {
    const auto found = std::ranges::find(
        platform.measurements, name, &std::pair<std::string, sim::Measurement>::first);
    return found == platform.measurements.end() ? nullptr : &found->second;
}

void set_measurement(sim::Platform& platform,
                     const std::string& name,
                     const sim::Measurement& time) {
    std::erase_if(platform.measurements, [&](const auto& one) { return one.first == name; });
    platform.measurements.emplace_back(name, time);
}

void set_trials(sim::Platform& platform,
                const std::string& model,
                int batch,
                bool host_alone,
                const std::vector<double>& ratios) {
    constexpr std::size_t kFewest = 10;
    if (ratios.size() < kFewest) {
        return;
    }
    std::erase_if(platform.trials, [&](const sim::Trials& trials) {
        return trials.model == model && trials.batch == batch && trials.host_alone == host_alone;
    });
    platform.trials.push_back({.model = model,
                               .batch = batch,
                               .host_alone = host_alone,
                               .samples = static_cast<int>(ratios.size()),
                               .p05 = quantile(ratios, 0.05),
                               .p50 = quantile(ratios, 0.5),
                               .p95 = quantile(ratios, 0.95)});
}

bool measured_before(const sim::Platform& before, const CostKey& key, int fewest) {
    return std::ranges::any_of(before.measured, [&](const sim::MeasuredCost& c) {
        return key_of(c) == key && c.time.samples >= fewest;
    });
}

}  // namespace calibrate
