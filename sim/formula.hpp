#pragma once

// Expressions over a layer's attributes, evaluated by muParser: what a layer costs on a device that
// is known by a model only. Start at `Formula`.
//
// An expression has numbers, + - * / ^, comparisons, && || !, c ? a : b, min max abs sqrt exp ln
// log2 floor ceil, and
//   ceil_div(a, b)   a / b, rounded up to a whole number; floor_div likewise
// Names of the layer (of one image; tensors are height x width x channels):
//   c_in, ih, iw     first input: channels, height, width
//   c_out, oh, ow    result
//   kh, kw, stride, padding, groups
//   macs             multiply-accumulates
//   inputs           elements of all inputs; outputs, weights: of the result, of the weights
//   batch            images at a time
// and of a share of the layer (all of it where it is not divided):
//   n                output channels of the share
//   m                input channels of the share
// macs, outputs and weights are those of the share. And of the clock, where one is stated:
//   clock_mhz
//
// muParser has no loops and no recursion: an expression always ends.

#include "sim/error.hpp"
#include "sim/model.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

// What the names above stand for. `values` holds them in the order of formula_names().
struct FormulaInputs {
    std::vector<double> values;
};

std::span<const std::string_view> formula_names();

// Of a layer, or of a share of `n` of its output and `m` of its input channels (0: all of them).
FormulaInputs formula_inputs(
    const Model& model, int layer, int batch, double clock_mhz = 0, int n = 0, int m = 0);

// A compiled expression. Cheap to evaluate many times; not safe to share between threads.
class Formula {
public:
    // `more`: further names the expression may use, such as those of `let` or of devices; their
    // values follow the inputs' in evaluate. Throws InputError at `where` for what muParser refuses
    // (with its reason) and for unknown names (with those there are).
    Formula(const std::string& text,
            const SourcePosition& where,
            std::span<const std::string> more = {});
    Formula(Formula&&) noexcept;
    Formula& operator=(Formula&&) noexcept;
    ~Formula();

    // Throws InputError at `where`, with the layer's values, where the result is infinite or not a
    // number, as after a division by zero.
    double evaluate(const FormulaInputs& inputs, std::span<const double> more = {}) const;

private:
    struct Body;
    std::unique_ptr<Body> body_;
};

}  // namespace sim
