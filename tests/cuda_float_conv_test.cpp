// The baseline in full precision equals sums by definition; on small integers floats are exact.

#include "kernels/cuda/float_conv.hpp"
#include "tests/cuda_emulation/device_kernel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

using namespace kernels::cuda;

namespace {

std::vector<float> small_integers(std::mt19937& engine, std::size_t count) {
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i) {
        values.push_back(static_cast<float>(std::uniform_int_distribution(-2, 2)(engine)));
    }
    return values;
}

struct Image {
    int height, width, channels;
    std::vector<float> values;  // of the batch

    float at(int image, int y, int x, int channel) const {
        if (y < 0 || y >= height || x < 0 || x >= width) {
            return 0;
        }
        return values[static_cast<std::size_t>(((image * height + y) * width + x) * channels +
                                               channel)];
    }
};

Image reference(const FloatStep& step, int batch, const Image& input) {
    const bool linear = step.kind == FloatStepKind::linear;
    const bool pool = step.kind == FloatStepKind::max_pool2d;
    const int kernel_height = linear ? input.height : step.kernel;
    const int kernel_width = linear ? input.width : step.kernel;
    Image output{(input.height + 2 * step.padding - kernel_height) / step.stride + 1,
                 (input.width + 2 * step.padding - kernel_width) / step.stride + 1,
                 pool ? input.channels : step.out_channels,
                 {}};
    for (int image = 0; image < batch; ++image) {
        for (int y = 0; y < output.height; ++y) {
            for (int x = 0; x < output.width; ++x) {
                for (int o = 0; o < output.channels; ++o) {
                    float sum = 0, largest = -1e30f;
                    std::size_t weight = step.weights.size() /
                                         static_cast<std::size_t>(output.channels) *
                                         static_cast<std::size_t>(o);
                    for (int ky = 0; ky < kernel_height; ++ky) {
                        for (int kx = 0; kx < kernel_width; ++kx) {
                            for (int c = 0; c < input.channels; ++c) {
                                const float value = input.at(image,
                                                             y * step.stride + ky - step.padding,
                                                             x * step.stride + kx - step.padding,
                                                             c);
                                if (!pool) {
                                    sum += value * step.weights[weight++];
                                } else if (c == o) {
                                    largest = std::max(largest, value);
                                }
                            }
                        }
                    }
                    if (!pool) {
                        sum += step.bias[static_cast<std::size_t>(o)];
                    }
                    if (step.relu) {
                        sum = std::max(sum, 0.0f);
                    }
                    output.values.push_back(pool ? largest : sum);
                }
            }
        }
    }
    return output;
}

}  // namespace

TEST_CASE("float networks of convolutions, pooling and linear layers") {
    std::mt19937 engine(7);
    for (int round = 0; round < 12; ++round) {
        const auto between = [&](int low, int high) {
            return std::uniform_int_distribution(low, high)(engine);
        };
        FloatNetwork network{.batch = between(1, 3),
                             .height = between(8, 14),
                             .width = between(8, 14),
                             .channels = between(1, 5)};
        network.steps = {
            {.kind = FloatStepKind::conv2d,
             .out_channels = between(1, 40),
             .kernel = 2 * between(0, 2) + 1,
             .stride = between(1, 2),
             .padding = between(0, 2),
             .relu = true},
            {.kind = FloatStepKind::max_pool2d, .kernel = 2, .stride = 2},
            {.kind = FloatStepKind::linear, .out_channels = between(1, 40), .relu = round % 2 == 0},
            {.kind = FloatStepKind::linear, .out_channels = 4}};
        const auto count = [](int a, int b) {
            return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
        };
        const auto pixels =
            static_cast<std::size_t>(network.batch) * count(network.height, network.width);
        Image image{network.height,
                    network.width,
                    network.channels,
                    small_integers(engine, pixels * static_cast<std::size_t>(network.channels))};
        const std::vector<float> input = image.values;
        std::vector<std::vector<float>> parameters;
        parameters.reserve(2 * network.steps.size());  // steps point into them
        for (FloatStep& step : network.steps) {
            if (step.kind != FloatStepKind::max_pool2d) {
                const bool linear = step.kind == FloatStepKind::linear;
                const std::size_t fan_in =
                    count(linear ? image.height : step.kernel, linear ? image.width : step.kernel) *
                    static_cast<std::size_t>(image.channels);
                const auto channels = static_cast<std::size_t>(step.out_channels);
                parameters.push_back(small_integers(engine, fan_in * channels));
                step.weights = parameters.back();
                parameters.push_back(small_integers(engine, channels));
                step.bias = parameters.back();
            }
            image = reference(step, network.batch, image);
        }

        const kernels::DeviceKernel kernel = float_network(network);
        std::vector<float> output(image.values.size());
        cuda_emulation::Prepared prepared(kernel,
                                          round % 2 == 0
                                              ? cuda_emulation::GuardedMemory::Guard::behind
                                              : cuda_emulation::GuardedMemory::Guard::before);
        prepared.run(
            std::as_bytes(std::span(input)),
            {},
            std::as_writable_bytes(std::span(output)),
            round / 2 % 2 == 0 ? cuda_emulation::Order::forward : cuda_emulation::Order::backward);
        CHECK(output == image.values);
    }
}

TEST_CASE("a float network refuses parameters that do not fit") {
    FloatNetwork network{.batch = 1, .height = 4, .width = 4, .channels = 2};
    network.steps = {{.kind = FloatStepKind::linear, .out_channels = 3}};
    CHECK_THROWS_AS(float_network(network), std::invalid_argument);
}
