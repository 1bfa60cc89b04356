#pragma once

// Writes files so that nothing is lost: a reader, a crash or a full disk sees all of the old file
// or all of the new one. What stands in a profile: sim::to_yaml.

#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace calibrate {

// Replaces the file at `path`, or makes it. What stands there stays what it is:
//
// - a symbolic link keeps pointing to its target, and that is replaced;
// - a file keeps its permissions and owner; one with other hard links is overwritten in place, once
//   the whole text is safe beside it;
// - a device, a pipe or a descriptor (/dev/stdout) is written to.
//
// Throws sim::InputError where that cannot be, sim::MachineError where the machine could not (a
// full disk); the file is then as it was.
void write_file(const std::filesystem::path& path, const std::string& text);

// A folder with all that `fill` writes into the one that it is given, or as it was: what stands
// there is replaced, whatever it holds, once all is written. Throws as write_file.
void write_folder(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& fill);

// Replaces the file at `to`, or makes it, with its folders, once all is copied. Throws as
// write_file.
void copy_file(const std::filesystem::path& from, const std::filesystem::path& to);

// Something that a command reads or writes, and the option that names it. Without a path: nothing.
struct NamedFile {
    std::string option;
    std::filesystem::path path;
};

// The same checks without writing, for before a long measurement; and none of the outputs is an
// input, or another output.
void check_outputs(std::span<const NamedFile> outputs, std::span<const NamedFile> inputs);

}  // namespace calibrate
