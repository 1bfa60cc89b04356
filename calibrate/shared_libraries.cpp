#include "calibrate/shared_libraries.hpp"

#include "sim/error.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace calibrate {
namespace {

// Every machine has its own, which fits its kernel.
bool is_of_the_system(std::string_view name) {
    constexpr std::string_view kSystem[] = {
        "linux-vdso.so", "ld-linux", "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so"};
    return std::ranges::any_of(kSystem,
                               [&](std::string_view system) { return name.starts_with(system); });
}

// The names in a loaded library's dynamic section (DT_NEEDED; ELF specification, Dynamic Section).
std::vector<std::string> needed_by(const link_map& library) {
    const char* strings = nullptr;
    for (const ElfW(Dyn)* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_STRTAB) {
            strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);  // the loader's address
        }
    }
    std::vector<std::string> names;
    for (const ElfW(Dyn)* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_NEEDED && strings != nullptr) {
            names.emplace_back(strings + entry->d_un.d_val);
        }
    }
    return names;
}

}  // namespace

std::vector<std::filesystem::path> with_needed(const std::filesystem::path& library) {
    const std::unique_ptr<void, int (*)(void*)> handle{
        dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL), dlclose};
    link_map* map = nullptr;
    if (handle == nullptr || dlinfo(handle.get(), RTLD_DI_LINKMAP, &map) != 0) {
        throw sim::MachineError{dlerror()};
    }
    std::map<std::string, const link_map*> loaded;
    const link_map* first = map;
    while (first->l_prev != nullptr) {
        first = first->l_prev;
    }
    for (const link_map* each = first; each != nullptr; each = each->l_next) {
        loaded.emplace(std::filesystem::path{each->l_name}.filename().string(), each);
    }
    std::vector<const link_map*> found{map};
    for (std::size_t i = 0; i < found.size(); ++i) {
        for (const std::string& name : needed_by(*found[i])) {
            const auto there = loaded.find(name);
            if (!is_of_the_system(name) && there != loaded.end() &&
                std::ranges::find(found, there->second) == found.end()) {
                found.push_back(there->second);
            }
        }
    }
    std::vector<std::filesystem::path> files;
    for (const link_map* each : found) {
        files.emplace_back(each->l_name);
    }
    return files;
}

}  // namespace calibrate
