#include "calibrate/memory.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <sys/resource.h>

namespace calibrate {
namespace {

constexpr std::int64_t kMostMemory = std::int64_t{1} << 40;

// The number in a file of one; nothing where there is none ("max").
std::optional<std::int64_t> number_in(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::int64_t number = 0;
    return file >> number ? std::optional{number} : std::nullopt;
}

// Of a file of lines "name: number unit" or "name number": the number.
std::optional<std::int64_t> number_of(const std::filesystem::path& path, const std::string& name) {
    std::ifstream file{path};
    for (std::string word; file >> word;) {
        std::int64_t number = 0;
        if (word == name && file >> number) {
            return number;
        }
        file.clear();
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::nullopt;
}

// What the control groups that the process is in leave it, the nearest and those around it.
std::int64_t free_in_control_groups() {
    std::int64_t least = kMostMemory;
    std::ifstream groups{"/proc/self/cgroup"};
    for (std::string line; std::getline(groups, line);) {
        // "0::/path" (version 2), "9:memory:/path" (version 1).
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const std::string kind = line.substr(first + 1, second - first - 1);
        const bool second_version = kind.empty();
        if (!second_version && kind != "memory") {
            continue;
        }
        const std::filesystem::path root{second_version ? "/sys/fs/cgroup"
                                                        : "/sys/fs/cgroup/memory"};
        const char* const most = second_version ? "memory.max" : "memory.limit_in_bytes";
        const char* const used = second_version ? "memory.current" : "memory.usage_in_bytes";
        const char* const cached = second_version ? "inactive_file" : "total_inactive_file";
        std::filesystem::path group = std::filesystem::path{line.substr(second + 1)};
        for (;; group = group.parent_path()) {
            const std::filesystem::path folder = root / group.relative_path();
            if (const auto limit = number_in(folder / most)) {
                // What is cached of files is given back when it is needed.
                const std::int64_t kept = number_in(folder / used).value_or(0) -
                                          number_of(folder / "memory.stat", cached).value_or(0);
                least = std::min(least, *limit - std::max<std::int64_t>(0, kept));
            }
            if (!group.has_relative_path()) {
                break;
            }
        }
    }
    return least;
}

}  // namespace

sim::Bytes free_memory() {
    std::int64_t least = std::min(kMostMemory, free_in_control_groups());
    if (const auto kib = number_of("/proc/meminfo", "MemAvailable:")) {
        least = std::min(least, *kib * 1024);
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        const std::int64_t used = number_of("/proc/self/status", "VmSize:").value_or(0) * 1024;
        least = std::min(least,
                         static_cast<std::int64_t>(
                             std::min<rlim_t>(limit.rlim_cur, static_cast<rlim_t>(kMostMemory))) -
                             used);
    }
    return sim::Bytes{std::max<std::int64_t>(0, least)};
}

void expect_free_memory(sim::Bytes need, std::string_view what) {
    // Less is not worth the question: it opens files.
    constexpr sim::Bytes kLeastAsked{std::int64_t{32} << 20};
    if (need < kLeastAsked) {
        return;
    }
    if (const sim::Bytes left = free_memory(); need > left) {
        throw sim::MachineError{fmt::format(
            "{} need {}, and {} are free", what, sim::to_string(need), sim::to_string(left))};
    }
}

}  // namespace calibrate
