#pragma once

// Expressions over a layer's attributes, evaluated by muParser: what a layer costs on a device that
// is known by a model only. Start at `Formula`.
//
// An expression has numbers, + - * / ^, comparisons, && || !, c ? a : b, and the functions
//   min(a, b, ...), max(a, b, ...), abs, sqrt, exp, ln, log2, floor, ceil
//   ceil_div(a, b)   the quotient a / b rounded up to a whole number; floor_div likewise down.
//                    Also where a is no whole number: ceil_div(0.5, 16) is 1, not
//                    floor_div(0.5 + 16 - 1, 16), which is 0.
// Names of the layer (of one image; tensors are height x width x channels, where those of other
// dimensions have their last as channels, the one before as width and the others as height):
//   c_in, ih, iw     first input: channels, height, width
//   c_out, oh, ow    result
//   kh, kw, stride, padding, groups (of windows: the height's stride, the padding above)
//   macs             multiply-accumulates
//   inputs           elements of all inputs; outputs, weights: of the result, of the weights
//                    (0 without them; thresholds are none)
//   batch            images at a time
// A depthwise convolution has as many groups as channels; a layer whose window is its whole input
// (linear) is a 1x1 convolution of a 1x1 image. And of a share of the layer (all of it where it is
// not divided):
//   n                output channels of the share
//   m                input channels of the share
// macs, outputs and weights are those of the share; with as many groups as channels, `n` alone
// decides. And of the clock, where one is stated:
//   clock_mhz
//
// muParser has no loops and no recursion, and takes 20,000 characters: an expression always ends.

#include "sim/describe/model.hpp"
#include "sim/error.hpp"

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

// Of a layer (not the model's input), or of a share of `n` of its output and `m` of its input
// channels (0: all of them).
FormulaInputs formula_inputs(
    const Model& model, int layer, int batch, double clock_mhz = 0, int n = 0, int m = 0);

// Throws InputError at `where` unless `name` may stand in an expression for something new: letters,
// digits and '_', no digit first, at most 100, and neither one of formula_names() nor a function.
void expect_formula_name(const std::string& name, const SourcePosition& where);

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

    // Whether the expression has this name.
    bool uses(std::string_view name) const;

private:
    struct Body;
    std::unique_ptr<Body> body_;
};

}  // namespace sim
