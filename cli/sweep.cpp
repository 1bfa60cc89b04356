// hetmap sweep: every combination of models, platforms, batch sizes, objectives, constraints and
// what-ifs of a plan, answered by many processes and kept in one store.

#include "sweep/sweep.hpp"

#include "calibrate/output_file.hpp"
#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "cli/together.hpp"
#include "sim/report/json.hpp"
#include "sim/report/names.hpp"
#include "sweep/play.hpp"
#include "sweep/table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <thread>

namespace cli {
namespace {

constexpr int kMostProcesses = 4096, kMostPlayed = 100'000;

struct SweepOptions {
    std::string plan, store, csv;
    std::vector<std::string> join;
    int processes = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    std::string part = "1/1";
    std::optional<double> time_limit;
    std::vector<int> play;
    bool all = false;
    OutputOptions output;
    HtmlFile report;
};

// "3/16": the third of sixteen.
sweep::Part part_of(const std::string& text) {
    const std::size_t slash = text.find('/');
    const auto number = [&](std::string_view digits) {
        std::size_t value = 0;
        const auto [rest, failure] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return failure == std::errc{} && rest == digits.data() + digits.size() ? value : 0;
    };
    if (slash != std::string::npos) {
        const std::string_view whole{text};
        const std::size_t i = number(whole.substr(0, slash)), of = number(whole.substr(slash + 1));
        if (i >= 1 && i <= of) {
            return {.i = i - 1, .of = of};
        }
    }
    throw sim::InputError{
        fmt::format("--part: expected a part such as 3/16, from 1/16 to 16/16, got '{}'", text)};
}

sweep::Conditions conditions_of(const sweep::Plan& plan, int at_once) {
    return {.time_limit_s = plan.time_limit_s,
            .threads = plan.threads,
            .memory = sim::Bytes{half_of_free_memory().count / std::max(at_once, 1)},
            .revision = kRevision,
            .clock = [watch = Stopwatch{}] { return watch.seconds(); }};
}

std::string count_text(std::size_t count, const std::string& of_one) {
    return fmt::format("{} {}{}", sim::with_separators(count), of_one, count == 1 ? "" : "s");
}

// "400 cells, 380 done now by 2 in 12.30 s (30.9 cells/s); 390 proven; 10 refused"
std::string found_text(const sweep::Outcome& outcome,
                       std::size_t workers,
                       const std::vector<sweep::Row>& rows) {
    const auto with = [&](sweep::Status status) {
        return static_cast<std::size_t>(std::ranges::count_if(rows, [&](const sweep::Row& row) {
            return row.finished && row.finished->status == status;
        }));
    };
    std::string text = count_text(outcome.cells, "cell");
    if (outcome.done > 0) {
        text += fmt::format(", {} done now by {} in {:.2f} s ({:.1f} cells/s)",
                            sim::with_separators(outcome.done),
                            workers,
                            outcome.seconds,
                            static_cast<double>(outcome.done) / std::max(outcome.seconds, 1e-9));
    }
    for (const auto& [status, what] : {std::pair{sweep::Status::proven, "proven"},
                                       std::pair{sweep::Status::unproven, "unproven"},
                                       std::pair{sweep::Status::refused, "refused"},
                                       std::pair{sweep::Status::failed, "failed"}}) {
        if (const std::size_t count = with(status); count > 0) {
            text += fmt::format("; {} {}", sim::with_separators(count), what);
        }
    }
    const std::size_t open = outcome.cells - std::min(outcome.cells, outcome.known + outcome.done);
    if (open > 0) {
        text += fmt::format("; {} open: the same command goes on", sim::with_separators(open));
    }
    return text;
}

// "1,000 workers: 12.30 s, 93.4 % of the workers' time at work"
std::string played_text(const std::vector<sweep::Row>& rows,
                        const std::vector<int>& crews,
                        sweep::Library& library) {
    std::string text;
    for (const int workers : crews) {
        const sweep::Played played = sweep::play(rows, library, static_cast<std::size_t>(workers));
        text += fmt::format("{}: {:.2f} s, {:.1f} % of the workers' time at work\n",
                            count_text(static_cast<std::size_t>(workers), "worker"),
                            played.seconds,
                            100 * played.efficiency);
    }
    return text;
}

// Rank 0, or the only process: hands out, keeps and tells.
void lead(const SweepOptions& o,
          const sweep::Plan& plan,
          sweep::Part part,
          sweep::Library& library,
          sweep::Crew crew) {
    const std::vector<std::string> keys = sweep::keys_of(plan, library);
    sweep::Store store{o.store};
    for (const std::string& other : o.join) {
        const std::size_t joined = store.join(other);
        say(fmt::format("{}: {} joined\n", other, count_text(joined, "cell")));
    }
    catch_interrupts();
    sweep::Outcome outcome;
    {
        ProgressBar bar{o.output.quiet};
        const sweep::Hooks hooks{
            .stop = interrupted, .progress = [&](const sweep::Progress& progress) {
                bar.show(fmt::format("{} of {}",
                                     sim::with_separators(progress.done),
                                     count_text(progress.cells, "cell")),
                         static_cast<double>(progress.done) /
                             static_cast<double>(std::max<std::size_t>(progress.cells, 1)),
                         progress.seconds_left);
            }};
        outcome = sweep::run(plan, keys, part, library, store, crew, hooks);
    }
    std::vector<sweep::Row> rows;
    for (std::size_t cell = part.i; cell < plan.cells.size(); cell += part.of) {
        rows.push_back({plan.cells[cell], store.find(keys[cell])});
    }
    if (!o.csv.empty()) {
        calibrate::write_file(o.csv, sweep::table_csv(rows));
    }
    const std::string json = o.output.json || !o.report.path.empty()
                                 ? sim::dumped(sweep::table_json(rows))
                                 : std::string{};
    const std::string found = found_text(outcome, crew.names.size(), rows);
    o.report.write({.sweep = json,
                    .heading = std::filesystem::path{o.plan}.stem().string(),
                    .finding = found});
    if (o.output.json) {
        print(json);
    } else {
        print(fmt::format("{} into {}\n\n{}\n{}{}\n",
                          o.plan,
                          o.store,
                          sweep::table_text(rows, o.all),
                          played_text(rows, o.play, library),
                          found));
    }
    if (outcome.stopped) {
        throw sim::MachineError{"stopped before all cells were done; the same command goes on"};
    }
    if (outcome.failed > 0) {
        throw sim::MachineError{fmt::format("{} failed; the same command tries again",
                                            count_text(outcome.failed, "cell"))};
    }
}

void run(const SweepOptions& o, cluster::Ranks* ranks) {
    o.report.expect_able();
    const sweep::Part part = part_of(o.part);
    sweep::Library library{{.models = model_folders(), .platforms = platform_folders()}};
    sweep::Plan plan = sweep::load_plan(o.plan, library);
    if (o.time_limit) {
        plan.time_limit_s = *o.time_limit;
    }
    calibrate::check_outputs(
        std::vector<calibrate::NamedFile>{{"--out", o.store}, {"--csv", o.csv}, o.report.named()},
        std::vector<calibrate::NamedFile>{{"PLAN", o.plan}});
    const int at_once = ranks != nullptr ? ranks->count_on_this_machine() : o.processes;
    const sweep::Work work = sweep::cell_work(library, conditions_of(plan, at_once));
    if (ranks == nullptr) {
        lead(o, plan, part, library, sweep::forked(static_cast<std::size_t>(o.processes), work));
    } else if (ranks->rank() > 0) {
        sweep::serve(*ranks, work);
    } else {
        // The leader's own core works too: in a thread, whose library is its own.
        sweep::Library own{{.models = model_folders(), .platforms = platform_folders()}};
        const sweep::Work its_work = sweep::cell_work(own, conditions_of(plan, at_once));
        lead(o,
             plan,
             part,
             library,
             sweep::joined(sweep::thread_of("rank 0", its_work), sweep::others_of(*ranks)));
    }
}

}  // namespace

void add_sweep(Program& program) {
    Command command = program.add_command(
        "sweep", "Answer every combination of a plan, on many cores or a cluster, into one store");
    const auto o = std::make_shared<SweepOptions>();
    command.add_option("plan", o->plan, "What to combine (sweep/1): docs/sweep.md")
        .required()
        .type_name(kFile);
    command
        .add_option("--out",
                    o->store,
                    "The store (SQLite), made where there is none; what it has is not done again")
        .required()
        .type_name(kFile);
    command
        .add_option("--processes",
                    o->processes,
                    "How many at a time, of this machine; ranks are as many as were started")
        .range(1, kMostProcesses);
    command.add_option(
        "--part",
        o->part,
        "Only every so many-th cell: 3/16, for jobs that know nothing of each other");
    command
        .add_option(
            "--join", o->join, "Take over the cells of these stores, such as those of parts")
        .type_name(kFile);
    command.add_duration("--time-limit", o->time_limit, "Of each cell, in place of the plan's");
    command.add_option("--csv", o->csv, "Write all cells, and all points of fronts (CSV)")
        .type_name(kFile);
    command.add_numbers("--play", o->play, "How long so many workers would take: 64,1000")
        .range(1, kMostPlayed);
    o->report.add_option(command);
    command.add_flag("--all", o->all, "Print every cell of a long plan");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] { together([&](cluster::Ranks* ranks) { run(*o, ranks); }); });
}

}  // namespace cli
