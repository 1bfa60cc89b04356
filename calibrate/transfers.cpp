#include "calibrate/transfers.hpp"

#include "calibrate/buffer.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/statistics.hpp"
#include "kernels/registry.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

namespace calibrate {
namespace {

// Times `action` in samples of at least 5 us, so that the clock's own cost does not count.
sim::Measurement time_of(const std::function<void()>& action, int samples) {
    constexpr double kSampleNs = 5e3;
    action();
    const std::int64_t begin = now_ns();
    action();
    const double once = static_cast<double>(std::max<std::int64_t>(1, now_ns() - begin));
    const int repeats = std::max(1, static_cast<int>(kSampleNs / once));
    std::vector<double> times;
    for (int sample = 0; sample < samples; ++sample) {
        const std::int64_t start = now_ns();
        for (int i = 0; i < repeats; ++i) {
            action();
        }
        times.push_back(static_cast<double>(now_ns() - start) / repeats);
    }
    return summarize(std::move(times));
}

}  // namespace

sim::TransferTable measure_host_copies() {
    constexpr std::int64_t kSmallest = 64, kLargest = std::int64_t{64} << 20;
    const Buffer from{kLargest}, to{kLargest};
    sim::TransferTable table;
    for (std::int64_t size = kSmallest; size <= kLargest; size *= 4) {
        const auto bytes = static_cast<std::size_t>(size);
        const int samples = size > (4 << 20) ? 7 : 31;
        table.points.push_back(
            {.size = {size},
             .time = time_of([&] { std::memcpy(to.data(), from.data(), bytes); }, samples)});
    }
    return table;
}

std::vector<sim::Conversion> measure_conversions(kernels::Element element, kernels::Layout other) {
    std::vector<sim::Conversion> conversions;
    for (const bool there : {true, false}) {
        const kernels::Layout from = there ? kernels::Layout::nhwc : other,
                              to = there ? other : kernels::Layout::nhwc;
        sim::Conversion conversion{
            .from = std::string{name_of(from)}, .to = std::string{name_of(to)}, .time = {}};
        if (element == kernels::Element::f32) {
            conversion.elements = {"f32"};
        }
        for (const int side : {1, 4, 16, 64}) {
            const kernels::Shape shape{side, side, 64, element};
            const Buffer source{tensor_bytes(shape, from, 1)};
            const Buffer destination{tensor_bytes(shape, to, 1)};
            const auto act = [&] {
                kernels::convert(shape, 1, from, to, source.data(), destination.data());
            };
            const std::size_t bytes = tensor_bytes(shape, kernels::Layout::nhwc, 1);
            conversion.time.points.push_back(
                {.size = {static_cast<std::int64_t>(bytes)}, .time = time_of(act, 15)});
        }
        conversions.push_back(std::move(conversion));
    }
    return conversions;
}

std::vector<std::pair<std::string, sim::Measurement>> measure_pool(kernels::ThreadPool& pool) {
    if (pool.threads() == 1) {
        return {};
    }
    const std::function<void(int)> nothing = [](int) {};
    std::vector<double> spinning, asleep;
    for (int i = 0; i < 1000; ++i) {
        const std::int64_t begin = now_ns();
        pool.run(pool.threads(), nothing);
        spinning.push_back(static_cast<double>(now_ns() - begin));
    }
    for (int i = 0; i < 50; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
        const std::int64_t begin = now_ns();
        pool.run(pool.threads(), nothing);
        asleep.push_back(static_cast<double>(now_ns() - begin));
    }
    return {{kRoundTrip, summarize(std::move(spinning))},
            {"thread_pool_asleep", summarize(std::move(asleep))}};
}

sim::Measurement measure_clock() {
    // A register is added, not a constant: additions of constants may be folded by the processor.
    const auto add_a_million = [] {
        std::uint64_t sum = 1;
        std::uint64_t step = 3;
        for (int i = 0; i < 1'000'000 / 8; ++i) {
#if defined(__x86_64__)
            asm volatile(
                "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t"
                "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0"
                : "+r"(sum)
                : "r"(step));
#else
            for (int j = 0; j < 8; ++j) {
                sum += step;
                asm volatile("" : "+r"(sum), "+r"(step));
            }
#endif
        }
    };
    return time_of(add_a_million, 31);
}

}  // namespace calibrate
