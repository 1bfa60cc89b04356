// The variants on packed bits: a table of inner loops for each, and whether this machine can run
// them. They share all but the innermost loops, which loops.hpp lists: dot_body.cpp and
// elementwise_bodies.cpp call them.

#include "kernels/chain_pattern.hpp"
#include "kernels/cpu/bodies.hpp"
#include "kernels/cpu/instruction_sets.hpp"
#include "kernels/cpu/loops.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace kernels::cpu {
namespace {

constexpr Loops kScalar = {.tiling = tiling_scalar,
                           .chain_windows = nullptr,
                           .binary_dot = binary_dot_scalar,
                           .byte_dot = byte_dot_scalar,
                           .threshold = threshold_scalar,
                           .add = add_scalar,
                           .pool_binary = pool_binary_scalar,
                           .pool_u8 = pool_u8_scalar,
                           .pool_int32 = pool_int32_scalar};

#if defined(__x86_64__)
constexpr Loops kAvx2 = {.tiling = tiling_avx2,
                         .chain_windows = chain_windows_avx2,
                         .binary_dot = binary_dot_avx2,
                         .byte_dot = byte_dot_avx2,
                         .threshold = threshold_avx2,
                         .add = add_avx2,
                         .pool_binary = pool_binary_avx2,
                         .pool_u8 = pool_u8_avx2,
                         .pool_int32 = pool_int32_avx2};

constexpr Loops kAvx512 = {.tiling = tiling_avx512,
                           .chain_windows = chain_windows_avx512,
                           .binary_dot = binary_dot_avx512,
                           .byte_dot = byte_dot_avx512,
                           .threshold = threshold_avx512,
                           .add = add_avx512,
                           .pool_binary = pool_binary_avx512,
                           .pool_u8 = pool_u8_avx512,
                           .pool_int32 = pool_int32_avx512};
#endif

#if defined(__aarch64__)
constexpr Loops kNeon = {.tiling = tiling_neon,
                         .chain_windows = nullptr,
                         .binary_dot = binary_dot_neon,
                         .byte_dot = byte_dot_neon,
                         .threshold = threshold_neon,
                         .add = add_neon,
                         .pool_binary = pool_binary_neon,
                         .pool_u8 = pool_u8_neon,
                         .pool_int32 = pool_int32_neon,
                         .byte_offset = 128};

// Nothing else has products in it.
constexpr Loops kNeonDotprod = [] {
    Loops loops = kNeon;
    loops.binary_dot = binary_dot_neon_dotprod;
    loops.byte_dot = byte_dot_neon_dotprod;
    return loops;
}();
#endif

// Turns the slice's sums, int32, into scale x sum + bias, f32, where they lie.
class Scaled {
public:
    Scaled(const Chain& chain, Body sums) : output_(output_of(chain)), sums_(std::move(sums)) {
        const Step& product = chain.steps.back();
        const auto channels = static_cast<std::size_t>(output_.channels);
        scales_.assign(channels, 1.0F);
        biases_.assign(channels, 0.0F);
        std::copy(product.scales.begin(), product.scales.end(), scales_.begin());
        std::copy(product.biases.begin(), product.biases.end(), biases_.begin());
    }

    void operator()(const Tensors& tensors, const Slice& slice) const {
        sums_(tensors, slice);
        const auto channels = static_cast<std::size_t>(output_.channels),
                   begin = static_cast<std::size_t>(slice.channel_begin),
                   end = static_cast<std::size_t>(slice.channel_end);
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            for (int row = slice.row_begin; row < slice.row_end; ++row) {
                const auto first = (std::int64_t{image} * output_.height + row) * output_.width;
                for (int x = 0; x < output_.width; ++x) {
                    std::byte* const pixel =
                        tensors.output + static_cast<std::size_t>(first + x) * channels * 4;
                    for (std::size_t c = begin; c < end; ++c) {
                        std::int32_t sum;
                        std::memcpy(&sum, pixel + c * 4, 4);
                        const float scaled = scales_[c] * static_cast<float>(sum) + biases_[c];
                        std::memcpy(pixel + c * 4, &scaled, 4);
                    }
                }
            }
        }
    }

private:
    Shape output_;
    Body sums_;
    std::vector<float> scales_, biases_;
};

Body prepare(const Chain& chain, int slices, const Loops& loops) {
    if (const std::optional<Chain> sums = sums_of(chain)) {
        const auto scaled = std::make_shared<const Scaled>(chain, prepare(*sums, slices, loops));
        return [scaled](const Tensors& tensors, const Slice& slice) { (*scaled)(tensors, slice); };
    }
    const Pattern pattern = pattern_of(chain);
    return pattern.dot != nullptr ? dot_body(chain, pattern, loops, slices)
                                  : elementwise_body(chain, pattern, loops, slices);
}

// Single steps of every kind, and these chains (an optional part in brackets):
//   [flatten |] conv2d or linear [| add] [| threshold [| max_pool2d]]      flatten before linear
//   only threshold | max_pool2d
//   [flatten |] conv2d or linear [| add] | threshold      also with what the threshold reads
//   [flatten |] conv2d or linear, real
bool accepts(const Chain& chain) {
    try {
        const Pattern pattern = pattern_of(chain);
        const bool is_known = pattern.known || pattern.gives_sums;
        return (is_known && small_enough(chain, pattern)) || sums_of(chain).has_value();
    } catch (const std::invalid_argument&) {
        return false;
    }
}

#if defined(__x86_64__)

bool scalar_supported() { return __builtin_cpu_supports("popcnt") != 0; }

bool avx512_supported() {
    return avx2_supported() && __builtin_cpu_supports("avx512f") != 0 &&
           __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vnni") != 0 &&
           __builtin_cpu_supports("avx512vpopcntdq") != 0 &&
           __builtin_cpu_supports("avx512bitalg") != 0;
}

#else

bool scalar_supported() { return true; }

#endif

template <const Loops& kLoops>
Body prepare_with(const Chain& chain, std::span<const Slice> slices) {
    return prepare(chain, static_cast<int>(slices.size()), kLoops);
}

}  // namespace

Variant scalar_variant() {
    return {.name = "scalar",
            .summary = "64-bit xor and popcount",
            .supported = scalar_supported,
            .accepts = accepts,
            .prepare = prepare_with<kScalar>,
            .gives_two_results = true,
            .needs = "an instruction that counts bits (POPCNT)"};
}

#if defined(__aarch64__)

Variant neon_variant() {
    return {.name = "neon",
            .summary = "128-bit xor, counts of bits added up in bytes",
            .supported = [] { return true; },  // all 64-bit ARM has it
            .accepts = accepts,
            .prepare = prepare_with<kNeon>,
            .gives_two_results = true};
}

Variant neon_dotprod_variant() {
    return {.name = "neon_dotprod",
            .summary = "128-bit xor, counts of bits added up by UDOT; SDOT for u8 input",
            .supported = neon_dotprod_supported,
            .accepts = accepts,
            .prepare = prepare_with<kNeonDotprod>,
            .gives_two_results = true,
            .needs = kNeonDotprodNeeds};
}

#endif

#if defined(__x86_64__)

Variant avx2_variant() {
    return {.name = "avx2",
            .summary = "256-bit xor, popcount by byte shuffles",
            .supported = avx2_supported,
            .accepts = accepts,
            .prepare = prepare_with<kAvx2>,
            .gives_two_results = true,
            .needs = kAvx2Needs};
}

Variant avx512_variant() {
    return {.name = "avx512",
            .summary = "512-bit xor, VPOPCNTQ on pairs of words by carry-save, VNNI for u8 input",
            .supported = avx512_supported,
            .accepts = accepts,
            .prepare = prepare_with<kAvx512>,
            .gives_two_results = true,
            .needs = "a processor with AVX-512, VPOPCNTDQ and BITALG among it"};
}

#endif

}  // namespace kernels::cpu
