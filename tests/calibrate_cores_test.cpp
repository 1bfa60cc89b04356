// Cores of the host as a device beside the dispatcher: mixed with the CPU, and with another device
// of its kind, it gives the reference's output, run after run; and it is measured like any other.

#include "calibrate/accelerator.hpp"
#include "calibrate/calibrator.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/stage_clock.hpp"
#include "calibrate/stream.hpp"
#include "calibrate/validation.hpp"
#include "calibrate_small_model.hpp"
#include "sanitized.hpp"
#include "sim/run/plan.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sched.h>
#include <set>
#include <thread>

namespace {

// A device with one core, whether or not this machine has one to spare.
calibrate::DeviceInfo one_core(const std::string& name) {
    calibrate::DeviceInfo info;
    info.name = name;
    info.kind = "cores";
    info.description = "for a test";
    info.host_memory = info.host_cores = info.converts = info.tells = true;
    info.cores = 1;
    return info;
}

// The CPU and devices of one core each, in the order of the platform.
std::vector<std::unique_ptr<calibrate::Device>> open_all(int beside) {
    std::vector<std::unique_ptr<calibrate::Device>> devices;
    for (int i = 0; i < beside; ++i) {
        devices.push_back(
            calibrate::backend("cores").open(one_core("cores" + std::to_string(i)), 1));
    }
    devices.insert(devices.begin(), calibrate::open_cpu(1));
    return devices;
}

}  // namespace

TEST_CASE("every mapping of the CPU and workers beside it gives the reference's output") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    for (const int beside : {1, 2}) {
        CAPTURE(beside);
        auto opened = open_all(beside);
        std::vector<const calibrate::Device*> devices;
        for (const auto& device : opened) {
            devices.push_back(device.get());
        }
        const sim::Problem problem =
            sim::compile(model,
                         calibrate::candidates(model, 2, devices, {"reference", "scalar"}),
                         {.batch = 2, .only = {}});
        calibrate::OpenDevices handed;
        handed.devices = std::move(opened);
        handed.missing.resize(handed.devices.size());
        calibrate::Executor executor{model, parameters, problem, std::move(handed)};
        std::mt19937 random{5};
        std::vector<std::byte> images(executor.input().size());
        std::ranges::generate(images, [&] { return static_cast<std::byte>(random()); });
        const std::vector<std::byte> others(images.rbegin(), images.rend());
        const auto expected = calibrate::reference_output(model, 2, images);
        const auto expected_of_others = calibrate::reference_output(model, 2, others);
        int conversions = 0, between = 0;
        calibrate::StageClock clock;
        for (std::uint64_t seed = 0; seed < 24; ++seed) {
            CAPTURE(seed);
            const sim::Mapping mapping = generate::any_mapping(problem, seed);
            const calibrate::Executor::Recording recording =
                executor.prepare(mapping, seed % 2 == 1);
            for (int run = 0; run < 3; ++run) {
                std::ranges::copy(run == 1 ? others : images, executor.input().begin());
                executor.run(recording);
                const auto& right = run == 1 ? expected_of_others : expected;
                REQUIRE(std::memcmp(recording.outputs.front(), right.data(), right.size()) == 0);
            }
            std::set<int> submitted;
            for (const calibrate::Executor::Call& call : recording.calls) {
                CHECK_FALSE(call.beyond_plan);
                if (call.action == calibrate::Executor::Action::submit) {
                    submitted.insert(call.tasks.begin(), call.tasks.end());
                }
            }
            double sum_ns = 0;
            std::set<int> timed;
            for (const auto& [task, ns] : clock.times_of(executor, recording)) {
                timed.insert(task);
                sum_ns += ns;
            }
            CHECK(timed == (recording.timed ? submitted : std::set<int>{}));
            CHECK((timed.empty() || sum_ns > 0));
            CHECK(recording.timed == (seed % 2 == 1));
            const sim::Plan plan = sim::plan_of(problem, mapping);
            for (const sim::Event& event : plan.events) {
                conversions += event.kind == sim::EventKind::conversion && event.resource != 0;
            }
            for (const sim::Plan::Wait& wait : plan.waits) {
                between += wait.reason == sim::Plan::Reason::synchronised;
            }
        }
        CHECK(conversions > 0);
        CHECK((between > 0) == (beside > 1));
    }
}

TEST_CASE("every frame of a stream over the CPU and workers gets its own answer") {
    const sim::Model model = small_model();
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    auto opened = open_all(2);
    std::vector<const calibrate::Device*> devices;
    for (const auto& device : opened) {
        devices.push_back(device.get());
    }
    const sim::Problem problem = sim::compile(
        model, calibrate::candidates(model, 1, devices, {"scalar"}), {.batch = 1, .only = {}});
    calibrate::OpenDevices handed;
    handed.devices = std::move(opened);
    handed.missing.resize(handed.devices.size());
    calibrate::Executor executor{model, parameters, problem, std::move(handed)};
    std::mt19937 random{9};
    std::vector<std::vector<std::byte>> images(7, std::vector<std::byte>(executor.input().size())),
        answers;
    for (std::vector<std::byte>& image : images) {
        std::ranges::generate(image, [&] { return static_cast<std::byte>(random()); });
        answers.push_back(calibrate::reference_output(model, 1, image));
    }
    const auto of = [](std::int64_t frame) { return static_cast<std::size_t>(frame) % 7; };
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        CAPTURE(seed);
        const int lanes = 1 + static_cast<int>(seed % 4);
        calibrate::Stream stream{executor, generate::any_mapping(problem, seed), lanes};
        CHECK(stream.lanes() == lanes);
        const auto enter = [&](std::int64_t frame, int lane) {
            std::ranges::copy(images[of(frame)], executor.input(0, lane).begin());
        };
        int wrong = 0;
        const auto leave = [&](std::int64_t frame, int lane) {
            const std::vector<std::byte>& right = answers[of(frame)];
            wrong += std::memcmp(
                         stream.recording(lane).outputs.front(), right.data(), right.size()) != 0;
        };
        CHECK(stream.run(60, {.enter = enter, .leave = leave, .stop = {}}).size() == 60);
        CHECK(wrong == 0);
    }
}

TEST_CASE("the dispatcher stays on the core that the user names, and the others keep off it") {
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    const auto named = [](const std::string& core) {
        setenv("HETMAP_DISPATCHER_CORE", core.c_str(), 1);
    };
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &allowed)) {
            named(std::to_string(core));
            CHECK(calibrate::dispatcher_core() == core);
            const auto beside = CPU_COUNT(&allowed) > 1
                                    ? calibrate::backend("cores").open(one_core("cores0"), 1)
                                    : nullptr;
            const auto cpu = calibrate::open_cpu(1);
            CHECK(sched_getcpu() == core);
        }
    }
    for (const char* const wrong : {"x", "-1", "1x", "100000", "1023", " 0"}) {
        named(wrong);
        CHECK_THROWS_WITH_AS(calibrate::open_cpu(1),
                             (std::string{"HETMAP_DISPATCHER_CORE: expected the number of a core "
                                          "that this process may use, got '"} +
                              wrong + "'")
                                 .c_str(),
                             sim::InputError);
    }
    named("");
    CHECK(!calibrate::dispatcher_core());
    unsetenv("HETMAP_DISPATCHER_CORE");
    CHECK(!calibrate::dispatcher_core());
    cpu_set_t after;
    sched_getaffinity(0, sizeof after, &after);
    CHECK(CPU_EQUAL(&allowed, &after));
}

TEST_CASE("cores slow each other down by what is measured, where that is more than noise") {
    const auto time = [](const char* name, double us) {
        sim::Measurement median;
        median.p50 = sim::from_microseconds(us);
        return std::pair{std::string{name} + "_cores1", median};
    };
    const std::vector<std::pair<std::string, sim::Measurement>> seen{
        time("host_kernels_alone", 100),
        time("host_kernels_beside_device", 125),
        time("device_kernels_alone", 200),
        time("device_kernels_beside_host", 204)};
    const calibrate::Slowing slowing = calibrate::slowing_of(seen, "cores1");
    CHECK(slowing.host == doctest::Approx(1.25));
    CHECK(slowing.device == 1);
    const calibrate::Slowing unknown = calibrate::slowing_of(seen, "cores2");
    CHECK(unknown.host == 1);
    CHECK(unknown.device == 1);

    // Measured of a device that tells when it is done, both ways; sanitizers make minutes of it.
    if (kIsSanitized) {
        return;
    }
    const auto device = calibrate::backend("cores").open(one_core("cores1"), 1);
    const auto host = calibrate::open_cpu(1);
    std::set<std::string> names;
    for (const auto& [name, measured] : calibrate::measure_interference(*host, *device)) {
        CHECK(measured.p50 > sim::Time{});
        names.insert(name);
    }
    for (const auto& [name, measured] : seen) {
        CHECK(names.contains(name));
    }
}

TEST_CASE("a worker tells when something has happened, each time once") {
    const auto device = calibrate::backend("cores").open(one_core("cores0"), 1);
    const std::vector<std::int32_t> thresholds(64, 0);
    const std::vector<std::uint64_t> flips(1, 0);
    const kernels::Chain chain{
        .input = {1, 1, 64, kernels::Element::int32},
        .steps = {
            {.kind = kernels::StepKind::threshold, .thresholds = thresholds, .flips = flips}}};
    const int event = device->new_event();
    const calibrate::Stage stage{
        .kernel = device->prepare(chain, "scalar", "1"),
        .tensors = {.input = device->allocate(256), .output = device->allocate(64)},
        .signal = event};
    const int segment = device->record({&stage, 1});
    std::atomic<int> told{0};
    for (int run = 1; run <= 200; ++run) {
        device->submit(segment);
        device->when(event, [&] { told.fetch_add(1); });
        device->wait(event);
        device->when(event, [&] { told.fetch_add(1); });  // it has: at once
        while (told.load() < 2 * run) {
            std::this_thread::yield();
        }
        CHECK(told.load() == 2 * run);
    }
    CHECK_THROWS_AS(device->prepare(chain, "scalar", "2y"), sim::InputError);
}

TEST_CASE("a calibration measures a worker beside the CPU like any other device") {
    const std::vector<calibrate::DeviceInfo> here = calibrate::backend("cores").discover().devices;
    if (here.empty()) {
        MESSAGE("this machine has one core: nothing to calibrate");
        return;
    }
    calibrate::CalibrationSettings settings;
    settings.models = {small_model()};
    settings.batches = {1};
    settings.quick = true;
    settings.budget_s = 60;
    settings.devices = {here.front().name};
    settings.variants = {"scalar"};
    const calibrate::Calibration done = calibrate::calibrate_machine(settings, {}, std::nullopt);
    const sim::Platform& platform = done.platform;
    for (const int device : {0, 1}) {
        CHECK(std::ranges::find(platform.measured, device, &sim::MeasuredCost::device) !=
              platform.measured.end());
    }
    REQUIRE(platform.devices.size() == 2);
    CHECK(platform.devices[1].name == here.front().name);
    CHECK(platform.devices[1].asynchronous);
    CHECK(platform.devices[1].memory == 0);
    CHECK(platform.devices[1].kind == "cores");
    CHECK(platform.links.empty());
    const sim::Problem problem =
        sim::compile(settings.models.front(), platform, {.batch = 1, .only = {}});
    calibrate::ValidationSettings quick;
    quick.budget_s = 3600;
    quick.fewest_rounds = quick.most_rounds = 2;
    const std::vector<sim::Mapping> sample{generate::any_mapping(problem, 1),
                                           generate::any_mapping(problem, 2)};
    const calibrate::Validation v = calibrate::validate(
        settings.models.front(), platform, problem, sample.front(), {}, sample, quick);
    CHECK(v.outputs_identical);
    CHECK(v.sample.size() == 2);
}
