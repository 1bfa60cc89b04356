#include "sim/units.hpp"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

namespace sim {
namespace {

constexpr double kPicosecondsPerSecond = 1e12;
constexpr double kPicosecondsPerMicrosecond = 1e6;
constexpr double kFemtojoulesPerPicojoule = 1e3;
constexpr double kFemtojoulesPerMicrojoule = 1e9;

}  // namespace

Time operator/(Bytes size, BytesPerSecond rate) {
    if (size.count <= 0) {
        return Time{};
    }
    // In this order whole numbers stay whole: 32 bytes at 1 GB/s are 32,000 ps, not one more.
    const double time =
        std::ceil(static_cast<double>(size.count) * kPicosecondsPerSecond / rate.rate);
    // Also where the rate is zero, and so the quotient infinite.
    return time < static_cast<double>(kNever.count()) ? Time{static_cast<std::int64_t>(time)}
                                                      : kNever;
}

Time from_microseconds(double us) {
    assert(!std::isnan(us));
    const double time = std::round(us * kPicosecondsPerMicrosecond);
    const auto never = static_cast<double>(kNever.count());
    if (time >= never) {
        return kNever;
    }
    return time <= -never ? -kNever : Time{static_cast<std::int64_t>(time)};
}

Energy operator*(Watts power, Time time) {
    const double picojoules = power.value * static_cast<double>(time.count());  // W x ps
    return {std::llround(picojoules * kFemtojoulesPerPicojoule)};
}

std::string to_string(Bytes bytes) {
    const double kib = static_cast<double>(bytes.count) / 1024;
    return kib < 1024          ? fmt::format("{:.1f} KiB", kib)
           : kib < 1024 * 1024 ? fmt::format("{:.1f} MiB", kib / 1024)
                               : fmt::format("{:.1f} GiB", kib / (1024 * 1024));
}

Energy from_microjoules(double uj) { return {std::llround(uj * kFemtojoulesPerMicrojoule)}; }

}  // namespace sim
