// hetmap run: classify real inputs with a mapping.

#include "calibrate/calibrator.hpp"
#include "calibrate/dataset.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/validation.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "cli/validation_text.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/report/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace cli {
namespace {

struct RunOptions {
    std::string model, data, mapping, platform;
    std::vector<std::string> set;
    int batch = 1, print_first = 0;
    OutputOptions output;
};

// With neither a mapping nor a profile: the last variant of the table that this machine can run,
// on one thread, with as many layers fused as it can.
bool guessing(const RunOptions& o) { return o.mapping.empty() && o.platform.empty(); }

std::vector<std::string> best_variant() {
    std::string best;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (variant.supported()) {
            best = variant.name;
        }
    }
    return {"cpu/" + best + "/1"};
}

// Without a profile: everything that the mapping's devices and the CPU can run.
sim::Platform any_platform(const sim::Model& model, int batch, const sim::MappingFile& mapping) {
    std::vector<std::unique_ptr<calibrate::Device>> opened;
    const int cores = calibrate::describe_machine().cores;
    for (const calibrate::DeviceInfo& info : calibrate::discover().devices) {
        if (info.kind != "cpu" &&
            std::ranges::find(mapping.entries, info.name, &sim::MappingEntry::device) !=
                mapping.entries.end()) {
            opened.push_back(calibrate::open(info, cores));
        }
    }
    opened.insert(opened.begin(), calibrate::open_cpu(cores));
    std::vector<const calibrate::Device*> devices;
    for (const auto& device : opened) {
        devices.push_back(device.get());
    }
    return calibrate::candidates(model, batch, devices, {});
}

void run(const RunOptions& o) {
    const sim::Model model = model_named(o.model);
    if (model.inputs() != 1 || model.outputs.size() != 1) {
        throw sim::InputError{fmt::format(
            "{}: images are classified by networks with one input and one output; it has {} and {}",
            model.path.string(),
            model.inputs(),
            model.outputs.size())};
    }
    const calibrate::Dataset data = calibrate::load_dataset(o.data, model.layers.front().output);

    // 1. The mapping: given, or the best on a platform, or, with neither, whatever runs here.
    sim::MappingFile file;
    int batch = o.batch;
    if (!o.mapping.empty()) {
        file = sim::load_mapping_file(o.mapping);
        batch = file.batch;
    }
    const sim::Platform platform =
        o.platform.empty() ? any_platform(model, batch, file) : platform_named(o.platform, o.set);
    sim::Problem problem =
        sim::compile(model,
                     platform,
                     {.batch = batch,
                      .only = guessing(o) ? best_variant() : std::vector<std::string>{},
                      .transfer_modes = file.transfer_modes});
    const sim::Mapping mapping =
        o.mapping.empty() ? best_mapping(model, problem) : resolved(file, platform, problem);

    // 2. Every image.
    catch_interrupts();
    const Stopwatch watch;
    const calibrate::Classification c =
        calibrate::classify(model, problem, mapping, data.pixels, 0, interrupted);
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
    command.add_option("--model", o->model, "Name in models/, or path").required();
    command.add_option("--data", o->data, "A test set (IDX, CIFAR-10 binary) or its folder")
        .required();
    command.add_option("--mapping", o->mapping, "A file written by hetmap map --out");
    const Option platform =
        command.add_option("--platform", o->platform, "Run the best mapping for this profile");
    command.add_set(o->set).needs(platform);
    command.add_batch(o->batch, "Images at a time, where no mapping is given");
    command.add_option("--print", o->print_first, "Print the classes of this many images");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress (there is none)");
    command.callback([o] { run(*o); });
}

}  // namespace cli
