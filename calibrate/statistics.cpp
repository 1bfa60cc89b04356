#include "calibrate/statistics.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace calibrate {
namespace {

double quantile_of_sorted(std::span<const double> sorted, double q) {
    const double position = q * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double share = position - static_cast<double>(below);
    return sorted[below] + share * (sorted[above] - sorted[below]);
}

sim::Time from_nanoseconds(double ns) {
    return sim::Time{static_cast<sim::Time::rep>(std::llround(ns * 1e3))};
}

}  // namespace

double quantile(std::vector<double> values, double q) {
    assert(!values.empty());
    std::ranges::sort(values);
    return quantile_of_sorted(values, q);
}

double median_uncertainty(std::span<const double> sorted) {
    if (sorted.size() < 6) {
        return 1.0;
    }
    // The number of values below the median is binomial(n, 1/2): mean n/2, deviation sqrt(n)/2.
    const auto n = static_cast<double>(sorted.size());
    const double reach = 1.96 * std::sqrt(n) / 2;
    const auto low = static_cast<std::size_t>(std::max(0.0, std::floor(n / 2 - reach)));
    const auto high = static_cast<std::size_t>(std::min(n - 1, std::ceil(n / 2 + reach)));
    return (sorted[high] - sorted[low]) / 2 / quantile_of_sorted(sorted, 0.5);
}

sim::Measurement summarize(std::vector<double> nanoseconds) {
    assert(!nanoseconds.empty());
    std::ranges::sort(nanoseconds);
    return {.p05 = from_nanoseconds(quantile_of_sorted(nanoseconds, 0.05)),
            .p50 = from_nanoseconds(quantile_of_sorted(nanoseconds, 0.5)),
            .p95 = from_nanoseconds(quantile_of_sorted(nanoseconds, 0.95)),
            .samples = static_cast<int>(nanoseconds.size())};
}

int count_outliers(std::vector<double> values) {
    if (values.size() < 4) {
        return 0;
    }
    std::ranges::sort(values);
    const double low = quantile_of_sorted(values, 0.25);
    const double high = quantile_of_sorted(values, 0.75);
    const double fence = high + 3 * (high - low);
    return static_cast<int>(std::ranges::count_if(values, [&](double v) { return v > fence; }));
}

double kendall_tau_b(std::span<const double> a, std::span<const double> b) {
    assert(a.size() == b.size());
    double agree = 0, pairs_a = 0, pairs_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        for (std::size_t j = i + 1; j < a.size(); ++j) {
            const int in_a = (a[i] > a[j]) - (a[i] < a[j]);
            const int in_b = (b[i] > b[j]) - (b[i] < b[j]);
            agree += in_a * in_b;
            pairs_a += in_a * in_a;
            pairs_b += in_b * in_b;
        }
    }
    return pairs_a > 0 && pairs_b > 0 ? agree / std::sqrt(pairs_a * pairs_b) : 0.0;
}

}  // namespace calibrate
