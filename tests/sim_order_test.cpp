// Orders: the local search over mappings and orders, bounds that hold in all of them, what branch
// and bound then says, and the mappings that it begins with.

#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/list_schedule.hpp"
#include "sim/search/local_search.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/search.hpp"
#include "sim/search/stages.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

using by_hand::add_layers;
using by_hand::everything;
using by_hand::finish;
using by_hand::hand;
using sim::Mapping;
using sim::Problem;
using sim::SearchStatus;
using sim::Time;

namespace {

// Every order of the layers in which each comes after what it reads; the first and last stay.
void for_each_order(const Problem& p, const std::function<void(const std::vector<int>&)>& visit) {
    std::vector<int> order;
    std::vector<char> placed(p.inputs.size(), 0);
    const auto next = [&](const auto& self) -> void {
        if (order.size() == p.inputs.size()) {
            visit(order);
            return;
        }
        for (int layer = 0; layer < p.layers(); ++layer) {
            const auto l = static_cast<std::size_t>(layer);
            const bool last = layer == p.layers() - 1 && order.size() + 1 < p.inputs.size();
            const bool first = order.empty() && layer != 0;
            if (placed[l] || last || first ||
                !std::all_of(p.inputs[l].begin(), p.inputs[l].end(), [&](int input) {
                    return placed[static_cast<std::size_t>(input)] != 0;
                })) {
                continue;
            }
            placed[l] = 1;
            order.push_back(layer);
            self(self);
            order.pop_back();
            placed[l] = 0;
        }
    };
    next(next);
}

// Of all mappings in all orders, without early copies.
Time best_of_all(const Problem& p) {
    Time best = sim::kNever;
    for_each_order(p, [&](const std::vector<int>& order) {
        best = std::min(best, sim::exhaustive(sim::reordered(p, order), {}).makespan);
    });
    return best;
}

sim::SearchOptions in_any_order() {
    sim::SearchOptions options;
    options.free_order = true;
    return options;
}

int orders_of(const Problem& p) {
    int count = 0;
    for_each_order(p, [&](const std::vector<int>&) { ++count; });
    return count;
}

}  // namespace

TEST_CASE("long: branch and bound finds the best order, or says how far off it is") {
    int problems = 0, with_better_order = 0, found = 0, closed = 0;
    for (std::uint64_t seed = 1; problems < 25 && seed < 400; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (sim::count_mappings(p) > 3'000 || orders_of(p) > 60 ||
            sim::internal::has_one_order(p)) {
            continue;
        }
        const Time optimum = best_of_all(p);
        const sim::SearchResult fixed = sim::branch_and_bound(p, {});
        if (fixed.status == SearchStatus::infeasible) {
            continue;
        }
        ++problems;
        const sim::SearchResult free = sim::branch_and_bound(p, in_any_order());
        REQUIRE(free.status != SearchStatus::infeasible);
        REQUIRE(sim::makespan(p, free.mapping) == free.makespan);
        CHECK(free.makespan <= fixed.makespan);
        CHECK(free.makespan >= optimum);
        CHECK(free.lower_bound_in_any_order <= optimum);
        CHECK(sim::internal::makespan_bound_in_any_order(p) <= optimum);
        if (free.in_any_order) {
            CHECK(free.makespan == optimum);
        }
        with_better_order += optimum < fixed.makespan;
        found += optimum < fixed.makespan && free.makespan == optimum;
        closed += free.in_any_order;
    }
    CHECK(problems == 25);
    CHECK(with_better_order >= 5);
    CHECK(10 * found >= 9 * with_better_order);  // it proves nothing: one may be missed
    CHECK(closed >= 1);
}

TEST_CASE("a chain has one order, and what is proven in it is proven in any") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}, {2}});
    for (int layer = 1; layer <= 3; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{30});
        d.add_task({layer}, 1, {0}, 0, Time{5});
    }
    const Problem p = finish(d);
    CHECK(sim::internal::has_one_order(p));
    const sim::SearchResult result = sim::branch_and_bound(p, in_any_order());
    CHECK(result.status == SearchStatus::proven);
    CHECK(result.in_any_order);
    CHECK(result.lower_bound_in_any_order == result.makespan);
}

TEST_CASE("where the host does all, the order decides nothing, or what fits together") {
    int any = 0, proven = 0;
    for (std::uint64_t seed = 1; seed < 1000 && any < 100; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        std::vector<char> on_host;
        for (const sim::Task& task : p.tasks) {
            on_host.push_back(task.device == 0 && task.parts.empty());
        }
        sim::keep_tasks(p, on_host);
        if (!sim::internal::is_sequential(p) || sim::count_mappings(p) > 3'000 ||
            orders_of(p) > 60 || sim::internal::has_one_order(p)) {
            continue;
        }
        const Time optimum = best_of_all(p);
        const sim::SearchResult free = sim::branch_and_bound(p, in_any_order());
        if (free.status == SearchStatus::infeasible) {
            continue;
        }
        ++any;
        CHECK(free.makespan == optimum);
        CHECK(sim::internal::makespan_bound_in_any_order(p) <= optimum);
        if (sim::internal::order_decides_nothing(p)) {
            ++proven;
            CHECK(free.in_any_order);
            CHECK(sim::exhaustive(p, {}).makespan == optimum);
        }
    }
    CHECK(any >= 50);
    CHECK(proven >= 5);
}

TEST_CASE("no answer is worse than a mapping that was known, whatever the goal and the time") {
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_capacities(p, seed);
        }
        if (seed % 4 == 0) {
            beyond::add_contention(p, seed);
        }
        const bool is_stream = seed % 5 == 0;
        sim::SearchOptions options;
        options.free_order = seed % 2 == 0;
        if (is_stream) {
            options.goal.minimise = {{.criterion = sim::Criterion::period}};
        }
        options.stop = [] { return true; };  // there is no time at all
        const auto value = [&](const Mapping& mapping) {
            const sim::Assessment whole = sim::assess(
                p, mapping, {.frames_in_flight = is_stream ? options.goal.frames_in_flight : 0});
            return sim::value_on(p, options.goal.minimise.front(), mapping, whole);
        };
        double best = std::numeric_limits<double>::infinity();
        for (std::uint64_t draw = 0; draw < 8; ++draw) {
            const Mapping mapping = generate::any_mapping(p, draw);
            if (!mapping.empty()) {
                options.starts.push_back(mapping);
                best = std::min(best, value(mapping));
            }
        }
        const sim::SearchResult result = sim::branch_and_bound(p, options);
        if (best < std::numeric_limits<double>::infinity()) {
            REQUIRE(result.status != SearchStatus::infeasible);
            CHECK(value(result.mapping) <= best);
        }
    }
}

TEST_CASE("the local search gives a mapping as good as it says, and keeps to the order if asked") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        const Mapping start = sim::random_mapping(p, seed);
        if (start.empty() || sim::makespan(p, start) >= sim::kNever) {
            continue;
        }
        for (const bool reorders : {false, true}) {
            const auto found = sim::internal::local_search(
                p,
                {},
                start,
                {.most_placements = 20'000, .reorders = reorders, .seed = seed, .stop = {}});
            CHECK(sim::makespan(p, found.mapping) <= sim::makespan(p, start));
            CHECK(static_cast<double>(sim::makespan(p, found.mapping).count()) ==
                  found.appraisal.value);
            CHECK(sim::simulate(p, found.mapping).makespan == sim::makespan(p, found.mapping));
            if (!reorders) {
                CHECK(std::ranges::is_sorted(found.mapping.tasks, {}, [&](int task) {
                    return p.tasks[static_cast<std::size_t>(task)].first;
                }));
            }
        }
    }
}

TEST_CASE("a local search of many windows gives what it says, and never less than its start") {
    const generate::NetworkOptions options{.implementations = 4, .seed = 3};
    for (const Problem& p : {generate::random_layered(120, 3, 7),
                             generate::googlenet(options),
                             generate::shufflenet_v2(options),
                             generate::ladder(300, 4, 5)}) {
        CAPTURE(p.model);
        const Mapping start = sim::heft(p, {}).mapping;
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
            const auto found = sim::internal::local_search(
                p, {}, start, {.most_placements = 400'000, .seed = seed, .stop = {}});
            CHECK(sim::simulate(p, found.mapping).makespan < sim::makespan(p, start));
            CHECK(static_cast<double>(sim::makespan(p, found.mapping).count()) ==
                  found.appraisal.value);
        }
    }
}

TEST_CASE("a local search finds the best mapping in the best order where there are few") {
    int problems = 0, found = 0;
    for (std::uint64_t seed = 1; problems < 25 && seed < 400; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        const Mapping start = sim::random_mapping(p, seed);
        if (sim::count_mappings(p) > 3'000 || orders_of(p) > 60 ||
            sim::internal::has_one_order(p) || start.empty() ||
            sim::makespan(p, start) >= sim::kNever) {
            continue;
        }
        ++problems;
        const auto best = sim::internal::local_search(
            p, {}, start, {.most_placements = 400'000, .seed = seed, .stop = {}});
        const Time optimum = best_of_all(p);
        CHECK(best.appraisal.value >= static_cast<double>(optimum.count()));
        found += best.appraisal.value == static_cast<double>(optimum.count());
    }
    CHECK(problems == 25);
    CHECK(found >= 24);  // it proves nothing: one may be missed
}

// A clock that goes on by a thousandth whenever it is looked at.
TEST_CASE(
    "long: a search that cannot prove its answer looks for a better one until its time is over") {
    const Problem p = generate::random_layered(40, 3, 11);
    sim::SearchOptions options = in_any_order();
    double now = 0;
    options.elapsed = [&now] { return now += 0.001; };
    options.stop = [&now] { return now >= 1; };
    const sim::SearchResult result = sim::branch_and_bound(p, options);
    CHECK_FALSE(result.in_any_order);
    CHECK(now >= 0.9);
    CHECK(result.makespan <= sim::branch_and_bound(p, {}).makespan);
}

TEST_CASE("a local search in the static order may begin with a mapping in another one") {
    int out_of_order = 0;
    for (std::uint64_t seed = 1; seed <= 120; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        const Mapping start = generate::any_mapping(p, seed);
        if (start.empty() || sim::makespan(p, start) >= sim::kNever) {
            continue;
        }
        out_of_order += std::ranges::any_of(start, [&](int task) {
            return !sim::fits_order(p.tasks[static_cast<std::size_t>(task)]);
        });
        const auto found = sim::internal::local_search(
            p, {}, start, {.most_placements = 5'000, .reorders = false, .seed = seed, .stop = {}});
        CHECK(sim::simulate(p, found.mapping).makespan <= sim::makespan(p, start));
    }
    CHECK(out_of_order > 5);
}

// Four layers that read the input, 10 each on the host or on any of three devices beside it.
TEST_CASE("HEFT breaks ties by what blocks least and has done least, not by the host") {
    generate::Draft d;
    d.add_device({});
    for (int device = 1; device <= 3; ++device) {
        d.add_device({.memory = 0, .asynchronous = true});
    }
    d.conversions.assign(4, {0, 0});
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    for (int layer = 1; layer <= 4; ++layer) {
        d.add_layer({0}, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    for (int layer = 1; layer <= 4; ++layer) {
        for (int device = 0; device <= 3; ++device) {
            d.add_task({layer}, device, {0}, 0, Time{10});
        }
    }
    const Problem p = finish(d);
    CHECK(sim::heft(p, {}).makespan == Time{10});
}

// The host's layer takes as long as the two of the device, one after the other.
TEST_CASE("list scheduling submits before a task of the host what starts while that runs") {
    generate::Draft d;
    d.add_device({});
    d.add_device({.memory = 0, .asynchronous = true});
    d.conversions.assign(2, {0, 0});
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    d.add_layer({0}, 0);
    d.add_layer({0}, 0);
    d.add_layer({2}, 0);
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({1}, 0, {0}, 0, Time{10});
    d.add_task({2}, 1, {0}, 0, Time{6});
    d.add_task({3}, 1, {0}, 0, Time{4});
    const Problem p = finish(d);
    const std::vector<Mapping> found = sim::internal::list_schedules(p);
    REQUIRE(!found.empty());
    for (const Mapping& mapping : found) {
        CHECK(sim::simulate(p, mapping).makespan == Time{10});
    }
}

TEST_CASE("list schedules are mappings in orders of their own, none where layers are only fused") {
    int known = 0, none = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        const std::vector<Mapping> found = sim::internal::list_schedules(p);
        ++(found.empty() ? none : known);
        for (const Mapping& mapping : found) {
            CHECK(static_cast<int>(mapping.size()) == p.layers());
            CHECK(sim::makespan(p, mapping) == sim::simulate(p, mapping).makespan);
        }
    }
    CHECK(known > 20);
    CHECK(none > 0);
}

// Three layers on two devices, one after the other before and after: between them 30 have to be
// shared, which no path says.
TEST_CASE("the bound in any order counts the work between what comes before and after it") {
    generate::Draft d;
    d.add_device({});
    d.add_device({.memory = 0, .asynchronous = true});
    d.conversions.assign(2, {0, 0});
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    d.add_layer({0}, 0);
    for (int layer = 2; layer <= 4; ++layer) {
        d.add_layer({1}, 0);
    }
    d.add_layer({2, 3, 4}, 0);
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    for (int layer = 1; layer <= 5; ++layer) {
        for (int device = 0; device <= 1; ++device) {
            d.add_task({layer}, device, {0}, 0, Time{10});
        }
    }
    const Problem p = finish(d);
    CHECK(sim::internal::longest_path_bound(p) == Time{30});
    CHECK(sim::internal::shared_work(p).bound == Time{30});
    CHECK(sim::internal::makespan_bound_in_any_order(p) == Time{40});  // 35, in tens
    const sim::SearchResult result = sim::branch_and_bound(p, in_any_order());
    CHECK(result.makespan == Time{40});
    CHECK(result.in_any_order);
}

TEST_CASE("bounds are rounded up to what all times are multiples of") {
    Problem p = generate::random_layered(12, 2, 3);
    const auto round = [](Time& time) {
        if (time < sim::kNever) {
            time = Time{time.count() / 1'000'000 * 1'000'000};
        }
    };
    for (sim::Task& task : p.tasks) {
        round(task.cost);
    }
    std::ranges::for_each(p.copy_times, round);
    std::ranges::for_each(p.convert_times, round);
    for (sim::ProblemDevice& device : p.devices) {
        device.submit = device.per_task = device.completion = Time{2'000'000};
    }
    const sim::internal::Bounds bounds(p, {});
    CHECK(bounds.unit % 1'000'000 == 0);
    CHECK(bounds.rounded_up(1) == bounds.unit);
    CHECK(bounds.rounded_up(bounds.unit) == bounds.unit);
    const sim::SearchResult result = sim::branch_and_bound(p, {});
    CHECK(result.makespan == sim::exhaustive(p, {}).makespan);
}

// Six layers of 10 on either of two devices beside the host: three and three.
TEST_CASE("a pipeline cuts the layers into stages, the longest as short as it can be") {
    generate::Draft d;
    d.add_device({});
    d.add_device({.memory = 0, .asynchronous = true});
    d.add_device({.memory = 0, .asynchronous = true});
    d.conversions.assign(3, {0, 0});
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    for (int layer = 1; layer <= 6; ++layer) {
        d.add_layer({layer - 1}, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    for (int layer = 1; layer <= 6; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{1000});
        d.add_task({layer}, 1, {0}, 0, Time{10});
        d.add_task({layer}, 2, {0}, 0, Time{10});
    }
    const Problem p = finish(d);
    const auto stages = sim::internal::pipeline(p);
    REQUIRE(stages);
    const sim::Stream stream = sim::simulate_stream(p, *stages, 4);
    CHECK(stream.period == Time{30});
    CHECK(stream.steady);
    sim::SearchOptions options;
    options.goal.minimise = {{.criterion = sim::Criterion::period}};
    const sim::SearchResult result = sim::branch_and_bound(p, options);
    CHECK(result.value == 30);
    CHECK(result.status == SearchStatus::proven);
    CHECK(sim::internal::shared_work(p).bound == Time{30});
}

TEST_CASE("a period is never below the work of the busiest resource") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        const Mapping mapping = generate::any_mapping(p, seed);
        if (mapping.empty() || sim::makespan(p, mapping) >= sim::kNever) {
            continue;
        }
        sim::Evaluator evaluator(p, true);
        evaluator.makespan(mapping);
        const sim::Plan plan = sim::plan_of(p, mapping);
        std::vector<sim::Ticks> work(static_cast<std::size_t>(plan.resources), 0);
        for (const sim::Plan::Action& action : plan.actions) {
            for (int s = action.steps_begin; s < action.steps_end; ++s) {
                for (const int held : plan.holds_of(action)) {
                    work[static_cast<std::size_t>(held)] +=
                        plan.steps[static_cast<std::size_t>(s)].work.count();
                }
            }
        }
        for (int r = 0; r < evaluator.resources(); ++r) {
            REQUIRE(evaluator.load(r) == work[static_cast<std::size_t>(r)]);
        }
        for (const int frames : {1, 2, 5}) {
            const sim::Stream stream = sim::simulate_stream(p, mapping, frames);
            CHECK(stream.period.count() >= *std::ranges::max_element(work));
        }
    }
}
