#pragma once

// The text of the programs, from kernels/opencl/<name>.cl by cmake/embed.cmake.

#include <string_view>

namespace kernels::opencl {

// NOLINTNEXTLINE(readability-identifier-naming): named as the files
extern const std::string_view k_common_cl, k_steps_cl, k_naive_cl, k_popc_cl;

}  // namespace kernels::opencl
