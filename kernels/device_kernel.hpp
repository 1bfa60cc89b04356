#pragma once

// Kernels for devices that work on their own (CUDA, OpenCL), as data: what to upload once and what
// to launch for each run. A variant makes it; a backend (calibrate/backend_<kind>.cpp) allocates,
// uploads, compiles and launches it. Nothing here calls a driver, so that kernels can be
// prepared, and their bodies tested, on a machine without the device.
//
// A new variant is a file in kernels/<kind>/ with a function that returns it, and one row in
// kernels/<kind>/variants.cpp. Its tensors lie in memory as the layout `nhwc` of kernels/chain.hpp
// says.

#include "kernels/chain.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kernels {

// What a variant asks about a device before it offers itself and picks its tiles.
struct DeviceLimits {
    int capability = 0;                   // CUDA: 10 x major + minor; OpenCL: 0
    int compute_units = 1;                // multiprocessors
    std::size_t local_bytes = 48 * 1024;  // shared memory that one group may have
    int largest_group = 256;              // threads of a group
    bool cooperative = false;             // can it launch grids whose groups wait for each other?
};

// Memory that a launch is given. `input`, `second_input`, `more` and `output` are the chain's
// tensors.
enum class Place : std::uint8_t { input, second_input, more, output, constant, scratch };
struct BufferArgument {
    Place place = Place::input;
    int index = 0;  // which constant, which scratch, which of `more`
};

// A buffer's address, or a value that is passed as it is (a plain struct, the same on both sides).
using Argument = std::variant<BufferArgument, std::vector<std::byte>>;

template <class Value>
Argument by_value(const Value& value) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&value);
    return std::vector<std::byte>(begin, begin + sizeof(Value));
}

struct Launch {
    std::string name;                // OpenCL: of the kernel in the source; CUDA: for reports
    const void* function = nullptr;  // CUDA: the __global__ function
    std::array<unsigned, 3> groups{1, 1, 1}, group_size{1, 1, 1};
    unsigned local_bytes = 0;  // dynamic shared memory
    bool cooperative = false;  // all groups run at once and may wait for each other
    std::vector<Argument> arguments;
};

struct DeviceKernel {
    std::string_view source;  // OpenCL: the program's text; lives as long as the program
    std::string options;      // OpenCL: for its compiler
    std::vector<std::vector<std::byte>> constants;  // resident: weights as wanted, thresholds
    std::vector<std::size_t> scratch;               // bytes, zeroed once
    std::vector<Launch> launches;                   // one after the other
};

struct DeviceVariant {
    std::string_view name;  // "naive", "popc", "tensor_core", ...
    std::string_view summary;
    // The ways to run a chain on such a device, the most promising first; none: not accepted.
    std::vector<std::string> (*configurations)(const Chain&, const DeviceLimits&) = nullptr;
    // Throws std::invalid_argument for a configuration that is not among them.
    DeviceKernel (*prepare)(const Chain&,
                            const std::string& configuration,
                            const DeviceLimits&) = nullptr;
    int longest_chain = 3;  // layers; more for variants that cover whole segments
};

// Of a kind's table; nullptr if it has none of this name.
const DeviceVariant* find_variant(std::span<const DeviceVariant> table, std::string_view name);

}  // namespace kernels
