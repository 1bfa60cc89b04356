#include "calibrate/device.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace calibrate {

// ---- The table: in this order devices are listed ---------------------------------------------
// Each row is made by calibrate/backend_<kind>.cpp. Kinds that need a toolkit are there where
// CMake found it.

Backend cpu_backend();
Backend cores_backend();
#if defined(HETMAP_CUDA)
Backend cuda_backend();
#endif
#if defined(HETMAP_OPENCL)
Backend opencl_backend();
#endif

std::span<const Backend> backends() {
    static const Backend kBackends[] = {
        cpu_backend(),
        cores_backend(),
#if defined(HETMAP_CUDA)
        cuda_backend(),
#endif
#if defined(HETMAP_OPENCL)
        opencl_backend(),
#endif
    };
    return kBackends;
}

namespace {

const Backend* find_backend(std::string_view kind) {
    const auto found = std::ranges::find(backends(), kind, &Backend::kind);
    return found == backends().end() ? nullptr : &*found;
}

std::span<const kernels::DeviceVariant> variants_of(const DeviceInfo& info) {
    const Backend* const found = find_backend(info.kind);
    return found == nullptr || found->variants == nullptr
               ? std::span<const kernels::DeviceVariant>{}
               : found->variants();
}

// Kernels of these tables give one result.
std::vector<std::string> configurations_of(const kernels::DeviceVariant& variant,
                                           const kernels::Chain& chain,
                                           const kernels::DeviceLimits& limits) {
    return chain.second_result < 0 ? variant.configurations(chain, limits)
                                   : std::vector<std::string>{};
}

}  // namespace

const Backend& backend(std::string_view kind) {
    const Backend* const found = find_backend(kind);
    if (found == nullptr) {
        throw DeviceError{fmt::format("this program was built without devices of kind '{}'", kind)};
    }
    return *found;
}

std::vector<std::string_view> variant_names() {
    std::vector<std::string_view> names;
    const auto add = [&](std::string_view name) {
        if (std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    };
    for (const kernels::Variant& variant : kernels::variants()) {
        add(variant.name);
    }
    for (const Backend& kind : backends()) {
        if (kind.variants != nullptr) {
            for (const kernels::DeviceVariant& variant : kind.variants()) {
                add(variant.name);
            }
        }
    }
    return names;
}

// ---- Kernels from a table ---------------------------------------------------------------------

std::vector<Implementation> Device::implementations(const kernels::Chain& chain) const {
    std::vector<Implementation> result;
    for (const kernels::DeviceVariant& variant : variants_of(info())) {
        for (std::string& configuration : configurations_of(variant, chain, info().limits)) {
            result.push_back(
                {.variant = std::string{variant.name}, .configuration = std::move(configuration)});
        }
    }
    return result;
}

int Device::longest_chain() const {
    int longest = 0;
    for (const kernels::DeviceVariant& variant : variants_of(info())) {
        longest = std::max(longest, variant.longest_chain);
    }
    return longest;
}

int Device::prepare(const kernels::Chain& chain,
                    const std::string& variant,
                    const std::string& configuration) {
    const auto refuse = [&](const std::string& why) {
        throw sim::InputError{fmt::format("{} ({}): {}", info().name, info().description, why)};
    };
    const kernels::DeviceVariant* const found = kernels::find_variant(variants_of(info()), variant);
    if (found == nullptr) {
        refuse(fmt::format("devices of kind '{}' have no variant '{}'", info().kind, variant));
    }
    const std::vector<std::string> offered = configurations_of(*found, chain, info().limits);
    if (offered.empty()) {
        refuse(fmt::format("variant '{}' does not do this chain of layers", variant));
    }
    if (std::ranges::find(offered, configuration) == offered.end()) {
        refuse(fmt::format(
            "variant '{}' has no configuration '{}' for this chain of layers; it has {}",
            variant,
            configuration,
            fmt::join(offered, ", ")));
    }
    return prepare(found->prepare(chain, configuration, info().limits));
}

int Device::prepare(const kernels::DeviceKernel&) {
    throw DeviceError{info().name + " runs no kernels of accelerators"};
}

// ---- Events -----------------------------------------------------------------------------------

std::optional<int> Device::follow(Device& /*other*/, int /*event*/) { return std::nullopt; }

// NOLINTNEXTLINE(performance-unnecessary-value-param): those that override it keep the function
void Device::when(int /*event*/, std::function<void()> /*then*/) {
    throw DeviceError{info().name + " does not tell when something has happened"};
}

// ---- Devices ----------------------------------------------------------------------------------

Discovery discover() {
    Discovery all;
    for (const Backend& kind : backends()) {
        Discovery found = kind.discover();
        std::ranges::move(found.devices, std::back_inserter(all.devices));
        std::ranges::move(found.notes, std::back_inserter(all.notes));
    }
    return all;
}

std::string absence_of(const std::string& name, const Discovery& found) {
    return fmt::format("this machine has no device '{}'{}{}",
                       name,
                       found.notes.empty() ? "" : ": ",
                       fmt::join(found.notes, "; "));
}

bool has_devices(std::string_view kind) {
    const Backend* const found = find_backend(kind);
    return found != nullptr && !found->discover().devices.empty();
}

std::unique_ptr<Device> open(const DeviceInfo& info, int threads) {
    return backend(info.kind).open(info, threads);
}

std::unique_ptr<Device> open_cpu(int threads) {
    return open(cpu_backend().discover().devices.front(), threads);
}

}  // namespace calibrate
