#include "calibrate/profile_writer.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

sim::Platform example() {
    sim::Platform p;
    p.name = "example";
    p.provenance = {{"date", "2026-01-02"}, {"cpu", "a \"quoted\" \\ name"}};
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
    p.measurements = {{"thread_pool_spinning", m}};
    p.measured = {{.layers = "threshold",
                   .batch = 8,
                   .device = 1,
                   .variant = "popc",
                   .configuration = "grid xyz",
                   .in_layout = "nhwc",
                   .out_layout = "plain",
                   .time = m,
                   .where = {}}};
    p.fitted = {{.pattern = "threshold",
                 .device = 0,
                 .variant = "avx512",
                 .configuration = "1",
                 .in_layout = "nhwc",
                 .out_layout = "nhwc",
                 .constant_us = 0.123456789,
                 .us_per_million_macs = 1,
                 .us_per_kib_read = 0,
                 .us_per_kib_written = 2.5,
                 .us_per_thousand_tiles = 0,
                 .smallest_batch = 2,
                 .smallest_height = 3,
                 .smallest_channels = 65,
                 .samples = 4,
                 .median_error_percent = 1.25,
                 .p90_error_percent = 3.5,
                 .where = {}}};
    return p;
}

// What the expressions say, without their places in a file.
std::vector<std::pair<std::string, std::string>> texts(
    const std::vector<std::pair<std::string, sim::Expression>>& expressions) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [name, e] : expressions) {
        all.emplace_back(name, e.text);
    }
    return all;
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
                         .contention = {{"cpu", 1.0 / 0.7}}});
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
    stream.out_layout = "plain";
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

}  // namespace

TEST_CASE("a written profile loads to an equal platform") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "example.yaml";
    const std::string text = calibrate::to_yaml(example());
    calibrate::write_file(path, text);
    const sim::Platform loaded = sim::load_platform(path.string(), {});
    CHECK(calibrate::to_yaml(loaded) == text);
    CHECK(loaded.provenance == example().provenance);
    CHECK(loaded.measured.at(0).time.p50 == sim::Time{2'000'001});
    CHECK(loaded.measured.at(0).out_layout == "plain");
    CHECK(loaded.links.at(0).modes.at(0).time.time({20'000'000'000}) ==
          sim::Time{1'000'008'000'000});
}

TEST_CASE("a written platform of formulas loads to an equal platform") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "machine.yaml";
    const sim::Platform written = machine();
    const std::string text = calibrate::to_yaml(written);
    calibrate::write_file(path, text);
    const sim::Platform loaded = sim::load_platform(path.string(), {});
    CHECK(calibrate::to_yaml(loaded) == text);

    CHECK(loaded.base_power_w == written.base_power_w);
    for (std::size_t i = 0; i < written.memories.size(); ++i) {
        CHECK(loaded.memories[i].capacity_kib == written.memories[i].capacity_kib);
        CHECK(loaded.memories[i].synchronise == written.memories[i].synchronise);
    }
    REQUIRE(loaded.devices.size() == 3);
    for (std::size_t i = 0; i < written.devices.size(); ++i) {
        const sim::Device& a = loaded.devices[i];
        const sim::Device& b = written.devices[i];
        CHECK(a.active_power_w == b.active_power_w);
        CHECK(a.idle_power_w == b.idle_power_w);
        CHECK(a.contention == b.contention);
        CHECK(a.longest_stream == b.longest_stream);
        CHECK(a.reconfiguration == b.reconfiguration);
        REQUIRE(a.resources.size() == b.resources.size());
        for (std::size_t r = 0; r < a.resources.size(); ++r) {
            CHECK(a.resources[r].name == b.resources[r].name);
            CHECK(a.resources[r].limit == b.resources[r].limit);
        }
        REQUIRE(a.supports.size() == b.supports.size());
        for (std::size_t r = 0; r < a.supports.size(); ++r) {
            CHECK(a.supports[r].operations == b.supports[r].operations);
            CHECK(a.supports[r].kernels == b.supports[r].kernels);
            CHECK(a.supports[r].strides == b.supports[r].strides);
            CHECK(a.supports[r].groups == b.supports[r].groups);
            CHECK(a.supports[r].weights == b.supports[r].weights);
            CHECK(a.supports[r].activations == b.supports[r].activations);
            CHECK(a.supports[r].in_channels_multiple == b.supports[r].in_channels_multiple);
            CHECK(a.supports[r].out_channels_multiple == b.supports[r].out_channels_multiple);
            CHECK(a.supports[r].when.text == b.supports[r].when.text);
        }
    }
    for (std::size_t i = 0; i < written.links.size(); ++i) {
        CHECK(loaded.links[i].energy_pj_per_byte == written.links[i].energy_pj_per_byte);
        CHECK(loaded.links[i].element_bits == written.links[i].element_bits);
        for (std::size_t m = 0; m < written.links[i].modes.size(); ++m) {
            const sim::TransferTable& a = loaded.links[i].modes[m].time;
            const sim::TransferTable& b = written.links[i].modes[m].time;
            CHECK(a.bandwidth.rate == b.bandwidth.rate);
            CHECK(a.points.size() == b.points.size());
        }
    }
    CHECK(loaded.buses.at(0).links == written.buses[0].links);
    CHECK(loaded.buses[0].bandwidth.rate == written.buses[0].bandwidth.rate);

    REQUIRE(loaded.formulas.size() == written.formulas.size());
    for (std::size_t i = 0; i < written.formulas.size(); ++i) {
        const sim::FormulaCost& a = loaded.formulas[i];
        const sim::FormulaCost& b = written.formulas[i];
        CHECK(a.device == b.device);
        CHECK(a.operations == b.operations);
        CHECK(a.variant == b.variant);
        CHECK(a.configuration == b.configuration);
        CHECK(a.in_layout == b.in_layout);
        CHECK(a.out_layout == b.out_layout);
        CHECK(a.precision == b.precision);
        CHECK(a.when.text == b.when.text);
        CHECK(texts(a.let) == texts(b.let));
        CHECK(a.time_us.text == b.time_us.text);
        CHECK(a.cycles.text == b.cycles.text);
        CHECK(a.clock_mhz == b.clock_mhz);
        CHECK(a.energy_uj.text == b.energy_uj.text);
        CHECK(a.fill_us.text == b.fill_us.text);
        CHECK(a.fill_cycles.text == b.fill_cycles.text);
        CHECK(texts(a.resources) == texts(b.resources));
        CHECK(a.shares == b.shares);
    }
    REQUIRE(loaded.splits.size() == written.splits.size());
    for (std::size_t i = 0; i < written.splits.size(); ++i) {
        CHECK(loaded.splits[i].devices == written.splits[i].devices);
        CHECK(loaded.splits[i].operations == written.splits[i].operations);
        CHECK(loaded.splits[i].by == written.splits[i].by);
        CHECK(loaded.splits[i].step == written.splits[i].step);
        CHECK(loaded.splits[i].join.text == written.splits[i].join.text);
        CHECK(loaded.splits[i].reduction_us.text == written.splits[i].reduction_us.text);
    }
}

TEST_CASE("every bandwidth that a file can say is written so that it loads the same") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "bandwidth.yaml";
    sim::Platform p = machine();
    std::mt19937_64 random{3};
    for (int i = 0; i < 200; ++i) {
        const double gb_per_s = std::uniform_real_distribution<double>{0.001, 2000}(random);
        p.buses[0].bandwidth.rate = gb_per_s * 1e9;
        calibrate::write_file(path, calibrate::to_yaml(p));
        REQUIRE(sim::load_platform(path.string(), {}).buses.at(0).bandwidth.rate ==
                p.buses[0].bandwidth.rate);
    }
}

TEST_CASE("a profile cut off anywhere is refused or, at its very end, complete") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "cut.yaml";
    for (const std::string& text : {calibrate::to_yaml(example()), calibrate::to_yaml(machine())}) {
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

TEST_CASE("a file is replaced whole or not at all") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "file.yaml";
    calibrate::write_file(path, "first");
    calibrate::write_file(path, "second");
    CHECK(text_of(path) == "second");
    CHECK(std::distance(std::filesystem::directory_iterator{folder.path()}, {}) == 1);
    CHECK_THROWS_AS(calibrate::write_file(folder.path() / "nowhere" / "file", "x"),
                    sim::InputError);
}

TEST_CASE("an unwritable path is found out before the work") {
    const TemporaryFolder folder;
    CHECK_NOTHROW(calibrate::check_writable(folder.path() / "new.yaml"));
    CHECK_THROWS_AS(calibrate::check_writable(folder.path() / "nowhere" / "x.yaml"),
                    sim::InputError);
    CHECK_THROWS_AS(calibrate::check_writable(folder.path()), sim::InputError);
}
