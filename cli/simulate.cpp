// hetmap simulate: the timeline of one mapping.

#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/twins.hpp"

#include <fmt/format.h>

#include <memory>

namespace cli {
namespace {

struct SimulateOptions {
    std::vector<std::string> models;
    std::string platform, mapping;
    std::vector<std::string> set;
    int frames_in_flight = 0;
    OutputOptions output;
    ReportFiles reports;
    HtmlFile report;
};

void run(const SimulateOptions& o) {
    const sim::MappingFile file = sim::load_mapping_file(o.mapping);
    const sim::Model model = sim::twin_named(models_named(o.models), file.model);
    const sim::Platform platform = platform_named(o.platform, o.set);
    o.report.expect_able();
    std::vector<calibrate::NamedFile> outputs = o.reports.named();
    outputs.push_back(o.report.named());
    calibrate::check_outputs(
        outputs,
        std::vector<calibrate::NamedFile>{
            {"--model", model.path}, {"--platform", platform.path}, {"--mapping", o.mapping}});
    sim::Problem problem = sim::compile(
        model, platform, {.batch = file.batch, .only = {}, .transfer_modes = file.transfer_modes});
    const sim::Answer answer =
        sim::answer_with(resolved(file, platform, problem), model, problem, o.frames_in_flight);
    o.reports.write(answer);
    o.report.write({.platform = &platform, .answer = &answer});
    print(o.output.json ? sim::json_text(answer) : sim::text_table(answer));
}

}  // namespace

void add_simulate(Program& program) {
    Command command = program.add_command("simulate", "Show the timeline of one mapping");
    const auto o = std::make_shared<SimulateOptions>();
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
    command.add_option("--mapping", o->mapping, "A file written by hetmap map --out")
        .required()
        .type_name(kFile);
    command
        .add_option("--frames-in-flight",
                    o->frames_in_flight,
                    "Simulate also a stream of frames, so many at a time")
        .range(1, 64);
    o->report.add_option(command);
    o->reports.add_options(command);
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
