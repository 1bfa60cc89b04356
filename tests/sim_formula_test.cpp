#include "sim/describe/formula.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace {

const std::string kNetwork = R"(hetmap: model/1
name: all
input: {name: image, height: 32, width: 24, channels: 6, type: int8}
parameters: {seed: 1}
layers:
  - {name: conv, operation: conv2d, inputs: [image], weights: int8, out_channels: 8, kernel: [3, 5], stride: 2, padding: 1, groups: 2}
  - {name: bits, operation: threshold, inputs: [conv]}
  - {name: depthwise, operation: depthwise_conv2d, inputs: [bits], weights: int8, kernel: 3, padding: 1}
  - {name: sum, operation: add, inputs: [conv, conv]}
  - {name: pool, operation: max_pool2d, inputs: [sum], kernel: 2, stride: 2}
  - {name: pool2, operation: max_pool2d, inputs: [depthwise], kernel: 2, stride: 2}
  - {name: both, operation: add, inputs: [pool, pool2]}
  - {name: few, operation: threshold, inputs: [both]}
  - {name: full, operation: linear, inputs: [few], weights: int8, out_channels: 10}
output: full
)";

const sim::Model& network() {
    static const sim::Model model = [] {
        const TemporaryFolder folder;
        return sim::load_model(folder.write("model.yaml", kNetwork), {});
    }();
    return model;
}

int layer(std::string_view name) {
    const auto& layers = network().layers;
    return static_cast<int>(std::ranges::find(layers, name, &sim::Layer::name) - layers.begin());
}

// The values of a layer by their names.
std::map<std::string_view, double> values_of(
    std::string_view name, int batch = 1, double clock_mhz = 0, int n = 0, int m = 0) {
    const sim::FormulaInputs inputs =
        sim::formula_inputs(network(), layer(name), batch, clock_mhz, n, m);
    REQUIRE(inputs.values.size() == sim::formula_names().size());
    std::map<std::string_view, double> values;
    for (std::size_t i = 0; i < inputs.values.size(); ++i) {
        values[sim::formula_names()[i]] = inputs.values[i];
    }
    return values;
}

double value_of(const std::string& text, std::string_view of = "conv") {
    return sim::Formula{text, {}}.evaluate(sim::formula_inputs(network(), layer(of), 1));
}

// "no error", or what is wrong with the expression itself or with its value for `conv`.
std::string error_of(const std::string& text, std::span<const std::string> more = {}) {
    try {
        const sim::Formula formula{text, {"p.yaml", 3, 7}, more};
        formula.evaluate(sim::formula_inputs(network(), layer("conv"), 1),
                         std::vector<double>(more.size(), 2.0));
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "no error";
}

const std::string kNamesThereAre =
    "there are: c_in, ih, iw, c_out, oh, ow, kh, kw, stride, padding, groups, macs, inputs, "
    "outputs, weights, batch, n, m, clock_mhz";

}  // namespace

TEST_CASE("a formula sees a convolution's shapes, attributes and work") {
    // 32x24x6, kernel 3x5, stride 2, padding 1: 16x11x8; 3 channels in each of two groups.
    const std::map<std::string_view, double> expected = {{"c_in", 6},
                                                         {"ih", 32},
                                                         {"iw", 24},
                                                         {"c_out", 8},
                                                         {"oh", 16},
                                                         {"ow", 11},
                                                         {"kh", 3},
                                                         {"kw", 5},
                                                         {"stride", 2},
                                                         {"padding", 1},
                                                         {"groups", 2},
                                                         {"macs", 16 * 11 * 8 * 3 * 5 * 3},
                                                         {"inputs", 32 * 24 * 6},
                                                         {"outputs", 16 * 11 * 8},
                                                         {"weights", 8 * 3 * 5 * 3},
                                                         {"batch", 16},
                                                         {"n", 8},
                                                         {"m", 6},
                                                         {"clock_mhz", 260}};
    CHECK(values_of("conv", 16, 260) == expected);
}

TEST_CASE("a formula sees a depthwise convolution as one with a group for each channel") {
    auto values = values_of("depthwise");
    CHECK(values["c_in"] == 8);
    CHECK(values["c_out"] == 8);
    CHECK(values["groups"] == 8);
    CHECK(values["macs"] == 16 * 11 * 8 * 9);
    CHECK(values["weights"] == 8 * 9);
}

TEST_CASE("a formula sees a linear layer as a convolution of one pixel") {
    auto values = values_of("full");  // of 8x5x8
    CHECK(values["c_in"] == 8 * 5 * 8);
    CHECK(values["ih"] == 1);
    CHECK(values["iw"] == 1);
    CHECK(values["kh"] == 1);
    CHECK(values["kw"] == 1);
    CHECK(values["oh"] == 1);
    CHECK(values["ow"] == 1);
    CHECK(values["groups"] == 1);
    CHECK(values["c_out"] == 10);
    CHECK(values["inputs"] == 8 * 5 * 8);
    CHECK(values["macs"] == 8 * 5 * 8 * 10);
    CHECK(values["weights"] == 8 * 5 * 8 * 10);
}

TEST_CASE("a formula sees layers without weights") {
    auto pool = values_of("pool");
    CHECK(pool["ih"] == 16);
    CHECK(pool["oh"] == 8);
    CHECK(pool["kh"] == 2);
    CHECK(pool["stride"] == 2);
    CHECK(pool["macs"] == 0);
    CHECK(pool["weights"] == 0);
    CHECK(pool["outputs"] == 8 * 5 * 8);
    auto sum = values_of("sum");
    CHECK(sum["inputs"] == 2 * 16 * 11 * 8);  // of both inputs
    CHECK(sum["c_in"] == 8);
    CHECK(sum["c_out"] == 8);
    CHECK(sum["groups"] == 1);
    CHECK(values_of("bits")["weights"] == 0);
}

TEST_CASE("work, outputs and weights are those of the share") {
    const auto whole = values_of("full");
    auto outputs = values_of("full", 1, 0, 3);
    CHECK(outputs["n"] == 3);
    CHECK(outputs["m"] == 320);
    CHECK(outputs["c_out"] == 10);
    CHECK(outputs["macs"] == 320 * 3);
    CHECK(outputs["weights"] == 320 * 3);
    CHECK(outputs["outputs"] == 3);
    CHECK(outputs["inputs"] == 320);
    auto inputs = values_of("full", 1, 0, 0, 100);
    CHECK(inputs["n"] == 10);
    CHECK(inputs["m"] == 100);
    CHECK(inputs["c_in"] == 320);
    CHECK(inputs["macs"] == 100 * 10);
    CHECK(inputs["outputs"] == 10);
    CHECK(values_of("full", 1, 0, 10, 320) == whole);
    // Of a depthwise convolution the output channels alone decide.
    auto depthwise = values_of("depthwise", 1, 0, 5, 5);
    CHECK(depthwise["macs"] == 16 * 11 * 5 * 9);
    CHECK(depthwise["weights"] == 5 * 9);
}

TEST_CASE("an expression has numbers, operators and functions") {
    struct Case {
        const char* text;
        double value;
    };
    const Case cases[] = {
        {"1", 1},
        {"1.5e3 + .5", 1500.5},
        {"2 + 3 * 4 ^ 2", 50},
        {"2 ^ 3 ^ 2", 512},
        {"-2 ^ 2", -4},
        {"-(1 - 3)", 2},
        {"5 - -3 * -1", 2},
        {"7 / 2", 3.5},
        {"c_in * c_out", 48},
        {"3 < 4", 1},
        {"c_in >= 7", 0},
        {"c_in == 6 && c_out != 6", 1},
        {"c_in == 1 || c_out <= 8", 1},
        {"!0 + !7", 1},
        {"!(c_in == 6)", 0},
        {"groups == 1 ? 10 : groups == 2 ? 20 : 30", 20},
        {"min(4, 3, 5) + max(1, 2)", 5},
        {"max(3)", 3},
        {"abs(-3) + sqrt(16) + exp(0) + ln(1) + log2(8)", 11},
        {"floor(2.5) + ceil(2.5)", 5},
        {"floor(-2.5) * 10 + ceil(-2.5)", -32},
        {" c_in\n\t+ 1 ", 7},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(value_of(c.text) == c.value);
    }
}

TEST_CASE("quotients are rounded up or down, and exact ones stay") {
    CHECK(value_of("ceil_div(0, 16)") == 0);
    CHECK(value_of("ceil_div(1, 16)") == 1);
    CHECK(value_of("ceil_div(16, 16)") == 1);
    CHECK(value_of("ceil_div(17, 16)") == 2);
    CHECK(value_of("ceil_div(-17, 16)") == -1);
    CHECK(value_of("ceil_div(17, -16)") == -1);
    CHECK(value_of("floor_div(17, 16)") == 1);
    CHECK(value_of("floor_div(-17, 16)") == -2);
    CHECK(value_of("floor_div(17, -16)") == -2);
    // Shares of groups are no whole numbers: this is the difference to adding 15 and rounding down.
    CHECK(value_of("ceil_div(1 / 2, 16)") == 1);
    CHECK(value_of("floor_div(1 / 2 + 16 - 1, 16)") == 0);
    CHECK(value_of("floor_div(1, 0.1)") == 10);
    CHECK(value_of("ceil_div(9007199254740991, 2)") == 4503599627370496);  // of 2^53 - 1
    CHECK(value_of("floor_div(9007199254740991, 2)") == 4503599627370495);
    CHECK(value_of("ceil_div(9007199254740991, 3)") == 3002399751580331);
    CHECK(value_of("floor_div(9007199254740991, 3)") == 3002399751580330);
    for (int b = 1; b <= 64; ++b) {
        for (int a = 0; a <= 512; ++a) {
            const std::string of = "(" + std::to_string(a) + ", " + std::to_string(b) + ")";
            REQUIRE(value_of("ceil_div" + of) == (a + b - 1) / b);
            REQUIRE(value_of("floor_div" + of) == a / b);
        }
    }
}

// The cycles of DIANA's digital and analog cores as eml-eda/odimo (2d9f139, models/hw_models.py)
// has them, on three layers of its ResNet20.
TEST_CASE("published formulas can be written down as they are") {
    const TemporaryFolder folder;
    const sim::Model model = sim::load_model(folder.write("model.yaml", R"(hetmap: model/1
name: pieces
input: {name: image, height: 32, width: 32, channels: 3, type: int8}
parameters: {seed: 1}
layers:
  - {name: first, operation: conv2d, inputs: [image], weights: int8, out_channels: 16, kernel: 3, padding: 1}
  - {name: bits1, operation: threshold, inputs: [first]}
  - {name: second, operation: conv2d, inputs: [bits1], weights: int8, out_channels: 16, kernel: 3, padding: 1}
  - {name: bits2, operation: threshold, inputs: [second]}
  - {name: wide, operation: conv2d, inputs: [bits2], weights: int8, out_channels: 64, kernel: 1}
  - {name: pool, operation: average_pool2d, inputs: [wide], kernel: 32, stride: 32}
  - {name: bits3, operation: threshold, inputs: [pool]}
  - {name: last, operation: linear, inputs: [bits3], weights: int8, out_channels: 10}
output: last
)"),
                                             {});
    const sim::Formula digital{
        "floor_div(n / groups + 15, 16) * c_in * ceil_div(ow, 16) * oh * kh * kw + "
        "ow * oh * (n + c_in) / 8",
        {}};
    // Pixels at a time: the most of 1, 2, 4, 8 that the array's 512 columns and 1152 rows take.
    const auto at_a_time = [](const std::string& u) {
        return u + " * n <= 512 && (" + u + " + kw - 1) * max(64, c_in) * kh <= 1152";
    };
    const sim::Formula pixels{
        at_a_time("8") + " ? 8 : " + at_a_time("4") + " ? 4 : " + at_a_time("2") + " ? 2 : 1", {}};
    const std::string more[] = {"u"};
    const sim::Formula analog{
        "ceil_div(n, 512) * ceil_div(c_in, 128) * ow * oh / u * 70 / (1000 / clock_mhz) + "
        "4 * 2 * c_in * kh * kw",
        {},
        more};
    struct Case {
        const char* layer;
        double digital, analog;
    };
    for (const Case& c : {Case{"first", 4160, 4875.2},
                          Case{"second", 13312, 5811.2},
                          Case{"last", 73.25, 514.275}}) {
        CAPTURE(c.layer);
        const auto found = std::ranges::find(model.layers, c.layer, &sim::Layer::name);
        const sim::FormulaInputs inputs =
            sim::formula_inputs(model, static_cast<int>(found - model.layers.begin()), 1, 260);
        CHECK(digital.evaluate(inputs) == c.digital);
        const double u[] = {pixels.evaluate(inputs)};
        CHECK(analog.evaluate(inputs, u) == doctest::Approx(c.analog).epsilon(1e-12));
    }
}

TEST_CASE("an expression may use names that the caller adds") {
    const std::string more[] = {"rows", "cpu_0"};
    const sim::Formula formula{"rows * c_in + cpu_0", {}, more};
    const double values[] = {10, 0.5};
    CHECK(formula.evaluate(sim::formula_inputs(network(), layer("conv"), 1), values) == 60.5);
    CHECK(formula.uses("rows"));
    CHECK(formula.uses("c_in"));
    CHECK_FALSE(formula.uses("c_out"));
    // A branch that is not taken counts, too.
    CHECK(sim::Formula{"1 ? 2 : clock_mhz", {}}.uses("clock_mhz"));
}

TEST_CASE("a formula can be moved and evaluated again") {
    sim::Formula first{"n + 1", {}};
    sim::Formula second = std::move(first);
    first = sim::Formula{"n + 2", {}};
    const sim::FormulaInputs inputs = sim::formula_inputs(network(), layer("conv"), 1, 0, 3);
    CHECK(second.evaluate(inputs) == 4);
    CHECK(first.evaluate(inputs) == 5);
    CHECK(second.evaluate(sim::formula_inputs(network(), layer("conv"), 1)) == 9);
}

TEST_CASE("what is wrong in a formula is named with its place") {
    struct Case {
        std::string text, message;
    };
    const Case cases[] = {
        {"", "expected an expression, got nothing"},
        {"  \n", "expected an expression, got nothing"},
        {"colour * 2", "no name 'colour'; " + kNamesThereAre},
        {"2 + sin(1)",
         "no function 'sin'; there are: abs, sqrt, exp, ln, log2, floor, ceil, min, max, ceil_div, "
         "floor_div"},
        {"_pi", "no name '_pi'; " + kNamesThereAre},
        {"c_in = 3", "'=' assigns; to compare, write '=='"},
        {"(c_in === 3)", "'=' assigns; to compare, write '=='"},
        {"\"text\"", "expected numbers and names, got a text in quotes"},
        {"1, 2", "expected one value, got 2"},
        {"c_in / (c_out - 8)", "gives inf (c_in = 6, c_out = 8)"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const bool value = c.message.starts_with("gives");
        CHECK(error_of(c.text) ==
              "p.yaml:3:7: formula '" + c.text + (value ? "' " : "': ") + c.message);
    }
}

TEST_CASE("what muParser refuses is said in its words") {
    for (const char* const text : {"2 +",
                                   "(2",
                                   "2)",
                                   "2 3",
                                   "c_in c_out",
                                   "min()",
                                   "1 ? 2",
                                   "1 : 2",
                                   "* 2",
                                   "floor(1, 2)",
                                   "ceil_div(1)",
                                   "0x10",
                                   "1e999",
                                   "2 $ 3",
                                   "n(3)",
                                   "floor",
                                   "1 ? 2 : min()",
                                   "a'b",
                                   "#"}) {
        CAPTURE(text);
        const std::string error = error_of(text);
        CHECK(error.starts_with("p.yaml:3:7: formula '" + std::string{text} + "': "));
        CHECK_FALSE(error.ends_with("."));
    }
    CHECK(error_of("2 + * 3") ==
          "p.yaml:3:7: formula '2 + * 3': unexpected operator \"*\" found at position 4");
    CHECK(error_of("2 +") == "p.yaml:3:7: formula '2 +': it ends too early");
}

TEST_CASE("a result that is no number is refused with the values it came from") {
    CHECK(error_of("1 / 0") == "p.yaml:3:7: formula '1 / 0' gives inf");
    CHECK(error_of("-1 / (padding - 1)") ==
          "p.yaml:3:7: formula '-1 / (padding - 1)' gives -inf (padding = 1)");
    CHECK(error_of("0 / (padding - 1)") ==
          "p.yaml:3:7: formula '0 / (padding - 1)' gives no number (padding = 1)");
    CHECK(error_of("sqrt(0 - c_in)").ends_with("gives no number (c_in = 6)"));
    CHECK(error_of("ln(0)").ends_with("gives -inf"));
    CHECK(error_of("ceil_div(n, clock_mhz)").ends_with("gives inf (n = 8, clock_mhz = 0)"));
    CHECK(error_of("exp(1000)").ends_with("gives inf"));
    CHECK(error_of("padding == 1 ? 2 : 1 / 0") == "no error");
    const std::string more[] = {"gpu"};
    CHECK(error_of("gpu / 0", more).ends_with("gives inf (gpu = 2)"));
}

TEST_CASE("names that an expression cannot have are refused") {
    const auto error = [](const std::string& name) {
        const std::string more[] = {name};
        return error_of("1", more);
    };
    const std::string prefix = "p.yaml:3:7: '";
    CHECK(error("gpu-0") ==
          "p.yaml:3:7: 'gpu-0' cannot be a name in a formula: expected letters, digits and '_', no "
          "digit first");
    CHECK(error("").find("cannot be a name") != std::string::npos);
    CHECK(error("0gpu").find("cannot be a name") != std::string::npos);
    CHECK(error(std::string(101, 'a')).find("cannot be a name") != std::string::npos);
    CHECK(error(std::string(100, 'a')) == "no error");
    CHECK(error("n") == "p.yaml:3:7: 'n' cannot be a name in a formula: it is the layer's");
    CHECK(error("min") == "p.yaml:3:7: 'min' cannot be a name in a formula: it is a function");
    const std::string twice[] = {"a", "a"};
    CHECK(error_of("1", twice) == "p.yaml:3:7: formula '1': there are two names 'a'");
}

TEST_CASE("invisible characters are refused") {
    CHECK(error_of(std::string{"1\0+ 2", 6}) ==
          "p.yaml:3:7: a formula has a character of code 0 at position 1; expected ASCII");
    CHECK(error_of("1 \xc3\x97 2") ==
          "p.yaml:3:7: a formula has a character of code 195 at position 2; expected ASCII");
}

TEST_CASE("deep and long expressions end") {
    const auto nested = [](const std::string& open, const std::string& close, int depth) {
        std::string text;
        for (int i = 0; i < depth; ++i) {
            text += open;
        }
        text += "1";
        for (int i = 0; i < depth; ++i) {
            text += close;
        }
        return text;
    };
    CHECK(value_of(nested("(", ")", 5000)) == 1);
    CHECK(value_of(nested("floor(", ")", 2000)) == 1);
    CHECK(value_of(nested("1 ? ", " : 2", 1000)) == 1);
    CHECK(value_of(nested("-(", ")", 1000)) == 1);
    CHECK(value_of(nested("1+", "", 5000)) == 5001);
    CHECK(error_of(nested("(", ")", 50'000)).starts_with("p.yaml:3:7: formula '((("));
    CHECK(error_of(nested("1+", "", 15'000)).size() < 300);
    CHECK(error_of(nested("(", "", 5000)).starts_with("p.yaml:3:7: formula '((("));
}

TEST_CASE("whatever an expression is, it has a value or is an input error") {
    const char* const words[] = {
        "1", "2.5", "c_in", "n",     "0",   "+", "-",  "*",  "/",         "^", "(", ")",   ",", "?",
        ":", "min", "!",    "floor", "max", "<", "==", "&&", "floor_div", "(", ")", "abs", "x"};
    std::mt19937 random{7};
    int values = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto length = 1 + random() % 12; length > 0; --length) {
            text += words[random() % std::size(words)];
            text += random() % 2 == 0 ? " " : "";
        }
        CAPTURE(text);
        const std::string error = error_of(text);
        values += error == "no error" ? 1 : 0;
        REQUIRE((error == "no error" || error.starts_with("p.yaml:3:7: formula '")));
    }
    CHECK(values > 300);
}
