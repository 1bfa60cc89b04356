#pragma once

// The commands of hetmap, one file each. They turn arguments into library calls and answers into
// text; whatever decides or measures is in the libraries.

#include <CLI/CLI.hpp>

namespace cli {

// Adds the command to the program; what it does runs in its callback and throws on failure.
void add_calibrate(CLI::App& app);
void add_map(CLI::App& app);
void add_simulate(CLI::App& app);
void add_validate(CLI::App& app);
void add_show(CLI::App& app);
void add_run(CLI::App& app);
void add_demo(CLI::App& app);

// Thrown where an asked-for bound was not met: exit code 3.
struct BoundNotMet {
    std::string what;
};

}  // namespace cli
