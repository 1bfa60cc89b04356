#include "calibrate/calibrator.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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

// Every variant this machine has of which `wanted` is true, the reference among them.
template <typename Wanted>
std::vector<std::string> variants_for(const Wanted& wanted) {
    std::vector<std::string> names;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (variant.supported() && (variant.name == "reference" || wanted(variant))) {
            names.emplace_back(variant.name);
        }
    }
    return names;
}

std::vector<std::string> all_variants() {
    return variants_for([](const kernels::Variant& variant) { return variant.for_bits; });
}

// Of what the host computes.
void add_variants(const calibrate::Executor::Recording& recording,
                  const sim::Problem& problem,
                  std::set<std::string>& used) {
    for (const calibrate::Executor::Call& call : recording.calls) {
        if (call.action == calibrate::Executor::Action::compute) {
            used.insert(problem.tasks[static_cast<std::size_t>(call.tasks.front())].variant);
        }
    }
}

bool is_for_bytes(const kernels::Variant& variant) { return variant.name.starts_with("int8"); }

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
        int conversions = 0, of_two_results = 0;
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            CAPTURE(batch);
            CAPTURE(seed);
            const sim::Mapping mapping = sim::random_mapping(problem, seed);
            const calibrate::Executor::Recording recording = executor.prepare(mapping);
            executor.run(recording);
            REQUIRE(std::memcmp(recording.outputs.front(), expected.data(), expected.size()) == 0);
            add_variants(recording, problem, used);
            of_two_results += static_cast<int>(std::ranges::count_if(mapping, [&](int task) {
                return !problem.tasks[static_cast<std::size_t>(task)].inner.empty();
            }));
            conversions += static_cast<int>(std::ranges::count(recording.calls,
                                                               calibrate::Executor::Action::convert,
                                                               &calibrate::Executor::Call::action));
        }
        CHECK(used.size() == all_variants().size());
        CHECK(conversions > 0);     // between the reference's layout and the packed one
        CHECK(of_two_results > 0);  // sums and bits
    }
}

TEST_CASE("every mapping of a network of f32 gives the reference's output, but for rounding") {
    const sim::Model model = small_model(kRealModel);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    constexpr int kBatch = 2, kThreads = 2;
    const std::vector<std::string> variants = variants_for([](const kernels::Variant& variant) {
        return !variant.for_bits && !is_for_bytes(variant);
    });
    const sim::Problem problem =
        sim::compile(model,
                     calibrate::candidates(model, kBatch, kThreads, variants),
                     {.batch = kBatch, .only = {}});
    calibrate::Executor executor{model, parameters, problem, kThreads};
    const auto images = random_images(executor.input().size());
    const auto expected = calibrate::reference_output(model, kBatch, images);
    std::ranges::copy(images, executor.input().begin());
    const auto reals_of = [&](const std::byte* tensor) {
        std::vector<float> values(kBatch *
                                  static_cast<std::size_t>(model.layers.back().output.elements()));
        std::memcpy(values.data(), tensor, values.size() * sizeof(float));
        return values;
    };
    const std::vector<float> right = reals_of(expected.data());
    float largest = 0;
    for (const float value : right) {
        largest = std::max(largest, std::abs(value));
    }
    REQUIRE(largest > 0);

    std::set<std::string> used;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        const calibrate::Executor::Recording recording =
            executor.prepare(sim::random_mapping(problem, seed));
        executor.run(recording);
        const std::vector<float> made = reals_of(recording.outputs.front());
        for (std::size_t i = 0; i < made.size(); ++i) {
            REQUIRE(std::abs(made[i] - right[i]) <= 1e-5F * largest);
        }
        add_variants(recording, problem, used);
    }
    CHECK(used.size() == variants.size());
}

TEST_CASE("every mapping of a network of bytes gives the reference's output") {
    const sim::Model model = small_model(kByteModel);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    constexpr int kBatch = 2, kThreads = 2;
    const std::vector<std::string> variants = variants_for([](const kernels::Variant& variant) {
        return variant.name != "loops" && variant.layout == kernels::Layout::nhwc;
    });
    const sim::Problem problem =
        sim::compile(model,
                     calibrate::candidates(model, kBatch, kThreads, variants),
                     {.batch = kBatch, .only = {}});
    calibrate::Executor executor{model, parameters, problem, kThreads};
    executor.fill_inputs(5);
    const std::vector<std::byte> images(executor.input().begin(), executor.input().end());
    const auto expected = calibrate::reference_output(model, kBatch, images);
    std::set<std::string> used;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        const calibrate::Executor::Recording recording =
            executor.prepare(sim::random_mapping(problem, seed));
        executor.run(recording);
        REQUIRE(std::memcmp(recording.outputs.front(), expected.data(), expected.size()) == 0);
        add_variants(recording, problem, used);
    }
    for (const std::string& variant : variants_for(is_for_bytes)) {
        CHECK(used.contains(variant));
    }
    std::set<std::byte> values(expected.begin(), expected.end());
    CHECK(values.size() > 8);  // not all the same
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
        for (const int at_once : {1, 3}) {
            calibrate::Runnable runnable = calibrate::guessed(model, parameters, batch);
            const calibrate::Classification found =
                calibrate::classify(model, parameters, std::move(runnable), images, {}, 1, at_once);
            answers.push_back(found.predictions);
            CHECK(answers.back().size() == 5);
            CHECK(answers.back() == answers.front());
            CHECK(found.batch_time.samples == (5 + batch - 1) / batch);
        }
    }
}
