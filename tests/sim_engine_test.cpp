// What needs the general engine, on schedules worked out by hand: contention, buses,
// reconfiguration and streams. Then the engine against the simulator and the evaluator's bound on
// random problems.

#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/engine.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using by_hand::add_layers;
using by_hand::everything;
using by_hand::finish;
using by_hand::hand;
using by_hand::story;
using sim::EventKind;
using sim::Mapping;
using sim::Problem;
using sim::Schedule;
using sim::Stream;
using sim::Time;

namespace {

Schedule expect(const Problem& problem, std::int64_t makespan) {
    const Mapping mapping = everything(problem);
    const Schedule schedule = sim::simulate(problem, mapping);
    CHECK(schedule.makespan == Time{makespan});
    CHECK(sim::makespan(problem, mapping) <= schedule.makespan);
    return schedule;
}

bool same(const sim::Event& a, const sim::Event& b) {
    return a.kind == b.kind && a.resource == b.resource && a.task == b.task &&
           a.tensor == b.tensor && a.from == b.from && a.to == b.to && a.start == b.start &&
           a.end == b.end && a.waited == b.waited;
}

bool same(const Schedule& a, const Schedule& b) {
    return a.makespan == b.makespan &&
           std::equal(a.events.begin(),
                      a.events.end(),
                      b.events.begin(),
                      b.events.end(),
                      [](const sim::Event& x, const sim::Event& y) { return same(x, y); });
}

// No device, engine or dispatcher does two things at a time; the parts of a divided layer are one.
void check_disjoint(const Problem& p, const Schedule& schedule) {
    struct Use {
        Time free{};
        int task = -1;
    };
    std::vector<Use> uses(p.devices.size() + static_cast<std::size_t>(p.engines));
    for (const sim::Event& event : schedule.events) {
        std::size_t resource = static_cast<std::size_t>(event.resource);
        if (event.kind == EventKind::copy) {
            resource += p.devices.size();
        } else if (!p.devices[resource].asynchronous) {
            resource = 0;
        }
        Use& use = uses[resource];
        if (event.kind == EventKind::task && use.task == event.task) {
            continue;
        }
        REQUIRE(event.start >= use.free);
        REQUIRE(event.end >= event.start);
        use = {event.end, event.kind == EventKind::task ? event.task : -1};
    }
}

// Everything that a platform can say.
Problem coupled(std::uint64_t seed) {
    Problem p = generate::small_random(seed);
    if (seed % 3 != 0) {
        beyond::add_divided(p, 4, seed);
    }
    if (seed % 4 == 0) {
        beyond::add_synchronise(p, seed);
    }
    if (seed % 5 != 0) {
        beyond::add_contention(p, seed);
    }
    if (seed % 2 == 0) {
        beyond::add_buses(p, seed);
    }
    if (seed % 7 < 3) {
        beyond::add_budgets(p, seed);
        beyond::add_reconfiguration(p, seed);
    }
    return p;
}

// A host and two devices in memories of their own. The input's 40 bytes go to the first with a
// latency of 10 at 2 bytes/ps, to the second with a latency of 4 at 1 byte/ps, on one bus.
Problem two_copies(double bytes_per_ps) {
    generate::Draft d = hand();
    d.add_device(d.problem.devices[1]);
    d.problem.devices[2].memory = 2;
    d.conversions.emplace_back(0, 0);
    d.problem.memories = 3;
    d.problem.engines = 4;
    d.problem.engine = {-1, 0, 1, 2, -1, -1, 3, -1, -1};
    d.links = {{0, 0}, {30, 0}, {44, 0}, {20, 0}, {0, 0}, {-1, 0}, {20, 0}, {-1, 0}, {0, 0}};
    add_layers(d, {{0}, {0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 2, {0}, 0, Time{5});
    Problem p = finish(d);
    p.buses = {{.name = "pcie", .bandwidth = {bytes_per_ps * 1e12}}};
    p.bus = {-1, 0, 0, 0, -1, -1, 0, -1, -1};
    p.copy_bytes.assign(p.copy_times.size(), 0);
    p.copy_latencies = p.copy_times;
    p.copy_bytes[1] = p.copy_bytes[2] = 40;
    p.copy_latencies[1] = Time{10};
    p.copy_latencies[2] = Time{4};
    return p;
}

// Two or three layers on a device in the host's memory that takes 50 to load a configuration of
// at most 10 cells; each layer needs 6 and runs for 5.
Problem reconfigured(const std::vector<int>& devices, std::int64_t limit) {
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    d.problem.devices[1].reconfiguration = Time{50};
    std::vector<std::vector<int>> inputs;
    for (int l = 0; l < static_cast<int>(devices.size()); ++l) {
        inputs.push_back({l});
    }
    add_layers(d, inputs);
    for (int l = 0; l < static_cast<int>(devices.size()); ++l) {
        d.add_task({l + 1}, devices[static_cast<std::size_t>(l)], {0}, 0, Time{5});
    }
    Problem p = finish(d);
    p.budgets = {{.name = "dev1.cells", .device = 1, .limit = limit}};
    for (sim::Task& task : p.tasks) {
        task.uses = {task.device == 1 ? 6 : 0};
    }
    return p;
}

// The host works on a frame for `host`, then a device in its memory for `device`.
Problem pipeline(std::int64_t host, std::int64_t device) {
    generate::Draft d = hand();
    d.problem.devices[1].memory = 0;
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 0, {0}, 0, Time{host});
    d.add_task({2}, 1, {0}, 0, Time{device});
    return finish(d);
}

}  // namespace

TEST_CASE("rule 6: two tasks slow each other down while both run") {
    //   The host takes twice as long while the device works, the device 1.5 times while the host
    //   does. to device |copy 0 0..20| device                 |1 20..50: 20 at 2/3      | host
    //   submit|2 12..20: 8|..50: 15 at 1/2  |..67: 17| to host |copy 1 50..70|   seen at 73
    generate::Draft d = hand();
    add_layers(d, {{0}, {0}});
    d.add_task({1}, 1, {0}, 0, Time{20});
    d.add_task({2}, 0, {0}, 0, Time{40});
    Problem p = finish(d);
    p.contention = {1, 2, 1.5, 1};
    CHECK(story(p, expect(p, 73)) ==
          "submit 1 0..12, copy 0 0..20, task 2 12..67, task 1 20..50, copy 1 50..70");
    p.contention = {1, 1, 1, 1};
    CHECK(story(p, expect(p, 63)) ==
          "submit 1 0..12, copy 0 0..20, task 2 12..52, task 1 20..40, copy 1 40..60");
}

TEST_CASE("rule 6: the parts of a divided layer do not slow each other, but others beside them") {
    //   1 on the second device (100), beside it 2, divided between host and first device (10).
    //   The second device takes twice as long while the host works, thrice with the first: 6 times.
    //   dispatcher |submit 1 0..12|submit 2 12..24|2 24..34|
    //   device 1                                  |2 24..34|
    //   device 2                  |1 12..24: 12   |..34: 10/6 |..121: 86.33...|
    generate::Draft d = hand();
    d.add_device(d.problem.devices[1]);
    d.conversions.emplace_back(0, 0);
    d.problem.devices[1].memory = d.problem.devices[2].memory = 0;
    add_layers(d, {{0}, {0}});
    d.add_task({1}, 2, {0}, 0, Time{100});
    d.add_task({2}, 1, {0}, 0, Time{10});
    by_hand::divide(d.problem.tasks.back(), {1, 0});
    Problem p = finish(d);
    p.contention = {1, 5, 1, 5, 1, 1, 2, 3, 1};
    CHECK(story(p, expect(p, 124)) ==
          "submit 1 0..12, task 1 12..121, submit 2 12..24, task 2 24..34, task 2 24..34");
}

TEST_CASE("rule 4: copies on one bus share its bandwidth, none above its own rate") {
    SUBCASE("a fast one takes what a slow one leaves") {
        //   2 bytes/ps   copy to dev1   |latency 10   |1 a ps to 44: 34   |2 a ps to 47: 6|
        //                copy to dev2   |lat. 4|1 a ps to 44: 40          |
        const Problem p = two_copies(2);
        CHECK(story(p, expect(p, 75)) ==
              "submit 1 0..12, copy 0 0..47, copy 0 0..44, submit 2 12..24, task 2 44..49, task 1 "
              "47..52, copy 2 49..69, copy 1 52..72");
    }
    SUBCASE("two that both want more get equal shares") {
        //   1 byte/ps    copy to dev1   |latency 10   |1/2 a ps to 78: 34 |1 a ps to 84: 6|
        //                copy to dev2   |lat. 4| 6    |1/2 a ps to 78: 34 |
        const Problem p = two_copies(1);
        CHECK(story(p, expect(p, 112)) ==
              "submit 1 0..12, copy 0 0..84, copy 0 0..78, submit 2 12..24, task 2 78..83, copy 2 "
              "83..103, task 1 84..89, copy 1 89..109");
    }
    SUBCASE("on a bus that is wide enough each takes its own time") {
        const Problem p = two_copies(3);
        CHECK(story(p, expect(p, 72)) ==
              "submit 1 0..12, copy 0 0..30, copy 0 0..44, submit 2 12..24, task 1 30..35, copy 1 "
              "35..55, task 2 44..49, copy 2 49..69");
    }
}

TEST_CASE("rule 2: a device whose layers fit together is not reconfigured") {
    const Problem p = reconfigured({1, 1}, 12);
    CHECK(story(p, expect(p, 27)) == "submit 1 0..14, task 1 14..19, task 2 19..24");
}

TEST_CASE("rule 2: a layer that does not fit what is loaded starts another configuration") {
    //   dispatcher |submit 0..14|
    //   device                  |load 14..64|1 64..69|load 69..119|2 119..124|
    const Problem p = reconfigured({1, 1}, 10);
    CHECK(story(p, expect(p, 127)) ==
          "submit 1 0..14, load 1 14..64, task 1 64..69, load 2 69..119, task 2 119..124");
    CHECK(sim::assess(p, everything(p)).feasible());
}

TEST_CASE(
    "rule 2: three segments are three configurations, loaded while the host submits no more") {
    //   dispatcher |submit 1 0..12|      |2 70..75|submit 3 75..87|        |4 145..150|submit 5
    //   ..162| device     |load 12..62|1 62..67|         |load 87..137|3 137..142|  |load
    //   162..212|5 212..217|
    const Problem p = reconfigured({1, 0, 1, 0, 1}, 12);
    CHECK(story(p, expect(p, 220)) ==
          "submit 1 0..12, load 1 12..62, task 1 62..67, task 2 70..75, submit 3 75..87, load 3 "
          "87..137, task 3 137..142, task 4 145..150, submit 5 150..162, load 5 162..212, task 5 "
          "212..217");
}

TEST_CASE("a layer that no configuration can hold is a violation, however often it is loaded") {
    const Problem p = reconfigured({1, 0, 1}, 5);
    const sim::Assessment assessment = sim::assess(p, everything(p));
    REQUIRE(assessment.violations.size() == 1);
    CHECK(sim::to_string(p, assessment.violations[0]) ==
          "'dev1.cells' needs 6, 1 more than its 5, with 'layer1'");
    CHECK(!assessment.feasible());
}

TEST_CASE("the engine tells the simulator's schedule, event for event, of 10,000 mappings") {
    int feasible = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Problem p = generate::small_random(seed);
        if (seed % 3 != 0) {
            beyond::add_divided(p, 6, seed);
        }
        if (seed % 2 != 0) {
            beyond::add_synchronise(p, seed);
        }
        for (std::uint64_t draw = 0; draw < 20; ++draw) {
            const Mapping mapping = sim::random_mapping(p, draw);
            if (sim::makespan(p, mapping) >= sim::kNever) {
                REQUIRE_THROWS_AS(sim::simulate_interacting(p, sim::plan_of(p, mapping)),
                                  sim::InputError);
                continue;
            }
            ++feasible;
            REQUIRE(same(sim::simulate_interacting(p, sim::plan_of(p, mapping)),
                         sim::simulate(p, mapping)));
        }
    }
    CHECK(feasible > 7'000);
}

TEST_CASE("coupling only ever makes a mapping slower, and no resource does two things at a time") {
    int slower = 0, feasible = 0;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const Problem p = coupled(seed);
        for (std::uint64_t draw = 0; draw < 10; ++draw) {
            const Mapping mapping = sim::random_mapping(p, draw);
            const Time bound = sim::makespan(p, mapping);
            if (bound >= sim::kNever) {
                continue;
            }
            ++feasible;
            const Schedule schedule = sim::simulate(p, mapping);
            REQUIRE(schedule.makespan >= bound);
            slower += schedule.makespan > bound;
            check_disjoint(p, schedule);
        }
    }
    CHECK(feasible > 2'500);
    CHECK(slower > 1'000);
}

TEST_CASE("4,000 tasks under contention end, each later than or as soon as alone") {
    Problem p = generate::ladder(4'000, 2, 1);
    p.contention = {1, 1.37, 1.0 / 3 + 1, 1};
    // Edges of a picosecond: the host's tasks take a few, the device's many.
    for (sim::Task& task : p.tasks) {
        task.cost = Time{task.device == 0 ? task.cost.count() % 5 : task.cost.count() / 1'000};
    }
    const Mapping mapping = sim::random_mapping(p, 1);
    const Schedule schedule = sim::simulate(p, mapping);
    CHECK(schedule.makespan >= sim::makespan(p, mapping));
    for (const sim::Event& event : schedule.events) {
        if (event.kind == EventKind::task) {
            REQUIRE(event.end - event.start >= p.tasks[static_cast<std::size_t>(event.task)].cost);
        }
    }
}

TEST_CASE("a stream's period is its longest stage, if enough frames are in flight") {
    const Problem p = pipeline(40, 60);
    const Mapping mapping = everything(p);
    SUBCASE("one frame at a time: its latency") {
        //   host   |1 40|submit 12|            |out at 115|1 40 ...
        //   device                |2 52..112|
        const Stream stream = sim::simulate_stream(p, mapping, 1);
        CHECK(stream.period == Time{115});
        CHECK(stream.latency == Time{115});
        CHECK(stream.steady);
    }
    SUBCASE("two frames: the device never waits") {
        //   host   |1 0..40|s ..52|1' 52..92|s' ..104|     |1 115..155|s ..167|...
        //   device                |2 52..112        |2' 112..172      |2 172..232|...
        //   A frame enters when one ends, every 60, and two are inside: it stays 120.
        const Stream stream = sim::simulate_stream(p, mapping, 2);
        CHECK(stream.period == Time{60});
        CHECK(stream.latency == Time{120});
        CHECK(stream.steady);
    }
    SUBCASE("three frames wait longer and come no sooner") {
        const Stream stream = sim::simulate_stream(p, mapping, 3);
        CHECK(stream.period == Time{60});
        CHECK(stream.latency == Time{180});
    }
    SUBCASE("where the dispatcher is the longest stage, that is work and submission") {
        const Problem slow = pipeline(80, 20);
        CHECK(sim::simulate_stream(slow, everything(slow), 2).period == Time{92});
        CHECK(sim::simulate_stream(slow, everything(slow), 4).period == Time{92});
    }
}

TEST_CASE("a stream's memory holds what all frames inside need") {
    //   bytes: input 100, 1: 10, 2: 1. At 0 two frames have entered and the first is worked on:
    //   100 + 100 + 10, and the weights' 1000 once.
    Problem p = pipeline(40, 60);
    p.tensor_bytes = {100, 10, 1, 0};
    p.tasks[1].weight_bytes = {1000, 0};
    const Mapping mapping = everything(p);
    CHECK(sim::simulate_stream(p, mapping, 1).peak_bytes == std::vector<std::int64_t>{1110, 0});
    CHECK(sim::simulate_stream(p, mapping, 2).peak_bytes == std::vector<std::int64_t>{1210, 0});

    // One fits, two do not.
    p.capacities = {1200, 0};
    CHECK(sim::assess(p, mapping).feasible());
    const sim::Assessment assessment = sim::assess(p, mapping, {.frames_in_flight = 2});
    CHECK(assessment.period == Time{60});
    REQUIRE(assessment.violations.size() == 1);
    CHECK(sim::to_string(p, assessment.violations[0]) ==
          "memory 'memory0' needs 1.2 KiB, 10 bytes more than its 1.2 KiB, with several frames in "
          "flight");
}

TEST_CASE("frames in flight share what a device has loaded") {
    //   1 and 3 on the device, one configuration each, 2 on the host: alone 145. Of three frames
    //   each layer runs three times before the device goes on to the next configuration:
    //   device |load 12..62|1, 1', 1'' 62..77|     |load 87..137|3 137..142|3', 3'' ..152|
    //   host   submit      |2 70..75, ...    |                         |out at 145|
    const Problem p = reconfigured({1, 0, 1}, 10);
    const Mapping mapping = everything(p);
    CHECK(sim::simulate(p, mapping).makespan == Time{145});
    CHECK(sim::simulate_stream(p, mapping, 1).period == Time{145});
    const Stream stream = sim::simulate_stream(p, mapping, 3);
    CHECK(stream.period == Time{48});  // 145 / 3
    CHECK(stream.latency == Time{145});
    CHECK(stream.steady);

    const sim::FrameRun run = sim::run_frames(p, sim::plan_of(p, mapping), 3, 3);
    REQUIRE(run.frames.size() == 3);
    CHECK(story(p, {.makespan = {}, .events = run.frames[0].events}) ==
          "submit 1 0..12, load 1 12..62, task 1 62..67, task 2 70..75, submit 3 75..87, load 3 "
          "87..137, task 3 137..142");
    CHECK(story(p, {.makespan = {}, .events = run.frames[1].events}) ==
          "submit 1 12..24, task 1 67..72, task 2 87..92, submit 3 92..104, task 3 142..147");
}

TEST_CASE("a frame whose configuration another one has replaced loads it again") {
    //   1 and 2 on the device (1 each), one configuration each (4 to load), submitted in no time.
    //   to device |copy 0 0..20|copy 0' 20..40|
    //   device    |load 0..4|  |1 20..21|load ..25|2 ..26|   |load 40..44|1' ..45|load ..49|2'
    //   ..50| At 4 the first frame had loaded what 1' needs, but 2 was sooner.
    generate::Draft d = hand();
    d.problem.devices[1].reconfiguration = Time{4};
    d.problem.devices[1].submit = d.problem.devices[1].per_task = Time{};
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{1});
    d.add_task({2}, 1, {0}, 0, Time{1});
    Problem p = finish(d);
    p.budgets = {{.name = "dev1.cells", .device = 1, .limit = 10}};
    for (sim::Task& task : p.tasks) {
        task.uses = {task.device == 1 ? 6 : 0};
    }
    const Mapping mapping = everything(p);
    const sim::FrameRun run = sim::run_frames(p, sim::plan_of(p, mapping), 2, 2);
    CHECK(story(p, {.makespan = {}, .events = run.frames[0].events}) ==
          "submit 1 0..0, load 1 0..4, copy 0 0..20, task 1 20..21, load 2 21..25, task 2 25..26, "
          "copy 2 26..46");
    CHECK(story(p, {.makespan = {}, .events = run.frames[1].events}) ==
          "submit 1 0..0, copy 0 20..40, load 1 40..44, task 1 44..45, load 2 45..49, task 2 "
          "49..50, copy 2 50..70");
}

TEST_CASE("more frames in flight: no frame is lost, and the period is what the resources allow") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        const Problem p = seed % 2 == 0 ? coupled(seed) : generate::small_random(seed);
        const Mapping mapping = sim::random_mapping(p, seed);
        if (sim::makespan(p, mapping) >= sim::kNever) {
            continue;
        }
        const Schedule alone = sim::simulate(p, mapping);
        const Stream one = sim::simulate_stream(p, mapping, 1);
        REQUIRE(one.steady);
        if (!p.devices.empty() && std::ranges::none_of(alone.events, [](const sim::Event& event) {
                return event.kind == EventKind::reconfiguration;
            })) {
            REQUIRE(one.period == alone.makespan);
            REQUIRE(one.latency == alone.makespan);
        }
        // The dispatcher's own work, undisturbed, is no more than the period.
        Time work{};
        for (const int task : mapping) {
            const sim::Task& one_task = p.tasks[static_cast<std::size_t>(task)];
            if (!p.devices[static_cast<std::size_t>(one_task.device)].asynchronous) {
                work += one_task.cost;
            }
        }
        for (const int in_flight : {2, 4}) {
            const Stream stream = sim::simulate_stream(p, mapping, in_flight);
            REQUIRE(stream.period >= work);
            // Frames enter as others end, so that on average each is inside for as many periods.
            if (stream.steady) {
                REQUIRE(stream.latency + Time{in_flight} >= stream.period * in_flight);
            }
        }
    }
}
