#pragma once

// Makes the Launch of a CUDA kernel from its address, so that the compiler checks every argument
// against its parameter.

#include "kernels/device_kernel.hpp"

#include <string>
#include <type_traits>
#include <utility>

namespace kernels::cuda {

inline constexpr BufferArgument kInputBuffer{.place = Place::input};
inline constexpr BufferArgument kSecondInputBuffer{.place = Place::second_input};
inline constexpr BufferArgument kOutputBuffer{.place = Place::output};
constexpr BufferArgument constant_buffer(int index) { return {Place::constant, index}; }
constexpr BufferArgument scratch_buffer(int index) { return {Place::scratch, index}; }

struct Extent {
    unsigned x = 1, y = 1, z = 1;
};

struct LaunchShape {
    Extent groups{}, group_size{};
    unsigned local_bytes = 0;
    bool cooperative = false;
};

// Parameters that are pointers take a BufferArgument, others a value of their type.
template <class... Parameters, class... Arguments>
Launch launch_of(void (*kernel)(Parameters...),
                 const std::string& name,
                 const LaunchShape& shape,
                 const Arguments&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments));
    const auto argument = []<class Parameter>(std::type_identity<Parameter>, const auto& value) {
        if constexpr (std::is_pointer_v<Parameter>) {
            return Argument(BufferArgument(value));
        } else {
            static_assert(std::is_same_v<std::remove_cvref_t<decltype(value)>, Parameter>);
            return by_value(value);
        }
    };
    return {.name = name,
            .function = reinterpret_cast<const void*>(kernel),
            .groups = {shape.groups.x, shape.groups.y, shape.groups.z},
            .group_size = {shape.group_size.x, shape.group_size.y, shape.group_size.z},
            .local_bytes = shape.local_bytes,
            .cooperative = shape.cooperative,
            .arguments = {argument(std::type_identity<Parameters>{}, arguments)...}};
}

// Appends a constant buffer and says where it is.
template <class Values>
BufferArgument add_constant(DeviceKernel& kernel, const Values& values) {
    const auto* const begin = reinterpret_cast<const std::byte*>(std::data(values));
    kernel.constants.emplace_back(begin, begin + std::size(values) * sizeof(*std::data(values)));
    return constant_buffer(static_cast<int>(kernel.constants.size()) - 1);
}

inline BufferArgument add_scratch(DeviceKernel& kernel, std::size_t bytes) {
    kernel.scratch.push_back(bytes);
    return scratch_buffer(static_cast<int>(kernel.scratch.size()) - 1);
}

}  // namespace kernels::cuda
