#pragma once

// What random problems have beyond rules 1-5: divided layers, energies, synchronisation, budgets,
// capacities, contention, buses and reconfiguration. Each function adds one of these to a finished
// problem. What it is not: a source of plausible numbers.

#include "sim_generate.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace beyond {

using generate::Random;
using sim::Energy;
using sim::Problem;
using sim::Task;
using sim::Time;

// Adds `count` tasks that divide a layer over two or more devices; some hold engines. Each takes
// its inputs and layouts as some task of that layer, or chain, does.
inline void add_divided(Problem& p, int count, std::uint64_t seed) {
    Random r(seed);
    std::vector<int> plain;
    for (int k = 0; k < static_cast<int>(p.tasks.size()); ++k) {
        const Task& task = p.tasks[static_cast<std::size_t>(k)];
        if (task.first > 0 && task.first < p.layers() - 1) {
            plain.push_back(k);
        }
    }
    const int devices = static_cast<int>(p.devices.size());
    while (count-- > 0) {
        Task task = p.tasks[static_cast<std::size_t>(
            plain[static_cast<std::size_t>(r.index(plain.size()))])];
        std::vector<int> order;
        for (int d = 0; d < devices; ++d) {
            order.push_back(d);
        }
        for (int i = devices; i > 1; --i) {
            std::swap(order[static_cast<std::size_t>(i - 1)],
                      order[static_cast<std::size_t>(r.integer(0, i - 1))]);
        }
        order.resize(static_cast<std::size_t>(r.integer(2, devices)));
        task.device = order.front();
        task.cost = Time{r.integer(1, 25)};
        task.variant = "divided " + std::to_string(p.tasks.size());
        task.parts.clear();
        for (const int device : order) {
            sim::Part part;
            part.device = device;
            part.channels = static_cast<int>(r.integer(1, 9));
            part.busy = Time{r.integer(0, task.cost.count())};
            task.parts.push_back(std::move(part));
        }
        for (int e = 0; e < p.engines; ++e) {
            if (r.one_in(3)) {
                task.engines.push_back(e);
            }
        }
        p.tasks.push_back(std::move(task));
    }
    sim::index(p);
}

// After add_divided: energies of everything there is.
inline void add_energy(Problem& p, std::uint64_t seed) {
    Random r(seed);
    p.energy_unknown.clear();
    const auto energy = [&] { return Energy{r.integer(0, 5'000)}; };
    double rest = r.integer(0, 3) == 0 ? 0 : r.real(0, 0.1);
    for (sim::ProblemDevice& device : p.devices) {
        device.idle = {r.real(0, 0.2)};
        rest += device.idle.value;
        if (device.asynchronous) {
            device.submit_energy = energy();
            device.per_task_energy = energy();
        }
    }
    p.at_rest = {rest};
    for (Task& task : p.tasks) {
        task.energy = energy();
        Energy left = task.energy;
        for (sim::Part& part : task.parts) {
            part.energy = Energy{&part == &task.parts.back() ? left.femtojoules
                                                             : r.integer(0, left.femtojoules)};
            left = left - part.energy;
        }
    }
    for (std::size_t i = 0; i < p.copy_times.size(); ++i) {
        p.copy_energies.push_back(energy());
    }
    for (std::size_t i = 0; i < p.convert_times.size(); ++i) {
        p.convert_energies.push_back(energy());
    }
}

inline void add_synchronise(Problem& p, std::uint64_t seed) {
    Random r(seed);
    for (int m = 0; m < p.memories; ++m) {
        p.synchronise.push_back(Time{r.integer(0, 9)});
    }
}

// One budget for each device; the tasks of a mapping fit sometimes.
inline void add_budgets(Problem& p, std::uint64_t seed) {
    Random r(seed);
    for (int d = 0; d < static_cast<int>(p.devices.size()); ++d) {
        p.budgets.push_back({.name = p.device_names[static_cast<std::size_t>(d)] + ".cells",
                             .device = d,
                             .limit = r.integer(10, 30)});
    }
    for (Task& task : p.tasks) {
        task.uses.assign(p.budgets.size(), 0);
        task.uses[static_cast<std::size_t>(task.device)] = r.integer(0, 11);
        for (const sim::Part& part : task.parts) {
            task.uses[static_cast<std::size_t>(part.device)] = r.integer(0, 11);
        }
    }
}

// Every memory but the host's has a capacity, of which the mappings' tensors and weights take from
// some to too much.
inline void add_capacities(Problem& p, std::uint64_t seed) {
    Random r(seed);
    p.capacities.assign(static_cast<std::size_t>(p.memories), 0);
    for (int m = 1; m < p.memories; ++m) {
        p.capacities[static_cast<std::size_t>(m)] = r.integer(20, 60);
    }
    for (int i = 0; i < p.layers() * p.layouts; ++i) {
        p.tensor_bytes.push_back(r.integer(1, 15));
    }
    for (Task& task : p.tasks) {
        task.weight_bytes.assign(static_cast<std::size_t>(p.memories), 0);
        task.weight_bytes[static_cast<std::size_t>(
            p.devices[static_cast<std::size_t>(task.device)].memory)] = r.integer(0, 8);
    }
}

inline void add_contention(Problem& p, std::uint64_t seed) {
    Random r(seed);
    const std::size_t n = p.devices.size();
    for (std::size_t i = 0; i < n * n; ++i) {
        p.contention.push_back(i % (n + 1) == 0 || r.one_in(3) ? 1.0 : r.real(1, 3));
    }
}

// One bus over some of the links; of each copy's time a part passes before its bytes flow.
inline void add_buses(Problem& p, std::uint64_t seed) {
    Random r(seed);
    p.buses.push_back({.name = "bus", .bandwidth = {r.real(0.5e12, 3e12)}});
    for (const int engine : p.engine) {
        p.bus.push_back(engine >= 0 && !r.one_in(3) ? 0 : -1);
    }
    for (const Time time : p.copy_times) {
        p.copy_latencies.push_back(time >= sim::kNever ? Time{} : Time{r.integer(0, time.count())});
        p.copy_bytes.push_back(r.integer(0, 20));
    }
}

// After add_budgets: some devices are reconfigured.
inline void add_reconfiguration(Problem& p, std::uint64_t seed) {
    Random r(seed);
    for (std::size_t d = 1; d < p.devices.size(); ++d) {
        if (!r.one_in(3)) {
            p.devices[d].reconfiguration = Time{r.integer(1, 40)};
        }
    }
}

}  // namespace beyond
