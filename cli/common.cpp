#include "cli/common.hpp"

#include "calibrate/output_file.hpp"
#include "sim/run/accuracy.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/accurate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>
#include <system_error>
#include <unistd.h>

namespace cli {
namespace {

std::atomic<bool> g_interrupted{false};  // written by the signal handler

extern "C" void on_interrupt(int signal) {
    g_interrupted = true;
    std::signal(signal, SIG_DFL);  // the next one kills
}

std::filesystem::path program_folder() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::filesystem::path{"."} : program.parent_path();
}

std::vector<std::filesystem::path> folders(const std::string& name) {
    const std::filesystem::path here = program_folder();
    std::vector<std::filesystem::path> found;
    std::set<std::filesystem::path> seen;
    for (const auto& candidate : {std::filesystem::path{name},
                                  here / ".." / name,
                                  here / ".." / "share" / "hetmap" / name}) {
        std::error_code error;
        const auto path = std::filesystem::canonical(candidate, error);
        if (!error && std::filesystem::is_directory(path) && seen.insert(path).second) {
            found.push_back(candidate.lexically_normal());
        }
    }
    return found;
}

// A number and what follows it.
std::pair<double, std::string> number_and_unit(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) {
        return {-1, ""};
    }
    return {value, std::string{end, text.data() + text.size()}};
}

// A goal that asks for accuracy needs a sensitivity for every precision that is offered.
void expect_known_losses(const sim::Model& model,
                         const sim::Problem& problem,
                         const sim::Goal& goal) {
    const auto asks = [](const sim::Objective& objective) {
        return objective.criterion == sim::Criterion::loss;
    };
    if (!std::ranges::any_of(goal.minimise, asks) && !std::ranges::any_of(goal.prefer, asks)) {
        return;
    }
    if (!model.accuracy) {
        throw sim::InputError{fmt::format("accuracy: model '{}' states none", model.name)};
    }
    if (const std::string unknown = sim::unknown_sensitivity(model, problem); !unknown.empty()) {
        throw sim::InputError{"accuracy: " + unknown};
    }
}

}  // namespace

std::vector<std::filesystem::path> model_folders() { return folders("models"); }
std::vector<std::filesystem::path> platform_folders() { return folders("platforms"); }

sim::Model model_named(const std::string& name) { return sim::load_model(name, model_folders()); }

sim::Platform platform_named(const std::string& name) {
    return sim::load_platform(name, platform_folders());
}

std::vector<std::string> all_model_names() {
    std::set<std::string> names;
    for (const auto& folder : model_folders()) {
        for (const auto& entry : std::filesystem::directory_iterator{folder}) {
            if (std::filesystem::exists(entry.path() / "model.yaml")) {
                names.insert(entry.path().filename().string());
            }
        }
    }
    return {names.begin(), names.end()};
}

void catch_interrupts() {
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
}

bool interrupted() { return g_interrupted; }

std::function<bool()> stop_after(double seconds) {
    return [watch = Stopwatch{}, seconds] {
        return interrupted() || (seconds > 0 && watch.seconds() > seconds);
    };
}

double parse_duration(const std::string& text, const std::string& option) {
    static const std::map<std::string, double> kUnits{
        {"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
    const auto [value, unit] = number_and_unit(text);
    const auto found = kUnits.find(unit);
    if (!(value > 0) || !(value < 1e9) || found == kUnits.end()) {
        throw sim::InputError{
            fmt::format("{}: expected a duration above zero, such as 90s, 500ms or 2m, got '{}'",
                        option,
                        text)};
    }
    return value * found->second;
}

double parse_percent(const std::string& text, const std::string& option) {
    const auto [value, unit] = number_and_unit(text);
    if (!(value >= 0) || !(value < 1e9) || (!unit.empty() && unit != "%")) {
        throw sim::InputError{
            fmt::format("{}: expected a percentage, such as 10%, got '{}'", option, text)};
    }
    return value;
}

std::vector<int> parse_batches(const std::string& text) {
    std::vector<int> batches;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t comma = std::min(text.find(',', begin), text.size());
        int batch = 0;
        const auto [end, error] = std::from_chars(text.data() + begin, text.data() + comma, batch);
        if (error != std::errc{} || end != text.data() + comma || batch < 1 || batch > 65536) {
            throw sim::InputError{fmt::format(
                "--batch: expected whole numbers from 1 to 65536, such as 1,8, got '{}'", text)};
        }
        batches.push_back(batch);
        begin = comma + 1;
    }
    return batches;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

bool finish_output() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

ProgressBar::ProgressBar(bool quiet) : on_{!quiet && isatty(STDERR_FILENO) != 0} {}

ProgressBar::~ProgressBar() {
    if (shown_) {
        fmt::print(stderr, "\r\x1b[K");
    }
}

void ProgressBar::show(const std::string& what, double share_done, double seconds_left) {
    if (!on_) {
        return;
    }
    constexpr int kWidth = 30;
    const int full = std::clamp(static_cast<int>(share_done * kWidth), 0, kWidth);
    fmt::print(stderr,
               "\r[{:=<{}}{: <{}}] at most {:.0f} s left  {}\x1b[K",
               "",
               full,
               "",
               kWidth - full,
               seconds_left,
               what);
    std::fflush(stderr);
    shown_ = true;
}

sim::Answer search_answer(const sim::Model& model,
                          const sim::Problem& problem,
                          const std::string& search,
                          sim::SearchOptions options,
                          double time_limit,
                          std::optional<double> min_accuracy) {
    const sim::Search& chosen = sim::find_search(search);
    expect_known_losses(model, problem, options.goal);
    options.stop = stop_after(time_limit);
    const Stopwatch watch;
    sim::Answer answer;
    answer.model = &model;
    answer.problem = &problem;
    answer.search = search;
    answer.goal = options.goal;
    answer.result = min_accuracy ? sim::search_with_accuracy(model, problem, options, *min_accuracy)
                                 : chosen.run(problem, options);
    answer.seconds = watch.seconds();
    if (answer.result.status == sim::SearchStatus::infeasible) {
        throw sim::InputError{fmt::format("{}: {}", search, answer.result.note)};
    }
    answer.mapping = answer.result.mapping;
    const sim::Objective& objective = options.goal.minimise.front();
    const int in_flight =
        objective.criterion == sim::Criterion::period ? options.goal.frames_in_flight : 0;
    const sim::Assessment assessment = sim::complete(answer, in_flight);
    // Some searches only know the time.
    answer.result.value = sim::value_on(problem, objective, answer.mapping, assessment);
    return answer;
}

sim::FrontAnswer search_front(const sim::Model& model,
                              const sim::Problem& problem,
                              const std::string& search,
                              sim::SearchOptions options,
                              double time_limit,
                              std::optional<double> min_accuracy) {
    if (search != "branch-and-bound" && search != "exhaustive") {
        throw sim::InputError{fmt::format(
            "--search: '{}' finds no fronts; branch-and-bound and exhaustive do", search)};
    }
    expect_known_losses(model, problem, options.goal);
    options.stop = stop_after(time_limit);
    const Stopwatch watch;
    sim::FrontAnswer front;
    front.search = search;
    front.goal = options.goal;
    front.front = min_accuracy ? sim::front_with_accuracy(model, problem, options, *min_accuracy)
                  : search == "exhaustive" ? sim::exhaustive_front(problem, options)
                                           : sim::pareto_front(problem, options);
    front.seconds = watch.seconds();
    if (front.front.points.empty()) {
        throw sim::InputError{fmt::format(
            "{}: no mapping{}", search, front.front.note.empty() ? "" : ": " + front.front.note)};
    }
    const bool is_stream = std::ranges::any_of(options.goal.minimise, [](const auto& objective) {
        return objective.criterion == sim::Criterion::period;
    });
    for (const sim::FrontPoint& point : front.front.points) {
        sim::Answer& answer = front.points.emplace_back();
        answer.model = &model;
        answer.problem = &problem;
        answer.goal = options.goal;
        answer.mapping = point.mapping;
        sim::complete(answer, is_stream ? options.goal.frames_in_flight : 0);
    }
    return front;
}

sim::Mapping resolved(const sim::MappingFile& file,
                      const sim::Platform& platform,
                      sim::Problem& problem) {
    sim::Mapping mapping = sim::resolve(file, problem);  // says first if it is another model's
    sim::apply_transfer_modes(file, platform, problem);
    return mapping;
}

std::vector<NamedResult> baselines(const sim::Problem& problem, const sim::Goal& goal) {
    std::vector<NamedResult> found;
    const sim::Objective& objective = goal.minimise.front();
    const bool is_stream = objective.criterion == sim::Criterion::period;
    const auto add = [&](const std::string& name, sim::SearchResult result) {
        if (result.status != sim::SearchStatus::infeasible && !result.mapping.empty()) {
            const sim::Assessment assessment =
                sim::assess(problem,
                            result.mapping,
                            {.frames_in_flight = is_stream ? goal.frames_in_flight : 0});
            result.value = sim::value_on(problem, objective, result.mapping, assessment);
            found.push_back({name, std::move(result)});
        }
    };
    sim::SearchOptions options;
    options.goal = goal;
    options.stop = stop_after(10);
    add("greedy", sim::greedy(problem, options));
    add("heft", sim::heft(problem, options));
    if (problem.devices.size() > 1) {
        add("cpu-only", sim::cpu_only(problem, options));
        add("gpu-only", sim::gpu_only(problem, options));
    }
    std::set<std::string> configurations;
    for (const sim::Task& task : problem.tasks) {
        if (!task.variant.empty() && task.parts.empty()) {
            configurations.insert(
                fmt::format("{}/{}/{}",
                            problem.device_names[static_cast<std::size_t>(task.device)],
                            task.variant,
                            task.configuration));
        }
    }
    for (const std::string& configuration : configurations) {
        options.only = configuration;
        add("uniform " + configuration, sim::uniform(problem, options));
    }
    return found;
}

void ReportFiles::add_options(CLI::App& command) {
    files.reserve(sim::reports().size());  // the options keep pointers into it
    for (const sim::Report& report : sim::reports()) {
        auto& file = files.emplace_back(&report, "");
        command
            .add_option(fmt::format("--{}", report.name), file.second, std::string{report.summary})
            ->type_name("FILE");
    }
}

void ReportFiles::check() const {
    for (const auto& [report, path] : files) {
        if (!path.empty()) {
            calibrate::check_writable(path);
        }
    }
}

void ReportFiles::write(const sim::Answer& answer) const {
    for (const auto& [report, path] : files) {
        if (!path.empty()) {
            calibrate::write_file(path, report->render(answer));
        }
    }
}

}  // namespace cli
