#pragma once

// CUDA kernels on the host, so that their bodies can be tested where there is no device: enough of
// CUDA C++ for kernels/cuda/*.cuh to be compiled by an ordinary compiler, and a machine that runs
// every thread of a grid.
//
// What it is. Each thread of a block is a fiber; they run one after the other and change over at
// barriers and at warp-collective intrinsics, where a lane leaves its argument and waits until all
// lanes of the mask have arrived. What would hang or be undefined on a device is an `Error`: a lane
// that does not come to a collective, a barrier that not every thread reaches, two different
// collectives met at once. Order::backward runs blocks and threads in the opposite order, so
// that a forgotten barrier shows as a wrong result; shared memory is never cleared, and dynamic
// shared memory begins with garbage and ends at a page that must not be touched.
//
// What it is not: a model of time, of memory ordering or of what a compiler for the device does.
//
// Kernels are run by `launch`, or as data (kernels/device_kernel.hpp) by `run` in
// device_kernel.hpp.

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

// ---- Words of the language ----------------------------------------------------------------------

#define __global__ [[maybe_unused]] static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// One block runs at a time in a thread of the host.
#define __shared__ static thread_local
#define __constant__ static

// ---- Types --------------------------------------------------------------------------------------

struct uint2 {
    unsigned x, y;
} __align__(8);
struct uint3 {
    unsigned x, y, z;
};
struct uint4 {
    unsigned x, y, z, w;
} __align__(16);
struct int2 {
    int x, y;
} __align__(8);
struct int3 {
    int x, y, z;
};
struct int4 {
    int x, y, z, w;
} __align__(16);
struct float2 {
    float x, y;
} __align__(8);
struct float4 {
    float x, y, z, w;
} __align__(16);
struct uchar4 {
    unsigned char x, y, z, w;
} __align__(4);
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// Of the thread that runs now.
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

// ---- The machine --------------------------------------------------------------------------------

namespace cuda_emulation {

// What would hang or be undefined on a device; the text says which thread and why.
struct Error : std::logic_error {
    using std::logic_error::logic_error;
};

enum class Order : std::uint8_t { forward, backward };  // of blocks, and of threads in a block

struct Options {
    bool cooperative = false;  // all blocks are alive at once and may meet at grid_barrier()
    Order order = Order::forward;
};

// Runs `thread` once for every thread of the grid. Throws Error, or what a thread threw.
void run_grid(const dim3& grid,
              const dim3& block,
              std::size_t shared_bytes,
              const std::function<void()>& thread,
              const Options& options = {});

template <class... Parameters, class... Arguments>
void launch(const dim3& grid,
            const dim3& block,
            std::size_t shared_bytes,
            void (*kernel)(Parameters...),
            const Arguments&... arguments) {
    run_grid(grid, block, shared_bytes, [&] { kernel(arguments...); });
}

// A kernel by its address, as cudaLaunchKernel takes it: each element of `arguments` points to the
// value of one parameter.
using Invoke = void (*)(const void* kernel,
                        void* const* arguments,
                        const dim3& grid,
                        const dim3& block,
                        std::size_t shared_bytes,
                        const Options& options);
struct Known {
    Invoke invoke = nullptr;
    std::size_t parameters = 0;
    const std::size_t* sizes = nullptr;  // in bytes, of each parameter
};
void remember(const void* kernel, const Known& known);
Known find(const void* kernel);  // throws Error if exported() never saw it

// Makes a kernel known to find(), with its parameters' types.
template <class... Parameters>
auto exported(void (*kernel)(Parameters...)) {
    static constexpr std::array<std::size_t, sizeof...(Parameters)> kSizes{sizeof(Parameters)...};
    const Invoke invoke = [](const void* address,
                             void* const* arguments,
                             const dim3& grid,
                             const dim3& block,
                             std::size_t shared_bytes,
                             const Options& options) {
        const auto call = reinterpret_cast<void (*)(Parameters...)>(const_cast<void*>(address));
        const auto thread = [&]<std::size_t... I>(std::index_sequence<I...>) {
            call(*static_cast<std::remove_cvref_t<Parameters>*>(arguments[I])...);
        };
        run_grid(
            grid,
            block,
            shared_bytes,
            [&] { thread(std::index_sequence_for<Parameters...>{}); },
            options);
    };
    remember(reinterpret_cast<const void*>(kernel), {invoke, sizeof...(Parameters), kSizes.data()});
    return kernel;
}

[[noreturn]] void fail(const char* what);

// The lane's value is left for the others; returns those of all lanes, by parity of the meeting.
inline constexpr std::size_t kLargestExchange = 64;
using Slots = std::array<std::array<std::byte, kLargestExchange>, 32>;
const Slots& exchange(unsigned mask, const void* value, std::size_t bytes, const char* what);

// Each lane of the mask gives a value and gets those of all (value-initialised: not in the mask).
// Warp collectives are written with it: what they compute, each lane computes for itself.
template <class Value>
std::array<Value, 32> warp_exchange(unsigned mask,
                                    const Value& value,
                                    const char* what = "warp_exchange") {
    static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) <= kLargestExchange);
    const Slots& slots = exchange(mask, &value, sizeof(Value), what);
    std::array<Value, 32> values{};
    for (std::size_t lane = 0; lane < 32; ++lane) {
        if ((mask >> lane & 1) != 0) {
            std::memcpy(&values[lane], slots[lane].data(), sizeof(Value));
        }
    }
    return values;
}

int lane();  // of the thread that runs now
void block_barrier(const char* what);
void grid_barrier();
void sleep();  // lets the others run; for loops that wait for another thread
std::byte* dynamic_shared_memory();

template <class Value>
Value from_lane(unsigned mask, const Value& value, int source, const char* what) {
    if ((mask >> source & 1) == 0) {
        fail("reads a lane that is not in the mask");
    }
    static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) <= kLargestExchange);
    const Slots& slots = exchange(mask, &value, sizeof(Value), what);
    Value result;
    std::memcpy(&result, slots[static_cast<std::size_t>(source)].data(), sizeof(Value));
    return result;
}

}  // namespace cuda_emulation

// ---- Functions of the language ------------------------------------------------------------------

inline void __syncthreads() { cuda_emulation::block_barrier("__syncthreads"); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { cuda_emulation::sleep(); }
inline void __syncwarp(unsigned mask = ~0u) {
    (void)cuda_emulation::warp_exchange(mask, char{}, "__syncwarp");
}

template <class Value>
Value __shfl_sync(unsigned mask, Value value, int source, int width = 32) {
    const int first = cuda_emulation::lane() / width * width;
    return cuda_emulation::from_lane(mask, value, first + (source & (width - 1)), "__shfl_sync");
}
template <class Value>
Value __shfl_xor_sync(unsigned mask, Value value, int bits, int width = 32) {
    const int lane = cuda_emulation::lane(), source = lane ^ bits;
    const bool inside = source / width <= lane / width;
    return cuda_emulation::from_lane(mask, value, inside ? source : lane, "__shfl_xor_sync");
}
template <class Value>
Value __shfl_up_sync(unsigned mask, Value value, unsigned delta, int width = 32) {
    const int lane = cuda_emulation::lane(), source = lane - static_cast<int>(delta);
    const bool inside = source >= lane / width * width;
    return cuda_emulation::from_lane(mask, value, inside ? source : lane, "__shfl_up_sync");
}
template <class Value>
Value __shfl_down_sync(unsigned mask, Value value, unsigned delta, int width = 32) {
    const int lane = cuda_emulation::lane(), source = lane + static_cast<int>(delta);
    const bool inside = source < (lane / width + 1) * width;
    return cuda_emulation::from_lane(mask, value, inside ? source : lane, "__shfl_down_sync");
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned bits = 0, bit = 1;
    for (const int each : cuda_emulation::warp_exchange(mask, predicate, "__ballot_sync")) {
        bits |= each != 0 ? bit : 0;
        bit <<= 1;
    }
    return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, predicate) == mask;
}

inline int __popc(unsigned value) { return std::popcount(value); }
inline int __popcll(unsigned long long value) { return std::popcount(value); }
inline int __clz(int value) { return std::countl_zero(static_cast<unsigned>(value)); }
inline int __ffs(int value) {
    return value == 0 ? 0 : std::countr_zero(static_cast<unsigned>(value)) + 1;
}
inline unsigned __brev(unsigned value) {
    unsigned result = 0;
    for (int bit = 0; bit < 32; ++bit) {
        result |= (value >> bit & 1) << (31 - bit);
    }
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    const std::uint64_t both = std::uint64_t{high} << 32 | low;
    return static_cast<unsigned>((both << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    const std::uint64_t both = std::uint64_t{high} << 32 | low;
    return static_cast<unsigned>(both >> (shift & 31));
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
    const std::uint64_t both = std::uint64_t{high} << 32 | low;
    unsigned result = 0;
    for (int byte = 0; byte < 4; ++byte) {
        result |= static_cast<unsigned>(both >> (8 * (selector >> (4 * byte) & 7)) & 0xff)
                  << (8 * byte);
    }
    return result;
}
inline int __dp4a(int a, int b, int c) {
    for (int byte = 0; byte < 4; ++byte) {
        c += static_cast<std::int8_t>(a >> (8 * byte)) * static_cast<std::int8_t>(b >> (8 * byte));
    }
    return c;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int byte = 0; byte < 4; ++byte) {
        c += (a >> (8 * byte) & 0xff) * (b >> (8 * byte) & 0xff);
    }
    return c;
}

template <class Value>
Value __ldg(const Value* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % alignof(Value) != 0) {
        cuda_emulation::fail("reads at a misaligned address");
    }
    return *address;
}

// Threads change over at barriers only, so every statement is atomic.
template <class Value>
Value atomicAdd(Value* address, std::type_identity_t<Value> value) {
    return std::exchange(*address, static_cast<Value>(*address + value));
}
template <class Value>
Value atomicOr(Value* address, std::type_identity_t<Value> value) {
    return std::exchange(*address, static_cast<Value>(*address | value));
}
template <class Value>
Value atomicExch(Value* address, std::type_identity_t<Value> value) {
    return std::exchange(*address, value);
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
