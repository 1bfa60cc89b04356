#pragma once

// What this machine is: the facts a profile begins with, and what about it makes timings doubtful.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace calibrate {

struct Machine {
    int cores = 1;  // that this process may run on
    long memory_mib = 0;
    std::string name;  // short and fit for a file name: "amd-epyc-2-cores"
    std::vector<std::pair<std::string, std::string>> facts;  // date, host, cpu, caches, compiler...
    std::vector<std::string> warnings;                       // busy, virtual, frequency scaling
};

// Cores that this process may run on.
int usable_cores();

// On which the user wants the dispatcher, by HETMAP_DISPATCHER_CORE in the environment; nothing:
// wherever it is. Throws sim::InputError where this process may not use it.
std::optional<int> dispatcher_core();

// Reads hwloc, /proc and /sys. What a machine does not tell is left out or "unknown".
Machine describe_machine();

// Runnable processes besides this one, averaged over the last minute (/proc/loadavg).
double load_average();

}  // namespace calibrate
