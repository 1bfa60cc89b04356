// The emulation itself: what it computes, and that mistakes which hang a device are reported.

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/launch.hpp"
#include "tests/cuda_emulation/device_kernel.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

using namespace cuda_emulation;

namespace {

// The text of the Error that a launch ends with.
template <class Launch>
std::string error_of(const Launch& launch) {
    try {
        launch();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

__global__ void write_indices(int* output) {
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    output[block * threads + thread] = static_cast<int>(block * 100 + thread);
}

__global__ void reverse_in_shared_memory(const int* input, int* output) {
    __shared__ int values[64];
    values[threadIdx.x] = input[threadIdx.x];
    __syncthreads();
    output[threadIdx.x] = values[63 - threadIdx.x];
}

__global__ void forget_the_barrier(const int* input, int* output) {
    __shared__ int values[64];
    values[threadIdx.x] = input[threadIdx.x];
    output[threadIdx.x] = values[threadIdx.x ^ 1];
}

__global__ void sum_of_warp(int* output) {
    int value = static_cast<int>(threadIdx.x);
    for (int bits = 16; bits > 0; bits /= 2) {
        value += __shfl_xor_sync(~0u, value, bits);
    }
    output[threadIdx.x] = value;
}

__global__ void shuffles(int* output) {
    const int lane = static_cast<int>(threadIdx.x);
    output[lane] = __shfl_sync(~0u, lane, 5);
    output[32 + lane] = __shfl_up_sync(~0u, lane, 3u);
    output[64 + lane] = __shfl_down_sync(~0u, lane, 3u);
    output[96 + lane] = __shfl_sync(~0u, lane, 1, 8);
    output[128 + lane] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
    // Two halves on their own.
    const unsigned mask = lane < 16 ? 0xffffu : 0xffff0000u;
    output[160 + lane] = __any_sync(mask, lane == 20);
}

__global__ void leave_before_the_barrier() {
    if (threadIdx.x < 40) {
        return;
    }
    __syncthreads();
}

__global__ void ballot_with_some() {
    if (threadIdx.x % 2 == 0) {
        (void)__ballot_sync(~0u, 1);
    } else {
        __syncthreads();
    }
}

__global__ void leave_before_the_shuffle(int* output) {
    if (threadIdx.x == 3) {
        return;
    }
    output[threadIdx.x] = __shfl_sync(~0u, 1, 0);
}

__global__ void two_collectives() {
    if (threadIdx.x < 16) {
        __syncwarp();
    } else {
        (void)__ballot_sync(~0u, 1);
    }
}

struct Held {
    int* count;
    explicit Held(int* c) : count(c) { ++*count; }
    ~Held() { --*count; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
};
__global__ void hold_and_wait(int* held, int* most) {
    const Held mine(held);
    *most = max(*most, *held);
    if (threadIdx.x == 40) {
        fail("gives up");
    }
    __syncthreads();
}

__global__ void wait_for_ever(volatile int* flag) {
    while (*flag == 0) {
        __nanosleep(20);
    }
}

__global__ void add_rounds(int* values, int* sums) {
    __shared__ int own;
    const int blocks = static_cast<int>(gridDim.x), block = static_cast<int>(blockIdx.x);
    for (int round = 0; round < 3; ++round) {
        if (threadIdx.x == 0) {
            own = block + round;
            values[block] = own;
        }
        cuda_emulation::grid_barrier();
        int sum = own - block - round;  // shared memory is the block's own: nothing
        for (int other = 0; other < blocks; ++other) {
            sum += values[other];
        }
        cuda_emulation::grid_barrier();
        sums[(round * blocks + block) * static_cast<int>(blockDim.x) +
             static_cast<int>(threadIdx.x)] = sum;
    }
}

__global__ void wait_by_hand(unsigned* arrived, int* output) {
    atomicAdd(arrived, 1u);
    while (*static_cast<volatile unsigned*>(arrived) != gridDim.x) {
        __nanosleep(20);
    }
    output[blockIdx.x] = 1;
}

__global__ void fill_dynamic(int* output) {
    int* const shared = reinterpret_cast<int*>(kernels::cuda::dynamic_shared());
    shared[threadIdx.x] = static_cast<int>(threadIdx.x);
    __syncthreads();
    output[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

struct Scale {
    int factor;
};
__global__ void scale(const int* input, int* output, Scale by) {
    output[threadIdx.x] = input[threadIdx.x] * by.factor;
}

}  // namespace

TEST_CASE("every thread of a grid runs once and knows where it is") {
    std::vector<int> output(2 * 3 * 2 * 24, -1);
    launch({2, 3, 2}, {4, 3, 2}, 0, write_indices, output.data());
    for (std::size_t i = 0; i < output.size(); ++i) {
        CHECK(output[i] == static_cast<int>(i / 24 * 100 + i % 24));
    }
}

TEST_CASE("a barrier lets threads read what others wrote, and a forgotten one shows") {
    std::vector<int> input(64), output(64);
    std::iota(input.begin(), input.end(), 1);
    launch({}, {64}, 0, reverse_in_shared_memory, input.data(), output.data());
    for (std::size_t i = 0; i < 64; ++i) {
        CHECK(output[i] == 64 - static_cast<int>(i));
    }

    for (const Order order : {Order::forward, Order::backward}) {
        run_grid({},
                 {64},
                 0,
                 [&] { forget_the_barrier(input.data(), output.data()); },
                 {.cooperative = false, .order = order});
        CHECK((output[0] == input[1]) == (order == Order::backward));
        std::iota(input.begin(), input.end(), 100);
    }
}

TEST_CASE("shuffles and ballots") {
    std::vector<int> output(192);
    launch({}, {32}, 0, sum_of_warp, output.data());
    for (std::size_t lane = 0; lane < 32; ++lane) {
        CHECK(output[lane] == 496);
    }

    launch({}, {32}, 0, shuffles, output.data());
    for (int lane = 0; lane < 32; ++lane) {
        const auto at = static_cast<std::size_t>(lane);
        CHECK(output[at] == 5);
        CHECK(output[32 + at] == (lane < 3 ? lane : lane - 3));
        CHECK(output[64 + at] == (lane > 28 ? lane : lane + 3));
        CHECK(output[96 + at] == lane / 8 * 8 + 1);
        CHECK(static_cast<unsigned>(output[128 + at]) == 0x49249249u);
        CHECK(output[160 + at] == (lane >= 16 ? 1 : 0));
    }
}

TEST_CASE("threads that diverge are reported, not waited for") {
    std::vector<int> output(32);
    const std::string barrier = error_of([] { launch({}, {64}, 0, leave_before_the_barrier); });
    CHECK(mentions(barrier, "24 wait at __syncthreads"));
    CHECK(mentions(barrier, "40 have left the kernel"));

    const std::string some = error_of([] { launch({}, {32}, 0, ballot_with_some); });
    CHECK(mentions(some, "16 wait at __ballot_sync"));
    CHECK(mentions(some, "16 wait at __syncthreads"));

    const auto shuffle = [&] { launch({}, {32}, 0, leave_before_the_shuffle, output.data()); };
    CHECK(mentions(error_of(shuffle), "left the kernel"));
    CHECK(mentions(error_of([&] { launch({}, {31}, 0, sum_of_warp, output.data()); }),
                   "lane 31, which is not there"));
    CHECK(mentions(error_of([] { launch({}, {32}, 0, two_collectives); }),
                   "comes to __ballot_sync while other lanes of its mask are at __syncwarp"));
    int flag = 0;
    CHECK(mentions(error_of([&] { launch({}, {1}, 0, wait_for_ever, &flag); }), "never comes"));

    // The next launch starts afresh.
    launch({}, {32}, 0, sum_of_warp, output.data());
    CHECK(output[7] == 496);
}

TEST_CASE("when one thread fails, the others leave the kernel as by an exception") {
    for (const Order order : {Order::forward, Order::backward}) {
        int held = 0, most = 0;
        const auto launch_it = [&] {
            run_grid({2},
                     {64},
                     0,
                     [&] { hold_and_wait(&held, &most); },
                     {.cooperative = false, .order = order});
        };
        CHECK(mentions(error_of(launch_it), "thread (40, 0, 0) of block"));
        CHECK(held == 0);
        CHECK(most == (order == Order::forward ? 41 : 24));
    }
}

TEST_CASE("blocks of a cooperative launch wait for each other") {
    std::vector<int> values(5), sums(std::size_t{3} * 5 * 33);
    unsigned arrived = 0;
    for (const Order order : {Order::forward, Order::backward}) {
        const Options options{.cooperative = true, .order = order};
        run_grid(
            {5}, {33}, 0, [&] { add_rounds(values.data(), sums.data()); }, options);
        for (std::size_t i = 0; i < sums.size(); ++i) {
            CHECK(sums[i] == 10 + 5 * static_cast<int>(i / (5 * 33)));
        }

        std::vector<int> output(5);
        arrived = 0;
        run_grid(
            {5}, {1}, 0, [&] { wait_by_hand(&arrived, output.data()); }, options);
        CHECK(output == std::vector<int>(5, 1));
    }
    CHECK(mentions(error_of([&] { launch({5}, {33}, 0, add_rounds, values.data(), sums.data()); }),
                   "not cooperative"));
}

TEST_CASE("dynamic shared memory is as large as the launch says") {
    std::vector<int> output(50);
    launch({}, {50}, 200, fill_dynamic, output.data());
    CHECK(output[0] == 49);
    CHECK(output[49] == 0);
}

TEST_CASE("a launch as data gives a kernel its buffers and values") {
    using namespace kernels;
    DeviceKernel kernel;
    const BufferArgument middle = cuda::add_scratch(kernel, 64);
    const auto make = [&](BufferArgument from, BufferArgument to, int factor) {
        return cuda::launch_of(cuda::exported(scale),
                               "scale",
                               {.groups = {1}, .group_size = {16}},
                               from,
                               to,
                               Scale{factor});
    };
    kernel.launches.push_back(make(cuda::kInputBuffer, middle, 3));
    kernel.launches.push_back(make(middle, cuda::kOutputBuffer, 5));
    std::vector<int> input(16, 2), output(16);
    for (const auto guard : {GuardedMemory::Guard::before, GuardedMemory::Guard::behind}) {
        Prepared prepared(kernel, guard);
        prepared.run(std::as_bytes(std::span(input)),
                     {},
                     std::as_writable_bytes(std::span(output)),
                     Order::forward);
        CHECK(output == std::vector<int>(16, 30));
    }
}

TEST_CASE("intrinsics") {
    CHECK(__dp4a(static_cast<int>(0xff02fe01u), 0x01010101, 7) == 7 + 1 - 2 + 2 - 1);
    CHECK(kernels::cuda::dot4_u8s8(0xff02fe01u, 0x01ff01ffu, 7) == 7 - 1 + 254 - 2 + 255);
    CHECK(__brev(1u) == 0x80000000u);
    CHECK(__byte_perm(0x33221100u, 0x77665544u, 0x7531) == 0x77553311u);
    CHECK(__funnelshift_l(0x80000000u, 1u, 1) == 3u);
    CHECK(__funnelshift_r(0x80000000u, 1u, 31) == 3u);
    CHECK(__clz(1) == 31);
    CHECK(__ffs(8) == 4);
}
