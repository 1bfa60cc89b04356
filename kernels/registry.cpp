#include "kernels/registry.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace kernels {

// ---- The table: each variant is defined in its file in kernels/cpu/ -----------------------------

namespace cpu {
Variant reference_variant();
Variant loops_variant();
Variant onednn_variant();
Variant onednn_blocks_variant();
Variant int8_variant();
Variant scalar_variant();
#if defined(__x86_64__)
Variant winograd_variant();
Variant int8_avx2_variant();
Variant avx2_variant();
Variant avx512_variant();
#elif defined(__aarch64__)
Variant winograd_variant();
Variant int8_neon_variant();
Variant neon_variant();
Variant neon_dotprod_variant();
#endif
}  // namespace cpu

std::span<const Variant> variants() {
    static const Variant kVariants[] = {
        cpu::reference_variant(),
        cpu::loops_variant(),
#if defined(__x86_64__) || defined(__aarch64__)
        cpu::winograd_variant(),
#endif
        cpu::onednn_variant(),
        cpu::onednn_blocks_variant(),
        cpu::int8_variant(),
#if defined(__x86_64__)
        cpu::int8_avx2_variant(),
#elif defined(__aarch64__)
        cpu::int8_neon_variant(),
#endif
        cpu::scalar_variant(),
#if defined(__x86_64__)
        cpu::avx2_variant(),
        cpu::avx512_variant(),
#elif defined(__aarch64__)
        cpu::neon_variant(),
        cpu::neon_dotprod_variant(),
#endif
    };
    return kVariants;
}

const Variant* find_variant(std::string_view name) {
    for (const Variant& variant : variants()) {
        if (variant.name == name) {
            return &variant;
        }
    }
    return nullptr;
}

bool takes(const Variant& variant, const Chain& chain) {
    return (chain.second_result < 0 || variant.gives_two_results) && variant.accepts(chain);
}

namespace {

// ---- Configurations and slices --------------------------------------------------------------

// How many parts a chain's work is cut into along the images, rows and channels.
struct Split {
    int images = 1, rows = 1, channels = 1;
};

// What can be cut: images, rows of the output, 64-channel words of the output.
struct Extent {
    int images, rows, words;
};

Extent extent_of(const Chain& chain) {
    const Shape output = output_of(chain);
    return {chain.batch, output.height, output.words()};
}

constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }

// The split into exactly `threads` parts along `axes` whose largest part is smallest; the first
// axis takes more on a tie. An axis gets at least `least` parts and no more than it has.
// Returns a split of 0 parts if there is none.
Split best_split(const Extent& extent, int threads, std::string_view axes, int least) {
    const auto most = [&](char axis, int size) {
        return axes.find(axis) == std::string_view::npos ? 1 : std::min(size, threads);
    };
    const auto fewest = [&](char axis) {
        return axes.find(axis) == std::string_view::npos ? 1 : least;
    };
    Split best{0, 0, 0};
    std::int64_t best_work = INT64_MAX;
    for (int x = most('x', extent.images); x >= fewest('x'); --x) {
        if (threads % x != 0) {
            continue;
        }
        for (int y = most('y', extent.rows); y >= fewest('y'); --y) {
            if (threads / x % y != 0) {
                continue;
            }
            const int z = threads / x / y;
            if (z > most('z', extent.words) || z < fewest('z')) {
                continue;
            }
            const std::int64_t work = std::int64_t{divide_up(extent.images, x)} *
                                      divide_up(extent.rows, y) * divide_up(extent.words, z);
            if (work < best_work) {
                best_work = work;
                best = {x, y, z};
            }
        }
    }
    return best;
}

// The first element of part `index` when `size` elements are cut into `parts`.
int part_begin(int size, int index, int parts) {
    return static_cast<int>(std::int64_t{size} * index / parts);
}

void check_configuration(const Configuration& configuration) {
    std::string axes = configuration.axes;
    std::sort(axes.begin(), axes.end());
    const bool known = axes.find_first_not_of("xyz") == std::string::npos;
    const bool distinct = std::adjacent_find(axes.begin(), axes.end()) == axes.end();
    if (configuration.threads < 1 || !known || !distinct ||
        axes.empty() != (configuration.threads == 1)) {
        throw std::invalid_argument(
            "configuration '" + configuration.name() +
            "': expected 1, or a number of threads and some of the axes x, y and z, such as 2y");
    }
}

}  // namespace

std::string Configuration::name() const { return std::to_string(threads) + axes; }

std::vector<Configuration> configurations(const Chain& chain,
                                          int threads,
                                          std::string_view allowed) {
    constexpr std::array<std::string_view, 7> kAxes = {"x", "y", "z", "xy", "xz", "yz", "xyz"};
    const Extent extent = extent_of(chain);
    std::vector<Configuration> result = {{.threads = 1, .axes = ""}};
    const auto add_splits_of = [&](int count) {
        for (std::string_view axes : kAxes) {
            if (axes.find_first_not_of(allowed) == std::string_view::npos &&
                best_split(extent, count, axes, 2).images > 0) {
                result.push_back({.threads = count, .axes = std::string(axes)});
            }
        }
    };
    for (int count = 2; count < threads; count *= 2) {
        add_splits_of(count);
    }
    if (threads > 1) {
        add_splits_of(threads);
    }
    return result;
}

std::vector<Slice> slices_of(const Chain& chain, const Configuration& configuration) {
    check_configuration(configuration);
    const Extent extent = extent_of(chain);
    const int channels = output_of(chain).channels;

    // Fewer threads where the chain is too small for all of them.
    Split split;
    for (int count = configuration.threads; count > 1; --count) {
        split = best_split(extent, count, configuration.axes, 1);
        if (split.images > 0) {
            break;
        }
        split = Split{};
    }

    std::vector<Slice> slices;
    for (int x = 0; x < split.images; ++x) {
        for (int y = 0; y < split.rows; ++y) {
            for (int z = 0; z < split.channels; ++z) {
                const auto channel = [&](int index) {
                    return std::min(channels, 64 * part_begin(extent.words, index, split.channels));
                };
                slices.push_back({.image_begin = part_begin(extent.images, x, split.images),
                                  .image_end = part_begin(extent.images, x + 1, split.images),
                                  .row_begin = part_begin(extent.rows, y, split.rows),
                                  .row_end = part_begin(extent.rows, y + 1, split.rows),
                                  .channel_begin = channel(z),
                                  .channel_end = channel(z + 1),
                                  .index = static_cast<int>(slices.size())});
            }
        }
    }
    return slices;
}

// ---- Kernel ---------------------------------------------------------------------------------

namespace {

void require_parameters(const Chain& chain) {
    for (const Step& step : chain.steps) {
        const bool weighted = step.kind == StepKind::conv2d || step.kind == StepKind::linear;
        if (weighted && step.weights.empty() && step.real_weights.empty() &&
            step.byte_weights.empty()) {
            throw std::invalid_argument("kernel: a convolution or linear layer without weights");
        }
        if (step.kind == StepKind::threshold &&
            ((step.thresholds.empty() && step.limits.empty()) || step.flips.empty())) {
            throw std::invalid_argument("kernel: a threshold layer without thresholds or flips");
        }
        if (step.kind == StepKind::clip && step.limits.empty()) {
            throw std::invalid_argument("kernel: a clip without its limits");
        }
    }
}

}  // namespace

Kernel::Kernel(const Variant& variant, const Chain& chain, const Configuration& configuration) {
    (void)shapes_of(chain);  // says what is wrong, where `accepts` only says no
    require_parameters(chain);
    if (!takes(variant, chain)) {
        throw std::invalid_argument("kernel: variant '" + std::string(variant.name) +
                                    "' cannot run this chain of layers");
    }
    slices_ = slices_of(chain, configuration);
    body_ = variant.prepare(chain, slices_);
}

void Kernel::run(const Tensors& tensors, ThreadPool& pool) const {
    if (slices_.size() == 1) {
        body_(tensors, slices_[0]);
        return;
    }
    pool.run(static_cast<int>(slices_.size()),
             [&](int index) { body_(tensors, slices_[static_cast<std::size_t>(index)]); });
}

// ---- Layouts --------------------------------------------------------------------------------

namespace {

// Channels of one pixel that lie side by side in both layouts, at a time. One of them is nhwc.
void convert_blocks(const Shape& shape,
                    int batch,
                    Layout from,
                    Layout to,
                    const std::byte* source,
                    std::byte* destination) {
    if (block_of(from) > 1 && block_of(to) > 1) {
        throw std::invalid_argument("convert: blocks of one size to blocks of another");
    }
    const bool into_blocks = block_of(to) > 1;
    const auto block = static_cast<std::size_t>(std::max(block_of(from), block_of(to))),
               channels = static_cast<std::size_t>(shape.channels),
               images = static_cast<std::size_t>(batch),
               pixels =
                   static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width),
               blocks = (channels + block - 1) / block;
    const auto* in = reinterpret_cast<const float*>(source);
    auto* out = reinterpret_cast<float*>(destination);
    for (std::size_t image = 0; image < images; ++image) {
        for (std::size_t b = 0; b < blocks; ++b) {
            const std::size_t count = std::min(block, channels - b * block);
            for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
                const std::size_t in_block = ((image * blocks + b) * pixels + pixel) * block,
                                  in_pixel = (image * pixels + pixel) * channels + b * block;
                if (!into_blocks) {
                    std::copy_n(in + in_block, count, out + in_pixel);
                    continue;
                }
                float* const end = std::copy_n(in + in_pixel, count, out + in_block);
                std::fill_n(end, block - count, 0.0F);
            }
        }
    }
}

}  // namespace

void convert(const Shape& shape,
             int batch,
             Layout from,
             Layout to,
             const std::byte* source,
             std::byte* destination) {
    if (shape.element == Element::f32 && block_of(from) != block_of(to)) {
        convert_blocks(shape, batch, from, to, source, destination);
        return;
    }
    if (shape.element != Element::binary || (from == Layout::plain) == (to == Layout::plain)) {
        std::memcpy(destination, source, tensor_bytes(shape, from, batch));
        return;
    }
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    const auto channels = static_cast<std::size_t>(shape.channels);
    constexpr std::uint64_t kLowBits = 0x0101010101010101;

    if (to == Layout::plain) {
        // Eight bits become eight bytes: copy the byte eight times, keep bit i in byte i, move it
        // to the byte's lowest place, and map 0 and 1 to -1 and +1 (2 b - 1 is b | (b - 1) here).
        const std::size_t words = (channels + 63) / 64;
        for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
            for (std::size_t channel = 0; channel < channels; channel += 8) {
                std::uint8_t bits;
                std::memcpy(&bits, source + pixel * words * 8 + channel / 8, 1);
                const std::uint64_t spread = bits * kLowBits & 0x8040201008040201;
                const std::uint64_t ones = (spread + 0x7f7f7f7f7f7f7f7f) | spread;
                const std::uint64_t bit = ones >> 7 & kLowBits;
                const std::uint64_t values = bit | (kLowBits - bit) * 0xff;
                std::memcpy(destination + pixel * channels + channel,
                            &values,
                            std::min<std::size_t>(8, channels - channel));
            }
        }
        return;
    }

    // Eight bytes of +1 or -1 become eight bits: the sign of each, gathered by a multiplication.
    const std::size_t words = (channels + 63) / 64;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        for (std::size_t word = 0; word < words; ++word) {
            std::uint64_t packed = 0;
            for (std::size_t byte = 0; byte < 8; ++byte) {
                const std::size_t channel = word * 64 + byte * 8;
                if (channel >= channels) {
                    break;
                }
                std::uint64_t values = ~std::uint64_t{0};  // -1 where there is no channel
                std::memcpy(&values,
                            source + pixel * channels + channel,
                            std::min<std::size_t>(8, channels - channel));
                const std::uint64_t bits = ~values >> 7 & kLowBits;
                packed |= (bits * 0x0102040810204080 >> 56) << (8 * byte);
            }
            std::memcpy(destination + (pixel * words + word) * 8, &packed, 8);
        }
    }
}

}  // namespace kernels
