#include "sim/mapping.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

using sim::Problem;

namespace {

const std::string kMapping = R"(hetmap: mapping/1
model: tiny
platform: example
batch: 1
predicted_us: 44.5
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
    CHECK(file.predicted_us == 44.5);
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
    const sim::MappingFile described = describe(problem, mapping, sim::from_microseconds(44.5));
    const std::string text = to_yaml(described);
    CHECK(text == R"(hetmap: mapping/1
model: tiny
platform: example
batch: 1
predicted_us: 44.5
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
        {"predicted_us: 44.5",
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
         "m.yaml:8:5: platform 'example' has no implementation of the chain conv1 + threshold1 at "
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
