#include "calibrate/candidates.hpp"

#include "calibrate/binding.hpp"
#include "calibrate/profile.hpp"
#include "sim/compile/costs.hpp"
#include "sim/describe/fused_sets.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

namespace calibrate {
namespace {

constexpr sim::Time kMicrosecond{1'000'000};
constexpr sim::Measurement kInventedCost{
    .p05 = kMicrosecond, .p50 = kMicrosecond, .p95 = kMicrosecond, .samples = 1};

}  // namespace

bool is_wanted(const std::string& variant, const std::vector<std::string>& wanted) {
    return wanted.empty() ? variant != "reference"
                          : std::ranges::find(wanted, variant) != wanted.end();
}

std::vector<Candidate> candidates_on(const Device& device,
                                     int index,
                                     const sim::Model& model,
                                     const Parameters& parameters,
                                     int batch,
                                     const std::vector<std::string>& variants) {
    std::vector<Candidate> found;
    std::set<CostKey> seen;
    for (int first = 1; first < static_cast<int>(model.layers.size()); ++first) {
        std::vector<std::vector<int>> chains =
            sim::chains_from(model, first, device.longest_chain());
        std::ranges::move(
            sim::chains_of_two_results(model, first, device.longest_with_two_results()),
            std::back_inserter(chains));
        for (const std::vector<int>& layers : chains) {
            if (!fit_one_kernel(model, layers)) {
                continue;
            }
            const kernels::Chain chain = chain_of(model, parameters, layers, batch);
            const std::string text = sim::signature(model, layers);
            const std::vector<int> results =
                chain.second_result < 0
                    ? std::vector<int>{}
                    : std::vector{chain.second_result, static_cast<int>(layers.size()) - 1};
            for (const Implementation& i : device.implementations(chain)) {
                const std::string layout{kernels::name_of(i.layout)};
                CostKey key{.device = index,
                            .layers = text,
                            .batch = batch,
                            .variant = i.variant,
                            .configuration = i.configuration,
                            .in_layout = layout,
                            .out_layout = layout,
                            .results = results};
                if (is_wanted(i.variant, variants) && seen.insert(key).second) {
                    found.push_back({layers, chain, std::move(key)});
                }
            }
        }
    }
    return found;
}

FitSample features_of(const sim::Model& model, const std::vector<int>& layers, const CostKey& key) {
    const sim::TensorShape& result = model.layers[static_cast<std::size_t>(layers.back())].output;
    return {.pattern = sim::pattern(model, layers),
            .signature = key.layers,
            .device = key.device,
            .variant = key.variant,
            .configuration = key.configuration,
            .in_layout = key.in_layout,
            .out_layout = key.out_layout,
            .results = key.results,
            .features = sim::features_of(model, layers, key.batch, key.results),
            .batch = key.batch,
            .height = static_cast<int>(result.height()),
            .channels = result.channels(),
            .time_us = 0};
}

sim::Platform candidates(const sim::Model& model,
                         const Parameters& parameters,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants) {
    sim::Platform platform = empty_platform("candidates", 0);
    for (const kernels::Layout layout : kernels::kLayouts) {
        const std::string name{kernels::name_of(layout)},
            first{kernels::name_of(kernels::kLayouts[0])};
        if (name == first) {
            continue;
        }
        add_layout(platform, layout);
        for (const bool there : {true, false}) {
            platform.devices.front().conversions.push_back(
                {.from = there ? first : name,
                 .to = there ? name : first,
                 .time = {.points = {{.size = {0}, .time = {}}}, .bandwidth = {1e12}}});
        }
    }
    for (std::size_t d = 0; d < devices.size(); ++d) {
        const auto invented = [&](Direction direction) {
            std::vector<sim::TransferMode> modes;
            for (const std::string_view mode : devices[d]->modes(direction)) {
                modes.push_back({.name = std::string{mode},
                                 .time = {.points = {{.size = {0}, .time = kInventedCost}},
                                          .bandwidth = {1e12}}});
            }
            return modes;
        };
        const int index = d == 0 ? 0
                                 : add_device(platform,
                                              devices[d]->info(),
                                              {.entry = {},
                                               .up = invented(Direction::up),
                                               .down = invented(Direction::down)});
        if (devices[d]->info().converts) {
            platform.devices.back().conversions = platform.devices.front().conversions;
        }
        for (const Candidate& c :
             candidates_on(*devices[d], index, model, parameters, batch, variants)) {
            platform.measured.push_back({.layers = c.key.layers,
                                         .batch = batch,
                                         .device = index,
                                         .variant = c.key.variant,
                                         .configuration = c.key.configuration,
                                         .in_layout = c.key.in_layout,
                                         .out_layout = c.key.out_layout,
                                         .results = c.key.results,
                                         .time = kInventedCost,
                                         .where = {}});
        }
    }
    return platform;
}

sim::Platform candidates(const sim::Model& model,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants) {
    return candidates(model, load_parameters(model), batch, devices, variants);
}

sim::Platform candidates(const sim::Model& model,
                         int batch,
                         int threads,
                         const std::vector<std::string>& variants) {
    const std::unique_ptr<Device> cpu = open_cpu(threads);
    const Device* const devices[] = {cpu.get()};
    return candidates(model, batch, devices, variants);
}

}  // namespace calibrate
