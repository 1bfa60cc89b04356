#include "calibrate/calibrator.hpp"
#include "calibrate/network_bench.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/pieces.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

namespace {

calibrate::CalibrationSettings settings() {
    calibrate::CalibrationSettings s;
    s.models = {small_model()};
    s.batches = {1};
    s.budget_s = 300;
    s.threads = 2;
    s.quick = true;
    s.command = "a test";
    s.revision = "none";
    return s;
}

// Full precision at both ends and binary in between, as such networks are published.
const std::string kPartly = R"(hetmap: model/1
name: partly
input: {name: image, height: 8, width: 8, channels: 3, type: f32}
parameters: {seed: 1}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: int8, out_channels: 64, kernel: 3, padding: 1}
  - {name: s1, operation: threshold, inputs: [stem]}
  - {name: b1, operation: conv2d, inputs: [s1], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: s2, operation: threshold, inputs: [b1]}
  - {name: b2, operation: conv2d, inputs: [s2], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: c1, operation: conv2d, inputs: [s1], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: y, operation: concat, inputs: [b2, c1]}
output: y
)";

}  // namespace

TEST_CASE("a calibration measures every implementation, and its profile maps and validates") {
    const calibrate::Calibration done = calibrate::calibrate_machine(settings(), {}, std::nullopt);
    CHECK(done.missing == 0);
    CHECK_FALSE(done.stopped);
    const sim::Model model = small_model();
    const sim::Platform wanted = calibrate::candidates(model, 1, 2, {});
    CHECK(done.platform.measured.size() == wanted.measured.size());
    CHECK(done.left_out.empty());
    CHECK(done.rough == 0);
    int surely = 0;  // of the others it was seen that they are in no mapping near the best
    for (const sim::MeasuredCost& cost : done.platform.measured) {
        CHECK(cost.time.samples >= calibrate::kFewestSure);
        surely += cost.time.samples >= 12 ? 1 : 0;
        CHECK(cost.time.p05 <= cost.time.p50);
        CHECK(cost.time.p50 <= cost.time.p95);
        CHECK(cost.time.p50.count() > 0);
    }
    CHECK(surely > 0);
    CHECK(done.platform.host_copy.points.size() == 11);  // 64 B to 64 MiB by fours
    // Mappings were tried, which says how far predictions are to be trusted.
    REQUIRE(done.platform.trials.size() == 1);
    const sim::Trials& trials = done.platform.trials.front();
    CHECK(trials.model == model.name);
    CHECK(trials.host_alone);
    CHECK(trials.samples >= 10);
    CHECK(trials.p05 > 0);
    CHECK(trials.p05 <= trials.p50);
    CHECK(trials.p50 <= trials.p95);

    const sim::Problem problem = sim::compile(model, done.platform, {.batch = 1, .only = {}});
    const sim::SearchResult best = sim::branch_and_bound(problem, {});
    CHECK(best.status == sim::SearchStatus::proven);

    calibrate::ValidationSettings quick;
    quick.budget_s = 3600;
    quick.fewest_rounds = quick.most_rounds = 3;
    quick.threads = 2;
    const std::vector<sim::Mapping> sample{sim::random_mapping(problem, 1),
                                           sim::random_mapping(problem, 2)};
    const calibrate::Validation v =
        calibrate::validate(model, done.platform, problem, best.mapping, {}, sample, quick);
    CHECK(v.outputs_identical);
    CHECK(v.sample.size() == 2);
    CHECK(v.chosen.predicted == best.makespan);
    CHECK(v.rounds == 3);
    CHECK(v.chosen.measured.samples == 6);  // two in each round
    CHECK(v.regret_percent >= 0);
}

TEST_CASE("a calibration that was stopped is continued, and measures only what is missing") {
    int calls = 0;
    const calibrate::CalibrationHooks hooks{.stop = [&] { return ++calls > 45; }, .progress = {}};
    const calibrate::Calibration part =
        calibrate::calibrate_machine(settings(), hooks, std::nullopt);
    REQUIRE(part.stopped);
    REQUIRE(part.missing + part.rough > 0);
    CHECK(std::ranges::any_of(part.platform.warnings, [](const std::string& w) {
        return w.starts_with("incomplete:") || w.starts_with("rough:");
    }));

    const calibrate::Calibration whole =
        calibrate::calibrate_machine(settings(), {}, part.platform);
    CHECK(whole.missing == 0);
    int kept = 0;
    for (const sim::MeasuredCost& before : part.platform.measured) {
        if (before.time.samples < 12) {
            continue;
        }
        ++kept;
        CHECK(std::ranges::any_of(whole.platform.measured, [&](const sim::MeasuredCost& after) {
            return after.layers == before.layers && after.variant == before.variant &&
                   after.configuration == before.configuration;
        }));
    }
    MESSAGE("kept " << kept << " of " << part.platform.measured.size());

    // A third time nothing is lost.
    const calibrate::Calibration again =
        calibrate::calibrate_machine(settings(), {}, whole.platform);
    REQUIRE(again.platform.measured.size() == whole.platform.measured.size());
    for (std::size_t i = 0; i < again.platform.measured.size(); ++i) {
        const sim::Measurement& before = whole.platform.measured[i].time;
        const sim::Measurement& after = again.platform.measured[i].time;
        const bool same = after.p50 == before.p50 && after.samples == before.samples;
        CHECK((same || after.samples >= before.samples));
    }
}

TEST_CASE("whatever the budget, the profile maps every network that was asked for") {
    calibrate::CalibrationSettings hurried = settings();
    hurried.budget_s = 0.001;
    hurried.batches = {1, 8};
    const calibrate::Calibration done = calibrate::calibrate_machine(hurried, {}, std::nullopt);
    CHECK(done.missing > 0);
    for (const int batch : {1, 8}) {
        const sim::Problem problem =
            sim::compile(small_model(), done.platform, {.batch = batch, .only = {}});
        CHECK(sim::branch_and_bound(problem, {}).status == sim::SearchStatus::proven);
    }
}

TEST_CASE("layers without a kernel are named, and the rest of the network is measured") {
    const sim::Model model = small_model(kPartly);
    calibrate::CalibrationSettings partly = settings();
    partly.models = {model};
    const calibrate::Calibration done = calibrate::calibrate_machine(partly, {}, std::nullopt);
    CHECK(done.missing == 0);
    REQUIRE(done.left_out.size() == 2);
    CHECK(done.left_out[0].ends_with(
        "model.yaml: layer 'stem' (conv2d f32 8x8x3 wint8 64 k3x3 s1 p1 v0): no kernel here"));
    CHECK(done.left_out[1].find("layer 'y' (concat ") != std::string::npos);
    for (const char* const layers : {"conv2d binary 8x8x64 64 k3x3 s1 p1 v0",
                                     "conv2d binary 8x8x64 64 k3x3 s1 p1 v0 | threshold"}) {
        CHECK(std::ranges::find(done.platform.measured, layers, &sim::MeasuredCost::layers) !=
              done.platform.measured.end());
    }
}

TEST_CASE("a network with several inputs and outputs is calibrated and validated") {
    const sim::Model model = small_model(R"(hetmap: model/1
name: two
inputs:
  - {name: left, height: 8, width: 8, channels: 64, type: binary}
  - {name: right, height: 8, width: 8, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: a, operation: conv2d, inputs: [left], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: b, operation: conv2d, inputs: [right], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: s, operation: add, inputs: [a, b]}
  - {name: t, operation: threshold, inputs: [s]}
outputs: [t, b]
)");
    calibrate::CalibrationSettings two = settings();
    two.models = {model};
    two.batches = {3};
    const calibrate::Calibration done = calibrate::calibrate_machine(two, {}, std::nullopt);
    CHECK(done.left_out.empty());
    const sim::Problem problem = sim::compile(model, done.platform, {.batch = 3, .only = {}});
    std::vector<sim::Mapping> sample;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        sample.push_back(sim::random_mapping(problem, seed));
    }
    calibrate::ValidationSettings quick;
    quick.budget_s = 3600;
    quick.fewest_rounds = quick.most_rounds = 3;
    quick.threads = 2;
    const calibrate::Validation v = calibrate::validate(model,
                                                        done.platform,
                                                        problem,
                                                        sim::branch_and_bound(problem, {}).mapping,
                                                        {},
                                                        sample,
                                                        quick);
    CHECK(v.outputs_identical);      // both, of each mapping
    REQUIRE(v.anchors.size() >= 2);  // a third where handovers are enough to tell
    CHECK(v.anchors[0].name == "cpu, 1 thread");
    CHECK(v.anchors[1].name == "cpu, 2 threads");
    // The two inputs are not the same, or this would say little.
    const std::vector<std::byte> left(4096, std::byte{0x5a}), right(4096, std::byte{0x3c});
    const std::span<const std::byte> ab[] = {left, right}, ba[] = {right, left};
    const auto first = calibrate::reference_outputs(model, 3, ab);
    REQUIRE(first.size() == 2);
    CHECK(first != calibrate::reference_outputs(model, 3, ba));
}

TEST_CASE("pieces of a network are networks") {
    const sim::Model model = small_model(kPartly);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    std::vector<bool> keep(model.layers.size(), false);
    const auto index_of = [&](const char* name) {
        return static_cast<std::size_t>(std::ranges::find(model.layers, name, &sim::Layer::name) -
                                        model.layers.begin());
    };
    for (const char* const name : {"b1", "s2", "b2", "c1"}) {
        keep[index_of(name)] = true;
    }
    const std::vector<calibrate::Piece> pieces = calibrate::pieces_of(model, parameters, keep);
    // Both read s1, which is in neither.
    REQUIRE(pieces.size() == 2);
    const sim::Model& first = pieces[0].model;
    CHECK(first.name == "partly");
    CHECK(first.inputs() == 1);
    CHECK(first.layers.front().name == "s1");
    CHECK(first.layers.front().operation == nullptr);
    REQUIRE(first.layers.size() == 4);
    CHECK(first.layers[3].name == "b2");
    CHECK(first.layers[3].inputs == std::vector<int>{2});
    REQUIRE(first.outputs.size() == 1);
    CHECK(first.outputs.front().layer == 3);
    CHECK(first.consumers == std::vector<std::vector<int>>{{1}, {2}, {3}, {}});
    CHECK(pieces[0].parameters[1].weights == parameters[index_of("b1")].weights);
    CHECK(pieces[1].model.layers.size() == 2);
}

TEST_CASE("a bench begins again with nothing known, on the same executor") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const std::vector<bool> all(model.layers.size(), true);
    std::vector<calibrate::Piece> pieces = calibrate::pieces_of(model, parameters, all);
    REQUIRE(pieces.size() == 1);
    calibrate::Costs costs, others;
    calibrate::Crossings crossings, other_crossings;
    const auto bench =
        calibrate::make_bench(std::move(pieces.front()), 1, 2, {"scalar"}, costs, crossings);
    std::mt19937_64 random{1};
    const auto turn = [&](calibrate::NetworkBench& which) {
        calibrate::take_turn(which, random, calibrate::kQuick, {});
    };
    const auto samples = [](const calibrate::Costs& some) {
        int sum = 0;
        for (const auto& [key, cost] : some) {
            sum += static_cast<int>(cost.anywhere.size() + cost.near_best.size() +
                                    cost.beside_others.size());
        }
        return sum;
    };
    for (int i = 0; i < 400 && bench->trials.size() < 5; ++i) {
        turn(*bench);
    }
    const int seen = samples(costs);
    CHECK(seen > 0);
    for (const auto& [key, cost] : costs) {
        others[key].features = cost.features;
    }
    const auto again = calibrate::begin_again(*bench, costs, others, other_crossings);
    CHECK(again->executor == bench->executor);
    CHECK(again->turns == 0);
    CHECK(again->phase == calibrate::Phase::first_mapping);
    CHECK(again->best.empty());
    turn(*again);
    CHECK(samples(others) > 0);
    CHECK(samples(costs) == seen);
    // Mappings were tried while the first one looked at everything.
    const std::vector<double> ratios = calibrate::trial_ratios(*bench, calibrate::kQuick);
    CHECK(ratios.size() == bench->trials.size());
    CHECK(ratios.size() == 5);
    CHECK(std::ranges::all_of(ratios, [](double ratio) { return ratio > 0; }));
    CHECK(calibrate::trial_ratios(*again, calibrate::kQuick).empty());  // it knows no costs
}

TEST_CASE("what cannot be in a mapping near the best one is known") {
    const auto us = [](double time) { return sim::from_microseconds(time); };
    sim::Problem problem;
    problem.inputs = {{}, {0}, {1}, {2}};
    const auto add = [&](int first, std::vector<int> rest, double time) {
        sim::Task task;
        task.first = first;
        task.last = rest.empty() ? first : rest.back();
        task.rest = std::move(rest);
        task.cost = us(time);
        problem.tasks.push_back(std::move(task));
    };
    add(1, {}, 10);
    add(1, {}, 14);    // 4 more, and a fifth of the best mapping is 4: it may be
    add(1, {}, 14.5);  // not this one
    add(2, {}, 10);
    add(1, {2}, 24);
    add(1, {2}, 25);
    std::vector<sim::Time> least;
    for (const sim::Task& task : problem.tasks) {
        least.push_back(task.cost);
    }
    CHECK(calibrate::unpromising_tasks(problem, least, us(20)) ==
          std::vector<bool>{false, false, true, false, false, true});
    least[2] = us(13.9);  // its fastest sample
    CHECK_FALSE(calibrate::unpromising_tasks(problem, least, us(20))[2]);
}

TEST_CASE("a profile of another machine is not continued") {
    sim::Platform other;
    other.name = "other";
    other.path = "other.yaml";
    other.provenance = {{"cpu", "Intel 8086"}};
    CHECK_THROWS_AS(calibrate::calibrate_machine(settings(), {}, other), sim::InputError);
}
