// Every CUDA variant equals the reference bit by bit: on every kind of chain it accepts, in every
// configuration, on random shapes with all the odd sizes, and on the layers of real networks.

#include "gpu_device.hpp"
#include "kernels/cuda/variants.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace gpu_test;
using namespace kernels;
using namespace kernels_test;

namespace {

constexpr int kGuard = 256;  // bytes behind the output that must stay as they are

// Runs a case with everything the GPU offers for it, twice each, and counts the kernels.
// `guarded`: memory behind the output is watched; otherwise the output ends where its memory does,
// and compute-sanitizer watches.
void compare(calibrate::Device& device,
             const Case& test,
             bool guarded,
             std::map<std::string, int>& count) {
    const Chain& chain = test.chain();
    CAPTURE(describe(chain));
    Mirror input(device, test.input.size());
    Mirror second(device, needs_second_input(chain) ? test.second.size() : 64);
    const std::size_t bytes = test.expected.size();
    Mirror output(device, bytes + (guarded ? kGuard : 0));
    input.send(test.input.data());
    if (needs_second_input(chain)) {
        second.send(test.second.data());
    }
    for (const calibrate::Implementation& offer : device.implementations(chain)) {
        CAPTURE(offer.variant);
        CAPTURE(offer.configuration);
        const int kernel = device.prepare(chain, offer.variant, offer.configuration);
        const int done = device.new_event();
        const calibrate::Stage stage{.kernel = kernel,
                                     .tensors = {input.address, second.address, output.address},
                                     .signal = done};
        const int segment = device.record({&stage, 1}, false);
        for (int repeat = 0; repeat < 2; ++repeat) {  // scratch memory is reused
            output.fill(0xa5);
            device.submit(segment);
            device.wait(done);
            const std::byte* const result = output.fetch();
            REQUIRE(std::memcmp(result,
                                test.expected.data(),
                                meaningful_bytes(test.output, chain.batch)) == 0);
            REQUIRE(std::all_of(result + bytes, result + output.bytes, [](std::byte b) {
                return b == std::byte{0xa5};
            }));
        }
        ++count[offer.variant];
    }
}

void report(const std::map<std::string, int>& count) {
    for (const auto& [name, kernels] : count) {
        MESSAGE(name << ": " << kernels << " kernels compared");
    }
    for (const DeviceVariant& variant : cuda::variants()) {
        if (!count.contains(std::string{variant.name})) {
            MESSAGE("this GPU was offered nothing by variant " << std::string{variant.name});
        }
    }
}

void compare_random_chains(int of_a_kind, Size size, std::uint64_t first_seed) {
    std::map<std::string, int> count;
    for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
        const auto device = open_gpu();  // with it goes the memory of its cases
        for (int i = 0; i < of_a_kind; ++i) {
            Random random(kind * 1000 + first_seed + static_cast<std::uint64_t>(i));
            OwnedChain owned = random_chain(random, kinds()[kind], size);
            const Case test = with_result(std::move(owned), random, size == Size::large);
            compare(*device, test, i % 2 == 0, count);
        }
    }
    report(count);
    CHECK_FALSE(count.empty());
}

// ---- Layers of real networks -------------------------------------------------------------------

struct Layer {
    const char* name;
    Shape input;
    StepKind kind;
    int out_channels, kernel, stride, padding;
    bool threshold, pool, add;
};

// ResNet-18 for ImageNet (its stem has stride 4 here, see models/), VGG-7 for CIFAR-10.
constexpr Layer kLayers[] = {
    {"resnet stem", {224, 224, 3, Element::u8}, StepKind::conv2d, 64, 7, 4, 3, false, false, false},
    {"resnet 56", {56, 56, 64}, StepKind::conv2d, 64, 3, 1, 1, true, false, false},
    {"resnet 56 add", {56, 56, 64}, StepKind::conv2d, 64, 3, 1, 1, true, false, true},
    {"resnet 56 to 28", {56, 56, 64}, StepKind::conv2d, 128, 3, 2, 1, true, false, false},
    {"resnet shortcut", {56, 56, 64}, StepKind::conv2d, 128, 1, 2, 0, false, false, false},
    {"resnet 28", {28, 28, 128}, StepKind::conv2d, 128, 3, 1, 1, true, false, false},
    {"resnet 14", {14, 14, 256}, StepKind::conv2d, 256, 3, 1, 1, true, false, true},
    {"resnet 14 to 7", {14, 14, 256}, StepKind::conv2d, 512, 3, 2, 1, true, false, false},
    {"resnet 7", {7, 7, 512}, StepKind::conv2d, 512, 3, 1, 1, false, false, true},
    {"resnet classes", {1, 1, 512}, StepKind::linear, 1000, 1, 1, 0, false, false, false},
    {"vgg first", {32, 32, 3, Element::u8}, StepKind::conv2d, 128, 3, 1, 1, true, false, false},
    {"vgg 32 pool", {32, 32, 128}, StepKind::conv2d, 128, 3, 1, 1, true, true, false},
    {"vgg 16 pool", {16, 16, 256}, StepKind::conv2d, 256, 3, 1, 1, true, true, false},
    {"vgg 8 pool", {8, 8, 512}, StepKind::conv2d, 512, 3, 1, 1, true, true, false},
    {"vgg 4 linear", {4, 4, 512}, StepKind::linear, 1024, 1, 1, 0, true, false, false},
};

OwnedChain chain_of(const Layer& layer, int batch, Random& random) {
    OwnedChain owned;
    owned.chain = {.input = layer.input, .steps = {}, .batch = batch};
    Step dot{.kind = layer.kind, .out_channels = layer.out_channels};
    int fan_in = layer.input.height * layer.input.width * layer.input.channels;
    if (layer.kind == StepKind::conv2d) {
        dot.kernel_height = dot.kernel_width = layer.kernel;
        dot.stride = layer.stride;
        dot.padding = layer.padding;
        fan_in = layer.kernel * layer.kernel * layer.input.channels;
    }
    add_weights(owned, random, dot, fan_in);
    owned.chain.steps.push_back(dot);
    if (layer.add) {
        owned.chain.steps.push_back({.kind = StepKind::add});
    }
    if (layer.threshold) {
        Step threshold{.kind = StepKind::threshold};
        const int scale = layer.input.element == Element::u8 ? 150 : 1;
        const int spread = static_cast<int>(std::sqrt(static_cast<double>(fan_in)));
        add_thresholds(owned, random, threshold, layer.out_channels, spread * scale);
        owned.chain.steps.push_back(threshold);
    }
    if (layer.pool) {
        owned.chain.steps.push_back(
            {.kind = StepKind::max_pool2d, .kernel_height = 2, .kernel_width = 2, .stride = 2});
    }
    return owned;
}

}  // namespace

// The suite "short" is for compute-sanitizer, under which everything takes very long.
TEST_CASE("a few chains of every kind equal the reference" * doctest::test_suite("short")) {
    compare_random_chains(2, Size::small, 700);
}

TEST_CASE("every variant equals the reference on every kind of chain in every configuration") {
    compare_random_chains(40, Size::small, 0);
}

TEST_CASE("every variant equals the reference on large images") {
    compare_random_chains(2, Size::large, 900);
}

TEST_CASE("every variant equals the CPU on the layers of real networks, at batch 1 and 8") {
    std::map<std::string, int> count;
    std::uint64_t seed = 1;
    for (const Layer& layer : kLayers) {
        const auto device = open_gpu();
        for (const int batch : {1, 8}) {
            CAPTURE(std::string{layer.name});
            CAPTURE(batch);
            Random random(seed++);
            OwnedChain owned = chain_of(layer, batch, random);
            compare(*device, with_result(std::move(owned), random, true), true, count);
        }
    }
    report(count);
    CHECK_FALSE(count.empty());
}
