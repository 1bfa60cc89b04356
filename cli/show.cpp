// hetmap show: what is in a model, platform, mapping or result.

#include "calibrate/device.hpp"
#include "cli/commands.hpp"
#include "cli/common.hpp"
#include "cli/terminal.hpp"
#include "sim/describe/mapping.hpp"
#include "sim/report/json.hpp"
#include "sim/report/names.hpp"
#include "sim/report/result_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

namespace cli {
namespace {

using nlohmann::ordered_json;
using sim::microseconds;

struct ShowOptions {
    std::string what, name;
    std::vector<std::string> set;
    bool signatures = false;
    int longest = 1;  // layers of the chains whose signatures are shown
    OutputOptions output;
};

std::string operation_of(const sim::Layer& layer) {
    return std::string{layer.operation == nullptr ? "input" : layer.operation->name};
}

// "weights: binary, kernel: [3, 3]"
std::string attributes_text(const sim::Layer& layer) {
    std::string text;
    for (const auto& [key, value] : sim::attributes_of(layer)) {
        text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, value);
    }
    return text;
}

// Layers that may be fused, and what a platform files their costs under.
struct Chain {
    std::vector<std::string> layers;
    std::string signature;
};

// Each layer by itself, then with it what begins there, up to `longest` layers.
std::vector<Chain> chains_of(const sim::Model& model, int longest) {
    std::vector<Chain> chains;
    for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
        for (const std::vector<int>& layers : sim::chains_from(model, layer, longest)) {
            Chain& chain = chains.emplace_back();
            chain.signature = sim::signature(model, layers);
            for (const int one : layers) {
                chain.layers.push_back(model.layers[static_cast<std::size_t>(one)].name);
            }
        }
    }
    return chains;
}

// The keys of costs written by hand: signatures to copy.
void print_signatures(const sim::Model& model, int longest) {
    print("\n");
    for (const Chain& chain : chains_of(model, longest)) {
        const std::string layers = fmt::format("{}", fmt::join(chain.layers, "+"));
        print(fmt::format("{:<32} {}\n", layers, chain.signature));
    }
    print("\n");
    for (const sim::Layer& layer : model.layers) {
        if (const std::string text = attributes_text(layer); !text.empty()) {
            print(fmt::format("{:<16} {}\n", layer.name, text));
        }
    }
}

ordered_json layer_json(const sim::Model& model, int l) {
    const sim::Layer& layer = model.layers[static_cast<std::size_t>(l)];
    const sim::Work work = sim::work_of(model, l);
    ordered_json inputs = ordered_json::array();
    for (const int input : layer.inputs) {
        inputs.push_back(model.layers[static_cast<std::size_t>(input)].name);
    }
    return {{"name", layer.name},
            {"operation", operation_of(layer)},
            {"inputs", inputs},
            {"output", sim::to_string(layer.output)},
            {"macs", work.macs},
            {"weight_bytes", work.weight_bytes}};
}

ordered_json model_json(const sim::Model& model, const ShowOptions& o) {
    ordered_json layers = ordered_json::array(), chains = ordered_json::array();
    for (int l = 0; l < static_cast<int>(model.layers.size()); ++l) {
        ordered_json& json = layers.emplace_back(layer_json(model, l));
        if (o.signatures && l >= model.inputs() &&
            !sim::is_further_result(model.layers[static_cast<std::size_t>(l)])) {
            ordered_json attributes = ordered_json::object();
            for (const auto& [key, value] :
                 sim::attributes_of(model.layers[static_cast<std::size_t>(l)])) {
                attributes[std::string{key}] = ordered_json::parse(value, nullptr, false);
                if (attributes[std::string{key}].is_discarded()) {
                    attributes[std::string{key}] = value;  // a name
                }
            }
            json["attributes"] = attributes;
            json["signature"] = sim::signature(model, std::array{l});
        }
    }
    ordered_json json{
        {"model", model.name}, {"description", model.description}, {"layers", layers}};
    if (o.longest > 1) {
        for (const Chain& chain : chains_of(model, o.longest)) {
            if (chain.layers.size() > 1) {
                chains.push_back({{"layers", chain.layers}, {"signature", chain.signature}});
            }
        }
        json["chains"] = chains;
    }
    return json;
}

void show_model(const ShowOptions& o) {
    const sim::Model model = model_named(o.name);
    if (o.output.json) {
        print(sim::dumped(model_json(model, o)));
        return;
    }
    print(fmt::format("{}: {}\n\n", model.name, model.description));
    print(fmt::format("{:<16} {:<16} {:<20} {:>12} {:>14}  {}\n",
                      "layer",
                      "operation",
                      "output",
                      "MACs",
                      "weights [B]",
                      "reads"));
    std::int64_t macs = 0, weights = 0;
    for (std::size_t l = 0; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        const sim::Work work = sim::work_of(model, static_cast<int>(l));
        macs += work.macs;
        weights += work.weight_bytes;
        std::string inputs;
        for (const int input : layer.inputs) {
            inputs +=
                (inputs.empty() ? "" : ", ") + model.layers[static_cast<std::size_t>(input)].name;
        }
        print(fmt::format("{:<16} {:<16} {:<20} {:>12} {:>14}  {}\n",
                          layer.name,
                          operation_of(layer),
                          sim::to_string(layer.output),
                          work.macs,
                          work.weight_bytes,
                          inputs));
    }
    if (o.signatures) {
        print_signatures(model, o.longest);
    }
    print(fmt::format(
        "\n{} layers, {:.1f} million multiply-accumulates an image, {:.1f} KiB of weights\n",
        model.layers.size() - static_cast<std::size_t>(model.inputs()),
        static_cast<double>(macs) * 1e-6,
        static_cast<double>(weights) / 1024));
}

std::string device_names(const sim::Platform& platform, const std::vector<int>& devices) {
    std::string names;
    for (const int device : devices) {
        names +=
            (names.empty() ? "" : ", ") + platform.devices[static_cast<std::size_t>(device)].name;
    }
    return names;
}

// What a described machine has instead of measurements.
void show_formulas(const sim::Platform& platform) {
    if (!platform.formulas.empty()) {
        print(fmt::format("\n{:<10} {:<14} {:<14} {:<10} {}\n",
                          "device",
                          "variant",
                          "configuration",
                          "precision",
                          "formula for"));
    }
    for (const sim::FormulaCost& cost : platform.formulas) {
        print(fmt::format("{:<10} {:<14} {:<14} {:<10} {}{}\n",
                          platform.devices[static_cast<std::size_t>(cost.device)].name,
                          cost.variant,
                          cost.configuration,
                          cost.precision,
                          fmt::join(cost.operations, ", "),
                          cost.shares ? " (or a share)" : ""));
    }
    for (const sim::SplitRule& split : platform.splits) {
        print(fmt::format("\n{} may divide the {} channels of {}; joined: {}\n",
                          device_names(platform, split.devices),
                          split.by == sim::SplitRule::By::output_channels ? "output" : "input",
                          fmt::join(split.operations, ", "),
                          split.join.text));
    }
    for (const sim::Device& device : platform.devices) {
        for (const sim::ResourceBudget& budget : device.resources) {
            print(fmt::format("{} has {} {}\n", device.name, budget.limit, budget.name));
        }
    }
}

void show_platform(const ShowOptions& o) {
    const sim::Platform platform = platform_named(o.name, o.set);
    std::map<std::tuple<std::string, std::string, std::string>, int> variants;
    std::set<int> batches;
    for (const sim::MeasuredCost& cost : platform.measured) {
        const auto& device = platform.devices[static_cast<std::size_t>(cost.device)];
        ++variants[{device.name, cost.variant, cost.configuration}];
        batches.insert(cost.batch);
    }
    if (o.output.json) {
        ordered_json provenance = ordered_json::object();
        for (const auto& [key, value] : platform.provenance) {
            provenance[key] = value;
        }
        ordered_json devices = ordered_json::array();
        const auto or_null = [](const std::optional<double>& power) {
            return power ? ordered_json(*power) : ordered_json(nullptr);
        };
        for (const sim::Device& device : platform.devices) {
            ordered_json resources = ordered_json::object();
            for (const sim::ResourceBudget& budget : device.resources) {
                resources[budget.name] = budget.limit;
            }
            devices.push_back({{"name", device.name},
                               {"kind", device.kind},
                               {"asynchronous", device.asynchronous},
                               {"active_power_w", or_null(device.active_power_w)},
                               {"idle_power_w", or_null(device.idle_power_w)},
                               {"resources", resources}});
        }
        print(sim::dumped({{"platform", platform.name},
                           {"set", platform.set},
                           {"provenance", provenance},
                           {"warnings", platform.warnings},
                           {"devices", devices},
                           {"batches", batches},
                           {"measured_costs", platform.measured.size()},
                           {"fitted_costs", platform.fitted.size()},
                           {"formulas", platform.formulas.size()},
                           {"splits", platform.splits.size()}}));
        return;
    }
    print(fmt::format("{}\n\n", sim::platform_text(platform.name, platform.set)));
    for (const auto& [key, value] : platform.provenance) {
        print(fmt::format("{:<18} {}\n", key, value));
    }
    for (const std::string& warning : platform.warnings) {
        print(fmt::format("{:<18} {}\n", "warning", warning));
    }
    if (!variants.empty()) {
        print(fmt::format("\n{:<10} {:<12} {:<14} {:>15}\n",
                          "device",
                          "variant",
                          "configuration",
                          "measured costs"));
    }
    for (const auto& [key, count] : variants) {
        const auto& [device, variant, configuration] = key;
        print(fmt::format("{:<10} {:<12} {:<14} {:>15}\n", device, variant, configuration, count));
    }
    show_formulas(platform);
    if (!platform.links.empty()) {
        print(fmt::format("\n{:<16} {:<10} {:<10} {:<12} {:>15} {:>15}\n",
                          "link",
                          "from",
                          "to",
                          "mode",
                          "64 B [us]",
                          "1 MiB [us]"));
        for (const sim::Link& link : platform.links) {
            for (const sim::TransferMode& mode : link.modes) {
                print(fmt::format("{:<16} {:<10} {:<10} {:<12} {:>15.2f} {:>15.2f}\n",
                                  link.name,
                                  platform.memories[static_cast<std::size_t>(link.from)].name,
                                  platform.memories[static_cast<std::size_t>(link.to)].name,
                                  mode.name,
                                  microseconds(mode.time.time({64})),
                                  microseconds(mode.time.time({1 << 20}))));
            }
        }
    }
    if (!platform.measurements.empty()) {
        print(fmt::format(
            "\n{:<30} {:>10} {:>10} {:>10}\n", "measurement", "p05 [us]", "p50 [us]", "p95 [us]"));
        for (const auto& [name, m] : platform.measurements) {
            print(fmt::format("{:<30} {:>10.2f} {:>10.2f} {:>10.2f}\n",
                              name,
                              microseconds(m.p05),
                              microseconds(m.p50),
                              microseconds(m.p95)));
        }
    }
    if (!platform.fitted.empty()) {
        print(fmt::format("\n{:<44} {:<14} {:>7} {:>12} {:>10}\n",
                          "fit for shapes not measured",
                          "kernel",
                          "shapes",
                          "median [%]",
                          "p90 [%]"));
        for (const sim::FittedCost& fit : platform.fitted) {
            print(fmt::format("{:<44} {:<14} {:>7} {:>12.1f} {:>10.1f}\n",
                              fit.pattern,
                              fit.variant + " " + fit.configuration,
                              fit.samples,
                              fit.median_error_percent,
                              fit.p90_error_percent));
        }
    }
    std::string list;
    for (const int batch : batches) {
        list += fmt::format("{}{}", list.empty() ? "" : ", ", batch);
    }
    print(fmt::format("\n{} devices, {} measured costs{}{}, {} fits, {} formulas\n",
                      platform.devices.size(),
                      platform.measured.size(),
                      list.empty() ? "" : " at batch ",
                      list,
                      platform.fitted.size(),
                      platform.formulas.size()));
}

void show_mapping(const ShowOptions& o) {
    const sim::MappingFile mapping = sim::load_mapping_file(o.name);
    if (o.output.json) {
        ordered_json entries = ordered_json::array();
        for (const sim::MappingEntry& e : mapping.entries) {
            ordered_json parts = ordered_json::array();
            for (const sim::MappingPart& part : e.parts) {
                parts.push_back({{"device", part.device},
                                 {"channels", part.channels},
                                 {"variant", part.variant},
                                 {"configuration", part.configuration}});
            }
            entries.push_back({{"layers", e.layers},
                               {"device", e.device},
                               {"variant", e.variant},
                               {"configuration", e.configuration},
                               {"parts", parts}});
        }
        print(sim::dumped({{"model", mapping.model},
                           {"platform", mapping.platform},
                           {"set", mapping.set},
                           {"batch", mapping.batch},
                           {"predicted_us", mapping.predicted_us},
                           {"entries", entries}}));
        return;
    }
    print(fmt::format("{} on {}, batch {}\n\n",
                      mapping.model,
                      sim::platform_text(mapping.platform, mapping.set),
                      mapping.batch));
    print(fmt::format("{:<34} {:<10} {:<12} {}\n", "layers", "device", "variant", "configuration"));
    for (const sim::MappingEntry& e : mapping.entries) {
        std::string layers;
        for (const std::string& layer : e.layers) {
            layers += (layers.empty() ? "" : "+") + layer;
        }
        if (e.parts.empty()) {
            print(fmt::format(
                "{:<34} {:<10} {:<12} {}\n", layers, e.device, e.variant, e.configuration));
        }
        for (const sim::MappingPart& part : e.parts) {
            print(fmt::format("{:<34} {:<10} {:<12} {} ({} channels)\n",
                              layers,
                              part.device,
                              part.variant,
                              part.configuration,
                              part.channels));
        }
    }
    print(fmt::format("\n{:.2f} us predicted when it was made\n", mapping.predicted_us));
}

void show_result(const ShowOptions& o) { print(sim::result_text(o.name, o.output.json)); }

void show_devices(const ShowOptions& o) {
    const calibrate::Discovery found = calibrate::discover();
    if (o.output.json) {
        ordered_json devices = ordered_json::array();
        for (const calibrate::DeviceInfo& info : found.devices) {
            ordered_json facts = ordered_json::object();
            for (const auto& [key, value] : info.facts) {
                facts[key] = value;
            }
            devices.push_back({{"name", info.name},
                               {"kind", info.kind},
                               {"description", info.description},
                               {"memory_mib", info.memory_mib},
                               {"on_host_memory", info.host_memory},
                               {"on_host_cores", info.host_cores},
                               {"facts", facts},
                               {"warnings", info.warnings}});
        }
        print(sim::dumped({{"devices", devices}, {"notes", found.notes}}));
        return;
    }
    for (const calibrate::DeviceInfo& info : found.devices) {
        print(fmt::format("{:<10} {}\n", info.name, info.description));
        for (const auto& [key, value] : info.facts) {
            print(fmt::format("{:<10} {:<22} {}\n", "", key, value));
        }
        if (info.kind != "cpu" && info.host_cores) {
            print(fmt::format(
                "{:<10} computes on the host's cores: calibrated only with --device {}\n",
                "",
                info.name));
        }
        for (const std::string& warning : info.warnings) {
            print(fmt::format("{:<10} warning: {}\n", "", warning));
        }
    }
    print("\n");
    for (const std::string& note : found.notes) {
        print(note + "\n");
    }
    print(fmt::format("{} device{}\n", found.devices.size(), found.devices.size() == 1 ? "" : "s"));
}

}  // namespace

void add_show(Program& program) {
    Command command = program.add_command(
        "show", "Describe a model, platform, mapping or result, or this machine's devices");
    const auto o = std::make_shared<ShowOptions>();
    command.add_option("what", o->what, "model, platform, mapping, result, or devices")
        .required()
        .one_of({"model", "platform", "mapping", "result", "devices"});
    command.add_option("name", o->name, "Name or file; none for devices").type_name(kName);
    const Option signatures = command.add_flag(
        "--signatures", o->signatures, "Of a model: attributes, and the texts that costs go by");
    command
        .add_option(
            "--longest", o->longest, "Signatures also of what may be fused, up to so many layers")
        .needs(signatures)
        .range(1, 64);
    command.add_set(o->set);
    command.add_flag("--json", o->output.json, "Print JSON");
    command.callback([o] {
        if (!o->set.empty() && o->what != "platform") {
            throw sim::InputError{"--set: only platforms have numbers to set"};
        }
        if (o->signatures && o->what != "model") {
            throw sim::InputError{"--signatures: only models have them"};
        }
        if ((o->what == "devices") != o->name.empty()) {
            throw sim::InputError{fmt::format("hetmap show {}: expected {}",
                                              o->what,
                                              o->name.empty() ? "a name or file" : "nothing more")};
        }
        static const std::map<std::string, void (*)(const ShowOptions&)> kShow{
            {"model", show_model},
            {"platform", show_platform},
            {"mapping", show_mapping},
            {"result", show_result},
            {"devices", show_devices}};
        kShow.at(o->what)(*o);
    });
}

}  // namespace cli
