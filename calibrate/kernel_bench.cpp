#include "calibrate/kernel_bench.hpp"

#include "calibrate/promise.hpp"
#include "calibrate/statistics.hpp"
#include "sim/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

namespace calibrate {
namespace {

// Two inputs and an output, or two.
std::size_t tensors_of(const kernels::Chain& chain) { return chain.second_result < 0 ? 3 : 4; }

std::size_t largest_tensor(const kernels::Chain& chain) {
    std::vector<kernels::Shape> shapes = kernels::shapes_of(chain);
    shapes.push_back(chain.input);
    std::size_t largest = 0;
    for (const kernels::Shape& shape : shapes) {
        for (const kernels::Layout layout : kernels::kLayouts) {
            largest = std::max(largest, kernels::tensor_bytes(shape, layout, chain.batch));
        }
    }
    return largest;
}

// Returns how large the largest tensor of the others is.
std::size_t leave_out_what_is_too_large(KernelBench& bench,
                                        const std::function<void(const std::string&)>& warn) {
    const auto most = static_cast<std::size_t>(bench.device->info().memory_mib) << 20;
    std::size_t largest = 0, refused = 0;
    int smallest_refused = 0, count = 0;
    for (KernelBench::Entry& entry : bench.entries) {
        const std::size_t bytes = largest_tensor(entry.candidate.chain);
        const std::size_t need = tensors_of(entry.candidate.chain) * bytes;
        if (most == 0 || need <= most) {  // 0: the device does not say
            largest = std::max(largest, bytes);
            continue;
        }
        entry.cost->done = true;
        ++count;
        if (refused == 0 || need < refused) {
            refused = need;
            smallest_refused = entry.candidate.key.batch;
        }
    }
    if (count > 0) {
        warn(
            fmt::format("{}: {} kernels are left out, of batch {} and more: their tensors need {} "
                        "and more, and the device has {}",
                        bench.name(),
                        count,
                        smallest_refused,
                        sim::to_string(sim::Bytes{static_cast<std::int64_t>(refused)}),
                        sim::to_string(sim::Bytes{static_cast<std::int64_t>(most)})));
    }
    return largest;
}

// That any candidate reads.
std::size_t most_inputs(const KernelBench& bench) {
    std::size_t most = 0;
    for (const KernelBench::Entry& entry : bench.entries) {
        most = std::max(most, entry.candidate.chain.steps.front().parts.size());
    }
    return most;
}

// Nanoseconds, by samples or else by the profile that is continued; nothing where neither says it.
std::optional<double> known_ns(const Cost& cost) {
    return cost.anywhere.empty() ? cost.before_ns : quantile(cost.anywhere, 0.5);
}

// What a network takes on the device: a cover, of the ways that take least for each of their
// layers.
double cover_ns(std::vector<Way> ways) {
    std::ranges::sort(ways, {}, [](const Way& way) {
        return way.takes / static_cast<double>(way.layers.size());
    });
    std::set<int> covered;
    double sum = 0;
    for (const Way& way : ways) {
        if (std::ranges::none_of(way.layers, [&](int layer) { return covered.contains(layer); })) {
            covered.insert(way.layers.begin(), way.layers.end());
            sum += way.takes;
        }
    }
    return sum;
}

}  // namespace

void add_candidates(KernelBench& bench,
                    const sim::Model& model,
                    std::vector<Candidate> candidates,
                    Costs& costs) {
    std::vector<KernelBench::Kernel>& network = bench.networks.emplace_back();
    for (Candidate& candidate : candidates) {
        const auto [found, fresh] = costs.try_emplace(candidate.key);
        network.push_back({candidate.layers, &found->second});
        if (fresh) {  // else two networks share it
            found->second.features = features_of(model, candidate.layers, candidate.key);
            bench.entries.push_back({std::move(candidate), &found->second, nullptr});
        }
    }
}

std::set<const Cost*> unpromising_kernels(const KernelBench& bench) {
    std::set<const Cost*> unpromising, promising;
    for (const std::vector<KernelBench::Kernel>& network : bench.networks) {
        std::vector<Way> ways;
        std::vector<const Cost*> costs;  // beside them
        for (const auto& [layers, cost] : network) {
            if (const std::optional<double> ns = known_ns(*cost)) {
                const double least =
                    cost->anywhere.empty() ? *ns : std::ranges::min(cost->anywhere);
                ways.push_back({.layers = layers, .takes = *ns, .least = least});
                costs.push_back(cost);
            }
        }
        const std::vector<bool> is_slow = unpromising_ways(ways, cover_ns(ways));
        for (std::size_t i = 0; i < costs.size(); ++i) {
            (is_slow[i] ? unpromising : promising).insert(costs[i]);
        }
    }
    std::erase_if(unpromising, [&](const Cost* cost) { return promising.contains(cost); });
    return unpromising;
}

void measure_kernels(KernelBench& bench,
                     const StoppingRule& rule,
                     const std::function<bool(double share_done)>& more,
                     const std::function<void(const std::string&)>& warn) {
    constexpr int kGone = 5;
    int failures_in_a_row = 0;
    const std::size_t bytes = leave_out_what_is_too_large(bench, warn);
    bench.tensors = {.input = bench.device->allocate(bytes),
                     .second_input = bench.device->allocate(bytes),
                     .output = bench.device->allocate(bytes)};
    if (std::ranges::any_of(bench.entries, [](const KernelBench::Entry& entry) {
            return entry.candidate.chain.second_result >= 0;
        })) {
        bench.tensors.second_output = bench.device->allocate(bytes);
    }
    bench.more.assign(most_inputs(bench), bench.tensors.second_input);
    bench.tensors.more = bench.more;
    std::set<const Cost*> unpromising;

    const auto samples = [](const KernelBench::Entry& entry) {
        return static_cast<int>(entry.cost->anywhere.size());
    };
    const auto is_promising = [&](const KernelBench::Entry& entry) {
        return !unpromising.contains(entry.cost);
    };
    const auto take_sample = [&](KernelBench::Entry& entry) {
        const CostKey& key = entry.candidate.key;
        Cost& cost = *entry.cost;
        try {
            if (entry.timer == nullptr) {
                const int kernel =
                    bench.device->prepare(entry.candidate.chain, key.variant, key.configuration);
                entry.timer = std::make_unique<SegmentTimer>(
                    *bench.device, kernel, bench.tensors, bench.overhead_ns);
            }
            cost.anywhere.push_back(entry.timer->sample_ns());
            failures_in_a_row = 0;
        } catch (const DeviceError& error) {
            // One kernel that does not build: the rest goes on. A device that is gone: no more.
            cost.done = true;
            warn(bench.name() + ": " + error.what());
            if (++failures_in_a_row == kGone) {
                throw DeviceError{"gave up after so many failures in a row"};
            }
        }
    };

    // Rounds over the kernels that still want samples, phase by phase.
    const std::function<bool(const KernelBench::Entry&)> phases[] = {
        [&](const auto& e) { return samples(e) < kFirstLook; },
        [&](const auto& e) { return samples(e) < kFewestSure && is_promising(e); },
        [&](const auto& e) { return !rule.done(e.cost->anywhere) && is_promising(e); },
        [&](const auto& e) { return samples(e) < kFewestSure; },
    };
    double phases_done = 0;
    for (const auto& wants : phases) {
        for (std::size_t left = 1; left > 0;) {
            left = 0;
            unpromising = unpromising_kernels(bench);
            for (KernelBench::Entry& entry : bench.entries) {
                if (entry.cost->done || !wants(entry)) {
                    continue;
                }
                ++left;
                if (!more(phases_done / std::size(phases))) {
                    return;
                }
                take_sample(entry);
            }
        }
        ++phases_done;
    }
}

}  // namespace calibrate
