// Reports of one small mapping, hand-built, against the files in tests/golden/. After a change on
// purpose, HETMAP_UPDATE_GOLDEN=1 rewrites them; read the difference before it goes in.

#include "sim/describe/platform.hpp"
#include "sim/error.hpp"
#include "sim/report/front.hpp"
#include "sim/report/html.hpp"
#include "sim/report/names.hpp"
#include "sim/report/palette.hpp"
#include "sim/report/report.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace {

using namespace sim;
using namespace std::string_literals;

Time us(double t) { return from_microseconds(t); }

// image -> conv1 -> threshold1 -> pool1 -> conv2 -> threshold2 -> fc (-> output)
Model small_model() {
    const auto layer = [](const char* name, const char* operation, int input) {
        Layer result;
        result.output.element = Element::binary;
        result.name = name;
        result.operation = operation == nullptr ? nullptr : find_operation(operation);
        if (input >= 0) {
            result.inputs = {input};
        }
        return result;
    };
    Model model;
    model.name = "small";
    model.layers = {layer("image", nullptr, -1),
                    layer("conv1", "conv2d", 0),
                    layer("threshold1", "threshold", 1),
                    layer("pool1", "max_pool2d", 2),
                    layer("conv2", "conv2d", 3),
                    layer("threshold2", "threshold", 4),
                    layer("fc", "linear", 5)};
    model.outputs = {{.layer = 6, .place = {}}};
    model.consumers = {{1}, {2}, {3}, {4}, {5}, {6}, {}};
    return model;
}

// The model above on a host and one asynchronous device, each with its memory. One task for each
// part of the mapping; nothing to choose.
Problem small_problem() {
    Problem p;
    p.model = "small";
    p.platform = "two-devices";
    p.batch = 1;
    p.layer_names = {
        "image", "conv1", "threshold1", "pool1", "conv2", "threshold2", "fc", "output"};
    p.model_layer = {0, 1, 2, 3, 4, 5, 6, -1};
    p.inputs = {{}, {0}, {1}, {2}, {3}, {4}, {5}, {6}};
    p.devices = {
        {.memory = 0, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}},
        {.memory = 1,
         .asynchronous = true,
         .submit = us(3),
         .per_task = us(0.5),
         .completion = us(1.5)}};
    p.device_names = {"cpu", "gpu0"};
    p.memory_names = {"host", "gpu0"};
    p.layout_names = {"nhwc", "plain"};
    p.engine_names = {"to gpu0", "from gpu0"};
    p.link_names = {"to gpu0", "from gpu0"};
    p.memories = 2;
    p.layouts = 2;
    p.engines = 2;
    p.engine = {-1, 0, 1, -1};

    const auto task = [](int first,
                         std::vector<int> rest,
                         int device,
                         Time cost,
                         CostKind kind,
                         const char* variant,
                         const char* configuration) {
        Task result;
        result.first = first;
        result.rest = std::move(rest);
        result.last = result.rest.empty() ? first : result.rest.back();
        if (first > 0) {
            result.inputs = {{.tensor = first - 1, .layout = 0}};
        }
        result.device = device;
        result.cost = cost;
        result.kind = kind;
        result.variant = variant;
        result.configuration = configuration;
        return result;
    };
    p.tasks = {task(0, {}, 0, us(0), CostKind::measured, "", ""),
               task(1, {2, 3}, 0, us(4.81), CostKind::measured, "avx512", "2y"),
               task(4, {5}, 1, us(2.72), CostKind::fitted, "tensor_core", ""),
               task(6, {}, 0, us(1.25), CostKind::measured, "scalar", "1"),
               task(7, {}, 0, us(0), CostKind::measured, "", "")};
    p.tasks[1].spread = {.p05 = us(4.75), .p50 = us(4.81), .p95 = us(5.02), .samples = 200};
    p.tasks[3].inputs[0].layout = 1;  // fc reads its input as plain

    // Every tensor: host to device 2.10 us, back 1.90 us; on the host nhwc to plain 0.30 us.
    for (int tensor = 0; tensor < p.layers(); ++tensor) {
        for (int layout = 0; layout < p.layouts; ++layout) {
            p.copy_times.insert(p.copy_times.end(), {us(0), us(2.1), us(1.9), us(0)});
        }
        p.convert_times.insert(p.convert_times.end(), {us(0), us(0.3), us(0.3), us(0)});
        p.convert_times.insert(p.convert_times.end(), {us(0), kNever, kNever, us(0)});
    }
    index(p);
    return p;
}

// A schedule worked out by hand:
//
// dispatcher                       |submission|
// cpu        |conv1+thres.+pool1   |          . . . . the host waits . . . .|to plain|fc     |
// to gpu0                          |pool1  |
// gpu0                                        |conv2+threshold2|
// from gpu0                                                    |thresh.|<1.5>
//            0                  4.81    6.91  8.31         11.03   12.93  14.43    14.73   15.98
Schedule small_schedule() {
    const auto task = [](int device, int index, double start, double end, double waited) {
        return Event{.kind = EventKind::task,
                     .resource = device,
                     .task = index,
                     .start = us(start),
                     .end = us(end),
                     .waited = us(waited)};
    };
    return {.makespan = us(15.98),
            .events = {task(0, 0, 0, 0, 0),
                       task(0, 1, 0, 4.81, 0),
                       {.kind = EventKind::submission,
                        .resource = 0,
                        .task = 2,
                        .start = us(4.81),
                        .end = us(8.31)},
                       {.kind = EventKind::copy,
                        .resource = 0,
                        .task = 2,
                        .tensor = 3,
                        .from = 0,
                        .to = 1,
                        .start = us(4.81),
                        .end = us(6.91)},
                       task(1, 2, 8.31, 11.03, 8.31),
                       {.kind = EventKind::copy,
                        .resource = 1,
                        .task = 3,
                        .tensor = 5,
                        .from = 1,
                        .to = 0,
                        .start = us(11.03),
                        .end = us(12.93)},
                       {.kind = EventKind::conversion,
                        .resource = 0,
                        .task = 3,
                        .tensor = 5,
                        .from = 0,
                        .to = 1,
                        .start = us(14.43),
                        .end = us(14.73),
                        .waited = us(6.12)},
                       task(0, 3, 14.73, 15.98, 0),
                       task(0, 4, 15.98, 15.98, 0)}};
}

struct Small {
    Model model = small_model();
    Problem problem = small_problem();

    Answer answer() const {
        Answer result;
        result.model = &model;
        result.problem = &problem;
        result.mapping = {0, 1, 2, 3, 4};
        result.schedule = small_schedule();
        result.search = "branch-and-bound";
        result.result.mapping = result.mapping;
        result.result.makespan = result.schedule.makespan;
        result.result.lower_bound = result.schedule.makespan;
        result.result.status = SearchStatus::proven;
        result.result.in_any_order = true;
        result.result.evaluated = 1873;
        result.seconds = 0.25;
        result.baselines = {{"only gpu0", us(33.1)}, {"only cpu", us(21.4)}};
        return result;
    }
};

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

const std::filesystem::path kSource{HETMAP_SOURCE_DIR};

void check_golden(const std::string& name, const std::string& text) {
    const auto path = kSource / "tests" / "golden" / name;
    if (std::getenv("HETMAP_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << text;
    }
    CHECK_MESSAGE(text == read(path), "differs from " << path.string());
}

std::string last_line(const std::string& text) {
    const auto end = text.find_last_not_of('\n');
    const auto begin = text.find_last_of('\n', end);
    return text.substr(begin + 1, end - begin);
}

std::string render(std::string_view name, const Answer& answer) {
    for (const Report& report : reports()) {
        if (report.name == name) {
            return report.render(answer);
        }
    }
    FAIL("no report " << std::string(name));
    return "";
}

// A check of XML's grammar as far as our pictures use it: one root, tags that nest, quoted
// attributes once each, known entities, no bare '<' or '&'. What is wrong, or "".
std::string xml_error(const std::string& xml) {
    std::vector<std::string> open;
    int roots = 0;
    std::size_t i = 0;
    const auto check_text = [](const std::string& text) {
        for (std::size_t k = text.find('&'); k != std::string::npos; k = text.find('&', k + 1)) {
            const std::string entity = text.substr(k, text.find(';', k) - k);
            if (!std::set{"&amp"s, "&lt"s, "&gt"s, "&quot"s, "&#39"s}.contains(entity)) {
                return false;
            }
        }
        return text.find('<') == std::string::npos &&
               std::none_of(text.begin(), text.end(), [](unsigned char c) {
                   return c < 0x20 && c != '\n' && c != '\t';
               });
    };
    if (xml.starts_with("<?xml")) {
        i = xml.find("?>") + 2;
    }
    while (i < xml.size()) {
        if (xml[i] != '<') {
            const auto end = std::min(xml.find('<', i), xml.size());
            const std::string text = xml.substr(i, end - i);
            if (!check_text(text)) {
                return "bad text: " + text;
            }
            if (open.empty() && text.find_first_not_of(" \n") != std::string::npos) {
                return "text outside the root: " + text;
            }
            i = end;
            continue;
        }
        const auto end = xml.find('>', i);
        if (end == std::string::npos) {
            return "a tag without end";
        }
        std::string tag = xml.substr(i + 1, end - i - 1);
        i = end + 1;
        if (tag.starts_with('/')) {
            if (open.empty() || open.back() != tag.substr(1)) {
                return "unexpected end of " + tag.substr(1);
            }
            open.pop_back();
            continue;
        }
        const bool closed = tag.ends_with('/');
        if (closed) {
            tag.pop_back();
        }
        const auto name_end = std::min(tag.find(' '), tag.size());
        std::set<std::string> seen;
        for (std::size_t k = tag.find_first_not_of(' ', name_end); k < tag.size();) {
            const auto equals = tag.find("=\"", k);
            const auto quote = equals == std::string::npos ? equals : tag.find('"', equals + 2);
            if (quote == std::string::npos) {
                return "an attribute without quotes in " + tag;
            }
            if (!seen.insert(tag.substr(k, equals - k)).second) {
                return "an attribute twice in " + tag;
            }
            if (!check_text(tag.substr(equals + 2, quote - equals - 2))) {
                return "bad attribute in " + tag;
            }
            k = std::min(tag.find_first_not_of(' ', quote + 1), tag.size());
        }
        roots += open.empty() ? 1 : 0;
        if (!closed) {
            open.push_back(tag.substr(0, name_end));
        }
    }
    if (!open.empty()) {
        return open.back() + " is never closed";
    }
    return roots == 1 ? "" : "not one root";
}

}  // namespace

TEST_CASE("the schedule that the reports show is the one the simulator finds") {
    const Small small;
    const Schedule ours = small_schedule();
    const Schedule simulated = simulate(small.problem, {0, 1, 2, 3, 4});
    CHECK(simulated.makespan == ours.makespan);
    REQUIRE(simulated.events.size() == ours.events.size());
    for (std::size_t i = 0; i < ours.events.size(); ++i) {
        CAPTURE(i);
        CHECK(simulated.events[i].kind == ours.events[i].kind);
        CHECK(simulated.events[i].resource == ours.events[i].resource);
        CHECK(simulated.events[i].task == ours.events[i].task);
        CHECK(simulated.events[i].start == ours.events[i].start);
        CHECK(simulated.events[i].end == ours.events[i].end);
        CHECK(simulated.events[i].waited == ours.events[i].waited);
    }
}

TEST_CASE("the text table asks first, answers last and is the sample in its source") {
    const Small small;
    const std::string text = text_table(small.answer());
    check_golden("report.txt", text);

    std::string comment;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        comment += line.empty() ? "//\n" : "//     " + line + "\n";
    }
    CHECK(read(kSource / "sim" / "report" / "text.cpp").find(comment) != std::string::npos);
}

TEST_CASE("the text table hides the cost column when every cost was measured") {
    Small small;
    CHECK(text_table(small.answer()).find("fitted") != std::string::npos);
    small.problem.tasks[2].kind = CostKind::measured;
    const std::string text = text_table(small.answer());
    CHECK(text.find("measured") == std::string::npos);
    CHECK(text.find("cost") == std::string::npos);
}

TEST_CASE("the last line says how far an unproven answer may be from the optimum") {
    const Small small;
    Answer answer = small.answer();
    answer.baselines.clear();
    answer.result.status = SearchStatus::unproven;

    answer.result.lower_bound = us(15.5);  // 15.98 / 15.5 is 1.03097: never rounded down
    CHECK(
        last_line(text_table(answer)) ==
        "15.98 us, not proven optimal: at most 3.1% above the optimum in this order (1,873 nodes)");
    answer.result.lower_bound = Time{};
    CHECK(last_line(text_table(answer)) == "15.98 us, not proven optimal (1,873 nodes)");
    answer.search = "exhaustive";
    answer.result.status = SearchStatus::proven;
    answer.result.evaluated = 1;
    CHECK(last_line(text_table(answer)) == "15.98 us, proven optimal in any order (1 mapping)");
    answer.result.in_any_order = false;
    CHECK(last_line(text_table(answer)) == "15.98 us, proven optimal in this order (1 mapping)");
    answer.result.lower_bound_in_any_order = us(15.5);
    CHECK(last_line(text_table(answer)) ==
          "15.98 us, proven optimal in this order, at most 3.1% above any (1 mapping)");
    answer.search.clear();
    CHECK(last_line(text_table(answer)) == "15.98 us");
}

TEST_CASE("the last line compares with each baseline, and with the fastest of a family") {
    const Small small;
    Answer answer = small.answer();
    answer.search.clear();
    answer.baselines = {{"a", us(15.98 * 2.14)},
                        {"b", us(15.98 * 1.04)},
                        {"c", us(15.98 / 2)},
                        {"d", us(15.98 * 3)}};
    CHECK(last_line(text_table(answer)) ==
          "15.98 us; 2.1x faster than a, 1.04x faster than b, 2.0x slower than c, 3.0x faster than "
          "d");
    answer.baselines = {{"a", us(15.98)}, {"b", us(15.98 * 23)}, {"c", kNever}};
    CHECK(last_line(text_table(answer)) ==
          "15.98 us; as fast as a, 23x faster than b, c is no answer");
    answer.baselines = {{"u x/1", us(15.98 * 4)}, {"a", us(15.98)}, {"u x/2", us(15.98 * 3)}};
    CHECK(last_line(text_table(answer)) == "15.98 us; 3.0x faster than u x/2, as fast as a");
}

TEST_CASE("baselines are compared in words and units of the objective") {
    const Small small;
    Answer answer = small.answer();
    answer.result.evaluated = 0;
    answer.result.in_any_order = false;
    const auto with = [&](Criterion criterion, double value, double theirs) {
        answer.goal.minimise = {{.criterion = criterion}};
        answer.result.value = value;
        answer.baselines = {{"heft", us(20), theirs}, {"greedy", us(20), value}};
        return last_line(text_table(answer));
    };
    CHECK(with(Criterion::energy, 5e9, 5.4e9) ==
          "5 uJ, proven optimal in this order; 15.98 us; 1.08x less energy than heft, as good as "
          "greedy");
    CHECK(nlohmann::json::parse(json_text(answer))["baselines"]["heft"] == 5.4);
    CHECK(with(Criterion::energy_delay, 5e15, 4e15) ==
          "5 uJ us, proven optimal in this order; 15.98 us; 1.2x more energy x delay than heft, as "
          "good as greedy");
    CHECK(with(Criterion::period, 5e6, 10e6) ==
          "a frame every 5.00 us (200000.0 a second), proven optimal in this order; 15.98 us; 2.0x "
          "faster than heft, as good as greedy");
    CHECK(nlohmann::json::parse(json_text(answer))["baselines"]["heft"] == 10);
    // A frame is a run of the batch.
    CHECK(value_per_image_text(answer) == "an image every 5.00 us (200000.0 a second)");
    answer.goal.minimise = {{.criterion = Criterion::energy}};
    answer.result.value = 5e9;
    CHECK(value_per_image_text(answer) == "5 uJ an image");
}

TEST_CASE("an infeasible search says why in every report") {
    const Small small;
    Answer answer = small.answer();
    answer.mapping.clear();
    answer.schedule = {};
    answer.result = {};
    answer.result.status = SearchStatus::infeasible;
    answer.result.note = "no device runs conv2";
    answer.baselines.clear();
    CHECK(text_table(answer) ==
          "small on two-devices, batch 1, branch-and-bound\n\nno mapping: no device runs conv2\n");
    const auto json = nlohmann::json::parse(json_text(answer));
    CHECK(json["makespan_us"].is_null());
    CHECK(json["status"] == "infeasible");
    CHECK(json["note"] == "no device runs conv2");
    CHECK(xml_error(render("gantt", answer)) == "");
    CHECK(nlohmann::json::parse(render("trace", answer))["otherData"]["found"] ==
          "no mapping: no device runs conv2");
}

TEST_CASE("the JSON answer has the promised keys, exact times, and null for what is unknown") {
    const Small small;
    const std::string text = json_text(small.answer());
    check_golden("report.json", text);

    const auto json = nlohmann::json::parse(text);
    for (const char* key : {"model",
                            "platform",
                            "objective",
                            "batch",
                            "search",
                            "makespan_us",
                            "energy_mj",
                            "lower_bound_us",
                            "proven_optimal",
                            "evaluated",
                            "seconds",
                            "baselines",
                            "layers"}) {
        CHECK_MESSAGE(json.contains(key), key);
    }
    CHECK(json["makespan_us"] == 15.98);
    CHECK(json["energy_mj"].is_null());
    CHECK(json["proven_optimal"] == true);
    CHECK(json["baselines"]["only cpu"] == 21.4);
    REQUIRE(json["layers"].size() == 3);
    const auto& conv = json["layers"][0];
    for (const char* key : {"name",
                            "device",
                            "kernel",
                            "variant",
                            "configuration",
                            "start_us",
                            "end_us",
                            "cost_kind"}) {
        CHECK_MESSAGE(conv.contains(key), key);
    }
    CHECK(conv["name"] == "conv1+threshold1+pool1");
    CHECK(conv["kernel"] == "conv2d binary | threshold | max_pool2d");
    CHECK(json["layers"][1]["spread"].is_null());
    CHECK(json["copies"].size() == 2);
    CHECK(json["conversions"].size() == 1);
    CHECK(json["submissions"][0]["device"] == "gpu0");
    CHECK(json["submissions"][0]["layers"] == nlohmann::json::array({"conv2", "threshold2"}));
}

TEST_CASE("the placement has a row for each layer, with its device and segment") {
    const Small small;
    check_golden("placement.csv", render("placement", small.answer()));
}

TEST_CASE("the trace has a named track for each resource and no overlap on any") {
    const Small small;
    const std::string text = render("trace", small.answer());
    check_golden("trace.json", text);

    const auto trace = nlohmann::json::parse(text);
    std::map<int, std::string> tracks;
    std::map<int, double> busy_until;
    std::map<std::string, int> count;
    for (const auto& event : trace["traceEvents"]) {
        if (event["name"] == "thread_name") {
            tracks[event["tid"]] = event["args"]["name"];
        }
        if (event["ph"] != "X") {
            continue;
        }
        const int track = event["tid"];
        CHECK(event["ts"].get<double>() >= busy_until[track]);
        // Both are decimal microseconds: a picosecond of slack for their sum in binary.
        busy_until[track] = event["ts"].get<double>() + event["dur"].get<double>() - 1e-6;
        ++count[tracks.at(track)];
    }
    CHECK(count == std::map<std::string, int>{{"dispatcher", 1},
                                              {"cpu (device)", 3},
                                              {"gpu0 (device)", 1},
                                              {"to gpu0 (copy engine)", 1},
                                              {"from gpu0 (copy engine)", 1}});
}

TEST_CASE("the Gantt chart is well-formed SVG with a box for each event") {
    const Small small;
    const std::string svg = render("gantt", small.answer());
    check_golden("gantt.svg", svg);
    CHECK(xml_error(svg) == "");
    std::size_t boxes = 0;
    for (auto at = svg.find("<title>"); at != std::string::npos; at = svg.find("<title>", at + 1)) {
        ++boxes;
    }
    CHECK(boxes == 7);  // 3 tasks, 2 copies, 1 conversion, 1 submission
}

TEST_CASE("the check of XML finds what is wrong") {
    CHECK(xml_error("<a b=\"1\"><c/>x &lt; y</a>") == "");
    CHECK(xml_error("<a><b></a></b>") != "");
    CHECK(xml_error("<a b=1></a>") != "");
    CHECK(xml_error("<a>x & y</a>") != "");
    CHECK(xml_error("<a b=\"1\" b=\"2\"/>") != "");
    CHECK(xml_error("<a/><b/>") != "");
    CHECK(xml_error("<a>") != "");
}

TEST_CASE("the Gantt chart shows the host waiting for the model's output") {
    const Small small;
    Answer answer = small.answer();
    std::erase_if(answer.schedule.events, [](const Event& e) { return e.waited.count() > 0; });
    CHECK(render("gantt", answer).find("the host waits") == std::string::npos);
    answer.schedule.events.back().waited = us(1);
    CHECK(render("gantt", answer).find("the host waits") != std::string::npos);
}

TEST_CASE("the graph has a node for each task and marks copied tensors") {
    const Small small;
    check_golden("mapping.dot", render("dot", small.answer()));
}

// Every kind of event there is; a new one that name_of() leaves out is a warning of its compiler.
std::vector<EventKind> every_kind() {
    std::vector<EventKind> kinds;
    for (int number = 0; !name_of(static_cast<EventKind>(number)).empty(); ++number) {
        kinds.push_back(static_cast<EventKind>(number));
    }
    return kinds;
}

std::size_t occurrences(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

TEST_CASE("every report tells of every kind of event, with and without names") {
    for (const bool has_names : {true, false}) {
        CAPTURE(has_names);
        Small small;
        if (!has_names) {
            small.problem.layer_names.clear();
            small.problem.device_names.clear();
            small.problem.memory_names.clear();
            small.problem.layout_names.clear();
            small.problem.engine_names.clear();
            small.problem.link_names.clear();
        }
        Answer answer = small.answer();
        answer.schedule.events.insert(answer.schedule.events.begin() + 4,
                                      {.kind = EventKind::reconfiguration,
                                       .resource = 1,
                                       .task = 2,
                                       .start = us(7),
                                       .end = us(8)});
        CHECK(xml_error(render("gantt", answer)) == "");

        std::vector<std::pair<std::string, std::string (*)(const Answer&)>> renderers{
            {"text", text_table}};
        for (const Report& report : reports()) {
            if (report.name != "placement") {  // the mapping alone, whatever happens
                renderers.emplace_back(report.name, report.render);
            }
        }
        for (const EventKind kind : every_kind()) {
            Answer without = answer;
            REQUIRE(std::erase_if(without.schedule.events,
                                  [&](const Event& event) { return event.kind == kind; }) > 0);
            // "conver": the graph says "convert".
            const std::string word = kind == EventKind::task ? has_names ? "conv2" : "layer 4"
                                                             : std::string(name_of(kind), 0, 6);
            for (const auto& renderer : renderers) {
                const auto& [name, render] = renderer;
                CAPTURE(renderer.first);
                CAPTURE(word);
                const std::size_t count = occurrences(render(answer), word);
                CHECK(count > 0);
                // The graph shows a mapping: its tasks are there whatever happens.
                if (kind != EventKind::task || name != "dot") {
                    CHECK(count > occurrences(render(without), word));
                }
            }
        }
        const auto json = nlohmann::json::parse(json_text(answer));
        CHECK(json["layers"].size() == 3);
        CHECK(json["copies"].size() == 2);
        for (const char* key : {"conversions", "submissions", "reconfigurations"}) {
            CHECK_MESSAGE(json[key].size() == 1, key);
        }
        CHECK(json["reconfigurations"][0]["device"] == (has_names ? "gpu0" : "device 1"));
        CHECK(json["devices"][has_names ? "gpu0" : "device 1"]["busy_us"] == 2.72 + 1);
    }
}

TEST_CASE("what a device's configurations take is counted from one loading to the next") {
    Small small;
    small.problem.budgets = {{.name = "cpu.cells", .device = 0, .limit = 20}};
    small.problem.devices[0].reconfiguration = us(5);
    small.problem.tasks[1].uses = {6};
    small.problem.tasks[3].uses = {5};
    Answer answer = small.answer();
    CHECK(text_table(answer).find("\ntakes: cpu.cells 11 of 20\n") != std::string::npos);
    answer.schedule.events.push_back(
        {.kind = EventKind::reconfiguration, .resource = 0, .task = 3});
    CHECK(text_table(answer).find("\ntakes: cpu.cells 6 of 20\n") != std::string::npos);
}

TEST_CASE("a copy by way of another memory is told hop by hop") {
    Small small;
    Problem& problem = small.problem;  // gpu0's memory is reached by way of one called "bridge"
    problem.memory_names.push_back("bridge");
    problem.memories = 3;
    problem.engine_names.push_back("from bridge");
    problem.engines = 3;
    Answer answer = small.answer();
    std::vector<Event>& events = answer.schedule.events;
    REQUIRE(events[3].kind == EventKind::copy);
    events[3].to = 2;
    events[3].end = us(6);
    Event hop = events[3];
    hop.resource = 2;
    hop.from = 2;
    hop.to = 1;
    hop.start = us(6);
    hop.end = us(6.91);
    events.insert(events.begin() + 4, hop);

    CHECK(render("dot", answer)
              .find("t1 -> t4 [style=dashed, label=\"copy host to bridge, 1.19 us\\ncopy bridge to "
                    "gpu0, 0.91 us\"]") != std::string::npos);
    const std::string text = text_table(answer);
    CHECK(text.find("  copy of pool1             to gpu0      host to bridge") !=
          std::string::npos);
    CHECK(text.find("  copy of pool1             from bridge  bridge to gpu0") !=
          std::string::npos);
    CHECK(text.find("3 copies 4.00 us") != std::string::npos);
    CHECK(nlohmann::json::parse(json_text(answer))["copies"].size() == 3);
    CHECK(occurrences(render("gantt", answer), "<title>copy of ") == 3);
    CHECK(occurrences(render("trace", answer), "copy of pool1") == 2);
}

TEST_CASE("a result from inside a fused task has an edge of its own in the graph") {
    Small small;
    small.problem.tasks[3].inputs.push_back({.tensor = 2, .layout = 0});
    const std::string graph = render("dot", small.answer());
    CHECK(graph.find("    t1 -> t6\n") != std::string::npos);
    CHECK(graph.find("    t4 -> t6 [") != std::string::npos);
}

// Channels of "#rrggbb" as WCAG 2.1 adds them up: its "contrast ratio" of two colours, 1 to 21.
double contrast(const std::string& one, const std::string& other) {
    const auto luminance = [](const std::string& colour) {
        double sum = 0;
        for (const auto& [first, weight] : {std::pair{1, 0.2126}, {3, 0.7152}, {5, 0.0722}}) {
            const double share =
                std::stoi(colour.substr(static_cast<std::size_t>(first), 2), nullptr, 16) / 255.0;
            sum += weight *
                   (share <= 0.03928 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4));
        }
        return sum + 0.05;
    };
    const double a = luminance(one), b = luminance(other);
    return std::max(a, b) / std::min(a, b);
}

TEST_CASE("colours differ, and what is written on them can be read") {
    std::set<std::string> fills;
    for (std::size_t i = 0; i < kColours; ++i) {
        const Colour colour = colour_of(i);
        CHECK(fills.insert(colour.fill).second);
        CHECK_MESSAGE(contrast(colour.fill, colour.text) > 3, colour.fill);
    }
    CHECK(colour_of(kColours).fill == colour_of(0).fill);
}

// A chain of a layer for each of `devices` devices, every one with a memory and a kernel of its
// own, each layer for a microsecond.
struct Chain {
    Problem problem;
    Answer answer;

    explicit Chain(int devices) {
        problem.layouts = 1;
        problem.memories = devices;
        problem.layer_names = {"image"};
        problem.inputs = {{}};
        problem.tasks.resize(static_cast<std::size_t>(devices) + 2);
        for (int d = 0; d < devices; ++d) {
            problem.devices.push_back(
                {.memory = d, .submit = {}, .per_task = {}, .completion = {}});
            problem.device_names.push_back(fmt::format("device{}", d));
            problem.memory_names.push_back(fmt::format("memory{}", d));
            problem.layer_names.push_back(fmt::format("layer{}", d));
            problem.inputs.push_back({d});
            Task& task = problem.tasks[static_cast<std::size_t>(d) + 1];
            task.device = d;
            task.variant = fmt::format("kernel_of_device{}_", d);
            answer.schedule.events.push_back({.kind = EventKind::task,
                                              .resource = d,
                                              .task = d + 1,
                                              .start = us(d),
                                              .end = us(d + 1)});
        }
        problem.inputs.push_back({devices});
        problem.layer_names.emplace_back("output");
        for (int t = 0; t < devices + 2; ++t) {
            Task& task = problem.tasks[static_cast<std::size_t>(t)];
            task.first = task.last = t;
            if (t > 0) {
                task.inputs = {{.tensor = t - 1, .layout = 0}};
            }
            answer.mapping.push_back(t);
        }
        answer.problem = &problem;
        answer.schedule.makespan = us(devices);
        answer.memories.resize(static_cast<std::size_t>(devices));
    }
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
};

TEST_CASE("reports of 64 devices tell them apart") {
    constexpr int kDevices = 64;
    const Chain chain(kDevices);
    const std::string graph = render("dot", chain.answer);
    const std::string chart = render("gantt", chain.answer);
    CHECK(xml_error(chart) == "");
    const auto json = nlohmann::json::parse(json_text(chain.answer));
    CHECK(json["devices"].size() == kDevices);
    CHECK(json["memories"].size() == kDevices);
    CHECK(occurrences(render("trace", chain.answer), "thread_name") == kDevices);
    CHECK(occurrences(text_table(chain.answer), "kernel_of_device") == kDevices);

    std::set<std::string> fills;
    for (auto at = graph.find("fillcolor=\"#"); at != std::string::npos;
         at = graph.find("fillcolor=\"#", at + 1)) {
        fills.insert(graph.substr(at, 20));
    }
    CHECK(fills.size() == kDevices + 1);  // and the model's input and output

    // The legend names every kernel and ends inside the picture.
    const auto begin = chart.find("<g transform=");
    REQUIRE(begin != std::string::npos);
    const std::string legend = chart.substr(begin);
    for (int d = 0; d < kDevices; ++d) {
        CHECK(legend.find(fmt::format("kernel_of_device{}_<", d)) != std::string::npos);
    }
    const double height = std::stod(chart.substr(chart.find("height=\"") + 8));
    const auto last = chart.rfind("<g transform=\"translate(");
    const double last_y = std::stod(chart.substr(chart.find(' ', last + 14) + 1));
    CHECK(last_y + 12 < height);
}

TEST_CASE("names with marks and control characters break no report") {
    Small small;
    small.problem.layer_names[6] = "a<b>&\"c\"'\\\x01\n\xc3\xa9";
    small.problem.model = "m\"<\x02>";
    const Answer answer = small.answer();
    CHECK(xml_error(render("gantt", answer)) == "");
    CHECK(nlohmann::json::parse(json_text(answer))["layers"][2]["name"] ==
          small.problem.layer_names[6]);
    CHECK(nlohmann::json::accept(render("trace", answer)));
    CHECK(render("dot", answer).find("a<b>&\\\"c\\\"'\\\\") != std::string::npos);

    small.problem.layer_names[6] = "not UTF-8: \xff";
    CHECK(nlohmann::json::accept(json_text(small.answer())));
    CHECK(nlohmann::json::accept(render("trace", small.answer())));
}

TEST_CASE("the Gantt chart's axis fits schedules of a nanosecond and of a minute") {
    const Small small;
    Answer answer = small.answer();
    for (const std::int64_t picoseconds : {std::int64_t{0},
                                           std::int64_t{1},
                                           std::int64_t{1'000},
                                           std::int64_t{60'000'000'000'000}}) {
        answer.schedule.makespan = Time{picoseconds};
        answer.schedule.events.clear();
        const std::string svg = render("gantt", answer);
        CHECK(xml_error(svg) == "");
        CHECK(svg.find("nan") == std::string::npos);
        CHECK(svg.find("inf") == std::string::npos);
        std::size_t lines = 0;
        for (auto at = svg.find("<line "); at != std::string::npos;
             at = svg.find("<line ", at + 1)) {
            ++lines;
        }
        CHECK(lines >= 1);
        CHECK(lines <= 13);
    }
}

// Two points of the small problem: its answer, and the same again as if it were slower and took
// less.
FrontAnswer small_front(const Small& small) {
    FrontAnswer front;
    front.model = "small";
    front.search = "branch-and-bound";
    front.goal.minimise = {{Criterion::latency}, {Criterion::energy}};
    front.front.proven = true;
    front.front.evaluated = 1873;
    for (const auto& [time, energy] : {std::pair{15.98, 9.551}, std::pair{21.4, 8.0}}) {
        FrontPoint point;
        point.mapping = small.answer().mapping;
        point.values = {time * 1e6, energy * 1e9};
        front.front.points.push_back(point);
        Answer answer = small.answer();
        answer.goal = front.goal;
        front.points.push_back(answer);
    }
    return front;
}

TEST_CASE("a front as a table, as CSV, as JSON and as a picture") {
    Small small;
    small.problem.weighted_channels.assign(small.problem.inputs.size(), 0);
    small.problem.weighted_channels[1] = 30;  // conv1, on the CPU
    small.problem.weighted_channels[4] = 10;  // conv2, on the GPU
    const FrontAnswer front = small_front(small);
    check_golden("front.txt", front_text(front));
    check_golden("front.svg", front_svg(front));
    CHECK(front_csv(front) ==
          "point,latency [us],energy [uJ],share of channels on cpu,share of channels on gpu0\n"
          "1,15.98,9.551,0.75,0.25\n"
          "2,21.4,8,0.75,0.25\n");
    const auto json = nlohmann::json::parse(front_json(front));
    CHECK(json["proven"] == true);
    REQUIRE(json["points"].size() == 2);
    CHECK(json["points"][1]["values"]["energy"] == 8.0);
    CHECK_FALSE(json["points"][1].contains("proven_optimal"));  // the front is proven, not a point
}

// A hundred points on a curve that bends once, at (20, 20).
FrontAnswer long_front(const Small& small) {
    FrontAnswer front = small_front(small);
    front.front.points.clear();
    front.points.clear();
    for (int i = 0; i < 100; ++i) {
        FrontPoint point;
        point.mapping = small.answer().mapping;
        const double time = i < 20 ? i + 1 : 20 + (i - 20) * 10;
        const double energy = i < 20 ? 20 + (19 - i) * 40 : 20 - (i - 20) * 0.25;
        point.values = {time * 1e6, energy * 1e9};
        front.front.points.push_back(point);
        front.points.push_back(small.answer());
    }
    return front;
}

TEST_CASE("the table of a long front has its ends and its knees, unless all is asked for") {
    Small small;
    small.problem.weighted_channels.assign(small.problem.inputs.size(), 1);
    const FrontAnswer front = long_front(small);
    CHECK(knees(front).size() <= 8);
    CHECK(std::ranges::count(knees(front), 19) == 1);
    const std::string text = front_text(front);
    CHECK(text.find("\n   20         20.00           20  knee") != std::string::npos);
    CHECK(text.find("knee, least latency") != std::string::npos);
    CHECK(text.find("least energy") != std::string::npos);
    CHECK(text.find("of 100 points, --all shows every one") != std::string::npos);
    CHECK(std::ranges::count(text, '\n') < 20);
    const std::string all = front_text(front, true);
    CHECK(std::ranges::count(all, '\n') > 100);
    CHECK(all.find("--all") == std::string::npos);
    CHECK(all.find("knee") == std::string::npos);
}

TEST_CASE("knees are of any number of objectives, and of no points there are none") {
    const Small small;
    FrontAnswer front = small_front(small);
    front.goal.minimise = {{Criterion::latency}};
    for (FrontPoint& point : front.front.points) {
        point.values.resize(1);
    }
    CHECK(knees(front) == std::vector<std::size_t>{0});
    front.goal.minimise = {{Criterion::latency}, {Criterion::energy}, {Criterion::loss}};
    front.front.points[0].values = {1, 2, 3};
    front.front.points[1].values = {3, 2, 1};
    CHECK(knees(front) == std::vector<std::size_t>{0, 1});
    front.front.points.clear();
    CHECK(knees(front).empty());
}

// ---- the report to look at ------------------------------------------------------------------

Platform small_platform() {
    Platform platform;
    platform.name = "two-devices";
    platform.memories = {{.name = "host"}, {.name = "gpu0"}};
    platform.devices.resize(2);
    platform.devices[0].name = "cpu";
    platform.devices[1].name = "gpu0";
    platform.devices[1].memory = 1;
    platform.provenance = {{"date", "2026-11-28"}};
    platform.warnings = {"the machine was busy"};
    return platform;
}

// A build without D3 makes no reports, which tests/browser/run says.
bool makes_html() {
    try {
        expect_html_reports();
        return true;
    } catch (const InputError& error) {
        CHECK(std::string{error.what()}.find("D3 was missing") != std::string::npos);
        return false;
    }
}

// What stands in the script of that id.
nlohmann::json data_in(const std::string& html) {
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const std::size_t from = html.find(begin) + begin.size();
    return nlohmann::json::parse(html.substr(from, html.find("</script>", from) - from));
}

std::size_t count_of(std::string_view text, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) {
        ++count;
    }
    return count;
}

TEST_CASE("a report to look at has the answer as its JSON, the network and the machine") {
    const Small small;
    const Answer answer = small.answer();
    const Platform platform = small_platform();
    if (!makes_html()) {
        return;
    }
    const std::string html = html_report({.platform = &platform, .answer = &answer});
    const auto data = data_in(html);
    CHECK(data["answer"] == nlohmann::json::parse(json_text(answer)));
    CHECK(data["front"].is_null());
    CHECK(data["heading"] == heading(answer));
    CHECK(data["finding"] == finding(answer));
    REQUIRE(data["networks"]["small"].size() == 8);
    CHECK(data["networks"]["small"][4]["name"] == "conv2");
    CHECK(data["networks"]["small"][4]["operation"] == "conv2d");
    CHECK(data["networks"]["small"][4]["inputs"] == nlohmann::json{3});
    CHECK(data["platform"]["devices"][1]["memory"] == "gpu0");
    CHECK(data["platform"]["warnings"][0] == "the machine was busy");
    CHECK(html.find("default-src 'none'") != std::string::npos);
    CHECK(html.find("<title>small on two-devices, batch 1, branch-and-bound</title>") !=
          std::string::npos);
    CHECK(html.find("Redistribution and use in source and binary forms") != std::string::npos);
    CHECK(html.find("{{") == std::string::npos);  // no place is left open

    // What is validated, and a platform alone.
    const auto validated = data_in(html_report(
        {.platform = &platform, .answer = &answer, .validation = R"({"regret_percent": 2})"}));
    CHECK(validated["validation"]["regret_percent"] == 2);
    CHECK(data_in(html_report({.platform = &platform, .profile = true}))["platform"]["measured"] ==
          nlohmann::json::array());
}

TEST_CASE("a front is packed in a report, and is the same when unpacked") {
    Small small;
    small.problem.weighted_channels.assign(small.problem.inputs.size(), 1);
    const FrontAnswer front = small_front(small);
    const Platform platform = small_platform();
    if (!makes_html()) {
        return;
    }
    const auto packed = data_in(html_report({.platform = &platform, .front = &front}))["front"];
    const auto plain = nlohmann::json::parse(front_json(front));
    CHECK(packed["things"].size() == 3 + 2 + 1 + 1);  // once, though there are two points
    CHECK(packed["knees"] == nlohmann::json({1, 2}));
    for (std::size_t i = 0; i < plain["points"].size(); ++i) {
        auto point = packed["points"][i];
        for (const char* const kind :
             {"layers", "copies", "conversions", "submissions", "reconfigurations"}) {
            for (std::size_t k = 0; k < point[kind].size(); ++k) {
                const auto row = point[kind][k];
                auto event = packed["things"][row[0].get<std::size_t>()];
                event["start_us"] = row[1];
                event["end_us"] = row[2];
                if (plain["points"][i][kind][k].contains("waited_us")) {
                    event["waited_us"] = row[3];
                }
                point[kind][k] = event;
            }
        }
        CHECK(point == plain["points"][i]);
    }
}

TEST_CASE("no name ends the script of a report or begins one") {
    Small small;
    const Platform plain = small_platform();
    const Answer harmless = small.answer();
    if (!makes_html()) {
        return;
    }
    const std::string before = html_report({.platform = &plain, .answer = &harmless});

    const std::string bad = "</script><script>x</script><!--<img src=x>{{style}}&quot;\u2028\u2029";
    small.problem.layer_names[4] = bad;
    small.problem.model = bad;
    small.problem.device_names[1] = bad;
    Platform platform = small_platform();
    platform.name = bad;
    platform.warnings = {bad + "\x01\xff\u202e"};
    platform.provenance = {{bad, bad}};
    const Answer answer = small.answer();
    const std::string html = html_report({.platform = &platform, .answer = &answer});
    for (const char* const mark :
         {"<script", "</script", "<!--", "<img", "\u2028", "\u2029", "\u202e"}) {
        CHECK_MESSAGE(count_of(html, mark) == count_of(before, mark), mark);
    }
    const auto data = data_in(html);
    const std::string shown =
        "</script><script>x</script><!--<img src=x>{{style}}&quot;\\u2028\\u2029";
    CHECK(data["networks"][shown][4]["name"] == shown);
    CHECK(data["platform"]["name"] == shown);
    CHECK(data["answer"]["devices"].contains(shown));
}

TEST_CASE("a front that is not proven, or is of a proxy, says so") {
    const Small small;
    FrontAnswer front = small_front(small);
    front.front.proven = false;
    front.goal.minimise[1] = {Criterion::loss};
    const std::string text = front_text(front);
    CHECK(text.find("not proven: there may be better ones") != std::string::npos);
    CHECK(text.find("proxy") != std::string::npos);
}

TEST_CASE(
    "energy, what is taken, what does not fit, accuracy and a stream are lines of their own") {
    Small small;
    small.problem.energy_unknown.clear();
    small.problem.budgets = {{.name = "gpu0.cells", .device = 1, .limit = 1000}};
    small.problem.tasks[2].uses = {600};
    small.problem.capacities = {2048, 0};
    Answer answer = small.answer();
    answer.energy = EnergyBreakdown{.base = Energy{3'000'000'000},
                                    .idle = {Energy{}, Energy{}},
                                    .working = {Energy{500'000'000}, Energy{}},
                                    .links = {Energy{}, Energy{2'000'000'000'000}}};
    answer.memories = {{.weights = 1024, .peak = 3072, .peak_at = us(2), .peak_layer = 4}, {}};
    answer.violations = {{.kind = Violation::Kind::capacity,
                          .index = 0,
                          .needed = 3072,
                          .limit = 2048,
                          .layer = 4,
                          .when = us(2)}};
    answer.accuracy = AccuracyEstimate{.percent = 90.26, .is_proxy = false, .name = "io-8bit"};
    answer.goal.frames_in_flight = 2;
    answer.stream =
        Stream{.period = us(10), .latency = us(20), .frames = 64, .steady = true, .peak_bytes = {}};
    const std::string text = text_table(answer);
    CAPTURE(text);
    for (const char* line :
         {"\nenergy: base 3 uJ, cpu 500 nJ, from gpu0 2 mJ\n",
          "\ntakes: gpu0.cells 600 of 1,000, host 3.0 KiB of 2.0 KiB\n",
          "\ndoes not fit: memory 'host' needs 3.0 KiB, 1.0 KiB more than its 2.0 KiB",
          "\naccuracy: 90.26% (measured: io-8bit)\n",
          "\nstream: a frame every 10.00 us (100000.0 a second) with 2 in flight, each takes 20.00 "
          "us\n"}) {
        CHECK_MESSAGE(text.find(line) != std::string::npos, line);
    }
    answer.accuracy->is_proxy = true;
    CHECK(text_table(answer).find("by proxy, not measured") != std::string::npos);
}

TEST_CASE("a divided layer has a row for each of its devices") {
    Small small;
    Task& conv = small.problem.tasks[2];
    conv.parts = {{.device = 1,
                   .channels = 40,
                   .busy = us(2.72),
                   .energy = {},
                   .variant = "popc",
                   .configuration = "",
                   .precision = ""},
                  {.device = 0,
                   .channels = 24,
                   .busy = us(1),
                   .energy = {},
                   .variant = "avx2",
                   .configuration = "",
                   .precision = ""}};
    Answer answer = small.answer();
    Event other = answer.schedule.events[4];
    REQUIRE(other.task == 2);
    other.resource = 0;
    answer.schedule.events.insert(answer.schedule.events.begin() + 5, other);
    const std::string text = text_table(answer);
    CHECK(text.find("popc, 40 channels") != std::string::npos);
    CHECK(text.find("avx2, 24 channels") != std::string::npos);
    const auto json = nlohmann::json::parse(json_text(answer));
    REQUIRE(json["layers"].size() == 3);  // one object for it
    CHECK(json["layers"][1]["parts"][1]["device"] == "cpu");
    CHECK(json["devices"]["cpu"]["busy_us"] == 9.86 + 1);
}
