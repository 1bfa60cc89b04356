#pragma once

// A mapping on disk (hetmap: mapping/1): the choice for every layer by name, so that it can be
// read, edited, compared and used with a newer profile of the same platform; the order in which the
// machine goes through them; and of copies their transfer modes, where the platform leaves a
// choice, and their turns, where these are not those of their first readers.

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

// How, and when, a tensor is copied from one memory to another.
struct MappingCopy {
    std::string tensor;  // the layer that makes it
    std::string from, to;
    std::string mode;    // empty: not stated
    std::string before;  // the layer ahead of whose task it is issued; empty: of its first reader's
    SourcePosition where;
};

struct MappingFile {
    std::string model, platform;
    std::vector<std::string> set = {};  // Platform::set when it was made; not applied by itself
    int batch = 1;
    double predicted_us = 0;               // when it was made
    std::string transfer_modes = "first";  // CompileOptions of the problem it is for
    bool is_listed_in_order = false;       // else the problem's static order holds
    std::vector<MappingEntry> entries;
    std::vector<MappingCopy> copies = {};
    SourcePosition where;
};

MappingFile load_mapping_file(const std::filesystem::path& path);  // throws InputError
// The mapping if the text stood in the file at `path`.
MappingFile parse_mapping_file(const std::string& text, const std::filesystem::path& path);
std::string to_yaml(const MappingFile& mapping);

MappingFile describe(const Problem& problem, const Mapping& mapping, Time predicted);

// Finds each entry's task. Throws InputError if the file is for another model, names a layer or
// implementation the problem does not have, divides a layer into shares that are not all of it,
// leaves a layer out, or has entries or copies in an order in which something is read before it is
// made.
Mapping resolve(const MappingFile& file, const Problem& problem);

// The tasks of the entries alone, in the order in which they stand; of some layers perhaps none.
std::vector<int> tasks_of(const MappingFile& file, const Problem& problem);

// Gives the copies of `problem`, compiled from `platform`, the modes that the file names for them.
// Throws InputError for unknown tensors, memories and modes, and where there is no link.
void apply_transfer_modes(const MappingFile& file, const Platform& platform, Problem& problem);

}  // namespace sim
