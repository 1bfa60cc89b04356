#pragma once

// What people ask of a mapping, in their words: the command line's and Python's. Start at
// `question_of`, which makes of them what a search is asked.
//
// Messages name a wish by the command line's option, "--pareto: greedy cannot find fronts; ...".

#include "sim/compile/problem.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/platform.hpp"
#include "sim/search/answer.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim {

struct Wishes {
    std::string objective = "latency";
    std::vector<std::string> pareto;                // objectives of a front, in place of that one
    std::vector<std::string> prefer;                // of equally good mappings
    std::vector<std::string> max, pin, together;    // constraints.hpp says what may stand here
    std::vector<std::string> only;                  // CompileOptions
    std::optional<std::string> transfer_modes;      // likewise
    std::optional<double> min_accuracy;             // percent
    std::optional<MappingFile> fix = std::nullopt;  // what it says of some layers stays
    std::string fix_name = {};                      // of that file, in messages
    std::string search = "branch-and-bound";
    bool free_order = true;
    bool robust = false;  // every cost what nine of ten runs keep to
    bool certificate = false;
    int threads = 1, frames_in_flight = 4;
};

// Refuses what the search cannot use, and names the searches that can. Needs no model.
void expect_able(const Wishes& wishes);

// The model on the platform as it is wished: with these implementations, these costs, and the
// transfer modes of the mapping that stays.
Problem problem_of(const Wishes& wishes, const Model& model, const Platform& platform, int batch);

Goal goal_of(const Wishes& wishes, const Problem& problem);

// The goal, the constraints and the search. Time, memory and Ctrl-C are the caller's.
Question question_of(const Wishes& wishes, const Problem& problem);

}  // namespace sim
