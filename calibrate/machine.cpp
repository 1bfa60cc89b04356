#include "calibrate/machine.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <fstream>
#include <memory>
#include <sched.h>
#include <unistd.h>

namespace calibrate {
namespace {

std::string first_line(const std::string& path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

// The value of the first "key : value" line of /proc/cpuinfo that has this key.
std::string cpuinfo(const std::string& key) {
    std::ifstream file{"/proc/cpuinfo"};
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(':');
        if (line.starts_with(key) && colon != std::string::npos) {
            const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
            return begin == std::string::npos ? "" : line.substr(begin);
        }
    }
    return "";
}

bool is_virtual() { return cpuinfo("flags").find(" hypervisor") != std::string::npos; }

// "l1d 32 KiB, l2 1024 KiB, l3 32768 KiB": of the first core.
std::string caches(hwloc_topology_t topology) {
    std::string text;
    const std::pair<hwloc_obj_type_t, const char*> levels[] = {
        {HWLOC_OBJ_L1CACHE, "l1d"}, {HWLOC_OBJ_L2CACHE, "l2"}, {HWLOC_OBJ_L3CACHE, "l3"}};
    for (const auto& [type, label] : levels) {
        if (const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0)) {
            text += fmt::format(
                "{}{} {} KiB", text.empty() ? "" : ", ", label, cache->attr->cache.size / 1024);
        }
    }
    return text.empty() ? "unknown" : text;
}

std::string file_name_of(const std::string& text) {
    std::string name;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte)) {
            name += static_cast<char>(std::tolower(byte));
        } else if (!name.empty() && name.back() != '-') {
            name += '-';
        }
    }
    while (name.ends_with('-')) {
        name.pop_back();
    }
    return name.empty() ? "machine" : name;
}

std::string instruction_sets() {
    std::string text;
#if defined(__x86_64__)
    const auto add = [&](bool there, const char* name) {
        if (there) {
            text += text.empty() ? name : std::string{" "} + name;
        }
    };
    add(__builtin_cpu_supports("popcnt"), "popcnt");
    add(__builtin_cpu_supports("avx2"), "avx2");
    add(__builtin_cpu_supports("avx512bw"), "avx512bw");
    add(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
    add(__builtin_cpu_supports("avx512vpopcntdq"), "avx512vpopcntdq");
#endif
    return text.empty() ? "baseline" : text;
}

}  // namespace

double load_average() {
    std::ifstream file{"/proc/loadavg"};
    double load = 0;
    file >> load;
    return load;
}

int usable_cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

Machine describe_machine() {
    hwloc_topology_t raw = nullptr;
    hwloc_topology_init(&raw);
    hwloc_topology_load(raw);
    const std::unique_ptr<hwloc_topology, decltype(&hwloc_topology_destroy)> topology{
        raw, &hwloc_topology_destroy};

    Machine machine;
    machine.cores = usable_cores();
    machine.memory_mib = sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024;

    const std::string model = cpuinfo("model name");
    machine.name = file_name_of(fmt::format("{} {} cores", model, machine.cores));
    const std::string governor =
        first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    char host[256] = "unknown";
    gethostname(host, sizeof host - 1);

    machine.facts = {
        {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))},
        {"host", host},
        {"cpu", model.empty() ? "unknown" : model},
        {"cores", fmt::format("{}", machine.cores)},
        {"caches", caches(topology.get())},
        {"memory", fmt::format("{} MiB", machine.memory_mib)},
        {"instruction_sets", instruction_sets()},
        {"virtual", is_virtual() ? "yes" : "no"},
        {"governor", governor.empty() ? "unknown" : governor},
        {"kernel", first_line("/proc/sys/kernel/osrelease")},
        {"compiler", "g++ " __VERSION__},
        {"load", fmt::format("{:.2f}", load_average())},
    };
    if (is_virtual()) {
        machine.warnings.emplace_back("a virtual machine: neighbours may disturb the timings");
    }
    if (governor == "powersave" || governor == "ondemand" || governor == "schedutil") {
        machine.warnings.push_back("frequency scaling is on: governor " + governor);
    }
    if (load_average() > 0.5) {
        machine.warnings.push_back(
            fmt::format("the machine was busy at the start: load {:.2f}", load_average()));
    }
    return machine;
}

}  // namespace calibrate
