#include "calibrate/host_device.hpp"

#include "calibrate/executor.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace calibrate {

void expect_supported(std::string_view name) {
    const kernels::Variant* const variant = kernels::find_variant(name);
    if (variant != nullptr && !variant->supported()) {
        throw sim::InputError{
            fmt::format("this machine cannot run variant '{}': it needs {}", name, variant->needs)};
    }
}

std::vector<Implementation> HostDevice::implementations(const kernels::Chain& chain) const {
    std::vector<Implementation> result;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (!kernels::takes(variant, chain) || !variant.supported()) {  // this may load a library
            continue;
        }
        for (const kernels::Configuration& configuration :
             kernels::configurations(chain, threads_, variant.axes)) {
            result.push_back({std::string{variant.name}, configuration.name(), variant.layout});
        }
    }
    return result;
}

int HostDevice::longest_chain() const {
    int longest = 0;
    for (const kernels::Variant& variant : kernels::variants()) {
        longest = std::max(longest, variant.longest_chain);
    }
    return longest;
}

int HostDevice::longest_with_two_results() const {
    int longest = 0;
    for (const kernels::Variant& variant : kernels::variants()) {
        longest = std::max(longest, variant.gives_two_results ? variant.longest_chain : 0);
    }
    return longest;
}

int HostDevice::prepare(const kernels::Chain& chain,
                        const std::string& name,
                        const std::string& configuration_name) {
    expect_supported(name);
    const kernels::Variant* const variant = kernels::find_variant(name);
    if (variant == nullptr) {
        throw sim::InputError{fmt::format("this machine cannot run variant '{}'", name)};
    }
    const kernels::Configuration configuration = parse_configuration(configuration_name);
    if (configuration.threads > threads_) {
        throw sim::InputError{
            fmt::format("configuration '{}' needs {} threads, this machine has {}",
                        configuration_name,
                        configuration.threads,
                        threads_)};
    }
    if (!kernels::takes(*variant, chain)) {
        throw sim::InputError{fmt::format("variant '{}' does not do this chain of layers", name)};
    }
    if (configuration.axes.find_first_not_of(variant->axes) != std::string::npos) {
        throw sim::InputError{
            fmt::format("variant '{}' divides its work along {} alone, not as '{}'",
                        name,
                        variant->axes,
                        configuration_name)};
    }
    kernels_.emplace_back(*variant, chain, configuration);
    return static_cast<int>(kernels_.size()) - 1;
}

int HostDevice::record(const Copy&) {
    throw DeviceError{info_.name + " works on the host's memory and needs no copies"};
}

void run_stage(const kernels::Kernel* kernel, const Stage& stage, kernels::ThreadPool& pool) {
    if (kernel != nullptr) {
        kernel->run(stage.tensors, pool);
    } else {
        kernels::convert(stage.shape,
                         stage.batch,
                         stage.from,
                         stage.to,
                         stage.tensors.input,
                         stage.tensors.output);
    }
}

}  // namespace calibrate
