#include "kernels/cuda/tensor_core_plan.hpp"

#include <algorithm>
#include <bit>

namespace kernels::cuda {
namespace {

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

// The code of a tap has bit ky and bit 15 + kx, if windows can reach over the border; that of a
// word behind the last tap has kBehind, which is outside everywhere.
constexpr int kLongestPadded = 15;
constexpr std::uint32_t kBehind = 1u << 30;

// One 8-byte word of a window after the other.
struct Words {
    int in_run = 0;  // words of a run: a pixel's bits, or a row of pixels
    int runs = 0;
    int run_bytes = 0;  // pixels: that are there
    int count() const { return in_run * runs; }
};

Words words_of(const DotGeometry& geometry, Multiply multiply) {
    if (multiply != Multiply::pixels) {
        return {geometry.input.words(), geometry.kernel_height * geometry.kernel_width, 0};
    }
    int bytes = geometry.kernel_width * geometry.input.channels, runs = geometry.kernel_height;
    if (geometry.padding == 0 && geometry.kernel_width == geometry.input.width) {
        bytes *= runs;  // rows of the window are neighbours
        runs = 1;
    }
    return {(bytes + 7) / 8, runs, bytes};
}

std::vector<std::uint32_t> pack_weights(const DotGeometry& geometry,
                                        const DotRequest& request,
                                        const Words& words,
                                        const DotUnit& unit,
                                        const Folded* folded) {
    // One step more, for the loads that run ahead.
    std::vector<std::uint32_t> packed((size(unit.groups) * size(unit.steps) + 1) * 512);
    const int channels = geometry.input.channels;
    for (int channel = 0; channel < geometry.channels; ++channel) {
        const ChannelWeights weights(
            geometry, *request.dot, channel, folded != nullptr && folded->flipped[size(channel)]);
        const Row place = row_of(channel);
        for (int word = 0; word < words.count(); ++word) {
            std::uint64_t bits = 0;
            if (request.multiply == Multiply::pixels) {
                for (int byte = 0; byte < 8; ++byte) {
                    const int in_run = word % words.in_run * 8 + byte;
                    const int element = word / words.in_run * words.run_bytes + in_run;
                    if (in_run < words.run_bytes) {
                        bits |= std::uint64_t{static_cast<std::uint8_t>(
                                    weights.weight(element / channels, element % channels))}
                                << (8 * byte);
                    }
                }
            } else {
                bits = weights.word(word);
            }
            const std::size_t step = size(channel / 64) * size(unit.steps) + size(word / 4);
            const std::size_t lane = size(place.row % 8 * 4 + word % 4);
            const std::size_t at =
                ((step * 4 + size(place.tile)) * 32 + lane) * 4 + size(place.row / 8);
            packed[at] = static_cast<std::uint32_t>(bits);
            packed[at + 2] = static_cast<std::uint32_t>(bits >> 32);
        }
    }
    return packed;
}

std::vector<std::int32_t> pack_taps(const DotGeometry& geometry,
                                    const DotRequest& request,
                                    const Words& words,
                                    const DotUnit& unit) {
    std::vector<std::int32_t> taps;
    for (int word = 0; word < 4 * (unit.steps + 2); ++word) {
        const int run = word / words.in_run, in_run = word % words.in_run;
        if (word >= words.count()) {
            taps.insert(taps.end(), {0, static_cast<std::int32_t>(kBehind)});
        } else if (request.multiply == Multiply::pixels) {
            taps.insert(taps.end(),
                        {run * geometry.input.width * geometry.input.channels + 8 * in_run, 0});
        } else {
            const int ky = run / geometry.kernel_width, kx = run % geometry.kernel_width;
            const std::uint32_t code =
                geometry.padding == 0 ? 0 : 1u << ky | 1u << (kLongestPadded + kx);
            taps.insert(taps.end(),
                        {(ky * geometry.input.width + kx) * words.in_run + in_run,
                         static_cast<std::int32_t>(code)});
        }
    }
    return taps;
}

std::vector<std::int32_t> pack_positions(const DotGeometry& geometry,
                                         const DotRequest& request,
                                         const Borders& borders,
                                         const Shape& output) {
    const int pixel =
        request.multiply == Multiply::pixels ? geometry.input.channels : geometry.input.words();
    const int pool = request.pool != nullptr ? 2 : 1;
    std::vector<std::int32_t> positions;
    for (int item = 0; item < output.height * output.width; ++item) {
        for (int part = 0; part < pool * pool; ++part) {
            const int y = item / output.width * pool + part / 2;
            const int x = item % output.width * pool + part % 2;
            const int row = y * geometry.stride - geometry.padding;
            const int column = x * geometry.stride - geometry.padding;
            positions.insert(positions.end(),
                             {(row * geometry.input.width + column) * pixel,
                              borders.of_position[size(y * geometry.width + x)]});
        }
    }
    return positions;
}

std::vector<std::uint32_t> pack_outside(const DotGeometry& geometry, const Borders& borders) {
    std::vector<std::uint32_t> outside;
    for (const Border& border : borders.classes) {
        std::uint32_t codes = kBehind;
        if (geometry.padding > 0) {
            for (int ky = 0; ky < geometry.kernel_height; ++ky) {
                if (ky < border.ky_begin || ky >= border.ky_end) {
                    codes |= 1u << ky;
                }
            }
            for (int kx = 0; kx < geometry.kernel_width; ++kx) {
                if (kx < border.kx_begin || kx >= border.kx_end) {
                    codes |= 1u << (kLongestPadded + kx);
                }
            }
        }
        outside.push_back(codes);
    }
    return outside;
}

// Pixels: which bytes of each word are inside the image.
std::vector<std::uint64_t> pack_masks(const DotGeometry& geometry,
                                      const Words& words,
                                      const Borders& borders,
                                      const DotUnit& unit) {
    std::vector<std::uint64_t> masks;
    for (const Border& border : borders.classes) {
        for (int word = 0; word < unit.mask_row; ++word) {
            std::uint64_t mask = 0;
            for (int byte = 0; byte < 8 && word < words.count(); ++byte) {
                const int in_run = word % words.in_run * 8 + byte;
                const int element = word / words.in_run * words.run_bytes + in_run;
                const int pixel = element / geometry.input.channels;
                const int ky = pixel / geometry.kernel_width, kx = pixel % geometry.kernel_width;
                if (in_run < words.run_bytes && ky >= border.ky_begin && ky < border.ky_end &&
                    kx >= border.kx_begin && kx < border.kx_end) {
                    mask |= std::uint64_t{0xff} << (8 * byte);
                }
            }
            masks.push_back(mask);
        }
    }
    return masks;
}

std::int64_t ones_of(const ChannelWeights& weights, const Words& words) {
    std::int64_t ones = 0;
    for (int word = 0; word < words.count(); ++word) {
        ones += std::popcount(weights.word(word));
    }
    return ones;
}

// Bases, or limits: dot >= t is scale u <= base - t, that is u - floor((base - t) / scale) - 1 < 0.
std::vector<std::int32_t> pack_table(const DotGeometry& geometry,
                                     const DotRequest& request,
                                     const Words& words,
                                     const Borders& borders,
                                     const DotUnit& unit,
                                     const Folded* folded) {
    constexpr std::int64_t kFar = std::int64_t{1} << 30;  // from every u
    const std::size_t row = size(unit.groups) * 64;
    std::vector<std::int32_t> table(borders.classes.size() * row,
                                    folded != nullptr ? std::int32_t{kFar} : 0);
    for (int channel = 0; channel < geometry.channels; ++channel) {
        const ChannelWeights weights(
            geometry, *request.dot, channel, folded != nullptr && folded->flipped[size(channel)]);
        // Bits of padding count as -1, bytes as 0.
        std::int64_t all = 0, correction = geometry.pad_value;
        if (request.multiply != Multiply::pixels) {
            all = geometry.fan_in();
            if (request.multiply != Multiply::bit_xor) {
                all -= 2 * ones_of(weights, words);
            }
            correction += 1;
        }
        for (std::size_t border = 0; border < borders.classes.size(); ++border) {
            std::int64_t value = all;
            if (correction != 0) {
                value += correction * padded_sum(geometry, weights, borders.classes[border]);
            }
            if (folded != nullptr) {
                const std::int64_t slack = value - folded->thresholds[size(channel)];
                value = -(unit.scale == 2 ? slack >> 1 : slack) - 1;
                value = std::clamp(value, -kFar, kFar);
            }
            table[border * row + size(channel)] = static_cast<std::int32_t>(value);
        }
    }
    return table;
}

}  // namespace

bool fits_pool(const Step& pool) {
    return pool.kernel_height == 2 && pool.kernel_width == 2 && pool.stride == 2 &&
           pool.padding == 0;
}

Row row_of(int channel) {
    const int c = channel % 64;
    return {c % 8 / 2, c / 8 + c % 2 * 8};
}

Complemented complemented(const Step& threshold, int channels) {
    const std::size_t filled = size((channels + 63) / 64) * 64;
    Complemented result{std::vector<std::int32_t>(filled, INT32_MAX),
                        std::vector<std::int32_t>(filled, 0)};
    for (std::size_t c = 0; c < size(channels); ++c) {
        result.flips[c] = bit_of(threshold.flips, c) ? -1 : 0;
        result.thresholds[c] = threshold.thresholds[c] ^ result.flips[c];
    }
    return result;
}

bool fits_unit(const DotRequest& request) {
    const DotGeometry geometry = geometry_of(*request.dot, request.input);
    const bool pixels = request.multiply == Multiply::pixels;
    constexpr std::int64_t kMost = std::int64_t{1} << 30;
    const std::int64_t inputs = std::int64_t{request.batch} * request.input.height *
                                request.input.width *
                                (pixels ? request.input.channels : request.input.words());
    const std::int64_t positions = std::int64_t{request.batch} * geometry.height * geometry.width;
    const std::int64_t groups = (geometry.channels + 63) / 64;
    return (request.input.element == Element::u8) == pixels &&
           (request.input.element == Element::binary) == !pixels &&
           (pixels || geometry.padding == 0 ||
            std::max(geometry.kernel_height, geometry.kernel_width) <= kLongestPadded) &&
           (request.pool == nullptr ||
            (fits_pool(*request.pool) && request.threshold != nullptr && !request.sums)) &&
           geometry.fan_in() * (pixels ? 256 : 2) < (kMost >> 2) && inputs < kMost &&
           positions * 2 < kMost && groups * (geometry.fan_in() + 512) * 8 < kMost;
}

DotUnit append_unit(std::vector<std::byte>& constant, const DotRequest& request) {
    const DotGeometry geometry = geometry_of(*request.dot, request.input);
    const bool pixels = request.multiply == Multiply::pixels;
    const Words words = words_of(geometry, request.multiply);

    // 1. Sizes.
    Shape output{geometry.height, geometry.width, geometry.channels, Element::binary};
    if (request.pool != nullptr) {
        output.height /= 2;
        output.width /= 2;
    }
    const int input_pixels = request.input.height * request.input.width;
    DotUnit unit{};
    unit.items = output.height * output.width;
    unit.pixels = unit.items * request.batch;
    // Granlund and Montgomery, Division by Invariant Integers using Multiplication, figure 4.1.
    const auto items = static_cast<std::uint64_t>(unit.items);
    unit.items_shift = static_cast<int>(std::bit_width(items - 1));
    unit.items_factor =
        static_cast<unsigned>((((std::uint64_t{1} << unit.items_shift) - items) << 32) / items + 1);
    unit.image = input_pixels * (pixels ? request.input.channels : request.input.words());
    unit.last = static_cast<int>(tensor_bytes(request.input, Layout::nhwc, request.batch) / 4) - 1;
    unit.channels = geometry.channels;
    unit.groups = (geometry.channels + 63) / 64;
    unit.steps = (words.count() + 3) / 4;
    unit.scale = pixels ? 1 : 2;
    unit.pooled = request.pool != nullptr ? 1 : 0;
    unit.width = geometry.width;
    unit.height = geometry.height;
    unit.pooled_width = output.width;
    unit.has_second = request.add ? 1 : 0;
    unit.has_sums = request.sums || request.threshold == nullptr ? 1 : 0;
    unit.has_limits = unit.has_second == 0 && unit.has_sums == 0 ? 1 : 0;
    unit.has_thresholds = unit.has_limits == 0 && request.threshold != nullptr ? 1 : 0;
    unit.mask_row = 4 * (unit.steps + 2);

    // 2. Every position that sees padding is in a class of its own kind, whatever padding counts.
    DotGeometry corrected = geometry;
    corrected.pad_value = pixels ? -1 : 0;
    const Borders borders = borders_of(corrected);

    // 3. Tables.
    Folded folded;
    const Folded* limits = nullptr;
    if (unit.has_limits != 0) {
        folded = fold(*request.threshold);
        limits = &folded;
    }
    unit.weights = append(constant, pack_weights(geometry, request, words, unit, limits));
    unit.taps = append(constant, pack_taps(geometry, request, words, unit));
    unit.positions = append(constant, pack_positions(geometry, request, borders, output));
    if (pixels) {
        unit.masks = append(constant, pack_masks(geometry, words, borders, unit));
    } else {
        unit.outside = append(constant, pack_outside(geometry, borders));
    }
    unit.table = append(constant, pack_table(geometry, request, words, borders, unit, limits));
    if (unit.has_thresholds != 0) {
        const auto [thresholds, flips] = complemented(*request.threshold, unit.channels);
        unit.thresholds = append(constant, thresholds);
        unit.flips = append(constant, flips);
    }
    return unit;
}

std::string DotDivision::name() const {
    return std::to_string(8 * tiles) + "x64" + (warps_k > 1 ? "k" + std::to_string(warps_k) : "");
}

int steps_of(const DotRequest& request) {
    return (words_of(geometry_of(*request.dot, request.input), request.multiply).count() + 3) / 4;
}

int position_tiles(const DotUnit& unit) {
    return unit.pooled != 0 ? (unit.pixels + 3) / 4 * 2 : (unit.pixels + 7) / 8;
}

void divide(DotUnit& unit, const DotDivision& division, int warps) {
    const int others = std::max(1, warps / division.warps_k);
    const int wanted = (position_tiles(unit) + division.tiles - 1) / division.tiles;
    unit.warps_k = division.warps_k;
    unit.warps_m = division.tiles == 8 && unit.groups >= 2 && others >= 2 ? others / 2 : others;
    while (unit.warps_m / 2 >= wanted) {
        unit.warps_m /= 2;
    }
    unit.warps_n = others / unit.warps_m;
    unit.shift_m = std::countr_zero(static_cast<unsigned>(unit.warps_m));
    unit.shift_k = std::countr_zero(static_cast<unsigned>(unit.warps_k));
    unit.blocks_m = (wanted + unit.warps_m - 1) / unit.warps_m;
    unit.blocks_n = (unit.groups + unit.warps_n - 1) / unit.warps_n;
}

unsigned warps_of(const DotUnit& unit) {
    return static_cast<unsigned>(unit.warps_m * unit.warps_n * unit.warps_k);
}

unsigned shared_bytes_of(const DotUnit& unit) {
    return unit.has_limits != 0 && unit.warps_k == 1 ? 0 : warps_of(unit) * 4096;
}

std::vector<DotDivision> divisions_of(const DotUnit& unit, int most_tiles, int compute_units) {
    struct Candidate {
        DotDivision division;
        int score;
    };
    const std::int64_t wanted = std::int64_t{8} * compute_units;
    std::vector<Candidate> candidates;
    for (int tiles = most_tiles; tiles >= 2; tiles /= 2) {
        for (const int warps_k : {1, 4, 8}) {
            const std::int64_t alone =
                std::int64_t{(position_tiles(unit) + tiles - 1) / tiles} * unit.groups;
            const bool too_large = tiles > 2 && position_tiles(unit) < tiles;
            const bool too_many = warps_k > 1 && (alone >= wanted || unit.steps < 2 * warps_k ||
                                                  tiles * warps_k > 16);
            if (too_large || too_many) {
                continue;
            }
            const int filled = static_cast<int>(std::min(wanted, alone * warps_k) * 100 / wanted);
            const int efficiency = (tiles == 8 ? 100 : tiles == 4 ? 80 : 50) - 2 * warps_k;
            candidates.push_back({{tiles, warps_k}, filled * efficiency});
        }
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
        return a.score > b.score;
    });
    std::vector<DotDivision> divisions;
    for (const Candidate& candidate : candidates) {
        divisions.push_back(candidate.division);
    }
    return divisions;
}

DotKernel kernel_for(const DotKernels& kernels, const DotDivision& division) {
    return division.tiles == 8   ? kernels.tiles8
           : division.tiles == 4 ? kernels.tiles4
                                 : kernels.tiles2;
}

}  // namespace kernels::cuda
