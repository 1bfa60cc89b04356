#include "calibrate/nvml.hpp"

#include <array>
#include <dlfcn.h>
#include <utility>

namespace calibrate {
namespace {

// From NVIDIA's NVML API reference: return codes, clock types, temperature sensors, and the bits of
// nvmlDeviceGetCurrentClocksThrottleReasons.
constexpr int kSuccess = 0;
constexpr int kClockSm = 1, kClockMemory = 2;
constexpr int kTemperatureOfGpu = 0;
constexpr std::pair<std::uint64_t, const char*> kReasons[] = {
    {0x02, "clocks set by hand"},
    {0x04, "power limit"},
    {0x08, "hardware slowdown"},
    {0x10, "kept at the clocks of other GPUs"},
    {0x20, "too warm (driver)"},
    {0x40, "too warm (hardware)"},
    {0x80, "power brake"},
};

using Gpu = void*;

}  // namespace

// Functions of the library by name; those that are missing are null.
struct Nvml::Library {
    Library() : handle{dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)} {
        ready = ask<int()>("nvmlInit_v2") == kSuccess;
    }
    ~Library() {
        if (ready) {
            (void)ask<int()>("nvmlShutdown");
        }
        if (handle != nullptr) {
            dlclose(handle);
        }
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    // Calls a function of this type; -1 where there is none.
    template <class Function, class... Arguments>
    int ask(const char* name, Arguments... arguments) const {
        void* const symbol = handle == nullptr ? nullptr : dlsym(handle, name);
        return symbol == nullptr ? -1 : reinterpret_cast<Function*>(symbol)(arguments...);
    }

    // What a function of a GPU that writes one number says.
    std::optional<unsigned> number(const char* name, Gpu gpu) const {
        unsigned value = 0;
        return ask<int(Gpu, unsigned*)>(name, gpu, &value) == kSuccess ? std::optional{value}
                                                                       : std::nullopt;
    }
    // Likewise, of those that are asked for one kind of something.
    std::optional<unsigned> number(const char* name, Gpu gpu, int kind) const {
        unsigned value = 0;
        return ask<int(Gpu, int, unsigned*)>(name, gpu, kind, &value) == kSuccess
                   ? std::optional{value}
                   : std::nullopt;
    }
    std::optional<std::uint64_t> large_number(const char* name, Gpu gpu) const {
        unsigned long long value = 0;
        return ask<int(Gpu, unsigned long long*)>(name, gpu, &value) == kSuccess
                   ? std::optional<std::uint64_t>{value}
                   : std::nullopt;
    }

    void* handle = nullptr;
    bool ready = false;
};

std::vector<std::string> throttle_reasons(std::uint64_t bits) {
    std::vector<std::string> reasons;
    for (const auto& [bit, words] : kReasons) {
        if ((bits & bit) != 0) {
            reasons.emplace_back(words);
        }
    }
    return reasons;
}

Nvml::Nvml(std::shared_ptr<const Library> library, void* gpu)
    : library_{std::move(library)}, gpu_{gpu} {}

std::optional<Nvml> Nvml::find(const std::string& pci_bus_id) {
    auto library = std::make_shared<const Library>();
    Gpu gpu = nullptr;
    if (!library->ready ||
        library->ask<int(const char*, Gpu*)>(
            "nvmlDeviceGetHandleByPciBusId_v2", pci_bus_id.c_str(), &gpu) != kSuccess) {
        return std::nullopt;
    }
    return Nvml{std::move(library), gpu};
}

GpuState Nvml::state() const {
    GpuState state;
    std::array<char, 96> driver{};
    if (library_->ask<int(char*, unsigned)>("nvmlSystemGetDriverVersion",
                                            driver.data(),
                                            static_cast<unsigned>(driver.size() - 1)) == kSuccess) {
        state.driver = driver.data();
    }
    state.clock_mhz = library_->number("nvmlDeviceGetClockInfo", gpu_, kClockSm);
    state.most_clock_mhz = library_->number("nvmlDeviceGetMaxClockInfo", gpu_, kClockSm);
    state.memory_clock_mhz = library_->number("nvmlDeviceGetClockInfo", gpu_, kClockMemory);
    state.pcie_generation = library_->number("nvmlDeviceGetCurrPcieLinkGeneration", gpu_);
    state.most_pcie_generation = library_->number("nvmlDeviceGetMaxPcieLinkGeneration", gpu_);
    state.pcie_width = library_->number("nvmlDeviceGetCurrPcieLinkWidth", gpu_);
    state.most_pcie_width = library_->number("nvmlDeviceGetMaxPcieLinkWidth", gpu_);
    if (const auto milliwatts = library_->number("nvmlDeviceGetEnforcedPowerLimit", gpu_)) {
        state.power_limit_w = *milliwatts * 1e-3;
    }
    state.temperature_c = library_->number("nvmlDeviceGetTemperature", gpu_, kTemperatureOfGpu);
    int ecc_now = 0, ecc_next = 0;
    if (library_->ask<int(Gpu, int*, int*)>("nvmlDeviceGetEccMode", gpu_, &ecc_now, &ecc_next) ==
        kSuccess) {
        state.ecc = ecc_now != 0;
    }
    state.throttle = library_->large_number("nvmlDeviceGetCurrentClocksThrottleReasons", gpu_);
    return state;
}

std::optional<double> Nvml::energy_j() const {
    const std::optional<std::uint64_t> millijoules =
        library_->large_number("nvmlDeviceGetTotalEnergyConsumption", gpu_);
    return millijoules ? std::optional{static_cast<double>(*millijoules) * 1e-3} : std::nullopt;
}

}  // namespace calibrate
