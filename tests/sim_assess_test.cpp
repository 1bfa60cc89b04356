// What is asked of a mapping beside its time: energy, memory and budgets, worked out by hand.

#include "sim/error.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using by_hand::add_layers;
using by_hand::everything;
using by_hand::finish;
using by_hand::hand;
using sim::Energy;
using sim::Mapping;
using sim::Problem;
using sim::Time;

namespace {

constexpr std::int64_t kKibibyte = 1024;

// Two layers one after the other on the device: see the cases.
Problem two_on_device() {
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    d.add_task({2}, 1, {0}, 0, Time{6});
    return finish(d);
}

}  // namespace

TEST_CASE("rule 8: the energy of a schedule on two devices") {
    //   dispatcher |submit 0..12: 7 + 3 fJ|
    //   to device  |copy 0 0..20: 20 fJ      |
    //   device                               |1 20..25: 100 fJ|
    //   to host                                               |copy 1 25..45: 30 fJ|   seen at 48
    //   at rest: 2 fJ/ps the board, 1 the host, 2 the device, for 48 ps
    generate::Draft d = hand();
    add_layers(d, {{0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    Problem p = finish(d);
    CHECK(!sim::assess(p, everything(p)).energy);

    p.energy_unknown.clear();
    p.at_rest = {0.005};  // 1 mW is 1 fJ/ps
    p.devices[0].idle = {0.001};
    p.devices[1].idle = {0.002};
    p.devices[1].submit_energy = {7};
    p.devices[1].per_task_energy = {3};
    p.tasks[1].energy = {100};
    p.copy_energies.assign(p.copy_times.size(), {});
    p.convert_energies.assign(p.convert_times.size(), {});
    p.copy_energies[1] = {20};      // of the input to the device
    p.copy_energies[4 + 2] = {30};  // of layer 1 to the host
    const auto energy = sim::assess(p, everything(p)).energy_pieces;
    REQUIRE(energy);
    CHECK(energy->base == Energy{96});
    CHECK(energy->idle == std::vector<Energy>{{48}, {96}});
    CHECK(energy->working == std::vector<Energy>{{10}, {100}});
    CHECK(energy->links == std::vector<Energy>{{20}, {30}});
    CHECK(energy->total() == Energy{400});
    CHECK(sim::assess(p, everything(p)).energy == Energy{400});
}

TEST_CASE("rule 8: each device is charged what it works, of a divided layer its part") {
    //   DIANA: E [uJ] = 11.31 T + 13.65 t_dig + 17.43 t_ana [ms]: at rest, and beside that while
    //   the digital and the analog accelerator work.
    //   digital |1: 2 ms|        |3: 4 ms    |
    //   analog          |2: 1 ms |3: 3 of 4  |
    constexpr std::int64_t kMillisecond = 1'000'000'000;
    generate::Draft d;
    for (int i = 0; i < 3; ++i) {
        d.add_device({});
    }
    d.conversions = {{0, 0}, {0, 0}, {0, 0}};
    d.problem.engine = {-1};
    d.problem.engines = 1;  // brings the parts of 3 together, for 9 uJ
    d.links = {{0, 0}};
    add_layers(d, {{0}, {1}, {2}});
    const auto digital = [](int ms) { return Energy{13'650'000'000 * ms}; };
    const auto analog = [](int ms) { return Energy{17'430'000'000 * ms}; };
    d.add_task({1}, 1, {0}, 0, Time{2 * kMillisecond});
    d.problem.tasks.back().energy = digital(2);
    d.add_task({2}, 2, {0}, 0, Time{1 * kMillisecond});
    d.problem.tasks.back().energy = analog(1);
    d.add_task({3}, 1, {0}, 0, Time{4 * kMillisecond});
    sim::Task& divided = d.problem.tasks.back();
    by_hand::divide(divided, {1, 2});
    divided.parts[0].energy = digital(4);
    divided.parts[1].energy = analog(3);
    divided.engines = {0};
    divided.energy = digital(4) + analog(3) + Energy{9'000'000'000};
    Problem p = finish(d);
    p.energy_unknown.clear();
    p.at_rest = {0.01131};
    const auto schedule = sim::simulate(p, everything(p));
    CHECK(schedule.makespan == Time{7 * kMillisecond});
    const auto energy = sim::assess(p, everything(p)).energy_pieces;
    REQUIRE(energy);
    CHECK(energy->working == std::vector<Energy>{{}, digital(6), analog(4)});
    CHECK(energy->links == std::vector<Energy>{{9'000'000'000}});
    CHECK(sim::microjoules(energy->total()) ==
          doctest::Approx(11.31 * 7 + 13.65 * 6 + 17.43 * 4 + 9));
    CHECK(energy->total() == Energy{79'170'000'000} + digital(6) + analog(4) + energy->links[0]);
}

TEST_CASE("memory holds weights always, a tensor from its writing to its last reading") {
    //   to device |copy 0 0..20      |
    //   device        submit 0..14   |1 20..25|2 25..31|
    //   to host                                        |copy 2 31..51|   seen at 54
    //   memory 1   weights 12 all the time
    //              input 40          |        |        |     0..25
    //                                 1: 30   |        |    20..31
    //                                          2: 20              |  25..51
    //              52                |82      |62      |32        |12
    Problem p = two_on_device();
    p.tensor_bytes = {40 * kKibibyte, 30 * kKibibyte, 20 * kKibibyte, 0};
    p.tasks[1].weight_bytes = {0, 5 * kKibibyte};
    p.tasks[2].weight_bytes = {0, 7 * kKibibyte};
    const Mapping mapping = everything(p);
    const auto use = sim::assess(p, mapping).memories;
    REQUIRE(use.size() == 2);
    CHECK(use[1].weights == 12 * kKibibyte);
    CHECK(use[1].peak == 82 * kKibibyte);
    CHECK(use[1].peak_at == Time{20});
    CHECK(use[1].peak_layer == 1);
    // The host's: the input until it has been copied, then what comes back.
    CHECK(use[0].weights == 0);
    CHECK(use[0].peak == 40 * kKibibyte);
    CHECK(use[0].peak_at == Time{0});

    p.capacities = {0, 80 * kKibibyte};
    const sim::Assessment assessment = sim::assess(p, mapping);
    CHECK(!assessment.feasible());
    CHECK(assessment.makespan == Time{54});
    REQUIRE(assessment.violations.size() == 1);
    CHECK(assessment.violations[0].kind == sim::Violation::Kind::capacity);
    CHECK(assessment.violations[0].when == Time{20});
    CHECK(
        sim::to_string(p, assessment.violations[0]) ==
        "memory 'memory1' needs 82.0 KiB, 2.0 KiB more than its 80.0 KiB, while 'layer1' runs (at "
        "0.00 us)");
    p.capacities = {40 * kKibibyte, 82 * kKibibyte};
    CHECK(sim::assess(p, mapping).feasible());
}

TEST_CASE("what is between the layers of a fused chain takes no memory") {
    //   device |1+2 20..25|   input 40 and the result 20, but nothing of layer 1's 30
    generate::Draft d = hand();
    add_layers(d, {{0}, {1}});
    d.add_task({1, 2}, 1, {0}, 0, Time{5});
    Problem p = finish(d);
    p.tensor_bytes = {40, 30, 20, 0};
    const Mapping mapping = everything(p);
    const auto use = sim::assess(p, mapping).memories;
    CHECK(use[1].peak == 60);
    CHECK(use[1].peak_at == Time{20});
}

TEST_CASE("a tensor in two layouts takes room for both until each was read last") {
    //   host |1 0..5|convert 1 5..9|2 9..15|3 15..22|   1 makes layout 1, 2 and 3 read layout 0
    //   memory 0: input 8 to 5; 1 as made 2, 0..9; converted 16, 5..22; 2: 4 to the end; 3: 1
    //   0..5: 8 + 2 = 10; 5..9: 2 + 16 = 18; 9..15: 16 + 4 = 20; 15..22: 16 + 4 + 1 = 21
    generate::Draft d = hand(2);
    add_layers(d, {{0}, {1}, {1}});
    d.add_task({1}, 0, {0}, 1, Time{5});
    d.add_task({2}, 0, {0}, 0, Time{6});
    d.add_task({3}, 0, {0}, 0, Time{7});
    Problem p = finish(d);
    p.tensor_bytes = {8, 9, 16, 2, 4, 9, 1, 9, 0, 0};
    const Mapping mapping = everything(p);
    const auto use = sim::assess(p, mapping).memories;
    CHECK(use[0].peak == 21);
    CHECK(use[0].peak_at == Time{15});
    CHECK(use[0].peak_layer == 3);
}

TEST_CASE("what the layers on a device need together must fit its budgets") {
    Problem p = two_on_device();
    p.budgets = {{.name = "dev1.alm", .device = 1, .limit = 10},
                 {.name = "dev1.dsp", .device = 1, .limit = 100}};
    p.tasks[1].uses = {6, 50};
    p.tasks[2].uses = {7, 50};
    const sim::Assessment assessment = sim::assess(p, everything(p));
    REQUIRE(assessment.violations.size() == 1);
    CHECK(assessment.violations[0].layer == 2);
    CHECK(sim::to_string(p, assessment.violations[0]) ==
          "'dev1.alm' needs 13, 3 more than its 10, with 'layer2'");
    p.budgets[0].limit = 13;
    CHECK(sim::assess(p, everything(p)).feasible());
}

TEST_CASE("what cannot run at all is infeasible, and what is no mapping is refused") {
    generate::Draft d = hand();
    d.problem.engines = 1;
    d.problem.engine = {-1, 0, -1, -1};
    d.links[2] = {-1, 0};
    add_layers(d, {{0}});
    d.add_task({1}, 1, {0}, 0, Time{5});
    const Problem p = finish(d);
    const sim::Assessment assessment = sim::assess(p, everything(p));
    CHECK(assessment.makespan == sim::kNever);
    CHECK(!assessment.feasible());
    CHECK_THROWS_AS(sim::assess(p, {0, 1}), sim::InputError);
}

TEST_CASE("the assessment is the evaluator's time and energy, and loss is summed") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Problem p = generate::small_random(seed);
        beyond::add_divided(p, 4, seed);
        beyond::add_energy(p, seed);
        beyond::add_capacities(p, seed);
        for (sim::Task& task : p.tasks) {
            task.loss = task.device;
        }
        const Mapping mapping = sim::random_mapping(p, seed);
        sim::Evaluator evaluator(p);
        const Time makespan = evaluator.makespan(mapping);
        const sim::Assessment assessment = sim::assess(p, mapping);
        REQUIRE(assessment.makespan == makespan);
        std::int64_t loss = 0;
        for (const int task : mapping) {
            loss += p.tasks[static_cast<std::size_t>(task)].device;
        }
        REQUIRE(assessment.loss == loss);
        if (makespan >= sim::kNever) {
            continue;
        }
        REQUIRE(assessment.energy == p.at_rest * makespan + Energy{evaluator.core.energy});
    }
}

TEST_CASE("no instant of a random schedule needs more memory than its peak") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Problem p = generate::small_random(seed);
        beyond::add_divided(p, 4, seed);
        beyond::add_capacities(p, seed);
        const Mapping mapping = sim::random_mapping(p, seed);
        if (sim::makespan(p, mapping) >= sim::kNever) {
            continue;
        }
        const sim::Schedule schedule = sim::simulate(p, mapping);
        const auto use = sim::assess(p, mapping).memories;
        const auto stays = sim::stays_of(p, sim::plan_of(p, mapping), schedule.events, Time{});
        for (int m = 0; m < p.memories; ++m) {
            std::int64_t most = 0;
            for (Time t{}; t <= schedule.makespan; t += Time{1}) {
                std::int64_t now = 0;
                for (const sim::Stay& stay : stays) {
                    if (stay.memory == m && stay.from <= t && t < stay.to) {
                        now += stay.bytes;
                    }
                }
                most = std::max(most, now);
            }
            REQUIRE(use[static_cast<std::size_t>(m)].peak ==
                    use[static_cast<std::size_t>(m)].weights + most);
        }
    }
}
