#include "calibrate/board.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>
#include <system_error>
#include <tuple>

namespace calibrate {
namespace {

namespace fs = std::filesystem;

std::string line_of(const fs::path& path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    while (!line.empty() && (line.back() == '\0' || line.back() == ' ')) {
        line.pop_back();  // the device tree's texts end with a zero
    }
    return line;
}

long number_of(const fs::path& path) { return std::strtol(line_of(path).c_str(), nullptr, 10); }

// Entries of a folder whose names begin so, in the order of the numbers at their ends.
std::vector<fs::path> numbered(const fs::path& folder, std::string_view prefix) {
    std::vector<std::pair<long, fs::path>> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator{folder, none}) {
        const std::string name = entry.path().filename().string();
        if (name.size() > prefix.size() && name.starts_with(prefix) &&
            name.find_first_not_of("0123456789", prefix.size()) == std::string::npos) {
            found.emplace_back(std::strtol(name.c_str() + prefix.size(), nullptr, 10),
                               entry.path());
        }
    }
    std::ranges::sort(found);
    std::vector<fs::path> paths;
    for (auto& [number, path] : found) {
        paths.push_back(std::move(path));
    }
    return paths;
}

// Of "CPU implementer" and "CPU part" (MIDR_EL1), as Arm's and NVIDIA's manuals of the cores have
// them.
std::string core_model(long implementer, long part) {
    struct Row {
        long implementer, part;
        const char* name;
    };
    static constexpr Row kRows[] = {
        {0x41, 0xd03, "Cortex-A53"},   {0x41, 0xd04, "Cortex-A35"},  {0x41, 0xd05, "Cortex-A55"},
        {0x41, 0xd07, "Cortex-A57"},   {0x41, 0xd08, "Cortex-A72"},  {0x41, 0xd09, "Cortex-A73"},
        {0x41, 0xd0a, "Cortex-A75"},   {0x41, 0xd0b, "Cortex-A76"},  {0x41, 0xd0c, "Neoverse-N1"},
        {0x41, 0xd0d, "Cortex-A77"},   {0x41, 0xd40, "Neoverse-V1"}, {0x41, 0xd41, "Cortex-A78"},
        {0x41, 0xd42, "Cortex-A78AE"}, {0x41, 0xd44, "Cortex-X1"},   {0x41, 0xd46, "Cortex-A510"},
        {0x41, 0xd47, "Cortex-A710"},  {0x41, 0xd48, "Cortex-X2"},   {0x41, 0xd49, "Neoverse-N2"},
        {0x4e, 0x003, "Denver 2"},     {0x4e, 0x004, "Carmel"},
    };
    for (const Row& row : kRows) {
        if (row.implementer == implementer && row.part == part) {
            return row.name;
        }
    }
    return part == 0 ? "" : fmt::format("{:#04x}:{:#05x}", implementer, part);
}

// The models of all cores, by number, of /proc/cpuinfo.
std::map<int, std::string> core_models(const fs::path& root) {
    std::map<int, std::string> models;
    std::ifstream file{root / "proc/cpuinfo"};
    int core = -1;
    long implementer = 0;
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        const long value = std::strtol(line.c_str() + colon + 1, nullptr, 0);
        if (line.starts_with("processor")) {
            core = static_cast<int>(value);
        } else if (line.starts_with("CPU implementer")) {
            implementer = value;
        } else if (line.starts_with("CPU part") && core >= 0) {
            models[core] = core_model(implementer, value);
        }
    }
    return models;
}

std::string name_of_kind(std::size_t kind, std::size_t kinds) {
    if (kinds > 3) {
        return fmt::format("cores_of_kind{}", kind);
    }
    return kind + 1 == kinds ? "big" : kind == 0 ? "little" : "middle";
}

std::string celsius(long thousandths) {
    return fmt::format("{:.1f} C", static_cast<double>(thousandths) / 1000);
}

}  // namespace

std::vector<Cluster> read_clusters(const fs::path& root) {
    const std::map<int, std::string> models = core_models(root);
    std::map<std::tuple<int, std::string>, Cluster> kinds;
    for (const fs::path& folder : numbered(root / "sys/devices/system/cpu", "cpu")) {
        if (fs::exists(folder / "online") && line_of(folder / "online") == "0") {
            continue;
        }
        const int core = std::atoi(folder.filename().c_str() + 3);
        const auto found = models.find(core);
        const std::string model = found == models.end() ? "" : found->second;
        const int capacity = static_cast<int>(number_of(folder / "cpu_capacity"));
        Cluster& cluster = kinds[{capacity, model}];
        if (cluster.cores.empty()) {  // a policy is of a cluster's cores together
            const fs::path clocks = folder / "cpufreq";
            cluster.model = model;
            cluster.capacity = capacity;
            cluster.governor = line_of(clocks / "scaling_governor");
            cluster.mhz = number_of(clocks / "scaling_cur_freq") / 1000;
            cluster.limit_mhz = number_of(clocks / "scaling_max_freq") / 1000;
            cluster.most_mhz = number_of(clocks / "cpuinfo_max_freq") / 1000;
        }
        cluster.cores.push_back(core);
    }
    std::vector<Cluster> clusters;
    for (auto& [kind, cluster] : kinds) {
        clusters.push_back(std::move(cluster));
    }
    std::ranges::stable_sort(clusters, [](const Cluster& a, const Cluster& b) {
        return std::tuple{a.capacity, a.most_mhz} < std::tuple{b.capacity, b.most_mhz};
    });
    for (std::size_t i = 0; i < clusters.size(); ++i) {
        clusters[i].name = name_of_kind(i, clusters.size());
    }
    return clusters;
}

std::vector<DeviceInfo> cluster_devices(std::span<const Cluster> clusters,
                                        std::span<const int> allowed) {
    std::vector<DeviceInfo> devices;
    for (const Cluster& cluster : clusters) {
        DeviceInfo info;
        std::ranges::copy_if(cluster.cores, std::back_inserter(info.these_cores), [&](int core) {
            return std::ranges::find(allowed, core) != allowed.end();
        });
        if (clusters.size() < 2 || info.these_cores.empty() ||
            info.these_cores.size() == allowed.size()) {
            continue;
        }
        info.cores = static_cast<int>(info.these_cores.size());
        info.name = cluster.name;
        info.kind = "cores";
        info.description = fmt::format(
            "cores {} of the host{}{}, beside the dispatcher",
            fmt::join(info.these_cores, ", "),
            cluster.model.empty() ? "" : ", " + cluster.model,
            cluster.capacity == 0 ? "" : fmt::format(", capacity {}", cluster.capacity));
        info.host_memory = info.host_cores = info.converts = info.tells = true;
        devices.push_back(std::move(info));
    }
    return devices;
}

std::string read_board_model(const fs::path& root) {
    return line_of(root / "proc/device-tree/model");
}

std::string read_temperatures(const fs::path& root) {
    std::string text;
    for (const fs::path& zone : numbered(root / "sys/class/thermal", "thermal_zone")) {
        if (const long now = number_of(zone / "temp"); now != 0) {
            text += fmt::format(
                "{}{} {}", text.empty() ? "" : ", ", line_of(zone / "type"), celsius(now));
        }
    }
    return text;
}

std::vector<std::string> read_throttling(const fs::path& root) {
    std::vector<std::string> held;
    const fs::path thermal = root / "sys/class/thermal";
    for (const fs::path& cooling : numbered(thermal, "cooling_device")) {
        const std::string type = line_of(cooling / "type");
        const long state = number_of(cooling / "cur_state");
        const bool is_clock =
            type.find("cpufreq") != std::string::npos || type == "Processor";  // no fan
        if (is_clock && state > 0) {
            held.push_back(fmt::format("clocks are held back against heat: {} is at step {} of {}",
                                       type,
                                       state,
                                       number_of(cooling / "max_state")));
        }
    }
    for (const fs::path& zone : numbered(thermal, "thermal_zone")) {
        const long now = number_of(zone / "temp");
        for (int trip = 0; fs::exists(zone / fmt::format("trip_point_{}_type", trip)); ++trip) {
            const long at = number_of(zone / fmt::format("trip_point_{}_temp", trip));
            if (line_of(zone / fmt::format("trip_point_{}_type", trip)) == "passive" && at > 0 &&
                now >= at) {
                held.push_back(fmt::format("{} is at {}, and clocks are held back from {} on",
                                           line_of(zone / "type"),
                                           celsius(now),
                                           celsius(at)));
                break;
            }
        }
    }
    // A Raspberry Pi's firmware: its bits are listed with `vcgencmd get_throttled`.
    const std::string firmware =
        line_of(root / "sys/devices/platform/soc/soc:firmware/get_throttled");
    const long bits = std::strtol(firmware.c_str(), nullptr, 16);
    if ((bits & 1) != 0) {
        held.emplace_back("its supply is too weak: under-voltage now");
    }
    if ((bits & 0b1110) != 0) {
        held.emplace_back("its firmware holds the clocks back now");
    }
    return held;
}

bool is_emulated(const fs::path& root) {
    std::error_code none;
    const fs::path told = fs::read_symlink(root / "proc/self/exe", none),
                   run = fs::read_symlink(root / "proc/thread-self/exe", none);
    return !told.empty() && !run.empty() && told != run;
}

}  // namespace calibrate
