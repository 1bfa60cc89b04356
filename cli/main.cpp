// The program: the list of commands, and what becomes of errors.
//
// Exit codes: 0 done, 1 the machine or a defect, 2 bad input, 3 an asked-for bound was not met.

#include "calibrate/device.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <sstream>

int main(int argc, char** argv) try {
    CLI::App app{"hetmap: which layer of a network runs on which device, with which kernel"};
    app.require_subcommand(1);
    app.set_version_flag("--version", HETMAP_VERSION);
    app.get_formatter()->column_width(28);
    cli::add_calibrate(app);
    cli::add_map(app);
    cli::add_simulate(app);
    cli::add_validate(app);
    cli::add_show(app);
    cli::add_run(app);
    cli::add_demo(app);
    cli::prepare_streams();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // also of --help and --version
        std::ostringstream out, err;
        const bool is_wrong = app.exit(error, out, err) != 0;
        cli::print(out.str());
        cli::say(err.str());
        if (is_wrong) {
            return 2;
        }
    }
    return cli::finish_output() ? 0 : 1;
} catch (const cli::BoundNotMet& miss) {
    cli::say(fmt::format("hetmap: {}\n", miss.what));
    return 3;
} catch (const sim::InputError& error) {
    cli::say(fmt::format("hetmap: {}\n", error.what()));
    return 2;
} catch (const sim::MachineError& error) {
    cli::say(fmt::format("hetmap: {}\n", error.what()));
    return 1;
} catch (const calibrate::DeviceError& error) {
    cli::say(fmt::format("hetmap: {}\n", error.what()));
    return 1;
} catch (const std::bad_alloc&) {
    cli::say("hetmap: out of memory\n");
    return 1;
} catch (const std::exception& error) {
    cli::say(fmt::format("hetmap: internal error: {}\n", error.what()));
    return 1;
}
