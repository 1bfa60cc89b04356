#include "sim/platform.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <random>

using sim::Bytes;
using sim::from_microseconds;

namespace {

const std::string kTwoDevices = R"(hetmap: platform/1
name: two
memories: [{name: host, capacity_mib: 24000}, {name: gpu}]
devices:
  - {name: cpu, kind: cpu, memory: host, asynchronous: false, conversions: [{from: plain, to: nhwc, latency_us: 1, bandwidth_gb_per_s: 2}]}
  - {name: gpu0, kind: cuda, memory: gpu, asynchronous: true, submit_us: 4, per_task_us: 0.5, completion_us: 2}
links:
  - {name: up, from: host, to: gpu, engine: h2d, modes: [{name: pinned, latency_us: 8, bandwidth_gb_per_s: 20}]}
  - {name: down, from: gpu, to: host, modes: [{name: pinned, points: [{bytes: 64, samples: 10, p05_us: 1, p50_us: 2, p95_us: 3}]}]}
costs:
  - {layers: "threshold int32 7x7x64", batch: 1, device: cpu, variant: avx512, configuration: "1", samples: 200, p05_us: 3.1, p50_us: 3.2, p95_us: 3.9}
  - {layers: "threshold int32 7x7x64", batch: 1, device: gpu0, variant: popc, configuration: 2, time_us: 0.5}
fits:
  - {pattern: "threshold int32", device: cpu, variant: avx512, configuration: "1", constant_us: 1, us_per_million_macs: 0, us_per_kib_read: 0.5, us_per_kib_written: 0, us_per_thousand_tiles: 0, samples: 4, median_error_percent: 1, p90_error_percent: 10}
)";

sim::Platform load(const TemporaryFolder& folder, const std::string& text) {
    return sim::load_platform(folder.write("p.yaml", text), {});
}

std::string error_of(const std::string& text) {
    const TemporaryFolder folder;
    return folder.error_of([&] { load(folder, text); });
}

sim::Measurement exactly(double us) {
    return {from_microseconds(us), from_microseconds(us), from_microseconds(us), 1};
}

}  // namespace

TEST_CASE("a platform is loaded with all that its file says") {
    const TemporaryFolder folder;
    const sim::Platform p = load(folder, kTwoDevices);
    CHECK(p.name == "two");
    CHECK(p.path == folder.path() / "p.yaml");
    REQUIRE(p.memories.size() == 2);
    CHECK(p.memories[0].capacity_kib == 24000 * 1024);
    CHECK(p.memories[1].capacity_kib == 0);
    REQUIRE(p.devices.size() == 2);
    CHECK(p.devices[0].kind == "cpu");
    CHECK_FALSE(p.devices[0].asynchronous);
    REQUIRE(p.devices[0].conversions.size() == 1);
    CHECK(p.devices[0].conversions[0].time.time({2'000}) == from_microseconds(2));
    CHECK(p.devices[1].memory == 1);
    CHECK(p.devices[1].submit == from_microseconds(4));
    CHECK(p.devices[1].per_task == from_microseconds(0.5));
    CHECK(p.devices[1].completion == from_microseconds(2));
    REQUIRE(p.links.size() == 2);
    CHECK(p.links[0].engine == "h2d");
    CHECK(p.links[0].modes.at(0).time.time({20'000}) == from_microseconds(9));
    CHECK(p.links[1].engine.empty());
    CHECK(p.links[1].modes.at(0).time.time({1'000'000}) == from_microseconds(2));
    REQUIRE(p.measured.size() == 2);
    CHECK(p.measured[0].time.p05 == from_microseconds(3.1));
    CHECK(p.measured[0].time.samples == 200);
    CHECK(p.measured[0].in_layout == "nhwc");
    CHECK(p.measured[0].where.line == 11);
    CHECK(p.measured[1].device == 1);
    CHECK(p.measured[1].configuration == "2");
    CHECK(p.measured[1].time.p95 == from_microseconds(0.5));
    CHECK(p.measured[1].time.samples == 0);
    REQUIRE(p.fitted.size() == 1);
    CHECK(p.fitted[0].us_per_kib_read == 0.5);
}

TEST_CASE("the example in the documentation loads") {
    const TemporaryFolder folder;
    const sim::Platform p = load(folder, example_in_docs("hetmap: platform/1"));
    CHECK(p.provenance.at(0) == std::pair<std::string, std::string>{"date", "2026-01-02"});
    CHECK(p.warnings == std::vector<std::string>{"frequency scaling is on"});
    CHECK(p.measured.size() == 4);
    CHECK(p.measurements.at(0).second.samples == 1000);
    CHECK(p.host_copy.points.size() == 1);
}

TEST_CASE("spaces around the bars of hand-written layers do not matter") {
    const TemporaryFolder folder;
    const sim::Platform p = load(folder,
                                 with(kTwoDevices,
                                      "\"threshold int32 7x7x64\"",
                                      "\" threshold  int32 7x7x64|flatten |  x\""));
    CHECK(p.measured[0].layers == "threshold int32 7x7x64 | flatten | x");
}

TEST_CASE("what is wrong in a platform is named with its place") {
    struct Case {
        std::string what, by, message;
    };
    const Case cases[] = {
        {"platform/1", "model/1", "p.yaml:1:9: hetmap: expected 'platform/1', got 'model/1'"},
        {"name: two\n", "", "p.yaml:1:1: a platform needs the key 'name'"},
        {"links:",
         "lynx:",
         "p.yaml:7:1: unknown key 'lynx'; a platform has: hetmap, name, memories, devices, "
         "provenance, warnings, "
         "links, host_copy, measurements, costs, fits, counts"},
        {"name: two\n",
         "name: two\nprovenance: yes\n",
         "p.yaml:3:13: provenance: expected a map of texts, got 'yes'"},
        {"name: two\n",
         "name: two\nprovenance: {cpu: {a: b}}\n",
         "p.yaml:3:19: cpu: expected a text, got a map"},
        {"name: two\n",
         "name: two\nwarnings: busy\n",
         "p.yaml:3:11: warnings: expected a list, got 'busy'"},
        {"[{name: host, capacity_mib: 24000}, {name: gpu}]",
         "[]",
         "p.yaml:3:11: memories: expected at least the host's memory, got a list"},
        {"{name: gpu}", "{name: host}", "p.yaml:3:54: name: there are two memories 'host'"},
        {"capacity_mib: 24000",
         "capacity: 24 GiB",
         "p.yaml:3:25: unknown key 'capacity'; a memory has: name, capacity_mib"},
        {"capacity_mib: 24000",
         "capacity_mib: 24GiB",
         "p.yaml:3:39: capacity_mib: expected a whole number from 1 to 1099511627776 alone (a unit "
         "stands in the key), got '24GiB'"},
        // Devices.
        {"asynchronous: false",
         "asynchronous: true",
         "p.yaml:5:5: an asynchronous device needs the key 'submit_us'"},
        {"asynchronous: true",
         "asynchronous: false",
         "p.yaml:6:64: submit_us: only an asynchronous device has it"},
        {"asynchronous: true",
         "asynchronous: maybe",
         "p.yaml:6:57: asynchronous: expected true or false, got 'maybe'"},
        {"kind: cpu, memory: host",
         "kind: cpu, memory: gpu",
         "p.yaml:5:5: the first device is the host: synchronous, and in the first memory ('host')"},
        {"memory: gpu",
         "memory: hbm",
         "p.yaml:6:38: memory: no memory 'hbm'; there are: host, gpu"},
        {"name: gpu0", "name: cpu", "p.yaml:6:12: name: there are two devices 'cpu'"},
        {"name: gpu0",
         "name: gpu/0",
         "p.yaml:6:12: name: expected a name without '/', got 'gpu/0'"},
        {"submit_us: 4",
         "submit_us: 4us",
         "p.yaml:6:74: submit_us: expected a number of zero or more alone (a unit stands in the "
         "key), got '4us'"},
        {"submit_us: 4",
         "submit_us: -4",
         "p.yaml:6:74: submit_us: expected a number of zero or more, got '-4'"},
        {"submit_us: 4",
         "submit_us: .nan",
         "p.yaml:6:74: submit_us: expected a number of zero or more, got '.nan'"},
        {"submit_us: 4",
         "submit_us: nan",
         "p.yaml:6:74: submit_us: expected a number of zero or more, got 'nan'"},
        {"submit_us: 4",
         "submit_us: inf",
         "p.yaml:6:74: submit_us: expected a number of zero or more, got 'inf'"},
        {"submit_us: 4",
         "submit_us: 1e999",
         "p.yaml:6:74: submit_us: expected a number of zero or more, got '1e999'"},
        {"submit_us: 4",
         "submit_us: 2e9",
         "p.yaml:6:74: submit_us: expected a time of at most 1000000000 us, got '2e9'"},
        {"submit_us: 4",
         "submit_us: 0x10",
         "p.yaml:6:74: submit_us: expected a number of zero or more alone (a unit stands in the "
         "key), got '0x10'"},
        {"from: plain, to: nhwc",
         "from: nhwc, to: nhwc",
         "p.yaml:5:94: to: expected another layout than 'from', got 'nhwc'"},
        // Links.
        {"bandwidth_gb_per_s: 20",
         "bandwidth_gb_per_s: 0",
         "p.yaml:8:108: bandwidth_gb_per_s: expected a number above zero, got '0'"},
        {"bandwidth_gb_per_s: 20",
         "bandwidth_gb_per_s: fast",
         "p.yaml:8:108: bandwidth_gb_per_s: expected a number above zero, got 'fast'"},
        {"latency_us: 8, ",
         "",
         "p.yaml:8:58: expected either latency_us and bandwidth_gb_per_s, or points"},
        {"[{name: pinned, latency_us: 8, bandwidth_gb_per_s: 20}]",
         "[]",
         "p.yaml:8:57: modes: expected at least one mode, got a list"},
        {"from: host, to: gpu",
         "from: gpu, to: gpu",
         "p.yaml:8:31: to: expected another memory than 'from', got 'gpu'"},
        {"from: gpu, to: host",
         "from: host, to: gpu",
         "p.yaml:9:5: link 'down' joins the same memories as 'up'; write its modes into one link"},
        {"{bytes: 64,",
         "{bytes: 64, samples: 1, p05_us: 1, p50_us: 1, p95_us: 1}, {bytes: 64,",
         "p.yaml:9:137: bytes: expected more bytes than in the point before, got '64'"},
        {"p05_us: 1, p50_us: 2",
         "p05_us: 3, p50_us: 2",
         "p.yaml:9:71: expected p05_us <= p50_us <= p95_us"},
        {"[{bytes: 64, samples: 10, p05_us: 1, p50_us: 2, p95_us: 3}]",
         "[]",
         "p.yaml:9:70: points: expected at least one point, got a list"},
        {"[{from: plain, to: nhwc, latency_us: 1, bandwidth_gb_per_s: 2}]",
         "[{from: plain, to: nhwc, latency_us: 1, bandwidth_gb_per_s: 2}, {from: plain, to: nhwc, "
         "latency_us: 1, bandwidth_gb_per_s: 2}]",
         "p.yaml:5:140: there are two conversions from 'plain' to 'nhwc'"},
        // Costs and fits.
        {"device: cpu, variant: avx512",
         "device: cpu1, variant: avx512",
         "p.yaml:11:58: device: no device 'cpu1'; there are: cpu, gpu0"},
        {"p50_us: 3.2, ",
         "",
         "p.yaml:11:5: a cost needs either time_us or samples, p05_us, p50_us and p95_us"},
        {"time_us: 0.5}",
         "time_us: 0.5, samples: 3}",
         "p.yaml:12:5: a cost needs either time_us or samples, p05_us, p50_us and p95_us"},
        {"time_us: 0.5}",
         "time_us: -0.5}",
         "p.yaml:12:106: time_us: expected a number of zero or more, got '-0.5'"},
        {"time_us: 0.5}",
         "time_ms: 0.5}",
         "p.yaml:12:97: unknown key 'time_ms'; a cost has: layers, batch, device, variant, "
         "configuration, in_layout, "
         "out_layout, time_us, samples, p05_us, p50_us, p95_us"},
        {"samples: 200",
         "samples: 0",
         "p.yaml:11:109: samples: expected a whole number from 1 to 2147483647, got '0'"},
        {"batch: 1, device: gpu0",
         "batch: 0, device: gpu0",
         "p.yaml:12:47: batch: expected a whole number from 1 to 65536, got '0'"},
        {"\"threshold int32 7x7x64\"",
         "\" \"",
         "p.yaml:11:14: layers: expected layers such as \"conv2d binary 14x14x64 64 k3x3 s1 p1 "
         "v0\", got the text \" \""},
        {"device: gpu0, variant: popc, configuration: 2",
         "device: cpu, variant: avx512, configuration: 1",
         "p.yaml:12:5: the same cost (layers, batch, device, variant, configuration) is in line "
         "11"},
        {"variant: popc",
         "variant: popc/2",
         "p.yaml:12:73: variant: expected a name without '/', got 'popc/2'"},
        {"us_per_kib_read: 0.5",
         "us_per_kib_read: -0.5",
         "p.yaml:14:141: us_per_kib_read: expected a number of zero or more, got '-0.5'"},
        {"constant_us: 1, ", "", "p.yaml:14:5: a fit needs the key 'constant_us'"},
        {"name: two\n",
         "name: two\ncounts: {costs: 3, fits: 1}\n",
         "p.yaml:3:17: costs: the profile says 3, but there are 2: is the file cut off?"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.by);
        CHECK(error_of(with(kTwoDevices, c.what, c.by)) == c.message);
    }
    // The only fit once more, at the end.
    const std::string fits = kTwoDevices.substr(kTwoDevices.find("  - {pattern"));
    CHECK(error_of(kTwoDevices + fits) ==
          "p.yaml:15:5: the same fit (pattern, device, variant, configuration) is in line 14");
    const std::string until_devices = kTwoDevices.substr(0, kTwoDevices.find("devices:"));
    CHECK(error_of(until_devices + "devices: []\n") ==
          "p.yaml:4:10: devices: expected at least the host, got a list");
}

TEST_CASE("a profile that states its counts cannot lose its tail unnoticed") {
    const std::string text =
        with(kTwoDevices, "name: two\n", "name: two\ncounts: {costs: 2, fits: 1}\n");
    CHECK(error_of(text) == "no error");
    for (std::size_t length = text.find("memories:"); length + 1 < text.size(); length += 3) {
        CAPTURE(length);
        CHECK(error_of(text.substr(0, length)).starts_with("p.yaml:"));
    }
}

TEST_CASE("a platform is found by its path, or by its name anywhere under the search path") {
    const TemporaryFolder folder;
    const std::string file = folder.write("platforms/measured/two.yaml", kTwoDevices);
    folder.write("platforms/published/dup.yaml", kTwoDevices);
    folder.write("platforms/measured/dup.yaml", kTwoDevices);
    const std::filesystem::path platforms[] = {folder.path() / "platforms"};
    CHECK(sim::load_platform(file, {}).path == file);
    CHECK(sim::load_platform("two", platforms).path == file);
    CHECK(sim::load_platform("two.yaml", platforms).path == file);

    const auto error = [&](const std::string& name) {
        return folder.error_of([&] { sim::load_platform(name, platforms); });
    };
    CHECK(error("three") == "no platform 'three' in platforms; there are: dup, two");
    CHECK(error("three.yaml") == "three.yaml: no such file");
    CHECK(error("here/three") == "here/three: no such file");
    CHECK(error("dup") ==
          "platform 'dup' is two files, name one of them: platforms/measured/dup.yaml or "
          "platforms/published/dup.yaml");
    CHECK(error((folder.path() / "platforms").string()) ==
          "platforms: expected a platform's file, this is a folder");
}

TEST_CASE("whatever happens to a file, it loads or is an input error") {
    const std::string good[] = {kTwoDevices, example_in_docs("hetmap: platform/1")};
    constexpr std::string_view kBytes = "{}[]:,-\"'#&*!|>%@` \n\tx19.~?\\";
    const TemporaryFolder folder;
    std::mt19937 random{1};
    int loaded = 0;
    for (int i = 0; i < 1500; ++i) {
        std::string text = good[i % 2];
        for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
            const std::size_t at = random() % text.size();
            const char by = kBytes[random() % kBytes.size()];
            switch (random() % 3) {
                case 0:
                    text[at] = by;
                    break;
                case 1:
                    text.insert(at, 1, by);
                    break;
                default:
                    text.erase(at, 1 + random() % 20);
            }
        }
        try {
            load(folder, text);
            ++loaded;
        } catch (const sim::InputError&) {
        }
    }
    CHECK(loaded > 0);
    CHECK(loaded < 1500);
}

// time
//   |            x (300, 8)      beyond: the last slope, or the bandwidth
//   |      x (100, 4)
//   |xxxxx                       below the first point: as long as that one
//   +------------------- bytes
TEST_CASE("a transfer table is linear between its points") {
    sim::TransferTable table;
    table.points = {{{100}, exactly(4)}, {{300}, exactly(8)}};
    CHECK(table.time({0}) == from_microseconds(4));
    CHECK(table.time({100}) == from_microseconds(4));
    CHECK(table.time({150}) == from_microseconds(5));
    CHECK(table.time({300}) == from_microseconds(8));
    CHECK(table.time({400}) == from_microseconds(10));
    table.bandwidth = {1e9};
    CHECK(table.time({200}) == from_microseconds(6));
    CHECK(table.time({1'300}) == from_microseconds(9));
}

TEST_CASE("more bytes beyond a noisy table never take less") {
    sim::TransferTable table;
    table.points = {{{100}, exactly(8)}, {{300}, exactly(4)}};
    CHECK(table.time({1'000'000}) == from_microseconds(4));
}

TEST_CASE("one point and a bandwidth are latency and bandwidth, no point is no time") {
    const sim::TransferTable table{.points = {{{0}, exactly(8)}}, .bandwidth = {20e9}};
    CHECK(table.time({0}) == from_microseconds(8));
    CHECK(table.time({20'000}) == from_microseconds(9));
    CHECK(table.time({std::int64_t{1} << 60}) == sim::kNever);
    CHECK(sim::TransferTable{}.time({1}) == sim::kNever);
}
