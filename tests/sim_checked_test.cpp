// Arithmetic on what nothing has checked yet: it stops beyond any range, and the check refuses it.

#include "sim/checked.hpp"
#include "sim/compile/costs.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/graph.hpp"
#include "sim/search/search.hpp"
#include "sim/units.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using sim::kBeyond;

namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

const std::string kModel = R"(hetmap: model/1
name: m
input: {name: i, height: 8, width: 8, channels: 64, type: int8}
parameters: {seed: 1}
layers:
  - {name: l0, operation: max_pool2d, inputs: [i], kernel: 1, stride: 1}
  - {name: l1, operation: max_pool2d, inputs: [l0], kernel: 1, stride: 1}
  - {name: l2, operation: max_pool2d, inputs: [l1], kernel: 1, stride: 1}
output: l2
)";
const std::string kPlatform = R"(hetmap: platform/1
name: p
memories: [{name: h}]
devices: [{name: cpu, kind: c, memory: h, asynchronous: false}]
)";

std::string compile_error(const std::string& costs) {
    const TemporaryFolder folder;
    const std::string model = folder.write("m.yaml", kModel),
                      platform = folder.write("p.yaml", kPlatform + costs);
    return folder.error_of([&] {
        sim::compile(sim::load_model(model, {}), sim::load_platform(platform, {}, {}), {});
    });
}

}  // namespace

TEST_CASE("sums and products stop beyond any range") {
    CHECK(sim::checked_sum(2, 3) == 5);
    CHECK(sim::checked_sum(kLargest, kLargest) == kBeyond);
    CHECK(sim::checked_sum(-kLargest, -kLargest) == -kBeyond);
    CHECK(sim::checked_sum(kBeyond, kBeyond) == kBeyond);
    CHECK(sim::checked_product(-4, 5) == -20);
    CHECK(sim::checked_product(kLargest, 2) == kBeyond);
    CHECK(sim::checked_product(kLargest, -2) == -kBeyond);
    CHECK(sim::checked_product(std::int64_t{1} << 31, std::int64_t{1} << 31) == kBeyond);
}

TEST_CASE("numbers become whole ones, and what is none is beyond any range") {
    constexpr double kInfinite = std::numeric_limits<double>::infinity();
    CHECK(sim::whole_number(2.5) == 3);
    CHECK(sim::whole_number(-2.4) == -2);
    CHECK(sim::whole_number(1e300) == kBeyond);
    CHECK(sim::whole_number(-kInfinite) == -kBeyond);
    CHECK(sim::whole_number(std::nan("")) == kBeyond);
    CHECK(sim::from_microseconds(std::nan("")) == sim::kNever);
    CHECK(sim::from_microjoules(1e300).femtojoules == kBeyond);
    CHECK((sim::Watts{1e300} * sim::Time{1'000'000}).femtojoules == kBeyond);
}

TEST_CASE("the heaviest paths of a graph do not overflow") {
    sim::Graph graph{.vertices = 10, .edges = {}};
    for (int i = 1; i < 10; ++i) {
        graph.edges.emplace_back(i - 1, i);
    }
    const std::vector<std::int64_t> weight(10, kBeyond / 2);
    const std::vector<std::int64_t> longest = sim::longest_remaining_paths(graph, weight);
    CHECK(longest[9] == kBeyond / 2);
    CHECK(longest[8] == kBeyond / 2 * 2);
    CHECK(longest[0] == kBeyond);
}

TEST_CASE("a fit beyond the range of times gives the latest time there is, and no other") {
    sim::FittedCost fit;
    fit.constant_us = fit.us_per_kib_read = 1e308;
    fit.p90_error_percent = 1e308;
    const auto time = sim::predict(fit, {.kib_read = 10});
    REQUIRE(time.has_value());
    CHECK(time->p05 == sim::kNever);  // infinitely many times nothing
    CHECK(time->p50 == sim::kNever);
    CHECK(time->p95 == sim::kNever);
}

TEST_CASE("times whose sum is beyond the range are refused, not added up") {
    CHECK(compile_error("formulas:\n  - {device: cpu, operations: [max_pool2d], variant: v, "
                        "configuration: \"1\", time_us: \"1e12\"}\n") ==
          "platform p: its times add up to more than the simulator's 26 days");
}

TEST_CASE("times beyond what a double tells apart are found to the picosecond") {
    const TemporaryFolder folder;
    const std::string model = folder.write(
        "m.yaml", with(kModel, "l2, operation: max_pool2d", "l2, operation: average_pool2d"));
    const std::string platform = folder.write(
        "p.yaml",
        kPlatform +
            "formulas:\n"
            "  - {device: cpu, operations: [max_pool2d], variant: v, configuration: "
            "\"1\", time_us: \"5e11\"}\n"
            "  - {device: cpu, operations: [average_pool2d], variant: v, configuration: "
            "\"1\", time_us: \"0.000001\"}\n");
    const sim::Problem problem =
        sim::compile(sim::load_model(model, {}), sim::load_platform(platform, {}, {}), {});
    const sim::SearchResult result = sim::branch_and_bound(problem, {});
    CHECK(result.makespan == sim::Time{1'000'000'000'000'000'001});
    CHECK(result.lower_bound <= result.makespan);
    CHECK(result.lower_bound_in_any_order <= result.makespan);
}
