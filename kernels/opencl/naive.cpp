// Variant naive: naive.cl in the seven configurations of HEP-BNN: which of the images of the batch
// (x), the positions of the output (y) and its channels (z) are spread over work items.

#include "kernels/geometry.hpp"
#include "kernels/opencl/plan.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace kernels::opencl {

extern const std::string_view k_naive_cl;  // NOLINT(readability-identifier-naming): naive.cl

namespace {

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits&) {
    const std::optional<Chain> sums = sums_of(chain);
    if (!accepts(sums ? *sums : chain)) {
        return {};
    }
    return {"xyz", "yz", "xy", "xz", "z", "y", "x"};
}

std::string_view source() {
    static const std::string kText =
        std::string(k_common_cl) + std::string(k_steps_cl) + std::string(k_naive_cl);
    return kText;
}

// Of a product whose result is real; one of each, at least, where there is none.
void append_scales(DeviceKernel& kernel, const Step& product) {
    const auto channels = static_cast<std::size_t>(product.out_channels);
    std::vector<float> scales(channels, 1.0F), biases(channels, 0.0F);
    std::ranges::copy(product.scales, scales.begin());
    std::ranges::copy(product.biases, biases.begin());
    append_constant<float>(kernel, scales);
    append_constant<float>(kernel, biases);
}

DeviceKernel prepare(const Chain& given,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    if (!std::ranges::count(configurations(given, limits), configuration)) {
        throw std::invalid_argument("naive: no configuration '" + configuration + "'");
    }
    const auto names = [&](char axis) { return configuration.find(axis) != std::string::npos; };
    const Spread spread{.images = names('x'), .positions = names('y'), .channels = names('z')};
    const std::optional<Chain> sums = sums_of(given);
    const Chain& chain = sums ? *sums : given;
    const Pattern pattern = pattern_of(chain);
    if (pattern.dot == nullptr) {
        return prepare_steps(chain, pattern, source(), spread, limits);
    }

    Chain fused = chain;
    if (overlaps(pattern.pool)) {
        fused.steps.pop_back();
    }
    const Pattern fused_pattern = pattern_of(fused);
    Sizes sizes = sizes_of(fused, fused_pattern);
    if (fused_pattern.threshold == nullptr) {
        sizes.pieces = sizes.dot_channels;
    }
    if (sums) {
        sizes.result = static_cast<std::int32_t>(Element::f32);
    }

    DeviceKernel kernel;
    kernel.source = source();
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    std::vector<std::uint64_t> weights;
    const int words = geometry.kernel_height * geometry.kernel_width * geometry.input.words();
    for (int channel = 0; channel < geometry.channels; ++channel) {
        const ChannelWeights bits(geometry, *pattern.dot, channel, false);
        for (int word = 0; word < words; ++word) {
            weights.push_back(bits.word(word));
        }
    }
    append_constant<std::uint64_t>(kernel, weights);
    append_thresholds(kernel, pattern.threshold, geometry.channels);
    append_scales(kernel, sums ? given.steps.back() : Step{.out_channels = 1});

    Launch launch = spread_launch("naive", sizes, spread, limits);
    launch.arguments = {BufferArgument{Place::input, 0},
                        BufferArgument{pattern.add != nullptr ? Place::second_input : Place::input},
                        BufferArgument{Place::output, 0},
                        BufferArgument{Place::constant, 0},
                        BufferArgument{Place::constant, 1},
                        BufferArgument{Place::constant, 2},
                        BufferArgument{Place::constant, 3},
                        BufferArgument{Place::constant, 4},
                        by_value(sizes)};
    kernel.launches.push_back(std::move(launch));
    if (overlaps(pattern.pool)) {
        append_pool(kernel, chain, pattern, spread, limits);
    }
    return kernel;
}

}  // namespace

DeviceVariant naive_variant() {
    return {.name = "naive",
            .summary = "one output channel after the other, as HEP-BNN spreads them",
            .configurations = configurations,
            .prepare = prepare,
            .longest_chain = 4};
}

}  // namespace kernels::opencl
