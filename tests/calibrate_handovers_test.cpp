#include "calibrate/handovers.hpp"
#include "sim/index.hpp"

#include <doctest/doctest.h>

using calibrate::Cost;
using calibrate::Crossing;
using sim::at;
using sim::Time;

namespace {

// input -> a -> b -> c and a -> d -> output; layouts 1 and 2 are teams "1" and "2y" of layout 0.
sim::Problem forked() {
    sim::Problem problem;
    problem.layer_names = {"input", "a", "b", "c", "d", "output"};
    problem.inputs = {{}, {0}, {1}, {2}, {1}, {3, 4}};
    problem.layouts = 3;
    problem.layout_names = {"nhwc", "nhwc/1", "nhwc/2y"};
    problem.same_bits = {0, 0, 0};
    problem.teams = {"", "1", "2y"};
    for (int tensor = 0; tensor < 6; ++tensor) {
        problem.tensor_bytes.insert(problem.tensor_bytes.end(), 3, 100 * tensor);
    }
    problem.tasks.push_back({});  // the input, nobody's
    for (int layer = 1; layer <= 5; ++layer) {
        for (int team = 1; team <= 2; ++team) {
            sim::Task task;
            task.first = task.last = layer;
            task.out_layout = team;
            for (const int input : problem.inputs[at(layer)]) {
                task.inputs.push_back({.tensor = input, .layout = layer == 5 ? 0 : team});
            }
            problem.tasks.push_back(task);
        }
    }
    return problem;
}

calibrate::StoppingRule rule() { return {.fewest = 2, .most = 10, .uncertainty = 0.01}; }

}  // namespace

TEST_CASE("handovers: both sides of a change of threads, the reader's once for each team") {
    const sim::Problem p = forked();
    const auto task = [](int layer, int team) { return 2 * layer - 2 + team; };
    using Sides = std::vector<std::vector<Crossing>>;

    // All on one thread: none.
    CHECK(calibrate::crossings_of(
              p, {0, task(1, 1), task(2, 1), task(3, 1), task(4, 1), task(5, 1)}) == Sides(6));

    // a on one thread is read twice by two: b fetches it, d finds it there; then c takes from b.
    const Sides sides =
        calibrate::crossings_of(p, {0, task(1, 1), task(2, 2), task(3, 1), task(4, 2), task(5, 1)});
    CHECK(sides[1] == std::vector<Crossing>{{.from = 1, .to = 2, .bytes = 100}});
    CHECK(sides[2] == std::vector<Crossing>{{.reads = true, .from = 1, .to = 2, .bytes = 100},
                                            {.from = 2, .to = 1, .bytes = 200}});
    CHECK(sides[3] == std::vector<Crossing>{{.reads = true, .from = 2, .to = 1, .bytes = 200}});
    CHECK(sides[4].empty());
    CHECK(sides[0].empty());
    CHECK(sides[5].empty());
}

TEST_CASE("handovers: what the faster kernels lose, both sides together, and never less for more") {
    Cost fast, slow, reader;
    fast.anywhere = {1000, 1000};
    slow.anywhere = {9000, 9000};
    reader.anywhere = {500, 500};
    calibrate::Crossings crossings;
    const Crossing made{.reads = false, .from = 1, .to = 2, .bytes = 4096};
    crossings.add(made, fast, 1400);
    crossings.add(made, fast, 1400);
    crossings.add(made, slow, 19'000);
    crossings.add({.reads = true, .from = 1, .to = 2, .bytes = 4096}, reader, 700);
    crossings.add({.reads = false, .from = 1, .to = 2, .bytes = 8192}, fast, 1100);
    crossings.add({.reads = true, .from = 2, .to = 1, .bytes = 64}, reader, 450);  // noise
    const Cost unknown;
    crossings.add({.reads = true, .from = 4, .to = 1, .bytes = 64}, unknown, 450);

    const std::vector<sim::Handover> found = crossings.handovers(rule());
    REQUIRE(found.size() == 2);
    CHECK(found[0].from == 1);
    CHECK(found[0].to == 2);
    REQUIRE(found[0].time.points.size() == 2);
    CHECK(found[0].time.points[0].size == sim::Bytes{4096});
    CHECK(found[0].time.points[0].time.p50 == Time{600'000});
    CHECK(found[0].time.points[1].time.p50 == Time{600'000});
    CHECK(found[1].from == 2);
    CHECK(found[1].time.points[0].time.p50 == Time{});

    // A profile before keeps what was not measured again.
    sim::Handover old = found[0];
    old.time.points = {{{1024}, {Time{7}, Time{7}, Time{7}, 1}},
                       {{4096}, {Time{8}, Time{8}, Time{8}, 1}}};
    const sim::Handover other{.from = 8, .to = 1, .time = old.time};
    const std::vector<sim::Handover> all = calibrate::merged(found, std::vector{old, other});
    REQUIRE(all.size() == 3);
    REQUIRE(all[0].time.points.size() == 3);
    CHECK(all[0].time.points[0].time.p50 == Time{7});
    CHECK(all[0].time.points[1].time.p50 == Time{600'000});
    CHECK(all[2] == other);
}

TEST_CASE("a cost is what a kernel takes among its own threads, if it was seen so often enough") {
    Cost cost;
    cost.beside_others = {5, 5, 5};
    CHECK(cost.samples(rule()) == cost.beside_others);
    CHECK(cost.count() == 0);
    cost.anywhere.assign(4, 1.0);
    CHECK(cost.samples(rule()) == cost.anywhere);  // few, but more
    cost.beside_others.resize(48, 5.0);
    CHECK(cost.samples(rule()) == cost.beside_others);
    CHECK(cost.count() == 52);  // it will not be seen alone
    cost.anywhere.assign(calibrate::kFewestSure, 1.0);
    CHECK(cost.samples(rule()) == cost.anywhere);
    cost.near_best.assign(calibrate::kFewestSure, 2.0);
    CHECK(cost.samples(rule()) == cost.near_best);
}
