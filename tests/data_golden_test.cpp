// Networks that others trained, against what they compute by their own account: HEP-BNN's VGG3 and
// its network for CIFAR-10, imported from ONNX, and BNN-PYNQ's CNV W1A1. Each is skipped, with a
// line that says so, where its files are not there: HETMAP_DATA/hep-bnn, bnn-pynq, cifar10.

#include "calibrate/dataset.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/runnable.hpp"
#include "cli_program.hpp"
#include "sim/describe/model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace {

namespace fs = std::filesystem;

fs::path data() { return std::getenv("HETMAP_DATA"); }

bool is_there(const fs::path& path) {
    if (!fs::exists(path)) {
        MESSAGE("skipped: there is no " << path.string());
        return false;
    }
    return true;
}

template <typename T>
std::vector<T> numbers_in(const fs::path& path) {
    const std::string bytes = text_of(path);
    std::vector<T> numbers(bytes.size() / sizeof(T));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
    return numbers;
}

// A network, opened once for image after image.
class Opened {
public:
    explicit Opened(const fs::path& model)
        : model_{sim::load_model(model.string(), {})},
          parameters_{calibrate::load_parameters(model_)},
          runnable_{calibrate::guessed(model_, parameters_, 1)},
          executor_{model_, parameters_, runnable_.problem, std::move(runnable_.devices)},
          recording_{executor_.prepare(runnable_.mapping)} {}

    template <typename T>
    std::vector<T> scores_of(std::span<const float> image) {
        std::memcpy(executor_.input().data(), image.data(), image.size_bytes());
        executor_.run(recording_);
        std::vector<T> scores(static_cast<std::size_t>(
            model_.layers[static_cast<std::size_t>(model_.outputs[0].layer)].output.elements()));
        std::memcpy(scores.data(), recording_.outputs[0], scores.size() * sizeof(T));
        return scores;
    }

private:
    sim::Model model_;
    calibrate::Parameters parameters_;
    calibrate::Runnable runnable_;
    calibrate::Executor executor_;
    calibrate::Executor::Recording recording_;
};

// Images of int32 in ONNX's order, channel by channel, as f32 in (y, x, channel) order.
std::vector<float> turned(std::span<const std::int32_t> image, std::size_t channels) {
    const std::size_t pixels = image.size() / channels;
    std::vector<float> result;
    for (std::size_t i = 0; i < image.size(); ++i) {
        result.push_back(static_cast<float>(image[i % channels * pixels + i / channels]));
    }
    return result;
}

// The imported model without its last layer, LogSoftmax, so that its output is the logits.
void cut_log_softmax(const fs::path& model) {
    std::string text = text_of(model);
    const std::size_t line = text.find("  - {name: LogSoftmax_33");
    REQUIRE(line != std::string::npos);
    text.erase(line, text.find('\n', line) + 1 - line);
    text.replace(text.find("output: LogSoftmax_33"), 21, "output: Gemm_32");
    std::ofstream{model} << text;
}

int logits_that_differ(const std::string& onnx, const std::string& golden, std::size_t channels) {
    const fs::path from = data() / "hep-bnn";
    const TemporaryFolder folder;
    const Outcome imported = hetmap({"import",
                                     (from / "onnx" / onnx).string(),
                                     "--out",
                                     folder.file("net"),
                                     "--dim",
                                     "batch_size=1",
                                     "--parameters"});
    REQUIRE_MESSAGE(imported.code == 0, imported.err);
    cut_log_softmax(folder.path() / "net" / "model.yaml");
    Opened network{folder.path() / "net"};
    const auto images = numbers_in<std::int32_t>(from / "golden" / (golden + "_in_i32.bin"));
    const auto logits = numbers_in<float>(from / "golden" / (golden + "_logits_f32.bin"));
    const std::size_t count = logits.size() / 10, each = images.size() / count;
    int different = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<float> scores =
            network.scores_of<float>(turned(std::span{images}.subspan(i * each, each), channels));
        different +=
            std::equal(scores.begin(), scores.end(), logits.begin() + static_cast<long>(i * 10))
                ? 0
                : 1;
    }
    return different;
}

// ---- BNN-PYNQ's file: "BNNP", u32 layers; of each u32 outputs, fan-in, whether it has thresholds;
// rows of words, lowest bit first; then int32 thresholds. A bit is popcount(xnor) > threshold, and
// of the first layer 2 sum(+-x) > threshold.

const char* const kCnv = R"(hetmap: model/1
name: cnv
description: CNV W1A1 of BNN-PYNQ, for CIFAR-10
source: Xilinx/BNN-PYNQ
input: {name: image, height: 32, width: 32, channels: 3, type: f32}
parameters: {file: weights.bin}
layers:
  - {name: conv1, operation: conv2d, inputs: [image], weights: binary, out_channels: 64, kernel: 3}
  - {name: t1, operation: threshold, inputs: [conv1]}
  - {name: conv2, operation: conv2d, inputs: [t1], weights: binary, out_channels: 64, kernel: 3}
  - {name: t2, operation: threshold, inputs: [conv2]}
  - {name: pool2, operation: max_pool2d, inputs: [t2], kernel: 2, stride: 2}
  - {name: conv3, operation: conv2d, inputs: [pool2], weights: binary, out_channels: 128, kernel: 3}
  - {name: t3, operation: threshold, inputs: [conv3]}
  - {name: conv4, operation: conv2d, inputs: [t3], weights: binary, out_channels: 128, kernel: 3}
  - {name: t4, operation: threshold, inputs: [conv4]}
  - {name: pool4, operation: max_pool2d, inputs: [t4], kernel: 2, stride: 2}
  - {name: conv5, operation: conv2d, inputs: [pool4], weights: binary, out_channels: 256, kernel: 3}
  - {name: t5, operation: threshold, inputs: [conv5]}
  - {name: conv6, operation: conv2d, inputs: [t5], weights: binary, out_channels: 256, kernel: 3}
  - {name: t6, operation: threshold, inputs: [conv6]}
  - {name: fc7, operation: linear, inputs: [t6], weights: binary, out_channels: 512}
  - {name: t7, operation: threshold, inputs: [fc7]}
  - {name: fc8, operation: linear, inputs: [t7], weights: binary, out_channels: 512}
  - {name: t8, operation: threshold, inputs: [fc8]}
  - {name: fc9, operation: linear, inputs: [t8], weights: binary, out_channels: 64}
output: fc9
)";

// Writes model.yaml and weights.bin into the folder.
void convert_cnv(const fs::path& file, const TemporaryFolder& folder) {
    const fs::path path = folder.write("model.yaml", kCnv);
    const sim::Model model = sim::load_model(path.string(), {});
    const std::string bytes = text_of(file);
    std::size_t at = 4;
    const auto take = [&](auto& to, std::size_t count) {
        to.resize(count);
        REQUIRE(at + count * sizeof(to[0]) <= bytes.size());
        std::memcpy(to.data(), bytes.data() + at, count * sizeof(to[0]));
        at += count * sizeof(to[0]);
    };
    std::vector<std::uint32_t> head;
    take(head, 1);
    REQUIRE(head[0] == 9);
    calibrate::Parameters parameters(model.layers.size());
    for (std::size_t l = 0, layer = 1; l < 9; ++l) {
        while (!sim::has_weights(model.layers[layer])) {
            ++layer;
        }
        take(head, 3);
        const std::size_t outputs = head[0], fan_in = head[1];
        const bool has_thresholds = head[2] != 0;
        calibrate::LayerParameters& product = parameters[layer];
        take(product.weights, outputs * ((fan_in + 63) / 64));
        if (l == 0) {
            product.scales.assign(outputs, 1.0F);
            product.biases.assign(outputs, 0.0F);
        }
        ++layer;
        if (!has_thresholds) {
            continue;
        }
        std::vector<std::int32_t> given;
        take(given, outputs);
        calibrate::LayerParameters& threshold = parameters[layer];
        threshold.flips.resize((outputs + 63) / 64);
        for (const std::int32_t t : given) {
            if (l == 0) {  // 2 sum > t: from the next half on
                threshold.limits.push_back(static_cast<float>(std::floor(t / 2.0)) + 1);
            } else {  // (sum + n) / 2 > t
                threshold.thresholds.push_back(2 * t - static_cast<std::int32_t>(fan_in) + 1);
            }
        }
    }
    CHECK(at == bytes.size());
    folder.write("weights.bin", calibrate::weights_file(model, parameters));
}

// How many images of a CIFAR-10 file it has right.
int right_of(Opened& network, const fs::path& images) {
    const calibrate::Dataset set =
        calibrate::load_dataset(images, sim::TensorShape{32, 32, 3, sim::Element::u8});
    constexpr std::size_t kPixels = 32 * 32 * 3;
    int right = 0;
    for (std::size_t i = 0; i < set.labels.size(); ++i) {
        std::vector<float> image;
        for (std::size_t p = 0; p < kPixels; ++p) {
            const double x = std::round(128 * (2.0 * set.pixels[i * kPixels + p] / 255 - 1));
            image.push_back(static_cast<float>(std::clamp(x, -128.0, 127.0)));
        }
        const std::vector<std::int32_t> scores = network.scores_of<std::int32_t>(image);
        right +=
            std::max_element(scores.begin(), scores.begin() + 10) - scores.begin() == set.labels[i]
                ? 1
                : 0;
    }
    return right;
}

}  // namespace

TEST_CASE("HEP-BNN's trained networks, imported, give their logits to the last bit") {
    if (is_there(data() / "hep-bnn" / "golden")) {
        CHECK(logits_that_differ("fashion_model_fashion_61287fda.onnx", "fashion_vgg3", 1) == 0);
        CHECK(logits_that_differ("cifar10_small_b62d3e70.onnx", "cifar_small", 3) == 0);
    }
}

TEST_CASE("HEP-BNN's VGG3 has 77.24 % of Fashion-MNIST right") {
    const fs::path onnx = data() / "hep-bnn" / "onnx" / "fashion_model_fashion_61287fda.onnx";
    if (is_there(onnx)) {
        const TemporaryFolder folder;
        REQUIRE(
            hetmap({"import", onnx.string(), "--out", folder.file("net"), "--dim", "batch_size=1"})
                .code == 0);
        const Outcome ran = hetmap({"run",
                                    "--model",
                                    folder.file("net"),
                                    "--data",
                                    (data() / "fashion-mnist").string(),
                                    "--pixel-scale",
                                    "255",
                                    "--batch",
                                    "16"});
        CHECK(ran.out.find("7724 of 10000 images right (77.24 %)") != std::string::npos);
    }
}

TEST_CASE("BNN-PYNQ's CNV has 1,529 of 2,000 and 157 of 200 images of CIFAR-10 right") {
    const fs::path file = data() / "bnn-pynq" / "cnvW1A1_cifar10.bnnp";
    if (is_there(file) && is_there(data() / "cifar10")) {
        const TemporaryFolder folder;
        convert_cnv(file, folder);
        Opened network{folder.path()};
        CHECK(right_of(network, data() / "cifar10" / "cifar10_test_2000.bin.gz") == 1529);
        CHECK(right_of(network, data() / "cifar10" / "cifar10_ic01_200.bin") == 157);
    }
}
