// Constraints: limits, layers together, pins and partial mappings. Every search that says it keeps
// to them is held against all mappings one by one, with rules spelled out here once more.

#include "sim/describe/mapping.hpp"
#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/baselines.hpp"
#include "sim/search/constraints.hpp"
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

// "cpu/v3/c"
std::string implementation(const Problem& p, const Task& task) {
    return p.device_names[at(task.device)] + "/" + task.variant + "/" + task.configuration;
}

// Some layers as some task has them, by device, variant or all of it.
std::string draw_pin(const Problem& p, generate::Random& r) {
    const Task& task = p.tasks[at(r.index(p.tasks.size()))];
    const int layer = task.first;
    if (layer == 0 || layer == p.layers() - 1 || !task.parts.empty()) {
        return {};
    }
    std::string how = implementation(p, task);
    for (std::int64_t fewer = r.integer(0, 2); fewer > 0; --fewer) {
        how.resize(how.rfind('/'));
    }
    return p.layer_names[at(layer)] + "=" + how;
}

bool keeps_pin(const Problem& p, const Mapping& m, const std::string& pin) {
    const std::string layer = pin.substr(0, pin.find('=')), how = pin.substr(pin.find('=') + 1);
    return std::ranges::all_of(m, [&](int k) {
        const Task& task = p.tasks[at(k)];
        const bool is_asked = std::ranges::any_of(
            sim::layers_of(task), [&](int l) { return p.layer_names[at(l)] == layer; });
        const std::string is = implementation(p, task) + "/";
        return !is_asked || (task.parts.empty() && is.starts_with(how + "/"));
    });
}

sim::Constraint bounded(Limit limit) { return {.text = "limit", .what = limit}; }

}  // namespace

TEST_CASE("constraints: the best of every mapping that keeps to them, on random problems") {
    check_constraints(0, 150, 2'000);
}
TEST_CASE(
    "long: constraints with energies and losses: the best of every mapping that keeps to them") {
    check_constraints(generate::kEnergy | generate::kLoss, 200, 2'000);
}
TEST_CASE(
    "long: constraints with divided layers, budgets, synchronisation: the best of every mapping") {
    check_constraints(generate::kUncoupled, 150, 2'000);
}
TEST_CASE("long: constraints with capacities, contention and buses: the best of every mapping") {
    check_constraints(generate::kAll, 80, 500);
    check_constraints(generate::kCapacities | generate::kEnergy, 60, 500);
}

TEST_CASE(
    "long: in any order, constraints are kept, nothing known is better, and more may be possible") {
    int better = 0, only_there = 0, compared = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        generate::Random r(seed * 13);
        Problem p = generate::with_features(
            generate::wide_random(seed), seed, generate::kEnergy | generate::kLoss);
        if (sim::count_mappings(p) > 20'000) {
            continue;
        }
        if (r.one_in(3)) {
            draw_groups(p, r);
        }
        Goal goal{.minimise = {on(r.one_in(2) ? Criterion::latency : Criterion::energy)}};
        goal.limits = {draw_limit(p, r), draw_limit(p, r)};
        SearchOptions options = asking(goal);
        const SearchResult fixed = sim::branch_and_bound(p, options);
        options.free_order = true;
        const std::vector<sim::NamedResult> known = sim::baselines(p, goal, {});
        for (const sim::NamedResult& one : known) {
            options.starts.push_back(one.result.mapping);
        }
        const SearchResult free = sim::branch_and_bound(p, options);
        const bool is_fixed = fixed.status != SearchStatus::infeasible;
        if (free.status == SearchStatus::infeasible) {
            CHECK_FALSE(is_fixed);
            CHECK(known.empty());
            continue;
        }
        check_mapping(p, goal, free.mapping);
        only_there += !is_fixed;
        if (is_fixed) {
            CHECK(free.value <= fixed.value);
            better += free.value < fixed.value;
        }
        for (const sim::NamedResult& one : known) {
            CAPTURE(one.name);
            check_mapping(p, goal, one.result.mapping);
            CHECK(free.value <= one.result.value);
            ++compared;
        }
    }
    CHECK(better > 0);
    CHECK(only_there > 0);
    CHECK(compared > 20);
}

TEST_CASE("pins, memory limits and groups leave the mappings that keep to them, and no others") {
    int checked = 0, answered = 0, impossible = 0;
    for (std::uint64_t seed = 1; checked < 120; ++seed) {
        CAPTURE(seed);
        generate::Random r(seed * 31);
        const unsigned features = generate::kEnergy | (seed % 3 == 0 ? generate::kDivided : 0u) |
                                  (seed % 4 == 0 ? generate::kCapacities : 0u);
        const Problem p = generate::with_features(
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed),
            seed,
            features);
        if (sim::count_mappings(p) > 1'500) {
            continue;
        }
        ++checked;
        // 1. Constraints, and all mappings that keep to them.
        std::vector<sim::Constraint> constraints;
        std::vector<std::string> pins;
        for (std::int64_t count = r.integer(0, 2); count > 0; --count) {
            if (const std::string pin = draw_pin(p, r); !pin.empty()) {
                pins.push_back(pin);
                constraints.push_back(sim::pin_named(p, pin));
            }
        }
        Problem grouped = p;
        if (p.layers() > 4 && r.one_in(2)) {
            grouped.together.assign(p.inputs.size(), -1);
            grouped.together[1] = grouped.together[3] = 0;
            constraints.push_back(
                sim::together_named(p, p.layer_names[1] + "," + p.layer_names[3]));
        }
        if (!p.tensor_bytes.empty() && r.one_in(2)) {
            const std::int64_t most = r.integer(10, 30);
            constraints.push_back(
                sim::limit_named(p, "memory.memory0=" + std::to_string(most) + "B"));
            std::int64_t& capacity = grouped.capacities[0];
            capacity = capacity > 0 ? std::min(capacity, most) : most;
        }
        Goal goal{.minimise = {on(r.one_in(2) ? Criterion::latency : Criterion::energy)}};
        if (r.one_in(2)) {
            goal.limits.push_back(draw_limit(p, r));
        }
        double least = std::numeric_limits<double>::infinity();
        for_each_mapping(p, [&](const Mapping& m) {
            const sim::Assessment whole = sim::assess(grouped, m);
            if (whole.feasible() && is_within(p, goal, m, whole) && is_together(grouped, m) &&
                std::ranges::all_of(pins, [&](const auto& pin) { return keeps_pin(p, m, pin); })) {
                least = std::min(least, sim::value_on(p, goal.minimise.front(), m, whole));
            }
        });
        // 2. What is left.
        const sim::Constrained left = sim::constrained(p, goal, constraints);
        const bool is_possible = least < std::numeric_limits<double>::infinity();
        answered += is_possible;
        impossible += !is_possible;
        for (const auto search : {sim::branch_and_bound, sim::exhaustive}) {
            const SearchResult best = search(left.problem, asking(left.goal));
            REQUIRE((best.status != SearchStatus::infeasible) == is_possible);
            if (is_possible) {
                const Mapping m = left.in_original(best.mapping);
                const sim::Assessment whole = sim::assess(grouped, m);
                CHECK(sim::keeps_to(goal, whole));
                CHECK(sim::value_on(p, goal.minimise.front(), m, whole) == least);
                CHECK(left.from_original(m) == best.mapping);
            }
        }
        // 3. Whose fault it is.
        for (const Limit& limit : goal.limits) {
            constraints.push_back(bounded(limit));
        }
        const std::string why = sim::why_none(p, constraints, false, {});
        CHECK((is_possible ? why.empty() : true));
    }
    CHECK(answered > 50);
    CHECK(impossible > 10);
}

TEST_CASE(
    "long: a partial mapping stays as it is, in its order, and the rest is the best there is") {
    int checked = 0, in_turn = 0, reordered = 0;
    for (std::uint64_t seed = 1; checked < 50; ++seed) {
        CAPTURE(seed);
        generate::Random r(seed);
        const Problem p = generate::with_features(
            generate::wide_random(seed), seed, seed % 3 == 0 ? generate::kDivided : 0u);
        const Mapping whole = generate::any_mapping(p, seed);
        if (sim::count_mappings(p) > 1'500 || whole.empty() ||
            sim::makespan(p, whole) >= sim::kNever) {
            continue;
        }
        ++checked;
        // 1. Some entries of a mapping in any order.
        sim::MappingFile file = sim::describe(p, whole, Time{});
        file.is_listed_in_order = seed % 2 == 0;
        std::erase_if(file.entries, [&](const auto&) { return r.one_in(2); });
        if (file.entries.empty()) {
            continue;
        }
        file.copies.clear();
        const std::vector<int> fixed = sim::tasks_of(file, p);
        const std::vector<sim::Constraint> constraints{sim::fixed_by(p, file, "part.yaml")};
        const sim::Constrained left = sim::constrained(p, {}, constraints);
        reordered += !std::ranges::is_sorted(left.original_layer);
        // 2. Of what is left in its order, the best.
        Time least = sim::kNever;
        for_each_mapping(left.problem, [&](const Mapping& m) {
            const Mapping original = left.in_original(m);
            for (const int task : fixed) {
                REQUIRE(std::ranges::find(original, task) != original.end());
            }
            least = std::min(least, sim::makespan(p, original));
        });
        for (const bool free_order : {false, true}) {
            SearchOptions options = asking(left.goal);
            options.free_order = free_order;
            const SearchResult best = sim::branch_and_bound(left.problem, options);
            REQUIRE((best.status == SearchStatus::infeasible) == (least >= sim::kNever));
            if (least >= sim::kNever) {
                continue;
            }
            const Mapping original = left.in_original(best.mapping);
            CHECK(sim::makespan(p, original) == best.makespan);
            CHECK((free_order ? best.makespan <= least : best.makespan == least));
            // 3. Fixed tasks, in turn.
            std::vector<int> there;
            for (const int task : original) {
                if (std::ranges::find(fixed, task) != fixed.end()) {
                    there.push_back(task);
                }
            }
            REQUIRE(there.size() == fixed.size());
            if (file.is_listed_in_order) {
                CHECK(there == fixed);
                ++in_turn;
            }
        }
    }
    CHECK(in_turn > 10);
    CHECK(reordered > 5);
}

namespace {

// Host and a device: three layers in a row, 30 on the host or 5 on the device; the second also
// fused with the third, on the device; 20 of energy on the host and 100 on the device.
Problem three_layers() {
    generate::Draft d = by_hand::hand();
    by_hand::add_layers(d, {{0}, {1}, {2}});
    for (int layer = 1; layer <= 3; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{30'000'000});
        if (layer < 3) {
            d.add_task({layer}, 1, {0}, 0, Time{5'000'000});
        }
    }
    d.add_task({2, 3}, 1, {0}, 0, Time{5'000'000});
    Problem p = by_hand::finish(d);
    for (Task& task : p.tasks) {
        task.energy = sim::Energy{task.first == 0 || task.first == 4 ? 0
                                  : task.device == 0                 ? 20'000'000'000
                                                                     : 100'000'000'000};
    }
    p.energy_unknown.clear();
    p.copy_energies.assign(p.copy_times.size(), {});
    p.convert_energies.assign(p.convert_times.size(), {});
    for (int i = 0; i < p.layers(); ++i) {
        p.tensor_bytes.push_back(i == p.layers() - 1 ? 0 : 1024);
    }
    return p;
}

std::string refusal(const std::function<void()>& ask) {
    try {
        ask();
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("constraints that make no sense are refused, with what would") {
    const Problem p = three_layers();
    const auto limit = [&](const char* text) {
        return refusal([&] { sim::limit_named(p, text); });
    };
    CHECK(limit("latency") == "max latency: expected something and a value, such as latency=2ms");
    CHECK(limit("speed=2") ==
          "max speed=2: expected one of latency, energy, memory.NAME, segments, "
          "switches, got 'speed'");
    CHECK(limit("latency=2") ==
          "max latency=2: expected a time such as 2ms (s, ms, us, ns, ps), "
          "got '2'");
    CHECK(limit("latency=-2ms").find("expected a time") != std::string::npos);
    CHECK(limit("latency=nanms").find("expected a time") != std::string::npos);
    CHECK(limit("latency=1e300s").find("expected a time") != std::string::npos);
    CHECK(limit("energy=2ms").find("expected an energy such as 5mJ") != std::string::npos);
    CHECK(limit("segments=1.5").find("expected a whole number") != std::string::npos);
    CHECK(limit("memory.l1=3MiB") ==
          "max memory.l1=3MiB: platform 'generated' has no memory 'l1'; there are: memory0, "
          "memory1");
    CHECK(limit("memory.memory0=0B").find("bytes above zero") != std::string::npos);
    Problem silent = p;
    silent.energy_unknown = "the platform states no powers";
    CHECK(refusal([&] { sim::limit_named(silent, "energy=5mJ"); }) ==
          "max energy: the energy is unknown: the platform states no powers");

    const auto pin = [&](const char* text) { return refusal([&] { sim::pin_named(p, text); }); };
    CHECK(pin("layer1").find("expected LAYER=device") != std::string::npos);
    CHECK(pin("conv*=cpu") ==
          "pin conv*=cpu: model 'by hand' has no layer 'conv*'; there are: "
          "layer1, layer2, layer3");
    CHECK(pin("input=cpu").find("no layer 'input'") != std::string::npos);
    CHECK(pin("layer1=gpu0") ==
          "pin layer1=gpu0: platform 'generated' has no device 'gpu0'; there are: cpu, dev1");
    CHECK(pin("layer1=dev1/popc") ==
          "pin layer1=dev1/popc: no implementation of layer layer1 on "
          "dev1/popc; there are: cpu/v1/c, dev1/v2/c");
    CHECK(pin("layer?=cpu/v1") ==
          "pin layer?=cpu/v1: no implementation of layers layer2, layer3 on "
          "cpu/v1; of layer2 there are: cpu/v3/c, dev1/v4/c, dev1/v6/c");
    CHECK(pin("layer3=dev1").empty());  // fused with the second

    const auto together = [&](const char* text) {
        return refusal([&] { sim::together_named(p, text); });
    };
    CHECK(together("layer1") ==
          "together layer1: expected two layers or more, separated by commas");
    CHECK(together("layer1,x").find("no layer 'x'") != std::string::npos);
    CHECK(together("layer*").empty());
}

TEST_CASE("where nothing keeps to the constraints, a smallest part of them is named") {
    const Problem p = three_layers();
    const auto why = [&](const std::vector<const char*>& limits,
                         const std::vector<const char*>& pins,
                         const std::vector<const char*>& together) {
        std::vector<sim::Constraint> all;
        for (const char* text : pins) {
            all.push_back(sim::pin_named(p, text));
        }
        for (const char* text : together) {
            all.push_back(sim::together_named(p, text));
        }
        for (const char* text : limits) {
            all.push_back(sim::limit_named(p, text));
        }
        return sim::why_none(p, all, true, {});
    };
    CHECK(why({"latency=90us"}, {}, {}).empty());
    // All on the device: two segments' worth of nothing but picoseconds beside 10 us.
    CHECK(why({"latency=10us"}, {}, {}) ==
          "no mapping has latency at most 10us: the least is 10.0001 us");
    CHECK(why({"latency=40us", "energy=1J"}, {"layer1=cpu", "layer2=cpu"}, {}) ==
          "no mapping with pin layer2=cpu has latency at most 40us: the least is 65.0001 us");
    CHECK(why({"energy=50uJ"}, {}, {}) == "no mapping has energy at most 50uJ: the least is 60 uJ");
    CHECK(why({"segments=0"}, {"layer3=dev1"}, {}) ==
          "no mapping with pin layer3=dev1 has segments at most 0: the least is 1");
    CHECK(why({"switches=2"}, {"layer1=dev1", "layer2=cpu", "layer3=cpu"}, {}).empty());
    CHECK(why({"switches=1", "latency=1s"}, {"layer1=dev1"}, {}) ==
          "no mapping with pin layer1=dev1 has switches at most 1: the least is 2");
    CHECK(why({}, {"layer1=cpu", "layer2=dev1"}, {"layer1,layer2"}) ==
          "no mapping keeps to pin layer1=cpu and pin layer2=dev1 and together layer1,layer2");
    CHECK(why({}, {"layer1=cpu", "layer1=dev1"}, {}) ==
          "no mapping keeps to pin layer1=cpu and pin layer1=dev1");
    CHECK(why({"memory.memory0=1KiB"}, {}, {}).empty());
    CHECK(why({"memory.memory0=1kB"}, {}, {}) ==
          "no mapping has memory.memory0 at most 1kB: the nearest: memory 'memory0' needs 1.0 KiB, "
          "24 bytes more than its 1000 bytes, while 'input' runs (at 0.00 us)");
    CHECK(why({"latency=65us", "energy=180uJ"}, {}, {}).empty());
    CHECK(why({"latency=60us", "energy=100uJ"}, {}, {}) ==
          "no mapping with energy at most 100uJ has latency at most 60us: the least is 90 us");
}
