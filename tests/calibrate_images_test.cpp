// The few real images that the repository holds: what the demo classifies where there are no
// others.

#include "calibrate/calibrator.hpp"
#include "calibrate/dataset.hpp"
#include "calibrate/validation.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

TEST_CASE("vgg3-fashion gives its trainer's answer for the hundred images beside it") {
    const std::filesystem::path folder = HETMAP_SOURCE_DIR "/models/vgg3-fashion";
    const sim::Model model = sim::load_model(folder.string(), {});
    const calibrate::Dataset data =
        calibrate::load_dataset(folder / "images", model.layers.front().output);
    REQUIRE(data.images() == 100);
    REQUIRE(data.labels.size() == 100);

    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const auto answer = calibrate::classify(
        model, parameters, calibrate::guessed(model, parameters, 1), data.pixels, {});
    REQUIRE(answer.predictions.size() == 100);
    // They are the first of the test set, whose answers are in predictions.bin.
    std::ifstream file{folder / "predictions.bin", std::ios::binary};
    const std::string expected{std::istreambuf_iterator<char>{file}, {}};
    int different = 0;
    for (std::size_t i = 0; i < 100; ++i) {
        different += answer.predictions[i] != expected.at(i);
    }
    CHECK(different == 0);
    const calibrate::Accuracy accuracy = calibrate::accuracy_of(answer, data, model);
    CHECK(accuracy.labelled);
    CHECK(accuracy.right == 85);
    CHECK_FALSE(accuracy.compared);  // predictions.bin is for 10,000
}
