#include "calibrate/fit.hpp"

#include "calibrate/statistics.hpp"

#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

namespace calibrate {
namespace {

constexpr int kFeatures = 5;  // constant, macs, read, written, tiles
constexpr int kFewestShapes = 3;

using Row = std::array<double, kFeatures>;

Row features(const FitSample& s) {
    const sim::CostFeatures& f = s.features;
    return {1.0, f.million_macs, f.kib_read, f.kib_written, f.thousand_tiles};
}

double predict(const Row& coefficients, const FitSample& sample) {
    const Row x = features(sample);
    double sum = 0;
    for (std::size_t i = 0; i < kFeatures; ++i) {
        sum += coefficients[i] * x[i];
    }
    return sum;
}

// Least squares of the relative error over the features in `chosen` (bit i: feature i), by the
// normal equations and Gaussian elimination. Nothing if they are singular or a coefficient is
// negative: another choice of features then says it better.
std::optional<Row> solve(std::span<const FitSample> samples,
                         unsigned chosen,
                         const std::string* left_out) {
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < kFeatures; ++i) {
        if (chosen >> i & 1U) {
            used.push_back(i);
        }
    }
    const std::size_t n = used.size();
    std::array<std::array<double, kFeatures + 1>, kFeatures> m{};
    std::set<std::string_view> shapes;
    for (const FitSample& s : samples) {
        if (left_out != nullptr && s.signature == *left_out) {
            continue;
        }
        shapes.insert(s.signature);
        const Row x = features(s);
        const double weight = 1 / (s.time_us * s.time_us);
        for (std::size_t r = 0; r < n; ++r) {
            for (std::size_t c = 0; c < n; ++c) {
                m[r][c] += weight * x[used[r]] * x[used[c]];
            }
            m[r][n] += weight * x[used[r]] * s.time_us;
        }
    }
    for (std::size_t pivot = 0; pivot < n; ++pivot) {
        std::size_t best = pivot;
        for (std::size_t r = pivot + 1; r < n; ++r) {
            if (std::abs(m[r][pivot]) > std::abs(m[best][pivot])) {
                best = r;
            }
        }
        std::swap(m[pivot], m[best]);
        if (std::abs(m[pivot][pivot]) < 1e-12) {
            return std::nullopt;
        }
        for (std::size_t r = 0; r < n; ++r) {
            if (r == pivot) {
                continue;
            }
            const double factor = m[r][pivot] / m[pivot][pivot];
            for (std::size_t c = pivot; c <= n; ++c) {
                m[r][c] -= factor * m[pivot][c];
            }
        }
    }
    Row row{};
    for (std::size_t r = 0; r < n; ++r) {
        row[used[r]] = m[r][n] / m[r][r];
        if (!(row[used[r]] >= 0)) {
            return std::nullopt;
        }
    }
    return row;
}

// Relative errors of predicting each shape from the others; nothing if one of them has no fit.
std::optional<std::vector<double>> cross_validate(std::span<const FitSample> samples,
                                                  unsigned chosen) {
    std::set<std::string> shapes;
    for (const FitSample& s : samples) {
        shapes.insert(s.signature);
    }
    std::vector<double> errors;
    for (const std::string& shape : shapes) {
        const std::optional<Row> row = solve(samples, chosen, &shape);
        if (!row) {
            return std::nullopt;
        }
        for (const FitSample& s : samples) {
            if (s.signature == shape) {
                errors.push_back(100 * std::abs(predict(*row, s) / s.time_us - 1));
            }
        }
    }
    return errors;
}

// What nine of ten errors on another shape are below: a fit of four shapes knows that less well
// than one of forty, and has been chosen among many besides, so the quantile alone is too small.
double p90_of_another(const std::vector<double>& errors, std::size_t shapes, std::size_t features) {
    double squares = 0;
    for (const double error : errors) {
        squares += error * error;
    }
    const double deviation = std::sqrt(squares / static_cast<double>(errors.size()));
    const std::size_t left = shapes > features ? shapes - features : 1;
    const boost::math::students_t distribution(static_cast<double>(left));
    return std::max(quantile(errors, 0.9), boost::math::quantile(distribution, 0.95) * deviation);
}

std::optional<sim::FittedCost> fit_one(std::span<const FitSample> samples) {
    std::set<std::string_view> shapes;
    for (const FitSample& s : samples) {
        shapes.insert(s.signature);
    }
    if (shapes.size() < kFewestShapes) {
        return std::nullopt;
    }
    const auto smallest = [&](int FitSample::*member) {
        return std::ranges::min(samples, {}, member).*member;
    };
    std::optional<sim::FittedCost> best;
    double least_p90 = 0;
    for (unsigned chosen = 1; chosen < 1U << kFeatures; ++chosen) {
        const std::optional<Row> row = solve(samples, chosen, nullptr);
        const auto errors = row ? cross_validate(samples, chosen) : std::nullopt;
        if (!errors) {
            continue;
        }
        const double p90 = quantile(*errors, 0.9);
        if (best && p90 >= least_p90) {
            continue;
        }
        least_p90 = p90;
        const FitSample& s = samples.front();
        best = sim::FittedCost{
            .pattern = s.pattern,
            .device = s.device,
            .variant = s.variant,
            .configuration = s.configuration,
            .in_layout = s.in_layout,
            .out_layout = s.out_layout,
            .results = s.results,
            .constant_us = (*row)[0],
            .us_per_million_macs = (*row)[1],
            .us_per_kib_read = (*row)[2],
            .us_per_kib_written = (*row)[3],
            .us_per_thousand_tiles = (*row)[4],
            .smallest_batch = smallest(&FitSample::batch),
            .smallest_height = smallest(&FitSample::height),
            .smallest_channels = smallest(&FitSample::channels),
            .samples = static_cast<int>(samples.size()),
            .median_error_percent = quantile(*errors, 0.5),
            .p90_error_percent = p90_of_another(
                *errors, shapes.size(), static_cast<std::size_t>(std::popcount(chosen))),
            .where = {},
        };
    }
    return best;
}

}  // namespace

std::vector<sim::FittedCost> fit_costs(std::span<const FitSample> samples) {
    std::vector<std::vector<FitSample>> groups;
    const auto key = [](const FitSample& s) {
        return std::tie(
            s.pattern, s.results, s.device, s.variant, s.configuration, s.in_layout, s.out_layout);
    };
    for (const FitSample& s : samples) {
        const auto group = std::ranges::find_if(
            groups, [&](const std::vector<FitSample>& g) { return key(g.front()) == key(s); });
        if (group == groups.end()) {
            groups.push_back({s});
        } else {
            group->push_back(s);
        }
    }
    std::vector<sim::FittedCost> fits;
    for (const std::vector<FitSample>& group : groups) {
        if (auto fit = fit_one(group)) {
            fits.push_back(std::move(*fit));
        }
    }
    return fits;
}

}  // namespace calibrate
