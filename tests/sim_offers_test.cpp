// What a platform that is known by formulas offers for a model: formulas, streams, layers divided
// over devices, support rules and budgets. The numbers are worked out by hand beside the checks.

#include "sim/compile/problem.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using sim::from_microseconds;
using sim::microjoules;
using sim::microseconds;
using sim::Problem;
using sim::Task;
using sim::Time;

namespace {

using Lines = std::vector<std::string>;

sim::Model model_of(const std::string& text) {
    const TemporaryFolder folder;
    return sim::load_model(folder.write("model.yaml", text), {});
}

// Of ResNet20: the first convolution, and one from 32 to 64 channels that halves the image;
// between them one that fits them to each other.
const std::string kConvolutions = R"(hetmap: model/1
name: convolutions
input: {name: image, height: 32, width: 32, channels: 3, type: int8}
parameters: {seed: 1}
layers:
  - {name: conv1, operation: conv2d, inputs: [image], weights: int8, out_channels: 16, kernel: 3, padding: 1}
  - {name: q1, operation: threshold, inputs: [conv1]}
  - {name: conv2, operation: conv2d, inputs: [q1], weights: int8, out_channels: 32, kernel: 3, padding: 1, stride: 2}
  - {name: q2, operation: threshold, inputs: [conv2]}
  - {name: conv3, operation: conv2d, inputs: [q2], weights: int8, out_channels: 64, kernel: 3, padding: 1, stride: 2}
output: conv3
)";

// A convolution of 8 to 10 channels on 4x4 pixels, a threshold, a pool.
const std::string kThree = R"(hetmap: model/1
name: three
input: {name: image, height: 4, width: 4, channels: 8, type: int8}
parameters: {seed: 1}
layers:
  - {name: conv, operation: conv2d, inputs: [image], weights: int8, out_channels: 10, kernel: 1}
  - {name: step, operation: threshold, inputs: [conv]}
  - {name: pool, operation: max_pool2d, inputs: [step], kernel: 2, stride: 2}
output: pool
)";

const std::string kDepthwise = R"(hetmap: model/1
name: depthwise
input: {name: image, height: 2, width: 2, channels: 32, type: int8}
parameters: {seed: 1}
layers:
  - {name: dw, operation: depthwise_conv2d, inputs: [image], weights: int8, kernel: 3, padding: 1}
output: dw
)";

// In line `line` of the platform's file.
sim::Expression expression(const std::string& text, int line = 1) {
    return {.text = text, .where = {.file = "p.yaml", .line = line, .column = 7}};
}

sim::FormulaCost cost_of(int device,
                         std::vector<std::string> operations,
                         const std::string& time_us,
                         const std::string& variant = "v") {
    sim::FormulaCost cost;
    cost.device = device;
    cost.operations = std::move(operations);
    cost.variant = variant;
    cost.configuration = "1";
    cost.time_us = expression(time_us);
    cost.shares = true;
    return cost;
}

sim::Device device_named(const std::string& name, int memory = 0) {
    sim::Device device;
    device.name = name;
    device.memory = memory;
    return device;
}

// 1 us and 1 ns a byte, or another latency.
sim::TransferTable affine(double latency_us) {
    const Time latency = from_microseconds(latency_us);
    return {.points = {{{}, {latency, latency, latency, 0}}}, .bandwidth = {1e9}};
}

sim::Link link_of(const std::string& name, int from, int to, double latency_us = 1) {
    sim::Link link;
    link.name = name;
    link.from = from;
    link.to = to;
    link.modes = {{.name = "dma", .time = affine(latency_us)}};
    return link;
}

// A host that does everything but convolutions in no time, and all in one memory.
sim::Platform with_devices(std::vector<std::string> names) {
    sim::Platform platform;
    platform.name = "made-up";
    platform.memories = {{.name = "host"}};
    for (const std::string& name : names) {
        platform.devices.push_back(device_named(name));
    }
    platform.formulas = {cost_of(0, {"threshold", "max_pool2d"}, "0", "free")};
    return platform;
}

// DIANA: a digital array of 16 x 16 cells and an analog one of 1152 x 512, at 260 MHz.
const std::string kDiana = R"yaml(hetmap: platform/1
name: diana
memories:
  - {name: l1}
devices:
  - {name: host, kind: cpu, memory: l1, asynchronous: false, idle_power_w: 0}
  - {name: digital, kind: array, memory: l1, asynchronous: true, submit_us: 0, per_task_us: 0,
     completion_us: 0, active_power_w: 0.01365, idle_power_w: 0}
  - {name: analog, kind: array, memory: l1, asynchronous: true, submit_us: 0, per_task_us: 0,
     completion_us: 0, active_power_w: 0.01743, idle_power_w: 0}
base_power_w: 0.01131
formulas:
  - {device: host, operations: [threshold, add, average_pool2d, max_pool2d, flatten, softmax],
     variant: free, configuration: 1, time_us: 0}
  - device: digital
    operations: [conv2d, depthwise_conv2d, linear]
    variant: array
    configuration: 1
    precision: int8
    clock_mhz: 260
    cycles: "ceil_div(n / groups, 16) * c_in * ceil_div(ow, 16) * oh * kw * kh +
             ow * oh * (n + c_in) / 8"
    shares: true
  - device: analog
    operations: [conv2d, depthwise_conv2d, linear]
    variant: array
    configuration: 1
    precision: ternary
    when: groups == 1
    let:
      rows: max(64, c_in) * kh
      fits_8: 8 * n <= 512 && (kw + 7) * rows <= 1152
      fits_4: 4 * n <= 512 && (kw + 3) * rows <= 1152
      fits_2: 2 * n <= 512 && (kw + 1) * rows <= 1152
      copies: "fits_8 ? 8 : (fits_4 ? 4 : (fits_2 ? 2 : 1))"
    clock_mhz: 260
    cycles: ceil_div(n, 512) * ceil_div(c_in, 128) * ow * oh / copies * 18.2 + 8 * c_in * kw * kh
    shares: true
splits:
  - {devices: [digital, analog], operations: [conv2d, depthwise_conv2d, linear],
     by: output_channels, join: max}
)yaml";

sim::Platform diana() {
    const TemporaryFolder folder;
    return sim::load_platform(folder.write("diana.yaml", kDiana), {});
}

std::string name_of(const Problem& problem, const Task& task) {
    std::string name = problem.layer_names[static_cast<std::size_t>(task.first)];
    for (const int layer : task.rest) {
        name += "+" + problem.layer_names[static_cast<std::size_t>(layer)];
    }
    return name + " on " + problem.device_names[static_cast<std::size_t>(task.device)] + " " +
           task.variant + "/" + task.configuration;
}

// "conv1 on digital array/1", of tasks of this device or of all; the ends left out.
Lines names_of(const Problem& problem, int device = -1) {
    Lines lines;
    for (const Task& task : problem.tasks) {
        if (!task.variant.empty() && (device < 0 || task.device == device)) {
            lines.push_back(name_of(problem, task));
        }
    }
    return lines;
}

const Task& task_named(const Problem& problem, const std::string& name) {
    const auto found = std::ranges::find(
        problem.tasks, name, [&](const Task& task) { return name_of(problem, task); });
    if (found == problem.tasks.end()) {
        throw std::logic_error{"no task " + name};
    }
    return *found;
}

std::string error_of(const std::string& model,
                     const sim::Platform& platform,
                     const sim::CompileOptions& options = {}) {
    try {
        compile(model_of(model), platform, options);
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "no error";
}

double cycles(Time time) { return microseconds(time) * 260; }

}  // namespace

// ---- Formulas. ----------------------------------------------------------------------------------

TEST_CASE("a layer's formulas give its time and energy on each device") {
    const Problem p = compile(model_of(kConvolutions), diana(), {});
    // 1 x 3 x 2 x 32 x 9 + 1024 x 19 / 8 = 1728 + 2432; 1024 / 4 x 18.2 + 8 x 27 = 4659.2 + 216.
    const Task& digital = task_named(p, "conv1 on digital array/1");
    CHECK(digital.cost == from_microseconds(16));
    CHECK(cycles(task_named(p, "conv1 on analog array/1").cost) ==
          doctest::Approx(4875.2).epsilon(1e-7));
    // 4 x 32 x 1 x 8 x 9 + 64 x 96 / 8 = 9216 + 768; 64 / 4 x 18.2 + 8 x 288 = 291.2 + 2304.
    CHECK(cycles(task_named(p, "conv3 on digital array/1").cost) ==
          doctest::Approx(9984).epsilon(1e-7));
    CHECK(cycles(task_named(p, "conv3 on analog array/1").cost) ==
          doctest::Approx(2595.2).epsilon(1e-7));

    CHECK(digital.kind == sim::CostKind::formula);
    CHECK(digital.precision == "int8");
    CHECK(digital.spread.p05 == digital.cost);
    CHECK(digital.spread.p95 == digital.cost);
    CHECK(digital.spread.samples == 0);
    // 13.65 mW for 16 us.
    CHECK(digital.energy == sim::from_microjoules(0.2184));
    CHECK(p.knows_energy());
    CHECK(p.at_rest.value == doctest::Approx(0.01131));
    // The host's layers take no time, and so no power that the platform would have to state.
    CHECK(task_named(p, "q1 on host free/1").cost == Time{});
}

// The published figures of ResNet20: all on the digital array, all on the analog one, and of every
// layer the fastest division.
TEST_CASE("DIANA's formulas give the published cycles of ResNet20") {
    const Problem p =
        compile(sim::load_model(HETMAP_SOURCE_DIR "/models/resnet20-cifar10", {}), diana(), {});
    double digital = 0, analog = 0, least = 0;
    for (std::size_t layer = 0; layer < p.starting.size(); ++layer) {
        if (p.weighted_channels[layer] == 0) {
            continue;
        }
        double fastest = 1e9;
        for (const int index : p.starting[layer]) {
            const Task& task = p.tasks[static_cast<std::size_t>(index)];
            fastest = std::min(fastest, cycles(task.cost));
            if (task.parts.empty()) {
                (task.device == 1 ? digital : analog) += cycles(task.cost);
            }
        }
        least += fastest;
    }
    CHECK(digital == doctest::Approx(257'673.25).epsilon(1e-6));
    CHECK(analog == doctest::Approx(88'120.7).epsilon(1e-6));
    CHECK(least == doctest::Approx(86'964.45).epsilon(1e-6));
}

TEST_CASE("a formula whose condition does not hold is not offered") {
    const Problem p = compile(model_of(kDepthwise), diana(), {});
    // The analog array wants one group.
    CHECK(names_of(p) == Lines{"dw on digital array/1"});
    // 32 groups of one channel: 1 x 32 x 1 x 2 x 9 + 4 x 64 / 8 = 576 + 32.
    CHECK(cycles(p.tasks[1].cost) == doctest::Approx(608).epsilon(1e-6));
}

TEST_CASE("an energy that a formula gives stands instead of the device's powers") {
    sim::Platform platform = diana();
    platform.formulas[1].energy_uj = expression("macs / 1e6");
    const Problem p = compile(model_of(kConvolutions), platform, {});
    // 1024 pixels x 16 channels x 27 = 442,368 multiply-accumulates.
    CHECK(microjoules(task_named(p, "conv1 on digital array/1").energy) ==
          doctest::Approx(0.442368));
}

TEST_CASE("where a variant was measured for a layer, its formula is not offered") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "5 * batch"));
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "6 * batch", "other"));
    const sim::Model model = model_of(kThree);
    const int conv[] = {1};
    sim::MeasuredCost measured;
    measured.layers = signature(model, conv);
    measured.device = 1;
    measured.variant = "v";
    measured.configuration = "2";
    measured.time.p50 = from_microseconds(7);
    platform.measured = {measured};
    CHECK(names_of(compile(model, platform, {}), 1) ==
          Lines{"conv on gpu v/2", "conv on gpu other/1"});
    CHECK(names_of(compile(model, platform, {.batch = 2, .only = {}}), 1) ==
          Lines{"conv on gpu v/1", "conv on gpu other/1"});
}

TEST_CASE("of two formulas of one name the second is refused where both hold") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "5"));
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "6"));
    platform.formulas[platform.formulas.size() - 2].when = expression("kh == 3");
    const std::string own = kThree;
    CHECK_NOTHROW(compile(model_of(own), platform, {}));  // kThree's kernel is 1x1
    platform.formulas[platform.formulas.size() - 2].when = expression("kh == 1");
    CHECK_THROWS_WITH_AS(
        compile(model_of(own), platform, {}),
        doctest::Contains("expected one of this device, variant and configuration"),
        sim::InputError);
}

TEST_CASE("a formula that is negative, infinite or enormous is an error at its place") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    const auto error = [&](const std::string& text, auto member) {
        sim::FormulaCost cost = cost_of(1, {"conv2d"}, "5");
        cost.*member = expression(text, 12);
        sim::Platform broken = platform;
        broken.devices[1].longest_stream = 4;
        broken.formulas.push_back(cost);
        return error_of(kThree, broken);
    };
    const std::string layer = " for layer 'conv' (conv2d int8 4x4x8 wint8 10 k1x1 s1 p0 v0)";
    CHECK(error("c_in - 11", &sim::FormulaCost::time_us) ==
          "p.yaml:12:7: time_us: expected zero or more, got -3" + layer);
    CHECK(error("-kh", &sim::FormulaCost::fill_us) ==
          "p.yaml:12:7: fill_us: expected zero or more, got -1" + layer);
    CHECK(error("1 - c_in", &sim::FormulaCost::energy_uj) ==
          "p.yaml:12:7: energy_uj: expected zero or more, got -7" + layer);
    CHECK(error("1e13", &sim::FormulaCost::time_us) ==
          "p.yaml:12:7: time_us: expected at most 1000000000000, got 10000000000000" + layer);
    CHECK(error("1e10", &sim::FormulaCost::energy_uj) ==
          "p.yaml:12:7: energy_uj: expected at most 1000000000, got 10000000000" + layer);
    CHECK(error("1 / (c_in - 8)", &sim::FormulaCost::time_us) ==
          "p.yaml:12:7: formula '1 / (c_in - 8)' gives inf (c_in = 8)");

    sim::FormulaCost cells = cost_of(1, {"conv2d"}, "5");
    cells.resources = {{"alm", expression("-2", 13)}};
    platform.devices[1].resources = {{.name = "alm", .limit = 9}};
    platform.formulas.push_back(cells);
    CHECK(error_of(kThree, platform) == "p.yaml:13:7: alm: expected zero or more, got -2" + layer);
    platform.devices[1].resources[0].name = "dsp";
    CHECK(error_of(kThree, platform) == "p.yaml:13:7: device 'gpu' has no resource 'alm'");
}

// ---- Streams. -----------------------------------------------------------------------------------

namespace {

// An FPGA through which up to three layers stream: 10 + 1 us, 4 + 0.5 us, 6 + 0.25 us.
sim::Platform fpga() {
    sim::Platform platform = with_devices({"cpu", "fpga"});
    platform.formulas.push_back(cost_of(0, {"conv2d"}, "100"));
    platform.devices[1].longest_stream = 3;
    platform.devices[1].resources = {{.name = "alm", .limit = 100}, {.name = "dsp", .limit = 8}};
    const auto add = [&](const std::string& operation,
                         const std::string& time,
                         const std::string& fill,
                         const std::string& alm) {
        sim::FormulaCost& cost =
            platform.formulas.emplace_back(cost_of(1, {operation}, time, "dhm"));
        cost.fill_us = expression(fill);
        cost.resources = {{"alm", expression(alm)}};
    };
    add("conv2d", "10", "1", "24.4 * c_out");
    add("threshold", "4", "0.5", "c_out / 4");
    add("max_pool2d", "6", "0.25", "12");
    platform.formulas.back().resources.emplace_back("dsp", expression("3"));
    return platform;
}

}  // namespace

TEST_CASE("layers that stream take the longest stage and all fills, and add up their resources") {
    sim::Platform platform = fpga();
    platform.devices[1].resources[0].limit = 1000;
    const Problem p = compile(model_of(kThree), platform, {});
    CHECK(names_of(p, 1) == Lines{"conv on fpga dhm/1",
                                  "conv+step on fpga dhm/1",
                                  "conv+step+pool on fpga dhm/1",
                                  "step on fpga dhm/1",
                                  "step+pool on fpga dhm/1",
                                  "pool on fpga dhm/1"});
    const auto time = [&](const std::string& layers) {
        return microseconds(task_named(p, layers + " on fpga dhm/1").cost);
    };
    CHECK(time("conv") == 11);
    CHECK(time("step") == 4.5);
    CHECK(time("conv+step") == 11.5);
    CHECK(time("conv+step+pool") == 11.75);
    CHECK(time("step+pool") == 6.75);

    // 24.4 x 10 = 244 cells; 10 / 4 = 2.5 are 3; 12. Three multipliers for the pool.
    REQUIRE(p.budgets.size() == 2);
    CHECK(p.budgets[0].name == "fpga.alm");
    CHECK(p.budgets[0].device == 1);
    CHECK(p.budgets[0].limit == 1000);
    CHECK(p.budgets[1].name == "fpga.dsp");
    const auto uses = [&](const std::string& layers) {
        return task_named(p, layers + " on fpga dhm/1").uses;
    };
    CHECK(uses("conv") == std::vector<std::int64_t>{244, 0});
    CHECK(uses("step") == std::vector<std::int64_t>{3, 0});
    CHECK(uses("conv+step+pool") == std::vector<std::int64_t>{259, 3});
    CHECK(task_named(p, "conv on cpu v/1").uses.empty());
}

TEST_CASE("what streams draws the device's power for the task's time, or what its formulas say") {
    sim::Platform platform = fpga();
    platform.devices[1].resources.front().limit = 1000;
    platform.base_power_w = 1;
    platform.devices[0].active_power_w = platform.devices[0].idle_power_w = 1;
    platform.devices[1].active_power_w = 2;
    platform.devices[1].idle_power_w = 0.5;
    const auto energy = [&] {
        return microjoules(
            task_named(compile(model_of(kThree), platform, {}), "conv+step+pool on fpga dhm/1")
                .energy);
    };
    CHECK(energy() == 1.5 * 11.75);
    for (sim::FormulaCost& cost : platform.formulas) {
        if (cost.device == 1) {
            cost.energy_uj = expression("kh + 1");  // 2, 2 and 3
        }
    }
    CHECK(energy() == 7);
}

TEST_CASE("only layers with a fill, and of one variant and precision, stream") {
    const auto chains = [](auto change) {
        sim::Platform platform = fpga();
        platform.devices[1].resources.front().limit = 1000;
        change(platform);
        Lines lines = names_of(compile(model_of(kThree), platform, {}), 1);
        std::erase_if(lines,
                      [](const std::string& line) { return line.find('+') == std::string::npos; });
        return lines;
    };
    CHECK(chains([](sim::Platform& p) { p.devices[1].longest_stream = 2; }) ==
          Lines{"conv+step on fpga dhm/1", "step+pool on fpga dhm/1"});
    CHECK(chains([](sim::Platform& p) { p.devices[1].longest_stream = 0; }).empty());
    CHECK(chains([](sim::Platform& p) { p.formulas[3].fill_us = {}; }).empty());
    CHECK(chains([](sim::Platform& p) { p.formulas[4].variant = "other"; }) ==
          Lines{"conv+step on fpga dhm/1"});
    CHECK(chains([](sim::Platform& p) { p.formulas[2].configuration = "2"; }) ==
          Lines{"step+pool on fpga dhm/1"});
    // A threshold has no weights: its formula's precision says nothing.
    CHECK(chains([](sim::Platform& p) { p.formulas[2].precision = "int4"; }).size() == 3);
}

// ---- Budgets. -----------------------------------------------------------------------------------

TEST_CASE("what goes beyond a budget by itself is not offered") {
    CHECK(names_of(compile(model_of(kThree), fpga(), {}), 1) ==
          Lines{"step on fpga dhm/1", "step+pool on fpga dhm/1", "pool on fpga dhm/1"});
    sim::Platform alone = fpga();
    std::erase_if(alone.formulas, [](const sim::FormulaCost& cost) { return cost.device == 0; });
    CHECK(error_of(kThree, alone) ==
          "platform made-up: no device (cpu, fpga) has a cost for layer 'conv' (conv2d int8 4x4x8 "
          "wint8 10 k1x1 s1 p0 v0) at batch 1; fpga: it needs 244 of fpga.alm, of which there are "
          "100");
}

// ---- Support. -----------------------------------------------------------------------------------

TEST_CASE("what a device does not support is not offered, and where no device does, it says why") {
    sim::Platform platform = with_devices({"cpu", "digital", "analog"});
    for (const int device : {0, 1, 2}) {
        platform.formulas.push_back(cost_of(device, {"conv2d", "depthwise_conv2d"}, "5"));
    }
    const auto rule = [](std::vector<std::string> operations) {
        sim::SupportRule one;
        one.operations = std::move(operations);
        return one;
    };
    const auto reason = [&](const std::string& model, const sim::SupportRule& one) {
        sim::Platform narrow = platform;
        narrow.devices[0].supports = {rule({"threshold", "max_pool2d"})};
        narrow.devices[1].supports = {rule({"linear"}), one};
        narrow.devices[2].supports = narrow.devices[0].supports;
        const std::string error = error_of(model, narrow);
        const std::string begin = "digital: ", end = "; analog: operation ";
        const std::size_t from = error.find(begin), to = error.find(end);
        return from == std::string::npos || to == std::string::npos
                   ? error
                   : error.substr(from + begin.size(), to - from - begin.size());
    };
    const std::vector<std::string> conv{"conv2d"};
    sim::SupportRule one = rule(conv);
    one.kernels = {3, 5};
    CHECK(reason(kThree, one) == "kernel 1 is not among 3, 5");
    one = rule(conv);
    one.strides = {2};
    CHECK(reason(kThree, one) == "stride 1 is not among 2");
    one = rule({"depthwise_conv2d"});
    one.groups = {1};
    CHECK(reason(kDepthwise, one) == "groups 32 is not among 1");
    one = rule(conv);
    one.weights = {"binary", "f32"};
    CHECK(reason(kThree, one) == "the weights' element int8 is not among binary, f32");
    one = rule(conv);
    one.activations = {"binary"};
    CHECK(reason(kThree, one) == "the input's element int8 is not among binary");
    one = rule(conv);
    one.in_channels_multiple = 16;
    CHECK(reason(kThree, one) == "8 input channels are no multiple of 16");
    one = rule(conv);
    one.out_channels_multiple = 4;
    CHECK(reason(kThree, one) == "10 output channels are no multiple of 4");
    one = rule(conv);
    one.when = expression("c_in > 8");
    CHECK(reason(kThree, one) == "'c_in > 8' does not hold");
    CHECK(reason(kThree, rule({"softmax"})) == "operation conv2d is not among linear, softmax");

    // Everything at once, in full.
    sim::Platform narrow = platform;
    narrow.devices[0].supports = {rule({"threshold", "max_pool2d"})};
    narrow.devices[1].supports = {rule(conv), rule(conv)};
    narrow.devices[1].supports[0].kernels = {3};
    narrow.devices[1].supports[1].strides = {4};
    narrow.devices[2].supports = {rule(conv)};
    narrow.devices[2].supports[0].out_channels_multiple = 16;
    CHECK(error_of(kThree, narrow) ==
          "platform made-up: no device (cpu, digital, analog) has a cost for layer 'conv' (conv2d "
          "int8 4x4x8 wint8 10 k1x1 s1 p0 v0) at batch 1; cpu: operation conv2d is not among "
          "threshold, max_pool2d; digital: kernel 1 is not among 3, and by another rule stride 1 "
          "is not among 4; analog: 10 output channels are no multiple of 16");
    // One rule that admits the layer is enough.
    narrow.devices[1].supports[1].strides = {1, 4};
    CHECK(names_of(compile(model_of(kThree), narrow, {})) ==
          Lines{"conv on digital v/1", "step on cpu free/1", "pool on cpu free/1"});
}

TEST_CASE("a constraint on what an operation does not have does not hold for it") {
    sim::Platform platform = with_devices({"cpu"});
    platform.formulas.push_back(cost_of(0, {"conv2d"}, "5"));
    sim::SupportRule rule;
    rule.kernels = {1, 2};
    rule.groups = {1};
    rule.weights = {"int8"};
    rule.strides = {1, 2};
    platform.devices[0].supports = {rule};
    CHECK(names_of(compile(model_of(kThree), platform, {})) ==
          Lines{"conv on cpu v/1", "step on cpu free/1", "pool on cpu free/1"});
}

TEST_CASE("support rules hold for measured costs, and for every layer of a chain") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.formulas.push_back(cost_of(0, {"conv2d"}, "5"));
    const sim::Model model = model_of(kThree);
    const auto measure = [&](std::vector<int> chain) {
        sim::MeasuredCost cost;
        cost.layers = signature(model, chain);
        cost.device = 1;
        cost.variant = "m";
        cost.configuration = "1";
        cost.time.p50 = from_microseconds(1);
        platform.measured.push_back(cost);
    };
    measure({1});
    measure({1, 2});
    measure({2, 3});
    CHECK(names_of(compile(model, platform, {}), 1) ==
          Lines{"conv on gpu m/1", "conv+step on gpu m/1", "step+pool on gpu m/1"});
    sim::SupportRule rule;
    rule.operations = {"conv2d", "max_pool2d"};
    platform.devices[1].supports = {rule};
    CHECK(names_of(compile(model, platform, {}), 1) == Lines{"conv on gpu m/1"});
}

TEST_CASE("a platform of formulas says which device has none for a layer") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "5"));
    platform.formulas.back().when = expression("groups > 1");
    CHECK(error_of(kThree, platform) ==
          "platform made-up: no device (cpu, gpu) has a cost for layer 'conv' (conv2d int8 4x4x8 "
          "wint8 10 k1x1 s1 p0 v0) at batch 1; cpu: no formula for conv2d; gpu: no formula whose "
          "condition (when) holds");
}

TEST_CASE("only those formulas and divisions are offered that are asked for") {
    const sim::Model model = model_of(kConvolutions);
    const auto count = [&](std::vector<std::string> only) {
        only.emplace_back("host");
        return names_of(compile(model, diana(), {.batch = 1, .only = std::move(only)})).size();
    };
    // Two thresholds on the host; three convolutions; 15 + 31 + 63 divisions of them.
    CHECK(count({"digital"}) == 5);
    CHECK(count({"digital", "analog/array/1"}) == 8 + 109);
    CHECK(error_of(kConvolutions, diana(), {.batch = 1, .only = {"analog/square"}}) ==
          "platform diana: no implementation 'analog/square' (device, device/variant or "
          "device/variant/configuration); there are: analog/array, digital/array, host/free");
}

// ---- Divided layers. ----------------------------------------------------------------------------

TEST_CASE("a layer is divided into all shares, each part with its own time and energy") {
    const Problem p = compile(model_of(kConvolutions), diana(), {});
    // 1 x 32 x 1 x 8 x 9 + 64 x 36 / 8 = 2304 + 288 beside 16 x 18.2 + 2304.
    const Task& task = task_named(p, "conv3 on digital split/digital 4 + analog 60");
    REQUIRE(task.parts.size() == 2);
    CHECK(cycles(task.parts[0].busy) == doctest::Approx(2592).epsilon(1e-7));
    CHECK(cycles(task.parts[1].busy) == doctest::Approx(2595.2).epsilon(1e-7));
    CHECK(task.cost == task.parts[1].busy);
    CHECK(task.device == 1);
    CHECK(task.parts[0].device == 1);
    CHECK(task.parts[0].channels == 4);
    CHECK(task.parts[1].channels == 60);
    CHECK(task.parts[0].precision == "int8");
    CHECK(task.parts[1].precision == "ternary");
    CHECK(task.precision.empty());
    CHECK(task.engines.empty());
    CHECK(microjoules(task.parts[0].energy) == doctest::Approx(0.01365 * 2592 / 260));
    CHECK(task.energy == task.parts[0].energy + task.parts[1].energy);
    CHECK(task.inputs.size() == 1);
    // 18,432 bytes of weights, all in the one memory.
    CHECK(task.weight_bytes == std::vector<std::int64_t>{18'432});
    CHECK(std::ranges::count_if(p.tasks, [&](const Task& t) {
              return t.first == task.first && !t.parts.empty();
          }) == 63);
}

TEST_CASE("shares are multiples of the step, and the last device takes the rest") {
    sim::Platform platform = with_devices({"cpu", "a", "b"});
    platform.formulas.push_back(cost_of(0, {"conv2d"}, "9"));
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "n"));
    platform.formulas.push_back(cost_of(2, {"conv2d"}, "2 * n"));
    platform.splits = {{.devices = {0, 1, 2},
                        .operations = {"conv2d"},
                        .step = 4,
                        .join = expression("cpu + max(a, b)"),
                        .reduction_us = {},
                        .where = {}}};
    const Problem p = compile(model_of(kThree), platform, {});
    Lines lines;
    for (const Task& task : p.tasks) {
        if (task.variant == "split") {
            lines.push_back(task.configuration + ": " +
                            std::to_string(static_cast<int>(microseconds(task.cost))));
        }
    }
    CHECK(lines == Lines{"a 4 + b 6: 12",
                         "a 8 + b 2: 8",
                         "cpu 4 + b 6: 21",
                         "cpu 4 + a 4 + b 2: 13",
                         "cpu 8 + b 2: 13"});
    const auto with_join = [&](const std::string& join) {
        platform.splits[0].join = expression(join, 30);
        return microseconds(task_named(compile(model_of(kThree), platform, {}),
                                       "conv on cpu split/cpu 4 + a 4 + b 2")
                                .cost);
    };
    CHECK(with_join("max") == 9);
    CHECK(with_join("sum") == 9 + 4 + 4);
    CHECK(with_join("min(cpu, a)") == 4);
    CHECK_THROWS_WITH_AS(with_join("a - cpu"),
                         "p.yaml:30:7: join: expected zero or more, got -9 for layer 'conv' "
                         "(conv2d int8 4x4x8 wint8 10 k1x1 s1 p0 v0), divided into cpu 4 + b 6",
                         sim::InputError);
}

TEST_CASE("every device of a rule must support the layer and have a formula for shares") {
    const auto divisions = [](auto change) {
        sim::Platform platform = diana();
        change(platform);
        return std::ranges::count(
            compile(model_of(kConvolutions), platform, {}).tasks, "split", &Task::variant);
    };
    CHECK(divisions([](sim::Platform&) {}) == 15 + 31 + 63);
    CHECK(divisions([](sim::Platform& p) { p.formulas[1].shares = false; }) == 0);
    CHECK(divisions([](sim::Platform& p) { p.splits[0].operations = {"linear"}; }) == 0);
    // conv1 has three input channels.
    CHECK(divisions([](sim::Platform& p) {
              p.devices[2].supports.emplace_back().in_channels_multiple = 2;
          }) == 31 + 63);
    // Two variants of the digital array's.
    CHECK(divisions([](sim::Platform& p) {
              p.formulas.push_back(p.formulas[1]);
              p.formulas.back().variant = "other";
          }) == 2 * (15 + 31 + 63));
    // Wants bytes for bits: conv1 reads none.
    CHECK(divisions([](sim::Platform& p) { p.formulas[2].in_layout = "plain"; }) == 0);
}

TEST_CASE("too many divisions are an error that asks for a larger step") {
    sim::Platform platform = with_devices({"cpu", "a", "b", "c"});
    for (const int device : {0, 1, 2, 3}) {
        platform.formulas.push_back(cost_of(device, {"conv2d"}, "n"));
    }
    platform.splits = {{.devices = {0, 1, 2, 3},
                        .operations = {"conv2d"},
                        .join = expression("max"),
                        .reduction_us = {},
                        .where = {.file = "p.yaml", .line = 40, .column = 5}}};
    const std::string wide = with(kThree, "out_channels: 10", "out_channels: 128");
    CHECK(error_of(wide, platform) ==
          "p.yaml:40:5: more than 200000 ways to divide layer 'conv' (conv2d int8 4x4x8 wint8 128 "
          "k1x1 s1 p0 v0) by a step of 1; expected a larger step");
    platform.splits[0].step = 32;
    // Of 35 ways to cut 4 pieces among 4 devices, 4 leave all to one.
    CHECK(std::ranges::count(
              compile(model_of(wide), platform, {}).tasks, "split", &Task::variant) == 31);
}

//   cpu   |-- 3 us x 4 --|                      |- wait 2 -|
//   gpu   |-- 2 us x 6 ---------|
//   up/down                     |- 2 us + 384 ns -|
TEST_CASE("parts in another memory are gathered where the result is held") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.memories.push_back({.name = "gpu"});
    platform.devices[1].memory = 1;
    platform.devices[1].asynchronous = true;
    platform.devices[1].completion = from_microseconds(2);
    platform.formulas.push_back(cost_of(0, {"conv2d"}, "3 * n"));
    platform.formulas.push_back(cost_of(1, {"conv2d"}, "2 * n"));
    platform.splits = {{.devices = {0, 1},
                        .operations = {"conv2d"},
                        .step = 2,
                        .join = expression("max"),
                        .reduction_us = {},
                        .where = {}}};
    const std::string name = "conv on cpu split/cpu 4 + gpu 6";
    // Without a link back there is no division.
    platform.links = {link_of("up", 0, 1)};
    CHECK(names_of(compile(model_of(kThree), platform, {})) ==
          Lines{"conv on cpu v/1", "conv on gpu v/1", "step on cpu free/1", "pool on cpu free/1"});

    platform.links.push_back(link_of("down", 1, 0, 2));
    Problem p = compile(model_of(kThree), platform, {});
    const Task& task = task_named(p, name);
    CHECK(task.parts[0].busy == from_microseconds(12));
    CHECK(task.parts[1].busy == from_microseconds(12));
    // 16 pixels x 6 channels x 4 bytes = 384 bytes come down.
    CHECK(task.cost == from_microseconds(12 + 2 + 0.384 + 2));
    CHECK(task.engines == std::vector{1});
    CHECK(p.engine_names[1] == "down");
    // 80 bytes of weights.
    CHECK(task.weight_bytes == std::vector<std::int64_t>{32, 48});
    CHECK_FALSE(is_basic(p));

    // An element takes a byte on the link.
    platform.links[1].element_bits = 8;
    CHECK(task_named(compile(model_of(kThree), platform, {}), name).cost ==
          from_microseconds(12 + 2 + 0.096 + 2));
    // Three images: the formulas have to know of them.
    CHECK_THROWS_WITH_AS(compile(model_of(kThree), platform, {.batch = 3, .only = {}}),
                         doctest::Contains("of several images"),
                         sim::InputError);
    sim::Platform of_batches = platform;
    of_batches.formulas[0] = cost_of(0, {"conv2d", "threshold", "max_pool2d"}, "n * batch");
    of_batches.formulas[1] = cost_of(0, {"conv2d"}, "3 * n * batch / 3", "w");
    of_batches.formulas.push_back(cost_of(1, {"conv2d"}, "2 * n * batch / 3"));
    for (const Task& three :
         compile(model_of(kThree), of_batches, {.batch = 3, .only = {}}).tasks) {
        if (three.variant == "split" && three.parts[0].channels == 4 &&
            three.parts[0].variant == "w") {
            CHECK(three.cost == from_microseconds(12 + 2 + 0.288 + 2));
        }
    }
    // The link's energy is the task's, beside that of its parts.
    platform.links[0].energy_pj_per_byte = platform.links[1].energy_pj_per_byte = 1000;
    platform.base_power_w = 1;
    for (sim::Device& device : platform.devices) {
        device.active_power_w = 2;
        device.idle_power_w = 1;
    }
    p = compile(model_of(kThree), platform, {});
    CHECK(p.knows_energy());
    CHECK(microjoules(task_named(p, name).energy) == doctest::Approx(12 + 12 + 0.096));
    // Where the result is the GPU's, the host does not wait for it.
    platform.splits[0].devices = {1, 0};
    p = compile(model_of(kThree), platform, {});
    const Task& swapped = task_named(p, "conv on gpu split/gpu 6 + cpu 4");
    CHECK(swapped.cost == from_microseconds(12 + 1 + 0.256));
    CHECK(swapped.engines == std::vector{0});
}

TEST_CASE("copies of parts on one engine go one after the other, on others at once") {
    sim::Platform platform = with_devices({"cpu", "a", "b"});
    platform.memories = {{.name = "host"}, {.name = "ma"}, {.name = "mb"}};
    platform.devices[1].memory = 1;
    platform.devices[2].memory = 2;
    for (const int device : {0, 1, 2}) {
        platform.formulas.push_back(cost_of(device, {"conv2d"}, "10"));
    }
    for (const int memory : {1, 2}) {
        platform.links.push_back(link_of("up" + std::to_string(memory), 0, memory));
        platform.links.push_back(link_of("down" + std::to_string(memory), memory, 0, memory));
    }
    platform.splits = {{.devices = {0, 1, 2},
                        .operations = {"conv2d"},
                        .step = 2,
                        .join = expression("max"),
                        .reduction_us = {},
                        .where = {}}};
    const auto task = [&] {
        return task_named(compile(model_of(kThree), platform, {}),
                          "conv on cpu split/cpu 2 + a 4 + b 4");
    };
    // 16 pixels x 4 channels x 4 bytes = 256 bytes from each.
    CHECK(task().cost == from_microseconds(10 + 2 + 0.256));
    CHECK(task().engines == std::vector{1, 3});
    platform.links[1].engine = platform.links[3].engine = "dma";
    CHECK(task().cost == from_microseconds(10 + 1 + 0.256 + 2 + 0.256));
    CHECK(task().engines == std::vector{1});
    // Without the host the first that works holds the result: from b to a there is no link.
    const Lines lines = names_of(compile(model_of(kThree), platform, {}));
    CHECK(std::ranges::count(lines, "conv on a split/a 4 + b 6") == 0);
}

TEST_CASE("a layer divided by its input channels adds up partial sums of all its outputs") {
    sim::Platform platform = with_devices({"cpu", "gpu"});
    platform.memories.push_back({.name = "gpu"});
    platform.devices[1].memory = 1;
    platform.links = {link_of("up", 0, 1), link_of("down", 1, 0)};
    platform.links[1].element_bits = 8;  // of the result; partial sums are not yet
    platform.formulas.push_back(cost_of(0, {"conv2d", "depthwise_conv2d"}, "m * n"));
    platform.formulas.push_back(cost_of(1, {"conv2d", "depthwise_conv2d"}, "m + n"));
    platform.splits = {{.devices = {0, 1},
                        .operations = {"conv2d", "depthwise_conv2d"},
                        .by = sim::SplitRule::By::input_channels,
                        .join = expression("sum"),
                        .reduction_us = expression("outputs / 100"),
                        .where = {}}};
    const Problem p = compile(model_of(kThree), platform, {});
    const Task& task = task_named(p, "conv on cpu input_split/cpu 2 + gpu 6");
    // 2 x 10 and 6 + 10 us; 160 sums of 4 bytes; 160 additions in 1.6 us.
    CHECK(task.cost == from_microseconds(20 + 16 + 1 + 0.64 + 1.6));
    CHECK(task.parts[0].busy == from_microseconds(21.6));
    CHECK(task.parts[1].busy == from_microseconds(16));
    CHECK(task.parts[1].channels == 6);
    CHECK(std::ranges::count(p.tasks, "input_split", &Task::variant) == 7);
    CHECK(task.weight_bytes == std::vector<std::int64_t>{20, 60});

    // Each of a depthwise convolution's channels is a sum of its own.
    CHECK(names_of(compile(model_of(kDepthwise), platform, {})) ==
          Lines{"dw on cpu v/1", "dw on gpu v/1"});
    platform.splits[0].reduction_us = expression("c_in - 9", 50);
    CHECK(error_of(kThree, platform) ==
          "p.yaml:50:7: reduction_us: expected zero or more, got -1 for layer 'conv' (conv2d int8 "
          "4x4x8 wint8 10 k1x1 s1 p0 v0), divided into cpu 1 + gpu 7");
}
