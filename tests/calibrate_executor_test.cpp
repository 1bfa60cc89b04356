#include "calibrate/calibrator.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

namespace {

std::vector<std::byte> random_images(std::size_t bytes) {
    std::mt19937 random{3};
    std::vector<std::byte> images(bytes);
    for (std::byte& b : images) {
        b = static_cast<std::byte>(random());
    }
    return images;
}

// Every variant for bits this machine has, the reference among them.
std::vector<std::string> all_variants() {
    std::vector<std::string> names;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (variant.supported() && !variant.for_reals) {
            names.emplace_back(variant.name);
        }
    }
    return names;
}

}  // namespace

TEST_CASE("every mapping gives the reference's output, whatever it mixes") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    for (const int batch : {1, 3}) {
        const int threads = 2;
        const sim::Problem problem =
            sim::compile(model,
                         calibrate::candidates(model, batch, threads, all_variants()),
                         {.batch = batch, .only = {}});
        calibrate::Executor executor{model, parameters, problem, threads};
        const auto images = random_images(executor.input().size());
        const auto expected = calibrate::reference_output(model, batch, images);
        std::ranges::copy(images, executor.input().begin());

        std::set<std::string> used;
        int conversions = 0;
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            CAPTURE(batch);
            CAPTURE(seed);
            const sim::Mapping mapping = sim::random_mapping(problem, seed);
            const calibrate::Executor::Recording recording = executor.prepare(mapping);
            executor.run(recording);
            REQUIRE(std::memcmp(recording.outputs.front(), expected.data(), expected.size()) == 0);
            for (const calibrate::Executor::Call& call : recording.calls) {
                conversions += call.action == calibrate::Executor::Action::convert;
                if (call.action == calibrate::Executor::Action::compute) {
                    const auto task = static_cast<std::size_t>(call.tasks.front());
                    used.insert(problem.tasks[task].variant);
                }
            }
        }
        CHECK(used.size() == all_variants().size());
        CHECK(conversions > 0);  // between the reference's layout and the packed one
    }
}

TEST_CASE("the executor stamps every stage, in order") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const sim::Problem problem =
        sim::compile(model, calibrate::candidates(model, 1, 1, {}), {.batch = 1, .only = {}});
    calibrate::Executor executor{model, parameters, problem, 1};
    const auto recording = executor.prepare(sim::random_mapping(problem, 1));
    std::vector<std::int64_t> stamps(recording.calls.size() + 1, -1);
    executor.run(recording, stamps);
    CHECK(stamps.front() > 0);
    CHECK(std::ranges::is_sorted(stamps));
}

TEST_CASE("a mapping that this machine cannot run is refused with the layer and the reason") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    sim::Platform platform = calibrate::candidates(model, 1, 4, {});
    for (sim::MeasuredCost& cost : platform.measured) {
        if (cost.configuration == "1") {
            cost.variant = "of_tomorrow";
        }
    }
    const sim::Problem problem =
        sim::compile(model, platform, {.batch = 1, .only = {"cpu/of_tomorrow"}});
    calibrate::Executor executor{model, parameters, problem, 1};
    CHECK_THROWS_WITH_AS(executor.prepare(sim::random_mapping(problem, 1)),
                         "layer 'conv1': this machine cannot run variant 'of_tomorrow'",
                         sim::InputError);

    const sim::Problem wide = sim::compile(
        model, calibrate::candidates(model, 1, 4, {"scalar"}), {.batch = 1, .only = {}});
    calibrate::Executor narrow{model, parameters, wide, 1};
    bool refused = false;
    for (std::uint64_t seed = 0; seed < 20 && !refused; ++seed) {
        try {
            narrow.prepare(sim::random_mapping(wide, seed));
        } catch (const sim::InputError& error) {
            refused = std::string{error.what()}.find("this machine has 1") != std::string::npos;
        }
    }
    CHECK(refused);
}

TEST_CASE("a configuration's name is read as it is written") {
    CHECK(calibrate::parse_configuration("1") == kernels::Configuration{1, ""});
    CHECK(calibrate::parse_configuration("4xy") == kernels::Configuration{4, "xy"});
    for (const char* bad : {"", "y2", "0", "-1", "2w", "2 y"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(calibrate::parse_configuration(bad), sim::InputError);
    }
}

TEST_CASE("classify drops what fills up the last batch") {
    const sim::Model model = small_model();
    const auto image = static_cast<std::size_t>(model.layers.front().output.elements());
    std::vector<std::uint8_t> images(5 * image);
    std::mt19937 random{4};
    for (std::uint8_t& b : images) {
        b = static_cast<std::uint8_t>(random());
    }
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    std::vector<std::vector<int>> answers;
    for (const int batch : {1, 2, 5, 8}) {
        calibrate::Runnable runnable = calibrate::guessed(model, parameters, batch);
        answers.push_back(
            calibrate::classify(model, parameters, std::move(runnable), images, {}).predictions);
        CHECK(answers.back().size() == 5);
        CHECK(answers.back() == answers.front());
    }
}
