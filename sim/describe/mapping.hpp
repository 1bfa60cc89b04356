#pragma once

// A mapping on disk (hetmap: mapping/1): the choice for every layer by name, so that it can be
// read, edited, compared and used with a newer profile of the same platform; and the transfer modes
// of its copies, where the platform leaves a choice.

#include "sim/compile/problem.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace sim {

// One device's share of a layer.
struct MappingPart {
    std::string device;
    int channels = 0;
    std::string variant, configuration;
    SourcePosition where;
};

struct MappingEntry {
    std::vector<std::string> layers;             // a chain, first to last
    std::string device, variant, configuration;  // empty where the layer is divided:
    std::vector<MappingPart> parts = {};
    bool by_input_channels = false;
    SourcePosition where;
};

// How a tensor is copied from one memory to another.
struct MappingCopy {
    std::string tensor;  // the layer that makes it
    std::string from, to, mode;
    SourcePosition where;
};

struct MappingFile {
    std::string model, platform;
    int batch = 1;
    double predicted_us = 0;               // when it was made
    std::string transfer_modes = "first";  // CompileOptions of the problem it is for
    std::vector<MappingEntry> entries;
    std::vector<MappingCopy> copies = {};  // where the platform has more than one transfer mode
    SourcePosition where;
};

MappingFile load_mapping_file(const std::filesystem::path& path);  // throws InputError
std::string to_yaml(const MappingFile& mapping);

MappingFile describe(const Problem& problem, const Mapping& mapping, Time predicted);

// Finds each entry's task. Throws InputError if the file is for another model, names a layer or
// implementation the problem does not have, divides a layer into shares that are not all of it, or
// leaves a layer out.
Mapping resolve(const MappingFile& file, const Problem& problem);

// Gives the copies of `problem`, compiled from `platform`, the modes that the file names for them.
// Throws InputError for unknown tensors, memories and modes, and where there is no link.
void apply_transfer_modes(const MappingFile& file, const Platform& platform, Problem& problem);

}  // namespace sim
