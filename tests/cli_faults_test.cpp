// What goes wrong around the program costs nobody anything: signals, terminals that go, full disks,
// outputs that are inputs, names that command a terminal or a spreadsheet.

#include "calibrate_small_model.hpp"
#include "cli_program.hpp"
#include "hostile_text.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/platform.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/text.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <string>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Two layers on two devices; every name may be replaced.
struct Names {
    std::string model = "m", input = "i", first = "a", second = "b", cpu = "cpu", gpu = "gpu",
                variant = "v", configuration = "1";
};

std::string model_of(const Names& n) {
    const auto y = [](const std::string& text) { return sim::yaml_text(text); };
    return fmt::format(
        "hetmap: model/1\n"
        "name: {}\n"
        "input: {{name: {}, height: 1, width: 1, channels: 4, type: f32}}\n"
        "parameters: {{seed: 1}}\n"
        "layers:\n"
        "  - {{name: {}, operation: linear, inputs: [{}], weights: f32, out_channels: 8}}\n"
        "  - {{name: {}, operation: linear, inputs: [{}], weights: f32, out_channels: 2}}\n"
        "output: {}\n",
        y(n.model),
        y(n.input),
        y(n.first),
        y(n.input),
        y(n.second),
        y(n.first),
        y(n.second));
}

std::string platform_of(const Names& n) {
    const auto y = [](const std::string& text) { return sim::yaml_text(text); };
    return fmt::format(
        "hetmap: platform/1\n"
        "name: p\n"
        "memories: [{{name: host}}]\n"
        "base_power_w: 0.1\n"
        "devices:\n"
        "  - {{name: {0}, kind: none, memory: host, asynchronous: false, active_power_w: 3, "
        "idle_power_w: 0}}\n"
        "  - {{name: {1}, kind: none, memory: host, asynchronous: false, active_power_w: 1, "
        "idle_power_w: 0}}\n"
        "formulas:\n"
        "  - {{device: {0}, operations: [linear], variant: {2}, configuration: {3}, time_us: n, "
        "energy_uj: n}}\n"
        "  - {{device: {1}, operations: [linear], variant: {2}, configuration: {3}, time_us: \"2 * "
        "n\", energy_uj: n}}\n",
        y(n.cpu),
        y(n.gpu),
        y(n.variant),
        y(n.configuration));
}

struct Described {
    explicit Described(const Names& names = {})
        : model(folder.write("m.yaml", model_of(names))),
          platform(folder.write("p.yaml", platform_of(names))) {}
    std::vector<std::string> map(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"map", "--model", model, "--platform", platform});
        return more;
    }

    TemporaryFolder folder;
    std::string model, platform;
};

std::vector<std::string> calibration(const std::string& out) {
    return {"calibrate",
            "--quick",
            "--batch",
            "1",
            "--budget",
            "60s",
            "--model",
            small_model().path.string(),
            "--out",
            out};
}

// Of a CSV file as RFC 4180 says.
std::vector<std::vector<std::string>> rows_of(const std::string& csv) {
    std::vector<std::vector<std::string>> rows{{""}};
    bool quoted = false;
    for (std::size_t i = 0; i < csv.size(); ++i) {
        std::string& field = rows.back().back();
        if (quoted) {
            if (csv[i] != '"') {
                field += csv[i];
            } else if (i + 1 < csv.size() && csv[i + 1] == '"') {
                field += csv[++i];
            } else {
                quoted = false;
            }
        } else if (csv[i] == '"') {
            quoted = true;
        } else if (csv[i] == ',') {
            rows.back().emplace_back();
        } else if (csv[i] == '\n') {
            rows.push_back({""});
        } else {
            field += csv[i];
        }
    }
    rows.pop_back();
    return rows;
}

// Of XML: tags are closed by their own, and marks stand for characters.
bool is_well_formed(const std::string& xml) {
    std::vector<std::string> open;
    for (std::size_t i = 0; i < xml.size(); ++i) {
        if (xml[i] == '&') {
            const std::string mark = xml.substr(i, xml.find(';', i) - i);
            if (mark != "&amp" && mark != "&lt" && mark != "&gt" && mark != "&quot" &&
                mark != "&#39") {
                return false;
            }
        }
        if (xml[i] != '<') {
            continue;
        }
        const std::size_t begin = i + 1;
        for (bool quoted = false; i < xml.size() && (quoted || xml[i] != '>'); ++i) {
            quoted ^= xml[i] == '"';
        }
        const std::string tag = xml.substr(begin, i - begin);
        const std::string name = tag.substr(0, tag.find_first_of(" \n/", 1));
        if (tag.starts_with('?') || tag.starts_with('!') || tag.ends_with('/')) {
            continue;
        }
        if (!tag.starts_with('/')) {
            open.push_back(name);
        } else if (open.empty() || "/" + open.back() != tag) {
            return false;
        } else {
            open.pop_back();
        }
    }
    return open.empty();
}

}  // namespace

TEST_CASE("a signal before anything is measured leaves what was there") {
    const TemporaryFolder folder;
    const std::string profile = folder.write("good.yaml", "not a profile, but somebody's\n");
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        const Outcome o = hetmap(calibration(profile), std::chrono::milliseconds{30}, signal);
        CHECK(o.code != 0);
        CHECK(text_of(profile) == "not a profile, but somebody's\n");
    }
    CHECK(std::distance(fs::directory_iterator{folder.path()}, {}) == 1);
}

TEST_CASE("any signal keeps what was measured") {
    for (const int signal : {SIGTERM, SIGHUP}) {
        const TemporaryFolder folder;
        const std::string profile = folder.file("here.yaml");
        const Outcome o = interrupted_hetmap(calibration(profile), signal);
        CAPTURE(o.err);
        REQUIRE(o.code == 0);
        CHECK(sim::load_platform(profile, {}).measured.size() > 0);
    }
}

TEST_CASE("half a calibration replaces no file that it did not go on from") {
    const TemporaryFolder folder;
    const std::string profile = folder.write("good.yaml", "somebody's\n");
    const Outcome o = interrupted_hetmap(calibration(profile));
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    CHECK(text_of(profile) == "somebody's\n");
    CHECK(sim::load_platform(folder.file("good.unfinished.yaml"), {}).measured.size() > 0);
    CHECK(o.out.find("good.unfinished.yaml") != std::string::npos);
}

TEST_CASE("a terminal that is closed in the middle of a calibration loses nothing") {
    for (const bool nohup : {false, true}) {
        CAPTURE(nohup);
        bool is_kept = false;
        for (std::chrono::milliseconds after{500}; !is_kept && after.count() < 60'000; after *= 2) {
            const TemporaryFolder folder;
            const std::string profile = folder.file("here.yaml");
            const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
            REQUIRE(terminal >= 0);
            REQUIRE(grantpt(terminal) == 0);
            REQUIRE(unlockpt(terminal) == 0);
            const std::string name = ptsname(terminal);
            const pid_t child = fork();
            if (child == 0) {
                setsid();
                const int side = open(name.c_str(), O_RDWR);  // and it controls the session
                for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                    dup2(side, stream);
                }
                close(side);
                close(terminal);
                if (nohup) {
                    signal(SIGHUP, SIG_IGN);
                }
                std::vector<std::string> arguments = calibration(profile);
                arguments[5] = nohup ? fmt::format("{}s", after.count() / 500) : "60s";
                arguments.insert(arguments.begin(), HETMAP_PROGRAM);
                become(std::move(arguments));
            }
            std::this_thread::sleep_for(after);
            close(terminal);
            int status = 0;
            waitpid(child, &status, 0);
            CHECK(!(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
            is_kept = fs::exists(profile) && !sim::load_platform(profile, {}).measured.empty();
        }
        CHECK(is_kept);
    }
}

TEST_CASE("messages that nobody can read change nothing else") {
    const Described d;
    const std::string map =
        fmt::format("\"$hetmap\" map --model {} --platform {}", d.model, d.platform);
    const std::string wrong = "\"$hetmap\" map --model nope --platform nope";
    for (const char* nowhere : {"2>/dev/full", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
        CAPTURE(nowhere);
        CHECK(shell(wrong + " " + nowhere).code == 2);
    }
    CHECK(shell(map + " 2>&-").code == 0);
    // Nothing that is opened takes a closed stream's place.
    const std::string out = d.folder.file("out.yaml");
    CHECK(shell(map + " --out " + out + " 2>&- <&-").code == 0);
    CHECK_NOTHROW(sim::load_mapping_file(out));
}

TEST_CASE("results that cannot be written are an error, and said") {
    const Described d;
    const std::string map =
        fmt::format("\"$hetmap\" map --model {} --platform {}", d.model, d.platform);
    for (const std::string& line : {map,
                                    map + " --json",
                                    std::string{"\"$hetmap\" --help"},
                                    std::string{"\"$hetmap\" --version"}}) {
        CAPTURE(line);
        const Outcome full = shell(line + " >/dev/full");
        CHECK(full.code == 1);
        CHECK(full.err.find("cannot write to stdout: No space left on device") !=
              std::string::npos);
        CHECK(shell(line + " >&-").code == 1);
    }
    // A reader that has seen enough is no error of ours.
    const Outcome head = shell(map + " | head -n 1");
    CHECK(head.code == 0);
    CHECK(head.err.empty());
}

TEST_CASE("what a command writes is not what it reads, nor written twice") {
    const Described d;
    const std::string before = text_of(d.platform);
    const Outcome over = hetmap(d.map({"--out", d.platform}));
    CHECK(over.code == 2);
    CHECK(over.err.find("--out: ") != std::string::npos);
    CHECK(over.err.find("--platform") != std::string::npos);
    CHECK(text_of(d.platform) == before);
    CHECK(hetmap(d.map({"--gantt", d.model})).code == 2);
    const std::string out = d.folder.file("x");
    CHECK(hetmap(d.map({"--out", out, "--dot", out})).code == 2);
    CHECK_FALSE(fs::exists(out));
    CHECK(hetmap(d.map({"--out", "/dev/null", "--dot", "/dev/null"})).code == 0);
    CHECK(hetmap(calibration(small_model().path.string())).code == 2);
    // Points of a front have numbers.
    CHECK(hetmap(d.map({"--pareto", "latency,energy", "--out", out, "--front", out + "-1"})).code ==
          2);
}

TEST_CASE("streams of layers that take days are refused, not simulated for ever") {
    const Described d;
    std::string platform = text_of(d.platform);
    platform.replace(platform.find("time_us: n"), 10, "time_us: 1e12");
    d.folder.write("p.yaml", platform);
    const std::string mapping = d.folder.file("mapping.yaml");
    CHECK(hetmap(d.map({"--out", mapping})).code == 0);
    for (const Outcome& o : {hetmap(d.map({"--objective", "throughput"})),
                             hetmap(d.map({"--pareto", "latency,throughput"})),
                             hetmap({"simulate",
                                     "--model",
                                     d.model,
                                     "--platform",
                                     d.platform,
                                     "--mapping",
                                     mapping,
                                     "--frames-in-flight",
                                     "4"})}) {
        CHECK(o.code == 2);
        CHECK(o.err.find("26 days") != std::string::npos);
    }
}

TEST_CASE("a profile is called as its file, if that is a name") {
    const TemporaryFolder folder;
    for (const std::string& name : {std::string{"new\nline"},
                                    std::string{"not\xff utf"},
                                    std::string{"d\x7f"},
                                    std::string(205, 'y')}) {
        const std::string path = folder.file(name + ".yaml");
        for (const char* json : {"--quiet", "--json"}) {
            std::vector<std::string> arguments = calibration(path);
            arguments.emplace_back(json);
            const Outcome o = hetmap(arguments);
            CHECK(o.code == 2);
            CHECK(sim::is_printable(o.err.substr(0, o.err.find('\n'))));
        }
    }
    CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("names that are no names are refused, and shown without harm") {
    for (std::string Names::*const name :
         {&Names::model, &Names::input, &Names::first, &Names::cpu, &Names::variant}) {
        for (const char* bad : {"a\x1b[31mRED", "a\u0085", "\u202ea", "\ufffe"}) {
            Names names;
            names.*name = bad;
            const Described d{names};
            const Outcome o = hetmap(d.map());
            CAPTURE(o.err);
            CHECK(o.code == 2);
            CHECK(o.err.find("printable") != std::string::npos);
            CHECK(sim::is_printable(o.err.substr(0, o.err.size() - 1)));
        }
    }
}

TEST_CASE("every file that is written from hostile names is one that is read") {
    std::mt19937_64 random{7};
    for (int round = 0; round < 12; ++round) {
        Names names;
        for (std::string Names::*const name : {&Names::model,
                                               &Names::input,
                                               &Names::first,
                                               &Names::second,
                                               &Names::variant,
                                               &Names::configuration}) {
            names.*name = hostile::name(random);
        }
        // Devices have no '/' in their names, and no two things the same one.
        const auto device = [&](const std::string& suffix) {
            std::string text = hostile::name(random) + suffix;
            std::replace(text.begin(), text.end(), '/', '_');
            return text;
        };
        names.cpu = device("c");
        names.gpu = device("g");
        names.first += "1";
        names.second += "2";
        names.input += "0";
        const Described d{names};
        const auto file = [&](const char* name) { return d.folder.file(name); };
        const Outcome map = hetmap(d.map({"--json",
                                          "--out",
                                          file("map.yaml"),
                                          "--gantt",
                                          file("g.svg"),
                                          "--trace",
                                          file("t.json"),
                                          "--dot",
                                          file("d.dot")}));
        CAPTURE(map.err);
        CAPTURE(model_of(names));
        REQUIRE(map.code == 0);
        CHECK(json::parse(map.out)["model"] == names.model);
        CHECK(json::parse(text_of(file("t.json"))).is_object());
        CHECK(hetmap({"show", "result", d.folder.write("r.json", map.out)}).code == 0);
        CHECK(hetmap({"show", "mapping", file("map.yaml")}).code == 0);
        const Outcome simulate = hetmap({"simulate",
                                         "--model",
                                         d.model,
                                         "--platform",
                                         d.platform,
                                         "--mapping",
                                         file("map.yaml"),
                                         "--json"});
        CAPTURE(simulate.err);
        REQUIRE(simulate.code == 0);
        CHECK(json::parse(simulate.out)["makespan_us"] == json::parse(map.out)["makespan_us"]);

        const Outcome front = hetmap(d.map({"--pareto",
                                            "latency,energy",
                                            "--front",
                                            file("f.csv"),
                                            "--front-plot",
                                            file("f.svg"),
                                            "--json"}));
        REQUIRE(front.code == 0);
        const std::vector<std::vector<std::string>> rows = rows_of(text_of(file("f.csv")));
        REQUIRE(rows.size() > 1);
        for (const std::vector<std::string>& row : rows) {
            CHECK(row.size() == rows[0].size());
        }
        CHECK(rows[0].back().ends_with("on " + names.gpu));
        CHECK(is_well_formed(text_of(file("g.svg"))));
        CHECK(is_well_formed(text_of(file("f.svg"))));
    }
}
