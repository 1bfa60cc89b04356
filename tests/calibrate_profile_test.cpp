#include "calibrate/profile_writer.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
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

TEST_CASE("a profile cut off anywhere is refused or, at its very end, complete") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "cut.yaml";
    const std::string text = calibrate::to_yaml(example());
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
