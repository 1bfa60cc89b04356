#pragma once

// Processes that search together: how they talk, as the search needs it. This library knows no
// messages; whoever started the processes (cluster/ranks.hpp) fills in the functions.
//
// Rank 0 runs the whole search. The others wait in `assist` and take their part of what it does
// level by level (layered.cpp): each owns some of the shares that states are divided into by their
// keys, and states that become others' are sent to them. What ends a search (time, Ctrl-C, full
// memory) is decided by rank 0 or by all together, so that nobody goes on alone. The answer, and
// the nodes on the way to it, do not depend on how many they are, as long as the memory is enough.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sim {

struct Problem;
struct SearchOptions;

struct Team {
    int rank = 0, count = 1;

    // All together: each process calls the same one, and waits for the others.
    // Element i goes to process i; what comes back at i is from process i.
    std::function<std::vector<std::string>(std::vector<std::string>)> exchange;
    std::function<std::string(std::string)> from_first;  // what process 0 has
    std::function<std::int64_t(std::int64_t)> least;
    std::function<std::vector<std::int64_t>(std::vector<std::int64_t>)> sum;  // one by one

    // Of rank 0: that all are in the middle of something; and which of several questions it is at,
    // by a number that the others know.
    mutable bool busy = false;
    mutable int question = 0;
};

// Rank 0, when a search whose options had the team is over: lets the others go. Not where an error
// left them in the middle (`busy`): whoever started them has to end them.
void end_assistance(const Team& team);

// What rank 0's branch_and_bound is asked; of the options the goal, the threads and the memory
// count.
struct Assisted {
    const Problem& problem;
    const SearchOptions& options;
};

// All others, until then. asked(question): what rank 0 is asked with this number; only where it
// wants help. What it refers to stays until the end.
void assist(const Team& team, const std::function<Assisted(int question)>& asked);

namespace internal {

// Numbers as they go to other processes.
std::string text_of(const std::vector<std::int64_t>& numbers);
std::vector<std::int64_t> numbers_of(const std::string& text);

}  // namespace internal

}  // namespace sim
