#include "sim/run/simulate.hpp"
#include "sim/run/spread.hpp"
#include "sim/search/search.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

namespace {

using sim::Time;

// Every cost of the first devices from 10 % less to 40 % more than its median.
void spread_costs(sim::Problem& problem, int devices) {
    for (sim::Task& task : problem.tasks) {
        if (task.device >= devices) {
            continue;
        }
        task.spread = {
            .p05 = task.cost * 9 / 10, .p50 = task.cost, .p95 = task.cost * 14 / 10, .samples = 30};
    }
}

}  // namespace

TEST_CASE("a makespan grows and shrinks with the costs of the one device that has spreads") {
    sim::Problem problem = generate::vgg7({.implementations = 4, .devices = 2, .seed = 3});
    const sim::Mapping mapping = sim::random_mapping(problem, 1);
    CHECK_FALSE(sim::interval_of(problem, mapping).has_value());  // no cost has a spread
    const Time median = sim::simulate(problem, mapping).makespan;
    spread_costs(problem, 1);
    const auto interval = sim::interval_of(problem, mapping);
    REQUIRE(interval.has_value());
    CHECK(interval->p05 < median);
    CHECK(interval->p95 > median);
    CHECK(interval->p95 <= median * 14 / 10);
}

TEST_CASE("a makespan on several devices is surer than their costs, and the same every time") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::Problem problem =
            generate::squeezenet({.implementations = 4, .devices = 3, .seed = seed});
        const sim::Mapping mapping = sim::random_mapping(problem, seed);
        const Time median = sim::simulate(problem, mapping).makespan;
        spread_costs(problem, 3);
        const auto interval = sim::interval_of(problem, mapping);
        const auto again = sim::interval_of(problem, mapping);
        REQUIRE(interval.has_value());
        CHECK(interval->p05 <= median);
        CHECK(interval->p95 >= median);
        CHECK(interval->p05 >= median * 8 / 10);
        CHECK(interval->p95 <= median * 15 / 10);
        CHECK(interval->p05 == again->p05);
        CHECK(interval->p95 == again->p95);
    }
}

TEST_CASE("where mappings were tried, what they took over their predictions is the interval") {
    sim::Problem problem = generate::vgg7({.implementations = 4, .devices = 2, .seed = 3});
    spread_costs(problem, 2);
    std::vector<char> of_host;
    for (const sim::Task& task : problem.tasks) {
        of_host.push_back(task.device == 0);
    }
    sim::Problem host = problem;
    sim::keep_tasks(host, of_host);
    const sim::Mapping on_host = sim::random_mapping(host, 1),
                       any = sim::random_mapping(problem, 1);
    const auto shares = [](const sim::Problem& p, const sim::Mapping& mapping) {
        const double makespan = sim::microseconds(sim::simulate(p, mapping).makespan);
        const auto interval = sim::interval_of(p, mapping).value();
        return std::pair{sim::microseconds(interval.p05) / makespan,
                         sim::microseconds(interval.p95) / makespan};
    };
    host.host_trials = {0.5, 3.0};
    problem.trials = {0.25, 4.0};
    CHECK(shares(host, on_host).first == doctest::Approx(0.5));
    CHECK(shares(host, on_host).second == doctest::Approx(3.0));
    host.host_trials.reset();
    host.trials = {0.25, 4.0};
    CHECK(shares(host, on_host).second == doctest::Approx(4.0));
    CHECK(shares(problem, any).first == doctest::Approx(0.25));
    CHECK(shares(problem, any).second == doctest::Approx(4.0));
    // What was fitted may be off by more than what was tried.
    problem.trials = {0.99, 1.01};
    CHECK(shares(problem, any).second == doctest::Approx(1.01));
    for (sim::Task& task : problem.tasks) {
        task.kind = sim::CostKind::fitted;
        task.variant = "fitted";
    }
    CHECK(shares(problem, any).first < 0.95);
    CHECK(shares(problem, any).second > 1.1);
}
