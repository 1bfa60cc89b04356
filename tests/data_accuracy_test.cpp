#include "calibrate/calibrator.hpp"
#include "calibrate/dataset.hpp"
#include "calibrate/validation.hpp"
#include "sim/describe/twins.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>

namespace {

// The classes that the trainer's program gave for the 10,000 test images.
std::string predictions_beside(const sim::Model& model) {
    std::ifstream file{model.path.parent_path() / "predictions.bin", std::ios::binary};
    std::string classes{std::istreambuf_iterator<char>{file}, {}};
    REQUIRE(classes.size() == 10'000);
    return classes;
}

}  // namespace

TEST_CASE("vgg3-fashion gives its trainer's answer for each of the 10,000 test images") {
    const std::filesystem::path folder = HETMAP_SOURCE_DIR "/models/vgg3-fashion";
    const sim::Model model = sim::load_model(folder.string(), {});
    const calibrate::Dataset data =
        calibrate::load_dataset(std::filesystem::path{std::getenv("HETMAP_DATA")} / "fashion-mnist",
                                model.layers.front().output);
    const std::string expected = predictions_beside(model);
    REQUIRE(data.images() == 10'000);

    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    // Two mappings that share no kernel, at batch sizes that do and do not divide 10,000.
    for (const auto& each : {std::pair{"scalar", 8}, std::pair{"", 7}}) {
        const char* const variant = each.first;
        const int batch = each.second;
        CAPTURE(batch);
        const std::vector<std::string> variants =
            *variant == '\0' ? std::vector<std::string>{} : std::vector<std::string>{variant};
        const sim::Problem problem = sim::compile(
            model, calibrate::candidates(model, batch, 2, variants), {.batch = batch, .only = {}});
        const auto answer = calibrate::classify(model,
                                                parameters,
                                                {.devices = calibrate::open_devices(problem, 2),
                                                 .problem = problem,
                                                 .mapping = sim::random_mapping(problem, 1)},
                                                data.pixels,
                                                {});
        REQUIRE(answer.predictions.size() == 10'000);
        int different = 0, right = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            different += answer.predictions[i] != expected[i];
            right += answer.predictions[i] == data.labels[i];
        }
        CHECK(different == 0);
        CHECK(right == 8863);
    }
}

TEST_CASE(
    "bireal-fashion and its twins have the accuracy they state, and their trainer's answers") {
    constexpr std::size_t kImages = 500, kDiffer = 1;  // what is next to a threshold may differ
    const sim::Model family = sim::load_model(HETMAP_SOURCE_DIR "/models/bireal-fashion", {});
    const std::vector<sim::Model> all = sim::with_twins(family);
    REQUIRE(all.size() == 3);
    for (const sim::Model& model : all) {
        CAPTURE(model.name);
        const calibrate::Dataset data = calibrate::load_dataset(
            std::filesystem::path{std::getenv("HETMAP_DATA")} / "fashion-mnist",
            model.layers.front().output);
        const std::string expected = predictions_beside(model);
        int right = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            right += expected[i] == data.labels[i];
        }
        REQUIRE(model.accuracy);
        CHECK(right == std::lround(100 * model.accuracy->measured.at(0).percent));

        const sim::Problem problem =
            sim::compile(model, calibrate::candidates(model, 4, 2, {}), {.batch = 4, .only = {}});
        const auto answer = calibrate::classify(
            model,
            calibrate::load_parameters(model),
            {.devices = calibrate::open_devices(problem, 2),
             .problem = problem,
             .mapping = sim::random_mapping(problem, 1)},
            std::span{data.pixels}.first(kImages * data.pixels.size() / expected.size()),
            {});
        REQUIRE(answer.predictions.size() == kImages);
        std::size_t different = 0;
        for (std::size_t i = 0; i < kImages; ++i) {
            different += answer.predictions[i] != expected[i];
        }
        CHECK(different <= kDiffer);
    }
}
