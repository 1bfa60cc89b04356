#include "sim/compile/costs.hpp"

#include "sim/describe/fused_sets.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <cmath>

namespace sim {
namespace {

Time interpolated(const TransferTable::Point& a, const TransferTable::Point& b, Bytes size) {
    const double share = static_cast<double>(size.count - a.size.count) /
                         static_cast<double>(b.size.count - a.size.count);
    const auto from = static_cast<double>(a.time.p50.count());
    const auto to = static_cast<double>(b.time.p50.count());
    return Time{whole_number(from + share * (to - from))};
}

}  // namespace

Time TransferTable::time(Bytes size) const {
    if (points.empty()) {
        return kNever;
    }
    const auto above =
        std::ranges::lower_bound(points, size, {}, [](const Point& point) { return point.size; });
    if (above != points.end()) {
        // Below the first point nothing is known but that it takes no longer.
        return above == points.begin() ? above->time.p50 : interpolated(*(above - 1), *above, size);
    }
    const Point& last = points.back();
    if (bandwidth.rate > 0) {
        return std::min(kNever, last.time.p50 + Bytes{size.count - last.size.count} / bandwidth);
    }
    if (points.size() == 1) {
        return last.time.p50;
    }
    // More bytes never take less, whatever noise the last two points have.
    return std::max(last.time.p50, interpolated(points[points.size() - 2], last, size));
}

std::int64_t bytes_in_layout(const Platform& platform,
                             const TensorShape& shape,
                             std::string_view layout) {
    if (layout == kPlainLayout && bits_of(shape.element) < 8) {
        return shape.elements();
    }
    const auto row = std::ranges::find(platform.layouts, layout, &Layout::name);
    if (row == platform.layouts.end()) {
        return tensor_bytes(shape);
    }
    TensorShape there = shape;
    there.element = row->element.value_or(shape.element);
    const int multiple = row->channels_multiple;
    there.set_channels((shape.channels() + multiple - 1) / multiple * multiple);
    return tensor_bytes(there);
}

CostFeatures features_of(const Model& model,
                         std::span<const int> chain,
                         int batch,
                         std::span<const int> results) {
    const auto layer_of = [&](int index) -> const Layer& { return model.layers[at(index)]; };
    const TensorShape& first = layer_of(chain.front()).output;
    const std::int64_t tiles = first.height() * first.width() * ((first.channels() + 63) / 64);
    std::int64_t macs = 0, read = 0, weights = 0;
    for (const int index : chain) {
        const Work work = work_of(model, index);
        macs += work.macs;
        read += work.bytes_read;
        weights += work.weight_bytes;
        for (const int input : layer_of(index).inputs) {
            if (std::ranges::find(chain, input) != chain.end()) {
                read -= tensor_bytes(layer_of(input).output);
            }
        }
    }
    const double images = batch;
    const auto read_once = static_cast<double>(weights);
    const auto read_each = static_cast<double>(std::max<std::int64_t>(0, read));
    std::int64_t bytes_written = 0;
    for (const int layer : results_in(chain, results)) {
        bytes_written += tensor_bytes(layer_of(layer).output);
    }
    const auto written = static_cast<double>(bytes_written);
    return {.million_macs = images * static_cast<double>(macs) * 1e-6,
            .kib_read = (images * read_each + read_once) / 1024,
            .kib_written = images * written / 1024,
            .thousand_tiles = images * static_cast<double>(tiles) * 1e-3};
}

Time at_quantile(const Measurement& spread, double quantile) {
    const Time from = quantile < 0.5 ? spread.p05 : spread.p50;
    const Time to = quantile < 0.5 ? spread.p50 : spread.p95;
    const double share = (quantile - (quantile < 0.5 ? 0.05 : 0.5)) / 0.45;
    const double time =
        static_cast<double>(from.count()) + share * static_cast<double>(to.count() - from.count());
    return Time{std::max<std::int64_t>(0, std::llround(time))};
}

Time at_speed(Time time, double speed) {
    if (speed == 1 || time <= Time{} || time >= kNever) {
        return time;
    }
    const double ticks = static_cast<double>(time.count()) / speed;
    return ticks < static_cast<double>(kNever.count())
               ? Time{std::max<std::int64_t>(std::llround(ticks), 1)}
               : kNever;
}

Measurement at_speed(const Measurement& time, double speed) {
    return {.p05 = at_speed(time.p05, speed),
            .p50 = at_speed(time.p50, speed),
            .p95 = at_speed(time.p95, speed),
            .samples = time.samples};
}

Time shortened(Time time, double factor) {
    return factor == 1 || time >= kNever ? time
                                         : Time{static_cast<std::int64_t>(std::floor(
                                               static_cast<double>(time.count()) / factor))};
}

std::optional<Measurement> predict(const FittedCost& fit, const CostFeatures& features) {
    const double us = fit.constant_us + fit.us_per_million_macs * features.million_macs +
                      fit.us_per_kib_read * features.kib_read +
                      fit.us_per_kib_written * features.kib_written +
                      fit.us_per_thousand_tiles * features.thousand_tiles;
    if (!(us > 0)) {
        return std::nullopt;
    }
    // An error is predicted / measured - 1, so these bound what nine of ten errors leave.
    constexpr double kMostError = 0.9;
    const double error = fit.p90_error_percent / 100;
    return Measurement{.p05 = from_microseconds(us / (1 + error)),
                       .p50 = from_microseconds(us),
                       .p95 = from_microseconds(us / (1 - std::min(error, kMostError))),
                       .samples = 0};
}

}  // namespace sim
