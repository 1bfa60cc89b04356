// The variants `tensor_core` and `int8_tensor_core`: a chain that is one DotUnit, in one launch.
// What they take: conv2d or linear (after a flatten or not), then add, threshold and a 2x2 pool of
// bits, in this order, as far as they are there.

#include "kernels/cuda/tensor_core.hpp"

#include "kernels/chain_pattern.hpp"

#include <stdexcept>

namespace kernels::cuda {
namespace {

// Tiles of positions in the largest kernels.
constexpr int kMostBitTiles = 8, kMostByteTiles = 4;

std::optional<DotRequest> request_of(const Chain& chain, Multiply multiply) {
    const Pattern pattern = pattern_of(chain);
    if (!pattern.known || pattern.dot == nullptr || !small_enough(chain, pattern)) {
        return std::nullopt;
    }
    const DotRequest request{.dot = pattern.dot,
                             .input = chain.input,
                             .add = pattern.add != nullptr,
                             .threshold = pattern.threshold,
                             .pool = pattern.pool,
                             .batch = chain.batch,
                             .multiply = multiply};
    return fits_unit(request) ? std::optional(request) : std::nullopt;
}

// Only what divisions_of() asks.
DotUnit sizes_of(const DotRequest& request) {
    const DotGeometry geometry = geometry_of(*request.dot, request.input);
    DotUnit unit{};
    unit.pooled = request.pool != nullptr ? 1 : 0;
    unit.pixels =
        request.batch * (geometry.height >> unit.pooled) * (geometry.width >> unit.pooled);
    unit.groups = (geometry.channels + 63) / 64;
    unit.steps = steps_of(request);
    return unit;
}

std::vector<std::string> dot_configurations(const Chain& chain,
                                            Multiply multiply,
                                            int most_tiles,
                                            const DeviceLimits& limits) {
    std::vector<std::string> names;
    if (const auto request = request_of(chain, multiply)) {
        for (const DotDivision& division :
             divisions_of(sizes_of(*request), most_tiles, limits.compute_units)) {
            names.push_back(division.name());
        }
    }
    return names;
}

DeviceKernel prepare_dot(const Chain& chain,
                         const std::string& configuration,
                         Multiply multiply,
                         int most_tiles,
                         const DeviceLimits& limits,
                         const DotKernels& kernels) {
    const auto request = request_of(chain, multiply);
    if (!request) {
        throw std::invalid_argument("tensor cores: expected a convolution or linear layer");
    }
    std::vector<std::byte> constant;
    DotUnit unit = append_unit(constant, *request);
    for (const DotDivision& division : divisions_of(unit, most_tiles, limits.compute_units)) {
        if (division.name() != configuration) {
            continue;
        }
        divide(unit, division, division.warps_k > 4 ? division.warps_k : 4);
        DeviceKernel kernel;
        const BufferArgument constants = add_constant(kernel, constant);
        kernel.launches.push_back(
            launch_of(kernel_for(kernels, division),
                      configuration,
                      {.groups = {static_cast<unsigned>(unit.blocks_m * unit.blocks_n), 1, 1},
                       .group_size = {32 * warps_of(unit), 1, 1},
                       .local_bytes = shared_bytes_of(unit)},
                      unit,
                      constants,
                      kInputBuffer,
                      request->add ? kSecondInputBuffer : kInputBuffer,
                      kOutputBuffer));
        return kernel;
    }
    throw std::invalid_argument("tensor cores: no configuration " + configuration);
}

Multiply byte_multiply(const Chain& chain) {
    return chain.input.element == Element::u8 ? Multiply::pixels : Multiply::bit_bytes;
}

}  // namespace

std::optional<Multiply> bit_multiply(const DeviceLimits& limits) {
    if (limits.capability >= 80 && limits.capability < 100) {
        return Multiply::bit_and;
    }
    if (limits.capability >= 75 && limits.capability < 80) {
        return Multiply::bit_xor;
    }
    return std::nullopt;
}

namespace {

std::vector<std::string> tensor_core_configurations(const Chain& chain,
                                                    const DeviceLimits& limits) {
    const auto multiply = bit_multiply(limits);
    return multiply ? dot_configurations(chain, *multiply, kMostBitTiles, limits)
                    : std::vector<std::string>();
}

DeviceKernel tensor_core_prepare(const Chain& chain,
                                 const std::string& configuration,
                                 const DeviceLimits& limits) {
    const auto multiply = bit_multiply(limits);
    if (!multiply) {
        throw std::invalid_argument("tensor_core: the device multiplies no bits");
    }
    return prepare_dot(
        chain,
        configuration,
        *multiply,
        kMostBitTiles,
        limits,
        *multiply == Multiply::bit_and ? tensor_core_and_kernels() : tensor_core_xor_kernels());
}

std::vector<std::string> int8_tensor_core_configurations(const Chain& chain,
                                                         const DeviceLimits& limits) {
    return limits.capability >= 75
               ? dot_configurations(chain, byte_multiply(chain), kMostByteTiles, limits)
               : std::vector<std::string>();
}

DeviceKernel int8_tensor_core_prepare(const Chain& chain,
                                      const std::string& configuration,
                                      const DeviceLimits& limits) {
    const Multiply multiply = byte_multiply(chain);
    return prepare_dot(chain,
                       configuration,
                       multiply,
                       kMostByteTiles,
                       limits,
                       multiply == Multiply::pixels ? int8_pixel_kernels() : int8_bit_kernels());
}

}  // namespace

DeviceVariant tensor_core_variant() {
    return {.name = "tensor_core",
            .summary = "tensor cores that multiply bits: positions x 64 channels a warp",
            .configurations = tensor_core_configurations,
            .prepare = tensor_core_prepare,
            .longest_chain = 4};
}

DeviceVariant int8_tensor_core_variant() {
    return {.name = "int8_tensor_core",
            .summary = "tensor cores that multiply bytes: pixels, or bits spread out",
            .configurations = int8_tensor_core_configurations,
            .prepare = int8_tensor_core_prepare,
            .longest_chain = 4};
}

}  // namespace kernels::cuda
