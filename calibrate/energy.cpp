#include "calibrate/energy.hpp"

#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace calibrate {
namespace {

// intel-rapl:<n> are the packages, on AMD too; intel-rapl:<n>:<m> are parts of them, and
// intel-rapl-mmio:<n> are the same counters once more (Linux, Documentation/power/powercap).
std::vector<std::filesystem::path> packages_in(const std::filesystem::path& powercap) {
    const std::string prefix = "intel-rapl:";
    std::vector<std::filesystem::path> found;
    std::error_code error;
    std::filesystem::directory_iterator entry{powercap, error};
    for (const std::filesystem::directory_iterator end; !error && entry != end;
         entry.increment(error)) {
        const std::string folder = entry->path().filename().string();
        std::string domain;
        std::ifstream{entry->path() / "name"} >> domain;
        if (folder.starts_with(prefix) && folder.find(':', prefix.size()) == std::string::npos &&
            domain.starts_with("package")) {
            found.push_back(entry->path());
        }
    }
    return found;
}

std::optional<std::uint64_t> microjoules_in(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::uint64_t number = 0;
    return file >> number ? std::optional{number} : std::nullopt;
}

}  // namespace

PackageEnergy::PackageEnergy(std::filesystem::path powercap) : powercap_{std::move(powercap)} {}

std::optional<double> PackageEnergy::joules() {
    const std::vector<std::filesystem::path> packages = packages_in(powercap_);
    if (packages.empty()) {
        return std::nullopt;
    }
    std::uint64_t sum_uj = 0;
    for (const std::filesystem::path& package : packages) {
        const std::optional<std::uint64_t> now = microjoules_in(package / "energy_uj");
        const std::optional<std::uint64_t> most = microjoules_in(package / "max_energy_range_uj");
        if (!now) {
            return std::nullopt;
        }
        const auto [at, first] = counters_.try_emplace(package, Counter{.last_uj = *now});
        Counter& counter = at->second;
        if (*now >= counter.last_uj) {
            counter.sum_uj += *now - counter.last_uj;
        } else if (most && *most >= counter.last_uj) {
            counter.sum_uj += *most - counter.last_uj + *now;  // it began again
        } else {
            return std::nullopt;
        }
        counter.last_uj = *now;
        sum_uj += counter.sum_uj;
    }
    return static_cast<double>(sum_uj) * 1e-6;
}

std::optional<double> host_energy_j() {
    static std::mutex mutex;
    static PackageEnergy energy;
    const std::lock_guard lock{mutex};
    return energy.joules();
}

}  // namespace calibrate
