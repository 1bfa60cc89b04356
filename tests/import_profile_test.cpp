// Times of other tools become platforms: what each format says, names of fused
// layers, what does not match, and what is wrong.

#include "sim/compile/problem.hpp"
#include "sim/import/profile.hpp"
#include "sim/search/search.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

namespace {

const std::string kModel = R"(hetmap: model/1
name: net
input: {name: x, height: 4, width: 4, channels: 8, type: f32}
parameters: {seed: 1}
layers:
  - {name: conv1, operation: conv2d, inputs: [x], weights: f32, out_channels: 8, kernel: 1}
  - {name: relu1, operation: relu, inputs: [conv1]}
  - {name: conv2, operation: conv2d, inputs: [relu1], weights: f32, out_channels: 8, kernel: 1}
  - {name: side, operation: conv2d, inputs: [relu1], weights: f32, out_channels: 8, kernel: 1}
  - {name: sum, operation: add, inputs: [conv2, side]}
output: sum
)";

struct Case {
    TemporaryFolder folder;
    sim::Model model = sim::load_model(folder.write("model.yaml", kModel), {});
    sim::ProfileRequest request;

    Case() {
        request.name = "imported";
        request.model = &model;
    }

    void add(const std::string& name, const std::string& text, const std::string& device) {
        const std::string path = folder.write(name, text);
        request.files.push_back(path);
        request.times.push_back(sim::read_times(path, device));
    }
    sim::ImportedProfile imported() const { return import_profile(request); }

    // Written and read back, as a user's next command does.
    sim::Platform platform() const {
        return sim::load_platform(folder.write("platform.yaml", to_yaml(imported().platform)), {});
    }
    double best_us() const {
        const sim::Platform there = platform();
        const sim::Problem problem = sim::compile(model, there, {});
        return sim::microseconds(sim::find_search("branch-and-bound").run(problem, {}).makespan);
    }
    std::string error(const std::string& text) const {
        return folder.error_of([&] { sim::read_times(folder.write("bad", text), "gpu"); });
    }
};

std::vector<std::string> names(const std::string& name) { return sim::layers_named(name).names; }
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("names of fused layers are those of all their parts") {
    CHECK(names("conv1") == Names{"conv1"});
    CHECK(names("conv1 + relu1") == Names{"conv1", "relu1"});
    CHECK(names("a || b") == Names{"a", "b"});
    CHECK(names("PWN(PWN(sigmoid1), mul1)") == Names{"sigmoid1", "mul1"});
    CHECK(names("conv1 + PWN(relu1)") == Names{"conv1", "relu1"});
    CHECK(names("/layer1/conv (1)/Conv") == Names{"/layer1/conv (1)/Conv"});
    CHECK(names("{ForeignNode[conv1...pool5]}") == Names{"conv1", "pool5"});
    CHECK(sim::layers_named("{ForeignNode[conv1...pool5]}").is_range);
    CHECK(sim::layers_named("Reformatting CopyNode for Input Tensor 0 to conv1").is_reformat);
    CHECK(sim::layers_named("ReorderOutput_token_3").is_reformat);
}

TEST_CASE("a table of layers, devices and times is a platform that maps") {
    Case c;
    c.add("times.csv",
          "layer,device,us\nconv1,cpu,40\nrelu1,cpu,2\nconv2,cpu,40\nside,cpu,"
          "40\nsum,cpu,1\n"
          "conv1 + relu1,gpu,5\n\"conv2 || side\",gpu,8\n",
          "unused");
    const sim::ImportedProfile imported = c.imported();
    CHECK(imported.costs == 7);
    CHECK(imported.unknown.empty());
    CHECK(imported.untimed_layers.empty());
    CHECK(imported.platform.warnings.size() == 2);
    CHECK(c.best_us() == doctest::Approx(5 + 8 + 1));
    // With links between them, copies count: 512 bytes up, 512 down for each of
    // two tensors.
    c.request.bandwidth_gb_per_s = 0.512;
    c.request.latency_us = 1;
    CHECK(c.best_us() == doctest::Approx(2 + 5 + 8 + 2 + 2 + 1));
    c.request.copies = sim::read_copies(
        c.folder.write("links.csv", "from,to,bytes,us\nhost,gpu,512,3\ngpu,host,512,4\n"));
    CHECK(c.best_us() == doctest::Approx(3 + 5 + 8 + 4 + 4 + 1));
}

TEST_CASE(
    "rows of one layer are samples, units and columns are as the first "
    "line says") {
    Case c;
    c.add("times.csv",
          "batch,time_ms,variant,configuration,layer\n2,0.010,v,c,conv1\n2,0.030,"
          "v,c,conv1\n"
          "2,0.020,v,c,conv1\n",
          "dla");
    const sim::Platform platform = c.platform();
    REQUIRE(platform.measured.size() == 1);
    const sim::MeasuredCost& cost = platform.measured.front();
    CHECK(cost.layer_names == Names{"conv1"});
    CHECK(cost.batch == 2);
    CHECK(platform.devices[1].name == "dla");
    CHECK(sim::microseconds(cost.time.p50) == doctest::Approx(20));
    CHECK(cost.time.samples == 3);
    CHECK(cost.variant == "v");
    CHECK(c.imported().untimed_layers == Names{"relu1", "conv2", "side", "sum"});
}

TEST_CASE("a profile of TensorRT is read, and what it calls layers is matched") {
    Case c;
    c.add("engine.json",
          R"([{"count": 100},
 {"name": "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", "timeMs": 1, "averageMs": 0.01, "medianMs": 0.009, "percentage": 5},
 {"name": "conv1 + relu1", "timeMs": 2, "averageMs": 0.02, "medianMs": 0.019, "percentage": 10},
 {"name": "{ForeignNode[conv2...sum]}", "timeMs": 3, "averageMs": 0.03, "percentage": 20},
 {"name": "elsewhere", "timeMs": 3, "averageMs": 0.03, "percentage": 20}])",
          "gpu");
    const sim::ImportedProfile imported = c.imported();
    CHECK(imported.reformats ==
          Names{"Reformatting CopyNode for Input Tensor 0 to conv1 + relu1 on gpu"});
    CHECK(imported.unknown == Names{"elsewhere on gpu"});
    // The other convolution leads to the sum as well, but not from conv2.
    CHECK(imported.untimed_layers == Names{"side"});
    REQUIRE(imported.platform.measured.size() == 2);
    CHECK(sim::microseconds(imported.platform.measured[0].time.p50) == doctest::Approx(19));
    CHECK(imported.platform.measured[1].layer_names == Names{"conv2", "sum"});
}

TEST_CASE("each provider of ONNX Runtime's profile is a device") {
    Case c;
    c.add("ort.json",
          R"([{"cat": "Session", "name": "model_run", "dur": 99, "ts": 0},
 {"cat": "Node", "name": "conv1_fence_before", "dur": 0, "ts": 0},
 {"cat": "Node", "name": "conv1_kernel_time", "dur": 10, "ts": 0, "args": {"provider": "CPUExecutionProvider"}},
 {"cat": "Node", "name": "conv1_kernel_time", "dur": 14, "ts": 50, "args": {"provider": "CPUExecutionProvider"}},
 {"cat": "Node", "name": "relu1_kernel_time", "dur": 0, "ts": 0, "args": {"provider": "CUDAExecutionProvider"}}])",
          "unused");
    const sim::Platform platform = c.platform();
    REQUIRE(platform.devices.size() == 2);
    CHECK(platform.devices[0].name == "cpu");
    CHECK(platform.devices[1].name == "cuda");
    REQUIRE(platform.measured.size() == 2);
    CHECK(sim::microseconds(platform.measured[0].time.p50) == doctest::Approx(12));
    CHECK(platform.measured[0].time.samples == 2);
    CHECK(sim::microseconds(platform.measured[1].time.p50) == doctest::Approx(0.5));
}

TEST_CASE("OpenVINO's counters are read but for what was not executed") {
    Case c;
    c.add("counters.csv",
          "layerName;execStatus;layerType;execType;realTime (ms);cpuTime (ms)\n"
          "conv1;EXECUTED;Convolution;jit_avx512;0.050;0.049\n"
          "relu1;NOT_RUN;Relu;undef;0.000;0.000\n"
          "Total;;;;0.05;0.05\n",
          "cpu");
    CHECK(c.request.times.front().tool == "OpenVINO");
    REQUIRE(c.imported().costs == 1);
    CHECK(sim::microseconds(c.imported().platform.measured[0].time.p50) == doctest::Approx(50));
}

TEST_CASE("costs may be added to a platform with devices and links of its own") {
    Case c;
    c.request.base =
        sim::load_platform(c.folder.write("base.yaml",
                                          "hetmap: platform/1\nname: soc\nmemories: "
                                          "[{name: ram}]\ndevices:\n  - "
                                          "{name: cpu, kind: cpu, memory: ram, "
                                          "asynchronous: false}\n  - {name: npu, "
                                          "kind: npu, memory: ram, asynchronous: true, "
                                          "submit_us: 7, per_task_us: 0, "
                                          "completion_us: 0}\n"),
                           {});
    c.add("times.csv",
          "layer,device,us\nconv1,npu,1\nrelu1,npu,1\nconv2,npu,1\nside,npu,"
          "1\nsum,npu,1\n",
          "x");
    CHECK(c.best_us() == doctest::Approx(7 + 5));
    c.add("more.csv", "layer,device,us\nconv1,gpu,1\n", "x");
    CHECK(c.folder.error_of([&] { c.imported(); }) ==
          "conv1 on gpu: platform imported has no device 'gpu'");
}

TEST_CASE("more devices or links than a platform may have are refused") {
    struct Devices : Case {
        explicit Devices(int count, double bandwidth_gb_per_s = 0) {
            std::string text = "layer,device,us\n";
            for (int i = 0; i < count; ++i) {
                text += "conv1,d" + std::to_string(i) + ",1\n";
            }
            add("times.csv", text, "");
            request.bandwidth_gb_per_s = bandwidth_gb_per_s;
        }
    };
    CHECK(Devices{63}.platform().devices.size() == 64);  // and the host
    CHECK_THROWS_WITH_AS(Devices{64}.imported(),
                         "the files name 65 devices; at most 64 are supported",
                         sim::InputError);
    CHECK(Devices(32, 1).platform().links.size() == 64);
    CHECK_THROWS_WITH_AS(Devices(33, 1).imported(),
                         "the files name 66 links between two memories, each a copy engine of its "
                         "own; at most 64 are supported",
                         sim::InputError);
}

TEST_CASE("what is wrong with times is said with its row") {
    const Case c;
    const std::string head = "layer,device,us\n";
    CHECK(c.error("") == "bad: it is empty");
    CHECK(c.error("layer,device\nconv1,cpu\n") ==
          "bad:1: expected columns 'layer' and 'us' (or ms, ns, s), and, where "
          "they are there, "
          "device, variant, configuration, batch");
    CHECK(c.error("layer,device,time\nconv1,cpu,5\n").find("bad:1: expected columns") == 0);
    CHECK(c.error("layer,layer,us\n") == "bad:1: the column 'layer' is here twice");
    CHECK(c.error(head + "conv1,cpu\n") == "bad:2: expected 3 fields, got 2");
    CHECK(c.error(head + "conv1,cpu,fast\n") ==
          "bad:2: us: expected a time above zero, got 'fast'");
    CHECK(c.error(head + "conv1,cpu,-1\n") == "bad:2: us: expected a time above zero, got '-1'");
    CHECK(c.error(head + "conv1,cpu,nan\n") == "bad:2: us: expected a time above zero, got 'nan'");
    CHECK(c.error(head + "conv1,a/b,1\n") ==
          "bad:2: expected a name of 1 to 80 printable characters without '/', got 'a/b'");
    CHECK(c.error(head + "a\tb,cpu,1\n") ==
          "bad:2: expected a name of 1 to 200 printable characters, got 'a\\u0009b'");
    CHECK(c.error(head + ",cpu,1\n") == "bad:2: layer: expected a name");
    CHECK(c.error("[{\"count\": 1}, {\"name\": \" \", \"averageMs\": 1}]") ==
          "bad:1: expected the name of a layer, got ' '");
    CHECK(c.error("layer,us,batch\nconv1,1,0\n") == "bad:2: batch: expected 1 to 65536, got '0'");
    CHECK(c.error(head) == "bad: CSV: it has no times of layers");
    CHECK(c.error("[1, 2]").find("bad: expected what trtexec --exportProfile") == 0);
    CHECK(c.error("[{\"count\": 1}, {\"name\": \"a\"}]") ==
          "bad: [1]: expected 'medianMs' or 'averageMs' of 'a', milliseconds");
    CHECK(c.error("[{").find("bad: not a profile: ") == 0);
    const TemporaryFolder folder;
    const auto links = [&](const std::string& text) {
        return folder.error_of([&] { sim::read_copies(folder.write("links.csv", text)); });
    };
    CHECK(links("a,b\n") == "links.csv:1: expected the columns from,to,bytes,us");
    CHECK(links("from,to,bytes,us\nhost,host,1,1\n").find("links.csv:2: from, to") == 0);
    CHECK(links("from,to,bytes,us\nhost,gpu,x,1\n") ==
          "links.csv:2: bytes: expected a whole number, got 'x'");
}
