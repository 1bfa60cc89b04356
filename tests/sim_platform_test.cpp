#include "sim/describe/platform.hpp"
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

// Known by formulas alone.
const std::string kFormulas = R"yaml(hetmap: platform/1
name: machine
base_power_w: 0.5
memories:
  - {name: host, capacity_kib: 300, synchronise_us: 0.25}
  - {name: card, capacity_mib: 2}
devices:
  - {name: cpu, kind: cpu, memory: host, asynchronous: false, active_power_w: 3}
  - name: gpu
    kind: cuda
    memory: host
    asynchronous: true
    submit_us: 4
    per_task_us: 1
    completion_us: 2
    contention: {cpu: 1.25}
  - name: fpga
    kind: fpga
    memory: card
    asynchronous: true
    submit_us: 1
    per_task_us: 0
    completion_us: 1
    supports:
      - {operations: [conv2d, linear], kernels: [1, 3], strides: [1, 2], groups: [1], weights: [int8], activations: [u8, int8], in_channels_multiple: 4, out_channels_multiple: 8, when: "macs > 100"}
      - {operations: [max_pool2d]}
    resources: {alm: 80330, dsp: 0}
    longest_stream: 8
    reconfiguration_us: 200000
links:
  - {name: up, from: host, to: card, energy_pj_per_byte: 62.5, element_bits: 8, modes: [{name: pinned, latency_us: 8, bandwidth_gb_per_s: 20}]}
  - {name: down, from: card, to: host, modes: [{name: pinned, latency_us: 8, bandwidth_gb_per_s: 20}]}
buses:
  - {name: pcie, links: [up, down], bandwidth_gb_per_s: 1.45}
formulas:
  - {device: cpu, operations: [conv2d, linear], variant: plain, configuration: "1", time_us: "macs / 1000", energy_uj: "macs / 1e6", shares: true}
  - {device: gpu, operations: [conv2d, linear], variant: wide, configuration: "1", precision: ternary, when: "groups == 1", let: {rows: "ceil_div(n, 16)", work: "rows * c_in"}, cycles: "work * oh * ow", clock_mhz: 260, shares: true}
  - device: fpga
    operations: [conv2d]
    variant: stream
    configuration: "1"
    in_layout: plain
    out_layout: plain
    let: {mults: "weights"}
    cycles: "ih * iw"
    clock_mhz: 75.7
    fill_cycles: "(kh - 1) * iw + kw"
    resources: {alm: "mults * (mults < 100 ? 24.4 : 26.3)"}
splits:
  - {devices: [gpu, cpu], operations: [conv2d, linear], by: output_channels, step: 16, join: max}
  - {devices: [cpu, gpu], operations: [linear], by: input_channels, join: "max(cpu, gpu) + 0.5 * min(cpu, gpu)", reduction_us: "outputs / 1000"}
)yaml";

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

TEST_CASE("a platform of formulas is loaded with all that its file says") {
    const TemporaryFolder folder;
    const sim::Platform p = load(folder, kFormulas);
    CHECK(p.base_power_w == 0.5);
    CHECK(p.memories.at(0).capacity_kib == 300);
    CHECK(p.memories[0].synchronise == from_microseconds(0.25));
    CHECK(p.memories.at(1).capacity_kib == 2048);
    CHECK(p.memories[1].synchronise == sim::Time{});

    REQUIRE(p.devices.size() == 3);
    CHECK(p.devices[0].supports.empty());
    CHECK(p.devices[0].longest_stream == 0);
    CHECK_FALSE(p.devices[0].reconfiguration);
    CHECK(p.devices[1].contention == std::vector<std::pair<std::string, double>>{{"cpu", 1.25}});
    const sim::Device& fpga = p.devices[2];
    REQUIRE(fpga.supports.size() == 2);
    const sim::SupportRule& rule = fpga.supports[0];
    CHECK(rule.operations == std::vector<std::string>{"conv2d", "linear"});
    CHECK(rule.kernels == std::vector{1, 3});
    CHECK(rule.strides == std::vector{1, 2});
    CHECK(rule.groups == std::vector{1});
    CHECK(rule.weights == std::vector<std::string>{"int8"});
    CHECK(rule.activations == std::vector<std::string>{"u8", "int8"});
    CHECK(rule.in_channels_multiple == 4);
    CHECK(rule.out_channels_multiple == 8);
    CHECK(rule.when.text == "macs > 100");
    CHECK(rule.where.line == 25);
    CHECK(fpga.supports[1].kernels.empty());
    CHECK(fpga.supports[1].in_channels_multiple == 1);
    CHECK_FALSE(fpga.supports[1].when);
    REQUIRE(fpga.resources.size() == 2);
    CHECK(fpga.resources[0].name == "alm");
    CHECK(fpga.resources[0].limit == 80330);
    CHECK(fpga.resources[1].limit == 0);
    CHECK(fpga.longest_stream == 8);
    CHECK(fpga.reconfiguration == from_microseconds(200'000));

    CHECK(p.links.at(0).energy_pj_per_byte == 62.5);
    CHECK(p.links[0].element_bits == 8);
    CHECK_FALSE(p.links.at(1).energy_pj_per_byte);
    CHECK(p.links[1].element_bits == 0);
    REQUIRE(p.buses.size() == 1);
    CHECK(p.buses[0].name == "pcie");
    CHECK(p.buses[0].links == std::vector{0, 1});
    CHECK(p.buses[0].bandwidth.rate == 1.45 * 1e9);

    REQUIRE(p.formulas.size() == 3);
    CHECK(p.formulas[0].operations == std::vector<std::string>{"conv2d", "linear"});
    CHECK(p.formulas[0].time_us.text == "macs / 1000");
    CHECK(p.formulas[0].time_us.where.column == 94);
    CHECK(p.formulas[0].energy_uj.text == "macs / 1e6");
    CHECK(p.formulas[0].precision.empty());
    CHECK(p.formulas[0].in_layout == "nhwc");
    CHECK(p.formulas[0].shares);
    CHECK(p.formulas[1].device == 1);
    CHECK(p.formulas[1].precision == "ternary");
    CHECK(p.formulas[1].when.text == "groups == 1");
    REQUIRE(p.formulas[1].let.size() == 2);
    CHECK(p.formulas[1].let[1].first == "work");
    CHECK(p.formulas[1].let[1].second.text == "rows * c_in");
    CHECK(p.formulas[1].cycles.text == "work * oh * ow");
    CHECK(p.formulas[1].clock_mhz == 260);
    CHECK_FALSE(p.formulas[1].time_us);
    CHECK(p.formulas[2].out_layout == "plain");
    CHECK(p.formulas[2].fill_cycles.text == "(kh - 1) * iw + kw");
    REQUIRE(p.formulas[2].resources.size() == 1);
    CHECK(p.formulas[2].resources[0].first == "alm");
    CHECK_FALSE(p.formulas[2].shares);
    CHECK(p.formulas[2].where.line == 38);

    REQUIRE(p.splits.size() == 2);
    CHECK(p.splits[0].devices == std::vector{1, 0});
    CHECK(p.splits[0].by == sim::SplitRule::By::output_channels);
    CHECK(p.splits[0].step == 16);
    CHECK(p.splits[0].join.text == "max");
    CHECK_FALSE(p.splits[0].reduction_us);
    CHECK(p.splits[1].by == sim::SplitRule::By::input_channels);
    CHECK(p.splits[1].step == 1);
    CHECK(p.splits[1].join.text == "max(cpu, gpu) + 0.5 * min(cpu, gpu)");
    CHECK(p.splits[1].reduction_us.text == "outputs / 1000");
}

TEST_CASE("what is wrong in a platform of formulas is named with its place") {
    const std::string operations =
        "conv2d, conv_transpose2d, depthwise_conv2d, conv1d, conv_transpose1d, conv3d, "
        "conv_transpose3d, linear, matmul, attention, embedding, lstm and 99 more";
    const std::string names =
        "c_in, ih, iw, c_out, oh, ow, kh, kw, stride, padding, groups, macs, inputs, outputs, "
        "weights, batch, n, m, clock_mhz";
    struct Case {
        std::string what, by, message;
    };
    const Case cases[] = {
        // Memories and powers.
        {"base_power_w: 0.5",
         "base_power_w: -0.5",
         "p.yaml:3:15: base_power_w: expected a number of zero or more, got '-0.5'"},
        {"capacity_kib: 300",
         "capacity_kib: 300, capacity_mib: 1",
         "p.yaml:5:37: a memory has either capacity_kib or capacity_mib, not both"},
        {"capacity_kib: 300",
         "capacity_kib: 0.5",
         "p.yaml:5:32: capacity_kib: expected a whole number from 1 to 1125899906842624, got '"
         "0.5'"},
        {"synchronise_us: 0.25",
         "synchronise_us: soon",
         "p.yaml:5:53: synchronise_us: expected a number of zero or more, got 'soon'"},
        // Contention.
        {"contention: {cpu: 1.25}",
         "contention: {cpu: 0.009}",
         "p.yaml:16:23: cpu: expected a factor from 0.01 to 1000, got '0.009'"},
        {"contention: {cpu: 1.25}",
         "contention: {cpu: 1001}",
         "p.yaml:16:23: cpu: expected a factor from 0.01 to 1000, got '1001'"},
        {"contention: {cpu: 1.25}",
         "contention: {dsp: 1.25}",
         "p.yaml:16:18: contention: no device 'dsp'; there are: cpu, gpu, fpga"},
        {"contention: {cpu: 1.25}",
         "contention: {gpu: 1.25}",
         "p.yaml:16:18: contention: 'gpu' is the device itself"},
        {"contention: {cpu: 1.25}",
         "contention: {fpga: 1.25}",
         "p.yaml:16:18: contention: 'gpu' and 'fpga' do not share a memory"},
        {"contention: {cpu: 1.25}",
         "contention: {}",
         "p.yaml:16:17: contention: expected a map of other devices to factors, got a map"},
        // What a device supports.
        {"kernels: [1, 3]",
         "kernel: [1, 3]",
         "p.yaml:25:40: unknown key 'kernel'; a rule of supports has: operations, kernels, "
         "strides, "
         "groups, weights, activations, in_channels_multiple, out_channels_multiple, when"},
        {"[max_pool2d]",
         "[maxpool]",
         "p.yaml:26:23: operations: no operation 'maxpool'; there are: " + operations},
        {"[max_pool2d]",
         "[]",
         "p.yaml:26:22: operations: expected at least one operation, got a list"},
        {"[max_pool2d]", "add", "p.yaml:26:22: operations: expected a list, got 'add'"},
        {"kernels: [1, 3]", "kernels: [3, 3]", "p.yaml:25:53: kernels: '3' is here twice"},
        {"kernels: [1, 3]",
         "kernels: [1, 3x3]",
         "p.yaml:25:53: kernels: expected a whole number from 1 to 4096 alone (a unit stands in "
         "the "
         "key), got '3x3'"},
        {"weights: [int8]",
         "weights: [int5]",
         "p.yaml:25:97: weights: no type 'int5'; there are: binary, ternary, int4, u4, int8, u8, "
         "int16, u16, int32, u32, int64, u64 and 6 more"},
        {"in_channels_multiple: 4",
         "in_channels_multiple: 0",
         "p.yaml:25:151: in_channels_multiple: expected a whole number from 1 to 1048576, got '0'"},
        {"when: \"macs > 100\"",
         "when: \"mac > 100\"",
         "p.yaml:25:186: formula 'mac > 100': no name 'mac'; there are: " + names},
        {"when: \"macs > 100\"",
         "when: \"clock_mhz > 100\"",
         "p.yaml:25:186: formula 'clock_mhz > 100': no clock_mhz is stated beside it"},
        {"when: \"macs > 100\"", "when: ", "p.yaml:25:180: when: expected a text, got nothing"},
        // Resources, streams.
        {"resources: {alm: 80330, dsp: 0}",
         "resources: {alm: 80330, dsp: -1}",
         "p.yaml:27:34: dsp: expected a whole number from 0 to 1125899906842624, got '-1'"},
        {"resources: {alm: 80330, dsp: 0}",
         "resources: {}",
         "p.yaml:27:16: resources: expected a map of names to limits, got a map"},
        {"resources: {alm: 80330, dsp: 0}",
         "resources: {alm.s: 80330}",
         "p.yaml:27:17: resources: expected a name without '.', got 'alm.s'"},
        {"longest_stream: 8",
         "longest_stream: 1",
         "p.yaml:28:21: longest_stream: expected a whole number from 2 to 1000, got '1'"},
        {"    longest_stream: 8\n",
         "",
         "p.yaml:46:18: layers do not stream through device 'fpga': it has no longest_stream"},
        {"asynchronous: false,",
         "asynchronous: false, reconfiguration_us: 1,",
         "p.yaml:8:63: reconfiguration_us: only an asynchronous device has it"},
        // Links and buses.
        {"element_bits: 8",
         "element_bits: 65",
         "p.yaml:31:78: element_bits: expected a whole number from 1 to 64, got '65'"},
        {"energy_pj_per_byte: 62.5",
         "energy_pj_per_byte: low",
         "p.yaml:31:58: energy_pj_per_byte: expected a number of zero or more, got 'low'"},
        {"links: [up, down]",
         "links: []",
         "p.yaml:34:25: links: expected at least one link, got a list"},
        {"links: [up, down]",
         "links: [up, sideways]",
         "p.yaml:34:30: links: no link 'sideways'; there are: up, down"},
        {"links: [up, down]", "links: [up, up]", "p.yaml:34:30: links: 'up' is here twice"},
        {"bandwidth_gb_per_s: 1.45}\n",
         "bandwidth_gb_per_s: 1.45}\n  - {name: other, links: [down], bandwidth_gb_per_s: 1}\n",
         "p.yaml:35:27: links: 'down' is in bus 'pcie' already"},
        {"bandwidth_gb_per_s: 1.45}\n",
         "bandwidth_gb_per_s: 1.45}\n  - {name: pcie, links: [down], bandwidth_gb_per_s: 1}\n",
         "p.yaml:35:12: name: there are two buses 'pcie'"},
        {"bandwidth_gb_per_s: 1.45",
         "bandwidth_gb_per_s: 0",
         "p.yaml:34:57: bandwidth_gb_per_s: expected a number above zero, got '0'"},
        {"bandwidth_gb_per_s: 1.45",
         "bandwidth_gb_per_s: 1e300",
         "p.yaml:34:57: bandwidth_gb_per_s: expected a number above zero, at most 1e+12, got "
         "'1e300'"},
        // Formulas.
        {"device: cpu, operations",
         "device: dsp, operations",
         "p.yaml:36:14: device: no device 'dsp'; there are: cpu, gpu, fpga"},
        {"[conv2d, linear], variant: plain",
         "[conv2d, dense], variant: plain",
         "p.yaml:36:40: operations: no operation 'dense'; there are: " + operations},
        {"[conv2d, linear], variant: plain",
         "[], variant: plain",
         "p.yaml:36:31: operations: expected at least one operation, got a list"},
        {"variant: plain, ", "", "p.yaml:36:5: a formula needs the key 'variant'"},
        {"variant: plain",
         "variant: a/b",
         "p.yaml:36:58: variant: expected a name without '/', got 'a/b'"},
        {"time_us: \"macs / 1000\", ", "", "p.yaml:36:5: a formula needs either time_us or cycles"},
        {"time_us: \"macs / 1000\"",
         "time_us: 1, cycles: 2, clock_mhz: 3",
         "p.yaml:36:5: a formula needs either time_us or cycles"},
        {"time_us: \"macs / 1000\"",
         "time_us: \"macs / \"",
         "p.yaml:36:94: formula 'macs / ': it ends too early"},
        {"time_us: \"macs / 1000\"",
         "time_us: \"macs = 1000\"",
         "p.yaml:36:94: formula 'macs = 1000': '=' assigns; to compare, write '=='"},
        {"time_us: \"macs / 1000\"",
         "time_us: \"\"",
         "p.yaml:36:94: formula '': expected an expression, got nothing"},
        {"time_us: \"macs / 1000\"",
         "time_us: [1]",
         "p.yaml:36:94: time_us: expected a text, got a list"},
        {"time_us: \"macs / 1000\"",
         "time_us: \"macs / clock_mhz\"",
         "p.yaml:36:94: formula 'macs / clock_mhz': no clock_mhz is stated beside it"},
        {"clock_mhz: 260, ", "", "p.yaml:37:5: cycles need the key 'clock_mhz'"},
        {"clock_mhz: 260, ",
         "clock_mhz: 0, ",
         "p.yaml:37:215: clock_mhz: expected a number above zero, got '0'"},
        {"shares: true}\n  - device",
         "shares: both}\n  - device",
         "p.yaml:37:228: shares: expected true or false, got 'both'"},
        {"let: {rows: \"ceil_div(n, 16)\", work: \"rows * c_in\"}",
         "let: {work: \"rows * c_in\", rows: \"ceil_div(n, 16)\"}",
         "p.yaml:37:137: formula 'rows * c_in': no name 'rows'; there are: " + names},
        {"let: {rows: ",
         "let: {n: ",
         "p.yaml:37:131: 'n' cannot be a name in a formula: it is the layer's"},
        {"let: {rows: ",
         "let: {max: ",
         "p.yaml:37:131: 'max' cannot be a name in a formula: it is a function"},
        {"let: {rows: ",
         "let: {no-of-rows: ",
         "p.yaml:37:131: 'no-of-rows' cannot be a name in a formula: expected letters, digits and "
         "'_', no digit first"},
        {"let: {mults: \"weights\"}",
         "let: weights",
         "p.yaml:44:10: let: expected a map of names to expressions, got 'weights'"},
        {"when: \"groups == 1\"",
         "when: \"rows == 1\"",
         "p.yaml:37:110: formula 'rows == 1': no name 'rows'; there are: " + names},
        {"cycles: \"ih * iw\"",
         "cycles: \"work\"",
         "p.yaml:45:13: formula 'work': no name 'work'; there are: " + names + ", mults"},
        {"    clock_mhz: 75.7\n    fill_cycles",
         "    clock_mhz: 75.7\n    fill_us: 1\n    fill_cycles",
         "p.yaml:38:5: a formula needs only one of fill_us or fill_cycles"},
        {"cycles: \"ih * iw\"\n    clock_mhz: 75.7",
         "time_us: 1",
         "p.yaml:38:5: cycles need the key 'clock_mhz'"},
        {"resources: {alm: \"mults",
         "resources: {luts: \"mults",
         "p.yaml:48:17: resources: device 'fpga' has no 'luts'; there are: alm, dsp"},
        {"resources: {alm: \"mults",
         "resources: {alm: \"malts",
         "p.yaml:48:22: formula 'malts * (mults < 100 ? 24.4 : 26.3)': no name 'malts'; there "
         "are: " +
             names + ", mults"},
        {"shares: true}\n  - {device: gpu",
         "resources: {alm: 1}, shares: true}\n  - {device: gpu",
         "p.yaml:36:146: resources: device 'cpu' has no 'alm'; there are: none"},
        {"  - device: fpga",
         "  - {device: cpu, operations: [linear], variant: plain, configuration: \"1\", time_us: "
         "1}\n  - device: fpga",
         "p.yaml:38:5: the same formula (device, variant, configuration, when) for linear is in "
         "line 36"},
        // Splits.
        {"[gpu, cpu]", "[gpu]", "p.yaml:50:15: devices: expected at least two devices, got a list"},
        {"[gpu, cpu]", "[gpu, gpu]", "p.yaml:50:21: devices: 'gpu' is here twice"},
        {"[gpu, cpu]",
         "[gpu, dsp]",
         "p.yaml:50:21: devices: no device 'dsp'; there are: cpu, gpu, fpga"},
        {"[gpu, cpu]",
         "[gpu, fpga]",
         "p.yaml:50:41: operations: device 'fpga' has no formula for shares of conv2d"},
        {"operations: [linear], by",
         "operations: [conv2d, softmax], by",
         "p.yaml:51:48: operations: softmax does not sum over its input channels"},
        {"by: output_channels",
         "by: rows",
         "p.yaml:50:61: by: no way 'rows'; there are: output_channels, input_channels"},
        {"step: 16",
         "step: 0",
         "p.yaml:50:84: step: expected a whole number from 1 to 1048576, got '0'"},
        {", join: max", "", "p.yaml:50:5: a split needs the key 'join'"},
        {"join: max}",
         "join: maximum}",
         "p.yaml:50:94: formula 'maximum': no name 'maximum'; there are: " + names + ", gpu, cpu"},
        {"join: max}",
         "join: max, reduction_us: 1}",
         "p.yaml:50:99: reduction_us: only a split by input_channels has it"},
        {", reduction_us: \"outputs / 1000\"",
         "",
         "p.yaml:51:5: a split by input_channels needs the key 'reduction_us'"},
        {"\"outputs / 1000\"",
         "\"outputs / cpu\"",
         "p.yaml:51:128: formula 'outputs / cpu': no name 'cpu'; there are: " + names},
        {"[cpu, gpu], operations: [linear], by: input_channels, join: \"max(cpu, gpu) + 0.5 * "
         "min(cpu, gpu)\", reduction_us: \"outputs / 1000\"",
         "[gpu, cpu], operations: [linear], by: output_channels, join: sum",
         "p.yaml:51:5: the same split (devices, by) for linear is in line 50"},
        {"name: machine\n",
         "name: machine\ncounts: {costs: 0, fits: 0, formulas: 4, splits: 2}\n",
         "p.yaml:3:39: formulas: the profile says 4, but there are 3: is the file cut off?"},
        {"name: machine\n",
         "name: machine\ncounts: {costs: 0, fits: 0, splits: 1}\n",
         "p.yaml:3:37: splits: the profile says 1, but there are 2: is the file cut off?"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        CAPTURE(c.by);
        CHECK(error_of(with(kFormulas, c.what, c.by)) == c.message);
    }
}

TEST_CASE("formulas of one implementation may share an operation if their conditions differ") {
    const std::string another =
        "  - {device: cpu, operations: [linear], variant: plain, configuration: \"1\", when: "
        "\"c_out > 9\", time_us: 1}\nsplits:";
    CHECK(error_of(with(kFormulas, "splits:", another)) == "no error");
}

TEST_CASE("a device whose name is no word may split, but not be in an expression") {
    std::string text = kFormulas;
    for (std::size_t at; (at = text.find("gpu,")) != std::string::npos;) {
        text.replace(at, 4, "gpu-0,");
    }
    text = with(text, "name: gpu\n", "name: gpu-0\n");
    text = with(text, ", gpu], operations", ", gpu-0], operations");
    CHECK(error_of(text) ==
          "p.yaml:51:77: 'gpu-0' cannot be a name in a formula: expected letters, digits and '_', "
          "no digit first");
    CHECK(error_of(with(text, "\"max(cpu, gpu) + 0.5 * min(cpu, gpu)\"", "sum")) == "no error");
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

TEST_CASE("the documentation's example of formulas loads") {
    const TemporaryFolder folder;
    const sim::Platform p = load(folder, example_in_docs("hetmap: platform/1\nname: two-cores"));
    CHECK(p.formulas.size() == 3);
    CHECK(p.splits.at(0).devices == std::vector{1, 2});
    CHECK(p.devices.at(2).supports.size() == 1);
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
         "links, buses, layouts, base_power_w, host_copy, measurements, trials, costs, fits, "
         "formulas, "
         "splits, "
         "counts"},
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
         "p.yaml:3:25: unknown key 'capacity'; a memory has: name, capacity_kib, "
         "capacity_mib, synchronise_us"},
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
        {"[{from: plain, to: nhwc, latency_us: 1, bandwidth_gb_per_s: 2}]",
         "[], handovers: [{from: 1, to: 2, latency_us: 1, bandwidth_gb_per_s: 2}, {from: 1, to: 2, "
         "latency_us: 1, bandwidth_gb_per_s: 2}]",
         "p.yaml:5:148: there are two handovers from 1 to 2 threads"},
        {"[{from: plain, to: nhwc, latency_us: 1, bandwidth_gb_per_s: 2}]",
         "[], handovers: [{from: 0, to: 2, latency_us: 1, bandwidth_gb_per_s: 2}]",
         "p.yaml:5:99: from: expected a whole number from 1 to 100000, got '0'"},
        {"submit_us: 4",
         "handovers: [{from: 1, to: 2, latency_us: 1, bandwidth_gb_per_s: 2}], submit_us: 4",
         "p.yaml:6:63: handovers: only the host, the first device, has them"},
        {"conversions: [",
         "in_networks: {work: 1.1, task_us: -0.5}, conversions: [",
         "p.yaml:5:63: in_networks: only an asynchronous device has it"},
        {"submit_us: 4",
         "in_networks: {work: 0, task_us: -0.5}, submit_us: 4",
         "p.yaml:6:83: work: expected a number above zero, got '0'"},
        {"submit_us: 4",
         "in_networks: {work: 1, task_us: -1e12}, submit_us: 4",
         "p.yaml:6:95: task_us: expected a time of at most 1000000000 us, got '-1e12'"},
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
         "p.yaml:12:97: unknown key 'time_ms'; a cost has: batch, device, variant, "
         "configuration, layers, layer_names, in_layout, "
         "out_layout, results, time_us, samples, p05_us, p50_us, p95_us"},
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

TEST_CASE("numbers that are set take the place of the file's, or are added") {
    const TemporaryFolder folder;
    const std::string file = folder.write("p.yaml", kTwoDevices);
    const std::vector<std::string> set = {"devices.cpu.active_power_w=35",
                                          "devices.gpu0.submit_us=7.5",
                                          "devices.cpu.conversions.0.latency_us=3",
                                          "memories.gpu.capacity_mib=2",
                                          "base_power_w=12",
                                          "links.up.modes.pinned.bandwidth_gb_per_s=16",
                                          "links.down.modes.pinned.points.0.p50_us=2.5",
                                          "costs.1.time_us=0.75",
                                          "fits.0.constant_us=2",
                                          "host_copy.latency_us=1",
                                          "host_copy.bandwidth_gb_per_s=10"};
    const sim::Platform p = sim::load_platform(file, {}, set);
    CHECK(p.set == set);
    CHECK(p.devices[0].active_power_w == 35);
    CHECK(p.devices[1].submit == from_microseconds(7.5));
    CHECK(p.devices[0].conversions[0].time.time({0}) == from_microseconds(3));
    CHECK(p.memories[1].capacity_kib == 2048);
    CHECK(p.base_power_w == 12);
    CHECK(p.links[0].modes[0].time.bandwidth.rate == 16e9);
    CHECK(p.links[1].modes[0].time.points[0].time.p50 == from_microseconds(2.5));
    CHECK(p.measured[1].time.p50 == from_microseconds(0.75));
    CHECK(p.fitted[0].constant_us == 2);
    CHECK(p.host_copy.time({10'000}) == from_microseconds(2));
    // All else is as it was.
    const sim::Platform as_it_is = sim::load_platform(file, {});
    CHECK(as_it_is.set.empty());
    CHECK(p.measured[0] == as_it_is.measured[0]);
    CHECK(p.devices[1].completion == as_it_is.devices[1].completion);

    // Of formulas, an expression that is a number; and what may hold any names.
    const std::vector<std::string> more = {"formulas.1.clock_mhz=130",
                                           "devices.fpga.resources.alm=10",
                                           "devices.gpu.contention.cpu=2",
                                           "devices.fpga.supports.0.kernels.1=5",
                                           "buses.pcie.bandwidth_gb_per_s=3"};
    const sim::Platform f =
        sim::load_platform(folder.write("f.yaml", with(kFormulas, "260", "\"260\"")), {}, more);
    CHECK(f.formulas[1].clock_mhz == 130);
    CHECK(f.devices[2].resources[0].limit == 10);
    CHECK(f.devices[1].contention[0].second == 2);
    CHECK(f.devices[2].supports[0].kernels == std::vector{1, 5});
    CHECK(f.buses[0].bandwidth.rate == 3e9);
}

TEST_CASE("a star in the path of a number stands for all items of a list") {
    const TemporaryFolder folder;
    const std::string file = folder.write("f.yaml", kFormulas);
    const std::vector<std::string> set = {"links.*.modes.*.bandwidth_gb_per_s=5",
                                          "devices.*.speed=2"};
    const sim::Platform p = sim::load_platform(file, {}, set);
    for (const sim::Link& link : p.links) {
        CHECK(link.modes[0].time.bandwidth.rate == 5e9);
    }
    for (const sim::Device& device : p.devices) {
        CHECK(device.speed == 2);
    }
    const auto error = [&](const std::string& one) {
        return folder.error_of([&] { sim::load_platform(file, {}, std::vector{one}); });
    };
    CHECK(error("devices.*.name=3") == "--set devices.*.name=3: name is 'cpu', not a number");
    CHECK(error("devices.cpu.*=3").find("--set devices.cpu.*=3: unknown key '*'") == 0);
    CHECK(error("devices.cpu.speed=0") ==
          "--set devices.cpu.speed=0: speed: expected a number above zero, got '0'");
    CHECK(error("devices.cpu.speed=1001") ==
          "--set devices.cpu.speed=1001: speed: expected a factor from 0.001 to 1000, got '1001'");
}

TEST_CASE("names in the path of a number may have dots and signs in them") {
    const TemporaryFolder folder;
    const std::string file = folder.write("p.yaml", R"(hetmap: platform/1
name: two
memories: [{name: host}]
devices:
  - {name: a, kind: cpu, memory: host, asynchronous: false}
  - {name: "a.b=2", kind: cpu, memory: host, asynchronous: false}
)");
    const std::vector<std::string> set = {"devices.a.b=2.idle_power_w=3",
                                          "devices.a.idle_power_w=1"};
    const sim::Platform p = sim::load_platform(file, {}, set);
    CHECK(p.devices[0].idle_power_w == 1);
    CHECK(p.devices[1].idle_power_w == 3);
}

TEST_CASE("a number that is set is checked as if it stood in the file") {
    const TemporaryFolder folder;
    const auto error = [&](const std::vector<std::string>& set) {
        return folder.error_of(
            [&] { sim::load_platform(folder.write("p.yaml", kTwoDevices), {}, set); });
    };
    CHECK(error({"devices.cpu.active_power_w=-3"}) ==
          "--set devices.cpu.active_power_w=-3: active_power_w: expected a number of zero or more, "
          "got '-3'");
    CHECK(
        error({"devices.gpu0.gears=3"}) ==
        "--set devices.gpu0.gears=3: unknown key 'gears'; a device has: name, kind, memory, "
        "asynchronous, submit_us, per_task_us, completion_us, conversions, active_power_w, "
        "idle_power_w, speed, supports, resources, longest_stream, reconfiguration_us, contention, "
        "contention_of, handovers, in_networks");
    CHECK(error({"devices.cpu.submit_us=3"}) ==
          "--set devices.cpu.submit_us=3: submit_us: only an asynchronous device has it");
    CHECK(error({"costs.0.batch=1.5"}) ==
          "--set costs.0.batch=1.5: batch: expected a whole number from 1 to 65536, got '1.5'");
    CHECK(error({"devices.gpu1.idle_power_w=3"}) ==
          "--set devices.gpu1.idle_power_w=3: devices: there is no 'gpu1'; there are: cpu, gpu0");
    CHECK(error({"costs.2.time_us=3"}) ==
          "--set costs.2.time_us=3: costs: there is no '2'; there are: 0, 1");
    CHECK(error({"devices.cpu=3"}) == "--set devices.cpu=3: cpu is a map, not a number");
    CHECK(error({"devices=3"}) == "--set devices=3: devices is a list, not a number");
    CHECK(error({"devices.cpu.kind=3"}) == "--set devices.cpu.kind=3: kind is 'cpu', not a number");
    CHECK(error({"devices.cpu.kind.x=3"}) ==
          "--set devices.cpu.kind.x=3: kind is 'cpu', it holds nothing");
    CHECK(error({"devices.cpu.idle_power_w=fast"}) ==
          "--set devices.cpu.idle_power_w=fast: expected a number, got 'fast'");
    CHECK(error({"host_copy.latency_us=1"}) ==
          "--set host_copy.latency_us=1: expected either latency_us and bandwidth_gb_per_s, or "
          "points");
    for (const std::string bad : {"devices.cpu.idle_power_w", "=3", ".x=3", "x.=3", "a..b=3"}) {
        CAPTURE(bad);
        CHECK(error({bad}) == "--set " + bad +
                                  ": expected a path of keys and a number, as "
                                  "devices.cpu.active_power_w=35");
    }
    CHECK(error({"base_power_w=1", "base_power_w=2"}) ==
          "--set base_power_w=2: base_power_w is set already: --set base_power_w=1");
    // Where it does not go with the file's numbers, both are named.
    CHECK(error({"costs.0.p50_us=5"}) ==
          "p.yaml:11:5: expected p05_us <= p50_us <= p95_us (with --set costs.0.p50_us=5)");
    CHECK(error({}) == "no error");
}

TEST_CASE("whatever happens to a file, it loads or is an input error") {
    const std::string good[] = {kTwoDevices, example_in_docs("hetmap: platform/1"), kFormulas};
    constexpr std::string_view kBytes = "{}[]:,-\"'#&*!|>%@` \n\tx19.~?\\";
    const TemporaryFolder folder;
    std::mt19937 random{1};
    int loaded = 0;
    for (int i = 0; i < 1500; ++i) {
        std::string text = good[i % 3];
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

TEST_CASE("what no mapping could use is refused when the file is read") {
    const auto with = [](std::string text, const std::string& what, const std::string& by) {
        const std::size_t place = text.find(what);
        REQUIRE(place != std::string::npos);
        return text.replace(place, what.size(), by);
    };
    CHECK(error_of(with(kFormulas,
                        "asynchronous: false, active_power_w: 3",
                        "asynchronous: false, active_power_w: 3, idle_power_w: 3.5")) ==
          "p.yaml:8:79: active_power_w: expected at least the 3.5 W that it draws while it waits "
          "(idle_power_w), got '3'");
    CHECK(error_of(with(kTwoDevices, "us_per_kib_read: 0.5", "us_per_kib_read: 1e308")) ==
          "p.yaml:14:141: us_per_kib_read: expected a number of at most 1000000000, got '1e308'");
}

TEST_CASE("a platform has up to 64 memories, devices, copy engines and layouts") {
    const auto many = [](int memories, int devices, int links, int layouts) {
        std::string text = "hetmap: platform/1\nname: many\nmemories:\n";
        for (int i = 0; i < memories; ++i) {
            text += "  - {name: m" + std::to_string(i) + "}\n";
        }
        text += "devices:\n";
        for (int i = 0; i < devices; ++i) {
            text += "  - {name: d" + std::to_string(i) +
                    ", kind: cpu, memory: m0, asynchronous: false}\n";
        }
        text += links > 0 ? "links:\n" : "";
        for (int i = 0; i < links; ++i) {
            text += "  - {name: l" + std::to_string(i) + ", from: m" +
                    std::to_string(i % memories) + ", to: m" +
                    std::to_string((i + 1 + i / memories) % memories) +
                    ", modes: [{name: x, latency_us: 1, bandwidth_gb_per_s: 1}]}\n";
        }
        text += "costs:\n";
        for (int i = 0; i < layouts; ++i) {
            text += "  - {layers: \"threshold int32 1x1x" + std::to_string(i + 1) +
                    "\", batch: 1, device: d0, variant: v, configuration: c, out_layout: o" +
                    std::to_string(i) + ", time_us: 1}\n";
        }
        return text;
    };
    CHECK(error_of(many(64, 64, 64, 63)) == "no error");
    CHECK(error_of(many(65, 1, 0, 0)) ==
          "p.yaml:68:5: more than 64 memories; at most 64 are supported");
    CHECK(error_of(many(1, 65, 0, 0)) ==
          "p.yaml:70:5: more than 64 devices; at most 64 are supported");
    CHECK(error_of(many(10, 1, 65, 0)) ==
          "p.yaml:81:5: more than 64 copy engines; at most 64 are supported");
    CHECK(error_of(many(1, 1, 0, 64)) ==
          "p.yaml:71:5: more than 64 layouts; at most 64 are supported");
}

TEST_CASE("a cost says whose results it gives, its last layer's among them") {
    const auto with_results = [](const std::string& results) {
        std::string text = kTwoDevices;
        const std::string layers = "\"threshold int32 7x7x64\", batch: 1, device: cpu";
        return text.replace(text.find(layers),
                            layers.size(),
                            "\"conv2d int8 7x7x64 64 k1x1 s1 p0 v0|threshold | max_pool2d k1x1 "
                            "s1\", results: " +
                                results + ", batch: 1, device: cpu");
    };
    const TemporaryFolder folder;
    CHECK(load(folder, with_results("[2, 0]")).measured[0].results == std::vector{0, 2});
    CHECK(load(folder, with_results("[2]")).measured[0].results.empty());
    CHECK(error_of(with_results("[0, 1]")) ==
          "p.yaml:11:93: results: expected positions with 2, the last layer's, got a list");
    CHECK(error_of(with_results("[3]")) ==
          "p.yaml:11:94: results: expected a whole number from 0 to 2, got '3'");
    CHECK(error_of(with_results("[2, 2]")) == "p.yaml:11:97: results: '2' is here twice");
}
