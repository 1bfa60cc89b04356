#pragma once

// The searches: one table, one interface. The command line, its help, the error text and the
// agreement test all read it. A new search is a file here and a row in search.cpp.
//
// To ask one and get a complete answer, start at answer.hpp.

#include "sim/compile/problem.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/goal.hpp"
#include "sim/units.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct Team;

struct SearchOptions {
    Goal goal;        // searches without Goals::any look for the least latency, whatever it is
    int threads = 1;  // Search::threads says who uses more
    // Asked now and then (every few thousand nodes): true ends the search with what it has. The
    // caller reads the clock and Ctrl-C; this library does not.
    std::function<bool()> stop;
    // Called with each better incumbent and each better bound.
    std::function<void(Time incumbent, Time lower_bound)> progress;
    // How much of the time that the search has is over, from 0 to 1: searches of several parts
    // share it out. Empty: no limit is known.
    std::function<double()> elapsed;
    // Mappings that are known: the answer is not worse than any of them that fits.
    std::vector<Mapping> starts;
    bool free_order = false;  // Search::decides_order: not only mappings in the static order
    // branch-and-bound: what it may hold at a time. With less it takes longer, where it is short.
    Bytes memory{std::int64_t{2} << 30};
    std::size_t certificate = 0;  // branch-and-bound: prove it in at most so many beginnings
    std::string only;  // uniform: "device/variant/configuration"; empty: the best of them
    // branch-and-bound, least latency: processes that search together (team.hpp), of which this is
    // rank 0.
    const Team* team = nullptr;
};

enum class SearchStatus {
    proven,      // the mapping is optimal in its order; see `in_any_order`
    unproven,    // a heuristic's answer, or the limit came first: see lower_bound
    infeasible,  // this search has no answer here; `note` says why
};

struct SearchResult {
    Mapping mapping;
    Time makespan = kNever;
    // Latency: no mapping in this order is faster, and none in any; zero if the search gives none.
    Time lower_bound{}, lower_bound_in_any_order{};
    double value = 0,
           bound = 0;  // of another goal: value_on(mapping), and nothing is below `bound`
    SearchStatus status = SearchStatus::unproven;
    bool in_any_order = false;    // proven: and no order of the tasks gives a better one
    std::uint64_t evaluated = 0;  // mappings (exhaustive) or nodes
    std::string note;             // for people: why infeasible, what was skipped
    // If asked for; if there is none, `no_certificate` says why.
    std::optional<Certificate> certificate;
    std::string no_certificate;
};

// For which goals a search has an ability; each includes those before it.
enum class Goals {
    none,
    latency,  // Goal::is_latency()
    any
};

// A search and what it can do. What it cannot use of its options it ignores: it may be asked as a
// baseline. Interfaces for people ask these columns, and refuse.
struct Search {
    std::string_view name;
    std::string_view summary;
    SearchResult (*run)(const Problem&, const SearchOptions&);
    // Several objectives; nullptr: it finds no fronts.
    Front (*front)(const Problem&, const SearchOptions&) = nullptr;
    Goals goals = Goals::latency;
    bool exact = false;                // proven, where nothing stops it
    bool accuracy = false;             // finds the best of a given accuracy at least
    bool constraints = false;          // keeps to Goal::limits and to layers together
    Goals threads = Goals::none;       // uses more than one
    Goals certificates = Goals::none;  // gives proofs that can be checked without it
    bool decides_order = false;        // chooses the order of tasks; else it is the static one
};

std::span<const Search> searches();
const Search& find_search(std::string_view name);  // throws InputError with the list
// "branch-and-bound, exhaustive": those that can, in the table's order; empty if there is none.
std::string searches_that(const std::function<bool(const Search&)>& can);

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
