#pragma once

// The energy that the host's processors have used, as their own counters say (RAPL, through
// /sys/class/powercap). On many machines only root may read them, and virtual machines have none:
// then there is nothing, never zero.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

namespace calibrate {

// Adds up the counters of all processor packages. A counter begins again at zero after some hundred
// kilojoules; as long as joules() is called at least once in that time (minutes), nothing is lost.
class PackageEnergy {
public:
    explicit PackageEnergy(std::filesystem::path powercap = "/sys/class/powercap");

    // Since the first call; nothing where one of the packages cannot be read.
    std::optional<double> joules();

private:
    struct Counter {
        std::uint64_t last_uj = 0, sum_uj = 0;
    };
    std::filesystem::path powercap_;
    std::map<std::filesystem::path, Counter> counters_;
};

// Of this machine, since the first call in this process. Any thread may call it.
std::optional<double> host_energy_j();

}  // namespace calibrate
