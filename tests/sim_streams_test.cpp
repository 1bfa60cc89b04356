// Streams: what a frame keeps resources busy with, the local search over that, and what branch and
// bound makes of it.

#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/balance.hpp"
#include "sim/search/loads.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <vector>

using sim::Mapping;
using sim::Problem;
using sim::Time;

namespace {

sim::Goal period(int frames = 4) {
    sim::Goal goal;
    goal.minimise = {{.criterion = sim::Criterion::period}};
    goal.frames_in_flight = frames;
    return goal;
}

// As the evaluator counts them, if the mapping is possible.
void check_loads(const Problem& p, const sim::internal::Loads& loads, const Mapping& mapping) {
    sim::Evaluator evaluator(p, true);
    const bool is_possible = evaluator.makespan(mapping) < sim::kNever;
    REQUIRE(loads.is_possible() == is_possible);
    REQUIRE(loads.mapping() == mapping);
    for (int r = 0; is_possible && r < evaluator.resources(); ++r) {
        REQUIRE(loads.loads()[static_cast<std::size_t>(r)] == evaluator.load(r));
    }
}

bool is_in_order(const Problem& p, const Mapping& mapping) {
    return std::ranges::is_sorted(
        mapping.tasks, {}, [&](int task) { return p.tasks[static_cast<std::size_t>(task)].first; });
}

}  // namespace

TEST_CASE("a stream ends before the end of time, or is refused") {
    Problem p = generate::small_random(3);
    const Mapping mapping = sim::random_mapping(p, 1);
    const Time period = sim::simulate_stream(p, mapping, 4).period;
    p.longest = Time{sim::kNever.count() / 20};
    CHECK(sim::simulate_stream(p, mapping, 4).frames <= 20);
    CHECK(sim::simulate_stream(p, mapping, 4).period >= period);
    CHECK_NOTHROW(sim::simulate_stream(p, mapping, 9));
    CHECK_THROWS_AS(sim::simulate_stream(p, mapping, 10), sim::InputError);
}

TEST_CASE("loads that are kept up are those of the whole mapping, after every exchange and undo") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_divided(p, 4, seed);
        }
        const Mapping start = sim::random_mapping(p, seed);
        if (start.empty()) {
            continue;
        }
        sim::internal::Loads loads(p);
        loads.assign(start);
        check_loads(p, loads, start);
        Mapping now = start;
        for (std::uint64_t draw = 1; draw <= 20; ++draw) {
            const Mapping other = sim::random_mapping(p, 1000 * seed + draw);
            // All that differs, or one task alone.
            std::vector<int> gone, come, a = now.tasks, b = other.tasks;
            std::ranges::sort(a);
            std::ranges::sort(b);
            std::ranges::set_difference(a, b, std::back_inserter(gone));
            std::ranges::set_difference(b, a, std::back_inserter(come));
            for (const int task : gone) {
                const auto same = std::ranges::find_if(come, [&](int one) {
                    return sim::layers_of(p.tasks[static_cast<std::size_t>(one)]) ==
                           sim::layers_of(p.tasks[static_cast<std::size_t>(task)]);
                });
                if (draw % 2 == 0 && same != come.end()) {
                    come = {*same};
                    gone = {task};
                    break;
                }
            }
            Mapping next = now;
            std::erase_if(next.tasks,
                          [&](int task) { return std::ranges::find(gone, task) != gone.end(); });
            next.tasks.insert(next.end(), come.begin(), come.end());
            std::ranges::sort(next.tasks, {}, [&](int task) {
                return p.tasks[static_cast<std::size_t>(task)].first;
            });
            const std::uint64_t before = loads.hash();
            loads.exchange(gone, come);
            check_loads(p, loads, next);
            if (draw % 3 == 0) {
                loads.undo();
                check_loads(p, loads, now);
                REQUIRE(loads.hash() == before);
            } else {
                now = next;
            }
        }
    }
}

TEST_CASE("a balanced mapping is as good as it says, no worse than its start, and in its order") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_capacities(p, seed);
        }
        if (seed % 4 == 0) {
            beyond::add_budgets(p, seed);
        }
        if (seed % 5 == 0) {
            beyond::add_contention(p, seed);
        }
        const Mapping start =
            seed % 7 == 0 ? generate::any_mapping(p, seed) : sim::random_mapping(p, seed);
        if (start.empty() || sim::makespan(p, start) >= sim::kNever) {
            continue;
        }
        const sim::internal::Appraiser appraiser(p, period());
        const auto found = sim::internal::balance(
            p, period(), start, {.most_placements = 200'000, .seed = seed, .stop = {}});
        CHECK_FALSE(appraiser.in_full(start) < found.appraisal);
        const sim::internal::Appraisal whole = appraiser.in_full(found.mapping);
        CHECK(whole.value == found.appraisal.value);
        CHECK(whole.violation == found.appraisal.violation);
        if (is_in_order(p, start)) {
            CHECK(is_in_order(p, found.mapping));
        }
    }
}

TEST_CASE(
    "memories that the weights alone would fill are left room for the tensors of all frames") {
    for (const std::uint64_t seed : {1U, 3U, 5U}) {
        CAPTURE(seed);
        Problem p =
            generate::squeezenet({.implementations = 8, .devices = 3, .seed = seed, .near = true});
        generate::Random random(seed);
        for (int i = 0; i < p.layers() * p.layouts; ++i) {
            p.tensor_bytes.push_back(random.integer(5, 40));
        }
        std::vector<std::int64_t> weights;
        for (int layer = 0; layer < p.layers(); ++layer) {
            weights.push_back(random.integer(0, 60));
        }
        for (sim::Task& task : p.tasks) {
            const int memory = p.devices[static_cast<std::size_t>(task.device)].memory;
            task.weight_bytes.assign(static_cast<std::size_t>(p.memories), 0);
            for (const int layer : sim::layers_of(task)) {
                task.weight_bytes[static_cast<std::size_t>(memory)] +=
                    weights[static_cast<std::size_t>(layer)];
            }
        }
        const std::int64_t all = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
        p.capacities = {0, all * 7 / 20 + 60, all * 7 / 20 + 60};
        const Mapping start = sim::random_mapping(p, seed);
        REQUIRE(sim::internal::Appraiser(p, period()).in_full(start).violation > 0);
        const auto found = sim::internal::balance(
            p, period(), start, {.most_placements = 1'500'000, .seed = 1, .stop = {}});
        CHECK(found.appraisal.violation == 0);
    }
}

TEST_CASE("what is asked for briefly is the same, whatever interacts") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_capacities(p, seed);
        }
        if (seed % 4 == 0) {
            beyond::add_contention(p, seed);
        }
        if (seed % 5 == 0) {
            beyond::add_budgets(p, seed);
            beyond::add_reconfiguration(p, seed);
        }
        const Mapping mapping = generate::any_mapping(p, seed);
        for (const int frames : {0, 1, 3}) {
            const auto whole = sim::assess(p, mapping, {.frames_in_flight = frames});
            const auto brief =
                sim::assess(p, mapping, {.frames_in_flight = frames, .is_brief = true});
            CHECK(brief.makespan == whole.makespan);
            CHECK(brief.period == whole.period);
            CHECK(brief.loss == whole.loss);
            REQUIRE(brief.violations.size() == whole.violations.size());
            for (std::size_t i = 0; i < whole.violations.size(); ++i) {
                CHECK(brief.violations[i].needed == whole.violations[i].needed);
            }
        }
    }
}

TEST_CASE("no stream is below what all of them are bounded by, in any order and with any frames") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_divided(p, 4, seed);
        }
        if (seed % 5 == 0) {
            beyond::add_budgets(p, seed);
            beyond::add_reconfiguration(p, seed);
        }
        for (const int frames : {1, 2, 5}) {
            const Time bound = sim::internal::period_bound_in_any_order(p, frames);
            for (std::uint64_t draw = 0; draw < 6; ++draw) {
                const Mapping mapping = draw % 2 ? generate::any_mapping(p, seed + draw)
                                                 : sim::random_mapping(p, seed + draw);
                if (!mapping.empty() && sim::makespan(p, mapping) < sim::kNever) {
                    CHECK(sim::simulate_stream(p, mapping, frames).period >= bound);
                }
            }
        }
    }
}

// Seven layers of 10 on three devices: two of them cannot share what is left over.
TEST_CASE("whole layers are proven where shares of them would end sooner") {
    generate::Draft d;
    d.add_device({});
    for (int device = 1; device <= 3; ++device) {
        d.add_device({.memory = 0, .asynchronous = true});
    }
    d.conversions.assign(4, {0, 0});
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    for (int layer = 1; layer <= 7; ++layer) {
        d.add_layer({layer - 1}, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    for (int layer = 1; layer <= 7; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{100});
        for (int device = 1; device <= 3; ++device) {
            d.add_task({layer}, device, {0}, 0, Time{10});
        }
    }
    const Problem p = by_hand::finish(d);
    CHECK(sim::internal::period_bound_in_any_order(p, 4) == Time{30});
    sim::SearchOptions options;
    options.goal = period();
    const sim::SearchResult result = sim::branch_and_bound(p, options);
    CHECK(result.value == 30);
    CHECK(result.status == sim::SearchStatus::proven);
}
