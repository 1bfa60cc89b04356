// A model, a platform and what is asked, between "%%%%" lines: compiled, mapped by greedy and by
// branch and bound, and every report of the answers. Searches end after a number of questions of
// `stop`, so that a run is the same every time.

#include "sim/compile/offers.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/platform.hpp"
#include "sim/report/html.hpp"
#include "sim/report/report.hpp"
#include "sim/search/answer.hpp"
#include "text_mutator.hpp"

#include <algorithm>
#include <sstream>

namespace {

constexpr int kMostQuestions = 30;
constexpr std::size_t kMostLayers = 24, kMostTasks = 300;

struct Asked {
    sim::Problem problem;
    bool is_front = false;
    sim::Question question;
};

// Words: "batch 4", "goal energy", "front", "frames 3", "free", "certificate", "max latency=2ms",
// "pin a=cpu", "together a,b", "modes fastest".
Asked ask(std::string_view words, const sim::Model& model, const sim::Platform& platform) {
    Asked asked;
    std::istringstream text{std::string{words}};
    sim::CompileOptions options;
    std::string word, value;
    while (text >> word) {
        if (word == "batch") {
            text >> options.batch;
        } else if (word == "modes" && text >> value) {
            options.transfer_modes = value;
        } else if (word == "only" && text >> value) {
            options.only.push_back(value);
        }
    }
    const sim::Problem& problem = asked.problem = sim::compile(model, platform, options);
    text.clear();
    text.seekg(0);
    sim::SearchOptions& search = asked.question.options;
    while (text >> word) {
        if (word == "goal" && text >> value) {
            search.goal.minimise = {sim::objective_named(problem, value, false)};
        } else if (word == "front" && text >> value) {
            asked.is_front = true;
            search.goal.minimise.push_back(sim::objective_named(problem, value, false));
        } else if (word == "frames") {
            text >> search.goal.frames_in_flight;
            search.goal.frames_in_flight = std::clamp(search.goal.frames_in_flight, 1, 64);
        } else if (word == "free") {
            search.free_order = true;
        } else if (word == "certificate") {
            search.certificate = 10'000;
        } else if (word == "max" && text >> value) {
            asked.question.constraints.push_back(sim::limit_named(problem, value));
        } else if (word == "pin" && text >> value) {
            asked.question.constraints.push_back(sim::pin_named(problem, value));
        } else if (word == "together" && text >> value) {
            asked.question.constraints.push_back(sim::together_named(problem, value));
        }
    }
    search.memory = {std::int64_t{64} << 20};
    return asked;
}

void report(const sim::Answer& answer) {
    sim::text_table(answer);
    sim::json_text(answer);
    for (const sim::Report& one : sim::reports()) {
        one.render(answer);
    }
    if (answer.result.certificate) {
        sim::certificate_json(answer);
    }
    // What is written of the mapping is that mapping.
    const std::string written =
        sim::to_yaml(sim::describe(*answer.problem, answer.mapping, answer.schedule.makespan));
    static const fuzz::MemoryFile file;
    file.write(written);
    const sim::Mapping again = sim::resolve(sim::load_mapping_file(file.path()), *answer.problem);
    if (again.tasks != answer.mapping.tasks) {
        fuzz::fail("another mapping than the one that was written:\n" + written);
    }
}

void map(std::string_view words, const sim::Model& model, const sim::Platform& platform) {
    const Asked asked = ask(words, model, platform);
    const sim::Problem& problem = asked.problem;
    if (problem.tasks.size() > kMostTasks) {
        return;
    }
    sim::unmatched_costs(model, platform);
    for (const char* const search : {"greedy", "branch-and-bound"}) {
        fuzz::tolerate([&] {
            sim::Question question = asked.question;
            question.search = search;
            question.baselines = true;
            question.options.stop = [questions = 0]() mutable {
                return ++questions > kMostQuestions;
            };
            if (asked.is_front) {
                const sim::FrontAnswer front = sim::front_answer_to(question, model, problem);
                std::ranges::for_each(front.points, report);
                sim::front_text(front);
                sim::front_json(front);
                sim::front_csv(front);
                sim::front_svg(front);
                sim::html_report({.platform = &platform, .front = &front});
            } else {
                const sim::Answer answer = sim::answer_to(question, model, problem);
                report(answer);
                sim::html_report({.platform = &platform, .answer = &answer});
            }
        });
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile model_file, platform_file;
    const std::vector<std::string_view> parts = fuzz::sections(fuzz::text_of(data, size));
    if (parts.size() < 2) {
        return -1;  // not worth keeping
    }
    fuzz::tolerate([&] {
        model_file.write(parts[0]);
        const sim::Model model = sim::load_model(model_file.path(), {});
        if (model.layers.size() > kMostLayers) {
            return;
        }
        platform_file.write(parts[1]);
        const sim::Platform platform = sim::load_platform(platform_file.path(), {}, {});
        map(parts.size() > 2 ? parts[2] : std::string_view{}, model, platform);
    });
    return 0;
}
