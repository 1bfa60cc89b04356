#pragma once

// Statistics of timings: quantiles, how sure a median is, and how well a prediction ranks.
//
// Timings on a shared machine are a tight lump with a long tail, so everything here is about
// order, never about means: a stolen time slice moves no quantile but the last.

#include "sim/describe/platform.hpp"

#include <span>
#include <vector>

namespace calibrate {

// Quantile 0..1 by linear interpolation between order statistics. `values` must not be empty.
double quantile(std::vector<double> values, double q);

// Half the width of the 95 % confidence interval of the median, as a share of the median: by
// order statistics (binomial), so no shape is assumed. 1 for fewer than 6 values.
double median_uncertainty(std::span<const double> sorted);

// p05, p50, p95 of times in nanoseconds.
sim::Measurement summarize(std::vector<double> nanoseconds);

// Values above p75 + 3 x (p75 - p25): counted and reported, never averaged in.
int count_outliers(std::vector<double> values);

// Kendall's tau-b: 1 where both rank all pairs alike, -1 where opposite, ties accounted for
// (Kendall, Rank Correlation Methods, chapter 3). 0 if one of them is constant.
double kendall_tau_b(std::span<const double> a, std::span<const double> b);

}  // namespace calibrate
