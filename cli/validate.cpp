// hetmap validate: run mappings on this machine and compare with the prediction.

#include "calibrate/dataset.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/validation.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "cli/validation_text.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/twins.hpp"
#include "sim/search/baselines.hpp"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>

namespace cli {
namespace {

struct ValidateOptions {
    std::string model, platform, mapping, data, csv;
    std::vector<std::string> set, beside;
    int batch = 1, sample = 0;
    std::optional<double> budget = 10, max_error;
    std::uint64_t seed = 1;
    std::string objective = "latency";
    int frames_in_flight = sim::Goal{}.frames_in_flight;
    OutputOptions output;
    HtmlFile report;
};

// Of --beside. It copies in the modes of the mapping that it runs beside.
calibrate::NamedMapping other_mapping(const std::string& path, const sim::Problem& problem) {
    const sim::MappingFile file = sim::load_mapping_file(path);
    if (file.batch != problem.batch) {
        throw sim::InputError{
            fmt::format("--beside {}: a mapping for batch {}; the one it is held against is for {}",
                        path,
                        file.batch,
                        problem.batch)};
    }
    return {std::filesystem::path{path}.stem().string(), sim::resolve(file, problem)};
}

void run(const ValidateOptions& o) {
    const auto file = o.mapping.empty() ? sim::MappingFile{} : sim::load_mapping_file(o.mapping);
    const sim::Model model = sim::twin_named(model_named(o.model), file.model);
    const sim::Platform platform = platform_named(o.platform, o.set);

    std::vector<calibrate::NamedFile> inputs{{"--model", model.path},
                                             {"--platform", platform.path},
                                             {"--mapping", o.mapping},
                                             {"--data", o.data}};
    for (const std::string& path : o.beside) {
        inputs.push_back({"--beside", path});
    }
    o.report.expect_able();
    calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--csv", o.csv}, o.report.named()},
                             inputs);

    // 1. The mapping: given, or the best there is.
    const int batch = o.mapping.empty() ? o.batch : file.batch;
    sim::Problem problem = sim::compile(
        model, platform, {.batch = batch, .only = {}, .transfer_modes = file.transfer_modes});
    const sim::Mapping chosen =
        o.mapping.empty()
            ? best_mapping(model,
                           problem,
                           {.minimise = {sim::objective_named(problem, o.objective, false)},
                            .frames_in_flight = o.frames_in_flight})
            : resolved(file, platform, problem);

    // 2. What it is compared with.
    std::vector<calibrate::NamedMapping> others;
    for (const std::string& path : o.beside) {
        others.push_back(other_mapping(path, problem));
    }
    for (const sim::NamedResult& baseline : sim::baselines(problem, {}, stop_after(10))) {
        others.push_back({baseline.name, baseline.result.mapping});
    }
    std::vector<sim::Mapping> sample;
    for (int i = 0; i < o.sample; ++i) {
        sample.push_back(sim::random_mapping(problem, o.seed + static_cast<std::uint64_t>(i)));
    }

    // 3. Run and compare.
    catch_interrupts();
    calibrate::Validation validation;
    {
        ProgressBar bar{o.output.quiet};
        calibrate::ValidationSettings settings;
        settings.budget_s = *o.budget;
        settings.frames_in_flight = o.objective == "throughput" ? o.frames_in_flight : 0;
        settings.stop = interrupted;
        settings.progress = [&](double share, double left) {
            bar.show("running mappings", share, left);
        };
        validation =
            calibrate::validate(model, platform, problem, chosen, others, sample, settings);
    }
    std::optional<calibrate::Accuracy> accuracy;
    if (!o.data.empty()) {
        const calibrate::Dataset data =
            calibrate::load_dataset(o.data, model.layers.front().output);
        const calibrate::Classification classification = calibrate::classify(
            model,
            calibrate::load_parameters(model),
            {.devices = calibrate::open_devices(problem, calibrate::usable_cores()),
             .problem = problem,
             .mapping = chosen},
            data.pixels,
            interrupted);
        accuracy = calibrate::accuracy_of(classification, data, model);
    }

    if (!o.csv.empty()) {
        calibrate::write_file(o.csv, validation_csv(problem, validation));
    }
    const auto json = [&] {
        return validation_json(model, platform, problem, validation, accuracy);
    };
    if (!o.report.path.empty()) {
        const sim::Answer answer = sim::answer_with(chosen, model, problem);
        o.report.write({.platform = &platform, .answer = &answer, .validation = json()});
    }
    print(o.output.json ? json() : validation_text(model, platform, problem, validation, accuracy));
    if (!validation.outputs_identical) {
        throw std::runtime_error{"a mapping's output differs from the reference's"};
    }
    if (o.max_error && std::abs(validation.chosen.error_percent) > *o.max_error) {
        throw BoundNotMet{fmt::format("the prediction is off by {:.1f} %, more than {:.1f} %",
                                      std::abs(validation.chosen.error_percent),
                                      *o.max_error)};
    }
}

}  // namespace

void add_validate(Program& program) {
    Command command =
        program.add_command("validate", "Run on this machine, compare with the prediction");
    const auto o = std::make_shared<ValidateOptions>();
    command.add_option("--model", o->model, "Name in models/, or path")
        .required()
        .type_name(kModel);
    command.add_option("--platform", o->platform, "Name in platforms/, or path")
        .required()
        .type_name(kPlatform);
    command.add_set(o->set);
    command.add_option("--mapping", o->mapping, "Default: the best there is").type_name(kFile);
    command.add_option("--beside", o->beside, "Also run these mappings, in turn with it")
        .type_name(kFile);
    command.add_batch(o->batch, "Images at a time, where no mapping is given");
    command.add_option("--sample", o->sample, "Also run this many random mappings")
        .range(0, 100000);
    command.add_option("--seed", o->seed, "Of the random mappings");
    command
        .add_option("--objective",
                    o->objective,
                    "What is predicted and measured: a run, or the next one's end in a stream")
        .one_of({"latency", "throughput"});
    command
        .add_option("--frames-in-flight", o->frames_in_flight, "For throughput: batches at a time")
        .range(1, 64);
    command.add_duration("--budget", o->budget, "Time for running, default 10s");
    command.add_percent("--max-error", o->max_error, "Exit 3 if the prediction is off by more");
    command.add_option("--data", o->data, "Images to classify: a test set or its folder")
        .type_name(kPath);
    command.add_option("--csv", o->csv, "Write every mapping, predicted and measured")
        .type_name(kFile);
    o->report.add_option(command);
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] { run(*o); });
}

}  // namespace cli
