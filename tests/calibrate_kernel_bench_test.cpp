#include "calibrate/kernel_bench.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <utility>

namespace {

// Networks by their ways: layers, and samples in nanoseconds.
struct Bench {
    std::deque<calibrate::Cost> costs;
    calibrate::KernelBench bench;

    calibrate::Cost* cost(std::vector<double> ns) {
        costs.emplace_back().anywhere = std::move(ns);
        return &costs.back();
    }
    void add(std::vector<calibrate::KernelBench::Kernel> ways) {
        bench.networks.push_back(std::move(ways));
    }
    bool is_unpromising(const calibrate::Cost* cost) const {
        return calibrate::unpromising_kernels(bench).contains(cost);
    }
};

}  // namespace

TEST_CASE("kernels: what makes a network slower by a fifth of it is not promising") {
    Bench b;
    calibrate::Cost* const fast = b.cost({10'000});
    calibrate::Cost* const slower = b.cost({14'000});
    calibrate::Cost* const hopeless = b.cost({40'000});
    calibrate::Cost* const second = b.cost({20'000});
    calibrate::Cost* const unknown = b.cost({});
    // Of 30 us in all: 6 us more is too much.
    b.add({{{1}, fast}, {{1}, slower}, {{1}, hopeless}, {{2}, second}, {{2}, unknown}});
    CHECK_FALSE(b.is_unpromising(fast));
    CHECK_FALSE(b.is_unpromising(slower));
    CHECK(b.is_unpromising(hopeless));
    CHECK_FALSE(b.is_unpromising(second));
    CHECK_FALSE(b.is_unpromising(unknown));

    // Fused layers are held against each by itself.
    calibrate::Cost* const fused = b.cost({35'000});
    calibrate::Cost* const badly_fused = b.cost({37'000});
    b.bench.networks.front().push_back({{1, 2}, fused});
    CHECK_FALSE(b.is_unpromising(fused));
    b.bench.networks.front().push_back({{1, 2}, badly_fused});
    CHECK(b.is_unpromising(badly_fused));

    // One sample that is fast enough, and what slowed the others was the machine.
    hopeless->anywhere = {40'000, 12'000, 41'000};
    CHECK_FALSE(b.is_unpromising(hopeless));
    // What the profile that is continued says counts where there are no samples.
    hopeless->anywhere.clear();
    hopeless->before_ns = 40'000;
    CHECK(b.is_unpromising(hopeless));

    // Another network may have use for it.
    calibrate::Cost* const large = b.cost({900'000});
    b.add({{{4}, hopeless}, {{5}, large}});
    CHECK_FALSE(b.is_unpromising(hopeless));
}
