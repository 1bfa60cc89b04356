// hetmap map: search the best mapping of a model on a platform.

#include "calibrate/profile_writer.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "sim/mapping.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace cli {
namespace {

struct Options {
    std::string model, platform, objective = "latency", search = "branch-and-bound";
    std::string batch = "1", out, time_limit = "60s";
    std::vector<std::string> only;
    int threads = 1;
    OutputOptions output;
    ReportFiles reports;
};

// A model at one batch size, mapped.
struct Mapped {
    std::unique_ptr<sim::Problem> problem;
    sim::Answer answer;
    double us_per_image() const {
        return sim::microseconds(answer.result.makespan) / problem->batch;
    }
};

Mapped map_one(const Options& o,
               const sim::Model& model,
               const sim::Platform& platform,
               int batch) {
    Mapped mapped;
    mapped.problem = std::make_unique<sim::Problem>(
        sim::compile(model, platform, {.batch = batch, .only = o.only}));
    ProgressBar bar{o.output.quiet};
    const Stopwatch watch;
    const double limit = parse_duration(o.time_limit, "--time-limit");
    sim::SearchOptions options;
    options.threads = o.threads;
    options.progress = [&](sim::Time incumbent, sim::Time bound) {
        bar.show(fmt::format("best {:.2f} us, bound {:.2f} us",
                             sim::microseconds(incumbent),
                             sim::microseconds(bound)),
                 watch.seconds() / limit,
                 limit - watch.seconds());
    };
    mapped.answer = search_answer(model, *mapped.problem, o.search, options, limit);
    for (const NamedResult& baseline : baselines(*mapped.problem)) {
        mapped.answer.baselines.push_back({baseline.name, baseline.result.makespan});
    }
    return mapped;
}

void run(const Options& o) {
    if (o.objective != "latency") {
        throw sim::InputError{
            fmt::format("--objective: '{}' is not supported yet; there is: latency", o.objective)};
    }
    sim::find_search(o.search);  // complain before the work
    o.reports.check();
    if (!o.out.empty()) {
        calibrate::check_writable(o.out);
    }
    const sim::Model model = model_named(o.model);
    const sim::Platform platform = platform_named(o.platform);
    std::vector<Mapped> all;
    for (const int batch : parse_batches(o.batch)) {
        all.push_back(map_one(o, model, platform, batch));
    }
    const auto best = std::ranges::min_element(all, {}, &Mapped::us_per_image);
    if (!o.out.empty()) {
        calibrate::write_file(
            o.out,
            sim::to_yaml(
                sim::describe(*best->problem, best->answer.mapping, best->answer.result.makespan)));
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
        print(fmt::format("best per image: batch {}, {:.2f} us an image\n",
                          best->problem->batch,
                          best->us_per_image()));
    }
}

}  // namespace

void add_map(CLI::App& app) {
    auto* const command =
        app.add_subcommand("map", "Search the best mapping of a model on a platform");
    const auto o = std::make_shared<Options>();
    command->add_option("--model", o->model, "Name in models/, or path")->required();
    command->add_option("--platform", o->platform, "Name in platforms/, or path")->required();
    command->add_option("--objective", o->objective, "What to minimise: latency");
    std::string names;
    for (const sim::Search& search : sim::searches()) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", search.name);
    }
    command->add_option("--search", o->search, "One of: " + names);
    command->add_option("--batch", o->batch, "Images at a time; several: 1,8");
    command->add_option("--only", o->only, "Use only these: device[/variant[/configuration]]");
    command->add_option("--time-limit", o->time_limit, "The search ends with its best so far");
    command->add_option("--threads", o->threads, "Threads of the search")->check(CLI::Range(1, 64));
    command->add_option("--out", o->out, "Write the mapping (YAML)")->type_name("FILE");
    o->reports.add_options(*command);
    command->add_flag("--json", o->output.json, "Print JSON");
    command->add_flag("--quiet", o->output.quiet, "No progress");
    command->callback([o] { run(*o); });
}

}  // namespace cli
