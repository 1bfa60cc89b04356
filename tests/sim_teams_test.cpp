// Teams of the host's threads, and tensors that one has and another reads.

#include "sim/compile/problem.hpp"
#include "sim/compile/teams.hpp"
#include "sim/describe/model.hpp"
#include "sim/index.hpp"
#include "sim/report/names.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/networks.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

using sim::at;
using sim::from_microseconds;
using sim::Problem;
using sim::Time;

namespace {

// image -> a -> b -> c, and b -> d: tensors of 16 x 64 bits, 128 bytes; c and d are the outputs.
const std::string kModel = R"(hetmap: model/1
name: fork
input: {name: image, height: 4, width: 4, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: a, operation: max_pool2d, inputs: [image], kernel: 1, stride: 1}
  - {name: b, operation: max_pool2d, inputs: [a], kernel: 1, stride: 1}
  - {name: c, operation: max_pool2d, inputs: [b], kernel: 1, stride: 1}
  - {name: d, operation: max_pool2d, inputs: [b], kernel: 1, stride: 1}
outputs: [c, d]
)";

sim::Model fork_model() {
    const TemporaryFolder folder;
    return sim::load_model(folder.write("model.yaml", kModel), {});
}

sim::TransferTable at_most(double us, std::int64_t bytes) {
    const Time none{}, time = from_microseconds(us);
    return {.points = {{{0}, {none, none, none, 1}}, {{bytes}, {time, time, time, 1}}}};
}

// Every layer takes 10 us on one thread and 6 on two; 128 bytes take 3 us from one to two, 5 back.
sim::Platform host(const std::vector<std::string>& configurations = {"1", "2y"}) {
    sim::Platform platform;
    platform.name = "made-up";
    platform.memories = {{.name = "host"}};
    platform.devices = {{.name = "cpu", .kind = "cpu", .conversions = {}}};
    platform.devices[0].handovers = {{.from = 1, .to = 2, .time = at_most(3, 128)},
                                     {.from = 2, .to = 1, .time = at_most(5, 128)},
                                     {.from = 2, .to = 2, .time = at_most(1, 128)}};
    for (const std::string& configuration : configurations) {
        const Time time = from_microseconds(configuration == "1" ? 10 : 6);
        platform.measured.push_back({.layers = "max_pool2d binary 4x4x64 k1x1 s1",
                                     .variant = "v",
                                     .configuration = configuration,
                                     .in_layout = "nhwc",
                                     .out_layout = "nhwc",
                                     .time = {time, time, time, 9},
                                     .where = {}});
    }
    return platform;
}

// The mapping with these configurations, by layer in the model's order.
sim::Mapping with(const Problem& problem, const std::vector<std::string>& configurations) {
    sim::Mapping mapping;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        for (const int t : problem.starting[at(layer)]) {
            const int its = problem.model_layer[at(layer)];
            if (its < 1 || problem.tasks[at(t)].configuration == configurations[at(its - 1)]) {
                mapping.push_back(t);
                break;
            }
        }
    }
    return mapping;
}

// "handover of a 1 to 2y 3": with its microseconds.
std::vector<std::string> handovers(const Problem& problem, const sim::Mapping& mapping) {
    std::vector<std::string> lines;
    for (const sim::Event& event : sim::simulate(problem, mapping).events) {
        if (event.kind == sim::EventKind::conversion) {
            lines.push_back(fmt::format("{} {} {}",
                                        sim::event_name(problem, event),
                                        sim::event_detail(problem, event),
                                        sim::microseconds(event.end - event.start)));
        }
    }
    return lines;
}

}  // namespace

TEST_CASE("teams: a tensor that other threads made is handed over, once for each team") {
    const Problem p = sim::compile(fork_model(), host(), {});
    const auto us = [&](const std::vector<std::string>& configurations) {
        return sim::microseconds(sim::simulate(p, with(p, configurations)).makespan);
    };
    CHECK(us({"1", "1", "1", "1"}) == 40);
    CHECK(us({"2y", "2y", "2y", "2y"}) == 24);
    CHECK(us({"1", "2y", "2y", "2y"}) == 10 + 3 + 18);
    CHECK(us({"2y", "2y", "1", "1"}) == 12 + 5 + 20);  // the second reader finds it there
    CHECK(us({"2y", "2y", "1", "2y"}) == 12 + 5 + 10 + 6);
    CHECK(handovers(p, with(p, {"2y", "1", "2y", "2y"})) ==
          std::vector<std::string>{"handover of a 2y to 1 5", "handover of b 1 to 2y 3"});
    CHECK(handovers(p, with(p, {"2y", "2y", "2y", "2y"})).empty());
    // The host reads what two threads made without any time.
    const auto end = [&](const std::vector<std::string>& configurations) {
        const sim::Schedule schedule = sim::simulate(p, with(p, configurations));
        return sim::microseconds(sim::network_latencies(p, schedule).at(0));
    };
    CHECK(end({"2y", "2y", "2y", "2y"}) == 24);
    CHECK(end({"2y", "2y", "1", "2y"}) == 12 + 5 + 10 + 6);
}

TEST_CASE("teams: a handover takes no memory, and what waited for it waits") {
    sim::Platform platform = host();
    platform.memories[0].capacity_kib = 1;
    const Problem p = sim::compile(fork_model(), platform, {});
    const auto peak = [&](const std::vector<std::string>& configurations) {
        return sim::assess(p, with(p, configurations)).memories.at(0).peak;
    };
    CHECK(peak({"1", "2y", "1", "1"}) == peak({"1", "1", "1", "1"}));
    CHECK(peak({"1", "1", "1", "1"}) == 3 * 128);  // b, c and d
}

TEST_CASE("teams: the searches know of handovers") {
    sim::Platform platform = host();
    // b is faster on one thread, by less than two handovers.
    const Time fast = from_microseconds(2);
    platform.measured.push_back({.layers = {},
                                 .layer_names = {"b"},
                                 .variant = "v",
                                 .configuration = "1",
                                 .in_layout = "nhwc",
                                 .out_layout = "nhwc",
                                 .time = {fast, fast, fast, 9},
                                 .where = {}});
    const Problem p = sim::compile(fork_model(), platform, {});
    const sim::SearchResult best = sim::branch_and_bound(p, {});
    CHECK(best.status == sim::SearchStatus::proven);
    CHECK(best.makespan == sim::exhaustive(p, {}).makespan);
    CHECK(best.makespan == from_microseconds(24));

    platform.devices[0].handovers.clear();
    const Problem without = sim::compile(fork_model(), platform, {});
    CHECK(without.teams.empty());
    CHECK(without.same_bits.empty());
    CHECK(sim::branch_and_bound(without, {}).makespan == from_microseconds(20));
}

TEST_CASE(
    "teams: two halves of the same number of threads are two teams; many are told by number") {
    const Problem p = sim::compile(fork_model(), host({"2y", "2z"}), {});
    CHECK(sim::microseconds(sim::simulate(p, with(p, {"2y", "2z", "2z", "2z"})).makespan) == 25);
    CHECK(sim::compile(fork_model(), host({"2y"}), {}).teams.empty());  // nothing to tell apart

    const Problem many =
        sim::compile(fork_model(), host({"1", "2x", "2y", "2z", "4x", "4y", "4z", "8x", "8y"}), {});
    CHECK(many.layout_names ==
          std::vector<std::string>{"nhwc", "nhwc/1", "nhwc/2", "nhwc/4", "nhwc/8"});
    CHECK(many.teams == std::vector<std::string>{"", "1", "2", "4", "8"});
    CHECK(many.same_bits == std::vector<int>{0, 0, 0, 0, 0});
}

TEST_CASE("teams: what the host's threads have is free for other devices and for nobody") {
    sim::Platform platform = host();
    platform.memories.push_back({.name = "gpu"});
    platform.devices.push_back(
        {.name = "gpu0", .kind = "cuda", .memory = 1, .asynchronous = true, .conversions = {}});
    platform.links = {{"up", 0, 1, "", {{"pinned", at_most(1, 128)}}},
                      {"down", 1, 0, "", {{"pinned", at_most(2, 128)}}}};
    sim::MeasuredCost cost = platform.measured[0];
    cost.device = 1;
    cost.time.p05 = cost.time.p50 = cost.time.p95 = from_microseconds(1);
    cost.configuration = "grid";
    platform.measured.push_back(cost);
    const Problem p = sim::compile(fork_model(), platform, {});
    const sim::Mapping mapping = with(p, {"2y", "grid", "1", "2y"});
    CHECK(handovers(p, mapping).empty());
    // a, its copy, b, the copy back, c and d.
    CHECK(sim::microseconds(sim::simulate(p, mapping).makespan) == 6 + 1 + 1 + 2 + 10 + 6);
}
