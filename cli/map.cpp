// hetmap map: search the best mapping of a model on a platform, or the front of several objectives.

#include "calibrate/output_file.hpp"
#include "calibrate/refine.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/compile/offers.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/report/names.hpp"
#include "sim/search/constraints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

namespace cli {
namespace {

constexpr std::size_t kLongestCertificate = 1'000'000;  // beginnings: some 100 MB
constexpr double kRobustQuantile = 0.9;

struct MapOptions {
    std::vector<std::string> models;
    std::string platform, objective = "latency", search = "branch-and-bound";
    std::string out, front_csv, front_plot, certificate, fix, refine;
    std::optional<std::string> transfer_modes;
    std::vector<std::string> only, prefer, pareto, max, pin, together, set;
    std::vector<int> batches{1};
    std::optional<double> time_limit = 60, min_accuracy;
    std::optional<std::uint64_t> memory;
    std::string order = "free";
    int threads = 1, frames_in_flight = 4;
    bool robust = false;
    OutputOptions output;
    ReportFiles reports;
};

sim::Goal goal_of(const MapOptions& o, const sim::Problem& problem) {
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

// Refuses options that the search cannot use, and names the searches that can.
void expect_able(const MapOptions& o) {
    const sim::Search& search = sim::find_search(o.search);
    const bool is_latency = o.pareto.empty() && o.objective == "latency" && o.prefer.empty();
    // Every search keeps to what leaves tasks out, and to what memories hold.
    const bool limits = std::ranges::any_of(
        o.max, [](const std::string& limit) { return !limit.starts_with("memory."); });
    const bool is_plain = is_latency && !o.min_accuracy && !limits && o.together.empty();
    const sim::Goals needed = is_plain ? sim::Goals::latency : sim::Goals::any;
    const auto keeps = [](const sim::Search& one) { return one.constraints; };
    const auto expect = [&](bool asked,
                            const std::string& option,
                            const std::string& inability,
                            const std::function<bool(const sim::Search&)>& can) {
        if (asked && !can(search)) {
            const std::string able = sim::searches_that(can);
            throw sim::InputError{
                fmt::format("{}: {} {}; {}",
                            option,
                            search.name,
                            inability,
                            able.empty() ? "no search can" : "searches that can: " + able)};
        }
    };
    expect(!o.pareto.empty(), "--pareto", "cannot find fronts", [](const sim::Search& one) {
        return one.front != nullptr;
    });
    expect(!is_latency,
           o.prefer.empty() ? "--objective" : "--prefer",
           "cannot look for more than the least latency",
           [](const sim::Search& one) { return one.goals == sim::Goals::any; });
    expect(o.min_accuracy.has_value(),
           "--min-accuracy",
           "cannot keep to an accuracy",
           [](const sim::Search& one) { return one.accuracy; });
    expect(limits, "--max", "cannot keep to limits", keeps);
    expect(!o.together.empty(), "--together", "cannot keep layers together", keeps);
    expect(o.threads > 1,
           "--threads",
           "cannot use threads for this goal",
           [&](const sim::Search& one) { return one.threads >= needed; });
    expect(!o.certificate.empty(),
           "--certificate",
           "cannot give a certificate of this goal",
           [&](const sim::Search& one) { return one.certificates >= needed; });
}

// A model at one batch size, compiled: with the problem, what is asked of it.
struct Asked {
    std::unique_ptr<sim::Problem> problem;
    sim::Question question;
};

// The partial mapping of --fix, for this batch size and these transfer modes.
std::optional<sim::MappingFile> partial_mapping(const MapOptions& o, int batch) {
    if (o.fix.empty()) {
        return std::nullopt;
    }
    sim::MappingFile file = sim::load_mapping_file(o.fix);
    if (file.batch != batch) {
        throw sim::InputError{
            fmt::format("--fix: {} is of batch {}; --batch asks for {}", o.fix, file.batch, batch)};
    }
    if (o.transfer_modes && *o.transfer_modes != file.transfer_modes) {
        throw sim::InputError{
            fmt::format("--fix: {} has transfer modes '{}'; --transfer-modes "
                        "asks for '{}'",
                        o.fix,
                        file.transfer_modes,
                        *o.transfer_modes)};
    }
    return file;
}

std::vector<sim::Constraint> constraints_of(const MapOptions& o,
                                            const std::optional<sim::MappingFile>& fixed,
                                            const sim::Problem& problem) {
    std::vector<sim::Constraint> all;
    if (fixed) {
        all.push_back(sim::fixed_by(problem, *fixed, o.fix));
    }
    for (const std::string& pin : o.pin) {
        all.push_back(sim::pin_named(problem, pin));
    }
    for (const std::string& together : o.together) {
        all.push_back(sim::together_named(problem, together));
    }
    for (const std::string& limit : o.max) {
        all.push_back(sim::limit_named(problem, limit));
    }
    return all;
}

Asked ask(const MapOptions& o, const sim::Model& model, const sim::Platform& platform, int batch) {
    Asked asked;
    const std::optional<sim::MappingFile> fixed = partial_mapping(o, batch);
    asked.problem = std::make_unique<sim::Problem>(sim::compile(
        model,
        platform,
        {.batch = batch,
         .only = o.only,
         .transfer_modes = fixed ? fixed->transfer_modes : o.transfer_modes.value_or("first"),
         .quantile = o.robust ? kRobustQuantile : 0.5}));
    if (fixed) {
        sim::apply_transfer_modes(*fixed, platform, *asked.problem);
    }
    asked.question.constraints = constraints_of(o, fixed, *asked.problem);
    asked.question.search = o.search;
    asked.question.min_accuracy = o.min_accuracy;
    asked.question.seconds = [watch = Stopwatch{}] { return watch.seconds(); };
    asked.question.options.goal = goal_of(o, *asked.problem);
    asked.question.options.threads = o.threads;
    asked.question.options.memory =
        o.memory ? sim::Bytes{static_cast<std::int64_t>(*o.memory)} : half_of_free_memory();
    asked.question.options.certificate = o.certificate.empty() ? 0 : kLongestCertificate;
    asked.question.options.free_order = o.order == "free";
    asked.question.options.stop = interrupted;
    asked.question.time_limit = *o.time_limit;
    return asked;
}

void write_mapping(const std::string& path, const sim::Answer& answer) {
    calibrate::write_file(
        path,
        sim::to_yaml(sim::describe(*answer.problem, answer.mapping, answer.schedule.makespan)));
}

// ---- one objective -----------------------------------------------------------------------

struct Mapped {
    std::unique_ptr<sim::Problem> problem;
    sim::Answer answer;
};

Mapped map_one(const MapOptions& o,
               const sim::Model& model,
               const sim::Platform& platform,
               int batch) {
    Asked asked = ask(o, model, platform, batch);
    ProgressBar bar{o.output.quiet};
    asked.question.baselines = true;
    asked.question.options.progress = [&](sim::Time incumbent, sim::Time bound) {
        const double seconds = asked.question.seconds();
        bar.show(fmt::format("best {:.2f} us, bound {:.2f} us",
                             sim::microseconds(incumbent),
                             sim::microseconds(bound)),
                 seconds / *o.time_limit,
                 *o.time_limit - seconds);
    };
    catch_interrupts();
    Mapped mapped;
    mapped.answer = sim::answer_to(asked.question, model, *asked.problem);
    mapped.problem = std::move(asked.problem);
    return mapped;
}

// Each batch size by itself. Those that cannot be mapped are told, unless none can.
std::vector<Mapped> map_batches(const MapOptions& o,
                                const sim::Model& model,
                                const sim::Platform& platform) {
    std::vector<Mapped> all;
    for (const int batch : o.batches) {
        if (interrupted() && !all.empty()) {
            break;
        }
        try {
            all.push_back(map_one(o, model, platform, batch));
        } catch (const sim::InputError& error) {
            if (batch == o.batches.back() && all.empty()) {
                throw;
            }
            say(fmt::format("batch {}: {}\n", batch, error.what()));
        }
    }
    return all;
}

void map_for_one_objective(const MapOptions& o,
                           const sim::Model& model,
                           const sim::Platform& platform) {
    const std::vector<Mapped> all = map_batches(o, model, platform);
    const sim::Answer& best = std::ranges::min_element(all, {}, [](const Mapped& mapped) {
                                  return sim::value_per_image(mapped.answer);
                              })->answer;
    if (!o.out.empty()) {
        write_mapping(o.out, best);
    }
    o.reports.write(best);
    const bool certified = best.result.no_certificate.empty();
    if (!o.certificate.empty() && certified) {
        calibrate::write_file(o.certificate, sim::certificate_json(best));
    }
    if (o.output.json) {
        print(sim::json_text(best));
    } else {
        for (const Mapped& mapped : all) {
            print(sim::text_table(mapped.answer));
            if (all.size() > 1) {
                print("\n");
            }
        }
        if (all.size() > 1) {
            print(fmt::format("best per image: batch {}, {}\n",
                              best.problem->batch,
                              sim::value_per_image_text(best)));
        }
    }
    if (!certified) {
        throw BoundNotMet{"--certificate: " + best.result.no_certificate};
    }
}

// ---- several objectives ------------------------------------------------------------------

void map_the_front(const MapOptions& o, const sim::Model& model, const sim::Platform& platform) {
    if (o.batches.size() != 1) {
        throw sim::InputError{"--pareto: a front is of one batch size; name one with --batch"};
    }
    Asked asked = ask(o, model, platform, o.batches.front());
    asked.question.baselines = true;
    catch_interrupts();
    sim::FrontAnswer front = sim::front_answer_to(asked.question, model, *asked.problem);
    for (const sim::Answer& point : front.points) {
        if (!o.out.empty()) {
            front.mapping_files.push_back(numbered(o.out, point.point));
            write_mapping(front.mapping_files.back(), point);
        }
        o.reports.write(point);
    }
    if (!o.front_csv.empty()) {
        calibrate::write_file(o.front_csv, sim::front_csv(front));
    }
    if (!o.front_plot.empty()) {
        calibrate::write_file(o.front_plot, sim::front_svg(front));
    }
    print(o.output.json ? sim::front_json(front) : sim::front_text(front));
}

// The platform with what the best mappings rest on measured here, and written to --refine's file.
sim::Platform refined(const MapOptions& o, const sim::Model& model, sim::Platform platform) {
    const std::filesystem::path out{o.refine};
    if (!sim::is_name(out.stem().string())) {
        throw sim::InputError{
            fmt::format("--refine: a profile is called as its file, and '{}' is not {}",
                        out.stem().string(),
                        sim::kNameExpected)};
    }
    calibrate::CalibrationSettings settings;
    settings.budget_s = *o.time_limit;
    settings.revision = HETMAP_REVISION;
    settings.command = "hetmap map --refine " + o.refine;
    settings.devices = {"cpu"};
    for (std::size_t d = 1; d < platform.devices.size(); ++d) {
        settings.devices.push_back(platform.devices[d].name);
    }
    catch_interrupts();
    for (const int batch : o.batches) {
        ProgressBar bar{o.output.quiet};
        const calibrate::CalibrationHooks hooks{
            .stop = interrupted,
            .progress = [&](const std::string& what, double share, double left) {
                bar.show("refining: " + what, share, left);
            }};
        const auto best = [&](const sim::Problem& problem) {
            sim::Question question;
            question.search = o.search;
            question.options.goal = goal_of(o, problem);
            question.options.stop = interrupted;
            question.seconds = [watch = Stopwatch{}] { return watch.seconds(); };
            question.time_limit = *o.time_limit;
            return sim::answer_to(question, model, problem).mapping;
        };
        calibrate::Refinement found = calibrate::refine(
            model, platform, {.batch = batch, .only = o.only}, best, settings, hooks);
        platform = std::move(found.platform);
        say(fmt::format(
            "refined at batch {}: {} costs measured after {} searches; the best mapping {}\n",
            batch,
            found.measured,
            found.searches,
            found.settled ? "rests on measurements alone" : "still rests on fits"));
        for (const std::string& cost : found.unmeasured) {
            say(fmt::format("  nothing here measures {}\n", cost));
        }
    }
    platform.name = out.stem().string();
    calibrate::write_file(out, sim::to_yaml(platform));
    platform.path = out;
    return platform;
}

// Costs that nothing asks for: in a platform written by hand often a slip of the pen.
void note_unmatched_costs(const sim::Model& model, const sim::Platform& platform) {
    constexpr std::size_t kShown = 3;
    const std::vector<std::string> unmatched = sim::unmatched_costs(model, platform);
    for (std::size_t i = 0; i < std::min(kShown, unmatched.size()); ++i) {
        say(fmt::format("note: {}\n", unmatched[i]));
    }
    if (unmatched.size() > kShown) {
        say(fmt::format("note: {} more costs of {} are for no layers of {}\n",
                        unmatched.size() - kShown,
                        platform.name,
                        model.name));
    }
}

// Of a front's mappings and reports, whose number nobody knows yet, the first stands for all.
void check_files(const MapOptions& o, const sim::Model& model, const sim::Platform& platform) {
    const int point = o.pareto.empty() ? 0 : 1;
    std::vector<calibrate::NamedFile> outputs = o.reports.named();
    outputs.insert(outputs.begin(), {"--out", o.out});
    for (calibrate::NamedFile& output : outputs) {
        if (!output.path.empty()) {
            output.path = numbered(output.path.string(), point);
        }
    }
    outputs.insert(outputs.end(),
                   {{"--refine", o.refine},
                    {"--front", o.front_csv},
                    {"--front-plot", o.front_plot},
                    {"--certificate", o.certificate}});
    calibrate::check_outputs(
        outputs,
        std::vector<calibrate::NamedFile>{
            {"--model", model.path}, {"--platform", platform.path}, {"--fix", o.fix}});
}

void run(const MapOptions& o) {
    // Complain before the work.
    expect_able(o);
    if (o.pareto.empty() && (!o.front_csv.empty() || !o.front_plot.empty())) {
        throw sim::InputError{"--front, --front-plot: these are of a front; add --pareto"};
    }
    const sim::Model model = models_named(o.models);
    sim::Platform platform = platform_named(o.platform, o.set);
    check_files(o, model, platform);
    if (!o.refine.empty()) {
        if (!o.set.empty() || o.models.size() > 1) {
            throw sim::InputError{
                "--refine: it measures this machine, for one network; --set and several --model do "
                "not go with it"};
        }
        platform = refined(o, model, std::move(platform));
    }
    const bool is_measured = !platform.provenance.empty();  // on a machine, for many models
    if (!o.output.quiet && !is_measured) {
        note_unmatched_costs(model, platform);
    }
    o.pareto.empty() ? map_for_one_objective(o, model, platform)
                     : map_the_front(o, model, platform);
}

}  // namespace

void add_map(Program& program) {
    Command command =
        program.add_command("map", "Search the best mapping of a model on a platform");
    const auto o = std::make_shared<MapOptions>();
    command
        .add_option("--model",
                    o->models,
                    "Name in models/, or path; again for another network that runs beside it")
        .required();
    command.add_option("--platform", o->platform, "Name in platforms/, or path").required();
    command.add_set(o->set);
    const Option objective =
        command.add_option("--objective",
                           o->objective,
                           "What to minimise: latency, sum (of the latencies of "
                           "several networks), energy, edp (energy x delay), "
                           "accuracy (what is lost of it); or throughput, to "
                           "maximise");
    command.add_option("--pareto", o->pareto, "The front of several objectives: latency,energy")
        .delimiter(',')
        .excludes(objective);
    command
        .add_option("--prefer",
                    o->prefer,
                    "Of equally good mappings: an objective, or a device that is to do much")
        .delimiter(',');
    command.add_option("--search",
                       o->search,
                       "One of: " + sim::searches_that([](const sim::Search&) { return true; }));
    command.add_batches(o->batches, "Images at a time; several: 1,8");
    command.add_flag(
        "--robust", o->robust, "The best where every cost is what nine of ten runs keep to (p90)");
    command.add_option("--only", o->only, "Use only these: device[/variant[/configuration]]");
    command.add_percent("--min-accuracy", o->min_accuracy, "Only mappings that have it");
    command.add_option("--max",
                       o->max,
                       "Only mappings that take no more: latency=2ms, energy=5mJ, "
                       "memory.NAME=3MiB (its peak), segments=N (runs of tasks on devices other "
                       "than the host), switches=N (tasks on another device than the one before)");
    command.add_option("--pin",
                       o->pin,
                       "Layers of this name or pattern only so: "
                       "LAYER=device[/variant[/configuration]], conv*=gpu0");
    command.add_option(
        "--together", o->together, "Layers (or patterns) on the same device: conv1,conv2");
    command
        .add_option(
            "--fix", o->fix, "Keep what this mapping file says of some layers; map the rest")
        .type_name("FILE");
    command.add_option("--transfer-modes",
                       o->transfer_modes,
                       "Of copies: first (of each link), fastest (of each copy), or a name");
    command
        .add_option("--frames-in-flight", o->frames_in_flight, "For throughput: frames at a time")
        .range(1, 64);
    command.add_duration("--time-limit", o->time_limit, "The search ends with its best so far");
    command
        .add_option(
            "--order", o->order, "Of the tasks: free, the search decides it; fixed, the static one")
        .one_of({"free", "fixed"});
    command.add_option("--threads", o->threads, "Threads of the search").range(1, 64);
    command.add_memory(
        "--memory",
        o->memory,
        "What the search may hold; with less it takes longer. Default: half of what is free");
    command.add_option("--out", o->out, "Write the mapping (YAML); of a front: FILE-1, FILE-2, ...")
        .type_name("FILE");
    command
        .add_option("--certificate",
                    o->certificate,
                    "Write a proof that none is faster, which can be checked (JSON)")
        .type_name("FILE");
    command
        .add_option("--refine",
                    o->refine,
                    "On the machine of the profile: measure what the best mapping rests on and was "
                    "not measured, search again, write the profile")
        .type_name("FILE");
    command.add_option("--front", o->front_csv, "Write the front (CSV)").type_name("FILE");
    command.add_option("--front-plot", o->front_plot, "Draw the front (SVG)").type_name("FILE");
    o->reports.add_options(command);
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] { run(*o); });
}

}  // namespace cli
