// The whole heterogeneous path on real devices: the CPU and an OpenCL device run one network
// together, are calibrated, mapped to and validated.

#include "calibrate/calibrator.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/kernel_bench.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sim/run/plan.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace {

// A residual block whose halves may run on different devices at the same time.
const std::string kBranches = R"(hetmap: model/1
name: branches
description: two branches that meet
source: made up
input: {name: image, height: 7, width: 9, channels: 3, type: u8}
parameters: {seed: 11}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: binary, out_channels: 66, kernel: 3, stride: 1, padding: 1, pad_value: 0}
  - {name: threshold1, operation: threshold, inputs: [stem]}
  - {name: conv, operation: conv2d, inputs: [threshold1], weights: binary, out_channels: 70, kernel: 3, stride: 2, padding: 1, pad_value: 0}
  - {name: shortcut, operation: conv2d, inputs: [threshold1], weights: binary, out_channels: 70, kernel: 1, stride: 2, padding: 0, pad_value: 0}
  - {name: add, operation: add, inputs: [conv, shortcut]}
  - {name: threshold2, operation: threshold, inputs: [add]}
  - {name: fc, operation: linear, inputs: [threshold2], weights: binary, out_channels: 10}
output: fc
)";

// Bits with f32 before, between and behind them, as binarized networks keep it.
const std::string kMixed = R"(hetmap: model/1
name: mixed
input: {name: image, height: 10, width: 9, channels: 3, type: u8}
parameters: {seed: 3}
layers:
  - {name: stem, operation: conv2d, inputs: [image], weights: f32, out_channels: 20, kernel: 3, padding: 1, out: f32}
  - {name: norm1, operation: batch_norm, inputs: [stem]}
  - {name: signs1, operation: threshold, inputs: [norm1]}
  - {name: conv2, operation: conv2d, inputs: [signs1], weights: binary, out_channels: 20, kernel: 3, padding: 1, pad_value: 0, out: f32}
  - {name: add, operation: add, inputs: [conv2, norm1]}
  - {name: tanh, operation: tanh, inputs: [add]}
  - {name: signs2, operation: threshold, inputs: [add]}
  - {name: conv3, operation: conv2d, inputs: [signs2], weights: binary, out_channels: 20, kernel: 3, padding: 1, pad_value: -1}
  - {name: signs3, operation: threshold, inputs: [conv3]}
  - {name: conv4, operation: conv2d, inputs: [signs3], weights: binary, out_channels: 20, kernel: 1, out: f32}
  - {name: sum, operation: add, inputs: [conv4, tanh]}
  - {name: relu, operation: relu, inputs: [sum]}
  - {name: mean, operation: global_average_pool, inputs: [relu]}
  - {name: fc, operation: linear, inputs: [mean], weights: f32, out_channels: 10}
  - {name: soft, operation: softmax, inputs: [fc]}
output: soft
)";

calibrate::DeviceInfo first_device() {
    return calibrate::backend("opencl").discover().devices.front();
}

std::set<int> devices_of(const sim::Problem& problem, const sim::Mapping& mapping) {
    std::set<int> devices;
    for (const int task : mapping) {
        const sim::Task& t = problem.tasks[static_cast<std::size_t>(task)];
        if (!t.variant.empty()) {
            devices.insert(t.device);
        }
    }
    return devices;
}

// Of f32: sums in another order round otherwise.
bool are_near(const std::byte* made, std::span<const std::byte> expected) {
    std::vector<float> values(expected.size() / sizeof(float)), right(values.size());
    std::memcpy(values.data(), made, expected.size());
    std::memcpy(right.data(), expected.data(), expected.size());
    float largest = 0;
    for (const float value : right) {
        largest = std::max(largest, std::abs(value));
    }
    return largest > 0 && std::ranges::equal(values, right, [&](float a, float b) {
               return std::abs(a - b) <= 1e-5F * largest;
           });
}

}  // namespace

TEST_CASE("every mixed mapping gives the reference's output, run after run") {
    const calibrate::DeviceInfo info = first_device();
    const auto accelerator = calibrate::open(info, 2);
    const auto cpu = calibrate::open_cpu(2);
    const calibrate::Device* const devices[] = {cpu.get(), accelerator.get()};
    for (const std::string& text : {kSmallModel, kBranches}) {
        for (const int batch : {1, 3}) {
            const sim::Model model = small_model(text);
            const calibrate::Parameters parameters = calibrate::load_parameters(model);
            sim::Platform platform = calibrate::candidates(model, batch, devices, {});
            if (batch > 1) {  // layouts tell whose threads have them, and commands do not
                const sim::TransferTable time{.points = {{}}, .bandwidth = {1e9}};
                platform.devices.front().handovers = {{.from = 1, .to = 2, .time = time},
                                                      {.from = 2, .to = 1, .time = time}};
            }
            const sim::Problem problem =
                sim::compile(model, platform, {.batch = batch, .only = {}});
            CHECK(problem.teams.empty() == (batch == 1));
            calibrate::Executor executor{model, parameters, problem, 2};
            std::mt19937 random{5};
            std::vector<std::byte> images(executor.input().size());
            std::ranges::generate(images, [&] { return static_cast<std::byte>(random()); });
            std::vector<std::byte> others(images.rbegin(), images.rend());
            const auto expected = calibrate::reference_output(model, batch, images);
            const auto expected_of_others = calibrate::reference_output(model, batch, others);

            int mixed = 0;
            for (std::uint64_t seed = 0; seed < 60; ++seed) {
                CAPTURE(model.name);
                CAPTURE(batch);
                CAPTURE(seed);
                const sim::Mapping mapping = sim::random_mapping(problem, seed);
                const calibrate::Executor::Recording recording =
                    executor.prepare(mapping, seed % 2 == 1);
                for (int run = 0; run < 3; ++run) {  // events and buffers are used again
                    std::ranges::copy(run == 1 ? others : images, executor.input().begin());
                    executor.run(recording);
                    const auto& right = run == 1 ? expected_of_others : expected;
                    REQUIRE(std::memcmp(recording.outputs.front(), right.data(), right.size()) ==
                            0);
                }
                mixed += devices_of(problem, mapping).size() > 1;
            }
            CHECK(mixed > 20);
        }
    }
}

TEST_CASE("mixed mappings of f32, of bytes and of bits beside f32 give the reference's output") {
    const auto accelerator = calibrate::open(first_device(), 2);
    const auto cpu = calibrate::open_cpu(2);
    const calibrate::Device* const devices[] = {cpu.get(), accelerator.get()};
    constexpr int kBatch = 2;
    for (const std::string& text : {kRealModel, kByteModel, kMixed}) {
        const sim::Model model = small_model(text);
        CAPTURE(model.name);
        const bool is_exact = model.name == "bytes";
        const calibrate::Parameters parameters = calibrate::load_parameters(model);
        const sim::Platform platform =
            calibrate::candidates(model,
                                  parameters,
                                  kBatch,
                                  devices,
                                  {"scalar", "loops", "int8", "naive", "plain_f32", "plain_int8"});
        const sim::Problem problem = sim::compile(model, platform, {.batch = kBatch, .only = {}});
        // Every layer can run on the device, and only what is no layer stays on the host.
        std::set<int> on_device;
        for (const sim::Task& task : problem.tasks) {
            if (task.device == 1) {
                on_device.insert(task.first);
                on_device.insert(task.rest.begin(), task.rest.end());
            }
        }
        CHECK(on_device.size() + static_cast<std::size_t>(model.inputs()) == model.layers.size());

        calibrate::Executor executor{model, parameters, problem, 2};
        executor.fill_inputs(7);
        const std::vector<std::byte> images(executor.input().begin(), executor.input().end());
        const auto expected = calibrate::reference_output(model, kBatch, images);
        int mixed = 0;
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            CAPTURE(seed);
            const sim::Mapping mapping = sim::random_mapping(problem, seed);
            const calibrate::Executor::Recording recording = executor.prepare(mapping);
            for (int run = 0; run < 2; ++run) {
                executor.run(recording);
                if (is_exact) {
                    REQUIRE(std::memcmp(
                                recording.outputs.front(), expected.data(), expected.size()) == 0);
                } else {
                    REQUIRE(are_near(recording.outputs.front(), expected));
                }
            }
            mixed += devices_of(problem, mapping).size() > 1;
        }
        CHECK(mixed > 15);
    }
}

TEST_CASE("every kernel of a network of f32 is timed, those that join three tensors too") {
    const sim::Model model = small_model(kRealModel);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    calibrate::KernelBench bench;
    bench.index = 1;
    bench.device = calibrate::open(first_device(), 1);
    calibrate::Costs costs;
    calibrate::add_candidates(
        bench,
        model,
        calibrate::candidates_on(*bench.device, 1, model, parameters, 1, {"plain_f32"}),
        costs);
    std::vector<std::string> warnings;
    std::size_t turns = 0;
    calibrate::measure_kernels(
        bench,
        calibrate::kQuick,
        [&](double) { return turns++ < costs.size(); },  // a look at each
        [&](const std::string& warning) { warnings.push_back(warning); });
    CHECK(warnings.empty());
    bool joins = false;
    for (const auto& cost : costs) {
        CAPTURE(cost.first.layers);
        CHECK(cost.second.anywhere.size() == 1);
        joins = joins || cost.first.layers.starts_with("concat");
    }
    CHECK(joins);
}

TEST_CASE("a machine of CPU and OpenCL is calibrated, mapped to and validated") {
    const sim::Model model = small_model();
    const calibrate::DeviceInfo info = first_device();
    calibrate::CalibrationSettings settings;
    settings.models = {model};
    settings.batches = {2};
    settings.quick = true;
    settings.budget_s = 60;
    settings.threads = 1;
    settings.devices = {info.name};
    const calibrate::Calibration calibration =
        calibrate::calibrate_machine(settings, {}, std::nullopt);
    CHECK(calibration.missing == 0);

    // The profile says what the executor needs: a memory, both links, submission.
    const TemporaryFolder folder;
    const std::string file = folder.write("profile.yaml", sim::to_yaml(calibration.platform));
    const sim::Platform platform = sim::load_platform(file, {});
    REQUIRE(platform.devices.size() == 2);
    CHECK(platform.devices[1].name == info.name);
    CHECK(platform.devices[1].asynchronous);
    CHECK(platform.devices[1].submit > sim::Time{});
    REQUIRE(platform.links.size() == 2);
    for (const sim::Link& link : platform.links) {
        REQUIRE(!link.modes.empty());
        CHECK(link.modes.front().time.points.size() > 5);
        CHECK(link.modes.front().time.time({1 << 20}) > sim::Time{});
    }

    // Mapped to it, forced to mix, and run.
    const sim::Problem problem = sim::compile(model, platform, {.batch = 2, .only = {}});
    const sim::SearchResult best = sim::branch_and_bound(problem, {});
    CHECK(best.status == sim::SearchStatus::proven);
    std::vector<sim::Mapping> mixed;
    for (std::uint64_t seed = 0; mixed.size() < 5; ++seed) {
        const sim::Mapping mapping = sim::random_mapping(problem, seed);
        if (devices_of(problem, mapping).size() == 2) {
            mixed.push_back(mapping);
        }
    }
    calibrate::ValidationSettings quick;
    quick.budget_s = 3600;
    quick.fewest_rounds = quick.most_rounds = 2;
    quick.threads = 1;
    const calibrate::Validation validation =
        calibrate::validate(model, platform, problem, best.mapping, {}, mixed, quick);
    CHECK(validation.outputs_identical);
    for (const calibrate::MappingComparison& m : validation.sample) {
        CHECK(m.measured.p50 > sim::Time{});
        // Every layer was timed, on whichever device.
        CHECK(m.tasks.size() + 2 == m.mapping.size());  // but the input and the output
    }

    // Continued, it keeps what is known of the device. On a busy machine the network may be tried
    // again, because a kernel timed a few times looks promising by now; that corrects the device's
    // submission anew. Continued for kernels of one layer alone, it stays what it was.
    const calibrate::Calibration again = calibrate::calibrate_machine(settings, {}, platform);
    CHECK(again.missing == 0);
    CHECK(again.platform.measured.size() == platform.measured.size());
    CHECK(again.platform.links.size() == 2);
    settings.only = {{.device = 1, .layers = "none of them", .batch = 2}};
    const calibrate::Calibration kept = calibrate::calibrate_machine(settings, {}, platform);
    CHECK(kept.platform.measured.size() == platform.measured.size());
    CHECK(kept.platform.links.size() == 2);
    CHECK(kept.platform.devices[1].submit == platform.devices[1].submit);
}

TEST_CASE("a mapping for a device that is not here is refused, others run") {
    const auto cpu = calibrate::open_cpu(1);
    const auto accelerator = calibrate::open(first_device(), 1);
    const calibrate::Device* const devices[] = {cpu.get(), accelerator.get()};
    const sim::Model model = small_model();
    sim::Platform platform = calibrate::candidates(model, 1, devices, {});
    platform.devices[1].name = "cuda7";
    const sim::Problem problem = sim::compile(model, platform, {.batch = 1, .only = {}});
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    calibrate::Executor executor{model, parameters, problem, 1};
    bool refused = false, ran = false;
    for (std::uint64_t seed = 0; seed < 400 && !(refused && ran); ++seed) {
        const sim::Mapping mapping = sim::random_mapping(problem, seed);
        try {
            executor.run(executor.prepare(mapping));
            CHECK(devices_of(problem, mapping) == std::set{0});
            ran = true;
        } catch (const sim::InputError& error) {
            CHECK(std::string{error.what()}.find("has no device 'cuda7'") != std::string::npos);
            refused = true;
        }
    }
    CHECK(refused);
    executor.run(executor.prepare(sim::cpu_only(problem, {}).mapping));
}

TEST_CASE("OpenCL devices, workers and the CPU wait for each other without the dispatcher") {
    // The same device twice, in two contexts: copies go from one to the other over the host.
    calibrate::OpenDevices opened;
    const calibrate::DeviceInfo info = first_device();
    opened.devices.push_back(calibrate::open(info, 1));
    opened.devices.push_back(calibrate::open(info, 1));
    calibrate::DeviceInfo worker;
    worker.name = "cores1";
    worker.kind = "cores";
    worker.host_memory = worker.host_cores = worker.converts = worker.tells = true;
    worker.cores = 1;
    opened.devices.push_back(calibrate::open(worker, 1));
    opened.devices.insert(opened.devices.begin(), calibrate::open_cpu(1));
    opened.missing.resize(opened.devices.size());

    const sim::Model model = small_model(kBranches);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    std::vector<const calibrate::Device*> devices;
    for (const auto& device : opened.devices) {
        devices.push_back(device.get());
    }
    sim::Platform platform = calibrate::candidates(model, 1, devices, {"scalar", "naive", "popc"});
    platform.devices[2].name = "second";
    const sim::Problem problem = sim::compile(model, platform, {.batch = 1, .only = {}});
    calibrate::Executor executor{model, parameters, problem, std::move(opened)};
    std::mt19937 random{5};
    std::ranges::generate(executor.input(), [&] { return static_cast<std::byte>(random()); });
    const auto expected = calibrate::reference_output(model, 1, executor.input());

    int followed = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        const sim::Mapping mapping = generate::any_mapping(problem, seed);
        const calibrate::Executor::Recording recording = executor.prepare(mapping);
        for (int run = 0; run < 3; ++run) {
            executor.run(recording);
            REQUIRE(std::memcmp(recording.outputs.front(), expected.data(), expected.size()) == 0);
        }
        for (const calibrate::Executor::Call& call : recording.calls) {
            CHECK_FALSE(call.beyond_plan);
        }
        const sim::Plan plan = sim::plan_of(problem, mapping);
        for (const sim::Plan::Action& action : plan.actions) {
            if (action.kind == sim::EventKind::copy) {  // on its way up from another device
                const sim::Event& copy = plan.event_of(action);
                followed += copy.to != 0 && plan.makers[sim::at(copy.tensor)].device != 0;
            }
        }
    }
    CHECK(followed > 30);
}
