#include "sim/compile/costs.hpp"
#include "sim/compile/problem.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using sim::from_microseconds;
using sim::Problem;
using sim::Time;

namespace {

using Lines = std::vector<std::string>;

// image -> conv -> threshold -> pool -> fc
const std::string kChain = R"(hetmap: model/1
name: chain
input: {name: image, height: 4, width: 4, channels: 1, type: u8}
parameters: {seed: 1}
layers:
  - {name: conv, operation: conv2d, inputs: [image], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: threshold, operation: threshold, inputs: [conv]}
  - {name: pool, operation: max_pool2d, inputs: [threshold], kernel: 2, stride: 2}
  - {name: fc, operation: linear, inputs: [pool], weights: binary, out_channels: 10}
output: fc
)";

// A residual block: a -> c1 -> c2 -> sum, a -> shortcut -> sum, the shortcut last in the file.
const std::string kBlock = R"(hetmap: model/1
name: block
input: {name: a, height: 4, width: 4, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: c1, operation: conv2d, inputs: [a], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: t1, operation: threshold, inputs: [c1]}
  - {name: c2, operation: conv2d, inputs: [t1], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: shortcut, operation: conv2d, inputs: [a], weights: binary, out_channels: 64, kernel: 1}
  - {name: sum, operation: add, inputs: [c2, shortcut]}
output: sum
)";

sim::Model model_of(const std::string& text) {
    const TemporaryFolder folder;
    return sim::load_model(folder.write("model.yaml", text), {});
}

int layer_named(const sim::Model& model, std::string_view name) {
    return static_cast<int>(std::ranges::find(model.layers, name, &sim::Layer::name) -
                            model.layers.begin());
}

// A platform with one device, the host, and no costs.
sim::Platform cpu_only() {
    sim::Platform platform;
    platform.name = "made-up";
    platform.memories = {{.name = "host"}};
    platform.devices = {{.name = "cpu", .kind = "cpu", .conversions = {}}};
    return platform;
}

// A host and an asynchronous device; 1 us + 1 ns a byte up, 2 us + 2 ns a byte down.
sim::Platform two_devices() {
    const auto affine = [](double latency_us, double rate) {
        const Time latency = from_microseconds(latency_us);
        return sim::TransferTable{.points = {{{}, {latency, latency, latency, 0}}},
                                  .bandwidth = {rate}};
    };
    sim::Platform platform = cpu_only();
    platform.memories.push_back({.name = "gpu"});
    platform.devices.push_back({.name = "gpu0",
                                .kind = "cuda",
                                .memory = 1,
                                .asynchronous = true,
                                .submit = from_microseconds(4),
                                .per_task = from_microseconds(0.5),
                                .completion = from_microseconds(2),
                                .conversions = {}});
    platform.links = {{"up", 0, 1, "", {{"pinned", affine(1, 1e9)}}},
                      {"down", 1, 0, "", {{"pinned", affine(2, 5e8)}}}};
    platform.devices[0].conversions = {{"nhwc", "plain", affine(3, 1e9)},
                                       {"plain", "nhwc", affine(5, 1e9)}};
    return platform;
}

struct Cost {
    std::vector<std::string> layers;
    double us = 0;
    int device = 0;
    std::string variant = "v", configuration = "1", in_layout = "nhwc", out_layout = "nhwc";
    int batch = 1;
};

void add_costs(sim::Platform& platform, const sim::Model& model, const std::vector<Cost>& costs) {
    for (const Cost& cost : costs) {
        std::vector<int> chain;
        for (const std::string& name : cost.layers) {
            chain.push_back(layer_named(model, name));
        }
        const Time time = from_microseconds(cost.us);
        platform.measured.push_back({.layers = signature(model, chain),
                                     .batch = cost.batch,
                                     .device = cost.device,
                                     .variant = cost.variant,
                                     .configuration = cost.configuration,
                                     .in_layout = cost.in_layout,
                                     .out_layout = cost.out_layout,
                                     .time = {time, time, time, 9},
                                     .where = {}});
    }
}

// "conv+threshold(image) on cpu v/1 4.00": layers, what is read from outside (with a star where
// the layout is not 0), device, variant, configuration, microseconds; a star after the time where
// the result's layout is not 0.
Lines tasks_of(const Problem& problem) {
    Lines lines;
    for (const sim::Task& task : problem.tasks) {
        const auto name = [&](int layer) {
            return problem.layer_names[static_cast<std::size_t>(layer)];
        };
        std::string line = name(task.first);
        for (const int layer : task.rest) {
            line += "+" + name(layer);
        }
        line += "(";
        for (const sim::TaskInput& input : task.inputs) {
            line += (line.back() == '(' ? "" : ",") + name(input.tensor) +
                    (input.layout > 0 ? "*" : "");
        }
        const std::string us = std::to_string(sim::microseconds(task.cost));
        line += ") on " + problem.device_names[static_cast<std::size_t>(task.device)] + " " +
                task.variant + "/" + task.configuration + " " + us.substr(0, us.find('.') + 3) +
                (task.out_layout > 0 ? "*" : "");
        lines.push_back(line);
    }
    return lines;
}

// compile() of the model on the platform with these costs.
Problem compiled(const std::string& model_text,
                 sim::Platform platform,
                 const std::vector<Cost>& costs,
                 const sim::CompileOptions& options = {}) {
    const sim::Model model = model_of(model_text);
    add_costs(platform, model, costs);
    return compile(model, platform, options);
}

std::string error_of(const std::string& model_text,
                     const sim::Platform& platform,
                     const std::vector<Cost>& costs,
                     const sim::CompileOptions& options = {}) {
    try {
        compiled(model_text, platform, costs, options);
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "no error";
}

const std::vector<Cost> kChainCosts = {
    {.layers = {"conv"}, .us = 4},
    {.layers = {"threshold"}, .us = 2},
    {.layers = {"pool"}, .us = 1},
    {.layers = {"fc"}, .us = 3},
};

const std::vector<Cost> kBlockCosts = {
    {.layers = {"c1"}, .us = 5},
    {.layers = {"t1"}, .us = 1},
    {.layers = {"c2"}, .us = 5},
    {.layers = {"shortcut"}, .us = 2},
    {.layers = {"sum"}, .us = 1},
};

std::vector<Cost> operator+(std::vector<Cost> costs, const Cost& more) {
    costs.push_back(more);
    return costs;
}

}  // namespace

TEST_CASE("every layer becomes a task for each of its costs, between an input and an output") {
    const Problem p = compiled(
        kChain, cpu_only(), kChainCosts + Cost{.layers = {"conv", "threshold", "pool"}, .us = 4.5});
    CHECK(p.model == "chain");
    CHECK(p.platform == "made-up");
    CHECK(p.layer_names == Lines{"image", "conv", "threshold", "pool", "fc", "output"});
    CHECK(p.model_layer == std::vector{0, 1, 2, 3, 4, -1});
    CHECK(p.inputs == std::vector<std::vector<int>>{{}, {0}, {1}, {2}, {3}, {4}});
    CHECK(p.consumers == std::vector<std::vector<int>>{{1}, {2}, {3}, {4}, {5}, {}});
    CHECK(tasks_of(p) == Lines{"image() on cpu / 0.00",
                               "conv(image) on cpu v/1 4.00",
                               "conv+threshold+pool(image) on cpu v/1 4.50",
                               "threshold(conv) on cpu v/1 2.00",
                               "pool(threshold) on cpu v/1 1.00",
                               "fc(pool) on cpu v/1 3.00",
                               "output(fc) on cpu / 0.00"});
    CHECK(p.starting == std::vector<std::vector<int>>{{0}, {1, 2}, {3}, {4}, {5}, {6}});
    CHECK(p.tasks[2].first == 1);
    CHECK(p.tasks[2].rest == std::vector{2, 3});
    CHECK(p.tasks[2].last == 3);
    CHECK(p.tasks[2].kind == sim::CostKind::measured);
    CHECK(p.tasks[2].spread.samples == 9);
    CHECK(p.layouts == 1);
    CHECK(p.memories == 1);
    CHECK(p.engines == 0);
}

TEST_CASE("costs of another batch are not offered") {
    const std::vector<Cost> costs =
        kChainCosts + Cost{.layers = {"fc"}, .us = 9, .variant = "w", .batch = 8};
    CHECK(tasks_of(compiled(kChain, cpu_only(), costs)).at(4) == "fc(pool) on cpu v/1 3.00");
    CHECK(error_of(kChain, cpu_only(), costs, {.batch = 8, .only = {}}) ==
          "platform made-up: no device (cpu) has a cost for 3 layers at batch 8:\n"
          "  layer 'conv' (conv2d u8 4x4x1 64 k3x3 s1 p1 v0); measured batches: 1 on cpu\n"
          "  layer 'threshold' (threshold int32 4x4x64); measured batches: 1 on cpu\n"
          "  layer 'pool' (max_pool2d binary 4x4x64 k2x2 s2); measured batches: 1 on cpu");
    CHECK(error_of(kChain,
                   cpu_only(),
                   {{.layers = {"threshold", "pool"}, .us = 1}, {.layers = {"fc"}, .us = 1}}) ==
          "platform made-up: no device (cpu) has a cost for layer 'conv' (conv2d u8 4x4x1 64 k3x3 "
          "s1 p1 v0) at batch 1; it was measured at no batch");
    CHECK(error_of(kChain, cpu_only(), costs, {.batch = 0, .only = {}}) ==
          "batch: expected a whole number from 1 to 65536, got 0");
}

//             b (1 us)
//           /          \            The longer branch first: c before b.
//   x -> a                d
//           \          /
//             c (7 us)
TEST_CASE("of two layers that may come next, the one with the longest path ahead does") {
    const std::string diamond = R"(hetmap: model/1
name: diamond
input: {name: x, height: 1, width: 1, channels: 4, type: int32}
parameters: {seed: 1}
layers:
  - {name: a, operation: flatten, inputs: [x]}
  - {name: b, operation: average_pool2d, inputs: [a], kernel: 1, stride: 1}
  - {name: c, operation: max_pool2d, inputs: [a], kernel: 1, stride: 1}
  - {name: d, operation: add, inputs: [b, c]}
output: d
)";
    const auto order = [&](double b, double c) {
        return compiled(diamond,
                        cpu_only(),
                        {{.layers = {"a"}, .us = 1},
                         {.layers = {"b"}, .us = b},
                         {.layers = {"c"}, .us = c},
                         {.layers = {"d"}, .us = 1}})
            .layer_names;
    };
    CHECK(order(1, 7) == Lines{"x", "a", "c", "b", "d", "output"});
    CHECK(order(7, 1) == Lines{"x", "a", "b", "c", "d", "output"});
    CHECK(order(3, 3) == Lines{"x", "a", "b", "c", "d", "output"});  // as in the file
}

// By longest path alone the shortcut (2 + 1 us) comes after c2 (5 + 1 us) could begin:
//     a  c1  t1  c2  shortcut  sum
// The chain c2 + sum stands at c2 and reads the shortcut, so the shortcut must come before c2, and
// its longest path (2 + 5 + 1 us) now is longer than that of t1 (1 + 5 + 1 us):
//     a  c1  shortcut  t1  c2  sum
TEST_CASE("what a fused chain reads from outside comes before the chain") {
    const Problem apart = compiled(kBlock, cpu_only(), kBlockCosts);
    CHECK(apart.layer_names == Lines{"a", "c1", "t1", "c2", "shortcut", "sum", "output"});

    const Problem fused =
        compiled(kBlock, cpu_only(), kBlockCosts + Cost{.layers = {"c2", "sum"}, .us = 5.5});
    CHECK(fused.layer_names == Lines{"a", "c1", "shortcut", "t1", "c2", "sum", "output"});
    CHECK(fused.model_layer == std::vector{0, 1, 4, 2, 3, 5, -1});
    const Lines tasks = tasks_of(fused);
    CHECK(std::ranges::find(tasks, "c2+sum(t1,shortcut) on cpu v/1 5.50") != tasks.end());
}

TEST_CASE("of two chains that end in one addition, the one that saves more can be used") {
    const auto problem = [](double c2_sum, double shortcut_sum) {
        return compiled(kBlock,
                        cpu_only(),
                        kBlockCosts + Cost{.layers = {"c2", "sum"}, .us = c2_sum} +
                            Cost{.layers = {"shortcut", "sum"}, .us = shortcut_sum});
    };
    // In the static order, or for mappings in another one.
    const auto fits = [](const Problem& p, const std::string& line) {
        const Lines lines = tasks_of(p);
        const auto found = std::ranges::find(lines, line);
        REQUIRE(found != lines.end());
        const auto task = static_cast<int>(found - lines.begin());
        const std::vector<int>& there =
            p.starting[static_cast<std::size_t>(p.tasks[static_cast<std::size_t>(task)].first)];
        return std::ranges::find(there, task) != there.end();
    };
    // Apart they take 6 and 3 us.
    const Problem first = problem(5.25, 2.5);
    CHECK(fits(first, "c2+sum(t1,shortcut) on cpu v/1 5.25"));
    CHECK_FALSE(fits(first, "shortcut+sum(a,c2) on cpu v/1 2.50"));
    const Problem second = problem(5.5, 2.25);
    CHECK_FALSE(fits(second, "c2+sum(t1,shortcut) on cpu v/1 5.50"));
    CHECK(fits(second, "shortcut+sum(a,c2) on cpu v/1 2.25"));
}

TEST_CASE("only binary tensors have layouts, and the answer is wanted in the packed one") {
    const Problem p = compiled(kChain,
                               two_devices(),
                               kChainCosts +
                                   Cost{.layers = {"threshold"},
                                        .us = 9,
                                        .variant = "bytes",
                                        .in_layout = "plain",
                                        .out_layout = "plain"} +
                                   Cost{.layers = {"fc"},
                                        .us = 9,
                                        .variant = "bytes",
                                        .in_layout = "plain",
                                        .out_layout = "plain"});
    CHECK(p.layout_names == Lines{"nhwc", "plain"});
    const Lines tasks = tasks_of(p);
    CHECK(tasks[3] == "threshold(conv) on cpu bytes/1 9.00*");
    CHECK(tasks[6] == "fc(pool*) on cpu bytes/1 9.00");
}

TEST_CASE("copies and conversions take what the links and devices say, for the whole batch") {
    std::vector<Cost> costs = kChainCosts;
    costs.push_back({.layers = {"pool"},
                     .us = 1,
                     .variant = "bytes",
                     .in_layout = "plain",
                     .out_layout = "plain"});
    for (Cost& cost : costs) {
        cost.batch = 2;
    }
    const Problem p = compiled(kChain, two_devices(), costs, {.batch = 2, .only = {}});
    REQUIRE(p.layouts == 2);
    const int image = 0, conv = 1, threshold = 2;
    // 16 bytes of pixels, twice; 4096 bytes of integers, twice; 16 words of 8 bytes, twice.
    CHECK(p.copy(image, 0, 0, 1) == from_microseconds(1.032));
    CHECK(p.copy(image, 0, 1, 0) == from_microseconds(2.064));
    CHECK(p.copy(conv, 0, 0, 1) == from_microseconds(1 + 8.192));
    CHECK(p.copy(threshold, 0, 0, 1) == from_microseconds(1.256));
    CHECK(p.copy(threshold, 1, 0, 1) == from_microseconds(1 + 2.048));  // a byte for each bit
    CHECK(p.copy(threshold, 0, 1, 1) == Time{0});
    // A conversion goes by the packed bytes in both directions.
    CHECK(p.convert(threshold, 0, 0, 1) == from_microseconds(3.256));
    CHECK(p.convert(threshold, 0, 1, 0) == from_microseconds(5.256));
    CHECK(p.convert(threshold, 0, 1, 1) == Time{0});
    CHECK(p.convert(threshold, 1, 0, 1) == sim::kNever);  // gpu0 has none
    CHECK(p.engine == std::vector{-1, 0, 1, -1});
    CHECK(p.engine_names == Lines{"up", "down"});
    CHECK(p.devices[1].completion == from_microseconds(2));
}

TEST_CASE("links that name one engine share it") {
    sim::Platform platform = two_devices();
    platform.links[0].engine = platform.links[1].engine = "dma";
    const Problem p = compiled(kChain, platform, kChainCosts);
    CHECK(p.engines == 1);
    CHECK(p.engine == std::vector{-1, 0, 0, -1});
    CHECK(p.engine_names == Lines{"dma"});
    CHECK(p.link_names == Lines{"up", "down"});
}

TEST_CASE("a fitted cost is offered where nothing was measured, with its interval") {
    // Of fc nothing was measured; conv and threshold were, so no fit is asked about them.
    sim::Platform platform = cpu_only();
    const auto fit = [](const char* pattern, const char* variant, double constant_us) {
        return sim::FittedCost{.pattern = pattern,
                               .device = 0,
                               .variant = variant,
                               .configuration = "1",
                               .in_layout = "nhwc",
                               .out_layout = "nhwc",
                               .constant_us = constant_us,
                               .us_per_million_macs = 1000,
                               .us_per_kib_read = 1,
                               .us_per_kib_written = 2,
                               .us_per_thousand_tiles = 1000,
                               .samples = 5,
                               .median_error_percent = 5,
                               .p90_error_percent = 20,
                               .where = {}};
    };
    platform.fitted = {fit("linear binary", "w", 1),
                       fit("linear binary", "x", 1),
                       fit("linear u8", "w", 1),
                       fit("threshold", "w", 1)};
    platform.fitted[1].smallest_channels = 11;  // fc has 10: too few for this one
    const std::vector<Cost> costs{kChainCosts.begin(), kChainCosts.end() - 1};
    const Problem p = compiled(kChain, platform, costs);
    // 2x2x64 inputs, 10 outputs, one tile:
    //   1 + 2560 macs x 0.001 + (4 words + 10 x 4 words) x 8 / 1024 + 2 x 40 bytes / 1024 + 1
    const double us = 1 + 2.56 + 352.0 / 1024 + 2 * 40.0 / 1024 + 1;
    const sim::Task& task = p.tasks[4];
    CHECK(task.variant == "w");
    CHECK(task.kind == sim::CostKind::fitted);
    CHECK(task.cost == from_microseconds(us));
    CHECK(task.spread.p05 == from_microseconds(us / 1.2));
    CHECK(task.spread.p95 == from_microseconds(us / 0.8));
    CHECK(p.tasks.size() == 6);
    CHECK(name_of(task.kind) == "fitted");
}

TEST_CASE("features of a chain: what it reads from outside, its weights once, what it leaves") {
    const sim::Model model = model_of(kBlock);
    const int chain[] = {3, 5};  // c2 and sum
    const sim::CostFeatures f = features_of(model, chain, 3);
    CHECK(f.million_macs == doctest::Approx(3 * 16 * 64 * 576 * 1e-6));
    // t1: 16 words; shortcut: 1024 int32; weights: 64 x 9 words.
    CHECK(f.kib_read == doctest::Approx((3 * (16 * 8 + 4096) + 64 * 9 * 8) / 1024.0));
    CHECK(f.kib_written == doctest::Approx(3 * 4096 / 1024.0));
    CHECK(f.thousand_tiles == doctest::Approx(3 * 16 * 1e-3));
}

TEST_CASE("a fit that gives no time above zero is not offered") {
    CHECK_FALSE(sim::predict(sim::FittedCost{}, {}).has_value());
    sim::FittedCost fit;
    fit.constant_us = 2;
    fit.p90_error_percent = 150;
    // A measured time m with |2 us / m - 1| of at most 150 %, of which below 2 us only 0.8 is
    // known.
    CHECK(sim::predict(fit, {})->p05 == from_microseconds(0.8));
    CHECK(sim::predict(fit, {})->p95 == from_microseconds(20));
}

TEST_CASE("a fit is offered where its kernel exists") {
    sim::Platform platform = cpu_only();
    const sim::Model model = model_of(kChain);
    const std::vector<int> fc{4};
    platform.fitted = {{.pattern = "linear binary",
                        .variant = "w",
                        .configuration = "4x1",
                        .in_layout = "nhwc",
                        .out_layout = "nhwc",
                        .constant_us = 1,
                        .samples = 5,
                        .where = {}}};
    const std::vector<Cost> costs{kChainCosts.begin(), kChainCosts.end() - 1};
    CHECK_NOTHROW(compiled(kChain, platform, costs));
    const auto refused = [&] {
        try {
            (void)compiled(kChain, platform, costs);
        } catch (const sim::InputError& error) {
            return std::string{error.what()}.find("no device") != std::string::npos;
        }
        return false;
    };
    sim::FittedCost& fit = platform.fitted.front();
    fit.absent = {{.layers = sim::signature(model, fc), .from = 2, .to = 9}};
    CHECK_FALSE(refused());  // the batch is 1
    fit.absent.front().from = 1;
    CHECK(refused());
    fit.absent.front().layers += "1";  // others
    CHECK_FALSE(refused());
    fit.absent.clear();
    fit.largest_batch = 1;
    CHECK_FALSE(refused());
}

TEST_CASE("costs at a quantile of their spread") {
    const sim::Measurement spread{
        .p05 = Time{80}, .p50 = Time{100}, .p95 = Time{190}, .samples = 9};
    CHECK(sim::at_quantile(spread, 0.5) == Time{100});
    CHECK(sim::at_quantile(spread, 0.05) == Time{80});
    CHECK(sim::at_quantile(spread, 0.95) == Time{190});
    CHECK(sim::at_quantile(spread, 0.9) == Time{180});
    CHECK(sim::at_quantile({.p05 = Time{7}, .p50 = Time{7}, .p95 = Time{7}, .samples = 0}, 0.9) ==
          Time{7});
}

TEST_CASE("`only` picks devices, variants, configurations") {
    std::vector<Cost> costs;
    for (Cost cost : kChainCosts) {
        for (const char* const variant : {"v", "vv"}) {
            for (const char* const configuration : {"1", "2x"}) {
                cost.variant = variant;
                cost.configuration = configuration;
                costs.push_back(cost);
            }
        }
    }
    const auto count = [&](const std::vector<std::string>& only) {
        return compiled(kChain, cpu_only(), costs, {.batch = 1, .only = only}).tasks.size();
    };
    CHECK(count({}) == 2 + 4 * 4);
    CHECK(count({"cpu"}) == 2 + 4 * 4);
    CHECK(count({"cpu/v"}) == 2 + 4 * 2);
    CHECK(count({"cpu/v/2x"}) == 2 + 4);
    CHECK(count({"cpu/v/2x", "cpu/vv"}) == 2 + 4 * 3);
    const auto error = [&](const std::string& only) {
        return error_of(kChain, cpu_only(), costs, {.batch = 1, .only = {only}});
    };
    const std::string there =
        " (device, device/variant or device/variant/configuration); there are: cpu/v, cpu/vv";
    CHECK(error("gpu") == "platform made-up: no implementation 'gpu'" + there);
    CHECK(error("cp") == "platform made-up: no implementation 'cp'" + there);
    CHECK(error("cpu/v/2") == "platform made-up: no implementation 'cpu/v/2'" + there);
    CHECK(error("") == "platform made-up: no implementation ''" + there);
    CHECK(error_of(kChain,
                   cpu_only(),
                   kChainCosts + Cost{.layers = {"fc"}, .us = 1, .variant = "w"},
                   {.batch = 1, .only = {"cpu/w"}}) ==
          "platform made-up: no device (cpu) has a cost for 3 layers at batch 1 among those "
          "allowed (cpu/w):\n"
          "  layer 'conv' (conv2d u8 4x4x1 64 k3x3 s1 p1 v0); measured batches: 1 on cpu\n"
          "  layer 'threshold' (threshold int32 4x4x64); measured batches: 1 on cpu\n"
          "  layer 'pool' (max_pool2d binary 4x4x64 k2x2 s2); measured batches: 1 on cpu");
}

TEST_CASE("a platform beyond the limits is refused") {
    sim::Platform large = cpu_only();
    large.devices.resize(65, large.devices[0]);
    CHECK(error_of(kChain, large, {}) == "platform made-up: 65 devices, at most 64 are supported");
    large = cpu_only();
    large.memories.resize(65);
    CHECK(error_of(kChain, large, {}) == "platform made-up: 65 memories, at most 64 are supported");
    std::vector<Cost> costs = kChainCosts;
    for (int i = 0; i < 63; ++i) {
        costs.push_back({.layers = {"fc"}, .us = 1, .in_layout = "layout" + std::to_string(i)});
    }
    CHECK(error_of(kChain, cpu_only(), costs) == "no error");
    costs.push_back({.layers = {"fc"}, .us = 1, .in_layout = "one more"});
    CHECK(error_of(kChain, cpu_only(), costs).ends_with("one more: at most 64 are supported"));
}

TEST_CASE("tasks that can never get their inputs are not offered") {
    // gpu0 can read the image, but without a link back no other device could read what it makes.
    sim::Platform platform = two_devices();
    platform.links.pop_back();
    const Lines tasks = tasks_of(
        compiled(kChain, platform, kChainCosts + Cost{.layers = {"fc"}, .us = 1, .device = 1}));
    CHECK(std::ranges::find(tasks, "fc(pool) on gpu0 v/1 1.00") != tasks.end());
    CHECK(std::ranges::find(tasks, "output(fc) on cpu / 0.00") != tasks.end());

    platform.links.clear();
    const Lines without = tasks_of(
        compiled(kChain, platform, kChainCosts + Cost{.layers = {"fc"}, .us = 1, .device = 1}));
    CHECK(std::ranges::find(without, "fc(pool) on gpu0 v/1 1.00") == without.end());
}

TEST_CASE("where no mapping can run, the first reason is named") {
    // A missing link.
    sim::Platform platform = two_devices();
    platform.links.clear();
    std::vector<Cost> costs = kChainCosts;
    costs[3].device = 1;
    CHECK(error_of(kChain, platform, costs) ==
          "platform made-up: no mapping can run chain: 'fc' on gpu0 needs 'pool', and no "
          "link, nor any way over other memories, leads from memory 'host' to 'gpu'");
    // A missing conversion.
    costs = kChainCosts;
    costs[3].in_layout = "plain";
    CHECK(error_of(kChain, cpu_only(), costs) ==
          "platform made-up: no mapping can run chain: 'fc' on cpu needs 'pool' as plain, and cpu "
          "has no conversion from "
          "nhwc to plain (2x2x64 binary)");
    // A layer that has a cost only inside a chain, and a cost that begins in the middle of it.
    costs = {{.layers = {"conv"}, .us = 1},
             {.layers = {"threshold", "pool"}, .us = 1},
             {.layers = {"pool", "fc"}, .us = 1}};
    CHECK(error_of(kChain, cpu_only(), costs) ==
          "platform made-up: no mapping can run chain: nothing computes 'threshold' for those that "
          "read it: it has costs "
          "only inside fused chains that cannot be used here");
}

TEST_CASE("times that add up beyond the simulator's range are refused") {
    std::vector<Cost> costs = kChainCosts;
    costs[0].us = costs[1].us = 1.5e12;  // more than a file may say
    CHECK(error_of(kChain, cpu_only(), costs) ==
          "platform made-up: its times add up to more than the simulator's 26 days");
}

TEST_CASE("a task that is never better than another is dropped") {
    Problem p =
        compiled(kChain,
                 two_devices(),
                 kChainCosts + Cost{.layers = {"fc"}, .us = 2, .variant = "faster"} +
                     Cost{.layers = {"fc"}, .us = 2, .variant = "as-fast"} +
                     Cost{.layers = {"fc"}, .us = 9, .device = 1} +
                     Cost{.layers = {"fc"}, .us = 8, .variant = "bytes", .in_layout = "plain"} +
                     Cost{.layers = {"pool", "fc"}, .us = 50});
    const std::vector<int> kept = drop_dominated_tasks(p);
    CHECK(tasks_of(p) == Lines{"image() on cpu / 0.00",
                               "conv(image) on cpu v/1 4.00",
                               "threshold(conv) on cpu v/1 2.00",
                               "pool(threshold) on cpu v/1 1.00",
                               "pool+fc(threshold) on cpu v/1 50.00",
                               "fc(pool) on cpu faster/1 2.00",
                               "fc(pool) on gpu0 v/1 9.00",
                               "fc(pool*) on cpu bytes/1 8.00",
                               "output(fc) on cpu / 0.00"});
    CHECK(kept == std::vector{0, 1, 2, 3, 4, 6, 8, 9, 10});
    CHECK(p.starting[4] == std::vector{5, 6, 7});
}

// ---- Beyond rules 1-5. --------------------------------------------------------------------------

TEST_CASE("what a platform does not state is empty, zero or unknown in the problem") {
    const Problem p = compiled(kChain, two_devices(), kChainCosts);
    CHECK(p.energy_unknown == "the platform states no powers");
    CHECK(p.energy_missing == Lines{"base_power_w",
                                    "devices.cpu.active_power_w",
                                    "devices.cpu.idle_power_w",
                                    "devices.gpu0.idle_power_w",
                                    "links.up.energy_pj_per_byte",
                                    "links.down.energy_pj_per_byte"});
    CHECK_FALSE(p.knows_energy());
    CHECK(p.at_rest.value == 0);
    CHECK(p.tasks[1].energy == sim::Energy{});
    CHECK(p.budgets.empty());
    CHECK(p.capacities == std::vector<std::int64_t>{0, 0});
    CHECK(p.synchronise.empty());
    CHECK(p.contention.empty());
    CHECK(p.buses.empty());
    CHECK(p.bus.empty());
    CHECK(p.mode_names == Lines{"pinned"});
    CHECK(is_basic(p));
    CHECK_FALSE(is_coupled(p));
}

TEST_CASE("tasks, copies, conversions and submissions have energies beyond that at rest") {
    sim::Platform platform = two_devices();
    platform.base_power_w = 5;
    platform.devices[0].active_power_w = 12;
    platform.devices[0].idle_power_w = 2;
    platform.devices[1].active_power_w = 50;
    platform.devices[1].idle_power_w = 10;
    platform.links[0].energy_pj_per_byte = 100;
    platform.links[1].energy_pj_per_byte = 50;
    const auto uj = [](sim::Energy energy) { return microjoules(energy); };
    const Problem p = compiled(kChain,
                               platform,
                               kChainCosts + Cost{.layers = {"fc"}, .us = 9, .device = 1} +
                                   Cost{.layers = {"threshold"}, .us = 9, .out_layout = "plain"});
    CHECK(p.knows_energy());
    CHECK(p.at_rest.value == 17);
    CHECK(p.devices[1].idle.value == 10);
    // The host draws 10 W more while it submits: 4 us for a segment, 0.5 us for a task.
    CHECK(uj(p.devices[1].submit_energy) == 40);
    CHECK(uj(p.devices[1].per_task_energy) == 5);
    CHECK(tasks_of(p)[1] == "conv(image) on cpu v/1 4.00");
    CHECK(uj(p.tasks[1].energy) == 40);
    CHECK(tasks_of(p)[6] == "fc(pool) on gpu0 v/1 9.00");
    CHECK(uj(p.tasks[6].energy) == 9 * 40);
    // The image's 16 bytes at 100 pJ up; 4,096 of the convolution's at 50 pJ down.
    REQUIRE(p.layouts == 2);
    const auto copy = [&](int tensor, int from, int to) {
        return p.copy_energies[static_cast<std::size_t>(tensor * 8 + from * 2 + to)];
    };
    CHECK(copy(0, 0, 1) == sim::Energy{1'600'000});
    CHECK(copy(1, 1, 0) == sim::Energy{204'800'000});
    CHECK(copy(1, 0, 0) == sim::Energy{});
    // The threshold's 128 packed bytes on the CPU: 3.128 us at 10 W.
    CHECK(uj(p.convert_energies[(2 * 2 + 0) * 4 + 1]) == doctest::Approx(31.28));
}

TEST_CASE("an unknown energy says what is missing") {
    sim::Platform platform = two_devices();
    const auto missing = [&](std::vector<Cost> costs = kChainCosts) {
        const Problem p = compiled(kChain, platform, costs);
        CHECK(p.tasks[1].energy == sim::Energy{});
        CHECK(p.at_rest.value == 0);
        return p.energy_unknown;
    };
    platform.devices[0].active_power_w = 12;
    CHECK(missing() ==
          "the platform states no base_power_w; device 'cpu' states no idle_power_w; device 'gpu0' "
          "states no idle_power_w; link 'up' states no energy_pj_per_byte; link 'down' states no "
          "energy_pj_per_byte");
    platform.base_power_w = 5;
    platform.devices[0].idle_power_w = platform.devices[1].idle_power_w = 1;
    platform.links[0].energy_pj_per_byte = 1;
    CHECK(missing() == "link 'down' states no energy_pj_per_byte");
    CHECK(compiled(kChain, platform, kChainCosts).energy_missing ==
          Lines{"links.down.energy_pj_per_byte"});
    platform.links[1].energy_pj_per_byte = 1;
    // Only what works must state what it draws.
    CHECK(compiled(kChain, platform, kChainCosts).energy_unknown.empty());
    const std::vector<Cost> on_both = kChainCosts + Cost{.layers = {"fc"}, .us = 9, .device = 1};
    CHECK(missing(on_both) == "device 'gpu0' states no active_power_w");
    platform.devices[1].active_power_w = 0.5;
    CHECK(error_of(kChain, platform, on_both) ==
          "platform made-up: device 'gpu0' draws 0.5 W while it works (active_power_w), less than "
          "the 1 W while it waits (idle_power_w)");
    // More than an Energy holds is no reason to refuse the times.
    platform.devices[1].active_power_w = 1e6;
    CHECK(missing(kChainCosts + Cost{.layers = {"fc"}, .us = 1e9, .device = 1}) ==
          "its energies may add up to more than the simulator's 4,600 J");
}

TEST_CASE("every copy has its bytes and the time before they flow, by the mode that is asked for") {
    sim::Platform platform = two_devices();
    const auto measured = [](std::vector<std::pair<int, double>> points) {
        sim::TransferTable table;
        for (const auto& [bytes, us] : points) {
            const Time time = from_microseconds(us);
            table.points.push_back({{bytes}, {time, time, time, 9}});
        }
        return table;
    };
    // Better for small copies; known from 64 bytes on.
    platform.links[0].modes.push_back({"mapped", measured({{64, 0.5}, {4096, 20}})});
    const auto problem = [&](const std::string& modes) {
        sim::CompileOptions options;
        options.transfer_modes = modes;
        return compiled(kChain, platform, kChainCosts, options);
    };
    const Problem first = problem("first");
    CHECK(first.mode_names == Lines{"pinned", "mapped"});
    const std::size_t image = 1, conv = 5, back = 6;  // tensor x 4 + from x 2 + to
    CHECK(first.copy_bytes[image] == 16);
    CHECK(first.copy_bytes[conv] == 4096);
    CHECK(first.copy_times[conv] == from_microseconds(1 + 4.096));
    CHECK(first.copy_latencies[conv] == from_microseconds(1));
    CHECK(first.copy_modes[conv] == 0);
    CHECK(first.copy_modes[0] == -1);
    const Problem mapped = problem("mapped");
    CHECK(mapped.copy_times[conv] == from_microseconds(20));
    CHECK(mapped.copy_latencies[conv] == from_microseconds(0.5));
    CHECK(mapped.copy_modes[conv] == 1);
    CHECK(mapped.copy_modes[back] == 0);  // the way down has no such mode
    const Problem fastest = problem("fastest");
    CHECK(fastest.copy_modes[image] == 1);
    CHECK(fastest.copy_times[image] == from_microseconds(0.5));
    CHECK(fastest.copy_latencies[image] == from_microseconds(0.5));
    CHECK(fastest.copy_modes[conv] == 0);
    CHECK_THROWS_WITH_AS(problem("magic"),
                         "platform made-up: no transfer mode 'magic'; there are: first, fastest, "
                         "pinned, mapped",
                         sim::InputError);
    // 1024 elements of 4 bytes in memory, of 12 bits on the link.
    platform.links[0].element_bits = 12;
    CHECK(problem("first").copy_bytes[conv] == 1536);
    CHECK(problem("first").copy_times[conv] == from_microseconds(1 + 1.536));
    CHECK(problem("first").copy_bytes[back] == 4096);
}

TEST_CASE("contention, buses, synchronisation and reconfiguration go from platform to problem") {
    sim::Platform platform = two_devices();
    const auto problem = [&] { return compiled(kChain, platform, kChainCosts); };
    platform.memories[1].synchronise = from_microseconds(3);
    CHECK(problem().synchronise == std::vector{Time{}, from_microseconds(3)});
    CHECK_FALSE(is_basic(problem()));
    CHECK_FALSE(is_coupled(problem()));

    platform = two_devices();
    platform.devices[1].contention = {{"cpu", 1.25}};
    CHECK(problem().contention == std::vector{1.0, 1.0, 1.25, 1.0});
    CHECK(is_coupled(problem()));
    platform.devices[1].contention = {{"cpu", 1.0}};
    CHECK(is_basic(problem()));
    // By operation: a table each, with what is said of all where nothing else is.
    platform.devices[1].contention = {{"cpu", 1.25}};
    platform.devices[1].contention_of = {{"threshold", {{"cpu", 2.0}}}, {"conv2d", {{"cpu", 0.5}}}};
    const Problem of_kinds = problem();
    CHECK(of_kinds.contention ==
          std::vector{1.0, 1.0, 1.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0});
    CHECK(of_kinds.alone ==
          std::vector{1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0});
    platform.devices[1].contention_of.clear();
    platform.devices[1].contention = {{"npu", 2.0}};
    CHECK(error_of(kChain, platform, kChainCosts) ==
          "platform made-up: device 'gpu0' has contention with 'npu', and there is no such device");

    platform = two_devices();
    platform.buses = {{.name = "pcie", .links = {0, 1}, .bandwidth = {2e9}}};
    CHECK(problem().buses.at(0).name == "pcie");
    CHECK(problem().bus == std::vector{-1, 0, 0, -1});
    CHECK(is_coupled(problem()));

    platform = two_devices();
    platform.devices[1].reconfiguration = from_microseconds(500);
    CHECK(problem().devices[1].reconfiguration == from_microseconds(500));
    CHECK(is_coupled(problem()));
    platform.devices[1].reconfiguration = Time{};
    CHECK(is_basic(problem()));

    platform = two_devices();
    platform.devices[1].resources = {{.name = "alm", .limit = 7}};
    CHECK_FALSE(is_basic(problem()));
    CHECK_FALSE(is_coupled(problem()));
}

TEST_CASE("a capacity couples the tasks only where weights and tensors could go beyond it") {
    sim::Platform platform = two_devices();
    const auto problem = [&] { return compiled(kChain, platform, kChainCosts); };
    platform.memories[0].capacity_kib = 8;
    const Problem p = problem();
    CHECK(p.capacities == std::vector<std::int64_t>{8192, 0});
    // 64 rows of one word; 64 thresholds of 4 bytes and a word; 10 rows of 4 words.
    const auto weights = [&](std::size_t task) { return p.tasks[task].weight_bytes; };
    CHECK(weights(1) == std::vector<std::int64_t>{512, 0});
    CHECK(weights(2) == std::vector<std::int64_t>{264, 0});
    CHECK(weights(3).empty());
    CHECK(weights(4) == std::vector<std::int64_t>{320, 0});
    // The image, 1024 integers, 16 words, 4 words, 10 integers; nothing for the answer's reader.
    CHECK(p.tensor_bytes == std::vector<std::int64_t>{16, 4096, 128, 32, 40, 0});
    // 1096 + 4312 = 5408 bytes in all.
    CHECK(is_basic(p));
    platform.memories[0].capacity_kib = 5;
    CHECK(is_coupled(problem()));
    platform.memories[0].capacity_kib = 6;
    CHECK_FALSE(is_coupled(problem()));
}

TEST_CASE("a task that needs less of what is limited stays, and so do others' divisions") {
    Problem p = compiled(kChain, two_devices(), kChainCosts);
    const sim::Task fc = p.tasks[4];
    const auto add = [&](int us,
                         std::vector<int> devices,
                         std::vector<std::int64_t> uses = {},
                         std::vector<int> engines = {}) {
        sim::Task task = fc;
        task.cost = from_microseconds(us);
        task.configuration = "task " + std::to_string(p.tasks.size());
        task.uses = std::move(uses);
        task.engines = std::move(engines);
        for (const int device : devices) {
            task.parts.push_back({.device = device,
                                  .channels = 5,
                                  .busy = {},
                                  .energy = {},
                                  .variant = {},
                                  .configuration = {},
                                  .precision = {}});
        }
        p.tasks.insert(p.tasks.end() - 1, task);
    };
    add(9, {0, 1});           // 5: alone in what it holds
    add(8, {0, 1}, {}, {0});  // 6: holds an engine, too
    add(7, {0, 1}, {}, {0});  // 7: as 6, and faster
    add(4, {}, {5, 0});       // 8: slower than fc, and uses more
    add(2, {}, {5, 1});       // 9: faster
    add(2, {}, {4, 2});       // 10: less of one, more of the other
    add(2, {}, {5, 2});       // 11: as much of one, more of the other
    p.budgets.resize(2);
    index(p);
    CHECK(drop_dominated_tasks(p) == std::vector{0, 1, 2, 3, 4, 5, 7, 9, 10, 12});
}

TEST_CASE("a problem built by hand gets its readers and its tasks by layer") {
    Problem p;
    p.inputs = {{}, {0}, {0}, {1, 2}};
    p.devices = {{}};
    p.engine = {-1};
    p.copy_times.assign(4, Time{});
    p.convert_times.assign(4, Time{});
    for (const int layer : {0, 2, 1, 3, 1}) {
        sim::Task task;
        task.first = task.last = layer;
        p.tasks.push_back(task);
    }
    index(p);
    CHECK(p.consumers == std::vector<std::vector<int>>{{1, 2}, {3}, {3}, {}});
    CHECK(p.starting == std::vector<std::vector<int>>{{0}, {2, 4}, {1}, {3}});
    index(p);
    CHECK(p.consumers[0] == std::vector{1, 2});
}
