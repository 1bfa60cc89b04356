#pragma once

// What the commands share: where models and platforms are looked for, Ctrl-C, and reading options
// that have a unit. What they print: terminal.hpp.

#include "calibrate/output_file.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/report/report.hpp"
#include "sim/units.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cli {

// ---- where things are --------------------------------------------------------------------
// In this order: ./models and ./platforms, those beside the program's own folder (a source tree,
// or an installation's share/hetmap).
std::vector<std::filesystem::path> model_folders();
std::vector<std::filesystem::path> platform_folders();

sim::Model model_named(const std::string& name);
sim::Platform platform_named(const std::string& name, const std::vector<std::string>& set = {});
std::vector<std::string> all_model_names();

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

// ---- options -----------------------------------------------------------------------------
struct OutputOptions {
    bool json = false;
    bool quiet = false;
};
// "90s", "2m", "500ms", "1.5" (seconds): as seconds.
CLI::Option* add_duration(CLI::App& command,
                          const std::string& name,
                          std::optional<double>& seconds,
                          const std::string& help);
// "512MiB", "4GiB"; MB are MiB, as everywhere with memory.
CLI::Option* add_memory(CLI::App& command,
                        const std::string& name,
                        std::optional<std::uint64_t>& bytes,
                        const std::string& help);
// Half of what this process could still take before the system, its limits (ulimit) or its control
// group run out; of 1 TiB where all of that is unknown.
sim::Bytes half_of_free_memory();
// "10%" or "10": as 10.
CLI::Option* add_percent(CLI::App& command,
                         const std::string& name,
                         std::optional<double>& percent,
                         const std::string& help);
// "devices.cpu.active_power_w=35", any number of times: of the command's platform.
CLI::Option* add_set(CLI::App& command, std::vector<std::string>& set);
// "1", where the command takes several "1,8".
CLI::Option* add_batch(CLI::App& command, int& batch, const std::string& help);
CLI::Option* add_batches(CLI::App& command, std::vector<int>& batches, const std::string& help);

// ---- what several commands do ---------------------------------------------------------------
// The mapping of a file, with the transfer modes it names put into `problem`.
sim::Mapping resolved(const sim::MappingFile& file,
                      const sim::Platform& platform,
                      sim::Problem& problem);

// The best mapping for the least latency that is found in a minute.
sim::Mapping best_mapping(const sim::Model& model, const sim::Problem& problem);

// "fronts/a.yaml" of point 2 of a front: "fronts/a-2.yaml"; of point 0, no front's, as it is.
std::string numbered(const std::string& path, int point);

// An option for each report, and their files.
struct ReportFiles {
    std::vector<std::pair<const sim::Report*, std::string>> files;
    void add_options(CLI::App& command);
    std::vector<calibrate::NamedFile> named() const;
    void write(const sim::Answer& answer) const;  // numbered, if it is a point of a front
};

}  // namespace cli
