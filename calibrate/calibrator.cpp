#include "calibrate/calibrator.hpp"

#include "calibrate/accelerator.hpp"
#include "calibrate/binding.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/corrections.hpp"
#include "calibrate/device.hpp"
#include "calibrate/existence.hpp"
#include "calibrate/fit.hpp"
#include "calibrate/kernel_bench.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/network_bench.hpp"
#include "calibrate/placement.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/statistics.hpp"
#include "calibrate/transfers.hpp"
#include "calibrate/whole_networks.hpp"
#include "kernels/registry.hpp"
#include "sim/index.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <tuple>
#include <utility>

namespace calibrate {
namespace {

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

// The networks and what is known of their costs, while the host's threads sit in one way
// (calibrate/placement.hpp).
struct Placed {
    Costs costs;  // the CPU's
    Crossings crossings;
    std::vector<std::unique_ptr<NetworkBench>> networks;

    int turns() const {
        int sum = 0;
        for (const auto& network : networks) {
            sum += network->turns;
        }
        return sum;
    }
    Phase phase() const {  // the earliest
        Phase earliest = Phase::done;
        for (const auto& network : networks) {
            earliest = std::min(earliest, network->phase);
        }
        return earliest;
    }
};

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
          host_threads_{settings.threads > 0 ? settings.threads : machine_.cores},
          threads_{host_threads_} {}

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
            computed_.emplace_back(model.layers.size(), false);
        }
        for (std::size_t i = 0; i < accelerators_.size(); ++i) {
            measure_kernels_of(accelerators_[i], accelerators_.size() - i);
        }
        make_network_benches();
        measure_networks();
        calibration_.stopped = stop();
        // 5. The profile: costs, what whole networks make of them, then what they say about shapes
        //    not measured.
        say_what_is_left_out();
        write_costs();
        write_handovers();
        write_trials();
        run_whole_networks();
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
    void measure_blocks();
    void measure_accelerator(std::unique_ptr<Device> device);
    void write_contention(int index, const Slowing& slowing);
    bool cpu_takes_part() const;
    bool asked_for(const CostKey& key) const {
        return settings_.only.empty() || settings_.only.contains(group_of(key));
    }
    void measure_kernels_of(KernelBench& bench, std::size_t accelerators_left);
    std::vector<Candidate> computed_on(const Device& device,
                                       int index,
                                       std::size_t model,
                                       int batch);
    void make_network_benches();
    void know_what_was_before(Costs& costs) const;
    void prepare(Placed& placed);
    void make_network_bench(std::size_t model, int batch, const Device& cpu);
    Placed& placed_now();
    void measure_networks();
    void choose_placement();
    void leave_out(const NetworkBench& network, const std::string& why);
    void say_what_is_left_out();
    std::set<CostKey> keep_costs_before();
    void write_costs();
    void write_handovers();
    void write_trials();
    void write_fits();
    void run_whole_networks();

    const CalibrationSettings& settings_;
    const CalibrationHooks& hooks_;
    const std::optional<sim::Platform>& before_;
    const std::int64_t begin_ = now_ns();
    const StoppingRule rule_;
    const Machine machine_;
    const int host_threads_;
    int threads_;  // of the CPU: without the cores of other devices

    Calibration calibration_;
    std::vector<std::unique_ptr<Device>> opened_;  // beside the CPU
    std::vector<KernelBench> accelerators_;
    std::vector<Parameters> parameters_;       // by model; prepared kernels point into them
    std::vector<std::vector<bool>> computed_;  // by model and layer: by some kernel here
    Placements placements_;
    std::vector<std::unique_ptr<Placed>> placed_;  // by placement
    int chosen_ = 0;                               // of the placements: the profile is about it
    Costs costs_;                                  // the accelerators', in the end all
    std::set<CostKey> alone_;  // in the profile: measured by themselves, not in networks
    Existence existence_;
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
        platform().trials = before_->trials;
        cpu.conversions = before_->devices.front().conversions;
        cpu.handovers = before_->devices.front().handovers;
        measure_blocks();
        return;
    }
    platform().host_copy = measure_host_copies();
    cpu.conversions = measure_conversions(kernels::Element::binary, kernels::Layout::plain);
    measure_blocks();
    kernels::ThreadPool pool{threads_};
    platform().measurements = measure_pool(pool);
    platform().measurements.emplace_back("million_dependent_additions", measure_clock());
}

// Of layouts in blocks that variants here want for what the models hold.
void Calibrator::measure_blocks() {
    const bool reals = std::ranges::any_of(settings_.models, [](const sim::Model& model) {
        return std::ranges::any_of(model.layers, [](const sim::Layer& layer) {
            return layer.output.element == sim::Element::f32;
        });
    });
    std::vector<sim::Conversion>& known = platform().devices.front().conversions;
    for (const kernels::Variant& variant : kernels::variants()) {
        const std::string layout{kernels::name_of(variant.layout)};
        if (!reals || kernels::block_of(variant.layout) == 1 ||
            !is_wanted(std::string{variant.name}, settings_.variants) || !variant.supported()) {
            continue;
        }
        add_layout(platform(), variant.layout);
        if (std::ranges::find(known, layout, &sim::Conversion::to) == known.end()) {
            std::ranges::move(measure_conversions(kernels::Element::f32, variant.layout),
                              std::back_inserter(known));
        }
    }
}

void Calibrator::write_contention(int index, const Slowing& slowing) {
    sim::Device& host = platform().devices.front();
    sim::Device& device = platform().devices[sim::at(index)];
    if (slowing.host > 1) {
        host.contention.emplace_back(device.name, slowing.host);
    }
    if (slowing.device > 1) {
        device.contention.emplace_back(host.name, slowing.device);
    }
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
                auto interference = measure_interference(*host, *device);
                if (info.cores > 0) {  // kernels of its own cores, and the same ones as the host's
                    write_contention(index, slowing_of(interference, info.name));
                }
                std::ranges::move(interference, std::back_inserter(platform().measurements));
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
    accelerators_.push_back(
        {.index = index,
         .device = std::move(device),
         .overhead_ns = segment_overhead_ns(platform().devices[sim::at(index)])});
}

bool Calibrator::cpu_takes_part() const {
    return std::ranges::any_of(kernels::variants(), [&](const kernels::Variant& variant) {
        return variant.supported() && is_wanted(std::string{variant.name}, settings_.variants);
    });
}

// The device is closed afterwards. `accelerators_left`: this one among them.
void Calibrator::measure_kernels_of(KernelBench& bench, std::size_t accelerators_left) {
    for (std::size_t m = 0; m < settings_.models.size(); ++m) {
        for (const int batch : settings_.batches) {
            add_candidates(bench,
                           settings_.models[m],
                           computed_on(*bench.device, bench.index, m, batch),
                           costs_);
        }
    }
    for (std::size_t m = 0; m < settings_.models.size() && !stop(); ++m) {
        existence_.ask(*bench.device,
                       bench.index,
                       settings_.models[m],
                       parameters_[m],
                       settings_.batches,
                       settings_.variants);
    }
    for (KernelBench::Entry& entry : bench.entries) {
        entry.cost->done = !asked_for(entry.candidate.key) ||
                           (before_ && measured_before(*before_, entry.candidate.key, kFewestSure));
    }
    know_what_was_before(costs_);
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

// What the device has kernels for, of which it takes note. `index`: of the profile's devices.
std::vector<Candidate> Calibrator::computed_on(const Device& device,
                                               int index,
                                               std::size_t model,
                                               int batch) {
    std::vector<Candidate> found = candidates_on(
        device, index, settings_.models[model], parameters_[model], batch, settings_.variants);
    for (const Candidate& candidate : found) {
        for (const int layer : candidate.layers) {
            computed_[model][sim::at(layer)] = true;
        }
    }
    return found;
}

void Calibrator::make_network_benches() {
    placed_.push_back(std::make_unique<Placed>());
    const std::unique_ptr<Device> cpu = open_cpu(threads_);
    for (std::size_t m = 0; m < settings_.models.size(); ++m) {
        if (!stop()) {
            existence_.ask(*cpu,
                           0,
                           settings_.models[m],
                           parameters_[m],
                           settings_.batches,
                           settings_.variants);
        }
        for (const int batch : settings_.batches) {
            if (!stop()) {
                make_network_bench(m, batch, *cpu);
            }
        }
    }
    prepare(*placed_.front());
}

// What the profile that is continued says of the costs.
void Calibrator::know_what_was_before(Costs& costs) const {
    if (!before_) {
        return;
    }
    for (const sim::MeasuredCost& old : before_->measured) {
        const auto found = costs.find(key_of(old));
        if (found != costs.end()) {
            found->second.before_ns = 1000 * sim::microseconds(old.time.p50);
            found->second.before = old.time.samples;
        }
    }
}

// What is wanted of the CPU's costs, and what is known of them.
void Calibrator::prepare(Placed& placed) {
    for (auto& [key, cost] : placed.costs) {
        cost.done = !asked_for(key) || (before_ && measured_before(*before_, key, rule_.fewest));
    }
    know_what_was_before(placed.costs);
    // Fused layers that read what comes later in every network's static order: no mapping here has
    // them.
    std::set<const Cost*> fitting;
    for (const auto& network : placed.networks) {
        for (std::size_t t = 0; t < network->cost.size(); ++t) {
            if (sim::fits_order(network->problem.tasks[t])) {
                fitting.insert(network->cost[t]);
            }
        }
    }
    for (auto& [key, cost] : placed.costs) {
        cost.done = cost.done || !fitting.contains(&cost);
    }
    for (const auto& network : placed.networks) {
        begin(*network, rule_, [this] { return stop(); });
    }
}

// Of the pieces of it that the CPU has kernels for.
void Calibrator::make_network_bench(std::size_t model, int batch, const Device& cpu) {
    const sim::Model& whole = settings_.models[model];
    // Layers of one shape share a candidate.
    std::set<std::string> alone;
    for (const Candidate& c : computed_on(cpu, 0, model, batch)) {
        if (c.layers.size() == 1) {
            alone.insert(c.key.layers);
        }
    }
    std::vector<bool> keep(whole.layers.size(), false);
    for (int l = whole.inputs(); l < static_cast<int>(whole.layers.size()); ++l) {
        const std::vector<int> layer{l};
        keep[sim::at(l)] =
            fit_one_kernel(whole, layer) && alone.contains(sim::signature(whole, layer));
        computed_[model][sim::at(l)] = computed_[model][sim::at(l)] || keep[sim::at(l)];
    }
    for (Piece& piece : pieces_of(whole, parameters_[model], keep)) {
        Placed& first = *placed_.front();
        first.networks.push_back(make_bench(
            std::move(piece), batch, threads_, settings_.variants, first.costs, first.crossings));
    }
}

// Where the threads sit now. In a placement that was not seen before everything begins again.
Placed& Calibrator::placed_now() {
    constexpr int kMostPlacements = 2;
    constexpr int kTimesSeen = 3;  // in a row, before it is believed
    const Placed& first = *placed_.front();
    Executor& executor = *first.networks.front()->executor;
    double round_trip = executor.round_trip_ns();
    for (int i = 1; i < kTimesSeen && !placements_.is_known(round_trip); ++i) {
        round_trip = executor.round_trip_ns();
    }
    const int placement = placements_.of(round_trip, kMostPlacements);
    if (placement == static_cast<int>(placed_.size())) {
        auto other = std::make_unique<Placed>();
        for (const auto& [key, cost] : first.costs) {
            other->costs[key].features = cost.features;
        }
        for (const auto& network : first.networks) {
            other->networks.push_back(
                begin_again(*network, first.costs, other->costs, other->crossings));
        }
        prepare(*other);
        placed_.push_back(std::move(other));
    }
    return *placed_[sim::at(placement)];
}

void Calibrator::measure_networks() {
    std::mt19937_64 random{1};
    std::int64_t told = 0;
    while (!stop() && !placed_.front()->networks.empty()) {
        const Placed& now = placed_now();
        // One in an earlier phase goes first; among equals the one that had the least time.
        const auto next = std::ranges::min_element(now.networks, {}, [](const auto& network) {
            return std::pair{network->phase, network->spent_s};
        });
        if ((*next)->phase == Phase::done) {
            break;
        }
        // Whatever the budget, the profile maps every network.
        if (elapsed() >= settings_.budget_s && (*next)->phase != Phase::first_mapping) {
            break;
        }
        try {
            take_turn(**next, random, rule_, [this] { return stop(); });
        } catch (const sim::MachineError& error) {
            leave_out(**next, error.what());
        }
        if (now_ns() - told > 100'000'000) {
            told = now_ns();
            const auto done =
                std::ranges::count_if(now.costs, [](const auto& c) { return c.second.done; });
            const double by_costs =
                static_cast<double>(done) / static_cast<double>(now.costs.size());
            report((*next)->name(), std::max(by_costs, elapsed() / settings_.budget_s));
        }
    }
    choose_placement();
}

// The profile is about the one of which most is known; one that is continued stays about its own.
void Calibrator::choose_placement() {
    const double before = before_ ? round_trip_of(*before_) : 0;
    const auto is_of_before = [&](int i) {
        return i >= placements_.count() ||
               is_same_placement(quantile(placements_.round_trips(i), 0.5), before);
    };
    const auto rank = [&](int i) {
        const Placed& placed = *placed_[sim::at(i)];
        return std::tuple{is_of_before(i), placed.phase(), placed.turns()};
    };
    for (int i = 1; i < static_cast<int>(placed_.size()); ++i) {
        chosen_ = rank(i) > rank(chosen_) ? i : chosen_;
    }
    Placed& best = *placed_[sim::at(chosen_)];
    costs_.merge(best.costs);
    if (placements_.count() == 0 || placements_.round_trips(chosen_).front() <= 0) {
        return;
    }
    if (!is_of_before(chosen_)) {
        warn(
            "the host's threads sit on other cores than in the profile that is continued: times of "
            "layers on several threads do not go together");
    }
    set_measurement(platform(), kRoundTrip, summarize(placements_.round_trips(chosen_)));
    int others = 0;
    for (const auto& placed : placed_) {
        others += placed.get() == &best ? 0 : placed->turns();
    }
    if (others > 0) {
        warn(fmt::format(
            "the host's threads sat on other cores for {:.0f} % of the time: that part is left out",
            100.0 * others / (others + best.turns())));
    }
}

// In whatever placement.
void Calibrator::leave_out(const NetworkBench& network, const std::string& why) {
    warn(fmt::format("{}: left out: {}", network.name(), why));
    for (const auto& placed : placed_) {
        for (const auto& one : placed->networks) {
            if (one->executor != network.executor) {
                continue;
            }
            one->phase = Phase::done;
            for (Cost* const cost : one->cost) {
                if (cost != nullptr) {
                    cost->done = true;
                }
            }
        }
    }
}

void Calibrator::say_what_is_left_out() {
    for (std::size_t m = 0; m < settings_.models.size() && !stop(); ++m) {
        const sim::Model& model = settings_.models[m];
        for (int l = model.inputs(); l < static_cast<int>(model.layers.size()); ++l) {
            const sim::Layer& layer = model.layers[sim::at(l)];
            if (!computed_[m][sim::at(l)] && !is_held(layer) && !is_further_result(layer)) {
                calibration_.left_out.push_back(
                    fmt::format("{}: layer '{}' ({}): no kernel here",
                                layer.where.file.empty() ? model.name : layer.where.file,
                                layer.name,
                                sim::signature(model, std::vector{l})));
            }
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
        const bool better =
            asked_for(key) && found != costs_.end() &&
            found->second.samples(rule_).size() >= static_cast<std::size_t>(old.time.samples);
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
        // What only ran beside what was asked for has too few samples to be told.
        if (kept.contains(key) || !asked_for(key)) {
            continue;
        }
        if (seen.empty()) {
            calibration_.missing += cost.done ? 0 : 1;  // done: it cannot be measured
            continue;
        }
        calibration_.rough += static_cast<int>(seen.size()) < kFewestSure ? 1 : 0;
        outliers += count_outliers(seen);
        samples += seen.size();
        const sim::Device& device = platform().devices[sim::at(key.device)];
        const bool of_accelerator = key.device > 0;
        if (of_accelerator) {
            alone_.insert(key);
        }
        platform().measured.push_back(
            {.layers = key.layers,
             .batch = key.batch,
             .device = key.device,
             .variant = key.variant,
             .configuration = key.configuration,
             .in_layout = key.in_layout,
             .out_layout = key.out_layout,
             .results = key.results,
             .time = of_accelerator ? in_networks(summarize(seen), device) : summarize(seen),
             .where = {}});
    }
    std::ranges::sort(platform().measured, {}, [](const sim::MeasuredCost& c) {
        return std::tie(c.device, c.layers, c.results, c.batch, c.variant, c.configuration);
    });
    calibration_.measured = static_cast<int>(platform().measured.size());
    if (calibration_.missing > 0) {
        warn(fmt::format(
            "incomplete: {} of {} costs were not measured", calibration_.missing, costs_.size()));
    }
    if (calibration_.rough > 0) {
        warn(fmt::format("rough: {} of {} costs have fewer than {} samples",
                         calibration_.rough,
                         costs_.size(),
                         kFewestSure));
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

void Calibrator::write_handovers() {
    std::vector<sim::Handover>& handovers = platform().devices.front().handovers;
    handovers = merged(placed_[sim::at(chosen_)]->crossings.handovers(rule_), handovers);
}

// Of the networks that were measured whole.
void Calibrator::write_trials() {
    for (const auto& network : placed_[sim::at(chosen_)]->networks) {
        const auto of = [&](const sim::Model& model) {
            return model.name == network->piece.model.name &&
                   model.layers.size() == network->piece.model.layers.size();
        };
        const bool is_whole = std::ranges::any_of(settings_.models, of);
        if (is_whole && settings_.only.empty()) {
            set_trials(platform(),
                       network->piece.model.name,
                       network->problem.batch,
                       true,
                       trial_ratios(*network, rule_));
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
    for (sim::FittedCost& fit : platform().fitted) {
        existence_.limit(fit);
    }
    if (before_) {
        keep_fits(platform().fitted, before_->fitted);
    }
    platform().provenance.emplace_back("duration", fmt::format("{:.1f} s", elapsed()));
}

// Of every network that was measured now.
void Calibrator::run_whole_networks() {
    std::set<std::pair<std::string, int>> measured;  // models and batches
    for (const auto& network : placed_[sim::at(chosen_)]->networks) {
        if (network->turns > 0 && settings_.only.empty()) {
            measured.emplace(network->piece.model.name, network->problem.batch);
        }
    }
    placed_.clear();  // whose threads have the cores
    std::vector<WholeNetwork> networks;
    for (std::size_t m = 0; m < settings_.models.size(); ++m) {
        for (const int batch : settings_.batches) {
            if (measured.contains({settings_.models[m].name, batch})) {
                networks.push_back({&settings_.models[m], &parameters_[m], batch});
            }
        }
    }
    WholeNetworkSettings settings{.threads = threads_,
                                  .host_threads = host_threads_,
                                  .patience_s = settings_.quick ? 5.0 : 30.0,
                                  .stop = [this] { return stop(); },
                                  .warn = [this](const std::string& text) { warn(text); }};
    measure_anchors(platform(), networks, settings);
    if (!accelerators_.empty()) {
        try_all_devices(platform(), networks, alone_, settings);
    }
}

}  // namespace

Calibration calibrate_machine(const CalibrationSettings& settings,
                              const CalibrationHooks& hooks,
                              const std::optional<sim::Platform>& before) {
    return Calibrator{settings, hooks, before}.run();
}

}  // namespace calibrate
