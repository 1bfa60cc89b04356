// hetmap export, as a user runs it.

#include "cli_program.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace {

namespace fs = std::filesystem;

const std::string kFile = HETMAP_SOURCE_DIR "/tests/fuzz/corpus/onnx/conv.onnx";
const std::string kMapping = R"(hetmap: mapping/1
model: conv
platform: two
batch: 1
predicted_us: 1
order: listed
entries:
  - {layers: [conv, r], device: gpu0, variant: any, configuration: any}
  - {layers: [p], device: cpu, variant: any, configuration: any}
  - {layers: [f], device: cpu, variant: any, configuration: any}
  - {layers: ["y"], device: gpu0, variant: any, configuration: any}
)";

struct Case {
    TemporaryFolder folder;
    std::string mapping = folder.write("map.yaml", kMapping);
    bool can_run = false;

    Case() {
        const Outcome imported =
            hetmap({"import", kFile, "--out", folder.file("net"), "--dim", "batch=1"});
        can_run = imported.code == 0;
        if (!can_run) {
            REQUIRE(imported.err.find("built without ONNX") != std::string::npos);
            MESSAGE("skipped: this hetmap was built without ONNX");
        }
    }
    Outcome run(std::vector<std::string> more) const {
        std::vector<std::string> arguments{"export",
                                           kFile,
                                           "--model",
                                           folder.file("net"),
                                           "--mapping",
                                           mapping,
                                           "--dim",
                                           "batch=1"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return hetmap(arguments);
    }
    std::vector<std::string> entries(const std::string& name) const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator{folder.path() / name}) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("export writes an annotated file and says the session option") {
    const Case one;
    if (!one.can_run) {
        return;
    }
    const std::string out = one.folder.file("placed.onnx");
    const Outcome outcome = one.run({"--out", out});
    CHECK(outcome.err == "");
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out == kFile +
                             ": 5 nodes: 5 by their layers, 0 where a reader of theirs goes, 0 "
                             "where their input is made\n"
                             "3 segments: gpu0 2, cpu 1\n\n"
                             "session option session.layer_assignment_settings:\n"
                             "gpu(hetmap/gpu0/); cpu(hetmap/cpu/)\n\n"
                             "written to " +
                             out + "\n");
    const std::string bytes = text_of(out);
    CHECK(bytes.find("hetmap/gpu0/1") != std::string::npos);
    CHECK(bytes.find("hetmap/cpu/2") != std::string::npos);
    CHECK(bytes.find("hetmap/gpu0/3") != std::string::npos);

    // What it wrote is an ONNX file, and the same one as before.
    CHECK(hetmap({"import", out, "--out", one.folder.file("again"), "--dim", "batch=1"}).code == 0);
    const Outcome refused = one.run({"--out", out});
    CHECK(refused.code == 2);
    CHECK(refused.err == "hetmap: --out: there is a '" + out + "'; --force replaces it\n");
    CHECK(one.run({"--out", out, "--force"}).code == 0);
    CHECK(text_of(out) == bytes);
    const Outcome itself = one.run({"--out", kFile, "--force"});
    CHECK(itself.code == 2);
    CHECK(itself.err.ends_with("would overwrite what FILE.onnx reads\n"));
}

TEST_CASE("export writes a folder of segments, all of it or nothing") {
    const Case one;
    if (!one.can_run) {
        return;
    }
    const std::string out = one.folder.file("parts/of/it");
    const Outcome outcome = one.run({"--out", out, "--format", "segments"});
    CHECK(outcome.err == "");
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out == kFile +
                             "\n\n"
                             "file            nodes  inputs  outputs  device\n"
                             "segment-1.onnx      2       1        1  gpu0\n"
                             "segment-2.onnx      2       1        1  cpu\n"
                             "segment-3.onnx      1       1        1  gpu0\n\n"
                             "3 segments, 5 nodes, written to " +
                             out + "\n");
    CHECK(one.entries("parts/of") == Names{"it"});
    CHECK(one.entries("parts/of/it") ==
          Names{"segment-1.onnx", "segment-2.onnx", "segment-3.onnx", "segments.json"});
    const auto json = nlohmann::json::parse(text_of(out + "/segments.json"));
    CHECK(json["hetmap"] == "segments/1");
    CHECK(json["source"] == "conv.onnx");
    CHECK(json["inputs"] == Names{"x"});
    CHECK(json["outputs"] == Names{"y"});
    const auto& second = json["segments"][1];
    CHECK(second["segment"] == 2);
    CHECK(second["file"] == "segment-2.onnx");
    CHECK(second["device"] == "cpu");
    CHECK(second["layers"] == Names{"p", "f"});
    CHECK(second["inputs"] == json["segments"][0]["outputs"]);
    CHECK(hetmap({"import", out + "/segment-2.onnx", "--out", one.folder.file("second")}).code ==
          0);

    // A segment is no input of a folder that would replace it.
    const std::string again = out + "/segment-3.onnx";
    const Outcome own = hetmap({"export",
                                again,
                                "--model",
                                one.folder.file("net"),
                                "--mapping",
                                one.mapping,
                                "--out",
                                out,
                                "--format",
                                "segments",
                                "--force"});
    CHECK(own.code == 2);
    CHECK(own.err == "hetmap: --out: '" + again + "' would overwrite what FILE.onnx reads\n");
    CHECK(fs::exists(again));

    // It is replaced on request, and where it holds nothing else.
    CHECK(one.run({"--out", out, "--format", "segments"}).code == 2);
    one.folder.write("parts/of/it/segment-9.onnx", "of before");
    CHECK(one.run({"--out", out, "--format", "segments", "--force"}).code == 0);
    CHECK(one.entries("parts/of/it").size() == 4);
    one.folder.write("parts/of/it/notes.txt", "mine");
    const Outcome refused = one.run({"--out", out, "--format", "segments", "--force"});
    CHECK(refused.code == 2);
    CHECK(refused.err == "hetmap: --out: the folder '" + out +
                             "' holds 'notes.txt', which is none of a network's segments, and is "
                             "not replaced\n");
    CHECK(one.entries("parts/of/it").size() == 5);
}

TEST_CASE("export says what is wrong with the mapping, the devices and the sizes") {
    Case one;
    if (!one.can_run) {
        return;
    }
    const std::string out = one.folder.file("out");
    const auto error = [&](const std::string& mapping, const std::vector<std::string>& more = {}) {
        one.mapping = one.folder.write("map.yaml", mapping);
        std::vector<std::string> arguments{"--out", out};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Outcome outcome = one.run(arguments);
        CHECK(outcome.code == 2);
        CHECK_FALSE(fs::exists(out));
        return outcome.err;
    };
    CHECK(error(with(kMapping, "[p]", "[q]")) ==
          "hetmap: " + one.mapping + ":9:5: layers: 'conv' has no layer 'q'\n");
    CHECK(error(with(kMapping, "device: cpu", "device: dla")) ==
          "hetmap: which of ONNX Runtime's devices (cpu, gpu, gpu:N, npu) it is does not follow "
          "from the name: please give --runtime-device dla=gpu\n");
    CHECK(error(kMapping, {"--runtime-device", "gpu0"}) ==
          "hetmap: --runtime-device: expected NAME=DEVICE, such as gpu0=gpu:0, got 'gpu0'\n");
    CHECK(error(kMapping, {"--runtime-device", "gpu0=gpu", "--format", "segments"}) ==
          "hetmap: --runtime-device: segments name hetmap's devices; it is for --format "
          "annotated\n");
    CHECK(error(kMapping, {"--dim", "batch=0"}).starts_with("hetmap: --dim: expected NAME=N"));
}
