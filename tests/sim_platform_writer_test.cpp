// What is written loads to an equal platform: every field of every struct.

#include "hostile_text.hpp"
#include "sim/describe/platform.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <tuple>

namespace {

sim::Platform example() {
    sim::Platform p;
    p.name = "example";
    p.provenance = {{"date", "2026-01-02"}, {"a: key", "a \"quoted\" \\ name\x7f"}};
    p.warnings = {"busy: load 3.00"};
    p.memories = {{"host", 1024}, {"gpu", 0}};
    const sim::Measurement m{sim::Time{1'500'000}, sim::Time{2'000'001}, sim::Time{3'000'000}, 12};
    p.devices = {
        {.name = "cpu",
         .kind = "cpu",
         .memory = 0,
         .asynchronous = false,
         .submit = {},
         .per_task = {},
         .completion = {},
         .conversions = {{"plain", "nhwc", {.points = {{{8}, m}, {{64}, m}}, .bandwidth = {}}}}},
        {.name = "gpu0",
         .kind = "cuda",
         .memory = 1,
         .asynchronous = true,
         .submit = sim::Time{2'000'000},
         .per_task = sim::Time{300'000},
         .completion = sim::Time{1},
         .conversions = {},
         .active_power_w = 61.5,
         .idle_power_w = 9}};
    const sim::Measurement latency{
        sim::Time{8'000'000}, sim::Time{8'000'000}, sim::Time{8'000'000}, 1};
    p.links = {{.name = "up",
                .from = 0,
                .to = 1,
                .engine = "h2d",
                .modes = {{"pinned", {.points = {{{0}, latency}}, .bandwidth = {20e9}}}}}};
    p.host_copy = {.points = {{{64}, m}}, .bandwidth = {}};
    p.measurements = {{"thread_pool: spinning", m}};
    p.trials = {{.model = "a net",
                 .batch = 8,
                 .host_alone = true,
                 .samples = 12,
                 .p05 = 0.9,
                 .p50 = 1.1,
                 .p95 = 1.3}};
    p.measured = {{.layers = "threshold",
                   .batch = 8,
                   .device = 1,
                   .variant = "popc",
                   .configuration = "grid xyz",
                   .in_layout = "nhwc",
                   .out_layout = "plain",
                   .results = {},
                   .time = m,
                   .where = {}}};
    p.fitted = {{.pattern = "threshold",
                 .device = 0,
                 .variant = "avx512",
                 .configuration = "1",
                 .in_layout = "nhwc",
                 .out_layout = "nhwc",
                 .results = {},
                 .constant_us = 0.123456789,
                 .us_per_million_macs = 1.0 / 3,
                 .us_per_kib_read = 1e-7,
                 .us_per_kib_written = 2.5,
                 .us_per_thousand_tiles = 4,
                 .smallest_batch = 2,
                 .smallest_height = 3,
                 .smallest_channels = 65,
                 .largest_batch = 128,
                 .absent = {{.layers = "threshold int32 1x1x7", .from = 9, .to = 15}},
                 .samples = 4,
                 .median_error_percent = 1.0 / 3,
                 .p90_error_percent = 3.5,
                 .where = {}}};
    return p;
}

sim::Expression expression(const char* text) { return {.text = text, .where = {}}; }

// A machine known by formulas, with every key that one may have.
sim::Platform machine() {
    sim::Platform p = example();
    p.memories[0] = {.name = "host", .capacity_kib = 300, .synchronise = sim::Time{250'000}};
    p.devices[0].contention = {{"gpu-2", 1.1}};
    p.devices.push_back({.name = "gpu-2",
                         .kind = "cuda",
                         .memory = 0,
                         .asynchronous = true,
                         .conversions = {},
                         .active_power_w = 1.0 / 3,
                         .speed = 4.0 / 3,
                         .supports = {{.operations = {"conv2d", "linear"},
                                       .kernels = {1, 3},
                                       .strides = {2},
                                       .groups = {1},
                                       .weights = {"int8"},
                                       .activations = {"u8", "int8"},
                                       .in_channels_multiple = 4,
                                       .out_channels_multiple = 8,
                                       .when = expression("macs > 100"),
                                       .where = {}},
                                      {}},
                         .resources = {{"alm", 80'330}, {"a \"b\"", 0}},
                         .longest_stream = 8,
                         .reconfiguration = sim::Time{200'000'000'001},
                         .contention = {{"cpu", 1.0 / 0.7}},
                         .contention_of = {{"conv2d", {{"cpu", 0.53}}}, {"add", {{"cpu", 2}}}}});
    p.links[0].energy_pj_per_byte = 62.5;
    p.links[0].element_bits = 8;
    p.links[0].modes.push_back(
        {"measured", {.points = {{{0}, example().measured[0].time}}, .bandwidth = {1.45 * 1e9}}});
    p.links.push_back({.name = "down",
                       .from = 1,
                       .to = 0,
                       .engine = {},
                       .modes = {{"pinned", {.points = p.host_copy.points, .bandwidth = {2e9}}}}});
    p.buses = {{.name = "pcie", .links = {1, 0}, .bandwidth = {1.1 * 1e9}}};
    p.base_power_w = 0.1;
    sim::FormulaCost plain;
    plain.device = 0;
    plain.operations = {"conv2d", "linear"};
    plain.variant = "plain";
    plain.configuration = "1";
    plain.in_layout = plain.out_layout = "nhwc";
    plain.time_us = expression("macs\n / 1e3");
    plain.energy_uj = expression("macs / 1e6");
    plain.shares = true;
    sim::FormulaCost stream = plain;
    stream.device = 2;
    stream.in_layout = stream.out_layout = "plain";
    stream.precision = "ternary";
    stream.when = expression("groups == 1");
    stream.let = {{"rows", expression("ceil_div(n, 16)")}, {"work", expression("rows * c_in")}};
    stream.time_us = {};
    stream.cycles = expression("work * clock_mhz");
    stream.clock_mhz = 75.7;
    stream.fill_cycles = expression("kh * iw");
    stream.resources = {{"alm", expression("work * (work < 100 ? 24.4 : 26.3)")},
                        {"a \"b\"", expression("0")}};
    sim::FormulaCost fills = plain;
    fills.device = 2;
    fills.operations = {"max_pool2d"};
    fills.fill_us = expression("1");
    fills.shares = false;
    p.formulas = {plain, stream, fills};
    p.measured.push_back(p.measured[0]);
    p.measured[1].layers = "conv2d int8 4x4x8 8 k1x1 s1 p0 v0 | threshold";
    p.measured[1].results = {0, 1};
    p.measured[1].in_layout = "other";
    p.measured.push_back(p.measured[0]);
    p.measured[2].batch = 2;
    p.measured[2].time = {sim::Time{7}, sim::Time{7}, sim::Time{7}, 0};
    p.measured.push_back(p.measured[2]);
    p.measured[3].layers.clear();
    p.measured[3].layer_names = {"conv1", "a layer: of \"another\" tool"};
    p.layouts = {{.name = "chw16", .element = sim::Element::f16, .channels_multiple = 16},
                 {.name = "x: y"}};
    p.devices[0].conversions[0].elements = {"int8", "f32"};
    p.devices[0].handovers = {{.from = 1, .to = 2, .time = p.devices[0].conversions[0].time},
                              {.from = 16, .to = 16, .time = p.links[0].modes[0].time}};
    p.devices[1].in_networks = {.work = 1.125, .task = sim::Time{-550'001}};
    p.fitted.push_back(p.fitted[0]);
    p.fitted[1].pattern = "conv2d int8 wint8 | threshold";
    p.fitted[1].results = {0, 1};
    p.fitted[1].device = 1;
    p.fitted[1].in_layout = p.fitted[1].out_layout = "plain";
    p.splits = {{.devices = {2, 0},
                 .operations = {"conv2d", "linear"},
                 .by = sim::SplitRule::By::output_channels,
                 .step = 16,
                 .join = expression("max"),
                 .reduction_us = {},
                 .where = {}},
                {.devices = {0, 2},
                 .operations = {"linear"},
                 .by = sim::SplitRule::By::input_channels,
                 .step = 1,
                 .join = expression("sum"),
                 .reduction_us = expression("outputs / 1000"),
                 .where = {}}};
    return p;
}

// ---- Every field. One that a struct gains must be added here: the bindings count them. ----------

auto fields(const sim::Measurement& m) {
    const auto& [p05, p50, p95, samples] = m;
    return std::tie(p05, p50, p95, samples);
}
auto fields(const sim::TransferTable& t) {
    const auto& [points, bandwidth] = t;
    return std::tie(points, bandwidth);
}
auto fields(const sim::TransferTable::Point& p) {
    const auto& [size, time] = p;
    return std::tie(size, time);
}
auto fields(const sim::TransferMode& m) {
    const auto& [name, time] = m;
    return std::tie(name, time);
}
auto fields(const sim::Memory& m) {
    const auto& [name, capacity_kib, synchronise] = m;
    return std::tie(name, capacity_kib, synchronise);
}
auto fields(const sim::ResourceBudget& b) {
    const auto& [name, limit] = b;
    return std::tie(name, limit);
}
auto fields(const sim::Conversion& c) {
    const auto& [from, to, time, elements] = c;
    return std::tie(from, to, time, elements);
}
auto fields(const sim::SupportRule& r) {
    const auto& [operations, kernels, strides, groups, weights, activations, in, out, when, where] =
        r;
    return std::tie(operations, kernels, strides, groups, weights, activations, in, out, when.text);
}
auto fields(const sim::Device& d) {
    const auto& [name,
                 kind,
                 memory,
                 asynchronous,
                 submit,
                 per_task,
                 completion,
                 conversions,
                 active_power_w,
                 idle_power_w,
                 speed,
                 supports,
                 resources,
                 longest_stream,
                 reconfiguration,
                 contention,
                 contention_of,
                 handovers,
                 in_networks] = d;
    return std::tie(name,
                    kind,
                    memory,
                    asynchronous,
                    submit,
                    per_task,
                    completion,
                    conversions,
                    active_power_w,
                    idle_power_w,
                    speed,
                    supports,
                    resources,
                    longest_stream,
                    reconfiguration,
                    contention,
                    contention_of,
                    handovers,
                    in_networks);
}
auto fields(const sim::Handover& h) {
    const auto& [from, to, time] = h;
    return std::tie(from, to, time);
}
auto fields(const sim::Link& l) {
    const auto& [name, from, to, engine, modes, energy_pj_per_byte, element_bits] = l;
    return std::tie(name, from, to, engine, modes, energy_pj_per_byte, element_bits);
}
auto fields(const sim::Bus& b) {
    const auto& [name, links, bandwidth] = b;
    return std::tie(name, links, bandwidth);
}
auto fields(const sim::Layout& l) {
    const auto& [name, element, channels_multiple] = l;
    return std::tie(name, element, channels_multiple);
}
auto fields(const sim::MeasuredCost& c) {
    const auto& [layers,
                 names,
                 batch,
                 device,
                 variant,
                 configuration,
                 in,
                 out,
                 results,
                 time,
                 where] = c;
    return std::tie(layers, names, batch, device, variant, configuration, in, out, results, time);
}
auto fields(const sim::FittedCost& f) {
    const auto& [pattern,
                 device,
                 variant,
                 configuration,
                 in,
                 out,
                 results,
                 constant,
                 macs,
                 read,
                 written,
                 tiles,
                 batch,
                 height,
                 channels,
                 largest,
                 absent,
                 samples,
                 median,
                 p90,
                 where] = f;
    return std::tie(pattern,
                    device,
                    variant,
                    configuration,
                    in,
                    out,
                    results,
                    constant,
                    macs,
                    read,
                    written,
                    tiles,
                    batch,
                    height,
                    channels,
                    largest,
                    absent,
                    samples,
                    median,
                    p90);
}
auto fields(const sim::FormulaCost& f) {
    const auto& [device,
                 operations,
                 variant,
                 configuration,
                 in,
                 out,
                 precision,
                 when,
                 let,
                 time_us,
                 cycles,
                 clock_mhz,
                 energy_uj,
                 fill_us,
                 fill_cycles,
                 resources,
                 shares,
                 where] = f;
    return std::tie(device,
                    operations,
                    variant,
                    configuration,
                    in,
                    out,
                    precision,
                    when.text,
                    let,
                    time_us.text,
                    cycles.text,
                    clock_mhz,
                    energy_uj.text,
                    fill_us.text,
                    fill_cycles.text,
                    resources,
                    shares);
}
auto fields(const sim::SplitRule& s) {
    const auto& [devices, operations, by, step, join, reduction_us, where] = s;
    return std::tie(devices, operations, by, step, join.text, reduction_us.text);
}
auto fields(const sim::Platform& p) {
    const auto& [name,
                 path,
                 provenance,
                 warnings,
                 memories,
                 devices,
                 links,
                 buses,
                 layouts,
                 base_power_w,
                 measured,
                 fitted,
                 formulas,
                 splits,
                 measurements,
                 trials,
                 host_copy,
                 set] = p;
    return std::tie(name,
                    provenance,
                    warnings,
                    memories,
                    devices,
                    links,
                    buses,
                    layouts,
                    base_power_w,
                    measured,
                    fitted,
                    formulas,
                    splits,
                    measurements,
                    trials,
                    host_copy);
}

// Is every field of the struct something else than its default in one of `items`?
template <class T>
bool says_all(const std::vector<T>& items) {
    const T fresh{};
    return std::apply(
        [&](const auto&... its) {
            std::vector<char> said(sizeof...(its));
            for (const T& item : items) {
                std::apply(
                    [&](const auto&... here) {
                        std::size_t i = 0;
                        ((said[i] = said[i] != 0 || here != its, ++i), ...);
                    },
                    fields(item));
            }
            return std::ranges::find(said, 0) == said.end();
        },
        fields(fresh));
}

// What a file says, without where it says it.
sim::Platform without_places(sim::Platform p) {
    p.path.clear();
    const auto clear = [](auto&... things) { ((things.where = {}), ...); };
    for (sim::Device& device : p.devices) {
        for (sim::SupportRule& rule : device.supports) {
            clear(rule, rule.when);
        }
    }
    for (sim::Trials& trials : p.trials) {
        clear(trials);
    }
    for (sim::MeasuredCost& cost : p.measured) {
        clear(cost);
    }
    for (sim::FittedCost& fit : p.fitted) {
        clear(fit);
    }
    for (sim::FormulaCost& f : p.formulas) {
        clear(f, f.when, f.time_us, f.cycles, f.energy_uj, f.fill_us, f.fill_cycles);
        for (auto* const named : {&f.let, &f.resources}) {
            for (auto& [name, expression] : *named) {
                clear(expression);
            }
        }
    }
    for (sim::SplitRule& rule : p.splits) {
        clear(rule, rule.join, rule.reduction_us);
    }
    return p;
}

sim::Platform reloaded(const sim::Platform& platform) {
    const TemporaryFolder folder;
    return sim::load_platform(folder.write("p.yaml", sim::to_yaml(platform)), {});
}

}  // namespace

TEST_CASE("what is written loads to an equal platform, field by field") {
    for (const sim::Platform& written : {example(), machine()}) {
        const sim::Platform loaded = reloaded(written);
        CHECK(without_places(loaded) == without_places(written));
        CHECK(sim::to_yaml(loaded) == sim::to_yaml(written));
    }
}

TEST_CASE("the platform that is written and loaded says something in every field") {
    const sim::Platform p = machine();
    std::vector<sim::Conversion> conversions;
    std::vector<sim::SupportRule> rules;
    std::vector<sim::ResourceBudget> budgets;
    for (const sim::Device& device : p.devices) {
        conversions.insert(conversions.end(), device.conversions.begin(), device.conversions.end());
        rules.insert(rules.end(), device.supports.begin(), device.supports.end());
        budgets.insert(budgets.end(), device.resources.begin(), device.resources.end());
    }
    std::vector<sim::TransferMode> modes;
    std::vector<sim::TransferTable> tables;
    for (const sim::Link& link : p.links) {
        for (const sim::TransferMode& mode : link.modes) {
            modes.push_back(mode);
            tables.push_back(mode.time);
        }
    }
    CHECK(says_all(std::vector{p}));
    CHECK(says_all(p.memories));
    CHECK(says_all(p.devices));
    CHECK(says_all(p.links));
    CHECK(says_all(p.buses));
    CHECK(says_all(p.layouts));
    CHECK(says_all(p.measured));
    CHECK(says_all(p.fitted));
    CHECK(says_all(p.formulas));
    CHECK(says_all(p.splits));
    CHECK(says_all(conversions));
    CHECK(says_all(p.devices[0].handovers));
    CHECK(says_all(rules));
    CHECK(says_all(budgets));
    CHECK(says_all(modes));
    CHECK(says_all(tables));
    CHECK(says_all(p.host_copy.points));
    CHECK(says_all(std::vector{p.measured[0].time}));
}

TEST_CASE("hostile names and texts are written so that they load the same") {
    std::mt19937_64 random{5};
    for (int round = 0; round < 300; ++round) {
        sim::Platform p = machine();
        for (std::string* const name : {&p.name,
                                        &p.devices[1].kind,
                                        &p.memories[1].name,
                                        &p.links[0].name,
                                        &p.links[0].engine,
                                        &p.links[0].modes[0].name,
                                        &p.buses[0].name,
                                        &p.measurements[0].first,
                                        &p.trials[0].model,
                                        &p.measured[0].variant,
                                        &p.measured[0].out_layout,
                                        &p.fitted[0].configuration,
                                        &p.formulas[0].variant,
                                        &p.formulas[1].precision,
                                        &p.devices[0].conversions[0].from}) {
            *name = hostile::name(random);
        }
        for (std::string* const text :
             {&p.warnings[0], &p.provenance[0].first, &p.provenance[0].second}) {
            *text = hostile::text(random);
        }
        CAPTURE(sim::to_yaml(p));
        REQUIRE(without_places(reloaded(p)) == without_places(p));
    }
}

TEST_CASE("bytes that are no text are written as texts that load") {
    sim::Platform p = machine();
    p.provenance[0].second = "dir\xff/\xc3(";
    p.warnings[0] = std::string("a\0b", 3);
    CHECK(reloaded(p).provenance[0].second == "dir\ufffd/\ufffd(");
    CHECK(reloaded(p).warnings[0] == p.warnings[0]);
}

TEST_CASE("extreme numbers are written so that they load the same") {
    constexpr double kNumbers[] = {5e-324, 1e-300, 1e-9, 1.0 / 3, 1, 123456789.123456789, 1e9};
    constexpr std::int64_t kTimes[] = {
        0, 1, 999'999, 1'000'000, 999'999'999'999'999, 1'000'000'000'000'000};
    for (const double number : kNumbers) {
        sim::Platform p = machine();
        for (double* const one : {&p.fitted[0].constant_us,
                                  &p.fitted[0].us_per_million_macs,
                                  &p.fitted[0].us_per_kib_read,
                                  &p.fitted[0].us_per_kib_written,
                                  &p.fitted[0].us_per_thousand_tiles,
                                  &p.fitted[0].median_error_percent,
                                  &p.fitted[0].p90_error_percent}) {
            *one = number;
        }
        for (std::optional<double>* const one :
             {&p.devices[0].active_power_w, &p.devices[1].active_power_w, &p.base_power_w}) {
            *one = std::min(number, 1e5);
        }
        p.devices[1].idle_power_w = 0;
        p.links[0].energy_pj_per_byte = number;
        CAPTURE(number);
        REQUIRE(without_places(reloaded(p)) == without_places(p));
    }
    for (const std::int64_t ps : kTimes) {
        sim::Platform p = machine();
        const sim::Time time{ps};
        p.measured[2].time = {time, time, time, 0};
        p.measured[0].time = {sim::Time{}, time, time, 1};
        p.memories[0].synchronise = p.devices[1].submit = p.devices[1].per_task = time;
        p.devices[1].completion = time;
        p.devices[2].reconfiguration = sim::Time{std::max<std::int64_t>(1, ps)};
        CAPTURE(ps);
        REQUIRE(without_places(reloaded(p)) == without_places(p));
    }
}

TEST_CASE("every bandwidth that a file can say is written so that it loads the same") {
    sim::Platform p = machine();
    std::mt19937_64 random{3};
    for (int i = 0; i < 200; ++i) {
        const double gb_per_s = std::uniform_real_distribution<double>{0.001, 2000}(random);
        p.buses[0].bandwidth.rate = gb_per_s * 1e9;
        REQUIRE(reloaded(p).buses.at(0).bandwidth == p.buses[0].bandwidth);
    }
}

TEST_CASE("a profile cut off anywhere is refused or, at its very end, complete") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "cut.yaml";
    for (const std::string& text : {sim::to_yaml(example()), sim::to_yaml(machine())}) {
        int refused = 0;
        for (std::size_t length = 0; length + 1 < text.size(); length += 7) {
            std::ofstream{path} << text.substr(0, length);
            try {
                sim::load_platform(path.string(), {});
            } catch (const sim::InputError& error) {
                CHECK(std::string{error.what()}.find("cut.yaml") != std::string::npos);
                ++refused;
                continue;
            }
            FAIL("accepted the first " << length << " of " << text.size() << " bytes");
        }
        CHECK(refused > 50);
    }
}
