#include "calibrate/fit.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using doctest::Approx;

namespace {

calibrate::FitSample sample(int shape, double macs, double written, double time_us) {
    return {.pattern = "conv2d binary | threshold",
            .signature = fmt::format("shape {}", shape),
            .device = 0,
            .variant = "avx512",
            .configuration = "1",
            .in_layout = "nhwc",
            .out_layout = "nhwc",
            .features = {.million_macs = macs,
                         .kib_read = 0,
                         .kib_written = written,
                         .thousand_tiles = 0},
            .batch = 1 + shape,
            .height = 7,
            .channels = 64,
            .time_us = time_us};
}

}  // namespace

TEST_CASE("a fit finds the coefficients that made the times") {
    // 0.5 us + 2 us per million MACs + 0.25 us per KiB written
    std::vector<calibrate::FitSample> samples;
    for (int i = 1; i <= 8; ++i) {
        const double macs = 1.0 * i * i, written = 9.0 - i;
        samples.push_back(sample(i, macs, written, 0.5 + 2 * macs + 0.25 * written));
    }
    const auto fits = calibrate::fit_costs(samples);
    REQUIRE(fits.size() == 1);
    CHECK(fits[0].constant_us == Approx(0.5));
    CHECK(fits[0].us_per_million_macs == Approx(2));
    CHECK(fits[0].us_per_kib_written == Approx(0.25));
    CHECK(fits[0].p90_error_percent == Approx(0).epsilon(1e-6));
    CHECK(fits[0].samples == 8);
    CHECK(fits[0].smallest_batch == 2);
    CHECK(fits[0].smallest_height == 7);
    CHECK(fits[0].smallest_channels == 64);
}

TEST_CASE("the error in the profile is one on shapes the fit has not seen") {
    // Time does not follow the features for one shape: leaving it out must show.
    std::vector<calibrate::FitSample> samples;
    for (int i = 1; i <= 6; ++i) {
        samples.push_back(sample(i, i, 0, i == 6 ? 12.0 : 1.0 * i));
    }
    const auto fits = calibrate::fit_costs(samples);
    REQUIRE(fits.size() == 1);
    CHECK(fits[0].p90_error_percent > 20);
}

TEST_CASE("layers that give two results have a fit of their own") {
    std::vector<calibrate::FitSample> samples;
    for (const bool two : {false, true}) {
        for (int i = 1; i <= 4; ++i) {
            samples.push_back(sample(i, i, 0, (two ? 3.0 : 2.0) * i));
            samples.back().results = two ? std::vector{0, 1} : std::vector<int>{};
        }
    }
    const auto fits = calibrate::fit_costs(samples);
    REQUIRE(fits.size() == 2);
    CHECK(fits[0].results.empty());
    CHECK(fits[0].us_per_million_macs == Approx(2));
    CHECK(fits[1].results == std::vector{0, 1});
    CHECK(fits[1].us_per_million_macs == Approx(3));
}

TEST_CASE("no coefficient is negative, so no predicted time is") {
    std::vector<calibrate::FitSample> samples;
    for (int i = 1; i <= 6; ++i) {  // faster with more bytes written: no cause, only chance
        samples.push_back(sample(i, 1, i, 10.0 - i));
    }
    for (const sim::FittedCost& fit : calibrate::fit_costs(samples)) {
        CHECK(fit.constant_us >= 0);
        CHECK(fit.us_per_million_macs >= 0);
        CHECK(fit.us_per_kib_written >= 0);
    }
}

TEST_CASE("two shapes are too few to say anything about a third") {
    const std::vector<calibrate::FitSample> samples{sample(1, 1, 0, 1), sample(2, 2, 0, 2)};
    CHECK(calibrate::fit_costs(samples).empty());
}
