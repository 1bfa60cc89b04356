// Fronts and single optima of every goal: the search by bounds and dominance against every mapping,
// on random problems with each feature alone and all together; then limits, ties, stopping and
// size.

#include "sim/error.hpp"
#include "sim/search/points.hpp"
#include "sim/search/search.hpp"
#include "sim_features.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using sim::Criterion;
using sim::Front;
using sim::FrontPoint;
using sim::Goal;
using sim::Mapping;
using sim::Objective;
using sim::Problem;
using sim::SearchOptions;
using sim::SearchResult;
using sim::SearchStatus;
using sim::Time;

namespace {

Objective on(Criterion criterion) { return {.criterion = criterion}; }
sim::Limit most_loss(std::int64_t most) { return {.kind = sim::Limit::Kind::loss, .most = most}; }
Objective most_on(int index) { return {.criterion = Criterion::device, .device = index}; }

struct NamedGoal {
    const char* name = "";
    Goal goal;
};

// What may be asked of a problem that says its energies.
const std::vector<NamedGoal>& goals() {
    using enum Criterion;
    static const std::vector<NamedGoal> kGoals{
        {"latency", {}},
        {"energy", {.minimise = {on(energy)}}},
        {"edp", {.minimise = {on(energy_delay)}}},
        {"latency, then energy", {.minimise = {on(latency)}, .prefer = {on(energy)}}},
        {"energy, then device 1, then latency",
         {.minimise = {on(energy)}, .prefer = {most_on(1), on(latency)}}},
        {"loss, then edp", {.minimise = {on(loss)}, .prefer = {on(energy_delay)}}},
        {"latency with little loss", {.minimise = {on(latency)}, .limits = {most_loss(6)}}},
        {"latency x energy", {.minimise = {on(latency), on(energy)}}},
        {"latency x energy, then device 0",
         {.minimise = {on(latency), on(energy)}, .prefer = {most_on(0)}}},
        {"energy x loss with limit",
         {.minimise = {on(energy), on(loss)}, .limits = {most_loss(9)}}},
        {"latency x energy x loss", {.minimise = {on(latency), on(energy), on(loss)}}},
        {"latency x loss x energy x edp, then device 0",
         {.minimise = {on(latency), on(loss), on(energy), on(energy_delay)},
          .prefer = {most_on(0)}}},
        {"period", {.minimise = {on(period)}, .frames_in_flight = 3}},
        {"period x energy, then latency",
         {.minimise = {on(period), on(energy)}, .prefer = {on(latency)}, .frames_in_flight = 2}},
    };
    return kGoals;
}

bool has_period(const Goal& goal) {
    return std::any_of(goal.minimise.begin(), goal.minimise.end(), [](const Objective& objective) {
        return objective.criterion == Criterion::period;
    });
}

// The values of a point, those that break ties included.
std::vector<double> values_of(const Problem& p, const Goal& goal, const FrontPoint& point) {
    std::vector<double> values;
    for (const auto* objectives : {&goal.minimise, &goal.prefer}) {
        for (const Objective& objective : *objectives) {
            values.push_back(sim::value_on(p, objective, point.mapping, point.assessment));
        }
    }
    return values;
}

void check_point(const Problem& p, const Goal& goal, const FrontPoint& point) {
    const sim::Assessment again = sim::assess(
        p, point.mapping, {.frames_in_flight = has_period(goal) ? goal.frames_in_flight : 0});
    CHECK(again.feasible());
    CHECK(again.makespan == point.assessment.makespan);
    CHECK(again.energy == point.assessment.energy);
    CHECK(sim::keeps_to(goal, again));
    REQUIRE(point.values.size() == goal.minimise.size());
    for (std::size_t a = 0; a < goal.minimise.size(); ++a) {
        CHECK(point.values[a] == sim::value_on(p, goal.minimise[a], point.mapping, again));
    }
}

// Both searches for fronts agree, and so do those for one mapping.
void check_same(const Problem& p, const Goal& goal) {
    SearchOptions options;
    options.goal = goal;
    const Front truth = sim::exhaustive_front(p, options);
    const Front front = sim::pareto_front(p, options);
    CHECK(truth.proven);
    CHECK(front.proven);
    REQUIRE(front.points.size() == truth.points.size());
    for (std::size_t i = 0; i < front.points.size(); ++i) {
        CHECK(values_of(p, goal, front.points[i]) == values_of(p, goal, truth.points[i]));
        check_point(p, goal, front.points[i]);
    }
    if (front.points.empty()) {
        CHECK(!front.note.empty());
    } else {
        CHECK(front.ideal == truth.ideal);
    }
    if (goal.minimise.size() > 1) {
        return;
    }
    const SearchResult best = sim::branch_and_bound(p, options), all = sim::exhaustive(p, options);
    REQUIRE(best.status ==
            (front.points.empty() ? SearchStatus::infeasible : SearchStatus::proven));
    CHECK(all.status == best.status);
    CHECK(best.makespan ==
          (best.mapping.empty() ? sim::kNever : sim::assess(p, best.mapping).makespan));
    if (front.points.empty()) {
        return;
    }
    const sim::Assessment whole = sim::assess(
        p, best.mapping, {.frames_in_flight = has_period(goal) ? goal.frames_in_flight : 0});
    CHECK(whole.feasible());
    CHECK(whole.makespan == best.makespan);
    CHECK(sim::value_on(p, goal.minimise[0], best.mapping, whole) == front.points[0].values[0]);
    if (!goal.is_latency()) {
        CHECK(best.value == front.points[0].values[0]);
        CHECK(best.bound == best.value);
    }
    if (goal.minimise[0].criterion == Criterion::latency) {
        CHECK(best.lower_bound == best.makespan);
    }
}

// Problems of at most so many mappings, with a few of the goals each.
void check_feature(unsigned features, std::uint64_t seeds, std::uint64_t most) {
    int checked = 0, found = 0;
    for (std::uint64_t seed = 1; checked < static_cast<int>(seeds); ++seed) {
        const Problem p = generate::with_features(
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed),
            seed,
            features | generate::kEnergy);
        if (sim::count_mappings(p) > most) {
            continue;
        }
        CAPTURE(features);
        CAPTURE(seed);
        ++checked;
        for (std::size_t g = 0; g < 4; ++g) {
            const NamedGoal& named = goals()[(seed * 5 + g * 3) % goals().size()];
            CAPTURE(named.name);
            check_same(p, named.goal);
            ++found;
        }
    }
    CHECK(found == 4 * checked);
}

// One layer after the other on the host: cost, energy, loss of each of its tasks.
struct Choice {
    int cost = 0, energy = 0, loss = 0;
};
Problem serial(const std::vector<std::vector<Choice>>& layers) {
    generate::Draft d;
    d.add_device(
        {.memory = 0, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}});
    d.conversions = {{0, 0}};
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    for (int l = 0; l < static_cast<int>(layers.size()); ++l) {
        d.add_layer({l}, 0);
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    for (int l = 0; l < static_cast<int>(layers.size()); ++l) {
        for (const Choice& choice : layers[static_cast<std::size_t>(l)]) {
            d.add_task({l + 1}, 0, {0}, 0, Time{choice.cost});
            d.problem.tasks.back().energy = {choice.energy};
            d.problem.tasks.back().loss = choice.loss;
        }
    }
    d.add_task({d.layers() - 1}, 0, {0}, 0, Time{});
    Problem p = d.finish("serial");
    p.energy_unknown.clear();
    p.copy_energies.assign(p.copy_times.size(), {});
    p.convert_energies.assign(p.convert_times.size(), {});
    return p;
}

SearchOptions asking(Goal goal) {
    SearchOptions options;
    options.goal = std::move(goal);
    return options;
}

}  // namespace

TEST_CASE("objectives have names, and unknown ones get the list") {
    const Problem p = generate::small_random(1);
    for (const char* name : {"latency", "energy", "edp", "throughput", "accuracy"}) {
        CHECK(sim::name_of(p, sim::objective_named(p, name, false)) == name);
    }
    const Objective preferred = sim::objective_named(p, "dev1", true);
    CHECK(preferred.criterion == Criterion::device);
    CHECK(preferred.device == 1);
    CHECK(sim::name_of(p, preferred) == "dev1");
    CHECK_THROWS_WITH_AS(
        sim::objective_named(p, "dev1", false),
        "objective: expected one of latency, sum, energy, edp, throughput, accuracy, got 'dev1'",
        sim::InputError);
    CHECK_THROWS_AS(sim::objective_named(p, "speed", true), sim::InputError);
}

TEST_CASE("energy that is unknown cannot be asked for") {
    const Problem p = generate::small_random(1);
    for (const Criterion criterion : {Criterion::energy, Criterion::energy_delay}) {
        const SearchOptions options = asking({.minimise = {on(Criterion::latency), on(criterion)}});
        CHECK_THROWS_AS(sim::pareto_front(p, options), sim::InputError);
        CHECK_THROWS_AS(sim::exhaustive_front(p, options), sim::InputError);
        CHECK_THROWS_AS(sim::branch_and_bound(p, asking({.minimise = {on(criterion)}})),
                        sim::InputError);
        CHECK_THROWS_AS(sim::exhaustive(p, asking({.minimise = {on(criterion)}})), sim::InputError);
        CHECK_THROWS_AS(sim::greedy(p, asking({.minimise = {on(criterion)}})), sim::InputError);
    }
    const Mapping mapping = sim::random_mapping(p, 1);
    CHECK_THROWS_WITH_AS(sim::value_on(p, on(Criterion::energy), mapping, sim::assess(p, mapping)),
                         "objective energy: the energy is unknown: the platform states no powers",
                         sim::InputError);
}

TEST_CASE("of rows those stay that no other is as good as, for any number of columns") {
    generate::Random r(1);
    for (std::size_t columns = 1; columns <= 5; ++columns) {
        for (int round = 0; round < 40; ++round) {
            const std::size_t stride = columns + 2,
                              rows = static_cast<std::size_t>(r.integer(1, 60));
            std::vector<std::int64_t> numbers;
            for (std::size_t i = 0; i < rows * stride; ++i) {
                numbers.push_back(r.integer(-3, 3));
            }
            const auto row = [&](std::size_t i, std::size_t from, std::size_t count) {
                const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(i * stride + from);
                return std::vector<std::int64_t>(begin, begin + static_cast<std::ptrdiff_t>(count));
            };
            std::vector<std::size_t> expected;
            for (std::size_t i = 0; i < rows; ++i) {
                const auto mine = row(i, 1, columns);
                bool stays = true;
                for (std::size_t j = 0; j < rows; ++j) {
                    const auto other = row(j, 1, columns);
                    bool as_good = true;
                    for (std::size_t c = 0; c < columns; ++c) {
                        as_good &= other[c] <= mine[c];
                    }
                    if (as_good && (other != mine || std::pair(row(j, columns + 1, 1), j) <
                                                         std::pair(row(i, columns + 1, 1), i))) {
                        stays = false;
                    }
                }
                if (stays) {
                    expected.push_back(i);
                }
            }
            auto found = sim::internal::undominated(numbers, stride, 1, columns, 1);
            std::sort(found.begin(), found.end());
            CHECK(std::vector<std::size_t>(found.begin(), found.end()) == expected);
        }
    }
}

TEST_CASE("a front worked out by hand") {
    // Two layers: (fast, hungry) or (slow, frugal); and one that is neither.
    const Problem p = serial({{{2, 9, 0}, {5, 3, 0}, {6, 9, 0}}, {{1, 4, 0}, {4, 3, 0}}});
    Front front =
        sim::pareto_front(p, asking({.minimise = {on(Criterion::latency), on(Criterion::energy)}}));
    REQUIRE(front.points.size() == 3);
    const std::vector<std::vector<double>> expected{{3, 13}, {6, 7}, {9, 6}};
    // 2+1: 13; 2+4: 12 at 6, which 5+1: 7 at 6 beats; 5+4: 6 at 9.
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(front.points[i].values == expected[i]);
    }
    CHECK(front.ideal == std::vector<double>{3, 6});
    CHECK(front.proven);
}

TEST_CASE("energy: the front of every mapping, on random problems") {
    check_feature(generate::kEnergy, 60, 1'500);
}
TEST_CASE("what a device cannot convert, another on its memory may have converted for it") {
    // In this one it is the only way to the least energy.
    const Problem p =
        generate::with_features(generate::small_random(2037), 2037, generate::kEnergy);
    for (const NamedGoal& named : goals()) {
        CAPTURE(named.name);
        check_same(p, named.goal);
    }
}
TEST_CASE("long: losses: the front of every mapping, on random problems") {
    check_feature(generate::kLoss, 60, 1'500);
}
TEST_CASE("long: budgets: the front of every mapping, on random problems") {
    check_feature(generate::kBudgets, 60, 1'500);
}
TEST_CASE("long: divided layers: the front of every mapping, on random problems") {
    check_feature(generate::kDivided, 60, 2'500);
}
TEST_CASE("long: synchronisation: the front of every mapping, on random problems") {
    check_feature(generate::kSynchronise, 60, 1'500);
}
TEST_CASE("long: contention: the front of every mapping, on random problems") {
    check_feature(generate::kContention, 60, 800);
}
TEST_CASE("long: buses: the front of every mapping, on random problems") {
    check_feature(generate::kBuses, 60, 800);
}
TEST_CASE("long: capacities: the front of every mapping, on random problems") {
    check_feature(generate::kCapacities, 60, 800);
}
TEST_CASE("long: reconfiguration: the front of every mapping, on random problems") {
    check_feature(generate::kReconfiguration, 60, 800);
}
TEST_CASE("long: all that is not coupled: the front of every mapping, on random problems") {
    check_feature(generate::kUncoupled, 80, 3'000);
}
TEST_CASE("long: everything together: the front of every mapping, on random problems") {
    check_feature(generate::kAll, 40, 1'500);
}

TEST_CASE("every search is right or says why not, whatever the problem says") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const unsigned features = seed % 3 == 0   ? generate::kAll
                                  : seed % 3 == 1 ? generate::kUncoupled
                                                  : 1u << (seed % 9);
        const Problem p = generate::with_features(
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed),
            seed,
            features);
        if (sim::count_mappings(p) > 1'500) {
            continue;
        }
        CAPTURE(seed);
        CAPTURE(features);
        for (const sim::Search& search : sim::searches()) {
            CAPTURE(search.name);
            // Of other goals a search that says proven has the least value.
            const NamedGoal& named = goals()[seed % goals().size()];
            if (named.goal.minimise.size() == 1 && (p.knows_energy() || named.goal.is_latency())) {
                const SearchOptions other = asking(named.goal);
                const SearchResult least = sim::exhaustive(p, other), its = search.run(p, other);
                if (its.status == SearchStatus::proven) {
                    CHECK((!named.goal.is_latency() || its.makespan == least.makespan));
                    CHECK((named.goal.is_latency() || its.value == least.value));
                }
                if (its.status != SearchStatus::infeasible) {
                    CHECK(sim::keeps_to(named.goal, sim::assess(p, its.mapping)));
                }
            }
        }
        const SearchResult truth = sim::exhaustive(p, {});
        for (const sim::Search& search : sim::searches()) {
            CAPTURE(search.name);
            const SearchResult found = search.run(p, {});
            if (found.status == SearchStatus::infeasible) {
                CHECK(!found.note.empty());
                CHECK(found.mapping.empty());
                if (search.name == "branch-and-bound") {
                    CHECK(truth.status == SearchStatus::infeasible);
                }
                continue;
            }
            const sim::Assessment whole = sim::assess(p, found.mapping);
            CHECK(whole.feasible());
            CHECK(whole.makespan == found.makespan);
            CHECK(found.makespan >= truth.makespan);
            CHECK(found.lower_bound <= truth.makespan);
            if (found.status == SearchStatus::proven) {
                CHECK(found.makespan == truth.makespan);
            }
        }
    }
}

TEST_CASE("a budget or a loss that nothing keeps within is named, with what is needed") {
    Problem p = serial({{{2, 9, 5}, {5, 3, 4}}, {{1, 4, 3}, {4, 3, 2}}});
    SearchOptions options = asking({.limits = {most_loss(5)}});
    CHECK(sim::branch_and_bound(p, options).status == SearchStatus::infeasible);
    CHECK(sim::branch_and_bound(p, options).note ==
          "accuracy: every mapping loses 0.000006 points or more");
    options.goal.limits = {most_loss(6)};
    CHECK(sim::branch_and_bound(p, options).makespan == Time{9});

    p.budgets = {{.name = "cpu.area", .device = 0, .limit = 6}};
    for (sim::Task& task : p.tasks) {
        task.uses = {task.cost.count()};  // 2 or 5, and 1 or 4
    }
    CHECK(sim::branch_and_bound(p, {}).makespan == Time{3});
    // The accurate one, 5 + 4, is too large: 2 + 4 or 5 + 1 it is.
    const Front front =
        sim::pareto_front(p, asking({.minimise = {on(Criterion::latency), on(Criterion::loss)}}));
    REQUIRE(front.points.size() == 2);
    CHECK(front.points[1].values == std::vector<double>{6, 7});
    p.budgets[0].limit = 2;
    for (const auto search : {sim::branch_and_bound, sim::exhaustive}) {
        const SearchResult none = search(p, {});
        CHECK(none.status == SearchStatus::infeasible);
        CHECK(none.note == "budget 'cpu.area': every mapping needs 3 at least, and its limit is 2");
    }
    CHECK(sim::greedy(p, {}).note.find("its mapping does not fit: 'cpu.area'") == 0);
    p.budgets[0].limit = 1;
    CHECK(sim::pareto_front(p, {}).note ==
          "every implementation of layer 'layer1' goes beyond a budget by itself");
}

TEST_CASE("greedy takes each layer's least of the objective, ties by preference") {
    Problem p = serial({{{2, 9, 5}, {5, 3, 4}, {3, 3, 1}}, {{1, 4, 3}, {4, 3, 2}}});
    // Tasks: 0 input, 1 to 3, 4 to 5, 6 output.
    CHECK(sim::greedy(p, asking({.minimise = {on(Criterion::energy)}})).mapping ==
          Mapping{0, 2, 5, 6});
    const SearchResult ties = sim::greedy(
        p, asking({.minimise = {on(Criterion::energy)}, .prefer = {on(Criterion::latency)}}));
    CHECK(ties.mapping == Mapping{0, 3, 5, 6});
    CHECK(ties.value == 6);
    CHECK(ties.makespan == Time{7});
    CHECK(ties.status == SearchStatus::unproven);
    CHECK(sim::greedy(p, asking({.minimise = {on(Criterion::energy_delay)}})).mapping ==
          Mapping{0, 3, 4, 6});
    CHECK(sim::greedy(p, asking({.minimise = {on(Criterion::loss)}})).mapping ==
          Mapping{0, 3, 5, 6});
    p.at_rest = {0.01};  // ten femtojoules for each picosecond: time is dear
    CHECK(sim::greedy(p, asking({.minimise = {on(Criterion::energy)}})).mapping ==
          Mapping{0, 1, 4, 6});
}

TEST_CASE("the preferred device gets as many channels as it can for nothing") {
    Problem p = serial({{{3, 4, 0}, {3, 4, 0}}, {{2, 2, 0}, {2, 2, 0}}});
    p.devices.push_back(p.devices[0]);
    p.device_names.push_back("other");
    p.convert_times.insert(p.convert_times.end(), p.convert_times.begin(), p.convert_times.end());
    p.convert_energies.assign(p.convert_times.size(), {});
    p.weighted_channels = {0, 16, 8, 0};
    p.tasks[2].parts = {
        {.device = 0, .channels = 4, .variant = {}, .configuration = {}, .precision = {}},
        {.device = 1, .channels = 12, .variant = {}, .configuration = {}, .precision = {}}};
    p.tasks[4].device = 1;
    sim::index(p);
    const auto best = [&](int device) {
        return sim::pareto_front(
                   p, asking({.minimise = {on(Criterion::latency)}, .prefer = {most_on(device)}}))
            .points.at(0)
            .mapping;
    };
    CHECK(best(0) == Mapping{0, 1, 3, 5});
    CHECK(best(1) == Mapping{0, 2, 4, 5});
    const Mapping mapping = best(1);
    CHECK(sim::value_on(p, most_on(1), mapping, sim::assess(p, mapping)) == 4);
    CHECK(sim::value_on(p, most_on(0), mapping, sim::assess(p, mapping)) == 20);
    for (const sim::SearchResult& result :
         {sim::greedy(p, asking({.minimise = {on(Criterion::latency)}, .prefer = {most_on(1)}}))}) {
        CHECK(result.mapping == best(1));
    }
}

TEST_CASE("a front that is stopped, or short of states, has honest bounds") {
    int unproven = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        const unsigned features = seed % 2 ? generate::kUncoupled : generate::kAll;
        const Problem p = generate::with_features(generate::small_random(seed), seed, features);
        if (sim::count_mappings(p) > 3'000) {
            continue;
        }
        Goal goal{.minimise = {on(Criterion::latency), on(Criterion::energy)}};
        const Front truth = sim::exhaustive_front(p, asking(goal));
        for (const int calls : {1, 2, 5, 20}) {
            for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{2} << 30}) {
                CAPTURE(calls);
                int left = calls;
                SearchOptions options = asking(goal);
                options.memory = sim::Bytes{bytes};
                options.stop = [&] { return --left <= 0; };
                const Front front = sim::pareto_front(p, options);
                if (front.proven) {
                    REQUIRE(front.points.size() == truth.points.size());
                    for (std::size_t i = 0; i < front.points.size(); ++i) {
                        CHECK(front.points[i].values == truth.points[i].values);
                    }
                } else {
                    ++unproven;
                    CHECK(!front.note.empty());
                }
                for (const FrontPoint& point : front.points) {
                    check_point(p, goal, point);
                    CHECK(std::any_of(
                        truth.points.begin(), truth.points.end(), [&](const FrontPoint& other) {
                            return other.values[0] <= point.values[0] &&
                                   other.values[1] <= point.values[1];
                        }));
                }
                for (const FrontPoint& point : truth.points) {
                    for (std::size_t a = 0; a < 2; ++a) {
                        CHECK(front.ideal[a] <= point.values[a]);
                    }
                }
            }
        }
    }
    CHECK(unproven > 0);
}

TEST_CASE("layers in a thousand shares are no harder than their best ones") {
    // Every share of every layer on two devices that work at once, as accelerators divide them:
    // stairs, so that most shares are never better than another.
    generate::Random r(1);
    Problem p = serial({});
    std::vector<std::vector<Choice>> layers;
    for (int l = 0; l < 12; ++l) {
        std::vector<Choice> shares;
        const int a = static_cast<int>(r.integer(3, 9)), b = static_cast<int>(r.integer(20, 60));
        for (int there = 0; there <= 512; ++there) {
            const int here = 512 - there;
            const int one = (here + 15) / 16 * 16 * a, other = there ? there / 32 * b + 300 : 0;
            shares.push_back({std::max(one, other), 3 * one + 2 * other, there});
        }
        layers.push_back(std::move(shares));
    }
    p = serial(layers);
    const Front front =
        sim::pareto_front(p, asking({.minimise = {on(Criterion::latency), on(Criterion::energy)}}));
    CHECK(front.proven);
    CHECK(front.points.size() > 1);
    CHECK(front.evaluated < 2'000'000);
    // The fastest is each layer's fastest: nothing overlaps.
    CHECK(front.points.front().values[0] ==
          static_cast<double>(sim::greedy(p, {}).makespan.count()));
}

TEST_CASE("the front of a network is proven, and takes as many nodes as ever") {
    Problem p = generate::with_features(
        generate::vgg7({.implementations = 6, .devices = 2}), 1, generate::kEnergy);
    for (sim::Task& task : p.tasks) {
        task.energy = {task.energy.femtojoules * 1'000'000};
    }
    const Front front =
        sim::pareto_front(p, asking({.minimise = {on(Criterion::latency), on(Criterion::energy)}}));
    CHECK(front.proven);
    CHECK(front.points.size() == 70);
    // A signature: it changes only on purpose.
    CHECK(front.evaluated == 9'278);
}
