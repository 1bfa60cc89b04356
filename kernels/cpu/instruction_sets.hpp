#pragma once

// What this machine has of the instructions that files with an instruction set's suffix are
// compiled for (CMakeLists.txt). Not for those files themselves.

#include <string_view>

namespace kernels::cpu {

#if defined(__x86_64__)

inline bool avx2_supported() {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
           __builtin_cpu_supports("popcnt") != 0 && __builtin_cpu_supports("fma") != 0;
}
inline constexpr std::string_view kAvx2Needs = "a processor with AVX2 and FMA";

#endif

}  // namespace kernels::cpu
