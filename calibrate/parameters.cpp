#include "calibrate/parameters.hpp"

#include "calibrate/memory.hpp"
#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <stdexcept>
#include <string_view>

namespace calibrate {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little endian");

constexpr std::string_view kMagic = "hetmap-weights/1";

bool has_bits(const sim::Layer& layer) {
    return layer.operation != nullptr &&
           (layer.operation->name == "conv2d" || layer.operation->name == "linear");
}

bool has_thresholds(const sim::Layer& layer) {
    return layer.operation != nullptr && layer.operation->name == "threshold";
}

// Weights that one output channel has.
std::int64_t fan_in(const sim::Model& model, const sim::Layer& layer) {
    const sim::TensorShape& input =
        model.layers[static_cast<std::size_t>(layer.inputs.front())].output;
    return layer.operation->name == "linear"
               ? input.elements()
               : std::int64_t{layer.attributes.kernel_height()} * layer.attributes.kernel_width() *
                     input.channels();
}

std::size_t words(std::int64_t bits) { return static_cast<std::size_t>((bits + 63) / 64); }

// Bytes of a layer's parameters: weights, thresholds, directions.
std::int64_t bytes_of(const sim::Model& model, const sim::Layer& layer) {
    constexpr std::int64_t kWord = sizeof(std::uint64_t), kThreshold = sizeof(std::int32_t);
    const auto words_of = [](std::int64_t bits) { return static_cast<std::int64_t>(words(bits)); };
    std::int64_t bytes = 0;
    if (has_bits(layer)) {
        bytes = sim::checked_product(
            kWord, sim::checked_product(layer.output.channels(), words_of(fan_in(model, layer))));
    }
    if (has_thresholds(layer)) {
        bytes += layer.output.channels() * kThreshold + words_of(layer.output.channels()) * kWord;
    }
    return bytes;
}

LayerParameters sized(const sim::Model& model, const sim::Layer& layer) {
    LayerParameters parameters;
    if (has_bits(layer)) {
        parameters.weights.resize(static_cast<std::size_t>(layer.output.channels()) *
                                  words(fan_in(model, layer)));
    }
    if (has_thresholds(layer)) {
        parameters.thresholds.resize(static_cast<std::size_t>(layer.output.channels()));
        parameters.flips.resize(words(layer.output.channels()));
    }
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
            need = sim::checked_sum(need, bytes_of(model, layer));
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
            const sim::Layer& input = model.layers[static_cast<std::size_t>(layer.inputs.front())];
            const double scale = input.output.element == sim::Element::u8 ? kPixels : 1.0;
            spread = scale * std::sqrt(static_cast<double>(fan_in(model, layer)));
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

Parameters made_up(const sim::Model& model) {
    std::int64_t bytes = 0;
    for (const sim::Layer& layer : model.layers) {
        bytes = sim::checked_sum(bytes, bytes_of(model, layer));
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
            for (std::int32_t& t : p.thresholds) {
                const double share = static_cast<double>(random() >> 11) * 0x1p-53;
                t = static_cast<std::int32_t>(std::lround((share - 0.5) * reach));
            }
            for (std::uint64_t& word : p.flips) {
                word = random() & random();
            }
            clear_tail(p.flips, layer.output.channels());
        }
        parameters.push_back(std::move(p));
    }
    return parameters;
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
        if (has_bits(layer)) {
            const std::int64_t bits = fan_in(model, layer);
            for (std::size_t row = 0; row < p.weights.size(); row += words(bits)) {
                check_tail({p.weights.data() + row, words(bits)}, bits, layer.name);
            }
        }
        if (has_thresholds(layer)) {
            check_tail(p.flips, layer.output.channels(), layer.name);
        }
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
    }
    return bytes;
}

}  // namespace calibrate
