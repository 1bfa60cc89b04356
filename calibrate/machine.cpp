#include "calibrate/machine.hpp"

#include "calibrate/board.hpp"
#include "sim/error.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwloc.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <set>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
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
    [[maybe_unused]] const auto add = [&](bool there, const char* name) {
        if (there) {
            text += text.empty() ? name : std::string{" "} + name;
        }
    };
#if defined(__x86_64__)
    add(__builtin_cpu_supports("popcnt"), "popcnt");
    add(__builtin_cpu_supports("avx2"), "avx2");
    add(__builtin_cpu_supports("avx512bw"), "avx512bw");
    add(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
    add(__builtin_cpu_supports("avx512vpopcntdq"), "avx512vpopcntdq");
#elif defined(__aarch64__)
    // Bits of the kernel's <asm/hwcap.h>.
    const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    add((first >> 1 & 1) != 0, "asimd");
    add((first >> 20 & 1) != 0, "asimddp");
    add((first >> 22 & 1) != 0, "sve");
    add((second >> 1 & 1) != 0, "sve2");
    add((second >> 13 & 1) != 0, "i8mm");
#endif
    return text.empty() ? "baseline" : text;
}

// "2 x Cortex-A72 at 600 of 1800 MHz, 4 x Cortex-A53 ..."
std::string text_of(const std::vector<Cluster>& clusters) {
    std::vector<std::string> texts;
    for (const Cluster& cluster : clusters) {
        std::string text = fmt::format(
            "{} x {}", cluster.cores.size(), cluster.model.empty() ? cluster.name : cluster.model);
        if (cluster.most_mhz > 0) {
            text += fmt::format(" at {} of {} MHz", cluster.mhz, cluster.most_mhz);
        }
        texts.push_back(std::move(text));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

// What the processor is called: by itself, or else by its board, or else by its cores.
std::string processor_name(const std::vector<Cluster>& clusters) {
    std::string name = cpuinfo("model name");
    if (name.empty()) {
        name = read_board_model();
    }
    for (const Cluster& cluster : clusters) {
        if (!name.empty()) {
            break;
        }
        name = cluster.model;
    }
    return name;
}

// What makes times doubtful, of the clocks.
void warn_of_clocks(const std::vector<Cluster>& clusters, std::vector<std::string>& warnings) {
    std::set<std::string> governors;
    for (const Cluster& cluster : clusters) {
        const std::string& governor = cluster.governor;
        const bool scales = governor == "powersave" || governor == "ondemand" ||
                            governor == "schedutil" || governor == "conservative" ||
                            governor == "interactive";
        if (scales && governors.insert(governor).second) {
            warnings.push_back("frequency scaling is on: governor " + governor);
        }
        if (cluster.limit_mhz > 0 && cluster.limit_mhz < cluster.most_mhz) {
            warnings.push_back(fmt::format("the clock of cores {} is kept at {} of {} MHz",
                                           fmt::join(cluster.cores, ", "),
                                           cluster.limit_mhz,
                                           cluster.most_mhz));
        }
    }
    for (std::string& held : read_throttling()) {
        warnings.push_back(std::move(held));
    }
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

std::optional<int> dispatcher_core() {
    const char* const text = std::getenv("HETMAP_DISPATCHER_CORE");
    if (text == nullptr || *text == '\0') {
        return std::nullopt;
    }
    int core = -1;
    const auto [end, failure] = std::from_chars(text, text + std::strlen(text), core);
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (failure != std::errc{} || *end != '\0' || core < 0 || core >= CPU_SETSIZE ||
        pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0 ||
        !CPU_ISSET(core, &allowed)) {
        throw sim::InputError{fmt::format(
            "HETMAP_DISPATCHER_CORE: expected the number of a core that this process may use, "
            "got '{}'",
            text)};
    }
    return core;
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

    const std::vector<Cluster> clusters = read_clusters();
    const std::string model = processor_name(clusters);
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
    const auto add_fact = [&](const char* key, std::string value) {
        if (!value.empty()) {
            machine.facts.emplace_back(key, std::move(value));
        }
    };
    add_fact("board", read_board_model());
    add_fact("clusters", clusters.size() > 1 ? text_of(clusters) : "");
    add_fact("temperature", read_temperatures());
    if (is_emulated()) {
        add_fact("emulated", "yes");
        machine.warnings.emplace_back(
            "the program was emulated: times are the emulator's, and say nothing of a processor");
    }
    if (is_virtual()) {
        machine.warnings.emplace_back("a virtual machine: neighbours may disturb the timings");
    }
    warn_of_clocks(clusters, machine.warnings);
    if (load_average() > 0.5) {
        machine.warnings.push_back(
            fmt::format("the machine was busy at the start: load {:.2f}", load_average()));
    }
    return machine;
}

}  // namespace calibrate
