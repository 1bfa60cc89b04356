#pragma once

// A mapping on disk (hetmap: mapping/1): the choice for every layer by name, so that it can be
// read, edited, compared and used with a newer profile of the same platform.

#include "sim/problem.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace sim {

struct MappingEntry {
    std::vector<std::string> layers;  // a chain, first to last
    std::string device, variant, configuration;
    SourcePosition where;
};

struct MappingFile {
    std::string model, platform;
    int batch = 1;
    double predicted_us = 0;  // when it was made
    std::vector<MappingEntry> entries;
    SourcePosition where;
};

MappingFile load_mapping_file(const std::filesystem::path& path);  // throws InputError
std::string to_yaml(const MappingFile& mapping);

MappingFile describe(const Problem& problem, const Mapping& mapping, Time predicted);

// Finds each entry's task. Throws InputError if the file is for another model, names a layer or
// implementation the problem does not have, or leaves a layer out.
Mapping resolve(const MappingFile& file, const Problem& problem);

}  // namespace sim
