#include "calibrate/calibrator.hpp"

#include "calibrate/accelerator.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/device.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/fit.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/statistics.hpp"
#include "calibrate/transfers.hpp"
#include "kernels/registry.hpp"
#include "sim/compile/costs.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <tuple>

namespace calibrate {
namespace {

constexpr int kRecordedRuns = 2;  // of each turn, after one to warm up

constexpr int kFewestToReport = 6;

constexpr sim::Time kMicrosecond{1'000'000};
constexpr sim::Measurement kInventedCost{
    .p05 = kMicrosecond, .p50 = kMicrosecond, .p95 = kMicrosecond, .samples = 1};

// When a cost is measured well enough.
struct StoppingRule {
    int fewest, most;    // samples
    double uncertainty;  // of the median

    bool done(std::vector<double> samples) const {
        const auto n = static_cast<int>(samples.size());
        if (n < fewest || n >= most) {
            return n >= most;
        }
        std::ranges::sort(samples);
        return median_uncertainty(samples) < uncertainty;
    }
};

constexpr StoppingRule kFull{.fewest = 24, .most = 300, .uncertainty = 0.01};
constexpr StoppingRule kQuick{.fewest = 12, .most = 80, .uncertainty = 0.02};

// What a cost is filed under in a profile.
struct CostKey {
    int device = 0;  // of the profile
    std::string layers;
    int batch = 1;
    std::string variant, configuration, in_layout, out_layout;

    friend auto operator<=>(const CostKey&, const CostKey&) = default;
};

CostKey key_of(const sim::MeasuredCost& cost) {
    return {.device = cost.device,
            .layers = cost.layers,
            .batch = cost.batch,
            .variant = cost.variant,
            .configuration = cost.configuration,
            .in_layout = cost.in_layout,
            .out_layout = cost.out_layout};
}

struct Cost {
    std::vector<double> anywhere;   // nanoseconds, in mappings drawn at random
    std::vector<double> near_best;  // in mappings about as fast as the best known
    bool done = false;
    FitSample features;  // time not yet known

    // What the profile says. A kernel between fast neighbours finds warmer caches than one between
    // slow ones, so where it was seen in good company, that is what a chosen mapping will meet.
    const std::vector<double>& samples(const StoppingRule& rule) const {
        return static_cast<int>(near_best.size()) >= rule.fewest ? near_best : anywhere;
    }
};

using Costs = std::map<CostKey, Cost>;

bool is_wanted(const std::string& variant, const std::vector<std::string>& wanted) {
    return wanted.empty() ? variant != "reference"
                          : std::ranges::find(wanted, variant) != wanted.end();
}

// One way to run a chain of a model's layers at a batch size.
struct Candidate {
    std::vector<int> layers;  // of the model
    kernels::Chain chain;
    CostKey key;
};

// Everything that a device can run of a model, each once. `device`: its index in the profile.
std::vector<Candidate> candidates_on(const Device& device,
                                     int index,
                                     const sim::Model& model,
                                     const Parameters& parameters,
                                     int batch,
                                     const std::vector<std::string>& variants) {
    std::vector<Candidate> found;
    std::set<CostKey> seen;
    for (int first = 1; first < static_cast<int>(model.layers.size()); ++first) {
        for (const std::vector<int>& layers :
             sim::chains_from(model, first, device.longest_chain())) {
            if (!fit_one_kernel(model, layers)) {
                continue;
            }
            const kernels::Chain chain = chain_of(model, parameters, layers, batch);
            const std::string text = sim::signature(model, layers);
            for (const Implementation& i : device.implementations(chain)) {
                const std::string layout{kernels::name_of(i.layout)};
                CostKey key{.device = index,
                            .layers = text,
                            .batch = batch,
                            .variant = i.variant,
                            .configuration = i.configuration,
                            .in_layout = layout,
                            .out_layout = layout};
                if (is_wanted(i.variant, variants) && seen.insert(key).second) {
                    found.push_back({layers, chain, std::move(key)});
                }
            }
        }
    }
    return found;
}

FitSample features_of(const sim::Model& model, const std::vector<int>& layers, const CostKey& key) {
    const sim::TensorShape& result = model.layers[static_cast<std::size_t>(layers.back())].output;
    return {.pattern = sim::pattern(model, layers),
            .signature = key.layers,
            .device = key.device,
            .variant = key.variant,
            .configuration = key.configuration,
            .in_layout = key.in_layout,
            .out_layout = key.out_layout,
            .features = sim::features_of(model, layers, key.batch),
            .batch = key.batch,
            .height = static_cast<int>(result.height()),
            .channels = result.channels(),
            .time_us = 0};
}

// One model at one batch size, ready to run any mapping of it.
struct Bench {
    const sim::Model* model;
    sim::Problem problem;
    std::unique_ptr<Executor> executor;
    std::vector<Cost*> cost;  // by task; nullptr: input and output
    sim::Mapping best;        // by the medians so far; empty until every cost has some samples
    int turns = 0;
    double spent_s = 0;
    bool done = false;

    std::string name() const { return fmt::format("{} batch {}", model->name, problem.batch); }
};

// `parameters` outlive the bench.
std::unique_ptr<Bench> make_bench(const sim::Model& model,
                                  const Parameters& parameters,
                                  int batch,
                                  int threads,
                                  const std::vector<std::string>& variants,
                                  Costs& costs) {
    auto bench = std::make_unique<Bench>();
    bench->model = &model;
    const sim::Platform platform = candidates(model, batch, threads, variants);
    if (platform.measured.empty()) {
        return nullptr;  // none of the variants that were asked for is the CPU's
    }
    bench->problem = sim::compile(model, platform, {.batch = batch, .only = {}});
    drop_what_no_kernel_computes(model, bench->problem);
    bench->executor = std::make_unique<Executor>(model, parameters, bench->problem, threads);
    for (const sim::Task& task : bench->problem.tasks) {
        if (task.variant.empty()) {
            bench->cost.push_back(nullptr);
            continue;
        }
        const std::vector<int> layers = model_layers(bench->problem, task);
        const auto layout = [&](int index) {
            return bench->problem.layout_names[static_cast<std::size_t>(index)];
        };
        const CostKey key{.device = 0,
                          .layers = sim::signature(model, layers),
                          .batch = batch,
                          .variant = task.variant,
                          .configuration = task.configuration,
                          .in_layout = layout(task.inputs.front().layout),
                          .out_layout = layout(task.out_layout)};
        Cost& cost = costs[key];
        cost.features = features_of(model, layers, key);
        bench->cost.push_back(&cost);
    }
    // Any bytes do: no kernel's time depends on them. Ones that vary keep the bits mixed.
    std::mt19937 random{1};
    for (std::byte& b : bench->executor->input()) {
        b = static_cast<std::byte>(random());
    }
    return bench;
}

// A mapping put together front to back: at each layer not yet covered, the task of least rank
// among those that fit.
template <class Rank>
sim::Mapping assemble(const sim::Problem& problem, Rank rank) {
    std::vector<char> covered(static_cast<std::size_t>(problem.layers()), 0);
    sim::Mapping mapping;
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (covered[static_cast<std::size_t>(layer)]) {
            continue;
        }
        std::optional<std::pair<decltype(rank(0)), int>> least;
        for (const int t : problem.starting[static_cast<std::size_t>(layer)]) {
            const std::vector<int>& rest = problem.tasks[static_cast<std::size_t>(t)].rest;
            const bool fits = std::ranges::none_of(
                rest, [&](int l) { return covered[static_cast<std::size_t>(l)] != 0; });
            if (fits && (!least || rank(t) < least->first)) {
                least = {rank(t), t};
            }
        }
        mapping.push_back(least->second);
        for (const int l : problem.tasks[static_cast<std::size_t>(least->second)].rest) {
            covered[static_cast<std::size_t>(l)] = 1;
        }
    }
    return mapping;
}

// The tasks with the fewest samples; among equals, at random.
sim::Mapping least_measured(const Bench& bench, std::mt19937_64& random) {
    return assemble(bench.problem, [&](int task) {
        const Cost* const cost = bench.cost[static_cast<std::size_t>(task)];
        return std::tuple{
            cost != nullptr && cost->done, cost != nullptr ? cost->anywhere.size() : 0, random()};
    });
}

// The best mapping, but for a layer here and there.
sim::Mapping near_best(const Bench& bench, std::mt19937_64& random) {
    constexpr unsigned kOneIn = 6;
    return assemble(bench.problem, [&](int task) {
        const bool chosen = std::ranges::find(bench.best, task) != bench.best.end();
        return std::pair{chosen && random() % kOneIn != 0 ? 0 : 1, random()};
    });
}

// Searches the best mapping by what was measured so far; none while a cost has no samples.
void update_best(Bench& bench, const StoppingRule& rule) {
    sim::Problem problem = bench.problem;
    for (std::size_t t = 0; t < problem.tasks.size(); ++t) {
        if (bench.cost[t] == nullptr) {
            continue;
        }
        const std::vector<double>& samples = bench.cost[t]->samples(rule);
        if (samples.empty()) {
            return;
        }
        problem.tasks[t].cost = summarize(samples).p50;
    }
    bench.problem = std::move(problem);
    bench.best = sim::branch_and_bound(bench.problem, {}).mapping;
}

// One turn: draw a mapping, warm up, run, keep the stamps.
void take_turn(Bench& bench, std::mt19937_64& random, const StoppingRule& rule) {
    constexpr int kUpdateEvery = 25;
    constexpr int kNear = 130;  // percent of the best makespan
    const std::int64_t begin = now_ns();
    if (bench.turns++ % kUpdateEvery == 0) {
        update_best(bench, rule);
    }
    const bool explore = bench.best.empty() || bench.turns % 2 == 0;
    const sim::Mapping mapping = explore ? least_measured(bench, random) : near_best(bench, random);
    const bool near =
        !bench.best.empty() && sim::simulate(bench.problem, mapping).makespan * 100 <=
                                   sim::simulate(bench.problem, bench.best).makespan * kNear;
    const Executor::Recording recording = bench.executor->prepare(mapping);
    std::vector<std::int64_t> stamps(recording.calls.size() + 1);
    bench.executor->run(recording);
    for (int run = 0; run < kRecordedRuns; ++run) {
        bench.executor->run(recording, stamps);
        for (std::size_t i = 0; i < recording.calls.size(); ++i) {
            if (recording.calls[i].action == Executor::Action::compute) {
                Cost& cost =
                    *bench.cost[static_cast<std::size_t>(recording.calls[i].tasks.front())];
                (near ? cost.near_best : cost.anywhere)
                    .push_back(static_cast<double>(stamps[i + 1] - stamps[i]));
            }
        }
    }
    for (const Executor::Call& call : recording.calls) {
        Cost* const cost = bench.cost[static_cast<std::size_t>(call.tasks.front())];
        if (cost != nullptr) {  // else a change of layout for the output
            cost->done = cost->done || rule.done(cost->samples(rule));
        }
    }
    bench.done = std::ranges::all_of(
        bench.cost, [](const Cost* cost) { return cost == nullptr || cost->done; });
    bench.spent_s += static_cast<double>(now_ns() - begin) * 1e-9;
}

// ---- Accelerators --------------------------------------------------------------------------

// One accelerator at all the networks: kernels run in segments of their own, in turn.
struct AcceleratorBench {
    int index = 0;  // of the profile's devices
    std::unique_ptr<Device> device;
    struct Entry {
        Candidate candidate;
        Cost* cost = nullptr;
        std::unique_ptr<SegmentTimer> timer;  // made at the first turn
    };
    std::vector<Entry> entries = {};
    kernels::Tensors tensors = {};  // as large as any candidate needs

    const std::string& name() const { return device->info().name; }
};

std::size_t largest_tensor(const kernels::Chain& chain) {
    std::vector<kernels::Shape> shapes = kernels::shapes_of(chain);
    shapes.push_back(chain.input);
    std::size_t largest = 0;
    for (const kernels::Shape& shape : shapes) {
        for (const kernels::Layout layout : {kernels::Layout::nhwc, kernels::Layout::plain}) {
            largest = std::max(largest, kernels::tensor_bytes(shape, layout, chain.batch));
        }
    }
    return largest;
}

void add_candidates(AcceleratorBench& bench,
                    const sim::Model& model,
                    const Parameters& parameters,
                    int batch,
                    const std::vector<std::string>& variants,
                    Costs& costs) {
    for (Candidate& candidate :
         candidates_on(*bench.device, bench.index, model, parameters, batch, variants)) {
        const auto [found, fresh] = costs.try_emplace(candidate.key);
        if (fresh) {  // else two networks share it
            found->second.features = features_of(model, candidate.layers, candidate.key);
            bench.entries.push_back({std::move(candidate), &found->second, nullptr});
        }
    }
}

// Every kernel in turn, until all are known, or `more` says that time is up. What takes
// kHopeless times as long as another way to run the same layers will hardly be chosen: it comes
// last.
void measure_kernels(AcceleratorBench& bench,
                     const StoppingRule& rule,
                     const std::function<bool(double share_done)>& more,
                     const std::function<void(const std::string&)>& warn) {
    constexpr double kHopeless = 3;
    constexpr int kFirstLook = 2;  // samples
    constexpr int kGone = 5;
    int failures_in_a_row = 0;
    std::size_t bytes = 0;
    for (const AcceleratorBench::Entry& entry : bench.entries) {
        bytes = std::max(bytes, largest_tensor(entry.candidate.chain));
    }
    bench.tensors = {.input = bench.device->allocate(bytes),
                     .second_input = bench.device->allocate(bytes),
                     .output = bench.device->allocate(bytes)};
    std::map<std::pair<std::string, int>, double> best;  // ns, by layers and batch

    const auto samples = [](const AcceleratorBench::Entry& entry) {
        return static_cast<int>(entry.cost->anywhere.size());
    };
    const auto is_hopeless = [&](const AcceleratorBench::Entry& entry) {
        const CostKey& key = entry.candidate.key;
        return quantile(entry.cost->anywhere, 0.5) > kHopeless * best.at({key.layers, key.batch});
    };
    const auto take_sample = [&](AcceleratorBench::Entry& entry) {
        const CostKey& key = entry.candidate.key;
        Cost& cost = *entry.cost;
        try {
            if (entry.timer == nullptr) {
                const int kernel =
                    bench.device->prepare(entry.candidate.chain, key.variant, key.configuration);
                entry.timer = std::make_unique<SegmentTimer>(*bench.device, kernel, bench.tensors);
            }
            // Less than nothing: noise was larger than the kernel.
            cost.anywhere.push_back(std::max(1.0, entry.timer->sample_ns()));
            failures_in_a_row = 0;
        } catch (const DeviceError& error) {
            // One kernel that does not build: the rest goes on. A device that is gone: no more.
            cost.done = true;
            warn(bench.name() + ": " + error.what());
            if (++failures_in_a_row == kGone) {
                throw DeviceError{"gave up after so many failures in a row"};
            }
            return;
        }
        const double median = quantile(cost.anywhere, 0.5);
        const auto [found, fresh] = best.try_emplace({key.layers, key.batch}, median);
        found->second = std::min(found->second, median);
    };

    // Rounds over the kernels that still want samples, phase by phase.
    const std::function<bool(const AcceleratorBench::Entry&)> phases[] = {
        [&](const auto& e) { return samples(e) < kFirstLook; },
        [&](const auto& e) { return samples(e) < kFewestToReport && !is_hopeless(e); },
        [&](const auto& e) { return !rule.done(e.cost->anywhere) && !is_hopeless(e); },
        [&](const auto& e) { return samples(e) < kFewestToReport; },
    };
    double phases_done = 0;
    for (const auto& wants : phases) {
        for (std::size_t left = 1; left > 0;) {
            left = 0;
            for (AcceleratorBench::Entry& entry : bench.entries) {
                if (entry.cost->done || !wants(entry)) {
                    continue;
                }
                ++left;
                if (!more(phases_done / std::size(phases))) {
                    return;
                }
                take_sample(entry);
            }
        }
        ++phases_done;
    }
}

// ---- Profiles ------------------------------------------------------------------------------

sim::Platform empty_platform(const std::string& name, std::int64_t memory_mib) {
    sim::Platform platform;
    platform.name = name;
    platform.memories = {{.name = "host", .capacity_kib = memory_mib * 1024}};
    platform.devices = {{.name = "cpu",
                         .kind = "cpu",
                         .memory = 0,
                         .asynchronous = false,
                         .submit = {},
                         .per_task = {},
                         .completion = {},
                         .conversions = {}}};
    return platform;
}

// What using a device costs beside its kernels.
struct DeviceCosts {
    sim::Device entry;  // submit, per_task and completion
    std::vector<sim::TransferMode> up, down;
};

// A device's entry, its memory and links. Returns its index.
int add_device(sim::Platform& platform, const DeviceInfo& info, const DeviceCosts& costs) {
    int memory = 0;
    if (!info.host_memory) {
        memory = static_cast<int>(platform.memories.size());
        platform.memories.push_back({.name = info.name, .capacity_kib = info.memory_mib * 1024});
        platform.links.push_back(
            {.name = info.name + "_up", .from = 0, .to = memory, .engine = {}, .modes = costs.up});
        platform.links.push_back({.name = info.name + "_down",
                                  .from = memory,
                                  .to = 0,
                                  .engine = {},
                                  .modes = costs.down});
    }
    sim::Device entry = costs.entry;
    entry.name = info.name;
    entry.kind = info.kind;
    entry.memory = memory;
    entry.asynchronous = info.asynchronous;
    platform.devices.push_back(std::move(entry));
    return static_cast<int>(platform.devices.size()) - 1;
}

DeviceCosts measure_device(Device& device, bool quick, const std::function<bool()>& stop) {
    const std::size_t largest = std::size_t{quick ? 16U : 256U} << 20;
    DeviceCosts costs;
    measure_submission(device, costs.entry);
    if (!device.info().host_memory) {
        const sim::Time completion = costs.entry.completion;
        costs.up = measure_copies(device, Direction::up, completion, largest, stop);
        costs.down = measure_copies(device, Direction::down, completion, largest, stop);
    }
    return costs;
}

// Where a profile that is continued has the device; -1: nowhere.
int index_of(const sim::Platform& platform, const DeviceInfo& info) {
    const auto known = std::ranges::find(platform.devices, info.name, &sim::Device::name);
    return known != platform.devices.end() ? static_cast<int>(known - platform.devices.begin())
                                           : -1;
}

// The devices beside the CPU that were asked for; by default all that do not compute on the CPU's
// own cores.
std::vector<DeviceInfo> accelerators_named(const std::vector<std::string>& names) {
    const Discovery found = discover();
    std::vector<DeviceInfo> chosen;
    std::vector<std::string_view> all;
    for (const DeviceInfo& info : found.devices) {
        all.push_back(info.name);
        const bool named = std::ranges::find(names, info.name) != names.end();
        if (info.kind != "cpu" && (names.empty() ? !info.host_cores : named)) {
            chosen.push_back(info);
        }
    }
    for (const std::string& name : names) {
        if (std::ranges::find(all, name) == all.end()) {
            throw sim::InputError{fmt::format("this machine has no device '{}' (there are: {}){}{}",
                                              name,
                                              fmt::join(all, ", "),
                                              found.notes.empty() ? "" : "; ",
                                              fmt::join(found.notes, "; "))};
        }
    }
    return chosen;
}

const std::string* fact(const sim::Platform& platform, std::string_view key) {
    for (const auto& [name, value] : platform.provenance) {
        if (name == key) {
            return &value;
        }
    }
    return nullptr;
}

// What a profile says about devices beside the CPU, as it is. Those that are measured again keep
// their place, and must be the ones they were.
void adopt_devices(sim::Platform& platform,
                   const sim::Platform& before,
                   const std::vector<DeviceInfo>& here) {
    const sim::Memory host = platform.memories.front();
    platform.name = before.name;
    platform.memories = before.memories;
    platform.memories.front() = host;
    platform.devices = before.devices;  // the CPU's is the same but for its power
    platform.links = before.links;
    for (std::size_t d = 1; d < before.devices.size(); ++d) {
        const std::string& name = before.devices[d].name;
        const auto info = std::ranges::find(here, name, &DeviceInfo::name);
        const std::string* const was = fact(before, name);
        if (info == here.end()) {
            for (const auto& [key, value] : before.provenance) {
                if (key == name || key.starts_with(name + "_")) {
                    platform.provenance.emplace_back(key, value);
                }
            }
        } else if (was != nullptr && *was != info->description) {
            throw sim::InputError{
                fmt::format("{}: cannot be continued here: its {} is '{}', this machine's is '{}'",
                            before.path.string(),
                            name,
                            *was,
                            info->description)};
        }
        for (const std::string& warning : before.warnings) {
            if (warning.starts_with(name + ":")) {
                platform.warnings.push_back(warning);
            }
        }
    }
}

// Costs of a profile are only good for the machine they were measured on.
void check_same_machine(const sim::Platform& before, const Machine& machine) {
    for (const std::string_view key : {"cpu", "cores", "caches"}) {
        const std::string* const was = fact(before, key);
        const auto is =
            std::ranges::find(machine.facts, key, &std::pair<std::string, std::string>::first);
        if (was != nullptr && is != machine.facts.end() && *was != is->second) {
            throw sim::InputError{
                fmt::format("{}: cannot be continued here: its {} is '{}', this machine's is '{}'",
                            before.path.string(),
                            key,
                            *was,
                            is->second)};
        }
    }
}

// Fits of the profile before stay where there is no new one of at least as many shapes.
void keep_fits(std::vector<sim::FittedCost>& fits, const std::vector<sim::FittedCost>& before) {
    const auto key = [](const sim::FittedCost& f) {
        return std::tie(f.pattern, f.device, f.variant, f.configuration, f.in_layout, f.out_layout);
    };
    for (const sim::FittedCost& old : before) {
        const auto same = std::ranges::find_if(
            fits, [&](const sim::FittedCost& fit) { return key(fit) == key(old); });
        if (same == fits.end()) {
            fits.push_back(old);
        } else if (same->samples < old.samples) {
            *same = old;
        }
    }
}

bool measured_before(const sim::Platform& before, const CostKey& key, int fewest) {
    return std::ranges::any_of(before.measured, [&](const sim::MeasuredCost& c) {
        return key_of(c) == key && c.time.samples >= fewest;
    });
}

}  // namespace

sim::Platform candidates(const sim::Model& model,
                         int batch,
                         std::span<const Device* const> devices,
                         const std::vector<std::string>& variants) {
    sim::Platform platform = empty_platform("candidates", 0);
    for (const auto& [from, to] : {std::pair{"nhwc", "plain"}, std::pair{"plain", "nhwc"}}) {
        platform.devices.front().conversions.push_back(
            {.from = from,
             .to = to,
             .time = {.points = {{.size = {0}, .time = {}}}, .bandwidth = {1e12}}});
    }
    const Parameters parameters = load_parameters(model);
    for (std::size_t d = 0; d < devices.size(); ++d) {
        const auto invented = [&](Direction direction) {
            std::vector<sim::TransferMode> modes;
            for (const std::string_view mode : devices[d]->modes(direction)) {
                modes.push_back({.name = std::string{mode},
                                 .time = {.points = {{.size = {0}, .time = kInventedCost}},
                                          .bandwidth = {1e12}}});
            }
            return modes;
        };
        const int index = d == 0 ? 0
                                 : add_device(platform,
                                              devices[d]->info(),
                                              {.entry = {},
                                               .up = invented(Direction::up),
                                               .down = invented(Direction::down)});
        if (devices[d]->info().converts) {
            platform.devices.back().conversions = platform.devices.front().conversions;
        }
        for (const Candidate& c :
             candidates_on(*devices[d], index, model, parameters, batch, variants)) {
            platform.measured.push_back({.layers = c.key.layers,
                                         .batch = batch,
                                         .device = index,
                                         .variant = c.key.variant,
                                         .configuration = c.key.configuration,
                                         .in_layout = c.key.in_layout,
                                         .out_layout = c.key.out_layout,
                                         .time = kInventedCost,
                                         .where = {}});
        }
    }
    return platform;
}

sim::Platform candidates(const sim::Model& model,
                         int batch,
                         int threads,
                         const std::vector<std::string>& variants) {
    const std::unique_ptr<Device> cpu = open_cpu(threads);
    const Device* const devices[] = {cpu.get()};
    return candidates(model, batch, devices, variants);
}

namespace {

// ---- A calibration, phase by phase --------------------------------------------------------------

class Calibrator {
public:
    Calibrator(const CalibrationSettings& settings,
               const CalibrationHooks& hooks,
               const std::optional<sim::Platform>& before)
        : settings_{settings},
          hooks_{hooks},
          before_{before},
          rule_{settings.quick ? kQuick : kFull},
          machine_{describe_machine()},
          threads_{settings.threads > 0 ? settings.threads : machine_.cores} {}

    Calibration run() {
        // 1. What this machine is. Accelerators are opened first: their drivers' threads must not
        //    inherit the core that the CPU's pool keeps this thread on.
        begin_profile();
        open_accelerators();
        for (const std::unique_ptr<Device>& device : opened_) {
            threads_ = std::max(1, threads_ - device->info().cores);
        }
        platform().provenance.emplace_back("threads", fmt::format("{}", threads_));
        // 2. The host: copies, conversions, waking threads, the clock.
        measure_host();
        // 3. The accelerators: submission, copies, power, and how both sides disturb each other.
        for (std::unique_ptr<Device>& device : opened_) {
            measure_accelerator(std::move(device));
        }
        // 4. The accelerators' kernels, each in segments of its own; then every implementation on
        //    the CPU, inside its network.
        for (const sim::Model& model : settings_.models) {
            parameters_.push_back(load_parameters(model));
        }
        for (std::size_t i = 0; i < accelerators_.size(); ++i) {
            measure_kernels_of(accelerators_[i], accelerators_.size() - i);
        }
        make_network_benches();
        measure_networks();
        calibration_.stopped = stop();
        // 5. The profile: costs, then what they say about shapes not measured.
        write_costs();
        write_fits();
        return std::move(calibration_);
    }

private:
    sim::Platform& platform() { return calibration_.platform; }
    double elapsed() const { return static_cast<double>(now_ns() - begin_) * 1e-9; }
    bool stop() const { return hooks_.stop && hooks_.stop(); }
    void report(const std::string& what, double share) const {
        if (hooks_.progress) {
            hooks_.progress(what, share, std::max(0.0, settings_.budget_s - elapsed()));
        }
    }
    void warn(const std::string& text) {
        std::vector<std::string>& warnings = platform().warnings;
        if (std::ranges::find(warnings, text) == warnings.end()) {
            warnings.push_back(text);
        }
    }

    void begin_profile();
    void open_accelerators();
    void measure_host();
    void measure_accelerator(std::unique_ptr<Device> device);
    bool cpu_takes_part() const;
    void measure_kernels_of(AcceleratorBench& bench, std::size_t accelerators_left);
    void make_network_benches();
    void measure_networks();
    std::set<CostKey> keep_costs_before();
    void write_costs();
    void write_fits();

    const CalibrationSettings& settings_;
    const CalibrationHooks& hooks_;
    const std::optional<sim::Platform>& before_;
    const std::int64_t begin_ = now_ns();
    const StoppingRule rule_;
    const Machine machine_;
    int threads_;  // of the CPU: without the cores of other devices

    Calibration calibration_;
    std::vector<std::unique_ptr<Device>> opened_;  // beside the CPU
    std::vector<AcceleratorBench> accelerators_;
    std::vector<Parameters> parameters_;  // by model; prepared kernels point into them
    std::vector<std::unique_ptr<Bench>> networks_;
    Costs costs_;
};

void Calibrator::begin_profile() {
    if (before_) {
        check_same_machine(*before_, machine_);
    }
    platform() = empty_platform(machine_.name, machine_.memory_mib);
    platform().warnings = machine_.warnings;
    auto& provenance = platform().provenance;
    provenance = machine_.facts;
    provenance.emplace_back("revision", settings_.revision);
    provenance.emplace_back("command", settings_.command);
    provenance.emplace_back(
        "settings",
        fmt::format(
            "at least {} samples a cost, until the median is known to {:.0f} %, at most {}; "
            "budget {:.0f} s",
            rule_.fewest,
            100 * rule_.uncertainty,
            rule_.most,
            settings_.budget_s));
}

void Calibrator::open_accelerators() {
    const std::vector<DeviceInfo> named = accelerators_named(settings_.devices);
    if (before_) {
        adopt_devices(platform(), *before_, named);
    }
    for (const DeviceInfo& info : named) {
        try {
            opened_.push_back(open(info, threads_));
        } catch (const DeviceError& error) {
            warn(info.name + ": left out: " + error.what());
        }
    }
}

void Calibrator::measure_host() {
    report("memory and threads", 0);
    sim::Device& cpu = platform().devices.front();
    if (before_ && !before_->host_copy.points.empty()) {
        platform().host_copy = before_->host_copy;
        platform().measurements = before_->measurements;
        cpu.conversions = before_->devices.front().conversions;
        return;
    }
    platform().host_copy = measure_host_copies();
    cpu.conversions = measure_conversions();
    kernels::ThreadPool pool{threads_};
    platform().measurements = measure_pool(pool);
    platform().measurements.emplace_back("million_dependent_additions", measure_clock());
}

// A device that fails here is left out.
void Calibrator::measure_accelerator(std::unique_ptr<Device> device) {
    const DeviceInfo& info = device->info();
    int index = index_of(platform(), info);
    if (index < 0 && platform().devices.size() >= sim::at(sim::kMostOfAKind)) {
        warn(fmt::format(
            "{}: left out: a platform has {} devices at most", info.name, sim::kMostOfAKind));
        return;
    }
    try {
        if (index < 0) {
            report(info.name + " submission and copies", 0);
            const DeviceCosts found =
                measure_device(*device, settings_.quick, [this] { return stop(); });
            index = add_device(platform(), info, found);
            if (info.converts) {
                platform().devices.back().conversions = platform().devices.front().conversions;
            }
            if (!settings_.quick && !stop()) {
                const std::unique_ptr<Device> host = open_cpu(threads_);
                std::ranges::move(measure_interference(*host, *device),
                                  std::back_inserter(platform().measurements));
                measure_power(*device, platform().devices[static_cast<std::size_t>(index)]);
                measure_power(*host, platform().devices.front());
            }
        }
    } catch (const DeviceError& error) {
        warn(info.name + ": " + error.what());
        if (index < 0) {
            return;
        }
    }
    platform().provenance.emplace_back(info.name, info.description);
    for (const auto& [key, value] : info.facts) {
        platform().provenance.emplace_back(info.name + "_" + key, value);
    }
    for (const std::string& warning : info.warnings) {
        warn(info.name + ": " + warning);
    }
    accelerators_.push_back({.index = index, .device = std::move(device)});
}

bool Calibrator::cpu_takes_part() const {
    return std::ranges::any_of(kernels::variants(), [&](const kernels::Variant& variant) {
        return variant.supported() && is_wanted(std::string{variant.name}, settings_.variants);
    });
}

// The device is closed afterwards. `accelerators_left`: this one among them.
void Calibrator::measure_kernels_of(AcceleratorBench& bench, std::size_t accelerators_left) {
    for (std::size_t m = 0; m < settings_.models.size(); ++m) {
        for (const int batch : settings_.batches) {
            add_candidates(
                bench, settings_.models[m], parameters_[m], batch, settings_.variants, costs_);
        }
    }
    for (AcceleratorBench::Entry& entry : bench.entries) {
        entry.cost->done =
            before_ && measured_before(*before_, entry.candidate.key, kFewestToReport);
    }
    // An equal share of the time for every device, the CPU among them if any of its variants is
    // wanted; what one leaves over is the next one's.
    const auto devices_left = static_cast<double>(accelerators_left + (cpu_takes_part() ? 1 : 0));
    const double until = elapsed() + (settings_.budget_s - elapsed()) / devices_left;
    try {
        measure_kernels(
            bench,
            rule_,
            [&](double done) {
                report(bench.name() + " kernels", done);
                return elapsed() < until && !stop();
            },
            [this](const std::string& text) { warn(text); });
    } catch (const DeviceError& error) {
        warn(bench.name() + ": " + error.what());
    }
    for (const std::string& warning : bench.device->info().warnings) {
        warn(bench.name() + ": " + warning);  // what it found out while it ran
    }
    bench.entries.clear();
    bench.device.reset();
}

void Calibrator::make_network_benches() {
    for (std::size_t m = 0; m < settings_.models.size(); ++m) {
        for (const int batch : settings_.batches) {
            if (stop()) {
                continue;
            }
            if (auto bench = make_bench(settings_.models[m],
                                        parameters_[m],
                                        batch,
                                        threads_,
                                        settings_.variants,
                                        costs_)) {
                networks_.push_back(std::move(bench));
            }
        }
    }
    for (auto& [key, cost] : costs_) {
        cost.done = cost.done ||
                    (key.device == 0 && before_ && measured_before(*before_, key, rule_.fewest));
    }
    for (const auto& bench : networks_) {
        bench->done = std::ranges::all_of(
            bench->cost, [](const Cost* cost) { return cost == nullptr || cost->done; });
    }
}

void Calibrator::measure_networks() {
    std::mt19937_64 random{1};
    std::int64_t told = 0;
    while (elapsed() < settings_.budget_s && !stop()) {
        // The network that had the least time goes next.
        const auto next = std::ranges::min_element(networks_, {}, [](const auto& b) {
            return std::pair{b->done, b->spent_s};
        });
        if (next == networks_.end() || (*next)->done) {
            break;
        }
        take_turn(**next, random, rule_);
        if (now_ns() - told > 100'000'000) {
            told = now_ns();
            const auto done =
                std::ranges::count_if(costs_, [](const auto& c) { return c.second.done; });
            const double by_costs = static_cast<double>(done) / static_cast<double>(costs_.size());
            report((*next)->name(), std::max(by_costs, elapsed() / settings_.budget_s));
        }
    }
}

// Those of the profile before that were not measured at least as often this time.
std::set<CostKey> Calibrator::keep_costs_before() {
    std::set<CostKey> kept;
    if (!before_) {
        return kept;
    }
    for (const sim::MeasuredCost& old : before_->measured) {
        const CostKey key = key_of(old);
        const auto found = costs_.find(key);
        const bool better = found != costs_.end() && found->second.samples(rule_).size() >=
                                                         static_cast<std::size_t>(old.time.samples);
        if (!better) {
            platform().measured.push_back(old);
            kept.insert(key);
        }
    }
    return kept;
}

void Calibrator::write_costs() {
    const std::set<CostKey> kept = keep_costs_before();
    int outliers = 0;
    std::size_t samples = 0;
    for (const auto& [key, cost] : costs_) {
        const std::vector<double>& seen = cost.samples(rule_);
        if (kept.contains(key)) {
            continue;
        }
        if (static_cast<int>(seen.size()) < kFewestToReport) {
            ++calibration_.missing;
            continue;
        }
        outliers += count_outliers(seen);
        samples += seen.size();
        platform().measured.push_back({.layers = key.layers,
                                       .batch = key.batch,
                                       .device = key.device,
                                       .variant = key.variant,
                                       .configuration = key.configuration,
                                       .in_layout = key.in_layout,
                                       .out_layout = key.out_layout,
                                       .time = summarize(seen),
                                       .where = {}});
    }
    std::ranges::sort(platform().measured, {}, [](const sim::MeasuredCost& c) {
        return std::tie(c.device, c.layers, c.batch, c.variant, c.configuration);
    });
    calibration_.measured = static_cast<int>(platform().measured.size());
    if (calibration_.missing > 0) {
        warn(fmt::format(
            "incomplete: {} of {} costs were not measured", calibration_.missing, costs_.size()));
    }
    if (samples > 0) {
        const double share = 100.0 * outliers / static_cast<double>(samples);
        platform().provenance.emplace_back(
            "outliers", fmt::format("{} of {} samples ({:.1f} %)", outliers, samples, share));
        if (share > 5) {
            warn(fmt::format("noisy: {:.1f} % of the samples were outliers", share));
        }
    }
}

void Calibrator::write_fits() {
    constexpr sim::Time kLost{50'000};  // less is lost in the noise of segments
    std::vector<FitSample> samples;
    for (const sim::MeasuredCost& c : platform().measured) {
        const auto found = costs_.find(key_of(c));
        if (found != costs_.end() && (c.device == 0 || c.time.p50 > kLost)) {
            FitSample sample = found->second.features;
            sample.time_us = sim::microseconds(c.time.p50);
            samples.push_back(std::move(sample));
        }
    }
    platform().fitted = fit_costs(samples);
    if (before_) {
        keep_fits(platform().fitted, before_->fitted);
    }
    platform().provenance.emplace_back("duration", fmt::format("{:.1f} s", elapsed()));
}

}  // namespace

Calibration calibrate_machine(const CalibrationSettings& settings,
                              const CalibrationHooks& hooks,
                              const std::optional<sim::Platform>& before) {
    return Calibrator{settings, hooks, before}.run();
}

}  // namespace calibrate
