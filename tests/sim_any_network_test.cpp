// Networks and machines of kinds that people have: several inputs and outputs, layers of several
// results, costs of layers by their names, layouts of any tensor, places, contention that helps.

#include "sim/compile/offers.hpp"
#include "sim/describe/joined.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/networks.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/search.hpp"
#include "sim_beyond.hpp"
#include "sim_generate.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>

namespace {

// f32 images of 4x4x8, so that a tensor has 512 bytes; `rest` begins with the inputs.
std::string model_text(const std::string& inputs,
                       const std::string& layers,
                       const std::string& outputs) {
    return "hetmap: model/1\nname: net\ninputs: " + inputs + "\nparameters: {seed: 1}\nlayers:\n" +
           layers + "outputs: " + outputs + "\n";
}

const std::string kImage = "{name: x, height: 4, width: 4, channels: 8, type: f32}";

std::string conv(const std::string& name, const std::string& input) {
    return "  - {name: " + name + ", operation: conv2d, inputs: [" + input +
           "], weights: f32, out_channels: 8, kernel: 3, padding: 1}\n";
}

const std::string kConv = "conv2d f32 4x4x8 wf32 8 k3x3 s1 p1 v0";

// A CPU, and a GPU with a memory of its own: copies of 512 bytes take 3 us, submissions 1 us, the
// end is seen at once.
std::string platform_text(const std::string& costs, const std::string& of_gpu = {}) {
    return "hetmap: platform/1\nname: machine\nmemories: [{name: host}, {name: vram}]\n"
           "devices:\n"
           "  - {name: cpu, kind: cpu, memory: host, asynchronous: false}\n"
           "  - {name: gpu, kind: gpu, memory: vram, asynchronous: true, submit_us: 1, "
           "per_task_us: 0, completion_us: 0" +
           of_gpu +
           "}\n"
           "links:\n"
           "  - {name: up, from: host, to: vram, modes: [{name: dma, points: [{bytes: 512, "
           "samples: 1, p05_us: 3, p50_us: 3, p95_us: 3}]}]}\n"
           "  - {name: down, from: vram, to: host, modes: [{name: dma, points: [{bytes: 512, "
           "samples: 1, p05_us: 3, p50_us: 3, p95_us: 3}]}]}\n" +
           costs;
}

std::string cost(const std::string& key,
                 const std::string& device,
                 const std::string& us,
                 const std::string& more = {}) {
    return "  - {" + key + ", batch: 1, device: " + device +
           ", variant: v, configuration: c, time_us: " + us + more + "}\n";
}

struct Net {
    TemporaryFolder folder;
    sim::Model model;
    sim::Platform platform;
    sim::Problem problem;

    Net(const std::string& model_file, const std::string& platform_file)
        : model{sim::load_model(folder.write("model.yaml", model_file), {})},
          platform{sim::load_platform(folder.write("platform.yaml", platform_file), {})},
          problem{sim::compile(model, platform, {})} {}

    sim::SearchResult best(std::string_view search = "branch-and-bound") const {
        sim::SearchResult result = sim::find_search(search).run(problem, {});
        REQUIRE(!result.mapping.empty());
        // What a search says is what the simulator says, and an exact one is right.
        CHECK(sim::simulate(problem, result.mapping).makespan == result.makespan);
        return result;
    }

    double best_us() const {
        const sim::SearchResult result = best();
        CHECK(result.status == sim::SearchStatus::proven);
        CHECK(best("exhaustive").makespan >= result.makespan);
        return sim::microseconds(result.makespan);
    }

    // "a, b on gpu; c on cpu"
    std::string devices(const sim::SearchResult& result) const {
        std::string text;
        for (const int k : result.mapping) {
            const sim::Task& task = problem.tasks[static_cast<std::size_t>(k)];
            if (!sim::is_boundary(problem, task)) {
                std::string layers;
                for (const int layer : sim::layers_of(task)) {
                    layers += (layers.empty() ? "" : ", ") +
                              problem.layer_names[static_cast<std::size_t>(layer)];
                }
                text += (text.empty() ? "" : "; ") + layers + " on " +
                        problem.device_names[static_cast<std::size_t>(task.device)];
            }
        }
        return text;
    }
};

std::string error_of(const std::string& model_file) {
    const TemporaryFolder folder;
    return folder.error_of([&] { sim::load_model(folder.write("model.yaml", model_file), {}); });
}

}  // namespace

TEST_CASE("a network may have several inputs and several outputs") {
    const std::string inputs =
        "[" + kImage + ", {name: y, height: 4, width: 4, channels: 8, type: f32}]";
    const Net net{model_text(inputs,
                             conv("a", "x") + conv("b", "y") +
                                 "  - {name: s, operation: add, inputs: [a, b]}\n",
                             "[s, b]"),
                  platform_text("costs:\n" + cost("layers: " + kConv, "cpu", "20") +
                                cost("layers: " + kConv, "gpu", "10") +
                                cost("layers: add f32 4x4x8 + f32 4x4x8", "cpu", "5"))};
    CHECK(net.model.inputs() == 2);
    CHECK(net.model.outputs.size() == 2);
    CHECK(net.problem.model_inputs == 2);
    // b on the GPU: copied up (0 to 3), 3 to 13, down at 16, beside a on the CPU (1 to 21), then
    // the sum, 21 to 26. Or both on the GPU: up 3 and 6, 13, 23, down 26, sum 31.
    CHECK(net.best_us() == doctest::Approx(26));
    const std::string devices = net.devices(net.best());
    CHECK(devices.find("on gpu") != std::string::npos);
    CHECK(devices.find("on cpu") != std::string::npos);
    // A mapping file names neither inputs nor outputs, and is read back as it was.
    const sim::SearchResult best = net.best();
    const std::string file = net.folder.write(
        "mapping.yaml", to_yaml(describe(net.problem, best.mapping, best.makespan)));
    const sim::Mapping again = sim::resolve(sim::load_mapping_file(file), net.problem);
    CHECK(sim::simulate(net.problem, again).makespan == best.makespan);
}

TEST_CASE("an output may be read by others") {
    const Net net{model_text(kImage, conv("a", "x") + conv("b", "a"), "[a, b]"),
                  platform_text("costs:\n" + cost("layers: " + kConv, "gpu", "10"))};
    // Up 3, a to 13, b to 23, down 26; a comes down beside b.
    CHECK(net.best_us() == doctest::Approx(26));
}

TEST_CASE("what is wrong with inputs and outputs is said with its place") {
    CHECK(error_of(model_text("[]", conv("a", "x"), "a")) ==
          "model.yaml:3:9: inputs: expected at least one input, got a list");
    CHECK(error_of(model_text("[" + kImage + ", " + kImage + "]", conv("a", "x"), "a"))
              .find("'x' is here twice") != std::string::npos);
    CHECK(
        error_of(model_text(kImage, conv("a", "x"), "[a, a]")).find("output: 'a' is here twice") !=
        std::string::npos);
    CHECK(error_of(model_text(kImage, conv("a", "x"), "[a, c]")).find("no layer 'c'") !=
          std::string::npos);
    CHECK(error_of(model_text(kImage, conv("a", "x") + conv("b", "a"), "a"))
              .find("layer 'b' is used by no layer and is not the output") != std::string::npos);
    CHECK(error_of("hetmap: model/1\nname: n\ninput: " + kImage + "\ninputs: " + kImage +
                   "\nparameters: {seed: 1}\nlayers:\n" + conv("a", "x") + "output: a\n") ==
          "model.yaml:3:1: input: there is 'inputs' already");
}

TEST_CASE("an input may have a depth, and errors name the key that was meant") {
    const auto one = [](const std::string& input, const std::string& layer) {
        return model_text(input, "  - {name: y, operation: " + layer + "}\n", "y");
    };
    const std::string image = "{name: x, height: 14, width: 14, channels: 64, type: f32}";
    const std::string volume =
        "{name: x, depth: 8, height: 14, width: 14, channels: 64, type: f32}";
    const std::string conv3d = "conv3d, inputs: [x], weights: f32, out_channels: 64, kernel: 3";
    const TemporaryFolder folder;
    const sim::Model model = sim::load_model(folder.write("v.yaml", one(volume, conv3d)), {});
    CHECK(to_string(model.layers[0].output) == "8x14x14x64 f32");
    CHECK(to_string(model.layers[1].output) == "6x12x12x64 f32");
    const auto says = [](const std::string& file, const std::string& what) {
        const std::string error = error_of(file);
        CHECK_MESSAGE(error.find(what) != std::string::npos, error);
    };
    says(one(image, conv3d), "model.yaml:6:5: layer 'y' (conv3d)");
    says(one(image, conv3d), "an input has its depth as 'depth', beside 'height' and 'width'");
    says(one("{name: x, depth: 8, shape: [8, 14, 14, 64], type: f32}", conv3d),
         "shape: expected either it or height, width and channels");
    says(one(image, "matmul, inputs: [x, x]"), "with 'transpose_b: true' they do");
    says(one(image, "reshape, inputs: [x]"), "layer 'y' (reshape) needs the key 'shape'");
    says(one(image, "custom, inputs: [x], macs: 1000"),
         "'operation: opaque, kind: custom', with the keys 'shape' and 'type' of its result");
}

TEST_CASE("a layer of several results runs once and gives them all") {
    const std::string layers =
        "  - {name: s, operation: split, inputs: [x], sizes: [2, 6], outputs: [left, right]}\n"
        "  - {name: l, operation: relu, inputs: [left]}\n"
        "  - {name: r, operation: relu, inputs: [right]}\n"
        "  - {name: j, operation: concat, inputs: [l, r]}\n";
    const Net net{model_text(kImage, layers, "j"),
                  platform_text("costs:\n" + cost("layers: split f32 4x4x8 z2.6", "cpu", "7") +
                                cost("layers: relu f32 4x4x2", "cpu", "1") +
                                cost("layers: relu f32 4x4x6", "cpu", "2") +
                                cost("layers: concat f32 4x4x2 + f32 4x4x6", "cpu", "4"))};
    CHECK(net.best_us() == doctest::Approx(14));
    CHECK(net.devices(net.best()).find("s, right on cpu") != std::string::npos);
    CHECK(sim::work_of(net.model, 1).bytes_written == 512);

    // Results that nobody reads may be named; more than there are may not.
    const std::string top = "  - {name: t, operation: top_k, inputs: [x], k: 2, outputs: [";
    CHECK(error_of(model_text(kImage, top + "v, i]}\n", "v")) == "no error");
    CHECK(error_of(model_text(kImage, top + "v, i]}\n", "i")) == "no error");
    CHECK(error_of(model_text(kImage, top + "v, i, n]}\n", "n"))
              .find("outputs: 'n' would be result 3, and there are 2") != std::string::npos);
    CHECK(
        error_of(model_text(kImage, top + "v, x]}\n", "v")).find("outputs: there is another 'x'") !=
        std::string::npos);
}

TEST_CASE("whatever has no row is an opaque layer with the shapes that it states") {
    const std::string layers =
        "  - {name: g, operation: opaque, kind: GridSample, inputs: [x], shape: [2, 3], type: "
        "f16, macs: 1000000, weight_bytes: 64}\n";
    const Net net{
        model_text(kImage, layers, "g"),
        platform_text(
            "costs:\n" +
            cost("layers: opaque f32 4x4x8 =GridSample to2x3:f16 m1000000 w64", "cpu", "9")) +
            "formulas:\n  - {device: gpu, operations: [opaque], variant: f, configuration: c, "
            "time_us: \"macs / 1e6\"}\n"};
    CHECK(to_string(net.model.layers[1].output) == "2x3 f16");
    CHECK(sim::work_of(net.model, 1).weight_bytes == 64);
    CHECK(sim::microseconds(net.best().makespan) < 9);  // up 3, 1 us, down
    CHECK(error_of(model_text(kImage,
                              "  - {name: g, operation: opaque, kind: K, inputs: [x], macs: 5}\n",
                              "g"))
              .find("expected shape and type of its result") != std::string::npos);
}

TEST_CASE("what a network holds takes no time, no copy, and room where it is read") {
    const Net net{model_text(kImage,
                             "  - {name: table, operation: constant, shape: [4, 4, 8], "
                             "type: f32}\n  - {name: s, operation: add, inputs: [table, x]}\n",
                             "s"),
                  platform_text("costs:\n" + cost("layer_names: [table, s]", "gpu", "10") +
                                cost("layer_names: [table]", "cpu", "1"))};
    CHECK(net.best_us() == doctest::Approx(16));
    CHECK(net.problem.layers() == 3);
    const sim::SearchResult best = net.best();
    CHECK(net.problem.tasks[static_cast<std::size_t>(best.mapping[1])].weight_bytes[1] == 512);
    CHECK(error_of(model_text(kImage,
                              conv("a", "x") +
                                  "  - {name: c, operation: constant, inputs: [], shape: [2], "
                                  "type: f32}\n",
                              "[a, c]"))
              .find("output: 'c' is a constant") != std::string::npos);
}

TEST_CASE("a cost may be of layers by their names, and goes before one of their shape") {
    const std::string two = conv("a", "x") + conv("b", "a");
    const std::string by_shape = cost("layers: " + kConv, "cpu", "20");
    const Net net{model_text(kImage, two, "b"),
                  platform_text("costs:\n" + by_shape + cost("layer_names: [b]", "cpu", "3"))};
    CHECK(net.best_us() == doctest::Approx(23));

    // A set that no signature could say: two layers beside each other, as one.
    const std::string beside =
        conv("a", "x") + conv("b", "x") + "  - {name: s, operation: add, inputs: [a, b]}\n";
    const Net pair{model_text(kImage, beside, "s"),
                   platform_text("costs:\n" + by_shape + cost("layer_names: [b, a]", "cpu", "12") +
                                 cost("layer_names: [s]", "cpu", "1"))};
    CHECK(pair.best_us() == doctest::Approx(13));

    // One that leaves the set and comes back cannot run at once; a name that is not there is told.
    const std::string around = conv("a", "x") + conv("b", "a") + conv("c", "b");
    const TemporaryFolder folder;
    CHECK(folder
              .error_of([&] {
                  const Net none{model_text(kImage, around, "c"),
                                 platform_text("costs:\n" + by_shape +
                                               cost("layer_names: [a, c]", "cpu", "1"))};
              })
              .find("layer_names: nothing can run a + c at once") != std::string::npos);
    const Net other{model_text(kImage, two, "b"),
                    platform_text("costs:\n" + by_shape + cost("layer_names: [b, z]", "cpu", "3"))};
    const std::vector<std::string> notes = unmatched_costs(other.model, other.platform);
    REQUIRE(notes.size() == 1);
    CHECK(notes.front().find("model 'net' has no layer 'z'") != std::string::npos);
}

TEST_CASE("what a device of twice the speed computes and converts takes half as long") {
    const std::string two = model_text(kImage, conv("a", "x") + conv("b", "a"), "b");
    const std::string stated = platform_text("costs:\n" + cost("layers: " + kConv, "cpu", "40"));
    const std::string formula = platform_text(
        "formulas:\n  - {device: cpu, operations: [conv2d], variant: f, configuration: c, "
        "time_us: 40}\n");
    for (const std::string& platform : {stated, formula}) {
        CHECK(Net{two, platform}.best_us() == doctest::Approx(80));
        CHECK(Net{two, with(platform, "asynchronous: false", "asynchronous: false, speed: 2")}
                  .best_us() == doctest::Approx(40));
    }
    // Copies, and what the CPU converts, are not the GPU's: up 3, converted 5, 45, 85, down 88,
    // converted 90.
    const std::string convert =
        ", conversions: [{from: %, latency_us: 2, bandwidth_gb_per_s: 1000}]";
    const std::string both =
        with(platform_text(
                 "costs:\n" +
                     cost("layers: " + kConv, "gpu", "40", ", in_layout: chw16, out_layout: chw16"),
                 with(convert, "%", "nhwc, to: chw16")),
             "asynchronous: false",
             "asynchronous: false" + with(convert, "%", "chw16, to: nhwc"));
    CHECK(Net{two, both}.best_us() == doctest::Approx(90).epsilon(1e-3));
    CHECK(Net{two, with(both, "kind: gpu", "speed: 2, kind: gpu")}.best_us() ==
          doctest::Approx(3 + 1 + 40 + 3 + 2).epsilon(1e-3));
}

TEST_CASE("every tensor has layouts, and what cannot be converted is not offered") {
    const std::string blocked = ", in_layout: chw16, out_layout: chw16";
    const std::string conversions =
        ", conversions: [{from: nhwc, to: chw16, latency_us: 2, bandwidth_gb_per_s: 1000}]";
    const std::string down =
        ", conversions: [{from: chw16, to: nhwc, latency_us: 2, bandwidth_gb_per_s: 1000}]";
    const auto platform = [&](const std::string& of_gpu, const std::string& of_cpu) {
        return with(platform_text("costs:\n" + cost("layers: " + kConv, "cpu", "40") +
                                      cost("layers: " + kConv, "gpu", "10", blocked),
                                  of_gpu),
                    "asynchronous: false",
                    "asynchronous: false" + of_cpu);
    };
    const std::string two = model_text(kImage, conv("a", "x") + conv("b", "a"), "b");
    // Nobody converts: the CPU does all. Both do: up 3, converted 5, 15, 25, down 28, converted 30.
    CHECK(Net{two, platform("", "")}.best_us() == doctest::Approx(80));
    CHECK(Net{two, platform(conversions, "")}.best_us() == doctest::Approx(80));
    CHECK(Net{two, platform(conversions, down)}.best_us() == doctest::Approx(30).epsilon(1e-3));
    // A conversion of other elements is none.
    const std::string of_bytes = with(conversions, "latency_us", "elements: [int8], latency_us");
    CHECK(Net{two, platform(of_bytes, down)}.best_us() == doctest::Approx(80));
}

TEST_CASE("a layout may hold other elements and pad channels") {
    const Net net{
        model_text(kImage, conv("a", "x") + conv("b", "a"), "b"),
        platform_text("layouts: [{name: h32, element: f16, channels_multiple: 32}]\ncosts:\n" +
                      cost("layers: " + kConv, "cpu", "40") +
                      cost("layers: " + kConv, "gpu", "10", ", in_layout: h32, out_layout: h32"))};
    REQUIRE(net.problem.layout_names == std::vector<std::string>{"nhwc", "h32"});
    CHECK(net.problem.tensor_bytes[net.problem.tensor_place(1, 0)] == 4 * 4 * 8 * 4);
    CHECK(net.problem.tensor_bytes[net.problem.tensor_place(1, 1)] == 4 * 4 * 32 * 2);
    CHECK(net.problem.copy_bytes[net.problem.copy_place(1, 1, 0, 1)] == 4 * 4 * 32 * 2);
}

TEST_CASE("devices may be faster while others work") {
    // Alone 10 us; while the other works, 0.5 of that.
    const auto platform = [](const std::string& factor) {
        return "hetmap: platform/1\nname: soc\nmemories: [{name: ram}]\ndevices:\n"
               "  - {name: cpu, kind: cpu, memory: ram, asynchronous: false, contention: {big: " +
               factor +
               "}}\n"
               "  - {name: big, kind: cpu, memory: ram, asynchronous: true, submit_us: 0, "
               "per_task_us: 0, completion_us: 0, contention: {cpu: " +
               factor + "}}\ncosts:\n" + cost("layers: " + kConv, "cpu", "10") +
               cost("layers: " + kConv, "big", "10");
    };
    const std::string two = model_text(
        kImage,
        conv("a", "x") + conv("b", "x") + "  - {name: s, operation: add, inputs: [a, b]}\n",
        "s");
    const std::string add = cost("layers: add f32 4x4x8 + f32 4x4x8", "cpu", "1");
    CHECK(Net{two, platform("0.5") + add}.best_us() == doctest::Approx(6));
    CHECK(Net{two, platform("1") + add}.best_us() == doctest::Approx(11));
    // One alone takes what it takes alone.
    CHECK(Net{model_text(kImage, conv("a", "x"), "a"), platform("0.5")}.best_us() ==
          doctest::Approx(10));
}

TEST_CASE("a conversion takes what is stated where no other device works") {
    // The second core is faster beside the first, which has nothing to do.
    const std::string platform =
        "hetmap: platform/1\nname: soc\nmemories: [{name: ram}]\ndevices:\n"
        "  - {name: cpu, kind: cpu, memory: ram, asynchronous: false}\n"
        "  - name: big\n    kind: cpu\n    memory: ram\n    asynchronous: true\n"
        "    submit_us: 0\n    per_task_us: 0\n    completion_us: 0\n"
        "    contention: {cpu: 0.5}\n"
        "    conversions:\n"
        "      - {from: nhwc, to: blocked, latency_us: 4, bandwidth_gb_per_s: 1000}\n"
        "costs:\n" +
        cost("layers: " + kConv + ", in_layout: blocked", "big", "10");
    const Net net{model_text(kImage, conv("a", "x"), "a"), platform};
    CHECK(net.best_us() == doctest::Approx(4 + 10).epsilon(1e-3));
}

TEST_CASE("how much others slow a device down may depend on what it runs") {
    // Two independent layers: a on the big core, beside it b on the CPU; then their sum there.
    const auto platform = [](const std::string& of_big) {
        return "hetmap: platform/1\nname: soc\nmemories: [{name: ram}]\ndevices:\n"
               "  - {name: cpu, kind: cpu, memory: ram, asynchronous: false}\n"
               "  - {name: big, kind: cpu, memory: ram, asynchronous: true, submit_us: 0, "
               "per_task_us: 0, completion_us: 0, contention: {cpu: 1.5}" +
               of_big + "}\ncosts:\n" + cost("layers: " + kConv, "big", "20") +
               cost("layers: relu f32 4x4x8", "cpu", "10") +
               cost("layers: add f32 4x4x8 + f32 4x4x8", "cpu", "1");
    };
    const std::string model = model_text(kImage,
                                         conv("a", "x") +
                                             "  - {name: b, operation: relu, inputs: [x]}\n"
                                             "  - {name: s, operation: add, inputs: [a, b]}\n",
                                         "s");
    const auto best = [&](const std::string& of_big) {
        return Net{model, platform(of_big)}.best_us();
    };
    // In the CPU's 10 us the big core does 10 / 1.5 us of 20, and the rest alone.
    CHECK(best("") == doctest::Approx(10 + 20 - 10 / 1.5 + 1).epsilon(1e-4));
    CHECK(best(", contention_of: {relu: {cpu: 9}}") ==
          doctest::Approx(10 + 20 - 10 / 1.5 + 1).epsilon(1e-4));
    CHECK(best(", contention_of: {conv2d: {cpu: 2}}") == doctest::Approx(10 + 20 - 5 + 1));
    CHECK(best(", contention_of: {conv2d: {cpu: 1}}") == doctest::Approx(20 + 1));
    // Twice as fast beside another: all of it is done when that ends. Alone it takes its 20 us.
    CHECK(best(", contention_of: {conv2d: {cpu: 0.5}}") == doctest::Approx(10 + 1));
    CHECK(Net{model_text(kImage, conv("a", "x"), "a"),
              platform(", contention_of: {conv2d: {cpu: 0.5}}")}
              .best_us() == doctest::Approx(20));
    const TemporaryFolder folder;
    const auto error = [&](const std::string& of_big) {
        return folder.error_of(
            [&] { sim::load_platform(folder.write("p.yaml", platform(of_big)), {}); });
    };
    CHECK(error(", contention_of: {conv: {cpu: 2}}")
              .find("contention_of: unknown operation 'conv'") != std::string::npos);
    CHECK(error(", contention_of: {conv2d: {npu: 2}}").find("conv2d: no device 'npu'") !=
          std::string::npos);
    CHECK(error(", contention_of: {conv2d: 2}")
              .find("conv2d: expected a map of other devices to factors") != std::string::npos);
}

TEST_CASE("inputs may start, and outputs be wanted, in any memory") {
    const std::string costs =
        "costs:\n" + cost("layers: " + kConv, "cpu", "40") + cost("layers: " + kConv, "gpu", "10");
    const std::string two = conv("a", "x") + conv("b", "a");
    const std::string there = with(kImage, "name: x,", "name: x, place: vram,");
    // Submission 1, a to 11, b to 21; copies of 3 us up ahead of it and down after it.
    CHECK(Net{model_text(kImage, two, "b"), platform_text(costs)}.best_us() == doctest::Approx(26));
    CHECK(Net{model_text(there, two, "b"), platform_text(costs)}.best_us() == doctest::Approx(24));
    CHECK(Net{model_text(there, two, "{name: b, place: vram}"), platform_text(costs)}.best_us() ==
          doctest::Approx(21));
    // Of two outputs in two memories the host waits for both: a comes down beside b.
    const Net both{model_text(there, two, "[a, {name: b, place: vram}]"), platform_text(costs)};
    CHECK(both.best_us() == doctest::Approx(21));
    CHECK(both.problem.model_ends == 2);
    const TemporaryFolder folder;
    CHECK(folder.error_of([&] {
        const Net none{model_text(with(there, "vram", "disk"), two, "b"), platform_text(costs)};
    }) == "model net: place of 'x': platform machine has no memory 'disk'; there are: host, "
          "vram");
}

namespace {

// Two networks, of `long_one` and `short_one` layers: l0, l1, ... and s0, s1, ... of which each
// reads the one before it.
struct Pair {
    TemporaryFolder folder;
    sim::Problem problem;

    Pair(int long_one, int short_one, const std::string& costs) {
        const auto chain = [&](const std::string& letter, int layers) {
            std::string text;
            for (int i = 0; i < layers; ++i) {
                text +=
                    conv(letter + std::to_string(i), i == 0 ? "x" : letter + std::to_string(i - 1));
            }
            return sim::load_model(
                folder.write(letter + ".yaml",
                             model_text(kImage, text, letter + std::to_string(layers - 1))),
                {});
        };
        const sim::Model models[] = {chain("l", long_one), chain("s", short_one)};
        const sim::Platform platform = sim::load_platform(
            folder.write("platform.yaml", platform_text("costs:\n" + costs)), {});
        problem = sim::compile(sim::joined(models), platform, {});
    }

    sim::SearchResult best(const char* objective,
                           bool free_order,
                           std::string_view search = "branch-and-bound") const {
        sim::SearchOptions options;
        options.goal.minimise = {sim::objective_named(problem, objective, false)};
        options.free_order = free_order;
        return sim::find_search(search).run(problem, options);
    }
};

}  // namespace

TEST_CASE("long: for the sum of latencies a short network does not wait for a long one") {
    // One after the other on the CPU: 10 and 40 us, not 30 and 40.
    const Pair on_cpu{3, 1, cost("layers: " + kConv, "cpu", "10")};
    const sim::SearchResult turns = on_cpu.best("sum", true);
    CHECK(turns.value == doctest::Approx(50e6));
    CHECK(turns.status == sim::SearchStatus::proven);
    CHECK(turns.in_any_order);
    CHECK(sim::microseconds(turns.makespan) == doctest::Approx(40));
    // The short one on the GPU from 3 to 13; its result comes down until 16, while the host is at
    // the long one from 1 to 31.
    const Pair on_both{
        3,
        1,
        cost("layer_names: [s0]", "gpu", "10") + cost("layer_names: [l0]", "cpu", "10") +
            cost("layer_names: [l1]", "cpu", "10") + cost("layer_names: [l2]", "cpu", "10")};
    const sim::SearchResult beside = on_both.best("sum", true);
    CHECK(beside.value == doctest::Approx(47e6));
    // The short one on the GPU from 3 to 7, the first layer of the long one to 17, down until 20,
    // the second on the CPU until 30. The short one's result comes down before that, until 10,
    // though it is read after it.
    const Pair on_one_link{2,
                           1,
                           cost("layer_names: [s0]", "gpu", "4") +
                               cost("layer_names: [l0]", "gpu", "10") +
                               cost("layer_names: [l1]", "cpu", "10")};
    const sim::SearchResult early = on_one_link.best("sum", true);
    CHECK(early.value == doctest::Approx(40e6));
    CHECK(early.mapping.early.size() == 1);
    // Of one network it is its latency.
    const Net alone{model_text(kImage, conv("a", "x"), "a"),
                    platform_text("costs:\n" + cost("layers: " + kConv, "cpu", "10"))};
    CHECK(sim::objective_named(alone.problem, "sum", false).criterion == sim::Criterion::latency);
}

TEST_CASE("one network ends with the whole, on whatever machine") {
    int compared = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        sim::Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        const bool is_coupled = seed % 3 == 0;
        if (seed % 5 == 0) {
            beyond::add_synchronise(p, seed);
        }
        if (is_coupled) {
            beyond::add_contention(p, seed);
        }
        const std::vector<sim::NetworkOutput> outputs = sim::network_outputs(p);
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 8; ++draw) {
            const sim::Mapping mapping = generate::any_mapping(p, draw);
            if (mapping.empty() || sim::makespan(p, mapping) >= sim::kNever) {
                continue;
            }
            const sim::Schedule schedule = sim::simulate(p, mapping);
            CHECK(sim::sum_of_latencies(p, schedule) == schedule.makespan);
            const sim::Time placed = evaluator.makespan(mapping);
            const std::optional<sim::Time> sum = sim::sum_of_latencies(p, outputs, evaluator);
            CHECK(sum.value_or(placed) == placed);
            compared += sum.has_value();
        }
    }
    CHECK(compared >= 100);
}

TEST_CASE(
    "long: sums of latencies are the simulator's, no bound is above them, and none is missed") {
    int better_by_order = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        generate::Random r(seed);
        const int long_one = static_cast<int>(r.integer(1, 3)),
                  short_one = static_cast<int>(r.integer(1, 3));
        std::string costs;
        for (const auto& [letter, layers] : {std::pair{"l", long_one}, std::pair{"s", short_one}}) {
            for (int i = 0; i < layers; ++i) {
                const std::string name = "layer_names: [" + (letter + std::to_string(i)) + "]";
                costs += cost(name, "cpu", std::to_string(r.integer(1, 20)));
                costs += cost(name, "gpu", std::to_string(r.integer(1, 12)));
            }
        }
        const Pair pair{long_one, short_one, costs};
        const sim::Problem& p = pair.problem;
        // 1. Any mapping: the evaluator and the simulator agree, and the last network ends with the
        //    whole.
        const std::vector<sim::NetworkOutput> outputs = sim::network_outputs(p);
        sim::Evaluator evaluator(p);
        for (std::uint64_t draw = 0; draw < 8; ++draw) {
            const sim::Mapping mapping = generate::any_mapping(p, draw);
            if (mapping.empty()) {
                continue;
            }
            const sim::Schedule schedule = sim::simulate(p, mapping);
            evaluator.makespan(mapping);
            CHECK(sim::sum_of_latencies(p, outputs, evaluator) ==
                  sim::sum_of_latencies(p, schedule));
            CHECK(std::ranges::max(sim::network_latencies(p, schedule)) == schedule.makespan);
        }
        // 2. The best in the static order, and the best there is.
        const sim::SearchResult all = pair.best("sum", false, "exhaustive");
        const sim::SearchResult fixed = pair.best("sum", false);
        const sim::SearchResult free = pair.best("sum", true);
        CHECK(fixed.status == sim::SearchStatus::proven);
        CHECK(fixed.value == all.value);
        CHECK(free.value <= fixed.value);
        CHECK(free.value == static_cast<double>(
                                sim::sum_of_latencies(p, sim::simulate(p, free.mapping)).count()));
        CHECK(free.bound <= free.value);
        CHECK(static_cast<double>(sim::internal::sum_bound_in_any_order(p).count()) <= free.value);
        better_by_order += free.value < fixed.value;
    }
    CHECK(better_by_order >= 5);
}

TEST_CASE("long: several networks are mapped together, and the answer says when each has ended") {
    const TemporaryFolder folder;
    const sim::Model one = sim::load_model(
        folder.write("one.yaml", model_text(kImage, conv("a", "x") + conv("b", "a"), "b")), {});
    const sim::Model models[] = {one, one};
    const sim::Model both = sim::joined(models);
    CHECK(both.name == "net + net#2");
    CHECK(both.inputs() == 2);
    CHECK(both.layers[2].name == "net/a");
    CHECK(both.layers.back().name == "net#2/b");
    CHECK(sim::joined(std::span{models, 1}).layers[1].name == "a");
    // 10 us a layer on the GPU, 14 on the CPU: one network here, the other there.
    const sim::Platform platform = sim::load_platform(
        folder.write("platform.yaml",
                     platform_text("costs:\n" + cost("layers: " + kConv, "cpu", "14") +
                                   cost("layer_names: [a]", "gpu", "10") +
                                   cost("layer_names: [b]", "gpu", "10"))),
        {});
    const sim::Problem problem = sim::compile(both, platform, {});
    sim::SearchOptions options;
    options.free_order = true;
    const sim::SearchResult best = sim::find_search("branch-and-bound").run(problem, options);
    // Submitted at 1; up until 3, 13, 23, down 26. On the CPU from 1 to 29.
    CHECK(sim::microseconds(best.makespan) == doctest::Approx(29));
    std::vector<sim::Time> latencies =
        sim::network_latencies(problem, sim::simulate(problem, best.mapping));
    std::ranges::sort(latencies);
    CHECK(sim::microseconds(latencies.front()) == doctest::Approx(26));
    CHECK(sim::microseconds(latencies.back()) == doctest::Approx(29));
}
