#include "sim/describe/mapping.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

using sim::Problem;

namespace {

const std::string kMapping = R"(hetmap: mapping/1
model: tiny
platform: example
batch: 1
predicted_us: 45.284
entries:
  - {layers: [flatten], device: cpu, variant: scalar, configuration: "1"}
  - {layers: [conv1, threshold1, pool1], device: cpu, variant: avx512, configuration: "1"}
  - {layers: [fc1], device: cpu, variant: plain_loops, configuration: 1}
)";

// The documentation's model on its platform.
Problem example(const TemporaryFolder& folder) {
    const std::string model = folder.write("model.yaml", example_in_docs("hetmap: model/1"));
    const std::string platform = folder.write("p.yaml", example_in_docs("hetmap: platform/1"));
    return compile(sim::load_model(model, {}), sim::load_platform(platform, {}), {});
}

std::string error_of(const std::string& text) {
    const TemporaryFolder folder;
    return folder.error_of(
        [&] { resolve(sim::load_mapping_file(folder.write("m.yaml", text)), example(folder)); });
}

}  // namespace

TEST_CASE("a mapping is read and its tasks are found, in the order of their layers") {
    const TemporaryFolder folder;
    const sim::MappingFile file = sim::load_mapping_file(folder.write("m.yaml", kMapping));
    CHECK(file.model == "tiny");
    CHECK(file.platform == "example");
    CHECK(file.batch == 1);
    CHECK(file.predicted_us == 45.284);
    REQUIRE(file.entries.size() == 3);
    CHECK(file.entries[1].layers == std::vector<std::string>{"conv1", "threshold1", "pool1"});
    CHECK(file.entries[2].configuration == "1");

    const Problem problem = example(folder);
    const sim::Mapping mapping = resolve(file, problem);
    std::string story;
    for (const int index : mapping) {
        const sim::Task& task = problem.tasks[static_cast<std::size_t>(index)];
        story +=
            problem.layer_names[static_cast<std::size_t>(task.first)] + ":" + task.variant + " ";
    }
    CHECK(story == "image: conv1:avx512 flatten:scalar fc1:plain_loops output: ");
}

TEST_CASE("a mapping that is described, written, read and resolved is the same") {
    const TemporaryFolder folder;
    const Problem problem = example(folder);
    const sim::Mapping mapping =
        resolve(sim::load_mapping_file(folder.write("m.yaml", kMapping)), problem);
    const sim::MappingFile described = describe(problem, mapping, sim::from_microseconds(45.284));
    const std::string text = to_yaml(described);
    CHECK(text == R"(hetmap: mapping/1
model: tiny
platform: example
batch: 1
predicted_us: 45.284
order: listed
entries:
  - {layers: [conv1, threshold1, pool1], device: cpu, variant: avx512, configuration: "1"}
  - {layers: [flatten], device: cpu, variant: scalar, configuration: "1"}
  - {layers: [fc1], device: cpu, variant: plain_loops, configuration: "1"}
)");
    CHECK(text == example_in_docs("hetmap: mapping/1"));
    const sim::MappingFile again = sim::load_mapping_file(folder.write("again.yaml", text));
    CHECK(resolve(again, problem) == mapping);
    CHECK(to_yaml(again) == text);
}

TEST_CASE("names that YAML would take for something else come back as they were") {
    sim::MappingFile file{.model = "null",
                          .platform = "a: b",
                          .batch = 3,
                          .predicted_us = 0.000001,
                          .entries = {{.layers = {"x, y", "2"},
                                       .device = "\"",
                                       .variant = "#",
                                       .configuration = "grid xyz",
                                       .where = {}}},
                          .where = {}};
    const TemporaryFolder folder;
    const sim::MappingFile again = sim::load_mapping_file(folder.write("m.yaml", to_yaml(file)));
    CHECK(again.model == "null");
    CHECK(again.platform == "a: b");
    CHECK(again.predicted_us == 0.000001);
    CHECK(again.entries.at(0).layers == file.entries[0].layers);
    CHECK(again.entries.at(0).device == "\"");
    CHECK(again.entries.at(0).configuration == "grid xyz");
}

TEST_CASE("what is wrong in a mapping is named with its place") {
    struct Case {
        std::string what, by, message;
    };
    const Case cases[] = {
        {"mapping/1", "result/1", "m.yaml:1:9: hetmap: expected 'mapping/1', got 'result/1'"},
        {"batch: 1\n", "", "m.yaml:1:1: a mapping needs the key 'batch'"},
        {"batch: 1\n",
         "batch: one\n",
         "m.yaml:4:8: batch: expected a whole number from 1 to 65536, got 'one'"},
        {"predicted_us: 45.284",
         "predicted_us: 44.5us",
         "m.yaml:5:15: predicted_us: expected a number of zero or more alone (a unit stands in the "
         "key), got '44.5us'"},
        {"variant: scalar",
         "kernel: scalar",
         "m.yaml:7:38: unknown key 'kernel'; an entry has: layers, device, variant, configuration"},
        {"[flatten]", "[]", "m.yaml:7:14: layers: expected at least one layer, got a list"},
        // Against the model and the platform.
        {"model: tiny",
         "model: vgg3",
         "m.yaml:2:8: model: the mapping is for 'vgg3', not for 'tiny'"},
        {"[flatten]",
         "[flat]",
         "m.yaml:7:5: layers: model 'tiny' has no layer 'flat'; there are: conv1, threshold1, "
         "pool1, flatten, fc1"},
        {"[flatten]",
         "[output]",
         "m.yaml:7:5: layers: model 'tiny' has no layer 'output'; there are: conv1, threshold1, "
         "pool1, flatten, fc1"},
        {"  - {layers: [flatten], device: cpu, variant: scalar, configuration: \"1\"}\n",
         "",
         "m.yaml: a layer without an implementation: flatten"},
        {"[fc1]", "[flatten]", "m.yaml:9:5: layer 'flatten' is mapped twice, first in line 7"},
        {"[conv1, threshold1, pool1]",
         "[conv1, conv1, pool1]",
         "m.yaml:8:5: layer 'conv1' is mapped twice, first in line 8"},
        {"variant: scalar",
         "variant: avx2",
         "m.yaml:7:5: platform 'example' has no implementation cpu/avx2/1 of flatten at batch 1; "
         "there are: cpu/scalar/1"},
        {"device: cpu, variant: plain",
         "device: gpu0, variant: plain",
         "m.yaml:9:5: platform 'example' has no implementation gpu0/plain_loops/1 of fc1 at batch "
         "1; there are: "
         "cpu/plain_loops/1"},
        {"[conv1, threshold1, pool1]",
         "[conv1, threshold1]",
         "m.yaml:8:5: platform 'example' has no implementation of the layers conv1 + threshold1 at "
         "batch 1"},
        {"[conv1, threshold1, pool1]",
         "[conv1]",
         "m.yaml:8:5: platform 'example' has no implementation of layer conv1 at batch 1"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.by);
        CHECK(error_of(with(kMapping, c.what, c.by)) == c.message);
    }
    CHECK(error_of(kMapping.substr(0, kMapping.find("entries"))) ==
          "m.yaml:1:1: a mapping needs the key 'entries'");
    CHECK(error_of("") ==
          "m.yaml:1:1: the file is empty; expected it to begin with 'hetmap: mapping/1'");
    const TemporaryFolder folder;
    CHECK(folder.error_of([&] { sim::load_mapping_file(folder.path() / "none.yaml"); }) ==
          "none.yaml: no such file");
}

// ---- Divided layers and transfer modes. ---------------------------------------------------------

namespace {

// A convolution of ten channels that a CPU and a GPU divide, and a pool; two ways to copy.
sim::Model small_model() {
    const TemporaryFolder folder;
    return sim::load_model(folder.write("model.yaml", R"(hetmap: model/1
name: small
input: {name: image, height: 4, width: 4, channels: 10, type: int8}
parameters: {seed: 1}
layers:
  - {name: conv, operation: conv2d, inputs: [image], weights: int8, out_channels: 10, kernel: 1}
  - {name: pool, operation: max_pool2d, inputs: [conv], kernel: 2, stride: 2}
output: pool
)"),
                           {});
}

sim::Platform small_platform() {
    sim::Platform platform;
    platform.name = "two";
    platform.memories = {{.name = "host"}, {.name = "gpu"}};
    const auto table = [](double latency_us, double bandwidth) {
        const sim::Time latency = sim::from_microseconds(latency_us);
        return sim::TransferTable{.points = {{{}, {latency, latency, latency, 0}}},
                                  .bandwidth = {bandwidth}};
    };
    for (const int device : {0, 1}) {
        platform.devices.emplace_back().name = device == 0 ? "cpu" : "gpu0";
        platform.devices.back().memory = device;
        for (const std::string variant : {"v", "w"}) {
            sim::FormulaCost cost;
            cost.device = device;
            cost.operations = {"conv2d", "max_pool2d"};
            cost.variant = variant;
            cost.configuration = "1";
            cost.time_us = {.text = "n * m", .where = {}};
            cost.shares = true;
            platform.formulas.push_back(cost);
        }
        sim::Link link;
        link.name = device == 0 ? "up" : "down";
        link.from = device;
        link.to = 1 - device;
        link.modes = {{.name = "pageable", .time = table(5, 1e9)},
                      {.name = "pinned", .time = table(1, 2e9)}};
        platform.links.push_back(link);
    }
    platform.links[1].modes.resize(1);
    for (const auto by :
         {sim::SplitRule::By::output_channels, sim::SplitRule::By::input_channels}) {
        sim::SplitRule split;
        split.devices = {0, 1};
        split.operations = {"conv2d"};
        split.by = by;
        split.step = 5;
        split.join = {.text = "max", .where = {}};
        platform.splits.push_back(split);
    }
    return platform;
}

const std::string kDivided = R"(hetmap: mapping/1
model: small
platform: two
batch: 1
predicted_us: 7
entries:
  - {layers: [conv], parts: [
      {device: cpu, channels: 5, variant: v, configuration: "1"},
      {device: gpu0, channels: 5, variant: w, configuration: "1"}]}
  - {layers: [pool], device: gpu0, variant: v, configuration: "1"}
copies:
  - {tensor: image, from: host, to: gpu, mode: pinned}
  - {tensor: conv, from: host, to: gpu, mode: pageable}
  - {tensor: pool, from: gpu, to: host, mode: pageable}
)";

// What is written names the order in which it is listed.
std::string in_order(const std::string& text) {
    return with(text, "\nentries:", "\norder: listed\nentries:");
}

std::string error_of_divided(const std::string& text) {
    const TemporaryFolder folder;
    return folder.error_of([&] {
        Problem problem = compile(small_model(), small_platform(), {});
        const sim::MappingFile file = sim::load_mapping_file(folder.write("m.yaml", text));
        apply_transfer_modes(file, small_platform(), problem);
        resolve(file, problem);
    });
}

}  // namespace

TEST_CASE("divided layers and transfer modes are read, applied, described and written the same") {
    const TemporaryFolder folder;
    Problem problem = compile(small_model(), small_platform(), {});
    const sim::MappingFile file = sim::load_mapping_file(folder.write("m.yaml", kDivided));
    // Of the image, 160 bytes: 5 us and 1 ns a byte, then 1 us and half a nanosecond.
    CHECK(problem.copy(0, 0, 0, 1) == sim::from_microseconds(5.16));
    apply_transfer_modes(file, small_platform(), problem);
    CHECK(problem.copy(0, 0, 0, 1) == sim::from_microseconds(1.08));
    CHECK(problem.copy_latencies[1] == sim::from_microseconds(1));
    CHECK(problem.mode_names == std::vector<std::string>{"pageable", "pinned"});
    CHECK(problem.copy_modes[1] == 1);

    const sim::Mapping mapping = resolve(file, problem);
    REQUIRE(mapping.size() == 4);
    const sim::Task& conv = problem.tasks[static_cast<std::size_t>(mapping[1])];
    CHECK(conv.variant == "split");
    CHECK(conv.parts.at(1).variant == "w");
    const std::string text = to_yaml(describe(problem, mapping, sim::from_microseconds(7)));
    CHECK(text == in_order(kDivided));
    CHECK(resolve(sim::load_mapping_file(folder.write("again.yaml", text)), problem) == mapping);

    // By input channels: another task of the same shares. Its parts may come in any order.
    const std::string by_inputs =
        with(with(kDivided, "[conv], parts", "[conv], by: input_channels, parts"),
             "device: cpu, channels: 5, variant: v, configuration: \"1\"},\n"
             "      {device: gpu0, channels: 5, variant: w",
             "device: gpu0, channels: 5, variant: w, configuration: \"1\"},\n"
             "      {device: cpu, channels: 5, variant: v");
    const sim::Mapping inputs =
        resolve(sim::load_mapping_file(folder.write("inputs.yaml", by_inputs)), problem);
    CHECK(problem.tasks[static_cast<std::size_t>(inputs[1])].variant == "input_split");
    CHECK(to_yaml(describe(problem, inputs, sim::from_microseconds(7))) ==
          in_order(with(kDivided, "[conv], parts", "[conv], by: input_channels, parts")));
}

TEST_CASE("where there is but one transfer mode, a mapping names none") {
    sim::Platform platform = small_platform();
    platform.links[0].modes.resize(1);
    const TemporaryFolder folder;
    const Problem problem = compile(small_model(), platform, {});
    const sim::MappingFile file = sim::load_mapping_file(
        folder.write("m.yaml", kDivided.substr(0, kDivided.find("copies:"))));
    CHECK(describe(problem, resolve(file, problem), {}).copies.empty());
}

TEST_CASE("what is wrong with a divided layer or a transfer mode is named with its place") {
    struct Case {
        std::string what, by, message;
    };
    const Case cases[] = {
        {"gpu0, channels: 5",
         "gpu0, channels: 4",
         "m.yaml:7:5: parts: expected shares that add up to the 10 output channels of layer conv, "
         "got 9"},
        {"gpu0, channels: 5",
         "gpu1, channels: 5",
         "m.yaml:9:7: device: platform 'two' has no device 'gpu1'; there are: cpu, gpu0"},
        {"gpu0, channels: 5",
         "gpu0, channels: none",
         "m.yaml:9:32: channels: expected a whole number from 1 to 1073741824, got 'none'"},
        {"variant: w",
         "variant: x",
         "m.yaml:7:5: parts: platform 'two' does not divide layer conv into cpu 5 v/1 + gpu0 5 x/1 "
         "at batch 1; there are: cpu 5 v/1 + gpu0 5 v/1, cpu 5 v/1 + gpu0 5 w/1, cpu 5 w/1 + gpu0 "
         "5 "
         "v/1, cpu 5 w/1 + gpu0 5 w/1"},
        {"[conv]",
         "[pool]",
         "m.yaml:7:5: parts: platform 'two' does not divide layer pool by its output channels at "
         "batch 1"},
        {"[conv]",
         "[conv, pool]",
         "m.yaml:7:14: layers: expected one layer, as it has parts, got a list"},
        {"[conv], parts",
         "[conv], by: rows, parts",
         "m.yaml:7:26: by: no division 'rows'; there are: output_channels, input_channels"},
        {"[conv], parts",
         "[conv], device: cpu, parts",
         "m.yaml:7:22: unknown key 'device'; an entry of a divided layer has: layers, parts, by"},
        {"channels: 5, variant: v, configuration: \"1\"},\n      {device: gpu0, ",
         "",
         "m.yaml:7:29: parts: expected at least two parts, got a list"},
        {"image, from",
         "picture, from",
         "m.yaml:12:5: tensor: no tensor 'picture'; there are: image, conv, pool"},
        {"image, from",
         "output, from",
         "m.yaml:12:5: tensor: no tensor 'output'; there are: image, conv, pool"},
        {"from: host", "from: hots", "m.yaml:12:5: from: no memory 'hots'; there are: host, gpu"},
        {"to: gpu", "to: cpu", "m.yaml:12:5: to: no memory 'cpu'; there are: host, gpu"},
        {"mode: pinned",
         "mode: mapped",
         "m.yaml:12:5: mode: link 'up' has no mode 'mapped'; there are: pageable, pinned"},
        {"to: gpu, mode: pinned",
         "to: host, mode: pinned",
         "m.yaml:12:5: platform 'two' has no link from memory 'host' to 'host'"},
        {"mode: pinned",
         "way: pinned",
         "m.yaml:12:42: unknown key 'way'; a copy has: tensor, from, to, mode, before"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.by);
        CHECK(error_of_divided(with(kDivided, c.what, c.by)) == c.message);
    }
}
