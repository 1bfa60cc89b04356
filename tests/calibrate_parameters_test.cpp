#include "calibrate/parameters.hpp"
#include "calibrate_small_model.hpp"
#include "sim/error.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <sys/stat.h>

namespace {

const std::string kTiny = R"(hetmap: model/1
name: tiny
description: two layers
source: made up
input: {name: image, height: 1, width: 1, channels: 70, type: binary}
parameters: {file: weights.bin}
layers:
  - {name: fc, operation: linear, inputs: [image], weights: binary, out_channels: 2}
  - {name: threshold, operation: threshold, inputs: [fc]}
output: threshold
)";

// Magic, 2 rows of 2 words, 2 thresholds, 1 word of directions.
std::string file_bytes() {
    std::string bytes = "hetmap-weights/1";
    const std::uint64_t weights[] = {~0ULL, 0x3f, 1, 0x20};
    const std::int32_t thresholds[] = {-5, 6};
    const std::uint64_t flips[] = {2};
    bytes.append(reinterpret_cast<const char*>(weights), sizeof weights);
    bytes.append(reinterpret_cast<const char*>(thresholds), sizeof thresholds);
    bytes.append(reinterpret_cast<const char*>(flips), sizeof flips);
    return bytes;
}

sim::Model tiny_model(const std::string& weights) {
    const sim::Model model = small_model(kTiny);
    std::ofstream{model.path.parent_path() / "weights.bin", std::ios::binary} << weights;
    return model;
}

}  // namespace

TEST_CASE("parameters are read layer by layer") {
    const calibrate::Parameters p = calibrate::load_parameters(tiny_model(file_bytes()));
    REQUIRE(p.size() == 3);
    CHECK(p[0].weights.empty());
    CHECK(p[1].weights == std::vector<std::uint64_t>{~0ULL, 0x3f, 1, 0x20});
    CHECK(p[2].thresholds == std::vector<std::int32_t>{-5, 6});
    CHECK(p[2].flips == std::vector<std::uint64_t>{2});
}

TEST_CASE("a weights file that does not fit its model is refused") {
    std::string short_file = file_bytes();
    short_file.pop_back();
    std::string stray_bit = file_bytes();
    stray_bit[16 + 15] = 1;  // the highest byte of the first row's second word: beyond 70 bits
    for (const std::string& bad : {std::string{},
                                   std::string{"not ours at all, sorry"},
                                   short_file,
                                   file_bytes() + "x",
                                   stray_bit}) {
        CHECK_THROWS_AS(calibrate::load_parameters(tiny_model(bad)), sim::InputError);
    }
    std::filesystem::remove(tiny_model("").path.parent_path() / "weights.bin");
    CHECK_THROWS_AS(calibrate::load_parameters(small_model(kTiny)), sim::InputError);
}

// f32 beside bits: a scaled product, a threshold, a convolution, a clip.
const std::string kReals = R"(hetmap: model/1
name: reals
input: {name: image, height: 1, width: 1, channels: 2, type: f32}
parameters: {file: weights.bin}
layers:
  - {name: bits, operation: linear, inputs: [image], weights: binary, out_channels: 2}
  - {name: t, operation: threshold, inputs: [bits]}
  - {name: scaled, operation: linear, inputs: [t], weights: binary, out_channels: 1, out: f32}
  - {name: conv, operation: conv2d, inputs: [scaled], weights: f32, out_channels: 2, kernel: 1}
  - {name: norm, operation: batch_norm, inputs: [conv]}
  - {name: clip, operation: clip, inputs: [norm]}
output: clip
)";

TEST_CASE("what layers of f32 hold is read in the order of the page on files") {
    std::string bytes = "hetmap-weights/1";
    const auto words = [&](std::initializer_list<std::uint64_t> all) {
        bytes.append(reinterpret_cast<const char*>(all.begin()), all.size() * 8);
    };
    const auto floats = [&](std::initializer_list<float> all) {
        bytes.append(reinterpret_cast<const char*>(all.begin()), all.size() * 4);
    };
    words({1, 3});  // bits, then its scales and biases
    floats({1, 2, 3, 4});
    words({2});  // t: directions, then limits
    floats({0.5F, -0.5F});
    words({0});  // scaled: one scale and one bias
    floats({0.25F, 8});
    floats({5, 6, 7, 8});  // conv: weights, then biases
    floats({1, 2, 3, 4});  // norm
    floats({0, 6});        // clip
    const auto load = [](const std::string& text) {
        const sim::Model model = small_model(kReals);
        std::ofstream{model.path.parent_path() / "weights.bin", std::ios::binary} << text;
        return calibrate::load_parameters(model);
    };
    const calibrate::Parameters p = load(bytes);
    using Floats = std::vector<float>;
    CHECK(p[1].scales == Floats{1, 2});
    CHECK(p[1].biases == Floats{3, 4});
    CHECK(p[2].thresholds.empty());
    CHECK(p[2].flips == std::vector<std::uint64_t>{2});
    CHECK(p[2].limits == Floats{0.5F, -0.5F});
    CHECK(p[3].biases == Floats{8});
    CHECK(p[4].weights.empty());
    CHECK(p[4].real_weights == Floats{5, 6});
    CHECK(p[4].biases == Floats{7, 8});
    CHECK(p[5].scales == Floats{1, 2});
    CHECK(p[6].limits == Floats{0, 6});
    CHECK(calibrate::weights_file(small_model(kReals), p) == bytes);

    std::string no_number = bytes;
    const float nan = std::nanf("");
    std::memcpy(no_number.data() + no_number.size() - 4, &nan, 4);
    CHECK_THROWS_WITH_AS(
        load(no_number), "weights of layer 'clip': one is no number (NaN)", sim::InputError);
    CHECK_THROWS_AS(load(bytes + "1234"), sim::InputError);
}

constexpr const char* kBytes = R"(hetmap: model/1
name: bytes
input: {name: image, height: 1, width: 1, channels: 2, type: f32}
parameters: {file: weights.bin}
layers:
  - {name: coded, operation: quantize, inputs: [image], out: u8}
  - {name: conv, operation: conv2d, inputs: [coded], weights: int8, out_channels: 2, kernel: 1, out: u8}
  - {name: sum, operation: add, inputs: [conv, coded], out: int8}
  - {name: mean, operation: global_average_pool, inputs: [sum]}
  - {name: scaled, operation: linear, inputs: [mean], weights: int8, out_channels: 1, out: f32}
  - {name: raw, operation: linear, inputs: [mean], weights: int8, out_channels: 1}
  - {name: real, operation: dequantize, inputs: [mean], out: f32}
outputs: [scaled, raw, real]
)";

TEST_CASE("what layers of bytes hold is read in the order of the page on files, and checked") {
    std::string bytes = "hetmap-weights/1";
    const auto floats = [&](std::initializer_list<float> all) {
        bytes.append(reinterpret_cast<const char*>(all.begin()), all.size() * 4);
    };
    floats({0.5F, 3});                    // coded: step, zero
    bytes += "\x01\xff\x7f\x80";          // conv: weights
    floats({1, 2, 3, 4, 3, 5, 0, 255});   // scales, biases; zero, zero of the result, least, most
    floats({1, 5, 2, 3, -1, -128, 127});  // sum
    floats({0.25F, -1, 2, 0, 100});       // mean
    bytes += "\x05\x06";                  // scaled: weights, then a scale and a bias, the zero
    floats({7, 8, 2});
    bytes += "\x09\x0a";  // raw: the zero alone
    floats({2});
    floats({0.125F, 2});  // real
    const auto load = [](const std::string& text) {
        const sim::Model model = small_model(kBytes);
        std::ofstream{model.path.parent_path() / "weights.bin", std::ios::binary} << text;
        return calibrate::load_parameters(model);
    };
    const calibrate::Parameters p = load(bytes);
    using Floats = std::vector<float>;
    CHECK(p[1].limits == Floats{0.5F, 3});
    CHECK(p[2].byte_weights == std::vector<std::int8_t>{1, -1, 127, -128});
    CHECK(p[2].scales == Floats{1, 2});
    CHECK(p[2].biases == Floats{3, 4});
    CHECK(p[2].limits == Floats{3, 5, 0, 255});
    CHECK(p[3].limits == Floats{1, 5, 2, 3, -1, -128, 127});
    CHECK(p[4].limits == Floats{0.25F, -1, 2, 0, 100});
    CHECK(p[5].scales == Floats{7});
    CHECK(p[5].limits == Floats{2});
    CHECK(p[6].scales.empty());
    CHECK(p[6].limits == Floats{2});
    CHECK(p[7].limits == Floats{0.125F, 2});
    CHECK(calibrate::weights_file(small_model(kBytes), p) == bytes);

    const auto with = [&](std::size_t place, float value) {
        std::string other = bytes;
        std::memcpy(other.data() + 16 + place, &value, 4);
        return other;
    };
    CHECK_THROWS_WITH_AS(
        load(with(0, 0)), "weights of layer 'coded': the step is not above zero", sim::InputError);
    CHECK_THROWS_WITH_AS(load(with(4, 2.5F)),
                         "weights of layer 'coded': a zero or limit is no whole number of u8",
                         sim::InputError);
    CHECK_THROWS_WITH_AS(load(with(8 + 4 + 28, 256)),
                         "weights of layer 'conv': a zero or limit is no whole number of u8",
                         sim::InputError);
    CHECK_THROWS_WITH_AS(load(with(8 + 4, HUGE_VALF)),
                         "weights of layer 'conv': a scale or bias is not finite",
                         sim::InputError);
    CHECK_THROWS_AS(load(bytes + "1"), sim::InputError);
}

TEST_CASE("made-up parameters depend on the seed alone, and mix the bits") {
    const sim::Model model = small_model();
    const calibrate::Parameters a = calibrate::load_parameters(model);
    const calibrate::Parameters b = calibrate::load_parameters(model);
    REQUIRE(a.size() == b.size());
    for (std::size_t l = 0; l < a.size(); ++l) {
        CHECK(a[l].weights == b[l].weights);
        CHECK(a[l].thresholds == b[l].thresholds);
        CHECK(a[l].flips == b[l].flips);
    }
    CHECK(a[1].weights.at(0) != 0);
    CHECK((a[1].weights.at(0) >> 27) == 0);  // 3 x 3 x 3 weights
}

TEST_CASE("a weights file is of the model's size before anything is read, and no pipe") {
    const sim::Model model = tiny_model(file_bytes());
    const std::filesystem::path weights = model.path.parent_path() / "weights.bin";
    const auto error = [&] {
        try {
            calibrate::load_parameters(model);
        } catch (const sim::InputError& refused) {
            return std::string{refused.what()};
        }
        return std::string{"no error"};
    };
    CHECK(error() == "no error");
    std::filesystem::resize_file(weights, file_bytes().size() - 1);
    CHECK(
        error().ends_with("ends in the middle of layer 'threshold': the model needs more "
                          "parameters than the file has"));
    std::filesystem::remove(weights);
    REQUIRE(mkfifo(weights.c_str(), 0600) == 0);
    CHECK(error().ends_with("weights.bin: expected a regular file, this is a pipe"));
    std::filesystem::remove(weights);
    CHECK(error().ends_with("weights.bin: no such file"));
}

namespace {

// A threshold behind so many layers of one operation, each of which reads the one before `inputs`
// times.
sim::Model chain(const std::string& operation, int layers, int inputs) {
    sim::Model model = small_model(R"(hetmap: model/1
name: chain
input: {name: i, height: 1, width: 1, channels: 64, type: u8}
parameters: {seed: 1}
layers:
  - {name: c, operation: conv2d, inputs: [i], weights: binary, out_channels: 64, kernel: 1}
  - {name: t, operation: threshold, inputs: [c]}
output: t
)");
    const sim::Layer threshold = model.layers.back();
    model.layers.pop_back();
    sim::Layer one = model.layers.back();
    one.operation = sim::find_operation(operation);
    for (int i = 0; i < layers; ++i) {
        one.inputs.assign(static_cast<std::size_t>(inputs),
                          static_cast<int>(model.layers.size()) - 1);
        model.layers.push_back(one);
    }
    model.layers.push_back(threshold);
    model.layers.back().inputs = {static_cast<int>(model.layers.size()) - 2};
    return model;
}

}  // namespace

TEST_CASE("parameters are made up in one pass, however often a result is read and by how many") {
    // 2^200 ways lead back to the input.
    const auto added = calibrate::load_parameters(chain("add", 200, 2)).back().thresholds;
    REQUIRE(added.size() == 64);
    CHECK(std::ranges::max(added) > 1'000'000'000);
    CHECK(std::ranges::min(added) < -1'000'000'000);
    // As deep as no stack is.
    const auto flat = calibrate::load_parameters(chain("flatten", 500'000, 1)).back().thresholds;
    CHECK(flat == calibrate::load_parameters(chain("flatten", 1, 1)).back().thresholds);
}

TEST_CASE("more parameters than there is memory for are the machine's fault, and it says so") {
    sim::Model model = chain("flatten", 1, 1);
    model.layers[1].attributes.kernel = {1, 1 << 12, 1 << 12};
    model.layers[1].output.set_channels(1 << 30);
    model.layers[0].output.set_channels(1 << 30);
    CHECK_THROWS_AS(calibrate::load_parameters(model), sim::MachineError);
}
