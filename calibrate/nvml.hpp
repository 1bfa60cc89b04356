#pragma once

// What NVIDIA's driver tells about a GPU beside what CUDA says: power, energy, clocks, throttling
// and the PCIe link. Through libnvidia-ml.so.1, which comes with the driver and is loaded when
// asked for, so that this program needs neither it nor its headers.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace calibrate {

// What is not told, by this driver or for this GPU, is empty.
struct GpuState {
    std::string driver;  // "580.65.06"
    std::optional<unsigned> clock_mhz, most_clock_mhz, memory_clock_mhz;
    std::optional<unsigned> pcie_generation, most_pcie_generation;
    std::optional<unsigned> pcie_width, most_pcie_width;  // lanes
    std::optional<double> power_limit_w;
    std::optional<unsigned> temperature_c;
    std::optional<bool> ecc;
    std::optional<std::uint64_t> throttle;  // bits, see throttle_reasons()
};

// In words, those that make a GPU slower than it could be at this moment; idle is none of them.
std::vector<std::string> throttle_reasons(std::uint64_t bits);

class Nvml {
public:
    // `pci_bus_id` as CUDA writes it. Nothing where there is no such library or no such GPU.
    static std::optional<Nvml> find(const std::string& pci_bus_id);

    GpuState state() const;
    // Of the whole board since the driver was loaded.
    std::optional<double> energy_j() const;

private:
    struct Library;
    Nvml(std::shared_ptr<const Library> library, void* gpu);

    std::shared_ptr<const Library> library_;
    void* gpu_ = nullptr;
};

}  // namespace calibrate
