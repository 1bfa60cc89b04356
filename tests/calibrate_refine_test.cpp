#include "calibrate/refine.hpp"
#include "calibrate_small_model.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

calibrate::CalibrationSettings settings() {
    calibrate::CalibrationSettings s;
    s.models = {small_model()};
    s.batches = {1};
    s.budget_s = 300;
    s.threads = 2;
    s.variants = {"scalar"};
    s.devices = {"cpu"};
    s.quick = true;
    s.command = "a test";
    s.revision = "none";
    return s;
}

sim::Mapping best(const sim::Problem& problem) {
    return sim::branch_and_bound(problem, {}).mapping;
}

calibrate::Refinement refine(const sim::Platform& platform) {
    return calibrate::refine(
        small_model(), platform, {.batch = 1, .only = {}}, best, settings(), {});
}

constexpr const char* kLast = "linear binary 1x1x65 10";

}  // namespace

TEST_CASE("what the best mapping rests on is measured, and nothing else") {
    const sim::Platform whole = calibrate::calibrate_machine(settings(), {}, std::nullopt).platform;
    SUBCASE("a profile that says all needs nothing") {
        const calibrate::Refinement same = refine(whole);
        CHECK(same.settled);
        CHECK(same.measured == 0);
        CHECK(same.searches == 2);  // at the medians, and with the fits at their best
        CHECK(same.platform.measured.size() == whole.measured.size());
    }
    SUBCASE("a fit in the best mapping") {
        sim::Platform platform = whole;
        const auto removed = std::erase_if(
            platform.measured, [](const sim::MeasuredCost& cost) { return cost.layers == kLast; });
        REQUIRE(removed > 0);
        platform.fitted = {{.pattern = "linear binary",
                            .device = 0,
                            .variant = "scalar",
                            .configuration = "1",
                            .in_layout = "plain",
                            .out_layout = "plain",
                            .constant_us = 1,
                            .samples = 5,
                            .median_error_percent = 5,
                            .p90_error_percent = 20,
                            .where = {}}};
        const calibrate::Refinement refined = refine(platform);
        CHECK(refined.settled);
        CHECK(refined.measured == static_cast<int>(removed));
        CHECK(refined.unmeasured.empty());
        CHECK(refined.platform.measured.size() == whole.measured.size());
        const auto measured =
            std::ranges::find(refined.platform.measured, kLast, &sim::MeasuredCost::layers);
        REQUIRE(measured != refined.platform.measured.end());
        CHECK(measured->time.samples >= calibrate::kFewestSure);
    }
    SUBCASE("a layer of which nothing is known") {
        sim::Platform platform = whole;
        const auto removed = std::erase_if(
            platform.measured, [](const sim::MeasuredCost& cost) { return cost.layers == kLast; });
        platform.fitted.clear();
        const calibrate::Refinement refined = refine(platform);
        CHECK(refined.settled);
        CHECK(std::ranges::count(refined.platform.measured, kLast, &sim::MeasuredCost::layers) ==
              static_cast<std::ptrdiff_t>(removed));
    }
}
