// hetmap run: classify real inputs with a mapping.

#include "calibrate/dataset.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/runnable.hpp"
#include "calibrate/validation.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "cli/validation_text.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/describe/twins.hpp"
#include "sim/report/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <utility>

namespace cli {
namespace {

struct RunOptions {
    std::string model, data, mapping, platform;
    std::vector<std::string> set;
    int batch = 1, print_first = 0, frames_in_flight = 1;
    double pixel_scale = 1;
    OutputOptions output;
};

// The mapping that was given, or the best on a profile's platform, or, with neither, what runs
// here.
calibrate::Runnable runnable_of(const RunOptions& o,
                                const sim::MappingFile& file,
                                const sim::Model& model,
                                const calibrate::Parameters& parameters) {
    if (o.platform.empty()) {
        return o.mapping.empty() ? calibrate::guessed(model, parameters, o.batch)
                                 : calibrate::runnable(model, parameters, file);
    }
    const sim::Platform platform = platform_named(o.platform, o.set);
    sim::Problem problem = sim::compile(model,
                                        platform,
                                        {.batch = o.mapping.empty() ? o.batch : file.batch,
                                         .only = {},
                                         .transfer_modes = file.transfer_modes});
    sim::Mapping mapping =
        o.mapping.empty() ? best_mapping(model, problem) : resolved(file, platform, problem);
    calibrate::OpenDevices devices = calibrate::open_devices(problem, calibrate::usable_cores());
    return {.devices = std::move(devices),
            .problem = std::move(problem),
            .mapping = std::move(mapping)};
}

void run(const RunOptions& o) {
    const auto file = o.mapping.empty() ? sim::MappingFile{} : sim::load_mapping_file(o.mapping);
    const sim::Model model = sim::twin_named(model_named(o.model), file.model);
    if (model.inputs() != 1 || model.outputs.size() != 1) {
        throw sim::InputError{fmt::format(
            "{}: images are classified by networks with one input and one output; it has {} and {}",
            model.path.string(),
            model.inputs(),
            model.outputs.size())};
    }
    const calibrate::Dataset data = calibrate::load_dataset(o.data, model.layers.front().output);

    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    calibrate::Runnable runnable = runnable_of(o, file, model, parameters);
    const int batch = runnable.problem.batch;

    catch_interrupts();
    const Stopwatch watch;
    const calibrate::Classification c = calibrate::classify(model,
                                                            parameters,
                                                            std::move(runnable),
                                                            data.pixels,
                                                            interrupted,
                                                            static_cast<float>(o.pixel_scale),
                                                            o.frames_in_flight);
    const double seconds = watch.seconds();
    const calibrate::Accuracy accuracy = calibrate::accuracy_of(c, data, model);

    if (o.output.json) {
        nlohmann::ordered_json json{{"model", model.name},
                                    {"images", accuracy.images},
                                    {"batch", batch},
                                    {"batch_p50_us", sim::microseconds(c.batch_time.p50)},
                                    {"seconds", seconds},
                                    {"predictions", c.predictions}};
        if (accuracy.labelled) {
            json["right"] = accuracy.right;
        }
        print(sim::dumped(json));
        return;
    }
    print(fmt::format("{} on {}, batch {}\n\n", model.name, o.data, batch));
    for (int i = 0; i < o.print_first && i < accuracy.images; ++i) {
        print(
            fmt::format("image {:>6}: class {}\n", i, c.predictions[static_cast<std::size_t>(i)]));
    }
    print(accuracy_text(accuracy));
    print(fmt::format("{:.2f} us a batch (p05 {:.2f}, p95 {:.2f}), {:.2f} us an image\n",
                      sim::microseconds(c.batch_time.p50),
                      sim::microseconds(c.batch_time.p05),
                      sim::microseconds(c.batch_time.p95),
                      sim::microseconds(c.batch_time.p50) / batch));
}

}  // namespace

void add_run(Program& program) {
    Command command = program.add_command("run", "Classify real images");
    const auto o = std::make_shared<RunOptions>();
    command.add_option("--model", o->model, "Name in models/, or path")
        .required()
        .type_name(kModel);
    command.add_option("--data", o->data, "A test set (IDX, CIFAR-10 binary) or its folder")
        .required()
        .type_name(kPath);
    command.add_option("--mapping", o->mapping, "A file written by hetmap map --out")
        .type_name(kFile);
    const Option platform =
        command.add_option("--platform", o->platform, "Run the best mapping for this profile")
            .type_name(kPlatform);
    command.add_set(o->set).needs(platform);
    command.add_batch(o->batch, "Images at a time, where no mapping is given");
    command
        .add_option(
            "--frames-in-flight",
            o->frames_in_flight,
            "Batches at a time, as a stream; of more than 1 the time is from one to the next")
        .range(1, 64);
    command.add_option("--pixel-scale",
                       o->pixel_scale,
                       "What a pixel, 0 to 255, is multiplied by for a network that takes f32");
    command.add_option("--print", o->print_first, "Print the classes of this many images");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
