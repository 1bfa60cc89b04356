#pragma once

// The calibrator's bench for the CPU: kernels are timed where they will run, inside networks, or
// inside the pieces of one that kernels here compute. Each turn draws a mapping, runs it through
// the executor (once to warm up, then twice for the record) and stamps every task.
//
// The order is that of promise. First one mapping that is thought to be fast, so that whatever the
// time, the profile can map the network; then a look at everything; then what it takes that tensors
// change threads; then the samples go to what may be in the best mapping, by the search itself;
// what cannot is timed a few times, if there is time. Start at `take_turn`.

#include "calibrate/executor.hpp"
#include "calibrate/handovers.hpp"
#include "calibrate/pieces.hpp"
#include "calibrate/samples.hpp"
#include "calibrate/trials.hpp"
#include "sim/compile/problem.hpp"

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace calibrate {

// In the order in which a bench goes through them. A bench in an earlier one goes before others.
enum class Phase { first_mapping, first_look, handovers, promising, others, done };

// One network, or piece of one, at one batch size, ready to run any mapping of it.
struct NetworkBench {
    Piece piece;
    sim::Problem problem;
    std::shared_ptr<Executor> executor;
    std::vector<Cost*> cost;         // by task; nullptr: input and output
    Crossings* crossings = nullptr;  // of all benches
    std::vector<int> guess;          // by task: the smaller, the faster it is thought to be unseen
    std::vector<bool> unpromising;   // by task: none of the mappings that may be best has it
    sim::Mapping first;              // of the best guesses
    sim::Mapping best;               // by the medians so far; empty until all has been looked at
    int turns = 0, mixed_turns = 0;  // mixed: any, so that tensors change threads
    std::vector<Trial> trials;       // of the mixed turns some, from all of the time
    double spent_s = 0;
    Phase phase = Phase::first_mapping;

    std::string name() const;
};

// The CPU's candidates of the piece, compiled; their costs are filed in `costs`, what is seen of
// changes of threads in `crossings`; both must outlive the bench. Throws sim::InputError where no
// mapping covers the piece.
std::unique_ptr<NetworkBench> make_bench(Piece piece,
                                         int batch,
                                         int threads,
                                         const std::vector<std::string>& variants,
                                         Costs& costs,
                                         Crossings& crossings);

// The same network on the same executor, of which nothing is known yet; `bench` must outlive it.
// `costs`: with the keys of those that `bench` has in `its_costs`.
std::unique_ptr<NetworkBench> begin_again(const NetworkBench& bench,
                                          const Costs& its_costs,
                                          Costs& costs,
                                          Crossings& crossings);

// One turn: draws a mapping, warms up, runs, keeps the stamps. `stop` ends a search that takes
// long. Throws sim::MachineError where the mapping's tensors find no memory.
void take_turn(NetworkBench& bench,
               std::mt19937_64& random,
               const StoppingRule& rule,
               const std::function<bool()>& stop);

// Before the first turn, when the costs say what a profile before knows.
void begin(NetworkBench& bench, const StoppingRule& rule, const std::function<bool()>& stop);

// What the trials took over what the costs as they are now make of them.
std::vector<double> trial_ratios(NetworkBench& bench, const StoppingRule& rule);

// Of what is known now.
Phase phase_of(const NetworkBench& bench);

// The tasks that no mapping within 20 % of the best one has (calibrate/promise.hpp). By task of the
// problem. `least`: what the task may cost, by the fastest sample, where all others cost what the
// problem says; `best`: the best mapping's makespan.
std::vector<bool> unpromising_tasks(const sim::Problem& problem,
                                    std::span<const sim::Time> least,
                                    sim::Time best);

}  // namespace calibrate
