#include "calibrate/binding.hpp"
#include "calibrate_small_model.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

namespace {

// Two residual blocks: a projection, and an identity that is the block's own input.
const std::string kBlocks = R"(hetmap: model/1
name: blocks
description: two residual blocks
source: made up
input: {name: image, height: 6, width: 5, channels: 70, type: binary}
parameters: {seed: 3}
layers:
  - {name: conv1, operation: conv2d, inputs: [image], weights: binary, out_channels: 66, kernel: 3, stride: 2, padding: 1, pad_value: 0}
  - {name: shortcut, operation: conv2d, inputs: [image], weights: binary, out_channels: 66, kernel: 1, stride: 2, padding: 0, pad_value: 0}
  - {name: add1, operation: add, inputs: [conv1, shortcut]}
  - {name: threshold2, operation: threshold, inputs: [add1]}
  - {name: conv2, operation: conv2d, inputs: [threshold2], weights: binary, out_channels: 66, kernel: 3, stride: 1, padding: 1, pad_value: 0}
  - {name: add2, operation: add, inputs: [conv2, add1]}
output: add2
)";

// What the reference makes of a chain; layouts are plain.
std::vector<std::byte> result_of(const kernels::Chain& chain,
                                 const std::vector<std::byte>& input,
                                 const std::vector<std::byte>& second) {
    std::vector<std::byte> output(
        kernels::tensor_bytes(kernels::output_of(chain), kernels::Layout::plain, chain.batch));
    kernels::ThreadPool pool{1};
    kernels::Kernel{*kernels::find_variant("reference"), chain, {}}.run(
        {.input = input.data(), .second_input = second.data(), .output = output.data()}, pool);
    return output;
}

}  // namespace

TEST_CASE("a chain that branches computes what its layers compute one by one") {
    const sim::Model model = small_model(kBlocks);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    constexpr int kBatch = 2;
    std::mt19937 random{7};
    std::vector<std::vector<std::byte>> tensors(model.layers.size());
    tensors[0].resize(kernels::tensor_bytes(
        calibrate::kernel_shape(model.layers[0].output), kernels::Layout::plain, kBatch));
    for (std::byte& b : tensors[0]) {
        b = static_cast<std::byte>(random() % 2 == 0 ? 1 : -1);
    }
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        const int one[] = {layer};
        const calibrate::ChainInputs inputs = calibrate::inputs_of(model, one);
        tensors[static_cast<std::size_t>(layer)] =
            result_of(calibrate::chain_of(model, parameters, one, kBatch),
                      tensors[static_cast<std::size_t>(inputs.main)],
                      tensors[static_cast<std::size_t>(std::max(0, inputs.second))]);
    }

    int branching = 0;
    for (int first = 1; first < static_cast<int>(model.layers.size()); ++first) {
        for (const std::vector<int>& layers : sim::chains_from(model, first, 9)) {
            const kernels::Chain chain = calibrate::chain_of(model, parameters, layers, kBatch);
            const calibrate::ChainInputs inputs = calibrate::inputs_of(model, layers);
            branching += !kernels::is_linear(chain);
            CAPTURE(sim::signature(model, layers));
            CHECK(result_of(chain,
                            tensors[static_cast<std::size_t>(inputs.main)],
                            tensors[static_cast<std::size_t>(std::max(0, inputs.second))]) ==
                  tensors[static_cast<std::size_t>(layers.back())]);
        }
    }
    // The first block, and both; the second alone reads only its own input.
    CHECK(branching == 2);
}
