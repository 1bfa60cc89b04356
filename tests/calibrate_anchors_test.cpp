#include "calibrate/anchors.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate_small_model.hpp"
#include "sim/run/simulate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

TEST_CASE("anchors: a mapping for each number of threads, and costs as the machine has them now") {
    const sim::Model model = small_model();
    sim::Problem problem = sim::compile(
        model, calibrate::candidates(model, 8, 2, {"scalar"}), {.batch = 8, .only = {}});
    const std::vector<calibrate::AnchorMapping> mappings = calibrate::anchor_mappings(problem);
    REQUIRE(mappings.size() == 2);
    CHECK(mappings[0].name == "cpu, 1 thread");
    CHECK(mappings[1].name == "cpu, 2 threads");
    std::vector<calibrate::Anchor> anchors;
    for (const calibrate::AnchorMapping& mapping : mappings) {
        std::map<int, double> now;
        int of_kind = 0;
        for (const int t : mapping.mapping) {
            const sim::Task& task = problem.tasks[static_cast<std::size_t>(t)];
            if (task.variant.empty()) {
                continue;
            }
            of_kind += calibrate::class_of(task) == mapping.kind ? 1 : 0;
            // On one thread as ever, on two half as long again.
            now[t] = 1000 * sim::microseconds(task.cost) *
                     (calibrate::class_of(task).threads == 2 ? 1.5 : 1.0);
        }
        CHECK(of_kind > 0);
        anchors.push_back(calibrate::anchor_of({}, problem, mapping, now, {}));
        CHECK(anchors.back().costs == of_kind);
    }
    CHECK(anchors[0].ratio == doctest::Approx(1));
    CHECK(anchors[1].ratio == doctest::Approx(1.5));

    const sim::Problem now = calibrate::scaled_to(problem, anchors);
    for (std::size_t t = 0; t < problem.tasks.size(); ++t) {
        const bool two = calibrate::class_of(problem.tasks[t]).threads == 2;
        CHECK(now.tasks[t].cost == problem.tasks[t].cost * (two ? 3 : 2) / 2);
    }
}

TEST_CASE("anchors: what the calibrator wrote down counts, not what single costs add up to") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const sim::Problem problem = sim::compile(
        model, calibrate::candidates(model, 1, 2, {"scalar"}), {.batch = 1, .only = {}});
    sim::Platform platform;
    {
        calibrate::Executor executor{model, parameters, problem, 2};
        calibrate::AnchorTimer timer{executor, problem, calibrate::AnchorTimer::Of::host};
        CHECK(timer.measurements().empty());
        double patience_s = 60;
        for (int round = 0; round < 15; ++round) {
            CHECK(timer.round(0, patience_s, {}));
        }
        CHECK(patience_s == 60);  // wherever the threads sit will do
        CHECK_FALSE(timer.round(0, patience_s, [] { return true; }));
        // They never sit like this: it waits, but not without end.
        patience_s = 0.05;
        CHECK_FALSE(timer.round(1e9, patience_s, {}));
        CHECK(patience_s <= 0);
        platform.measurements = timer.measurements();
    }
    REQUIRE(platform.measurements.size() == 2);
    CHECK(platform.measurements[0].first == "anchor small batch 1: cpu, 1 thread");
    CHECK(platform.measurements[1].first == "anchor small batch 1: cpu, 2 threads");
    for (const auto& [name, time] : platform.measurements) {
        CHECK(time.samples == 30);
        CHECK(time.p50 > sim::Time{});
    }

    const calibrate::AnchorMapping mapping = calibrate::anchor_mappings(problem).front();
    std::map<int, double> now;
    for (const int t : mapping.mapping) {
        now[t] = 1000.0;
    }
    const calibrate::Anchor anchor = calibrate::anchor_of(platform, problem, mapping, now, {});
    CHECK(anchor.costs >= 5);
    CHECK(anchor.ratio ==
          doctest::Approx(anchor.costs / sim::microseconds(platform.measurements[0].second.p50)));
}

TEST_CASE("anchors: handovers are what a mapping takes beyond its tasks, then and now") {
    const sim::Model model = small_model();
    sim::Platform platform = calibrate::candidates(model, 1, 2, {"scalar"});
    const sim::Time none{}, ten = sim::from_microseconds(10);
    for (const auto& [from, to] : {std::pair{1, 2}, std::pair{2, 1}}) {
        platform.devices[0].handovers.push_back(
            {.from = from,
             .to = to,
             .time = {.points = {{{0}, {none, none, none, 1}}, {{1}, {ten, ten, ten, 1}}},
                      .bandwidth = {1e15}}});
    }
    const sim::Problem problem = sim::compile(model, platform, {.batch = 1, .only = {}});
    const calibrate::AnchorMapping mapping = calibrate::anchor_mappings(problem).back();
    CHECK(mapping.name == "cpu, changes of threads");
    double handovers_us = 0, tasks_us = 0;
    for (const sim::Event& event : sim::simulate(problem, mapping.mapping).events) {
        (event.kind == sim::EventKind::conversion ? handovers_us : tasks_us) +=
            sim::microseconds(event.end - event.start);
    }
    REQUIRE(handovers_us > 50);
    CHECK(calibrate::anchor_of(platform, problem, mapping, {}, {}).costs == 0);  // nothing written

    // Then all took twice what the costs say; now the tasks take 1.5 times that, handovers a third.
    const sim::Time then = sim::from_microseconds(2 * tasks_us + handovers_us);
    platform.measurements = {
        {calibrate::measurement_name(problem, mapping), {then, then, then, 30}}};
    std::vector<calibrate::Anchor> known;
    for (const int threads : {1, 2}) {
        known.push_back({.name = "", .kind = {.device = 0, .threads = threads}, .ratio = 1.5});
    }
    std::map<int, double> now;
    double left_us = 3 * tasks_us + handovers_us / 3;
    for (const int t : mapping.mapping) {
        if (!problem.tasks[static_cast<std::size_t>(t)].variant.empty()) {
            now[t] = 1000 * std::exchange(left_us, 0);
        }
    }
    const calibrate::Anchor anchor = calibrate::anchor_of(platform, problem, mapping, now, known);
    CHECK(anchor.costs >= 5);
    CHECK(anchor.ratio == doctest::Approx(1.0 / 3).epsilon(0.001));

    const sim::Problem scaled = calibrate::scaled_to(problem, std::vector{anchor});
    double scaled_us = 0;
    for (const sim::Event& event : sim::simulate(scaled, mapping.mapping).events) {
        scaled_us += event.kind == sim::EventKind::conversion
                         ? sim::microseconds(event.end - event.start)
                         : 0;
    }
    CHECK(scaled_us == doctest::Approx(handovers_us / 3).epsilon(0.001));
}
