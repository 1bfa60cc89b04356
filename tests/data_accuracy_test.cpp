#include "calibrate/calibrator.hpp"
#include "calibrate/dataset.hpp"
#include "calibrate/validation.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

TEST_CASE("vgg3-fashion gives its trainer's answer for each of the 10,000 test images") {
    const std::filesystem::path folder = HETMAP_SOURCE_DIR "/models/vgg3-fashion";
    const sim::Model model = sim::load_model(folder.string(), {});
    const calibrate::Dataset data =
        calibrate::load_dataset(std::filesystem::path{std::getenv("HETMAP_DATA")} / "fashion-mnist",
                                model.layers.front().output);
    std::ifstream file{folder / "predictions.bin", std::ios::binary};
    const std::string expected{std::istreambuf_iterator<char>{file}, {}};
    REQUIRE(data.images() == 10'000);
    REQUIRE(expected.size() == 10'000);

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
