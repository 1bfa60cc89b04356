// Limits on sums: what memories hold of weights, and budgets. Prices for them as bounds, and
// networks that fill several memories.

#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/prices.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

using generate::Random;
using sim::Mapping;
using sim::Problem;
using sim::SearchStatus;
using sim::Time;

namespace {

constexpr std::int64_t kHostTime = 50, kCopy = 3;

// A chain of layers with weights, on a slow host and two accelerators, the second slower, each with
// a memory of its own for some of the weights. Nothing overlaps: submitting is free.
struct Filled {
    Problem problem;
    std::vector<std::int64_t> weights;   // by layer from 1
    std::vector<std::int64_t> times[2];  // likewise
    std::int64_t room[2] = {};
};

Filled filled(std::uint64_t seed, int layers) {
    Random r(seed);
    Filled one;
    generate::Draft d;
    d.add_device({});
    d.add_device({.memory = 1, .asynchronous = true});
    d.add_device({.memory = 2, .asynchronous = true});
    d.conversions.assign(3, {0, 0});
    d.problem.memories = 3;
    d.problem.engines = 6;
    d.problem.engine = {-1, 0, 1, 2, -1, 3, 4, 5, -1};
    d.links.assign(9, {kCopy, 0});
    d.add_layer({}, 0);
    for (int layer = 1; layer <= layers; ++layer) {
        d.add_layer({layer - 1}, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    std::int64_t all = 0;
    for (int layer = 1; layer <= layers; ++layer) {
        one.weights.push_back(r.integer(1, 6));
        all += one.weights.back();
        d.add_task({layer}, 0, {0}, 0, Time{kHostTime});
        for (int device = 1; device <= 2; ++device) {
            one.times[device - 1].push_back(one.weights.back() * (device + 1) + r.integer(0, 3));
            d.add_task({layer}, device, {0}, 0, Time{one.times[device - 1].back()});
        }
    }
    one.problem = by_hand::finish(d);
    one.room[0] = all * 2 / 5;
    one.room[1] = all / 2;
    return one;
}

void as_capacities(Filled& one) {
    Problem& p = one.problem;
    p.capacities = {0, one.room[0], one.room[1]};
    p.tensor_bytes.assign(static_cast<std::size_t>(p.layers()), 0);
    for (sim::Task& task : p.tasks) {
        task.weight_bytes.assign(3, 0);
        if (task.device > 0) {
            task.weight_bytes[static_cast<std::size_t>(task.device)] =
                one.weights[static_cast<std::size_t>(task.first - 1)];
        }
    }
}

void as_budgets(Filled& one) {
    Problem& p = one.problem;
    p.budgets = {{"one.weights", 1, one.room[0]}, {"two.weights", 2, one.room[1]}};
    for (sim::Task& task : p.tasks) {
        task.uses.assign(2, 0);
        if (task.device > 0) {
            task.uses[static_cast<std::size_t>(task.device - 1)] =
                one.weights[static_cast<std::size_t>(task.first - 1)];
        }
    }
}

// Layer after layer: the least time by what is used of both memories and where the last one ran.
std::int64_t least_time(const Filled& one) {
    constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max() / 2;
    const auto columns = static_cast<std::size_t>(one.room[1] + 1);
    const auto states = static_cast<std::size_t>(one.room[0] + 1) * columns;
    std::vector<std::int64_t> least(3 * states, kNone);
    least[0] = 0;
    for (std::size_t layer = 0; layer < one.weights.size(); ++layer) {
        std::vector<std::int64_t> next(3 * states, kNone);
        for (std::size_t from = 0; from < 3 * states; ++from) {
            if (least[from] >= kNone) {
                continue;
            }
            const std::size_t last = from / states;
            const auto a = static_cast<std::int64_t>(from % states / columns);
            const auto b = static_cast<std::int64_t>(from % states % columns);
            for (std::size_t device = 0; device < 3; ++device) {
                const std::int64_t x = a + (device == 1 ? one.weights[layer] : 0);
                const std::int64_t y = b + (device == 2 ? one.weights[layer] : 0);
                if (x > one.room[0] || y > one.room[1]) {
                    continue;
                }
                const std::int64_t time = device == 0 ? kHostTime : one.times[device - 1][layer];
                std::int64_t& there = next[device * states + static_cast<std::size_t>(x) * columns +
                                           static_cast<std::size_t>(y)];
                there = std::min(there, least[from] + time + (device == last ? 0 : kCopy));
            }
        }
        least = std::move(next);
    }
    std::int64_t best = kNone;
    for (std::size_t state = 0; state < 3 * states; ++state) {
        best = std::min(best, least[state] + (state / states == 0 ? 0 : kCopy));
    }
    return best;
}

}  // namespace

TEST_CASE("long: capacities and budgets of a network that fills them are proven, and right") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(seed);
        for (const auto& limit : {as_capacities, as_budgets}) {
            Filled one = filled(seed, 16);
            limit(one);
            const sim::SearchResult result = sim::branch_and_bound(one.problem, {});
            REQUIRE(result.status == SearchStatus::proven);
            CHECK(result.makespan.count() == least_time(one));
            CHECK(sim::assess(one.problem, result.mapping).feasible());
        }
    }
}

TEST_CASE("what limits cost is a bound on all that keep within them, whole or begun") {
    int mattered = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 5 == 0) {
            beyond::add_divided(p, 4, seed);
        }
        if (seed % 3 == 0) {
            beyond::add_capacities(p, seed);
        }
        if (seed % 3 != 0 || seed % 2 == 0) {
            beyond::add_budgets(p, seed);
        }
        const sim::internal::Criteria criteria(p, {});
        const sim::internal::Prices prices = sim::internal::find_prices(p, criteria, {});
        mattered += prices.matter();
        const sim::internal::PricedBounds bounds(p, criteria, prices);
        sim::internal::Bounds::Scratch scratch = bounds.scratch();
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 40; ++draw) {
            const Mapping mapping = sim::random_mapping(p, 1000 * seed + draw);
            const Time time = mapping.empty() ? sim::kNever : sim::makespan(p, mapping);
            if (time >= sim::kNever) {
                continue;
            }
            std::vector<sim::Ticks> begun;
            sim::internal::Criteria::Sums sums(criteria.sums(), 0);
            evaluator.clear();
            for (const int task : mapping) {
                criteria.add(sums, evaluator, task);
                evaluator.push(task);
                const int next =
                    evaluator.next_layer(p.tasks[static_cast<std::size_t>(task)].first);
                if (next < p.layers()) {
                    begun.push_back(bounds(evaluator, sums, next, scratch));
                }
            }
            if (!criteria.fit(sums, evaluator, p.layers())) {
                continue;
            }
            CHECK(prices.bound <= time.count());
            for (const sim::Ticks bound : begun) {
                CHECK(bound <= time.count());
            }
        }
    }
    CHECK(mattered > 20);
}
