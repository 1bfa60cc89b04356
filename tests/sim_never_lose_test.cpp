// No answer is worse than a mapping that hetmap itself knows, whatever the problem has, whatever is
// asked and however early the search is stopped.

#include "sim/error.hpp"
#include "sim/run/accuracy.hpp"
#include "sim/run/assess.hpp"
#include "sim/search/answer.hpp"
#include "sim/search/baselines.hpp"
#include "sim/search/constraints.hpp"
#include "sim_features.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using sim::Criterion;
using sim::Problem;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// A model that states an accuracy, of layers without weights: what problems that were not compiled
// from one can do without.
sim::Model no_model() {
    sim::Model model;
    model.accuracy = sim::Accuracy{.metric = "none",
                                   .reference = 90,
                                   .measured = {},
                                   .sensitivities = {},
                                   .sensitivity_source = {}};
    return model;
}

// Every feature in about half of the problems, so that each meets each.
Problem random_problem(std::uint64_t seed) {
    generate::Random r(seed * 77 + 5);
    const auto features = static_cast<unsigned>(r.integer(0, generate::kAll)) | generate::kEnergy;
    Problem p = generate::with_features(
        seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed), seed, features);
    p.model_layer.assign(static_cast<std::size_t>(p.layers()), -1);
    return p;
}

// Two dozen layers: too many to be done before a search is stopped.
Problem larger_problem(std::uint64_t seed) {
    generate::Random r(seed * 31 + 7);
    const auto features = static_cast<unsigned>(r.integer(0, generate::kAll)) | generate::kEnergy;
    Problem p = generate::with_features(generate::random_layered(24, 3, seed), seed, features);
    p.model_layer.assign(static_cast<std::size_t>(p.layers()), -1);
    return p;
}

// When a search is told to stop.
struct Limit {
    std::string name;
    std::optional<int> questions = std::nullopt;  // after so many
    double clock_limit = 0;  // or after so many ticks of a clock that ticks whenever it is read
};

const std::vector<Limit>& limits() {
    static const std::vector<Limit> kLimits{{.name = "at once", .questions = 0},
                                            {.name = "after one question", .questions = 1},
                                            {.name = "after a few", .questions = 7},
                                            {.name = "after many", .questions = 40},
                                            {.name = "by a clock, soon", .clock_limit = 5},
                                            {.name = "by a clock", .clock_limit = 60}};
    return kLimits;
}

sim::Question question_of(const sim::Goal& goal, const std::string& search, const Limit& limit) {
    sim::Question question;
    question.search = search;
    question.baselines = true;
    question.options.goal = goal;
    question.options.free_order = true;
    if (limit.questions) {
        question.options.stop = [asked = std::make_shared<int>(0), most = *limit.questions] {
            return (*asked)++ >= most;
        };
    }
    question.seconds = [ticks = std::make_shared<double>(0)] { return (*ticks)++; };
    question.time_limit = limit.clock_limit;
    return question;
}

sim::Goal goal_of(std::vector<Criterion> criteria) {
    sim::Goal goal;
    goal.minimise.clear();
    for (const Criterion criterion : criteria) {
        goal.minimise.push_back({.criterion = criterion});
    }
    goal.frames_in_flight = 3;
    return goal;
}

double value_of(const Problem& p, const sim::Goal& goal, std::size_t axis, const sim::Mapping& m) {
    const sim::Objective& objective = goal.minimise[axis];
    const bool is_stream = objective.criterion == Criterion::period;
    return value_on(
        p, objective, m, assess(p, m, {.frames_in_flight = is_stream ? goal.frames_in_flight : 0}));
}

// What is known without a search: mappings of heuristics that nothing stops.
std::vector<sim::Mapping> heuristics(const Problem& p, const sim::Goal& goal) {
    std::vector<sim::Mapping> found;
    for (const char* const name : {"greedy", "heft", "uniform"}) {
        sim::SearchOptions options;
        options.goal = goal;
        const sim::SearchResult result = sim::find_search(name).run(p, options);
        if (result.status != sim::SearchStatus::infeasible) {
            found.push_back(result.mapping);
        }
    }
    return found;
}

std::optional<sim::Answer> answer_of(const sim::Question& question,
                                     const sim::Model& model,
                                     const Problem& p) {
    try {
        return answer_to(question, model, p);
    } catch (const sim::InputError&) {
        return std::nullopt;  // no mapping
    }
}

bool criterion_is_latency(const sim::Goal& goal) {
    return goal.minimise.front().criterion == Criterion::latency;
}

// The answer, and that it loses to nothing. Returns whether there is one.
bool check_never_loses(const Problem& p,
                       const sim::Goal& goal,
                       const std::string& search,
                       const Limit& limit) {
    static const sim::Model kModel = no_model();
    const std::optional<sim::Answer> answer =
        answer_of(question_of(goal, search, limit), kModel, p);
    double best = kInfinite;
    for (const sim::Mapping& mapping : heuristics(p, goal)) {
        best = std::min(best, value_of(p, goal, 0, mapping));
    }
    if (!answer) {
        CHECK(best == kInfinite);
        return false;
    }
    for (const sim::Baseline& baseline : answer->baselines) {
        best = std::min(best, baseline.value);
    }
    const double value = value_of(p, goal, 0, answer->mapping);
    CHECK(answer->violations.empty());
    CHECK(value < kInfinite);
    CHECK(value == answer->result.value);
    CHECK(value <= best);
    // What is said to be possible at best is not less than what was found; if it is the same, that
    // is a proof.
    const double bound = criterion_is_latency(goal)
                             ? static_cast<double>(answer->result.lower_bound.count())
                             : answer->result.bound;
    CHECK(bound <= value);
    if (bound == value && bound > 0 && search == "branch-and-bound") {
        CHECK(answer->result.status == sim::SearchStatus::proven);
    }
    return true;
}

int device_of(const Problem& p, const sim::Mapping& mapping, int layer) {
    const auto covers = [&](int k) {
        return std::ranges::count(layers_of(p.tasks[static_cast<std::size_t>(k)]), layer) > 0;
    };
    const int task = *std::ranges::find_if(mapping.tasks, covers);
    const sim::Task& one = p.tasks[static_cast<std::size_t>(task)];
    return one.parts.empty() ? one.device : -1;
}

// Some constraints that a mapping keeps to, and whether another does.
struct Kept {
    std::vector<sim::Constraint> constraints;
    std::int64_t latency = std::numeric_limits<std::int64_t>::max();
    int segments = std::numeric_limits<int>::max();
    std::vector<int> pinned, together;  // layers
    int device = 0;                     // of the pinned one

    bool keeps(const Problem& p, const sim::Mapping& mapping) const {
        const sim::Assessment whole = assess(p, mapping);
        const auto is_pinned = [&](int layer) { return device_of(p, mapping, layer) == device; };
        return whole.makespan.count() <= latency && whole.segments <= segments &&
               std::ranges::all_of(pinned, is_pinned) &&
               (together.empty() ||
                device_of(p, mapping, together[0]) == device_of(p, mapping, together[1]));
    }
};

Kept kept_by(const Problem& p, const sim::Mapping& mapping, std::uint64_t seed) {
    generate::Random r(seed);
    const sim::Assessment whole = assess(p, mapping);
    Kept kept;
    if (r.integer(0, 1) == 0) {
        kept.latency = whole.makespan.count() * (100 + r.integer(0, 20)) / 100;
        kept.constraints.push_back(
            {"latency", sim::Limit{sim::Limit::Kind::latency, kept.latency}});
    }
    if (r.integer(0, 1) == 0) {
        kept.segments = whole.segments;
        kept.constraints.push_back(
            {"segments", sim::Limit{sim::Limit::Kind::segments, kept.segments}});
    }
    const int layers = p.layers() - 2;
    const auto layer = [&] { return 1 + static_cast<int>(r.integer(0, layers - 1)); };
    if (const int one = layer(); device_of(p, mapping, one) >= 0 && r.integer(0, 1) == 0) {
        kept.pinned = {one};
        kept.device = device_of(p, mapping, one);
        sim::Pinned pinned;
        for (const sim::Task& task : p.tasks) {
            const bool covers = std::ranges::count(layers_of(task), one) > 0;
            pinned.allowed.push_back(!covers || (task.parts.empty() && task.device == kept.device));
        }
        kept.constraints.push_back({"pin", std::move(pinned)});
    }
    const int a = layer(), b = layer();
    if (a != b && device_of(p, mapping, a) >= 0 &&
        device_of(p, mapping, a) == device_of(p, mapping, b)) {
        kept.together = {a, b};
        kept.constraints.push_back({"together", sim::Together{{a, b}}});
    }
    return kept;
}

}  // namespace

TEST_CASE("long: an answer is never worse than a baseline that fits, whenever it is stopped") {
    for (std::uint64_t seed = 24; seed < 40; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 8 == 0 ? larger_problem(seed) : random_problem(seed);
        for (const Criterion criterion : {Criterion::latency,
                                          Criterion::energy,
                                          Criterion::energy_delay,
                                          Criterion::period,
                                          Criterion::loss}) {
            const sim::Goal goal = goal_of({criterion});
            CAPTURE(name_of(p, goal.minimise.front()));
            for (const std::string search : {"branch-and-bound", "exhaustive"}) {
                CAPTURE(search);
                for (const Limit& limit : limits()) {
                    CAPTURE(limit.name);
                    check_never_loses(p, goal, search, limit);
                }
            }
        }
    }
}

TEST_CASE("long: an answer fits if any baseline does, given time for the baselines") {
    static const sim::Model kModel = no_model();
    int fitting = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        const Problem p = random_problem(seed);
        for (const Criterion criterion : {Criterion::latency, Criterion::period}) {
            const sim::Goal goal = goal_of({criterion});
            double best = kInfinite;
            for (const sim::NamedResult& known : sim::baselines(p, goal)) {
                best = std::min(best, value_of(p, goal, 0, known.result.mapping));
            }
            const std::optional<sim::Answer> answer = answer_of(
                question_of(goal, "branch-and-bound", {.name = "", .questions = 250}), kModel, p);
            CHECK(answer.has_value() >= (best < kInfinite));
            if (answer) {
                CHECK(answer->result.value <= best);
            }
            fitting += best < kInfinite ? 1 : 0;
        }
    }
    CHECK(fitting > 10);
}

TEST_CASE(
    "long: with constraints that a heuristic's mapping keeps to, the answer keeps to them and is "
    "no worse") {
    static const sim::Model kModel = no_model();
    int asked = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 8 == 0 ? larger_problem(seed) : random_problem(seed);
        const sim::Goal goal = goal_of({seed % 4 == 0   ? Criterion::energy
                                        : seed % 4 == 1 ? Criterion::period
                                                        : Criterion::latency});
        const std::vector<sim::Mapping> known = heuristics(p, goal);
        for (std::size_t i = 0; i < known.size(); ++i) {
            const double best = value_of(p, goal, 0, known[i]);
            if (best == kInfinite) {
                continue;
            }
            const Kept kept = kept_by(p, known[i], 10 * seed + i);
            for (const Limit& limit : limits()) {
                CAPTURE(limit.name);
                sim::Question question = question_of(goal, "branch-and-bound", limit);
                question.constraints = kept.constraints;
                if (seed % 3 == 0) {
                    question.min_accuracy = accuracy_of(kModel, p, known[i])->percent;
                }
                const std::optional<sim::Answer> answer = answer_of(question, kModel, p);
                REQUIRE(answer.has_value());
                CHECK(answer->result.value <= best);
                CHECK(value_of(p, goal, 0, answer->mapping) == answer->result.value);
                CHECK(kept.keeps(p, answer->mapping));
                CHECK(accuracy_of(kModel, p, answer->mapping)->percent >=
                      question.min_accuracy.value_or(0));
                ++asked;
            }
        }
    }
    CHECK(asked > 150);
}

TEST_CASE("long: a front has a point as good as every baseline, whenever it is stopped") {
    static const sim::Model kModel = no_model();
    const std::vector<sim::Goal> goals{
        goal_of({Criterion::latency, Criterion::energy}),
        goal_of({Criterion::latency, Criterion::loss}),
        goal_of({Criterion::period, Criterion::energy}),
        goal_of({Criterion::latency, Criterion::period}),
        goal_of({Criterion::energy, Criterion::loss, Criterion::latency})};
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        const Problem p = seed % 8 == 0 ? larger_problem(seed) : random_problem(seed);
        const sim::Goal& goal = goals[seed % goals.size()];
        // 1. What is known, of each objective by itself.
        std::vector<std::vector<double>> known;
        for (std::size_t axis = 0; axis < goal.minimise.size(); ++axis) {
            sim::Goal alone = goal;
            alone.minimise = {goal.minimise[axis]};
            for (const sim::Mapping& mapping : heuristics(p, alone)) {
                std::vector<double> values;
                for (std::size_t a = 0; a < goal.minimise.size(); ++a) {
                    values.push_back(value_of(p, goal, a, mapping));
                }
                if (values.front() < kInfinite) {
                    known.push_back(values);
                }
            }
        }
        for (const std::string search : {"branch-and-bound", "exhaustive"}) {
            CAPTURE(search);
            for (const Limit& limit : limits()) {
                CAPTURE(limit.name);
                sim::FrontAnswer front;
                try {
                    front = front_answer_to(question_of(goal, search, limit), kModel, p);
                } catch (const sim::InputError&) {
                    CHECK(known.empty());
                    continue;
                }
                // 2. A point for each, and every point is what it says.
                for (const std::vector<double>& values : known) {
                    CHECK(std::ranges::any_of(front.front.points, [&](const auto& point) {
                        return std::ranges::equal(point.values, values, std::less_equal{});
                    }));
                }
                for (const sim::FrontPoint& point : front.front.points) {
                    for (std::size_t a = 0; a < goal.minimise.size(); ++a) {
                        CHECK(point.values[a] == value_of(p, goal, a, point.mapping));
                    }
                    CHECK(point.values.front() < kInfinite);
                }
            }
        }
    }
}
