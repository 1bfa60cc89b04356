// Finds out whether a launcher started this process, and loads the module that talks to the others.

#include "cluster/ranks.hpp"
#include "cluster/transport.hpp"
#include "sim/error.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace cluster {
namespace {

std::string_view environment(const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? std::string_view() : std::string_view(text);
}

int number(std::string_view text) { return std::atoi(std::string(text).c_str()); }

// What a launcher left in the environment; `count` 0: it did not say how many it started.
struct Launcher {
    std::string variable;  // empty: none
    int count = 0;
};

Launcher find_launcher() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"}) {
        if (!environment(name).empty()) {
            return {name, number(environment(name))};
        }
    }
    for (const char* name : {"PMIX_RANK", "PMI_RANK"}) {
        if (!environment(name).empty()) {
            return {name, number(environment("SLURM_STEP_NUM_TASKS"))};
        }
    }
    const std::string_view type = environment("SLURM_MPI_TYPE");
    const int tasks = number(environment("SLURM_STEP_NUM_TASKS"));
    if (tasks > 1 && !type.empty() && type != "none") {
        return {"SLURM_STEP_NUM_TASKS", tasks};
    }
    return {};
}

// Beside the program, or where it is installed.
std::filesystem::path find_module() {
    constexpr const char* kName = "hetmap_mpi.so";
    std::error_code ignored;
    const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    for (const auto& file : {folder / kName, folder / HETMAP_MODULE_FOLDER / kName}) {
        if (std::filesystem::exists(file, ignored)) {
            return file;
        }
    }
    return {};
}

[[noreturn]] void cannot_join(const Launcher& launcher, std::string_view why) {
    throw sim::MachineError(
        fmt::format("this process was started together with others ({} is set), and cannot talk to "
                    "them: {}; HETMAP_MPI=off lets it work alone (docs/cluster.md)",
                    launcher.variable,
                    why));
}

}  // namespace

int rank_by_launcher() {
    if (find_launcher().variable.empty() || environment("HETMAP_MPI") == "off") {
        return 0;
    }
    for (const char* name :
         {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID"}) {
        if (!environment(name).empty()) {
            return number(environment(name));
        }
    }
    return 0;
}

std::unique_ptr<Ranks> started_together() {
    // 1. Alone?
    const std::string_view asked = environment("HETMAP_MPI");
    const Launcher launcher = find_launcher();
    if (launcher.variable.empty() || launcher.count == 1 || asked == "off") {
        return nullptr;
    }

    // 2. The module. Plugins of MPI look for its functions among what everybody sees, and leave
    // things behind that outlive it: so it is global and stays.
    const std::filesystem::path file = asked.empty() ? find_module() : std::filesystem::path(asked);
    if (file.empty()) {
        cannot_join(
            launcher,
            "hetmap_mpi.so is not beside the program, which was built or installed without MPI");
    }
    void* const module = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    if (module == nullptr) {
        cannot_join(launcher, dlerror());
    }
    const auto begin = reinterpret_cast<HetmapBegin>(dlsym(module, "hetmap_begin"));
    if (begin == nullptr) {
        cannot_join(launcher, fmt::format("'{}' is no module of hetmap", file.string()));
    }

    // 3. Those that it knows have to be those that were started.
    const HetmapTransport& transport = *begin();
    if (transport.version != kHetmapTransport) {
        cannot_join(launcher, fmt::format("'{}' is of another version of hetmap", file.string()));
    }
    auto ranks = std::make_unique<Ranks>(transport);
    if (launcher.count > 0 && ranks->count() != launcher.count) {
        const std::string name(ranks->name());
        const int count = ranks->count();
        ranks->end(0);
        cannot_join(
            launcher,
            fmt::format("{} knows {} of {} processes; build the module with the launcher's MPI",
                        name,
                        count,
                        launcher.count));
    }
    return ranks;
}

}  // namespace cluster
