// hetmap calibrate: measure this machine into a platform profile.

#include "calibrate/binding.hpp"
#include "calibrate/calibrator.hpp"
#include "calibrate/machine.hpp"
#include "calibrate/output_file.hpp"
#include "cli/build.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "kernels/device_kernel.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/twins.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/report/json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>

namespace cli {
namespace {

struct CalibrateOptions {
    std::vector<std::string> models, variants, devices;
    std::vector<int> batches{1, 8};
    std::optional<double> budget;
    std::string out, resume;
    int threads = 0;
    bool quick = false;
    OutputOptions output;
    HtmlFile report;
};

std::string command_line(const CalibrateOptions& o) {
    std::string text = fmt::format("hetmap calibrate --batch {}", fmt::join(o.batches, ","));
    for (const std::string& model : o.models) {
        text += " --model " + model;
    }
    for (const std::string& device : o.devices) {
        text += " --device " + device;
    }
    for (const std::string& variant : o.variants) {
        text += " --variant " + variant;
    }
    if (o.threads > 0) {
        text += fmt::format(" --threads {}", o.threads);
    }
    if (o.budget) {
        text += fmt::format(" --budget {}s", *o.budget);
    }
    if (o.quick) {
        text += " --quick";
    }
    if (!o.resume.empty()) {
        text += " --resume " + o.resume;
    }
    return text;
}

// Half a calibration does not replace a file, unless it went on from that one.
bool keeps_the_old(const std::filesystem::path& out, const std::optional<sim::Platform>& before) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(out, ignored) &&
           !(before && std::filesystem::equivalent(out, before->path, ignored));
}

void run(const CalibrateOptions& o) {
    calibrate::CalibrationSettings settings;
    settings.batches = o.batches;
    settings.quick = o.quick;
    settings.budget_s = o.budget.value_or(o.quick ? 15 : 170);
    settings.threads = o.threads;
    settings.variants = o.variants;
    settings.devices = o.devices;
    settings.revision = kRevision;
    settings.command = command_line(o);
    for (const std::string& variant : o.variants) {
        const std::vector<std::string_view> names = calibrate::variant_names();
        if (std::ranges::find(names, variant) == names.end()) {
            throw sim::InputError{fmt::format("--variant: no kernel variant '{}' (there are: {})",
                                              variant,
                                              fmt::join(names, ", "))};
        }
    }
    std::optional<sim::Platform> before;
    if (!o.resume.empty()) {
        before = platform_named(o.resume);
    }
    std::filesystem::path out = !o.out.empty() ? o.out
                                : before       ? before->path.string()
                                               : calibrate::describe_machine().name + ".yaml";
    if (!sim::is_name(out.stem().string())) {
        throw sim::InputError{
            fmt::format("--out: a profile is called as its file, and '{}' is not {}",
                        out.stem().string(),
                        sim::kNameExpected)};
    }
    std::vector<std::string> names;
    std::vector<calibrate::NamedFile> inputs;
    for (const std::string& name : o.models.empty() ? all_model_names() : o.models) {
        const sim::Model model = model_named(name);
        inputs.push_back({"--model", model.path});
        // Networks that can only be simulated, such as those of full precision, have none.
        if (std::ranges::any_of(model.layers, [&](const sim::Layer& layer) {
                return calibrate::has_kernel(model, layer);
            })) {
            names.push_back(name);
            if (o.models.empty()) {
                settings.models.push_back(model);
            } else {  // of one that is asked for, its twins as well
                std::ranges::move(sim::with_twins(model), std::back_inserter(settings.models));
            }
        } else if (!o.models.empty()) {
            throw sim::InputError{fmt::format(
                "--model: there are kernels for no layer of '{}' (full precision?)", name)};
        }
    }
    if (names.empty()) {
        throw sim::InputError{"no models found: name one with --model"};
    }
    o.report.expect_able();
    calibrate::check_outputs(std::vector<calibrate::NamedFile>{{"--out", out}, o.report.named()},
                             inputs);

    const Stopwatch watch;
    calibrate::Calibration done;
    {
        ProgressBar bar{o.output.quiet};
        const calibrate::CalibrationHooks hooks{
            .stop = interrupted,
            .progress = [&](const std::string& what, double share, double left) {
                bar.show(what, share, left);
            }};
        catch_interrupts();
        done = calibrate::calibrate_machine(settings, hooks, before);
    }
    const bool kept = interrupted() && keeps_the_old(out, before);
    if (interrupted() && done.measured == 0) {
        throw sim::MachineError{fmt::format("interrupted before anything was measured; '{}' {}",
                                            out.string(),
                                            kept ? "is as it was" : "is not written")};
    }
    if (done.measured == 0) {
        throw sim::MachineError{fmt::format("nothing was measured, '{}' is not written: {}",
                                            out.string(),
                                            fmt::join(done.platform.warnings, "; "))};
    }
    const std::filesystem::path asked = out;
    if (kept) {
        out.replace_filename(
            fmt::format("{}.unfinished{}", out.stem().string(), out.extension().string()));
    }
    if (!o.out.empty() || kept) {
        done.platform.name = out.stem().string();
    }
    calibrate::write_file(out, sim::to_yaml(done.platform));
    o.report.write({.platform = &done.platform, .profile = true});

    const std::string resume = fmt::format("hetmap calibrate --resume {}", out.string());
    if (o.output.json) {
        print(sim::dumped({{"platform", done.platform.name},
                           {"file", out.string()},
                           {"costs", done.measured},
                           {"missing", done.missing},
                           {"rough", done.rough},
                           {"fits", done.platform.fitted.size()},
                           {"warnings", done.platform.warnings},
                           {"left_out", done.left_out},
                           {"stopped", done.stopped},
                           {"seconds", watch.seconds()}}));
        return;
    }
    print(fmt::format("{}: calibrated {} at batch {}\n\n",
                      done.platform.name,
                      fmt::join(names, ", "),
                      fmt::join(o.batches, ",")));
    for (const auto& [key, value] : done.platform.provenance) {
        if (key == "cpu" || key == "cores" || key == "caches" || key == "outliers") {
            print(fmt::format("{:<10} {}\n", key, value));
        }
    }
    for (const std::string& warning : done.platform.warnings) {
        print(fmt::format("{:<10} {}\n", "warning", warning));
    }
    for (const std::string& line : done.left_out) {
        print(fmt::format("{:<10} {}\n", "left out", line));
    }
    print(fmt::format("\n{} costs measured, {} fits, in {:.1f} s, written to {}\n",
                      done.measured,
                      done.platform.fitted.size(),
                      watch.seconds(),
                      out.string()));
    if (kept) {
        print(fmt::format("it was interrupted: {} is as it was\n", asked.string()));
    }
    if (done.missing + done.rough > 0) {
        print(fmt::format("{} costs are still missing and {} rough, of few samples: {}\n",
                          done.missing,
                          done.rough,
                          resume));
    }
}

}  // namespace

void add_calibrate(Program& program) {
    Command command = program.add_command("calibrate", "Measure this machine into a profile");
    const auto o = std::make_shared<CalibrateOptions>();
    command.add_option("--model", o->models, "Name in models/, or path; default: all")
        .type_name(kModel);
    command.add_batches(o->batches, "Batch sizes, default 1,8");
    command.add_duration("--budget", o->budget, "Time for measuring, default 170s (quick: 15s)");
    command.add_option("--out", o->out, "The profile; default: <machine>.yaml").type_name(kFile);
    command.add_option("--resume", o->resume, "Measure what this profile lacks").type_name(kFile);
    command.add_option("--variant", o->variants, "Only these kernel variants");
    command.add_option("--device",
                       o->devices,
                       "Only these devices, such as cuda0, and the CPU; default: all but those "
                       "that compute on the CPU's own cores (hetmap show devices)");
    command.add_option("--threads", o->threads, "Cores to use; default: all").range(1, 1024);
    o->report.add_option(command);
    command.add_flag("--quick", o->quick, "Fewer samples: enough to choose by");
    command.add_flag("--json", o->output.json, "Print JSON");
    command.add_flag("--quiet", o->output.quiet, "No progress");
    command.callback([o] { run(*o); });
}

}  // namespace cli
