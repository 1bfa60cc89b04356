// Variant popc: popc.cl with its weights and tables. In configuration "4x64" each work item does 4
// positions, and a group has 64 work items: those that are neighbours share the input. Large groups
// suit GPUs, small ones CPUs. "-adders": see popc.cl.

#include "kernels/geometry.hpp"
#include "kernels/opencl/plan.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace kernels::opencl {

extern const std::string_view k_popc_cl;  // NOLINT(readability-identifier-naming): popc.cl

namespace {

struct Shaping {
    std::string_view name;
    int positions;
    unsigned group;
    bool adders;
};

constexpr Shaping kShapings[] = {{"4x8-adders", 4, 8, true},
                                 {"1x8-adders", 1, 8, true},
                                 {"4x64", 4, 64, false},
                                 {"1x64", 1, 64, false},
                                 {"4x64-adders", 4, 64, true}};

bool offers(const Shaping& shaping,
            const Chain& chain,
            const Pattern& pattern,
            const DeviceLimits& limits) {
    if (group_size(shaping.group, limits) != shaping.group) {
        return false;
    }
    if (pattern.dot == nullptr) {  // nothing but a grid
        return shaping.name == "1x64";
    }
    if (shaping.adders && chain.input.element != Element::binary) {
        return false;
    }
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    const std::int64_t outputs = std::int64_t{geometry.height} * geometry.width;
    const std::int64_t classes_of_axis = 2 * std::int64_t{geometry.padding} + 1;
    const std::int64_t classes = std::min(outputs, classes_of_axis * classes_of_axis);
    const std::int64_t largest = std::max<std::int64_t>(geometry.fan_in(), geometry.channels + 8);
    return fits(static_cast<std::uint64_t>(classes * largest) * sizeof(std::int32_t)) &&
           chain.batch * outputs >= shaping.positions;
}

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits& limits) {
    std::vector<std::string> names;
    if (accepts(chain)) {
        const Pattern pattern = pattern_of(chain);
        for (const Shaping& shaping : kShapings) {
            if (offers(shaping, chain, pattern, limits)) {
                names.emplace_back(shaping.name);
            }
        }
    }
    return names;
}

std::string_view source() {
    static const std::string kText =
        std::string(k_common_cl) + std::string(k_steps_cl) + std::string(k_popc_cl);
    return kText;
}

// Words of eight channels side by side: (block, ky, kx, word, channel). Channels that fill up the
// last block have no bits.
std::vector<std::uint64_t> pack_words(const DotGeometry& geometry, const Step& step) {
    const auto words = static_cast<std::size_t>(geometry.kernel_height * geometry.kernel_width *
                                                geometry.input.words());
    const auto channels = static_cast<std::size_t>(geometry.channels);
    std::vector<std::uint64_t> packed((channels + 7) / 8 * 8 * words);
    for (std::size_t channel = 0; channel < channels; ++channel) {
        const ChannelWeights bits(geometry, step, static_cast<int>(channel), false);
        for (std::size_t word = 0; word < words; ++word) {
            packed[(channel / 8 * words + word) * 8 + channel % 8] =
                bits.word(static_cast<int>(word));
        }
    }
    return packed;
}

// +1 and -1, eight channels side by side: (block, ky, kx, input channel, channel).
std::vector<std::int8_t> pack_bytes(const DotGeometry& geometry, const Step& step) {
    const auto fan_in = static_cast<std::size_t>(geometry.fan_in());
    const auto channels = static_cast<std::size_t>(geometry.channels);
    const auto per_pixel = static_cast<std::size_t>(geometry.input.channels);
    std::vector<std::int8_t> packed((channels + 7) / 8 * 8 * fan_in);
    for (std::size_t channel = 0; channel < channels; ++channel) {
        const ChannelWeights weights(geometry, step, static_cast<int>(channel), false);
        for (std::size_t i = 0; i < fan_in; ++i) {
            packed[(channel / 8 * fan_in + i) * 8 + channel % 8] = static_cast<std::int8_t>(
                weights.weight(static_cast<int>(i / per_pixel), static_cast<int>(i % per_pixel)));
        }
    }
    return packed;
}

// The border classes of all positions that see any padding, whatever its value.
Borders all_borders(DotGeometry geometry) {
    geometry.pad_value = geometry.input.element == Element::binary ? 0 : -1;
    return borders_of(geometry);
}

// Where the elements of a window lie, from its beginning, and -1 for those outside the image, by
// (border class, ky, kx, element of a pixel).
std::vector<std::int32_t> taps_of(const DotGeometry& geometry, const Borders& borders) {
    const Shape& input = geometry.input;
    const int elements = input.element == Element::binary ? input.words() : input.channels;
    std::vector<std::int32_t> taps;
    for (const Border& border : borders.classes) {
        for (int ky = 0; ky < geometry.kernel_height; ++ky) {
            for (int kx = 0; kx < geometry.kernel_width; ++kx) {
                const bool inside = ky >= border.ky_begin && ky < border.ky_end &&
                                    kx >= border.kx_begin && kx < border.kx_end;
                for (int i = 0; i < elements; ++i) {
                    taps.push_back(inside ? (ky * input.width + kx) * elements + i : -1);
                }
            }
        }
    }
    return taps;
}

// What sums begin with, by (border class, channel): of bits, the sum where none differ. Where
// padding is what the packed input cannot hold, bits of padding count for -1, bytes for 0.
std::vector<std::int32_t> bases_of(const DotGeometry& geometry,
                                   const Step& step,
                                   const Borders& borders) {
    const bool binary = geometry.input.element == Element::binary;
    const bool corrected = geometry.pad_value == (binary ? 0 : -1);
    const auto channels = static_cast<std::size_t>(geometry.channels);
    const std::size_t filled = (channels + 7) / 8 * 8;
    std::vector<std::int32_t> bases(filled * borders.classes.size());
    for (std::size_t channel = 0; channel < channels; ++channel) {
        const ChannelWeights weights(geometry, step, static_cast<int>(channel), false);
        for (std::size_t border = 0; border < borders.classes.size(); ++border) {
            const std::int64_t padded =
                corrected ? padded_sum(geometry, weights, borders.classes[border]) : 0;
            bases[border * filled + channel] =
                static_cast<std::int32_t>(binary ? geometry.fan_in() + padded : -padded);
        }
    }
    return bases;
}

DeviceKernel prepare(const Chain& chain,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    const auto* const shaping = std::ranges::find(kShapings, configuration, &Shaping::name);
    if (!std::ranges::count(configurations(chain, limits), configuration)) {
        throw std::invalid_argument("popc: no configuration '" + configuration + "'");
    }
    constexpr Spread kAll{.images = true, .positions = true, .channels = true};
    const Pattern pattern = pattern_of(chain);
    const bool bytes = pattern.dot != nullptr && chain.input.element == Element::u8;
    const bool pads_ones = pattern.dot != nullptr && pattern.dot->pad_value == 1;
    std::string options = "-DPOSITIONS=" + std::to_string(shaping->positions);
    for (const auto& [name, value] : {std::pair{"BYTES", bytes},
                                      {"ADDERS", shaping->adders},
                                      {"NARROW", shaping->group > 8},
                                      {"PAD_ONES", pads_ones}}) {
        options += std::string(" -D") + name + (value ? "=1" : "=0");
    }
    if (pattern.dot == nullptr) {
        DeviceKernel kernel = prepare_steps(chain, pattern, source(), kAll, limits);
        kernel.options = options;
        return kernel;
    }

    // 1. What one launch does: everything but a pool whose windows overlap.
    Chain fused = chain;
    if (overlaps(pattern.pool)) {
        fused.steps.pop_back();
    }
    const Pattern fused_pattern = pattern_of(fused);
    Sizes sizes = sizes_of(fused, fused_pattern);

    // 2. Constants, in the order of the kernel's arguments.
    DeviceKernel kernel;
    kernel.source = source();
    kernel.options = options;
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    const Borders borders = all_borders(geometry);
    const Border interior{0, geometry.kernel_height, 0, geometry.kernel_width};
    const auto found = std::ranges::find(borders.classes, interior);
    if (found != borders.classes.end()) {
        sizes.interior = static_cast<std::int32_t>(found - borders.classes.begin());
    }
    if (bytes) {
        append_constant<std::int8_t>(kernel, pack_bytes(geometry, *pattern.dot));
    } else {
        append_constant<std::uint64_t>(kernel, pack_words(geometry, *pattern.dot));
    }
    append_constant<std::int32_t>(kernel, borders.of_position);
    append_constant<std::int32_t>(kernel, taps_of(geometry, borders));
    append_constant<std::int32_t>(kernel, bases_of(geometry, *pattern.dot, borders));
    append_thresholds(kernel, pattern.threshold, geometry.channels);

    // 3. Launches.
    const bool pools = fused_pattern.pool != nullptr;
    const std::int64_t outputs = std::int64_t{sizes.batch} * sizes.out_height * sizes.out_width;
    const std::int64_t tiles =
        pools ? outputs : (outputs + shaping->positions - 1) / shaping->positions;
    Launch launch;
    launch.name = pools ? "popc_pool" : "popc";
    launch.group_size[0] = shaping->group;
    launch.groups[0] =
        static_cast<unsigned>((tiles * sizes.pieces + shaping->group - 1) / shaping->group);
    launch.arguments = {BufferArgument{Place::input, 0},
                        BufferArgument{pattern.add != nullptr ? Place::second_input : Place::input},
                        BufferArgument{Place::output, 0}};
    for (int constant = 0; constant < 6; ++constant) {
        launch.arguments.emplace_back(BufferArgument{Place::constant, constant});
    }
    launch.arguments.push_back(by_value(sizes));
    kernel.launches.push_back(std::move(launch));
    if (overlaps(pattern.pool)) {
        append_pool(kernel, chain, pattern, kAll, limits);
    }
    return kernel;
}

}  // namespace

DeviceVariant popc_variant() {
    return {.name = "popc",
            .summary = "exclusive or and population count, eight channels at a time",
            .configurations = configurations,
            .prepare = prepare,
            .longest_chain = 4};
}

}  // namespace kernels::opencl
