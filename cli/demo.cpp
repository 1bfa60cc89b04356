// hetmap demo: the whole loop on this machine, small: calibrate, map, validate on real images.
//
// Each step is a command that the user could type, printed before it runs.

#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>

namespace cli {
namespace {

struct DemoOptions {
    std::string model = "vgg3-fashion", out = "hetmap-demo", data;
    bool brief = false;
    OutputOptions output;
};

void step(const std::string& what, const std::vector<std::string>& arguments) {
    std::string line = "hetmap";
    for (const std::string& argument : arguments) {
        line += " " + argument;
    }
    print(fmt::format("{}\n$ {}\n\n", what, line));
    finish_output();  // before anything the step writes to stderr
    Program program;
    add_calibrate(program);
    add_map(program);
    add_validate(program);
    program.run(arguments);
    print("\n");
    finish_output();
    if (interrupted()) {
        throw std::runtime_error{"interrupted"};
    }
}

// Real images, if there are any: --data, or $HETMAP_DATA/fashion-mnist, or the few beside the
// model.
struct Images {
    std::string path;
    bool few = false;
};

Images find_images(const DemoOptions& o, const sim::Model& model) {
    if (!o.data.empty()) {
        return {.path = o.data};
    }
    const char* const folder = std::getenv("HETMAP_DATA");
    if (folder != nullptr && o.model == "vgg3-fashion") {
        const auto path = std::filesystem::path{folder} / "fashion-mnist";
        if (std::filesystem::exists(path)) {
            return {.path = path.string()};
        }
    }
    const auto beside = (model.path.parent_path() / "images").lexically_normal();
    if (std::filesystem::exists(beside)) {
        return {.path = beside.string(), .few = true};
    }
    return {};
}

void run(const DemoOptions& o) {
    const Stopwatch watch;
    const sim::Model model = model_named(o.model);
    std::error_code error;
    std::filesystem::create_directories(o.out, error);
    if (error) {
        throw sim::InputError{
            fmt::format("--out: cannot make folder '{}': {}", o.out, error.message())};
    }
    const std::string platform = o.out + "/this-machine.yaml";
    const std::string mapping = o.out + "/mapping.yaml";
    const Images images = find_images(o, model);

    print(fmt::format("{}: {}\n\n", model.name, model.description));
    std::vector<std::string> calibrate{
        "calibrate", "--quick", "--model", o.model, "--batch", "1", "--out", platform};
    if (o.brief) {
        calibrate.insert(calibrate.end(), {"--budget", "15s"});
    }
    step("1. Measure this machine: every kernel of every layer.", calibrate);
    step("2. Search the best mapping, and prove it.",
         {"map",
          "--model",
          o.model,
          "--platform",
          platform,
          "--out",
          mapping,
          "--gantt",
          o.out + "/gantt.svg",
          "--trace",
          o.out + "/trace.json"});
    std::vector<std::string> validate{"validate",
                                      "--model",
                                      o.model,
                                      "--platform",
                                      platform,
                                      "--mapping",
                                      mapping,
                                      "--sample",
                                      "10",
                                      "--budget",
                                      o.brief ? "2s" : "10s"};
    if (!images.path.empty()) {
        validate.insert(validate.end(), {"--data", images.path});
    }
    step("3. Run it here, and compare with the prediction.", validate);
    if (images.path.empty()) {
        print("No images were classified: --data takes a test set for this network.\n");
    } else if (images.few) {
        print(
            "These were the few images that come with the network: --data takes the whole test "
            "set.\n");
    }
    print(fmt::format(
        "Done in {:.0f} s. In {}/: the profile, the mapping, a Gantt chart (gantt.svg) and a trace "
        "for ui.perfetto.dev (trace.json).\n",
        watch.seconds(),
        o.out));
}

}  // namespace

void add_demo(Program& program) {
    Command command = program.add_command("demo", "All of it, small, on this machine");
    const auto o = std::make_shared<DemoOptions>();
    command.add_option("--model", o->model, "Name in models/, or path").type_name(kModel);
    command.add_option("--out", o->out, "Folder for what it makes").type_name(kFolder);
    command
        .add_option("--data",
                    o->data,
                    "Test images; default $HETMAP_DATA/fashion-mnist, or the model's images/")
        .type_name(kPath);
    command.add_flag("--short", o->brief, "Measure less: for continuous integration");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] { run(*o); });
}

}  // namespace cli
