#include "sim/describe/model.hpp"
#include "sim/describe/yaml.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

const std::filesystem::path kModels[] = {HETMAP_SOURCE_DIR "/models"};

// Layer 0 of every model is its input.
const std::string kTiny = R"(hetmap: model/1
name: tiny
input: {name: image, height: 28, width: 28, channels: 1, type: u8}
parameters: {seed: 1}
layers:
  - {name: conv1, operation: conv2d, inputs: [image], weights: binary, out_channels: 64, kernel: 3, padding: 1}
  - {name: threshold1, operation: threshold, inputs: [conv1]}
  - {name: pool1, operation: max_pool2d, inputs: [threshold1], kernel: 2, stride: 2}
  - {name: conv2, operation: conv2d, inputs: [pool1], weights: binary, out_channels: 64, kernel: [3, 3], padding: 1, pad_value: -1}
  - {name: shortcut, operation: conv2d, inputs: [pool1], weights: binary, out_channels: 64, kernel: 1}
  - {name: sum, operation: add, inputs: [conv2, shortcut]}
  - {name: threshold2, operation: threshold, inputs: [sum]}
output: threshold2
)";

const std::string kAccuracy = R"(accuracy:
  metric: "top-1 of 10,000 images"
  reference_percent: 91.76
  measured:
    - {name: io-8bit, percent: 90.26, source: "a paper, table 2", precision: ternary, layers: {conv1: int8, conv2: int8}}
    - {name: binary, percent: 91.76}
  sensitivity:
    source: trained one by one
    points_lost:
      - {layer: conv1, precision: ternary, points: 0.4}
      - {precision: ternary, points: 0.1}
)";

sim::Model load(const TemporaryFolder& folder, const std::string& text) {
    return sim::load_model(folder.write("model.yaml", text), {});
}

std::string error_of(const std::string& text) {
    const TemporaryFolder folder;
    return folder.error_of([&] { load(folder, text); });
}

int index_of(const sim::Model& model, std::string_view name) {
    const auto found = std::ranges::find(model.layers, name, &sim::Layer::name);
    return static_cast<int>(found - model.layers.begin());
}

std::int64_t all_macs(const sim::Model& model) {
    std::int64_t macs = 0;
    for (int layer = 0; layer < static_cast<int>(model.layers.size()); ++layer) {
        macs += work_of(model, layer).macs;
    }
    return macs;
}

}  // namespace

TEST_CASE("a model is loaded with its layers, shapes and readers") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, kTiny);
    CHECK(model.name == "tiny");
    CHECK(model.parameters.file.empty());
    CHECK(model.parameters.seed == 1);
    REQUIRE(model.layers.size() == 8);
    CHECK(model.layers[0].name == "image");
    CHECK(model.layers[0].operation == nullptr);
    CHECK(to_string(model.layers[0].output) == "28x28x1 u8");
    CHECK(model.layers[1].operation->name == "conv2d");
    CHECK(to_string(model.layers[3].output) == "14x14x64 binary");
    CHECK(model.layers[4].attributes.kernel_width() == 3);
    CHECK(model.layers[4].attributes.pad_value == -1);
    CHECK(model.layers[5].attributes.stride == sim::Sides{1, 1, 1});  // the documented default
    CHECK(model.layers[6].inputs == std::vector{4, 5});
    CHECK(model.layers[6].where.line == 11);
    CHECK(model.consumers[3] == std::vector{4, 5});
    CHECK(model.consumers[7].empty());
    CHECK(model.outputs.size() == 1);
    CHECK(model.outputs.front().layer == 7);
}

TEST_CASE("layers in any order are sorted, otherwise they stay as in the file") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, R"(hetmap: model/1
name: mixed
input: {name: x, height: 1, width: 1, channels: 4, type: int32}
parameters: {seed: 1}
layers:
  - {name: d, operation: add, inputs: [c, b]}
  - {name: b, operation: flatten, inputs: [x]}
  - {name: c, operation: flatten, inputs: [a]}
  - {name: a, operation: flatten, inputs: [x]}
output: d
)");
    std::string names;
    for (const sim::Layer& layer : model.layers) {
        names += layer.name;
    }
    CHECK(names == "xbacd");
    CHECK(model.layers[4].inputs == std::vector{3, 1});
}

TEST_CASE("the networks of the repository load, with the work that their papers give") {
    const sim::Model vgg3 = sim::load_model("vgg3-fashion", kModels);
    CHECK(vgg3.layers.size() == 11);
    CHECK(all_macs(vgg3) == 451'584 + 7'225'344 + 200'704 + 640);

    const sim::Model vgg7 = sim::load_model("vgg7-cifar10", kModels);
    CHECK(vgg7.layers.size() == 20);  // HEP-BNN's twenty, its reshape being our input
    CHECK(all_macs(vgg7) == 611'718'144);
    CHECK(to_string(vgg7.layers[static_cast<std::size_t>(index_of(vgg7, "flatten"))].output) ==
          "1x1x8192 binary");

    const sim::Model resnet = sim::load_model("resnet18-imagenet", kModels);
    const int stem = index_of(resnet, "stem");
    CHECK(work_of(resnet, stem).macs == 29'503'488);
    CHECK(all_macs(resnet) - work_of(resnet, stem).macs == 1'708'904'448);
    std::int64_t shortcuts = 0;
    for (const char* const name : {"block3_shortcut", "block5_shortcut", "block7_shortcut"}) {
        shortcuts += work_of(resnet, index_of(resnet, name)).macs;
    }
    // TCBNN's 1,690 million, without the convolutions of the shortcuts.
    CHECK(all_macs(resnet) - work_of(resnet, stem).macs - shortcuts == 1'689'636'864);
    CHECK(to_string(resnet.layers[static_cast<std::size_t>(index_of(resnet, "flatten"))].output) ==
          "1x1x25088 binary");
}

TEST_CASE("a model may say how accurate it is with other precisions") {
    const TemporaryFolder folder;
    CHECK_FALSE(load(folder, kTiny).accuracy);
    const sim::Model model = load(folder, kTiny + kAccuracy);
    REQUIRE(model.accuracy);
    const sim::Accuracy& accuracy = *model.accuracy;
    CHECK(accuracy.metric == "top-1 of 10,000 images");
    CHECK(accuracy.reference == 91.76);
    REQUIRE(accuracy.measured.size() == 2);
    CHECK(accuracy.measured[0].name == "io-8bit");
    CHECK(accuracy.measured[0].percent == 90.26);
    CHECK(accuracy.measured[0].source == "a paper, table 2");
    CHECK(accuracy.measured[0].precision == "ternary");
    CHECK(accuracy.measured[0].layers ==
          std::vector<std::pair<std::string, std::string>>{{"conv1", "int8"}, {"conv2", "int8"}});
    CHECK(accuracy.measured[0].where.line == 18);
    CHECK(accuracy.measured[1].precision.empty());
    CHECK(accuracy.measured[1].layers.empty());
    CHECK(accuracy.sensitivity_source == "trained one by one");
    REQUIRE(accuracy.sensitivities.size() == 2);
    CHECK(accuracy.sensitivities[0].layer == "conv1");
    CHECK(accuracy.sensitivities[0].precision == "ternary");
    CHECK(accuracy.sensitivities[0].points == 0.4);
    CHECK(accuracy.sensitivities[1].layer.empty());

    const sim::Model least = load(folder, kTiny + "accuracy: {metric: top-1}\n");
    REQUIRE(least.accuracy);
    CHECK(least.accuracy->measured.empty());
    CHECK(least.accuracy->sensitivities.empty());
}

TEST_CASE("the documentation's accuracy fits its model") {
    const TemporaryFolder folder;
    const sim::Model model =
        load(folder, example_in_docs("hetmap: model/1") + example_in_docs("accuracy:"));
    REQUIRE(model.accuracy);
    CHECK(model.accuracy->measured.size() == 1);
    CHECK(model.accuracy->sensitivities.size() == 2);
}

TEST_CASE("what is wrong in a model's accuracy is named with its place") {
    struct Case {
        std::string what, by, message;
    };
    const Case cases[] = {
        {"metric: \"top-1 of 10,000 images\"\n",
         "unit: percent\n",
         "model.yaml:15:3: unknown key 'unit'; accuracy has: metric, reference_percent, measured, "
         "sensitivity"},
        {"  metric: \"top-1 of 10,000 images\"\n",
         "",
         "model.yaml:15:3: accuracy needs the key 'metric'"},
        {"91.76",
         "191.76",
         "model.yaml:16:22: reference_percent: expected a number from 0 to 100, got '191.76'"},
        {"91.76",
         "-1",
         "model.yaml:16:22: reference_percent: expected a number of zero or more, got '-1'"},
        {"  reference_percent: 91.76\n",
         "",
         "model.yaml:15:3: points are lost from something: with 'sensitivity', accuracy needs the "
         "key 'reference_percent'"},
        {"percent: 90.26",
         "percent: 90.26%",
         "model.yaml:18:32: percent: expected a number of zero or more alone (a unit stands in the "
         "key), got '90.26%'"},
        {"percent: 90.26, ", "", "model.yaml:18:7: a measured accuracy needs the key 'percent'"},
        {"{conv1: int8, conv2: int8}",
         "{conv9: int8}",
         "model.yaml:18:96: no layer 'conv9'; there are: image, conv1, threshold1, pool1, conv2, "
         "shortcut, sum, threshold2"},
        {"{conv1: int8, conv2: int8}",
         "{pool1: int8}",
         "model.yaml:18:96: layer 'pool1' has no weights"},
        {"{conv1: int8, conv2: int8}",
         "{image: int8}",
         "model.yaml:18:96: layer 'image' has no weights"},
        {"{conv1: int8, conv2: int8}",
         "{conv1: int8, conv1: int8}",
         "model.yaml:18:109: key 'conv1' is here twice, first in line 18"},
        {"{conv1: int8, conv2: int8}",
         "[conv1]",
         "model.yaml:18:95: layers: expected a map of layers to precisions, got a list"},
        {"conv2: int8}",
         "conv2: }",
         "model.yaml:18:109: conv2: expected a name of 1 to 200 printable characters, got nothing"},
        {"name: binary",
         "name: io-8bit",
         "model.yaml:19:7: the measured accuracy 'io-8bit' is here twice, first in line 18"},
        {"    source: trained one by one\n    points_lost:",
         "    points:",
         "model.yaml:21:5: unknown key 'points'; sensitivity has: points_lost, source"},
        {"layer: conv1",
         "layer: conv9",
         "model.yaml:23:17: no layer 'conv9'; there are: image, conv1, threshold1, pool1, conv2, "
         "shortcut, sum, threshold2"},
        {"layer: conv1", "layer: sum", "model.yaml:23:17: layer 'sum' has no weights"},
        {"points: 0.4",
         "points: 101",
         "model.yaml:23:52: points: expected a number from 0 to 100, got '101'"},
        {", points: 0.4", "", "model.yaml:23:9: a sensitivity needs the key 'points'"},
        {"{precision: ternary, points: 0.1}",
         "{layer: conv1, precision: ternary, points: 0.1}",
         "model.yaml:24:9: the same layer and precision are in line 23"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.by);
        CHECK(error_of(kTiny + with(kAccuracy, c.what, c.by)) == c.message);
    }
}

TEST_CASE("a model is found by its file, its folder, or its name") {
    const TemporaryFolder folder;
    const std::string file = folder.write("nets/tiny/model.yaml", kTiny);
    const std::filesystem::path nets[] = {folder.path() / "none", folder.path() / "nets"};
    CHECK(sim::load_model(file, {}).name == "tiny");
    CHECK(sim::load_model((folder.path() / "nets" / "tiny").string(), {}).name == "tiny");
    CHECK(sim::load_model("tiny", nets).path == file);

    const auto error = [&](const std::string& name) {
        return folder.error_of([&] { sim::load_model(name, nets); });
    };
    CHECK(error("tinny") == "no model 'tinny' in none, nets; there are: tiny");
    CHECK(error("tinny/model.yaml") == "tinny/model.yaml: no such file");
    CHECK(error("model.yaml") == "model.yaml: no such file");
    CHECK(error((folder.path() / "nets").string()) ==
          "nets: there is no model.yaml in this folder");
    CHECK(folder.error_of([] { sim::load_model("x", {}); }) ==
          "no model 'x' in the search path; there are: none");
}

TEST_CASE("a signature says all that decides the cost of a chain") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, kTiny);
    const auto text = [&](std::vector<int> chain) { return signature(model, chain); };
    CHECK(text({1}) == "conv2d u8 28x28x1 64 k3x3 s1 p1 v0");
    CHECK(text({1, 2, 3}) == "conv2d u8 28x28x1 64 k3x3 s1 p1 v0 | threshold | max_pool2d k2x2 s2");
    CHECK(text({2}) == "threshold int32 28x28x64");
    CHECK(text({4}) == "conv2d binary 14x14x64 64 k3x3 s1 p1 v-1");
    // What a later layer reads from outside the chain is there, too.
    CHECK(text({4, 6, 7}) ==
          "conv2d binary 14x14x64 64 k3x3 s1 p1 v-1 | add int32 14x14x64 | threshold");
    CHECK(text({6}) == "add int32 14x14x64 + int32 14x14x64");
    CHECK(text({0}) == "input 28x28x1 u8");
}

TEST_CASE("a pattern is the operations and the first element") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, kTiny);
    const auto text = [&](std::vector<int> chain) { return pattern(model, chain); };
    CHECK(text({1, 2, 3}) == "conv2d u8 | threshold | max_pool2d");
    CHECK(text({4, 6, 7}) == "conv2d binary | add | threshold");
    CHECK(text({2}) == "threshold int32");
}

TEST_CASE("attributes of every operation are in its signature") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, R"(hetmap: model/1
name: many
input: {name: x, height: 8, width: 8, channels: 8, type: int8}
parameters: {seed: 1}
layers:
  - {name: a, operation: conv2d, inputs: [x], weights: int8, out_channels: 8, kernel: [1, 3], groups: 2}
  - {name: b, operation: split, inputs: [a], out_channels: 6, first_channel: 2}
  - {name: c, operation: channel_shuffle, inputs: [b], groups: 3}
  - {name: d, operation: average_pool2d, inputs: [c], kernel: 3, stride: 2, padding: 1}
  - {name: e, operation: softmax, inputs: [d]}
output: e
)");
    const auto text = [&](std::vector<int> chain) { return signature(model, chain); };
    CHECK(text({1}) == "conv2d int8 8x8x8 wint8 8 k1x3 s1 p0 v0 g2");
    CHECK(text({2}) == "split int32 8x6x8 6 c2");
    CHECK(text({3}) == "channel_shuffle int32 8x6x6 g3");
    CHECK(text({4}) == "average_pool2d int32 8x6x6 k3x3 s2 p1");
    CHECK(text({5}) == "softmax int32 4x3x6");
    CHECK(pattern(model, std::vector{1, 2}) == "conv2d int8 wint8 | split");
}

TEST_CASE("chains run through layers that have one reader, up to the output") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, kTiny);
    using Chains = std::vector<std::vector<int>>;
    CHECK(chains_from(model, 1, 3) == Chains{{1}, {1, 2}, {1, 2, 3}});  // pool1 has two readers
    CHECK(chains_from(model, 4, 2) == Chains{{4}, {4, 6}});
    CHECK(chains_from(model, 5, 9) == Chains{{5}, {5, 6}, {5, 6, 7}});
    CHECK(chains_from(model, 7, 9) == Chains{{7}});
}

TEST_CASE("a chain reads one tensor from outside beside its first input") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, R"(hetmap: model/1
name: addends
input: {name: x, height: 4, width: 4, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: y, operation: conv2d, inputs: [x], weights: binary, out_channels: 64, kernel: 1}
  - {name: z, operation: conv2d, inputs: [x], weights: binary, out_channels: 64, kernel: 1}
  - {name: a, operation: conv2d, inputs: [x], weights: binary, out_channels: 64, kernel: 1}
  - {name: add_y, operation: add, inputs: [a, y]}
  - {name: threshold, operation: threshold, inputs: [add_y]}
  - {name: b, operation: conv2d, inputs: [threshold], weights: binary, out_channels: 64, kernel: 1}
  - {name: add_z, operation: add, inputs: [b, z]}
output: add_z
)");
    using Chains = std::vector<std::vector<int>>;
    CHECK(chains_from(model, 3, 9) == Chains{{3}, {3, 4}, {3, 4, 5}, {3, 4, 5, 6}});
    CHECK(chains_from(model, 5, 9) == Chains{{5}, {5, 6}, {5, 6, 7}});
    CHECK(chains_from(model, 4, 9) == Chains{{4}, {4, 5}, {4, 5, 6}});  // y, and not z, too
}

TEST_CASE("chains that branch read one tensor from outside and are read at their end") {
    const TemporaryFolder folder;
    const sim::Model model = load(folder, kTiny);
    using Chains = std::vector<std::vector<int>>;
    CHECK(chains_from(model, 4, 9) == Chains{{4}, {4, 6}, {4, 6, 7}, {4, 5, 6}, {4, 5, 6, 7}});
    CHECK(chains_from(model, 3, 9) == Chains{{3}, {3, 4, 5, 6}, {3, 4, 5, 6, 7}});
    CHECK(signature(model, std::vector{4, 5, 6}) ==
          "conv2d binary 14x14x64 64 k3x3 s1 p1 v-1 | conv2d binary 14x14x64 64 k1x1 s1 p0 v0 | "
          "add @0");
    // An addend that is also the chain's input comes from outside.
    CHECK(signature(model, std::vector{3, 4, 5, 6}) ==
          "max_pool2d binary 28x28x64 k2x2 s2 | conv2d 64 k3x3 s1 p1 v-1 | "
          "conv2d @0 64 k1x1 s1 p0 v0 | add @1");
}

TEST_CASE("what is wrong in a model is named with its place") {
    struct Case {
        std::string what, by, message;
    };
    std::string operations;
    for (const sim::Operation& operation : sim::operations()) {
        operations += (operations.empty() ? "" : ", ") + std::string{operation.name};
    }
    const Case cases[] = {
        // The header and the top level.
        {"hetmap: model/1",
         "hetmap: model/2",
         "model.yaml:1:9: hetmap: expected 'model/1', got 'model/2'"},
        {"hetmap: model/1",
         "hetmap: platform/1",
         "model.yaml:1:9: hetmap: expected 'model/1', got 'platform/1'"},
        {"hetmap: model/1\n",
         "",
         "model.yaml:1:1: expected a file that begins with 'hetmap: model/1'"},
        {"name: tiny\n", "", "model.yaml:1:1: a model needs the key 'name'"},
        {"name: tiny\n",
         "name: tiny\nname: twice\n",
         "model.yaml:3:1: key 'name' is here twice, first in line 2"},
        {"name: tiny\n",
         "nmae: tiny\n",
         "model.yaml:2:1: unknown key 'nmae'; a model has: hetmap, name, input, parameters, "
         "layers, output, description, source, accuracy, twins"},
        {"name: tiny\n",
         "name:\n",
         "model.yaml:2:1: name: expected a name of 1 to 200 printable characters, got nothing"},
        {"name: tiny\n",
         "name: [tiny]\n",
         "model.yaml:2:7: name: expected a name of 1 to 200 printable characters, got a list"},
        {"parameters: {seed: 1}",
         "parameters: {}",
         "model.yaml:4:13: parameters: expected either {file: ...} or {seed: ...}"},
        {"{seed: 1}",
         "{seed: 1, file: x}",
         "model.yaml:4:13: parameters: expected either {file: ...} or {seed: ...}"},
        {"{seed: 1}",
         "{file: ../x}",
         "model.yaml:4:20: file: expected the name of a file in the model's own folder, got "
         "'../x'"},
        {"{seed: 1}",
         "{seed: -1}",
         "model.yaml:4:20: seed: expected a whole number from 0 to 9223372036854775807, got '-1'"},
        {"{seed: 1}",
         "{seed: 9223372036854775808}",
         "model.yaml:4:20: seed: expected a whole number from 0 to 9223372036854775807, got "
         "'9223372036854775808'"},
        // The input.
        {"height: 28",
         "height: 0",
         "model.yaml:3:30: height: expected a whole number from 1 to 1048576, got '0'"},
        {"type: u8",
         "type: u9",
         "model.yaml:3:64: type: no type 'u9'; there are: binary, ternary, int4, u4, int8, u8, "
         "int16, u16, "
         "int32, u32, int64, u64 and 6 more"},
        {"height: 28, width: 28",
         "height: 1048576, width: 1048576",
         "model.yaml:3:8: input: 1048576x1048576x1 u8 has more than 2^31 - 1 elements"},
        // Values.
        {"out_channels: 64",
         "out_channels: 64ch",
         "model.yaml:6:86: out_channels: expected a whole number from 1 to 1048576 alone (a unit "
         "stands in the key), got '64ch'"},
        {"out_channels: 64",
         "out_channels: \"64\"",
         "model.yaml:6:86: out_channels: expected a whole number from 1 to 1048576, got the text "
         "\"64\""},
        {"out_channels: 64",
         "out_channels: 6.5",
         "model.yaml:6:86: out_channels: expected a whole number from 1 to 1048576, got '6.5'"},
        {"padding: 1}",
         "padding: some}",
         "model.yaml:6:110: padding: expected a whole number from 0 to 4096, got 'some'"},
        {"pad_value: -1",
         "pad_value: 2",
         "model.yaml:9:129: pad_value: expected a whole number from -1 to 1, got '2'"},
        {"kernel: [3, 3]",
         "kernel: [3]",
         "model.yaml:9:98: kernel: expected [height, width], got 1 values"},
        {"kernel: [3, 3]",
         "kernel: [3, {}]",
         "model.yaml:9:102: kernel: expected a whole number from 1 to 4096, got a map"},
        {"weights: binary",
         "weights: quaternary",
         "model.yaml:6:64: weights: no type 'quaternary'; there are: binary, ternary, int4, u4, "
         "int8, u8, int16, u16, int32, u32, int64, u64 and 6 more"},
        // Layers.
        {"operation: threshold",
         "operation: treshold",
         "model.yaml:7:35: operation: unknown operation 'treshold'; there are: " + operations +
             " (the last for any other: 'operation: opaque, kind: treshold', with the keys 'shape' "
             "and 'type' of its result)"},
        {"kernel: 2, stride: 2",
         "kernel: 2, strides: 2",
         "model.yaml:8:75: unknown key 'strides'; layer 'pool1' (max_pool2d) has: name, operation, "
         "inputs, kernel, stride, outputs, padding, dilation, ceil"},
        {"kernel: 2, stride: 2",
         "kernel: 2",
         "model.yaml:8:5: layer 'pool1' (max_pool2d) needs the key 'stride'"},
        {"- {name: pool1", "- {nam: pool1", "model.yaml:8:5: the key 'name' is missing"},
        {"{name: threshold2, operation: threshold, inputs: [sum]}",
         "threshold2",
         "model.yaml:12:5: layers: expected a layer as a map with the keys name, operation, "
         "inputs, got 'threshold2'"},
        {"name: shortcut",
         "name: conv2",
         "model.yaml:10:5: layer 'conv2' is here twice, first in line 9"},
        {"name: shortcut",
         "name: image",
         "model.yaml:10:5: layer 'image' is here twice, first in line 3"},
        {"inputs: [conv1]",
         "inputs: [conv9]",
         "model.yaml:7:55: inputs: no layer 'conv9'; there are: image, conv1, threshold1, pool1, "
         "conv2, shortcut, sum, threshold2"},
        {"inputs: [conv1]",
         "inputs: conv1",
         "model.yaml:7:54: inputs: expected a list, got 'conv1'"},
        {"inputs: [conv1]", "inputs: []", "model.yaml:7:54: inputs: threshold takes 1, got 0"},
        {"inputs: [conv2, shortcut]",
         "inputs: [conv2]",
         "model.yaml:10:5: layer 'shortcut' is used by no layer and is not the output"},
        {"output: threshold2",
         "output: treshold2",
         "model.yaml:13:9: output: no layer 'treshold2'; there are: image, conv1, threshold1, "
         "pool1, conv2, shortcut, sum, threshold2"},
        {"output: threshold2",
         "output: sum",
         "model.yaml:12:5: layer 'threshold2' is used by no layer and is not the output"},
        {"name: threshold2",
         "name: \"a\\tb\"",
         "model.yaml:12:12: name: expected a name of 1 to 200 printable characters, got the text "
         "\"a\\u0009b\""},
        // The graph and its shapes.
        {"inputs: [image]",
         "inputs: [sum]",
         "model.yaml:6:5: the layers form a cycle: conv1 -> threshold1 -> pool1 -> conv2 -> sum -> "
         "conv1"},
        {"name: conv1, operation: conv2d, inputs: [image]",
         "name: conv1, operation: conv2d, inputs: [conv1]",
         "model.yaml:6:5: the layers form a cycle: conv1 -> conv1"},
        {"out_channels: 64, kernel: 1",
         "out_channels: 32, kernel: 1",
         "model.yaml:11:5: layer 'sum' (add): 14x14x64 int32 and 14x14x32 int32 do not "
         "fit together"},
        {"inputs: [sum]",
         "inputs: [pool1]",
         "model.yaml:11:5: layer 'sum' is used by no layer and is not the output"},
        {"kernel: 2, stride: 2",
         "kernel: 29, stride: 2",
         "model.yaml:8:5: layer 'pool1' (max_pool2d): a kernel of height 29 does not fit an input "
         "of 28 with a padding of 0"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.by);
        CHECK(error_of(with(kTiny, c.what, c.by)) == c.message);
    }
}

TEST_CASE("a file that is no model at all is refused in one line") {
    const auto error = [](const std::string& text) { return error_of(text); };
    CHECK(error("") ==
          "model.yaml:1:1: the file is empty; expected it to begin with 'hetmap: model/1'");
    CHECK(error("# only a comment\n") ==
          "model.yaml:1:1: the file is empty; expected it to begin with 'hetmap: model/1'");
    CHECK(error("just words\n") ==
          "model.yaml:1:1: expected a file that begins with 'hetmap: model/1'");
    CHECK(error("[1, 2]\n") ==
          "model.yaml:1:1: expected a file that begins with 'hetmap: model/1'");
    CHECK(error(kTiny + "---\nhetmap: model/1\n") ==
          "model.yaml:14:1: a second YAML document; a file holds one");
    CHECK(error(std::string{"hetmap: model/1\nname: a\0b\n", 26}) ==
          "model.yaml:2:8: not a text file: byte 0x00");
    CHECK(error("hetmap: model/1\nname: \xff\n") == "model.yaml:2:7: not a text file: byte 0xff");
    CHECK(error("hetmap: model/1\nname: \xed\xa0\x80\n") ==
          "model.yaml:2:7: not a text file: byte 0xed");
    CHECK(error("hetmap: model/1\n? [a]\n: b\n") ==
          "model.yaml:2:3: expected a word as key (or a bracket is not closed, or the file is cut "
          "off)");
    CHECK(error("hetmap: model/1\nname: !!str x\n") ==
          "model.yaml:2:7: a YAML tag ('tag:yaml.org,2002:str'); these files have none");
}

TEST_CASE("a long text is shortened in a message, never in the middle of a character") {
    std::string umlauts;
    for (int i = 0; i < 40; ++i) {
        umlauts += "\xc3\xa4";
    }
    CHECK(error_of(with(kTiny, "height: 28", "height: x" + umlauts)) ==
          "model.yaml:3:30: height: expected a whole number from 1 to 1048576, got 'x" +
              umlauts.substr(0, 58) + "...'");
}

TEST_CASE("a model without layers is refused") {
    CHECK(error_of("hetmap: model/1\nname: x\ninput: {name: i, height: 1, width: 1, channels: 1, "
                   "type: u8}\n"
                   "parameters: {seed: 1}\nlayers: []\noutput: i\n") ==
          "model.yaml:5:9: layers: expected at least one layer, got a list");
}

TEST_CASE("a model that was cut off anywhere is refused") {
    // Only the end of the last name may be missing without a trace: 'threshold' is no layer here.
    const std::string text = kTiny.substr(0, kTiny.size() - 1);
    for (std::size_t length = 0; length < text.size(); ++length) {
        CAPTURE(length);
        CHECK(error_of(text.substr(0, length)).starts_with("model.yaml:"));
    }
    CHECK(error_of(text.substr(0, text.find("stride: 2}"))) ==
          "model.yaml:8:5: expected a word as key (or a bracket is not closed, or the file is cut "
          "off)");
}

TEST_CASE("YAML aliases are refused, so a bomb of them does no harm") {
    std::string bomb = "hetmap: model/1\na: &a [x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c <= 'z'; ++c) {
        bomb += std::string{c} + ": &" + c + " [*";
        bomb += static_cast<char>(c - 1);
        for (int i = 0; i < 8; ++i) {
            bomb += std::string{", *"} + static_cast<char>(c - 1);
        }
        bomb += "]\n";
    }
    CHECK(error_of(bomb) == "model.yaml:2:4: a YAML anchor ('&name'); these files have none");
    // yaml-cpp itself refuses an alias whose anchor is not there.
    CHECK(error_of("hetmap: model/1\nname: *a\n").starts_with("model.yaml:2:7: "));
}

TEST_CASE("deep nesting is refused before it fills the stack") {
    CHECK(error_of("hetmap: model/1\nname: " + std::string(100, '[') + std::string(100, ']')) ==
          "model.yaml:2:22: nested deeper than 16 levels");
    std::string lists = "hetmap: model/1\nname:\n  ";
    for (int i = 0; i < 10'000; ++i) {
        lists += "- ";
    }
    CHECK(error_of(lists) == "model.yaml:3:33: nested deeper than 16 levels");
}

TEST_CASE("a file of 100 MB is refused by its size") {
    const TemporaryFolder folder;
    const std::string file = folder.write("model.yaml", kTiny);
    std::filesystem::resize_file(file, 100'000'000);
    CHECK(folder.error_of([&] { sim::load_model(file, {}); }) ==
          "model.yaml: the file has 95 MiB, the most that is read is 64 MiB");
}

TEST_CASE("a file with too many values is refused before they fill the memory") {
    std::string many = "hetmap: model/1\nname: [";
    for (int i = 0; i < 2'000'001; ++i) {
        many += "1,";
    }
    CHECK(error_of(many).find("more than 2000000 values") != std::string::npos);
}

TEST_CASE("what is no regular file is refused") {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.path() / "net" / "model.yaml");
    CHECK(folder.error_of([&] { sim::load_model((folder.path() / "net").string(), {}); }) ==
          "net/model.yaml: expected a file, this is a folder");
    CHECK(folder.error_of([] { sim::load_model("/dev/null", {}); }) ==
          "/dev/null: expected a regular file, this is a device");
    std::filesystem::create_symlink("loop", folder.path() / "loop");
    CHECK(folder.error_of([&] { sim::load_model((folder.path() / "loop").string(), {}); })
              .starts_with("loop: "));
}

TEST_CASE("text in quotes is written so that it reads back") {
    CHECK(sim::yaml_text("conv1") == "conv1");
    CHECK(sim::yaml_text("1") == "\"1\"");
    CHECK(sim::yaml_text("null") == "\"null\"");
    CHECK(sim::yaml_text("a \"b\" \\ \n") == "\"a \\\"b\\\" \\\\ \\n\"");
    const TemporaryFolder folder;
    for (const std::string name :
         {"null", "2x", "a: b", "# no", "\"", "\\", "*a", "- x", "ä{}", "'", "\xf0\x9f\x98\x80"}) {
        CAPTURE(name);
        CHECK(load(folder, with(kTiny, "name: tiny", "name: " + sim::yaml_text(name))).name ==
              name);
    }
}
