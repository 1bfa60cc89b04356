// hetmap import, as a user runs it: on the inputs that the fuzzer begins with.

#include "cli_program.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace {

const std::string kFiles = HETMAP_SOURCE_DIR "/tests/fuzz/corpus/onnx/";

// A program that was built without protobuf refuses every file, and says why.
bool can_import() {
    const Outcome outcome = hetmap({"import", kFiles + "binary.onnx", "--out", "/dev/null/no"});
    if (outcome.err.find("built without ONNX") != std::string::npos) {
        CHECK(outcome.code == 2);
        MESSAGE("skipped: this hetmap was built without ONNX");
        return false;
    }
    return true;
}

}  // namespace

TEST_CASE("import writes a model and says what became of every operation") {
    if (!can_import()) {
        return;
    }
    const TemporaryFolder folder;
    const std::string out = folder.file("models/net");
    const Outcome outcome =
        hetmap({"import", kFiles + "conv.onnx", "--out", out, "--dim", "batch=1"});
    CHECK(outcome.err == "");
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out == kFiles +
                             "conv.onnx (opset 18)\n\n"
                             "operation          layers  exact  opaque\n"
                             "Conv                    1      1       0\n"
                             "Flatten                 1      1       0\n"
                             "Gemm                    1      1       0\n"
                             "GlobalAveragePool       1      1       0\n"
                             "Relu                    1      1       0\n\n"
                             "5 nodes: 0 constant, 0 part of another's layer, 0 that move nothing, "
                             "0 that lead to no output\n"
                             "1164 multiply-accumulates, 88 weights, which came along in " +
                             out +
                             "/weights.bin\n"
                             "5 layers, 5 exact, 0 opaque, written to " +
                             out + "/model.yaml\n");
    CHECK(text_of(out + "/model.yaml") ==
          "hetmap: model/1\n"
          "name: conv\n"
          "source: \"imported from conv.onnx (opset 18)\"\n"
          "input: {name: x, height: 8, width: 8, channels: 2, type: f32}\n"
          "parameters: {file: weights.bin}\n"
          "layers:\n"
          "  - {name: conv, operation: conv2d, inputs: [x], weights: f32, out_channels: 4, kernel: "
          "[3, 3], "
          "stride: 2, padding: 1}\n"
          "  - {name: r, operation: relu, inputs: [conv]}\n"
          "  - {name: p, operation: global_average_pool, inputs: [r]}\n"
          "  - {name: f, operation: flatten, inputs: [p]}\n"
          "  - {name: \"y\", operation: linear, inputs: [f], weights: f32, out_channels: 3}\n"
          "output: \"y\"\n");
}

TEST_CASE("a model that is there is replaced on request alone") {
    if (!can_import()) {
        return;
    }
    const TemporaryFolder folder;
    folder.write("model.yaml", "mine");
    const std::string out = folder.path().string();
    const Outcome refused = hetmap({"import", kFiles + "binary.onnx", "--out", out});
    CHECK(refused.code == 2);
    CHECK(refused.err == "hetmap: --out: there is a model in '" + out + "'; --force replaces it\n");
    CHECK(text_of(folder.file("model.yaml")) == "mine");
    CHECK(hetmap({"import", kFiles + "binary.onnx", "--out", out, "--force"}).code == 0);
    CHECK(text_of(folder.file("model.yaml")).starts_with("hetmap: model/1\nname: binary\n"));
}

TEST_CASE("what is wrong is said with exit code 2, and nothing is written") {
    if (!can_import()) {
        return;
    }
    const TemporaryFolder folder;
    const std::string out = folder.file("net"), file = kFiles + "conv.onnx";
    const auto error = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "import");
        arguments.insert(arguments.end(), {"--out", out});
        const Outcome outcome = hetmap(arguments);
        CHECK(outcome.code == 2);
        CHECK(outcome.out == "");
        CHECK(!std::filesystem::exists(out));
        return outcome.err;
    };
    CHECK(error({file}) == "hetmap: " + file + ": sizes are missing, please give: --dim batch=N\n");
    CHECK(error({file, "--dim", "batch=0"}) ==
          "hetmap: --dim: expected NAME=N with N above zero, such as batch=1, got 'batch=0'\n");
    CHECK(error({file, "--dim", "batch"}) ==
          "hetmap: --dim: expected NAME=N with N above zero, such as batch=1, got 'batch'\n");
    CHECK(error({file, "--dim", "batch=1", "--dim", "batch=2"}) ==
          "hetmap: --dim: 'batch' is given twice\n");
    CHECK(error({folder.file("gone.onnx")}) ==
          "hetmap: " + folder.file("gone.onnx") + ": no such file\n");
    const std::string text = folder.write("text.onnx", "hetmap: model/1\n");
    CHECK(error({text}) == "hetmap: " + text + ": this is no ONNX model, or it was cut off\n");
}

TEST_CASE("import --json is one object; with --tensors it lists them all") {
    if (!can_import()) {
        return;
    }
    const TemporaryFolder folder;
    const Outcome outcome = hetmap(
        {"import", kFiles + "binary.onnx", "--out", folder.file("net"), "--json", "--tensors"});
    REQUIRE(outcome.code == 0);
    const nlohmann::json json = nlohmann::json::parse(outcome.out);
    CHECK(json.at("layers") == 3);
    CHECK(json.at("exact") == 3);
    CHECK(json.at("opaque") == 0);
    CHECK(json.at("merged") == 1);
    CHECK(json.at("macs") == 2 * 4 * 4 * 2 * 2 * 2);
    CHECK(json.at("operations").at(0) ==
          nlohmann::json{{"operation", "BatchNormalization + Sign"}, {"exact", 1}, {"opaque", 0}});
    bool found = false;
    for (const nlohmann::json& tensor : json.at("tensors")) {
        if (tensor.at("name") == "c") {
            found = true;
            CHECK(tensor.at("shape") == std::vector{1, 2, 4, 4});
            CHECK(tensor.at("type") == "float");
        }
    }
    CHECK(found);
}

TEST_CASE("weights come along where kernels can run the network, which then runs") {
    if (!can_import()) {
        return;
    }
    const TemporaryFolder folder;
    const std::string examples = HETMAP_SOURCE_DIR "/examples/minute/";
    const std::string bits = folder.file("bits"), net = folder.file("net");
    REQUIRE(hetmap({"import", examples + "bits.onnx", "--out", bits, "--parameters"}).code == 0);
    CHECK(text_of(bits + "/model.yaml").find("parameters: {file: weights.bin}\n") !=
          std::string::npos);
    const Outcome ran = hetmap({"run",
                                "--model",
                                bits,
                                "--data",
                                HETMAP_SOURCE_DIR "/models/vgg3-fashion/images",
                                "--json"});
    CHECK(ran.err == "");
    REQUIRE(ran.code == 0);
    const nlohmann::json answer = nlohmann::json::parse(ran.out);
    // As ONNX Runtime 1.32 gives them.
    const std::vector<int> first{4, 4, 5, 2, 4, 2, 6, 4};
    CHECK(std::vector<int>(answer.at("predictions").begin(),
                           answer.at("predictions").begin() + 8) == first);
    // Of a network that cannot run they are made up, or the command says why not.
    const std::vector<std::string> import{"import", kFiles + "resize.onnx", "--out", net};
    std::vector<std::string> strict = import;
    strict.emplace_back("--parameters");
    const Outcome refused = hetmap(strict);
    CHECK(refused.code == 2);
    CHECK(refused.out == "");
    CHECK(refused.err.find("cannot run here: layer '") != std::string::npos);
    CHECK(refused.err.find(" (Resize): no kernel here computes it") != std::string::npos);
    CHECK(!std::filesystem::exists(net));
    CHECK(hetmap(import).code == 0);
    CHECK(!std::filesystem::exists(net + "/weights.bin"));
    // A file that is there stays.
    std::filesystem::remove(bits + "/model.yaml");
    const Outcome there = hetmap({"import", examples + "bits.onnx", "--out", bits});
    CHECK(there.code == 2);
    CHECK(there.err == "hetmap: --out: there is '" + bits + "/weights.bin'; --force replaces it\n");
}
