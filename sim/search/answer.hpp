#pragma once

// Answers: a search is asked a question, within limits, and what it finds is completed with all
// that reports show. Start at `answer_to`, for several objectives at `front_answer_to`.
//
// The caller brings the clock and Ctrl-C: this library reads neither.

#include "sim/describe/model.hpp"
#include "sim/run/accuracy.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/simulate.hpp"
#include "sim/run/spread.hpp"
#include "sim/search/constraints.hpp"
#include "sim/search/search.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct Question {
    std::string search = "branch-and-bound";            // a name of the table
    SearchOptions options = {};                         // the goal, the limits
    std::optional<double> min_accuracy = std::nullopt;  // percent: only mappings that have it
    std::vector<Constraint> constraints = {};           // only mappings that keep to all of them
    std::function<double()> seconds = {};               // a clock, for Answer::seconds
    double time_limit = 0;                              // seconds, for all of it; 0: none
    bool baselines = false;  // also what the answer is compared with; it is not worse than any
};

struct Baseline {
    std::string name;
    Time makespan{};
    double value = 0;  // on the objective, where that is not the latency
};

// All that a report may want to know.
struct Answer {
    const Model* model = nullptr;
    const Problem* problem = nullptr;
    Mapping mapping;
    Schedule schedule;
    std::string search;                    // empty: the mapping was given, or is a point of a front
    Goal goal;                             // of the search
    std::vector<std::string> constraints;  // as they were asked for
    SearchResult result;                   // of `search`
    double seconds = 0;                    // how long it took
    int point = 0;                         // of a front, from 1; 0: of none
    std::vector<Baseline> baselines;

    // What the platform and the model say beyond times; see `complete`.
    std::optional<EnergyBreakdown> energy;
    std::vector<MemoryUse> memories;
    std::vector<Violation> violations;
    std::optional<AccuracyEstimate> accuracy;
    std::optional<Stream> stream;
    std::optional<Interval> interval;  // of the makespan
    int segments = 0, switches = 0;
};

// The front of several objectives: each point as an answer of its own.
struct FrontAnswer {
    std::string model;      // that was asked about
    bool of_twins = false;  // each point has a model of its own, and the accuracy that it states
    std::string search;
    Goal goal;
    std::vector<std::string> constraints;
    Front front;
    double seconds = 0;
    std::vector<Answer> points;              // as Front::points
    std::vector<std::string> mapping_files;  // of the points; empty: not written
};

// The best mapping of one objective. Answers keep pointers to `model` and `problem`. Throws
// InputError if there is no mapping (then it says which constraints are at fault), if the search is
// unknown, or if it cannot tell which is best: unknown energies, losses, accuracies; a certificate
// of what has none.
Answer answer_to(const Question& question, const Model& model, const Problem& problem);

// The front of the goal's objectives. Throws InputError also if the search finds no fronts.
FrontAnswer front_answer_to(const Question& question, const Model& model, const Problem& problem);

// Of a process that assists (team.hpp): what the search is asked where rank 0 asks the question.
struct AskedOfSearch {
    Problem problem;
    SearchOptions options;
};
AskedOfSearch asked_of_search(const Question& question, const Problem& problem);

// A given mapping, with a stream if there are frames in flight.
Answer answer_with(const Mapping& mapping,
                   const Model& model,
                   const Problem& problem,
                   int frames_in_flight = 0);

// Fills in schedule, energy, memories, violations and accuracy of `mapping`, and with frames in
// flight the stream. Returns the assessment that says so.
Assessment complete(Answer& answer, int frames_in_flight = 0);

// The answer's value on its objective for one image of the batch, to compare batch sizes.
double value_per_image(const Answer& answer);

}  // namespace sim
