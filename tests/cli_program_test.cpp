// The program as a user meets it: what it prints, what it refuses, and with which exit code.

#include "cli_program.hpp"

#include "calibrate_small_model.hpp"
#include "sim/describe/platform.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>

namespace {

namespace fs = std::filesystem;

std::string small_model_path() { return small_model().path.string(); }

// A platform with a cost of 2 us for every layer of the small model in one variant, more in
// another.
std::string invented_platform(const TemporaryFolder& folder) {
    const sim::Model model = small_model();
    sim::Platform p;
    p.name = "invented";
    p.memories = {{"host", 0}};
    p.devices.push_back({.name = "cpu",
                         .kind = "cpu",
                         .memory = 0,
                         .asynchronous = false,
                         .submit = {},
                         .per_task = {},
                         .completion = {},
                         .conversions = {}});
    std::set<std::string> signatures;
    for (int l = 1; l < static_cast<int>(model.layers.size()); ++l) {
        signatures.insert(sim::signature(model, std::array{l}));
    }
    for (const std::string& layers : signatures) {
        for (const auto& [variant, us] : {std::pair{"of_invention", 2}, std::pair{"scalar", 3}}) {
            p.measured.push_back({.layers = layers,
                                  .batch = 1,
                                  .device = 0,
                                  .variant = variant,
                                  .configuration = "1",
                                  .in_layout = "nhwc",
                                  .out_layout = "nhwc",
                                  .time = {.p05 = sim::Time{1},
                                           .p50 = sim::Time{1'000'000 * us},
                                           .p95 = sim::Time{20'000'000},
                                           .samples = 5},
                                  .where = {}});
        }
    }
    return folder.write("invented.yaml", sim::to_yaml(p));
}

void replace(std::string& text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("help and version end with 0, nonsense with 2") {
    CHECK(hetmap({"--help"}).code == 0);
    CHECK(hetmap({"map", "--help"}).out.find("branch-and-bound") != std::string::npos);
    CHECK(hetmap({"--version"}).code == 0);
    CHECK(hetmap({}).code == 2);
    CHECK(hetmap({"frobnicate"}).code == 2);
    CHECK(hetmap({"map", "--model", "vgg3-fashion"}).code == 2);  // no platform
}

TEST_CASE("map writes a mapping that simulate reads back to the same makespan") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    const std::string mapping = folder.file("mapping.yaml");
    const Outcome map = hetmap({"map",
                                "--model",
                                small_model_path(),
                                "--platform",
                                platform,
                                "--out",
                                mapping,
                                "--json",
                                "--gantt",
                                folder.file("g.svg"),
                                "--trace",
                                folder.file("t.json"),
                                "--dot",
                                folder.file("d.dot")});
    CAPTURE(map.err);
    REQUIRE(map.code == 0);
    const auto answer = nlohmann::json::parse(map.out);
    CHECK(answer["makespan_us"] == 24.0);  // 12 layers
    CHECK(answer["proven_optimal"] == true);
    CHECK(answer["lower_bound_us"] == 24.0);
    CHECK(answer["energy_mj"].is_null());
    CHECK(answer["layers"].size() == 12);
    CHECK(answer["baselines"].contains("greedy"));
    CHECK(text_of(folder.file("g.svg")).find("<svg") != std::string::npos);
    CHECK(nlohmann::json::parse(text_of(folder.file("t.json"))).is_object());
    CHECK(text_of(folder.file("d.dot")).find("digraph") != std::string::npos);

    const Outcome simulate = hetmap({"simulate",
                                     "--model",
                                     small_model_path(),
                                     "--platform",
                                     platform,
                                     "--mapping",
                                     mapping,
                                     "--json"});
    CAPTURE(simulate.err);
    REQUIRE(simulate.code == 0);
    CHECK(nlohmann::json::parse(simulate.out)["makespan_us"] == 24.0);
    CHECK(hetmap({"show", "mapping", mapping}).code == 0);
    CHECK(hetmap({"show", "platform", platform}).code == 0);
    CHECK(hetmap({"show", "model", small_model_path()}).code == 0);
    const std::string result = folder.write("result.json", map.out);
    CHECK(hetmap({"show", "result", result}).code == 0);
}

TEST_CASE("every search answers on the command line, or says why it cannot") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    for (const char* search : {"exhaustive",
                               "branch-and-bound",
                               "dynamic-programming",
                               "greedy",
                               "heft",
                               "cpu-only",
                               "gpu-only",
                               "uniform"}) {
        CAPTURE(search);
        const Outcome o = hetmap({"map",
                                  "--model",
                                  small_model_path(),
                                  "--platform",
                                  platform,
                                  "--search",
                                  search,
                                  "--json"});
        CAPTURE(o.err);
        if (o.code == 0) {
            CHECK(nlohmann::json::parse(o.out)["makespan_us"] == 24.0);
        } else {
            CHECK(o.code == 2);
            CHECK(o.err.find(search) != std::string::npos);
        }
    }
    const Outcome unknown =
        hetmap({"map", "--model", small_model_path(), "--platform", platform, "--search", "magic"});
    CHECK(unknown.code == 2);
    CHECK(unknown.err.find("exhaustive") != std::string::npos);
}

TEST_CASE("show model prints what costs of layers and chains are filed under") {
    const sim::Model model = small_model();
    const std::string path = model.path.string();
    const Outcome o = hetmap({"show", "model", path, "--signatures", "--longest", "2", "--json"});
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    const auto json = nlohmann::json::parse(o.out);
    const std::string text = hetmap({"show", "model", path, "--signatures", "--longest", "2"}).out;
    std::size_t chains = 0;
    for (int l = 1; l < static_cast<int>(model.layers.size()); ++l) {
        const std::string signature = sim::signature(model, std::array{l});
        CHECK(json["layers"][static_cast<std::size_t>(l)]["signature"] == signature);
        CHECK(text.find(" " + signature + "\n") != std::string::npos);
        for (const std::vector<int>& chain : sim::chains_from(model, l, 2)) {
            if (chain.size() > 1) {
                CHECK(json["chains"].at(chains++)["signature"] == sim::signature(model, chain));
                CHECK(text.find(" " + sim::signature(model, chain) + "\n") != std::string::npos);
            }
        }
    }
    CHECK(chains > 5);
    CHECK(json["chains"].size() == chains);
    CHECK(json["chains"][0]["layers"] == std::vector<std::string>{"threshold1", "conv2"});
    const auto& attributes = json["layers"][6]["attributes"];  // conv3
    CHECK(attributes["weights"] == "binary");
    CHECK(attributes["out_channels"] == 128);
    CHECK(attributes["kernel"] == std::vector<int>{3, 3});
    CHECK(attributes["pad_value"] == -1);
    CHECK(text.find("stride: 2, padding: 1, pad_value: -1") != std::string::npos);
    CHECK(!nlohmann::json::parse(hetmap({"show", "model", path, "--json"}).out).contains("chains"));
    CHECK(hetmap({"show", "model", path, "--longest", "2"}).code == 2);  // of what?
    CHECK(hetmap({"show", "devices", "--signatures"}).code == 2);
}

TEST_CASE("devices are listed, and one that is not here is refused") {
    const Outcome listed = hetmap({"show", "devices", "--json"});
    REQUIRE(listed.code == 0);
    const auto devices = nlohmann::json::parse(listed.out)["devices"];
    REQUIRE(!devices.empty());
    CHECK(devices[0]["name"] == "cpu");
    CHECK(hetmap({"show", "devices"}).out.find("cpu") == 0);
    CHECK(hetmap({"show", "devices", "cpu"}).code == 2);
    CHECK(hetmap({"show", "model"}).code == 2);

    const TemporaryFolder folder;
    const Outcome refused = hetmap({"calibrate",
                                    "--model",
                                    small_model_path(),
                                    "--device",
                                    "cuda99",
                                    "--out",
                                    folder.file("profile.yaml")});
    CHECK(refused.code == 2);
    CHECK(refused.err.find("no device 'cuda99' (there are: cpu") != std::string::npos);
    CHECK(!fs::exists(folder.file("profile.yaml")));
}

TEST_CASE("same command, same bytes") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    std::vector<std::string> outputs;
    for (int i = 0; i < 2; ++i) {
        auto json = nlohmann::json::parse(
            hetmap({"map", "--model", small_model_path(), "--platform", platform, "--json"}).out);
        json.erase("seconds");
        outputs.push_back(json.dump());
    }
    CHECK(outputs[0] == outputs[1]);
}

TEST_CASE("bad files end with 2 and a message that names the file") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    const auto refuse =
        [&](const std::string& model, const std::string& where, const std::string& what) {
            const std::string file = folder.write("model.yaml", model);
            const Outcome o = hetmap({"map", "--model", file, "--platform", platform});
            CAPTURE(o.err);
            CHECK(o.code == 2);
            CHECK(o.out.empty());
            CHECK(o.err.find(file + where) != std::string::npos);
            CHECK(o.err.find(what) != std::string::npos);
        };
    std::string cycle = kSmallModel;
    replace(cycle,
            "operation: conv2d, inputs: [threshold1]",
            "operation: conv2d, inputs: [threshold2]");
    refuse(cycle, ":", "cycle");
    std::string dangling = kSmallModel;
    replace(dangling, "inputs: [pool]", "inputs: [pond]");
    refuse(dangling, ":16:", "pond");
    std::string unknown_operation = kSmallModel;
    replace(unknown_operation, "operation: flatten", "operation: fatten");
    refuse(unknown_operation, ":16:", "fatten");
    std::string unknown_key = kSmallModel;
    replace(unknown_key, "stride: 2, padding: 1", "stride: 2, paddling: 1");
    refuse(unknown_key, ":13:", "paddling");
    std::string unit = kSmallModel;
    replace(unit, "height: 9", "height: 9px");
    refuse(unit, ":5:", "9px");
    std::string shapes = kSmallModel;
    replace(shapes, "inputs: [conv2, conv1]", "inputs: [conv2, image]");
    refuse(shapes, ":11:", "add");
    refuse("", "", "empty");
    refuse(std::string(100'000'000, '#'), "", "");
    refuse("a: &a [x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n", ":1:", "");
}

TEST_CASE("a platform without a cost for a layer says which layer and which device") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    std::string text = text_of(platform);
    std::string without;
    std::istringstream lines{text};
    int dropped = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("layers: \"flatten") != std::string::npos) {
            ++dropped;
        } else {
            without += line + "\n";
        }
    }
    REQUIRE(dropped == 2);
    without.erase(without.find("counts:"),
                  without.find('\n', without.find("counts:")) - without.find("counts:"));
    const Outcome o = hetmap({"map",
                              "--model",
                              small_model_path(),
                              "--platform",
                              folder.write("without.yaml", without)});
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(o.err.find("flatten") != std::string::npos);
    CHECK(o.err.find("cpu") != std::string::npos);

    const Outcome cut = hetmap({"map",
                                "--model",
                                small_model_path(),
                                "--platform",
                                folder.write("cut.yaml", text.substr(0, text.size() / 2))});
    CHECK(cut.code == 2);
    CHECK(cut.err.find("cut.yaml") != std::string::npos);
}

TEST_CASE("costs that are for no layer of the model are told, on stderr") {
    const TemporaryFolder folder;
    sim::Platform p = sim::load_platform(invented_platform(folder), {});
    sim::MeasuredCost slip = p.measured.front();
    slip.layers += " x";
    p.measured.push_back(slip);
    const std::string platform = folder.write("slip.yaml", sim::to_yaml(p));
    const auto map = [&](const std::string& more) {
        return hetmap({"map", "--model", small_model_path(), "--platform", platform, more});
    };
    const Outcome o = map("--json");
    CHECK(o.code == 0);
    CHECK(nlohmann::json::parse(o.out)["makespan_us"] == 24.0);
    CHECK(o.err.find("note: " + platform + ":") == 0);
    CHECK(o.err.find("'" + slip.layers + "'") != std::string::npos);
    CHECK(map("--quiet").err.empty());
}

TEST_CASE("a mapping for another model is refused") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    const std::string mapping = folder.file("mapping.yaml");
    REQUIRE(hetmap({"map", "--model", small_model_path(), "--platform", platform, "--out", mapping})
                .code == 0);
    std::string text = text_of(mapping);
    replace(text, "small", "large");
    const Outcome o = hetmap({"simulate",
                              "--model",
                              small_model_path(),
                              "--platform",
                              platform,
                              "--mapping",
                              folder.write("other.yaml", text)});
    CHECK(o.code == 2);
    CHECK(o.err.find("large") != std::string::npos);
}

TEST_CASE("an unwritable output is refused before the work, and nothing is left behind") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    for (const std::string option : {"--out", "--gantt", "--trace", "--dot"}) {
        CAPTURE(option);
        const Outcome o = hetmap({"map",
                                  "--model",
                                  small_model_path(),
                                  "--platform",
                                  platform,
                                  option,
                                  folder.file("no/such/folder/file")});
        CHECK(o.code == 2);
        CHECK(o.out.empty());
        CHECK(o.err.find("no/such/folder") != std::string::npos);
    }
    CHECK(
        hetmap(
            {"calibrate", "--model", small_model_path(), "--out", folder.file("no/folder/x.yaml")})
            .code == 2);
    CHECK(hetmap({"demo", "--out", "/proc/nowhere"}).code == 2);
}

TEST_CASE("options that make no sense are refused") {
    const TemporaryFolder folder;
    const std::string platform = invented_platform(folder);
    const std::vector<std::string> map{
        "map", "--model", small_model_path(), "--platform", platform};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), map.begin(), map.end());
        return hetmap(more).code;
    };
    CHECK(with({"--batch", "0"}) == 2);
    CHECK(with({"--batch", "1,x"}) == 2);
    CHECK(with({"--batch", "2"}) == 2);  // nothing measured at batch 2
    CHECK(with({"--time-limit", "soon"}) == 2);
    CHECK(with({"--objective", "beauty"}) == 2);
    CHECK(with({"--only", "gpu7"}) == 2);
    CHECK(hetmap({"validate",
                  "--model",
                  small_model_path(),
                  "--platform",
                  platform,
                  "--max-error",
                  "many"})
              .code == 2);
    CHECK(hetmap({"calibrate", "--variant", "magic"}).code == 2);
    CHECK(hetmap({"show", "model", "no-such-model"}).code == 2);
    CHECK(hetmap({"show", "result", "no-such-file"}).code == 2);
    CHECK(hetmap({"run", "--model", small_model_path(), "--data", "no-such-data"}).code == 2);
}

TEST_CASE("validate says which kernels of the chosen mapping this machine does not have") {
    const TemporaryFolder folder;
    const Outcome o = hetmap(
        {"validate", "--model", small_model_path(), "--platform", invented_platform(folder)});
    CHECK(o.code == 1);
    CHECK(o.err.find("of_invention") != std::string::npos);
}

TEST_CASE("calibrate keeps what it has when interrupted, and completes it when resumed") {
    const TemporaryFolder folder;
    const std::string profile = folder.file("here.yaml");
    const std::string model = small_model_path();
    const std::vector<std::string> calibrate{"calibrate",
                                             "--quick",
                                             "--model",
                                             model,
                                             "--batch",
                                             "1",
                                             "--budget",
                                             "60s",
                                             "--out",
                                             profile};
    const Outcome cut = interrupted_hetmap(calibrate);
    CAPTURE(cut.err);
    CHECK(cut.code == 0);
    REQUIRE(fs::exists(profile));
    CHECK(hetmap({"show", "platform", profile}).code == 0);

    const Outcome whole = hetmap({"calibrate",
                                  "--quick",
                                  "--model",
                                  model,
                                  "--batch",
                                  "1",
                                  "--budget",
                                  "60s",
                                  "--resume",
                                  profile,
                                  "--json"});
    CAPTURE(whole.err);
    REQUIRE(whole.code == 0);
    CHECK(nlohmann::json::parse(whole.out)["missing"] == 0);

    const Outcome valid = hetmap({"validate",
                                  "--model",
                                  model,
                                  "--platform",
                                  profile,
                                  "--sample",
                                  "3",
                                  "--budget",
                                  "500ms",
                                  "--json"});
    CAPTURE(valid.err);
    REQUIRE(valid.code == 0);
    const auto v = nlohmann::json::parse(valid.out);
    CHECK(v["outputs_identical"] == true);
    CHECK(v["sample"].size() == 3);
    for (const char* key : {"predicted_us",
                            "measured_us",
                            "error_percent",
                            "rank_correlation",
                            "median_error_percent",
                            "p90_error_percent",
                            "regret_percent"}) {
        CHECK(v.contains(key));
    }
    // A stream: the time from one to the next, of whole mappings.
    std::vector<std::string> stream{"validate", "--model", model, "--platform", profile};
    stream.insert(stream.end(),
                  {"--sample", "2", "--budget", "300ms", "--objective", "throughput"});
    const Outcome text = hetmap(stream);
    CAPTURE(text.err);
    CHECK(text.code == 0);
    CHECK(text.out.find("a stream, 4 at a time") != std::string::npos);
    CHECK(text.out.find(" images/s measured\n") != std::string::npos);
    CHECK(text.out.find("all outputs identical") != std::string::npos);
    stream.insert(stream.end(), {"--frames-in-flight", "2", "--json"});
    const auto s = nlohmann::json::parse(hetmap(stream).out);
    CHECK(s["objective"] == "throughput");
    CHECK(s["frames_in_flight"] == 2);
    CHECK(s["outputs_identical"] == true);
    CHECK(s["sample"].size() == 2);
    CHECK(s["measured_us"]["p50"] > 0);
    // One device does one after the other: the next is there when the one before it is done.
    CHECK(s["predicted_us"] == v["predicted_us"]);
    CHECK(s["interval_us"].is_null());
    CHECK(v["objective"] == "latency");
    // No prediction is right to a millionth of a percent.
    CHECK(hetmap({"validate",
                  "--model",
                  model,
                  "--platform",
                  profile,
                  "--budget",
                  "200ms",
                  "--max-error",
                  "0.000001%"})
              .code == 3);
    // Ctrl-C while validating: what was measured is reported.
    const Outcome early = interrupted_hetmap({"validate",
                                              "--model",
                                              model,
                                              "--platform",
                                              profile,
                                              "--sample",
                                              "3",
                                              "--budget",
                                              "60s",
                                              "--json"});
    CHECK(early.code == 0);
    CHECK(nlohmann::json::parse(early.out)["rounds"] >= 1);
}

TEST_CASE("Ctrl-C ends a long search with its best so far") {
    const TemporaryFolder folder;
    // Many equal implementations for exhaustive search to walk through.
    const sim::Model model = small_model();
    std::string text = text_of(invented_platform(folder));
    sim::Platform p = sim::load_platform(folder.file("invented.yaml"), {});
    const auto costs = p.measured;
    for (int copy = 0; copy < 20; ++copy) {
        for (sim::MeasuredCost cost : costs) {
            cost.variant += "_" + std::to_string(copy);
            p.measured.push_back(cost);
        }
    }
    const std::string platform = folder.write("many.yaml", sim::to_yaml(p));
    const Outcome o = interrupted_hetmap({"map",
                                          "--model",
                                          small_model_path(),
                                          "--platform",
                                          platform,
                                          "--search",
                                          "exhaustive",
                                          "--json"});
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    const auto answer = nlohmann::json::parse(o.out);
    CHECK(answer["makespan_us"] == 24.0);
    CHECK(answer["proven_optimal"] == false);
}
