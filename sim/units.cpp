#include "sim/units.hpp"

#include <fmt/format.h>

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
    return Time{whole_number(time)};
}

Time from_microseconds(double us) { return Time{whole_number(us * kPicosecondsPerMicrosecond)}; }

Energy operator*(Watts power, Time time) {
    const double picojoules = power.value * static_cast<double>(time.count());  // W x ps
    return {whole_number(picojoules * kFemtojoulesPerPicojoule)};
}

std::string to_string(Bytes bytes) {
    const double kib = static_cast<double>(bytes.count) / 1024;
    return kib < 1024          ? fmt::format("{:.1f} KiB", kib)
           : kib < 1024 * 1024 ? fmt::format("{:.1f} MiB", kib / 1024)
                               : fmt::format("{:.1f} GiB", kib / (1024 * 1024));
}

Energy from_microjoules(double uj) { return {whole_number(uj * kFemtojoulesPerMicrojoule)}; }

}  // namespace sim
