#include "calibrate/statistics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using doctest::Approx;

TEST_CASE("a quantile lies between order statistics") {
    CHECK(calibrate::quantile({3, 1, 2}, 0.5) == 2);
    CHECK(calibrate::quantile({1, 2, 3, 4}, 0.5) == Approx(2.5));
    CHECK(calibrate::quantile({10, 20}, 0.25) == Approx(12.5));
    CHECK(calibrate::quantile({7}, 0.95) == 7);
}

TEST_CASE("one stolen time slice moves neither the median nor p05") {
    std::vector<double> times(100, 1000.0);
    times.back() = 4e6;
    const sim::Measurement m = calibrate::summarize(times);
    CHECK(m.p05 == sim::Time{1'000'000});
    CHECK(m.p50 == sim::Time{1'000'000});
    CHECK(m.samples == 100);
    CHECK(calibrate::count_outliers(times) == 1);
}

TEST_CASE("a median is surer with more samples, and unsure with few") {
    std::mt19937 random{1};
    std::normal_distribution<double> noise{100, 10};
    const auto uncertainty = [&](int n) {
        std::vector<double> values;
        for (int i = 0; i < n; ++i) {
            values.push_back(noise(random));
        }
        std::ranges::sort(values);
        return calibrate::median_uncertainty(values);
    };
    CHECK(uncertainty(5) == 1.0);
    CHECK(uncertainty(10'000) < uncertainty(100));
    CHECK(uncertainty(10'000) < 0.005);  // 1.96 x 1.25 x 10 % / 100
}

TEST_CASE("the interval of the median holds the median 95 times in 100") {
    std::mt19937 random{2};
    std::uniform_real_distribution<double> uniform{0, 2};  // its median is 1
    int held = 0;
    for (int trial = 0; trial < 1000; ++trial) {
        std::vector<double> values;
        for (int i = 0; i < 51; ++i) {
            values.push_back(uniform(random));
        }
        std::ranges::sort(values);
        const double median = calibrate::quantile(values, 0.5);
        const double half = calibrate::median_uncertainty(values) * median;
        held += median - half <= 1 && 1 <= median + half;
    }
    CHECK(held > 900);
}

TEST_CASE("Kendall's tau-b is 1, -1 and 0 where it must be, and counts ties") {
    const std::vector<double> up{1, 2, 3, 4}, down{4, 3, 2, 1}, flat{5, 5, 5, 5};
    CHECK(calibrate::kendall_tau_b(up, up) == Approx(1));
    CHECK(calibrate::kendall_tau_b(up, down) == Approx(-1));
    CHECK(calibrate::kendall_tau_b(up, flat) == 0);
    // Pairs of {1,2,2,3} and {1,2,3,3}: 4 agree, one tie in each: 4 / sqrt(5 x 5).
    const std::vector<double> a{1, 2, 2, 3}, b{1, 2, 3, 3};
    CHECK(calibrate::kendall_tau_b(a, b) == Approx(0.8));
}
