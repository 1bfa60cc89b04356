// hetmap map: search the best mapping of a model on a platform, or the front of several objectives.

#include "calibrate/output_file.hpp"
#include "calibrate/refine.hpp"
#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "cli/together.hpp"
#include "cluster/team.hpp"
#include "sim/compile/offers.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/report/names.hpp"
#include "sim/search/mapped.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace cli {
namespace {

struct MapOptions {
    std::vector<std::string> models;
    std::string platform;
    sim::Wishes wishes;  // `fix` is loaded when it runs
    std::string out, front_csv, front_plot, certificate, fix, refine;
    std::vector<std::string> set;
    std::vector<int> batches{1};
    std::optional<double> time_limit = 60;
    std::optional<std::uint64_t> memory;
    std::string order = "free";
    bool all = false;  // points of a front
    OutputOptions output;
    ReportFiles reports;
    HtmlFile report;
};

// The processes that search with this one. Rank 0 lets the others go in the end.
struct Helpers {
    Helpers() = default;
    // All of them at once.
    Helpers(cluster::Ranks* ranks, bool is_asked) {
        if (ranks != nullptr && is_asked) {
            team = cluster::search_team(*ranks);
            here = ranks->count_on_this_machine();
        }
    }
    ~Helpers() {
        if (team && team->rank == 0) {
            sim::end_assistance(*team);
        }
    }
    Helpers(const Helpers&) = delete;
    Helpers& operator=(const Helpers&) = delete;

    std::optional<sim::Team> team;
    int here = 1;  // on this machine, with this one
};

// What `find` finds with Ctrl-C, memory, a bar of progress, and others' help.
template <class Find>
auto within_limits(const MapOptions& o, const Helpers& helpers, const Find& find) {
    ProgressBar bar{o.output.quiet};
    catch_interrupts();
    return find(
        sim::Limits{.seconds = *o.time_limit,
                    .memory = o.memory ? sim::Bytes{static_cast<std::int64_t>(*o.memory)}
                                       : sim::Bytes{half_of_free_memory().count / helpers.here},
                    .clock = [watch = Stopwatch{}] { return watch.seconds(); },
                    .stop = interrupted,
                    .progress =
                        [&bar](sim::Time incumbent, sim::Time bound, double seconds, double limit) {
                            bar.show(fmt::format("best {:.2f} us, bound {:.2f} us",
                                                 sim::microseconds(incumbent),
                                                 sim::microseconds(bound)),
                                     seconds / limit,
                                     limit - seconds);
                        },
                    .leaves_out = [](const std::string& message) { say(message + "\n"); },
                    .team = helpers.team ? &*helpers.team : nullptr});
}

void write_mapping(const std::string& path, const sim::Answer& answer) {
    calibrate::write_file(
        path,
        sim::to_yaml(sim::describe(*answer.problem, answer.mapping, answer.schedule.makespan)));
}

// ---- one objective -----------------------------------------------------------------------

// Each batch size by itself. Those that cannot be mapped are told, unless none can.
std::vector<sim::Mapped> map_batches(const MapOptions& o,
                                     const std::vector<sim::Model>& networks,
                                     const sim::Platform& platform,
                                     const Helpers& helpers) {
    std::vector<sim::Mapped> all;
    for (const int batch : o.batches) {
        if (interrupted() && !all.empty()) {
            break;
        }
        try {
            all.push_back(within_limits(o, helpers, [&](const sim::Limits& limits) {
                return sim::map_best(o.wishes, networks, platform, batch, limits);
            }));
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
                           const std::vector<sim::Model>& networks,
                           const sim::Platform& platform,
                           const Helpers& helpers) {
    const std::vector<sim::Mapped> all = map_batches(o, networks, platform, helpers);
    const sim::Answer& best = std::ranges::min_element(all, {}, [](const sim::Mapped& mapped) {
                                  return sim::value_per_image(mapped.answer);
                              })->answer;
    if (!o.out.empty()) {
        write_mapping(o.out, best);
    }
    o.reports.write(best);
    o.report.write({.platform = &platform, .answer = &best});
    const bool certified = best.result.no_certificate.empty();
    if (!o.certificate.empty() && certified) {
        calibrate::write_file(o.certificate, sim::certificate_json(best));
    }
    if (o.output.json) {
        print(sim::json_text(best));
    } else {
        for (const sim::Mapped& mapped : all) {
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

void map_the_front(const MapOptions& o,
                   const std::vector<sim::Model>& networks,
                   const sim::Platform& platform) {
    if (o.batches.size() != 1) {
        throw sim::InputError{"--pareto: a front is of one batch size; name one with --batch"};
    }
    sim::MappedFront mapped = within_limits(o, {}, [&](const sim::Limits& limits) {
        return sim::map_front(o.wishes, networks, platform, o.batches.front(), limits);
    });
    sim::FrontAnswer& front = mapped.front;
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
    o.report.write({.platform = &platform, .front = &front});
    print(o.output.json ? sim::front_json(front) : sim::front_text(front, o.all));
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
    settings.revision = kRevision;
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
            question.search = o.wishes.search;
            question.options.goal = sim::goal_of(o.wishes, problem);
            question.options.stop = interrupted;
            question.seconds = [watch = Stopwatch{}] { return watch.seconds(); };
            question.time_limit = *o.time_limit;
            return sim::answer_to(question, model, problem).mapping;
        };
        calibrate::Refinement found = calibrate::refine(
            model, platform, {.batch = batch, .only = o.wishes.only}, best, settings, hooks);
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
    const int point = o.wishes.pareto.empty() ? 0 : 1;
    std::vector<calibrate::NamedFile> outputs = o.reports.named();
    outputs.insert(outputs.begin(), {"--out", o.out});
    for (calibrate::NamedFile& output : outputs) {
        if (!output.path.empty()) {
            output.path = numbered(output.path.string(), point);
        }
    }
    outputs.insert(outputs.end(),
                   {o.report.named(),
                    {"--refine", o.refine},
                    {"--front", o.front_csv},
                    {"--front-plot", o.front_plot},
                    {"--certificate", o.certificate}});
    calibrate::check_outputs(
        outputs,
        std::vector<calibrate::NamedFile>{
            {"--model", model.path}, {"--platform", platform.path}, {"--fix", o.fix}});
}

void run(MapOptions o, cluster::Ranks* ranks) {
    // Complain before the work.
    sim::expect_able(o.wishes);
    o.report.expect_able();
    if (o.wishes.pareto.empty() && (!o.front_csv.empty() || !o.front_plot.empty())) {
        throw sim::InputError{"--front, --front-plot: these are of a front; add --pareto"};
    }
    if (!o.fix.empty()) {
        o.wishes.fix = sim::load_mapping_file(o.fix);
    }
    const std::vector<sim::Model> networks = sim::networks_of(o.wishes, models_named(o.models));
    const sim::Model& model = networks.front();
    sim::Platform platform = platform_named(o.platform, o.set);
    const bool splits = ranks != nullptr && sim::can_share(o.wishes) && o.refine.empty();
    const Helpers helpers(ranks, splits);
    if (ranks != nullptr && ranks->rank() > 0) {
        if (splits) {
            within_limits(o, helpers, [&](const sim::Limits& limits) {
                sim::assist_mapping(o.wishes, model, platform, limits);
            });
        }
        return;
    }
    if (ranks != nullptr && ranks->count() > 1 && !splits) {
        say(
            fmt::format("note: {} of {} processes have nothing to do: what they can share is "
                        "branch-and-bound for the least latency\n",
                        ranks->count() - 1,
                        ranks->count()));
    }
    check_files(o, model, platform);
    if (!o.refine.empty()) {
        if (!o.set.empty() || o.models.size() > 1 || networks.size() > 1) {
            throw sim::InputError{
                "--refine: it measures this machine, for one network; --set, several --model and "
                "an accuracy among twins do not go with it"};
        }
        platform = refined(o, model, std::move(platform));
    }
    const bool is_measured = !platform.provenance.empty();  // on a machine, for many models
    if (!o.output.quiet && !is_measured) {
        note_unmatched_costs(model, platform);
    }
    o.wishes.pareto.empty() ? map_for_one_objective(o, networks, platform, helpers)
                            : map_the_front(o, networks, platform);
}

}  // namespace

void add_map(Program& program) {
    const std::vector<std::string_view> names = sim::objective_names();
    const std::vector<std::string> objectives(names.begin(), names.end());
    std::vector<std::string> searches;
    for (const sim::Search& search : sim::searches()) {
        searches.emplace_back(search.name);
    }
    Command command =
        program.add_command("map", "Search the best mapping of a model on a platform");
    const auto o = std::make_shared<MapOptions>();
    command
        .add_option("--model",
                    o->models,
                    "Name in models/, or path; again for another network that runs beside it")
        .required()
        .type_name(kModel);
    command.add_option("--platform", o->platform, "Name in platforms/, or path")
        .required()
        .type_name(kPlatform);
    command.add_set(o->set);
    const Option objective = command
                                 .add_option("--objective",
                                             o->wishes.objective,
                                             "What to minimise: latency, sum (of the latencies of "
                                             "several networks), energy, edp (energy x delay), "
                                             "accuracy (what is lost of it); or throughput, to "
                                             "maximise")
                                 .such_as(objectives);
    command
        .add_option("--pareto", o->wishes.pareto, "The front of several objectives: latency,energy")
        .such_as(objectives)
        .delimiter(',')
        .excludes(objective);
    command
        .add_option("--prefer",
                    o->wishes.prefer,
                    "Of equally good mappings: an objective, or a device that is to do much")
        .such_as(objectives)
        .delimiter(',');
    command
        .add_option("--search",
                    o->wishes.search,
                    "One of: " + sim::searches_that([](const sim::Search&) { return true; }))
        .such_as(searches);
    command.add_batches(o->batches, "Images at a time; several: 1,8");
    command.add_flag("--robust",
                     o->wishes.robust,
                     "The best where every cost is what nine of ten runs keep to (p90)");
    command.add_option(
        "--only", o->wishes.only, "Use only these: device[/variant[/configuration]]");
    command.add_percent("--min-accuracy", o->wishes.min_accuracy, "Only mappings that have it");
    command.add_option("--max",
                       o->wishes.max,
                       "Only mappings that take no more: latency=2ms, energy=5mJ, "
                       "memory.NAME=3MiB (its peak), segments=N (runs of tasks on devices other "
                       "than the host), switches=N (tasks on another device than the one before)");
    command.add_option("--pin",
                       o->wishes.pin,
                       "Layers of this name or pattern only so: "
                       "LAYER=device[/variant[/configuration]], conv*=gpu0");
    command.add_option(
        "--together", o->wishes.together, "Layers (or patterns) on the same device: conv1,conv2");
    command
        .add_option(
            "--fix", o->fix, "Keep what this mapping file says of some layers; map the rest")
        .type_name(kFile);
    command
        .add_option("--transfer-modes",
                    o->wishes.transfer_modes,
                    "Of copies: first (of each link), fastest (of each copy), or a name")
        .such_as({"first", "fastest"});
    command
        .add_option(
            "--frames-in-flight", o->wishes.frames_in_flight, "For throughput: frames at a time")
        .range(1, 64);
    command.add_duration("--time-limit", o->time_limit, "The search ends with its best so far");
    command
        .add_option(
            "--order", o->order, "Of the tasks: free, the search decides it; fixed, the static one")
        .one_of({"free", "fixed"});
    command.add_option("--threads", o->wishes.threads, "Threads of the search").range(1, 64);
    command.add_memory(
        "--memory",
        o->memory,
        "What the search may hold; with less it takes longer. Default: half of what is free");
    command.add_option("--out", o->out, "Write the mapping (YAML); of a front: FILE-1, FILE-2, ...")
        .type_name(kFile);
    command
        .add_option("--certificate",
                    o->certificate,
                    "Write a proof that none is faster, which can be checked (JSON)")
        .type_name(kFile);
    command
        .add_option("--refine",
                    o->refine,
                    "On the machine of the profile: measure what the best mapping rests on and was "
                    "not measured, search again, write the profile")
        .type_name(kFile);
    command.add_option("--front", o->front_csv, "Write the front (CSV)").type_name(kFile);
    command.add_option("--front-plot", o->front_plot, "Draw the front (SVG)").type_name(kFile);
    command.add_flag("--all", o->all, "Print every point of a long front");
    o->report.add_option(command);
    o->reports.add_options(command);
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] {
        o->wishes.certificate = !o->certificate.empty();
        o->wishes.fix_name = o->fix;
        o->wishes.free_order = o->order == "free";
        together([&](cluster::Ranks* ranks) { run(*o, ranks); });
    });
}

}  // namespace cli
