// ODiMO's machines, platforms/published/diana*.yaml and darkside*.yaml, against its formulas, which
// are written down here a second time, and against the figures in results/diana and
// results/darkside. Start at `digital_cycles` and `analog_cycles`.

#include "sim/run/accuracy.hpp"
#include "sim/run/assess.hpp"
#include "sim/search/search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr double kClockMhz = 260;
const std::filesystem::path kModels[] = {HETMAP_SOURCE_DIR "/models"};
const std::filesystem::path kPlatforms[] = {HETMAP_SOURCE_DIR "/platforms/published"};

using sim::at;

double us_of(double cycles) { return cycles / kClockMhz; }
double cycles_of(sim::Time time) { return sim::microseconds(time) * kClockMhz; }

// Within a millionth.
bool agrees(double value, double expected) {
    return std::abs(value - expected) <= 1e-6 * std::abs(expected);
}

// A network on a platform, and its tasks by the channels that they give to one device.
struct Case {
    sim::Model model;
    sim::Platform platform;
    sim::Problem problem;

    Case(const std::string& network, const std::string& machine)
        : model{sim::load_model(network, kModels)},
          platform{sim::load_platform(machine, kPlatforms)},
          problem{sim::compile(model, platform, {})} {}

    int layer(std::string_view name) const {
        return static_cast<int>(std::ranges::find(problem.layer_names, name) -
                                problem.layer_names.begin());
    }
    // In the problem's order: the layers that the machine's formulas are about.
    std::vector<int> weighted_layers() const {
        std::vector<int> layers;
        for (int l = 0; l < problem.layers(); ++l) {
            if (const int m = problem.model_layer[at(l)]; m > 0) {
                const sim::Operation& operation = *model.layers[at(m)].operation;
                if (std::ranges::find(operation.attributes, "weights") !=
                    operation.attributes.end()) {
                    layers.push_back(l);
                }
            }
        }
        return layers;
    }
    const sim::Layer& of_model(int layer) const {
        return model.layers[at(problem.model_layer[at(layer)])];
    }
    int channels_on(const sim::Task& task, std::string_view device) const {
        const auto is_it = [&](int d) { return problem.device_names[at(d)] == device; };
        for (const sim::Part& part : task.parts) {
            if (is_it(part.device)) {
                return part.channels;
            }
        }
        return task.parts.empty() && is_it(task.device) ? of_model(task.first).output.channels()
                                                        : 0;
    }
    // The task that gives so many channels of a layer to the device; -1: there is none.
    int task(int layer, std::string_view device, int channels) const {
        const auto& tasks = problem.starting[at(layer)];
        const auto found = std::ranges::find_if(
            tasks, [&](int t) { return channels_on(problem.tasks[at(t)], device) == channels; });
        return found == tasks.end() ? -1 : *found;
    }
    // The mapping with so many channels of each layer on the device, of `weighted_layers`.
    sim::Mapping mapping(std::string_view device, const std::vector<int>& channels) const {
        const std::vector<int> layers = weighted_layers();
        REQUIRE(layers.size() == channels.size());
        sim::Mapping mapping;
        for (int l = 0; l < problem.layers(); ++l) {
            const auto found = std::ranges::find(layers, l);
            const int chosen =
                found == layers.end()
                    ? problem.starting[at(l)].front()
                    : task(l, device, channels[at(static_cast<int>(found - layers.begin()))]);
            REQUIRE(chosen >= 0);
            mapping.push_back(chosen);
        }
        return mapping;
    }
};

// ---- DIANA. -----------------------------------------------------------------------------------

constexpr double kBaseMw = 24.96 + 28.74 - 42.39;
constexpr double kDigitalMw = 42.39 - 28.74, kAnalogMw = 42.39 - 24.96;

struct Shape {
    int c_in, c_out, kernel, width;
    bool depthwise;
};

Shape shape_of(const Case& c, int layer) {
    const sim::Layer& l = c.of_model(layer);
    return {.c_in = c.model.layers[at(l.inputs[0])].output.channels(),
            .c_out = l.output.channels(),
            .kernel = l.attributes.kernel_width(),
            .width = l.output.width(),
            .depthwise = l.operation->name == "depthwise_conv2d"};
}

int rounds(int count, int at_a_time) { return (count + at_a_time - 1) / at_a_time; }

double digital_cycles(const Shape& s, int channels) {
    if (channels == 0) {
        return 0;
    }
    const int pixels = s.width * s.width;
    const int filters = s.depthwise ? 1 : channels;
    const double compute =
        1.0 * rounds(filters, 16) * s.c_in * rounds(s.width, 16) * s.width * s.kernel * s.kernel;
    return compute + pixels * (channels + s.c_in) / 8.0;
}

double analog_cycles(const Shape& s, int channels) {
    if (channels == 0) {
        return 0;
    }
    int columns = 8;
    while (columns > 1 && (columns * channels > 512 ||
                           (columns + s.kernel - 1) * std::max(64, s.c_in) * s.kernel > 1152)) {
        columns /= 2;
    }
    const double products =
        1.0 * rounds(channels, 512) * rounds(s.c_in, 128) * s.width * s.width / columns;
    return products * 18.2 + 8.0 * s.c_in * s.kernel * s.kernel;
}

struct Sum {
    double cycles = 0, digital = 0, analog = 0;

    void add(const Shape& s, int channels) {
        const double d = digital_cycles(s, channels), a = analog_cycles(s, s.c_out - channels);
        cycles += std::max(d, a);
        digital += d;
        analog += a;
    }
    // Milliwatts x microseconds are nanojoules.
    double microjoules() const {
        return us_of(kBaseMw * cycles + kDigitalMw * digital + kAnalogMw * analog) * 1e-3;
    }
};

using Policy = std::vector<int> (*)(const Case&);

// The first layer with weights, and the last.
std::pair<int, int> ends(const Case& c) {
    int last = 0;
    for (const int l : c.weighted_layers()) {
        if (c.of_model(l).operation->name == "linear") {
            last = l;
        }
    }
    return {c.weighted_layers().front(), last};
}

std::vector<int> all_8bit(const Case& c) {
    std::vector<int> channels;
    for (const int l : c.weighted_layers()) {
        channels.push_back(shape_of(c, l).c_out);
    }
    return channels;
}

std::vector<int> all_ternary(const Case& c) {
    std::vector<int> channels;
    for (const int l : c.weighted_layers()) {
        const Shape s = shape_of(c, l);
        channels.push_back(s.depthwise ? s.c_out : 0);
    }
    return channels;
}

std::vector<int> io_8bit(const Case& c) {
    std::vector<int> channels;
    for (const int l : c.weighted_layers()) {
        const Shape s = shape_of(c, l);
        const bool is_end = l == ends(c).first || l == ends(c).second;
        channels.push_back(s.depthwise || is_end ? s.c_out : 0);
    }
    return channels;
}

// The fastest split of every layer; of equally fast ones that with most digital channels.
std::vector<int> min_cost(const Case& c) {
    std::vector<int> channels;
    for (const int l : c.weighted_layers()) {
        const Shape s = shape_of(c, l);
        int best = s.c_out;
        double least = digital_cycles(s, s.c_out);
        for (int d = s.c_out - 1; d >= 0 && !s.depthwise; --d) {
            const double cycles = std::max(digital_cycles(s, d), analog_cycles(s, s.c_out - d));
            if (cycles < least * (1 - 1e-12)) {
                best = d;
                least = cycles;
            }
        }
        channels.push_back(best);
    }
    return channels;
}

struct Golden {
    const char* network;
    Policy policy;
    // As in results/diana/golden.csv, in its rounding.
    double cycles, milliseconds, microjoules, digital_percent, analog_percent;
};

constexpr std::array<Golden, 20> kGolden{{
    {"resnet20-cifar10", all_8bit, 257673.25, 0.99105, 24.7366, 100, 0},
    {"resnet20-cifar10", all_ternary, 88120.68, 0.33893, 9.7407, 0, 100},
    {"resnet20-cifar10", io_8bit, 86964.45, 0.33448, 9.5514, 4.87, 95.13},
    {"resnet20-cifar10", min_cost, 86964.45, 0.33448, 9.6875, 7.85, 95.13},
    {"resnet18-64", all_8bit, 11336793.00, 43.60305, 1088.3321, 100, 0},
    {"resnet18-64", all_ternary, 464150.00, 1.78519, 51.3064, 0, 100},
    {"resnet18-64", io_8bit, 509861.80, 1.96101, 55.3606, 13.47, 86.53},
    {"resnet18-64", min_cost, 464150.00, 1.78519, 60.1473, 36.28, 100},
    {"resnet18-32", all_8bit, 4409036.50, 16.95783, 423.2675, 100, 0},
    {"resnet18-32", all_ternary, 305154.80, 1.17367, 33.7313, 0, 100},
    {"resnet18-32", io_8bit, 315295.70, 1.21268, 34.5739, 6.07, 93.93},
    {"resnet18-32", min_cost, 304682.90, 1.17186, 44.7476, 70.73, 98.80},
    {"resnet18-224", all_8bit, 10401181.00, 40.00454, 998.5134, 100, 0},
    {"resnet18-224", all_ternary, 629565.20, 2.42140, 69.5912, 0, 100},
    {"resnet18-224", io_8bit, 994339.80, 3.82438, 101.2116, 60.19, 39.81},
    {"resnet18-224", min_cost, 629565.20, 2.42140, 84.1304, 43.99, 100},
    {"mobilenetv1-0.25-vww", all_8bit, 208608.25, 0.80234, 20.0264, 100, 0},
    {"mobilenetv1-0.25-vww", all_ternary, 144454.40, 0.55559, 14.3390, 77.56, 22.44},
    {"mobilenetv1-0.25-vww", io_8bit, 139042.35, 0.53478, 13.6340, 85.86, 14.14},
    {"mobilenetv1-0.25-vww", min_cost, 139042.35, 0.53478, 14.0536, 91.60, 14.14},
}};

bool rounds_to(double value, double rounded, double digit) {
    return std::abs(value - rounded) <= 0.5 * digit + 1e-9;
}

double busy_us(const Case& c, const sim::Schedule& schedule, std::string_view device) {
    double us = 0;
    for (const sim::Event& event : schedule.events) {
        if (event.kind == sim::EventKind::task &&
            c.problem.device_names[at(event.resource)] == device) {
            const sim::Task& task = c.problem.tasks[at(event.task)];
            const auto part = std::ranges::find(task.parts, event.resource, &sim::Part::device);
            us += sim::microseconds(part == task.parts.end() ? task.cost : part->busy);
        }
    }
    return us;
}

TEST_CASE("every share of every layer takes what ODiMO's formulas for DIANA say") {
    for (const char* network : {"resnet20-cifar10", "resnet18-32", "mobilenetv1-0.25-vww"}) {
        const Case c{network, "diana"};
        CAPTURE(network);
        for (const int l : c.weighted_layers()) {
            const Shape s = shape_of(c, l);
            CAPTURE(c.problem.layer_names[at(l)]);
            // Depthwise layers are digital; all others may be divided in every way.
            CHECK(c.problem.starting[at(l)].size() ==
                  (s.depthwise ? 1 : static_cast<std::size_t>(s.c_out) + 1));
            int wrong = 0;
            for (int d = s.depthwise ? s.c_out : 0; d <= s.c_out; ++d) {
                const int index = c.task(l, "digital", d);
                REQUIRE(index >= 0);
                Sum sum;
                sum.add(s, d);
                const sim::Task& task = c.problem.tasks[at(index)];
                const double nanojoules = us_of(kDigitalMw * sum.digital + kAnalogMw * sum.analog);
                // Times are rounded to a picosecond, and energies follow.
                wrong += std::abs(sim::microseconds(task.cost) - us_of(sum.cycles)) > 1e-6;
                wrong += std::abs(sim::microjoules(task.energy) * 1e3 - nanojoules) > 2e-5;
                wrong += task.parts.size() != (d == 0 || d == s.c_out ? 0u : 2u);
            }
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("DIANA's cycles, energy and utilisation are ODiMO's for its policies and networks") {
    std::string network;
    std::vector<Case> loaded;
    for (const Golden& golden : kGolden) {
        if (golden.network != network) {
            network = golden.network;
            loaded.clear();
            loaded.emplace_back(network, "diana");
        }
        const Case& c = loaded.front();
        const std::vector<int> channels = golden.policy(c);
        CAPTURE(network);
        CAPTURE(golden.cycles);

        Sum sum;
        const std::vector<int> layers = c.weighted_layers();
        for (std::size_t i = 0; i < layers.size(); ++i) {
            sum.add(shape_of(c, layers[i]), channels[i]);
        }
        const sim::Mapping mapping = c.mapping("digital", channels);
        const sim::Assessment assessment = sim::assess(c.problem, mapping);
        REQUIRE(assessment.energy);
        CHECK(agrees(sim::microseconds(assessment.makespan), us_of(sum.cycles)));
        CHECK(agrees(sim::microjoules(*assessment.energy), sum.microjoules()));

        const double cycles = cycles_of(assessment.makespan);
        CHECK(rounds_to(sum.cycles, golden.cycles, 0.01));
        CHECK(rounds_to(sim::microseconds(assessment.makespan) * 1e-3, golden.milliseconds, 1e-5));
        CHECK(rounds_to(sim::microjoules(*assessment.energy), golden.microjoules, 1e-4));
        const sim::Schedule schedule = sim::simulate(c.problem, mapping);
        const double digital = busy_us(c, schedule, "digital") * kClockMhz / cycles * 100;
        const double analog = busy_us(c, schedule, "analog") * kClockMhz / cycles * 100;
        CHECK(rounds_to(digital, golden.digital_percent, 0.01));
        CHECK(rounds_to(analog, golden.analog_percent, 0.01));
    }
}

// ---- Min-Cost: the greedy search that prefers the digital accelerator. --------------------------

// Digital channels in ODiMO's repository (results/diana/authors-splits.csv) of the layers that have
// any, but for four layers: see below.
struct Splits {
    const char* network;
    std::map<std::string, int> digital;
};

TEST_CASE("greedy search that prefers the digital accelerator finds the authors' Min-Cost splits") {
    const std::array<Splits, 5> known{{
        {"resnet20-cifar10", {{"conv1", 16}, {"b3_0_conv1", 4}, {"fc", 10}}},
        {"resnet18-32",
         {{"conv1", 16},
          {"l3_0_conv1", 16},
          {"l3_0_conv2", 16},
          {"l3_1_conv1", 16},
          {"l3_1_conv2", 16},
          {"l4_0_conv1", 32},
          {"l4_0_conv2", 32},
          {"l4_0_ds", 32},
          {"l4_1_conv1", 32},
          {"l4_1_conv2", 32},
          {"fc", 100}}},
        // fc: theirs are 127 of 200, 1 % slower in that layer than 112.
        {"resnet18-64",
         {{"conv1", 16},
          {"l4_0_conv1", 16},
          {"l4_0_conv2", 16},
          {"l4_0_ds", 16},
          {"l4_1_conv1", 16},
          {"l4_1_conv2", 16},
          {"fc", 112}}},
        // fc: theirs are 127 of 1000, as fast as 128.
        {"resnet18-224",
         {{"conv1", 16},
          {"l4_0_conv1", 16},
          {"l4_0_conv2", 16},
          {"l4_0_ds", 16},
          {"l4_1_conv1", 16},
          {"l4_1_conv2", 16},
          {"fc", 128}}},
        // pw12, pw13: theirs are 31 of 256, as fast as 32.
        {"mobilenetv1-0.25-vww", {{"conv0", 8}, {"pw1", 6}, {"pw12", 32}, {"pw13", 32}, {"fc", 2}}},
    }};
    for (const Splits& splits : known) {
        CAPTURE(splits.network);
        const Case c{splits.network, "diana"};
        sim::SearchOptions options;
        options.goal.prefer = {sim::objective_named(c.problem, "digital", true)};
        const sim::SearchResult result = sim::find_search("greedy").run(c.problem, options);
        REQUIRE(!result.mapping.empty());
        for (const int t : result.mapping) {
            const sim::Task& task = c.problem.tasks[at(t)];
            const std::string& name = c.problem.layer_names[at(task.first)];
            const auto layers = c.weighted_layers();
            if (std::ranges::find(layers, task.first) == layers.end()) {
                continue;
            }
            CAPTURE(name);
            const auto split = splits.digital.find(name);
            const bool depthwise = shape_of(c, task.first).depthwise;
            const int expected = depthwise                       ? shape_of(c, task.first).c_out
                                 : split == splits.digital.end() ? 0
                                                                 : split->second;
            CHECK(c.channels_on(task, "digital") == expected);
        }
    }
}

// ---- Fronts. ------------------------------------------------------------------------------------

sim::SearchOptions latency_and_energy() {
    sim::SearchOptions options;
    options.goal.minimise = {{.criterion = sim::Criterion::latency},
                             {.criterion = sim::Criterion::energy}};
    return options;
}

TEST_CASE("on DIANA the fastest mapping of ResNet-20 is also the one with the least energy") {
    const Case c{"resnet20-cifar10", "diana"};
    const sim::Front front = sim::pareto_front(c.problem, latency_and_energy());
    CHECK(front.proven);
    REQUIRE(front.points.size() == 1);
    const sim::Assessment io = sim::assess(c.problem, c.mapping("digital", io_8bit(c)));
    CHECK(front.points[0].assessment.makespan == io.makespan);
    CHECK(front.points[0].assessment.energy == io.energy);
}

TEST_CASE("where DIANA's accelerators overlap, no point of the front is slower than Min-Cost") {
    const Case barrier{"resnet20-cifar10", "diana"};
    const sim::Assessment min_cost_there =
        sim::assess(barrier.problem, barrier.mapping("digital", min_cost(barrier)));
    const Case c{"resnet20-cifar10", "diana-overlap"};
    const sim::Front front = sim::pareto_front(c.problem, latency_and_energy());
    CHECK(front.proven);
    REQUIRE(front.points.size() > 1);
    CHECK(front.points.front().assessment.makespan < min_cost_there.makespan);
    CHECK(*front.points.back().assessment.energy < *min_cost_there.energy);
    // The shortcuts of stages 2 and 3 run beside the two convolutions of the main path: all of
    // their time is saved.
    const double saved =
        us_of(analog_cycles({16, 32, 1, 16, false}, 32) + analog_cycles({32, 64, 1, 8, false}, 64));
    CHECK(agrees(sim::microseconds(min_cost_there.makespan) -
                     sim::microseconds(front.points.front().assessment.makespan),
                 saved));
}

// ---- Accuracy. ----------------------------------------------------------------------------------

TEST_CASE("the sensitivities add up to the measured accuracies that they were made from") {
    struct Row {
        const char* network;
        Policy policy;
        const char* name;  // of the measured entry; empty: only a proxy knows
        double percent;
    };
    const std::array<Row, 6> rows{{
        {"resnet20-cifar10", all_8bit, "All-8bit", 91.32},
        {"resnet20-cifar10", io_8bit, "IO-8bit", 90.26},
        {"resnet20-cifar10", all_ternary, "All-Ternary", 88.96},
        // 4 of 64 channels of one layer at 8 bit more than IO-8bit. ODiMO measured 90.24.
        {"resnet20-cifar10", min_cost, "", 90.26 + 4.0 / 64 * (0.073 - 0.02)},
        {"mobilenetv1-0.25-vww", all_8bit, "All-8bit", 84.78},
        {"mobilenetv1-0.25-vww", io_8bit, "IO-8bit", 74.28},
    }};
    for (const Row& row : rows) {
        CAPTURE(row.network);
        CAPTURE(row.percent);
        const Case c{row.network, "diana"};
        const sim::Mapping mapping = c.mapping("digital", row.policy(c));
        const auto accuracy = sim::accuracy_of(c.model, c.problem, mapping);
        REQUIRE(accuracy);
        CHECK(accuracy->name == row.name);
        CHECK(accuracy->is_proxy == accuracy->name.empty());
        CHECK(std::abs(accuracy->percent - row.percent) < 1e-5);
        const double lost = static_cast<double>(sim::assess(c.problem, mapping).loss) * 1e-6;
        CHECK(std::abs(*c.model.accuracy->reference - lost - row.percent) < 1e-5);
    }
}

// ---- Darkside. ----------------------------------------------------------------------------------

constexpr std::array<const char*, 8> kSearchable{
    "layer3", "layer5", "layer7", "layer8", "layer9", "layer10", "layer11", "layer13"};

bool is_searchable(std::string_view name) {
    return std::ranges::find(kSearchable, name) != kSearchable.end();
}

// Cycles of the searchable layers with a share of each on the cluster: 1, 1/2 or none.
double searchable_cycles(const Case& c, double share) {
    double cycles = 0;
    for (const char* name : kSearchable) {
        const int l = c.layer(name);
        const double channels = c.of_model(l).output.channels();
        const int task = c.task(l, "cluster", static_cast<int>(channels * share));
        REQUIRE(task >= 0);
        cycles += cycles_of(c.problem.tasks[at(task)].cost);
    }
    return cycles;
}

// All of it: the searchable layers alone, at rest too.
double searchable_microjoules(const Case& c, double share) {
    sim::Energy energy{};
    sim::Time time{};
    for (const char* name : kSearchable) {
        const int l = c.layer(name);
        const double channels = c.of_model(l).output.channels();
        const sim::Task& task =
            c.problem.tasks[at(c.task(l, "cluster", static_cast<int>(channels * share)))];
        energy += task.energy;
        time += task.cost;
    }
    return sim::microjoules(energy + c.problem.at_rest * time);
}

double fixed_cycles(const Case& c) {
    double cycles = 0;
    for (const int l : c.weighted_layers()) {
        const std::string& name = c.problem.layer_names[at(l)];
        if (!is_searchable(name) && c.of_model(l).operation->name != "linear") {
            REQUIRE(c.problem.starting[at(l)].size() == 1);
            cycles += cycles_of(c.problem.tasks[at(c.problem.starting[at(l)].front())].cost);
        }
    }
    return cycles;
}

TEST_CASE("Darkside's layers take the cycles of ODiMO's table") {
    struct Row {
        const char* network;
        double conv, dw, pw, fixed, half;
    };
    constexpr std::array<Row, 3> kRows{{
        {"darkside-cifar10", 20'227'968, 12'728, 2'262'912, 726'446, 10'155'456},
        {"darkside-cifar100", 33'230'592, 35'000, 3'723'008, 1'156'590, 16'698'240},
        {"darkside-imagenet", 233'453'184, 323'000, 26'203'776, 9'291'374, 117'440'832},
    }};
    for (const Row& row : kRows) {
        CAPTURE(row.network);
        const Case joined{row.network, "darkside"};
        const Case separable{row.network, "darkside-dws"};
        CHECK(std::round(searchable_cycles(joined, 1)) == row.conv);
        CHECK(std::round(searchable_cycles(joined, 0.5)) == row.half);
        CHECK(std::round(searchable_cycles(joined, 0)) == row.dw);
        CHECK(std::round(searchable_cycles(separable, 1)) == row.conv);
        CHECK(std::round(searchable_cycles(separable, 0)) == row.dw + row.pw);
        CHECK(std::round(fixed_cycles(joined)) == row.fixed);
        CHECK(std::round(fixed_cycles(separable)) == row.fixed);
    }
}

TEST_CASE("Darkside as coded averages the two, and its cluster gathers inputs for no channels") {
    struct Row {
        const char* network;
        double share, cycles, microjoules;  // rounded to 0.1 and 0.001
    };
    constexpr std::array<Row, 9> kRows{{
        {"darkside-cifar10", 1, 12306913.2, 13092.646},
        {"darkside-cifar10", 0, 47853.4, 59.371},
        {"darkside-cifar10", 0.5, 5649272.9, 6570.646},
        {"darkside-cifar100", 1, 20580267.0, 21512.335},
        {"darkside-cifar100", 0, 100501.1, 123.074},
        {"darkside-cifar100", 0.5, 9378334.9, 10807.936},
        {"darkside-imagenet", 1, 221445434.2, 151909.972},
        {"darkside-imagenet", 0, 881109.8, 1069.665},
        {"darkside-imagenet", 0.5, 95494784.7, 76330.723},
    }};
    for (const Row& row : kRows) {
        CAPTURE(row.network);
        CAPTURE(row.share);
        const Case c{row.network, "darkside-as-coded"};
        CHECK(rounds_to(searchable_cycles(c, row.share), row.cycles, 0.1));
        CHECK(rounds_to(searchable_microjoules(c, row.share), row.microjoules, 0.001));
    }
}

TEST_CASE("Darkside's energy is what both draw while they work and while they wait") {
    // Published figures: rounded to 0.001 uJ.
    const Case c{"darkside-cifar10", "darkside"};
    CHECK(rounds_to(searchable_microjoules(c, 1), 13173.075, 0.001));
    CHECK(rounds_to(searchable_microjoules(c, 0.5), 6616.401, 0.001));
    CHECK(rounds_to(searchable_microjoules(c, 0), 5.841, 0.001));
}

}  // namespace
