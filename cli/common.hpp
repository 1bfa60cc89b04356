#pragma once

// What the commands share: where models and platforms are looked for, Ctrl-C, and how much memory
// there is. What they print: terminal.hpp; their options: options.hpp.

#include "calibrate/output_file.hpp"
#include "cli/options.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/report/html.hpp"
#include "sim/report/report.hpp"
#include "sim/units.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cli {

// ---- where things are --------------------------------------------------------------------
std::filesystem::path program_folder();

// In this order: ./models and ./platforms, those beside the program's own folder (a source tree,
// or an installation's share/hetmap).
std::vector<std::filesystem::path> model_folders();
std::vector<std::filesystem::path> platform_folders();

sim::Model model_named(const std::string& name);
sim::Model models_named(const std::vector<std::string>& names);  // joined
sim::Platform platform_named(const std::string& name, const std::vector<std::string>& set = {});
std::vector<std::string> all_model_names();
std::vector<std::string> all_platform_names();

// ---- Ctrl-C ------------------------------------------------------------------------------
// From here on SIGINT, SIGTERM and SIGHUP ask the running work to end with what it has; before, and
// where this is not called, they end the program. Another SIGINT or SIGTERM later kills. Under
// nohup a SIGHUP stays ignored.
void catch_interrupts();
bool interrupted();

class Stopwatch {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// True once Ctrl-C came or `seconds` have passed since this call (0: no limit).
std::function<bool()> stop_after(double seconds);

// What every command prints by: --json, --quiet.
struct OutputOptions {
    bool json = false;
    bool quiet = false;
};

// Half of what this process could still take before the system, its limits (ulimit) or its control
// group run out; of 1 TiB where all of that is unknown.
sim::Bytes half_of_free_memory();

// ---- what several commands do ---------------------------------------------------------------
// The mapping of a file, with the transfer modes it names put into `problem`.
sim::Mapping resolved(const sim::MappingFile& file,
                      const sim::Platform& platform,
                      sim::Problem& problem);

// The best mapping for the least latency that is found in a minute.
sim::Mapping best_mapping(const sim::Model& model,
                          const sim::Problem& problem,
                          const sim::Goal& goal = {});

// Of --dim "batch=1"; the name may hold what it likes but '='.
std::map<std::string, std::int64_t> sizes_of(const std::vector<std::string>& dims);

// "fronts/a.yaml" of point 2 of a front: "fronts/a-2.yaml"; of point 0, no front's, as it is.
std::string numbered(const std::string& path, int point);

// An option for each report, and their files.
struct ReportFiles {
    std::vector<std::pair<const sim::Report*, std::string>> files;
    void add_options(Command& command);
    std::vector<calibrate::NamedFile> named() const;
    void write(const sim::Answer& answer) const;  // numbered, if it is a point of a front
};

// The one of them that is of whole commands: --report FILE.
struct HtmlFile {
    std::string path;
    void add_option(Command& command);
    calibrate::NamedFile named() const { return {"--report", path}; }
    void expect_able() const;  // before the work; throws InputError where this build makes none
    void write(const sim::HtmlContent& content) const;
};

}  // namespace cli
