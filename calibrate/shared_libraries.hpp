#pragma once

// The files of a shared library and of all that it needs, for what is carried to other machines.

#include <filesystem>
#include <vector>

namespace calibrate {

// The library itself, then what it needs, and what that needs: all but the C library and the
// loader. Loads it into this process. Throws sim::MachineError where it cannot be loaded.
std::vector<std::filesystem::path> with_needed(const std::filesystem::path& library);

}  // namespace calibrate
