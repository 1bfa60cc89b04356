// Whole networks as one chain, for the variants that take chains of any length: residual networks
// branch, and memory inside the chain is the kernel's own.

#include "calibrate/binding.hpp"
#include "calibrate/parameters.hpp"
#include "gpu_device.hpp"
#include "sim/describe/model.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace gpu_test;

namespace {

// Beside the program's folder in a bundle, otherwise in the sources.
std::vector<std::filesystem::path> model_folders() {
    std::error_code none;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", none);
    return {program.parent_path().parent_path() / "models",
            std::filesystem::path{HETMAP_SOURCE_DIR} / "models"};
}

void compare(const std::string& name, int batch) {
    CAPTURE(name);
    CAPTURE(batch);
    const sim::Model model = sim::load_model(name, model_folders());
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    std::vector<int> layers;
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        if (calibrate::has_kernel(model, model.layers[i])) {
            layers.push_back(static_cast<int>(i));
        }
    }
    const kernels::Chain chain = calibrate::chain_of(model, parameters, layers, batch);
    const auto device = open_gpu();
    const auto offers = device->implementations(chain);
    if (offers.empty()) {
        MESSAGE(name << ": no variant takes the whole network at batch " << batch);
        return;
    }
    kernels_test::Random random(1);
    const Case test = with_result({.chain = chain, .words = {}, .integers = {}}, random, false);
    Mirror input(*device, test.input.size()), output(*device, test.expected.size());
    input.send(test.input.data());
    for (const calibrate::Implementation& offer : offers) {
        CAPTURE(offer.variant);
        CAPTURE(offer.configuration);
        const int done = device->new_event();
        const calibrate::Stage stage{
            .kernel = device->prepare(chain, offer.variant, offer.configuration),
            .tensors = {input.address, nullptr, output.address},
            .signal = done};
        const int segment = device->record({&stage, 1}, false);
        for (int repeat = 0; repeat < 20; ++repeat) {
            output.fill(0xa5);
            device->submit(segment);
            device->wait(done);
            REQUIRE(std::memcmp(output.fetch(),
                                test.expected.data(),
                                meaningful_bytes(test.output, batch)) == 0);
        }
    }
    MESSAGE(name << ": " << offers.size() << " implementations of the whole network at batch "
                 << batch);
}

}  // namespace

TEST_CASE("whole networks equal the reference where a variant takes them as one chain") {
    for (const int batch : {1, 3, 8}) {
        compare("vgg3-fashion", batch);
    }
    compare("vgg7-cifar10", 1);
    compare("vgg7-cifar10", 2);
    compare("resnet18-imagenet", 1);
}
