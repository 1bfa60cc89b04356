#include "calibrate/anchors.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate_small_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>

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
        anchors.push_back(calibrate::anchor_of(problem, mapping, now));
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
