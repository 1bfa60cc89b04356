// hetmap map: search the best mapping of a model on a platform, or the front of several objectives.

#include "calibrate/output_file.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/report/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

namespace cli {
namespace {

struct Options {
    std::string model, platform, objective = "latency", search = "branch-and-bound";
    std::string batch = "1", out, time_limit = "60s", transfer_modes = "first";
    std::string front_csv, front_plot, min_accuracy;
    std::vector<std::string> only, prefer, pareto;
    int threads = 1, frames_in_flight = 4;
    OutputOptions output;
    ReportFiles reports;
};

sim::Goal goal_of(const Options& o, const sim::Problem& problem) {
    sim::Goal goal;
    goal.frames_in_flight = o.frames_in_flight;
    goal.minimise.clear();
    for (const std::string& name : o.pareto) {
        goal.minimise.push_back(sim::objective_named(problem, name, false));
    }
    if (goal.minimise.empty()) {
        goal.minimise.push_back(sim::objective_named(problem, o.objective, false));
    }
    for (const std::string& name : o.prefer) {
        goal.prefer.push_back(sim::objective_named(problem, name, true));
    }
    return goal;
}

// A model at one batch size, compiled: with the problem, what is asked of it.
struct Asked {
    std::unique_ptr<sim::Problem> problem;
    sim::SearchOptions options;
    double time_limit = 0;
};

Asked ask(const Options& o, const sim::Model& model, const sim::Platform& platform, int batch) {
    Asked asked;
    asked.problem = std::make_unique<sim::Problem>(sim::compile(
        model, platform, {.batch = batch, .only = o.only, .transfer_modes = o.transfer_modes}));
    asked.options.threads = o.threads;
    asked.options.goal = goal_of(o, *asked.problem);
    asked.time_limit = parse_duration(o.time_limit, "--time-limit");
    return asked;
}

std::optional<double> min_accuracy(const Options& o) {
    return o.min_accuracy.empty() ? std::nullopt
                                  : std::optional{parse_percent(o.min_accuracy, "--min-accuracy")};
}

// ---- one objective -----------------------------------------------------------------------

struct Mapped {
    std::unique_ptr<sim::Problem> problem;
    sim::Answer answer;
    // The objective's value for one image.
    double per_image() const {
        const sim::Criterion criterion = answer.goal.minimise.front().criterion;
        const int images = criterion == sim::Criterion::loss           ? 0
                           : criterion == sim::Criterion::energy_delay ? 2
                                                                       : 1;  // in the exponent
        return sim::value_of(answer) / std::pow(problem->batch, images);
    }
};

Mapped map_one(const Options& o,
               const sim::Model& model,
               const sim::Platform& platform,
               int batch) {
    Asked asked = ask(o, model, platform, batch);
    ProgressBar bar{o.output.quiet};
    const Stopwatch watch;
    asked.options.progress = [&](sim::Time incumbent, sim::Time bound) {
        bar.show(fmt::format("best {:.2f} us, bound {:.2f} us",
                             sim::microseconds(incumbent),
                             sim::microseconds(bound)),
                 watch.seconds() / asked.time_limit,
                 asked.time_limit - watch.seconds());
    };
    Mapped mapped;
    mapped.answer = search_answer(
        model, *asked.problem, o.search, asked.options, asked.time_limit, min_accuracy(o));
    for (const NamedResult& baseline : baselines(*asked.problem, asked.options.goal)) {
        const std::optional<sim::AccuracyEstimate> accuracy =
            sim::accuracy_of(model, *asked.problem, baseline.result.mapping);
        if (min_accuracy(o) && (!accuracy || accuracy->percent < *min_accuracy(o))) {
            continue;  // it is not what was asked for
        }
        mapped.answer.baselines.push_back(
            {baseline.name, baseline.result.makespan, baseline.result.value});
    }
    mapped.problem = std::move(asked.problem);
    return mapped;
}

void map_for_one_objective(const Options& o,
                           const sim::Model& model,
                           const sim::Platform& platform) {
    const std::vector<int> batches = parse_batches(o.batch);
    std::vector<Mapped> all;
    for (const int batch : batches) {
        try {
            all.push_back(map_one(o, model, platform, batch));
        } catch (const sim::InputError& error) {
            if (batch == batches.back() && all.empty()) {
                throw;
            }
            fmt::print(stderr, "batch {}: {}\n", batch, error.what());
        }
    }
    const auto best = std::ranges::min_element(all, {}, &Mapped::per_image);
    if (!o.out.empty()) {
        calibrate::write_file(
            o.out,
            sim::to_yaml(sim::describe(
                *best->problem, best->answer.mapping, best->answer.schedule.makespan)));
    }
    o.reports.write(best->answer);
    if (o.output.json) {
        print(sim::json_text(best->answer));
        return;
    }
    for (const Mapped& mapped : all) {
        print(sim::text_table(mapped.answer));
        if (all.size() > 1) {
            print("\n");
        }
    }
    if (all.size() > 1) {
        print(fmt::format("best per image: batch {}, {} an image\n",
                          best->problem->batch,
                          sim::value_text(best->answer.goal.minimise.front(), best->per_image())));
    }
}

// ---- several objectives ------------------------------------------------------------------

// "fronts/a.yaml", 2: "fronts/a-2.yaml".
std::string numbered(const std::string& path, std::size_t number) {
    const std::filesystem::path whole{path};
    return (whole.parent_path() /
            fmt::format("{}-{}{}", whole.stem().string(), number, whole.extension().string()))
        .string();
}

void map_the_front(const Options& o, const sim::Model& model, const sim::Platform& platform) {
    const std::vector<int> batches = parse_batches(o.batch);
    if (batches.size() != 1) {
        throw sim::InputError{"--pareto: a front is of one batch size; name one with --batch"};
    }
    const Asked asked = ask(o, model, platform, batches.front());
    sim::FrontAnswer front = search_front(
        model, *asked.problem, o.search, asked.options, asked.time_limit, min_accuracy(o));
    if (!o.out.empty()) {
        for (std::size_t i = 0; i < front.points.size(); ++i) {
            front.mapping_files.push_back(numbered(o.out, i + 1));
            calibrate::write_file(
                front.mapping_files.back(),
                sim::to_yaml(sim::describe(
                    *asked.problem, front.points[i].mapping, front.points[i].schedule.makespan)));
        }
    }
    if (!o.front_csv.empty()) {
        calibrate::write_file(o.front_csv, sim::front_csv(front));
    }
    if (!o.front_plot.empty()) {
        calibrate::write_file(o.front_plot, sim::front_svg(front));
    }
    print(o.output.json ? sim::front_json(front) : sim::front_text(front));
}

void run(const Options& o) {
    sim::find_search(o.search);  // complain before the work
    if (!o.min_accuracy.empty() && o.search != "branch-and-bound") {
        throw sim::InputError{"--min-accuracy: only the search branch-and-bound knows it"};
    }
    o.reports.check();
    for (const std::string& file : {o.out, o.front_csv, o.front_plot}) {
        if (!file.empty()) {
            calibrate::check_writable(file);
        }
    }
    if (o.pareto.empty() && (!o.front_csv.empty() || !o.front_plot.empty())) {
        throw sim::InputError{"--front, --front-plot: these are of a front; add --pareto"};
    }
    const sim::Model model = model_named(o.model);
    const sim::Platform platform = platform_named(o.platform);
    o.pareto.empty() ? map_for_one_objective(o, model, platform)
                     : map_the_front(o, model, platform);
}

}  // namespace

void add_map(CLI::App& app) {
    auto* const command =
        app.add_subcommand("map", "Search the best mapping of a model on a platform");
    const auto o = std::make_shared<Options>();
    command->add_option("--model", o->model, "Name in models/, or path")->required();
    command->add_option("--platform", o->platform, "Name in platforms/, or path")->required();
    auto* const objective = command->add_option("--objective",
                                                o->objective,
                                                "What to minimise: latency, energy, edp (energy x "
                                                "delay), accuracy (what is lost of it); or "
                                                "throughput, to maximise");
    command->add_option("--pareto", o->pareto, "The front of several objectives: latency,energy")
        ->delimiter(',')
        ->excludes(objective);
    command
        ->add_option("--prefer",
                     o->prefer,
                     "Of equally good mappings: an objective, or a device that is to do much")
        ->delimiter(',');
    std::string names;
    for (const sim::Search& search : sim::searches()) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", search.name);
    }
    command->add_option("--search", o->search, "One of: " + names);
    command->add_option("--batch", o->batch, "Images at a time; several: 1,8");
    command->add_option("--only", o->only, "Use only these: device[/variant[/configuration]]");
    command->add_option("--min-accuracy", o->min_accuracy, "Only mappings of so many percent");
    command->add_option("--transfer-modes",
                        o->transfer_modes,
                        "Of copies: first (of each link), fastest (of each copy), or a name");
    command
        ->add_option("--frames-in-flight", o->frames_in_flight, "For throughput: frames at a time")
        ->check(CLI::Range(1, 64));
    command->add_option("--time-limit", o->time_limit, "The search ends with its best so far");
    command->add_option("--threads", o->threads, "Threads of the search")->check(CLI::Range(1, 64));
    command
        ->add_option("--out", o->out, "Write the mapping (YAML); of a front: FILE-1, FILE-2, ...")
        ->type_name("FILE");
    command->add_option("--front", o->front_csv, "Write the front (CSV)")->type_name("FILE");
    command->add_option("--front-plot", o->front_plot, "Draw the front (SVG)")->type_name("FILE");
    o->reports.add_options(*command);
    command->add_flag("--json", o->output.json, "Print JSON");
    command->add_flag("--quiet", o->output.quiet, "No progress");
    command->callback([o] { run(*o); });
}

}  // namespace cli
