#include "sim/import/exact_sign.hpp"

#include <boost/multiprecision/cpp_int.hpp>

#include <algorithm>
#include <cmath>

namespace sim::onnx {
namespace {

using Integer = boost::multiprecision::cpp_int;

// mantissa * 2^exponent: what floating-point numbers are, and their sums and products.
struct Dyadic {
    Integer mantissa = 0;
    int exponent = 0;

    Dyadic(Integer m, int e) : mantissa{std::move(m)}, exponent{e} {}
    explicit Dyadic(double value) {
        constexpr int kBits = 53;
        const double fraction = std::frexp(value, &exponent);
        mantissa = static_cast<std::int64_t>(std::ldexp(fraction, kBits));
        exponent -= kBits;
    }

    // As a multiple of 2^to, which is no more than its exponent.
    Integer in_units(int to) const {
        return mantissa * (Integer{1} << static_cast<unsigned>(exponent - to));
    }
};

Dyadic operator*(const Dyadic& a, const Dyadic& b) {
    return {a.mantissa * b.mantissa, a.exponent + b.exponent};
}

Dyadic operator+(const Dyadic& a, const Dyadic& b) {
    const int exponent = std::min(a.exponent, b.exponent);
    return {a.in_units(exponent) + b.in_units(exponent), exponent};
}

Dyadic operator-(const Dyadic& a, const Dyadic& b) { return a + Dyadic{-b.mantissa, b.exponent}; }

int sign_of(const Integer& number) { return number.sign(); }

}  // namespace

// slope x + constant + factor sqrt(radicand), all whole: multiplied by one power of two.
struct Line::Numbers {
    Integer slope, constant, factor, radicand;

    Numbers(const Dyadic& a, const Dyadic& b, Dyadic c, Dyadic root) {
        if (root.exponent % 2 != 0) {  // sqrt(m 2^2k) = sqrt(m) 2^k
            root = {root.mantissa * 2, root.exponent - 1};
        }
        c.exponent += root.exponent / 2;
        const int unit = std::min({a.exponent, b.exponent, c.exponent});
        slope = a.in_units(unit);
        constant = b.in_units(unit);
        factor = c.in_units(unit);
        radicand = root.mantissa;
    }
};

Line::Line(double scale, double offset, double level)
    : numbers_{std::make_unique<Numbers>(
          Dyadic{scale}, Dyadic{offset} - Dyadic{level}, Dyadic{0.0}, Dyadic{0.0})} {}

Line::Line(double scale, double offset, const Norm& norm, double level)
    : numbers_{std::make_unique<Numbers>(Dyadic{norm.gamma} * Dyadic{scale},
                                         Dyadic{norm.gamma} * (Dyadic{offset} - Dyadic{norm.mean}),
                                         Dyadic{norm.beta} - Dyadic{level},
                                         Dyadic{norm.variance} + Dyadic{norm.epsilon})} {}

Line::~Line() = default;

namespace {

// Of left + factor sqrt(radicand).
int sign_of_sum(const Integer& left, const Integer& factor, const Integer& radicand) {
    const int of_left = sign_of(left);
    const int of_root = sign_of(factor) * sign_of(radicand);
    if (of_left * of_root >= 0) {
        return of_left != 0 ? of_left : of_root;
    }
    // They pull apart: the larger square wins.
    const Integer square = left * left, root = factor * factor * radicand;
    return square == root ? 0 : square > root ? of_left : of_root;
}

}  // namespace

int Line::sign_at(std::int64_t x) const {
    return sign_of_sum(
        numbers_->slope * x + numbers_->constant, numbers_->factor, numbers_->radicand);
}

int Line::sign_at_real(double x) const {
    const Dyadic real{x};
    if (real.exponent >= 0) {
        return sign_of_sum(numbers_->slope * real.in_units(0) + numbers_->constant,
                           numbers_->factor,
                           numbers_->radicand);
    }
    // Everything as a multiple of what x is one of.
    const auto by = static_cast<unsigned>(-real.exponent);
    return sign_of_sum(numbers_->slope * real.mantissa + (numbers_->constant << by),
                       numbers_->factor << by,
                       numbers_->radicand);
}

}  // namespace sim::onnx
