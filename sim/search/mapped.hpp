#pragma once

// What people ask of a network, answered: of it and, where its accuracy matters, of its twins too
// (twins.hpp). The command line, sweeps and Python all ask here. Start at `map_best`, of several
// objectives at `map_front`.
//
// The caller brings the clock and Ctrl-C: this library reads neither.

#include "sim/search/answer.hpp"
#include "sim/search/team.hpp"
#include "sim/search/wishes.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sim {

struct Limits {
    double seconds = 60;                    // for all networks together; 0: none
    Bytes memory = SearchOptions{}.memory;  // that a search may hold
    std::function<double()> clock;          // seconds since anything; empty: nothing ends by time
    std::function<bool()> stop;
    // Of the network that is searched now: SearchOptions::progress, and how much of its time is
    // over.
    std::function<void(Time incumbent, Time lower_bound, double seconds, double limit)> progress;
    // Told why one of several networks cannot be mapped.
    std::function<void(const std::string& message)> leaves_out;
    const Team* team = nullptr;  // that map_best may search with, where `can_share`
};

// Whether several processes can share the search: of branch-and-bound for the least latency.
bool can_share(const Wishes& wishes);

// Whether twins are asked too.
bool asks_for_accuracy(const Wishes& wishes);

// The model, with its twins where they are.
std::vector<Model> networks_of(const Wishes& wishes, const Model& model);

// Of the problem the answer keeps pointers into it, and to the network.
struct Mapped {
    std::unique_ptr<Problem> problem;
    Answer answer;
};

// The best mapping of the best network. Networks that cannot be mapped are told, unless none can.
// Throws InputError as problem_of, question_of and answer_to do.
Mapped map_best(const Wishes& wishes,
                const std::vector<Model>& networks,
                const Platform& platform,
                int batch,
                const Limits& limits);

// The other processes of the team, while rank 0 asks map_best of one batch size or several, until
// it calls end_assistance.
void assist_mapping(const Wishes& wishes,
                    const Model& network,
                    const Platform& platform,
                    const Limits& limits);

struct MappedFront {
    std::vector<std::unique_ptr<Problem>> problems;  // of the networks
    FrontAnswer front;
};

// One front of all networks, called as the first. As map_best.
MappedFront map_front(const Wishes& wishes,
                      const std::vector<Model>& networks,
                      const Platform& platform,
                      int batch,
                      const Limits& limits);

}  // namespace sim
