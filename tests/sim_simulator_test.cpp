// The execution model, rule by rule, on schedules worked out by hand; then its three readings
// (evaluator, simulator, oracle) against each other on random mappings.

#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/engine.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"
#include "sim_oracle.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using by_hand::add_layers;
using by_hand::divide;
using by_hand::everything;
using by_hand::finish;
using by_hand::hand;
using by_hand::story;
using sim::EventKind;
using sim::Mapping;
using sim::Problem;
using sim::Schedule;
using sim::Time;

namespace {

// Every reading of the rules gives this makespan.
Schedule expect(const Problem& problem, std::int64_t makespan) {
    const Mapping mapping = everything(problem);
    const Schedule schedule = sim::simulate(problem, mapping);
    CHECK(schedule.makespan == Time{makespan});
    CHECK(sim::makespan(problem, mapping) == Time{makespan});
    CHECK(oracle::makespan(problem, mapping) == Time{makespan});
    return schedule;
}

// The same where the oracle has nothing to say.
Schedule expect_divided(const Problem& problem, std::int64_t makespan) {
    const Mapping mapping = everything(problem);
    CHECK(sim::makespan(problem, mapping) == Time{makespan});
    const Schedule schedule = sim::simulate(problem, mapping);
    CHECK(schedule.makespan == Time{makespan});
    return schedule;
}

// A random problem with divided layers, energies and synchronisation.
Problem beyond_plain(std::uint64_t seed) {
    Problem p = generate::small_random(seed);
    beyond::add_divided(p, 6, seed);
    beyond::add_energy(p, seed);
    if (seed % 3 != 0) {
        beyond::add_synchronise(p, seed);
    }
    return p;
}

}  // namespace

TEST_CASE("rule 1: the host runs its tasks one after the other, in the static order") {
    // host |1111122222223|      1 and 3 read the input, 2 reads 1
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}, {0}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{7});
    d.add_task({3}, 0, {0}, 0, Time{1});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 13)) == "task 1 0..5, task 2 5..12, task 3 12..13");
}

TEST_CASE("rule 2: a segment is submitted in one go and its first task starts after that") {
    //   dispatcher |submit 0..12|
    //   to device  |copy 0 0..20       |
    //   device                         |1 20..25|
    //   to host                                 |copy 1 25..45|   seen at 48
    generate::Draft d = hand();
    add_layers(d, {{0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 48)) == "submit 1 0..12, copy 0 0..20, task 1 20..25, copy 1 25..45");
}

TEST_CASE("rule 2: appending a task to a segment delays the ones before it") {
    // One task of 100 after the other on a device whose memory is the host's: submit 10 + 2 n.
    //   n = 1   |submit 12    |1 .. 112
    //   n = 3   |submit 16        |1 .. 116|2 .. 216|3 .. 316
    for (const int n : {1, 3}) {
        generate::Draft d = hand();
        d.problem.devices[1].memory = 0;
        add_layers(d,
                   n == 1 ? std::vector<std::vector<int>>{{0}}
                          : std::vector<std::vector<int>>{{0}, {1}, {2}});
        for (int l = 1; l <= n; ++l) {
            d.add_task({l}, 1, {0}, 0, Time{100});
        }
        const Problem p = finish(d);
        const Schedule schedule = expect(p, 10 + 2 * n + 100 * n + 3);
        const auto first = std::find_if(
            schedule.events.begin(), schedule.events.end(), [&](const sim::Event& event) {
                return event.kind == EventKind::task && event.resource == 1;
            });
        CHECK(first->start == Time{10 + 2 * n});
        CHECK(first->waited == Time{10 + 2 * n});
    }
}

TEST_CASE("rule 2: tasks that are not submitted in one go start when their own is through") {
    //   dispatcher |submit 12    |14|16|
    //   device                   |1 .. 15|2 .. 18|3 .. 21|    3 each
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    d.problem.whole_segments = false;
    add_layers(d, {{0}, {1}, {2}});
    for (int l = 1; l <= 3; ++l) {
        d.add_task({l}, 1, {0}, 0, Time{3});
    }
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 24)) ==
          "submit 1 0..12, task 1 12..15, submit 2 12..14, submit 3 14..16, task 2 15..18, task 3 "
          "18..21");
}

TEST_CASE("rule 2: a task of the host ends a segment, and it blocks the dispatcher") {
    //   1 and 3 on the device (5 each), 2 on the host (40), all read the input in shared memory
    //   dispatcher |submit 1 0..12|2 12..52|submit 3 52..64|
    //   device                    |1 12..17|               |3 64..69|
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    add_layers(d, {{0}, {0}, {0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{40});
    d.add_task({3}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 72)) ==
          "submit 1 0..12, task 1 12..17, task 2 12..52, submit 3 52..64, task 3 64..69");
}

TEST_CASE("rule 3: a tensor is copied once for each memory") {
    //   to device |copy 0 0..20|             2 finds it there
    //   device    |     submit |1 20..25|2 25..31|
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{6});
    const Problem p = finish(d);
    // The results go back one after the other: 25..45 and 45..65, seen at 68.
    CHECK(
        story(p, expect(p, 68)) ==
        "submit 1 0..14, copy 0 0..20, task 1 20..25, task 2 25..31, copy 1 25..45, copy 2 45..65");
}

TEST_CASE("rule 3: a copy starts as soon as its tensor is there, while the host works on") {
    //   host      |1 4|2 4..54                |submit 3 54..66|
    //   to device     |copy 1 4..24|
    //   device                                                |3 66..71|
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {1}});
    d.add_task({1}, 0, {0}, 0, Time{4});
    d.add_task({2}, 0, {0}, 0, Time{50});
    d.add_task({3}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 94)) ==
          "task 1 0..4, task 2 4..54, copy 1 4..24, submit 3 54..66, task 3 66..71, copy 3 71..91");
}

TEST_CASE("rule 3: a layout is converted once, in front of the first reader, and kept") {
    //   1 makes layout 1 on the host; 2 and 3 on the host want layout 0
    //   host |1 0..5|convert 1 5..9|2 9..15|3 15..22|
    generate::Draft d = hand(2);
    add_layers(d, {{0}, {1}, {1}});
    d.add_task({1}, 0, {0}, 1, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{6});
    d.add_task({3}, 0, {0}, 0, Time{7});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 22)) == "task 1 0..5, convert 1 5..9, task 2 9..15, task 3 15..22");
}

TEST_CASE("rule 3: a tensor is copied in its maker's layout and converted by its reader") {
    //   1 on the host makes layout 1 (a quarter of the bytes), 2 on the device wants layout 0
    //   host      |1 0..5|submit 2 5..17|
    //   to device        |copy 1 5..15|            10, not 40
    //   device                          |convert 1 17..23|2 23..29|
    generate::Draft d = hand(2);
    d.links = {{0, 0}, {0, 1}, {0, 1}, {0, 0}};
    d.layout_factor = 4;
    add_layers(d, {{0}, {1}});
    d.bytes[1] = 40;
    d.add_task({1}, 0, {0}, 1, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{6});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 32)) ==
          "task 1 0..5, submit 2 5..17, copy 1 5..15, convert 1 17..23, task 2 23..29, copy 2 "
          "29..29");
}

TEST_CASE("rule 3: two conversions of one task go one after the other") {
    //   host |1 0..5|2 5..10|convert 1 10..14|convert 2 14..18|3 18..20|
    generate::Draft d = hand(2);
    add_layers(d, {{0}, {0}, {1, 2}});
    d.add_task({1}, 0, {0}, 1, Time{5});
    d.add_task({2}, 0, {0}, 1, Time{5});
    d.add_task({3}, 0, {0}, 0, Time{2});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 20)) ==
          "task 1 0..5, task 2 5..10, convert 1 10..14, convert 2 14..18, task 3 18..20");
}

TEST_CASE("rule 4: copies on one engine go one after the other, in the order of their readers") {
    //   1 ends late (host, 30), 2 early (host, 35); the device's tasks 3, 4 read 1, then 2
    //   to device |  copy 1 30..50|copy 2 50..70|      2 was there at 35, and waits
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {1}, {2}});
    d.add_task({1}, 0, {0}, 0, Time{30});
    d.add_task({2}, 0, {0}, 0, Time{5});
    d.add_task({3}, 1, {0}, 0, Time{1});
    d.add_task({4}, 1, {0}, 0, Time{1});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 94)) ==
          "task 1 0..30, task 2 30..35, copy 1 30..50, submit 3 35..49, task 3 50..51, copy 2 "
          "50..70, copy 3 51..71, task 4 70..71, copy 4 71..91");
}

TEST_CASE("rule 4: two directions on one engine go one after the other") {
    //   engine |copy 0 0..20|copy 1 25..45|, and 2, on the device, needs the input's sibling
    generate::Draft d = hand();
    d.problem.engines = 1;
    d.problem.engine = {-1, 0, 0, -1};
    add_layers(d, {{0}, {1}, {0}, {3}});
    d.add_task({1}, 1, {0}, 0, Time{5});   // device 20..25
    d.add_task({2}, 0, {0}, 0, Time{10});  // host: copy 1 25..45, seen 48, 48..58
    d.add_task({3}, 0, {0}, 0, Time{1});   // host 58..59
    d.add_task({4}, 1, {0}, 0, Time{5});   // copy 3 59..79
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 107)) ==
          "submit 1 0..12, copy 0 0..20, task 1 20..25, copy 1 25..45, task 2 48..58, task 3 "
          "58..59, submit 4 59..71, copy 3 59..79, task 4 79..84, copy 4 84..104");
}

TEST_CASE("rule 4: devices that share a memory need no copy") {
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    add_layers(d, {{0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 20)) == "submit 1 0..12, task 1 12..17");
}

TEST_CASE("rule 5: the host waits for completion, but not again for what it converted itself") {
    //   1 on a device in the host's memory makes layout 1; 2 and 3 on the host want layout 0
    //   device |submit 0..12|1 12..17|
    //   host                         |3 more|convert 1 20..24|2 24..25|3 25..26|
    generate::Draft d = hand(2);
    d.problem.devices[1].memory = 0;
    add_layers(d, {{0}, {1}, {1}});
    d.add_task({1}, 1, {0}, 1, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{1});
    d.add_task({3}, 0, {0}, 0, Time{1});
    const Problem p = finish(d);
    const Schedule schedule = expect(p, 26);
    CHECK(story(p, schedule) ==
          "submit 1 0..12, task 1 12..17, convert 1 20..24, task 2 24..25, task 3 25..26");
    // The host stood still from the end of the submission until it saw the end of 1.
    CHECK(schedule.events[3].waited == Time{8});
}

TEST_CASE("a device that is not the host's but synchronous keeps the dispatcher busy") {
    //   dispatcher |   |1 20..25|2 45..51, on the host after copy 1 25..45, no completion|
    generate::Draft d = hand();
    d.problem.devices[1].asynchronous = false;
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{6});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 51)) == "copy 0 0..20, task 1 20..25, copy 1 25..45, task 2 45..51");
}

TEST_CASE("a fused chain waits at its first layer for what its later layers read") {
    //   2 -> 3 fused on the host; 3 also reads 1, from the device. The chain waits for it though
    //   layer 2 reads the input alone.
    //   device |..1 20..30|   to host |copy 1 30..50|   seen 53   host |2+3 53..60|
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}, {2, 1}});
    d.add_task({1}, 1, {0}, 0, Time{10});
    d.add_task({2, 3}, 0, {0}, 0, Time{7});
    const Problem p = finish(d);
    CHECK(story(p, expect(p, 60)) ==
          "submit 1 0..12, copy 0 0..20, task 1 20..30, copy 1 30..50, task 2 53..60");
}

TEST_CASE("a divided layer starts when all its devices and inputs are there, and holds them all") {
    //   2 is divided between the device, which holds the result, and the host; it reads 1
    //   host      |1 0..5|submit 5..17|        |2 25..55|
    //   to device        |copy 1 5..25         |
    //   device                                 |2 25..55|
    //   to host                                         |copy 2 55..75|   seen at 78
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{30});
    divide(d.problem.tasks.back(), {1, 0});
    const Problem p = finish(d);
    const Schedule schedule = expect_divided(p, 78);
    CHECK(story(p, schedule) ==
          "task 1 0..5, submit 2 5..17, copy 1 5..25, task 2 25..55, task 2 25..55, copy 2 55..75");
    // The owner's event comes first; the device stood still from 0, the host since it submitted.
    CHECK(schedule.events[4].resource == 1);
    CHECK(schedule.events[4].waited == Time{25});
    CHECK(schedule.events[5].resource == 0);
    CHECK(schedule.events[5].waited == Time{8});
}

TEST_CASE("a divided layer is a segment of its own, and closes the open one") {
    //   1, 2 and 3 on the device in the host's memory, 5 each; 2 is shared with the host
    //   dispatcher |submit 1 0..12|submit 2 12..24|2 24..29|submit 3 29..41|
    //   device                    |1 12..17|      |2 24..29|               |3 41..46|
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    add_layers(d, {{0}, {1}, {2}});
    for (int l = 1; l <= 3; ++l) {
        d.add_task({l}, 1, {0}, 0, Time{5});
    }
    divide(d.problem.tasks[2], {1, 0});
    const Problem p = finish(d);
    // The host's part sees what the device made in 1 at 20.
    CHECK(story(p, expect_divided(p, 49)) ==
          "submit 1 0..12, task 1 12..17, submit 2 12..24, task 2 24..29, task 2 24..29, submit 3 "
          "29..41, task 3 41..46");
}

TEST_CASE("a divided layer holds the engines that bring its parts together") {
    //   1 on the device (5), its result goes to the host for 2 (host, 1) and 3 (divided, 10), which
    //   holds both engines; 4 on the device reads 2, whose copy has to wait for them
    //   to device |copy 0 0..20|                                  |3 60..70|copy 2 70..90|
    //   device         submit  |1 20..25|                         |3 60..70|             |4 90..95|
    //   to host                         |copy 1 25..45|           |3 60..70|
    //   host                                      seen |2 48..49|submit 49..61 ...
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}, {1}, {2}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{1});
    d.add_task({3}, 1, {0}, 0, Time{10});
    divide(d.problem.tasks.back(), {1, 0});
    d.problem.tasks.back().engines = {0, 1};
    d.add_task({4}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    // Engine 0 ends with copy 0 at 20, engine 1 with copy 1 at 45: 3 starts at 61, submitted.
    CHECK(story(p, expect_divided(p, 119)) ==
          "submit 1 0..12, copy 0 0..20, task 1 20..25, copy 1 25..45, task 2 48..49, submit 3 "
          "49..61, task 3 61..71, task 3 61..71, submit 4 71..83, copy 2 71..91, copy 3 71..91, "
          "task 4 91..96, copy 4 96..116");
}

TEST_CASE("what the parts of a divided layer convert is in front of the whole of it") {
    //   1 makes layout 1 on the host; 2, divided, wants layout 0 on the device (6) and the host (4)
    //   host      |1 0..5|submit 5..17|          |convert 31..35|2 35..45|
    //   to device        |copy 1 5..25|
    //   device                        |convert 25..31|          |2 35..45|
    generate::Draft d = hand(2);
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 0, {0}, 1, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{10});
    divide(d.problem.tasks.back(), {1, 0});
    const Problem p = finish(d);
    CHECK(story(p, expect_divided(p, 68)) ==
          "task 1 0..5, submit 2 5..17, copy 1 5..25, convert 1 25..31, convert 1 31..35, task 2 "
          "35..45, task 2 35..45, copy 2 45..65");
}

TEST_CASE("another device on the memory reads what an asynchronous one made after synchronising") {
    //   1 on one device, 2 and 3 on another, all in one memory; both read 1; synchronising takes 7
    //   dispatcher |submit 1 0..12|submit 2 12..26|
    //   device 1                  |1 12..32|
    //   device 2                                  |       |2 39..44|3 44..49|
    generate::Draft d = hand(2);
    d.add_device(d.problem.devices[1]);
    d.conversions.emplace_back(6, 0);
    d.problem.devices[1].memory = d.problem.devices[2].memory = 0;
    d.problem.synchronise = {Time{7}, Time{}};
    add_layers(d, {{0}, {1}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{20});
    d.add_task({2}, 2, {0}, 0, Time{5});
    d.add_task({3}, 2, {0}, 0, Time{5});
    SUBCASE("in the layout it was made in") {
        const Problem p = finish(d);
        CHECK(story(p, expect_divided(p, 52)) ==
              "submit 1 0..12, task 1 12..32, submit 2 12..26, task 2 39..44, task 3 44..49");
    }
    SUBCASE("what it has converted itself needs no second one") {
        d.problem.tasks[1].out_layout = 1;
        const Problem p = finish(d);
        CHECK(story(p, expect_divided(p, 58)) ==
              "submit 1 0..12, task 1 12..32, submit 2 12..26, convert 1 39..45, task 2 45..50, "
              "task 3 50..55");
    }
    SUBCASE("the maker itself waits for nothing, and the host for the completion alone") {
        d.problem.tasks[2].device = 1;
        d.problem.tasks[3].device = 0;
        const Problem p = finish(d);
        CHECK(story(p, expect_divided(p, 42)) ==
              "submit 1 0..14, task 1 14..34, task 2 34..39, task 3 37..42");
    }
}

TEST_CASE("evaluator and simulator agree on 10,000 mappings with divided layers and energies") {
    int feasible = 0, divided = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Problem p = beyond_plain(seed);
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 20; ++draw) {
            const Mapping mapping = sim::random_mapping(p, draw);
            const Time got = evaluator.makespan(mapping);
            if (got >= sim::kNever) {
                REQUIRE_THROWS_AS(sim::simulate(p, mapping), sim::InputError);
                continue;
            }
            ++feasible;
            divided += std::any_of(mapping.begin(), mapping.end(), [&](int task) {
                return !p.tasks[static_cast<std::size_t>(task)].parts.empty();
            });
            const Schedule schedule = sim::simulate(p, mapping);
            REQUIRE(schedule.makespan == got);
            const auto energy = sim::energy_of(p, sim::plan_of(p, mapping), schedule.makespan);
            REQUIRE(energy.has_value());
            REQUIRE(energy->total() == p.at_rest * got + sim::Energy{evaluator.core.energy});
            for (const sim::Energy piece : energy->working) {
                REQUIRE(piece >= sim::Energy{});
            }
        }
    }
    CHECK(feasible > 7'000);
    CHECK(divided > 4'000);
}

TEST_CASE("events of one instant keep the order in which they were made, and times never go back") {
    const Problem p = generate::small_random(2);
    const Schedule schedule = sim::simulate(p, sim::random_mapping(p, 1));
    for (std::size_t i = 1; i < schedule.events.size(); ++i) {
        CHECK(schedule.events[i - 1].start <= schedule.events[i].start);
    }
    for (const sim::Event& event : schedule.events) {
        CHECK(event.start <= event.end);
        CHECK(event.end <= schedule.makespan);
    }
}

TEST_CASE("no resource does two things at a time, over 400 random schedules") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const Problem p = seed <= 200 ? generate::small_random(seed) : beyond_plain(seed);
        const Mapping mapping = sim::random_mapping(p, seed);
        if (sim::makespan(p, mapping) >= sim::kNever) {
            continue;
        }
        const Schedule schedule = sim::simulate(p, mapping);
        const auto disjoint = [&](auto belongs) {
            Time free{};
            for (const sim::Event& event : schedule.events) {
                if (!belongs(event)) {
                    continue;
                }
                CHECK(event.start >= free);
                free = event.end;
            }
        };
        for (int d = 0; d < static_cast<int>(p.devices.size()); ++d) {
            disjoint([&](const sim::Event& event) {
                return (event.kind == EventKind::task || event.kind == EventKind::conversion) &&
                       event.resource == d;
            });
        }
        for (int e = 0; e < p.engines; ++e) {
            disjoint([&](const sim::Event& event) {
                return event.kind == EventKind::copy && event.resource == e;
            });
        }
        // The dispatcher submits, or does the work of the synchronous devices.
        disjoint([&](const sim::Event& event) {
            if (event.kind == EventKind::submission) {
                return true;
            }
            if (event.kind == EventKind::copy ||
                p.devices[static_cast<std::size_t>(event.resource)].asynchronous) {
                return false;
            }
            // Two synchronous devices that divide a layer are one dispatcher's work.
            const auto& parts = p.tasks[static_cast<std::size_t>(event.task)].parts;
            const auto first = std::find_if(parts.begin(), parts.end(), [&](const sim::Part& part) {
                return !p.devices[static_cast<std::size_t>(part.device)].asynchronous;
            });
            return event.kind == EventKind::conversion || first == parts.end() ||
                   first->device == event.resource;
        });
    }
}

TEST_CASE("a mapping that is none is refused with the layer's name") {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 0, {0}, 0, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{5});
    const Problem p = finish(d);  // tasks: 0 input, 1 layer1, 2 layer2, 3 output
    CHECK_THROWS_WITH_AS(
        sim::simulate(p, {0, 1, 3}), "mapping: layer 'layer2' is not mapped", sim::InputError);
    CHECK_THROWS_WITH_AS(sim::simulate(p, {0, 1, 1, 2, 3}),
                         "mapping: layer 'layer1' is mapped twice",
                         sim::InputError);
    CHECK_THROWS_WITH_AS(
        sim::simulate(p, {0, 1, 2, 9}), "mapping: there is no implementation 9", sim::InputError);
    CHECK_THROWS_AS(sim::simulate(p, Mapping{}), sim::InputError);
}

TEST_CASE("a copy without a link is refused, and never ends for a search") {
    generate::Draft d = hand();
    d.problem.engines = 1;
    d.problem.engine = {-1, 0, -1, -1};
    d.links[2] = {-1, 0};
    add_layers(d, {{0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    CHECK_THROWS_WITH_AS(
        sim::simulate(p, everything(p)),
        "mapping: layer 'output' reads 'layer1', and no link, nor any way over other "
        "memories, leads from memory 'memory1' to 'memory0'",
        sim::InputError);
    CHECK(sim::makespan(p, everything(p)) == sim::kNever);
}

TEST_CASE("evaluator, simulator and oracle agree on 10,000 random mappings of 500 problems") {
    int feasible = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Problem p = generate::small_random(seed);
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 20; ++draw) {
            const Mapping mapping = sim::random_mapping(p, draw);
            const auto expected = oracle::makespan(p, mapping);
            const Time got = evaluator.makespan(mapping);
            REQUIRE(got == expected.value_or(sim::kNever));
            if (!expected) {
                continue;
            }
            ++feasible;
            REQUIRE(sim::simulate(p, mapping).makespan == *expected);
        }
    }
    CHECK(feasible > 8'000);
}

TEST_CASE("an evaluator that has timed whole mappings is as new once it is cleared") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        const Mapping first = sim::random_mapping(p, 1), second = sim::random_mapping(p, 2);
        sim::Evaluator evaluator(p);
        for (const Mapping& mapping : {first, second, first}) {
            const Time expected = sim::makespan(p, mapping);
            REQUIRE(evaluator.makespan(mapping) == expected);
            REQUIRE(evaluator.makespan(second) == sim::makespan(p, second));
            evaluator.clear();
            for (const int task : mapping) {
                REQUIRE(evaluator.next_layer(0) == p.tasks[static_cast<std::size_t>(task)].first);
                evaluator.push(task);
            }
            REQUIRE(evaluator.next_layer(0) == p.layers());
            REQUIRE(evaluator.makespan() == expected);
            for (std::size_t i = 0; i < mapping.size(); ++i) {
                evaluator.pop();
            }
            REQUIRE(evaluator.next_layer(0) == 0);
        }
    }
}

TEST_CASE("all readings agree on mappings of 2 to 6 devices in any order, with routes and sets") {
    int feasible = 0, with_results = 0, with_early = 0, hops = 0, out_of_order = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 20; ++draw) {
            CAPTURE(draw);
            const Mapping mapping = generate::any_mapping(p, draw);
            if (mapping.empty()) {
                continue;
            }
            const auto expected = oracle::makespan(p, mapping);
            REQUIRE(evaluator.makespan(mapping) == expected.value_or(sim::kNever));
            const auto plan = sim::possible_plan_of(p, mapping);
            REQUIRE(plan.has_value() == expected.has_value());
            if (!expected) {
                continue;
            }
            const Schedule schedule = sim::simulate(p, *plan);
            REQUIRE(schedule.makespan == *expected);
            const Schedule engine = sim::simulate_interacting(p, *plan);
            REQUIRE(engine.makespan == *expected);
            REQUIRE(story(p, engine) == story(p, schedule));

            // In the problem whose static order this is, pushed task by task.
            std::vector<int> order;
            for (const int task : mapping) {
                for (const int layer : sim::layers_of(p.tasks[static_cast<std::size_t>(task)])) {
                    order.push_back(layer);
                }
            }
            const bool is_order = [&] {  // not where sets interleave
                std::vector<char> seen(p.inputs.size(), 0);
                for (const int layer : order) {
                    for (const int input : p.inputs[static_cast<std::size_t>(layer)]) {
                        if (!seen[static_cast<std::size_t>(input)]) {
                            return false;
                        }
                    }
                    seen[static_cast<std::size_t>(layer)] = 1;
                }
                return true;
            }();
            if (is_order) {
                const Problem other = sim::reordered(p, order);
                sim::Evaluator pushed(other);
                Mapping renumbered = mapping;
                for (sim::EarlyCopy& copy : renumbered.early) {
                    copy.tensor = static_cast<int>(
                        std::find(order.begin(), order.end(), copy.tensor) - order.begin());
                }
                REQUIRE(pushed.makespan(renumbered) == *expected);
                if (mapping.early.empty()) {
                    pushed.clear();
                    for (const int task : mapping) {
                        pushed.push(task);
                    }
                    REQUIRE(pushed.makespan() == *expected);
                }
            }

            ++feasible;
            with_early += !mapping.early.empty();
            for (const int task : mapping) {
                with_results += !p.tasks[static_cast<std::size_t>(task)].inner.empty();
                out_of_order += !sim::fits_order(p.tasks[static_cast<std::size_t>(task)]);
            }
            for (const sim::Event& event : schedule.events) {
                hops += event.kind == sim::EventKind::copy && event.from != 0 && event.to != 0;
            }
        }
    }
    CHECK(feasible > 8'000);
    CHECK(with_results > 500);
    CHECK(with_early > 2'000);
    CHECK(hops > 2'000);
    CHECK(out_of_order > 100);
}

TEST_CASE("pop takes back exactly what push did") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const Problem p = seed <= 200 ? generate::small_random(seed) : beyond_plain(seed);
        const Mapping mapping = sim::random_mapping(p, seed);
        sim::Evaluator evaluator(p);
        for (const int task : mapping) {
            // Every alternative is tried and taken back before the task itself.
            const int layer = p.tasks[static_cast<std::size_t>(task)].first;
            for (const int other : p.starting[static_cast<std::size_t>(layer)]) {
                const std::vector<int>& rest = p.tasks[static_cast<std::size_t>(other)].rest;
                if (std::any_of(rest.begin(), rest.end(), [&](int covered) {
                        return evaluator.covered[static_cast<std::size_t>(covered)] != 0;
                    })) {
                    continue;
                }
                const sim::Evaluator before = evaluator;
                evaluator.push(other);
                evaluator.pop();
                REQUIRE(evaluator.core.dispatcher == before.core.dispatcher);
                REQUIRE(evaluator.core.pending == before.core.pending);
                for (int d = 1; d < p.device_count(); ++d) {
                    REQUIRE(evaluator.queue(d) == before.queue(d));
                }
                for (int e = 0; e < p.engines; ++e) {
                    REQUIRE(evaluator.engine(e) == before.engine(e));
                }
                REQUIRE(evaluator.core.open == before.core.open);
                REQUIRE(evaluator.core.segment == before.core.segment);
                REQUIRE(evaluator.core.possible == before.core.possible);
                REQUIRE(evaluator.core.energy == before.core.energy);
                REQUIRE(evaluator.covered == before.covered);
                REQUIRE(evaluator.waiting.size() == before.waiting.size());
                for (std::size_t t = 0; t < before.tensors.size(); ++t) {
                    REQUIRE(evaluator.tensors[t].exposed == before.tensors[t].exposed);
                    if (!before.tensors[t].exposed) {
                        continue;
                    }
                    for (int place = 0; place < evaluator.places(); ++place) {
                        const int tensor = static_cast<int>(t);
                        REQUIRE(evaluator.time(tensor, place) == before.time(tensor, place));
                        REQUIRE(evaluator.lag(tensor, place) == before.lag(tensor, place));
                    }
                }
            }
            evaluator.push(task);
        }
        if (seed <= 200) {
            CHECK(evaluator.makespan() == oracle::makespan(p, mapping).value_or(sim::kNever));
        } else {
            CHECK(evaluator.makespan() == sim::makespan(p, mapping));
        }
    }
}

TEST_CASE("10,000 tasks are simulated alike by all readings") {
    const Problem p = generate::ladder(10'000, 2, 1);
    const Mapping mapping = sim::random_mapping(p, 1);
    const auto expected = oracle::makespan(p, mapping);
    REQUIRE(expected);
    CHECK(sim::makespan(p, mapping) == *expected);
    CHECK(sim::simulate(p, mapping).makespan == *expected);
}
