#pragma once

// What a problem may say beyond rules 1-5, drawn at random and added to one of sim_generate.hpp:
// each feature by itself or several together. Costs stay small numbers, so that ties are common.

#include "sim/compile/problem.hpp"
#include "sim_generate.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace generate {

enum Feature : unsigned {
    kEnergy = 1,
    kLoss = 2,
    kBudgets = 4,
    kDivided = 8,
    kSynchronise = 16,
    kContention = 32,
    kBuses = 64,
    kCapacities = 128,
    kReconfiguration = 256,
};
inline constexpr unsigned kUncoupled = kEnergy | kLoss | kBudgets | kDivided | kSynchronise;
inline constexpr unsigned kAll = 2 * kReconfiguration - 1;

// The values of each feature are drawn from a stream of its own: one more changes no other.
inline Problem with_features(Problem p, std::uint64_t seed, unsigned features) {
    const auto stream = [&](unsigned feature) { return Random(seed * 4096 + feature); };
    const auto devices = p.devices.size();
    const auto links = static_cast<std::size_t>(p.memories * p.memories);
    const int layers = p.layers();
    const auto is_inner = [&](const Task& task) {
        return task.first != 0 && task.first != layers - 1;
    };

    // Channels are there for everyone who counts them.
    {
        Random r = stream(0);
        for (int layer = 0; layer < layers; ++layer) {
            p.weighted_channels.push_back(layer == 0 || layer == layers - 1 || r.one_in(4)
                                              ? 0
                                              : static_cast<int>(r.integer(1, 8)));
        }
    }
    if (features & kDivided) {
        Random r = stream(kDivided);
        for (int layer = 1; layer < layers - 1; ++layer) {
            if (devices < 2 || r.one_in(2)) {
                continue;
            }
            const auto first = std::find_if(p.tasks.begin(), p.tasks.end(), [&](const Task& task) {
                return task.first == layer && task.rest.empty();
            });
            if (first == p.tasks.end()) {
                continue;
            }
            const Task like = *first;
            for (auto count = r.integer(1, 2); count-- > 0;) {
                Task task = like;
                std::vector<int> together;
                for (int d = 0; d < static_cast<int>(devices); ++d) {
                    together.push_back(d);
                }
                std::swap(together[0], together[static_cast<std::size_t>(r.index(devices))]);
                together.resize(static_cast<std::size_t>(
                    r.integer(2, std::min<int>(3, static_cast<int>(devices)))));
                task.device = together.front();
                task.out_layout = static_cast<int>(r.integer(0, p.layouts - 1));
                for (sim::TaskInput& input : task.inputs) {
                    input.layout = static_cast<int>(r.integer(0, p.layouts - 1));
                }
                task.cost = Time{r.integer(1, 15)};
                int left = std::max<int>(p.weighted_channels[static_cast<std::size_t>(layer)], 0);
                for (const int d : together) {
                    const int channels =
                        d == together.back() ? left : static_cast<int>(r.integer(0, left));
                    left -= channels;
                    task.parts.push_back({.device = d,
                                          .channels = channels,
                                          .busy = Time{r.integer(0, task.cost.count())},
                                          .energy = {},
                                          .variant = "part",
                                          .configuration = "c",
                                          .precision = {}});
                }
                if (p.engines > 0 && r.one_in(3)) {
                    task.engines.push_back(static_cast<int>(r.integer(0, p.engines - 1)));
                }
                task.variant = "divided" + std::to_string(p.tasks.size());
                p.tasks.push_back(std::move(task));
            }
        }
    }
    if (features & kEnergy) {
        Random r = stream(kEnergy);
        p.energy_unknown.clear();
        double idle = 0;
        for (sim::ProblemDevice& device : p.devices) {
            device.idle = {static_cast<double>(r.integer(0, 2)) * 1e-3};
            idle += device.idle.value;
            if (device.asynchronous) {
                device.submit_energy = {r.integer(0, 5)};
                device.per_task_energy = {r.integer(0, 2)};
            }
        }
        p.at_rest = {r.one_in(3) ? 0.0 : idle + static_cast<double>(r.integer(0, 3)) * 1e-3};
        if (p.at_rest.value == 0) {
            for (sim::ProblemDevice& device : p.devices) {
                device.idle = {};
            }
        }
        for (Task& task : p.tasks) {
            if (!is_inner(task)) {
                continue;
            }
            task.energy = {r.integer(0, 40)};
            for (sim::Part& part : task.parts) {
                part.energy = {r.integer(
                    0, task.energy.femtojoules / static_cast<std::int64_t>(task.parts.size()))};
            }
        }
        for (const Time time : p.copy_times) {
            p.copy_energies.push_back({time > Time{} && time < sim::kNever ? r.integer(0, 9) : 0});
        }
        for (const Time time : p.convert_times) {
            p.convert_energies.push_back(
                {time > Time{} && time < sim::kNever ? r.integer(0, 4) : 0});
        }
    }
    if (features & kLoss) {
        Random r = stream(kLoss);
        for (Task& task : p.tasks) {
            if (is_inner(task)) {
                task.loss = r.one_in(2) ? 0 : r.integer(-1, 6);
            }
        }
    }
    const auto average_use = [&](const auto& use) {
        std::int64_t sum = 0, count = 0;
        for (const Task& task : p.tasks) {
            if (use(task) > 0) {
                sum += use(task);
                ++count;
            }
        }
        return count ? sum / count : 0;
    };
    if (features & (kBudgets | kReconfiguration) && devices > 1) {
        Random r = stream(kBudgets);
        const auto count = r.integer(1, 2);
        for (int b = 0; b < static_cast<int>(count); ++b) {
            p.budgets.push_back({.name = "budget" + std::to_string(b),
                                 .device = static_cast<int>(
                                     r.integer(r.one_in(4) ? 0 : 1, static_cast<int>(devices) - 1)),
                                 .limit = 0});
        }
        for (Task& task : p.tasks) {
            if (!is_inner(task)) {
                continue;
            }
            task.uses.assign(p.budgets.size(), 0);
            for (std::size_t b = 0; b < p.budgets.size(); ++b) {
                bool works = task.device == p.budgets[b].device;
                for (const sim::Part& part : task.parts) {
                    works |= part.device == p.budgets[b].device;
                }
                task.uses[b] = works ? r.integer(0, 10) : 0;
            }
        }
        for (std::size_t b = 0; b < p.budgets.size(); ++b) {
            p.budgets[b].limit =
                average_use([&](const Task& t) { return t.uses.empty() ? 0 : t.uses[b]; }) *
                r.integer(1, 4);
        }
    }
    if (features & kSynchronise) {
        Random r = stream(kSynchronise);
        for (int m = 0; m < p.memories; ++m) {
            p.synchronise.push_back(Time{r.integer(0, 6)});
        }
    }
    if (features & kContention) {
        Random r = stream(kContention);
        p.contention.assign(devices * devices, 1.0);
        for (std::size_t d = 0; d < devices; ++d) {
            for (std::size_t other = 0; other < devices; ++other) {
                if (d != other && !r.one_in(3)) {
                    p.contention[d * devices + other] =
                        1.0 + 0.25 * static_cast<double>(r.integer(0, 4));
                }
            }
        }
    }
    if (features & kBuses) {
        Random r = stream(kBuses);
        p.buses.push_back({.name = "bus", .bandwidth = {r.real(0.5, 2) * 1e12}});
        p.bus.assign(links, -1);
        for (std::size_t link = 0; link < links; ++link) {
            if (p.engine[link] >= 0 && !r.one_in(3)) {
                p.bus[link] = 0;
            }
        }
        for (const Time time : p.copy_times) {
            const bool can = time < sim::kNever;
            const Time latency{can ? std::min<std::int64_t>(time.count(), r.integer(0, 3)) : 0};
            p.copy_latencies.push_back(latency);
            p.copy_bytes.push_back(can ? (time - latency).count() : 0);
        }
    }
    if (features & kCapacities) {
        Random r = stream(kCapacities);
        for (int t = 0; t < layers * p.layouts; ++t) {
            p.tensor_bytes.push_back(r.integer(0, 10));
        }
        for (Task& task : p.tasks) {
            if (!is_inner(task)) {
                continue;
            }
            task.weight_bytes.assign(static_cast<std::size_t>(p.memories), 0);
            task.weight_bytes[static_cast<std::size_t>(
                p.devices[static_cast<std::size_t>(task.device)].memory)] = r.integer(0, 6);
        }
        for (int m = 0; m < p.memories; ++m) {
            p.capacities.push_back(r.one_in(3) ? 0 : r.integer(20, 50));
        }
    }
    if (features & kReconfiguration && devices > 1) {
        Random r = stream(kReconfiguration);
        for (std::size_t d = 1; d < devices; ++d) {
            if (p.devices[d].asynchronous && !r.one_in(3)) {
                p.devices[d].reconfiguration = Time{r.integer(1, 8)};
            }
        }
    }
    sim::index(p);
    return p;
}

}  // namespace generate
