#include "sim/describe/formula.hpp"

#include "sim/describe/yaml.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cctype>
#include <cmath>
#include <muParser.h>

namespace sim {
namespace {

// In the order in which formula_inputs() puts the values.
constexpr std::array<std::string_view, 19> kNames = {"c_in",
                                                     "ih",
                                                     "iw",
                                                     "c_out",
                                                     "oh",
                                                     "ow",
                                                     "kh",
                                                     "kw",
                                                     "stride",
                                                     "padding",
                                                     "groups",
                                                     "macs",
                                                     "inputs",
                                                     "outputs",
                                                     "weights",
                                                     "batch",
                                                     "n",
                                                     "m",
                                                     "clock_mhz"};

// ---- Functions. -----------------------------------------------------------------------------

// Right for whole numbers below 2^53: where b does not divide a, the quotient is at least 1 / b
// away from a whole number, more than what rounding it to a double moves it.
double ceil_div(double a, double b) { return std::ceil(a / b); }
double floor_div(double a, double b) { return std::floor(a / b); }

double least(const double* values, int count) {
    if (count < 1) {
        throw mu::ParserError{"too few arguments of min"};
    }
    return *std::min_element(values, values + count);
}

double greatest(const double* values, int count) {
    if (count < 1) {
        throw mu::ParserError{"too few arguments of max"};
    }
    return *std::max_element(values, values + count);
}

struct Unary {
    std::string_view name;
    double (*function)(double);
};

constexpr std::array<Unary, 7> kUnary{{
    {"abs", [](double x) { return std::abs(x); }},
    {"sqrt", [](double x) { return std::sqrt(x); }},
    {"exp", [](double x) { return std::exp(x); }},
    {"ln", [](double x) { return std::log(x); }},
    {"log2", [](double x) { return std::log2(x); }},
    {"floor", [](double x) { return std::floor(x); }},
    {"ceil", [](double x) { return std::ceil(x); }},
}};

constexpr std::array<std::string_view, 4> kOtherFunctions = {"min", "max", "ceil_div", "floor_div"};

std::vector<std::string_view> function_names() {
    std::vector<std::string_view> names;
    for (const Unary& unary : kUnary) {
        names.push_back(unary.name);
    }
    names.insert(names.end(), kOtherFunctions.begin(), kOtherFunctions.end());
    return names;
}

void define_functions(mu::Parser& parser) {
    parser.ClearFun();    // muParser's own: more than we promise
    parser.ClearConst();  // _pi and _e
    for (const Unary& unary : kUnary) {
        parser.DefineFun(std::string{unary.name}, unary.function);
    }
    parser.DefineFun("min", least);
    parser.DefineFun("max", greatest);
    parser.DefineFun("ceil_div", ceil_div);
    parser.DefineFun("floor_div", floor_div);
    parser.DefineInfixOprt("!", [](double x) { return x == 0 ? 1.0 : 0.0; });
}

// ---- What is wrong with an expression. ------------------------------------------------------

// "formula 'c_in * 2'", without the end of a very long one.
std::string cited(std::string_view text) {
    constexpr std::size_t kMost = 200;
    return text.size() <= kMost ? fmt::format("formula '{}'", text)
                                : fmt::format("formula '{}...'", text.substr(0, kMost));
}

InputError error_at(const SourcePosition& where, std::string_view text, std::string_view reason) {
    return input_error(where, fmt::format("{}: {}", cited(text), reason));
}

// What muParser would take and we do not: texts, assignments, and characters that cannot be seen.
void expect_plain(const std::string& text, const SourcePosition& where) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            throw error_at(where, text, "expected numbers and names, got a text in quotes");
        }
        if (std::isprint(static_cast<unsigned char>(c)) == 0 && c != '\n' && c != '\t') {
            throw input_error(
                where,
                fmt::format("a formula has a character of code {} at position {}; expected ASCII",
                            static_cast<int>(static_cast<unsigned char>(c)),
                            i));
        }
        const bool next_is_equal = i + 1 < text.size() && text[i + 1] == '=';
        if (next_is_equal && (c == '<' || c == '>' || c == '!' || c == '=')) {
            ++i;
        } else if (c == '=') {
            throw error_at(where, text, "'=' assigns; to compare, write '=='");
        }
    }
}

// muParser's reason in our words where a name is unknown, else in its own.
std::string reason_of(const mu::ParserError& error, const std::vector<std::string_view>& names) {
    if (error.GetCode() == mu::ecEMPTY_EXPRESSION) {
        return "expected an expression, got nothing";
    }
    if (error.GetCode() == mu::ecUNEXPECTED_EOF) {
        return "it ends too early";
    }
    if (error.GetCode() == mu::ecUNASSIGNABLE_TOKEN) {
        const std::string& formula = error.GetExpr();
        const std::string& token = error.GetToken();
        const auto is_part = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
        };
        const bool is_name = !token.empty() && std::ranges::all_of(token, is_part) &&
                             std::isdigit(static_cast<unsigned char>(token.front())) == 0;
        const std::size_t after = at(error.GetPos()) + token.size();
        const std::size_t next = formula.find_first_not_of(" \t\n", after);
        if (is_name && next != std::string::npos && formula[next] == '(') {
            return fmt::format(
                "no function '{}'; there are: {}", token, list_of(function_names(), 40));
        }
        if (is_name) {
            return fmt::format("no name '{}'; there are: {}", token, list_of(names, 60));
        }
    }
    std::string reason = error.GetMsg();
    if (!reason.empty()) {
        reason.front() =
            static_cast<char>(std::tolower(static_cast<unsigned char>(reason.front())));
    }
    while (reason.ends_with('.')) {
        reason.pop_back();
    }
    return reason;
}

}  // namespace

// ---- Values. --------------------------------------------------------------------------------

std::span<const std::string_view> formula_names() { return kNames; }

FormulaInputs formula_inputs(
    const Model& model, int layer, int batch, double clock_mhz, int n, int m) {
    const Layer& l = model.layers[at(layer)];
    assert(l.operation != nullptr);
    const auto result_of = [&](int input) -> const TensorShape& {
        return model.layers[at(input)].output;
    };
    std::int64_t inputs = 0;
    for (const int input : l.inputs) {
        inputs += result_of(input).elements();
    }

    // 1. The weights of some see the whole input as one window: its elements are the channels of a
    //    single pixel.
    const auto computed = std::ranges::find_if_not(
        l.inputs, [&](int input) { return is_held(model.layers[at(input)]); });
    const TensorShape& first = computed == l.inputs.end() ? l.output : result_of(*computed);
    const bool whole = l.operation->takes_whole;
    const std::int64_t ih = whole ? 1 : first.height();
    const std::int64_t iw = whole ? 1 : first.width();
    const std::int64_t c_in = whole ? first.elements() : first.channels();
    const TensorShape& out = l.output;
    const std::int64_t c_out = out.channels();
    const std::int64_t pixels = out.height() * out.width();
    const std::int64_t kernel =
        std::int64_t{l.attributes.kernel[0]} * l.attributes.kernel[1] * l.attributes.kernel[2];

    // 2. Weights of one output channel, and from these the groups.
    const Work work = work_of(model, layer);
    const std::int64_t fan_in = work.weights / c_out;
    const std::int64_t groups = l.operation->sides > 0 && fan_in > 0
                                    ? std::max<std::int64_t>(1, kernel * c_in / fan_in)
                                    : l.attributes.groups;

    // 3. The share. Whole numbers as long as the channels divide.
    const std::int64_t share_out = n == 0 ? c_out : n;
    const std::int64_t share_in = m == 0 ? c_in : m;
    const bool divides_in = groups != c_in || c_in == 1;
    const double share_fan_in =
        divides_in ? static_cast<double>(fan_in * share_in) / static_cast<double>(c_in)
                   : static_cast<double>(fan_in);
    const double weights = share_fan_in * static_cast<double>(share_out);
    const bool is_dense = fan_in > 0 && work.macs == fan_in * c_out * pixels;
    const double macs = is_dense
                            ? weights * static_cast<double>(pixels)
                            : static_cast<double>(work.macs) * static_cast<double>(share_out) /
                                  static_cast<double>(c_out) *
                                  (fan_in > 0 ? share_fan_in / static_cast<double>(fan_in) : 1.0);

    const auto number = [](std::int64_t value) { return static_cast<double>(value); };
    return {{number(c_in),
             number(ih),
             number(iw),
             number(c_out),
             number(out.height()),
             number(out.width()),
             number(l.attributes.kernel_height()),
             number(l.attributes.kernel_width()),
             number(l.attributes.stride[1]),
             number(l.attributes.pad_begin[1]),
             number(groups),
             macs,
             number(inputs),
             number(pixels * share_out),
             weights,
             number(batch),
             number(share_out),
             number(share_in),
             clock_mhz}};
}

void expect_formula_name(const std::string& name, const SourcePosition& where) {
    const auto refuse = [&](std::string_view why) {
        throw input_error(where, fmt::format("'{}' cannot be a name in a formula: {}", name, why));
    };
    const auto is_part = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    };
    if (name.empty() || name.size() > at(mu::MaxLenIdentifier) ||
        std::isdigit(static_cast<unsigned char>(name.front())) != 0 ||
        !std::ranges::all_of(name, is_part)) {
        refuse("expected letters, digits and '_', no digit first");
    }
    if (std::ranges::find(kNames, name) != kNames.end()) {
        refuse("it is the layer's");
    }
    const std::vector<std::string_view> functions = function_names();
    if (std::ranges::find(functions, name) != functions.end()) {
        refuse("it is a function");
    }
}

// ---- Formula. -------------------------------------------------------------------------------

struct Formula::Body {
    std::string text;
    SourcePosition where;
    std::vector<std::string_view> names;  // kNames, then `more`
    std::vector<std::string> more;
    std::vector<double> values;  // beside names; the parser reads them
    std::vector<std::size_t> used;
    mu::Parser parser;

    double value() const;
};

double Formula::Body::value() const {
    try {
        return parser.Eval();
    } catch (const mu::ParserError& error) {
        throw error_at(where, text, reason_of(error, names));
    }
}

Formula::Formula(const std::string& text,
                 const SourcePosition& where,
                 std::span<const std::string> more)
    : body_{std::make_unique<Body>()} {
    Body& body = *body_;
    body.text = text;
    body.where = where;
    body.more.assign(more.begin(), more.end());
    body.names.assign(kNames.begin(), kNames.end());
    body.names.insert(body.names.end(), body.more.begin(), body.more.end());
    body.values.assign(body.names.size(), 1.0);
    for (const std::string& name : body.more) {
        expect_formula_name(name, where);
        if (std::ranges::count(body.more, name) > 1) {
            throw error_at(where, text, fmt::format("there are two names '{}'", name));
        }
    }
    expect_plain(text, where);
    try {
        define_functions(body.parser);
        // What is written is what is computed, in that order.
        body.parser.EnableOptimizer(false);
        for (std::size_t i = 0; i < body.names.size(); ++i) {
            body.parser.DefineVar(std::string{body.names[i]}, &body.values[i]);
        }
        body.parser.SetExpr(text);
        body.parser.Eval();
        for (const auto& [name, address] : body.parser.GetUsedVar()) {
            body.used.push_back(static_cast<std::size_t>(address - body.values.data()));
        }
    } catch (const mu::ParserError& error) {
        throw error_at(where, text, reason_of(error, body.names));
    }
    std::ranges::sort(body.used);
    body.value();
    if (body.parser.GetNumResults() != 1) {
        throw error_at(
            where, text, fmt::format("expected one value, got {}", body.parser.GetNumResults()));
    }
}

Formula::Formula(Formula&&) noexcept = default;
Formula& Formula::operator=(Formula&&) noexcept = default;
Formula::~Formula() = default;

double Formula::evaluate(const FormulaInputs& inputs, std::span<const double> more) const {
    Body& body = *body_;
    assert(inputs.values.size() == kNames.size() && more.size() == body.more.size());
    for (const std::size_t i : body.used) {
        body.values[i] = i < kNames.size() ? inputs.values[i] : more[i - kNames.size()];
    }
    const double value = body.value();
    if (!std::isfinite(value)) {
        std::string given;
        for (const std::size_t i : body.used) {
            given += fmt::format(
                "{}{} = {}", given.empty() ? " (" : ", ", body.names[i], body.values[i]);
        }
        throw input_error(body.where,
                          fmt::format("{} gives {}{}{}",
                                      cited(body.text),
                                      std::isnan(value) ? "no number" : fmt::to_string(value),
                                      given,
                                      given.empty() ? "" : ")"));
    }
    return value;
}

bool Formula::uses(std::string_view name) const {
    return std::ranges::any_of(body_->used, [&](std::size_t i) { return body_->names[i] == name; });
}

}  // namespace sim
