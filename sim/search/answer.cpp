#include "sim/search/answer.hpp"

#include "sim/error.hpp"
#include "sim/search/accurate.hpp"
#include "sim/search/baselines.hpp"
#include "sim/search/certificate.hpp"
#include "sim/search/covers.hpp"
#include "sim/search/results.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace sim {
namespace {

// Complains before the search about what no answer could tell.
void expect_answerable(const Question& question, const Model& model, const Problem& problem) {
    expect_known_losses(model, problem, question.options.goal);
    if (question.options.certificate > 0) {
        const std::string reason = uncertifiable(problem, question.options.goal);
        if (!reason.empty()) {
            throw InputError{"certificate: " + reason};
        }
        if (!question.constraints.empty()) {
            throw InputError{
                "certificate: certificates are about all mappings, not about those that keep to "
                "constraints"};
        }
    }
}

// Frames in flight of a goal that a stream is simulated for; 0: it is not.
int frames_of(const Goal& goal) {
    const auto is_stream = [](const Objective& objective) {
        return objective.criterion == Criterion::period;
    };
    return std::ranges::any_of(goal.minimise, is_stream) ? goal.frames_in_flight : 0;
}

double now(const Question& question) { return question.seconds ? question.seconds() : 0; }

// Of the time limit what baselines may take, and when the search must end, so that completing the
// answer fits in.
constexpr double kBaselinesEnd = 0.25, kBaselinesOfAFrontEnd = 0.1, kSearchEnd = 0.97;

// The question's options, that know of the limit for all of the answer.
SearchOptions within_limit(const Question& question, double begin) {
    SearchOptions options = question.options;
    if (question.seconds && question.time_limit > 0) {
        options.elapsed = [&question, begin] {
            return (question.seconds() - begin) / question.time_limit;
        };
        options.stop = [stop = question.options.stop, elapsed = options.elapsed] {
            return (stop && stop()) || elapsed() >= kSearchEnd;
        };
    }
    return options;
}

// The baselines, of an accuracy those that have it. They end when so much of the time is over.
std::vector<NamedResult> known_mappings(const Question& question,
                                        const Model& model,
                                        const Problem& problem,
                                        const SearchOptions& options,
                                        double end) {
    std::vector<NamedResult> known =
        baselines(problem, options.goal, internal::until(options, end).stop);
    std::erase_if(known, [&](const NamedResult& baseline) {
        const std::optional<AccuracyEstimate> accuracy =
            accuracy_of(model, problem, baseline.result.mapping);
        return question.min_accuracy && (!accuracy || accuracy->percent < *question.min_accuracy);
    });
    return known;
}

std::vector<std::string> texts_of(const std::vector<Constraint>& constraints) {
    std::vector<std::string> texts;
    for (const Constraint& constraint : constraints) {
        texts.push_back(constraint.text);
    }
    return texts;
}

// The options as they are of the problem that is left.
SearchOptions within(const Constrained& left, SearchOptions options) {
    options.goal = left.goal;
    for (Mapping& start : options.starts) {
        start = left.from_original(start);
    }
    std::erase_if(options.starts, [](const Mapping& start) { return start.empty(); });
    return options;
}

// That a search of what is left has no answer, and which constraints are at fault.
[[noreturn]] void refuse(const Search& search,
                         const Question& question,
                         const Problem& problem,
                         const SearchOptions& options,
                         const std::string& note) {
    std::string why;
    if (!question.constraints.empty()) {
        why = why_none(problem,
                       question.constraints,
                       search.decides_order && options.free_order,
                       options.stop);
    }
    if (why.empty()) {
        why = note.empty() ? "no mapping" : note;
        if (!question.constraints.empty()) {
            why +=
                fmt::format("; asked for was: {}", fmt::join(texts_of(question.constraints), ", "));
        }
    }
    throw InputError{fmt::format("{}: {}", search.name, why)};
}

void complete_with(Answer& answer, const Assessment& assessment) {
    answer.schedule = assessment.schedule;
    answer.energy = assessment.energy_pieces;
    answer.memories = assessment.memories;
    answer.violations = assessment.violations;
    answer.stream = assessment.stream;
    answer.interval = interval_of(*answer.problem, answer.mapping);
    answer.segments = assessment.segments;
    answer.switches = assessment.switches;
    if (answer.model != nullptr) {
        answer.accuracy = accuracy_of(*answer.model, *answer.problem, answer.mapping);
    }
}

// Searches that find no fronts cannot keep to an accuracy.
Front (*finder_of(const Search& search))(const Problem&, const SearchOptions&) {
    if (search.front == nullptr) {
        throw InputError{
            fmt::format("search: {} finds no fronts; searches that do: {}",
                        search.name,
                        searches_that([](const Search& one) { return one.front != nullptr; }))};
    }
    return search.front;
}

}  // namespace

Answer answer_to(const Question& question, const Model& model, const Problem& problem) {
    const Search& search = find_search(question.search);
    expect_answerable(question, model, problem);
    const double begin = now(question);
    Answer answer;
    answer.model = &model;
    answer.problem = &problem;
    answer.search = question.search;
    answer.goal = question.options.goal;
    answer.constraints = texts_of(question.constraints);
    const Constrained left = constrained(problem, question.options.goal, question.constraints);
    SearchOptions options = within(left, within_limit(question, begin));
    if (!question.constraints.empty() && internal::Covers(left.problem).uncoverable() >= 0) {
        refuse(search, question, problem, options, {});
    }
    if (question.baselines) {
        // One of the best is enough to begin with; all of them where none fits.
        double best = std::numeric_limits<double>::infinity();
        std::vector<Mapping> begin_with;
        for (NamedResult& known :
             known_mappings(question, model, left.problem, options, kBaselinesEnd)) {
            answer.baselines.push_back({known.name, known.result.makespan, known.result.value});
            if (known.result.value < best) {
                best = known.result.value;
                begin_with.clear();
            } else if (best < std::numeric_limits<double>::infinity()) {
                continue;
            }
            begin_with.push_back(std::move(known.result.mapping));
        }
        std::ranges::move(begin_with, std::back_inserter(options.starts));
    }
    answer.result =
        question.min_accuracy
            ? search_with_accuracy(
                  model, left.problem, options, *question.min_accuracy, finder_of(search))
            : search.run(left.problem, options);
    if (answer.result.status == SearchStatus::infeasible) {
        refuse(search, question, problem, options, answer.result.note);
    }
    answer.mapping = answer.result.mapping = left.in_original(answer.result.mapping);
    const Assessment whole = complete(answer, frames_of(options.goal));
    // Some searches only know the time.
    answer.result.value = value_on(problem, options.goal.minimise.front(), answer.mapping, whole);
    answer.seconds = now(question) - begin;
    return answer;
}

FrontAnswer front_answer_to(const Question& question, const Model& model, const Problem& problem) {
    const Search& search = find_search(question.search);
    const auto find = finder_of(search);
    expect_answerable(question, model, problem);
    const double begin = now(question);
    const Constrained left = constrained(problem, question.options.goal, question.constraints);
    SearchOptions options = within(left, within_limit(question, begin));
    FrontAnswer front;
    front.model = model.name;
    front.search = question.search;
    front.goal = question.options.goal;
    front.constraints = texts_of(question.constraints);
    if (!question.constraints.empty() && internal::Covers(left.problem).uncoverable() >= 0) {
        refuse(search, question, problem, options, {});
    }
    // What is known of each objective by itself is known of all.
    const std::size_t axes = options.goal.minimise.size();
    for (std::size_t i = 0; question.baselines && i < axes; ++i) {
        SearchOptions alone = options;
        alone.goal.minimise.assign(1, options.goal.minimise[i]);
        const double end =
            kBaselinesOfAFrontEnd * static_cast<double>(i + 1) / static_cast<double>(axes);
        for (NamedResult& known : known_mappings(question, model, left.problem, alone, end)) {
            if (std::ranges::find(options.starts, known.result.mapping) == options.starts.end()) {
                options.starts.push_back(std::move(known.result.mapping));
            }
        }
    }
    front.front =
        question.min_accuracy
            ? front_with_accuracy(model, left.problem, options, *question.min_accuracy, find)
            : find(left.problem, options);
    if (front.front.points.empty()) {
        refuse(search, question, problem, options, front.front.note);
    }
    for (FrontPoint& point : front.front.points) {
        point.mapping = left.in_original(point.mapping);
    }
    // Of a part of the problem, whose tasks have other numbers, its assessment says little.
    const bool is_renumbered = question.min_accuracy || !question.constraints.empty();
    for (const FrontPoint& point : front.front.points) {
        Answer& answer = front.points.emplace_back();
        answer.model = &model;
        answer.problem = &problem;
        answer.goal = front.goal;
        answer.constraints = front.constraints;
        answer.mapping = point.mapping;
        answer.point = static_cast<int>(front.points.size());
        if (is_renumbered) {
            complete(answer, frames_of(options.goal));
        } else {
            complete_with(answer, point.assessment);
        }
    }
    front.seconds = now(question) - begin;
    return front;
}

AskedOfSearch asked_of_search(const Question& question, const Problem& problem) {
    Constrained left = constrained(problem, question.options.goal, question.constraints);
    SearchOptions options = within(left, question.options);
    return {std::move(left.problem), std::move(options)};
}

Answer answer_with(const Mapping& mapping,
                   const Model& model,
                   const Problem& problem,
                   int frames_in_flight) {
    Answer answer;
    answer.model = &model;
    answer.problem = &problem;
    answer.mapping = answer.result.mapping = mapping;
    answer.goal.frames_in_flight = frames_in_flight;
    complete(answer, frames_in_flight);
    answer.result.makespan = answer.schedule.makespan;
    answer.result.value = static_cast<double>(answer.result.makespan.count());
    return answer;
}

Assessment complete(Answer& answer, int frames_in_flight) {
    Assessment assessment =
        assess(*answer.problem, answer.mapping, {.frames_in_flight = frames_in_flight});
    complete_with(answer, assessment);
    return assessment;
}

double value_per_image(const Answer& answer) {
    const Criterion criterion = answer.goal.minimise.front().criterion;
    // Latency, energy and period grow with the batch, their product with its square.
    const int power = criterion == Criterion::loss           ? 0
                      : criterion == Criterion::energy_delay ? 2
                                                             : 1;
    return answer.result.value / std::pow(answer.problem->batch, power);
}

}  // namespace sim
