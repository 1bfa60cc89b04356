#include "cli/common.hpp"

#include "calibrate/memory.hpp"
#include "sim/describe/joined.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <set>
#include <system_error>
#include <unistd.h>

namespace cli {
namespace {

// Written by the signal handler.
std::atomic<bool> g_interrupted{false};
std::atomic<std::int64_t> g_first_ns{0};

constexpr std::int64_t kSameCauseNs = 500'000'000;

extern "C" void on_interrupt(int signal) {
    const int before = errno;
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    const std::int64_t now = time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
    if (!g_interrupted.exchange(true)) {
        g_first_ns = now;
    } else if (signal != SIGHUP && now - g_first_ns > kSameCauseNs) {
        // Not the same once more: a terminal that closes, or a program that ends a group, sends
        // several at once.
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    errno = before;
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

}  // namespace

std::filesystem::path program_folder() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::filesystem::path{"."} : program.parent_path();
}

std::vector<std::filesystem::path> model_folders() { return folders("models"); }
std::vector<std::filesystem::path> platform_folders() { return folders("platforms"); }

sim::Model model_named(const std::string& name) { return sim::load_model(name, model_folders()); }

sim::Model models_named(const std::vector<std::string>& names) {
    std::vector<sim::Model> models;
    for (const std::string& name : names) {
        models.push_back(model_named(name));
    }
    return sim::joined(models);
}

sim::Platform platform_named(const std::string& name, const std::vector<std::string>& set) {
    return sim::load_platform(name, platform_folders(), set);
}

std::vector<std::string> all_model_names() { return sim::model_names(model_folders()); }
std::vector<std::string> all_platform_names() { return sim::platform_names(platform_folders()); }

void catch_interrupts() {
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
    if (std::signal(SIGHUP, on_interrupt) == SIG_IGN) {
        std::signal(SIGHUP, SIG_IGN);
    }
}

bool interrupted() { return g_interrupted; }

std::function<bool()> stop_after(double seconds) {
    return [watch = Stopwatch{}, seconds] {
        return interrupted() || (seconds > 0 && watch.seconds() > seconds);
    };
}

sim::Bytes half_of_free_memory() { return {calibrate::free_memory().count / 2}; }

sim::Mapping resolved(const sim::MappingFile& file,
                      const sim::Platform& platform,
                      sim::Problem& problem) {
    sim::Mapping mapping = sim::resolve(file, problem);  // says first if it is another model's
    sim::apply_transfer_modes(file, platform, problem);
    return mapping;
}

sim::Mapping best_mapping(const sim::Model& model,
                          const sim::Problem& problem,
                          const sim::Goal& goal) {
    sim::Question question;
    question.options.goal = goal;
    question.options.stop = stop_after(60);
    return sim::answer_to(question, model, problem).mapping;
}

std::string numbered(const std::string& path, int point) {
    if (point == 0) {
        return path;
    }
    const std::filesystem::path whole{path};
    return (whole.parent_path() /
            fmt::format("{}-{}{}", whole.stem().string(), point, whole.extension().string()))
        .string();
}

void ReportFiles::add_options(Command& command) {
    files.reserve(sim::reports().size());  // the options keep pointers into it
    for (const sim::Report& report : sim::reports()) {
        auto& file = files.emplace_back(&report, "");
        command
            .add_option(fmt::format("--{}", report.name), file.second, std::string{report.summary})
            .type_name(kFile);
    }
}

std::vector<calibrate::NamedFile> ReportFiles::named() const {
    std::vector<calibrate::NamedFile> named;
    for (const auto& [report, path] : files) {
        if (!path.empty()) {
            named.push_back({fmt::format("--{}", report->name), path});
        }
    }
    return named;
}

void ReportFiles::write(const sim::Answer& answer) const {
    for (const auto& [report, path] : files) {
        if (!path.empty()) {
            calibrate::write_file(numbered(path, answer.point), report->render(answer));
        }
    }
}

void HtmlFile::add_option(Command& command) {
    command.add_option("--report", path, "Write a report to look at with a browser (HTML)")
        .type_name(kFile);
}

void HtmlFile::expect_able() const {
    if (!path.empty()) {
        sim::expect_html_reports();
    }
}

void HtmlFile::write(const sim::HtmlContent& content) const {
    if (!path.empty()) {
        calibrate::write_file(path, sim::html_report(content));
    }
}

std::map<std::string, std::int64_t> sizes_of(const std::vector<std::string>& dims) {
    std::map<std::string, std::int64_t> sizes;
    for (const std::string& dim : dims) {
        const std::size_t equals = dim.rfind('=');
        std::int64_t size = 0;
        const char* const end = dim.data() + dim.size();
        const auto read = equals == std::string::npos
                              ? std::from_chars_result{dim.data(), std::errc::invalid_argument}
                              : std::from_chars(dim.data() + equals + 1, end, size);
        if (read.ec != std::errc{} || read.ptr != end || size < 1) {
            throw sim::InputError{
                fmt::format("--dim: expected NAME=N with N above zero, such as batch=1, got '{}'",
                            sim::printable(dim))};
        }
        if (!sizes.emplace(dim.substr(0, equals), size).second) {
            throw sim::InputError{
                fmt::format("--dim: '{}' is given twice", sim::printable(dim.substr(0, equals)))};
        }
    }
    return sizes;
}

}  // namespace cli
