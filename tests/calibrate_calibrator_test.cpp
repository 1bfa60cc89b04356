#include "calibrate/calibrator.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

calibrate::CalibrationSettings settings() {
    calibrate::CalibrationSettings s;
    s.models = {small_model()};
    s.batches = {1};
    s.budget_s = 60;
    s.threads = 2;
    s.quick = true;
    s.command = "a test";
    s.revision = "none";
    return s;
}

}  // namespace

TEST_CASE("a calibration measures every implementation, and its profile maps and validates") {
    const calibrate::Calibration done = calibrate::calibrate_machine(settings(), {}, std::nullopt);
    CHECK(done.missing == 0);
    CHECK_FALSE(done.stopped);
    const sim::Model model = small_model();
    const sim::Platform wanted = calibrate::candidates(model, 1, 2, {});
    CHECK(done.platform.measured.size() == wanted.measured.size());
    for (const sim::MeasuredCost& cost : done.platform.measured) {
        CHECK(cost.time.samples >= 12);
        CHECK(cost.time.p05 <= cost.time.p50);
        CHECK(cost.time.p50 <= cost.time.p95);
        CHECK(cost.time.p50.count() > 0);
    }
    CHECK(done.platform.host_copy.points.size() == 11);  // 64 B to 64 MiB by fours

    const sim::Problem problem = sim::compile(model, done.platform, {.batch = 1, .only = {}});
    const sim::SearchResult best = sim::branch_and_bound(problem, {});
    CHECK(best.status == sim::SearchStatus::proven);

    calibrate::ValidationSettings quick;
    quick.budget_s = 3600;
    quick.fewest_rounds = quick.most_rounds = 3;
    quick.threads = 2;
    const std::vector<sim::Mapping> sample{sim::random_mapping(problem, 1),
                                           sim::random_mapping(problem, 2)};
    const calibrate::Validation v =
        calibrate::validate(model, done.platform, problem, best.mapping, {}, sample, quick);
    CHECK(v.outputs_identical);
    CHECK(v.sample.size() == 2);
    CHECK(v.chosen.predicted == best.makespan);
    CHECK(v.rounds == 3);
    CHECK(v.chosen.measured.samples == 6);  // two in each round
    CHECK(v.regret_percent >= 0);
}

TEST_CASE("a calibration that was stopped is continued, and measures only what is missing") {
    int calls = 0;
    const calibrate::CalibrationHooks hooks{.stop = [&] { return ++calls > 40; }, .progress = {}};
    const calibrate::Calibration part =
        calibrate::calibrate_machine(settings(), hooks, std::nullopt);
    REQUIRE(part.stopped);
    REQUIRE(part.missing > 0);
    CHECK(std::ranges::any_of(part.platform.warnings,
                              [](const std::string& w) { return w.starts_with("incomplete:"); }));

    const calibrate::Calibration whole =
        calibrate::calibrate_machine(settings(), {}, part.platform);
    CHECK(whole.missing == 0);
    int kept = 0;
    for (const sim::MeasuredCost& before : part.platform.measured) {
        if (before.time.samples < 12) {
            continue;
        }
        ++kept;
        CHECK(std::ranges::any_of(whole.platform.measured, [&](const sim::MeasuredCost& after) {
            return after.layers == before.layers && after.variant == before.variant &&
                   after.configuration == before.configuration;
        }));
    }
    MESSAGE("kept " << kept << " of " << part.platform.measured.size());

    // A third time there is nothing to measure, so nothing changes but the day.
    const calibrate::Calibration again =
        calibrate::calibrate_machine(settings(), {}, whole.platform);
    REQUIRE(again.platform.measured.size() == whole.platform.measured.size());
    for (std::size_t i = 0; i < again.platform.measured.size(); ++i) {
        CHECK(again.platform.measured[i].time.p50 == whole.platform.measured[i].time.p50);
    }
}

TEST_CASE("a profile of another machine is not continued") {
    sim::Platform other;
    other.name = "other";
    other.path = "other.yaml";
    other.provenance = {{"cpu", "Intel 8086"}};
    CHECK_THROWS_AS(calibrate::calibrate_machine(settings(), {}, other), sim::InputError);
}
