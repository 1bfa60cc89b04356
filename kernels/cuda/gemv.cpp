#include "kernels/cuda/gemv.hpp"

#include "kernels/cuda/dot_plan.hpp"

#include <algorithm>

namespace kernels::cuda {
namespace {

constexpr int kMostImages = 8;

std::string name_of(const GemvTile& tile) {
    return std::to_string(tile.outputs) + "x" + std::to_string(tile.images);
}

// Rows filled up to whole quads.
std::vector<std::uint32_t> pack_weights(const DotPlan& plan, int quads) {
    const auto length = static_cast<std::size_t>(plan.shape.length);
    const auto filled = static_cast<std::size_t>(quads) * 4;
    std::vector<std::uint32_t> packed;
    for (std::size_t row = 0; row < plan.weights.size(); row += length) {
        const auto begin = plan.weights.begin() + static_cast<std::ptrdiff_t>(row);
        packed.insert(packed.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
        packed.resize(packed.size() + filled - length);
    }
    return packed;
}

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits&) {
    const Pattern pattern = pattern_of(chain);
    if (!fits(chain, pattern) || pattern.dot == nullptr || pattern.dot->kind != StepKind::linear ||
        pattern.pool != nullptr || chain.batch > kMostImages) {
        return {};
    }
    // Images must begin at whole words.
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    if (chain.input.element == Element::u8 && geometry.fan_in() % 4 != 0) {
        return {};
    }
    std::vector<std::string> names;
    for (const GemvTile& tile : kGemvTiles) {
        if (chain.batch > 1 || tile.images == 1) {
            names.push_back(name_of(tile));
        }
    }
    return names;
}

DeviceKernel prepare(const Chain& chain,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    const std::vector<std::string> offered = configurations(chain, limits);
    if (std::find(offered.begin(), offered.end(), configuration) == offered.end()) {
        refuse("gemv", configuration);
    }
    const GemvTile tile =
        *std::find_if(std::begin(kGemvTiles), std::end(kGemvTiles), [&](const GemvTile& each) {
            return name_of(each) == configuration;
        });

    const DotPlan plan = plan_dot(chain, pattern_of(chain));
    const DotShape& dot = plan.shape;
    const GemvShape shape{
        .dot = dot, .quads = (dot.length + 3) / 4, .aligned = dot.length % 4 == 0 ? 1 : 0};
    DeviceKernel kernel;
    const BufferArgument weights = add_constant(kernel, pack_weights(plan, shape.quads));
    const FinishBuffers finish = add_finish(kernel, plan);
    kernel.launches.push_back(
        launch_of(gemv_kernel(plan.element == Element::u8, tile),
                  "gemv " + configuration,
                  {.groups = {static_cast<unsigned>(dot.filled / (kGemvWarps * tile.outputs)),
                              static_cast<unsigned>((dot.batch + tile.images - 1) / tile.images)},
                   .group_size = {32 * kGemvWarps}},
                  shape,
                  kInputBuffer,
                  weights,
                  finish.table,
                  finish.thresholds,
                  finish.flips,
                  finish.second,
                  kOutputBuffer));
    return kernel;
}

}  // namespace

DeviceVariant gemv_variant() {
    return {.name = "gemv",
            .summary = "linear layers on few images: weights are read once",
            .configurations = configurations,
            .prepare = prepare};
}

}  // namespace kernels::cuda
