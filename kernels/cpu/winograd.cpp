// Variant winograd: 3x3 convolutions of stride 1 on f32, with what follows them, by F(2x2, 3x3)
// (Lavin and Gray, arXiv 1509.09308): 16 products for each channel where the definition has 36.
// Tiles of 4x4 pixels of the input are transformed, and the weights once: then there are 16
// products of matrices, [tiles] x [channels] by [channels] x [output channels], one for each place
// in a tile, and what they give is transformed back to 2x2 pixels.
//
// Transforms add, subtract and halve: results round about as those of other variants do.

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/instruction_sets.hpp"
#include "kernels/cpu/real_pattern.hpp"
#include "kernels/cpu/winograd_loops.hpp"
#include "kernels/geometry.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace kernels::cpu {

#if defined(__x86_64__) || defined(__aarch64__)

namespace {

#if defined(__x86_64__)
constexpr auto* kInputLoop = winograd_input_avx2;
constexpr auto* kProductLoop = winograd_product_avx2;
constexpr auto* kOutputLoop = winograd_output_avx2;
constexpr auto* kLoopsSupported = avx2_supported;
constexpr std::string_view kLoopsNeed = kAvx2Needs;
#else
constexpr auto* kInputLoop = winograd_input_neon;
constexpr auto* kProductLoop = winograd_product_neon;
constexpr auto* kOutputLoop = winograd_output_neon;
constexpr bool (*kLoopsSupported)() = [] { return true; };
constexpr std::string_view kLoopsNeed = {};
#endif

constexpr int kTilesAtOnce = 48;  // so that they and their products stay in a core's cache
constexpr int kPlaces = kWinogradPlaces, kBlock = kWinogradBlock;

std::size_t size(int number) { return static_cast<std::size_t>(number); }

// What one thread works with.
struct WinogradRoom {
    Buffer<float> tiles;     // [place][tile][channel]
    Buffer<float> products;  // [place][tile][kBlock]
};

struct Winograd {
    Shape input, output;
    int top = 0, left = 0;
    Buffer<float> weights;  // [block of output channels][place][channel][kBlock]
    std::vector<float> biases, padding;
    Limits limits;
    bool adds = false;
    std::optional<Step> activation;
    mutable std::vector<WinogradRoom> rooms;  // by slice

    int blocks() const { return (output.channels + kBlock - 1) / kBlock; }
    std::size_t place_weights() const { return size(input.channels) * kBlock; }
};

// G w G^T of one channel's 3x3 weights.
std::array<double, kPlaces> transformed(const std::array<double, 9>& weights) {
    constexpr double kRows[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    std::array<double, kPlaces> result{};
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
            for (std::size_t y = 0; y < 3; ++y) {
                for (std::size_t x = 0; x < 3; ++x) {
                    result[4 * i + j] += kRows[i][y] * weights[3 * y + x] * kRows[j][x];
                }
            }
        }
    }
    return result;
}

void pack(Winograd& winograd, const Numbers& numbers) {
    const std::size_t channels = size(winograd.input.channels);
    winograd.weights = Buffer<float>(size(winograd.blocks()) * kPlaces * winograd.place_weights());
    winograd.biases.assign(size(winograd.blocks()) * kBlock, 0.0F);
    std::ranges::copy(numbers.biases, winograd.biases.begin());
    for (std::size_t o = 0; o < numbers.biases.size(); ++o) {
        float* const block =
            winograd.weights.data() + o / kBlock * kPlaces * winograd.place_weights();
        for (std::size_t c = 0; c < channels; ++c) {
            std::array<double, 9> taps{};
            for (std::size_t tap = 0; tap < taps.size(); ++tap) {
                taps[tap] = double{numbers.weights[(o * 9 + tap) * channels + c]};
            }
            const std::array<double, kPlaces> places = transformed(taps);
            for (std::size_t place = 0; place < kPlaces; ++place) {
                block[place * winograd.place_weights() + c * kBlock + o % kBlock] =
                    static_cast<float>(places[place]);
            }
        }
    }
}

// Tiles of a slice's rows in one image, row by row.
struct Tiles {
    int image, first_row, columns;

    int row(int tile) const { return first_row + tile / columns * 2; }
    int column(int tile) const { return tile % columns * 2; }
};

std::size_t pixel_at(const Shape& shape, int image, int y, int x) {
    return ((size(image) * size(shape.height) + size(y)) * size(shape.width) + size(x)) *
           size(shape.channels);
}

void transform_tile(const Winograd& winograd,
                    const Tiles& tiles,
                    int tile,
                    const float* input,
                    float* to,
                    std::ptrdiff_t stride) {
    const Shape& in = winograd.input;
    const float* pixels[kPlaces];
    for (int i = 0; i < kPlaces; ++i) {
        const int y = tiles.row(tile) - winograd.top + i / 4,
                  x = tiles.column(tile) - winograd.left + i % 4;
        const bool inside = y >= 0 && y < in.height && x >= 0 && x < in.width;
        pixels[i] = inside ? input + pixel_at(in, tiles.image, y, x) : winograd.padding.data();
    }
    kInputLoop(pixels, in.channels, to, stride);
}

// Back to pixels: channels from `channel` on, as many as the block and the slice have.
void transform_back(const Winograd& winograd,
                    const Tiles& tiles,
                    int tile,
                    const Slice& slice,
                    int channel,
                    const float* from,
                    std::ptrdiff_t stride,
                    float* output) {
    WinogradOutput job{.from = from,
                       .stride = stride,
                       .biases = winograd.biases.data() + channel,
                       .least = winograd.limits.least,
                       .most = winograd.limits.most,
                       .pixels = {},
                       .channels = std::min(kBlock, slice.channel_end - channel)};
    for (int i = 0; i < 4; ++i) {
        const int y = tiles.row(tile) + i / 2, x = tiles.column(tile) + i % 2;
        const bool wanted = y < slice.row_end && x < winograd.output.width;
        job.pixels[i] =
            wanted ? output + pixel_at(winograd.output, tiles.image, y, x) + channel : nullptr;
    }
    kOutputLoop(job);
}

void run(const Winograd& winograd, const Tensors& tensors, const Slice& slice) {
    const auto* const input = reinterpret_cast<const float*>(tensors.input);
    auto* const output = reinterpret_cast<float*>(tensors.output);
    WinogradRoom& room = winograd.rooms[size(slice.index)];
    const Shape& out = winograd.output;
    const int channels = winograd.input.channels, columns = (out.width + 1) / 2,
              all = (slice.row_end - slice.row_begin + 1) / 2 * columns;
    // As many groups as there have to be, of about the same size.
    const int groups = (all + kTilesAtOnce - 1) / kTilesAtOnce,
              at_once = (all + groups - 1) / groups;
    const auto tiles_stride = static_cast<std::ptrdiff_t>(size(at_once) * size(channels));
    const std::ptrdiff_t products_stride = std::ptrdiff_t{at_once} * kBlock;
    for (int image = slice.image_begin; image < slice.image_end; ++image) {
        const Tiles tiles{image, slice.row_begin, columns};
        for (int first = 0; first < all; first += at_once) {
            const int count = std::min(at_once, all - first);
            for (int i = 0; i < count; ++i) {
                transform_tile(winograd,
                               tiles,
                               first + i,
                               input,
                               room.tiles.data() + size(i) * size(channels),
                               tiles_stride);
            }
            for (int channel = slice.channel_begin; channel < slice.channel_end;
                 channel += kBlock) {
                const float* const weights = winograd.weights.data() + size(channel / kBlock) *
                                                                           kPlaces *
                                                                           winograd.place_weights();
                for (int place = 0; place < kPlaces; ++place) {
                    kProductLoop(room.tiles.data() + place * tiles_stride,
                                 channels,
                                 count,
                                 channels,
                                 weights + size(place) * winograd.place_weights(),
                                 room.products.data() + place * products_stride);
                }
                for (int i = 0; i < count; ++i) {
                    transform_back(winograd,
                                   tiles,
                                   first + i,
                                   slice,
                                   channel,
                                   room.products.data() + std::ptrdiff_t{i} * kBlock,
                                   products_stride,
                                   output);
                }
            }
        }
        finish(winograd.activation,
               winograd.adds,
               reinterpret_cast<const float*>(tensors.second_input),
               output,
               [&](const auto& work) {
                   for (int y = slice.row_begin; y < slice.row_end; ++y) {
                       for (int x = 0; x < out.width; ++x) {
                           work(pixel_at(out, image, y, x) + size(slice.channel_begin),
                                size(slice.channel_end - slice.channel_begin));
                       }
                   }
               });
    }
}

bool accepts(const Chain& chain) {
    try {
        const std::optional<RealPattern> pattern = real_pattern_of(chain);
        if (!pattern || chain.input.element != Element::f32) {
            return false;
        }
        const Step& step = *pattern->product;
        return step.kind == StepKind::conv2d && step.kernel_height == 3 && step.kernel_width == 3 &&
               step.stride == 1 && step.stride_of_columns() == 1 && step.groups == 1;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

Body prepare(const Chain& chain, std::span<const Slice> slices) {
    const std::optional<RealPattern> pattern = real_pattern_of(chain);
    if (!pattern) {
        throw std::logic_error("winograd: a chain that it does not accept");
    }
    auto winograd = std::make_shared<Winograd>();
    winograd->input = chain.input;
    winograd->output = output_of(chain);
    winograd->top = pattern->product->padding;
    winograd->left = pattern->product->padding_left();
    winograd->padding.assign(size(chain.input.channels), 0.0F);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::optional<Limits> limits = limits_of(*pattern);
    winograd->limits = limits.value_or(Limits{-kInfinity, kInfinity});
    winograd->adds = pattern->add != nullptr;
    if (pattern->activation != nullptr && !limits) {
        winograd->activation = *pattern->activation;
    }
    pack(*winograd, numbers_of(*pattern, 9 * size(chain.input.channels)));
    for (std::size_t i = 0; i < slices.size(); ++i) {
        winograd->rooms.push_back(
            {.tiles = Buffer<float>(size(kPlaces) * kTilesAtOnce * size(chain.input.channels)),
             .products = Buffer<float>(size(kPlaces) * kTilesAtOnce * kBlock)});
    }
    return [winograd = std::shared_ptr<const Winograd>(std::move(winograd))](
               const Tensors& tensors, const Slice& slice) { run(*winograd, tensors, slice); };
}

}  // namespace

Variant winograd_variant() {
    return {.name = "winograd",
            .summary = "f32 convolutions of 3x3 by fewer multiplications, with what follows them",
            .supported = kLoopsSupported,
            .accepts = accepts,
            .prepare = prepare,
            .longest_chain = 4,
            .for_bits = false,
            .needs = kLoopsNeed};
}

#endif

}  // namespace kernels::cpu
