#include "kernels/cuda/popc.hpp"

#include "kernels/cuda/dot_plan.hpp"
#include "kernels/cuda/elementwise.hpp"

#include <algorithm>
#include <array>

namespace kernels::cuda {
namespace {

std::size_t size(int count) { return static_cast<std::size_t>(count); }

std::string name_of(const PopcTile& tile) {
    return std::to_string(tile.pixels) + "x" + std::to_string(tile.blocks);
}

int quads_of(const DotShape& dot) { return (dot.length + 3) / 4; }

// [block of 32 channels][quad][lane], four words each.
std::vector<std::uint32_t> pack_weights(const DotPlan& plan) {
    const int quads = quads_of(plan.shape);
    std::vector<std::uint32_t> packed(size(plan.shape.filled) * size(quads) * 4, 0);
    for (int channel = 0; channel < plan.shape.filled; ++channel) {
        for (int word = 0; word < plan.shape.length; ++word) {
            const std::size_t quad = size(channel / 32) * size(quads) + size(word / 4);
            packed[(quad * 32 + size(channel % 32)) * 4 + size(word % 4)] =
                plan.weights[size(channel) * size(plan.shape.length) + size(word)];
        }
    }
    return packed;
}

// In the order of the weights, filled up with taps that are nowhere.
std::vector<PopcTap> taps_of(const DotPlan& plan) {
    const DotShape& dot = plan.shape;
    const bool bytes = plan.element == Element::u8;
    std::vector<PopcTap> taps;
    for (int y = 0; y < dot.kernel_height; ++y) {
        for (int x = 0; x < dot.kernel_width; ++x) {
            for (int i = 0; i < dot.input_pixel; ++i) {
                const int ones = std::clamp(dot.padded_channels - 32 * i, 0, 32);
                const auto padded = static_cast<unsigned>((std::uint64_t{1} << ones) - 1);
                taps.push_back({.y = y,
                                .x = x,
                                .offset = (y * dot.input_width + x) * dot.input_pixel + i,
                                .padded = !bytes                    ? padded
                                          : dot.padded_channels > 0 ? 1u
                                                                    : 0u});
            }
        }
    }
    constexpr int kNowhere = 1 << 29;
    taps.resize(size(quads_of(dot)) * (bytes ? 16 : 4), {kNowhere, kNowhere, 0, 0});
    return taps;
}

bool is_2x2(const Step& pool) {
    return pool.kernel_height == 2 && pool.kernel_width == 2 && pool.stride == 2 &&
           pool.padding == 0;
}

// More pooled than there are warps' pixels: then another launch pools.
bool is_fused(const Pattern& pattern, const PopcTile& tile) {
    return pattern.pool != nullptr && is_2x2(*pattern.pool) && tile.pixels % 4 == 0;
}

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits& limits) {
    const Pattern pattern = pattern_of(chain);
    if (!fits(chain, pattern)) {
        return {};
    }
    if (pattern.dot == nullptr) {
        return {"elementwise"};
    }

    // The largest tile that gives every multiprocessor two blocks goes first.
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    const std::int64_t pixels = std::int64_t{chain.batch} * geometry.height * geometry.width;
    std::vector<std::string> names;
    std::vector<std::string> too_large;
    for (const PopcTile& tile : kPopcTiles) {
        const std::int64_t blocks =
            (pixels + kPopcWarps * tile.pixels - 1) / (kPopcWarps * tile.pixels) *
            ((geometry.channels + 32 * tile.blocks - 1) / (32 * tile.blocks));
        const bool enough = blocks >= 2 * std::int64_t{limits.compute_units};
        (enough ? names : too_large).push_back(name_of(tile));
    }
    names.insert(names.end(), too_large.rbegin(), too_large.rend());
    return names;
}

DeviceKernel prepare(const Chain& chain,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    const std::vector<std::string> offered = configurations(chain, limits);
    if (std::find(offered.begin(), offered.end(), configuration) == offered.end()) {
        refuse("popc", configuration);
    }
    const Pattern pattern = pattern_of(chain);
    if (pattern.dot == nullptr) {
        return elementwise_prepare(chain);
    }
    const PopcTile tile =
        *std::find_if(std::begin(kPopcTiles), std::end(kPopcTiles), [&](const auto& each) {
            return name_of(each) == configuration;
        });

    const DotPlan plan = plan_dot(chain, pattern);
    const DotShape& dot = plan.shape;
    const bool fused = is_fused(pattern, tile);
    const PopcShape shape{.dot = dot,
                          .rows = fused ? dot.height / 2 : dot.height,
                          .columns = fused ? dot.width / 2 : dot.width,
                          .pooled = fused ? 1 : 0,
                          .quads = quads_of(dot),
                          .channel_blocks = dot.filled / 32};
    const int pixels = dot.batch * shape.rows * shape.columns * (fused ? 4 : 1);
    const int tile_pixels = kPopcWarps * tile.pixels;

    DeviceKernel kernel;
    const BufferArgument weights = add_constant(kernel, pack_weights(plan));
    const BufferArgument taps = add_constant(kernel, taps_of(plan));
    const FinishBuffers finish = add_finish(kernel, plan);
    const bool then_pooled = pattern.pool != nullptr && !fused;
    const Shape before_pool{dot.height, dot.width, dot.channels, Element::binary};
    const BufferArgument output =
        then_pooled ? add_scratch(kernel, tensor_bytes(before_pool, Layout::nhwc, chain.batch))
                    : kOutputBuffer;
    kernel.launches.push_back(launch_of(
        popc_kernel(plan.element == Element::u8, tile),
        "popc " + configuration,
        {.groups = {static_cast<unsigned>((pixels + tile_pixels - 1) / tile_pixels),
                    static_cast<unsigned>((shape.channel_blocks + tile.blocks - 1) / tile.blocks)},
         .group_size = {32 * kPopcWarps}},
        shape,
        kInputBuffer,
        weights,
        taps,
        finish.table,
        finish.of_position,
        finish.thresholds,
        finish.flips,
        finish.second,
        output));
    if (then_pooled) {
        kernel.launches.push_back(
            pool_launch(*pattern.pool, before_pool, chain.batch, output, kOutputBuffer));
    }
    return kernel;
}

}  // namespace

DeviceVariant popc_variant() {
    return {.name = "popc",
            .summary = "popcounts in register tiles of pixels x channels",
            .configurations = configurations,
            .prepare = prepare};
}

}  // namespace kernels::cuda
