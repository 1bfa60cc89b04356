// The networks in models/: what they add up to, against figures that others give, and whether
// their layers are the ones that those describe. Start at kNetworks.

#include "sim/describe/model.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

const std::filesystem::path kModels[] = {HETMAP_SOURCE_DIR "/models"};

const sim::Layer& at(const sim::Model& model, int layer) {
    return model.layers[static_cast<std::size_t>(layer)];
}

// Indices of the convolutions (depthwise ones too) and linear layers.
std::vector<int> weighted_layers(const sim::Model& model) {
    std::vector<int> layers;
    for (int l = 0; l < static_cast<int>(model.layers.size()); ++l) {
        if (has_weights(at(model, l))) {
            layers.push_back(l);
        }
    }
    return layers;
}

// ---- Totals. --------------------------------------------------------------------------------

// What a convolution has beside its weights, for each output channel.
enum class PerChannel : std::uint8_t { bias = 1, batch_normalisation = 2 };

struct Network {
    std::string_view name;
    std::int64_t macs;         // exactly, of one image
    std::int64_t known_macs;   // what others say, rounded ...
    std::int64_t known_digit;  // ... to multiples of this
    std::size_t weighted;      // convolutions and linear layers
    int classes;
    std::int64_t known_parameters;  // exactly, biases and the like included; 0: not published
    PerChannel per_channel;
};

constexpr PerChannel kBias = PerChannel::bias;
constexpr PerChannel kNorm = PerChannel::batch_normalisation;

constexpr std::array<Network, 8> kNetworks{{
    // 40.81, 555.5, 2221.8 and 7.49 million: the sums over the layers of the networks in ODiMO's
    // repository, eml-eda/odimo@2d9f139; ours differ by their rounding alone. The ResNet-20 of its
    // own paper has no convolutions in its shortcuts and so 2 x 131,072 fewer.
    {"resnet20-cifar10", 40'813'184, 40'810'000, 10'000, 22, 10, 0, kNorm},
    {"resnet18-32", 555'468'800, 555'500'000, 100'000, 21, 100, 0, kNorm},
    {"resnet18-64", 2'221'772'800, 2'221'800'000, 100'000, 21, 200, 0, kNorm},
    {"mobilenetv1-0.25-vww", 7'489'664, 7'490'000, 10'000, 28, 2, 0, kNorm},
    // 1.814, 0.349, 0.301 and 0.145 thousand million, and the numbers of parameters: torchvision
    // says so with its weights ("_ops", "num_params"); ours differ by that rounding alone.
    {"resnet18-224", 1'814'073'344, 1'814'000'000, 1'000'000, 21, 1000, 11'689'512, kNorm},
    {"squeezenet-1.1", 349'151'936, 349'000'000, 1'000'000, 26, 1000, 1'235'496, kBias},
    {"mobilenetv2", 300'774'272, 301'000'000, 1'000'000, 53, 1000, 3'504'872, kNorm},
    {"shufflenetv2-1.0", 144'907'992, 145'000'000, 1'000'000, 57, 1000, 2'278'604, kNorm},
}};

// Weights, and what every channel has beside them until it is folded into its layer.
std::int64_t parameters_of(const sim::Model& model, PerChannel per_channel) {
    std::int64_t parameters = 0;
    for (const int l : weighted_layers(model)) {
        const bool linear = at(model, l).operation->name == "linear";
        parameters += work_of(model, l).weight_bytes / 4;
        parameters += std::int64_t{at(model, l).output.channels()} *
                      (linear ? 1 : static_cast<std::int64_t>(per_channel));
    }
    return parameters;
}

// ---- Layer by layer. ------------------------------------------------------------------------

// A convolution or linear layer as an accelerator's cost model sees it.
struct Shape {
    std::string name;
    int c_in;
    int c_out;
    int kernel;
    int width;  // of the output
    bool depthwise = false;

    friend bool operator==(const Shape&, const Shape&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Shape& s) {
        return out << fmt::format("{} {}->{} k{} at {}{}",
                                  s.name,
                                  s.c_in,
                                  s.c_out,
                                  s.kernel,
                                  s.width,
                                  s.depthwise ? " depthwise" : "");
    }
};

std::vector<Shape> shapes_in(const sim::Model& model) {
    std::vector<Shape> shapes;
    for (const int l : weighted_layers(model)) {
        const sim::Layer& layer = at(model, l);
        shapes.push_back({.name = layer.name,
                          .c_in = at(model, layer.inputs[0]).output.channels(),
                          .c_out = layer.output.channels(),
                          .kernel = layer.attributes.kernel_width(),
                          .width = layer.output.width(),
                          .depthwise = layer.operation->name == "depthwise_conv2d"});
    }
    return shapes;
}

// A residual network of basic blocks: each stage after the first halves the width and doubles the
// channels, in its first block, which then has a convolution in its shortcut.
std::vector<Shape> residual_network(
    const Shape& stem, std::string_view prefix, int stages, int blocks, int width, int classes) {
    std::vector<Shape> shapes{stem};
    int c_in = stem.c_out;
    for (int stage = 0; stage < stages; ++stage) {
        const int c_out = stem.c_out << stage;
        for (int block = 0; block < blocks; ++block) {
            const auto name = [&](std::string_view layer) {
                return fmt::format("{}{}_{}_{}", prefix, stage + 1, block, layer);
            };
            shapes.push_back({name("conv1"), c_in, c_out, 3, width >> stage});
            shapes.push_back({name("conv2"), c_out, c_out, 3, width >> stage});
            if (c_in != c_out) {
                shapes.push_back({name("ds"), c_in, c_out, 1, width >> stage});
            }
            c_in = c_out;
        }
    }
    shapes.push_back({"fc", c_in, classes, 1, 1});
    return shapes;
}

// MobileNetV1 at a quarter of its width: pairs of a depthwise and a 1x1 convolution.
std::vector<Shape> mobilenet_v1_quarter() {
    constexpr std::array<int, 13> kChannels{
        16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256};
    constexpr std::array<int, 13> kWidths{48, 24, 24, 12, 12, 6, 6, 6, 6, 6, 6, 3, 3};
    std::vector<Shape> shapes{{"conv0", 3, 8, 3, 48}};
    int c_in = 8;
    for (std::size_t i = 0; i < kChannels.size(); ++i) {
        shapes.push_back({fmt::format("dw{}", i + 1), c_in, c_in, 3, kWidths[i], true});
        shapes.push_back({fmt::format("pw{}", i + 1), c_in, kChannels[i], 1, kWidths[i]});
        c_in = kChannels[i];
    }
    shapes.push_back({"fc", c_in, 2, 1, 1});
    return shapes;
}

void check_shapes(const std::string& network, const std::vector<Shape>& expected) {
    CAPTURE(network);
    const std::vector<Shape> shapes = shapes_in(sim::load_model(network, kModels));
    REQUIRE(shapes.size() == expected.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        CHECK(shapes[i] == expected[i]);
    }
}

}  // namespace

TEST_CASE("every model of the repository loads, is called as its folder and has a README") {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{kModels[0]}) {
        if (entry.is_directory()) {
            const std::string name = entry.path().filename().string();
            CAPTURE(name);
            CHECK(sim::load_model(name, kModels).name == name);
            CHECK(std::filesystem::exists(entry.path() / "README.md"));
            names.insert(name);
        }
    }
    for (const Network& network : kNetworks) {
        CAPTURE(network.name);
        CHECK(names.contains(std::string{network.name}));
    }
}

TEST_CASE("the full-precision networks have the work and the parameters that others counted") {
    for (const Network& network : kNetworks) {
        CAPTURE(network.name);
        const sim::Model model = sim::load_model(std::string{network.name}, kModels);
        std::int64_t macs = 0;
        for (int l = 0; l < static_cast<int>(model.layers.size()); ++l) {
            macs += work_of(model, l).macs;
            CHECK(at(model, l).output.element == sim::Element::f32);
        }
        CHECK(macs == network.macs);
        CHECK(std::abs(macs - network.known_macs) * 2 <= network.known_digit);
        CHECK(weighted_layers(model).size() == network.weighted);
        CHECK(at(model, model.outputs.front().layer).output ==
              sim::TensorShape{1, 1, network.classes, sim::Element::f32});
        if (network.known_parameters != 0) {
            CHECK(parameters_of(model, network.per_channel) == network.known_parameters);
        }
    }
}

TEST_CASE("the networks mapped onto DIANA have the layers of its cost model, in their order") {
    check_shapes("resnet20-cifar10", residual_network({"conv1", 3, 16, 3, 32}, "b", 3, 3, 32, 10));
    check_shapes("resnet18-32", residual_network({"conv1", 3, 64, 3, 32}, "l", 4, 2, 32, 100));
    check_shapes("resnet18-64", residual_network({"conv1", 3, 64, 3, 64}, "l", 4, 2, 64, 200));
    // The stem's stride and the pool quarter the 224 pixels.
    check_shapes("resnet18-224", residual_network({"conv1", 3, 64, 7, 112}, "l", 4, 2, 56, 1000));
    check_shapes("mobilenetv1-0.25-vww", mobilenet_v1_quarter());
}

TEST_CASE("a residual addition adds what its block computed and what its block read") {
    constexpr std::array<std::pair<const char*, int>, 5> kAdditions{{{"resnet20-cifar10", 9},
                                                                     {"resnet18-32", 8},
                                                                     {"resnet18-64", 8},
                                                                     {"resnet18-224", 8},
                                                                     {"mobilenetv2", 10}}};
    for (const auto& [name, expected] : kAdditions) {
        const sim::Model model = sim::load_model(name, kModels);
        CAPTURE(model.name);
        int additions = 0;
        for (const sim::Layer& layer : model.layers) {
            if (!layer.name.ends_with("_add")) {
                continue;
            }
            ++additions;
            CAPTURE(layer.name);
            // Back from the addition along the first inputs, as long as they are of this block.
            const std::string block = layer.name.substr(0, layer.name.size() - 3);
            int reads = layer.inputs[0];
            CHECK(at(model, reads).name.starts_with(block));
            while (at(model, reads).name.starts_with(block)) {
                reads = at(model, reads).inputs[0];
            }
            const sim::Layer& shortcut = at(model, layer.inputs[1]);
            CHECK((shortcut.name == block + "ds" ? shortcut.inputs[0] : layer.inputs[1]) == reads);
        }
        CHECK(additions == expected);
    }
}

TEST_CASE("ShuffleNet's units read both halves of their input, and shuffle both branches") {
    const sim::Model model = sim::load_model("shufflenetv2-1.0", kModels);
    int units = 0;
    int with_splits = 0;
    for (const sim::Layer& concat : model.layers) {
        if (!concat.name.ends_with("_concat")) {
            continue;
        }
        ++units;
        CAPTURE(concat.name);
        const std::string unit = concat.name.substr(0, concat.name.size() - 6);
        // Where branch b begins, back from the concatenation.
        const auto first_of = [&](std::size_t branch) {
            const std::string prefix = fmt::format("{}b{}_", unit, branch + 1);
            int l = concat.inputs[branch];
            CHECK(at(model, l).name.starts_with(prefix));
            while (at(model, at(model, l).inputs[0]).name.starts_with(prefix)) {
                l = at(model, l).inputs[0];
            }
            return l;
        };
        const sim::Layer& left = at(model, first_of(0));
        const sim::Layer& right = at(model, first_of(1));
        CHECK(left.inputs == right.inputs);
        if (left.operation->name == "split") {
            ++with_splits;
            CHECK(left.attributes.first_channel == 0);
            CHECK(right.attributes.first_channel == left.output.channels());
            CHECK(left.output.channels() + right.output.channels() ==
                  at(model, left.inputs[0]).output.channels());
        }
        const int index = static_cast<int>(&concat - model.layers.data());
        const std::vector<int>& readers = model.consumers[static_cast<std::size_t>(index)];
        REQUIRE(readers.size() == 1);
        CHECK(at(model, readers[0]).operation->name == "channel_shuffle");
        CHECK(at(model, readers[0]).attributes.groups == 2);
    }
    CHECK(units == 16);
    CHECK(with_splits == 13);
}

TEST_CASE("SqueezeNet's pools end at the border, so rounding up or down is the same") {
    const sim::Model model = sim::load_model("squeezenet-1.1", kModels);
    int pools = 0;
    for (const sim::Layer& layer : model.layers) {
        if (layer.operation != nullptr && layer.operation->name == "max_pool2d") {
            const int width = at(model, layer.inputs[0]).output.width();
            CAPTURE(layer.name);
            CHECK((width - layer.attributes.kernel_width()) % layer.attributes.stride[2] == 0);
            CHECK(layer.attributes.pad_begin == sim::Sides{});
            ++pools;
        }
    }
    CHECK(pools == 3);
}
