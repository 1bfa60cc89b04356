#include "calibrate/runnable.hpp"

#include "calibrate/candidates.hpp"
#include "calibrate/host_device.hpp"
#include "calibrate/machine.hpp"
#include "kernels/registry.hpp"
#include "sim/search/answer.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace calibrate {
namespace {

// What a mapping file names.
struct Named {
    std::set<std::string> accelerators;
    std::vector<std::string> variants;
    int threads = 1;  // of the CPU

    explicit Named(const sim::MappingFile& file) {
        for (const sim::MappingEntry& entry : file.entries) {
            add(entry.device, entry.variant, entry.configuration);
            for (const sim::MappingPart& part : entry.parts) {
                add(part.device, part.variant, part.configuration);
            }
        }
    }

private:
    void add(const std::string& device,
             const std::string& variant,
             const std::string& configuration) {
        if (device.empty()) {  // a layer that is divided: its parts say more
            return;
        }
        variants.push_back(variant);
        if (device != "cpu") {
            accelerators.insert(device);
            return;
        }
        // What is no number is for sim::resolve to complain of.
        int wanted = 1;
        std::from_chars(configuration.data(), configuration.data() + configuration.size(), wanted);
        threads = std::max(threads, wanted);
    }
};

// Accelerators first: their drivers' threads must not inherit the core that the CPU's pool keeps
// this thread on.
OpenDevices opened(const Named& named) {
    OpenDevices result;
    result.devices.emplace_back();
    if (!named.accelerators.empty()) {
        const Discovery found = discover();
        for (const std::string& name : named.accelerators) {
            const auto info = std::ranges::find(found.devices, name, &DeviceInfo::name);
            if (info == found.devices.end()) {
                throw sim::InputError{absence_of(name, found)};
            }
            result.devices.push_back(open(*info, usable_cores()));
        }
    }
    result.devices.front() = open_cpu(std::min(named.threads, usable_cores()));
    result.missing.resize(result.devices.size());
    return result;
}

sim::Platform platform_of(const OpenDevices& opened,
                          const sim::Model& model,
                          const Parameters& parameters,
                          int batch,
                          const std::vector<std::string>& variants) {
    std::vector<const Device*> devices;
    for (const std::unique_ptr<Device>& device : opened.devices) {
        devices.push_back(device.get());
    }
    return candidates(model, parameters, batch, devices, variants);
}

// Of what several variants compute the one whose row in the kernels' table comes last: it is
// faster.
void keep_last_rows(std::vector<sim::MeasuredCost>& costs) {
    const auto row = [](const sim::MeasuredCost& cost) {
        return std::ranges::find(kernels::variants(), cost.variant, &kernels::Variant::name) -
               kernels::variants().begin();
    };
    std::map<std::string, std::ptrdiff_t> last;
    for (const sim::MeasuredCost& cost : costs) {
        std::ptrdiff_t& best = last[cost.layers];
        best = std::max(best, row(cost));
    }
    std::erase_if(costs, [&](const sim::MeasuredCost& c) { return row(c) < last[c.layers]; });
}

}  // namespace

std::vector<std::string> variants_named_by(const sim::MappingFile& mapping) {
    return Named{mapping}.variants;
}

Runnable runnable(const sim::Model& model,
                  const Parameters& parameters,
                  const sim::MappingFile& mapping) {
    const Named named{mapping};
    for (const std::string& variant : named.variants) {
        expect_supported(variant);
    }
    Runnable result{.devices = opened(named), .problem = {}, .mapping = {}};
    const sim::Platform platform =
        platform_of(result.devices, model, parameters, mapping.batch, named.variants);
    result.problem = sim::compile(
        model,
        platform,
        {.batch = mapping.batch, .only = {}, .transfer_modes = mapping.transfer_modes});
    result.mapping = sim::resolve(mapping, result.problem);
    sim::apply_transfer_modes(mapping, platform, result.problem);
    return result;
}

Runnable guessed(const sim::Model& model, const Parameters& parameters, int batch) {
    std::string for_bits;
    std::vector<std::string> variants;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (variant.supported() && !variant.for_bits) {
            variants.emplace_back(variant.name);
        } else if (variant.supported()) {
            for_bits = variant.name;
        }
    }
    variants.push_back(for_bits);
    Runnable result;
    result.devices.devices.push_back(open_cpu(1));
    result.devices.missing.resize(1);
    sim::Platform platform = platform_of(result.devices, model, parameters, batch, variants);
    keep_last_rows(platform.measured);
    result.problem = sim::compile(model, platform, {.batch = batch, .only = {}});
    result.mapping = sim::answer_to({}, model, result.problem).mapping;
    return result;
}

}  // namespace calibrate
