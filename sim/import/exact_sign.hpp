#pragma once

// Is slope x + constant + factor sqrt(radicand) above, at or below zero? Without rounding.
//
// Start at `Line`. All numbers are those that floating-point numbers stand for, x is a whole one or
// of these.

#include <cstdint>
#include <memory>

namespace sim::onnx {

// A batch norm's numbers for one channel.
struct Norm {
    double gamma = 1, beta = 0, mean = 0, variance = 1, epsilon = 0;
};

class Line {
public:
    // scale x + offset - level, or with a batch norm in between that, times sqrt(variance +
    // epsilon), which is no less than zero and changes no sign. All finite.
    Line(double scale, double offset, double level);
    Line(double scale, double offset, const Norm& norm, double level);
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    int sign_at(std::int64_t x) const;  // -1, 0 or 1
    int sign_at_real(double x) const;   // the same; finite

private:
    struct Numbers;
    std::unique_ptr<const Numbers> numbers_;
};

}  // namespace sim::onnx
