// Constraints: limits, layers together, pins and partial mappings. Every search that says it keeps
// to them is held against all mappings one by one, with rules spelled out here once more.

#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/search/search.hpp"
#include "sim_by_hand.hpp"
#include "sim_features.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

using sim::Criterion;
using sim::Front;
using sim::Goal;
using sim::Limit;
using sim::Mapping;
using sim::Objective;
using sim::Problem;
using sim::SearchOptions;
using sim::SearchResult;
using sim::SearchStatus;
using sim::Task;
using sim::Time;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

Objective on(Criterion criterion) { return {.criterion = criterion}; }

// Every mapping in the static order.
void for_each_mapping(const Problem& p, const std::function<void(const Mapping&)>& visit) {
    std::vector<char> covered(p.inputs.size(), 0);
    Mapping mapping;
    const auto next = [&](const auto& self, int layer) -> void {
        while (layer < p.layers() && covered[at(layer)]) {
            ++layer;
        }
        if (layer == p.layers()) {
            visit(mapping);
            return;
        }
        for (const int k : p.starting[at(layer)]) {
            const std::vector<int> layers = sim::layers_of(p.tasks[at(k)]);
            if (std::ranges::any_of(layers, [&](int l) { return covered[at(l)] != 0; })) {
                continue;
            }
            for (const int l : layers) {
                covered[at(l)] = 1;
            }
            mapping.push_back(k);
            self(self, layer);
            mapping.pop_back();
            for (const int l : layers) {
                covered[at(l)] = 0;
            }
        }
    };
    next(next, 0);
}

std::set<int> device_set(const Task& task) {
    std::set<int> devices{task.device};
    for (const sim::Part& part : task.parts) {
        devices.insert(part.device);
    }
    return devices;
}

// What docs/mapping.md says of a mapping's changes of device.
std::pair<std::int64_t, std::int64_t> segments_and_switches(const Problem& p, const Mapping& m) {
    std::int64_t segments = 0, switches = 0;
    std::set<int> before{0};
    bool was_divided = false;
    for (const int k : m) {
        const Task& task = p.tasks[at(k)];
        const std::set<int> here = device_set(task);
        switches += here != before;
        if (!task.parts.empty()) {
            segments += static_cast<std::int64_t>(here.size() - here.count(0));
        } else if (task.device != 0 && (here != before || was_divided)) {
            ++segments;
        }
        before = here;
        was_divided = !task.parts.empty();
    }
    return {segments, switches};
}

bool is_within(const Problem& p, const Goal& goal, const Mapping& m, const sim::Assessment& whole) {
    const auto [segments, switches] = segments_and_switches(p, m);
    for (const Limit& limit : goal.limits) {
        const std::int64_t value = limit.kind == Limit::Kind::latency    ? whole.makespan.count()
                                   : limit.kind == Limit::Kind::energy   ? whole.energy->femtojoules
                                   : limit.kind == Limit::Kind::loss     ? whole.loss
                                   : limit.kind == Limit::Kind::segments ? segments
                                                                         : switches;
        if (value > limit.most) {
            return false;
        }
    }
    return true;
}

bool is_together(const Problem& p, const Mapping& m) {
    std::vector<std::set<std::set<int>>> of_group(p.inputs.size());
    for (const int k : m) {
        for (const int layer : sim::layers_of(p.tasks[at(k)])) {
            if (!p.together.empty() && p.together[at(layer)] >= 0) {
                of_group[at(p.together[at(layer)])].insert(device_set(p.tasks[at(k)]));
            }
        }
    }
    return std::ranges::all_of(of_group, [](const auto& places) { return places.size() <= 1; });
}

bool asks_for_period(const Goal& goal) {
    return std::ranges::any_of(
        goal.minimise, [](const Objective& one) { return one.criterion == Criterion::period; });
}

// The values of all mappings that keep to everything, and no other beats on all axes.
std::set<std::vector<double>> true_front(const Problem& p, const Goal& goal) {
    std::set<std::vector<double>> all, front;
    const int frames = asks_for_period(goal) ? goal.frames_in_flight : 0;
    for_each_mapping(p, [&](const Mapping& m) {
        sim::Assessment whole = sim::assess(p, m, {.frames_in_flight = frames});
        std::erase_if(whole.violations, [](const sim::Violation& violation) {
            return violation.kind == sim::Violation::Kind::together;
        });
        if (!whole.feasible() || !is_within(p, goal, m, whole) || !is_together(p, m)) {
            return;
        }
        std::vector<double> values;
        for (const Objective& objective : goal.minimise) {
            values.push_back(sim::value_on(p, objective, m, whole));
        }
        all.insert(values);
    });
    for (const std::vector<double>& one : all) {
        const bool beaten = std::ranges::any_of(all, [&](const std::vector<double>& other) {
            return other != one && std::ranges::equal(other, one, std::less_equal{});
        });
        if (!beaten) {
            front.insert(one);
        }
    }
    return front;
}

// Some of the layers in one or two groups.
void draw_groups(Problem& p, generate::Random& r) {
    p.together.assign(p.inputs.size(), -1);
    for (int layer = 1; layer + 1 < p.layers(); ++layer) {
        if (r.one_in(2)) {
            p.together[at(layer)] = static_cast<int>(r.integer(0, 1));
        }
    }
}

// As some mapping has it, or a little less, so that it matters.
Limit draw_limit(const Problem& p, generate::Random& r) {
    using enum Limit::Kind;
    const std::vector<Limit::Kind> kinds{latency, energy, loss, segments, switches};
    Limit limit{.kind = kinds[at(r.index(kinds.size()))], .most = 0};
    if (limit.kind == energy && !p.knows_energy()) {
        limit.kind = latency;
    }
    const Mapping some = sim::random_mapping(p, static_cast<std::uint64_t>(r.integer(1, 1'000)));
    if (some.empty()) {
        return limit;
    }
    const sim::Assessment whole = sim::assess(p, some);
    limit.most = whole.makespan >= sim::kNever ? 100 : sim::taken(limit, whole);
    if (limit.kind == latency || limit.kind == energy) {
        limit.most -= limit.most * r.integer(0, 3) / 8;
    } else {
        limit.most = std::max<std::int64_t>(0, limit.most - r.integer(0, 2));
    }
    return limit;
}

Goal draw_goal(const Problem& p, generate::Random& r) {
    using enum Criterion;
    std::vector<std::vector<Objective>> asked{
        {on(latency)}, {on(latency)}, {on(loss)}, {on(period)}, {on(latency), on(loss)}};
    if (p.knows_energy()) {
        asked.push_back({on(energy)});
        asked.push_back({on(energy)});
        asked.push_back({on(energy_delay)});
        asked.push_back({on(latency), on(energy)});
        asked.push_back({on(energy), on(loss)});
    }
    Goal goal{.minimise = asked[at(r.index(asked.size()))], .limits = {}, .frames_in_flight = 2};
    for (std::int64_t count = r.integer(0, 2); count >= 0; --count) {
        goal.limits.push_back(draw_limit(p, r));
    }
    return goal;
}

SearchOptions asking(Goal goal) {
    SearchOptions options;
    options.goal = std::move(goal);
    return options;
}

std::set<std::vector<double>> values_of(const Front& front) {
    std::set<std::vector<double>> values;
    for (const sim::FrontPoint& point : front.points) {
        values.insert(point.values);
    }
    return values;
}

void check_mapping(const Problem& p, const Goal& goal, const Mapping& m) {
    const sim::Assessment whole = sim::assess(p, m);
    CHECK(whole.feasible());
    CHECK(sim::keeps_to(goal, whole));
    CHECK(is_within(p, goal, m, whole));
    CHECK(is_together(p, m));
}

// Problems with some features, each with a goal, limits and groups.
void check_constraints(unsigned features, int problems, std::uint64_t most) {
    int checked = 0, answered = 0, impossible = 0;
    for (std::uint64_t seed = 1; checked < problems; ++seed) {
        generate::Random r(seed * 77 + features);
        Problem p = generate::with_features(
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed),
            seed,
            features);
        if (sim::count_mappings(p) > most) {
            continue;
        }
        CAPTURE(features);
        CAPTURE(seed);
        ++checked;
        if (r.one_in(2)) {
            draw_groups(p, r);
        }
        const Goal goal = draw_goal(p, r);
        const std::set<std::vector<double>> truth = true_front(p, goal);
        answered += !truth.empty();
        impossible += truth.empty();
        for (const auto search : {sim::pareto_front, sim::exhaustive_front}) {
            const Front front = search(p, asking(goal));
            CHECK(front.proven);
            CHECK(values_of(front) == truth);
            CHECK(front.points.empty() != front.note.empty());
            for (const sim::FrontPoint& point : front.points) {
                check_mapping(p, goal, point.mapping);
            }
        }
        if (goal.minimise.size() > 1) {
            continue;
        }
        for (const auto search : {sim::branch_and_bound, sim::exhaustive}) {
            const SearchResult best = search(p, asking(goal));
            REQUIRE((best.status == SearchStatus::infeasible) == truth.empty());
            if (truth.empty()) {
                CHECK(!best.note.empty());
                continue;
            }
            CHECK(best.status == SearchStatus::proven);
            check_mapping(p, goal, best.mapping);
            const sim::Assessment whole =
                sim::assess(p, best.mapping, {.frames_in_flight = asks_for_period(goal) ? 2 : 0});
            CHECK(sim::value_on(p, goal.minimise.front(), best.mapping, whole) ==
                  truth.begin()->front());
        }
    }
    CHECK(answered > problems / 8);
    CHECK(impossible > problems / 8);
}

}  // namespace

TEST_CASE("constraints: the best of every mapping that keeps to them, on random problems") {
    check_constraints(0, 150, 2'000);
}
TEST_CASE("constraints with energies and losses: the best of every mapping that keeps to them") {
    check_constraints(generate::kEnergy | generate::kLoss, 200, 2'000);
}
TEST_CASE("constraints with divided layers, budgets, synchronisation: the best of every mapping") {
    check_constraints(generate::kUncoupled, 150, 2'000);
}
TEST_CASE("constraints with capacities, contention and buses: the best of every mapping") {
    check_constraints(generate::kAll, 80, 500);
    check_constraints(generate::kCapacities | generate::kEnergy, 60, 500);
}
