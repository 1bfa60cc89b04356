#pragma once

// Costs of work: the features of a chain of layers, and the time that a fitted formula gives for
// them. The calibrator fits on the same features, so that both mean the same.
//
// Bytes become `Time` here and in TransferTable::time, and nowhere else.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace sim {

// Features of one run of a chain on a whole batch. Binary tensors count as packed, whatever the
// layout.
struct CostFeatures {
    double million_macs = 0;
    double kib_read = 0;        // what the chain reads from outside, and its weights (once)
    double kib_written = 0;     // its results: what else is between its layers stays inside
    double thousand_tiles = 0;  // output positions of the first layer x ceil(its channels / 64)
};

// `results`: positions in the chain of those whose results are written; none: the last alone.
CostFeatures features_of(const Model& model,
                         std::span<const int> chain,
                         int batch,
                         std::span<const int> results = {});

// Median and interval of a fitted cost; nothing where the formula gives no time above zero.
std::optional<Measurement> predict(const FittedCost& fit, const CostFeatures& features);

// A cost at a quantile of what was measured, 0 to 1: straight lines through p05, p50 and p95, and
// on beyond them, not below zero. Of a stated cost, which has no spread, the cost.
Time at_quantile(const Measurement& spread, double quantile);

// On a device that is so many times as fast as its costs say. What takes any time still does.
Time at_speed(Time time, double speed);
Measurement at_speed(const Measurement& time, double speed);

// The least that something may take which takes `time` alone and is slowed down by `factor` then.
Time shortened(Time time, double factor);

// Bytes of one image's tensor in a layout: `plain` binary tensors have one byte an element, all
// others are as in tensor_bytes().
std::int64_t bytes_in_layout(const Platform& platform,
                             const TensorShape& shape,
                             std::string_view layout);

}  // namespace sim
