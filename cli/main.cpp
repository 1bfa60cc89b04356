// The program: the list of commands. What becomes of errors: together.hpp.
//
// Exit codes: 0 done, 1 the machine or a defect, 2 bad input, 3 an asked-for bound was not met.

#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "cli/together.hpp"

#include <exception>

int main(int argc, char** argv) try {
    cli::Program program{"hetmap",
                         "which layer of a network runs on which device, with which kernel",
                         cli::version_text};
    cli::add_calibrate(program);
    cli::add_map(program);
    cli::add_sweep(program);
    cli::add_simulate(program);
    cli::add_validate(program);
    cli::add_show(program);
    cli::add_run(program);
    cli::add_import(program);
    cli::add_import_profile(program);
    cli::add_export(program);
    cli::add_emit(program);
    cli::add_demo(program);
    cli::add_completion(program);
    cli::add_man(program);
    cli::prepare_streams();
    if (!program.run(argc, argv)) {
        return 2;
    }
    return cli::finish_output() ? 0 : 1;
} catch (...) {
    return cli::tell(std::current_exception());
}
