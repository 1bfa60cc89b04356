#include "sim/search/tails.hpp"

#include "sim/search/results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace sim::internal {
namespace {

// Sets of memories to which a cut's tensor is copied: every one is looked at.
constexpr int kMostMemories = 5;

// Of an energy in doubles, what rounding may have added to it.
constexpr double kRounding = 1e-12;

// Larger than any sum of energies that the simulator takes, and small enough to add to them.
constexpr std::int64_t kTooMuch = std::int64_t{1} << 60;

}  // namespace

Tails::Tails(const Problem& problem)
    : problem_(problem),
      devices_(problem.device_count()),
      at_rest_(problem.at_rest.value * 1e3 * (1 - kRounding)) {
    if (devices_ > Front::kMostDevices || problem.memories > kMostMemories) {
        return;
    }
    find_modules();
    is_useful_ = std::ranges::all_of(modules_, [](const Module& module) {
        return module.paths.size() <= at(Front::kMostPaths);
    });
    if (is_useful_) {
        find_ways();
    }
}

// A layer is a cut if no tensor made before it is read after it.
void Tails::find_modules() {
    const int layers = problem_.layers();
    module_of_.assign(at(layers), 0);
    path_of_.assign(at(layers), -1);
    step_of_.assign(at(layers), -1);
    int cut = 0, read_until = 0;
    for (int layer = 0; layer < layers; ++layer) {
        if (layer > 0 && read_until <= layer) {
            Module module{.from = cut, .to = layer, .paths = {}};
            for (int inside = cut + 1; inside <= layer; ++inside) {
                module_of_[at(inside)] = static_cast<int>(modules_.size());
            }
            find_paths(module);
            modules_.push_back(std::move(module));
            cut = layer;
        }
        for (const int reader : problem_.consumers[at(layer)]) {
            read_until = std::max(read_until, reader);
        }
    }
}

// Each layer goes on with the path that ends at one of its inputs, the latest; else it begins one.
void Tails::find_paths(Module& module) {
    const auto reads = [&](int reader, int tensor) {
        return std::ranges::find(problem_.inputs[at(reader)], tensor) !=
               problem_.inputs[at(reader)].end();
    };
    for (int layer = module.from + 1; layer < module.to; ++layer) {
        int best = -1;
        for (int p = 0; p < static_cast<int>(module.paths.size()); ++p) {
            const int end = module.paths[at(p)].layers.back();
            if (reads(layer, end) && (best < 0 || end > module.paths[at(best)].layers.back())) {
                best = p;
            }
        }
        if (best < 0) {
            best = static_cast<int>(module.paths.size());
            module.paths.push_back({.layers = {}, .from_cut = reads(layer, module.from)});
        }
        path_of_[at(layer)] = best;
        step_of_[at(layer)] = static_cast<int>(module.paths[at(best)].layers.size());
        module.paths[at(best)].layers.push_back(layer);
    }
    for (Path& path : module.paths) {
        path.to_cut = reads(module.to, path.layers.back());
    }
    module.is_direct = reads(module.to, module.from);
}

// In the layout in which that takes least, over all hops; infinite where there is no way.
void Tails::find_ways() {
    const std::size_t pairs = at(problem_.layers()) * at(devices_) * at(devices_);
    ways_.assign(pairs, kInfinite);
    delays_.assign(pairs, kInfinite);
    const auto energy_of = [&](int tensor, int layout, int from, int to) {
        double sum = 0;
        for (int here = to; here != from;) {
            const int before = problem_.source(tensor, layout, from, here);
            if (before < 0 || problem_.copy(tensor, layout, before, here) >= kNever) {
                return kInfinite;
            }
            sum += static_cast<double>(
                problem_.copy_energies[problem_.copy_place(tensor, layout, before, here)]
                    .femtojoules);
            here = before;
        }
        return sum;
    };
    // From the end of its maker to the start of its reader.
    const auto time_of = [&](int tensor, int layout, int from, int to) {
        const ProblemDevice &a = problem_.devices[at(from)], &b = problem_.devices[at(to)];
        Time time =
            a.memory == b.memory ? Time{} : problem_.transfer(tensor, layout, a.memory, b.memory);
        if (a.asynchronous && !b.asynchronous) {
            time += a.completion;
        }
        return static_cast<double>(time.count());
    };
    for (int tensor = 0; tensor < problem_.layers(); ++tensor) {
        for (int from = 0; from < devices_; ++from) {
            for (int to = 0; to < devices_; ++to) {
                double& energy = ways_[pair(tensor, from, to)];
                double& rest = delays_[pair(tensor, from, to)];
                for (int layout = 0; layout < problem_.layouts; ++layout) {
                    energy = std::min(energy, energy_of(tensor, layout, memory(from), memory(to)));
                    rest = std::min(rest, time_of(tensor, layout, from, to) * at_rest_);
                }
            }
        }
    }
}

// Of a fused set each layer has an equal share.
std::vector<double> Tails::own_of(const std::vector<double>& of_task) const {
    std::vector<double> own(at(problem_.layers()) * at(devices_), kInfinite);
    for (std::size_t k = 0; k < problem_.tasks.size(); ++k) {
        const std::vector<int> covered = layers_of(problem_.tasks[k]);
        for (const int layer : covered) {
            double& least = own[place(layer, problem_.tasks[k].device)];
            least = std::min(least, of_task[k] / static_cast<double>(covered.size()));
        }
    }
    return own;
}

int Tails::add(const std::vector<std::int64_t>& of_task) {
    Table table{
        .own = own_of(std::vector<double>(of_task.begin(), of_task.end())), .tail = {}, .rest = {}};
    table.tail.assign(at(problem_.layers()) * at(devices_) * at(devices_), kInfinite);
    for (const Module& module : modules_) {
        for (const Path& path : module.paths) {
            fill_tails(path, table.own, false, table.tail);
        }
    }
    tables_.push_back(std::move(table));
    return static_cast<int>(tables_.size()) - 1;
}

void Tails::add_energies(const std::vector<std::int64_t>& of_task) {
    add(of_task);
    std::vector<double> timed(of_task.begin(), of_task.end());
    for (std::size_t k = 0; k < timed.size(); ++k) {
        timed[k] += static_cast<double>(problem_.tasks[k].cost.count()) * at_rest_;
    }
    timed_own_ = own_of(timed);
}

int Tails::add_mix(const std::vector<std::int64_t>& of_task) { return add(of_task); }

// Of each layer of a path and all after it there, with the cut after them on a device.
void Tails::fill_tails(const Path& path,
                       const std::vector<double>& own,
                       bool takes_time,
                       std::vector<double>& tail) const {
    const auto step_of = [&](int tensor, int from, int to) {
        return way(tensor, from, to) + (takes_time ? delay(tensor, from, to) : 0.0);
    };
    for (std::size_t step = path.layers.size(); step-- > 0;) {
        const int layer = path.layers[step];
        for (int d = 0; d < devices_; ++d) {
            for (int after = 0; after < devices_; ++after) {
                double least = kInfinite;
                if (step + 1 == path.layers.size()) {
                    least = path.to_cut ? step_of(layer, d, after) : 0.0;
                } else {
                    const int next = path.layers[step + 1];
                    for (int there = 0; there < devices_; ++there) {
                        least = std::min(least,
                                         step_of(layer, d, there) + tail[pair(next, there, after)]);
                    }
                }
                tail[pair(layer, d, after)] = own[place(layer, d)] + least;
            }
        }
    }
}

// All between two cuts, for the best set of memories to which the tensor of the first is copied.
double Tails::least_between(
    const std::vector<double>& tail, const Module& module, int before, int after, int timed) const {
    const int home = memory(before);
    double best = kInfinite;
    for (unsigned there = 0; there < 1u << problem_.memories; ++there) {
        const auto is_there = [&](int m) { return (there >> m & 1) != 0; };
        if (!is_there(home) || (module.is_direct && !is_there(memory(after)))) {
            continue;
        }
        // 1. Copies over other memories share hops: of those the dearest is all that is certain.
        double sum = timed == kDirect ? delay(module.from, before, after) : 0.0;
        double copies = 0;
        for (int d = 0; d < devices_; ++d) {
            bool is_first = true;
            for (int other = 0; other < d; ++other) {
                is_first &= memory(other) != memory(d);
            }
            if (is_first && is_there(memory(d)) && memory(d) != home) {
                const double one = way(module.from, before, d);
                copies = problem_.has_routes() ? std::max(copies, one) : copies + one;
            }
        }
        sum += copies;
        // 2. Each path on the devices that have what it reads.
        for (std::size_t p = 0; p < module.paths.size(); ++p) {
            const Path& path = module.paths[p];
            double least = kInfinite;
            for (int d = 0; d < devices_; ++d) {
                if (!path.from_cut || is_there(memory(d))) {
                    const bool waits = path.from_cut && timed == static_cast<int>(p);
                    least = std::min(least,
                                     (waits ? delay(module.from, before, d) : 0.0) +
                                         tail[pair(path.layers.front(), d, after)]);
                }
            }
            sum += least;
        }
        best = std::min(best, sum);
    }
    return best;
}

// `between`: from the end of the cut before to the end of the cut after, [before * devices +
// after].
void Tails::raise_by_paths(int m, std::vector<double>& between) {
    const Module& module = modules_[at(m)];
    const auto raise = [&](const std::vector<double>& tail, int timed) {
        for (int before = 0; before < devices_; ++before) {
            for (int after = 0; after < devices_; ++after) {
                double& known = between[place(before, after)];
                known = std::max(known,
                                 least_between(tail, module, before, after, timed) +
                                     timed_own_[place(module.to, after)]);
            }
        }
    };
    std::vector<double> tail = tables_.front().tail;
    if (module.is_direct) {
        raise(tail, kDirect);
    }
    for (std::size_t p = 0; p < module.paths.size(); ++p) {
        if (const Path& path = module.paths[p]; path.to_cut) {
            fill_tails(path, timed_own_, true, tail);
            raise(tail, static_cast<int>(p));
            fill_tails(path, tables_.front().own, false, tail);
        }
    }
}

void Tails::finish() {
    // 1. By module and the devices of its cuts: the energies alone; the most that a mix or a path
    //    says.
    const std::size_t rows = (modules_.size() + 1) * at(devices_);
    std::vector<double> alone(rows, 0.0), timed(rows, 0.0);
    for (int m = static_cast<int>(modules_.size()) - 1; m >= 0; --m) {
        const Module& module = modules_[at(m)];
        std::vector<double> energies(at(devices_) * at(devices_)), most;
        for (std::size_t t = 0; t < tables_.size(); ++t) {
            for (int before = 0; before < devices_; ++before) {
                for (int after = 0; after < devices_; ++after) {
                    energies[place(before, after)] =
                        least_between(tables_[t].tail, module, before, after, kNoTime) +
                        tables_[t].own[place(module.to, after)];
                }
            }
            if (t == 0) {
                most = energies;
                find_rest(m, energies, alone);
            } else {
                std::ranges::transform(most, energies, most.begin(), [](double a, double b) {
                    return std::max(a, b);
                });
            }
        }
        raise_by_paths(m, most);
        find_rest(m, most, timed);
    }
    // 2. Table 0 is asked for energies alone.
    for (Table& table : tables_) {
        table.rest = &table == tables_.data() ? alone : timed;
    }
}

// From the cut before a module to the end, with what follows it known.
void Tails::find_rest(int m, const std::vector<double>& between, std::vector<double>& rest) const {
    for (int before = 0; before < devices_; ++before) {
        double least = kInfinite;
        for (int after = 0; after < devices_; ++after) {
            least = std::min(least, between[place(before, after)] + rest[place(m + 1, after)]);
        }
        rest[place(m, before)] = least;
    }
}

// 0 where it is there already, in whatever layout; of a way over other memories what is left of it.
double Tails::bring(const Evaluator& placed, int tensor, int device) const {
    const auto is_in = [&](int memory) {
        for (int layout = 0; layout < problem_.layouts; ++layout) {
            if (placed.time(tensor, placed.place_of(memory, layout)) >= 0) {
                return true;
            }
        }
        return false;
    };
    const Evaluator::Tensor& made = placed.tensors[at(tensor)];
    if (!problem_.has_routes()) {
        return is_in(memory(device)) ? 0 : way(tensor, made.device, device);
    }
    double sum = 0;
    for (int here = memory(device); !is_in(here);) {
        const int before = problem_.source(tensor, made.layout, memory(made.device), here);
        if (before < 0) {
            return kInfinite;
        }
        sum += static_cast<double>(
            problem_.copy_energies[problem_.copy_place(tensor, made.layout, before, here)]
                .femtojoules);
        here = before;
    }
    return sum;
}

bool Tails::find(const Evaluator& placed,
                 int layer,
                 std::span<const int> ahead,
                 Front& front) const {
    if (layer == 0) {
        return false;
    }
    front.module = module_of_[at(layer)];
    const Module& module = modules_[at(front.module)];
    // 1. How far each path has come. A copy of the cut's tensor counts for one of them alone.
    bool is_charged = false;
    for (std::size_t p = 0; p < module.paths.size(); ++p) {
        const std::vector<int>& layers = module.paths[p].layers;
        auto next = std::ranges::lower_bound(layers, layer);
        while (next != layers.end() && placed.covered[at(*next)]) {
            ++next;
        }
        front.layer[p] = next == layers.end() ? -1 : *next;
        int tensor = next == layers.begin() ? -1 : *std::prev(next);
        if (tensor < 0 && module.paths[p].from_cut && !is_charged) {
            is_charged = true;
            tensor = module.from;
        }
        if (next == layers.end() && !module.paths[p].to_cut) {
            tensor = -1;
        }
        for (int d = 0; d < devices_; ++d) {
            front.way[p][at(d)] = tensor < 0 ? 0 : bring(placed, tensor, d);
        }
    }
    for (int d = 0; d < devices_; ++d) {
        front.direct[at(d)] = module.is_direct && !is_charged ? bring(placed, module.from, d) : 0;
    }
    // 2. What is covered ahead must be on the way that the paths have come.
    return std::ranges::all_of(ahead, [&](int other) {
        if (!placed.covered[at(other)]) {
            return true;
        }
        const int path = path_of_[at(other)];
        if (module_of_[at(other)] != front.module || path < 0) {
            return false;
        }
        const int open = front.layer[at(path)];
        return open < 0 || step_of_[at(other)] < step_of_[at(open)];
    });
}

std::int64_t Tails::least(int table, const Front& front) const {
    const Table& t = tables_[at(table)];
    const Module& module = modules_[at(front.module)];
    double best = kInfinite;
    for (int after = 0; after < devices_; ++after) {
        double sum = front.direct[at(after)] + t.own[place(module.to, after)] +
                     t.rest[place(front.module + 1, after)];
        for (std::size_t p = 0; p < module.paths.size(); ++p) {
            const int layer = front.layer[p];
            if (layer < 0) {
                sum += front.way[p][at(after)];
                continue;
            }
            double least = kInfinite;
            for (int d = 0; d < devices_; ++d) {
                least = std::min(least, front.way[p][at(d)] + t.tail[pair(layer, d, after)]);
            }
            sum += least;
        }
        best = std::min(best, sum);
    }
    if (best >= static_cast<double>(kTooMuch)) {
        return kTooMuch;
    }
    // Energies are whole.
    return static_cast<std::int64_t>(std::ceil(best - std::abs(best) * kRounding));
}

}  // namespace sim::internal
