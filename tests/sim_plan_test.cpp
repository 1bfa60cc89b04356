// The plan: what a mapping makes the machine do and in which order, ways over other memories, early
// copies, several results, and the order in which the dispatcher issues it all. Times of the same
// are in sim_simulator_test.cpp.

#include "sim/error.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/fair_share.hpp"
#include "sim/run/plan.hpp"
#include "sim/run/simulate.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"
#include "sim_oracle.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

using by_hand::add_layers;
using by_hand::everything;
using by_hand::finish;
using by_hand::hand;
using by_hand::story;
using sim::BytesPerSecond;
using sim::EventKind;
using sim::Mapping;
using sim::Plan;
using sim::Problem;
using sim::Time;

namespace {

// A host with memory 0 and devices in memories 1 and 2, which only the host's memory links: up
// takes 20 and 30, down 7 and 8. Every copy has an engine of its own.
generate::Draft star() {
    generate::Draft d = hand();
    d.add_device(d.problem.devices[1]);
    d.problem.devices[2].memory = 2;
    d.conversions.emplace_back(0, 0);
    d.problem.memories = 3;
    d.problem.engines = 4;
    d.problem.engine = {-1, 0, 1, 2, -1, -1, 3, -1, -1};
    d.links = {{0, 0}, {20, 0}, {30, 0}, {7, 0}, {0, 0}, {-1, 0}, {8, 0}, {-1, 0}, {0, 0}};
    return d;
}

Time expect(const Problem& problem, const Mapping& mapping) {
    const Time time = sim::simulate(problem, mapping).makespan;
    CHECK(sim::makespan(problem, mapping) == time);
    CHECK(oracle::makespan(problem, mapping) == time);
    return time;
}

// "submit 1, copy 0, ..." by first layer, or tensor.
std::string dispatched(const Problem& problem, const Plan& plan) {
    std::string text;
    for (const int index : sim::dispatch_order(problem, plan)) {
        const Plan::Action& action = plan.actions[static_cast<std::size_t>(index)];
        const bool is_copy = action.kind == EventKind::copy;
        const int number = is_copy ? plan.event_of(action).tensor
                                   : problem.tasks[static_cast<std::size_t>(action.task)].first;
        text += (text.empty() ? "" : ", ") +
                std::string(is_copy                                ? "copy "
                            : action.kind == EventKind::submission ? "submit "
                                                                   : "run ") +
                std::to_string(number);
    }
    return text;
}

}  // namespace

// 1 on the first device (submitted 0..12, the image is there at 20), 2 on the second: its input
// goes down 25..32, up 32..62; the second submission was over at 24; down 67..75, seen at 78.
TEST_CASE("where no link leads, a copy goes over the host, each hop on its engine") {
    generate::Draft d = star();
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 2, {0}, 0, Time{5});
    const Problem p = finish(d);
    REQUIRE(p.has_routes());
    CHECK(p.transfer(1, 0, 1, 2) == Time{37});
    CHECK(p.source(1, 0, 1, 2) == 0);
    CHECK(p.source(1, 0, 1, 0) == 1);
    CHECK(expect(p, everything(p)) == Time{78});
    CHECK(story(p, sim::simulate(p, everything(p))) ==
          "submit 1 0..12, copy 0 0..20, submit 2 12..24, task 1 20..25, copy 1 25..32, "
          "copy 1 32..62, task 2 62..67, copy 2 67..75");
}

// As above, but the host reads the result of 1 as well: that copy is the first hop.
TEST_CASE("a hop that a reader has made already is not made again") {
    generate::Draft d = star();
    add_layers(d, {{0}, {1}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    d.add_task({3}, 2, {0}, 0, Time{5});
    const Problem p = finish(d);
    const Plan plan = sim::plan_of(p, everything(p));
    int copies = 0;
    for (const Plan::Action& action : plan.actions) {
        copies += action.kind == EventKind::copy && plan.event_of(action).tensor == 1;
    }
    CHECK(copies == 2);
    expect(p, everything(p));
}

TEST_CASE("of several ways the fastest for the tensor is taken, and a link before any other way") {
    // Memories 0 to 3. 0 -> 1 -> 3 takes 5 + 5, 0 -> 2 -> 3 takes 8 + 1; 0 -> 1 itself takes longer
    // than 0 -> 2 -> 1 would (1 + 1), and is taken, because there is a link.
    generate::Draft d;
    d.add_device({});
    d.conversions = {{0, 0}};
    d.problem.memories = 4;
    d.problem.engines = 5;
    d.problem.engine = {-1, 0, 1, -1, -1, -1, -1, 2, -1, 3, -1, 4, -1, -1, -1, -1};
    d.links.assign(16, {-1, 0});
    d.links[1] = {5, 0};
    d.links[2] = {8, 0};
    d.links[7] = {5, 0};
    d.links[9] = {1, 0};
    d.links[11] = {1, 0};
    d.add_layer({}, 0);
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    const Problem p = finish(d);
    CHECK(p.source(0, 0, 0, 3) == 2);
    CHECK(p.transfer(0, 0, 0, 3) == Time{9});
    CHECK(p.source(0, 0, 0, 1) == 0);
    CHECK(p.transfer(0, 0, 0, 1) == Time{5});
    CHECK(p.source(0, 0, 3, 0) == -1);
    CHECK(p.transfer(0, 0, 3, 0) == sim::kNever);
}

TEST_CASE("no way over other memories is faster than the one that is taken") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        for (int tensor = 0; tensor < p.layers(); ++tensor) {
            for (int from = 0; from < p.memories; ++from) {
                // Bellman's equations, with links as they are.
                std::vector<Time> when(static_cast<std::size_t>(p.memories), sim::kNever);
                for (int round = 0; round <= p.memories; ++round) {
                    for (int to = 0; to < p.memories; ++to) {
                        Time& best = when[static_cast<std::size_t>(to)];
                        if (from == to || p.engine[p.pair_place(from, to)] >= 0) {
                            best = p.copy(tensor, 0, from, to);
                            continue;
                        }
                        for (int by = 0; by < p.memories; ++by) {
                            if (by != from && p.engine[p.pair_place(by, to)] >= 0) {
                                best = std::min(
                                    best,
                                    when[static_cast<std::size_t>(by)] + p.copy(tensor, 0, by, to));
                            }
                        }
                    }
                }
                for (int to = 0; to < p.memories; ++to) {
                    REQUIRE(std::min(p.transfer(tensor, 0, from, to), sim::kNever) ==
                            std::min(when[static_cast<std::size_t>(to)], sim::kNever));
                }
            }
        }
    }
}

// 1 (host, 5) and 2 (host, 5) are both read by 3 on the device, but 4 on the device reads only 2.
// In the order 1, 2, 4, 3 the copy of 2 comes first; issued before 2, that of 1 does.
TEST_CASE("an early copy takes its place in the queue before its first reader's turn") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {1, 2}, {2}, {3, 4}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    d.add_task({3}, 1, {0}, 0, Time{5});
    d.add_task({4}, 1, {0}, 0, Time{5});
    d.add_task({5}, 0, {0}, 0, Time{1});
    const Problem p = finish(d);
    Mapping mapping{0, 1, 2, 4, 3, 5, 6};
    // Copies 10..30..50, 4 and 3 at 30..35 and 50..55, down 35..55..75, seen at 78.
    CHECK(expect(p, mapping) == Time{79});
    const std::string late = story(p, sim::simulate(p, mapping));
    CHECK(late.find("copy 2 10..30") != std::string::npos);
    CHECK(late.find("copy 1 30..50") != std::string::npos);
    mapping.early = {{.before = 2, .tensor = 1, .to = 1}};
    const std::string early = story(p, sim::simulate(p, mapping));
    CHECK(early.find("copy 1 5..25") != std::string::npos);
    CHECK(early.find("copy 2 25..45") != std::string::npos);
    expect(p, mapping);
}

TEST_CASE("an early copy of what the open segment's device has made ends the segment") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}, {1, 2}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{5});
    d.add_task({3}, 0, {0}, 0, Time{5});
    const Problem p = finish(d);
    const auto submissions = [&](const Mapping& mapping) {
        const Plan plan = sim::plan_of(p, mapping);
        return std::ranges::count(plan.actions, EventKind::submission, &Plan::Action::kind);
    };
    Mapping mapping = everything(p);
    CHECK(submissions(mapping) == 1);
    mapping.early = {{.before = 2, .tensor = 1, .to = 0}};
    CHECK(submissions(mapping) == 2);
    expect(p, mapping);
    mapping.early = {{.before = 2, .tensor = 0, .to = 1}};  // it is there: nothing happens
    CHECK(submissions(mapping) == 1);
    expect(p, mapping);
}

// 1 and 2 are fused on the device, 12 in all; the host reads 1, the device 2.
TEST_CASE("a fused set gives every result that is read outside, at its end") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}, {1}, {2}, {3, 4}});
    d.add_set({1, 2}, 1, {0}, Time{12});
    d.add_task({3}, 0, {0}, 0, Time{5});
    d.add_task({4}, 1, {0}, 0, Time{5});
    d.add_task({5}, 0, {0}, 0, Time{1});
    const Problem p = finish(d);
    REQUIRE(p.tasks[1].inner == std::vector<sim::TaskResult>{{1, 0}});
    // The host reads 1 first, and only then submits 4: in this order.
    CHECK(expect(p, {0, 1, 2, 3, 4, 5}) == Time{101});
    CHECK(story(p, sim::simulate(p, Mapping{0, 1, 2, 3, 4, 5})) ==
          "submit 1 0..12, copy 0 0..20, task 1 20..32, copy 1 32..52, task 3 55..60, "
          "submit 4 60..72, task 4 72..77, copy 4 77..97, task 5 100..101");
    // With 4 submitted before the host waits, one segment of both.
    CHECK(story(p, sim::simulate(p, Mapping{0, 1, 3, 2, 4, 5})) ==
          "submit 1 0..14, copy 0 0..20, task 1 20..32, task 4 32..37, copy 1 32..52, "
          "copy 4 52..72, task 3 55..60, task 5 75..76");
    expect(p, {0, 1, 3, 2, 4, 5});
}

TEST_CASE("the copies of one task queue in the order in which what they copy is made") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {2, 1}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    d.add_task({3}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    REQUIRE(p.tasks[3].inputs.front().tensor == 2);
    const std::string first = story(p, sim::simulate(p, Mapping{0, 1, 2, 3, 4}));
    CHECK(first.find("copy 1 5..25, copy 2 25..45") == std::string::npos);  // a submission between
    CHECK(first.find("copy 1 5..25") != std::string::npos);
    CHECK(first.find("copy 2 25..45") != std::string::npos);
    const std::string second = story(p, sim::simulate(p, Mapping{0, 2, 1, 3, 4}));
    CHECK(second.find("copy 2 5..25") != std::string::npos);
    CHECK(second.find("copy 1 25..45") != std::string::npos);
}

TEST_CASE("an order in which something is read before it is made is refused") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK_THROWS_WITH_AS(
        sim::plan_of(p, {0, 2, 1, 3}),
        "mapping: layer 'layer2' reads 'layer1', which stays inside a fused set of "
        "layers or comes later",
        sim::InputError);
    Mapping mapping = everything(p);
    for (const sim::EarlyCopy copy : {sim::EarlyCopy{1, 1, 1},
                                      sim::EarlyCopy{2, 7, 1},
                                      sim::EarlyCopy{2, 1, 2},
                                      sim::EarlyCopy{-1, 0, 1}}) {
        mapping.early = {copy};
        CHECK_THROWS_WITH_AS(sim::plan_of(p, mapping),
                             doctest::Contains("is out of order, or of what is not made by then"),
                             sim::InputError);
    }
    mapping.early = {{4, 1, 1}};
    CHECK_THROWS_WITH_AS(
        sim::plan_of(p, mapping), "mapping: a copy stands after the last task", sim::InputError);
}

TEST_CASE("the dispatcher issues copies as soon as what they copy is dispatched, in their order") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {1, 2}, {3}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    d.add_task({3}, 1, {0}, 0, Time{5});
    d.add_task({4}, 0, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK(dispatched(p, sim::plan_of(p, everything(p))) ==
          "run 0, run 1, copy 1, run 2, copy 2, submit 3, copy 3, run 4, run 5");
}

TEST_CASE("in the dispatcher's order everything comes after what it waits for, copies in turn") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        const Mapping mapping = generate::any_mapping(p, seed);
        const auto plan = mapping.empty() ? std::nullopt : sim::possible_plan_of(p, mapping);
        if (!plan) {
            continue;
        }
        const std::vector<int> order = sim::dispatch_order(p, *plan);
        std::vector<int> place(plan->actions.size(), -1), action_of(plan->steps.size());
        for (std::size_t i = 0; i < order.size(); ++i) {
            place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
        }
        std::vector<int> latest(static_cast<std::size_t>(plan->resources), -1);
        for (std::size_t a = 0; a < plan->actions.size(); ++a) {
            const Plan::Action& action = plan->actions[a];
            for (int s = action.steps_begin; s < action.steps_end; ++s) {
                action_of[static_cast<std::size_t>(s)] = static_cast<int>(a);
            }
            if (action.submission >= 0) {  // with its submission
                REQUIRE(place[a] < 0);
                place[a] = place[static_cast<std::size_t>(action.submission)];
            }
            REQUIRE(place[a] >= 0);
            for (const Plan::Wait& wait : plan->waits_of(action)) {
                const int before =
                    place[static_cast<std::size_t>(action_of[static_cast<std::size_t>(wait.step)])];
                REQUIRE(before <= place[a]);
            }
            for (const int held : plan->holds_of(action)) {
                int& last = latest[static_cast<std::size_t>(held)];
                REQUIRE(last <= place[a]);
                last = place[a];
            }
        }
    }
}

TEST_CASE("flows share a wire max-min fair") {
    const auto shares = [](double capacity, std::vector<double> limits) {
        std::vector<BytesPerSecond> rates;
        for (const double limit : limits) {
            rates.push_back({limit});
        }
        std::vector<double> found;
        for (const BytesPerSecond share : sim::fair_shares({capacity}, rates)) {
            found.push_back(share.rate);
        }
        return found;
    };
    using Rates = std::vector<double>;
    CHECK(shares(12, {}).empty());
    CHECK(shares(12, {20}) == Rates{12});
    CHECK(shares(12, {5, 20}) == Rates{5, 7});
    CHECK(shares(12, {20, 2, 6}) == Rates{5, 2, 5});  // what the slow one leaves goes to both
    CHECK(shares(30, {20, 2, 6}) == Rates{20, 2, 6});
    CHECK(shares(12, {20, 20, 20, 20}) == Rates{3, 3, 3, 3});
}

TEST_CASE("no flow could get more without one that has no more getting less") {
    generate::Random r(3);
    for (int round = 0; round < 500; ++round) {
        std::vector<BytesPerSecond> limits;
        for (auto flows = r.integer(1, 8); flows-- > 0;) {
            limits.push_back({r.real(0.1, 10)});
        }
        const BytesPerSecond capacity{r.real(1, 30)};
        const std::vector<BytesPerSecond> shares = sim::fair_shares(capacity, limits);
        double sum = 0, most = 0, wanted = 0;
        for (std::size_t i = 0; i < limits.size(); ++i) {
            REQUIRE(shares[i].rate > 0);
            REQUIRE(shares[i].rate <= limits[i].rate);
            sum += shares[i].rate;
            most = std::max(most, shares[i].rate);
            wanted += limits[i].rate;
        }
        CHECK(sum == doctest::Approx(std::min(capacity.rate, wanted)));
        for (std::size_t i = 0; i < limits.size(); ++i) {
            CHECK((shares[i].rate == limits[i].rate || shares[i].rate == doctest::Approx(most)));
        }
    }
}

// 3,000 tasks on two devices that copy to each other over one bus: no remainder that never ends.
TEST_CASE("a long run over a shared bus comes to its end") {
    Problem p = generate::ladder(3'000, 2, 1);
    p.buses = {{.name = "bus", .bandwidth = {1e12}}};
    for (const int engine : p.engine) {
        p.bus.push_back(engine >= 0 ? 0 : -1);
    }
    generate::Random r(1);
    for (const Time time : p.copy_times) {
        p.copy_latencies.push_back(time < sim::kNever ? Time{time.count() / 3} : Time{});
        p.copy_bytes.push_back(time < sim::kNever ? r.integer(1, 1'000'000) : 0);
    }
    std::vector<int> tasks;
    for (int layer = 0; layer < p.layers(); ++layer) {
        const std::vector<int>& there = p.starting[static_cast<std::size_t>(layer)];
        tasks.push_back(there[static_cast<std::size_t>(r.index(there.size()))]);
    }
    const sim::Schedule schedule = sim::simulate(p, Mapping(tasks));
    CHECK(schedule.makespan >= sim::makespan(p, Mapping(tasks)));
    CHECK(schedule.makespan < sim::kNever);
}
