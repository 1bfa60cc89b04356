#pragma once

// The commands of hetmap, one file each. They turn arguments into library calls and answers into
// text; whatever decides or measures is in the libraries.

#include "cli/options.hpp"

#include <string>

namespace cli {

// Adds the command to the program; what it does runs in its callback and throws on failure.
void add_calibrate(Program& program);
void add_map(Program& program);
void add_sweep(Program& program);
void add_simulate(Program& program);
void add_validate(Program& program);
void add_show(Program& program);
void add_run(Program& program);
void add_import(Program& program);
void add_import_profile(Program& program);
void add_export(Program& program);
void add_emit(Program& program);
void add_demo(Program& program);
// Not in the help: what installations are made with. They outlive no program.
void add_completion(Program& program);
void add_man(Program& program);

// Thrown where an asked-for bound was not met: exit code 3.
struct BoundNotMet {
    std::string what;
};

}  // namespace cli
