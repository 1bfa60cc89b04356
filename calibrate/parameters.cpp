#include "calibrate/parameters.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <string_view>

namespace calibrate {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little endian");

constexpr std::string_view kMagic = "hetmap-weights/1";

bool has_weights(const sim::Layer& layer) {
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
    return layer.operation->name == "linear" ? input.elements()
                                             : std::int64_t{layer.attributes.kernel_height} *
                                                   layer.attributes.kernel_width * input.channels;
}

std::size_t words(std::int64_t bits) { return static_cast<std::size_t>((bits + 63) / 64); }

LayerParameters sized(const sim::Model& model, const sim::Layer& layer) {
    LayerParameters parameters;
    if (has_weights(layer)) {
        parameters.weights.resize(static_cast<std::size_t>(layer.output.channels) *
                                  words(fan_in(model, layer)));
    }
    if (has_thresholds(layer)) {
        parameters.thresholds.resize(static_cast<std::size_t>(layer.output.channels));
        parameters.flips.resize(words(layer.output.channels));
    }
    return parameters;
}

// Reads the file front to back and complains with its name and the layer.
class Reader {
public:
    explicit Reader(std::filesystem::path path)
        : path_{std::move(path)}, file_{path_, std::ios::binary} {
        if (!file_) {
            throw sim::InputError{fmt::format("cannot read the weights file '{}'", path_.string())};
        }
        std::string magic(kMagic.size(), '\0');
        file_.read(magic.data(), static_cast<std::streamsize>(magic.size()));
        if (magic != kMagic) {
            throw sim::InputError{fmt::format(
                "{}: expected a weights file that begins with '{}'", path_.string(), kMagic)};
        }
    }

    template <class T>
    void fill(std::vector<T>& values, const std::string& layer) {
        const auto size = static_cast<std::streamsize>(values.size() * sizeof(T));
        if (!file_.read(reinterpret_cast<char*>(values.data()), size)) {
            throw sim::InputError{
                fmt::format("{}: ends in the middle of layer '{}': the model "
                            "needs more parameters than the file has",
                            path_.string(),
                            layer)};
        }
    }

    void expect_end() {
        if (file_.peek() != std::ifstream::traits_type::eof()) {
            throw sim::InputError{
                fmt::format("{}: has more parameters than the model needs", path_.string())};
        }
    }

private:
    std::filesystem::path path_;
    std::ifstream file_;
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

// How far a layer's integers reach from zero, roughly (one standard deviation of random inputs):
// seeded thresholds are drawn within, so that bits come out mixed.
double spread(const sim::Model& model, int index) {
    const sim::Layer& layer = model.layers[static_cast<std::size_t>(index)];
    if (layer.operation == nullptr) {
        return 128.0;  // pixels
    }
    if (has_weights(layer)) {
        const sim::Layer& input = model.layers[static_cast<std::size_t>(layer.inputs.front())];
        const double scale = input.output.element == sim::Element::u8 ? 128.0 : 1.0;
        return scale * std::sqrt(static_cast<double>(fan_in(model, layer)));
    }
    double sum = 0;
    for (const int input : layer.inputs) {
        const double of_input = spread(model, input);
        sum += of_input * of_input;
    }
    return std::sqrt(sum);
}

Parameters made_up(const sim::Model& model) {
    std::mt19937_64 random{model.parameters.seed};
    Parameters parameters;
    for (std::size_t l = 0; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        LayerParameters p = sized(model, layer);
        for (std::uint64_t& word : p.weights) {
            word = random();
        }
        if (has_weights(layer)) {
            const std::int64_t bits = fan_in(model, layer);
            for (std::size_t row = 0; row < p.weights.size(); row += words(bits)) {
                clear_tail({p.weights.data() + row, words(bits)}, bits);
            }
        }
        if (has_thresholds(layer)) {
            const double reach = spread(model, layer.inputs.front());
            for (std::int32_t& t : p.thresholds) {
                const double share = static_cast<double>(random() >> 11) * 0x1p-53;
                t = static_cast<std::int32_t>(std::lround((share - 0.5) * reach));
            }
            for (std::uint64_t& word : p.flips) {
                word = random() & random();
            }
            clear_tail(p.flips, layer.output.channels);
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
    Reader reader{model.path.parent_path() / model.parameters.file};
    Parameters parameters;
    for (const sim::Layer& layer : model.layers) {
        LayerParameters p = sized(model, layer);
        reader.fill(p.weights, layer.name);
        reader.fill(p.thresholds, layer.name);
        reader.fill(p.flips, layer.name);
        if (has_weights(layer)) {
            const std::int64_t bits = fan_in(model, layer);
            for (std::size_t row = 0; row < p.weights.size(); row += words(bits)) {
                check_tail({p.weights.data() + row, words(bits)}, bits, layer.name);
            }
        }
        if (has_thresholds(layer)) {
            check_tail(p.flips, layer.output.channels, layer.name);
        }
        parameters.push_back(std::move(p));
    }
    reader.expect_end();
    return parameters;
}

}  // namespace calibrate
