#pragma once

// What this machine has of the instructions that files with an instruction set's suffix are
// compiled for (CMakeLists.txt). Not for those files themselves.

#include <string_view>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace kernels::cpu {

#if defined(__x86_64__)

inline bool avx2_supported() {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
           __builtin_cpu_supports("popcnt") != 0 && __builtin_cpu_supports("fma") != 0;
}
inline constexpr std::string_view kAvx2Needs = "a processor with AVX2 and FMA";

#elif defined(__aarch64__)

// As the kernel tells programs; the bit is HWCAP_ASIMDDP of its <asm/hwcap.h>.
inline bool neon_dotprod_supported() { return (getauxval(AT_HWCAP) & (1UL << 20)) != 0; }
inline constexpr std::string_view kNeonDotprodNeeds =
    "a processor with SDOT and UDOT (ARMv8.2's asimddp)";

#endif

}  // namespace kernels::cpu
