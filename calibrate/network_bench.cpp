#include "calibrate/network_bench.hpp"

#include "calibrate/assemble.hpp"
#include "calibrate/candidates.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/promise.hpp"
#include "calibrate/statistics.hpp"
#include "kernels/registry.hpp"
#include "sim/compile/transfers.hpp"
#include "sim/index.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace calibrate {
namespace {

using sim::at;

constexpr std::int64_t kLongRun = 5'000'000;  // ns: at first sight one such run is enough
constexpr int kMixedTurns = 12;               // of Phase::handovers
constexpr int kMixedOneIn = 5;                // of the turns after it
constexpr std::size_t kMostTrials = 300;

int seen(const Cost& cost) { return cost.before + cost.count(); }

// By the best of what is known: nanoseconds.
std::optional<double> value_of(const Cost& cost, const StoppingRule& rule) {
    const std::vector<double>& samples = cost.samples(rule);
    if (!samples.empty()) {
        return quantile(samples, 0.5);
    }
    return cost.before_ns;
}

// Later rows of the kernels' table are faster; fused layers are faster than apart; one thread is
// never slow, whatever the machine does with the others.
int guess_of(const sim::Task& task) {
    const std::span<const kernels::Variant> variants = kernels::variants();
    const auto row = std::ranges::find(variants, task.variant, &kernels::Variant::name);
    const auto behind = static_cast<int>(variants.end() - row);
    constexpr int kMostLayers = 64;
    const int layers = std::min(kMostLayers - 1, static_cast<int>(task.rest.size()));
    return (behind * kMostLayers + kMostLayers - layers) * 2 + (task.configuration != "1" ? 1 : 0);
}

// The task's cost while it wants samples; nullptr once it is done, or if no mapping here has the
// task.
const Cost* wanting(const NetworkBench& bench, int task) {
    const Cost* const cost = bench.cost[at(task)];
    const bool wants =
        cost != nullptr && !cost->done && sim::fits_order(bench.problem.tasks[at(task)]);
    return wants ? cost : nullptr;
}

// What a phase wants of a task: the smaller, the sooner; nothing where it wants no more samples.
// `near`: samples in good company.
std::optional<std::pair<int, int>> wish(const NetworkBench& bench, int task, bool near) {
    const Cost* const cost = wanting(bench, task);
    if (cost == nullptr) {
        return std::nullopt;
    }
    const int samples = seen(*cost);
    switch (bench.phase) {
        case Phase::first_look:
            return samples < kFirstLook ? std::optional{std::pair{0, bench.guess[at(task)]}}
                                        : std::nullopt;
        case Phase::promising:
            return bench.unpromising[at(task)]
                       ? std::nullopt
                       : std::optional{std::pair{
                             static_cast<int>((near ? cost->near_best : cost->anywhere).size()),
                             0}};
        default:
            return samples < kFewestOfOthers ? std::optional{std::pair{samples, 0}} : std::nullopt;
    }
}

// The task that the phase wants most, at random among equals; -1: it wants none.
int most_wanted(const NetworkBench& bench, std::mt19937_64& random, bool near) {
    int task = -1;
    std::pair<std::pair<int, int>, std::uint64_t> least{};
    for (int t = 0; t < static_cast<int>(bench.problem.tasks.size()); ++t) {
        if (const auto wanted = wish(bench, t, near)) {
            const std::pair rank{*wanted, std::uint64_t{random()}};
            if (task < 0 || rank < least) {
                task = t;
                least = rank;
            }
        }
    }
    return task;
}

// A mapping with the task `target` (-1: none), and around it the tasks of least rank.
template <class Rank>
sim::Mapping assemble_around(const sim::Problem& problem, int target, Rank rank) {
    std::vector<bool> of_target(at(problem.layers()), false);
    if (target >= 0) {
        of_target[at(problem.tasks[at(target)].first)] = true;
        for (const int layer : problem.tasks[at(target)].rest) {
            of_target[at(layer)] = true;
        }
    }
    return assemble(problem, [&](int t) {
        const sim::Task& task = problem.tasks[at(t)];
        const bool displaces =
            t != target &&
            (of_target[at(task.first)] ||
             std::ranges::any_of(task.rest, [&](int layer) { return of_target[at(layer)]; }));
        return std::pair{displaces, rank(t)};
    });
}

// Whether two tasks are the same threads' work; -1 is everybody's.
bool are_one_team(const sim::Problem& problem, int a, int b) {
    const auto team = [&](int t) { return problem.teams[at(problem.tasks[at(t)].out_layout)]; };
    return problem.teams.empty() || a < 0 || b < 0 || team(a) == team(b);
}

// Of what the phase wants as much as fits together; elsewhere what is promising. As few tensors as
// can be change threads.
sim::Mapping least_measured(const NetworkBench& bench, std::mt19937_64& random) {
    const int target = most_wanted(bench, random, false);
    return assemble_around(bench.problem, target, [&](int t) {
        const auto wanted = wish(bench, t, false);
        const auto otherwise = std::pair{int{bench.unpromising[at(t)]}, 0};
        return std::tuple{
            !are_one_team(bench.problem, t, target), !wanted, wanted.value_or(otherwise), random()};
    });
}

// The best mapping, but for one task that was seen the least there, and another here and there.
sim::Mapping near_best(const NetworkBench& bench, std::mt19937_64& random) {
    constexpr unsigned kOneIn = 6;
    const int target = most_wanted(bench, random, true);
    return assemble_around(bench.problem, target, [&](int t) {
        const bool chosen = std::ranges::find(bench.best, t) != bench.best.end();
        const int last = bench.unpromising[at(t)] ? 2 : 1;
        return std::tuple{!are_one_team(bench.problem, t, target),
                          chosen && random() % kOneIn != 0 ? 0 : last,
                          random()};
    });
}

// Anything, so that tensors change threads; three times in four of what is promising.
sim::Mapping mixed(const NetworkBench& bench, std::mt19937_64& random) {
    return assemble(bench.problem, [&](int t) {
        const std::uint64_t dice = random();
        return std::pair{bench.unpromising[at(t)] && dice % 4 != 0, dice};
    });
}

// The problem's costs and handovers as they are known now; false while there are costs of which
// nothing is known.
bool use_medians(NetworkBench& bench, const StoppingRule& rule) {
    constexpr sim::Time kUnknown = std::chrono::seconds{10};
    for (std::size_t t = 0; t < bench.problem.tasks.size(); ++t) {
        if (bench.cost[t] == nullptr) {
            continue;
        }
        sim::Task& task = bench.problem.tasks[t];
        const std::optional<double> value = value_of(*bench.cost[t], rule);
        if (!value && sim::fits_order(task)) {
            return false;
        }
        // What fits no order is in no mapping here.
        task.cost = value ? sim::from_microseconds(*value / 1000) : kUnknown;
    }
    sim::set_handovers(bench.problem, 0, bench.crossings->handovers(rule));
    return true;
}

// Searches the best mapping by what is known so far, and says what cannot be in it; nothing while
// there are costs of which nothing is known.
void update_best(NetworkBench& bench, const StoppingRule& rule, const std::function<bool()>& stop) {
    constexpr std::int64_t kMost = 1'000'000'000;  // ns
    if (!use_medians(bench, rule)) {
        return;
    }
    std::vector<sim::Time> least(bench.problem.tasks.size());
    for (std::size_t t = 0; t < bench.problem.tasks.size(); ++t) {
        least[t] = bench.problem.tasks[t].cost;
        if (bench.cost[t] == nullptr) {
            continue;
        }
        const Cost& cost = *bench.cost[t];
        for (const std::vector<double>* samples :
             {&cost.anywhere, &cost.near_best, &cost.beside_others}) {
            if (!samples->empty()) {
                least[t] =
                    std::min(least[t], sim::from_microseconds(std::ranges::min(*samples) / 1000));
            }
        }
    }
    const std::int64_t begin = now_ns();
    sim::SearchOptions options;
    options.stop = [&] { return now_ns() - begin > kMost || (stop && stop()); };
    const sim::SearchResult found = sim::branch_and_bound(bench.problem, options);
    bench.best = found.mapping;
    bench.unpromising = unpromising_tasks(bench.problem, least, found.makespan);
}

// Files what a task took, with those of its kind. What changes threads on two sides tells of none.
void keep_sample(
    NetworkBench& bench, Cost& cost, const std::vector<Crossing>& crossings, bool near, double ns) {
    if (crossings.empty()) {
        (near ? cost.near_best : cost.anywhere).push_back(ns);
        return;
    }
    cost.beside_others.push_back(ns);
    if (crossings.size() == 1) {
        bench.crossings->add(crossings.front(), cost, ns);
    }
}

// Of all that come an equal share, however many they are.
void keep_trial(NetworkBench& bench, Trial trial, std::mt19937_64& random) {
    if (bench.trials.size() < kMostTrials) {
        bench.trials.push_back(std::move(trial));
    } else if (const std::size_t place = random() % at(bench.mixed_turns); place < kMostTrials) {
        bench.trials[place] = std::move(trial);
    }
}

}  // namespace

void begin(NetworkBench& bench, const StoppingRule& rule, const std::function<bool()>& stop) {
    update_best(bench, rule, stop);
    bench.phase = phase_of(bench);
}

std::string NetworkBench::name() const {
    return fmt::format("{} batch {}", piece.model.name, problem.batch);
}

namespace {

// Between all numbers of threads there are, so that layouts tell whose they are.
std::vector<sim::Handover> unknown_handovers(const sim::Platform& platform) {
    std::set<int> threads;
    for (const sim::MeasuredCost& cost : platform.measured) {
        threads.insert(parse_configuration(cost.configuration).threads);
    }
    std::vector<sim::Handover> handovers;
    for (const int from : threads) {
        for (const int to : threads) {
            handovers.push_back(
                {.from = from, .to = to, .time = {.points = {{}}, .bandwidth = {1e12}}});
        }
    }
    return handovers;
}

}  // namespace

std::unique_ptr<NetworkBench> make_bench(Piece piece,
                                         int batch,
                                         int threads,
                                         const std::vector<std::string>& variants,
                                         Costs& costs,
                                         Crossings& crossings) {
    auto bench = std::make_unique<NetworkBench>();
    bench->crossings = &crossings;
    bench->piece = std::move(piece);
    const sim::Model& model = bench->piece.model;
    const std::unique_ptr<Device> cpu = open_cpu(threads);
    const Device* const devices[] = {cpu.get()};
    sim::Platform platform = candidates(model, bench->piece.parameters, batch, devices, variants);
    platform.devices.front().handovers = unknown_handovers(platform);
    bench->problem = sim::compile(model, platform, {.batch = batch, .only = {}});
    drop_what_no_kernel_computes(model, bench->problem);
    bench->executor =
        std::make_shared<Executor>(model, bench->piece.parameters, bench->problem, threads);
    for (const sim::Task& task : bench->problem.tasks) {
        bench->guess.push_back(guess_of(task));
        if (task.variant.empty()) {
            bench->cost.push_back(nullptr);
            continue;
        }
        const CostKey key = key_of(model, bench->problem, task);
        Cost& cost = costs[key];
        cost.features = features_of(model, model_layers(bench->problem, task), key);
        bench->cost.push_back(&cost);
    }
    bench->unpromising.assign(bench->problem.tasks.size(), false);
    bench->first = assemble(bench->problem, [&](int task) { return bench->guess[at(task)]; });
    return bench;
}

std::unique_ptr<NetworkBench> begin_again(const NetworkBench& bench,
                                          const Costs& its_costs,
                                          Costs& costs,
                                          Crossings& crossings) {
    std::map<const Cost*, Cost*> other{{nullptr, nullptr}};
    for (const auto& [key, cost] : its_costs) {
        other[&cost] = &costs.at(key);
    }
    auto again = std::make_unique<NetworkBench>();
    again->piece = bench.piece;
    again->problem = bench.problem;
    again->executor = bench.executor;
    for (const Cost* const cost : bench.cost) {
        again->cost.push_back(other.at(cost));
    }
    again->crossings = &crossings;
    again->guess = bench.guess;
    again->unpromising.assign(bench.unpromising.size(), false);
    again->first = bench.first;
    return again;
}

std::vector<bool> unpromising_tasks(const sim::Problem& problem,
                                    std::span<const sim::Time> least,
                                    sim::Time best) {
    std::vector<Way> ways;
    for (std::size_t t = 0; t < problem.tasks.size(); ++t) {
        const sim::Task& task = problem.tasks[t];
        ways.push_back({.layers = sim::layers_of(task),
                        .takes = static_cast<double>(task.cost.count()),
                        .least = static_cast<double>(least[t].count())});
    }
    return unpromising_ways(ways, static_cast<double>(best.count()));
}

Phase phase_of(const NetworkBench& bench) {
    const auto lacks = [&](int task, int fewest) {
        const Cost* const cost = wanting(bench, task);
        return cost != nullptr && seen(*cost) < fewest;
    };
    if (std::ranges::any_of(bench.first, [&](int t) { return lacks(t, kFewestSure); })) {
        return Phase::first_mapping;
    }
    Phase phase = Phase::done;
    for (int t = 0; t < static_cast<int>(bench.cost.size()); ++t) {
        if (lacks(t, kFirstLook)) {
            return Phase::first_look;
        }
        if (wanting(bench, t) != nullptr && !bench.unpromising[at(t)]) {
            phase = Phase::promising;
        } else if (phase == Phase::done && lacks(t, kFewestOfOthers)) {
            phase = Phase::others;
        }
    }
    const bool has_teams = !bench.problem.teams.empty();
    return phase != Phase::done && has_teams && bench.mixed_turns < kMixedTurns ? Phase::handovers
                                                                                : phase;
}

std::vector<double> trial_ratios(NetworkBench& bench, const StoppingRule& rule) {
    std::vector<double> ratios;
    if (!use_medians(bench, rule)) {
        return ratios;
    }
    for (const Trial& trial : bench.trials) {
        const double predicted =
            1000 * sim::microseconds(sim::simulate(bench.problem, trial.mapping).makespan);
        if (predicted > 0) {
            ratios.push_back(trial.ns / predicted);
        }
    }
    return ratios;
}

void take_turn(NetworkBench& bench,
               std::mt19937_64& random,
               const StoppingRule& rule,
               const std::function<bool()>& stop) {
    constexpr int kUpdateEvery = 25;
    constexpr int kNear = 130;  // percent of the best makespan
    const std::int64_t begin = now_ns();
    ++bench.turns;
    if (bench.phase >= Phase::promising &&
        (bench.best.empty() || bench.turns % kUpdateEvery == 0)) {
        update_best(bench, rule, stop);
    }
    const bool explores =
        bench.best.empty() || bench.phase != Phase::promising || bench.turns % 2 == 0;
    // A machine may have its cores elsewhere later, so handovers are seen again and again; and
    // what any mapping takes is held against what is predicted.
    const bool mixes = bench.phase == Phase::handovers ||
                       (bench.phase > Phase::handovers && bench.turns % kMixedOneIn == 0);
    bench.mixed_turns += mixes ? 1 : 0;
    const sim::Mapping mapping = bench.phase == Phase::first_mapping ? bench.first
                                 : mixes                             ? mixed(bench, random)
                                 : explores                          ? least_measured(bench, random)
                                                                     : near_best(bench, random);
    const bool near =
        !bench.best.empty() && sim::simulate(bench.problem, mapping).makespan * 100 <=
                                   sim::simulate(bench.problem, bench.best).makespan * kNear;
    const Executor::Recording recording = bench.executor->prepare(mapping);
    if (bench.turns == 1) {
        bench.executor->fill_inputs(1);
    }
    const std::vector<std::vector<Crossing>> crossings = crossings_of(bench.problem, mapping);
    std::vector<std::int64_t> stamps(recording.calls.size() + 1);
    const std::int64_t warming = now_ns();
    bench.executor->run(recording);
    const bool is_long = now_ns() - warming > kLongRun;
    const int runs = bench.phase == Phase::first_look && is_long ? 1 : kRecordedRuns;
    double ns = 0;  // of all runs
    for (int run = 0; run < runs; ++run) {
        bench.executor->run(recording, stamps);
        ns += static_cast<double>(stamps.back() - stamps.front());
        for (std::size_t i = 0; i < recording.calls.size(); ++i) {
            if (recording.calls[i].action == Executor::Action::compute) {
                const int task = recording.calls[i].tasks.front();
                const auto place = std::ranges::find(mapping, task) - mapping.begin();
                keep_sample(bench,
                            *bench.cost[at(task)],
                            crossings[static_cast<std::size_t>(place)],
                            near,
                            static_cast<double>(stamps[i + 1] - stamps[i]));
            }
        }
    }
    if (mixes) {
        keep_trial(bench, {mapping, ns / runs}, random);
    }
    for (const Executor::Call& call : recording.calls) {
        Cost* const cost = bench.cost[at(call.tasks.front())];
        if (cost != nullptr) {  // else a change of layout for the output
            cost->done = cost->done || rule.done(cost->alone(rule)) ||
                         static_cast<int>(cost->anywhere.size()) >= rule.most ||
                         static_cast<int>(cost->beside_others.size()) >= rule.most;
        }
    }
    bench.phase = phase_of(bench);
    if (bench.phase == Phase::done) {  // unless what was timed a few times only looks better now
        update_best(bench, rule, stop);
        bench.phase = phase_of(bench);
    }
    bench.spent_s += static_cast<double>(now_ns() - begin) * 1e-9;
}

}  // namespace calibrate
