#include "calibrate/parameters.hpp"

#include "calibrate/memory.hpp"
#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <random>
#include <stdexcept>
#include <string_view>

namespace calibrate {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little endian");

constexpr std::string_view kMagic = "hetmap-weights/1";

bool is_one_of(const sim::Layer& layer, std::initializer_list<std::string_view> operations) {
    return layer.operation != nullptr &&
           std::ranges::find(operations, layer.operation->name) != operations.end();
}

bool has_weights(const sim::Layer& layer, sim::Element element) {
    return is_one_of(layer, {"conv2d", "depthwise_conv2d", "linear"}) &&
           layer.attributes.weights == element;
}

bool has_bits(const sim::Layer& layer) { return has_weights(layer, sim::Element::binary); }

bool is_byte(sim::Element element) {
    return element == sim::Element::u8 || element == sim::Element::int8;
}

// Scaled, and with a bias.
bool is_real_product(const sim::Layer& layer) {
    return ((has_bits(layer) || has_weights(layer, sim::Element::f32)) &&
            layer.output.element == sim::Element::f32) ||
           (has_weights(layer, sim::Element::int8) && layer.output.element != sim::Element::int32);
}

bool has_thresholds(const sim::Layer& layer) { return is_one_of(layer, {"threshold"}); }

const sim::Layer& input_of(const sim::Model& model, const sim::Layer& layer) {
    return model.layers[static_cast<std::size_t>(layer.inputs.front())];
}

// What kernels know of them (kernels::Step::bytes): the others have no parameters here.
bool has_byte_weights(const sim::Model& model, const sim::Layer& layer) {
    const sim::Element result = layer.output.element;
    return has_weights(layer, sim::Element::int8) &&
           is_byte(input_of(model, layer).output.element) &&
           (is_byte(result) || result == sim::Element::int32 || result == sim::Element::f32);
}

// Weights that one output channel has.
std::int64_t fan_in(const sim::Model& model, const sim::Layer& layer) {
    const sim::TensorShape& input = input_of(model, layer).output;
    if (layer.operation->name == "linear") {
        return input.elements();
    }
    const std::int64_t kernel =
        std::int64_t{layer.attributes.kernel_height()} * layer.attributes.kernel_width();
    return layer.operation->name == "depthwise_conv2d"
               ? kernel
               : kernel * (input.channels() / layer.attributes.groups);
}

std::size_t words(std::int64_t bits) { return static_cast<std::size_t>((bits + 63) / 64); }

// How many a layer has of each of its parameters, in the file's order.
struct Sizes {
    std::int64_t weights = 0, thresholds = 0, flips = 0;
    std::int64_t byte_weights = 0;
    std::int64_t real_weights = 0, scales = 0, biases = 0, limits = 0;

    std::int64_t bytes() const {
        const auto sum = [](std::initializer_list<std::int64_t> all) {
            std::int64_t total = 0;
            for (const std::int64_t one : all) {
                total = sim::checked_sum(total, one);
            }
            return total;
        };
        return sum(
            {byte_weights,
             sim::checked_product(8, sum({weights, flips})),
             sim::checked_product(4, sum({thresholds, real_weights, scales, biases, limits}))});
    }
};

// Of layers on bytes that stand for other numbers, in the words of kernels::Step.
std::int64_t limits_of_bytes(const sim::Model& model, const sim::Layer& layer) {
    const sim::Element result = layer.output.element;
    if (has_byte_weights(model, layer)) {
        return is_byte(result) ? 4 : 1;
    }
    if (is_one_of(layer, {"add"})) {
        return is_byte(result) ? 7 : 0;
    }
    if (is_one_of(layer, {"global_average_pool"})) {
        return is_byte(result) ? 5 : 0;
    }
    return (is_one_of(layer, {"quantize"}) && is_byte(result)) ||
                   (is_one_of(layer, {"dequantize"}) &&
                    is_byte(input_of(model, layer).output.element))
               ? 2
               : 0;
}

Sizes sizes_of(const sim::Model& model, const sim::Layer& layer) {
    Sizes sizes;
    const std::int64_t channels = layer.output.channels();
    if (has_weights(layer, sim::Element::int8) && !has_byte_weights(model, layer)) {
        return sizes;
    }
    sizes.limits = limits_of_bytes(model, layer);
    const auto words_of = [](std::int64_t bits) { return static_cast<std::int64_t>(words(bits)); };
    if (has_bits(layer)) {
        sizes.weights = sim::checked_product(channels, words_of(fan_in(model, layer)));
        sizes.scales = is_real_product(layer) ? channels : 0;
    }
    if (is_real_product(layer)) {
        sizes.biases = channels;
        sizes.real_weights = has_weights(layer, sim::Element::f32)
                                 ? sim::checked_product(channels, fan_in(model, layer))
                                 : 0;
    }
    if (has_byte_weights(model, layer)) {
        sizes.byte_weights = sim::checked_product(channels, fan_in(model, layer));
        sizes.scales = is_real_product(layer) ? channels : 0;
    }
    if (has_thresholds(layer)) {
        const bool is_real = input_of(model, layer).output.element == sim::Element::f32;
        (is_real ? sizes.limits : sizes.thresholds) = channels;
        sizes.flips = words_of(channels);
    }
    if (layer.output.element == sim::Element::f32 && is_one_of(layer, {"batch_norm"})) {
        sizes.scales = sizes.biases = channels;
    }
    if (layer.output.element == sim::Element::f32 && is_one_of(layer, {"clip", "hard_sigmoid"})) {
        sizes.limits = 2;
    }
    return sizes;
}

LayerParameters sized(const sim::Model& model, const sim::Layer& layer) {
    const Sizes sizes = sizes_of(model, layer);
    const auto count = [](std::int64_t size) { return static_cast<std::size_t>(size); };
    LayerParameters parameters;
    parameters.weights.resize(count(sizes.weights));
    parameters.thresholds.resize(count(sizes.thresholds));
    parameters.flips.resize(count(sizes.flips));
    parameters.byte_weights.resize(count(sizes.byte_weights));
    parameters.real_weights.resize(count(sizes.real_weights));
    parameters.scales.resize(count(sizes.scales));
    parameters.biases.resize(count(sizes.biases));
    parameters.limits.resize(count(sizes.limits));
    return parameters;
}

void expect_memory_for_parameters(std::int64_t parameters) {
    expect_free_memory({parameters}, "the model's weights and thresholds");
}

// Reads the file front to back and complains with its name and the layer.
class Reader {
public:
    // Before anything is allocated: the file has what the model needs, neither less nor more.
    Reader(std::filesystem::path path, const sim::Model& model)
        : path_{std::move(path)}, file_{path_} {
        std::string magic(kMagic.size(), '\0');
        if (!read(magic.data(), magic.size()) || magic != kMagic) {
            throw sim::InputError{fmt::format(
                "{}: expected a weights file that begins with '{}'", path_.string(), kMagic)};
        }
        const std::int64_t there = file_.size() - static_cast<std::int64_t>(kMagic.size());
        std::int64_t need = 0;
        for (const sim::Layer& layer : model.layers) {
            need = sim::checked_sum(need, sizes_of(model, layer).bytes());
            if (need > there) {
                throw ends_in(layer.name);
            }
        }
        if (need < there) {
            throw sim::InputError{
                fmt::format("{}: has more parameters than the model needs", path_.string())};
        }
        expect_memory_for_parameters(need);
    }

    template <class T>
    void fill(std::vector<T>& values, const std::string& layer) {
        if (!read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T))) {
            throw ends_in(layer);
        }
    }

private:
    sim::InputError ends_in(const std::string& layer) const {
        return sim::InputError{
            fmt::format("{}: ends in the middle of layer '{}': the model "
                        "needs more parameters than the file has",
                        path_.string(),
                        layer)};
    }

    // All of it, or false.
    bool read(char* to, std::size_t bytes) { return file_.read(to, bytes) == bytes; }

    std::filesystem::path path_;
    sim::InputFile file_;
};

// Unused high bits of a row must be 0: kernels rely on it.
void check_tail(std::span<const std::uint64_t> row, std::int64_t bits, const std::string& layer) {
    if (bits % 64 != 0 && (row.back() >> (bits % 64)) != 0) {
        throw sim::InputError{fmt::format("weights of layer '{}': unused bits must be 0", layer)};
    }
}

void clear_tail(std::span<std::uint64_t> row, std::int64_t bits) {
    if (bits % 64 != 0) {
        row.back() &= (std::uint64_t{1} << (bits % 64)) - 1;
    }
}

// By layer: how far its integers reach from zero, roughly (one standard deviation of random
// inputs). Seeded thresholds are drawn within, so that bits come out mixed. Layers come after their
// inputs.
std::vector<double> spreads_of(const sim::Model& model) {
    constexpr double kPixels = 128.0;
    constexpr double kMost = 0x1p31;  // integers wrap around there
    std::vector<double> spreads;
    spreads.reserve(model.layers.size());
    for (const sim::Layer& layer : model.layers) {
        double spread = kPixels;
        if (has_bits(layer)) {
            const sim::TensorShape& input = input_of(model, layer).output;
            const double of_input =
                input.element == sim::Element::u8 || input.element == sim::Element::f32
                    ? spreads[static_cast<std::size_t>(layer.inputs.front())]
                    : 1.0;
            spread = of_input * std::sqrt(static_cast<double>(fan_in(model, layer)));
        } else if (is_real_product(layer)) {  // made-up weights keep it
            spread = spreads[static_cast<std::size_t>(layer.inputs.front())];
        } else if (layer.operation != nullptr) {
            double sum = 0;
            for (const int input : layer.inputs) {
                const double of_input = spreads[static_cast<std::size_t>(input)];
                sum += of_input * of_input;
            }
            spread = std::sqrt(sum);
        }
        spreads.push_back(std::min(spread, kMost));
    }
    return spreads;
}

float least_of(sim::Element element) { return element == sim::Element::u8 ? 0 : -128; }
float most_of(sim::Element element) { return element == sim::Element::u8 ? 255 : 127; }

// Of a layer on bytes: nothing is moved, and results spread over a part of their range.
void make_up_bytes(const sim::Model& model,
                   const sim::Layer& layer,
                   std::mt19937_64& random,
                   LayerParameters& p) {
    constexpr float kStep = 1.0F / 32, kSpread = 74;  // of all bytes, one as likely as the other
    if (limits_of_bytes(model, layer) == 0) {
        return;
    }
    const float least = least_of(layer.output.element), most = most_of(layer.output.element);
    if (has_byte_weights(model, layer)) {
        std::ranges::generate(p.byte_weights, [&] { return static_cast<std::int8_t>(random()); });
        const auto sums =
            kSpread * std::sqrt(static_cast<float>(fan_in(model, layer)));  // over those of inputs
        const float wanted = is_byte(layer.output.element) ? 1 : kStep;
        std::ranges::fill(p.scales, wanted / sums);
        p.limits = {0};
        if (is_byte(layer.output.element)) {
            p.limits = {0, 0, least, most};
        }
    } else if (is_one_of(layer, {"add"})) {
        p.limits = {1, 0, 1, 0, 0, least, most};
    } else if (is_one_of(layer, {"global_average_pool"})) {
        const sim::TensorShape& input = input_of(model, layer).output;
        const std::int64_t pixels = input.elements() / input.channels();
        p.limits = {1 / static_cast<float>(pixels), 0, 0, least, most};
    } else {
        p.limits = {kStep, 0};
    }
}

// Kernels take zeros and limits for whole numbers of their element, and divide by steps.
void check_bytes(const sim::Model& model, const sim::Layer& layer, const LayerParameters& p) {
    if (limits_of_bytes(model, layer) == 0) {
        return;
    }
    const sim::Element input = input_of(model, layer).output.element, result = layer.output.element;
    const auto expect = [&](bool condition, std::string_view what) {
        if (!condition) {
            throw sim::InputError{fmt::format("weights of layer '{}': {}", layer.name, what)};
        }
    };
    const auto expect_in = [&](sim::Element element, std::initializer_list<float> values) {
        for (const float value : values) {
            expect(value >= least_of(element) && value <= most_of(element) &&
                       value == std::trunc(value),
                   fmt::format("a zero or limit is no whole number of {}", sim::name_of(element)));
        }
    };
    const std::vector<float>& l = p.limits;
    if (l.size() == 2) {
        expect(l[0] > 0 && std::isfinite(l[0]), "the step is not above zero");
        expect_in(is_byte(result) ? result : input, {l[1]});
    } else if (l.size() == 7) {
        expect_in(input, {l[1]});
        expect_in(result, {l[4], l[5], l[6]});
        expect_in(layer.inputs.size() > 1
                      ? model.layers[static_cast<std::size_t>(layer.inputs[1])].output.element
                      : input,
                  {l[3]});
        expect(std::isfinite(l[0]) && std::isfinite(l[2]), "a factor is not finite");
    } else if (l.size() == 5) {
        expect_in(input, {l[1]});
        expect_in(result, {l[2], l[3], l[4]});
        expect(std::isfinite(l[0]), "a factor is not finite");
    } else {
        expect_in(input, {l[0]});
        if (l.size() == 4) {
            expect_in(result, {l[1], l[2], l[3]});
        }
    }
    const auto is_finite = [](float value) { return std::isfinite(value); };
    expect(std::ranges::all_of(p.scales, is_finite) && std::ranges::all_of(p.biases, is_finite),
           "a scale or bias is not finite");
}

Parameters made_up(const sim::Model& model) {
    std::int64_t bytes = 0;
    for (const sim::Layer& layer : model.layers) {
        bytes = sim::checked_sum(bytes, sizes_of(model, layer).bytes());
    }
    expect_memory_for_parameters(bytes);
    const std::vector<double> spreads = spreads_of(model);
    std::mt19937_64 random{model.parameters.seed};
    Parameters parameters;
    for (std::size_t l = 0; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        LayerParameters p = sized(model, layer);
        for (std::uint64_t& word : p.weights) {
            word = random();
        }
        if (has_bits(layer)) {
            const std::int64_t bits = fan_in(model, layer);
            for (std::size_t row = 0; row < p.weights.size(); row += words(bits)) {
                clear_tail({p.weights.data() + row, words(bits)}, bits);
            }
        }
        if (has_thresholds(layer)) {
            const double reach = spreads[static_cast<std::size_t>(layer.inputs.front())];
            const auto within = [&] {
                const double share = static_cast<double>(random() >> 11) * 0x1p-53;
                return (share - 0.5) * reach;
            };
            for (std::int32_t& t : p.thresholds) {
                t = static_cast<std::int32_t>(std::lround(within()));
            }
            std::ranges::generate(p.limits, [&] { return static_cast<float>(within()); });
            for (std::uint64_t& word : p.flips) {
                word = random() & random();
            }
            clear_tail(p.flips, layer.output.channels());
        }
        if (!p.real_weights.empty()) {  // of a variance that sums keep
            const auto reach =
                static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in(model, layer))));
            std::ranges::generate(p.real_weights, [&] {
                return reach * (static_cast<float>(random() >> 40) * 0x1p-23F - 1);
            });
        }
        std::ranges::fill(p.scales, 1.0F);
        make_up_bytes(model, layer, random, p);
        if (is_one_of(layer, {"clip"}) && !p.limits.empty()) {
            p.limits = {0.0F, 6.0F};
        }
        if (is_one_of(layer, {"hard_sigmoid"}) && !p.limits.empty()) {
            p.limits = {1.0F / 6, 0.5F};
        }
        parameters.push_back(std::move(p));
    }
    return parameters;
}

// Kernels compare numbers, and NaN is none.
void check_reals(std::span<const float> values, const std::string& layer) {
    if (std::ranges::any_of(values, [](float value) { return std::isnan(value); })) {
        throw sim::InputError{fmt::format("weights of layer '{}': one is no number (NaN)", layer)};
    }
}

}  // namespace

Parameters load_parameters(const sim::Model& model) {
    if (model.parameters.file.empty()) {
        return made_up(model);
    }
    Reader reader{model.path.parent_path() / model.parameters.file, model};
    Parameters parameters;
    for (const sim::Layer& layer : model.layers) {
        LayerParameters p = sized(model, layer);
        reader.fill(p.weights, layer.name);
        reader.fill(p.thresholds, layer.name);
        reader.fill(p.flips, layer.name);
        reader.fill(p.byte_weights, layer.name);
        for (std::vector<float>* const reals : {&p.real_weights, &p.scales, &p.biases, &p.limits}) {
            reader.fill(*reals, layer.name);
            check_reals(*reals, layer.name);
        }
        if (has_bits(layer)) {
            const std::int64_t bits = fan_in(model, layer);
            for (std::size_t row = 0; row < p.weights.size(); row += words(bits)) {
                check_tail({p.weights.data() + row, words(bits)}, bits, layer.name);
            }
        }
        if (has_thresholds(layer)) {
            check_tail(p.flips, layer.output.channels(), layer.name);
        }
        check_bytes(model, layer, p);
        parameters.push_back(std::move(p));
    }
    return parameters;
}

std::string weights_file(const sim::Model& model, const Parameters& parameters) {
    std::string bytes{kMagic};
    const auto append = [&](const auto& values, std::size_t wanted, const std::string& layer) {
        if (values.size() != wanted) {
            throw std::logic_error{fmt::format(
                "parameters of layer '{}': {} where {} are needed", layer, values.size(), wanted)};
        }
        bytes.append(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(values[0]));
    };
    for (std::size_t l = 0; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        const LayerParameters needed = sized(model, layer);
        append(parameters.at(l).weights, needed.weights.size(), layer.name);
        append(parameters.at(l).thresholds, needed.thresholds.size(), layer.name);
        append(parameters.at(l).flips, needed.flips.size(), layer.name);
        append(parameters.at(l).byte_weights, needed.byte_weights.size(), layer.name);
        append(parameters.at(l).real_weights, needed.real_weights.size(), layer.name);
        append(parameters.at(l).scales, needed.scales.size(), layer.name);
        append(parameters.at(l).biases, needed.biases.size(), layer.name);
        append(parameters.at(l).limits, needed.limits.size(), layer.name);
    }
    return bytes;
}

}  // namespace calibrate
