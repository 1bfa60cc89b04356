#pragma once

// A platform out of times that other tools measured: `hetmap import-profile`. Start at
// `import_profile`.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/import/times.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sim {

// A copy that was measured.
struct TimedCopy {
    std::string from, to;  // devices; the host's memory is "host"
    std::int64_t bytes = 0;
    double us = 0;
};

// CSV with the columns from, to, bytes, us (or ms, ns, s). Throws InputError.
std::vector<TimedCopy> read_copies(const std::filesystem::path& path);

struct ProfileRequest {
    std::string name;  // of the platform
    std::vector<Times> times;
    std::vector<std::string> files;  // what they came from, for the provenance
    const Model* model = nullptr;    // whose layers they are of; nullptr: not known
    std::optional<Platform> base;    // devices, memories and links; costs are added to it
    int batch = 1;                   // where a file does not say it
    std::vector<TimedCopy> copies;
    double bandwidth_gb_per_s = 0, latency_us = 0;  // of links between host and devices; 0: none
    double submit_us = 0;                           // of a segment, to devices but the host
};

struct ImportedProfile {
    Platform platform;
    std::size_t costs = 0;
    // What did not go together, for people: entries of files, and layers of the model.
    std::vector<std::string> reformats;       // changes of formats, which are no layers'
    std::vector<std::string> unknown;         // entries with names that the model lacks
    std::vector<std::string> untimed_layers;  // layers of the model that no entry is for
};

// Entries of one name, device, variant, configuration and batch are samples of one cost. Devices
// share the host's memory unless copies or a bandwidth are given. Throws InputError where an entry
// names a device that `base` lacks, or there are more devices or links than a platform may have.
ImportedProfile import_profile(const ProfileRequest& request);

}  // namespace sim
