#pragma once

// The searches: one table, one interface. The command line, its help, the error text and the
// agreement test all read it. A new search is a file here and a row in search.cpp.

#include "sim/compile/problem.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/goal.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct SearchOptions {
    Goal goal;  // branch-and-bound, exhaustive; the others look for the least latency
    int threads = 1;
    // Asked now and then (every few thousand nodes): true ends the search with what it has. The
    // caller reads the clock and Ctrl-C; this library does not.
    std::function<bool()> stop;
    // Called with each better incumbent and each better bound.
    std::function<void(Time incumbent, Time lower_bound)> progress;
    std::size_t max_states = 4'000'000;  // branch-and-bound: held at a time, for memory
    std::size_t certificate = 0;         // branch-and-bound: prove it in at most so many beginnings
    std::string only;  // uniform: "device/variant/configuration"; empty: the best of them
};

enum class SearchStatus {
    proven,      // the mapping is optimal
    unproven,    // a heuristic's answer, or the limit came first: see lower_bound
    infeasible,  // this search has no answer here; `note` says why
};

struct SearchResult {
    Mapping mapping;
    Time makespan = kNever;
    Time lower_bound{};  // latency: no mapping is faster; zero if the search gives none
    double value = 0,
           bound = 0;  // of another goal: value_on(mapping), and nothing is below `bound`
    SearchStatus status = SearchStatus::unproven;
    std::uint64_t evaluated = 0;  // mappings (exhaustive) or nodes
    std::string note;             // for people: why infeasible, what was skipped
    // If asked for and not too long: see search/certificate.hpp.
    std::vector<Mapping> certificate;
};

struct Search {
    std::string_view name;
    std::string_view summary;
    bool exact = false;
    SearchResult (*run)(const Problem&, const SearchOptions&);
};

std::span<const Search> searches();
const Search& find_search(std::string_view name);  // throws InputError with the list

SearchResult exhaustive(const Problem& problem, const SearchOptions& options);
SearchResult branch_and_bound(const Problem& problem, const SearchOptions& options);
SearchResult dynamic_programming(const Problem& problem, const SearchOptions& options);
SearchResult greedy(const Problem& problem, const SearchOptions& options);
SearchResult heft(const Problem& problem, const SearchOptions& options);
SearchResult cpu_only(const Problem& problem, const SearchOptions& options);
SearchResult gpu_only(const Problem& problem, const SearchOptions& options);
SearchResult uniform(const Problem& problem, const SearchOptions& options);

// The front of several criteria; of one, its best. The same answers, the first by bounds and
// dominance, the second by trying every mapping.
Front pareto_front(const Problem& problem, const SearchOptions& options);
Front exhaustive_front(const Problem& problem, const SearchOptions& options);

// Number of mappings of the problem, saturating at UINT64_MAX.
std::uint64_t count_mappings(const Problem& problem);

// A mapping drawn at random: at each uncovered layer a task uniformly among those that fit.
Mapping random_mapping(const Problem& problem, std::uint64_t seed);

}  // namespace sim
