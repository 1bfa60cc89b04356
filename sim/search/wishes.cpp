#include "sim/search/wishes.hpp"

#include "sim/search/constraints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace sim {
namespace {

constexpr std::size_t kLongestCertificate = 1'000'000;  // beginnings: some 100 MB
constexpr double kRobustQuantile = 0.9;

// The partial mapping that stays is of this batch size and has these transfer modes.
void expect_fixed_alike(const Wishes& wishes, int batch) {
    if (!wishes.fix) {
        return;
    }
    if (wishes.fix->batch != batch) {
        throw InputError{fmt::format("--fix: {} is of batch {}; --batch asks for {}",
                                     wishes.fix_name,
                                     wishes.fix->batch,
                                     batch)};
    }
    if (wishes.transfer_modes && *wishes.transfer_modes != wishes.fix->transfer_modes) {
        throw InputError{
            fmt::format("--fix: {} has transfer modes '{}'; --transfer-modes "
                        "asks for '{}'",
                        wishes.fix_name,
                        wishes.fix->transfer_modes,
                        *wishes.transfer_modes)};
    }
}

std::vector<Constraint> constraints_of(const Wishes& wishes, const Problem& problem) {
    std::vector<Constraint> all;
    if (wishes.fix) {
        all.push_back(fixed_by(problem, *wishes.fix, wishes.fix_name));
    }
    for (const std::string& pin : wishes.pin) {
        all.push_back(pin_named(problem, pin));
    }
    for (const std::string& together : wishes.together) {
        all.push_back(together_named(problem, together));
    }
    for (const std::string& limit : wishes.max) {
        all.push_back(limit_named(problem, limit));
    }
    return all;
}

}  // namespace

void expect_able(const Wishes& wishes) {
    const Search& search = find_search(wishes.search);
    const bool is_latency =
        wishes.pareto.empty() && wishes.objective == "latency" && wishes.prefer.empty();
    // Every search keeps to what leaves tasks out, and to what memories hold.
    const bool limits = std::ranges::any_of(
        wishes.max, [](const std::string& limit) { return !limit.starts_with("memory."); });
    const bool is_plain = is_latency && !wishes.min_accuracy && !limits && wishes.together.empty();
    const Goals needed = is_plain ? Goals::latency : Goals::any;
    const auto keeps = [](const Search& one) { return one.constraints; };
    const auto expect = [&](bool asked,
                            const std::string& option,
                            const std::string& inability,
                            const std::function<bool(const Search&)>& can) {
        if (asked && !can(search)) {
            const std::string able = searches_that(can);
            throw InputError{
                fmt::format("{}: {} {}; {}",
                            option,
                            search.name,
                            inability,
                            able.empty() ? "no search can" : "searches that can: " + able)};
        }
    };
    expect(!wishes.pareto.empty(), "--pareto", "cannot find fronts", [](const Search& one) {
        return one.front != nullptr;
    });
    expect(!is_latency,
           wishes.prefer.empty() ? "--objective" : "--prefer",
           "cannot look for more than the least latency",
           [](const Search& one) { return one.goals == Goals::any; });
    expect(wishes.min_accuracy.has_value(),
           "--min-accuracy",
           "cannot keep to an accuracy",
           [](const Search& one) { return one.accuracy; });
    expect(limits, "--max", "cannot keep to limits", keeps);
    expect(!wishes.together.empty(), "--together", "cannot keep layers together", keeps);
    expect(wishes.threads > 1,
           "--threads",
           "cannot use threads for this goal",
           [&](const Search& one) { return one.threads >= needed; });
    expect(wishes.certificate,
           "--certificate",
           "cannot give a certificate of this goal",
           [&](const Search& one) { return one.certificates >= needed; });
}

Problem problem_of(const Wishes& wishes, const Model& model, const Platform& platform, int batch) {
    expect_fixed_alike(wishes, batch);
    Problem problem =
        compile(model,
                platform,
                {.batch = batch,
                 .only = wishes.only,
                 .transfer_modes = wishes.fix ? wishes.fix->transfer_modes
                                              : wishes.transfer_modes.value_or("first"),
                 .quantile = wishes.robust ? kRobustQuantile : 0.5});
    if (wishes.fix) {
        apply_transfer_modes(*wishes.fix, platform, problem);
    }
    return problem;
}

Goal goal_of(const Wishes& wishes, const Problem& problem) {
    Goal goal;
    goal.frames_in_flight = wishes.frames_in_flight;
    goal.minimise.clear();
    for (const std::string& name : wishes.pareto) {
        goal.minimise.push_back(objective_named(problem, name, false));
    }
    if (goal.minimise.empty()) {
        goal.minimise.push_back(objective_named(problem, wishes.objective, false));
    }
    for (const std::string& name : wishes.prefer) {
        goal.prefer.push_back(objective_named(problem, name, true));
    }
    return goal;
}

Question question_of(const Wishes& wishes, const Problem& problem) {
    Question question;
    question.search = wishes.search;
    question.constraints = constraints_of(wishes, problem);
    question.min_accuracy = wishes.min_accuracy;
    question.options.goal = goal_of(wishes, problem);
    question.options.threads = wishes.threads;
    question.options.certificate = wishes.certificate ? kLongestCertificate : 0;
    question.options.free_order = wishes.free_order;
    return question;
}

}  // namespace sim
